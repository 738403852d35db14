"""Effect models: how much promoting each slate changes its clicks, out of fold.

Outcome models predict an effect too, as the difference of their two arms; these two models
predict effects directly.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netlift.core.arrays import Floats, Integers
from netlift.core.errors import NetliftError
from netlift.inference.estimate import MIN_PER_ARM
from netlift.models.folds import splits
from netlift.models.outcome_models import ROW_MODELS, STACKED, ModelData, Predictions, slate_learner

T_LEARNER, DR_LEARNER = "t_learner", "dr_learner"


JUDGED = (*ROW_MODELS, STACKED, T_LEARNER, DR_LEARNER)
"""Models whose predicted effects are evaluated."""


_PENALTIES = np.logspace(0, 6, 13)


def effect_models(
    data: ModelData,
    predictions: Mapping[str, Predictions],
    scores: Floats,
    fold: Integers,
    *,
    seed: int,
    threads: int,
    sequential: bool = False,
) -> dict[str, Floats]:
    """Predict effects by every outcome model, and by the two effect models.

    Parameters
    ----------
    data, fold, seed, threads, sequential
        See ``t_learner``.
    predictions
        By outcome model, learned on the same folds.
    scores
        See ``dr_learner``.

    Returns
    -------
    By model, shape (N,) each.
    """
    effects = {model: prediction.effect for model, prediction in predictions.items()}
    effects[T_LEARNER] = t_learner(data, fold, seed=seed, threads=threads, sequential=sequential)
    effects[DR_LEARNER] = dr_learner(data, scores, fold, sequential=sequential)
    return effects


def t_learner(
    data: ModelData, fold: Integers, *, seed: int, threads: int, sequential: bool = False
) -> Floats:
    """Predict effects as the difference of two models of totals, one fitted on each arm's slates.

    (Kuenzel, Sekhon, Bickel and Yu 2019.) The models are gradient-boosted trees (LightGBM).

    Parameters
    ----------
    data
        Of N slates.
    fold
        Fold of each slate, shape (N,).
    seed, threads
        For the learner.
    sequential
        Whether to learn from the earlier folds only; predictions of the first are then NaN.

    Returns
    -------
    Predicted effect of promoting each slate, out of fold, shape (N,).

    Raises
    ------
    NetliftError
        An arm has too few slates in the training folds.
    """
    total = data.outcomes.sum(axis=1)
    predicted = np.full(len(total), np.nan)
    for train, test in splits(fold, sequential=sequential):
        arms = []
        for arm in (data.design.promoted, ~data.design.promoted):
            in_arm = arm & train
            if in_arm.sum() < MIN_PER_ARM:
                raise NetliftError(
                    f"of {int(train.sum()):,} slates to learn from, {int(in_arm.sum())} are in one "
                    "of the arms: too few. It needs more slates (or users, where users were "
                    "randomized), or a promotion probability near 0.5."
                )
            learner = slate_learner("lightgbm", int(in_arm.sum()), seed, threads).estimator
            arms.append(learner.fit(data.slates[in_arm], total[in_arm]).predict(data.slates[test]))
        predicted[test] = arms[0] - arms[1]
    return predicted


def dr_learner(
    data: ModelData, scores: Floats, fold: Integers, *, sequential: bool = False
) -> Floats:
    """Predict effects by a regression of AIPW scores on the slates' features.

    (Kennedy 2023.) Ridge regression; the penalty is chosen by leave-one-out cross-validation.

    Parameters
    ----------
    data
        Of N slates.
    scores
        Cross-fitted AIPW scores of the total effect, shape (N,).
    fold
        Shape (N,).
    sequential
        Whether to learn from the earlier folds only; predictions of the first are then NaN.

    Returns
    -------
    Predicted effect of promoting each slate, out of fold, shape (N,).
    """
    from sklearn.linear_model import RidgeCV

    predicted = np.full(len(scores), np.nan)
    for train, test in splits(fold, sequential=sequential):
        learner = RidgeCV(alphas=_PENALTIES).fit(data.slates[train], scores[train])
        predicted[test] = learner.predict(data.slates[test])
    return predicted
