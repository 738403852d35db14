"""Draw one focal item and one promotion per slate, and map every row's exposure."""

from netlift.core.tables import read_table, write_table
from netlift.promotion.exposure import assign_promotion
from netlift.promotion.record import Promotion
from netlift.workflow.job import job


def main(slates: str, exposure: str, *, seed: int, **promotion) -> None:
    """Read slates; write the exposure table."""
    write_table(
        assign_promotion(read_table(slates), Promotion.from_config(promotion), seed=seed), exposure
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.slates, snakemake.output.exposure, **snakemake.params.settings)
