"""The effects in product units, and where promotions are risky."""

from __future__ import annotations

import numpy as np
import pandas as pd

from netlift.accounts import has_truth
from netlift.design import Design
from netlift.inference import MIN_PER_ARM, ArmDifference, Estimate, Ratio, fieller, ratio_of
from netlift.ledger import INDIRECT, LINES, TOTAL, arm_difference, known_effects
from netlift.outcome import CLICKS, Outcome, capitalized
from netlift.units import PER_1000, PER_1000_CONTROL, PER_SLATE, RATIO

NO_CLUSTER = "(none)"
LOSES, GAINS, UNDECIDED, TOO_FEW = "loses", "gains", "undecided", "too few slates"

_METRICS = {
    "Focal gain": LINES[0][2],
    "Same-cluster change": LINES[1][2],
    "Other-cluster change": LINES[2][2],
    "Competitor change": INDIRECT,
    "Net change": TOTAL,
}
_FAMILIES = (("Direct", LINES[0][2]), ("Indirect", INDIRECT), ("Total", TOTAL))


def product_summary(accounts: pd.DataFrame, *, outcome: Outcome = CLICKS) -> pd.DataFrame:
    """Say the effects on observed clicks in product units.

    Parameters
    ----------
    accounts
        One row per slate.
    outcome
        Its words.

    Returns
    -------
    One row per metric with its unit, estimate, error and 95% interval: gains and losses per
    1,000 promoted slates; the offset ratio (change of all competitors over the focal gain: -1 is
    a gain wholly taken from others); and the net change relative to the clicks of a control
    slate. Ratios have Fieller's confidence sets, whose ``interval_kind`` says where they are not
    an interval. ``known_value`` stands beside each in a simulated world.
    """
    arms = arm_difference(accounts)
    rows = [
        _effect_row(metric, PER_1000, arms.combination(weights).scaled(1000))
        for metric, weights in _METRICS.items()
    ]
    rows.append(_ratio_row("Offset ratio", ratio_to_direct(arms, INDIRECT)))
    rows.append(_ratio_row("Relative net change", _relative_to_control(arms)))
    rows.append(
        _effect_row(
            f"{capitalized(outcome.unit)} of control slates",
            PER_1000_CONTROL,
            arms.control.combination(TOTAL).scaled(1000),
        )
    )
    table = outcome.in_units(pd.DataFrame(rows))
    if has_truth(accounts):
        table["known_value"] = _known_values(accounts)
    return table


def _known_values(accounts: pd.DataFrame) -> list[float | None]:
    """Return the truth about each row of the product summary, over the slates of both arms."""
    effects = known_effects(accounts)
    assert effects is not None
    control = float((accounts["expected_clicks_total"] - accounts["known_lift_total"]).mean())
    direct, total = float(effects[0]), float(effects.sum())
    return [
        *(1000 * float(np.dot(weights, effects)) for weights in _METRICS.values()),
        (total - direct) / direct if direct != 0 else None,
        total / control if control > 0 else None,
        1000 * control,
    ]


def ratio_to_direct(arms: ArmDifference, weights: tuple[int, ...]) -> Ratio:
    """Return (a weighted sum of the component effects) / (direct effect), with Fieller's set."""
    return ratio_of(arms, weights, LINES[0][2])


def _relative_to_control(arms: ArmDifference) -> Ratio:
    """Return total effect / control mean, with Fieller's set."""
    treated, control = arms.treated.combination(TOTAL), arms.control.combination(TOTAL)
    total = arms.combination(TOTAL)
    covariance = np.array(
        [
            [treated.se**2 + control.se**2, -(control.se**2)],
            [-(control.se**2), control.se**2],
        ]
    )
    return fieller(total.value, control.value, covariance, total.df)


def risk_by_position(accounts: pd.DataFrame, *, min_slates: int) -> pd.DataFrame:
    """Estimate the effects by focal position before promotion, in up to four equal buckets.

    Parameters
    ----------
    accounts
        One row per slate.
    min_slates
        Slates that a bucket needs in each arm; below it has no numbers.

    Returns
    -------
    One row per bucket and effect family, per slate (see ``risk_by_cluster``).
    """
    bucket, order = position_buckets(accounts)
    return _risk(accounts, bucket, order, "focal_position_bucket", min_slates)


def position_buckets(accounts: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """Return each slate's bucket of focal positions, and up to four buckets in order."""
    position = accounts["focal_seed_position"].to_numpy()
    buckets = np.array_split(np.arange(position.min(), position.max() + 1), 4)
    names: dict[int, str] = {}
    for bucket in buckets:
        if len(bucket):
            first, last = bucket[0], bucket[-1]
            names |= dict.fromkeys(bucket, str(first) if first == last else f"{first}-{last}")
    return pd.Series(position).map(names), list(dict.fromkeys(names.values()))


def risk_by_cluster(accounts: pd.DataFrame, *, min_slates: int) -> pd.DataFrame:
    """Estimate the effects by the focal item's spillover cluster, largest cluster first.

    Parameters
    ----------
    accounts
        One row per slate.
    min_slates
        Slates that a cluster needs in each arm; below it has no numbers.

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
        arms = arm_difference(part) if enough else None
        for family, weights in _FAMILIES:
            estimate = None if arms is None else arms.combination(weights)
            truth = {} if known is None else {"known_effect": float(np.dot(weights, known))}
            rows.append(
                {name: segment, "effect_family": family, "unit": PER_SLATE}
                | counts
                | _numbers(estimate)
                | truth
                | {"verdict": _verdict(estimate)}
            )
    return pd.DataFrame(rows)


def has_units(accounts: pd.DataFrame) -> bool:
    """Say whether both arms have randomized units enough for an error."""
    return min(Design.of(accounts).units_per_arm()) >= MIN_PER_ARM


def _numbers(estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return dict.fromkeys(("estimate", "se", "ci_95_lower", "ci_95_upper"))
    lower, upper = estimate.interval
    return {
        "estimate": estimate.value,
        "se": estimate.se,
        "ci_95_lower": lower,
        "ci_95_upper": upper,
    }


def _verdict(estimate: Estimate | None) -> str:
    if estimate is None:
        return TOO_FEW
    return {1: GAINS, 0: UNDECIDED, -1: LOSES}[estimate.sign]


def _effect_row(metric: str, unit: str, estimate: Estimate) -> dict[str, object]:
    return {"metric": metric, "unit": unit, **_numbers(estimate), "interval_kind": "interval"}


def _ratio_row(metric: str, ratio: Ratio) -> dict[str, object]:
    return {
        "metric": metric,
        "unit": RATIO,
        "estimate": ratio.value,
        "se": None,
        "ci_95_lower": ratio.lower,
        "ci_95_upper": ratio.upper,
        "interval_kind": ratio.kind,
    }
