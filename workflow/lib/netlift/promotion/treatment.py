"""What a promotion does to the slate. Standard library only, for the Snakefile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["move", "insert", "replace", "badge", "rerank"]
TREATMENTS = get_args(Kind)
"""Keys of a promotion's entry that name what is done."""


@dataclass(frozen=True)
class Treatment:
    """What is done to a promoted slate.

    Attributes
    ----------
    kind
        ``move``: the focal item goes to position ``to``, and the items in between make room by
        one place. ``insert``: the focal item, not shown without promotion, is shown at ``to``,
        and the items from there on move down. ``replace``: it is shown in the place of the item
        at ``to``, which is not shown. ``badge``: nothing moves, and the focal item is marked.
        ``rerank``: ``boost`` is added to the ranker's value of the focal items, and the slate is
        ordered by value again; in a log the slate has any other order, which the log gives.
    to
        The position of the focal item with promotion, from 1 on; None for ``badge`` and
        ``rerank``. Of several focal items it is that of the first, and the others follow it.
    grows
        Whether an insertion makes the slate longer. If not, the last item is pushed out.
    focal_items
        Number of focal items of a slate.
    in_block
        Whether slates are pages of several blocks. Positions are then those within a block, and a
        promotion changes the block of the focal item only.
    boost
        Of a ``rerank`` by rule, in the unit of the column ``ranker_value`` of slates; None for any
        other treatment, and for the orders of a log.
    """

    kind: Kind
    to: int | None = None
    grows: bool = False
    focal_items: int = 1
    in_block: bool = False
    boost: float | None = None

    @classmethod
    def from_config(cls, entry: Mapping[str, Any]) -> Treatment:
        """Take the treatment from the entry of a promotion."""
        kind = next((name for name in TREATMENTS if name in entry), None)
        several = entry.get("focal_items", 1)
        if kind is None:
            return cls("move", 1, focal_items=several)
        values = entry[kind]
        to = values.get("to", values.get("at"))
        grows = values.get("length") == "grows"
        return cls(kind, to, grows, several, boost=values.get("boost"))

    @property
    def settings(self) -> dict[str, Any]:
        """The treatment as in the config; none is named if it is the default."""
        several = {} if self.focal_items == 1 else {"focal_items": self.focal_items}
        if (self.kind, self.to) == ("move", 1):
            return several
        values: dict[str, Any] = {}
        if self.to is not None:
            values = {"to" if self.kind == "move" else "at": self.to}
        if self.grows:
            values["length"] = "grows"
        if self.boost is not None:
            values["boost"] = self.boost
        return {self.kind: values} | several

    @property
    def adds_focal_item(self) -> bool:
        """Whether the focal item is not shown without promotion."""
        return self.kind in ("insert", "replace")

    @property
    def phrase(self) -> str:
        """What is done to the focal item, as the subject of a sentence."""
        one = self.focal_items == 1
        block = " of its block" if self.in_block else ""
        if block and not one:
            block = " of their block"
        focal = "the focal item" if one else f"the {self.focal_items} focal items"
        if self.kind == "insert":
            longer = "block" if self.in_block else "slate"
            rest = f"the {longer} grows by one" if self.grows else "the last item is pushed out"
            return f"inserting {focal} at position {self.to}{block}, where {rest}"
        if self.kind == "replace":
            return f"showing {focal} in place of the item at position {self.to}{block}"
        if self.kind == "badge":
            return f"marking {focal} with a badge"
        if self.boost is not None:
            each = "" if one else "each of "
            return f"reordering the slate with {self.boost:+g} on the score of {each}{focal}"
        if self.kind == "rerank":
            return f"showing the {'page' if self.in_block else 'slate'} in its other order"
        if one:
            return f"moving {focal} to position {self.to}{block}"
        last = (self.to or 1) + self.focal_items - 1
        return f"moving {focal} to positions {self.to} to {last}{block}"


MOVE_TO_FIRST = Treatment("move", 1)
"""The treatment where an entry names none."""
