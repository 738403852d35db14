"""Give every row of an experiment its click in one world, and the truth about it."""

from netlift.experiment import simulate_clicks
from netlift.tables import read_table, write_table
from netlift.workflow import job


def main(exposure: str, items: str, settings: dict) -> None:
    """Read the exposure table; write items."""
    write_table(
        simulate_clicks(read_table(exposure), settings["world"], seed=settings["seed"]), items
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.exposure, snakemake.output.slate_items, snakemake.params.settings)
