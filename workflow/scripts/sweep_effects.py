"""Run one world on a block of seeds, and keep the ledger and the conclusions of each."""

from netlift.core.tables import read_groups, read_optional, write_table
from netlift.studies.sweep import sweep_block
from netlift.workflow.job import job
from netlift.worlds.item_similarity import item_similarity


def main(inputs: dict[str, str], outputs: dict[str, str], settings: dict) -> None:
    """Read the exposure tables of a block; write its rows of the sweep."""
    entry = settings["world"]
    tables = (read_optional(inputs.get(name)) for name in ("movies", "scorer_items"))
    effects, conclusions = sweep_block(
        read_groups(inputs["exposure"]),
        entry,
        item_similarity(entry, *tables),
        size=settings["size"],
        world=settings["name"],
        main_estimator=settings["main_estimator"],
    )
    write_table(effects, outputs["effects"])
    write_table(conclusions, outputs["conclusions"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
