"""Compare the promotions of a study: what each gains and takes, in each world."""

from netlift.core.tables import read_table, write_table
from netlift.effects.promotions import compare_promotions, promotion_statements
from netlift.workflow.job import job


def main(summaries: list[str], outputs: dict[str, str], settings: dict) -> None:
    """Read the summary of each experiment; write them side by side, and statements over worlds."""
    names = [tuple(pair) for pair in settings["experiments"]]
    tables = map(read_table, summaries)
    table = compare_promotions(dict(zip(names, tables, strict=True)), settings["phrases"])
    write_table(table, outputs["promotions"])
    write_table(promotion_statements(table), outputs["promotion_statements"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            list(snakemake.input.summaries),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
