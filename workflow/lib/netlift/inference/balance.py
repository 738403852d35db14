"""Balance of two arms: sample ratio and imbalance of covariates."""

from __future__ import annotations

import numpy as np

from netlift.core.arrays import Floats

_NO_SPREAD = 1e-8


WRONG = 1e-4
"""A log whose assignment has a p-value below this is refused: among valid logs, one in 10,000 for
each of the two checks, sample ratio and covariates."""


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
