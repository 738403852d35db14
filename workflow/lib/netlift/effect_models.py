"""Effect models: how much promoting each slate changes its clicks, out of fold.

Outcome models predict an effect too, as the difference of their two arms; these two are made for
effects alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netlift.errors import NetliftError
from netlift.inference import MIN_PER_ARM
from netlift.outcome_models import ModelData, slate_learner

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

T_LEARNER, DR_LEARNER = "t_learner", "dr_learner"
EFFECT_MODELS = (T_LEARNER, DR_LEARNER)

_PENALTIES = np.logspace(0, 6, 13)


def t_learner(data: ModelData, fold: Integers, *, seed: int, threads: int) -> Floats:
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

    Returns
    -------
    Predicted effect of promoting each slate, by models of the other folds, shape (N,).

    Raises
    ------
    NetliftError
        Without one fold, an arm has no slates to speak of.
    """
    total = data.outcomes.sum(axis=1)
    predicted = np.empty(len(total))
    for number in range(int(fold.max()) + 1):
        test = fold == number
        arms = []
        for arm in (data.design.promoted, ~data.design.promoted):
            train = arm & ~test
            if train.sum() < MIN_PER_ARM:
                raise NetliftError(
                    f"without fold {number} an arm has {int(train.sum())} slates: too few to learn "
                    "from. Take more slates, or a promotion probability nearer to 0.5."
                )
            learner = slate_learner("lightgbm", seed, threads).estimator
            arms.append(learner.fit(data.slates[train], total[train]).predict(data.slates[test]))
        predicted[test] = arms[0] - arms[1]
    return predicted


def dr_learner(data: ModelData, scores: Floats, fold: Integers) -> Floats:
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

    Returns
    -------
    Predicted effect of promoting each slate, by models of the other folds, shape (N,).
    """
    from sklearn.linear_model import RidgeCV

    predicted = np.empty(len(scores))
    for number in range(int(fold.max()) + 1):
        test = fold == number
        learner = RidgeCV(alphas=_PENALTIES).fit(data.slates[~test], scores[~test])
        predicted[test] = learner.predict(data.slates[test])
    return predicted
