"""Describe the outcome of a log by position."""

from netlift.core.left_out import leaving_out, need_made
from netlift.core.tables import read_table, write_table
from netlift.logs.positions import outcome_by_position
from netlift.workflow.job import job


def main(items: str, positions: str) -> None:
    """Read items; write outcomes by position."""
    rows = read_table(items)
    with leaving_out("outcomes by position", [positions]):
        need_made(rows)
        write_table(outcome_by_position(rows), positions)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.slate_items, snakemake.output.positions)
