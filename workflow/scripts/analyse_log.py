"""List the sections of the analysis that a log has, and why others are missing."""

from pathlib import Path

from netlift.core.tables import write_table
from netlift.logs.sections import sections
from netlift.workflow.job import job
from netlift.workflow.log_results import remove_undeclared


def main(path: str, declared: list[str], settings: dict) -> None:
    """Write the list; delete results that the log's entry no longer asks for."""
    write_table(sections(**settings), path)
    remove_undeclared(Path(path).parent, [*declared, path])


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.output.sections,
            list(snakemake.input),
            snakemake.params.settings,
        )
