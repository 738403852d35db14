"""The items table as arrays: the slate of each row, and whether the table has known effects."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from netlift.core.arrays import Booleans, Integers
from netlift.core.errors import NetliftError
from netlift.promotion.exposure import COMPONENTS

KNOWN_EFFECT = "known_effect"
"""Effect of promoting the slate, known for the slates of both arms: p_promoted - p_control."""


def has_truth(table: pd.DataFrame) -> bool:
    """Return whether a table of items or of slate accounts has known effects (simulated worlds)."""
    return "p_control" in table or f"{KNOWN_EFFECT}_total" in table


def slates_of_rows(items: pd.DataFrame) -> tuple[Integers, Integers]:
    """Check an items table, and return the first row of each slate and each row's slate.

    Raises
    ------
    NetliftError
        A column is missing, the rows of a slate are not consecutive, a slate has no focal item or
        another number of them than most slates, the promotion differs within a slate or is neither
        0 nor 1, an outcome or a probability of a click is not a finite number, a row belongs to no
        component, or to no user.
    """
    for name in ("slate_id", "user_id", "is_focal_item", "promotion_applied"):
        if name not in items:
            raise NetliftError(f"items table: no column {name}")
    slate_id = items["slate_id"].to_numpy()
    changes = slate_id[1:] != slate_id[:-1]
    starts = np.flatnonzero(np.r_[len(slate_id) > 0, changes])
    if len(starts) == 0:
        raise NetliftError("items table: no rows, so there is no slate to analyze")
    if len(pd.unique(slate_id[starts])) != len(starts):
        raise NetliftError("items table: the rows of a slate must be consecutive")
    slate = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(slate_id)]))
    for wrong, what in _wrong_rows(items):
        if wrong.any():
            raise NetliftError(
                f"items table: {int(wrong.sum()):,} of {len(items):,} rows have {what} "
                f"(first: slate {slate_id[wrong][0]})"
            )
    n_focal = np.bincount(slate, items["is_focal_item"].to_numpy(dtype=bool), len(starts))
    promoted = items["promotion_applied"].to_numpy()
    mixed = np.bincount(slate, promoted != promoted[starts][slate], len(starts))
    several = max(int(np.bincount(n_focal.astype(np.int64)).argmax()), 1)
    items_of_set = "one focal item" if several == 1 else f"{several} focal items"
    for wrong, what in (
        (n_focal != several, f"do not have exactly {items_of_set}"),
        (mixed > 0, "are promoted in some rows and not in others"),
    ):
        if wrong.any():
            raise NetliftError(
                f"items table: {int(wrong.sum()):,} of {len(starts):,} slates {what} "
                f"(first: slate {slate_id[starts][wrong][0]})"
            )
    return starts, slate


def _wrong_rows(items: pd.DataFrame) -> Iterator[tuple[Booleans, str]]:
    """Yield which rows break a rule about single rows, and a description of the problem."""
    yield items["user_id"].isna().to_numpy(), "no user_id"
    for name in ("promotion_applied", "is_focal_item"):
        yield ~items[name].isin([0, 1]).to_numpy(), f"a {name} that is neither 0 nor 1"
    for name in ("click", "p_control", "p_promoted", "expected_click", "known_lift"):
        if name in items:
            values = pd.to_numeric(items[name], errors="coerce")
            finite = np.isfinite(values.to_numpy(np.float64, na_value=np.nan))
            yield ~finite, f"a {name} that is missing or not a finite number"
    if "component" in items:
        known = items["component"].isin(COMPONENTS).to_numpy()
        yield ~known, "a component that is none of the three"
