"""Shrinkage of estimates towards their mean, with intervals that hold on average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.core.arrays import Floats
from netlift.inference.estimate import CONFIDENCE

MIN_SHRUNKEN = 4
"""Estimates from which the prior below gives a posterior distribution."""


_NODES = 200
"""Values of tau at which the posterior is computed."""


_HALVINGS = 40
"""Steps of bisection for a quantile: to 1e-12 of the range."""


@dataclass(frozen=True)
class Shrunken:
    """Shrunken estimates, shape (K,) each.

    Attributes
    ----------
    value, se
        Mean and standard deviation of the posterior distribution.
    lower, upper
        Its 2.5% and 97.5% quantiles. They contain 95% or more of the true values on average over
        the K; a value far from the mean of the others is contained less often.
    """

    value: Floats
    se: Floats
    lower: Floats
    upper: Floats


def shrunken(values: Floats, errors: Floats) -> Shrunken:
    """Shrink independent estimates towards their mean: see ``shrunken_jointly``.

    Parameters
    ----------
    values, errors
        Independent estimates and their standard errors, all above zero, shape (K,); K at least
        ``MIN_SHRUNKEN``.
    """
    return _posterior(values, errors**2, errors**2, np.eye(len(values)))


def shrunken_jointly(values: Floats, covariance: Floats) -> Shrunken:
    """Shrink estimates towards their mean, with the uncertainty of the mean and of the spread.

    True values are taken as normal with mean mu and variance A. Morris (1983) integrates over mu
    and A with a flat prior on both, by approximations in closed form; here the integral over A is
    computed numerically, for any errors. It is the flat prior on A that makes intervals hold on
    average over the estimates, whatever A is: a point estimate of A makes them too short.

    With the covariance V = Q L Q' of the estimates' errors, V + A I has the same Q for every A, so
    that Q'y are independent, with variances L + A and means mu Q'1.

    Parameters
    ----------
    values, covariance
        Estimates, shape (K,), and the covariance of their errors, shape (K, K), of which every
        variance is above zero; K at least ``MIN_SHRUNKEN``.
    """
    own, axes = np.linalg.eigh(covariance)
    return _posterior(values, np.diag(covariance), np.maximum(own, 0.0), axes)


def _posterior(values: Floats, errors2: Floats, variance: Floats, axes: Floats) -> Shrunken:
    """Return the posterior of values whose errors have variances along axes Q, shape (K, K)."""
    share = (np.arange(_NODES) + 0.5) / _NODES
    # Tau from 0 to infinity, most densely where it is about as large as the errors or the spread.
    usual = np.median(errors2) + np.median((values - np.median(values)) ** 2)
    tau = np.sqrt(usual) * share / (1 - share)
    turned, ones = axes.T @ values, axes.sum(axis=0)
    weight = 1 / (tau[:, None] ** 2 + variance)
    total = weight @ ones**2
    mean = weight @ (ones * turned) / total
    misfit = (weight * (turned - mean[:, None] * ones) ** 2).sum(axis=1)
    # dA = 2 tau d tau, and d tau is in proportion to d share / (1 - share)^2.
    log_density = np.log(weight).sum(axis=1) / 2 - np.log(total) / 2 - misfit / 2
    log_density += np.log(tau) - 2 * np.log1p(-share)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    pulled = variance * weight
    centers = (pulled * mean[:, None] * ones + (1 - pulled) * turned) @ axes.T
    variances = ((1 - pulled) * variance) @ (axes**2).T
    variances += ((pulled * ones) @ axes.T) ** 2 / total[:, None]
    value = density @ centers
    se = np.sqrt(density @ (variances + (centers - value) ** 2))
    tail = (1 - CONFIDENCE) / 2
    ends = (_quantile(p, density, centers, np.sqrt(variances)) for p in (tail, 1 - tail))
    return Shrunken(value, se, *ends)


def _quantile(probability: float, density: Floats, centers: Floats, sds: Floats) -> Floats:
    """Return a quantile of K mixtures of normals, shape (K,); components of shape (n, K)."""
    from scipy.special import ndtr

    lower, upper = (centers - 9 * sds).min(axis=0), (centers + 9 * sds).max(axis=0)
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        below = density @ ndtr((middle - centers) / sds) < probability
        lower, upper = np.where(below, middle, lower), np.where(below, upper, middle)
    return np.asarray((lower + upper) / 2)
