"""Array types, grouped sums, and the tolerance for rounding errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

ROUNDING = 1e-12
"""Per slate or row; an effect no larger than this counts as zero."""


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


def numbered(ids: NDArray[Any]) -> Integers:
    """Number ids in their order, 0 to the number of distinct ids - 1, shape (N,).

    Fast where they are strictly increasing, or all the same.
    """
    if np.issubdtype(ids.dtype, np.number) and len(ids):
        if bool((ids[1:] > ids[:-1]).all()):
            return np.arange(len(ids), dtype=np.int64)
        if bool((ids == ids[0]).all()):
            return np.zeros(len(ids), dtype=np.int64)
    return np.unique(ids, return_inverse=True)[1].astype(np.int64)
