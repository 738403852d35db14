"""Run one world on a block of seeds, and keep the ledger and the conclusions of each."""

import logging

import pandas as pd

from netlift.core.errors import NetliftError
from netlift.core.tables import read_groups, read_optional, write_table
from netlift.effects.accounts import slate_outcomes
from netlift.effects.conclusions import conclusions
from netlift.effects.ledger import component_effects
from netlift.studies.sweep import experiment_rows, name_failures
from netlift.workflow.job import job
from netlift.worlds.item_similarity import item_similarity
from netlift.worlds.simulation import fit_world, simulate_clicks
from netlift.worlds.slates import Slates


def main(
    exposure: str,
    movies: str | None,
    scorer_items: str | None,
    outputs: dict[str, str],
    settings: dict,
) -> None:
    """Read the exposure tables of a block; write its rows of the sweep."""
    entry = settings["world"]
    similarity = item_similarity(entry, read_optional(movies), read_optional(scorer_items))
    effects, judged, failures = [], [], {}
    for group in read_groups(exposure):
        seed, table = int(group["seed"].iloc[0]), group.drop(columns="seed")
        try:
            slates = Slates.from_exposure(table, seed=seed)
            world, _ = fit_world(entry, slates, similarity)
            items = simulate_clicks(table, slates, world, seed=seed)
            accounts = slate_outcomes(items)
            keys = {"seed": seed, "size": settings["size"], "world": settings["name"]}
            effects.append(experiment_rows(component_effects(accounts), accounts, **keys))
            judged.append(conclusions(items, accounts).assign(**keys))
        except NetliftError as error:
            failures[seed] = str(error)
            logging.getLogger("netlift").error("seed %s: %s", seed, error)
    name_failures(failures)
    write_table(pd.concat(effects, ignore_index=True), outputs["effects"])
    write_table(pd.concat(judged, ignore_index=True), outputs["conclusions"])


if "snakemake" in globals():
    with job(snakemake):
        given = snakemake.input
        main(
            given.exposure,
            given.get("movies"),
            given.get("scorer_items"),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
