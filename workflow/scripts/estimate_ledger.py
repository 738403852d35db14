"""Estimate everything that slate accounts alone can say."""

from netlift.ledger import additivity_checks, component_effects, component_support
from netlift.product import product_summary, risk_by_cluster, risk_by_position
from netlift.tables import read_table, write_table
from netlift.workflow import job


def main(accounts: str, outputs: dict[str, str], settings: dict) -> None:
    """Read slate accounts; write the tables of the ledger."""
    table = read_table(accounts)
    min_slates = settings["min_slates"]
    tables = {
        "component_support": component_support(table),
        "component_effects": component_effects(table),
        "additivity_checks": additivity_checks(table),
        "product_summary": product_summary(table),
        "risk_by_position": risk_by_position(table, min_slates=min_slates),
        "risk_by_cluster": risk_by_cluster(table, min_slates=min_slates),
    }
    for name, path in outputs.items():
        write_table(tables[name], path)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.accounts, dict(snakemake.output.items()), snakemake.params.settings)
