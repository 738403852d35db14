"""Estimate everything that slate accounts alone can say."""

from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.effects.ledger import (
    additivity_checks,
    component_covariance,
    component_effects,
    component_support,
)
from netlift.effects.power_table import power_table
from netlift.effects.product import product_summary
from netlift.effects.risk import risk_by_cluster, risk_by_position
from netlift.effects.segments import segments
from netlift.effects.shares import shares
from netlift.workflow.job import job


def main(accounts: str, outputs: dict[str, str], settings: dict) -> None:
    """Read slate accounts; write the tables of the ledger."""
    table = read_table(accounts)
    min_slates, units = settings["min_slates"], settings["units"]
    outcome = Outcome(units["observed_clicks"])
    by_segment, heterogeneity = segments(
        table,
        min_slates=min_slates,
        seed=settings["seed"],
        bootstrap_draws=settings["bootstrap_draws"],
        outcome=outcome,
    )
    tables = {
        "component_support": component_support(table),
        "component_effects": component_effects(table),
        "additivity_checks": additivity_checks(table),
        "component_covariance": component_covariance(table, units=units),
        "shares": shares(table),
        "product_summary": product_summary(table, outcome=outcome),
        "risk_by_position": outcome.in_units(risk_by_position(table, min_slates=min_slates)),
        "risk_by_cluster": outcome.in_units(risk_by_cluster(table, min_slates=min_slates)),
        "segments": by_segment,
        "heterogeneity": heterogeneity,
        "power": outcome.in_units(power_table(table, effects=settings["power_effects"])),
    }
    for name, path in outputs.items():
        write_table(tables[name], path)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.accounts, dict(snakemake.output.items()), snakemake.params.settings)
