"""State in sentences what the effects of one experiment show."""

from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.effects.decisions import decision_statements
from netlift.workflow.job import job


def main(product: str, spillover: str, segments: str, decisions: str, unit: str) -> None:
    """Read the tables of effects; write one statement per topic."""
    tables = (read_table(path) for path in (product, spillover, segments))
    write_table(decision_statements(*tables, outcome=Outcome(unit)), decisions)


if "snakemake" in globals():
    with job(snakemake):
        inputs = snakemake.input
        main(
            inputs.product_summary,
            inputs.spillover_sensitivity,
            inputs.segments,
            snakemake.output.decision_statements,
            snakemake.params.settings["outcome"],
        )
