"""Fit the scorer to each user's earlier ratings and evaluate it on the later ones."""

from netlift.core.tables import read_pieces, write_table
from netlift.slates.ratings import split_by_time
from netlift.slates.scorer import fit_scorer, scorer_accuracy
from netlift.workflow.job import job


def main(ratings: str, users: str, items: str, accuracy: str, settings: dict) -> None:
    """Read ratings; write the scorer's user and item tables and its held-out accuracy."""
    columns = ["user_id", "item_id", "rating"]
    training, held_out = split_by_time(read_pieces(ratings), settings["train_share"], columns)
    scorer = fit_scorer(training, settings)
    del training
    write_table(scorer.users, users)
    write_table(scorer.items, items)
    write_table(scorer_accuracy(scorer, held_out), accuracy)


if "snakemake" in globals():
    with job(snakemake):
        out = snakemake.output
        main(
            snakemake.input.ratings,
            out.scorer_users,
            out.scorer_items,
            out.accuracy,
            snakemake.params.settings,
        )
