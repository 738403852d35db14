"""Draw what stands behind the effects of one experiment: estimators, shares, tests and checks."""

from netlift.core.tables import read_table
from netlift.figures.diagnostics import design_diagnostics
from netlift.figures.drawing.saving import save_figure
from netlift.figures.drawing.text import drawn_outcome
from netlift.figures.estimators import estimators
from netlift.figures.item_level import item_level_claim
from netlift.figures.leakage import leakage
from netlift.figures.randomization import randomization_tests
from netlift.figures.segments import segments
from netlift.figures.shares import shares
from netlift.workflow.job import job


def main(tables: dict[str, str], figures: dict[str, str], settings: dict) -> None:
    """Read the tables of inference; write the figures."""
    said = {"source": settings["source"], "outcome": drawn_outcome(settings["outcome"])}
    drawn = {
        "estimators": (estimators, ["component_effects", "component_covariance"]),
        "shares": (shares, ["shares"]),
        "randomization_tests": (randomization_tests, ["randomization_tests"]),
        "leakage": (leakage, ["leakage"]),
        "design_diagnostics": (design_diagnostics, ["design_diagnostics", "power"]),
        "item_level_claim": (item_level_claim, ["item_level_claim"]),
        "segments": (segments, ["segments", "heterogeneity"]),
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
