"""Draw the replicates of one case in one world, and estimate each."""

from netlift.core.tables import read_optional, read_table, write_json, write_table
from netlift.promotion.record import Promotion
from netlift.studies.validation_case import validate_case
from netlift.workflow.job import job
from netlift.worlds.item_similarity import item_similarity


def main(inputs: dict[str, str], outputs: dict[str, str], settings: dict) -> None:
    """Read slates; write the estimates and tests of every replicate."""
    tables = (read_optional(inputs.get(name)) for name in ("movies", "scorer_items"))
    similarity = item_similarity(settings["world"], *tables)
    promotion = Promotion.from_config(settings["promotion"])
    results = validate_case(
        read_table(inputs["slates"]), similarity, **settings | {"promotion": promotion}
    )
    for name in ("ledgers", "tests", "policies", "segments"):
        write_table(getattr(results, name), outputs[name])
    write_json(results.facts, outputs["facts"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
