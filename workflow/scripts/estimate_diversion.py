"""Estimate who pays for promotions: the diversion matrices of one experiment."""

from netlift.core.left_out import leaving_out, need_made
from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.effects.diversion import diversion_with_covariance
from netlift.workflow.job import job


def main(items: str, outputs: dict[str, str], settings: dict) -> None:
    """Read items; write the matrices, and the joint covariance of their rows."""
    table, outcome = read_table(items), Outcome(settings["outcome"])
    options = {name: settings[name] for name in ("bands", "min_slates")}
    with leaving_out("the diversion matrices", outputs.values()):
        need_made(table)
        matrices, covariance = map(outcome.in_units, diversion_with_covariance(table, **options))
        write_table(matrices, outputs["diversion"])
        write_table(covariance, outputs["diversion_covariance"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.slate_items,
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
