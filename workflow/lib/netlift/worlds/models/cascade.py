"""The cascade of a dynamic Bayesian network: the user reads from the top until satisfied."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from netlift.core.arrays import Booleans, Floats
from netlift.worlds.slates import Arm, Slates
from netlift.worlds.world import OrderedWorld, ShownSlates, parameter, sigmoid


class Model(OrderedWorld):
    """eps_1 = 1, click_k = eps_k a_k, eps_(k+1) = eps_k g (1 - a_k s), a = sigmoid(b0 + b_r r).

    Chapelle and Zhang (2009), "A dynamic Bayesian network click model for web search ranking". The
    user examines the first item; an examined item is clicked with probability a; a click satisfies
    with probability s, and then the user leaves; otherwise they continue with probability g.
    """

    SHEETS = 3
    INTERCEPT = -0.5
    FREE = ("s", "g", "promotion_badge")
    PARAMETERS: ClassVar[dict[str, Any]] = {
        "b_r": parameter(
            0.8, "Effect of one standard deviation of relevance on attraction (logit)."
        ),
        "s": parameter(0.4, "Probability that a click satisfies the user, who leaves.", high=1),
        "g": parameter(
            0.9, "Probability that an unsatisfied user continues to the next item.", high=1
        ),
    }

    def attraction(self, shown: ShownSlates) -> Floats:
        """Return a: the click probability of each position once it is examined, shape (N, K)."""
        return sigmoid(self.parameters["b_r"] * shown.relevance + shown.base)

    def shown_probabilities(self, shown: ShownSlates) -> Floats:
        """Return the click probability of each position of slates as shown, shape (N, K)."""
        a = self.attraction(shown)
        p_continue = self.parameters["g"] * (1.0 - self.parameters["s"] * a[:, :-1])
        p = a
        p[:, 1:] *= np.cumprod(p_continue, axis=1)
        return p

    def draw(self, slates: Slates, arm: Arm, uniforms: Floats) -> Booleans:
        """Return clicks of one arm, shape (N, K), from U(0, 1) numbers of shape (3, N, K).

        An item's three numbers say whether it attracts, whether it satisfies, and whether the user
        continues after it; they are the same in both arms.
        """
        shown = self.shown(slates, arm)
        uniforms = np.stack([slates.in_order(sheet, arm) for sheet in uniforms])
        attracts = uniforms[0] < self.attraction(shown)
        leaves = (attracts & (uniforms[1] < self.parameters["s"])) | (
            uniforms[2] >= self.parameters["g"]
        )
        examined = np.ones_like(attracts)
        examined[:, 1:] = ~np.logical_or.accumulate(leaves[:, :-1], axis=1)
        clicks = attracts & examined
        return slates.by_item(clicks, arm)

    def total_variance(self, slates: Slates, arm: Arm) -> Floats:
        """Return the exact variance of each slate's number of clicks, shape (N,).

        From the last position to the first: the first two moments of the clicks from a position
        on, given that it is examined.
        """
        a = self.attraction(self.shown(slates, arm))
        s, g = self.parameters["s"], self.parameters["g"]
        first = np.zeros(len(slates))
        second = np.zeros(len(slates))
        for k in range(a.shape[1] - 1, -1, -1):
            after_click, after_none = a[:, k] * (1.0 - s) * g, (1.0 - a[:, k]) * g
            second = a[:, k] + after_click * (2.0 * first + second) + after_none * second
            first = a[:, k] + (after_click + after_none) * first
        return second - first**2
