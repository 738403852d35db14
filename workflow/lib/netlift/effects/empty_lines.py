"""Lines of the ledger without any item: their effect is no zero that was measured.

A log without clusters has no same-cluster items, and one with a single cluster no others. The sum
of their clicks is 0 in every slate, which an estimator would report as +0.0.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from netlift.effects.codes import (
    COMPETITOR_CHANGE,
    DIRECT_LINE,
    FOCAL_GAIN,
    INDIRECT_LINE,
    OFFSET_RATIO,
    OTHER_CLUSTER_CHANGE,
    OTHER_LINE,
    SAME_CLUSTER_CHANGE,
    SAME_CLUSTER_LINE,
)

NO_CLUSTERS = "no item that could be promoted has a cluster, so there are no same-cluster items"
NO_SAME_CLUSTER = "no slate has another item of the focal item's cluster"
NO_OTHERS = "no slate has an item of another cluster than the focal item's"
NO_COMPETITORS = "no slate has another item than the focal one"
NOT_RECORDED = (
    "the parts of an effect need a row per item and the candidate of every slate in both arms "
    "(columns.focal), which this log does not record"
)
REASONS = (NO_CLUSTERS, NO_SAME_CLUSTER, NO_OTHERS, NO_COMPETITORS, NOT_RECORDED)

_LINE_OF = {
    FOCAL_GAIN: DIRECT_LINE.code,
    SAME_CLUSTER_CHANGE: SAME_CLUSTER_LINE.code,
    OTHER_CLUSTER_CHANGE: OTHER_LINE.code,
    COMPETITOR_CHANGE: INDIRECT_LINE.code,
    OFFSET_RATIO: INDIRECT_LINE.code,
    "taken_from_same_cluster": SAME_CLUSTER_LINE.code,
    "taken_from_other_clusters": OTHER_LINE.code,
    "taken_from_competitors": INDIRECT_LINE.code,
    "same_cluster_part": SAME_CLUSTER_LINE.code,
}
"""Line that a metric is about."""

_NUMBERS = (
    *("estimate", "se", "df", "ci_95", "simultaneous_ci_95", "shrunken", "wild_bootstrap"),
    *("treated_mean", "control_mean", "interval", "mean_effect", "tau", "q", "p_value", "power"),
    *("repetition_sd", "effect_per_slate", "slates_needed", "exaggeration"),
    "wrong_sign_probability",
)
"""Names of columns that hold what is estimated, whole or up to an underscore."""


def empty_lines(accounts: pd.DataFrame) -> dict[str, str]:
    """Return the lines of the ledger without any item, with the reason.

    Parameters
    ----------
    accounts
        One row per slate.
    """
    reasons = {}
    if not accounts["n_same_cluster"].any():
        has_clusters = accounts["focal_spillover_cluster"].notna().any()
        reasons[SAME_CLUSTER_LINE.code] = NO_SAME_CLUSTER if has_clusters else NO_CLUSTERS
    if not accounts["n_other"].any():
        reasons[OTHER_LINE.code] = NO_OTHERS
    if len(reasons) == len((SAME_CLUSTER_LINE, OTHER_LINE)):
        reasons = dict.fromkeys([*reasons, INDIRECT_LINE.code], NO_COMPETITORS)
    return reasons


def without_numbers(table: pd.DataFrame, reasons: Mapping[str, str]) -> pd.DataFrame:
    """Return a table whose rows about lines without items have no numbers, and say why.

    Parameters
    ----------
    table
        With a column ``line`` or ``metric``; with or without a ``note``.
    reasons
        By line, from ``empty_lines``.
    """
    lines = table["line"] if "line" in table else table["metric"].map(_LINE_OF)
    empty = lines.isin(list(reasons))
    if not empty.any():
        return table
    numbers = [
        name
        for name in map(str, table)
        if name in _NUMBERS or name.startswith(tuple(f"{number}_" for number in _NUMBERS))
    ]
    blanked = {name: table[name].where(~empty) for name in numbers}
    notes = table["note"] if "note" in table else pd.Series(None, table.index, dtype=object)
    notes = notes.astype(object).where(~empty, lines.map(reasons))
    return table.assign(**blanked, note=notes)


def with_items(table: pd.DataFrame, name: str = "component") -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of lines that have items, and for each other line a sentence why it has none.

    Parameters
    ----------
    table
        From ``without_numbers``.
    name
        The column that names the lines in words.
    """
    if "note" not in table:
        return table, []
    empty = table["note"].isin(REASONS)
    reasons = table[empty].drop_duplicates([name, "note"])
    if len(reasons) and (reasons["note"] == NOT_RECORDED).all():
        return table[~empty], [f"Only the total is shown: {NOT_RECORDED}."]
    sentences = [f"{row[name]}: {row['note']}." for _, row in reasons.iterrows()]
    return table[~empty], sentences
