"""Effect models: out of fold; they detect real differences between slates, and no others."""

from dataclasses import replace

import numpy as np
import pytest
from builders import random_items

from netlift.core.errors import NetliftError
from netlift.models.aipw import aipw_scores
from netlift.models.effect_models import DR_LEARNER, T_LEARNER, dr_learner, effect_models, t_learner
from netlift.models.folds import user_folds
from netlift.models.outcome_models import STACKED, ModelData, Predictions, cross_fit_all
from netlift.promotion.design import Design

LOG = random_items(1, 900, 4, n_users=300).assign(promotion_probability=0.5)
DATA = ModelData.from_items(LOG)
FOLD = user_folds(DATA.user, n_folds=3, seed=1)
ARM = DATA.design.promoted[:, None]


def with_totals(total: np.ndarray) -> ModelData:
    """The slates of the log with other clicks, all on the focal item."""
    return replace(DATA, outcomes=np.column_stack([total, np.zeros((len(total), 2))]))


def scores_of(data: ModelData, predictions: Predictions | None = None) -> np.ndarray:
    """Scores with predictions of the arms' mean clicks, or with some that are given."""
    if predictions is None:
        by_arm = (data.outcomes[~data.design.promoted], data.outcomes[data.design.promoted])
        control, promoted = (np.tile(arm.mean(axis=0), (len(FOLD), 1)) for arm in by_arm)
        predictions = Predictions(control, promoted)
    return aipw_scores(data.outcomes, predictions, data.design).sum(axis=1)


def predict(model: str, data: ModelData, scores: np.ndarray | None = None) -> np.ndarray:
    if model == T_LEARNER:
        return t_learner(data, FOLD, seed=1, threads=1)
    return dr_learner(data, scores_of(data) if scores is None else scores, FOLD)


def planted(size: float, noise: float, seed: int = 2) -> tuple[ModelData, np.ndarray]:
    """Draw clicks with an effect that grows with a feature, and that effect."""
    rng = np.random.default_rng(seed)
    effect = size * (DATA.slates[:, DATA.slate_names.index("focal_relevance")] + 0.5)
    total = 1 + ARM[:, 0] * effect + noise * rng.normal(size=len(effect))
    return with_totals(total), effect


def test_models_that_learn_in_order_see_no_clicks_of_later_folds():
    later = FOLD == 2
    scores = scores_of(DATA)
    before, after = DATA.outcomes.sum(axis=1), np.random.default_rng(3).normal(size=900)
    changed = with_totals(np.where(later, after, before))
    for first, second in (
        [t_learner(one, FOLD, seed=4, threads=1, sequential=True) for one in (DATA, changed)],
        [
            dr_learner(DATA, one, FOLD, sequential=True)
            for one in (scores, np.where(later, after, scores))
        ],
    ):
        assert np.isnan(first[FOLD == 0]).all()
        assert np.isfinite(first[FOLD > 0]).all()
        assert (first[FOLD == 1] == second[FOLD == 1]).all()
        assert (first[later] == second[later]).all()
    # And those of the first fold decide what is predicted of the second.
    early = with_totals(np.where(FOLD == 0, after, before))
    one, two = (t_learner(d, FOLD, seed=4, threads=1, sequential=True) for d in (DATA, early))
    assert (one[FOLD == 1] != two[FOLD == 1]).any()


def test_effects_of_all_models_stand_side_by_side():
    predictions = cross_fit_all(DATA, FOLD, seed=4, threads=1, models=("linear",))
    scores = scores_of(DATA)
    found = effect_models(DATA, predictions, scores, FOLD, seed=4, threads=1)
    assert list(found) == ["linear", STACKED, T_LEARNER, DR_LEARNER]
    # The combination of one model is that model.
    assert found[STACKED] == pytest.approx(found["linear"], abs=1e-12)
    assert (found[DR_LEARNER] == dr_learner(DATA, scores, FOLD)).all()
    assert (found[T_LEARNER] == t_learner(DATA, FOLD, seed=4, threads=1)).all()


def test_the_t_learner_sees_no_clicks_of_the_slates_it_predicts():
    own = FOLD == 1
    before, after = DATA.outcomes.sum(axis=1), np.random.default_rng(3).normal(size=900)
    first = predict(T_LEARNER, with_totals(before))
    second = predict(T_LEARNER, with_totals(np.where(own, after, before)))
    assert (first[own] == second[own]).all()
    assert (first[~own] != second[~own]).any()


def test_nor_does_it_see_which_of_them_were_promoted():
    own = FOLD == 1
    arm = np.where(own, ~DATA.design.promoted, DATA.design.promoted)
    other = replace(DATA, design=replace(DATA.design, promoted=arm))
    assert (predict(T_LEARNER, DATA)[own] == predict(T_LEARNER, other)[own]).all()


def test_the_dr_learner_sees_no_scores_of_the_slates_it_predicts():
    own = FOLD == 1
    before, after = scores_of(DATA), 5 * np.random.default_rng(4).normal(size=900)
    first, second = (
        dr_learner(DATA, scores, FOLD) for scores in (before, np.where(own, after, before))
    )
    assert (first[own] == second[own]).all()
    assert (first[~own] != second[~own]).any()


def ridge(features: np.ndarray, scores: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Ridge regression with the penalty of the least error when one slate is left out."""
    mean, center = features.mean(axis=0), scores.mean()
    x, y, best = features - mean, scores - center, (np.inf, np.zeros(0))
    for penalty in 10.0 ** (np.arange(13) / 2):
        inverse = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
        slopes = inverse @ x.T @ y
        leverage = 1 / len(y) + np.einsum("ij,jk,ik->i", x, inverse, x)
        left_out = (((y - x @ slopes) / (1 - leverage)) ** 2).mean()
        best = min(best, (left_out, slopes), key=lambda one: one[0])
    return center + (asked - mean) @ best[1]


@pytest.mark.parametrize("size", [0.0, 0.2, 2.0])
def test_the_dr_learner_is_ridge_regression_on_the_other_folds(size):
    data, _ = planted(size=size, noise=1.0)
    scores = scores_of(data)
    found = dr_learner(data, scores, FOLD)
    for number in range(3):
        own = number == FOLD
        expected = ridge(data.slates[~own], scores[~own], data.slates[own])
        assert found[own] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("model", [T_LEARNER, DR_LEARNER])
def test_a_large_effect_that_grows_with_a_feature_is_found(model):
    data, effect = planted(size=3.0, noise=1.0)
    found = predict(model, data)
    assert np.corrcoef(found, effect)[0, 1] > 0.9
    # In its size too, and in its sign.
    slope, intercept = np.polyfit(effect, found, 1)
    assert slope == pytest.approx(1, abs=0.15)
    assert intercept == pytest.approx(0, abs=0.4)


@pytest.mark.parametrize("model", [T_LEARNER, DR_LEARNER])
def test_where_labels_are_shuffled_about_nothing_is_predicted(model):
    # The same clicks as above, dealt out anew: those of no slate say anything of its features.
    data, effect = planted(size=3.0, noise=1.0)
    rng, spreads, correlations = np.random.default_rng(5), [], []
    for _ in range(20):
        shuffled = with_totals(rng.permutation(data.outcomes.sum(axis=1)))
        found = predict(model, shuffled)
        spreads.append(found.std())
        correlations.append(np.corrcoef(found, effect)[0, 1] if found.std() > 0 else 0.0)
    # Predictions spread by far less than those of the effects that the clicks had.
    assert np.mean(spreads) < (0.35 if model == T_LEARNER else 0.1) * effect.std()
    # The mean of 20 correlations of at most 1, of which none favours a sign: 3.3 of its errors.
    error = np.std(correlations, ddof=1) / 20**0.5
    assert abs(np.mean(correlations)) < 3.3 * error


def test_the_dr_learner_predicts_the_effects_themselves_where_scores_have_no_noise():
    rng = np.random.default_rng(6)
    effect = 0.3 + DATA.slates @ rng.normal(size=DATA.slates.shape[1])
    assert dr_learner(DATA, effect, FOLD) == pytest.approx(effect, abs=0.05)


def test_the_t_learner_is_the_same_on_one_thread_and_two():
    one, two = (t_learner(DATA, FOLD, seed=4, threads=threads) for threads in (1, 2))
    assert one == pytest.approx(two, abs=1e-12)


def test_an_arm_too_small_is_an_error_that_counts_the_slates():
    # Four promoted slates, three of them in fold 1: without it one is left.
    arm = np.zeros(900, dtype=bool)
    arm[np.flatnonzero(FOLD == 1)[:3]] = True
    arm[np.flatnonzero(FOLD == 2)[0]] = True
    few = replace(DATA, design=replace(DATA.design, promoted=arm))
    with pytest.raises(NetliftError, match="of 600 slates to learn from, 1 are in one of the arms"):
        predict(T_LEARNER, few)
    other = replace(DATA, design=replace(DATA.design, promoted=~arm))
    with pytest.raises(NetliftError, match="of 600 slates to learn from, 1 are in"):
        predict(T_LEARNER, other)
    # Two are enough to predict their mean.
    arm[np.flatnonzero(FOLD == 0)[0]] = True
    enough = replace(DATA, design=replace(DATA.design, promoted=arm))
    assert isinstance(enough.design, Design)
    assert np.isfinite(predict(T_LEARNER, enough)).all()
