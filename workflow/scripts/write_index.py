"""Write the list of all studies and logs whose pages are in the results folder."""

from pathlib import Path

from netlift.core.tables import written_whole
from netlift.report.index import gather_index
from netlift.report.pages import index_page
from netlift.workflow.job import job


def main(page: str) -> None:
    """Read the verdicts that exist; write the list."""
    with written_whole(page) as temporary:
        text = index_page(gather_index(Path(page).parent))
        Path(temporary).write_text(text, encoding="utf-8")


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.output.page)
