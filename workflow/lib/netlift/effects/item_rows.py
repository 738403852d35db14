"""Item rows as arrays, and the sets of rows that a promotion may affect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core.arrays import Booleans, Floats, Integers, numbered
from netlift.core.errors import NetliftError
from netlift.effects.items_table import has_truth, slates_of_rows
from netlift.promotion.design import DESIGN_COLUMNS, Design

BLOCK = "block"
"""Column of the block of the page that an item is in; only some tables of items have it."""


@dataclass(frozen=True)
class Definition:
    """A set of item rows that a promotion may affect.

    Attributes
    ----------
    code, label
        The code by which programs select it, and its name in tables and figures.
    meaning
        Description, a template.
    rows
        Selects the rows of an items table; the second argument is the number of positions
        above the focal item that count as near.
    """

    code: str
    label: str
    meaning: str
    rows: Callable[[pd.DataFrame, int], pd.Series]

    def described(self, near_positions: int) -> str:
        """Return the description of the set, with the number of near positions."""
        return self.meaning.format(near=near_positions)


def _non_focal(items: pd.DataFrame, _: int) -> pd.Series:
    return ~items["is_focal_item"]


def _same_cluster(items: pd.DataFrame, _: int) -> pd.Series:
    return items["component"] == "same_cluster_competitor"


def _other(items: pd.DataFrame, _: int) -> pd.Series:
    return items["component"] == "other_competitor"


def _displaced(items: pd.DataFrame, _: int) -> pd.Series:
    return items["exposure"] == "moved_down"


def _below(items: pd.DataFrame, near: int) -> pd.Series:
    below = items["slate_position_seed"] > items["focal_seed_position"]
    return below & _same_block(items, near) if BLOCK in items else below


def _near(items: pd.DataFrame, near: int) -> pd.Series:
    displaced = _displaced(items, near)
    position = items["slate_position_seed"]
    distance = items["focal_seed_position"] - position
    if distance[displaced].isna().any():
        # The focal item is inserted: the items from its place on move down.
        first = position.where(displaced).groupby(items["slate_id"]).transform("min")
        distance = position - first + 1
    return displaced & (distance <= near)


def _pushed_out(items: pd.DataFrame, _: int) -> pd.Series:
    return items["exposure"] == "pushed_out"


def _same_block(items: pd.DataFrame, _: int) -> pd.Series:
    slate, block = (pd.factorize(items[name])[0] for name in ("slate_id", BLOCK))
    of_page = slate.astype(np.int64) * (block.max() + 1) + block
    return ~items["is_focal_item"] & np.isin(of_page, of_page[items["is_focal_item"]])


def _other_blocks(items: pd.DataFrame, near: int) -> pd.Series:
    return ~items["is_focal_item"] & ~_same_block(items, near)


FOCAL = Definition(
    "focal", "Focal item", "the promoted item itself", lambda items, _: items["is_focal_item"]
)


NON_FOCAL = Definition(
    "all_non_focal", "All non-focal", "every item of the slate except the focal one", _non_focal
)


SAME_CLUSTER = Definition(
    "same_cluster", "Same cluster", "non-focal items in the focal item's cluster", _same_cluster
)


OTHER = Definition("other_clusters", "Other clusters", "non-focal items in other clusters", _other)


DISPLACED = Definition("displaced", "Displaced", "items that the promotion moves down", _displaced)


BELOW = Definition(
    "below_focal", "Below the focal slot", "items below the focal item before promotion", _below
)


NEAR = Definition(
    "near_displaced",
    "Near displaced",
    "displaced items at most {near} positions above the focal item before promotion, or below the "
    "place where it is inserted",
    _near,
)


SPILLOVER_DEFINITIONS = (
    NON_FOCAL,
    SAME_CLUSTER,
    DISPLACED,
    Definition(
        "same_cluster_displaced",
        "Same-cluster displaced",
        "displaced items in the focal item's cluster",
        lambda items, near: _displaced(items, near) & _same_cluster(items, near),
    ),
    NEAR,
)

PUSHED_OUT = Definition(
    "pushed_out", "Pushed out", "items that are not shown with promotion", _pushed_out
)
"""Only insertions and replacements have such rows."""

SAME_BLOCK = Definition(
    "same_block", "Same block", "non-focal items in the block of the focal item", _same_block
)

OTHER_BLOCKS = Definition(
    "other_blocks", "Other blocks", "items in the other blocks of the page", _other_blocks
)

BLOCKS = (SAME_BLOCK, OTHER_BLOCKS)
"""Only pages with several blocks have such rows."""

DOSE = "position_change"
"""Code of the spillover per position moved down."""

DEFINITIONS = {
    definition.code: definition.label
    for definition in (*SPILLOVER_DEFINITIONS, PUSHED_OUT, *BLOCKS)
}
DEFINITIONS[DOSE] = "Position change"
"""Labels of the definitions of spillover, in order."""


def spillover_definitions(items: pd.DataFrame) -> tuple[Definition, ...]:
    """Return the definitions of spillover that apply to an items table."""
    pushed_out = (PUSHED_OUT,) if (items["exposure"] == "pushed_out").any() else ()
    several = BLOCK in items and items[BLOCK].nunique() > 1
    return (*SPILLOVER_DEFINITIONS, *pushed_out, *(BLOCKS if several else ()))


@dataclass(frozen=True)
class ItemRows:
    """The columns of an items table that effects on rows need, with the design.

    Attributes
    ----------
    items
        The table itself, for definitions.
    click
        Observed clicks, shape (R,).
    promoted
        Arm of the row's slate, shape (R,).
    slate
        Number of the row's slate, 0 to N - 1, shape (R,).
    starts
        First row of each slate, shape (N,).
    known
        p_promoted - p_control, shape (R,); None outside simulated worlds.
    design
        The assignment, by slate.
    """

    items: pd.DataFrame
    click: Floats
    promoted: Booleans
    slate: Integers
    starts: Integers
    known: Floats | None
    design: Design

    @classmethod
    def from_items(cls, items: pd.DataFrame) -> ItemRows:
        """Take the arrays from an items table.

        Raises
        ------
        NetliftError
            The table or its design is invalid (see ``slates_of_rows`` and ``Design.from_table``),
            or the table has no clicks.
        """
        starts, slate = slates_of_rows(items)
        if "click" not in items:
            raise NetliftError("items table: no column click")
        # The flag may come as 0 and 1; the sets of rows below negate it.
        items = items.assign(is_focal_item=items["is_focal_item"].astype(bool))
        first = items.iloc[starts]
        columns = ["slate_id", "user_id", "promotion_applied"]
        columns += [name for name in DESIGN_COLUMNS if name in items]
        promoted = items["promotion_applied"].to_numpy() == 1
        known = (items["p_promoted"] - items["p_control"]).to_numpy() if has_truth(items) else None
        return cls(
            items=items,
            click=items["click"].to_numpy(dtype=np.float64),
            promoted=promoted,
            slate=slate,
            starts=starts,
            known=known,
            design=Design.from_table(first[columns]),
        )

    @property
    def n_slates(self) -> int:
        """Number of slates, N."""
        return len(self.starts)

    @cached_property
    def unit(self) -> Integers:
        """Number of the randomized unit of each row, shape (R,)."""
        return self.design.unit[self.slate]

    @cached_property
    def slate_weight(self) -> Floats:
        """Design weight of each slate, shape (N,); 1 where all probabilities are equal."""
        weights = self.design.weights
        return np.ones(self.n_slates) if weights is None else weights

    @cached_property
    def weight(self) -> Floats:
        """Design weight of each row, shape (R,)."""
        return self.slate_weight[self.slate]

    @cached_property
    def user(self) -> Integers:
        """Number of the user of each row, shape (R,)."""
        return numbered(self.items["user_id"].to_numpy())

    @cached_property
    def item(self) -> Integers:
        """Number of the item of each row, shape (R,)."""
        return numbered(self.items["item_id"].to_numpy())

    def member(self, definition: Definition, near_positions: int = 0) -> Booleans:
        """Return which rows belong to a set, shape (R,)."""
        return np.asarray(definition.rows(self.items, near_positions).to_numpy(), dtype=bool)

    def per_slate(self, values: NDArray[Any]) -> Floats:
        """Sum over the rows of each slate, shape (N,)."""
        return np.bincount(self.slate, values, self.n_slates).astype(np.float64)
