"""List the sections of the analysis that a log has, and why others are missing."""

from pathlib import Path

from netlift.core.left_out import why_left_out
from netlift.core.tables import read_table, write_table
from netlift.logs.sections import sections
from netlift.workflow.job import job
from netlift.workflow.log_results import remove_undeclared


def main(path: str, declared: list[str], settings: dict) -> None:
    """Write the list; delete results that the log's entry no longer asks for."""
    reasons = {
        key: "".join(why_left_out(read_table(path)) for path in declared if path.endswith(file))
        for key, file in (
            ("no_rows", "/outcome_by_position.csv"),
            ("no_models", "/models/policies.csv"),
        )
    }
    write_table(sections(**settings, **reasons), path)
    remove_undeclared(Path(path).parent, [*declared, path])


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.output.sections,
            list(snakemake.input),
            snakemake.params.settings,
        )
