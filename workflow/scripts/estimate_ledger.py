"""Estimate everything that needs only slate accounts."""

from netlift.core.tables import read_table, write_table
from netlift.effects.account_tables import account_tables
from netlift.workflow.job import job


def main(accounts: str, outputs: dict[str, str], settings: dict) -> None:
    """Read slate accounts; write the tables of the ledger."""
    tables = account_tables(read_table(accounts), **settings)
    for name, path in outputs.items():
        write_table(tables[name], path)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.accounts, dict(snakemake.output.items()), snakemake.params.settings)
