"""What limits a result: problems of a log that were accepted or set aside, delivery, few units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from netlift.inference.effective_units import ENOUGH_UNITS, effective_units
from netlift.promotion.design import Design

ACCEPTED, SET_ASIDE, FEW_UNITS = "accepted", "set_aside", "few_units"
PARTLY_DELIVERED = "partly_delivered"

_SET_ASIDE = "set aside"

DELIVERY = (
    *("focal_not_moved", "moved_without_promotion", "wrong_final_position"),
    *("moved_without_delivery", "delivered_not_moved"),
)
"""Problems of what was shown: the slates stay in the arm that was drawn."""


@dataclass(frozen=True)
class Caveat:
    """One thing that limits a result.

    Attributes
    ----------
    code
        The code of the problem, as in ``contract.csv``.
    kind
        ``accepted``, ``set_aside``, ``few_units``, or ``partly_delivered``.
    message
        Sentences.
    count
        The number of slates that have it; all that are used, if it is about all of them.
    """

    code: str
    kind: str
    message: str
    count: int


def log_caveats(contract: pd.DataFrame, row_counts: pd.DataFrame) -> list[Caveat]:
    """Return what was accepted or set aside in a log, and whether its units are few.

    Parameters
    ----------
    contract
        ``contract.csv``.
    row_counts
        ``row_counts.csv``.
    """
    slates = dict(zip(row_counts["what"], row_counts["slates"].astype(int), strict=True))
    return [caveat for _, row in contract.iterrows() for caveat in _caveats_of(row, slates)]


def _caveats_of(row: pd.Series, slates: dict[str, int]) -> Iterator[Caveat]:
    code, what = str(row["code"]), str(row["what"])
    everything, used = slates["in the log"], slates["used"]
    if row["severity"] == _SET_ASIDE:
        count = slates.get(f"set aside: {code}", 0)
        share = f"{count:,} of {everything:,} slates ({count / everything:.1%})"
        message = f"Set aside: {share}, because {what}. Results are about the other slates."
        yield Caveat(code, SET_ASIDE, message, count)
    elif row["severity"] == ACCEPTED and pd.notna(row["slates"]):
        count = int(row["slates"])
        message = f"Accepted: {what}, in {count:,} of {everything:,} slates."
        if code in DELIVERY:
            message += (
                " They stay in the arm that was drawn for them: effects are those of the draw, not "
                "of the promotions that were carried out."
            )
        yield Caveat(code, ACCEPTED, message, count)
    elif row["severity"] == ACCEPTED:
        details = "" if pd.isna(row["examples"]) else f": {row['examples']}"
        yield Caveat(code, ACCEPTED, f"Accepted: {what}{details}.", used)
    elif code == FEW_UNITS:
        yield Caveat(code, FEW_UNITS, few_units_message(str(row["examples"])), used)
    elif code == PARTLY_DELIVERED:
        message = (
            f"Promotions were not always delivered as drawn: {row['examples']}. Effects are those "
            "of the draw; those of delivered promotions are next to them."
        )
        yield Caveat(code, PARTLY_DELIVERED, message, int(row["slates"]))


def few_units_message(arms: str) -> str:
    """Return the sentences about few effective units, given the words about each arm."""
    return (
        f"Few effective units, {arms}. With fewer than {ENOUGH_UNITS:.0f} in an arm, 95% intervals "
        "are not promised to cover the truth in 95% of experiments: they may do so less often."
    )


def arm_words(arm: str, units: int, name: str, effective: float, largest: float) -> str:
    """Describe the units of one arm: how many, how much they tell, and the largest."""
    return (
        f"{arm}: {units:,} {name}s tell as much as {effective:,.1f} equal ones; the largest has "
        f"{largest:.0%} of the weight"
    )


def few_units(design: Design) -> list[Caveat]:
    """Return the caveat of a design with few effective units; nothing for one with enough."""
    promoted = design.of_units(design.promoted)
    weights = design.unit_weights()
    arms = {"promoted": weights[promoted], "control": weights[~promoted]}
    effective = {arm: float(effective_units(own)) for arm, own in arms.items()}
    if min(effective.values()) >= ENOUGH_UNITS:
        return []
    words = "; ".join(
        arm_words(arm, len(own), design.unit_name, effective[arm], _largest(own))
        for arm, own in arms.items()
    )
    return [Caveat(FEW_UNITS, FEW_UNITS, few_units_message(words), len(design.promoted))]


def _largest(weights: np.ndarray) -> float:
    return float(weights.max() / weights.sum()) if len(weights) else 0.0


def in_short(caveats: Sequence[Caveat], *, few_units: bool = True) -> str:
    """Return one sentence on what limits a statement; empty where nothing does.

    Parameters
    ----------
    caveats
        What limits results.
    few_units
        Whether it names few units; another sentence may already say so.
    """
    parts = [
        f"{', '.join(codes)} {words}"
        for kind, words in ((ACCEPTED, "accepted"), (SET_ASIDE, "set aside"))
        if (
            codes := [
                f"{caveat.code} ({caveat.count:,} slates)"
                for caveat in caveats
                if caveat.kind == kind
            ]
        )
    ]
    parts += [
        f"promotions not delivered as drawn in {each.count:,} slates"
        for each in caveats
        if each.kind == PARTLY_DELIVERED
    ]
    parts += ["few effective units" for each in caveats if few_units and each.kind == FEW_UNITS]
    return f"With a limited design: {'; '.join(parts)}." if parts else ""
