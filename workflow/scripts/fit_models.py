"""Fit outcome models and effect models, estimate the ledger by AIPW, and see who gains."""

from netlift.aipw import aipw_scores, aipw_table
from netlift.effect_models import DR_LEARNER, T_LEARNER, dr_learner, t_learner
from netlift.fitted_models import feature_importance, fit_all, save_models
from netlift.folds import user_folds
from netlift.outcome_models import (
    MODELS,
    ROW_MODELS,
    STACKED,
    ModelData,
    Predictions,
    calibration_table,
    cross_fit,
    model_scores,
    stack,
)
from netlift.tables import read_table, write_table
from netlift.targeting import Experiment, who_gains
from netlift.workflow import job


def main(items: str, accounts: str, outputs: dict[str, str], settings: dict, threads: int) -> None:
    """Read items and accounts; write the models, what they say, and the estimates."""
    slates = read_table(accounts)
    data = ModelData.of(read_table(items))
    seed = settings["seed"]
    folds = [
        user_folds(data.user, n_folds=settings["folds"], seed=seed, repetition=repetition)
        for repetition in range(settings["repetitions"])
    ]
    repetitions: dict[str, list[Predictions]] = {model: [] for model in (*MODELS, STACKED)}
    for repetition, fold in enumerate(folds):
        found = {
            model: cross_fit(data, model, fold, seed=seed + repetition, threads=threads)
            for model in MODELS
        }
        for model, predictions in (found | {STACKED: stack(data, found, fold)}).items():
            repetitions[model].append(predictions)
    # Effects by slate come from the first repetition: each slate has one prediction and one score.
    fold, first = folds[0], {model: found[0] for model, found in repetitions.items()}
    scores = aipw_scores(data.outcomes, first[STACKED], data.design).sum(axis=1)
    effects = {model: found.effect for model, found in first.items()}
    effects[T_LEARNER] = t_learner(data, fold, seed=seed, threads=threads)
    effects[DR_LEARNER] = dr_learner(data, scores, fold)
    known = slates["known_effect_total"].to_numpy() if "known_effect_total" in slates else None
    judged = {name: effects[name] for name in (*ROW_MODELS, STACKED, T_LEARNER, DR_LEARNER)}
    experiment = Experiment(scores, fold, data.design.unit, seed, known)
    heterogeneity, toc = who_gains(experiment, judged)
    fitted = fit_all(data, seed=seed, threads=threads)
    importance = feature_importance(data, fitted)
    truth = {} if known is None else {"known_effect": known}
    tables = {
        "outcome_models": model_scores(data, first, slates),
        "calibration": calibration_table(data, first),
        "feature_importance": importance,
        "aipw": aipw_table(slates, data.outcomes, repetitions),
        "heterogeneity": heterogeneity,
        "toc": toc,
        "slate_effects": slates[["slate_id", "user_id"]].assign(
            fold=fold,
            aipw_score=scores,
            **{f"predicted_{name}": effect for name, effect in effects.items()},
            **truth,
        ),
    }
    for name, table in tables.items():
        write_table(table, outputs.pop(name))
    save_models(fitted, importance, outputs)


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.slate_items,
            snakemake.input.accounts,
            dict(snakemake.output.items()),
            snakemake.params.settings,
            snakemake.threads,
        )
