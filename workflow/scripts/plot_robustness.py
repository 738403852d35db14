"""Draw which conclusions hold in which world."""

from netlift.core.tables import read_table
from netlift.figures.drawing.saving import save_figure
from netlift.figures.robustness import robustness_matrix
from netlift.workflow.job import job


def main(robustness: str, figure: str, source: str) -> None:
    """Read the conclusions of all worlds; write the figure."""
    save_figure(robustness_matrix(read_table(robustness), source=source), figure)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.robustness, snakemake.output.figure, snakemake.wildcards.slate_set)
