"""Compute the known and the observed effects of one world over a grid of its parameters."""

from netlift.core.tables import read_optional, read_table, write_table
from netlift.studies.grid import grid_effects
from netlift.workflow.job import job
from netlift.worlds.item_similarity import item_similarity


def main(inputs: dict[str, str], grid: str, settings: dict) -> None:
    """Read the exposure table (and the tables for similarity); write the grid."""
    world = settings["world"]
    tables = (read_optional(inputs.get(name)) for name in ("movies", "scorer_items"))
    effects = grid_effects(
        read_table(inputs["exposure"]),
        world,
        dict(settings["parameters"]),
        seed=settings["seed"],
        definitions=settings["definitions"],
        near_positions=settings["near_positions"],
        similarity=item_similarity(world, *tables),
    )
    write_table(effects, grid)


if "snakemake" in globals():
    with job(snakemake):
        main(dict(snakemake.input.items()), snakemake.output.grid, snakemake.params.settings)
