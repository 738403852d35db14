"""Multinomial logit choice: the user clicks at most one item of the slate, or none."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.worlds.choice import UTILITY, ChoiceWorld
from netlift.worlds.world import ShownSlates


class Model(ChoiceWorld):
    """p_k = e^V_k / (1 + sum_j e^V_j), V_k = b0 + b_r r_k + b_v ln theta(pos_k).

    McFadden (1974), "Conditional logit analysis of qualitative choice behavior". The utility of
    clicking nothing is 0, so b0 is -V_0.
    """

    INTERCEPT = -1.0
    FREE = ("b_v", "b_r", "promotion_badge")
    PARAMETERS: ClassVar[dict[str, Any]] = UTILITY

    def shown_probabilities(self, shown: ShownSlates) -> Floats:
        """Return the click probability of each position of slates as shown, shape (N, K)."""
        weight = np.exp(self.utility(shown))
        return weight / (1.0 + weight.sum(axis=1, keepdims=True))

    def choose(self, utility: Floats, cluster: Integers, noise: Floats) -> Booleans:
        """Return clicks by item, shape (N, K): the largest V plus noise, or none."""
        noisy = utility + noise[0]
        best = np.arange(noisy.shape[1]) == noisy.argmax(axis=1)[:, None]
        return np.asarray(best & (noisy > noise[-1][:, :1]))
