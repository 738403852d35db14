"""The record of a promotion: what is drawn, and how. Standard library only, for the Snakefile."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Assignment = Literal["bernoulli", "complete", "stratified"]
Unit = Literal["slate", "user"]


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """How focal items and promotions are drawn.

    Attributes
    ----------
    probability
        Probability that a slate is promoted.
    assignment
        ``bernoulli`` promotes each unit by its own draw; ``complete`` promotes a fixed number of
        units, ``probability`` times their number, rounded; ``stratified`` does so among the
        slates of each focal position.
    focal_position_first, focal_position_last
        The focal item's position is uniform from first to last; None is the last of the slate.
    unit
        What is randomized: each ``slate``, or each ``user`` with all their slates.
    """

    probability: float
    assignment: Assignment
    focal_position_first: int
    focal_position_last: int | None = None
    unit: Unit = "slate"

    @property
    def settings(self) -> dict[str, Any]:
        """The promotion as in the config: plain values, without those that are None."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @property
    def deepest(self) -> int:
        """The position that every slate must have, so that focal items can be drawn."""
        return self.focal_position_last or self.focal_position_first
