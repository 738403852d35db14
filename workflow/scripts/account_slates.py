"""Sum the outcomes of slate items to one row per slate."""

from netlift.accounts import slate_outcomes
from netlift.tables import read_table, write_table
from netlift.workflow import job


def main(items: str, accounts: str) -> None:
    """Read items; write slate accounts."""
    write_table(slate_outcomes(read_table(items)), accounts)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.slate_items, snakemake.output.accounts)
