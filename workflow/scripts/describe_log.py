"""Write the page of a log without a promotion: what it contains, shows and lacks."""

from pathlib import Path

from netlift.core.tables import written_whole
from netlift.report.gathering import gather
from netlift.report.pages import described_page
from netlift.workflow.job import job


def main(name: str, settings: dict, page: str) -> None:
    """Read the tables of a log; write its page."""
    text = described_page(gather(name, settings))
    with written_whole(page) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


if "snakemake" in globals():
    with job(snakemake):
        main(
            f"logs/{snakemake.wildcards.log}",
            snakemake.params.settings,
            snakemake.output.page,
        )
