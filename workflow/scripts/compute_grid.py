"""Compute the known and the observed effects of one world over a grid of its parameters."""

from netlift.core.tables import read_optional, read_table, write_table
from netlift.studies.grid import grid_effects
from netlift.workflow.job import job
from netlift.worlds.item_similarity import item_similarity


def main(
    exposure: str, movies: str | None, scorer_items: str | None, grid: str, settings: dict
) -> None:
    """Read the exposure table (and what says how alike items are); write the grid."""
    world = settings["world"]
    effects = grid_effects(
        read_table(exposure),
        world,
        dict(settings["parameters"]),
        seed=settings["seed"],
        definitions=settings["definitions"],
        near_positions=settings["near_positions"],
        similarity=item_similarity(world, read_optional(movies), read_optional(scorer_items)),
    )
    effects.insert(1, "size", settings["size"])
    effects.insert(2, "seed", settings["seed"])
    write_table(effects, grid)


if "snakemake" in globals():
    with job(snakemake):
        given = snakemake.input
        main(
            given.exposure,
            given.get("movies"),
            given.get("scorer_items"),
            snakemake.output.grid,
            snakemake.params.settings,
        )
