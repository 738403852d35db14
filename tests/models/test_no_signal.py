"""Where promotion changes nothing, or clicks are shuffled, the verdict is to promote nothing."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from builders import random_exposure
from scipy import stats
from threadpoolctl import threadpool_limits

from netlift.models.aipw import aipw_scores
from netlift.models.effect_models import dr_learner
from netlift.models.features import slate_features
from netlift.models.folds import splits, user_folds
from netlift.models.outcome_models import STACKED, ModelData, cross_fit_all
from netlift.models.policies import ALL, NONE, PROMOTE, PROMOTE_NOTHING, compare_rules, verdict
from netlift.models.who_gains import AUTOC, QINI, SLOPE, SPREAD, ScoredSlates, who_gains
from netlift.promotion.design import Design

FAST = ("linear", "row_logistic")
N_SLATES = 400

# Of few features, for time.
EXPOSURE = (
    random_exposure(1, N_SLATES, 4, n_users=160)
    .drop(columns=["item_popularity", "item_liked_rate", "user_activity"])
    .assign(promotion_probability=0.5)
)
ROW = EXPOSURE["slate_id"].to_numpy()


def nothing_works(rng: np.random.Generator) -> pd.DataFrame:
    """Draw arms, and clicks that depend on neither the arm nor any feature."""
    arm = rng.random(N_SLATES) < 0.5
    return EXPOSURE.assign(
        promotion_applied=arm[ROW].astype(int), click=(rng.random(len(ROW)) < 0.3).astype(int)
    )


def something_works(rng: np.random.Generator, relevant: float = 2.5) -> pd.DataFrame:
    """Draw an experiment in which promotion gains 0.7 clicks on items that are relevant."""
    log = nothing_works(rng)
    gain = 0.7 * log["promotion_applied"] * log["is_focal_item"] * (log["relevance"] > relevant)
    return log.assign(click=(rng.random(len(ROW)) < 0.2 + gain).astype(int))


def promotion_does_nothing(rng: np.random.Generator) -> pd.DataFrame:
    """Draw clicks that follow features and users, but not the arm; users are randomized."""
    user = EXPOSURE["user_id"].to_numpy()
    arm, liking = rng.random(user.max() + 1) < 0.5, rng.normal(size=user.max() + 1)
    odds = EXPOSURE["relevance"] - 4 + liking[user]
    return EXPOSURE.assign(
        promotion_applied=arm[user].astype(int),
        randomization_unit=user,
        click=(rng.random(len(ROW)) < 1 / (1 + np.exp(-odds))).astype(int),
    )


def shuffled_labels(rng: np.random.Generator) -> pd.DataFrame:
    """Draw an experiment in which promotion does a lot, and shuffle its clicks by slate."""
    log = something_works(rng)
    return log.assign(click=rng.permutation(log["click"].to_numpy().reshape(N_SLATES, -1)).ravel())


def shuffled_arms(rng: np.random.Generator) -> pd.DataFrame:
    """Draw an experiment in which promotion does a lot, and shuffle its promotions."""
    log = something_works(rng)
    arm = rng.permutation(log["promotion_applied"].to_numpy()[::4])
    return log.assign(promotion_applied=arm[ROW])


def decided(log: pd.DataFrame, seed: int, cost: float = 0.0) -> tuple[dict, pd.Series, float]:
    """Run the chain from a log to the verdict.

    Also return the value of promoting all slates, and the p-value of the slope of effects.
    """
    data = ModelData.from_items(log)
    fold = user_folds(data.user, n_folds=4, seed=seed)
    given = {"seed": seed, "threads": 1, "models": FAST}
    found = cross_fit_all(data, fold, **given)[STACKED]
    scores = aipw_scores(data.outcomes, found, data.design).sum(axis=1)
    predicted = cross_fit_all(data, fold, **given, sequential=True)[STACKED].effect
    _, values = compare_rules(
        predicted,
        slate_features(log),
        scores,
        fold,
        data.design,
        cost=cost,
        max_share=1.0,
        seed=seed,
    )
    experiment = ScoredSlates.of_later_folds(scores, fold, data.design, seed, None)
    effects = dr_learner(data, scores, fold, sequential=True)[fold > 0]
    judged = who_gains(experiment, {"dr": effects})[0]
    p = judged.loc[judged["measure"] == SLOPE, "p_value"].iloc[0]
    return verdict(values), values.set_index("rule").loc[ALL], float(p)


def at_most(share: float, n: int) -> int:
    """How many of n may come out by chance; more are seen in one of 2,000 tests."""
    return int(stats.binom.ppf(1 - 1 / 2000, n, share))


@pytest.fixture(autouse=True, scope="module")
def _small():
    """Few draws, and one thread: matrices are small, and threads would wait for each other."""
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):
        patch.setattr("netlift.models.who_gains.HALF_SAMPLES", 20)
        patch.setattr("netlift.models.policies._GATE_DRAWS", 4_000)
        yield


EACH = 50
"""Experiments of each kind."""


@pytest.fixture(scope="module")
def chains(_small) -> pd.DataFrame:
    """Verdicts of 200 experiments without an effect, 50 of each kind."""
    rng, table = np.random.default_rng(2), []
    for draw in (nothing_works, promotion_does_nothing, shuffled_labels, shuffled_arms):
        for number in range(EACH):
            found, every, p = decided(draw(rng), number)
            table.append(
                {
                    "kind": draw.__name__,
                    "passed": found["verdict"] == PROMOTE,
                    "rule": found["rule"],
                    "z": every["naive_value"] / every["se"],
                    "p_value": p,
                }
            )
    return pd.DataFrame(table)


@pytest.mark.slow
@pytest.mark.long
def test_without_an_effect_97_of_100_experiments_promote_nothing(chains):
    # A gate of 2.5% lets at most 6 of 50 experiments pass, and 14 of 200.
    assert (at_most(0.025, EACH), at_most(0.025, 4 * EACH)) == (6, 14)
    assert chains.groupby("kind")["passed"].sum().max() <= 6
    assert chains["passed"].sum() <= 14
    assert ((chains["rule"] == NONE) == ~chains["passed"]).all()


@pytest.mark.slow
@pytest.mark.long
def test_without_an_effect_the_total_is_zero_and_its_errors_are_right(chains):
    z = chains["z"]
    assert abs(z.mean()) < 3.3 / len(z) ** 0.5
    assert z.std() == pytest.approx(1, abs=3.3 / (2 * len(z)) ** 0.5)


@pytest.mark.slow
@pytest.mark.long
def test_without_an_effect_5_of_100_experiments_show_that_effects_differ(chains):
    assert (chains["p_value"] < 0.05).sum() <= at_most(0.05, 4 * EACH) == 21


def learned(features: np.ndarray, scores: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Predict scores by least squares on the earlier folds."""
    regressors, predicted = sm.add_constant(features), np.full(len(scores), np.nan)
    for train, test in splits(fold, sequential=True):
        slopes = np.linalg.lstsq(regressors[train], scores[train], rcond=None)[0]
        predicted[test] = regressors[test] @ slopes
    return predicted


@pytest.mark.slow
@pytest.mark.long
def test_the_gate_lets_one_in_forty_pass():
    # Scores of no effect, independent of each other and of all features, in 10 folds. Of rules
    # that learn on all other folds twice as many pass.
    rng, fold, passed = np.random.default_rng(5), np.arange(200) % 10, 0
    unit = np.arange(200)
    design = Design(unit % 2 == 0, unit, np.zeros(200, dtype=int), np.full(200, 0.5), "slate")
    for seed in range(600):
        features, scores = rng.normal(size=(200, 2)), rng.normal(size=200)
        _, values = compare_rules(
            learned(features, scores, fold),
            pd.DataFrame(features),
            scores,
            fold,
            design,
            cost=0.0,
            max_share=1.0,
            seed=seed,
        )
        passed += verdict(values)["verdict"] == PROMOTE
    # 29 at the most, if it is 15 on average.
    assert passed <= at_most(0.025, 600) == 29


@pytest.mark.long
def test_predictions_are_shown_to_be_right_in_one_of_twenty():
    rng, alarms = np.random.default_rng(6), np.zeros(4)
    fold, unit = np.arange(300) % 5, np.arange(300)
    later = fold > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netlift.models.who_gains.HALF_SAMPLES", 100)
        for seed in range(200):
            features, scores = rng.normal(size=(300, 4)), rng.normal(size=300)
            predicted = learned(features, scores, fold)[later]
            judged = ScoredSlates(scores[later], fold[later], unit[: later.sum()], seed)
            table = who_gains(judged, {"one": predicted})[0]
            p = table.set_index("measure").loc[[SPREAD, SLOPE, AUTOC, QINI], "p_value"]
            alarms += p.to_numpy(dtype=float) < 0.05
    # 21 at the most, if it is 10 on average.
    assert (alarms <= at_most(0.05, 200)).all()


def test_an_effect_that_is_there_is_promoted_by_the_same_chain():
    # So that the tests above do not pass because nothing ever would be promoted. So many slates
    # gain that a simultaneous 95% interval lies above zero in nearly every experiment.
    rng, passed = np.random.default_rng(3), 0
    for seed in range(5):
        passed += decided(something_works(rng, 1.5), seed)[0]["verdict"] == PROMOTE
    assert passed == 5


def test_what_costs_more_than_it_gains_is_not_promoted():
    rng = np.random.default_rng(4)
    log = nothing_works(rng)
    log = log.assign(click=log["click"] | (log["promotion_applied"] * log["is_focal_item"]))
    # The focal item is clicked for sure where it had 0.3 clicks.
    assert decided(log, 1, cost=0.3)[0]["verdict"] == PROMOTE
    assert decided(log, 1, cost=1.2)[0]["verdict"] == PROMOTE_NOTHING
