"""Slates as arrays: N slates of K items, in the order before promotion or as shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self, TypeVar

import numpy as np

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.core.errors import NetliftError
from netlift.core.streams import BLOCK, generator

if TYPE_CHECKING:
    import pandas as pd

Arm = Literal["control", "promoted"]
Array = TypeVar("Array", Floats, Integers, Booleans)


BLOCK_ROWS = 1 << 12
"""Slates that are processed at once: arrays of this size stay in a processor's cache."""


@dataclass(frozen=True)
class Slates:
    """N slates of K items each, columns in the order before any promotion.

    Attributes
    ----------
    focal
        Column of the focal item, shape (N,).
    promoted_position
        Position (1 to K) of each item if its slate is promoted, shape (N, K).
    item
        Item ids, shape (N, K).
    user_effect
        A standard normal number of each slate's user, the same in all slates and in both arms of
        one user; shape (N,).
    cluster
        Spillover cluster as a number, shape (N, K).
    relevance
        In stars, shape (N, K).
    user_liked_rate, item_liked_rate
        Shares of liked ratings, shape (N, K).
    item_popularity
        Number of ratings of the item, shape (N, K).
    """

    focal: Integers
    promoted_position: Integers
    item: Integers
    user_effect: Floats
    cluster: Integers
    relevance: Floats
    user_liked_rate: Floats
    item_liked_rate: Floats
    item_popularity: Floats

    @classmethod
    def from_exposure(cls, exposure: pd.DataFrame, *, seed: int) -> Self:
        """Take the arrays from an exposure table, sorted by slate and seed position.

        Parameters
        ----------
        exposure
            One row per slate item.
        seed
            Study seed, for the users' random effects.

        Raises
        ------
        NetliftError
            The slates do not all have the same number of items, or are not in order.
        """
        position = exposure["slate_position_seed"].to_numpy()
        size = int(position.max(initial=0))
        if size == 0 or not np.array_equal(
            position, np.tile(np.arange(1, size + 1), len(position) // size)
        ):
            raise NetliftError(
                "exposure table: a simulated study needs slates of one size, sorted by slate and "
                "slate_position_seed"
            )

        def grid(column: str) -> Floats:
            return exposure[column].to_numpy(dtype=np.float64).reshape(-1, size)

        return cls(
            focal=exposure["focal_seed_position"].to_numpy(dtype=np.int64)[::size] - 1,
            promoted_position=exposure["promoted_position"]
            .to_numpy(dtype=np.int64)
            .reshape(-1, size),
            item=exposure["item_id"].to_numpy(dtype=np.int64).reshape(-1, size),
            user_effect=user_effects(exposure["user_id"].to_numpy(dtype=np.int64)[::size], seed),
            cluster=np.asarray(
                exposure["spillover_cluster"].astype("category").cat.codes, dtype=np.int64
            ).reshape(-1, size),
            relevance=grid("relevance"),
            user_liked_rate=grid("user_liked_rate"),
            item_liked_rate=grid("item_liked_rate"),
            item_popularity=grid("item_popularity"),
        )

    def __len__(self) -> int:
        """Return the number of slates, N."""
        return len(self.focal)

    @property
    def size(self) -> int:
        """Items per slate, K."""
        return int(self.relevance.shape[1])

    def rows(self, rows: slice) -> Slates:
        """Return some of the slates."""
        return Slates(
            **{name: array[rows] for name, array in vars(self).items() if name in _FIELDS}
        )

    def split(self, rows: int = BLOCK_ROWS) -> Iterator[tuple[slice, Slates]]:
        """Yield consecutive blocks of slates with the rows they come from."""
        for start in range(0, len(self), rows):
            block = slice(start, min(start + rows, len(self)))
            yield block, self.rows(block)

    @cached_property
    def log_popularity(self) -> Floats:
        """log(1 + number of ratings), shape (N, K)."""
        return np.log1p(self.item_popularity)

    @cached_property
    def is_focal(self) -> Booleans:
        """Whether an item is its slate's focal item, shape (N, K)."""
        return np.asarray(np.arange(self.size) == self.focal[:, None])

    @cached_property
    def is_displaced(self) -> Booleans:
        """Whether promotion moves an item down, shape (N, K)."""
        return np.asarray(self.promoted_position > self.position("control")) & ~self.is_focal

    @cached_property
    def is_same_cluster(self) -> Booleans:
        """Whether a non-focal item is in the focal item's cluster, shape (N, K)."""
        focal_cluster = np.take_along_axis(self.cluster, self.focal[:, None], axis=1)
        return np.asarray((self.cluster == focal_cluster) & ~self.is_focal)

    def position(self, arm: Arm) -> Integers:
        """Return the position (1 to K) of each item in one arm, shape (N, K)."""
        if arm == "control":
            return np.broadcast_to(np.arange(1, self.size + 1), self.relevance.shape)
        return self.promoted_position

    def in_order(self, values: Array, arm: Arm) -> Array:
        """Return items' values, shape (N, K), in the order in which one arm shows the items."""
        if arm == "control":
            return values
        shown = np.empty_like(values)
        np.put_along_axis(shown, self.promoted_position - 1, values, axis=1)
        return shown

    def by_item(self, values: Array, arm: Arm) -> Array:
        """Return values by position in one arm, shape (N, K), in the order of the items."""
        if arm == "control":
            return values
        return np.take_along_axis(values, self.promoted_position - 1, axis=1)


_FIELDS = tuple(Slates.__dataclass_fields__)


@dataclass(frozen=True)
class Scale:
    """Centers and spreads of the slates that a world was fitted to: its frame of reference.

    With the scale fixed, the probabilities of one slate do not depend on any other slate.
    """

    relevance_mean: float
    relevance_sd: float
    user_liked_rate_mean: float
    item_liked_rate_mean: float
    log_popularity_mean: float
    log_popularity_sd: float

    @classmethod
    def from_slates(cls, slates: Slates) -> Self:
        """Measure the scale over all items of all slates (population standard deviations)."""
        return cls(
            relevance_mean=float(slates.relevance.mean()),
            relevance_sd=_spread(slates.relevance),
            user_liked_rate_mean=float(slates.user_liked_rate.mean()),
            item_liked_rate_mean=float(slates.item_liked_rate.mean()),
            log_popularity_mean=float(slates.log_popularity.mean()),
            log_popularity_sd=_spread(slates.log_popularity),
        )


def _spread(values: Floats) -> float:
    """Return the standard deviation; 1 where values differ by no more than rounding."""
    sd = float(values.std())
    return sd if sd > 1e-12 * max(1.0, float(np.abs(values).max(initial=0.0))) else 1.0


def user_effects(user: Integers, seed: int) -> Floats:
    """Draw a standard normal number for each user id, the same wherever the id occurs."""
    distinct, index = np.unique(user, return_inverse=True)
    drawn = np.empty(len(distinct))
    for block in np.unique(distinct // BLOCK):
        inside = distinct // BLOCK == block
        numbers = generator(seed, "user_effect", int(block)).standard_normal(BLOCK)
        drawn[inside] = numbers[distinct[inside] % BLOCK]
    return drawn[index]


def cluster_sums(values: Floats, cluster: Integers) -> Floats:
    """Sum values over the items of one cluster in one slate, for each item; shape (N, K)."""
    n_slates = len(values)
    n_clusters = int(cluster.max(initial=0)) + 1
    index = cluster + n_clusters * np.arange(n_slates)[:, None]
    sums = np.bincount(index.ravel(), values.ravel(), n_slates * n_clusters)
    return sums[index]
