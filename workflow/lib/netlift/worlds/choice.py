"""What choice models share: at most one click per slate."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.worlds import attention
from netlift.worlds.slates import Arm, Slates
from netlift.worlds.world import OrderedWorld, ShownSlates, parameter

UTILITY: dict[str, Any] = {
    "b_r": parameter(0.8, "Effect of one standard deviation of relevance (utility)."),
    "b_v": parameter(1.0, "Effect of the log of attention (utility)."),
    "attention": attention.SCHEMA,
}
"""Parameters of V_k = b0 + b_r r_k + b_v ln theta(pos_k)."""


class ChoiceWorld(OrderedWorld):
    """A world in which a user clicks at most one item of a slate.

    Its parameters are those of ``UTILITY``, and perhaps more. Clicks are drawn by the Gumbel-max
    method. Noise belongs to items and not to positions, so it is the same in both arms. The noise
    of clicking nothing is in the first column of the last sheet.
    """

    SHEETS = 2

    def utility(self, shown: ShownSlates) -> Floats:
        """Return V of each position of slates as shown, shape (N, K); clicking nothing has 0."""
        b = self.parameters
        theta = attention.attention(shown.relevance.shape[1], b["attention"])
        return b["b_r"] * shown.relevance + (shown.base + b["b_v"] * np.log(theta))

    @abstractmethod
    def choose(self, utility: Floats, cluster: Integers, noise: Floats) -> Booleans:
        """Return clicks by item, shape (N, K).

        Parameters
        ----------
        utility, cluster
            By item, shape (N, K).
        noise
            Standard Gumbel numbers, shape (SHEETS, N, K).
        """

    def draw(self, slates: Slates, arm: Arm, uniforms: Floats) -> Booleans:
        """Return clicks of one arm, shape (N, K), from U(0, 1) numbers of shape (SHEETS, N, K)."""
        utility = slates.by_item(self.utility(self.shown(slates, arm)), arm, not_shown=-np.inf)
        # A uniform number may be 0, whose Gumbel number is minus infinity: never chosen.
        with np.errstate(divide="ignore"):
            noise = -np.log(-np.log(uniforms))
        return self.choose(utility, slates.cluster, noise)

    def total_variance(self, slates: Slates, arm: Arm) -> Floats:
        """Return P (1 - P), with P the probability of a click on any item; shape (N,)."""
        any_click = self.probabilities(slates, arm).sum(axis=1)
        return np.asarray(any_click * (1.0 - any_click))
