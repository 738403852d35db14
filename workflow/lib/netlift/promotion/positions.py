"""Positions of items in a promoted slate."""

from __future__ import annotations

import numpy as np

from netlift.core.arrays import Booleans, Integers


def promoted_position(position: Integers, is_focal: Booleans, is_displaced: Booleans) -> Integers:
    """Return the position of each item if its slate is promoted.

    The focal item moves to position 1, those above it move down by one, and the rest stay.

    Parameters
    ----------
    position
        Position before any promotion, from 1 on.
    is_focal, is_displaced
        Whether an item is the focal one, and whether it is above the focal one; of the shape
        of ``position``.
    """
    return np.where(is_focal, 1, position + is_displaced)
