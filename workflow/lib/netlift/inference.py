"""Estimates, their joint covariance, and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netlift.errors import NetliftError

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
ROUNDING = 1e-12
"""Per slate or row; an effect no larger than this is none."""

MIN_PER_ARM = 2
"""Slates that an arm needs before a variance can be estimated."""


@dataclass(frozen=True)
class Estimate:
    """One number with its error.

    Attributes
    ----------
    value
        The estimate, in the unit of the outcome.
    se
        Its standard error.
    df
        Degrees of freedom of the t distribution behind the interval.
    """

    value: float
    se: float
    df: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% confidence interval."""
        half = quantile_t(0.5 + CONFIDENCE / 2, self.df) * self.se
        return self.value - half, self.value + half

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate in another unit."""
        return Estimate(self.value * factor, self.se * abs(factor), self.df)

    @property
    def sign(self) -> int:
        """1 or -1 where the 95% interval lies on one side of zero, 0 where it covers it."""
        lower, upper = self.interval
        return int(lower > ROUNDING) - int(upper < -ROUNDING)


def quantile_t(probability: float, df: float) -> float:
    """Return a quantile of the t distribution; the normal one for infinite ``df``."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if np.isinf(df) else stdtrit(df, probability))


@dataclass(frozen=True)
class ArmDifference:
    """Difference in means between promoted and control slates for several outcomes jointly.

    Attributes
    ----------
    treated_mean, control_mean
        Means by outcome, shape (m,), per slate.
    treated_covariance, control_covariance
        Sample covariance of the outcomes within each arm, shape (m, m).
    treated_slates, control_slates
        Number of slates in each arm.
    """

    treated_mean: Floats
    control_mean: Floats
    treated_covariance: Floats
    control_covariance: Floats
    treated_slates: int
    control_slates: int

    @classmethod
    def of(cls, outcomes: Floats, promoted: NDArray[np.bool_]) -> Self:
        """Compare arms.

        Parameters
        ----------
        outcomes
            Shape (N, m), one row per slate.
        promoted
            Shape (N,).

        Raises
        ------
        NetliftError
            An arm has fewer than two slates.
        """
        arms = outcomes[promoted], outcomes[~promoted]
        for name, arm in zip(("promoted", "control"), arms, strict=True):
            if len(arm) < MIN_PER_ARM:
                raise NetliftError(
                    f"{len(arm)} {name} slates of {len(outcomes)}: an effect with an error needs "
                    f"at least {MIN_PER_ARM} slates in each arm. Take more slates, or a promotion "
                    "probability nearer to 0.5."
                )
        treated, control = arms
        return cls(
            treated.mean(axis=0),
            control.mean(axis=0),
            np.atleast_2d(np.cov(treated, rowvar=False)),
            np.atleast_2d(np.cov(control, rowvar=False)),
            len(treated),
            len(control),
        )

    @property
    def difference(self) -> Floats:
        """Difference in means by outcome, shape (m,), per slate."""
        return self.treated_mean - self.control_mean

    @property
    def covariance(self) -> Floats:
        """Neyman's covariance of the differences, S1/n1 + S0/n0, shape (m, m).

        Neyman (1923); its diagonal is HC2's squared error of the regression on the arm.
        """
        return (
            self.treated_covariance / self.treated_slates
            + self.control_covariance / self.control_slates
        )

    @property
    def pooled_covariance(self) -> Floats:
        """Covariance of the differences under one variance for both arms (plain OLS)."""
        df = self.treated_slates + self.control_slates - 2
        pooled = (
            (self.treated_slates - 1) * self.treated_covariance
            + (self.control_slates - 1) * self.control_covariance
        ) / df
        return pooled * (1 / self.treated_slates + 1 / self.control_slates)

    def combination(self, weights: ArrayLike) -> Estimate:
        """Return a weighted sum of the differences with its Neyman (HC2) error.

        Degrees of freedom are Welch's, which are those of Bell and McCaffrey (2002) here.
        """
        w = np.asarray(weights, dtype=np.float64)
        # Rounding may leave a variance of zero a little below it.
        parts = (
            max(float(w @ self.treated_covariance @ w), 0.0) / self.treated_slates,
            max(float(w @ self.control_covariance @ w), 0.0) / self.control_slates,
        )
        variance = sum(parts)
        spread = parts[0] ** 2 / (self.treated_slates - 1) + parts[1] ** 2 / (
            self.control_slates - 1
        )
        df = variance**2 / spread if spread > 0 else np.inf
        return Estimate(float(w @ self.difference), float(np.sqrt(variance)), float(df))

    def pooled_combination(self, weights: ArrayLike) -> Estimate:
        """Return a weighted sum of the differences with its plain OLS error."""
        w = np.asarray(weights, dtype=np.float64)
        variance = max(float(w @ self.pooled_covariance @ w), 0.0)
        df = self.treated_slates + self.control_slates - 2
        return Estimate(float(w @ self.difference), float(np.sqrt(variance)), float(df))


@dataclass(frozen=True)
class Ratio:
    """A ratio of two estimates with Fieller's confidence set.

    Attributes
    ----------
    value
        Numerator over denominator; None where the denominator is zero.
    lower, upper
        Ends of the set; None where there is no finite end.
    kind
        ``interval`` (lower to upper), ``outside`` (everything but lower to upper: the denominator
        may be zero) or ``everything`` (the data say nothing about the ratio).
    """

    value: float | None
    lower: float | None
    upper: float | None
    kind: str


def fieller(numerator: float, denominator: float, covariance: Floats, df: float) -> Ratio:
    """Return a ratio with Fieller's (1954) 95% confidence set.

    The set of r with (a - r b)^2 <= t^2 (Vaa - 2 r Vab + r^2 Vbb).

    Parameters
    ----------
    numerator, denominator
        The two estimates, a and b.
    covariance
        Their covariance, shape (2, 2).
    df
        Degrees of freedom of t.
    """
    t2 = quantile_t(0.5 + CONFIDENCE / 2, df) ** 2
    (vaa, vab), (_, vbb) = covariance
    square = denominator**2 - t2 * vbb
    middle = numerator * denominator - t2 * vab
    constant = numerator**2 - t2 * vaa
    value = numerator / denominator if denominator != 0 else None
    discriminant = middle**2 - square * constant
    if square == 0 or (square < 0 and discriminant <= 0):
        return Ratio(value, None, None, "everything")
    root = float(np.sqrt(max(discriminant, 0.0)))
    ends = sorted(((middle - root) / square, (middle + root) / square))
    return Ratio(value, ends[0], ends[1], "interval" if square > 0 else "outside")


def clustered_difference(
    outcome: Floats, promoted: NDArray[np.bool_], cluster: NDArray[np.int64]
) -> Estimate:
    """Return the difference in row means between arms, with errors clustered (CR1).

    Ordinary least squares on the arm, by statsmodels, with its usual small-sample factor
    G/(G-1) (N-1)/(N-2) and t with G - 1 degrees of freedom.

    Parameters
    ----------
    outcome, promoted
        One value per row, shape (R,).
    cluster
        Number of the randomized unit (or user) of each row.

    Raises
    ------
    NetliftError
        An arm has no rows in at least two clusters.
    """
    for name, arm in (("promoted", promoted), ("control", ~promoted)):
        n_clusters = len(np.unique(cluster[arm]))
        if n_clusters < MIN_PER_ARM:
            raise NetliftError(
                f"rows of {n_clusters} {name} clusters: an effect with clustered errors needs at "
                f"least {MIN_PER_ARM} in each arm"
            )
    return clustered_coefficient(
        outcome, np.column_stack([np.ones(len(outcome)), promoted]), cluster
    )


def clustered_coefficient(outcome: Floats, design: Floats, cluster: NDArray[np.int64]) -> Estimate:
    """Return the last coefficient of a least-squares fit, with errors clustered (CR1).

    Parameters
    ----------
    outcome
        One value per row, shape (R,).
    design
        Regressors, shape (R, p).
    cluster
        Number of the randomized unit (or user) of each row.
    """
    from statsmodels.regression.linear_model import OLS

    fit = OLS(outcome, design).fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
    return Estimate(float(fit.params[-1]), float(fit.bse[-1]), float(fit.df_resid_inference))


def robust_coefficient(outcome: Floats, design: Floats) -> Estimate:
    """Return the last coefficient of a least-squares fit, with HC2 errors.

    Parameters
    ----------
    outcome
        One value per slate, shape (N,).
    design
        Regressors, shape (N, p).
    """
    from statsmodels.regression.linear_model import OLS

    fit = OLS(outcome, design).fit(cov_type="HC2", use_t=True)
    return Estimate(float(fit.params[-1]), float(fit.bse[-1]), float(fit.df_resid))
