"""The protocol of the models, as a notebook calls it: its tables agree with each other."""

import numpy as np
import pytest
from builders import random_items

from netlift.core.errors import NetliftError
from netlift.core.outcome import Outcome
from netlift.effects.accounts import slate_outcomes
from netlift.models.aipw import MeanScore
from netlift.models.outcome_models import MODELS, STACKED
from netlift.models.policies import NONE
from netlift.models.policy_comparison import compare_policies
from netlift.models.protocol import ModelResults, fit_models
from netlift.models.who_gains import ScoredSlates, detectable_spread
from netlift.promotion.design import Design

ITEMS = random_items(3, 200, 6).assign(promotion_probability=0.5)
ACCOUNTS = slate_outcomes(ITEMS)
FITTING = {"seed": 3, "folds": 3, "repetitions": 1}


@pytest.fixture(scope="module")
def results() -> ModelResults:
    return fit_models(ITEMS, ACCOUNTS, **FITTING)


def test_the_effects_of_slates_are_those_behind_the_other_tables(results):
    effects, design = results.slate_effects, Design.from_table(ACCOUNTS)
    scores = effects["aipw_score"].to_numpy()
    ledger = results.aipw.set_index(["estimator", "component"])
    row = ledger.loc[(f"aipw_{STACKED}", "Full slate")]
    total = MeanScore.from_scores(scores[:, None], design).combination([1.0])
    assert row["estimate"] == pytest.approx(total.value, rel=1e-12)
    assert row["se"] == pytest.approx(total.se, rel=1e-12)
    judged = ScoredSlates.of_later_folds(scores, effects["fold"].to_numpy(), design, 3, None)
    least = detectable_spread(judged)["estimate"]
    assert results.who_gains["estimate"].iloc[0] == pytest.approx(least, rel=1e-12)
    np.testing.assert_array_equal(effects["known_effect"], ACCOUNTS["known_effect_total"])
    in_order = effects.filter(like="in_order_")
    assert in_order[effects["fold"] == 0].isna().all(axis=None)
    assert in_order[effects["fold"] > 0].notna().all(axis=None)


def test_every_model_is_judged_and_returned(results):
    assert set(results.outcome_models["model"]) == {*MODELS, STACKED}
    assert set(results.fitted) == set(MODELS) == set(results.feature_importance["model"])
    assert "fitted" not in results.tables
    assert set(results.tables) < set(vars(results))


def test_policies_are_compared_by_these_effects(results):
    needed = (results.slate_effects, results.aipw, results.who_gains)
    given = {"cost": 0.0, "max_share": 1.0, "seed": 3, "outcome": Outcome("minutes")}
    compared = compare_policies(ITEMS, ACCOUNTS, *needed, **given)
    later = results.slate_effects[results.slate_effects["fold"] > 0]
    chosen = compared.slate_policies
    np.testing.assert_array_equal(chosen["slate_id"], later["slate_id"])
    values = compared.policies.set_index("rule")
    for rule in values.index.drop(NONE):
        mean = 1000 * (chosen[rule] * chosen["aipw_score"]).mean()
        assert values.at[rule, "naive_value"] == pytest.approx(mean, rel=1e-12)
    assert values["unit"].eq("minutes per 1,000 eligible slates").all()
    assert compared.verdict["rule"] in values.index
    assert {"advice", "who_gains", "statement"} <= set(compared.verdict)


def test_a_log_without_probabilities_is_refused():
    unknown = ITEMS.drop(columns="promotion_probability")
    with pytest.raises(NetliftError, match="probabilities"):
        fit_models(unknown, slate_outcomes(unknown), **FITTING)
