"""Bootstrap of the difference between two arms, by randomized unit."""

from __future__ import annotations

import numpy as np

from netlift.core.arrays import Booleans, Floats
from netlift.core.streams import generator

_DRAWS_AT_ONCE = 1 << 21
"""Resampled units held in memory at once."""


def bootstrap(
    totals: Floats, counts: Floats, promoted: Booleans, *, seed: int, n_draws: int
) -> Floats:
    """Bootstrap differences of means by resampling randomized units within arms.

    Each draw is a vector of how often each unit was drawn; a table of rows is never copied.

    Parameters
    ----------
    totals, counts
        Sum of the outcome and number of rows by unit, shape (U, m) for m effects.
    promoted
        Arm of each unit, shape (U,).
    seed
        Study seed.
    n_draws
        Number of draws.

    Returns
    -------
    Differences between arms of (sum of outcome / number of rows), shape (n_draws, m); NaN where
    a draw has no row.
    """
    means = []
    for arm, chosen in enumerate((promoted, ~promoted)):
        values = np.hstack([totals[chosen], counts[chosen]])
        n_units, m = len(values), totals.shape[1]
        rng = generator(seed, "bootstrap", arm)
        step = max(1, _DRAWS_AT_ONCE // n_units)
        drawn = np.empty((n_draws, 2 * m))
        for start in range(0, n_draws, step):
            size = min(step, n_draws - start)
            picks = rng.integers(n_units, size=(size, n_units))
            picks += n_units * np.arange(size)[:, None]
            weights = np.bincount(picks.ravel(), minlength=size * n_units)
            drawn[start : start + size] = weights.reshape(size, n_units).astype(float) @ values
        total, count = drawn[:, :m], drawn[:, m:]
        means.append(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
    return np.asarray(means[0] - means[1])
