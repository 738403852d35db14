"""Logistic clicks in which an item loses to similar items, by how much attention they get."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from netlift.core.arrays import Floats
from netlift.core.errors import NetliftError
from netlift.worlds import attention
from netlift.worlds.world import IndependentClicks, OrderedWorld, ShownSlates, parameter, sigmoid

_SLATES_AT_ONCE = 512
"""Few enough for the similarities of a block, K x K each, to stay in a processor's cache."""


class Model(OrderedWorld, IndependentClicks):
    """p_k = sigmoid(b0 + b_r r_k + b_v theta_k - g sum_j S_kj A_j), A_j = w_j / sum_j w_j.

    w_j = theta_j e^(kappa r_j) is the weight of an item in the slate's attention, S its
    similarity to item k, in [0, 1] and 0 with itself.
    """

    INTERCEPT = -2.0
    FREE = ("b_v", "g", "promotion_badge")
    NEEDS_SIMILARITY = True
    PARAMETERS: ClassVar[dict[str, Any]] = {
        "b_r": parameter(0.8, "Effect of one standard deviation of relevance (logit scale)."),
        "b_v": parameter(1.2, "Effect of one unit of the item's own attention (logit scale)."),
        "g": parameter(
            3.0, "Loss if all other attention is on identical items (logit scale).", high=50
        ),
        "kappa": parameter(
            0.3, "How strongly relevance draws attention: exponent per standard deviation."
        ),
        "source": {
            "description": (
                "Similarity from the scorer's item factors (cosine, at least 0), from genres "
                "(Jaccard), or a blend of both."
            ),
            "type": "string",
            "enum": ["factors", "genres", "blend"],
            "default": "blend",
        },
        "genre_weight": parameter(0.5, "Weight of the genres in the blend.", high=1),
        "attention": attention.SCHEMA,
    }

    def shown_probabilities(self, shown: ShownSlates) -> Floats:
        """Return the click probability of each position of slates as shown, shape (N, K)."""
        if self.similarity is None:
            raise NetliftError("the model similarity needs the similarity of items")
        b = self.parameters
        theta = attention.attention(shown.relevance.shape[1], b["attention"])
        weight = theta * np.exp(b["kappa"] * shown.relevance)
        weight /= weight.sum(axis=1, keepdims=True)
        crowding = np.empty_like(weight)
        for start in range(0, len(weight), _SLATES_AT_ONCE):
            part = slice(start, start + _SLATES_AT_ONCE)
            similarity = self.similarity.among(shown.item[part])
            crowding[part] = np.matmul(similarity, weight[part, :, None])[:, :, 0]
        return sigmoid(
            b["b_r"] * shown.relevance + (shown.base + b["b_v"] * theta) - b["g"] * crowding
        )
