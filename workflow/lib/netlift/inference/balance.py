"""Balance of two arms: sample ratio and imbalance of covariates."""

from __future__ import annotations

import numpy as np

from netlift.core.arrays import Floats

_NO_SPREAD = 1e-8


WRONG = 1e-4
"""A log whose assignment has a p-value below this is refused: among valid logs, one in 10,000 for
each of the checks: sample ratio, covariates, and blocks of focal items."""


def imbalance(difference: Floats, covariance: Floats) -> tuple[float, Floats]:
    """Test whether promotion depends on covariates, with a large-sample test.

    Hansen and Bowers (2008): d = sum over units of (D - e) x has mean 0 and, for independent draws,
    covariance V = sum e (1 - e) xx'; d' V^-1 d is chi-squared. Nothing is permuted, so that logs of
    any size can be tested.

    Parameters
    ----------
    difference
        d, shape (k,).
    covariance
        V, shape (k, k).

    Returns
    -------
    The p-value of all covariates together, and each one's z, shape (k,).
    """
    from scipy.special import chdtrc

    scale = np.sqrt(np.diag(covariance))
    z, correlation = difference / scale, covariance / np.outer(scale, scale)
    rank = int(np.linalg.matrix_rank(correlation, rtol=_NO_SPREAD, hermitian=True))
    inverse = np.linalg.pinv(correlation, rtol=_NO_SPREAD, hermitian=True)
    return float(chdtrc(rank, float(z @ inverse @ z))), z


DRAW_PLACES = 12
"""Places of a slate that are told apart where draws of candidates are tested; the rest are one."""


def draw_p_value(difference: Floats, expected: Floats, products: Floats) -> float:
    """Test whether candidates were drawn with the stated probabilities, with a large-sample test.

    The number of draws of each place, less its expectation, has for independent draws mean 0 and
    covariance sum diag(q) - qq' over slates, so that the test is that of ``imbalance``.

    Parameters
    ----------
    difference
        Draws of each place less their expectation, shape (k,).
    expected
        Expected draws, the sum of q over slates, shape (k,).
    products
        The sum of qq' over slates, shape (k, k).
    """
    covariance = np.diag(expected) - products
    varies = np.diag(covariance) > _NO_SPREAD * max(float(expected.max(initial=0.0)), 1.0)
    if not varies.any():
        return 1.0
    return imbalance(difference[varies], covariance[np.ix_(varies, varies)])[0]


def sample_ratio_p_value(treated: int, n_units: int, expected: float, sd: float | None) -> float:
    """Return the p-value of the number of promoted units.

    Parameters
    ----------
    treated, n_units
        Promoted units, and all.
    expected
        Expected share.
    sd
        Standard deviation of the share where probabilities differ between units; None where they do
        not, and the binomial test is exact.
    """
    if sd is None:
        from scipy.stats import binomtest

        return float(binomtest(treated, n_units, expected).pvalue)
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(treated / n_units - expected) / sd))


TINY = 1e-300
"""The least probability whose logarithm is taken."""


SPLIT_USERS = 1e-6
"""A log that states that slates were drawn is refused if the number of users with slates in both
arms has a smaller probability than this."""


UNEQUAL = 1e-3
"""Slates are not set aside if their number in each arm has a smaller p-value than this."""


def few_split_p_value(split: int, users: int, expected: float, log_none: float) -> float:
    """Bound the probability of so few split users, if each slate was drawn by itself.

    The number of split users is a sum of independent indicators of unequal probabilities. Up to one
    below its mean, its distribution function is at most that of the binomial distribution with the
    mean probability (Hoeffding 1956, theorem 4).

    Parameters
    ----------
    split
        Users with slates in both arms.
    users
        Users with several slates.
    expected
        The sum of their probabilities of being split: 1 - prod e - prod (1 - e) over a user's
        slates.
    log_none
        The logarithm of the probability that none of them is split.
    """
    if split > expected - 1 and split > 0:
        return 1.0
    from scipy.special import bdtr

    bound = float(bdtr(split, users, expected / users)) if split <= expected - 1 else 1.0
    return min(bound, float(np.exp(log_none))) if split == 0 else bound


def unequal_p_value(promoted: int, units: int, expected: float) -> float:
    """Bound the p-value of the number of promoted units among those that have a problem.

    Their probabilities may differ; beyond one from the mean, the binomial distribution with the
    mean probability has the heavier tails (Hoeffding 1956, theorem 4).

    Parameters
    ----------
    promoted, units
        Promoted units among those that have it, and all that have it.
    expected
        The sum of their probabilities.
    """
    if abs(promoted - expected) < 1:
        return 1.0
    from scipy.special import bdtr, bdtrc

    share = expected / units
    if promoted < expected:
        tail = bdtr(promoted, units, share)
    else:
        tail = bdtrc(promoted - 1, units, share)
    return min(2 * float(tail), 1.0)
