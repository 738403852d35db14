"""How a case of the validation draws: probabilities, sizes of users, new users, heavy tails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from netlift.core.arrays import numbered
from netlift.core.streams import generator

_DOMINANT = 1 / 3


@dataclass(frozen=True)
class Draws:
    """What differs from a plain case.

    Attributes
    ----------
    probabilities
        Probabilities of promotion, one of which is drawn for each randomized unit; by default the
        promotion's for all.
    users
        ``equal`` leaves users as they are; ``unequal`` gives user j of G slates in proportion to
        (j + 1)^3 - j^3; ``dominant`` makes one user of the first third of the slates.
    redraw_users
        Whether each replicate redraws the users' effects, so that the mean over all users is
        what is estimated.
    value_sigma
        Standard deviation of the logarithm of a click's value; 0 for clicks.
    """

    probabilities: tuple[float, ...] = ()
    users: Literal["equal", "unequal", "dominant"] = "equal"
    redraw_users: bool = False
    value_sigma: float = 0.0

    def slates(self, slates: pd.DataFrame) -> pd.DataFrame:
        """Return slates with the case's users."""
        if self.users == "equal":
            return slates
        user = numbered(slates["user_id"].to_numpy())
        n_users, slate = int(user.max()) + 1, numbered(slates["slate_id"].to_numpy())
        place = slate / (slate.max() + 1)
        if self.users == "unequal":
            return slates.assign(user_id=(n_users * np.cbrt(place)).astype(np.int64))
        return slates.assign(user_id=np.where(place < _DOMINANT, 0, 1 + user))

    def design(self, exposure: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Return an exposure with the case's probabilities."""
        if not self.probabilities:
            return exposure
        unit = numbered(exposure["randomization_unit"].to_numpy())
        rng = generator(seed, "probabilities")
        drawn = rng.choice(self.probabilities, int(unit.max()) + 1)
        return exposure.assign(promotion_probability=drawn[unit])
