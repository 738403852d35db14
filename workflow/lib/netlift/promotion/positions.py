"""Positions of items in a promoted slate, and what a promotion does to each item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.promotion.treatment import Treatment

EXPOSURES = ("focal", "moved_down", "moved_up", "unchanged", "pushed_out")
"""What a promotion does, or would do, to an item of a slate."""

NOT_SHOWN = 0
"""The position of an item that is not shown, where positions are whole numbers."""


def promoted_positions(
    treatment: Treatment,
    position: Integers,
    is_focal: Booleans,
    starts: Integers,
    value: Floats | None = None,
) -> Integers:
    """Return the position of each item if its slate is promoted, shape (R,).

    Parameters
    ----------
    treatment
        What the promotion does; not ``rerank`` without a boost, whose orders are given.
    position
        Position without promotion, from 1 on, or ``NOT_SHOWN``; shape (R,). Rows are sorted by
        slate and position, items that are not shown last.
    is_focal
        Whether the item is a focal item of its slate, shape (R,).
    starts
        First row of each slate, shape (N,).
    value
        What the ranker ordered the items of each slate by, highest first, shape (R,); needed for a
        boost.
    """
    if treatment.kind == "badge":
        return position.copy()
    if treatment.boost is not None:
        assert value is not None, "a boost needs the ranker's values"
        return _in_order_of(value + treatment.boost * is_focal, starts)
    to = treatment.to
    assert to is not None, "a rerank gives its orders"
    length = np.diff(np.append(starts, len(position)))
    shown = np.repeat(np.add.reduceat(position != NOT_SHOWN, starts), length)
    if treatment.kind == "replace":
        kept = np.where(position == to, NOT_SHOWN, position)
        return np.where(is_focal, to, kept)
    if treatment.kind == "insert":
        moved = position + (position >= to)
        if not treatment.grows:
            moved = np.where(moved > shown, NOT_SHOWN, moved)
        return np.where(is_focal, to, moved)
    before: Integers = np.cumsum(is_focal) - is_focal
    focal_before = before - np.repeat(before[starts], length)
    # The first of the places, so that all focal items have one.
    first = np.minimum(to, shown - treatment.focal_items + 1)
    rank = position - focal_before
    rest = rank + treatment.focal_items * (rank >= first)
    return np.where(is_focal, first + focal_before, rest)


def _in_order_of(value: Floats, starts: Integers) -> Integers:
    """Return the position of each row in its slate by value, highest first; equal rows stay."""
    length = np.diff(np.append(starts, len(value)))
    order = np.lexsort((-value, np.repeat(starts, length)))
    position = np.empty(len(value), dtype=np.int64)
    position[order] = 1 + np.arange(len(value)) - np.repeat(starts, length)
    return position


def exposures(position: Integers, promoted: Integers, is_focal: Booleans) -> Integers:
    """Return what the promotion does to each item, as an index into ``EXPOSURES``.

    Parameters
    ----------
    position, promoted
        Position without and with promotion, or ``NOT_SHOWN``.
    is_focal
        Whether the item is a focal item of its slate.
    """
    conditions = [is_focal, promoted == NOT_SHOWN, promoted > position, promoted < position]
    index = [EXPOSURES.index(name) for name in ("focal", "pushed_out", "moved_down", "moved_up")]
    return np.select(conditions, index, default=EXPOSURES.index("unchanged"))


def as_column(position: Integers) -> NDArray[np.int16] | Floats:
    """Return positions as a column of a table: missing where an item is not shown."""
    if (position != NOT_SHOWN).all():
        return position.astype(np.int16)
    return np.where(position == NOT_SHOWN, np.nan, position.astype(np.float64))


def from_column(position: NDArray[np.number]) -> Integers:
    """Return a column of positions as whole numbers, ``NOT_SHOWN`` where it is missing."""
    if position.dtype.kind in "iu":
        return position.astype(np.int64)
    return np.nan_to_num(position, nan=NOT_SHOWN).astype(np.int64)
