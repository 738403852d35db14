"""Compare policies, and recommend which slates to promote, if any."""

from netlift.core.left_out import leaving_out, need_made
from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_json, write_table
from netlift.models.policy_comparison import compare_policies
from netlift.workflow.job import job

TABLES = ("slate_items", "accounts", "slate_effects", "aipw", "who_gains")


def main(inputs: dict[str, str], outputs: dict[str, str], settings: dict) -> None:
    """Read items and the models' results for slates; write policies and the verdict."""
    tables, outcome = [read_table(inputs[name]) for name in TABLES], Outcome(settings["outcome"])
    with leaving_out("policies", outputs.values()):
        need_made(*tables)
        compared = compare_policies(*tables, **settings | {"outcome": outcome})
        write_table(compared.policies, outputs["policies"])
        write_table(compared.slate_policies, outputs["slate_policies"])
        write_json(compared.verdict, outputs["verdict"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
