"""Logs of another promotion than their entry states: how they look, and the keys to say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlift.logs.entries import LogEntry
from netlift.logs.problems import Problem
from netlift.logs.source import first_row
from netlift.logs.treatment import rows_of_focal_blocks

if TYPE_CHECKING:
    import duckdb

MOST = 0.9
"""Share of the rows or slates with a problem from which its cause is named."""

TOTAL_ALONE = (
    "If that cannot be done, leave out columns.focal: then the effect on whole slates is "
    "estimated, without its parts."
)


def focal_numbers(con: duckdb.DuckDBPyConnection, where: str) -> tuple[str, ...]:
    """Return how many slates have which number of focal items.

    Parameters
    ----------
    con
        With the table ``slates``.
    where
        The slates, from ``FROM`` on.
    """
    counts = con.execute(
        f"SELECT n_focal, count(*) {where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5"
    ).fetchall()
    return tuple(f"{number} focal items in {slates:,} slates" for number, slates in counts)


def several_fix(con: duckdb.DuckDBPyConnection, log: LogEntry) -> str | None:
    """Return the key to state where nearly all slates have the same other number of focal items."""
    most, slates, every = first_row(
        con,
        "SELECT n_focal, n, sum(n) OVER () FROM (SELECT n_focal, count(*) AS n FROM slates "
        "GROUP BY 1) ORDER BY n DESC, n_focal LIMIT 1",
    )
    if slates < MOST * every or most <= 1 or log.treatment.adds_focal_item:
        return None
    return (
        f"{slates:,} of {every:,} slates have {most} focal items: if a promotion takes them all at "
        f"once, state promotion.focal_items: {most}. The direct effect is then that of all of them "
        "together."
    )


def unplaced_focal_items(
    con: duckdb.DuckDBPyConnection, log: LogEntry, where: str
) -> tuple[tuple[str, ...], str] | None:
    """Return examples and fix where positions are missing in rows of focal items.

    Parameters
    ----------
    con
        With the view ``rows``.
    log
        Its entry.
    where
        The rows whose position is missing, from ``FROM`` on.
    """
    if not log.has_parts or log.treatment.adds_focal_item:
        return None
    focal, control, promoted, every = first_row(
        con,
        "SELECT count(*) FILTER (focal), count(*) FILTER (focal AND NOT promoted), "
        f"count(*) FILTER (focal AND promoted), count(*) {where}",
    )
    if focal < MOST * every:
        return None
    example = (
        f"{focal:,} of these {every:,} rows are focal items, {control:,} of them in control and "
        f"{promoted:,} in promoted slates"
    )
    return (example,), f"This looks like an item that is {_insertion(con, log)}"


def _insertion(con: duckdb.DuckDBPyConnection, log: LogEntry) -> str:
    """Return how to state that items are shown only where they are promoted."""
    at = _place(con, log)
    return (
        "shown only where it is promoted, and this is not a move. If it is inserted and the others "
        f"move down, state promotion.insert: {{at: {at}}} (with length: grows if the slate gets "
        "longer; a log that is cut below a position, of an item from further down, is one with a "
        f"kept length). If it takes the place of another item: promotion.replace: {{at: {at}}}. In "
        "both arms the row of the focal item then has an empty position, and in control slates "
        "outcome 0; the other items have their positions without promotion."
    )


def _place(con: duckdb.DuckDBPyConnection, log: LogEntry) -> str:
    """Return the place at which promoted slates show the focal item, if nearly all have the same.

    It is the position with promotion, or, where that is not logged, any position.
    """
    column = "final_position" if "final_position" in log.columns else "position"
    row = con.execute(
        f"SELECT {column}, n, sum(n) OVER () FROM (SELECT {column}, count(*) AS n FROM rows "
        f"WHERE focal AND promoted AND {column} IS NOT NULL GROUP BY 1) ORDER BY n DESC LIMIT 1"
    ).fetchone()
    return f"{row[0]:g}" if row and row[1] >= MOST * row[2] else "P"


def without_candidate(con: duckdb.DuckDBPyConnection, log: LogEntry) -> str:
    """Return what to do where control slates have no focal item, and promoted ones have."""
    return (
        "Flag in control slates, too, the item that is promoted if the slate is: chosen by the "
        "same rule as in promoted slates. If it was not logged and the rule is known, compute it "
        f"before the analysis. {TOTAL_ALONE} If no control slate shows the item, it is "
        f"{_insertion(con, log)}"
    )


def cut_below(con: duckdb.DuckDBPyConnection, log: LogEntry, where: str) -> Problem | None:
    """Return the gap of slates in which only the focal item is beyond it.

    Parameters
    ----------
    con
        With the view ``rows`` and the table ``slates``.
    log
        Its entry.
    where
        The slates whose positions have a gap, from ``FROM`` on.
    """
    if log.treatment.kind != "move" or log.treatment.focal_items > 1:
        return None
    cut, every, rows, low, high = first_row(
        con,
        "SELECT count(*) FILTER (beyond), count(*), sum(n_rows), min(n) FILTER (beyond), "
        "max(n) FILTER (beyond) FROM (SELECT count(*) AS n_rows, "
        "count(*) FILTER (NOT focal) AS n, max(position) FILTER (NOT focal) = "
        "count(*) FILTER (NOT focal) AND min(position) FILTER (NOT focal) = 1 AND "
        "max(position) FILTER (focal) > count(*) FILTER (NOT focal) + 1 AS beyond "
        f"FROM {rows_of_focal_blocks(log, 'rows')} WHERE slate IN (SELECT slate_id {where}) "
        "GROUP BY slate)",
    )
    if not cut or cut < MOST * every:
        return None
    span = f"{low}" if low == high else f"{low} to {high}"
    example = (
        f"in {cut:,} of {every:,} the other items have positions 1 to n (n is {span}), and only "
        "the focal item is further down"
    )
    fix = (
        "This looks like a log that is cut below a position, in which a promotion shows an item "
        "from further down. In the positions that are logged, the item is inserted: state "
        f"promotion.insert: {{at: {log.treatment.to}}}, and leave the position of such focal items "
        "empty in both arms (outcome 0 in control slates, or nothing, for it was not seen there); "
        "effects are then those on the logged positions. Slates whose focal item is within them "
        "are moves: analyze them by themselves, here with set_aside: [position_gap] if the "
        f"position is logged in both arms alike. Or log all positions. {TOTAL_ALONE}"
    )
    return Problem("position_gap", None, int(rows), int(every), (example,), fix)


def shown_positions(con: duckdb.DuckDBPyConnection, log: LogEntry, where: str) -> Problem | None:
    """Return the gap of promoted slates whose positions are those with promotion.

    Parameters
    ----------
    con, log, where
        As for ``cut_below``.
    """
    if log.treatment.kind != "insert":
        return None
    at = log.treatment.to
    as_shown, every, rows = first_row(
        con,
        "SELECT count(*) FILTER (as_shown), count(*), sum(n_rows) FROM (SELECT count(*) AS n_rows, "
        f"bool_and(promoted) AND count(*) FILTER (position = {at}) = 0 AND "
        "max(position) = count(position) + 1 AS as_shown "
        f"FROM {rows_of_focal_blocks(log, 'rows')} WHERE slate IN (SELECT slate_id {where}) "
        "GROUP BY slate)",
    )
    if as_shown < MOST * every:
        return None
    example = (
        f"in {as_shown:,} of {every:,} the slate is promoted, and only position {at} is vacant"
    )
    fix = (
        "These look like positions with promotion: columns.position is the position without it, so "
        f"subtract one from those above {at} in promoted slates, and log the others as they are "
        "under columns.final_position. If the item that stood there was replaced, and no other "
        f"moved: promotion.replace: {{at: {at}}}."
    )
    return Problem("position_gap", None, int(rows), int(every), (example,), fix)
