"""Risk: which slates gain or lose from promotion, by focal position and cluster."""

from __future__ import annotations

import numpy as np
import pandas as pd

from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_SLATE
from netlift.effects.accounts import focal_depth
from netlift.effects.codes import DIRECT_LINE, INDIRECT_LINE, MAIN_OUTCOME, TOTAL_LINE
from netlift.effects.estimators import difference
from netlift.effects.product import _numbers
from netlift.effects.slate_accounts import component_columns, known_effects
from netlift.inference.arms import ArmDifference
from netlift.inference.estimate import MIN_PER_ARM, Estimate
from netlift.promotion.design import Design

NO_CLUSTER = "(none)"


LOSES, GAINS, UNDECIDED, TOO_FEW = "loses", "gains", "undecided", "too_few_slates"


VERDICTS = {
    LOSES: "loses",
    GAINS: "gains",
    UNDECIDED: "undecided",
    TOO_FEW: "too few slates",
}
"""Labels of the verdicts."""


_FAMILIES = (DIRECT_LINE, INDIRECT_LINE, TOTAL_LINE)


def risk_by_position(accounts: pd.DataFrame, *, min_slates: int) -> pd.DataFrame:
    """Estimate the effects by focal position before promotion, in up to four equal buckets.

    Parameters
    ----------
    accounts
        One row per slate.
    min_slates
        Slates that a bucket needs in each arm; with fewer it has no numbers.

    Returns
    -------
    One row per bucket and effect family, per slate (see ``risk_by_cluster``).
    """
    bucket, order = position_buckets(accounts)
    return _risk(accounts, bucket, order, "focal_position_bucket", min_slates)


def position_buckets(accounts: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """Return each slate's bucket of focal positions, and up to four buckets in order."""
    position = focal_depth(accounts).astype(np.int64)
    buckets = np.array_split(np.arange(position.min(), position.max() + 1), 4)
    names: dict[int, str] = {}
    for bucket in buckets:
        if len(bucket):
            first, last = bucket[0], bucket[-1]
            names |= dict.fromkeys(bucket, str(first) if first == last else f"{first}-{last}")
    if not position.any():
        names = {0: "not shown before"}
    return pd.Series(position).map(names), list(dict.fromkeys(names.values()))


def risk_by_cluster(accounts: pd.DataFrame, *, min_slates: int) -> pd.DataFrame:
    """Estimate the effects by the focal item's spillover cluster, largest cluster first.

    Parameters
    ----------
    accounts
        One row per slate.
    min_slates
        Slates that a cluster needs in each arm; with fewer it has no numbers.

    Returns
    -------
    One row per cluster and effect family, per slate: counts of slates (never of rows), estimate,
    HC2 error, 95% interval, the known effect in a simulated world, and the verdict: gains, loses,
    undecided (the interval covers zero), too few slates.
    """
    cluster = focal_clusters(accounts)
    order = cluster.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return _risk(accounts, cluster, list(order.index), "focal_cluster", min_slates)


def focal_clusters(accounts: pd.DataFrame) -> pd.Series:
    """Return the name of each slate's focal cluster; ``(none)`` for a focal item without one."""
    cluster = accounts["focal_spillover_cluster"]
    return cluster.astype(str).where(cluster.notna(), NO_CLUSTER).reset_index(drop=True)


def _risk(
    accounts: pd.DataFrame, segment_of: pd.Series, order: list[str], name: str, min_slates: int
) -> pd.DataFrame:
    rows = []
    needed = max(min_slates, MIN_PER_ARM)
    for segment in order:
        part = accounts[(segment_of == segment).to_numpy()]
        treated = int((part["promotion_applied"] == 1).sum())
        counts = {
            "slates": len(part),
            "treated_slates": treated,
            "control_slates": len(part) - treated,
        }
        if len(part) == 0:
            continue
        known = known_effects(part)
        enough = min(treated, len(part) - treated) >= needed and has_units(part)
        arms = _compared(part) if enough else None
        for line in _FAMILIES:
            estimate = None if arms is None else arms.combination(line.weights)
            truth = {} if known is None else {"known_effect": float(np.dot(line.weights, known))}
            rows.append(
                {name: segment, "line": line.code, "effect_family": line.family}
                | {"unit_code": PER_SLATE}
                | counts
                | _numbers(estimate)
                | truth
                | {"verdict": _verdict(estimate)}
            )
    return with_labels(CLICKS.in_units(pd.DataFrame(rows)), verdict=VERDICTS)


def _compared(part: pd.DataFrame) -> ArmDifference:
    """Compare the arms of some slates by their means, weighted where probabilities differ."""
    values = part[component_columns(MAIN_OUTCOME)].to_numpy(dtype=np.float64)
    return difference(Design.from_table(part), values)


def has_units(accounts: pd.DataFrame) -> bool:
    """Return whether both arms have enough randomized units for a standard error."""
    return min(Design.from_table(accounts).units_per_arm()) >= MIN_PER_ARM


def _verdict(estimate: Estimate | None) -> str:
    if estimate is None:
        return TOO_FEW
    return {1: GAINS, 0: UNDECIDED, -1: LOSES}[estimate.sign]
