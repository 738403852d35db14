"""Draw the replicates of one case in one world, and estimate each."""

import pandas as pd

from netlift.core.tables import read_optional, read_table, write_json, write_table
from netlift.effects.accounts import slate_outcomes
from netlift.promotion.design import Design
from netlift.promotion.exposure import assign_promotion
from netlift.promotion.record import Promotion
from netlift.studies.replicate_estimates import (
    Case,
    replicate_ledgers,
    replicate_models,
    replicate_tests,
)
from netlift.studies.replicates import Replicates
from netlift.workflow.job import job
from netlift.worlds.item_similarity import item_similarity
from netlift.worlds.simulation import fit_world, simulate_clicks
from netlift.worlds.slates import Slates


def main(
    slates: str,
    movies: str | None,
    scorer_items: str | None,
    outputs: dict[str, str],
    settings: dict,
) -> None:
    """Read slates; write what every replicate says."""
    case = _case(read_table(slates), read_optional(movies), read_optional(scorer_items), settings)
    ledgers = [replicate_ledgers(case, range(settings["replicates"]))]
    tests = replicate_tests(
        case,
        range(settings["test_replicates"]),
        permutations=settings["permutations"],
        near_positions=settings["near_positions"],
    )
    judged = pd.DataFrame()
    if settings["model_replicates"]:
        by_aipw, judged = replicate_models(
            case, range(settings["model_replicates"]), folds=settings["folds"], **settings["policy"]
        )
        ledgers.append(by_aipw)
    write_table(pd.concat(ledgers, ignore_index=True), outputs["ledgers"])
    write_table(tests, outputs["tests"])
    write_table(judged, outputs["policies"])
    facts = {
        "case": settings["case"],
        "world": settings["name"],
        "slates": len(case.accounts),
        "bound_se": case.bound_se,
    }
    write_json(facts, outputs["facts"])


def _case(
    slates: pd.DataFrame,
    movies: pd.DataFrame | None,
    scorer_items: pd.DataFrame | None,
    settings: dict,
) -> Case:
    """Make the experiment in whose place the replicates stand."""
    seed, promotion, entry = settings["seed"], Promotion(**settings["promotion"]), settings["world"]
    size = int(slates["slate_position_seed"].max())
    slates = slates.iloc[: settings["n_slates"] * size]
    exposure = assign_promotion(slates, promotion, seed=seed)
    if promotion.unit == "user":
        # Slates of a unit stand together, as the array form of the estimators asks.
        exposure = exposure.sort_values("user_id", kind="stable", ignore_index=True)
    arrays = Slates.from_exposure(exposure, seed=seed)
    world, _ = fit_world(entry, arrays, item_similarity(entry, movies, scorer_items))
    items = simulate_clicks(exposure, arrays, world, seed=seed)
    accounts = slate_outcomes(items)
    design = Design.of(accounts)
    replicates = Replicates.of(arrays, world, design, assignment=promotion.assignment, seed=seed)
    return Case(replicates, items, accounts)


if "snakemake" in globals():
    with job(snakemake):
        given = snakemake.input
        main(
            given.slates,
            given.get("movies"),
            given.get("scorer_items"),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
