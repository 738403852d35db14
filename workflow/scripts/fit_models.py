"""Fit outcome models and effect models, estimate the ledger by AIPW, and see who gains."""

from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.models.aipw import aipw_scores, aipw_table
from netlift.models.effect_models import JUDGED, effect_models
from netlift.models.fitted import feature_importance, fit_all, save_models
from netlift.models.folds import user_folds
from netlift.models.outcome_models import STACKED, ModelData, cross_fit_all
from netlift.models.scoring import calibration_table, model_scores
from netlift.models.who_gains import ScoredSlates, who_gains
from netlift.workflow.job import job


def main(items: str, accounts: str, outputs: dict[str, str], settings: dict, threads: int) -> None:
    """Read items and accounts; write the models, what they say, and the estimates."""
    slates = read_table(accounts)
    data = ModelData.of(read_table(items))
    seed, outcome = settings["seed"], Outcome(settings["outcome"])
    folds = [
        user_folds(data.user, n_folds=settings["folds"], seed=seed, repetition=repetition)
        for repetition in range(settings["repetitions"])
    ]
    repetitions = [
        cross_fit_all(data, fold, seed=seed + repetition, threads=threads)
        for repetition, fold in enumerate(folds)
    ]
    # Effects by slate come from the first repetition: each slate has one prediction and one score.
    fold, first, given = folds[0], repetitions[0], {"seed": seed, "threads": threads}
    scores = aipw_scores(data.outcomes, first[STACKED], data.design).sum(axis=1)
    effects = effect_models(data, first, scores, fold, **given)
    # What is judged by a fold was learned on earlier ones.
    in_order = cross_fit_all(data, fold, **given, sequential=True)
    in_order = effect_models(data, in_order, scores, fold, **given, sequential=True)
    known = slates["known_effect_total"].to_numpy() if "known_effect_total" in slates else None
    scored = ScoredSlates.of_later_folds(scores, fold, data.design, seed, known)
    judged = {name: in_order[name] for name in map(data.fitted_as, JUDGED)}
    heterogeneity, toc = who_gains(
        scored, {name: effect[fold > 0] for name, effect in judged.items()}
    )
    fitted = fit_all(data, **given)
    importance = feature_importance(data, fitted)
    tables = {
        "outcome_models": model_scores(data, first, slates),
        "calibration": calibration_table(data, first),
        "feature_importance": importance,
        "aipw": outcome.in_units(aipw_table(slates, data.outcomes, repetitions)),
        "who_gains": outcome.in_units(heterogeneity),
        "toc": outcome.in_units(toc),
        "slate_effects": slates[["slate_id", "user_id"]].assign(
            fold=fold,
            aipw_score=scores,
            **{f"predicted_{name}": effect for name, effect in effects.items()},
            **{f"in_order_{name}": effect for name, effect in judged.items()},
            **({} if known is None else {"known_effect": known}),
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
