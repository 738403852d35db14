"""The reference study's click model, in closed form and unchanged.

Its flaw, kept as well: 93% of its total effect comes from four terms that are added only in
promoted slates, and not from the order of the slate.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from netlift.core.arrays import Floats
from netlift.worlds.attention import attention
from netlift.worlds.slates import Arm, Slates
from netlift.worlds.world import IndependentClicks, parameter, sigmoid


def _coefficient(default: float, description: str) -> dict[str, Any]:
    return parameter(default, f"{description} (logit scale).", low=-20, high=20)


class Model(IndependentClicks):
    """Logistic clicks from relevance and position, with penalties in promoted slates."""

    INTERCEPT = -2.75
    FREE = ("promoted_focal", "promoted_same_cluster", "promoted_displaced")
    PARAMETERS: ClassVar[dict[str, Any]] = {
        "relevance": _coefficient(0.78, "Effect per star of relevance above 3.5"),
        "attention": _coefficient(1.15, "Effect of attention, 1/log2(position + 1)"),
        "user_liked_rate": _coefficient(0.35, "Effect of the user's liked rate, centered"),
        "item_liked_rate": _coefficient(0.25, "Effect of the item's liked rate, centered"),
        "log_popularity": _coefficient(0.10, "Effect of standardized log(1 + popularity)"),
        "promoted_focal": _coefficient(0.20, "Effect on the focal item of a promoted slate"),
        "promoted_competitor": _coefficient(-0.08, "Effect on the other items of a promoted slate"),
        "promoted_same_cluster": _coefficient(-0.24, "Added for those in the focal item's cluster"),
        "promoted_displaced": _coefficient(-0.10, "Added for those that the focal item displaces"),
        "lowest_probability": parameter(
            0.01, "Lower limit at which click probabilities are clipped.", high=0.5
        ),
        "highest_probability": parameter(
            0.95, "Upper limit at which click probabilities are clipped.", low=0.5, high=1
        ),
    }

    def probabilities(self, slates: Slates, arm: Arm) -> Floats:
        """Return the exact click probability of each item in one arm, shape (N, K)."""
        b, scale = self.parameters, self.scale
        theta = attention(slates.size, {"curve": "log2"})
        logit = (
            self.base(slates, arm)
            + b["relevance"] * (slates.relevance - 3.5)
            + b["attention"] * theta[slates.position(arm) - 1]
            + b["user_liked_rate"] * (slates.user_liked_rate - scale.user_liked_rate_mean)
            + b["item_liked_rate"] * (slates.item_liked_rate - scale.item_liked_rate_mean)
            + b["log_popularity"]
            * ((slates.log_popularity - scale.log_popularity_mean) / scale.log_popularity_sd)
        )
        if arm == "promoted":
            logit += np.where(slates.is_focal, b["promoted_focal"], b["promoted_competitor"])
            logit += b["promoted_same_cluster"] * slates.is_same_cluster
            logit += b["promoted_displaced"] * slates.is_displaced
        p = np.clip(sigmoid(logit), b["lowest_probability"], b["highest_probability"])
        return p if slates.n_shown(arm) == slates.size else p * slates.is_shown(arm)
