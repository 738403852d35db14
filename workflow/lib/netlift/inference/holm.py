"""Holm's (1979) adjustment of p-values."""

from __future__ import annotations

import numpy as np

from netlift.core.arrays import Floats


def holm(p_values: Floats) -> Floats:
    """Return adjusted p-values: with any dependence, the chance to reject a true one is at most a.

    Holm (1979): the i-th smallest of m is multiplied by m - i + 1, and is at least the one before.

    Parameters
    ----------
    p_values
        Shape (m,); NaN for a test that was not made, which does not count.
    """
    adjusted = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0)
    return adjusted
