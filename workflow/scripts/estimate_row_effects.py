"""Estimate effects on item rows, with errors clustered, and judge the conclusions."""

from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.effects.conclusions import conclusions
from netlift.effects.item_level import item_level_claim
from netlift.effects.leakage import leakage
from netlift.effects.observed import observed_effects
from netlift.effects.spillover import spillover_sensitivity, spillover_support
from netlift.workflow.job import job


def main(items: str, accounts: str, outputs: dict[str, str], settings: dict) -> None:
    """Read items and accounts; write what is estimated on item rows, and the conclusions."""
    table = read_table(items)
    near, outcome = settings["near_positions"], Outcome(settings["outcome"])
    effects, draws = observed_effects(
        table, seed=settings["seed"], bootstrap_draws=settings["bootstrap_draws"]
    )
    tables = {
        "observed_effects": effects,
        "bootstrap_draws": draws,
        "conclusions": conclusions(table, read_table(accounts)),
        "spillover_support": spillover_support(table, near_positions=near),
        "spillover_sensitivity": spillover_sensitivity(
            table,
            near_positions=near,
            seed=settings["seed"],
            bootstrap_draws=settings["bootstrap_draws"],
        ),
        "leakage": leakage(table, near_positions=near),
        "item_level_claim": item_level_claim(table, outcome=outcome),
    }
    for name, path in outputs.items():
        write_table(outcome.in_units(tables[name]), path)


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.slate_items,
            snakemake.input.accounts,
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
