"""Nested logit choice: items of one cluster are closer substitutes than others."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.worlds.choice import UTILITY, ChoiceWorld
from netlift.worlds.slates import cluster_sums
from netlift.worlds.world import ShownSlates, parameter


class Model(ChoiceWorld):
    """p_k = e^(V_k/lam) I_c^(lam-1) / (1 + sum_c I_c^lam), I_c = sum_(k in c) e^(V_k/lam).

    Nests are spillover clusters; V_k = b0 + b_r r_k + b_v ln theta(pos_k). McFadden (1978),
    "Modelling the choice of residential location". The utility of clicking nothing is 0, so b0
    is -V_0. With lam = 1 this is ``mnl``.
    """

    SHEETS = 3
    INTERCEPT = -1.0
    FREE = ("b_v", "lam", "promotion_badge")
    PARAMETERS: ClassVar[dict[str, Any]] = {
        **UTILITY,
        "lam": parameter(
            0.5,
            "Dissimilarity of items within a cluster: 1 is mnl, 0.4 to 0.7 is strong substitution.",
            low=0.05,
            high=1,
        ),
    }

    def shown_probabilities(self, shown: ShownSlates) -> Floats:
        """Return the click probability of each position of slates as shown, shape (N, K)."""
        utility = self.utility(shown)
        largest = utility.max(axis=1, keepdims=True)
        # e^(V/lam) I^(lam-1), summed over the items of a nest, is I^lam.
        weight, inclusive = self._nests(utility - largest, shown.cluster)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = weight * inclusive ** (self.parameters["lam"] - 1.0)
        share[weight == 0] = 0.0  # underflow, for lam near 0
        return share / (np.exp(-largest) + share.sum(axis=1, keepdims=True))

    def choose(self, utility: Floats, cluster: Integers, noise: Floats) -> Booleans:
        """Return clicks by item, shape (N, K): a nest by its inclusive value, then an item in it.

        A nest's noise is on the second sheet, in the column of its first item before promotion.
        """
        lam = self.parameters["lam"]
        largest = utility.max(axis=1, keepdims=True)
        _, inclusive = self._nests(utility - largest, cluster)
        same = cluster[:, :, None] == cluster[:, None, :]
        nest_noise = np.take_along_axis(noise[1], same.argmax(axis=2), axis=1)
        with np.errstate(divide="ignore"):
            nest = largest + lam * np.log(inclusive) + nest_noise
        best_nest = nest.max(axis=1, keepdims=True)
        inside = np.where(nest == best_nest, utility / lam + noise[0], -np.inf)
        best = np.arange(utility.shape[1]) == inside.argmax(axis=1)[:, None]
        return np.asarray(best & (best_nest > noise[-1][:, :1]))

    def _nests(self, utility: Floats, cluster: Integers) -> tuple[Floats, Floats]:
        """Return e^(V/lam) of each item and its sum over the item's nest, both (N, K)."""
        weight = np.exp(utility / self.parameters["lam"])
        return weight, cluster_sums(weight, cluster)
