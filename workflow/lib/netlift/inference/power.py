"""Power: what effects the experiment could have shown, and how many slates would show them."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaincinv, ndtr

from netlift.inference.estimate import CONFIDENCE, MIN_PER_ARM, Estimate, quantile_t

POWER = 0.8


_NORMAL_DF = 1e5
"""From this many degrees of freedom on the normal distribution stands for t."""


_MOST_SLATES = 1e12


_NODES, _GAUSS = np.polynomial.legendre.leggauss(200)


_PLACES, _WEIGHTS = (_NODES + 1) / 2, _GAUSS / 2
"""Gauss-Legendre's places and weights on (0, 1), to average over a distribution's quantiles."""


def power(effect: float, se: float, df: float) -> float:
    """Return the chance that the 95% interval of an estimate excludes zero.

    Parameters
    ----------
    effect
        The true effect.
    se
        Standard error of its estimate, above 0, in the same unit.
    df
        Degrees of freedom of t.

    Returns
    -------
    Two-sided power: the normal chances given the error that is estimated, averaged over its chi
    distribution (the noncentral t distribution).
    """
    critical = quantile_t(0.5 + CONFIDENCE / 2, df)
    shift = abs(effect) / se
    estimated = np.ones(1) if df >= _NORMAL_DF else np.sqrt(2 * gammaincinv(df / 2, _PLACES) / df)
    chances = ndtr(shift - critical * estimated) + ndtr(-shift - critical * estimated)
    return float(chances[0] if len(chances) == 1 else _WEIGHTS @ chances)


def minimum_detectable_effect(se: float, df: float) -> float:
    """Return the effect that is shown with 80% power, in the unit of ``se``."""
    wide = 10.0
    while power(wide * se, se, df) < POWER:
        wide *= 10
    found = brentq(lambda shift: power(shift * se, se, df) - POWER, 0.0, wide, xtol=1e-12)
    return float(found * se)


def slates_needed(effect: float, estimate: Estimate, n_slates: int) -> int | None:
    """Return how many slates of the same kind show an effect with 80% power.

    Parameters
    ----------
    effect
        The true effect.
    estimate
        Its estimate from ``n_slates`` slates: squared errors fall with their number, degrees of
        freedom grow with it.
    n_slates
        Slates of the experiment.

    Returns
    -------
    Slates in both arms together, at least two an arm; None where more than 10^12 would be needed.
    """
    if estimate.se == 0 or effect == 0:
        return None

    def lacking(log_slates: float) -> float:
        times = np.exp(log_slates) / n_slates
        return power(effect, estimate.se / np.sqrt(times), max(estimate.df * times, 1.0)) - POWER

    low, high = np.log(2.0 * MIN_PER_ARM), np.log(_MOST_SLATES)
    if lacking(high) < 0:
        return None
    if lacking(low) > 0:
        return 2 * MIN_PER_ARM
    return int(np.ceil(np.exp(brentq(lacking, low, high, xtol=1e-10)) - 1e-6))
