"""Competition models: the click probabilities of a slate before and after a promotion.

A *world* is one model with its parameters. Every world answers the same three questions, for each
arm and vectorized over slates: the exact click probability of each item, a draw of clicks from
given uniform numbers, and the exact variance of the number of clicks of a slate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from netlift.attention import attention
from netlift.errors import NetliftError

if TYPE_CHECKING:
    import pandas as pd

Arm = Literal["control", "promoted"]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

BLOCK_ROWS = 1 << 16
"""Slates that are worked on at once, so that memory grows with the block and not with the study."""


@dataclass(frozen=True)
class Slates:
    """N slates of K items each, columns in the order before any promotion.

    Attributes
    ----------
    focal
        Column of the focal item, shape (N,).
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
    cluster: Integers
    relevance: Floats
    user_liked_rate: Floats
    item_liked_rate: Floats
    item_popularity: Floats

    @classmethod
    def from_exposure(cls, exposure: pd.DataFrame) -> Self:
        """Take the arrays from an exposure table, sorted by slate and seed position.

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
    def is_focal(self) -> Booleans:
        """Whether an item is its slate's focal item, shape (N, K)."""
        return np.asarray(np.arange(self.size) == self.focal[:, None])

    @cached_property
    def is_displaced(self) -> Booleans:
        """Whether an item stands above the focal item before promotion, shape (N, K)."""
        return np.asarray(np.arange(self.size) < self.focal[:, None])

    @cached_property
    def is_same_cluster(self) -> Booleans:
        """Whether a non-focal item is in the focal item's cluster, shape (N, K)."""
        focal_cluster = np.take_along_axis(self.cluster, self.focal[:, None], axis=1)
        return np.asarray((self.cluster == focal_cluster) & ~self.is_focal)

    def position(self, arm: Arm) -> Integers:
        """Return the position (1 to K) of each item in one arm, shape (N, K).

        Promotion moves the focal item to position 1 and those above it one position down.
        """
        seed = np.broadcast_to(np.arange(1, self.size + 1), self.relevance.shape)
        if arm == "control":
            return seed
        return np.where(self.is_focal, 1, seed + self.is_displaced)


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
    def of(cls, slates: Slates) -> Self:
        """Measure the scale over all items of all slates (population standard deviations)."""
        log_popularity = np.log1p(slates.item_popularity)
        return cls(
            relevance_mean=float(slates.relevance.mean()),
            relevance_sd=float(slates.relevance.std()) or 1.0,
            user_liked_rate_mean=float(slates.user_liked_rate.mean()),
            item_liked_rate_mean=float(slates.item_liked_rate.mean()),
            log_popularity_mean=float(log_popularity.mean()),
            log_popularity_sd=float(log_popularity.std()) or 1.0,
        )


@dataclass(frozen=True)
class World(ABC):
    """One competition model with its parameters, fitted to the slates of a study.

    A model is a module in ``netlift.worlds`` with a subclass named ``Model``.

    Attributes
    ----------
    parameters
        Values of ``PARAMETERS``, complete.
    scale
        Where relevance and other features are centered.
    intercept
        b0 on the logit scale.
    """

    PARAMETERS: ClassVar[dict[str, Any]]
    """JSON Schema of each parameter: description, type, range, default."""
    INTERCEPT: ClassVar[float]
    """b0 where the config gives neither ``intercept`` nor ``target_click_rate``."""

    parameters: Mapping[str, Any]
    scale: Scale
    intercept: float

    @classmethod
    def check(cls, parameters: Mapping[str, Any], size: int) -> None:
        """Check what the schema of the parameters cannot say, for slates of ``size`` items.

        Raises
        ------
        NetliftError
            Two parameters contradict each other, or do not fit the size.
        """
        if "intercept" in parameters and "target_click_rate" in parameters:
            raise NetliftError(
                "give intercept or target_click_rate, not both (null takes a key out)"
            )
        if "attention" in parameters and isinstance(parameters["attention"], Mapping):
            attention(size, parameters["attention"])

    @classmethod
    def fit(cls, parameters: Mapping[str, Any], slates: Slates) -> Self:
        """Fix the scale and, if a target click rate is asked for, find b0 by bisection.

        Raises
        ------
        NetliftError
            No intercept between -30 and 30 gives the wanted click rate.
        """
        world = cls(parameters, Scale.of(slates), float(parameters.get("intercept", cls.INTERCEPT)))
        target = parameters.get("target_click_rate")
        return world if target is None else world._meeting(float(target), slates)

    @abstractmethod
    def probabilities(self, slates: Slates, arm: Arm) -> Floats:
        """Return the exact click probability of each item in one arm, shape (N, K)."""

    @abstractmethod
    def draw(self, slates: Slates, arm: Arm, uniforms: Floats) -> Booleans:
        """Return clicks of one arm from U(0, 1) numbers of shape (N, K); same shape."""

    @abstractmethod
    def total_variance(self, slates: Slates, arm: Arm) -> Floats:
        """Return the exact variance of each slate's number of clicks, shape (N,)."""

    def click_rate(self, slates: Slates, arm: Arm = "control") -> float:
        """Return the mean click probability per item row in one arm."""
        total = sum(self.probabilities(block, arm).sum() for _, block in slates.split())
        return float(total) / slates.relevance.size

    def _meeting(self, target: float, slates: Slates) -> Self:
        low, high = -30.0, 30.0
        rates = [replace(self, intercept=b0).click_rate(slates) for b0 in (low, high)]
        if not rates[0] <= target <= rates[1]:
            raise NetliftError(
                f"target_click_rate: no intercept gives a mean control click rate of {target:g}; "
                f"this world reaches {rates[0]:.4g} to {rates[1]:.4g}. Choose a target in between."
            )
        while high - low > 1e-10:
            middle = (low + high) / 2
            if replace(self, intercept=middle).click_rate(slates) < target:
                low = middle
            else:
                high = middle
        return replace(self, intercept=(low + high) / 2)


class IndependentClicks(World):
    """A world in which, given the order of the slate, items are clicked independently."""

    def draw(self, slates: Slates, arm: Arm, uniforms: Floats) -> Booleans:
        """Return clicks: an item is clicked where its uniform number is below its probability."""
        return uniforms < self.probabilities(slates, arm)

    def total_variance(self, slates: Slates, arm: Arm) -> Floats:
        """Return the sum of p (1 - p) over each slate, shape (N,)."""
        p = self.probabilities(slates, arm)
        return np.asarray((p * (1.0 - p)).sum(axis=1))


@dataclass(frozen=True)
class ShownSlates:
    """Slates in the order in which they are shown in one arm; column 0 is position 1.

    Attributes
    ----------
    relevance
        Standardized, shape (N, K).
    cluster
        Spillover cluster as a number, shape (N, K).
    """

    relevance: Floats
    cluster: Integers


class OrderedWorld(World):
    """A world that knows a slate only by the order in which it is shown.

    Both arms come from one function, so that every effect is a consequence of the order.
    """

    @abstractmethod
    def shown_probabilities(self, shown: ShownSlates) -> Floats:
        """Return the click probability of each position of slates as shown, shape (N, K)."""

    def probabilities(self, slates: Slates, arm: Arm) -> Floats:
        """Return the exact click probability of each item in one arm, shape (N, K)."""
        columns = np.arange(slates.size)
        focal = slates.focal[:, None]
        order = np.where(columns == 0, focal, columns - (columns <= focal))
        relevance = (slates.relevance - self.scale.relevance_mean) / self.scale.relevance_sd
        if arm == "control":
            return self.shown_probabilities(ShownSlates(relevance, slates.cluster))
        shown = ShownSlates(
            np.take_along_axis(relevance, order, axis=1),
            np.take_along_axis(slates.cluster, order, axis=1),
        )
        return np.take_along_axis(
            self.shown_probabilities(shown), slates.position("promoted") - 1, axis=1
        )


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + e^-x), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))
