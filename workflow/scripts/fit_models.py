"""Fit outcome models, estimate the ledger by AIPW, and compare policies."""

import pandas as pd

from netlift.aipw import advice, aipw_scores, aipw_table
from netlift.fitted_models import feature_importance, fit_all, save_models
from netlift.folds import user_folds
from netlift.outcome_models import MODELS, STACKED, ModelData, cross_fit, model_scores, stack
from netlift.policies import policy_values, rules, verdict
from netlift.tables import read_table, write_json, write_table
from netlift.workflow import job


def main(items: str, accounts: str, outputs: dict[str, str], settings: dict, threads: int) -> None:
    """Read items and accounts; write the models, the estimates and the verdict."""
    slates = read_table(accounts)
    data = ModelData.of(read_table(items))
    seed, policy = settings["seed"], settings["policy"]
    folds = [
        user_folds(data.user, n_folds=settings["folds"], seed=seed, repetition=repetition)
        for repetition in range(settings["repetitions"])
    ]
    repetitions: dict[str, list] = {model: [] for model in (*MODELS, STACKED)}
    for repetition, fold in enumerate(folds):
        found = {
            model: cross_fit(data, model, fold, seed=seed + repetition, threads=threads)
            for model in MODELS
        }
        for model, predictions in (found | {STACKED: stack(data, found, fold)}).items():
            repetitions[model].append(predictions)
    first = {model: predictions[0] for model, predictions in repetitions.items()}
    estimates = aipw_table(slates, data.outcomes, repetitions)
    scores = aipw_scores(data.outcomes, first[STACKED], data.design).sum(axis=1)
    known = slates["known_effect_total"].to_numpy() if "known_effect_total" in slates else None
    chosen = rules(first[STACKED].effect, data.slates, scores, folds[0], **policy)
    values = policy_values(chosen, scores, data.design, **policy, seed=seed, known=known)
    effects = {f"predicted_{model}": found.effect for model, found in first.items()}
    fitted = fit_all(data, seed=seed, threads=threads)
    importance = feature_importance(data, fitted)
    identity = slates[["slate_id", "user_id"]].assign(fold=folds[0], aipw_score=scores)
    truth = {} if known is None else {"known_effect": known}
    tables = {
        "outcome_models": model_scores(data, first, slates),
        "feature_importance": importance,
        "aipw": estimates,
        "slate_effects": identity.assign(**effects, **truth, **pd.DataFrame(chosen)),
        "policies": values,
    }
    for name, table in tables.items():
        write_table(table, outputs.pop(name))
    write_json(verdict(values) | {"advice": advice(estimates)}, outputs.pop("verdict"))
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
