"""Compare the variants of a log with several arms: with control, and with each other."""

from netlift.core.left_out import why_left_out
from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.effects.arm_statements import arm_statements
from netlift.effects.several_arms import arm_tests, arms_table, contrasts
from netlift.workflow.job import job


def main(
    accounts: list[str], arms: str, tests: list[str], outputs: dict[str, str], settings: dict
) -> None:
    """Read the accounts and the tests of each variant, in its order; write the comparison."""
    variants = settings["variants"]
    tables = {name: read_table(file) for name, file in zip(variants, accounts, strict=True)}
    numbers = {name: number for number, name in enumerate(variants, start=1)}
    compared = contrasts(tables, read_table(arms), numbers)
    effects = arms_table(compared, units=settings["units"])
    write_table(effects, outputs["arms"])
    made = zip(variants, map(read_table, tests), strict=False)
    tested = {name: table for name, table in made if not why_left_out(table)}
    draws = {key: settings[key] for key in ("permutations", "seed", "studentized")}
    write_table(arm_tests(compared, tested, **draws), outputs["arm_tests"])
    outcome = Outcome(settings["units"]["observed_clicks"])
    write_table(arm_statements(effects, settings["phrases"], outcome), outputs["arm_statements"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            list(snakemake.input.accounts),
            snakemake.input.arm_slates,
            list(snakemake.input.tests),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
