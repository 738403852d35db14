"""Unequal probabilities of promotion are not mistaken for an effect in any table."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from builders import compared, random_items

from netlift.effects.accounts import slate_outcomes
from netlift.effects.conclusions import NEGATIVE, conclusions
from netlift.effects.decisions import decision_statements
from netlift.effects.item_level import item_level_claim
from netlift.effects.leakage import leakage
from netlift.effects.observed import observed_effects
from netlift.effects.product import product_summary
from netlift.effects.risk import risk_by_position
from netlift.effects.segments import segments
from netlift.effects.spillover import spillover_sensitivity

# Twenty-odd intervals are looked at with 4.5 errors: a false alarm in less than 0.1% of seeds.
WITHIN = 4.5


def without_effect(seed: int, n_slates: int = 1500) -> pd.DataFrame:
    """Write a log without any effect: slates with many clicks were promoted more often."""
    log = random_items(seed, n_slates, 6)
    truth = [name for name in log if name.startswith(("p_", "click_", "expected", "known"))]
    log = log.drop(columns=truth)
    rng = np.random.default_rng(seed)
    liked = rng.random(n_slates) < 0.5
    probability = np.where(liked, 0.75, 0.25)
    promoted = (rng.random(n_slates) < probability)[log["slate_id"]]
    rate = np.where(liked, 0.5, 0.2)[log["slate_id"]]
    return log.assign(
        promotion_applied=promoted.astype(int),
        promotion_probability=probability[log["slate_id"]],
        click=(rng.random(len(log)) < rate).astype(int),
        position_change=np.where(promoted & (log["exposure"] == "moved_down"), 1, 0),
    )


LOG = without_effect(1)
ACCOUNTS = slate_outcomes(LOG)


def test_plain_means_take_the_probabilities_for_an_effect():
    by_arm = ACCOUNTS.groupby("promotion_applied")["observed_clicks_total"].mean()
    assert by_arm[1] - by_arm[0] > 0.5


@pytest.mark.parametrize(
    "table",
    [
        observed_effects(LOG, seed=1, bootstrap_draws=50)[0],
        spillover_sensitivity(LOG, near_positions=2),
        leakage(LOG, near_positions=2).dropna(subset="estimate"),
        segments(ACCOUNTS, min_slates=20, bootstrap_draws=1)[0].dropna(subset="estimate"),
        risk_by_position(ACCOUNTS, min_slates=20),
        product_summary(compared(ACCOUNTS)).iloc[:5],
    ],
    ids=["observed", "spillover", "leakage", "segments", "risk", "product"],
)
def test_no_table_of_effects_does(table):
    assert ((table["estimate"] / table["se"]).astype(float).abs() < WITHIN).all()


def test_nothing_is_concluded_or_stated():
    judged = conclusions(LOG, compared(ACCOUNTS)).set_index("conclusion")
    assert judged.at[NEGATIVE, "verdict"] == "undecided"
    claims = item_level_claim(LOG)
    assert (claims["net_change"].abs() < WITHIN * claims["net_change_se"]).all()
    said = decision_statements(
        product_summary(compared(ACCOUNTS)),
        spillover_sensitivity(LOG, near_positions=2),
        segments(ACCOUNTS, min_slates=20, bootstrap_draws=1)[0],
    ).set_index("topic")
    assert said.at["slate_level_metric", "verdict"] == "undecided"
    assert said.at["policy_design", "verdict"] == "no_evidence_for_promoting"


def test_effects_on_rows_are_weighted_regressions():
    rows = LOG[~LOG["is_focal_item"]]
    arm, e = rows["promotion_applied"].to_numpy(), rows["promotion_probability"].to_numpy()
    weights = 1 / np.where(arm == 1, e, 1 - e)
    model = sm.WLS(rows["click"].to_numpy(float), sm.add_constant(arm * 1.0), weights=weights)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": rows["slate_id"].to_numpy()})
    table = spillover_sensitivity(LOG, near_positions=2)
    row = table[(table["definition"] == "all_non_focal") & table["unit"].str.contains("row")].iloc[
        0
    ]
    assert row["estimate"] == pytest.approx(fit.params[1], rel=1e-10)
    assert row["se_cr1"] == pytest.approx(fit.bse[1], rel=1e-9)
    assert row["se"] == pytest.approx(fit.bse[1], rel=0.01)


def test_bootstrap_errors_are_those_of_the_weighted_means():
    table = observed_effects(LOG, seed=1, bootstrap_draws=1000)[0]
    assert table["bootstrap_se"].to_numpy() == pytest.approx(table["se"].to_numpy(), rel=0.12)


def test_leakage_still_adds_up():
    table = leakage(LOG, near_positions=2)
    assert table["check_difference"].abs().max() < 1e-12
    parts = table.groupby("definition")["estimate"].sum()
    assert np.ptp(parts) < 1e-12


def test_claims_of_single_items_are_those_of_weighted_rows():
    claims = item_level_claim(LOG).set_index("metric")["claim"] / 1000
    e = LOG["promotion_probability"]
    weight = 1 / np.where(LOG["promotion_applied"] == 1, e, 1 - e)
    promoted = LOG["promotion_applied"] == 1
    focal = LOG["is_focal_item"]

    def rate(chosen: pd.Series) -> float:
        return np.average(LOG.loc[chosen, "click"], weights=weight[chosen])

    assert claims["focal_gain"] == pytest.approx(
        rate(focal & promoted) - rate(focal & ~promoted), abs=1e-12
    )
    assert claims["within_slates"] == pytest.approx(
        rate(focal & promoted) - rate(~focal & promoted), abs=1e-12
    )
