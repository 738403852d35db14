"""Estimate the effects of delivered promotions, where a log records the delivery."""

from netlift.core.tables import read_table, write_table
from netlift.effects.delivered import delivered_effects
from netlift.effects.slate_accounts import SlateAccounts
from netlift.workflow.job import job


def main(accounts: str, path: str, settings: dict) -> None:
    """Read slate accounts; write the effects of the draw and of delivered promotions."""
    compared = SlateAccounts.from_table(read_table(accounts), settings["main_estimator"])
    write_table(delivered_effects(compared, units=settings["units"]), path)


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.accounts,
            snakemake.output.delivered_effects,
            snakemake.params.settings,
        )
