"""Compare rules for which item of a slate to promote, and recommend one, if any."""

from netlift.core.left_out import leaving_out, need_made
from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_json, write_table
from netlift.models.candidate_comparison import compare_candidates
from netlift.workflow.job import job

TABLES = ("slate_items", "accounts", "slate_effects")


def main(inputs: dict[str, str], outputs: dict[str, str], settings: dict, threads: int) -> None:
    """Read items and folds; write policies over candidates and the verdict.

    Where the data do not say which items could have been promoted, the files say why.
    """
    tables, outcome = [read_table(inputs[name]) for name in TABLES], Outcome(settings["outcome"])
    with leaving_out("which item to promote", outputs.values()):
        need_made(*tables)
        compared = compare_candidates(*tables, threads=threads, **settings | {"outcome": outcome})
        for name, table in compared.tables.items():
            write_table(table, outputs[name])
        write_json(compared.verdict, outputs["candidate_verdict"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings,
            snakemake.threads,
        )
