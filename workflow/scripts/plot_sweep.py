"""Draw what a sweep over seeds, slate sizes and worlds says."""

from netlift.core.tables import read_table
from netlift.figures.drawing.saving import save_figure
from netlift.figures.sweep_conclusions import sweep_conclusions
from netlift.figures.sweep_distribution import sweep_distribution
from netlift.figures.sweep_estimates import sweep_estimates
from netlift.workflow.job import job


def main(effects: str, shares: str, figures: dict[str, str], source: str) -> None:
    """Read the sweep's tables; write its figures."""
    rows = read_table(effects)
    save_figure(sweep_estimates(rows, source=source), figures["sweep_estimates"])
    save_figure(sweep_distribution(rows, source=source), figures["sweep_distribution"])
    figure = sweep_conclusions(read_table(shares), source=source)
    save_figure(figure, figures["sweep_conclusions"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.effects,
            snakemake.input.shares,
            dict(snakemake.output.items()),
            f"{snakemake.wildcards.dataset}/sweep",
        )
