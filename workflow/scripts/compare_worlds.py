"""Compare the conclusions of all worlds: which hold, and in how many."""

from netlift.core.tables import read_table, write_table
from netlift.effects.conclusions import robustness, robustness_statements
from netlift.workflow.job import job


def main(conclusions: dict[str, str], outputs: dict[str, str]) -> None:
    """Read the conclusions of each world; write them together, and statements over worlds."""
    table = robustness({world: read_table(path) for world, path in conclusions.items()})
    write_table(table, outputs["robustness"])
    write_table(robustness_statements(table), outputs["world_decisions"])


if "snakemake" in globals():
    with job(snakemake):
        worlds = snakemake.params.settings["worlds"]
        main(
            dict(zip(worlds, snakemake.input.conclusions, strict=True)),
            dict(snakemake.output.items()),
        )
