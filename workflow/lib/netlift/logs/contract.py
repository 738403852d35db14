"""The contract check: every problem of a log in one report, before any estimate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from netlift.inference.estimate import MIN_PER_ARM
from netlift.logs.assignment import assignment_problems
from netlift.logs.codes import CODES
from netlift.logs.entries import LogEntry
from netlift.logs.problems import Problem, refusal
from netlift.logs.rows import Rows
from netlift.logs.slates import SLATE_CODES
from netlift.logs.source import name

if TYPE_CHECKING:
    import duckdb


FEW_SLATES = 100
"""Slates per arm below which a log is said to be small."""


TAIL_ROWS, TAIL_SHARE = 0.01, 0.2
"""An outcome has a heavy tail if this share of its rows holds more than that share of it."""


@dataclass(frozen=True)
class Checked:
    """What the check found in a log without errors.

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
        There are none.
    """
    found = con.execute("SELECT count(*) FROM rows").fetchone()
    assert found is not None
    if not found[0]:
        raise refusal([Problem("empty_log", rows=0, examples=("no row below the header",))])
    return int(found[0])


def check_slates(con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, n_rows: int) -> Checked:
    """Judge the rows and slates of a log, once ``slates`` is made.

    Raises
    ------
    LogRefusedError
        It has errors that are not set aside; the error carries all problems.
    """
    bits = con.execute("SELECT bit_or(row_problems), bit_or(slate_problems) FROM slates").fetchone()
    assert bits is not None
    of_rows = [(place, check) for place, check in enumerate(rows.checks) if bits[0] & (1 << place)]
    of_slates = [(place, code) for place, code in enumerate(SLATE_CODES) if bits[1] & (1 << place)]
    chosen = set(log.set_aside)
    reasons = _reasons(of_rows, of_slates, chosen)
    aside = " OR ".join(f"({condition})" for condition in reasons.values()) or "false"
    problems = [_row_problem(con, rows, place) for place, _ in of_rows]
    problems += [_slate_problem(con, code, place) for place, code in of_slates]
    errors = [problem for problem in problems if problem.code not in chosen]
    # A problem that stands only in slates that are set aside for another one is gone with them.
    if aside != "false" and errors:
        errors = [problem for problem in errors if _left(con, rows, problem.code, aside)]
    accepted = []
    if rows.experiment and not errors:
        errors += _assignment_errors(con, log, aside)
        if not errors:
            found = list(assignment_problems(con, log.unit, aside))
            errors = [problem for problem in found if problem.code not in log.accept]
            accepted = [problem for problem in found if problem.code in log.accept]
    if errors:
        raise refusal(errors)
    kept = [*(problem for problem in problems if problem.code in chosen), *accepted]
    counts = _counts(con, reasons, aside, n_rows)
    return Checked([*kept, *_warnings(con, rows, log, aside)], counts, aside)


def _reasons(
    of_rows: list[tuple[int, Any]], of_slates: list[tuple[int, str]], chosen: set[str]
) -> dict[str, str]:
    """Return, by code that is to be set aside and that the log has, the condition of its slates."""
    masks: dict[str, list[str]] = {}
    for place, check in of_rows:
        masks.setdefault(check.code, []).append(f"row_problems & {1 << place} <> 0")
    for place, code in of_slates:
        masks.setdefault(code, []).append(f"slate_problems & {1 << place} <> 0")
    return {
        code.name: " OR ".join(masks[code.name])
        for code in CODES
        if code.name in chosen and code.name in masks
    }


def _left(con: duckdb.DuckDBPyConnection, rows: Rows, code: str, aside: str) -> bool:
    """Say whether slates that are not set aside have a problem."""
    conditions = [
        f"row_problems & {1 << place} <> 0"
        for place, check in enumerate(rows.checks)
        if check.code == code
    ] + [
        f"slate_problems & {1 << place} <> 0"
        for place, one in enumerate(SLATE_CODES)
        if one == code
    ]
    found = con.execute(
        f"SELECT count(*) FROM slates WHERE ({' OR '.join(conditions)}) AND NOT ({aside})"
    ).fetchone()
    return bool(found and found[0])


def _row_problem(con: duckdb.DuckDBPyConnection, rows: Rows, place: int) -> Problem:
    check = rows.checks[place]
    where = f"FROM rows WHERE problems & {1 << place} <> 0"
    counted = con.execute(f"SELECT count(*), count(DISTINCT slate) {where}").fetchone()
    assert counted is not None
    found = con.execute(
        f"SELECT DISTINCT slate::VARCHAR, item::VARCHAR, ({check.shown})::VARCHAR {where} "
        "ORDER BY 1, 2, 3 LIMIT 3"
    ).fetchall()
    examples = tuple(
        f"{check.column} is {value!r}" if value != "(missing)" else f"{check.column} is missing"
        for _, _, value in found
    )
    places = (f" in slate {slate}, item {item}" for slate, item, _ in found)
    shown = tuple(example + where for example, where in zip(examples, places, strict=True))
    return Problem(check.code, check.column, int(counted[0]), int(counted[1]), shown)


def _slate_problem(con: duckdb.DuckDBPyConnection, code: str, place: int) -> Problem:
    where = f"FROM slates WHERE slate_problems & {1 << place} <> 0"
    counted = con.execute(f"SELECT sum(n_items), count(*) {where}").fetchone()
    assert counted is not None
    found = con.execute(f"SELECT slate_id::VARCHAR, n_items {where} ORDER BY 1 LIMIT 3").fetchall()
    examples = tuple(f"slate {slate}, {n} rows" for slate, n in found)
    return Problem(code, None, int(counted[0]), int(counted[1]), examples)


def _assignment_errors(
    con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str
) -> Iterator[Problem]:
    """Yield what is wrong with the assignment as such: units with two promotions, empty arms."""
    used = f"FROM slates WHERE NOT ({aside})"
    if log.unit == "user":
        yield from _users_that_differ(con, used)
    arms = dict(
        con.execute(
            f"SELECT promotion_applied, count(DISTINCT randomization_unit) {used} GROUP BY 1"
        ).fetchall()
    )
    if min(arms.get(1, 0), arms.get(0, 0)) < MIN_PER_ARM:
        said = f"{arms.get(1, 0):,} promoted and {arms.get(0, 0):,} control {log.unit}s"
        yield Problem("empty_arm", log.columns["promoted"], examples=(said,))


def _users_that_differ(con: duckdb.DuckDBPyConnection, used: str) -> Iterator[Problem]:
    tests = {
        "promotion_differs_in_user": "min(promotion_applied) <> max(promotion_applied)",
        "probability_differs_in_user": "min(promotion_probability) <> max(promotion_probability) "
        "OR min(randomization_stratum) <> max(randomization_stratum)",
    }
    for code, condition in tests.items():
        having = (
            f"SELECT user_id, sum(n_items) AS n, count(*) AS slates {used} "
            f"GROUP BY 1 HAVING {condition}"
        )
        row = con.execute(f"SELECT sum(n), sum(slates), count(*) FROM ({having})").fetchone()
        assert row is not None
        if row[2]:
            found = con.execute(
                f"SELECT user_id::VARCHAR, slates FROM ({having}) ORDER BY 1 LIMIT 3"
            ).fetchall()
            examples = tuple(f"user {user}, {slates} slates" for user, slates in found)
            yield Problem(code, None, int(row[0]), int(row[1]), examples)


def _counts(
    con: duckdb.DuckDBPyConnection, reasons: Mapping[str, str], aside: str, n_rows: int
) -> pd.DataFrame:
    """Count rows and slates in the log, used, and set aside by their first reason."""
    reason = "".join(f"WHEN {condition} THEN '{code}' " for code, condition in reasons.items())
    case = f"CASE {reason}END" if reason else "NULL::VARCHAR"
    found = {
        code: (int(rows), int(slates))
        for code, rows, slates in con.execute(
            f"SELECT {case}, sum(n_items), count(*) FROM slates GROUP BY 1"
        ).fetchall()
    }
    total = sum(rows for rows, _ in found.values())
    assert total == n_rows, f"{n_rows} rows in the log, but {total} in its slates"
    used = found.pop(None, (0, 0))
    lines = [("in the log", n_rows, used[1] + sum(slates for _, slates in found.values()))]
    lines.append(("used", *used))
    lines += [(f"set aside: {code}", *found[code]) for code in reasons if code in found]
    return pd.DataFrame(lines, columns=["what", "rows", "slates"])


def _warnings(
    con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, aside: str
) -> Iterator[Problem]:
    used = f"FROM slates WHERE NOT ({aside})"
    found = con.execute(
        "SELECT min(n_items), max(n_items), count(*) FILTER (n_items = 1), "
        f"sum(n_items), count(*), sum(no_cluster), count(*) FILTER (no_cluster > 0) {used}"
    ).fetchone()
    assert found is not None
    low, high, single, total, slates, no_cluster, with_none = found
    if low != high:
        said = f"between {low:,} and {high:,} items"
        yield Problem("slate_lengths_differ", None, int(total), int(slates), (said,))
    if single:
        yield Problem("single_item_slate", None, int(single), int(single))
    if no_cluster:
        column = log.columns.get("cluster")
        yield Problem("no_cluster", column, int(no_cluster), int(with_none))
    for column in (*rows.slate_covariates, *(f"{one}_mean" for one in rows.item_covariates)):
        yield from _missing_covariate(con, column, used)
    if rows.experiment:
        yield from _warnings_of_experiment(con, log, used)
    yield from _outcome_warnings(con, log)


def _missing_covariate(con: duckdb.DuckDBPyConnection, column: str, used: str) -> Iterator[Problem]:
    there = {row[0] for row in con.execute("DESCRIBE slates").fetchall()}
    if column not in there:
        return
    row = con.execute(f"SELECT count(*) {used} AND {name(column)} IS NULL").fetchone()
    if row and row[0]:
        yield Problem("missing_covariate", column.removesuffix("_mean"), None, int(row[0]))


def _warnings_of_experiment(
    con: duckdb.DuckDBPyConnection, log: LogEntry, used: str
) -> Iterator[Problem]:
    row = con.execute(
        "SELECT count(*) FILTER (focal_seed_position = 1), "
        "count(*) FILTER (promotion_applied = 1), count(*) FILTER (promotion_applied = 0), "
        f"count(*) {used}"
    ).fetchone()
    assert row is not None
    on_top, promoted, control, slates = row
    if on_top:
        yield Problem("focal_item_on_top", None, None, int(on_top))
    if min(promoted, control) < FEW_SLATES:
        said = f"{promoted:,} promoted and {control:,} control slates"
        yield Problem("few_slates", None, None, int(slates), (said,))
    for code, column in (
        ("cluster_with_one_slate", "focal_spillover_cluster"),
        ("user_with_one_slate", "user_id"),
    ):
        if column == "user_id" and "user" not in log.columns:
            continue
        row = con.execute(
            f"SELECT count(*), min(one::VARCHAR) FROM (SELECT {column} AS one {used} "
            f"AND {column} IS NOT NULL GROUP BY 1 HAVING count(*) = 1)"
        ).fetchone()
        assert row is not None
        if row[0]:
            what = "clusters" if column != "user_id" else "users"
            yield Problem(code, None, None, int(row[0]), (f"{row[0]:,} {what}, as {row[1]}",))


def _outcome_warnings(con: duckdb.DuckDBPyConnection, log: LogEntry) -> Iterator[Problem]:
    for outcome in log.outcomes:
        if outcome.winsorize is not None:
            continue
        share = _tail_share(con, name(f"o_{outcome.name}"))
        if share is not None and share > TAIL_SHARE:
            seen = f"the largest 1% of rows with {outcome.name} hold {share:.0%} of it"
            yield Problem("heavy_tail", outcome.column, None, None, (seen,))


def _tail_share(con: duckdb.DuckDBPyConnection, value: str) -> float | None:
    """Return the share of an outcome that the largest 1% of its positive rows hold, in bins."""
    bins = con.execute(
        f"SELECT floor(100 * ln({value}))::INTEGER, count(*), sum({value})::DOUBLE FROM rows "
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
