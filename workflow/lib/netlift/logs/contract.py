"""The contract check: every problem of a log in one report, before any estimate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from netlift.inference.estimate import MIN_PER_ARM
from netlift.logs.alike import alike_names
from netlift.logs.arms import by_arm, set_aside_problems, with_arms
from netlift.logs.assignment import assignment_problems
from netlift.logs.causes import (
    arm_fix,
    arm_values,
    flag_examples,
    is_arm,
    name_causes,
    repeated_examples,
    row_fix,
)
from netlift.logs.codes import CODES
from netlift.logs.conditions import SLATE_CODES
from netlift.logs.delivery import delivery_problems, delivery_warnings
from netlift.logs.draws import draw_problems
from netlift.logs.entries import LogEntry
from netlift.logs.outcomes import constant_outcomes, constant_parts, unanswerable_outcomes
from netlift.logs.problems import Problem, refusal
from netlift.logs.randomized import (
    MIXED_USERS,
    unit_warnings,
    users_in_both_arms,
    users_in_one_arm,
)
from netlift.logs.recognized import (
    cut_below,
    focal_numbers,
    several_fix,
    shown_positions,
    unplaced_focal_items,
    without_candidate,
)
from netlift.logs.rows import RowProblem, Rows
from netlift.logs.slates import used_rows
from netlift.logs.source import first_row, name
from netlift.logs.unlogged import unlogged_warning

if TYPE_CHECKING:
    import duckdb


FEW_SLATES = 100
"""A log with fewer slates per arm is reported as small."""


TAIL_ROWS, TAIL_SHARE = 0.01, 0.2
"""An outcome has a heavy tail if this share of its rows holds more than that share of it."""


_FLAGS = {"promotion_differs": "promoted", "delivery_differs": "delivered"}
"""Problems of flags that all rows of a slate share, and the flag of each."""


@dataclass(frozen=True)
class Checked:
    """The result of checking a log without errors.

    Attributes
    ----------
    problems
        Warnings, and problems whose slates were set aside.
    counts
        Rows and slates in the log, used, and set aside by reason.
    aside
        The condition in SQL, over ``slates``, of those set aside.
    """

    problems: list[Problem]
    counts: pd.DataFrame
    aside: str


def count_rows(con: duckdb.DuckDBPyConnection) -> int:
    """Count the rows of a log.

    Raises
    ------
    LogRefusedError
        The log has no rows.
    """
    row = first_row(con, "SELECT count(*) FROM rows")
    if not row[0]:
        raise refusal([Problem("empty_log", rows=0, examples=("no row below the header",))])
    return int(row[0])


def check_slates(
    con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, n_rows: int, *, unlogged: bool
) -> Checked:
    """Check the rows and slates of a log; the table ``slates`` must exist.

    ``unlogged`` is whether promoted slates lack the row of the item that is not shown.

    Raises
    ------
    LogRefusedError
        It has errors that are not set aside; the error carries all problems.
    """
    name_causes(con, rows)
    bits = first_row(con, "SELECT bit_or(row_problems), bit_or(slate_problems) FROM slates")
    of_rows = [(bit, check) for bit, check in enumerate(rows.checks) if bits[0] & (1 << bit)]
    of_slates = [(bit, code) for bit, code in enumerate(SLATE_CODES) if bits[1] & (1 << bit)]
    reasons = _reasons(of_rows, of_slates, set(log.set_aside))
    problems = [_row_problem(con, rows, log, bit) for bit, _ in of_rows]
    problems += [_slate_problem(con, rows, log, code, bit) for bit, code in of_slates]
    aside = _either(reasons)
    # A problem that occurs only in slates set aside for another problem needs no report.
    if reasons:
        problems = [
            problem
            for problem in problems
            if problem.code in reasons or _remains(con, rows, problem.code, aside)
        ]
    if rows.experiment:
        problems += set_aside_problems(con, reasons, log.unit)
        if not _errors(problems, log, reasons):
            problems += _problems_of_users(con, log, reasons)
        aside = _either(reasons)
        # A later check means nothing where an earlier one finds errors.
        for check in (
            _empty_arms,
            users_in_one_arm,
            assignment_problems,
            draw_problems,
            delivery_problems,
        ):
            if not _errors(problems, log, reasons):
                problems += check(con, log, aside)
        if not _errors(problems, log, reasons):
            problems += _nothing_moves(con, log, aside)
            problems += unanswerable_outcomes(con, rows, log, aside)
    errors = _errors(problems, log, reasons)
    if errors:
        raise refusal(errors)
    counts = _counts(con, reasons, aside, n_rows)
    if unlogged:
        problems.append(unlogged_warning(con, log, used_rows(aside)))
    return Checked([*problems, *_warnings(con, rows, log, aside)], counts, aside)


def _either(reasons: Mapping[str, str]) -> str:
    return " OR ".join(f"({condition})" for condition in reasons.values()) or "false"


def _errors(problems: list[Problem], log: LogEntry, reasons: Mapping[str, str]) -> list[Problem]:
    """Return the problems that are neither accepted nor those of slates that are set aside."""
    return [
        problem
        for problem in problems
        if problem.code not in reasons and problem.code not in log.accept
    ]


def _reasons(
    of_rows: list[tuple[int, Any]], of_slates: list[tuple[int, str]], chosen: set[str]
) -> dict[str, str]:
    """Return the condition of the slates to set aside, by code, for codes that the log has."""
    masks: dict[str, list[str]] = {}
    for bit, check in of_rows:
        masks.setdefault(check.code, []).append(f"row_problems & {1 << bit} <> 0")
    for bit, code in of_slates:
        masks.setdefault(code, []).append(f"slate_problems & {1 << bit} <> 0")
    return {
        code.name: " OR ".join(masks[code.name])
        for code in CODES
        if code.name in chosen and code.name in masks
    }


def _remains(con: duckdb.DuckDBPyConnection, rows: Rows, code: str, aside: str) -> bool:
    """Return whether any slate that is not set aside has a problem."""
    conditions = [
        f"row_problems & {1 << bit} <> 0"
        for bit, check in enumerate(rows.checks)
        if check.code == code
    ] + [
        f"slate_problems & {1 << bit} <> 0"
        for bit, slate_code in enumerate(SLATE_CODES)
        if slate_code == code
    ]
    row = first_row(
        con, f"SELECT count(*) FROM slates WHERE ({' OR '.join(conditions)}) AND NOT ({aside})"
    )
    return bool(row and row[0])


def _row_problem(con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, bit: int) -> Problem:
    check = rows.checks[bit]
    where = f"FROM rows WHERE problems & {1 << bit} <> 0"
    counted = first_row(con, f"SELECT count(*), count(DISTINCT slate) {where}")
    if check.code == "text_for_missing":
        texts = _texts(con, check, where)
        return Problem(check.code, check.column, int(counted[0]), int(counted[1]), texts)
    sample = con.execute(
        f"SELECT DISTINCT slate::VARCHAR, item::VARCHAR, ({check.shown})::VARCHAR {where} "
        "ORDER BY 1, 2, 3 LIMIT 3"
    ).fetchall()
    examples = tuple(
        f"{check.column} is {value!r}" if value != "(missing)" else f"{check.column} is missing"
        for _, _, value in sample
    )
    locations = (f" in slate {slate}, item {item}" for slate, item, _ in sample)
    shown = tuple(example + where for example, where in zip(examples, locations, strict=True))
    fix = row_fix(check, log)
    if is_arm(check):
        shown, fix = arm_values(con, check, where), arm_fix(con, check, where, log)
    if check.code == "missing_value" and check.column == log.columns.get("position"):
        found = unplaced_focal_items(con, log, where)
        if found is not None:
            shown, fix = (*found[0], *shown), found[1]
    problem = Problem(check.code, check.column, int(counted[0]), int(counted[1]), shown, fix)
    if not rows.experiment:
        return problem
    return with_arms(problem, by_arm(con, f"row_problems & {1 << bit} <> 0", log.unit))


def _texts(con: duckdb.DuckDBPyConnection, check: RowProblem, where: str) -> tuple[str, ...]:
    """Name each text of a column with the number of its rows."""
    counted = con.execute(
        f"SELECT ({check.shown})::VARCHAR, count(*) {where} GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return tuple(f"{check.column} is {value!r} in {count:,} rows" for value, count in counted)


def _slate_problem(
    con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, code: str, bit: int
) -> Problem:
    where = f"FROM slates WHERE slate_problems & {1 << bit} <> 0"
    counted = first_row(con, f"SELECT sum(n_items), count(*) {where}")
    sample = con.execute(f"SELECT slate_id::VARCHAR, n_items {where} ORDER BY 1 LIMIT 3").fetchall()
    examples = tuple(f"slate {slate}, {n} rows" for slate, n in sample)
    fix = None
    if code == "repeated_slate":
        examples, fix = _repeated(con, log, examples)
    if code in _FLAGS and rows.parts:
        examples = (*flag_examples(con, _FLAGS[code], where), *examples)
    if code in ("several_focal_items", "few_focal_items"):
        examples, fix = (*focal_numbers(con, where), *examples), several_fix(con, log)
    problem = Problem(code, None, int(counted[0]), int(counted[1]), examples, fix)
    if code == "position_gap":
        problem = cut_below(con, log, where) or shown_positions(con, log, where) or problem
    if not rows.experiment:
        return problem
    arms = by_arm(con, f"slate_problems & {1 << bit} <> 0", log.unit)
    if code == "no_focal_item" and arms.mostly == "control" and arms.differs:
        problem = replace(problem, fix=without_candidate(con, log))
    return with_arms(problem, arms)


def _repeated(
    con: duckdb.DuckDBPyConnection, log: LogEntry, examples: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None]:
    """Return the examples and the fix of slates that are shown several times under one id."""
    if "item" in log.columns:
        return repeated_examples(con), None
    return examples, (
        "Without columns.item, each slate has one row with its total. If the rows are its items, "
        "name columns.item; if a slate was logged several times, keep one row."
    )


def _problems_of_users(
    con: duckdb.DuckDBPyConnection, log: LogEntry, reasons: dict[str, str]
) -> Iterator[Problem]:
    """Yield what differs within users, if users were drawn; add a reason to set users aside."""
    mixed = users_in_both_arms(con, log, _either(reasons))
    if mixed:
        if mixed.code in log.set_aside and mixed.fix is None:
            reasons[mixed.code] = MIXED_USERS
        yield mixed
    if log.unit == "user":
        yield from _differing_probabilities(con, f"FROM slates WHERE NOT ({_either(reasons)})")


def _empty_arms(con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str) -> Iterator[Problem]:
    """Yield ``empty_arm`` where an arm has too few units."""
    used = f"FROM slates WHERE NOT ({aside})"
    arms = dict(
        con.execute(
            f"SELECT promotion_applied, count(DISTINCT randomization_unit) {used} GROUP BY 1"
        ).fetchall()
    )
    if min(arms.get(1, 0), arms.get(0, 0)) < MIN_PER_ARM:
        message = f"{arms.get(1, 0):,} promoted and {arms.get(0, 0):,} control {log.unit}s"
        fix = None
        if aside != "false":
            left_out = first_row(con, f"SELECT count(*) FROM slates WHERE {aside}")[0]
            message += f", without {left_out:,} slates that are set aside"
            fix = (
                "What is set aside leaves too little of an arm: take it out of set_aside, and "
                "correct it in the log as the message then says."
            )
        yield Problem("empty_arm", log.columns["promoted"], examples=(message,), fix=fix)


def _nothing_moves(con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str) -> Iterator[Problem]:
    """Yield ``nothing_moves`` if a promotion that moves items moves none in any slate."""
    if not log.has_parts or log.treatment.kind != "move" or log.treatment.focal_items > 1:
        return
    to = log.treatment.to
    on_top, slates, rows = first_row(
        con,
        f"SELECT count(*) FILTER (focal_seed_position = {to}), count(*), sum(n_items) "
        f"FROM slates WHERE NOT ({aside})",
    )
    if on_top == slates:
        example = (f"the focal item is at position {to} in all {slates:,} slates",)
        yield Problem("nothing_moves", log.columns["position"], int(rows), int(slates), example)


def _differing_probabilities(con: duckdb.DuckDBPyConnection, used: str) -> Iterator[Problem]:
    """Yield ``probability_differs_in_user`` if the probability or stratum differs in a user."""
    having = (
        f"SELECT user_id, sum(n_items) AS n, count(*) AS slates {used} GROUP BY 1 "
        "HAVING min(promotion_probability) <> max(promotion_probability) "
        "OR min(randomization_stratum) <> max(randomization_stratum)"
    )
    row = first_row(con, f"SELECT sum(n), sum(slates), count(*) FROM ({having})")
    if row[2]:
        sample = con.execute(
            f"SELECT user_id::VARCHAR, slates FROM ({having}) ORDER BY 1 LIMIT 3"
        ).fetchall()
        examples = tuple(f"user {user}, {slates} slates" for user, slates in sample)
        yield Problem("probability_differs_in_user", None, int(row[0]), int(row[1]), examples)


def _counts(
    con: duckdb.DuckDBPyConnection, reasons: Mapping[str, str], aside: str, n_rows: int
) -> pd.DataFrame:
    """Count rows and slates in the log, used, and set aside by their first reason."""
    branches = "".join(f"WHEN {condition} THEN '{code}' " for code, condition in reasons.items())
    reason_of_slate = f"CASE {branches}END" if branches else "NULL::VARCHAR"
    by_reason = {
        code: (int(rows), int(slates))
        for code, rows, slates in con.execute(
            f"SELECT {reason_of_slate}, sum(n_items), count(*) FROM slates GROUP BY 1"
        ).fetchall()
    }
    total = sum(rows for rows, _ in by_reason.values())
    assert total == n_rows, f"{n_rows} rows in the log, but {total} in its slates"
    used = by_reason.pop(None, (0, 0))
    lines = [("in the log", n_rows, used[1] + sum(slates for _, slates in by_reason.values()))]
    lines.append(("used", *used))
    lines += [(f"set aside: {code}", *by_reason[code]) for code in reasons if code in by_reason]
    return pd.DataFrame(lines, columns=["what", "rows", "slates"])


def _warnings(
    con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, aside: str
) -> Iterator[Problem]:
    yield from rows.warnings
    used = f"FROM slates WHERE NOT ({aside})"
    row = first_row(
        con,
        "SELECT min(n_items), max(n_items), count(*) FILTER (n_items = 1), "
        f"sum(n_items), count(*), sum(no_cluster), count(*) FILTER (no_cluster > 0) {used}",
    )
    low, high, single, total, slates, no_cluster, with_none = row
    if low != high:
        message = f"between {low:,} and {high:,} items"
        yield Problem("slate_lengths_differ", None, int(total), int(slates), (message,))
    if log.has_blocks:
        yield from _repeated_items(con, log, used)
    if single and "item" in log.columns:
        yield Problem("single_item_slate", None, int(single), int(single))
    if no_cluster and not log.is_total_only:
        column = log.columns.get("cluster")
        yield Problem("no_cluster", column, int(no_cluster), int(with_none))
    for column in (*rows.slate_covariates, *(f"{column}_mean" for column in rows.item_covariates)):
        yield from _missing_covariate(con, column, used)
    if rows.experiment:
        yield from _warnings_of_experiment(con, log, used)
    if log.contrast is None:  # of a log with several arms, all rows are looked at once
        yield from row_warnings(con, log, used_rows(aside))
    yield from constant_outcomes(con, rows, log, aside)
    if rows.parts:
        yield from constant_parts(con, log, aside)
    if rows.experiment:
        yield from unit_warnings(con, log, aside)
        yield from delivery_warnings(con, log, aside)


def _repeated_items(con: duckdb.DuckDBPyConnection, log: LogEntry, used: str) -> Iterator[Problem]:
    """Yield the warning that pages show an item in several blocks."""
    repeated = first_row(con, f"SELECT sum(n_items), count(*) {used} AND different_items < n_items")
    if repeated[1]:
        column = log.columns["block"]
        yield Problem("item_in_blocks", column, int(repeated[0]), int(repeated[1]))


def row_warnings(con: duckdb.DuckDBPyConnection, log: LogEntry, used: str) -> Iterator[Problem]:
    """Yield warnings that need the rows: names that are alike, and heavy tails.

    Parameters
    ----------
    con
        With the view ``rows`` and the table ``slates``.
    log
        The log's entry.
    used
        The rows that are used, in SQL.
    """
    yield from alike_names(con, log, used)
    yield from _outcome_warnings(con, log, used)


def _missing_covariate(con: duckdb.DuckDBPyConnection, column: str, used: str) -> Iterator[Problem]:
    existing = {row[0] for row in con.execute("DESCRIBE slates").fetchall()}
    if column not in existing:
        return
    row = first_row(con, f"SELECT count(*) {used} AND {name(column)} IS NULL")
    if row and row[0]:
        yield Problem("missing_covariate", column.removesuffix("_mean"), None, int(row[0]))


def _warnings_of_experiment(
    con: duckdb.DuckDBPyConnection, log: LogEntry, used: str
) -> Iterator[Problem]:
    move = log.has_parts and log.treatment.kind == "move" and log.treatment.focal_items == 1
    on_top = f"focal_seed_position = {log.treatment.to}" if move else "false"
    row = first_row(
        con,
        f"SELECT count(*) FILTER ({on_top}), count(*) FILTER (promotion_applied = 1), "
        f"count(*) FILTER (promotion_applied = 0), "
        f"count(*) {used}",
    )
    on_top, promoted, control, slates = row
    if on_top and on_top < slates:  # in all slates, it is an error
        yield Problem("focal_item_on_top", None, None, int(on_top))
    if min(promoted, control) < FEW_SLATES:
        message = f"{promoted:,} promoted and {control:,} control slates"
        yield Problem("few_slates", None, None, int(slates), (message,))
    one_slate = {"cluster_with_one_slate": "focal_spillover_cluster"} if log.has_parts else {}
    for code, column in (one_slate | {"user_with_one_slate": "user_id"}).items():
        if column == "user_id" and "user" not in log.columns:
            yield from _not_compared(log, slates)
            continue
        row = first_row(
            con,
            f"SELECT count(*), min(value::VARCHAR) FROM (SELECT {column} AS value {used} "
            f"AND {column} IS NOT NULL GROUP BY 1 HAVING count(*) = 1)",
        )
        if row[0]:
            what = "clusters" if column != "user_id" else "users"
            yield Problem(code, None, None, int(row[0]), (f"{row[0]:,} {what}, such as {row[1]}",))
            if column == "user_id" and row[0] == slates:
                yield from _not_compared(log, slates)


def _not_compared(log: LogEntry, slates: int) -> Iterator[Problem]:
    """Yield that slates and users cannot be told apart, where that matters."""
    if log.unit == "slate":
        yield Problem("users_not_compared", log.columns.get("user"), None, int(slates))


def _outcome_warnings(
    con: duckdb.DuckDBPyConnection, log: LogEntry, used: str
) -> Iterator[Problem]:
    for outcome in log.outcomes:
        if outcome.winsorize is not None:
            continue
        share = _tail_share(con, name(f"o_{outcome.name}"), used)
        if share is not None and share > TAIL_SHARE:
            message = f"the largest 1% of rows with {outcome.name} account for {share:.0%} of it"
            yield Problem("heavy_tail", outcome.column, None, None, (message,))


def _tail_share(con: duckdb.DuckDBPyConnection, value: str, used: str) -> float | None:
    """Return the share of an outcome in the largest 1% of its positive rows, from binned values."""
    bins = con.execute(
        f"SELECT floor(100 * ln({value}))::INTEGER, count(*), sum({value})::DOUBLE FROM {used} "
        f"WHERE {value} > 0 AND isfinite({value}::DOUBLE) GROUP BY 1 ORDER BY 1 DESC"
    ).fetchall()
    total_rows, total = sum(row[1] for row in bins), sum(row[2] for row in bins)
    left, held = TAIL_ROWS * total_rows, 0.0
    if left < 1:
        return None
    for _, count, amount in bins:
        taken = min(count, left)
        held += amount * taken / count
        left -= taken
        if left <= 0:
            break
    return held / total
