"""Selection of the covariates of Lin's regression, which must be estimable in both arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
"""Pre-treatment columns of the accounts that Lin's regression adjusts for, followed by
the covariates of a log (``covariates_of``)."""


UNITS_PER_COEFFICIENT = 5
"""Randomized units that each arm needs for every coefficient of its regression."""


USED = "used"


SAME_RANK = 1e-8
"""Share of a covariate's spread that other covariates must leave unexplained."""


_WELL_CONDITIONED = 1e4
"""Condition number up to which sums of products are accurate enough."""


_CLEAR_SPREAD = 1e-4
"""Spread, and smallest eigenvalue of the correlations, from which covariates are certainly
independent: far above ``SAME_RANK``."""


def covariates_of(accounts: pd.DataFrame) -> list[str]:
    """Return the covariates of Lin's regression, those of a log last."""
    from_log = [
        name
        for name in accounts.columns
        if name.startswith((SLATE_PREFIX, ITEM_PREFIX, f"focal_{ITEM_PREFIX}"))
    ]
    return [*COVARIATES, *from_log]


Chosen = tuple[Floats, dict[str, str]]
"""Covariates that are used, shape (N, k), and the status of each."""


@dataclass(frozen=True)
class Covariates:
    """The covariates of slates, independent of their arms; read when first needed.

    Attributes
    ----------
    accounts
        One row per slate.
    """

    accounts: pd.DataFrame
    _latest: list[tuple[Design, Chosen]] = field(default_factory=list, repr=False)

    def chosen(self, design: Design) -> Chosen:
        """Choose the covariates that can be estimated in both arms of one experiment.

        Returns
        -------
        Covariates in units of their standard deviation, shape (N, k), and for each of
        ``covariates_of`` either "used" or why it was dropped.
        """
        # An estimate, its note and its errors ask for the same choice one after the other.
        if not self._latest or self._latest[0][0] is not design:
            self._latest[:] = [(design, self._choose(design))]
        return self._latest[0][1]

    def _choose(self, design: Design) -> Chosen:
        limit = min(design.units_per_arm()) // UNITS_PER_COEFFICIENT - 1
        arms = [design.promoted, ~design.promoted]
        values, status = self._independent
        if values.shape[1] <= limit and all(_clearly_independent(values[arm]) for arm in arms):
            return values, status
        return self._select(limit, arms)

    @cached_property
    def _columns(self) -> dict[str, Floats | str]:
        """Each covariate, standardized, or why it cannot be used."""
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
    def _independent(self) -> Chosen:
        """The choice for one arm with all slates, the largest possible for two arms."""
        return self._select(len(self._columns), [np.ones(len(self.accounts), dtype=bool)])

    def _select(self, limit: int, arms: Sequence[Booleans]) -> Chosen:
        """Select, in order, covariates that the selected ones do not explain in any arm."""
        kept, status = np.empty((len(self.accounts), 0)), {}
        for name, column in self._columns.items():
            if isinstance(column, str):
                status[name] = column
            elif min(unexplained(column[arm], kept[arm]) for arm in arms) <= SAME_RANK:
                status[name] = "a combination of the others, or constant, in an arm"
            elif kept.shape[1] >= limit:
                status[name] = "too few randomized units"
            else:
                kept, status[name] = np.column_stack([kept, column]), USED
        return kept, status


def _clearly_independent(values: Floats) -> bool:
    """Return whether columns, shape (n, k), are certainly independent, by sums of products."""
    center = values.mean(axis=0)
    products = values.T @ values / len(values) - np.outer(center, center)
    spread = np.sqrt(products.diagonal())
    if not (spread > _CLEAR_SPREAD).all():
        return False
    correlations = products / np.outer(spread, spread)
    return not len(spread) or bool(np.linalg.eigvalsh(correlations)[0] > _CLEAR_SPREAD)


def unexplained(column: Floats, others: Floats) -> float:
    """Return the share of a column's spread that a mean and other columns do not explain."""
    left = _unexplained_by_products(column, others)
    if left is not None:
        return left
    basis = np.linalg.qr(np.column_stack([np.ones(len(column)), others]))[0]
    residual = column - basis @ (basis.T @ column)
    return float(np.sqrt((residual**2).mean()))


def _unexplained_by_products(column: Floats, others: Floats) -> float | None:
    """Return the unexplained share from sums of products; None where these are too inexact.

    They need no copy of the columns, and lose digits only where little is unexplained.
    """
    n, center, means = len(column), column.mean(), others.mean(axis=0)
    variance = float(column @ column / n - center**2)
    products = others.T @ others / n - np.outer(means, means)
    shared = others.T @ column / n - means * center
    if len(means) and np.linalg.cond(products) > _WELL_CONDITIONED:
        return None
    left = variance - float(shared @ np.linalg.solve(products, shared))
    return float(np.sqrt(left)) if left > variance / _WELL_CONDITIONED else None
