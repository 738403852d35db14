"""Write a simulated experiment as a team's log."""

from netlift.core.tables import read_table, write_table
from netlift.logs.example import COLUMNS, example_log
from netlift.workflow.job import job


def main(items: str, log: str) -> None:
    """Read items; write the log."""
    write_table(example_log(read_table(items, list(COLUMNS.values()))), log)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.slate_items, snakemake.output.example)
