"""Check that focal items fit the probabilities that a log states, from sums computed by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from netlift.inference.balance import DRAW_PLACES, WRONG, draw_p_value
from netlift.logs.entries import LogEntry
from netlift.logs.items import uniform_probability
from netlift.logs.problems import Problem
from netlift.logs.slates import used_rows
from netlift.logs.source import first_row

if TYPE_CHECKING:
    import duckdb


def draw_problems(con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str) -> Iterator[Problem]:
    """Yield ``focal_draw`` where the positions of focal items contradict their probabilities.

    Parameters
    ----------
    con
        With the view ``rows`` and the table ``slates``.
    log
        Its entry.
    aside
        The condition of slates that are set aside.
    """
    if not log.knows_candidates or log.treatment.focal_items > 1 or log.treatment.adds_focal_item:
        return
    drawn, expected, products = _sums(con, log, used_rows(aside))
    p = draw_p_value(drawn - expected, expected, products)
    if p < WRONG:
        worst = int(np.argmax(np.abs(drawn - expected)))
        place = f"position {worst + log.first_position}"
        place += " or below" if worst == DRAW_PLACES - 1 else ""
        message = f"{int(drawn[worst]):,} focal items are at {place}, {expected[worst]:,.1f} "
        yield Problem("focal_draw", examples=(f"{message}expected (p = {p:.2g})",))


def _sums(
    con: duckdb.DuckDBPyConnection, log: LogEntry, used: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the focal items by place, those expected, and the sums of products of q: (k, k)."""
    q = uniform_probability(log) if log.candidates else "focal_probability::DOUBLE"
    places = range(DRAW_PLACES)
    rows = f"SELECT slate, focal, least(position, {DRAW_PLACES}) - 1 AS place, {q} AS q FROM {used}"
    of_slates = ", ".join(
        f"coalesce(sum(q) FILTER (place = {b}), 0) AS q{b}, "
        f"count(*) FILTER (focal AND place = {b}) AS f{b}"
        for b in places
    )
    pairs = [(b, c) for b in places for c in range(b, DRAW_PLACES)]
    sums = [f"sum(f{b})" for b in places] + [f"sum(q{b})" for b in places]
    sums += [f"sum(q{b} * q{c})" for b, c in pairs]
    numbers = np.array(
        first_row(
            con, f"SELECT {', '.join(sums)} FROM (SELECT {of_slates} FROM ({rows}) GROUP BY slate)"
        ),
        dtype=np.float64,
    )
    products = np.empty((DRAW_PLACES, DRAW_PLACES))
    for value, (b, c) in zip(numbers[2 * DRAW_PLACES :], pairs, strict=True):
        products[b, c] = products[c, b] = value
    return numbers[:DRAW_PLACES], numbers[DRAW_PLACES : 2 * DRAW_PLACES], products
