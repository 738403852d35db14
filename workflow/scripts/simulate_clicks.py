"""Simulate a click for every row of an experiment in one world, with its true probabilities."""

from netlift.core.tables import read_optional, read_table, write_json, write_table
from netlift.promotion.exposure import compared
from netlift.promotion.treatment import Treatment
from netlift.workflow.job import job
from netlift.worlds.item_similarity import item_similarity
from netlift.worlds.simulation import Simulation


def main(inputs: dict[str, str], outputs: dict[str, str], settings: dict) -> None:
    """Read the exposure table (and the tables for similarity); write items and the world."""
    entry = settings["world"]
    tables = (read_optional(inputs.get(name)) for name in ("movies", "scorer_items"))
    simulation = Simulation.from_exposure(
        read_table(inputs["exposure"]),
        entry,
        item_similarity(entry, *tables),
        seed=settings["seed"],
    )
    write_json(simulation.facts, outputs["world"])
    treatment = Treatment.from_config(settings["treatment"])
    items = simulation.with_candidate_effects(treatment)
    write_table(compared(items), outputs["slate_items"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
