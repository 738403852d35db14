"""What a promotion does to the slate. Standard library only, for the Snakefile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["move", "badge"]
TREATMENTS = get_args(Kind)
"""Keys of a promotion's entry that name what is done."""


@dataclass(frozen=True)
class Treatment:
    """What is done to a promoted slate.

    Attributes
    ----------
    kind
        ``move``: the focal item goes to position ``to``, and the items in between make room by
        one place. ``badge``: nothing moves, and the focal item is marked.
    to
        The position to which the focal item goes, from 1 on; None if nothing moves.
    """

    kind: Kind
    to: int | None = None

    @classmethod
    def from_config(cls, entry: Mapping[str, Any]) -> Treatment:
        """Take the treatment from the entry of a promotion."""
        if "badge" in entry:
            return cls("badge")
        return cls("move", entry["move"]["to"]) if "move" in entry else MOVE_TO_FIRST

    @property
    def settings(self) -> dict[str, Any]:
        """The treatment as in the config; none is named if it is the default."""
        if self == MOVE_TO_FIRST:
            return {}
        return {self.kind: {} if self.to is None else {"to": self.to}}

    @property
    def phrase(self) -> str:
        """What is done to the focal item, as the subject of a sentence."""
        if self.kind == "badge":
            return "marking the focal item with a badge"
        return f"moving the focal item to position {self.to}"


MOVE_TO_FIRST = Treatment("move", 1)
"""The treatment where an entry names none."""
