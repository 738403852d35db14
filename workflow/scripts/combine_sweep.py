"""Combine the blocks of a sweep, and summarize estimates and conclusions."""

from netlift.core.tables import read_table, write_table
from netlift.studies.sweep_summary import combined, conclusion_shares, sweep_summary
from netlift.workflow.job import job


def main(effects: list[str], conclusions: list[str], outputs: dict[str, str]) -> None:
    """Read the blocks; write the sweep's tables."""
    rows = combined(read_table(path) for path in effects)
    evaluated = combined(read_table(path) for path in conclusions)
    write_table(rows, outputs["sweep_effects"])
    write_table(evaluated, outputs["sweep_conclusions"])
    write_table(sweep_summary(rows), outputs["sweep_summary"])
    write_table(conclusion_shares(evaluated), outputs["conclusion_shares"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.effects,
            snakemake.input.conclusions,
            dict(snakemake.output.items()),
        )
