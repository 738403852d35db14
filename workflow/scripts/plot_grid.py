"""Draw the heat maps of a sensitivity grid."""

from netlift.core.tables import read_table
from netlift.figures.drawing.saving import save_figure
from netlift.figures.grid import grid_heat_maps
from netlift.workflow.job import job


def main(grid: str, figure: str, parameters: list[str], source: str) -> None:
    """Read a grid; write its heat maps."""
    save_figure(grid_heat_maps(read_table(grid), parameters, source=source), figure)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.grid, snakemake.output.figure, **snakemake.params.settings)
