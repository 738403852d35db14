"""AIPW: unbiased whatever the model says, parts that add up, and the bound."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from builders import compared, random_items

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.ledger import component_effects
from netlift.effects.slate_accounts import component_columns
from netlift.models.aipw import (
    MeanScore,
    advice,
    aipw_scores,
    aipw_table,
    efficiency_bound,
    median_repetition,
)
from netlift.models.outcome_models import Predictions
from netlift.promotion.design import Design

ZERO = (1, 1, 1)


def experiment(seed: int = 1, n_slates: int = 300, probability: float = 0.4) -> pd.DataFrame:
    log = random_items(seed, n_slates, 6).assign(promotion_probability=probability)
    return slate_outcomes(log)


def outcomes_of(accounts: pd.DataFrame) -> np.ndarray:
    return accounts[component_columns("observed_clicks")].to_numpy(dtype=float)


def some_predictions(seed: int, n_slates: int) -> Predictions:
    rng = np.random.default_rng(seed)
    return Predictions(rng.normal(size=(n_slates, 3)), rng.normal(size=(n_slates, 3)))


def test_over_all_assignments_the_mean_score_is_the_effect_whatever_is_predicted():
    rng = np.random.default_rng(2)
    control, promoted = rng.normal(size=(2, 5, 3))
    probability = np.array([0.2, 0.4, 0.5, 0.7, 0.9])
    predictions, mean = some_predictions(3, 5), np.zeros(3)
    for arms in product([False, True], repeat=5):
        arm = np.array(arms)
        design = Design(arm, np.arange(5), np.zeros(5, dtype=int), probability, "slate")
        observed = np.where(arm[:, None], promoted, control)
        chance = np.where(arm, probability, 1 - probability).prod()
        mean += chance * aipw_scores(observed, predictions, design).mean(axis=0)
    assert mean == pytest.approx((promoted - control).mean(axis=0), abs=1e-12)


def test_a_perfect_model_of_outcomes_without_noise_leaves_only_the_spread_of_effects():
    rng = np.random.default_rng(4)
    control, promoted = rng.normal(size=(2, 50, 3))
    arm = rng.random(50) < 0.5
    design = Design(arm, np.arange(50), np.zeros(50, dtype=int), np.full(50, 0.5), "slate")
    observed = np.where(arm[:, None], promoted, control)
    scores = aipw_scores(observed, Predictions(control, promoted), design)
    assert scores == pytest.approx(promoted - control, abs=1e-12)
    mean = MeanScore.from_scores(scores, design)
    assert mean.covariance == pytest.approx(np.cov((promoted - control).T) / 50, rel=1e-10)


def test_without_a_model_it_is_the_expanded_difference():
    accounts = experiment()
    design = Design.from_table(accounts)
    nothing = Predictions(np.zeros((300, 3)), np.zeros((300, 3)))
    mean = MeanScore.from_scores(aipw_scores(outcomes_of(accounts), nothing, design), design)
    effects = component_effects(compared(accounts))
    line = effects[
        (effects["estimator"] == "horvitz_thompson")
        & (effects["line"] == "total")
        & (effects["outcome_type"] == "observed_clicks")
    ].iloc[0]
    assert mean.combination(ZERO).value == pytest.approx(line["estimate_per_slate"], abs=1e-12)


def test_parts_add_up_in_every_row_of_the_table():
    accounts = experiment()
    repetitions = [
        {"one": some_predictions(1, 300), "three": some_predictions(seed, 300)}
        for seed in (2, 3, 4)
    ]
    table = aipw_table(compared(accounts), outcomes_of(accounts), repetitions)
    for _, part in table.groupby("estimator"):
        values = part.set_index("line")["estimate"]
        assert abs(values.iloc[:3].sum() - values["total"]) < 1e-12
    totals = table[table["line"] == "total"].set_index("estimator")
    design = Design.from_table(accounts)
    each = [
        MeanScore.from_scores(
            aipw_scores(outcomes_of(accounts), found, design), design
        ).combination(ZERO)
        for found in (repetition["three"] for repetition in repetitions)
    ]
    values = [found.value for found in each]
    assert totals.at["aipw_three", "estimate"] == pytest.approx(np.median(values), abs=1e-13)
    assert totals.at["aipw_three", "repetition_sd"] == pytest.approx(np.std(values, ddof=1))
    assert totals.at["aipw_three", "repetitions"] == 3


def test_the_median_repetition_is_that_of_the_total():
    one = [MeanScore(np.array([total, 0.0, 0.0]), np.eye(3), 9) for total in (3.0, 1.0, 2.0, 7.0)]
    assert median_repetition(one[:3]) == 2
    assert median_repetition(one) == 2
    assert median_repetition(one[:1]) == 0


def test_errors_are_by_users_where_users_were_randomized():
    accounts = experiment(n_slates=120)
    user = np.repeat(np.arange(30), 4)
    accounts = accounts.assign(
        user_id=user, randomization_unit=user, promotion_applied=(user % 2 == 0).astype(int)
    )
    design = Design.from_table(accounts)
    scores = aipw_scores(outcomes_of(accounts), some_predictions(1, 120), design)
    mean = MeanScore.from_scores(scores, design)
    sums = np.array([(scores - scores.mean(axis=0))[user == one].sum(axis=0) for one in range(30)])
    assert mean.covariance == pytest.approx(30 / 29 * sums.T @ sums / 120**2, rel=1e-10)
    assert mean.df == pytest.approx(29, rel=1e-12)


def test_the_bound_by_hand():
    accounts = pd.DataFrame(
        {
            "slate_id": [1, 2],
            "user_id": [1, 2],
            "promotion_applied": [0, 1],
            "promotion_probability": [0.25, 0.25],
            "known_effect_total": [1.0, -1.0],
            "slate_variance_control": [0.3, 0.6],
            "slate_variance_promoted": [0.5, 0.25],
        }
    )
    # Slates: .5/.25 + .3/.75 + 1 = 3.4 and .25/.25 + .6/.75 + 1 = 2.8; mean 3.1 over two slates.
    bound = efficiency_bound(accounts, Design.from_table(accounts))
    assert bound == pytest.approx(1.55**0.5, rel=1e-12)
    without = accounts.drop(columns="known_effect_total")
    assert efficiency_bound(without, Design.from_table(without)) is None


def test_the_true_expectations_reach_the_bound():
    # With known expectations the scores' variance is the bound's: 400 draws of clicks and arms.
    rng = np.random.default_rng(6)
    p0, p1 = rng.uniform(0.1, 0.5, (2, 400, 5))
    variances = []
    probability = np.full(400, 0.3)
    expected = Predictions(p0.sum(axis=1)[:, None], p1.sum(axis=1)[:, None])
    for _ in range(400):
        arm = rng.random(400) < 0.3
        clicks = rng.random((400, 5)) < np.where(arm[:, None], p1, p0)
        design = Design(arm, np.arange(400), np.zeros(400, dtype=int), probability, "slate")
        scores = aipw_scores(clicks.sum(axis=1)[:, None].astype(float), expected, design)
        variances.append(MeanScore.from_scores(scores, design).covariance[0, 0])
    accounts = pd.DataFrame(
        {
            "slate_id": np.arange(400),
            "user_id": np.arange(400),
            "promotion_applied": 0,
            "promotion_probability": probability,
            "known_effect_total": (p1 - p0).sum(axis=1),
            "slate_variance_control": (p0 * (1 - p0)).sum(axis=1),
            "slate_variance_promoted": (p1 * (1 - p1)).sum(axis=1),
        }
    )
    bound = efficiency_bound(accounts, Design.from_table(accounts))
    # A variance estimate from 400 slates is off by about 9%, the mean of 400 of them by 0.45%.
    assert np.mean(variances) == pytest.approx(bound**2, rel=0.02)


def test_the_advice_says_what_is_left():
    accounts, predictions = experiment(), some_predictions(1, 300)
    table = aipw_table(compared(accounts), outcomes_of(accounts), [{"row_logistic": predictions}])
    said = advice(table)
    own = table[table["line"] == "total"].iloc[-1]
    assert "No model narrows the interval" in said
    left = 100 * (1 - own["bound_se"] / own["se"])
    assert f"cannot narrow it by more than {left:.1f}%" in said
    truth = [name for name in accounts if "known" in name or "variance" in name]
    log = accounts.drop(columns=truth)
    without = aipw_table(compared(log), outcomes_of(log), [{"linear": predictions}])
    assert "not known without a truth" in advice(without)
    assert "bound_se" not in without


def test_unknown_probabilities_are_an_error():
    accounts = experiment().drop(columns="promotion_probability")
    with pytest.raises(NetliftError, match="probabilities of promotion are not known"):
        aipw_table(
            compared(accounts),
            outcomes_of(accounts),
            [{"linear": some_predictions(1, 300)}],
        )
