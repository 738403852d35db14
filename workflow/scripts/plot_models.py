"""Draw what outcome models and effect models say of one experiment, and which rule to ship."""

from netlift.core.tables import read_json, read_table
from netlift.figures.aipw import aipw
from netlift.figures.drawing.saving import save_figure
from netlift.figures.drawing.text import drawn_outcome
from netlift.figures.feature_importance import feature_importance
from netlift.figures.outcome_models import outcome_models
from netlift.figures.policies import policies
from netlift.figures.who_gains import who_gains
from netlift.workflow.job import job


def main(tables: dict[str, str], figures: dict[str, str], settings: dict) -> None:
    """Read the tables of models and policies, and the verdict; write the figures."""
    said = {"source": settings["source"], "outcome": drawn_outcome(settings["outcome"])}
    drawn = {
        "outcome_models": (outcome_models, ["outcome_models", "calibration"]),
        "feature_importance": (feature_importance, ["feature_importance"]),
        "aipw": (aipw, ["aipw", "observed_effects"]),
        "who_gains": (who_gains, ["heterogeneity", "toc"]),
    }
    for name, (draw, needed) in drawn.items():
        figure = draw(*(read_table(tables[table]) for table in needed), **said)
        save_figure(figure, figures[name])
    verdict = read_json(tables["verdict"])
    figure = policies(read_table(tables["policies"]), verdict, **said)
    save_figure(figure, figures["policies"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
