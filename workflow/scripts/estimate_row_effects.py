"""Estimate effects on item rows: observed effects with their bootstrap, and spillover."""

from netlift.row_effects import observed_effects, spillover_sensitivity, spillover_support
from netlift.tables import read_table, write_table
from netlift.workflow import job


def main(items: str, outputs: dict[str, str], settings: dict) -> None:
    """Read items; write observed effects, bootstrap draws and the spillover tables."""
    table = read_table(items)
    near = settings["near_positions"]
    effects, draws = observed_effects(
        table, seed=settings["seed"], bootstrap_draws=settings["bootstrap_draws"]
    )
    tables = {
        "observed_effects": effects,
        "bootstrap_draws": draws,
        "spillover_support": spillover_support(table, near_positions=near),
        "spillover_sensitivity": spillover_sensitivity(table, near_positions=near),
    }
    for name, path in outputs.items():
        write_table(tables[name], path)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.input.slate_items, dict(snakemake.output.items()), snakemake.params.settings)
