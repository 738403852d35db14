"""Power: which effects the experiment could detect, and how many slates detect an effect."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaincinv, ndtr

from netlift.inference.estimate import CONFIDENCE, MIN_PER_ARM, Estimate, quantile_t

POWER = 0.8


_NORMAL_DF = 1e5
"""From this many degrees of freedom on, the normal distribution is used instead of t."""


_MOST_SLATES = 1e12


_NODES, _GAUSS = np.polynomial.legendre.leggauss(200)


_LEVELS, _WEIGHTS = (_NODES + 1) / 2, _GAUSS / 2
"""Gauss-Legendre nodes and weights on (0, 1), to average over a distribution's quantiles."""


def power(effect: float, se: float, df: float) -> float:
    """Return the probability that the 95% interval of an estimate excludes zero.

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
    Two-sided power: the normal power given the estimated error, averaged over its chi
    distribution (the noncentral t distribution).
    """
    critical = quantile_t(0.5 + CONFIDENCE / 2, df)
    shift = abs(effect) / se
    estimated = np.ones(1) if df >= _NORMAL_DF else np.sqrt(2 * gammaincinv(df / 2, _LEVELS) / df)
    powers = ndtr(shift - critical * estimated) + ndtr(-shift - critical * estimated)
    return float(powers[0] if len(powers) == 1 else _WEIGHTS @ powers)


def exaggeration(effect: float, se: float, df: float) -> tuple[float, float] | None:
    """Return what a significant estimate would be, if an effect were true (Gelman and Carlin 2014).

    Parameters
    ----------
    effect
        The true effect, not zero.
    se
        Standard error of its estimate, above 0, in the same unit.
    df
        Degrees of freedom of t.

    Returns
    -------
    Over the experiments whose 95% interval excludes zero: the expected size of the estimate as a
    multiple of the effect's, and the probability that it has the wrong sign. By the normal
    distribution of the estimate with a known error (Lu, Qiu and Deng 2019). None where the effect
    is zero.
    """
    if effect == 0:
        return None
    critical = quantile_t(0.5 + CONFIDENCE / 2, df)
    shift = abs(effect) / se
    right, wrong = float(ndtr(shift - critical)), float(ndtr(-shift - critical))
    density = np.exp(-((critical + np.array([-shift, shift])) ** 2) / 2) / np.sqrt(2 * np.pi)
    size = shift * (right - wrong) + float(density.sum())
    return size / (shift * (right + wrong)), wrong / (right + wrong)


def minimum_detectable_effect(se: float, df: float) -> float:
    """Return the effect that is detected with 80% power, in the unit of ``se``."""
    wide = 10.0
    while power(wide * se, se, df) < POWER:
        wide *= 10
    shift = brentq(lambda trial: power(trial * se, se, df) - POWER, 0.0, wide, xtol=1e-12)
    return float(shift * se)


def slates_needed(effect: float, estimate: Estimate, n_slates: int) -> int | None:
    """Return how many slates of the same kind detect an effect with 80% power.

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

    def excess_power(log_slates: float) -> float:
        times = np.exp(log_slates) / n_slates
        return power(effect, estimate.se / np.sqrt(times), max(estimate.df * times, 1.0)) - POWER

    low, high = np.log(2.0 * MIN_PER_ARM), np.log(_MOST_SLATES)
    if excess_power(high) < 0:
        return None
    if excess_power(low) > 0:
        return 2 * MIN_PER_ARM
    return int(np.ceil(np.exp(brentq(excess_power, low, high, xtol=1e-10)) - 1e-6))
