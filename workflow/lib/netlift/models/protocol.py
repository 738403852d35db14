"""The protocol of the models: on which folds each model is fitted and evaluated.

``fit_models(items, accounts, seed=1, folds=5, repetitions=3)`` gives in a notebook every table that
the workflow writes, and the fitted models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from netlift.core.arrays import Integers
from netlift.core.outcome import CLICKS, Outcome
from netlift.effects.empty_lines import empty_lines, without_numbers
from netlift.effects.slate_accounts import SlateAccounts
from netlift.models.aipw import aipw_scores, aipw_table
from netlift.models.effect_models import JUDGED, effect_models
from netlift.models.fitted import feature_importance, fit_all
from netlift.models.folds import user_folds
from netlift.models.outcome_models import STACKED, ModelData, Predictions, cross_fit_all
from netlift.models.scoring import calibration_table, model_scores
from netlift.models.who_gains import ScoredSlates, who_gains


@dataclass(frozen=True)
class ModelResults:
    """What the models of one experiment say, and the models.

    Attributes
    ----------
    outcome_models, calibration
        How well outcome models predict (see ``model_scores`` and ``calibration_table``).
    feature_importance
        The importance of each feature in each model.
    aipw
        The ledger by AIPW (see ``aipw_table``).
    who_gains, toc
        Whether effects differ between slates (see ``who_gains``).
    slate_effects
        One row per slate: ``slate_id``, ``user_id``, ``fold``, ``aipw_score`` of the total effect,
        ``predicted_{model}``, the effect that each model predicts out of fold,
        ``in_order_{model}``, the same learned on earlier folds only (missing in the first), and
        with a truth ``known_effect``; clicks per slate.
    fitted
        Models by name, fitted on all slates.
    """

    outcome_models: pd.DataFrame
    calibration: pd.DataFrame
    feature_importance: pd.DataFrame
    aipw: pd.DataFrame
    who_gains: pd.DataFrame
    toc: pd.DataFrame
    slate_effects: pd.DataFrame
    fitted: Mapping[str, Any]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {name: table for name, table in vars(self).items() if name != "fitted"}


def fit_models(
    items: pd.DataFrame,
    accounts: pd.DataFrame,
    *,
    seed: int,
    folds: int,
    repetitions: int,
    outcome: Outcome = CLICKS,
    threads: int = 1,
) -> ModelResults:
    """Fit outcome models and effect models, estimate the ledger by AIPW, and see who gains.

    The ledger is the median of ``repetitions`` of cross-fitting. Effects by slate come from the
    first repetition, so that each slate has one prediction and one score.

    Parameters
    ----------
    items
        Items table of N slates.
    accounts
        One row per slate, in the same order.
    seed
        Study seed.
    folds, repetitions
        Folds of users, and repetitions of cross-fitting, each with its own folds.
    outcome
        Its words.
    threads
        For the learners.

    Raises
    ------
    NetliftError
        There are too few slates or users, a feature was not known before promotion, or the
        probabilities of promotion are not known.
    """
    data = ModelData.from_items(items)
    folds_by_repetition = [
        user_folds(data.user, n_folds=folds, seed=seed, repetition=repetition)
        for repetition in range(repetitions)
    ]
    cross_fitted = [
        cross_fit_all(data, fold, seed=seed + repetition, threads=threads)
        for repetition, fold in enumerate(folds_by_repetition)
    ]
    effects = _slate_effects(data, accounts, folds_by_repetition[0], cross_fitted[0], seed, threads)
    gains, toc = _evaluated_effects(data, effects, seed)
    fitted = fit_all(data, seed=seed, threads=threads)
    ledger = aipw_table(SlateAccounts.from_table(accounts), data.outcomes, cross_fitted)
    return ModelResults(
        outcome_models=model_scores(data, cross_fitted[0], accounts),
        calibration=calibration_table(data, cross_fitted[0]),
        feature_importance=feature_importance(data, fitted),
        aipw=outcome.in_units(without_numbers(ledger, empty_lines(accounts))),
        who_gains=outcome.in_units(gains),
        toc=outcome.in_units(toc),
        slate_effects=effects,
        fitted=fitted,
    )


def _slate_effects(
    data: ModelData,
    accounts: pd.DataFrame,
    fold: Integers,
    predictions: Mapping[str, Predictions],
    seed: int,
    threads: int,
) -> pd.DataFrame:
    """Return scores and predicted effects by slate, out of fold and learned in order."""
    options: dict[str, Any] = {"seed": seed, "threads": threads}
    scores = aipw_scores(data.outcomes, predictions[STACKED], data.design).sum(axis=1)
    effects = effect_models(data, predictions, scores, fold, **options)
    # What is evaluated on a fold was learned on earlier ones.
    earlier = cross_fit_all(data, fold, **options, sequential=True)
    in_order = effect_models(data, earlier, scores, fold, **options, sequential=True)
    table = accounts[["slate_id", "user_id"]].assign(
        fold=fold,
        aipw_score=scores,
        **{f"predicted_{name}": effect for name, effect in effects.items()},
        **{f"in_order_{name}": in_order[name] for name in map(data.fitted_as, JUDGED)},
    )
    if "known_effect_total" in accounts:
        table["known_effect"] = accounts["known_effect_total"].to_numpy()
    return table


def _evaluated_effects(
    data: ModelData, effects: pd.DataFrame, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluate the effects that were learned in order, on the slates of all folds but the first."""
    later, known = effects["fold"].to_numpy() > 0, effects.get("known_effect")
    slates = ScoredSlates.of_later_folds(
        effects["aipw_score"].to_numpy(),
        effects["fold"].to_numpy(),
        data.design,
        seed,
        None if known is None else known.to_numpy(),
    )
    in_order = {name: effects[f"in_order_{name}"] for name in map(data.fitted_as, JUDGED)}
    return who_gains(slates, {name: effect.to_numpy()[later] for name, effect in in_order.items()})
