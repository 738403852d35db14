"""Estimates, their joint covariance, and intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netlift.core.arrays import ROUNDING, Floats
from netlift.core.errors import NetliftError
from netlift.inference.cluster_robust import ClusteredFit, SingleRowFit
from netlift.inference.estimate import MIN_PER_ARM, Estimate, Ratio, fieller


@dataclass(frozen=True)
class ArmMean:
    """Means of several outcomes over the slates of one arm, with their joint covariance.

    Attributes
    ----------
    value
        Means by outcome, shape (m,), per slate.
    covariance
        Covariance of the means, shape (m, m).
    df
        Degrees of freedom of the covariance.
    slates
        Number of slates.
    """

    value: Floats
    covariance: Floats
    df: float
    slates: int

    @classmethod
    def of(
        cls,
        outcomes: Floats,
        *,
        covariates: Floats | None = None,
        weights: Floats | None = None,
        unit: NDArray[np.int64] | None = None,
    ) -> Self:
        """Estimate the means by least squares, with CR2 errors by unit (HC2 for single slates).

        Parameters
        ----------
        outcomes
            Shape (n, m), one row per slate.
        covariates
            Shape (n, k); the means are those at covariates of zero.
        weights
            Of the slates, shape (n,).
        unit
            Number of the randomized unit of each slate, shape (n,); each slate its own if not
            given.

        Raises
        ------
        NetliftError
            Too few units for the means and the covariates' slopes, or covariates that are
            linearly dependent.
        """
        n = len(outcomes)
        design = np.ones((n, 1))
        if covariates is not None:
            design = np.column_stack([design, covariates])
        n_units = n if unit is None else len(np.unique(unit))
        if n_units <= design.shape[1]:
            raise NetliftError(
                f"{n_units} randomized units in one arm are too few for a mean with "
                f"{design.shape[1] - 1} covariates and an error"
            )
        # Around a first mean, sums of squares lose no digits.
        center = outcomes.mean(axis=0)
        fit: ClusteredFit | SingleRowFit
        if unit is None:
            fit = SingleRowFit.of(outcomes - center, design, weights)
        else:
            fit = ClusteredFit.of(outcomes - center, design, unit, weights)
        first = np.eye(design.shape[1])[0]
        return cls(fit.coefficients[0] + center, fit.covariance(first), fit.df(first), n)

    def part(self, outcomes: slice) -> ArmMean:
        """Return the means of some of the outcomes."""
        return replace(
            self, value=self.value[outcomes], covariance=self.covariance[outcomes, outcomes]
        )

    def combination(self, weights: ArrayLike) -> Estimate:
        """Return a weighted sum of the means."""
        w = np.asarray(weights, dtype=np.float64)
        variance = float(w @ self.covariance @ w)
        # Of parts that vary and a sum that does not, rounding leaves a little on either side of 0.
        if variance <= ROUNDING * float(np.abs(w) @ np.abs(self.covariance) @ np.abs(w)):
            variance = 0.0
        return Estimate(float(w @ self.value), float(np.sqrt(variance)), self.df)


def need_units(promoted: NDArray[np.bool_], unit: NDArray[np.int64] | None = None) -> None:
    """Ask that both arms have two randomized units.

    Parameters
    ----------
    promoted
        Arm of each slate, shape (N,).
    unit
        Number of the randomized unit of each slate, shape (N,); each slate its own if not given.

    Raises
    ------
    NetliftError
        An arm has fewer.
    """
    for name, arm in (("promoted", promoted), ("control", ~promoted)):
        n_units = int(arm.sum()) if unit is None else len(np.unique(unit[arm]))
        if n_units < MIN_PER_ARM:
            what = "slates" if unit is None else "randomized units"
            raise NetliftError(
                f"{n_units} {name} {what} of {len(promoted)} slates: an effect with an error "
                f"needs at least {MIN_PER_ARM} {what} in each arm. Take more slates, or a "
                "promotion probability nearer to 0.5."
            )


@dataclass(frozen=True)
class ArmDifference:
    """Difference in means between promoted and control slates for several outcomes jointly.

    Attributes
    ----------
    treated, control
        The arms' means.
    pooled_df
        Degrees of freedom where one variance stands for both arms; None for Welch's.
    exact
        Whether an arm without variance is known exactly, as the lift of control slates is.
    """

    treated: ArmMean
    control: ArmMean
    pooled_df: float | None = None
    exact: bool = False

    @classmethod
    def of(
        cls,
        outcomes: Floats,
        promoted: NDArray[np.bool_],
        *,
        covariates: Floats | None = None,
        weights: Floats | None = None,
        unit: NDArray[np.int64] | None = None,
    ) -> Self:
        """Compare arms. Its covariance is Neyman's (1923), S1/n1 + S0/n0, for single slates.

        Parameters
        ----------
        outcomes
            Shape (N, m), one row per slate.
        promoted
            Shape (N,).
        covariates
            Shape (N, k): each arm's means are adjusted to the covariates' mean over both arms by
            slopes of the arm's own, which is Lin's (2013) regression.
        weights
            Of the slates, shape (N,).
        unit
            Number of the randomized unit of each slate, shape (N,); each slate its own if not
            given.

        Raises
        ------
        NetliftError
            An arm has fewer than two units, or too few for the covariates.
        """
        need_units(promoted, unit)
        center = np.zeros(0) if covariates is None else covariates.mean(axis=0)
        treated, control = (
            ArmMean.of(
                outcomes[arm],
                covariates=None if covariates is None else covariates[arm] - center,
                weights=None if weights is None else weights[arm],
                unit=None if unit is None else unit[arm],
            )
            for arm in (promoted, ~promoted)
        )
        return cls(treated, control)

    @property
    def difference(self) -> Floats:
        """Difference in means by outcome, shape (m,), per slate."""
        return self.treated.value - self.control.value

    @property
    def covariance(self) -> Floats:
        """Covariance of the differences, shape (m, m)."""
        return self.treated.covariance + self.control.covariance

    def part(self, outcomes: slice) -> ArmDifference:
        """Return the differences of some of the outcomes."""
        return replace(
            self, treated=self.treated.part(outcomes), control=self.control.part(outcomes)
        )

    def pooled(self) -> ArmDifference:
        """Return the same difference with one variance for both arms: plain OLS errors.

        For differences of plain means of single slates.
        """
        n1, n0 = self.treated.slates, self.control.slates
        square = n1 * (n1 - 1) * self.treated.covariance + n0 * (n0 - 1) * self.control.covariance
        one = square / (n1 + n0 - 2)
        return ArmDifference(
            replace(self.treated, covariance=one / n1),
            replace(self.control, covariance=one / n0),
            n1 + n0 - 2,
        )

    def combination(self, weights: ArrayLike) -> Estimate:
        """Return a weighted sum of the differences.

        Degrees of freedom are Welch's (1947): each arm's own variance with its own degrees. An arm
        in which the sum does not vary (no click in a few slates) is not known exactly: it is given
        the other arm's variance; where neither varies and the arms differ, the variance is that of
        all slates together, as if there were no effect.
        """
        treated, control = self.treated.combination(weights), self.control.combination(weights)
        difference = float(np.asarray(weights, dtype=np.float64) @ self.difference)
        units = treated.df + 1, control.df + 1
        parts = [treated.se**2, control.se**2]
        if not self.exact:
            parts = _of_arms_that_vary(parts, units, difference)
        variance = sum(parts)
        df = self.pooled_df
        if df is None:
            spread = parts[0] ** 2 / treated.df + parts[1] ** 2 / control.df
            df = variance**2 / spread if spread > 0 else sum(units) - 2
        return Estimate(difference, float(np.sqrt(variance)), float(df))


def _of_arms_that_vary(
    parts: list[float], units: tuple[float, float], difference: float
) -> list[float]:
    """Return both arms' squared errors, with one for an arm in which nothing varies."""
    if not any(parts) and abs(difference) > ROUNDING:
        both = difference**2 / (sum(units) - 1)
        return [both * other / sum(units) for other in units[::-1]]
    if parts[0] == 0:
        return [parts[1] * units[1] / units[0], parts[1]]
    if parts[1] == 0:
        return [parts[0], parts[0] * units[0] / units[1]]
    return parts


def ratio_of(arms: ArmDifference, numerator: ArrayLike, denominator: ArrayLike) -> Ratio:
    """Return the ratio of two weighted sums of differences, with Fieller's set."""
    pair = np.array([numerator, denominator], dtype=np.float64)
    values = pair @ arms.difference
    df = min(arms.combination(row).df for row in pair)
    return fieller(float(values[0]), float(values[1]), pair @ arms.covariance @ pair.T, df)


def clustered_coefficient(
    outcome: Floats, design: Floats, cluster: NDArray[np.int64], weights: Floats | None = None
) -> Estimate:
    """Return the last coefficient of a least-squares fit, with errors clustered (CR2).

    Intervals use t with Satterthwaite's degrees of freedom (see ``cluster_robust``). With each
    row its own cluster the errors are HC2.

    Parameters
    ----------
    outcome
        One value per row, shape (R,).
    design
        Regressors, shape (R, p).
    cluster
        Number of the randomized unit (or user) of each row, shape (R,).
    weights
        Of the rows, shape (R,).

    Raises
    ------
    NetliftError
        The regressors are linearly dependent, or so few clusters have them that no error can be
        estimated.
    """
    fit = ClusteredFit.of(outcome[:, None], design, cluster, weights)
    last = np.eye(design.shape[1])[-1]
    df = fit.df(last)
    if df <= 0:
        raise NetliftError("too few clusters for an error: each is decided by the fit itself")
    variance = max(float(fit.covariance(last)[0, 0]), 0.0)
    return Estimate(float(fit.coefficients[-1, 0]), float(np.sqrt(variance)), df)
