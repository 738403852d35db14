"""Draw figures from the tables that settings name, each by the function of its name."""

from importlib import import_module

from netlift.core.left_out import why_left_out
from netlift.core.tables import read_json, read_table
from netlift.figures.drawing.left_out import left_out
from netlift.figures.drawing.saving import save_figure
from netlift.figures.drawing.text import drawn_outcome
from netlift.workflow.job import job


def main(tables: dict[str, str], figures: dict[str, str], settings: dict) -> None:
    """Read the tables; write the figures.

    Parameters
    ----------
    tables
        Files by name.
    figures
        SVG files to write, by name.
    settings
        ``figures``: the module and the names of the tables of each; ``source``: what they show;
        ``outcome``: the unit of the outcome, for figures that need it.
    """
    options = {"source": settings["source"]}
    if "outcome" in settings:
        options["outcome"] = drawn_outcome(settings["outcome"])
    for name, drawing in settings["figures"].items():
        draw = getattr(import_module(f"netlift.figures.{drawing['module']}"), name)
        files = [tables[table] for table in drawing["tables"]]
        read = [read_json(file) if file.endswith(".json") else read_table(file) for file in files]
        reason = next(filter(None, map(why_left_out, read)), "")
        figure = (
            left_out(name.replace("_", " ").capitalize(), reason, source=settings["source"])
            if reason
            else draw(*read, **options)
        )
        save_figure(figure, figures[name])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
