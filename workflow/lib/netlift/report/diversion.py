"""Who pays, in sentences: what promoted items take from which items, where that is shown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from netlift.core.formatting import count, signed
from netlift.core.outcome import Outcome
from netlift.core.units import PER_1000
from netlift.effects.codes import (
    ALL_SLATES,
    FOCAL_PART,
    GROUP_PART,
    NO_GROUP,
    OF_GROUP,
    OTHER_SUM,
    OWN_PART,
    OWN_SUM,
    TAKINGS,
)

MOST_NAMED = 10
"""Takings that are named; the others are counted."""


def diversion_sentences(table: pd.DataFrame, outcome: Outcome) -> Iterator[str]:
    """Yield what the diversion matrices show, and what cannot be told.

    A taking is named only where its simultaneous interval is below 0 and is promised to cover.

    Parameters
    ----------
    table
        ``diversion.csv``.
    outcome
        The outcome's words.
    """
    for _, part in table.groupby("attribute", sort=False):
        name = part["attribute_label"].iloc[0]
        if "focal_kind" not in part or part["focal_kind"].isna().all():
            yield f"By {name} there is no matrix: {part['note'].iloc[0]}."
            continue
        yield from _of_attribute(part, name, outcome)


def _of_attribute(part: pd.DataFrame, name: str, outcome: Outcome) -> Iterator[str]:
    """Yield the sentences of one matrix."""
    gains = part[part["part"] == FOCAL_PART].set_index(["focal_kind", "focal_group"])
    of_own = part["part"].isin((OWN_SUM, OTHER_SUM)) & (part["focal_kind"] == ALL_SLATES)
    cells = part[(part["part"].isin(TAKINGS) | of_own) & part["se"].notna()]
    claimed = cells[cells["claims_95"].astype(bool)]
    losses = claimed[claimed["simultaneous_ci_95_upper"] < 0]
    # What all slates together show comes first.
    single = losses["focal_kind"] != ALL_SLATES
    losses = losses.assign(single=single).sort_values(["single", "estimate"])
    for _, cell in losses.head(MOST_NAMED).iterrows():
        gain = gains.loc[(cell["focal_kind"], cell["focal_group"])]
        yield _taking(cell, gain, name, outcome)
    if len(losses) > MOST_NAMED:
        yield f"By {name}, {count(len(losses) - MOST_NAMED)} more takings are shown, in the table."
    rises = claimed[claimed["simultaneous_ci_95_lower"] > 0]
    if len(rises):
        yield (
            f"By {name}, {count(len(rises))} of {count(len(cells))} cells show items that gain "
            f"{outcome.unit} where another item is promoted: {_named(rises, name)}."
        )
    if not (losses["focal_kind"] == OF_GROUP).any():
        yield _nothing(cells, len(losses), name, outcome)
    unclaimed = len(cells) - len(claimed)
    if unclaimed:
        yield (
            f"By {name}, {count(unclaimed)} of {count(len(cells))} cells rest on too few slates, "
            f"or on too few with any {outcome.unit}, for a sentence."
        )


def _taking(cell: pd.Series, gain: pd.Series, name: str, outcome: Outcome) -> str:
    """Return the sentence of one taking: as a part of the focal gain, if that is known."""
    promoted, payer = _promoted(cell, name), _payer(cell, name)
    is_gain = gain["simultaneous_ci_95_lower"] > 0 and bool(gain["claims_95"])
    if is_gain and cell["simultaneous_share_kind"] == "interval":
        share, lower, upper = (
            round(100 * cell[column])
            for column in (
                "share",
                "simultaneous_share_ci_95_lower",
                "simultaneous_share_ci_95_upper",
            )
        )
        return (
            f"Of 100 {outcome.unit} gained by {promoted}, {share} come from {payer} (simultaneous "
            f"95% set from {lower} to {upper})."
        )
    interval = " to ".join(
        signed(cell[f"simultaneous_ci_95_{end}"], 0) for end in ("lower", "upper")
    )
    return (
        f"Promoting {promoted.removeprefix('promoted ')} changes the {outcome.unit} of {payer} by "
        f"{signed(cell['estimate'], 0)} {outcome.of(PER_1000).removeprefix(outcome.unit).strip()} "
        f"(simultaneous 95% interval {interval}); what part of the gain this is cannot be told."
    )


def _promoted(cell: pd.Series, name: str) -> str:
    if cell["focal_kind"] == ALL_SLATES:
        return "promoted items"
    return f"promoted items {_of(cell['focal_group'], cell['focal_kind'] == OF_GROUP, name)}"


def _payer(cell: pd.Series, name: str) -> str:
    part, group = cell["part"], cell["group"]
    if part == OWN_SUM:
        return f"other items of their own {name}"
    if part == OTHER_SUM:
        return f"items not of their own {name}"
    if part == OWN_PART:
        return f"other items {_of(group, True, name)}"
    return f"items {_of(group, part == GROUP_PART, name)}"


def _of(group: str, single: bool, name: str) -> str:
    """Return a group as what items are of: ``of seller Ann``, ``of no seller``."""
    if not single:
        return f"of {group}"
    return f"of no {name}" if group == NO_GROUP else f"of {name} {group}"


def _named(cells: pd.DataFrame, name: str) -> str:
    pairs = [
        f"{_payer(cell, name)} next to {_promoted(cell, name)}"
        for _, cell in cells.head(3).iterrows()
    ]
    return "; ".join(pairs) + ("; and others" if len(cells) > len(pairs) else "")


def _nothing(cells: pd.DataFrame, shown: int, name: str, outcome: Outcome) -> str:
    """Say that no taking of a single group is shown, and how large one would have to be."""
    sentence = f"By {name}, this experiment cannot tell who pays for whom"
    if not shown:
        sentence += f": of {count(len(cells))} cells, none has a simultaneous 95% interval below 0"
    single = cells[cells["focal_kind"] == OF_GROUP]
    if not len(single):
        return f"{sentence}. No {name} has enough slates in each arm for a row of its own."
    ends = single[["simultaneous_ci_95_lower", "simultaneous_ci_95_upper"]].to_numpy(np.float64)
    half = float(np.median(ends[:, 1] - ends[:, 0])) / 2
    return (
        f"{sentence}. In a typical cell of one promoted {name}, only a change of more than "
        f"{half:,.0f} {outcome.of(PER_1000)} would have been shown."
    )
