"""The record of a promotion: what is drawn, and how. Standard library only, for the Snakefile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from netlift.promotion.treatment import MOVE_TO_FIRST, TREATMENTS, Treatment

Assignment = Literal["bernoulli", "complete", "stratified"]
Unit = Literal["slate", "user"]

_OF_THE_TREATMENT = (*TREATMENTS, "focal_items")


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """How focal items and promotions are drawn, and what a promotion does.

    Attributes
    ----------
    probability
        Probability that a slate is promoted.
    assignment
        ``bernoulli`` promotes each unit by its own draw; ``complete`` promotes a fixed number of
        units, ``probability`` times their number, rounded; ``stratified`` does so among the
        slates of each focal position.
    focal_position_first, focal_position_last
        The focal item's position is uniform from first to last; None is the last of the slate. Not
        used where the promotion adds an item.
    unit
        What is randomized: each ``slate``, or each ``user`` with all their slates.
    treatment
        What is done to a promoted slate.
    probabilities, variant
        Where several variants are drawn at once: the probability of each, and the number of the one
        that is compared with control, from 1 on; ``probability`` is then that among these two.
    """

    probability: float
    assignment: Assignment
    focal_position_first: int = 1
    focal_position_last: int | None = None
    unit: Unit = "slate"
    treatment: Treatment = MOVE_TO_FIRST
    probabilities: tuple[float, ...] = ()
    variant: int = 1

    @classmethod
    def from_config(cls, entry: Mapping[str, Any]) -> Self:
        """Parse the entry of a promotion."""
        others = (*_OF_THE_TREATMENT, "probabilities")
        return cls(
            treatment=Treatment.from_config(entry),
            probabilities=tuple(entry.get("probabilities", ())),
            **{key: value for key, value in entry.items() if key not in others},
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The promotion as in the config: plain values, without those that are not used."""
        unused = {"treatment", "probabilities", "variant"}
        if self.treatment.adds_focal_item:
            unused |= {"focal_position_first", "focal_position_last"}
        names = [field.name for field in fields(self) if field.name not in unused]
        values = {name: getattr(self, name) for name in names}
        if self.probabilities:
            values |= {"probabilities": list(self.probabilities), "variant": self.variant}
        plain = {key: value for key, value in values.items() if value is not None}
        return plain | self.treatment.settings

    @property
    def deepest(self) -> int:
        """The position that every slate must have, so that focal items can be drawn."""
        if self.treatment.adds_focal_item:
            return 1
        return self.focal_position_last or (
            self.focal_position_first + self.treatment.focal_items - 1
        )

    def rows(self, size: int) -> int:
        """Return the rows of a slate of ``size`` items: one more if the promotion adds an item."""
        return size + self.treatment.adds_focal_item
