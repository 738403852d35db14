"""Draw whether estimates, intervals, tests and verdicts kept their promises."""

from netlift.core.tables import read_table
from netlift.figures.drawing.saving import save_figure
from netlift.figures.validation_bias import validation_bias
from netlift.figures.validation_coverage import validation_coverage
from netlift.figures.validation_policies import validation_policies
from netlift.figures.validation_tests import validation_tests
from netlift.workflow.job import job


def main(tables: dict[str, str], figures: dict[str, str], source: str) -> None:
    """Read the tables of the validation; write its figures."""
    drawn = {
        "validation_coverage": (validation_coverage, "coverage"),
        "validation_bias": (validation_bias, "coverage"),
        "validation_tests": (validation_tests, "tests"),
        "validation_policies": (validation_policies, "policies"),
    }
    for name, (draw, table) in drawn.items():
        save_figure(draw(read_table(tables[table]), source=source), figures[name])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            f"{snakemake.wildcards.dataset}/validation",
        )
