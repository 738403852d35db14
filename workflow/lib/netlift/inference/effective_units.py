"""Effective units: how many equal units would tell as much as unequal ones do."""

from __future__ import annotations

import numpy as np

from netlift.core.arrays import Floats
from netlift.promotion.design import Design

ENOUGH_UNITS = 30.0
"""With fewer effective units in an arm, 95% intervals are not promised to cover 95%."""


def effective_units(weights: Floats) -> Floats:
    """Return the effective number of units, by Kish's (1965) formula (sum w)^2 / sum w^2.

    It is the number of units where all weights are equal, and less otherwise: 1 if one unit has all
    the weight.

    Parameters
    ----------
    weights
        Weights of units, not negative, shape (..., U).

    Returns
    -------
    Shape (...); 0 where no unit has a weight.
    """
    largest = np.max(weights, axis=-1, initial=0.0, keepdims=True)
    shares = np.asarray(weights / np.where(largest > 0, largest, 1.0), dtype=np.float64)
    squares = (shares**2).sum(axis=-1)
    return np.asarray(shares.sum(axis=-1) ** 2 / np.where(squares > 0, squares, 1.0))


def effective_units_per_arm(design: Design) -> tuple[float, float]:
    """Return the effective number of promoted and of control units, by their weights."""
    promoted, of_units = design.of_units(design.promoted), design.unit_weights()
    return float(effective_units(of_units[promoted])), float(effective_units(of_units[~promoted]))
