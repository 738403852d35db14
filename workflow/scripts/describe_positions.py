"""Describe the outcome of a log by position."""

from netlift.core.tables import read_table, write_table
from netlift.logs.positions import outcome_by_position
from netlift.workflow.job import job


def main(items: str, positions: str) -> None:
    """Read items; write outcomes by position."""
    write_table(outcome_by_position(read_table(items)), positions)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.slate_items, snakemake.output.positions)
