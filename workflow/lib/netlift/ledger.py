"""The ledger: direct, indirect and total effects per slate that add up exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd

from netlift.accounts import KNOWN_EFFECT, OUTCOMES
from netlift.exposure import COMPONENTS
from netlift.inference import ArmDifference, Estimate, Floats

LINES = (
    ("Direct", "Focal item", (1, 0, 0)),
    ("Indirect", "Same-cluster competitors", (0, 1, 0)),
    ("Indirect", "Other competitors", (0, 0, 1)),
    ("Total", "Full slate", (1, 1, 1)),
)
"""Effect family, component, and weights of (focal, same-cluster, other) that make the line."""

INDIRECT = (0, 1, 1)
TOTAL = (1, 1, 1)

ESTIMATORS = ("difference_in_means", "difference_in_means_ols_error")
"""The same estimate with Neyman's (HC2) error, and with the reference study's plain OLS error."""

TOLERANCE = 1e-12


def arm_difference(accounts: pd.DataFrame, outcome: str = "observed_clicks") -> ArmDifference:
    """Compare arms on the three components of one outcome type (order of ``COMPONENTS``)."""
    values = accounts[[f"{outcome}_{name}" for name in COMPONENTS]].to_numpy(dtype=np.float64)
    return ArmDifference.of(values, accounts["promotion_applied"].to_numpy() == 1)


def known_effects(accounts: pd.DataFrame) -> Floats | None:
    """Return the known mean effect per slate of each component over both arms; None without."""
    columns = [f"{KNOWN_EFFECT}_{name}" for name in COMPONENTS]
    if columns[0] not in accounts:
        return None
    means: Floats = accounts[columns].to_numpy(dtype=np.float64).mean(axis=0)
    return means


def outcome_types(accounts: pd.DataFrame) -> list[str]:
    """Return the outcome types that the accounts have."""
    return [outcome for outcome in OUTCOMES if f"{outcome}_total" in accounts]


def component_effects(accounts: pd.DataFrame) -> pd.DataFrame:
    """Estimate every line of the ledger for every outcome type.

    Parameters
    ----------
    accounts
        One row per slate (``slate_outcomes.parquet``).

    Returns
    -------
    One row per outcome type, estimator and line; effects per slate and per 1,000 promoted
    slates, with 95% intervals.
    """
    rows = []
    for outcome in outcome_types(accounts):
        arms = arm_difference(accounts, outcome)
        for estimator in ESTIMATORS:
            for family, component, weights in LINES:
                estimate = _estimate(arms, estimator, weights)
                rows.append(
                    {
                        "outcome_type": outcome,
                        "effect_family": family,
                        "component": component,
                        "estimator": estimator,
                        **_per_slate(estimate),
                        "treated_mean": float(np.dot(weights, arms.treated_mean)),
                        "control_mean": float(np.dot(weights, arms.control_mean)),
                        "treated_slates": arms.treated_slates,
                        "control_slates": arms.control_slates,
                        **_per_1000(estimate),
                    }
                )
    return pd.DataFrame(rows)


def additivity_checks(accounts: pd.DataFrame) -> pd.DataFrame:
    """Check that the parts add up, against totals that were summed and estimated on their own.

    Returns
    -------
    One row per outcome type, estimator and identity: both sides, their difference, the tolerance
    and whether the identity holds. The effects' unit is the outcome per slate.
    """
    promoted = accounts["promotion_applied"].to_numpy() == 1
    rows = []
    for outcome in outcome_types(accounts):
        arms = arm_difference(accounts, outcome)
        total = ArmDifference.of(
            accounts[[f"{outcome}_total"]].to_numpy(dtype=np.float64), promoted
        )
        for estimator in ESTIMATORS:
            direct, same, other, _ = (_estimate(arms, estimator, line[2]) for line in LINES)
            indirect = _estimate(arms, estimator, INDIRECT)
            whole = _estimate(total, estimator, (1,))
            joint = _estimate(arms, estimator, TOTAL)
            identities = {
                "direct + indirect = total": (direct.value + indirect.value, whole.value),
                "same-cluster + other = indirect": (same.value + other.value, indirect.value),
                # Variances, since the root of a rounding error is no rounding error.
                "variance of the total from the joint covariance = its own": (
                    joint.se**2,
                    whole.se**2,
                ),
            }
            rows += [
                _check(outcome, estimator, identity, left, right)
                for identity, (left, right) in identities.items()
            ]
    return pd.DataFrame(rows)


def component_support(accounts: pd.DataFrame) -> pd.DataFrame:
    """Count what each component rests on.

    Returns
    -------
    One row per component: item rows and slates that have at least one of them, in all and by
    arm, rows per slate by arm, and rows that stand above the focal item before promotion.
    """
    promoted = accounts["promotion_applied"].to_numpy() == 1
    focal = pd.Series(1, index=accounts.index)
    same, other = accounts["n_same_cluster"], accounts["n_other"]
    same_displaced = accounts["n_same_cluster_displaced"]
    counts = {
        "Focal item": (focal, 0 * focal),
        "Same-cluster competitors": (same, same_displaced),
        "Other competitors": (other, accounts["n_displaced"] - same_displaced),
        "Full slate": (accounts["n_items"], accounts["n_displaced"]),
    }
    return pd.DataFrame(
        [
            {
                "component": component,
                "rows": int(count.sum()),
                "treated_rows": int(count[promoted].sum()),
                "control_rows": int(count[~promoted].sum()),
                "displaced_rows": int(displaced.sum()),
                "slates": int((count > 0).sum()),
                "treated_slates": int((count[promoted] > 0).sum()),
                "control_slates": int((count[~promoted] > 0).sum()),
                "rows_per_treated_slate": float(count[promoted].mean()),
                "rows_per_control_slate": float(count[~promoted].mean()),
            }
            for component, (count, displaced) in counts.items()
        ]
    )


def _estimate(arms: ArmDifference, estimator: str, weights: tuple[int, ...]) -> Estimate:
    if estimator == "difference_in_means":
        return arms.combination(weights)
    return arms.pooled_combination(weights)


def _per_slate(estimate: Estimate) -> dict[str, float]:
    lower, upper = estimate.interval
    return {
        "estimate_per_slate": estimate.value,
        "se": estimate.se,
        "ci_95_lower": lower,
        "ci_95_upper": upper,
    }


def _per_1000(estimate: Estimate) -> dict[str, float]:
    lower, upper = estimate.scaled(1000).interval
    return {
        "estimate_per_1000_promoted_slates": 1000 * estimate.value,
        "ci_95_lower_per_1000": lower,
        "ci_95_upper_per_1000": upper,
    }


def _check(
    outcome: str, estimator: str, identity: str, left: float, right: float
) -> dict[str, object]:
    return {
        "outcome_type": outcome,
        "estimator": estimator,
        "identity": identity,
        "left": left,
        "right": right,
        "difference": left - right,
        "tolerance": TOLERANCE,
        "holds": abs(left - right) <= TOLERANCE,
    }
