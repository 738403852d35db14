"""Types of arrays, and the rounding that sums of floats leave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

ROUNDING = 1e-12
"""Per slate or row; an effect no larger than this is none."""


def sum_groups(values: Floats, group: Integers) -> Floats:
    """Sum over the groups of the last axis.

    Parameters
    ----------
    values
        Shape (..., N).
    group
        Number of each entry's group, any integers, shape (N,).

    Returns
    -------
    Shape (..., G), groups in the order of their numbers.
    """
    if (group[1:] < group[:-1]).any():
        order = np.argsort(group, kind="stable")
        values, group = values[..., order], group[order]
    starts = np.flatnonzero(np.append(True, group[1:] > group[:-1]))
    return values if len(starts) == len(group) else np.add.reduceat(values, starts, axis=-1)
