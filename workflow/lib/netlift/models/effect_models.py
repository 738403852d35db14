"""Effect models: how much promoting each slate changes its clicks, out of fold.

Outcome models predict an effect too, as the difference of their two arms; these two are made for
effects alone.
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
"""Models whose predicted effects are judged."""


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
    """Predict effects by every outcome model, and by the two models that are made for them.

    Parameters
    ----------
    data, fold, seed, threads, sequential
        As of ``t_learner``.
    predictions
        By outcome model, learned on the same folds.
    scores
        As of ``dr_learner``.

    Returns
    -------
    By model, shape (N,) each.
    """
    found = {model: prediction.effect for model, prediction in predictions.items()}
    found[T_LEARNER] = t_learner(data, fold, seed=seed, threads=threads, sequential=sequential)
    found[DR_LEARNER] = dr_learner(data, scores, fold, sequential=sequential)
    return found


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
        Of the folds to learn from, an arm has no slates to speak of.
    """
    total = data.outcomes.sum(axis=1)
    predicted = np.full(len(total), np.nan)
    for train, test in splits(fold, sequential=sequential):
        arms = []
        for arm in (data.design.promoted, ~data.design.promoted):
            own = arm & train
            if own.sum() < MIN_PER_ARM:
                raise NetliftError(
                    f"of {int(train.sum()):,} slates to learn from, {int(own.sum())} are in one of "
                    "the arms: too few. Take more slates, or a promotion probability nearer to 0.5."
                )
            learner = slate_learner("lightgbm", int(own.sum()), seed, threads).estimator
            arms.append(learner.fit(data.slates[own], total[own]).predict(data.slates[test]))
        predicted[test] = arms[0] - arms[1]
    return predicted


def dr_learner(
    data: ModelData, scores: Floats, fold: Integers, *, sequential: bool = False
) -> Floats:
    """Predict effects by a regression of AIPW scores on the slates' features.

    (Kennedy 2023.) The regression is linear with a ridge penalty chosen by leaving one out.

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
