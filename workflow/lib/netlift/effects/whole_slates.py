"""Experiments whose accounts have totals and no parts: the total is estimated, and nothing else.

A log without focal items says what each slate got and which slates were promoted. For the
estimators, its total takes the place of one of the parts; what is about parts has no numbers, and
says what it would need.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from netlift.core.left_out import reason_table
from netlift.effects.codes import DIRECT_LINE, INDIRECT_LINE, OTHER_LINE, SAME_CLUSTER_LINE
from netlift.effects.empty_lines import NOT_RECORDED
from netlift.promotion.exposure import COMPONENTS

ABOUT_PARTS = (
    "shares",
    "risk_by_position",
    "risk_by_cluster",
    "segments",
    "heterogeneity",
    "user_segments",
    "user_heterogeneity",
    "component_support",
    "component_covariance",
    "additivity_checks",
)
"""Tables of the ledger that say nothing without parts."""

PARTS: Mapping[str, str] = dict.fromkeys(
    (line.code for line in (DIRECT_LINE, SAME_CLUSTER_LINE, OTHER_LINE, INDIRECT_LINE)),
    NOT_RECORDED,
)
"""Why each line but the total has no numbers."""


def has_parts(accounts: pd.DataFrame) -> bool:
    """Return whether slate accounts have components."""
    return f"observed_clicks_{COMPONENTS[0]}" in accounts


def with_total_as_part(accounts: pd.DataFrame) -> pd.DataFrame:
    """Return accounts in which the total is the last of three parts, so that sums stay exact.

    Parameters
    ----------
    accounts
        One row per slate, with totals only.
    """
    totals = [str(name) for name in accounts if str(name).endswith("_total")]
    columns: dict[str, float | pd.Series] = {}
    for name in totals:
        outcome = name.removesuffix("_total")
        *empty, last = (f"{outcome}_{component}" for component in COMPONENTS)
        columns |= dict.fromkeys(empty, 0.0) | {last: accounts[name]}
    return accounts.assign(**columns)


def reasons_of_parts() -> dict[str, pd.DataFrame]:
    """Return the tables that say nothing without parts: each holds the reason."""
    return {name: reason_table(NOT_RECORDED) for name in ABOUT_PARTS}
