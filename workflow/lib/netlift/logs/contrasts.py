"""A log with several arms: its rows are summed once, then each variant is compared with control.

Treatments differ between variants, and with them some columns of a slate (how many items are
displaced, where each should be). ``all_slates`` has those once for each contrast and all others
once; the table ``slates`` and the view ``rows`` are then those of one contrast after another, so
that the checks of a log with two arms hold for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from netlift.core.errors import listed
from netlift.effects.arm_counts import arm_counts
from netlift.inference.balance import WRONG
from netlift.logs.entries import LogEntry
from netlift.logs.problems import Problem
from netlift.logs.rows import Rows, arm_probability
from netlift.logs.slates import Scale, grouped_sql, problem_bits, ranges, slate_columns
from netlift.logs.source import first_row, name
from netlift.logs.treatment import carried_out, slate_facts
from netlift.logs.unlogged import is_unlogged

if TYPE_CHECKING:
    import duckdb

IN_OTHER_ARMS = "in other arms: "
"""What ``row_counts.csv`` calls the slates of arms that a contrast does not compare."""

_USED = "(SELECT * FROM all_slates SEMI JOIN used_slates USING (slate_id))"
"""Slates that at least one contrast uses."""

USED_ROWS = "(SELECT * FROM all_rows SEMI JOIN used_slates ON slate = slate_id)"
"""Their rows."""


def sum_arms(
    con: duckdb.DuckDBPyConnection,
    rows: Rows,
    log: LogEntry,
    contrasts: Sequence[LogEntry],
    scale: Scale,
    n_rows: int,
) -> tuple[list[dict[str, str]], list[bool]]:
    """Create the table ``all_slates`` from the view ``all_rows``.

    Returns
    -------
    For each contrast the column of ``all_slates`` of each alias of ``slate_columns``, and whether
    its promoted slates have no row of the item that is pushed out or replaced.
    """
    con.execute("CREATE OR REPLACE TEMP VIEW rows AS SELECT * FROM all_rows")
    unlogged = [
        is_unlogged(
            con, contrast, f"(SELECT * FROM all_rows WHERE arm IN (0, {contrast.contrast}))"
        )
        for contrast in contrasts
    ]
    scales = [replace(scale, unlogged=lacks) for lacks in unlogged]
    columns, stored = _columns(rows, log, contrasts, scales)
    # The slate of an insertion knows what that of every other treatment of one item does.
    treatment = next(
        (c.treatment for c in contrasts if c.treatment.kind == "insert"), log.treatment
    )
    for number, condition in enumerate(ranges(con, n_rows)):
        verb = "CREATE OR REPLACE TABLE all_slates AS" if number == 0 else "INSERT INTO all_slates"
        facts = slate_facts(treatment, condition, unlogged=any(unlogged), arm=carried_out(log))
        con.execute(f"{verb} {grouped_sql(columns, facts, condition, treatment, scale)}")
    return stored, unlogged


def _columns(
    rows: Rows, log: LogEntry, contrasts: Sequence[LogEntry], scales: Sequence[Scale]
) -> tuple[dict[str, str], list[dict[str, str]]]:
    columns = {"arm": "min(arm)", "arms": "(min(arm) IS DISTINCT FROM max(arm))"}
    for number, arm in enumerate(log.arms):
        probability = arm_probability(number)
        constant = f"{arm.probability!r}::DOUBLE"
        columns[probability] = constant if arm.column is None else f"min({probability})"
    stored = []
    for contrast, scale in zip(contrasts, scales, strict=True):
        aliases = {}
        for alias, sql in slate_columns(rows, contrast, scale).items():
            same = columns.setdefault(alias, sql) == sql
            aliases[alias] = alias if same else f"{alias}/{contrast.contrast}"
            columns[aliases[alias]] = sql
        stored.append(aliases)
    return columns, stored


def choose_contrast(
    con: duckdb.DuckDBPyConnection,
    rows: Rows,
    contrast: LogEntry,
    stored: Mapping[str, str],
    *,
    unlogged: bool,
) -> int:
    """Make ``slates`` and ``rows`` those of a contrast; return the number of its rows.

    Slates that are in no known arm, or in several, are in each contrast: they are problems.
    """
    chosen = ", ".join(f"{name(column)} AS {name(alias)}" for alias, column in stored.items())
    compared = f"coalesce(arm IN (0, {contrast.contrast}), true)"
    bits = problem_bits(rows, contrast, unlogged=unlogged)
    con.execute(
        f"CREATE OR REPLACE TABLE slates AS SELECT *, {bits} "
        f"AS slate_problems FROM (SELECT {chosen} FROM all_slates WHERE {compared} OR arms) "
        "ORDER BY slate_id"
    )
    mixed = ""
    if first_row(con, "SELECT bool_or(arms) FROM all_slates")[0]:
        mixed = " OR slate IN (SELECT slate_id FROM all_slates WHERE arms)"
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW rows AS SELECT * FROM all_rows WHERE {compared}{mixed}"
    )
    return int(first_row(con, "SELECT coalesce(sum(n_items), 0) FROM slates")[0])


def choose_all(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``slates`` and ``rows`` those of all arms, of slates that a contrast uses."""
    con.execute("DROP TABLE slates")
    con.execute(f"CREATE TEMP VIEW slates AS SELECT * FROM {_USED}")
    con.execute("CREATE OR REPLACE TEMP VIEW rows AS SELECT * FROM all_rows")


def empty_arms(con: duckdb.DuckDBPyConnection, log: LogEntry) -> list[Problem]:
    """Return ``empty_arm`` for each arm of which the log has no slate."""
    found = {arm for (arm,) in con.execute("SELECT DISTINCT arm FROM all_slates").fetchall()}
    return [
        Problem(
            "empty_arm",
            log.columns["promoted"],
            examples=(f"{arm.name}: no slate has {listed(arm.values)}",),
            fix="Correct the values of the arm, or take it out of promotion.arms: the "
            "probabilities of the other arms must then add up to 1.",
        )
        for number, arm in enumerate(log.arms)
        # Where no value is known, the values that the log has say more.
        if number not in found and found - {None}
    ]


def with_other_arms(
    con: duckdb.DuckDBPyConnection, counts: pd.DataFrame, log: LogEntry, contrast: LogEntry
) -> pd.DataFrame:
    """Return the counts of a contrast with the rows and slates of the whole log.

    Parameters
    ----------
    con
        With ``all_slates``.
    counts
        Rows and slates of the contrast: all, used, and set aside by reason.
    log, contrast
        The log, and the contrast.
    """
    others = con.execute(
        "SELECT arm, sum(n_items), count(*) FROM all_slates "
        f"WHERE arm NOT IN (0, {contrast.contrast}) AND NOT arms GROUP BY 1 ORDER BY 1"
    ).fetchall()
    left = [
        (IN_OTHER_ARMS + log.arms[arm].name, int(rows), int(slates)) for arm, rows, slates in others
    ]
    total = counts.iloc[0].copy()
    total["rows"] += sum(rows for _, rows, _ in left)
    total["slates"] += sum(slates for _, _, slates in left)
    lines = [tuple(total), tuple(counts.iloc[1]), *left, *map(tuple, counts.iloc[2:].to_numpy())]
    return pd.DataFrame(lines, columns=counts.columns)


def merged(problems: Mapping[str, Sequence[Problem]]) -> list[Problem]:
    """Return the problems of all contrasts: once where all have the same, else by contrast."""
    merged: list[Problem] = []
    for contrast, found in problems.items():
        for problem in found:
            if all(problem in others for others in problems.values()):
                new = problem
            else:
                counts = ", ".join(
                    f"{number:,} {what}"
                    for number, what in ((problem.rows, "rows"), (problem.slates, "slates"))
                    if number is not None
                )
                head = f"in the contrast {contrast}{f': {counts}' if counts else ''}"
                new = replace(problem, examples=(head, *problem.examples))
            if new not in merged:
                merged.append(new)
    return merged


def assignment_of_arms(
    con: duckdb.DuckDBPyConnection, log: LogEntry
) -> tuple[pd.DataFrame, list[Problem]]:
    """Compare the number of units in each arm with the probabilities, all arms together.

    Parameters
    ----------
    con
        With ``all_slates`` and ``used_slates``.
    log
        The log, with its arms.

    Returns
    -------
    One row per arm (see ``arm_counts``); and the problems: ``promotion_differs_in_user`` and
    ``sample_ratio``.
    """
    aliases = [arm_probability(number) for number in range(len(log.arms))]
    units = (
        f"(SELECT any_value(arm) AS arm, count(*) AS slates, "
        f"{', '.join(f'any_value({alias}) AS {alias}' for alias in aliases)} "
        f"FROM {_USED} GROUP BY {'user_id' if log.unit == 'user' else 'slate_id'})"
    )
    k = len(aliases)
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    sums = [f"count(*) FILTER (arm = {number})" for number in range(k)]
    sums += [f"coalesce(sum(slates) FILTER (arm = {number}), 0)" for number in range(k)]
    sums += [f"sum({alias})" for alias in aliases]
    sums += [f"sum({aliases[i]} * {aliases[j]})" for i, j in pairs]
    row = np.array(first_row(con, f"SELECT {', '.join(sums)} FROM {units}"), dtype=np.float64)
    drawn, slates, expected, products = np.split(row, [k, 2 * k, 3 * k])
    matrix = np.zeros((k, k))
    for value, (i, j) in zip(products, pairs, strict=True):
        matrix[i, j] = matrix[j, i] = value
    names = [arm.name for arm in log.arms]
    table = arm_counts(names, str(log.unit), slates, drawn, expected, matrix)
    p = float(table["sample_ratio_p_value"].iloc[0])
    return table, [*_users_in_several_arms(con, log), *_sample_ratio(table, p)]


def _sample_ratio(table: pd.DataFrame, p: float) -> Iterator[Problem]:
    if p < WRONG:
        examples = tuple(
            f"{row.arm}: {row.share_of_units:.4f} of {int(table['units'].sum()):,} {row.unit}, "
            f"{row.expected_share:.4f} expected"
            for row in table.itertuples()
        )
        yield Problem("sample_ratio", examples=(*examples, f"all arms together: p = {p:.2g}"))


def _users_in_several_arms(con: duckdb.DuckDBPyConnection, log: LogEntry) -> Iterator[Problem]:
    """Yield users who are in several variants; those in a variant and control are found before."""
    if log.unit != "user":
        return
    users = (
        f"SELECT user_id, count(*) AS slates, sum(n_items) AS n FROM {_USED} "
        "GROUP BY 1 HAVING min(arm) <> max(arm)"
    )
    count, slates, n = first_row(con, f"SELECT count(*), sum(slates), sum(n) FROM ({users})")
    if count:
        sample = con.execute(f"SELECT user_id::VARCHAR FROM ({users}) ORDER BY 1 LIMIT 3")
        examples = (
            f"{count:,} users are in several variants",
            *(f"user {user}" for (user,) in sample.fetchall()),
        )
        fix = (
            "Set promotion.unit: slate if each slate was drawn by itself; else name under "
            "columns.user the id by which the arm was drawn. Leave out users of several variants "
            "where the log is written."
        )
        yield Problem("promotion_differs_in_user", None, int(n), int(slates), examples, fix)
