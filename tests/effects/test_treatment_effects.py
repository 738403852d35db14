"""Effects where an arm does not show every item, or a slate has several focal items."""

import numpy as np
import pandas as pd
import pytest
from builders import compared, random_exposure

from netlift.effects.accounts import slate_outcomes
from netlift.effects.conclusions import conclusions
from netlift.effects.item_level import item_level_claim
from netlift.effects.item_rows import ItemRows
from netlift.effects.leakage import leakage
from netlift.effects.ledger import component_effects
from netlift.effects.like_with_like import same_minus_other
from netlift.effects.risk import position_buckets
from netlift.effects.slate_accounts import known_effects
from netlift.effects.spillover import spillover_sensitivity, spillover_support
from netlift.models.features import RowFeatures
from netlift.models.outcome_models import ModelData, cross_fit
from netlift.models.scoring import calibration_table
from netlift.promotion.exposure import assign_promotion
from netlift.promotion.record import Promotion
from netlift.promotion.treatment import Treatment
from netlift.worlds.simulation import Simulation

LOGIT = {"model": "logit", "intercept": -1.0, "b_r": 0.8, "b_v": 1.2, "g_c": 0.4, "g_all": 0.0}
LOGIT |= {"competitors": "above", "attention": {"curve": "log2"}}
LOGIT |= {"promotion_badge": 0.5, "user_sd": 0.0}
TREATMENTS = [
    Treatment("insert", 1),
    Treatment("insert", 3, grows=True),
    Treatment("replace", 2),
    Treatment("move", 2, focal_items=3),
    Treatment("badge", focal_items=2),
    Treatment("rerank", focal_items=2, boost=1.0),
    Treatment("rerank", boost=-1.0),
]
each_treatment = pytest.mark.parametrize("treatment", TREATMENTS, ids=str)
SIZE, N_SLATES = 6, 400


def experiment(treatment: Treatment, seed: int = 5) -> pd.DataFrame:
    promotion = Promotion(
        probability=0.5, assignment="bernoulli", focal_position_first=2, treatment=treatment
    )
    rows = promotion.rows(SIZE)
    drawn = random_exposure(seed, N_SLATES, rows, n_users=90)
    names = ["slate_id", "user_id", "item_id", "spillover_cluster", "slate_position_seed"]
    names += ["relevance", "item_popularity", "item_liked_rate", "user_liked_rate"]
    values = np.tile(np.linspace(2, 0, rows), N_SLATES)
    slates = drawn[[*names, "user_activity"]].assign(ranker_value=values)
    exposure = assign_promotion(slates, promotion, seed=seed)
    return Simulation.from_exposure(exposure, LOGIT, seed=seed).items


@each_treatment
def test_the_parts_of_each_slate_add_up_and_are_those_of_its_rows(treatment):
    items = experiment(treatment)
    accounts = slate_outcomes(items)
    parts = ["direct_focal", "same_cluster_competitor", "other_competitor"]
    for outcome in ("observed_clicks", "known_effect"):
        sums = accounts[[f"{outcome}_{part}" for part in parts]].sum(axis=1)
        np.testing.assert_allclose(sums, accounts[f"{outcome}_total"], atol=1e-12)
    change = items["p_promoted"] - items["p_control"]
    by_part = change.groupby(items["component"], observed=False).sum() / N_SLATES
    np.testing.assert_allclose(known_effects(accounts), by_part[parts], atol=1e-12)
    table = component_effects(compared(accounts))
    ledger = table[(table["outcome_type"] == "observed_clicks")]
    for _, lines in ledger.groupby("estimator"):
        value = lines.set_index("component")["estimate_per_slate"]
        total = value[["Focal item", "Same-cluster competitors", "Other competitors"]].sum()
        assert total == pytest.approx(value["Full slate"], abs=1e-12)


@each_treatment
def test_rows_that_an_arm_does_not_show_count_as_zero(treatment):
    items = experiment(treatment)
    table = spillover_sensitivity(items, near_positions=2, bootstrap_draws=9)
    support = spillover_support(items, near_positions=2)
    out = items["exposure"] == "pushed_out"
    assert ("pushed_out" in set(table["definition"])) == out.any()
    assert ("pushed_out" in set(support["definition"])) == out.any()
    promoted = items["promotion_applied"] == 1
    if out.any():
        row = table[table["definition"] == "pushed_out"].iloc[0]
        assert row["treated_mean"] == 0
        assert row["estimate"] == pytest.approx(-items.loc[out & ~promoted, "click"].mean())
        assert row["known_effect"] == pytest.approx(-items.loc[out, "p_control"].mean())
    left_out = leakage(items, near_positions=2)
    sums = left_out.groupby("definition")["estimate"].sum()
    non_focal = ~items["is_focal_item"]
    n = items.groupby("promotion_applied")["slate_id"].nunique()
    clicks = items[non_focal].groupby("promotion_applied")["click"].sum()
    np.testing.assert_allclose(sums, clicks[1] / n[1] - clicks[0] / n[0], atol=1e-12)


def test_near_an_insertion_are_the_first_items_below_its_place():
    items = experiment(Treatment("insert", 3, grows=True))
    near = spillover_support(items, near_positions=2).set_index("definition")["rows"]
    assert near["near_displaced"] == 2 * N_SLATES
    assert near["displaced"] == 4 * N_SLATES


@each_treatment
def test_no_click_is_predicted_where_an_item_is_not_shown(treatment):
    items = experiment(treatment)
    rows = RowFeatures.from_items(items)
    shown = items["slate_position_seed"].notna(), items["promoted_position"].notna()
    assert (rows.shown_control == shown[0]).all()
    assert (rows.shown_promoted == shown[1]).all()
    data = ModelData.from_items(items)
    fold = np.arange(N_SLATES) % 3
    predicted = cross_fit(data, "row_logistic", fold, seed=1, threads=1)
    arm = np.where(items["promotion_applied"] == 1, *shown[::-1])
    assert (predicted.row_probability[~arm] == 0).all()
    assert (predicted.row_probability[arm] > 0).all()
    if treatment.adds_focal_item:
        assert (predicted.control[:, 0] == 0).all()
        assert (predicted.promoted[:, 0] > 0).all()
    assert calibration_table(data, {"row_logistic": predicted})["rows"].sum() == arm.sum()
    # The clicks of each arm's slates are predicted without bias: at four standard errors.
    observed = items.groupby("slate_id")["click"].sum().to_numpy()
    error = observed - predicted.observed_arm(data.design).sum(axis=1)
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(N_SLATES)


@each_treatment
def test_conclusions_speak_of_the_depth_of_focal_items_only_where_they_have_one(treatment):
    items = experiment(treatment)
    accounts = slate_outcomes(items)
    table = conclusions(items, compared(accounts))
    same_minus_other(ItemRows.from_items(items))
    deeper = table.iloc[-1]
    assert deeper[["estimate", "known_value"]].isna().all() == treatment.adds_focal_item
    buckets, order = position_buckets(accounts)
    assert set(buckets) == set(order)
    assert (order == ["not shown before"]) == treatment.adds_focal_item


@each_treatment
def test_the_error_of_a_gain_is_that_of_promoted_slates_where_control_shows_no_focal_item(
    treatment,
):
    accounts = slate_outcomes(experiment(treatment))
    promoted = accounts["promotion_applied"] == 1
    table = component_effects(compared(accounts)).set_index(
        ["outcome_type", "estimator", "component"]
    )
    for outcome in ("observed_clicks", "expected_clicks"):
        clicks = accounts[f"{outcome}_direct_focal"]
        variance = [clicks[arm].var() / arm.sum() for arm in (promoted, ~promoted)]
        assert (variance[1] == 0) == treatment.adds_focal_item
        line = table.loc[(outcome, "difference_in_means", "Focal item")]
        assert line["se"] == pytest.approx(np.sqrt(sum(variance)))


@each_treatment
def test_item_level_claims_are_those_of_a_log_of_the_items_shown(treatment):
    items = experiment(treatment)
    claims = item_level_claim(items).set_index("metric")
    shown = items[items["final_position"].notna()]
    several = treatment.focal_items
    promoted, focal = shown["promotion_applied"] == 1, shown["is_focal_item"]
    gain = shown.loc[promoted & focal, "click"].mean()
    same = gain - shown.loc[promoted & ~focal, "click"].mean()
    assert claims.loc["within_slates", "claim"] == pytest.approx(1000 * several * same)
    rest = shown.loc[~(promoted & focal), "click"].mean()
    assert claims.loc["across_slates", "claim"] == pytest.approx(1000 * several * (gain - rest))
    known = items["p_promoted"][items["is_focal_item"]].mean()
    others = items.loc[~items["is_focal_item"] & items["promoted_position"].notna(), "p_promoted"]
    expected = 1000 * several * (known - others.mean())
    assert claims.loc["within_slates", "known_claim"] == pytest.approx(expected)
