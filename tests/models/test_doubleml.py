"""AIPW, group effects and calibration are those of another program, DoubleML."""

import doubleml
import numpy as np
import pandas as pd
import pytest
from builders import random_items
from doubleml.utils import DMLDummyClassifier, DMLDummyRegressor, PSProcessorConfig

from netlift.models.aipw import MeanScore, aipw_scores
from netlift.models.folds import user_folds
from netlift.models.outcome_models import ModelData, Predictions, cross_fit
from netlift.models.who_gains import GROUP, SLOPE, SPREAD, ScoredSlates, fold_ranks, who_gains

N, N_FOLDS = 300, 3
PROBABILITIES = ["0.5", "0.2", "by slate"]

pytestmark = [
    # Of a sensitivity analysis, which is not used here.
    pytest.mark.filterwarnings("ignore:The estimated nu2 for d is not positive:UserWarning"),
    # How DoubleML sums a table.
    pytest.mark.filterwarnings("ignore:Starting with pandas version 4.0 all arguments of sum"),
]


def experiment(probability: str, users: np.ndarray | None = None) -> tuple[ModelData, Predictions]:
    """Draw slates promoted with a probability, and predict them out of fold."""
    log = random_items(1, N, 5)
    rng = np.random.default_rng(2)
    if probability == "by slate":
        # A probability as small as 0.003 is known too: it is not cut off.
        known = np.r_[0.003, rng.uniform(0.05, 0.9, N - 1)]
    else:
        known = np.full(N, float(probability))
    arm, unit = (rng.random(N) < known).astype(int), np.arange(N)
    arm[0] = 1
    if users is not None:
        arm, unit = arm[users], users
    row = log["slate_id"].to_numpy()
    log = log.assign(
        promotion_applied=arm[row],
        promotion_probability=known[row],
        randomization_unit=unit[row],
        user_id=unit[row],
    )
    data = ModelData.from_items(log)
    fold = user_folds(data.user, n_folds=N_FOLDS, seed=3)
    return data, cross_fit(data, "row_logistic", fold, seed=1, threads=1)


def of_doubleml(
    data: ModelData, predictions: Predictions, users: np.ndarray | None = None
) -> doubleml.DoubleMLIRM:
    """Fit DoubleML's interactive model, given all predictions and the known probability."""
    frame = pd.DataFrame(data.slates, columns=[f"x{k}" for k in range(data.slates.shape[1])])
    frame = frame.assign(y=data.outcomes.sum(axis=1), d=data.design.promoted.astype(float))
    cluster = {} if users is None else {"cluster_cols": "user"}
    if users is not None:
        frame = frame.assign(user=users)
    model = doubleml.DoubleMLIRM(
        doubleml.DoubleMLData(frame, "y", "d", x_cols=list(frame)[:3], **cluster),
        ml_g=DMLDummyRegressor(),
        ml_m=DMLDummyClassifier(),
        n_folds=N_FOLDS,
        normalize_ipw=False,
        ps_processor_config=PSProcessorConfig(clipping_threshold=1e-12),
    )
    given = {
        "ml_g0": predictions.control.sum(axis=1),
        "ml_g1": predictions.promoted.sum(axis=1),
        "ml_m": data.design.known_probability(),
    }
    columns = {name: values[:, None] for name, values in given.items()}
    return model.fit(external_predictions={"d": columns})


def total_scores(data: ModelData, predictions: Predictions) -> np.ndarray:
    return aipw_scores(data.outcomes, predictions, data.design).sum(axis=1)


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_the_mean_score_is_doublemls_average_effect(probability):
    data, predictions = experiment(probability)
    scores = aipw_scores(data.outcomes, predictions, data.design)
    ours = MeanScore.from_scores(scores, data.design).combination((1, 1, 1))
    theirs = of_doubleml(data, predictions)
    assert ours.value == pytest.approx(theirs.coef[0], abs=1e-10)
    # DoubleML divides by n where we divide by n - 1.
    assert ours.se == pytest.approx(theirs.se[0] * (N / (N - 1)) ** 0.5, abs=1e-10)
    each = theirs.psi_elements["psi_b"].ravel()
    assert scores.sum(axis=1) == pytest.approx(each, abs=1e-10)


def test_errors_by_user_are_doublemls_clustered_ones():
    # 60 users with 5 slates each: in each of 3 folds as many users, of as many slates.
    users = np.repeat(np.arange(60), 5)
    data, predictions = experiment("0.5", users)
    scores = aipw_scores(data.outcomes, predictions, data.design)
    ours = MeanScore.from_scores(scores, data.design).combination((1, 1, 1))
    theirs = of_doubleml(data, predictions, users)
    assert ours.value == pytest.approx(theirs.coef[0], abs=1e-10)
    assert ours.se == pytest.approx(theirs.se[0] * (60 / 59) ** 0.5, abs=1e-10)
    assert ours.df == pytest.approx(59, rel=1e-12)


def who_gains_of(
    probability: str,
) -> tuple[pd.DataFrame, doubleml.DoubleMLIRM, np.ndarray, np.ndarray]:
    """Judge predicted effects; return also DoubleML's model, the effects, and their folds."""
    data, predictions = experiment(probability)
    fold = user_folds(data.user, n_folds=N_FOLDS, seed=3)
    found = ScoredSlates(total_scores(data, predictions), fold, data.design.unit, 1)
    effects = predictions.effect
    table = who_gains(found, {"one": effects})[0]
    return table, of_doubleml(data, predictions), effects, fold


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_group_effects_are_doublemls(probability):
    table, model, effects, fold = who_gains_of(probability)
    group = pd.cut(fold_ranks(effects, fold), np.arange(6) / 5, labels=False)
    dummies = pd.DataFrame({f"{one}": group == one for one in range(5)})
    gates = model.gate(dummies)
    ours = table[table["measure"] == GROUP]
    sizes = dummies.sum().to_numpy()
    assert ours["slates"].tolist() == sizes.tolist()
    theirs = gates.summary
    assert ours["estimate"].to_numpy() == pytest.approx(theirs["coef"].to_numpy(), abs=1e-10)
    # Theirs are HC0, which divides by the group's size; ours divide by one less.
    factor = (sizes / (sizes - 1)) ** 0.5
    errors = ours["se"].to_numpy()
    assert errors == pytest.approx(theirs["std err"].to_numpy() * factor, abs=1e-10)
    hc2 = model.gate(dummies, cov_type="HC2")
    assert errors == pytest.approx(hc2.summary["std err"].to_numpy(), abs=1e-10)
    spread = table[table["measure"] == SPREAD].iloc[0]
    ends = np.array([-1, 0, 0, 0, 1])
    variance = ends @ hc2.blp_omega[:, :, 0] @ ends
    assert spread["estimate"] == pytest.approx(ends @ theirs["coef"].to_numpy(), abs=1e-10)
    assert spread["se"] == pytest.approx(variance**0.5, abs=1e-10)


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_the_calibration_slope_is_doublemls_best_linear_predictor(probability):
    table, model, effects, fold = who_gains_of(probability)
    basis = pd.get_dummies(fold, prefix="fold", dtype=float).assign(effect=effects)
    theirs = model.cate(basis, cov_type="HC2").summary.loc["effect"]
    ours = table[table["measure"] == SLOPE].iloc[0]
    assert ours["estimate"] == pytest.approx(theirs["coef"], rel=1e-8)
    # Ours leave out the leverage of the folds' own means, 1 in 100 slates.
    assert ours["se"] == pytest.approx(theirs["std err"], rel=0.01)
