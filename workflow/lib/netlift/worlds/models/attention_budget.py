"""A fixed budget of attention: what one item gets, the others lose."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from netlift.core.arrays import Floats
from netlift.worlds import attention
from netlift.worlds.world import IndependentClicks, OrderedWorld, ShownSlates, parameter, sigmoid


class Model(OrderedWorld, IndependentClicks):
    """p_k = (1 - e^-A_k) sigmoid(b0 + b_r r_k), A_k = B w_k / sum_j w_j, w_k = theta e^(kappa r_k).

    The attention A sums to B in both arms: it is moved, never created. 1 - e^-A is the probability
    that an item is looked at, if looks arrive at random at rate A.
    """

    INTERCEPT = -0.5
    FREE = ("budget", "kappa", "promotion_badge")
    PARAMETERS: ClassVar[dict[str, Any]] = {
        "b_r": parameter(
            0.8, "Effect of one standard deviation of relevance on an item that is seen (logit)."
        ),
        "budget": {
            "description": "B: the number of looks per slate, over all its items.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1000,
            "default": 6.0,
        },
        "kappa": parameter(
            0.3, "How strongly relevance draws attention: exponent per standard deviation."
        ),
        "attention": attention.SCHEMA,
    }

    def attention(self, shown: ShownSlates) -> Floats:
        """Return A of each position, shape (N, K); each slate's sums to the budget."""
        b = self.parameters
        weight = np.exp(b["kappa"] * shown.relevance)
        weight *= attention.attention(shown.relevance.shape[1], b["attention"])
        weight *= b["budget"] / weight.sum(axis=1, keepdims=True)
        return weight

    def shown_probabilities(self, shown: ShownSlates) -> Floats:
        """Return the click probability of each position of slates as shown, shape (N, K)."""
        clicked_if_seen = sigmoid(self.parameters["b_r"] * shown.relevance + shown.base)
        looks = self.attention(shown)
        clicked_if_seen -= np.exp(-looks, out=looks) * clicked_if_seen
        return clicked_if_seen
