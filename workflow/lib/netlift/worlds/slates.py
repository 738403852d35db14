"""Slates as arrays: N slates of K items, in the order before promotion or as shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.core.errors import NetliftError
from netlift.core.streams import BLOCK, generator
from netlift.promotion.positions import from_column

if TYPE_CHECKING:
    import pandas as pd

Arm = Literal["control", "promoted"]
Array = TypeVar("Array", Floats, Integers, Booleans)


BLOCK_ROWS = 1 << 12
"""Slates that are processed at once: arrays of this size stay in a processor's cache."""


@dataclass(frozen=True)
class Slates:
    """N slates of K items each: every item that an arm shows.

    Columns are in the order before any promotion, items that are not shown then come last.

    Attributes
    ----------
    is_focal
        Whether an item is a focal item of its slate, shape (N, K).
    promoted_position
        Position (from 1 on) of each item if its slate is promoted, 0 if it is not shown then;
        shape (N, K).
    n_control
        Number of items that slates show without promotion.
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

    is_focal: Booleans
    promoted_position: Integers
    n_control: int
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
        position = from_column(exposure["slate_position_seed"].to_numpy())
        n_control, rows = _sizes(exposure["slate_id"].to_numpy(), position)

        def grid(column: str) -> Floats:
            return exposure[column].to_numpy(dtype=np.float64).reshape(-1, rows)

        promoted = from_column(exposure["promoted_position"].to_numpy())
        return cls(
            is_focal=exposure["is_focal_item"].to_numpy(dtype=bool).reshape(-1, rows),
            promoted_position=promoted.reshape(-1, rows),
            n_control=n_control,
            item=exposure["item_id"].to_numpy(dtype=np.int64).reshape(-1, rows),
            user_effect=user_effects(exposure["user_id"].to_numpy(dtype=np.int64)[::rows], seed),
            cluster=np.asarray(
                exposure["spillover_cluster"].astype("category").cat.codes, dtype=np.int64
            ).reshape(-1, rows),
            relevance=grid("relevance"),
            user_liked_rate=grid("user_liked_rate"),
            item_liked_rate=grid("item_liked_rate"),
            item_popularity=grid("item_popularity"),
        )

    def __len__(self) -> int:
        """Return the number of slates, N."""
        return len(self.is_focal)

    @property
    def size(self) -> int:
        """Items per slate, K."""
        return int(self.relevance.shape[1])

    def rows(self, rows: slice) -> Slates:
        """Return some of the slates."""
        arrays = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return Slates(n_control=self.n_control, **arrays)

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
    def focal(self) -> Integers:
        """Column of the focal item, the first of several; shape (N,)."""
        return np.asarray(self.is_focal.argmax(axis=1))

    @cached_property
    def one_focal_item(self) -> bool:
        """Whether each slate has one focal item."""
        return int(self.is_focal.sum()) == len(self)

    @cached_property
    def is_displaced(self) -> Booleans:
        """Whether promotion moves an item down, shape (N, K)."""
        return np.asarray(self.promoted_position > self.position("control")) & ~self.is_focal

    @cached_property
    def is_same_cluster(self) -> Booleans:
        """Whether a non-focal item is in the cluster of a focal item, shape (N, K)."""
        if self.one_focal_item:
            focal_cluster = np.take_along_axis(self.cluster, self.focal[:, None], axis=1)
            return np.asarray((self.cluster == focal_cluster) & ~self.is_focal)
        focal_items = self.is_focal.astype(np.float64)
        return np.asarray((cluster_sums(focal_items, self.cluster) > 0) & ~self.is_focal)

    def position(self, arm: Arm) -> Integers:
        """Return the position of each item in one arm, 0 if it is not shown; shape (N, K)."""
        if arm == "promoted":
            return self.promoted_position
        column = np.arange(1, self.size + 1)
        shown = np.where(column <= self.n_control, column, 0)
        return np.broadcast_to(shown, self.relevance.shape)

    def is_shown(self, arm: Arm) -> Booleans:
        """Return whether each item is shown in one arm, shape (N, K)."""
        return np.asarray(self.position(arm) > 0)

    def n_shown(self, arm: Arm) -> int:
        """Return the number of items that slates show in one arm."""
        return self.n_control if arm == "control" else int(self.promoted_position.max(initial=0))

    @cached_property
    def _promoted_order(self) -> Integers:
        """Columns of the items of a promoted slate, in the order shown."""
        place = self.promoted_position
        order = np.argsort(np.where(place == 0, self.size + 1, place), axis=1, kind="stable")
        return np.asarray(order[:, : self.n_shown("promoted")])

    def in_order(self, values: Array, arm: Arm) -> Array:
        """Return items' values, shape (N, K), as one arm shows the items: (N, number shown)."""
        if arm == "control":
            return values[:, : self.n_control]
        if self.n_shown(arm) < self.size:
            return np.take_along_axis(values, self._promoted_order, axis=1)
        shown = np.empty_like(values)
        np.put_along_axis(shown, self.promoted_position - 1, values, axis=1)
        return shown

    def by_item(self, values: Array, arm: Arm, not_shown: float = 0) -> Array:
        """Return values by position in one arm in the order of the items, shape (N, K).

        Items that are not shown have the value ``not_shown``.
        """
        if self.n_shown(arm) == self.size:
            if arm == "control":
                return values
            return np.take_along_axis(values, self.promoted_position - 1, axis=1)
        items = np.full((len(values), self.size), not_shown, dtype=values.dtype)
        if arm == "control":
            items[:, : self.n_control] = values
        else:
            np.put_along_axis(items, self._promoted_order, values, axis=1)
        return items


def _sizes(slate_id: NDArray[np.generic], position: Integers) -> tuple[int, int]:
    """Return the items that slates show without promotion, and the rows of each slate."""
    n_control = int(position.max(initial=0))
    first = np.append(True, slate_id[1:] != slate_id[:-1])
    rows = len(position) // max(int(first.sum()), 1)
    expected = np.arange(1, rows + 1)
    expected[n_control:] = 0
    if not n_control or not np.array_equal(position, np.tile(expected, len(position) // rows)):
        raise NetliftError(
            "exposure table: a simulated study needs slates of one size, sorted by slate and "
            "slate_position_seed"
        )
    return n_control, rows


_ARRAYS = tuple(name for name in Slates.__dataclass_fields__ if name != "n_control")


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
        """Measure the scale over all items that slates show without promotion.

        Standard deviations are those of the population.
        """
        names = ("relevance", "user_liked_rate", "item_liked_rate", "log_popularity")
        shown = {name: slates.in_order(getattr(slates, name), "control") for name in names}
        return cls(
            relevance_mean=float(shown["relevance"].mean()),
            relevance_sd=_spread(shown["relevance"]),
            user_liked_rate_mean=float(shown["user_liked_rate"].mean()),
            item_liked_rate_mean=float(shown["item_liked_rate"].mean()),
            log_popularity_mean=float(shown["log_popularity"].mean()),
            log_popularity_sd=_spread(shown["log_popularity"]),
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
