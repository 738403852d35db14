"""Build slates and draw promotions for a block of seeds, as for single experiments."""

from netlift.core.tables import read_pieces, read_table, write_groups
from netlift.promotion.record import Promotion
from netlift.slates.builder import SlateBuilder
from netlift.slates.scorer import Scorer
from netlift.studies.seed_blocks import block_seeds
from netlift.studies.sweep_exposures import sweep_exposures
from netlift.workflow.job import job


def main(inputs: dict, exposure: str, settings: dict) -> None:
    """Read ratings, movies and the scorer; write the exposure tables, one group for each seed."""
    scorer = None
    if "scorer_users" in inputs:
        scorer = Scorer(*(read_table(inputs[f"scorer_{which}"]) for which in ("users", "items")))
    movies, slates = read_table(inputs["movies"], ["item_id", "genres"]), settings["slates"]
    exposures = sweep_exposures(
        SlateBuilder(read_pieces(inputs["ratings"]), movies, scorer, slates),
        block_seeds(settings["seeds"]),
        size=slates["size"],
        promotion=Promotion.from_config(settings["promotion"]),
    )
    write_groups(exposures, exposure)


if "snakemake" in globals():
    with job(snakemake):
        main(dict(snakemake.input.items()), snakemake.output.exposure, snakemake.params.settings)
