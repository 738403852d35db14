"""Positions of items in a promoted slate, and what a promotion does to each item."""

from __future__ import annotations

import numpy as np

from netlift.core.arrays import Booleans, Integers
from netlift.promotion.treatment import Treatment

EXPOSURES = ("focal", "moved_down", "moved_up", "unchanged")
"""What a promotion does, or would do, to an item of a slate."""


def promoted_positions(treatment: Treatment, position: Integers, focal: Integers) -> Integers:
    """Return the position of each item if its slate is promoted.

    Parameters
    ----------
    treatment
        What the promotion does.
    position
        Position before any promotion, from 1 on.
    focal
        The focal item's position before any promotion, of a shape that broadcasts to that of
        ``position``.
    """
    if treatment.to is None:
        return np.broadcast_to(position, np.broadcast_shapes(position.shape, focal.shape))
    to = treatment.to
    down = (position >= to) & (position < focal)
    up = (position <= to) & (position > focal)
    return np.where(position == focal, to, position + down - up)


def exposures(position: Integers, promoted: Integers, is_focal: Booleans) -> Integers:
    """Return what the promotion does to each item, as an index into ``EXPOSURES``.

    Parameters
    ----------
    position, promoted
        Position without and with promotion.
    is_focal
        Whether the item is its slate's focal item.
    """
    return np.select([is_focal, promoted > position, promoted < position], [0, 1, 2], default=3)
