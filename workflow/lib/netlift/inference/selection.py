"""The value of what was chosen for its value, corrected for having been chosen.

The choice is made by estimates from a part of the units. Write x for the estimate from all units,
with variance v, and u for that from the part, with variance (1 + g) v; g is the number of units
left out per unit of the part. Then u - x is independent of x, with variance g v, and what was
chosen is chosen just where u is in certain intervals, given the other estimates of the part.

*Estimate.* (1 + g) / g x - u / g, in effect the mean of the units left out, is unbiased and knows
nothing of the choice. Its expectation given x and the choice is unbiased too, and varies least
(Rao and Blackwell; Cohen and Sackrowitz 1989, for the best of several after a second stage):
x - E[u - x | x, u chosen] / g.

*Interval.* The distribution of x given the choice is that of x with density weighted by the chance
to be chosen given x (Fithian, Sun and Taylor 2014; Tian and Taylor 2018, of whose randomized
responses u is one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from netlift.core.arrays import ROUNDING, Floats
from netlift.inference.estimate import CONFIDENCE, Estimate, quantile_t

Interval = tuple[float, float]


_NODES = 2001
"""Values of x, over 8 standard errors to both sides, over which densities are summed; odd."""


_REACH = 8.0


_HALVINGS = 50


@dataclass(frozen=True)
class Corrected:
    """A value corrected for selection, with its 95% interval, which holds given the selection."""

    value: float
    lower: float
    upper: float


def chosen_where(
    chosen: int, estimates: Floats, covariance: Floats, thresholds: Floats
) -> list[Interval]:
    """Return where the estimate of what was chosen may be so that it is chosen.

    Of m estimates that exceed their thresholds the largest is chosen. Given the parts of the others
    that are independent of the chosen one's estimate u, the others are linear in u.

    Parameters
    ----------
    chosen
        Number of the one that was chosen.
    estimates, thresholds
        Shape (m,).
    covariance
        Of the estimates, shape (m, m).
    """
    slope = covariance[chosen] / covariance[chosen, chosen]
    rest = estimates - slope * estimates[chosen]
    others = np.arange(len(estimates)) != chosen
    slope, rest, limit = slope[others], rest[others], thresholds[others]
    with np.errstate(divide="ignore", invalid="ignore"):
        turns = np.r_[(limit - rest) / slope, rest / (1 - slope)]
    lowest = thresholds[chosen]
    turns = np.unique(turns[np.isfinite(turns) & (turns > lowest)])
    tolerance = ROUNDING * max(float(np.abs(estimates).max()), 1.0)
    intervals: list[Interval] = []
    for lower, upper in pairwise([lowest, *turns.tolist(), np.inf]):
        inside = (lower + upper) / 2 if np.isfinite(upper) else lower + 1 + abs(lower)
        if not (rest + slope * inside <= np.maximum(limit, inside) + tolerance).all():
            continue
        if intervals and intervals[-1][1] == lower:
            lower = intervals.pop()[0]
        intervals.append((lower, upper))
    return intervals


def corrected(estimate: Estimate, left_out: float, intervals: Sequence[Interval]) -> Corrected:
    """Correct an estimate for having been chosen.

    Parameters
    ----------
    estimate
        From all units.
    left_out
        Units left out of the choice per unit in it, g.
    intervals
        Where the estimate from the part may be so that it is chosen.
    """
    noise = np.sqrt(left_out) * estimate.se
    log_chance, mean = _chance(np.array([estimate.value]), noise, intervals)
    value = estimate.value - float(mean[0]) / left_out
    # With few degrees of freedom the error counts as larger, as t to the normal distribution.
    tail = (1 + CONFIDENCE) / 2
    wider = quantile_t(tail, estimate.df) / quantile_t(tail, np.inf)
    sd = estimate.se * wider
    x = estimate.value + sd * _REACH * np.linspace(-1, 1, _NODES)
    log_chance, _ = _chance(x, noise * wider, intervals)
    base, above = log_chance - (x - estimate.value) ** 2 / (2 * sd**2), np.arange(_NODES)
    # The middle one is the estimate itself: half of its mass is above.
    share_above = np.clip(above - _NODES // 2 + 0.5, 0, 1)

    def shifted(p_above: float) -> float:
        """Return the true value at which x is at least the estimate with this probability."""
        reach = 4 * _REACH * np.sqrt(1 + 1 / left_out)
        lower, upper = -reach, reach
        for _ in range(_HALVINGS):
            middle = (lower + upper) / 2
            log_density = base + (x - estimate.value) / sd * middle
            density = np.exp(log_density - log_density.max())
            is_below = density @ share_above / density.sum() < p_above
            lower, upper = (middle, upper) if is_below else (lower, middle)
        return float(estimate.value + sd * middle)

    return Corrected(value, shifted(1 - tail), shifted(tail))


def _chance(x: Floats, noise: float, intervals: Sequence[Interval]) -> tuple[Floats, Floats]:
    """Return the log probability that x plus noise is in the intervals, and the noise's mean then.

    Both of the shape of x.
    """
    from scipy.special import log_ndtr

    logs, means = [], []
    for low, high in intervals:
        start, end = (low - x) / noise, (high - x) / noise
        # Of the tail that is the smaller, so that the difference keeps its digits.
        far, near = np.where(start > 0, -end, start), np.where(start > 0, -start, end)
        log_near = log_ndtr(near)
        logs.append(log_near + np.log1p(-np.exp(log_ndtr(far) - log_near)))
        means.append([-(start**2) / 2, -(end**2) / 2])
    total = np.logaddexp.reduce(logs, axis=0)
    at_ends = [np.exp(first - total) - np.exp(last - total) for first, last in means]
    return total, noise * np.sum(at_ends, axis=0) / np.sqrt(2 * np.pi)
