"""Write the front page: experiments of the study, and its sweep, validation and logs."""

from pathlib import Path

from netlift.core.tables import written_whole
from netlift.report.front import gather_front
from netlift.report.pages import front_page
from netlift.workflow.job import job


def main(settings: dict, page: str) -> None:
    """Read the results that exist; write the front page."""
    front = gather_front(
        settings["experiments"],
        settings["slate_sets"],
        settings["grids"],
        settings["dataset"],
        logs=settings["logs"],
        state=settings["ran_beside"],
        root=page.removesuffix("results/report/index.html") or ".",
    )
    with written_whole(page) as temporary:
        Path(temporary).write_text(front_page(front, settings["entry"]), encoding="utf-8")


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.params.settings, snakemake.output.page)
