"""Holm's (1979) adjustment of p-values."""

from __future__ import annotations

import numpy as np

from netlift.core.arrays import Floats


def holm(p_values: Floats) -> Floats:
    """Return adjusted p-values: with any dependence, the chance to reject a true one is at most a.

    By statsmodels.

    Parameters
    ----------
    p_values
        Shape (m,); NaN for a test that was not made, which does not count.
    """
    from statsmodels.stats.multitest import multipletests

    adjusted, tested = np.full(len(p_values), np.nan), ~np.isnan(p_values)
    if tested.any():
        adjusted[tested] = multipletests(p_values[tested], method="holm")[1]
    return adjusted
