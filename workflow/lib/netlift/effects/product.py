"""The effects in product units, and where promotions are risky."""

from __future__ import annotations

import numpy as np
import pandas as pd

from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000, PER_1000_CONTROL, RATIO
from netlift.effects.claims import claim_columns
from netlift.effects.codes import (
    COMPETITOR_CHANGE,
    CONTROL_MEAN,
    DIRECT,
    FOCAL_GAIN,
    INDIRECT,
    MAIN_OUTCOME,
    NET_CHANGE,
    OFFSET_RATIO,
    OTHER_CLUSTER_CHANGE,
    OTHER_LINE,
    PRODUCT_METRICS,
    RELATIVE_NET_CHANGE,
    SAME_CLUSTER_CHANGE,
    SAME_CLUSTER_LINE,
    TOTAL,
)
from netlift.effects.items_table import has_truth
from netlift.effects.slate_accounts import SlateAccounts, known_effects
from netlift.effects.users import users_columns
from netlift.inference.arms import ArmDifference, ratio_of
from netlift.inference.estimate import Estimate, Ratio, fieller

_WEIGHTS = {
    FOCAL_GAIN: DIRECT,
    SAME_CLUSTER_CHANGE: SAME_CLUSTER_LINE.weights,
    OTHER_CLUSTER_CHANGE: OTHER_LINE.weights,
    COMPETITOR_CHANGE: INDIRECT,
    NET_CHANGE: TOTAL,
}


def product_summary(accounts: SlateAccounts, *, outcome: Outcome = CLICKS) -> pd.DataFrame:
    """Return the effects on observed clicks in product units.

    Parameters
    ----------
    accounts
        Those of one experiment.
    outcome
        The outcome's names.

    Returns
    -------
    One row per metric with its unit, estimate, error and 95% interval: gains and losses per
    1,000 promoted slates; the offset ratio (change of all competitors over the focal gain: -1 is
    a gain taken entirely from others); and the net change relative to the clicks of a control
    slate. Ratios have Fieller's confidence sets, whose ``interval_kind`` says where they are not
    an interval. Gains and losses also have ``se_users`` to ``ci_95_upper_users``, for users like
    these, and ``users_errors`` says how they were found; ``claims_95``: see
    ``component_effects``. In a simulated world each row also has its ``known_value``.
    """
    arms, claims = accounts.difference(), accounts.claims(lines=list(_WEIGHTS.values()))
    rows = []
    for number, (metric, weights) in enumerate(_WEIGHTS.items()):
        row = _effect_row(metric, PER_1000, arms.combination(weights).scaled(1000))
        of_users = accounts.for_users(MAIN_OUTCOME, accounts.main, arms, weights)
        of_users = None if of_users is None else of_users.scaled(1000)
        row |= users_columns(of_users, accounts.users[1]) | claim_columns(claims.part(number))
        rows.append(row)
    rows.append(_ratio_row(OFFSET_RATIO, ratio_to_direct(arms, INDIRECT)))
    rows.append(_ratio_row(RELATIVE_NET_CHANGE, _relative_to_control(arms)))
    rows.append(
        _effect_row(
            CONTROL_MEAN,
            PER_1000_CONTROL,
            arms.control.combination(TOTAL).scaled(1000),
        )
    )
    labels = {code: outcome.fill(label) for code, label in PRODUCT_METRICS.items()}
    table = with_labels(outcome.in_units(pd.DataFrame(rows)), metric=labels)
    if has_truth(accounts.table):
        table["known_value"] = _known_values(accounts.table)
    return table


def _known_values(accounts: pd.DataFrame) -> list[float | None]:
    """Return the known value of each row of the product summary, over the slates of both arms."""
    effects = known_effects(accounts)
    assert effects is not None
    control = float((accounts["expected_clicks_total"] - accounts["known_lift_total"]).mean())
    direct, total = float(effects[0]), float(effects.sum())
    return [
        *(1000 * float(np.dot(weights, effects)) for weights in _WEIGHTS.values()),
        (total - direct) / direct if direct != 0 else None,
        total / control if control > 0 else None,
        1000 * control,
    ]


def ratio_to_direct(arms: ArmDifference, weights: tuple[int, ...]) -> Ratio:
    """Return (a weighted sum of the component effects) / (direct effect), with Fieller's set."""
    return ratio_of(arms, weights, DIRECT)


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


def _effect_row(metric: str, unit: str, estimate: Estimate) -> dict[str, object]:
    return {
        "metric": metric,
        "unit_code": unit,
        **_numbers(estimate),
        "interval_kind": "interval",
        "df": estimate.df,
    }


def _ratio_row(metric: str, ratio: Ratio) -> dict[str, object]:
    return {
        "metric": metric,
        "unit_code": RATIO,
        "estimate": ratio.value,
        "se": None,
        "ci_95_lower": ratio.lower,
        "ci_95_upper": ratio.upper,
        "interval_kind": ratio.kind,
        "df": ratio.df,
    }
