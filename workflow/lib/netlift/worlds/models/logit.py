"""Logistic clicks in which items compete through the attention that others get."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from netlift.core.arrays import Floats
from netlift.worlds import attention
from netlift.worlds.slates import cluster_sums
from netlift.worlds.world import IndependentClicks, OrderedWorld, ShownSlates, parameter, sigmoid


class Model(OrderedWorld, IndependentClicks):
    """p_k = sigmoid(b0 + b_r r_k + b_v theta(pos_k) - g_c M_k - g_all N_k).

    r_k is standardized relevance, theta(pos) attention, M_k the attention of the other items in
    k's cluster, N_k that of all other items; of all of them, or only of those above k.
    """

    INTERCEPT = -2.0
    FREE = ("b_v", "g_c", "promotion_badge")
    PARAMETERS: ClassVar[dict[str, Any]] = {
        "b_r": parameter(0.8, "Effect of one standard deviation of relevance (logit scale)."),
        "b_v": parameter(1.2, "Effect of one unit of the item's own attention (logit scale)."),
        "g_c": parameter(0.4, "Loss per unit of attention on other items in the cluster (logit)."),
        "g_all": parameter(0.0, "Loss per unit of attention on all other items (logit scale)."),
        "competitors": {
            "description": "Which items' attention counts: all others, or only those above.",
            "type": "string",
            "enum": ["all", "above"],
            "default": "all",
        },
        "attention": attention.SCHEMA,
    }

    def shown_probabilities(self, shown: ShownSlates) -> Floats:
        """Return the click probability of each position of slates as shown, shape (N, K)."""
        b = self.parameters
        theta = attention.attention(shown.relevance.shape[1], b["attention"])
        if b["competitors"] == "above":
            all_others = np.cumsum(theta) - theta
            same_cluster = _attention_above(shown, theta)
        else:
            all_others = theta.sum() - theta
            mass = np.broadcast_to(theta, shown.relevance.shape)
            same_cluster = cluster_sums(mass, shown.cluster) - theta
        return sigmoid(
            b["b_r"] * shown.relevance
            + (shown.base + (b["b_v"] * theta - b["g_all"] * all_others))
            - b["g_c"] * same_cluster
        )


def _attention_above(shown: ShownSlates, theta: Floats) -> Floats:
    """Return the attention of the same cluster's items above each position, shape (N, K)."""
    n_slates, size = shown.relevance.shape
    mass = np.zeros((n_slates, int(shown.cluster.max(initial=0)) + 1))
    above = np.empty((n_slates, size))
    rows = np.arange(n_slates)
    for column in range(size):
        cluster = shown.cluster[:, column]
        above[:, column] = mass[rows, cluster]
        mass[rows, cluster] += theta[column]
    return above
