"""Run randomization tests for spillover, and check the design in the same way."""

from netlift.core.left_out import leaving_out, need_made, why_left_out
from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.effects.design_checks import design_diagnostics
from netlift.effects.randomization_tests import randomization_tests
from netlift.workflow.job import job


def main(items: str, accounts: str, outputs: dict[str, str], settings: dict) -> None:
    """Read items and accounts; write the tests and the diagnostics."""
    rows, slates = read_table(items), read_table(accounts)
    outcome = Outcome(settings["outcome"])
    draws = {key: settings[key] for key in ("permutations", "seed")}
    with leaving_out("randomization tests", [outputs["randomization_tests"]]):
        need_made(rows)
        tests = randomization_tests(rows, **settings | {"outcome": outcome})
        write_table(tests, outputs["randomization_tests"])
    known = None if why_left_out(rows) else rows
    with leaving_out("checks of the design", [outputs["design_diagnostics"]]):
        diagnostics = outcome.in_units(design_diagnostics(slates, items=known, **draws))
        write_table(diagnostics, outputs["design_diagnostics"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.slate_items,
            snakemake.input.accounts,
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
