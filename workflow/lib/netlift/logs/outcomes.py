"""Outcomes that cannot answer: constant, recorded in one arm only, or one number per slate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, lgamma
from typing import TYPE_CHECKING

from netlift.effects.accounts import main_and_further
from netlift.inference.balance import WRONG
from netlift.logs.entries import LogEntry, LogOutcome
from netlift.logs.problems import Problem
from netlift.logs.rows import Rows
from netlift.logs.source import first_row

if TYPE_CHECKING:
    import duckdb

SAME = 1e-9
"""Relative difference up to which sums of equal values are equal."""

REPEATED = 20
"""An outcome that is the same in all rows of every slate is a number of the slate if so many rows
repeat another row of their slate, and are not 0. For rows that are 0 or 1 by the toss of a coin the
chance of that is 2^-20."""

SMALLEST = "smallest"
"""Part of the name of the column with the smallest value of a slate's rows."""

_ARMS = {0: "control", 1: "promoted"}


@dataclass(frozen=True)
class _Totals:
    """The accounts of one outcome in SQL: its sum over a slate, and its value in each row.

    Attributes
    ----------
    total
        The sum over the slate.
    focal
        The value of the focal item; of the smallest row in a log without focal items.
    row
        The value of the slate's rows if all are equal, otherwise NULL.
    """

    total: str
    focal: str
    row: str

    @classmethod
    def of(cls, outcome: LogOutcome, *, main: bool, parts: bool) -> _Totals:
        _, kind = main_and_further(outcome.name, main=main)
        total, focal = f'"{kind}_total"', f'"{kind}_{"direct_focal" if parts else SMALLEST}"'
        same = f"abs({focal} * n_items - {total}) <= {SAME} * abs({total})"
        return cls(total, focal, f"CASE WHEN {same} THEN {focal} END")


def _outcomes(log: LogEntry) -> Iterator[tuple[LogOutcome, _Totals]]:
    for index, outcome in enumerate(log.outcomes):
        yield outcome, _Totals.of(outcome, main=index == 0, parts=log.has_parts)


def unanswerable_outcomes(
    con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, aside: str
) -> Iterator[Problem]:
    """Yield outcomes that never vary in one arm only, or are one number per slate.

    Parameters
    ----------
    con
        With the table ``slates``.
    rows, log
        The log.
    aside
        The condition of slates that are set aside.
    """
    used = f"(SELECT * FROM slates WHERE NOT ({aside}))"
    for outcome, totals in _outcomes(log):
        problem = _one_arm(con, outcome, totals, used)
        if problem is None:
            problem = _per_slate(con, outcome, totals, used)
        if problem is not None:
            yield problem


def _one_arm(
    con: duckdb.DuckDBPyConnection, outcome: LogOutcome, totals: _Totals, used: str
) -> Problem | None:
    """Return the problem of an outcome that is constant in an arm and differs in the other.

    It may be so by chance where the outcome is rare: if K of N units have another value than the
    constant, all are among the other arm's n units with probability C(n, K) / C(N, K).
    """
    for value in (totals.total, totals.row):
        found = con.execute(
            f"SELECT promotion_applied, min({value}), max({value}), count(*) - count({value}), "
            f"count(*) FROM {used} GROUP BY 1 ORDER BY 1"
        ).fetchall()
        for arm, low, high, differing, slates in found:
            if low is None or low != high or differing:
                continue
            others = f"FROM {used} WHERE promotion_applied <> {arm}"
            units = "count(DISTINCT randomization_unit)"
            n, n_differ, n_slates, differ = first_row(
                con,
                f"SELECT {units}, {units} FILTER ({value} IS DISTINCT FROM {low!r}), count(*), "
                f"count(*) FILTER ({value} IS DISTINCT FROM {low!r}) {others}",
            )
            constant = first_row(con, f"SELECT {units} FROM {used} WHERE promotion_applied = {arm}")
            if _all_in_one_arm(n_differ, n, n + constant[0]) >= WRONG:
                continue
            where = " per row" if value == totals.row and low else ""
            message = (
                f"{outcome.column} is {low:g}{where} in all {slates:,} {_ARMS[arm]} slates, and "
                f"differs from it in {differ:,} of {n_slates:,} {_ARMS[1 - arm]} slates"
            )
            return Problem("one_arm_outcome", outcome.column, None, int(slates), (message,))
    return None


def _all_in_one_arm(differing: int, units: int, all_units: int) -> float:
    """Return the probability that all units that differ are in an arm of ``units`` by chance."""

    def log_choose(n: int, k: int) -> float:
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

    return exp(log_choose(units, differing) - log_choose(all_units, differing))


def _per_slate(
    con: duckdb.DuckDBPyConnection, outcome: LogOutcome, totals: _Totals, used: str
) -> Problem | None:
    several = f"FROM {used} WHERE n_items > 1 AND {totals.total} <> 0"
    rows, slates, repeated, differing, low, high = first_row(
        con,
        f"SELECT sum(n_items), count(*), sum(n_items - 1), count(*) - count({totals.row}), "
        f"min({totals.row}), max({totals.row}) {several}",
    )
    varies = first_row(con, f"SELECT min({totals.total}) <> max({totals.total}) FROM {used}")[0]
    if differing or not repeated or repeated < REPEATED or not varies:
        return None
    zeros = first_row(con, f"SELECT count(*) FROM {used} WHERE {totals.total} = 0")[0]
    if low == high and not zeros:
        return None  # the same in every row of the log: it never varies
    examples = con.execute(
        f"SELECT slate_id::VARCHAR, n_items, {totals.row} {several} ORDER BY 1 LIMIT 3"
    ).fetchall()
    shown = tuple(
        f"{outcome.column} is {value:g} in all {n} rows of slate {slate}"
        for slate, n, value in examples
    )
    return Problem("slate_level_outcome", outcome.column, int(rows), int(slates), shown)


def constant_outcomes(
    con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, aside: str
) -> Iterator[Problem]:
    """Yield outcomes that are the same in every row, or add up to the same in every slate."""
    used = f"(SELECT * FROM slates WHERE NOT ({aside}))"
    for outcome, totals in _outcomes(log):
        total = totals.total
        low, high, slates = first_row(
            con, f"SELECT min({total}), max({total}), count(*) FROM {used}"
        )
        per_row = _constant_row(con, totals, used, rows.experiment)
        if per_row is None and low != high:
            continue
        what = (
            f"is {per_row:g} in every row"
            if per_row is not None
            else f"adds up to {low:g} in every slate"
        )
        message = f"{outcome.column} {what}"
        yield Problem("constant_outcome", outcome.column, None, int(slates), (message,))


def constant_parts(con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str) -> Iterator[Problem]:
    """Yield outcomes of which a part never varies in an arm, though the whole does."""
    for outcome, totals in _outcomes(log):
        parts = {
            "the focal item": totals.focal,
            "all competitors": f"{totals.total} - {totals.focal}",
        }
        tests = ", ".join(f"min({part}), max({part})" for part in parts.values())
        found = con.execute(
            f"SELECT promotion_applied, count(*), min({totals.total}) <> max({totals.total}), "
            f"{tests} FROM slates WHERE NOT ({aside}) AND n_items > 1 GROUP BY 1 ORDER BY 1"
        ).fetchall()
        messages = []
        for arm, slates, varies, *ends in found:
            for part, low, high in zip(parts, ends[::2], ends[1::2], strict=True):
                if varies and low == high:
                    messages.append(f"{low:g} for {part} in all {slates:,} {_ARMS[arm]} slates")
        if messages:
            message = f"{outcome.column} is {'; '.join(messages)}"
            yield Problem("constant_part", outcome.column, examples=(message,))


def _constant_row(
    con: duckdb.DuckDBPyConnection, totals: _Totals, used: str, experiment: bool
) -> float | None:
    """Return the value that an outcome has in every row, if it is so."""
    row = totals.row if experiment else f"{totals.total} / n_items"
    low, high, differing = first_row(
        con, f"SELECT min({row}), max({row}), count(*) - count({row}) FROM {used}"
    )
    equal = low is not None and low == high and not differing
    if not equal or (not experiment and low != 0):
        return None  # equal means of slates are no equal rows
    return float(low)
