"""How promotions were assigned, as the analysis needs it: arms, randomized units, strata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core.arrays import ROUNDING, Booleans, Floats, Integers, numbered
from netlift.core.errors import NetliftError

Value = TypeVar("Value", bound=np.generic)


DESIGN_COLUMNS = ("promotion_probability", "randomization_unit", "randomization_stratum")
"""Columns of an items or accounts table that describe the design. Without them each slate was
randomized by itself, in one stratum, with unknown probability."""


@dataclass(frozen=True)
class Design:
    """The assignment of promotions, one entry per slate.

    Attributes
    ----------
    promoted
        Arm, shape (N,).
    unit
        Number of the unit that was randomized (the slate, or its user), 0 to U - 1, shape (N,).
    stratum
        Number of the stratum within which promotions were assigned, shape (N,).
    probability
        Probability that the slate was promoted, shape (N,); None where it is not known.
    unit_name
        ``slate``, ``user``, or ``unit`` for anything else.
    adds_focal_item
        Whether control slates do not show their focal item, so that its outcome is 0 there.
    """

    promoted: Booleans
    unit: Integers
    stratum: Integers
    probability: Floats | None
    unit_name: str
    adds_focal_item: bool = False

    @classmethod
    def from_table(cls, slates: pd.DataFrame) -> Self:
        """Read the design from a table with one row per slate.

        Raises
        ------
        NetliftError
            A promotion or a stratum differs within a randomized unit, one of them is missing, or a
            probability is not between 0 and 1.
        """
        n_slates = len(slates)
        promoted = slates["promotion_applied"].to_numpy() == 1
        for name in ("randomization_unit", "randomization_stratum"):
            if name in slates and slates[name].isna().any():
                raise NetliftError(
                    f"{name}: missing in {int(slates[name].isna().sum()):,} of {n_slates:,} slates"
                )
        unit, unit_name = np.arange(n_slates), "slate"
        if "randomization_unit" in slates:
            ids = slates["randomization_unit"].to_numpy()
            unit = numbered(ids)
            if int(unit.max(initial=-1)) + 1 < n_slates:
                by_user = np.array_equal(ids, slates["user_id"].to_numpy())
                unit_name = "user" if by_user else "unit"
        stratum = np.zeros(n_slates, dtype=np.int64)
        if "randomization_stratum" in slates:
            ids = slates["randomization_stratum"].to_numpy()
            stratum = numbered(ids)
        probability = None
        if "promotion_probability" in slates:
            probability = slates["promotion_probability"].to_numpy(dtype=np.float64)
            wrong = ~((probability > 0) & (probability < 1))
            if np.isnan(probability).all():
                probability = None
            elif wrong.any():
                raise NetliftError(
                    f"promotion_probability: {int(wrong.sum()):,} of {n_slates:,} slates have "
                    f"{probability[wrong][0]:g}; every slate needs a probability above 0 and below "
                    "1. Leave out slates that could only be in one arm."
                )
        depth = slates.get("focal_seed_position")
        adds = depth is not None and n_slates > 0 and bool(depth.isna().all())
        design = cls(promoted, unit, stratum, probability, unit_name, adds)
        for what, values in (("promotion", promoted), ("stratum", stratum)):
            mixed = design.mixed_units(values)
            if mixed:
                raise NetliftError(
                    f"the {what} differs between slates of the same randomized {unit_name} in "
                    f"{mixed:,} of {design.n_units:,}; the column randomization_unit must name the "
                    "unit whose promotion was drawn"
                )
        return design

    def mixed_units(self, values: NDArray[np.generic]) -> int:
        """Count units whose slates do not all have the same value, shape (N,)."""
        first = np.zeros(self.n_units, dtype=values.dtype)
        first[self.unit[::-1]] = values[::-1]
        return len(np.unique(self.unit[values != first[self.unit]]))

    @property
    def n_units(self) -> int:
        """Number of randomized units, U."""
        return int(self.unit.max(initial=-1)) + 1

    @property
    def by_slate(self) -> bool:
        """Whether each slate was randomized by itself."""
        return self.unit_name == "slate"

    @property
    def weights(self) -> Floats | None:
        """1 / probability of the assigned arm, shape (N,); None if it is the same for all slates.

        Where probabilities differ between slates, unweighted means compare different slates.
        """
        if self.probability is None or np.ptp(self.probability) <= ROUNDING:
            return None
        return self.inverse_probability()

    @property
    def in_order(self) -> bool:
        """Whether unit 0 is slate 0, unit 1 slate 1, and so on."""
        return self.by_slate and bool((self.unit == np.arange(len(self.unit))).all())

    def inverse_probability(self) -> Floats:
        """Return 1 / probability of the assigned arm, shape (N,).

        Raises
        ------
        NetliftError
            The probabilities are not known.
        """
        probability = self.known_probability()
        return 1 / np.where(self.promoted, probability, 1 - probability)

    def known_probability(self) -> Floats:
        """Return the probability that each slate was promoted, shape (N,).

        Raises
        ------
        NetliftError
            It is not known.
        """
        if self.probability is None:
            raise NetliftError("the probabilities of promotion are not known")
        return self.probability

    def subset(self, chosen: Booleans) -> Design:
        """Return the design of some of the slates, shape (N,), which must be whole units."""
        unit = numbered(self.unit[chosen])
        probability = None if self.probability is None else self.probability[chosen]
        return Design(
            self.promoted[chosen],
            unit,
            self.stratum[chosen],
            probability,
            self.unit_name,
            self.adds_focal_item,
        )

    def units_per_arm(self) -> tuple[int, int]:
        """Return the number of promoted and of control units."""
        if self.by_slate:
            return int(self.promoted.sum()), int((~self.promoted).sum())
        treated = len(np.unique(self.unit[self.promoted]))
        return treated, self.n_units - treated

    @property
    def unit_or_none(self) -> Integers | None:
        """The unit of each slate, shape (N,); None where each slate was randomized by itself."""
        return None if self.by_slate else self.unit

    def per_unit(self, values: Floats) -> Floats:
        """Sum values of slates, shape (N, m), over units; shape (U, m)."""
        if self.in_order:
            return values
        return np.column_stack(
            [np.bincount(self.unit, column, self.n_units) for column in values.T]
        )

    def unit_weights(self) -> Floats:
        """Return the weight of each unit in the mean of its arm, shape (U,).

        Its number of slates, each by the inverse probability of its arm where probabilities differ.
        """
        weights = np.ones(len(self.promoted)) if self.weights is None else self.weights
        return self.per_unit(weights[:, None])[:, 0]

    def of_units(self, values: NDArray[Value]) -> NDArray[Value]:
        """Return the value, shape (N,), that all slates of a unit share; shape (U,)."""
        shared = np.zeros(self.n_units, dtype=values.dtype)
        shared[self.unit] = values
        return shared
