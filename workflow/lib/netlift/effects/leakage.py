"""Leakage audit: the share of the spillover on rows that a definition calls unexposed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING, Booleans
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_SLATE
from netlift.effects.codes import EXPOSED, UNEXPOSED
from netlift.effects.estimators import difference
from netlift.effects.item_rows import (
    DEFINITIONS,
    NON_FOCAL,
    OTHER_BLOCKS,
    Definition,
    ItemRows,
    spillover_definitions,
)
from netlift.effects.shares import interval_text
from netlift.inference.arms import ArmDifference, ratio_of
from netlift.inference.estimate import Estimate, Ratio, numbers
from netlift.inference.power import minimum_detectable_effect

_SHARE = ("share_of_spillover", "share_ci_95_lower", "share_ci_95_upper", "share_interval_kind")


def leakage(items: pd.DataFrame, *, near_positions: int) -> pd.DataFrame:
    """Estimate, for each definition of spillover, the effect on the rows that it leaves out.

    Parameters
    ----------
    items
        The table of slate items with clicks.
    near_positions
        Positions above the focal item that count as near.

    Returns
    -------
    Two rows per definition: the non-focal rows that it calls exposed, and those that it calls
    unexposed. ``estimate`` is the effect on them per slate, all slates counted; the two add up to
    the effect on all non-focal rows. ``share_of_spillover`` is its share of the latter, with
    Fieller's set. Then the same effect from item rows: with y the clicks per row and r the rows per
    slate of each arm (1, 0), y1 r1 - y0 r0 = (y1 - y0) (r1 + r0) / 2 + (y1 + y0) / 2 (r1 - r0),
    which is ``row_effect`` times ``rows_per_slate`` plus ``row_count_imbalance``, the contribution
    of the chance difference in the number of rows; ``check_difference`` is the rounding error. For
    unexposed rows ``leakage_detected`` says whether the 95% interval excludes zero (missing where
    no row is unexposed, so that nothing can leak), ``minimum_detectable_leakage`` is the effect
    detected with 80% power, and ``coarsest_sufficient`` marks the coarsest definition without
    detected leakage: of those, the one with the fewest exposed rows (or the first).

    Raises
    ------
    NetliftError
        An arm has fewer than two randomized units.
    """
    rows = ItemRows.from_items(items)
    table = [
        row
        for definition in spillover_definitions(items)
        # What same block leaves out.
        if definition is not OTHER_BLOCKS
        for row in _parts(rows, definition, near_positions)
    ]
    exposed = {row["definition"]: row["rows"] for row in table if row["row_group"] == EXPOSED}
    unexposed = [row for row in table if row["row_group"] == UNEXPOSED]
    enough = [row["definition"] for row in unexposed if row["leakage_detected"] is not True]
    candidates = [name for name in enough if exposed[name] > 0]
    coarsest = min(candidates, key=lambda name: exposed[name]) if candidates else None
    for row in unexposed:
        row["coarsest_sufficient"] = row["definition"] == coarsest
    return with_labels(CLICKS.in_units(pd.DataFrame(table)), definition=DEFINITIONS)


def _parts(rows: ItemRows, definition: Definition, near_positions: int) -> list[dict[str, Any]]:
    """Return the effects on the rows that a definition calls exposed, and on the others."""
    exposed = rows.member(definition, near_positions)
    unexposed = rows.member(NON_FOCAL) & ~exposed
    arms = difference(
        rows.design,
        np.column_stack([rows.per_slate(rows.click * part) for part in (exposed, unexposed)]),
    )
    table = []
    for group, part, weights in ((EXPOSED, exposed, (1, 0)), (UNEXPOSED, unexposed, (0, 1))):
        estimate = arms.combination(weights) if part.any() else None
        row: dict[str, Any] = {
            "definition": definition.code,
            "row_group": group,
            "rows": int(part.sum()),
            "unit_code": PER_SLATE,
            **numbers(estimate),
            **_share(arms, weights, estimate),
            **_converted(rows, part, estimate),
        }
        if rows.known is not None:
            row["known_effect"] = float(rows.known[part].sum() / rows.n_slates)
        row |= {
            "leakage_detected": None,
            "minimum_detectable_leakage": None,
            "coarsest_sufficient": None,
            "note": None if part.any() else f"no item row is called {group}",
        }
        if group == UNEXPOSED and estimate is not None:
            row["leakage_detected"] = estimate.sign != 0
            if estimate.se > 0:
                smallest = minimum_detectable_effect(estimate.se, estimate.df)
                row["minimum_detectable_leakage"] = smallest
        table.append(row)
    return table


def _share(
    arms: ArmDifference, weights: tuple[int, int], estimate: Estimate | None
) -> dict[str, object]:
    if estimate is None:
        return dict.fromkeys((*_SHARE, "share_interval_text"))
    this, other = (arms.combination(part) for part in (weights, (weights[1], weights[0])))
    constant = [max(abs(part.value), part.se) <= ROUNDING for part in (this, other)]
    if any(constant):
        # If one of the parts neither changes nor varies, the share is known.
        share, words = {
            (True, True): (None, "not defined: no row changes or varies"),
            (True, False): (0.0, "none of it: these rows neither change nor vary"),
            (False, True): (1.0, "all of it: no other row changes or varies"),
        }[constant[0], constant[1]]
        kind = None if share is None else "interval"
        fixed = (share, share, share, kind, words)
        return dict(zip((*_SHARE, "share_interval_text"), fixed, strict=True))
    ratio: Ratio = ratio_of(arms, weights, (1, 1))
    values = (ratio.value, ratio.lower, ratio.upper, ratio.kind)
    words = interval_text(ratio, "the change of all competitors")
    return {**dict(zip(_SHARE, values, strict=True)), "share_interval_text": words}


def _converted(
    rows: ItemRows, part: Booleans, estimate: Estimate | None
) -> dict[str, float | None]:
    """Return the effect per slate computed from item rows, and its difference from the estimate."""
    promoted, weight = rows.design.promoted, rows.slate_weight
    clicks = weight * rows.per_slate(rows.click * part)
    count = weight * rows.per_slate(part)
    arms = [
        (clicks[arm].sum(), count[arm].sum(), weight[arm].sum()) for arm in (promoted, ~promoted)
    ]
    (_, treated_rows, _), (_, control_rows, _) = arms
    treated_per_slate, control_per_slate = (float(n / slates) for _, n, slates in arms)
    row: dict[str, float | None] = {
        "rows_per_treated_slate": treated_per_slate,
        "rows_per_control_slate": control_per_slate,
        "row_effect": None,
        "rows_per_slate": (treated_per_slate + control_per_slate) / 2,
        "row_effect_times_rows": None,
        "row_count_imbalance": None,
        "check_difference": None,
    }
    if estimate is None or not (treated_rows and control_rows):
        return row
    treated, control = (float(total / n) for total, n, _ in arms)
    effect = treated - control
    of_rows = effect * (treated_per_slate + control_per_slate) / 2
    of_counts = (treated + control) / 2 * (treated_per_slate - control_per_slate)
    return row | {
        "row_effect": effect,
        "row_effect_times_rows": of_rows,
        "row_count_imbalance": of_counts,
        "check_difference": estimate.value - (of_rows + of_counts),
    }
