"""Effects of segments in each replicate of a validation case: three kinds of intervals."""

from __future__ import annotations

import pandas as pd

from netlift.core.arrays import Booleans, Floats
from netlift.effects.segments import segments
from netlift.effects.slate_accounts import component_columns
from netlift.studies.replicate_estimates import Case

OWN, SIMULTANEOUS, ON_AVERAGE = "own", "simultaneous", "shrunken"
INTERVALS = {OWN: "ci_95", SIMULTANEOUS: "simultaneous_ci_95", ON_AVERAGE: "shrunken_ci_95"}
"""Columns of ``segments``, without their ends, by kind of interval."""


COLUMNS = ["replicate", "segment_type", "line", "segment", *INTERVALS]


def replicate_segments(case: Case, replicates: range, *, min_slates: int) -> pd.DataFrame:
    """Estimate the effects of segments in replicates, as ``segments`` does.

    Returns
    -------
    One row per replicate, segmentation, line of the ledger and segment that has numbers: whether
    its own interval, the simultaneous and the shrunken one contain its known effect, as 0 or 1;
    missing where it has no shrunken one.
    """
    parts = []
    for numbers, promoted, outcomes in case.replicates.blocks(replicates):
        for number, arm, clicks in zip(numbers, promoted, outcomes, strict=True):
            accounts = _accounts(case, arm, clicks)
            table, _ = segments(accounts, min_slates=min_slates, bootstrap_draws=1)
            parts.append(_held(table.dropna(subset=["estimate"])).assign(replicate=number))
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)


def _accounts(case: Case, promoted: Booleans, clicks: Floats) -> pd.DataFrame:
    """Return the accounts of a replicate; clicks by component, shape (3, N)."""
    observed = dict(zip(component_columns("observed_clicks"), clicks, strict=True))
    return case.accounts.assign(promotion_applied=promoted.astype(int), **observed)


def _held(table: pd.DataFrame) -> pd.DataFrame:
    known, held = table["known_effect"], table[["segment_type", "line", "segment"]].copy()
    for kind, columns in INTERVALS.items():
        lower, upper = (table[f"{columns}_{end}"].astype(float) for end in ("lower", "upper"))
        inside = (lower <= known) & (known <= upper)
        held[kind] = inside.astype(float).where(lower.notna())
    return held
