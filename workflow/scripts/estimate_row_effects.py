"""Estimate effects on item rows, with clustered errors, and evaluate the conclusions."""

from netlift.core.left_out import leaving_out, need_made
from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.effects.row_tables import row_tables
from netlift.workflow.job import job


def main(items: str, accounts: str, outputs: dict[str, str], settings: dict) -> None:
    """Read items and accounts; write what is estimated on item rows, and the conclusions."""
    settings = settings | {"outcome": Outcome(settings["outcome"])}
    experiment = (read_table(items), read_table(accounts))
    with leaving_out("effects on item rows", outputs.values()):
        need_made(*experiment)
        tables = row_tables(*experiment, **settings)
        for name, path in outputs.items():
            write_table(tables[name], path)


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.slate_items,
            snakemake.input.accounts,
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
