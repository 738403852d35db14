"""Competition models: the click probabilities of a slate before and after a promotion.

A *world* is one model with its parameters. Every world answers the same three questions, for each
arm and vectorized over slates: the exact click probability of each item, a draw of clicks from
given uniform numbers, and the exact variance of the number of clicks of a slate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.core.errors import NetliftError
from netlift.worlds.attention import attention
from netlift.worlds.slates import Arm, Scale, Slates


def parameter(
    default: float, description: str, *, low: float = 0, high: float = 10
) -> dict[str, Any]:
    """Return the JSON Schema of a numeric parameter of a model, from ``low`` to ``high``."""
    return {
        "description": description,
        "type": "number",
        "minimum": low,
        "maximum": high,
        "default": default,
    }


ADD_ONS: dict[str, Any] = {
    "intercept": {
        "description": "b0 on the logit (or utility) scale; cannot be set with target_click_rate.",
        "type": "number",
        "minimum": -30,
        "maximum": 30,
    },
    "target_click_rate": {
        "description": ("Mean click probability per item row in the control arm; determines b0."),
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
    },
    "promotion_badge": parameter(
        0.0,
        "Bonus for the focal item in promoted slates, as from a badge on the item (logit scale).",
        low=-10,
    ),
    "popularity": parameter(
        0.0,
        "Effect of one standard deviation of the item's log popularity in both arms, below 0 where "
        "users have seen what is popular (logit scale).",
        low=-10,
    ),
    "user_sd": parameter(
        0.0,
        "Standard deviation of a normal random intercept, shared by a user's slates and by both "
        "arms (logit scale).",
    ),
}
"""Parameters that every model has, as JSON Schemas by name."""


class Similarity(Protocol):
    """Similarity of items."""

    def among(self, item: Integers) -> Floats:
        """Return S, shape (N, K, K), of item ids of shape (N, K): in [0, 1], 0 with itself."""


@dataclass(frozen=True)
class World(ABC):
    """One competition model with its parameters, fitted to the slates of a study.

    A model is a module in ``netlift.worlds.registry`` with a subclass named ``Model``.

    Attributes
    ----------
    parameters
        Values of ``PARAMETERS``, complete.
    scale
        Where relevance and other features are centered.
    intercept
        b0 on the logit scale.
    similarity
        Similarity of items, for models that need it.
    """

    PARAMETERS: ClassVar[dict[str, Any]]
    """JSON Schema of each parameter: description, type, range, default."""
    INTERCEPT: ClassVar[float] = -2.0
    """b0 where the config gives neither ``intercept`` nor ``target_click_rate``."""

    parameters: Mapping[str, Any]
    scale: Scale
    intercept: float
    similarity: Similarity | None = None

    FREE: ClassVar[tuple[str, ...]] = ("promotion_badge",)
    """Parameters that ``match`` solves for, if it does not name others."""
    NEEDS_SIMILARITY: ClassVar[bool] = False
    """Whether the model needs the similarity of items."""
    SHEETS: ClassVar[int] = 1
    """Uniform numbers that a draw uses per item; the first is shared by all worlds."""

    @classmethod
    def check(cls, parameters: Mapping[str, Any], size: int) -> None:
        """Check what the schema of the parameters cannot express, for slates of ``size`` items.

        Raises
        ------
        NetliftError
            Two parameters contradict each other, or do not fit the size.
        """
        if "intercept" in parameters and "target_click_rate" in parameters:
            raise NetliftError("give intercept or target_click_rate, not both (null removes a key)")
        match = parameters.get("match", {})
        if "click_rate" in match and (
            "intercept" in parameters or "target_click_rate" in parameters
        ):
            raise NetliftError(
                "match.click_rate solves for the intercept: remove intercept and target_click_rate "
                "(null removes a key)"
            )
        known = {**cls.PARAMETERS, **ADD_ONS}
        for name in match.get("free", ()):
            if known.get(name, {}).get("type") != "number" or name == "intercept":
                raise NetliftError(f"match.free: {name} is not a numeric parameter of this model")
        if "attention" in parameters and isinstance(parameters["attention"], Mapping):
            attention(size, parameters["attention"])

    @classmethod
    def fit(
        cls, parameters: Mapping[str, Any], slates: Slates, similarity: Similarity | None = None
    ) -> Self:
        """Fix the scale and, if a target click rate is set, find b0 by bracketing.

        Parameters
        ----------
        parameters
            Complete values of the model's parameters.
        slates
            The slates of the study.
        similarity
            Similarity of items, for models that need it.

        Raises
        ------
        NetliftError
            No intercept between -30 and 30 gives the target click rate.
        """
        b0 = float(parameters.get("intercept", cls.INTERCEPT))
        world = cls(parameters, Scale.from_slates(slates), b0, similarity)
        target = parameters.get("target_click_rate")
        return world if target is None else world._with_click_rate(float(target), slates)

    def base(self, slates: Slates, arm: Arm) -> Floats:
        """Return what is added to each item's logit (or utility): intercept, user, add-ons.

        Shape (N, 1), or (N, K) where items differ by popularity or promoted slates have a badge.
        """
        base = self.intercept + self.parameters["user_sd"] * slates.user_effect[:, None]
        if self.parameters["popularity"] != 0:
            centered = slates.log_popularity - self.scale.log_popularity_mean
            base = base + self.parameters["popularity"] / self.scale.log_popularity_sd * centered
        if arm == "promoted" and self.parameters["promotion_badge"] != 0:
            return base + self.parameters["promotion_badge"] * slates.is_focal
        return np.asarray(base)

    @abstractmethod
    def probabilities(self, slates: Slates, arm: Arm) -> Floats:
        """Return the exact click probability of each item in one arm, shape (N, K)."""

    @abstractmethod
    def draw(self, slates: Slates, arm: Arm, uniforms: Floats) -> Booleans:
        """Return clicks of one arm, shape (N, K), from U(0, 1) numbers of shape (SHEETS, N, K).

        Both arms are drawn from the same numbers (common random numbers).
        """

    @abstractmethod
    def total_variance(self, slates: Slates, arm: Arm) -> Floats:
        """Return the exact variance of each slate's number of clicks, shape (N,)."""

    def click_rate(self, slates: Slates, arm: Arm = "control") -> float:
        """Return the mean click probability per item shown in one arm."""
        total = sum(self.probabilities(block, arm).sum() for _, block in slates.split())
        return float(total) / (len(slates) * slates.n_shown(arm))

    def _with_click_rate(self, target: float, slates: Slates) -> Self:
        low, high = -30.0, 30.0
        rates = [replace(self, intercept=b0).click_rate(slates) for b0 in (low, high)]
        if not rates[0] <= target <= rates[1]:
            raise NetliftError(
                f"target_click_rate: no intercept gives a mean control click rate of {target:g}; "
                f"this world reaches {rates[0]:.4g} to {rates[1]:.4g}. Choose a target in between."
            )
        from scipy.optimize import brentq

        intercept = brentq(
            lambda b0: replace(self, intercept=b0).click_rate(slates) - target,
            low,
            high,
            xtol=1e-12,
        )
        return replace(self, intercept=float(intercept))


class IndependentClicks(World):
    """A world in which, given the order of the slate, items are clicked independently."""

    def draw(self, slates: Slates, arm: Arm, uniforms: Floats) -> Booleans:
        """Return clicks: an item is clicked where its uniform number is below its probability."""
        return uniforms[0] < self.probabilities(slates, arm)

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
    base
        What the world adds to the logit (or utility) of each item: the intercept, the user's
        random intercept and, in promoted slates, the badge of the focal item. Of a shape that
        broadcasts to (N, K).
    slates, arm
        The slates in the order before promotion, and the arm.
    """

    relevance: Floats
    base: Floats
    slates: Slates
    arm: Arm

    @cached_property
    def cluster(self) -> Integers:
        """Spillover cluster as a number, shape (N, K)."""
        return self._in_order(self.slates.cluster)

    @cached_property
    def item(self) -> Integers:
        """Item ids, shape (N, K)."""
        return self._in_order(self.slates.item)

    def _in_order(self, values: Integers) -> Integers:
        return self.slates.in_order(values, self.arm)


class OrderedWorld(World):
    """A world in which clicks depend on a slate only as it is shown.

    Both arms come from one function, so that every effect is a consequence of the order (and of
    the badge, if there is one).
    """

    @abstractmethod
    def shown_probabilities(self, shown: ShownSlates) -> Floats:
        """Return the click probability of each position of slates as shown, shape (N, K)."""

    def probabilities(self, slates: Slates, arm: Arm) -> Floats:
        """Return the exact click probability of each item in one arm, shape (N, K)."""
        return slates.by_item(self.shown_probabilities(self.shown(slates, arm)), arm)

    def shown(self, slates: Slates, arm: Arm) -> ShownSlates:
        """Return slates in the order in which they are shown in one arm."""
        relevance = (slates.relevance - self.scale.relevance_mean) / self.scale.relevance_sd
        base = self.base(slates, arm)
        if base.shape[1] > 1:
            base = slates.in_order(base, arm)
        return ShownSlates(slates.in_order(relevance, arm), base, slates, arm)


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + e^-x)."""
    with np.errstate(over="ignore"):  # e^-x may be infinite, and then the result is 0
        powers = np.exp(-x)
    powers += 1.0
    return np.divide(1.0, powers, out=powers)
