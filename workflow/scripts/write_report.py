"""Write the page of one experiment, and its decision for programs."""

from pathlib import Path

from netlift.core.tables import write_json, written_whole
from netlift.report.decision import decision
from netlift.report.gathering import gather
from netlift.report.pages import experiment_page
from netlift.workflow.job import job
from netlift.workflow.log_results import remove_other_verdicts


def main(name: str, settings: dict, movies: str | None, page: str, decision_file: str) -> None:
    """Read all results of an experiment; write the page and the decision."""
    # If results are in a bucket, this is the folder in which Snakemake keeps local copies.
    root = page.removesuffix(f"results/{name}/report.html") or "."
    experiment = gather(name, settings, root=root, movies=movies)
    decided = decision(experiment)
    write_json(decided, decision_file)
    with written_whole(page) as temporary:
        Path(temporary).write_text(experiment_page(experiment), encoding="utf-8")
    if experiment.is_log:
        remove_other_verdicts(Path(page).parent, decided["verdict"]["in_words"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.wildcards.experiment,
            snakemake.params.settings,
            snakemake.input.movies or None,
            snakemake.output.page,
            snakemake.output.decision,
        )
