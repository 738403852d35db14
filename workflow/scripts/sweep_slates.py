"""Build slates and draw promotions for a block of seeds, as for single experiments."""

import logging

from netlift.core.errors import NetliftError
from netlift.core.tables import read_pieces, read_table, write_groups
from netlift.promotion.exposure import assign_promotion
from netlift.promotion.record import Promotion
from netlift.slates.builder import SlateBuilder
from netlift.slates.scorer import Scorer
from netlift.studies.seed_blocks import block_seeds
from netlift.studies.sweep import name_failures
from netlift.workflow.job import job


def main(inputs: dict, exposure: str, settings: dict) -> None:
    """Read ratings, movies and the scorer; write the exposure tables, one group for each seed."""
    scorer = None
    if inputs["scorer_users"]:
        scorer = Scorer(*(read_table(inputs[f"scorer_{which}"]) for which in ("users", "items")))
    movies = read_table(inputs["movies"], ["item_id", "genres"])
    builder = SlateBuilder(read_pieces(inputs["ratings"]), movies, scorer, settings["slates"])
    promotion = Promotion(**settings["promotion"])
    failures: dict[int, str] = {}

    def exposures():
        for seed in block_seeds(settings["seeds"]):
            try:
                slates = builder.slates(settings["slates"]["size"], seed)
                yield assign_promotion(slates, promotion, seed=seed).assign(seed=seed)
            except NetliftError as error:
                failures[seed] = str(error)
                logging.getLogger("netlift").error("seed %s: %s", seed, error)
        name_failures(failures)

    write_groups(exposures(), exposure)


if "snakemake" in globals():
    with job(snakemake):
        main(dict(snakemake.input.items()), snakemake.output.exposure, snakemake.params.settings)
