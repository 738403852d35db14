"""Draw the effects of one experiment: observed, as a ledger, by definition and by segment."""

from netlift.core.tables import read_table
from netlift.figures.drawing.saving import save_figure
from netlift.figures.drawing.text import drawn_outcome
from netlift.figures.effects import observed_effects
from netlift.figures.ledger import decomposition
from netlift.figures.risk import risk
from netlift.figures.spillover import spillover_sensitivity
from netlift.workflow.job import job


def main(tables: dict[str, str], figures: dict[str, str], settings: dict) -> None:
    """Read the tables of effects; write the figures."""
    said = {"source": settings["source"], "outcome": drawn_outcome(settings["outcome"])}
    drawn = {
        "observed_effects": (observed_effects, ["observed_effects", "bootstrap_draws"]),
        "decomposition": (decomposition, ["component_effects"]),
        "spillover_sensitivity": (
            spillover_sensitivity,
            ["spillover_sensitivity", "spillover_support"],
        ),
        "risk": (risk, ["risk_by_position", "risk_by_cluster"]),
    }
    for name, (draw, needed) in drawn.items():
        figure = draw(*(read_table(tables[table]) for table in needed), **said)
        save_figure(figure, figures[name])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
