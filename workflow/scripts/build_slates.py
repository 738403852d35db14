"""Build the slates of one size and seed."""

from netlift.catalog import item_clusters
from netlift.scorer import Scorer, training_rows
from netlift.slates import history_slates, scorer_slates
from netlift.tables import read_table, write_table
from netlift.workflow import job


def main(
    ratings: str, movies: str, scorer_tables: tuple[str, str] | None, slates: str, settings: dict
) -> None:
    """Read ratings, movies and, for the builder scorer, its tables; write slates."""
    table = read_table(ratings)
    clusters = item_clusters(read_table(movies, ["item_id", "genres"]), settings["clusters"])
    common = {key: settings[key] for key in ("n_slates", "size", "seed", "max_per_user")}
    if scorer_tables is None:
        built = history_slates(table, clusters, **common, **settings["history"])
    else:
        own = dict(settings["scorer"])
        training = table[training_rows(table, own.pop("train_share"))]
        scorer = Scorer(*(read_table(path) for path in scorer_tables))
        built = scorer_slates(training, scorer, clusters, **common, **own)
    write_table(built, slates)


if "snakemake" in globals():
    with job(snakemake):
        given = snakemake.input
        settings = snakemake.params.settings
        uses_scorer = settings["builder"] == "scorer"
        main(
            given.ratings,
            given.movies,
            (given.scorer_users, given.scorer_items) if uses_scorer else None,
            snakemake.output.slates,
            settings,
        )
