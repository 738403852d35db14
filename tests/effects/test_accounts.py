"""Slate accounts: sums over components, slate by slate."""

import numpy as np
import pandas as pd
import pytest
from builders import COMPONENTS, items, random_items

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.items_table import has_truth

OUTCOMES = {
    "observed_clicks": "click",
    "expected_clicks": "expected_click",
    "known_lift": "known_lift",
}


def two_slates() -> pd.DataFrame:
    """Slates of five and three items; the first is promoted."""
    log = items(["ABACA", "BBC"], [3, 1], [1, 0], ["11101", "011"], users=[7, 9])
    return log.assign(
        relevance=[5.0, 4.0, 3.0, 2.0, 1.0, 4.5, 4.5, 3.0],
        user_activity=[20] * 5 + [30] * 3,
        user_liked_rate=[0.25] * 5 + [0.5] * 3,
    )


def test_clicks_are_summed_by_component_by_hand():
    accounts = slate_outcomes(two_slates())
    assert accounts["observed_clicks_direct_focal"].tolist() == [1, 0]
    # Slate 0: items 1 and 5 share the focal item's cluster; slate 1: item 2 does.
    assert accounts["observed_clicks_same_cluster_competitor"].tolist() == [2, 1]
    assert accounts["observed_clicks_other_competitor"].tolist() == [1, 1]
    assert accounts["observed_clicks_total"].tolist() == [4, 2]


def test_items_are_counted_by_component_by_hand():
    accounts = slate_outcomes(two_slates())
    assert accounts["n_items"].tolist() == [5, 3]
    assert accounts["n_same_cluster"].tolist() == [2, 1]
    assert accounts["n_other"].tolist() == [2, 1]
    assert accounts["n_displaced"].tolist() == [2, 0]
    assert accounts["n_same_cluster_displaced"].tolist() == [1, 0]


def test_design_and_covariates_by_hand():
    accounts = slate_outcomes(two_slates())
    assert accounts["slate_id"].tolist() == [0, 1]
    assert accounts["user_id"].tolist() == [7, 9]
    assert accounts["promotion_applied"].tolist() == [1, 0]
    assert accounts["focal_seed_position"].tolist() == [3, 1]
    assert accounts["focal_spillover_cluster"].tolist() == ["A", "B"]
    assert accounts["user_activity"].tolist() == [20, 30]
    assert accounts["user_liked_rate"].tolist() == [0.25, 0.5]
    assert accounts["focal_relevance"].tolist() == [3.0, 4.5]
    assert accounts["relevance_mean"].tolist() == [3.0, 4.0]
    # Population spread: sqrt((4 + 1 + 0 + 1 + 4) / 5) and sqrt((1/4 + 1/4 + 1) / 3).
    assert accounts["relevance_sd"].tolist() == pytest.approx([2**0.5, 0.5**0.5], rel=1e-15)


def test_every_outcome_is_the_sum_over_the_rows_of_its_component():
    log = random_items(1, 120, (2, 8))
    accounts = slate_outcomes(log)
    assert len(accounts) == 120
    effect = log["p_promoted"] - log["p_control"]
    values = {name: log[column] for name, column in OUTCOMES.items()} | {"known_effect": effect}
    for name, value in values.items():
        for component in COMPONENTS:
            summed = value.where(log["component"] == component, 0).groupby(log["slate_id"]).sum()
            assert accounts[f"{name}_{component}"].to_numpy() == pytest.approx(
                summed.to_numpy(), abs=1e-14
            )
        total = value.groupby(log["slate_id"]).sum()
        assert accounts[f"{name}_total"].to_numpy() == pytest.approx(total.to_numpy(), abs=1e-14)


def test_the_known_effect_is_there_for_both_arms_but_the_known_lift_only_where_promoted():
    accounts = slate_outcomes(random_items(2, 200, 6))
    control = accounts[accounts["promotion_applied"] == 0]
    promoted = accounts[accounts["promotion_applied"] == 1]
    assert (control["known_lift_total"] == 0).all()
    assert (control["known_effect_direct_focal"] > 0).mean() > 0.9
    assert promoted["known_lift_total"].to_numpy() == pytest.approx(
        promoted["known_effect_total"].to_numpy(), abs=1e-14
    )


def test_the_order_of_rows_within_a_slate_does_not_matter():
    log = random_items(3, 60, (2, 8))
    shuffled = log.sample(frac=1, random_state=5).sort_values("slate_id", kind="stable")
    pd.testing.assert_frame_equal(
        slate_outcomes(shuffled), slate_outcomes(log), check_exact=False, rtol=0, atol=1e-13
    )


def test_categories_and_slate_names_are_taken_as_they_are():
    log = two_slates().assign(slate_id=["s-9"] * 5 + ["s-1"] * 3)
    log["component"] = log["component"].astype("category")
    accounts = slate_outcomes(log)
    assert accounts["slate_id"].tolist() == ["s-9", "s-1"]
    assert accounts["observed_clicks_total"].tolist() == [4, 2]


def test_a_log_without_a_truth_or_features_has_accounts_without_them():
    bare = two_slates().drop(columns=["relevance", "user_activity", "user_liked_rate"])
    accounts = slate_outcomes(bare)
    assert not has_truth(bare)
    assert not has_truth(accounts)
    left_out = ("expected", "known", "relevance", "focal_relevance", "user_activity", "user_liked")
    assert not [name for name in accounts if name.startswith(left_out)]
    simulated = random_items(4, 10, 4)
    assert has_truth(simulated)
    assert has_truth(slate_outcomes(simulated))


@pytest.mark.parametrize(("focal_rows", "count"), [([0, 2, 5], 1), ([5], 1), ([], 2)])
def test_slates_with_no_or_several_focal_items_are_counted_and_the_first_is_named(
    focal_rows, count
):
    log = two_slates().assign(is_focal_item=np.isin(np.arange(8), focal_rows))
    with pytest.raises(NetliftError, match=rf"{count} of 2 slates .*\(first: slate 0\)"):
        slate_outcomes(log)


def test_the_slate_at_fault_is_the_one_named():
    log = two_slates().assign(slate_id=[31] * 5 + [17] * 3)
    log.loc[7, "is_focal_item"] = True
    with pytest.raises(NetliftError, match=r"1 of 2 slates .*\(first: slate 17\)"):
        slate_outcomes(log)


def test_rows_of_a_slate_that_stand_apart_are_an_error():
    log = pd.concat([two_slates(), two_slates().head(1)])
    with pytest.raises(NetliftError, match="must be consecutive"):
        slate_outcomes(log)
