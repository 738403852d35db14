"""Promoted slates that do not log the item that promotion takes off the slate.

Nothing is lost for sums: the outcome of an item that is not shown is 0. But the rows of both arms
are not alike then, so that nothing can be compared row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlift.logs.entries import LogEntry
from netlift.logs.problems import Problem
from netlift.logs.source import first_row, name
from netlift.logs.treatment import carried_out, rows_of_focal_blocks

if TYPE_CHECKING:
    import duckdb

NOT_LOGGED = {
    "insert": "promoted slates do not log the item that is pushed out",
    "replace": "promoted slates do not log the item that is replaced",
}
"""What is not logged, by kind of treatment."""

NOT_ALIKE = (
    "{what}, so the rows of both arms are not alike: log it with its position without promotion "
    "and outcome 0"
)
"""Why nothing is compared row by row."""


CLEAR = 0.1
"""Error of the difference of mean lengths up to which they tell an item more from none."""


MANY_EXPECTED = 5
"""Slates with an outcome of the last item of which all are missing by chance in one of 100 logs."""


def is_unlogged(con: duckdb.DuckDBPyConnection, log: LogEntry, used: str) -> bool:
    """Return whether promoted slates have no row of the item that is pushed out or replaced.

    Slates of both arms are as long before a promotion. So, where the last item is pushed out,
    promoted slates have as many positions as control slates if it is logged, and one less if not.
    Where lengths differ so much that their means do not tell, the last item that is logged does:
    one that is not shown has no outcome.

    Parameters
    ----------
    con
        With the view ``rows``.
    log
        Its entry.
    used
        The rows that are used, in SQL.
    """
    treatment = log.treatment
    if not log.has_parts or treatment.kind not in NOT_LOGGED or treatment.grows:
        return False
    used = rows_of_focal_blocks(log, used)
    if treatment.kind == "replace":
        found = first_row(
            con,
            f"SELECT count(DISTINCT slate) FILTER (position = {treatment.to}), "
            f"count(DISTINCT slate) FROM {used} WHERE {carried_out(log)}",
        )
        return bool(found[0] < found[1])
    lengths = _positions(con, log, used)
    if lengths is None:
        return False
    promoted, control, error = lengths
    shorter = promoted - control < -0.5
    return shorter if error <= CLEAR else _last_has_outcomes(con, log, used, otherwise=shorter)


def _positions(
    con: duckdb.DuckDBPyConnection, log: LogEntry, used: str
) -> tuple[float, float, float] | None:
    """Return the mean last position of promoted and of control slates, and the error of the change.

    None where one of the arms has no slate.
    """
    arm = f"bool_or({carried_out(log)}) AS arm"
    of_slates = f"SELECT {arm}, max(position) AS n FROM {used} GROUP BY slate"
    arms = ("arm", "NOT arm")
    means = ", ".join(f"avg(n) FILTER ({of})" for of in arms)
    error = " + ".join(f"var_pop(n) FILTER ({of}) / count(n) FILTER ({of})" for of in arms)
    row = first_row(con, f"SELECT {means}, sqrt({error}) FROM ({of_slates})")
    return None if None in row else (row[0], row[1], row[2])


def _last_has_outcomes(
    con: duckdb.DuckDBPyConnection, log: LogEntry, used: str, *, otherwise: bool
) -> bool:
    """Return whether the last item has outcomes in promoted slates: then it is shown.

    ``otherwise`` is the answer where it has hardly any in control slates either.
    """
    some = " OR ".join(f"coalesce({name(f'o_{one.name}')} <> 0, false)" for one in log.outcomes)
    of_slates = (
        f"SELECT bool_or({carried_out(log)}) AS arm, arg_max(({some})::INTEGER, position) AS last "
        f"FROM {used} WHERE position IS NOT NULL GROUP BY slate"
    )
    promoted, expected = first_row(
        con,
        "SELECT sum(last) FILTER (arm), avg(last) FILTER (NOT arm) * count(*) FILTER (arm) "
        f"FROM ({of_slates})",
    )
    return bool(promoted) if promoted or expected > MANY_EXPECTED else otherwise


def unlogged_warning(con: duckdb.DuckDBPyConnection, log: LogEntry, used: str) -> Problem:
    """Return the warning that promoted slates lack a row, with their number.

    Parameters
    ----------
    con, log, used
        As for ``is_unlogged``.
    """
    treatment, arm = log.treatment, carried_out(log)
    used = rows_of_focal_blocks(log, used)
    block = " of its block" if log.has_blocks else ""
    if treatment.kind == "replace":
        lacking = f"bool_and(position IS DISTINCT FROM {treatment.to})"
        slates = first_row(
            con,
            f"SELECT count(*) FROM (SELECT {lacking} AS lacks FROM {used} WHERE {arm} "
            "GROUP BY slate) WHERE lacks",
        )[0]
        words = f"no row at position {treatment.to}{block}"
    else:
        slates = first_row(con, f"SELECT count(DISTINCT slate) FROM {used} WHERE {arm}")[0]
        promoted, control, _ = _positions(con, log, used) or (0.0, 0.0, 0.0)
        words = (
            f"without the focal item, the last position{block} of promoted slates is "
            f"{promoted:.2f} on average, that of control slates {control:.2f}"
        )
    return Problem("not_shown_not_logged", log.columns["position"], None, int(slates), (words,))


def why_not_alike(log: LogEntry) -> str:
    """Return why the rows of an unlogged log are not compared, as the end of a sentence."""
    return NOT_ALIKE.format(what=NOT_LOGGED[log.treatment.kind])
