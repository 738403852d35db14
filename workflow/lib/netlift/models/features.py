"""Features of slates and of item rows, all known before any promotion.

Every feature is computed from the slate as it was before promotion and from the design (which
item is focal); neither clicks, nor which slates were promoted, nor final positions are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.effects.accounts import ITEM_PREFIX, SLATE_PREFIX, focal_depth
from netlift.effects.item_rows import BLOCK
from netlift.effects.items_table import slates_of_rows
from netlift.promotion.positions import NOT_SHOWN, from_column
from netlift.worlds.attention import log2_discount

_SLATE_COLUMNS = ("user_activity", "user_liked_rate")


_ITEM_COLUMNS = ("relevance", "item_liked_rate", "item_popularity")


ROW_FEATURES = (
    "attention",
    "relevance",
    "relevance_squared",
    "attention_x_relevance",
    "others_relevance",
    "same_cluster_above",
    "others_above",
    "promoted_focal",
    "promoted_competitor",
    "promoted_same_cluster",
    "promoted_displaced",
    "user_liked_rate",
    "item_liked_rate",
    "log_popularity",
)
"""Features of an item row in one arm; see ``RowFeatures``."""


@dataclass(frozen=True)
class RowFeatures:
    """Features of every item row in each arm, as it would be if its slate were in that arm.

    ``attention`` is 1 / log2(position + 1) at the row's position in the arm; ``relevance``,
    ``log_popularity`` and the liked rates are standardized over all rows; ``others_relevance`` is
    the sum of attention x relevance over the slate's other items before promotion;
    ``same_cluster_above`` and ``others_above`` are the attention on items above it in the arm (and
    in its block, where a page has several), of its own cluster and of others; the four
    ``promoted_`` features are 0 in the control arm.

    Attributes
    ----------
    names
        Names of the features for which the items have columns, length p.
    control, promoted
        Shape (R, p).
    shown_control, shown_promoted
        Whether the row is shown in the arm, shape (R,): if not, it has no outcome.
    """

    names: tuple[str, ...]
    control: Floats
    promoted: Floats
    shown_control: Booleans
    shown_promoted: Booleans

    @classmethod
    def from_items(cls, items: pd.DataFrame) -> RowFeatures:
        """Compute the features from an items table.

        Raises
        ------
        NetliftError
            The rows of a slate are not contiguous, or a slate has no or several focal items.
        """
        _, slate = slates_of_rows(items)
        seed = from_column(items["slate_position_seed"].to_numpy())
        focal = items["is_focal_item"].to_numpy(dtype=bool)
        displaced = (items["exposure"] == "moved_down").to_numpy()
        promoted_position = from_column(items["promoted_position"].to_numpy())
        cluster = pd.factorize(items["spillover_cluster"])[0]
        # An item without a cluster is alone in its cluster.
        alone = cluster < 0
        cluster = np.where(alone, cluster.max(initial=0) + 1 + np.arange(len(items)), cluster)
        same = (items["component"] == "same_cluster_competitor").to_numpy()
        standardized = {
            name: _standardized(values)
            for name, values in (
                ("relevance", _column(items, "relevance")),
                ("user_liked_rate", _column(items, "user_liked_rate")),
                ("item_liked_rate", _column(items, "item_liked_rate")),
                ("log_popularity", _log1p(_column(items, "item_popularity"))),
            )
            if values is not None
        }
        block = _blocks(items, slate)
        arms = {}
        for arm, position in (("control", seed), ("promoted", promoted_position)):
            attention = 1 / _discount(position)
            own_cluster, others = _attention_above(block, cluster, position, attention)
            shown = float(arm == "promoted")
            columns = {
                "attention": attention,
                "same_cluster_above": own_cluster,
                "others_above": others,
                "promoted_focal": shown * focal,
                "promoted_competitor": shown * ~focal,
                "promoted_same_cluster": shown * same,
                "promoted_displaced": shown * displaced,
                **standardized,
            }
            if "relevance" in standardized:
                relevance = standardized["relevance"]
                columns |= {
                    "relevance_squared": relevance**2,
                    "attention_x_relevance": attention * relevance,
                    "others_relevance": _of_others(slate, relevance / _discount(seed)),
                }
            names = tuple(name for name in ROW_FEATURES if name in columns)
            arms[arm] = np.column_stack([columns[name] for name in names]).astype(np.float64)
        in_control, in_promoted = seed != NOT_SHOWN, promoted_position != NOT_SHOWN
        return cls(names, arms["control"], arms["promoted"], in_control, in_promoted)


def _blocks(items: pd.DataFrame, slate: Integers) -> Integers:
    """Return the number of the list of each row, shape (R,): its slate, or its block of a page."""
    if BLOCK not in items:
        return slate
    return np.asarray(slate * items[BLOCK].nunique() + pd.factorize(items[BLOCK])[0])


def item_features(items: pd.DataFrame) -> dict[str, Floats]:
    """Return the item columns from which features are computed, shape (R,) each."""
    covariates = [name for name in items.columns if name.startswith(ITEM_PREFIX)]
    columns = {name: _column(items, name) for name in (*_ITEM_COLUMNS, *covariates)}
    return {name: values for name, values in columns.items() if values is not None}


def _discount(position: Integers) -> Floats:
    """Return log2(position + 1): attention is 1 over it. Infinite for what is not shown."""
    return np.where(position == NOT_SHOWN, np.inf, log2_discount(np.maximum(position, 1)))


def _of_others(slate: Integers, values: Floats) -> Floats:
    """Return for each row the sum of values over the other rows of its slate."""
    return np.asarray(np.bincount(slate, values)[slate] - values)


def _attention_above(
    block: Integers, cluster: Integers, position: Integers, attention: Floats
) -> tuple[Floats, Floats]:
    """Return the attention on items above each row of its block: of its cluster, and of others."""
    above = []
    for group in (np.zeros_like(cluster), cluster):
        order = np.lexsort((position, group, block))
        sums = np.cumsum(attention[order]) - attention[order]
        new = np.r_[True, (np.diff(block[order]) != 0) | (np.diff(group[order]) != 0)]
        before = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
        attention_above = np.empty(len(order))
        attention_above[order] = sums - sums[before]
        above.append(attention_above)
    everything, own_cluster = above
    return own_cluster, everything - own_cluster


def slate_features(items: pd.DataFrame) -> pd.DataFrame:
    """Compute the features of slates.

    Parameters
    ----------
    items
        The table of slate items.

    Returns
    -------
    One row per slate, in the order of the items: focal position, counts of items by component,
    user features, and for each available item feature its mean and spread over the slate, its value
    for the focal item, and its mean over the displaced and over the same-cluster items relative to
    the slate's mean (0 where there is none).
    """
    starts, slate = slates_of_rows(items)
    n_slates = len(starts)

    def summed(values: NDArray[np.generic]) -> Floats:
        return np.bincount(slate, values, n_slates).astype(np.float64)

    focal = items["is_focal_item"].to_numpy(dtype=bool)
    displaced = (items["exposure"] == "moved_down").to_numpy()
    same = (items["component"] == "same_cluster_competitor").to_numpy()
    count, n_focal = summed(np.ones(len(items))), summed(focal)
    features = {
        "focal_seed_position": focal_depth(items.iloc[starts]),
        "n_items": count,
        "n_same_cluster": summed(same),
        "n_displaced": summed(displaced),
        "n_same_cluster_displaced": summed(same & displaced),
    }
    covariates = [name for name in items.columns if name.startswith(SLATE_PREFIX)]
    for name in (*_SLATE_COLUMNS, *covariates):
        values = _column(items, name)
        if values is not None:
            features[name] = values[starts]
    for name, values in item_features(items).items():
        if name == "item_popularity":
            name, values = "log_popularity", np.log1p(values)
        mean = summed(values) / count
        within = values - mean[slate]
        features[f"{name}_mean"] = mean
        features[f"{name}_sd"] = np.sqrt(summed(within**2) / count)
        features[f"focal_{name}"] = summed(np.where(focal, values, 0.0)) / n_focal
        for part, member in (("displaced", displaced), ("same_cluster", same)):
            features[f"{part}_{name}"] = summed(within * member) / np.maximum(summed(member), 1)
    return pd.DataFrame(features)


def _column(items: pd.DataFrame, name: str) -> Floats | None:
    """Return a column as numbers, the missing ones as its mean; None where there is none."""
    if name not in items:
        return None
    values = items[name].to_numpy(dtype=np.float64)
    known = np.isfinite(values)
    if known.all():
        return values
    return np.where(known, values, values[known].mean()) if known.any() else None


def _log1p(values: Floats | None) -> Floats | None:
    return None if values is None else np.log1p(values)


def _standardized(values: Floats) -> Floats:
    spread = values.std()
    return np.asarray((values - values.mean()) / (spread if spread > 1e-12 else 1.0))
