"""Run randomization tests for spillover, and check the design in the same way."""

from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.effects.design_checks import design_diagnostics
from netlift.effects.randomization_tests import randomization_tests
from netlift.workflow.job import job


def main(items: str, accounts: str, outputs: dict[str, str], settings: dict) -> None:
    """Read items and accounts; write the tests and the diagnostics."""
    outcome = Outcome(settings["outcome"])
    tests = randomization_tests(read_table(items), **settings | {"outcome": outcome})
    draws = {key: settings[key] for key in ("permutations", "seed")}
    diagnostics = outcome.in_units(design_diagnostics(read_table(accounts), **draws))
    write_table(tests, outputs["randomization_tests"])
    write_table(diagnostics, outputs["design_diagnostics"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.slate_items,
            snakemake.input.accounts,
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
