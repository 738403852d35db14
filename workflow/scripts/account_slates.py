"""Sum the outcomes of slate items to one row per slate."""

from netlift.core.tables import read_table, write_table
from netlift.effects.accounts import slate_outcomes
from netlift.workflow.job import job


def main(items: str, accounts: str) -> None:
    """Read items; write slate accounts."""
    write_table(slate_outcomes(read_table(items)), accounts)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.slate_items, snakemake.output.accounts)
