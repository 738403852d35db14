"""Fit the scorer to each user's earlier ratings and judge it on the later ones."""

from netlift.scorer import fit_scorer, scorer_accuracy, training_rows
from netlift.tables import read_table, write_table
from netlift.workflow import job


def main(ratings: str, users: str, items: str, accuracy: str, settings: dict) -> None:
    """Read ratings; write the scorer's user and item tables and its held-out accuracy."""
    table = read_table(ratings)
    train = training_rows(table, settings["train_share"])
    scorer = fit_scorer(table[train], settings)
    write_table(scorer.users, users)
    write_table(scorer.items, items)
    write_table(scorer_accuracy(scorer, table[~train]), accuracy)


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
