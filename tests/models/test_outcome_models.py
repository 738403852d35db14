"""Outcome models: out of fold, reproducible, and judged by what is possible."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from builders import random_items
from scipy import stats

from netlift.effects.accounts import slate_outcomes
from netlift.models.aipw import aipw_scores
from netlift.models.fitted import feature_importance, fit_all, save_models
from netlift.models.folds import user_folds
from netlift.models.outcome_models import (
    MODELS,
    ROW_MODELS,
    STACKED,
    ModelData,
    Predictions,
    cross_fit,
    cross_fit_all,
    stack,
)
from netlift.models.policies import compare_rules, verdict
from netlift.models.scoring import N_BINS, calibration_table, model_scores

LOG = random_items(1, 250, 6, n_users=90).assign(promotion_probability=0.5)
DATA = ModelData.from_items(LOG)
FOLD = user_folds(DATA.user, n_folds=3, seed=1)


@pytest.mark.parametrize("model", MODELS)
def test_no_model_sees_the_clicks_that_it_predicts(model):
    own = FOLD == 1
    rng = np.random.default_rng(2)
    clicks = np.where(own[LOG["slate_id"]], rng.integers(0, 2, len(LOG)), LOG["click"])
    other = ModelData.from_items(LOG.assign(click=clicks))
    first, second = (cross_fit(data, model, FOLD, seed=1, threads=1) for data in (DATA, other))
    assert (first.control[own] == second.control[own]).all()
    assert (first.promoted[own] == second.promoted[own]).all()
    assert (first.control[~own] != second.control[~own]).any()


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_on_one_thread_and_two(model):
    one, two = (cross_fit(DATA, model, FOLD, seed=4, threads=threads) for threads in (1, 2))
    assert one.control == pytest.approx(two.control, abs=1e-12)
    assert one.promoted == pytest.approx(two.promoted, abs=1e-12)


@pytest.mark.parametrize("model", ROW_MODELS)
def test_predictions_of_rows_sum_to_those_of_slates(model):
    found = cross_fit(DATA, model, FOLD, seed=1, threads=1)
    summed = np.bincount(LOG["slate_id"], found.row_probability)
    assert found.observed_arm(DATA.design).sum(axis=1) == pytest.approx(summed, abs=1e-12)
    assert ((found.row_probability > 0) & (found.row_probability < 1)).all()


def test_a_stack_weighs_models_by_the_other_folds():
    rng = np.random.default_rng(3)
    total = DATA.outcomes.sum(axis=1)

    def predicting(values: np.ndarray) -> Predictions:
        parts = np.column_stack([values, np.zeros(250), np.zeros(250)])
        return Predictions(parts, parts)

    good, noise = predicting(total), predicting(rng.random(250))
    found = stack(DATA, {"good": good, "noise": noise}, FOLD)
    assert found.control[:, 0] == pytest.approx(total, abs=1e-8)


def test_scores_by_hand_and_against_the_truth():
    accounts = slate_outcomes(LOG)
    rng = np.random.default_rng(5)
    off = Predictions(rng.random((250, 3)), rng.random((250, 3)))
    columns = [f"known_effect_{name}" for name in ("direct_focal", "same_cluster_competitor")]
    columns.append("known_effect_other_competitor")
    lift = accounts[columns].to_numpy()
    arm = DATA.design.promoted[:, None]
    expected = accounts[[name.replace("known_effect", "expected_clicks") for name in columns]]
    control = expected.to_numpy() - arm * lift
    probability = LOG["expected_click"].to_numpy()
    true = Predictions(control, control + lift, probability)
    table = model_scores(DATA, {"off": off, "row_logistic": true}, accounts).set_index("model")
    total = DATA.outcomes.sum(axis=1)
    error = total - off.observed_arm(DATA.design).sum(axis=1)
    assert table.at["off", "rmse"] == pytest.approx((error**2).mean() ** 0.5)
    assert table.at["off", "r2"] == pytest.approx(1 - (error**2).mean() / total.var())
    p = np.where(arm[LOG["slate_id"], 0], LOG["p_promoted"], LOG["p_control"])
    floor = np.bincount(LOG["slate_id"], p * (1 - p)).mean() ** 0.5
    assert table["floor_rmse"].to_numpy() == pytest.approx([floor] * 2)
    # Each excess follows from the columns next to it.
    excess = 100 * (table["rmse"] / table["floor_rmse"] - 1)
    assert table["excess_over_floor"].to_numpy() == pytest.approx(excess.to_numpy(), rel=1e-12)
    raised = np.hypot(table["floor_rmse"], table["rmse_of_expectation"])
    excess = 100 * (raised / table["floor_rmse"] - 1)
    assert table["excess_of_expectation"].to_numpy() == pytest.approx(excess.to_numpy(), rel=1e-12)
    # The truth itself has no excess, and is calibrated but for chance.
    assert table.at["row_logistic", "excess_of_expectation"] == pytest.approx(0, abs=1e-9)
    assert table.at["row_logistic", "rmse_of_expectation"] == pytest.approx(0, abs=1e-9)
    assert table.at["row_logistic", "correlation_with_known_effect"] == pytest.approx(1)
    log_loss = -np.log(np.where(LOG["click"] == 1, p, 1 - p)).mean()
    assert table.at["row_logistic", "log_loss"] == pytest.approx(log_loss)
    assert abs(table.at["row_logistic", "calibration_slope"] - 1) < 0.5
    assert table.at["row_logistic", "mse_minus_best"] == 0
    assert pd.isna(table.at["off", "log_loss"])
    gap = error**2 - (total - true.observed_arm(DATA.design).sum(axis=1)) ** 2
    assert table.at["off", "mse_minus_best"] == pytest.approx(gap.mean())
    sums = np.bincount(DATA.user, gap - gap.mean())
    n_users = len(sums)
    se = (n_users / (n_users - 1) * (sums**2).sum()) ** 0.5 / 250
    assert table.at["off", "mse_minus_best_se"] == pytest.approx(se)


def some_rows(probability: np.ndarray) -> Predictions:
    nothing = np.zeros((250, 3))
    return Predictions(nothing, nothing, probability)


def test_calibration_is_by_tenths_of_rows_with_rates_and_errors_by_hand():
    found = cross_fit(DATA, "row_logistic", FOLD, seed=1, threads=1)
    nothing = Predictions(found.control, found.promoted)
    table = calibration_table(DATA, {"row_logistic": found, "linear": nothing})
    assert set(table["model"]) == {"row_logistic"}
    assert table["bin"].tolist() == list(range(1, N_BINS + 1))
    assert table["rows"].tolist() == [150] * 10
    order = np.argsort(found.row_probability, kind="stable")
    click, user = LOG["click"].to_numpy(), LOG["user_id"].to_numpy()
    for place, row in table.iterrows():
        own = order[150 * place : 150 * (place + 1)]
        rate = click[own].mean()
        assert row["predicted"] == pytest.approx(found.row_probability[own].mean())
        assert row["click_rate"] == pytest.approx(rate)
        sums = [(click[own] - rate)[user[own] == one].sum() for one in set(user[own])]
        n_users = len(sums)
        se = (n_users / (n_users - 1) * (np.array(sums) ** 2).sum()) ** 0.5 / 150
        assert row["se"] == pytest.approx(se)
        half = stats.t.ppf(0.975, n_users - 1) * se
        interval = row["ci_95_lower"], row["ci_95_upper"]
        assert interval == pytest.approx((rate - half, rate + half))
    assert (table["rows"] @ table["click_rate"]) == pytest.approx(click.sum())
    assert (table["rows"] @ table["predicted"]) == pytest.approx(found.row_probability.sum())


def test_probabilities_that_are_alike_are_in_one_bin():
    few = np.resize([0.2, 0.2, 0.7], len(LOG))
    table = calibration_table(DATA, {"few": some_rows(few), "one": some_rows(np.full(1500, 0.3))})
    by_model = table.groupby("model")["rows"].agg(list)
    assert by_model["few"] == [1000, 500]
    assert by_model["one"] == [1500]
    own = table[table["model"] == "few"]
    assert own["predicted"].to_numpy() == pytest.approx([0.2, 0.7])
    rates = [LOG["click"][few == value].mean() for value in (0.2, 0.7)]
    assert own["click_rate"].to_numpy() == pytest.approx(rates)


def test_the_true_probabilities_are_calibrated():
    # 10 bins, each off by more than 3.3 errors in 0.1% of experiments.
    table = calibration_table(DATA, {"true": some_rows(LOG["expected_click"].to_numpy())})
    off = (table["click_rate"] - table["predicted"]).abs() / table["se"]
    assert len(table) == N_BINS
    assert (off < 3.3).all()


def test_without_a_truth_nothing_of_it_is_said():
    truth = [name for name in LOG if name.startswith(("p_c", "p_p", "click_", "expected", "known"))]
    log = LOG.drop(columns=truth)
    data = ModelData.from_items(log)
    table = model_scores(
        data, {"linear": cross_fit(data, "linear", FOLD, seed=1, threads=1)}, slate_outcomes(log)
    )
    assert not {"floor_rmse", "excess_over_floor", "excess_of_expectation"} & set(table)


def test_shuffled_clicks_have_no_effect_and_no_rule_is_recommended():
    # Ten logs; each gate lets 5% pass by chance, three or more of ten pass in 1.2% of seeds.
    passed, far = 0, 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        data = ModelData.from_items(LOG.assign(click=rng.permutation(LOG["click"].to_numpy())))
        found = cross_fit(data, "row_logistic", FOLD, seed=1, threads=1)
        scores = aipw_scores(data.outcomes, found, data.design).sum(axis=1)
        in_order = cross_fit(data, "row_logistic", FOLD, seed=1, threads=1, sequential=True)
        features = pd.DataFrame(data.slates, columns=list(data.slate_names))
        given = {"cost": 0.0, "max_share": 1.0, "seed": seed}
        _, values = compare_rules(in_order.effect, features, scores, FOLD, data.design, **given)
        passed += verdict(values)["verdict"] == "promote"
        far += abs(scores.mean()) > stats.norm.ppf(0.975) * scores.std() / 250**0.5
    assert passed < 3
    assert far < 4


def test_models_are_saved_in_their_own_formats_and_predict_the_same(tmp_path):
    from lightgbm import Booster
    from xgboost import Booster as XGBooster
    from xgboost import DMatrix

    fitted = fit_all(DATA, seed=1, threads=1)
    importance = feature_importance(DATA, fitted)
    files = ("linear.csv", "xgboost.ubj", "lightgbm.txt", "row_logistic.csv", "row_lightgbm.txt")
    paths = {file.split(".")[0]: str(tmp_path / file) for file in files}
    save_models(fitted, importance, paths)
    slates = np.column_stack([DATA.design.promoted * 1.0, DATA.slates])
    trees = XGBooster(model_file=paths["xgboost"])
    assert trees.predict(DMatrix(slates)) == pytest.approx(fitted["xgboost"].predict(slates))
    rows = DATA.rows.promoted
    loaded = Booster(model_file=paths["row_lightgbm"]).predict(rows)
    assert loaded == pytest.approx(fitted["row_lightgbm"].predict_proba(rows)[:, 1])
    table = pd.read_csv(paths["row_logistic"]).set_index("feature")["coefficient"]
    odds = table["intercept"] + rows @ table[list(DATA.rows.names)].to_numpy()
    assert 1 / (1 + np.exp(-odds)) == pytest.approx(
        fitted["row_logistic"].predict_proba(rows)[:, 1], rel=1e-9
    )
    shares = importance[importance["measure"].str.startswith("share")]
    assert shares.groupby("model")["importance"].sum().to_numpy() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("model", ["linear", "row_logistic"])
def test_models_that_learn_in_order_see_no_later_fold(model):
    first_fold, later = FOLD == 0, FOLD.max() == FOLD
    one = cross_fit(DATA, model, FOLD, seed=1, threads=1, sequential=True)
    clicks = np.where(later[DATA.slate], 1 - DATA.click, DATA.click)
    other = replace(DATA, click=clicks, outcomes=DATA.by_component(clicks))
    two = cross_fit(other, model, FOLD, seed=1, threads=1, sequential=True)
    assert np.isnan(one.effect[first_fold]).all()
    assert np.isfinite(one.effect[~first_fold]).all()
    assert (one.effect[~first_fold] == two.effect[~first_fold]).all()


def test_a_stack_that_learns_in_order_starts_with_equal_weights():
    given = {"seed": 1, "threads": 1, "models": ("linear", "row_logistic")}
    one = cross_fit_all(DATA, FOLD, **given, sequential=True)
    second = FOLD == 1
    mean = (one["linear"].promoted + one["row_logistic"].promoted) / 2
    assert one[STACKED].promoted[second] == pytest.approx(mean[second], abs=1e-12)
    # From then on by the clicks of earlier folds that had predictions: those of fold 1 decide.
    last = FOLD == 2
    clicks = np.where(second[DATA.slate], 1 - DATA.click, DATA.click)
    weights = []
    for data in (DATA, replace(DATA, outcomes=DATA.by_component(clicks))):
        found = stack(data, {name: one[name] for name in given["models"]}, FOLD, sequential=True)
        weights.append(found.promoted[last])
    assert (weights[0] != weights[1]).any()
