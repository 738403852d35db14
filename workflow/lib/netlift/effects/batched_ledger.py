"""The ledger of many experiments at once: the estimators of ``ledger`` in array form.

Experiments that share their slates and differ in assignment and clicks are rows of arrays; sums and
cross products over slates give every mean, covariance and degree of freedom. The values are those
of the table form (``ledger.component_effects``) but for rounding, which tests hold them to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.core.arrays import ROUNDING, Booleans, Floats, Integers
from netlift.effects.codes import LINES
from netlift.effects.estimators import SAME_RANK, UNITS_PER_COEFFICIENT, unexplained
from netlift.inference.estimate import MIN_PER_ARM

_WEIGHTS = np.array([line.weights for line in LINES], dtype=np.float64)


_WELL_CONDITIONED = 1e-4
"""Smallest eigenvalue of an arm's correlations from which all covariates can be used."""


@dataclass(frozen=True)
class Estimates:
    """One estimator's ledger in b experiments.

    Attributes
    ----------
    value, se, df
        Effects per slate with their standard errors and degrees of freedom, shape (b, 4), in the
        order of ``LINES``; NaN where the table form has no numbers.
    covariance
        Of the three components, shape (b, 3, 3).
    """

    value: Floats
    se: Floats
    df: Floats
    covariance: Floats


@dataclass(frozen=True)
class Arms:
    """Means of the components in one arm of b experiments.

    Attributes
    ----------
    mean
        Shape (b, 3).
    covariance
        Of the means, shape (b, 3, 3).
    df
        Shape (b,).
    units
        Randomized units, shape (b,).
    """

    mean: Floats
    covariance: Floats
    df: Floats
    units: Floats


def compared(
    treated: Arms, control: Arms, *, exact: bool = False, df: Floats | None = None
) -> Estimates:
    """Compare arms as ``ArmDifference.combination`` does, line by line.

    Parameters
    ----------
    treated, control
        The arms.
    exact
        Whether an arm that does not vary is known exactly.
    df
        Degrees of freedom, shape (b,); Welch's if not given.
    """
    value = (treated.mean - control.mean) @ _WEIGHTS.T
    parts = [_variances(arm.covariance) for arm in (treated, control)]
    units = [arm.units[:, None] for arm in (treated, control)]
    if not exact:
        neither = (parts[0] == 0) & (parts[1] == 0) & (np.abs(value) > ROUNDING)
        both = value**2 / (units[0] + units[1] - 1) / (units[0] + units[1])
        filled = [
            np.where(own == 0, other * n_other / n_own, own)
            for own, other, n_own, n_other in (
                (parts[0], parts[1], *units),
                (parts[1], parts[0], *units[::-1]),
            )
        ]
        parts = [
            np.where(neither, both * n_other, one)
            for one, n_other in zip(filled, units[::-1], strict=True)
        ]
    variance = parts[0] + parts[1]
    if df is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = parts[0] ** 2 / treated.df[:, None] + parts[1] ** 2 / control.df[:, None]
            welch = variance**2 / spread
        found = np.where(spread > 0, welch, units[0] + units[1] - 2)
    else:
        found = np.broadcast_to(df[:, None], value.shape)
    # Without two units an arm has no error, and the table form no estimate.
    empty = np.minimum(*units) < MIN_PER_ARM
    value, variance = (np.where(empty, np.nan, numbers) for numbers in (value, variance))
    return Estimates(value, np.sqrt(variance), found, treated.covariance + control.covariance)


def _variances(covariance: Floats) -> Floats:
    """Return the variance of each line, shape (b, 4); rounding errors are none."""
    variance = np.einsum("li,bij,lj->bl", _WEIGHTS, covariance, _WEIGHTS)
    size = np.einsum("li,bij,lj->bl", _WEIGHTS, np.abs(covariance), _WEIGHTS)
    return np.where(variance <= ROUNDING * size, 0.0, variance)


@dataclass(frozen=True)
class Sums:
    """What means and errors of one arm need, of b experiments with single slates randomized.

    Attributes
    ----------
    slates
        Shape (b,).
    clicks
        Sums by component, shape (b, 3).
    products
        Sums of products of components, shape (b, 3, 3).
    """

    slates: Floats
    clicks: Floats
    products: Floats

    @classmethod
    def of_arms(cls, promoted: Booleans, outcomes: Floats) -> tuple[Sums, Sums]:
        """Sum over the promoted and over the control slates; shapes (b, N) and (b, 3, N).

        Clicks are whole numbers, so that nothing is lost in the sums.
        """
        treated = outcomes * promoted[:, None, :]
        transposed = outcomes.transpose(0, 2, 1)
        first = cls(
            promoted.sum(axis=1).astype(np.float64), treated.sum(axis=2), treated @ transposed
        )
        everything = outcomes @ transposed
        rest = cls(
            promoted.shape[1] - first.slates,
            outcomes.sum(axis=2) - first.clicks,
            everything - first.products,
        )
        return first, rest

    @property
    def scatter(self) -> Floats:
        """Sums of products around the means, shape (b, 3, 3)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = self.clicks[:, :, None] * self.clicks[:, None, :] / self.slates[:, None, None]
        return self.products - middle


def array_ledger(
    promoted: Booleans,
    outcomes: Floats,
    *,
    probability: float,
    covariates: Floats | None = None,
    unit: Integers | None = None,
) -> dict[str, Estimates]:
    """Estimate the ledger of b experiments on the same N slates.

    Parameters
    ----------
    promoted
        Shape (b, N).
    outcomes
        Clicks by component, whole numbers, shape (b, 3, N).
    probability
        Of promotion, of every slate.
    covariates
        Pre-treatment, of which Lin's regression takes what it can (as ``ledger.adjustment``),
        shape (N, k).
    unit
        Number of each slate's randomized unit, 0 to U - 1 in ascending order, shape (N,); each
        slate its own if not given.

    Returns
    -------
    By estimator. Of randomized units that hold several slates there is no Lin.
    """
    if unit is not None:
        return _of_units(promoted, outcomes, probability, unit)
    arms = Sums.of_arms(promoted, outcomes)
    plain = compared(*(_neyman(arm) for arm in arms))
    found = {
        "difference_in_means": plain,
        "difference_in_means_ols_error": _pooled(*arms),
        "hajek": plain,
        "horvitz_thompson": compared(
            *(
                _expanded(arm.clicks, arm.products, arm.slates, chance * promoted.shape[1])
                for arm, chance in zip(arms, (probability, 1 - probability), strict=True)
            ),
            exact=True,
        ),
    }
    if covariates is not None:
        found["lin"] = lin(promoted, outcomes, covariates)
    return found


def _neyman(arm: Sums) -> Arms:
    n = arm.slates[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = arm.scatter / (n * (n - 1))[:, :, None]
        return Arms(arm.clicks / n, covariance, arm.slates - 1, arm.slates)


def _pooled(treated: Sums, control: Sums) -> Estimates:
    n = treated.slates + control.slates
    one = (treated.scatter + control.scatter) / (n - 2)[:, None, None]
    arms = []
    for arm in (treated, control):
        with np.errstate(divide="ignore", invalid="ignore"):
            covariance = one / arm.slates[:, None, None]
            mean = arm.clicks / arm.slates[:, None]
        arms.append(Arms(mean, covariance, arm.slates - 1, arm.slates))
    return compared(arms[0], arms[1], df=n - 2)


def _expanded(clicks: Floats, products: Floats, units: Floats, expected: float) -> Arms:
    """Return Horvitz and Thompson's mean of an arm that expects so many slates."""
    return Arms(clicks / expected, products / expected**2, units - 1, units)


def _of_units(
    promoted: Booleans, outcomes: Floats, probability: float, unit: Integers
) -> dict[str, Estimates]:
    """Estimate with errors by randomized unit (CR2 with Satterthwaite's degrees of freedom)."""
    starts = np.flatnonzero(np.r_[True, np.diff(unit) > 0])
    slates = np.diff(np.r_[starts, len(unit)]).astype(np.float64)
    sums = np.add.reduceat(outcomes, starts, axis=2)
    treated = promoted[:, starts]
    clustered = compared(*(_clustered(arm, sums, slates) for arm in (treated, ~treated)))
    expanded = []
    for arm, chance in ((treated, probability), (~treated, 1 - probability)):
        own = sums * arm[:, None, :]
        products = own @ own.transpose(0, 2, 1)
        units = arm.sum(axis=1).astype(np.float64)
        expanded.append(_expanded(own.sum(axis=2), products, units, chance * len(unit)))
    return {
        "difference_in_means": clustered,
        "difference_in_means_ols_error": _pooled(*Sums.of_arms(promoted, outcomes)),
        "hajek": clustered,
        "horvitz_thompson": compared(*expanded, exact=True),
    }


def _clustered(arm: Booleans, sums: Floats, slates: Floats) -> Arms:
    """Return an arm's means with CR2: of a mean, unit g has the leverage n_g / n.

    With c_g = 1 / (1 - n_g / n), the variance is sum c_g e_g^2 / n^2 of the units' summed residuals
    e_g, and its degrees of freedom follow from Cov(e_g, e_h) = n_g (g = h) - n_g n_h / n.
    """
    weight = arm * slates
    n = weight.sum(axis=1, keepdims=True)
    mean = (sums * arm[:, None, :]).sum(axis=2) / n
    residual = (sums - mean[:, :, None] * slates) * arm[:, None, :]
    share = weight / n
    with np.errstate(divide="ignore"):
        c = np.where(share < 1, 1 / (1 - share), 0.0)
    covariance = (residual * c[:, None, :]) @ residual.transpose(0, 2, 1) / n[:, :, None] ** 2
    own = c * (weight - weight * share)
    squares = (own**2).sum(axis=1)
    shared = c * weight**2
    cross = shared.sum(axis=1) ** 2 - (shared**2).sum(axis=1)
    df = own.sum(axis=1) ** 2 / (squares + cross / n[:, 0] ** 2)
    return Arms(mean, covariance, df, arm.sum(axis=1).astype(np.float64))


def lin(promoted: Booleans, outcomes: Floats, covariates: Floats) -> Estimates:
    """Estimate by Lin's regression with HC2, single slates randomized.

    Parameters
    ----------
    promoted, outcomes, covariates
        As of ``array_ledger``.

    Returns
    -------
    NaN in experiments whose arms are so small, or whose covariates so nearly dependent, that the
    table form chooses among the covariates; use that for them.
    """
    design = np.column_stack([np.ones(len(covariates)), _independent(covariates)])
    # The arms' regressions of all experiments, one by one: their Gram matrices differ.
    arms = [_regressions(arm, outcomes, design) for arm in (promoted, ~promoted)]
    return compared(arms[0], arms[1])


def _independent(covariates: Floats) -> Floats:
    """Return the covariates, standardized, without those that the ones before them explain."""
    kept = np.empty((len(covariates), 0))
    for values in covariates.T:
        spread = values.std()
        if spread <= SAME_RANK * max(1.0, np.abs(values).max()):
            continue
        column = (values - values.mean()) / spread
        if unexplained(column, kept) > SAME_RANK:
            kept = np.column_stack([kept, column])
    return kept


def _regressions(arm: Booleans, outcomes: Floats, design: Floats) -> Arms:
    n_experiments, p = len(arm), design.shape[1]
    mean, df = np.full((n_experiments, 3), np.nan), np.full(n_experiments, np.nan)
    covariance = np.full((n_experiments, 3, 3), np.nan)
    for place, members in enumerate(arm):
        x = design[members]
        if len(x) // UNITS_PER_COEFFICIENT < p or not _usable(x):
            continue
        y = outcomes[place][:, members]
        inverse = np.linalg.inv(x.T @ x)
        half = x @ inverse
        leverage = np.einsum("np,np->n", half, x)
        b = half[:, 0]
        coefficients = y @ half
        residual = y - coefficients @ x.T
        weight = b**2 / (1 - leverage)
        mean[place] = coefficients[:, 0]
        covariance[place] = (residual * weight) @ residual.T
        reached = inverse @ (x.T * weight) @ x
        square = (weight**2 * (1 - 2 * leverage)).sum() + np.einsum("ij,ji->", reached, reached)
        df[place] = (b @ b) ** 2 / square
    return Arms(mean, covariance, df, arm.sum(axis=1).astype(np.float64))


def _usable(design: Floats) -> bool:
    """Say whether an arm's covariates are so far from dependent that all of them are taken."""
    values = design[:, 1:] - design[:, 1:].mean(axis=0)
    if not values.shape[1]:
        return True
    spread = values.std(axis=0)
    if not spread.all():
        return False
    correlation = values.T @ values / len(values) / np.outer(spread, spread)
    return bool(np.linalg.eigvalsh(correlation)[0] > _WELL_CONDITIONED)
