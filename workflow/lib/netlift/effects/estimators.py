"""The estimators of the ledger: their covariates, requirements and comparison of the arms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from netlift.core.arrays import Floats
from netlift.effects.accounts import ITEM_PREFIX, SLATE_PREFIX
from netlift.inference.arms import ArmDifference, ArmMean, need_units
from netlift.promotion.design import Design

ESTIMATORS = (
    "difference_in_means",
    "difference_in_means_ols_error",
    "lin",
    "hajek",
    "horvitz_thompson",
)
"""Difference in means with Neyman's (HC2) error, and with the reference study's plain OLS error;
Lin's regression; Hajek's and Horvitz and Thompson's means, by the design's probabilities."""


MAIN = "difference_in_means"
"""The estimator of statements and figures where slates are alike in their probability."""


UNITS_PER_COEFFICIENT = 5
"""Randomized units that each arm needs for every coefficient of its regression."""


COVARIATES = (
    "n_same_cluster",
    "n_displaced",
    "focal_seed_position",
    "relevance_mean",
    "relevance_sd",
    "user_activity",
)
"""Pre-treatment columns of the accounts that Lin's regression adjusts for, before those of a log's
own (``covariates_of``)."""


_WELL = 1e4
"""Condition number up to which sums of products tell enough."""


SAME_RANK = 1e-8
"""Share of its spread that a covariate needs of its own."""


def _compared(
    accounts: pd.DataFrame, design: Design, columns: Sequence[str], estimator: str | None
) -> ArmDifference:
    """Compare arms on some columns of the accounts by one estimator."""
    values = accounts[list(columns)].to_numpy(dtype=np.float64)
    if estimator == "difference_in_means_ols_error":
        return ArmDifference.of(values, design.promoted).pooled()
    if estimator == "hajek":
        return weighted_difference(design, values)
    if estimator == "horvitz_thompson":
        return expanded_difference(design, values)
    if estimator == "lin":
        return difference(design, values, adjustment(accounts, design)[0])
    return plain_difference(design, values) if estimator else difference(design, values)


def main_estimator(accounts: pd.DataFrame) -> str:
    """Return the estimator of statements and figures: Hajek's where probabilities differ."""
    return MAIN if Design.of(accounts).weights is None else "hajek"


def adjustment(accounts: pd.DataFrame, design: Design) -> tuple[Floats, dict[str, str]]:
    """Choose the covariates of Lin's regression: those that both arms' regressions can hold.

    Returns
    -------
    Covariates in units of their standard deviation, shape (N, k), and for every one of
    ``COVARIATES`` either "used" or why it was dropped.
    """
    n_slates = len(accounts)
    most = min(design.units_per_arm()) // UNITS_PER_COEFFICIENT - 1
    fate: dict[str, str] = {}
    names = covariates_of(accounts)
    columns, k = np.empty((n_slates, len(names)), order="F"), 0
    for name in names:
        if name not in accounts:
            fate[name] = "not in the accounts"
            continue
        values = accounts[name].to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            fate[name] = "has missing values"
            continue
        spread = values.std()
        if spread <= SAME_RANK * max(1.0, np.abs(values).max()):
            fate[name] = "constant"
            continue
        column = (values - values.mean()) / spread
        kept = columns[:, :k]
        parts = [unexplained(column[arm], kept[arm]) for arm in (design.promoted, ~design.promoted)]
        if min(parts) <= SAME_RANK:
            fate[name] = "a combination of the others, or constant, in an arm"
            continue
        if k >= most:
            fate[name] = "too few randomized units"
            continue
        columns[:, k], k = column, k + 1
        fate[name] = "used"
    return columns[:, :k], fate


def unexplained(column: Floats, others: Floats) -> float:
    """Return the share of a column's spread that a mean and other columns do not explain."""
    left = _left_by_products(column, others)
    if left is not None:
        return left
    basis = np.linalg.qr(np.column_stack([np.ones(len(column)), others]))[0]
    residual = column - basis @ (basis.T @ column)
    return float(np.sqrt((residual**2).mean()))


def _left_by_products(column: Floats, others: Floats) -> float | None:
    """Return what is not explained, from sums of products; None where these are not exact enough.

    They take no copy of the columns, and lose digits only where little is left.
    """
    n, center, means = len(column), column.mean(), others.mean(axis=0)
    variance = float(column @ column / n - center**2)
    products = others.T @ others / n - np.outer(means, means)
    shared = others.T @ column / n - means * center
    if len(means) and np.linalg.cond(products) > _WELL:
        return None
    left = variance - float(shared @ np.linalg.solve(products, shared))
    return float(np.sqrt(left)) if left > variance / _WELL else None


def covariates_of(accounts: pd.DataFrame) -> list[str]:
    """Return the covariates of Lin's regression, those of a log's own last."""
    own = [
        name
        for name in accounts.columns
        if name.startswith((SLATE_PREFIX, ITEM_PREFIX, f"focal_{ITEM_PREFIX}"))
    ]
    return [*COVARIATES, *own]


def difference(design: Design, outcomes: Floats, covariates: Floats | None = None) -> ArmDifference:
    """Compare arms, with errors by the unit that was randomized.

    Where probabilities of promotion differ between slates, slates are weighted by them.

    Parameters
    ----------
    outcomes
        Shape (N, m).
    covariates
        Pre-treatment, shape (N, k): Lin's (2013) adjustment.

    Raises
    ------
    NetliftError
        An arm has too few units.
    """
    return ArmDifference.of(
        outcomes,
        design.promoted,
        covariates=covariates,
        weights=design.weights,
        unit=design.unit_or_none,
    )


def plain_difference(design: Design, outcomes: Floats) -> ArmDifference:
    """Compare arms by plain means, whatever the probabilities; outcomes of shape (N, m).

    Raises
    ------
    NetliftError
        An arm has too few units.
    """
    return ArmDifference.of(outcomes, design.promoted, unit=design.unit_or_none)


def weighted_difference(design: Design, outcomes: Floats) -> ArmDifference:
    """Compare arms by Hajek's (1971) means, each slate weighted by 1 / probability of its arm.

    Parameters
    ----------
    outcomes
        Shape (N, m).

    Raises
    ------
    NetliftError
        The probabilities are not known, or an arm has too few units.
    """
    weights = design.inverse_probability()
    return ArmDifference.of(outcomes, design.promoted, weights=weights, unit=design.unit_or_none)


def expanded_difference(design: Design, outcomes: Floats) -> ArmDifference:
    """Compare arms by Horvitz and Thompson's (1952) means: sums of y / probability, over N.

    Unbiased, while the other means are nearly so; less precise, since an arm that is larger
    by chance has a larger mean. Its covariance is the conservative one for independent
    assignments: sums over units of (y / probability)^2, over N^2 (Aronow and Samii 2017).

    Parameters
    ----------
    outcomes
        Shape (N, m).

    Raises
    ------
    NetliftError
        The probabilities are not known, or an arm has too few units.
    """
    probability = design.known_probability()
    need_units(design.promoted, design.unit_or_none)
    means = []
    for arm, received in (
        (design.promoted, probability),
        (~design.promoted, 1 - probability),
    ):
        expanded = outcomes * (arm / received)[:, None] / len(arm)
        by_unit = design.per_unit(expanded)
        n_units = int(arm.sum()) if design.by_slate else len(np.unique(design.unit[arm]))
        means.append(ArmMean(by_unit.sum(axis=0), by_unit.T @ by_unit, n_units - 1, int(arm.sum())))
    return ArmDifference(means[0], means[1], exact=True)
