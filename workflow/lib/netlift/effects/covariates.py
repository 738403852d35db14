"""The covariates of Lin's regression: those that both arms' regressions can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from netlift.core.arrays import Booleans, Floats
from netlift.effects.accounts import ITEM_PREFIX, SLATE_PREFIX
from netlift.promotion.design import Design

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


UNITS_PER_COEFFICIENT = 5
"""Randomized units that each arm needs for every coefficient of its regression."""


USED = "used"


SAME_RANK = 1e-8
"""Share of its spread that a covariate needs of its own."""


_WELL = 1e4
"""Condition number up to which sums of products tell enough."""


_CLEAR = 1e-4
"""Spread, and smallest eigenvalue of the correlations, from which covariates are independent beyond
doubt: far above ``SAME_RANK``."""


def covariates_of(accounts: pd.DataFrame) -> list[str]:
    """Return the covariates of Lin's regression, those of a log's own last."""
    own = [
        name
        for name in accounts.columns
        if name.startswith((SLATE_PREFIX, ITEM_PREFIX, f"focal_{ITEM_PREFIX}"))
    ]
    return [*COVARIATES, *own]


@dataclass(frozen=True)
class Covariates:
    """The covariates of some slates, whatever their arms; read when they are first needed.

    Attributes
    ----------
    accounts
        One row per slate.
    """

    accounts: pd.DataFrame

    def chosen(self, design: Design) -> tuple[Floats, dict[str, str]]:
        """Choose those that both arms' regressions can hold, in one experiment.

        Returns
        -------
        Covariates in units of their standard deviation, shape (N, k), and for every one of
        ``covariates_of`` either "used" or why it was dropped.
        """
        most = min(design.units_per_arm()) // UNITS_PER_COEFFICIENT - 1
        arms = [design.promoted, ~design.promoted]
        values, fate = self._independent
        if values.shape[1] <= most and all(_clear(values[arm]) for arm in arms):
            return values, fate
        return self._select(most, arms)

    @cached_property
    def _columns(self) -> dict[str, Floats | str]:
        """Each covariate, standardized, or why it cannot be one."""
        return {name: self._standardized(name) for name in covariates_of(self.accounts)}

    def _standardized(self, name: str) -> Floats | str:
        if name not in self.accounts:
            return "not in the accounts"
        values = self.accounts[name].to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            return "has missing values"
        spread = values.std()
        if spread <= SAME_RANK * max(1.0, np.abs(values).max()):
            return "constant"
        return np.asarray((values - values.mean()) / spread)

    @cached_property
    def _independent(self) -> tuple[Floats, dict[str, str]]:
        """The choice if there were one arm with all slates: no choice for two arms takes more."""
        return self._select(len(self._columns), [np.ones(len(self.accounts), dtype=bool)])

    def _select(self, most: int, arms: Sequence[Booleans]) -> tuple[Floats, dict[str, str]]:
        """Take covariates in turn that the ones before them do not explain in any arm."""
        kept, fate = np.empty((len(self.accounts), 0)), {}
        for name, column in self._columns.items():
            if isinstance(column, str):
                fate[name] = column
            elif min(unexplained(column[arm], kept[arm]) for arm in arms) <= SAME_RANK:
                fate[name] = "a combination of the others, or constant, in an arm"
            elif kept.shape[1] >= most:
                fate[name] = "too few randomized units"
            else:
                kept, fate[name] = np.column_stack([kept, column]), USED
        return kept, fate


def _clear(values: Floats) -> bool:
    """Say whether columns, shape (n, k), are independent beyond doubt, by sums of products."""
    center = values.mean(axis=0)
    products = values.T @ values / len(values) - np.outer(center, center)
    spread = np.sqrt(products.diagonal())
    if not (spread > _CLEAR).all():
        return False
    correlations = products / np.outer(spread, spread)
    return not len(spread) or bool(np.linalg.eigvalsh(correlations)[0] > _CLEAR)


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
