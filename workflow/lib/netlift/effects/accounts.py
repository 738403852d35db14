"""Slate accounts: every outcome summed over each component of a slate, one row per slate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core.errors import NetliftError
from netlift.effects.items_table import KNOWN_EFFECT, has_truth, slates_of_rows
from netlift.promotion.design import DESIGN_COLUMNS
from netlift.promotion.exposure import COMPONENTS

OUTCOMES = {
    "observed_clicks": "click",
    "expected_clicks": "expected_click",
    "known_lift": "known_lift",
}
"""Outcome types and the column of ``items.parquet`` that each sums; two need a simulated world."""


FURTHER = "outcome_"
"""Prefix of the columns of further outcomes in items: minutes, revenue."""


SLATE_PREFIX, ITEM_PREFIX = "slate_covariate_", "item_covariate_"
"""Prefixes of the covariates of a log."""


DELIVERED = "promotion_delivered"
"""Column of items and accounts of a log: whether a promotion was carried out in the slate."""


_SLATE_COLUMNS = [
    "slate_id",
    "user_id",
    "promotion_applied",
    "focal_seed_position",
    "focal_spillover_cluster",
]


_USER_COVARIATES = ["user_activity", "user_liked_rate"]


def main_and_further(name: str, *, main: bool) -> tuple[str, str]:
    """Return the column of an outcome in items, and its outcome type in accounts."""
    return ("click", "observed_clicks") if main else (f"{FURTHER}{name}", name)


def item_outcomes(items: pd.DataFrame) -> dict[str, str]:
    """Return the outcome types of an items table, and the column that each sums."""
    main = {kind: column for kind, column in OUTCOMES.items() if column in items}
    further = [name for name in items.columns if name.startswith(FURTHER)]
    return main | {name.removeprefix(FURTHER): name for name in further}


def slate_outcomes(items: pd.DataFrame) -> pd.DataFrame:
    """Sum the outcomes of slate items to slates.

    Parameters
    ----------
    items
        The table of slate items with outcomes; the rows of a slate are consecutive, slates may
        differ in length.

    Returns
    -------
    One row per slate, in the order of the items: the design (arm, user, focal position and
    cluster), item counts per component, pre-treatment covariates, and for each outcome type
    ``{outcome}_{component}`` and ``{outcome}_total``, the latter summed separately. In a simulated
    world also ``slate_variance_control`` and ``slate_variance_promoted``, the variance of the
    slate's clicks in each arm (that of independent clicks where the items have no such column).

    Raises
    ------
    NetliftError
        A slate has no focal item or more than one, its rows are not consecutive, or they differ
        in their promotion.
    """
    starts, slate = slates_of_rows(items)
    if "click" not in items:
        raise NetliftError("items table: no column click")
    n_slates = len(starts)
    is_focal = items["is_focal_item"].to_numpy(dtype=bool)

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(slate, values, n_slates).astype(np.float64)

    component = items["component"].to_numpy()
    member = {name: component == name for name in COMPONENTS}
    design = [name for name in (DELIVERED, *DESIGN_COLUMNS) if name in items]
    accounts = items.iloc[starts][_SLATE_COLUMNS + design].reset_index(drop=True)
    displaced = (items["exposure"] == "moved_down").to_numpy()
    counts = {
        "n_items": np.ones(len(items)),
        "n_same_cluster": member["same_cluster_competitor"],
        "n_other": member["other_competitor"],
        "n_displaced": displaced,
        "n_same_cluster_displaced": displaced & member["same_cluster_competitor"],
    }
    columns: dict[str, NDArray[Any]] = {
        name: summed(values).astype(np.int32) for name, values in counts.items()
    }
    columns |= _covariates(items, starts, is_focal, summed)
    values = {
        name: items[column].to_numpy(dtype=float) for name, column in item_outcomes(items).items()
    }
    if has_truth(items):
        values[KNOWN_EFFECT] = (items["p_promoted"] - items["p_control"]).to_numpy()
        columns |= _variances(items, starts, summed)
    for outcome, value in values.items():
        for name in COMPONENTS:
            columns[f"{outcome}_{name}"] = summed(value * member[name])
        columns[f"{outcome}_total"] = summed(value)
    return accounts.assign(**columns)


def focal_depth(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return the focal item's position before promotion, of any table; 0 if it is not shown."""
    return np.nan_to_num(table["focal_seed_position"].to_numpy(dtype=np.float64))


def _variances(
    items: pd.DataFrame,
    starts: NDArray[np.int64],
    summed: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> dict[str, NDArray[np.float64]]:
    """Return the variance of each slate's clicks in either arm."""
    variances = {}
    for arm in ("control", "promoted"):
        name, p = f"slate_variance_{arm}", items[f"p_{arm}"].to_numpy(dtype=float)
        variances[name] = (
            items[name].to_numpy(dtype=float)[starts] if name in items else summed(p * (1 - p))
        )
    return variances


def _covariates(
    items: pd.DataFrame,
    starts: NDArray[np.int64],
    is_focal: NDArray[np.bool_],
    summed: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> dict[str, NDArray[np.float64]]:
    """Return the pre-treatment covariates of each slate for which the items have columns."""
    covariates: dict[str, NDArray[np.float64]] = {
        name: items[name].to_numpy(dtype=float)[starts]
        for name in items.columns
        if name in _USER_COVARIATES or name.startswith(SLATE_PREFIX)
    }
    count, n_focal = summed(np.ones(len(items))), summed(is_focal.astype(np.float64))
    for name in items.columns:
        if name != "relevance" and not name.startswith(ITEM_PREFIX):
            continue
        values = items[name].to_numpy(dtype=float)
        mean = summed(values) / count
        covariates[f"focal_{name}"] = summed(np.where(is_focal, values, 0.0)) / n_focal
        covariates[f"{name}_mean"] = mean
        if name == "relevance":
            deviation = values - np.repeat(mean, count.astype(int))
            covariates["relevance_sd"] = np.sqrt(summed(deviation**2) / count)
    return covariates
