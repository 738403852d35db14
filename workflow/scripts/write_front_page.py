"""Write the front page of a study: its experiments, and its sweep, validation and logs."""

from pathlib import Path

from netlift.core.tables import write_json, written_whole
from netlift.report.front import answers, gather_front
from netlift.report.pages import front_page
from netlift.workflow.job import job

GATHERED = ("arms", "over_promotions", "over_worlds", "grids", "sweeps", "validations")
GATHERED += ("logs", "arm_logs")


def main(settings: dict, page: str, verdict: str) -> None:
    """Read the results that exist; write the front page, and its headline for the index."""
    study = settings["study"]
    front = gather_front(
        settings["experiments"],
        **{name: settings[name] for name in GATHERED},
        state=settings.get("other_results"),
        root=page.removesuffix(f"results/studies/{study}/index.html") or ".",
    )
    with written_whole(page) as temporary:
        text = front_page(front, study, settings["entry"])
        Path(temporary).write_text(text, encoding="utf-8")
    write_json({"study": study, "headline": answers(front)[0]}, verdict)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.params.settings, snakemake.output.page, snakemake.output.verdict)
