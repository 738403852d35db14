"""Build the slates of one size and seed."""

from netlift.core.tables import read_pieces, read_table, write_table
from netlift.slates.builder import SlateBuilder
from netlift.slates.scorer import Scorer
from netlift.workflow.job import job


def main(
    ratings: str, movies: str, scorer_tables: tuple[str, str] | None, slates: str, settings: dict
) -> None:
    """Read ratings, movies and, for the builder scorer, its tables; write slates."""
    scorer = None if scorer_tables is None else Scorer(*(read_table(t) for t in scorer_tables))
    builder = SlateBuilder(
        read_pieces(ratings), read_table(movies, ["item_id", "genres"]), scorer, settings
    )
    write_table(builder.slates(settings["size"], settings["seed"]), slates)


if "snakemake" in globals():
    with job(snakemake):
        inputs = snakemake.input
        settings = snakemake.params.settings
        uses_scorer = settings["builder"] == "scorer"
        main(
            inputs.ratings,
            inputs.movies,
            (inputs.scorer_users, inputs.scorer_items) if uses_scorer else None,
            snakemake.output.slates,
            settings,
        )
