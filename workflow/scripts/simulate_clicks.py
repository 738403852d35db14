"""Give every row of an experiment its click in one world, and the truth about it."""

from netlift.core.tables import read_optional, read_table, write_json, write_table
from netlift.workflow.job import job
from netlift.worlds.item_similarity import item_similarity
from netlift.worlds.simulation import fit_world, simulate_clicks, world_description
from netlift.worlds.slates import Slates


def main(
    exposure: str,
    movies: str | None,
    scorer_items: str | None,
    outputs: dict[str, str],
    settings: dict,
) -> None:
    """Read the exposure table (and what says how alike items are); write items and the world."""
    entry, seed = settings["world"], settings["seed"]
    table = read_table(exposure)
    slates = Slates.from_exposure(table, seed=seed)
    similarity = item_similarity(entry, read_optional(movies), read_optional(scorer_items))
    world, matched = fit_world(entry, slates, similarity)
    write_json(world_description(entry, world, matched), outputs["world"])
    write_table(simulate_clicks(table, slates, world, seed=seed), outputs["slate_items"])


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
