"""Means of arms and their differences: of one experiment, or of a batch of them at once.

Every array may have leading dimensions: outcomes are of shape (..., N, m), arms of shape (..., N).
A table is the case without leading dimensions, 2,000 replicates of an experiment have one.

Single slates of equal weight have Neyman's (1923) variance S / n, which is HC2, and n - 1 degrees
of freedom; with covariates, HC2 and Satterthwaite's. Where users were randomized, or slates have
weights, units are unequal, and errors are the jackknife's over the G units, CR3 (G - 1) / G
(MacKinnon, Nielsen and Webb 2023): CR2 is unbiased under its working model, but intervals from it
cover 91% to 94% where units are few and unequal, those from the jackknife 92% to 96%. Where units
are equal, the two are the same. Means without covariates are in closed form: in a mean, unit g has
the leverage k_g = W_g / W, its share of the weights, so with s_g the sum of its weighted residuals

    covariance = (G - 1) / G sum_g s_g s_g' / (1 - k_g)^2 / W^2
    df = (sum_g k_g / (1 - k_g))^2
         / (sum_g (k_g / (1 - k_g)^2)^2 (1 - 2 k_g) + (sum_g (k_g / (1 - k_g))^2)^2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from netlift.core.arrays import ROUNDING, Booleans, Floats, Integers, sum_groups
from netlift.core.errors import NetliftError
from netlift.inference.cluster_robust import ClusteredFit, SingleRowFit, jackknife_factor
from netlift.inference.estimate import (
    CONFIDENCE,
    MIN_PER_ARM,
    Estimate,
    Estimates,
    Ratio,
    fieller,
)


@dataclass(frozen=True)
class ArmMean:
    """Means of m outcomes over the slates of one arm, with their joint covariance.

    Attributes
    ----------
    value
        Means by outcome, shape (..., m), per slate.
    covariance
        Covariance of the means, shape (..., m, m).
    df
        Degrees of freedom of the covariance, shape (...).
    slates
        Number of slates, shape (...).
    """

    value: Floats
    covariance: Floats
    df: Floats
    slates: Integers

    @classmethod
    def from_outcomes(
        cls,
        outcomes: Floats,
        arm: Booleans,
        *,
        weights: Floats | None = None,
        unit: Integers | None = None,
    ) -> Self:
        """Return means with the jackknife's errors over units.

        Parameters
        ----------
        outcomes
            Shape (..., N, m), one row per slate.
        arm
            Which slates are in the arm, shape (..., N).
        weights
            Of the slates, positive, shape (..., N).
        unit
            Number of the randomized unit of each slate, shape (N,), whose slates are all in one
            arm; by default each slate is a unit.

        Returns
        -------
        NaN where the arm has fewer than two units.
        """
        weight = arm.astype(np.float64) if weights is None else arm * weights
        y = np.swapaxes(outcomes, -1, -2) * weight[..., None, :]
        if unit is not None:
            y, weight = sum_groups(y, unit), sum_groups(weight, unit)
        total = weight.sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = y.sum(axis=-1) / total[..., None]
            expected = value[..., None] * weight[..., None, :]
            residual = y - expected
            # Without variation, rounding errors would be the only residuals.
            residual[np.abs(residual) <= ROUNDING * np.abs(expected)] = 0
            share = weight / total[..., None]
            rest = np.where(share < 1, 1 / (1 - share), 0.0)
            residual *= rest[..., None, :]
            covariance = residual @ np.swapaxes(residual, -1, -2)
            leverage = share * rest
            square = ((leverage * rest) ** 2 * (1 - 2 * share)).sum(axis=-1)
            square += (leverage**2).sum(axis=-1) ** 2
            n_units = np.count_nonzero(weight, axis=-1)
            covariance *= (jackknife_factor(n_units) / total**2)[..., None, None]
            few = np.where(n_units < MIN_PER_ARM, np.nan, 1.0)
            return cls(
                value * few[..., None],
                covariance * few[..., None, None],
                leverage.sum(axis=-1) ** 2 / square,
                arm.sum(axis=-1),
            )

    @classmethod
    def of_sums(
        cls, slates: Integers, sums: Floats, products: Floats, center: Floats, size: Floats
    ) -> Self:
        """Return means of single slates of equal weight: Neyman's (1923) S / n, which is HC2.

        Parameters
        ----------
        slates
            Shape (...).
        sums, products
            Of the outcomes minus a center near their mean, shapes (..., m) and (..., m, m).
        center
            Shape (..., m).
        size
            Roots of the sums of squares over both arms, shape (..., m): the scale of rounding.

        Returns
        -------
        NaN where there are fewer than two slates.
        """
        n = np.where(slates < MIN_PER_ARM, np.nan, slates)[..., None]
        scatter = products - sums[..., :, None] * sums[..., None, :] / n[..., None]
        # Without variation, rounding errors would be the only scatter.
        scatter[np.abs(scatter) <= ROUNDING * size[..., :, None] * size[..., None, :]] = 0
        covariance = scatter / (n * (n - 1))[..., None]
        value = sums / n + center
        # A mean of 0 would otherwise be the rounding error of its center.
        value = np.where(np.abs(value) <= ROUNDING * np.abs(center), 0.0, value)
        return cls(value, covariance, np.asarray(slates - 1.0), slates)

    @classmethod
    def adjusted(
        cls,
        outcomes: Floats,
        covariates: Floats,
        *,
        weights: Floats | None = None,
        unit: Integers | None = None,
    ) -> Self:
        """Estimate the means at covariates of zero by least squares, in one arm's n slates.

        Parameters
        ----------
        outcomes, covariates
            Shapes (n, m) and (n, k).
        weights, unit
            As of ``of``, shape (n,).

        Raises
        ------
        NetliftError
            Too few units for the mean and the covariates' slopes, or covariates that are linearly
            dependent.
        """
        n, k = covariates.shape
        n_units = n if unit is None else len(np.unique(unit))
        if n_units <= k + 1:
            raise NetliftError(
                f"{n_units} randomized units in one arm are too few for a mean with "
                f"{k} covariates and an error"
            )
        design = np.column_stack([np.ones(n), covariates])
        # Centered at a first mean, sums of squares lose no digits.
        center = outcomes.mean(axis=0)
        first = np.eye(k + 1)[0]
        centered = outcomes - center
        fit: ClusteredFit | SingleRowFit
        if unit is not None:
            fit = ClusteredFit.fit(centered, design, unit, weights)
            covariance, df = fit.jackknife_errors(first)
        else:
            fit = SingleRowFit.fit(centered, design, weights)
            covariance, df = fit.errors(first) if weights is None else fit.jackknife_errors(first)
        return cls(fit.coefficients[0] + center, covariance, np.asarray(df), np.asarray(n))

    def part(self, outcomes: slice) -> ArmMean:
        """Return the means of some of the outcomes."""
        return replace(
            self,
            value=self.value[..., outcomes],
            covariance=self.covariance[..., outcomes, outcomes],
        )

    def combinations(self, weights: ArrayLike) -> Estimates:
        """Return weighted sums of the means, by rows of weights, shape (L, m)."""
        w = np.asarray(weights, dtype=np.float64)
        variance = np.einsum("li,...ij,lj->...l", w, self.covariance, w)
        size = np.einsum("li,...ij,lj->...l", np.abs(w), np.abs(self.covariance), np.abs(w))
        # If parts vary but their sum does not, rounding errors leave a value slightly off 0.
        variance = np.where(variance <= ROUNDING * size, 0.0, variance)
        df = np.broadcast_to(self.df[..., None], variance.shape)
        return Estimates(self.value @ w.T, np.sqrt(variance), df)

    def combination(self, weights: ArrayLike) -> Estimate:
        """Return one weighted sum of the means of one experiment."""
        return self.combinations(np.atleast_2d(weights)).single


def _of_single_slates(outcomes: Floats, promoted: Booleans) -> tuple[ArmMean, ArmMean]:
    """Return the arms' plain means from sums and sums of products."""
    y = np.swapaxes(outcomes, -1, -2)
    center = y.mean(axis=-1)
    # Centered at a mean, sums of products lose no digits.
    y = y - center[..., None]
    treated, n = y * promoted[..., None, :], promoted.sum(axis=-1)
    sums, products = treated.sum(axis=-1), treated @ np.swapaxes(treated, -1, -2)
    everything = y @ np.swapaxes(y, -1, -2)
    rest = y.sum(axis=-1) - sums, everything - products
    size = np.sqrt(np.diagonal(everything, axis1=-2, axis2=-1))
    return (
        ArmMean.of_sums(n, sums, products, center, size),
        ArmMean.of_sums(promoted.shape[-1] - n, *rest, center, size),
    )


def need_units(promoted: Booleans, unit: Integers | None = None) -> None:
    """Check that both arms have two randomized units.

    Parameters
    ----------
    promoted
        Arm of each slate, shape (N,).
    unit
        Number of the randomized unit of each slate, shape (N,); by default each slate is a unit.

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
        Degrees of freedom if both arms share one variance, shape (...); None for Welch's.
    exact
        Whether an arm without variance is known exactly, such as the lift of control slates; or
        of which outcomes, shape (m,): clicks on items that control slates do not show.
    """

    treated: ArmMean
    control: ArmMean
    pooled_df: Floats | None = None
    exact: bool | Booleans = False

    @classmethod
    def from_outcomes(
        cls,
        outcomes: Floats,
        promoted: Booleans,
        *,
        covariates: Floats | None = None,
        weights: Floats | None = None,
        unit: Integers | None = None,
    ) -> Self:
        """Compare arms. The covariance is Neyman's (1923), S1/n1 + S0/n0, for single slates.

        Parameters
        ----------
        outcomes
            Shape (..., N, m), one row per slate.
        promoted
            Shape (..., N).
        covariates
            Shape (N, k), of one experiment: each arm's means are adjusted to the covariates' mean
            over both arms by slopes of the arm's own, which is Lin's (2013) regression.
        weights
            Of the slates, shape (..., N).
        unit
            Number of the randomized unit of each slate, shape (N,); by default each slate is
            a unit.

        Returns
        -------
        NaN in those members of a batch in which an arm has fewer than two units.

        Raises
        ------
        NetliftError
            In one experiment, an arm has fewer than two units, or too few for the covariates.
        """
        if promoted.ndim == 1:
            need_units(promoted, unit)
        arms = (promoted, ~promoted)
        if covariates is None or not covariates.shape[1]:
            if weights is None and unit is None:
                return cls(*_of_single_slates(outcomes, promoted))
            treated, control = (
                ArmMean.from_outcomes(outcomes, arm, weights=weights, unit=unit) for arm in arms
            )
            return cls(treated, control)
        center = covariates.mean(axis=0)
        treated, control = (
            ArmMean.adjusted(
                outcomes[arm],
                covariates[arm] - center,
                weights=None if weights is None else weights[arm],
                unit=None if unit is None else unit[arm],
            )
            for arm in arms
        )
        return cls(treated, control)

    @classmethod
    def stacked(cls, members: Sequence[ArmDifference | None], n_outcomes: int) -> Self:
        """Make one batch of experiments' differences in n outcomes; NaN for those without one."""
        none = ArmMean(
            np.full(n_outcomes, np.nan),
            np.full((n_outcomes, n_outcomes), np.nan),
            np.asarray(np.nan),
            np.asarray(0),
        )
        filled = [ArmDifference(none, none) if member is None else member for member in members]
        treated, control = (
            ArmMean(
                np.array([arm.value for arm in arms]),
                np.array([arm.covariance for arm in arms]),
                np.array([arm.df for arm in arms]),
                np.array([arm.slates for arm in arms]),
            )
            for arms in ([each.treated for each in filled], [each.control for each in filled])
        )
        return cls(treated, control)

    @property
    def difference(self) -> Floats:
        """Difference in means by outcome, shape (..., m), per slate."""
        return self.treated.value - self.control.value

    @property
    def covariance(self) -> Floats:
        """Covariance of the differences, shape (..., m, m)."""
        return self.treated.covariance + self.control.covariance

    def part(self, outcomes: slice) -> ArmDifference:
        """Return the differences of some of the outcomes."""
        exact = self.exact if isinstance(self.exact, bool) else self.exact[outcomes]
        treated, control = self.treated.part(outcomes), self.control.part(outcomes)
        return replace(self, treated=treated, control=control, exact=exact)

    def pooled(self) -> ArmDifference:
        """Return the same difference with one variance for both arms: plain OLS errors.

        For differences of plain means of single slates.
        """
        arms = (self.treated, self.control)
        n1, n0 = (arm.slates[..., None, None] for arm in arms)
        square = n1 * (n1 - 1) * self.treated.covariance + n0 * (n0 - 1) * self.control.covariance
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = square / (n1 + n0 - 2)
            treated, control = (
                replace(arm, covariance=variance / n) for arm, n in zip(arms, (n1, n0), strict=True)
            )
        return ArmDifference(treated, control, self.treated.df + self.control.df)

    def combinations(self, weights: ArrayLike) -> Estimates:
        """Return weighted sums of the differences, by rows of weights, shape (L, m).

        Degrees of freedom are Welch's (1947): each arm's own variance with its own degrees. An arm
        in which the sum does not vary (no click in a few slates) is not known exactly: it is given
        the other arm's variance; where neither varies and the arms differ, the variance is that of
        all slates together, as if there were no effect.
        """
        arms = self.treated.combinations(weights), self.control.combinations(weights)
        difference = self.difference @ np.asarray(weights, dtype=np.float64).T
        variances = arms[0].se ** 2, arms[1].se ** 2
        units = arms[0].df + 1, arms[1].df + 1
        with np.errstate(divide="ignore", invalid="ignore"):
            estimated = _of_arms_that_vary(variances, units, difference)
            known = self._known(np.asarray(weights))
            variances = (
                np.where(known, variances[0], estimated[0]),
                np.where(known, variances[1], estimated[1]),
            )
            variance = variances[0] + variances[1]
            spread = variances[0] ** 2 / arms[0].df + variances[1] ** 2 / arms[1].df
            df = np.where(spread > 0, variance**2 / spread, units[0] + units[1] - 2)
        if self.pooled_df is not None:
            df = np.broadcast_to(self.pooled_df[..., None], df.shape)
        return Estimates(difference, np.sqrt(variance), df)

    def _known(self, weights: Floats) -> Booleans:
        """Return which sums are of outcomes that are known where they do not vary, shape (L,)."""
        exact = np.broadcast_to(self.exact, weights.shape)
        return np.asarray((exact | (weights == 0)).all(axis=-1))

    def combination(self, weights: ArrayLike) -> Estimate:
        """Return one weighted sum of the differences of one experiment."""
        return self.combinations(np.atleast_2d(weights)).single


def _of_arms_that_vary(
    variances: tuple[Floats, Floats], units: tuple[Floats, Floats], difference: Floats
) -> tuple[Floats, Floats]:
    """Return both arms' squared errors, also for an arm without variation."""
    first, second = variances
    neither = (first == 0) & (second == 0) & (np.abs(difference) > ROUNDING)
    both = difference**2 / (units[0] + units[1] - 1) / (units[0] + units[1])
    return (
        np.where(
            neither, both * units[1], np.where(first == 0, second * units[1] / units[0], first)
        ),
        np.where(
            neither, both * units[0], np.where(second == 0, first * units[0] / units[1], second)
        ),
    )


def ratio_of(
    arms: ArmDifference,
    numerator: ArrayLike,
    denominator: ArrayLike,
    confidence: float = CONFIDENCE,
) -> Ratio:
    """Return the ratio of two weighted sums of differences, with Fieller's set.

    A sum that differs by no more than rounding errors is 0; so is its error, if it is no larger.

    Its degrees of freedom are the smaller ones of the two sums.
    """
    pair = np.array([numerator, denominator], dtype=np.float64)
    values, covariance = pair @ arms.difference, pair @ arms.covariance @ pair.T
    df = min(arms.combination(row).df for row in pair)
    rounding = ROUNDING * np.abs([arms.treated.value, arms.control.value]).max()
    # Of a variance that is a difference of larger ones, more digits are lost.
    of_variance = ROUNDING * max(np.abs(arms.covariance).max(), rounding)
    for part in (0, 1):
        if abs(values[part]) <= rounding:
            values[part] = 0.0
            if covariance[part, part] <= of_variance:
                covariance[part], covariance[:, part] = 0.0, 0.0
    return fieller(float(values[0]), float(values[1]), covariance, df, confidence)


def clustered_coefficient(
    outcome: Floats, design: Floats, cluster: Integers, weights: Floats | None = None
) -> Estimate:
    """Return the last coefficient of a least-squares fit, with clustered errors (CR2).

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
    fit = ClusteredFit.fit(outcome[:, None], design, cluster, weights)
    last = np.eye(design.shape[1])[-1]
    df = fit.df(last)
    if df <= 0:
        raise NetliftError("too few clusters for an error: each is fitted exactly")
    variance = max(float(fit.covariance(last)[0, 0]), 0.0)
    return Estimate(float(fit.coefficients[-1, 0]), float(np.sqrt(variance)), df)
