"""Import one data set: ratings and movies, checked, as Parquet."""

import logging
import os

from netlift.datasets.importing import import_dataset, write_dataset
from netlift.workflow.job import job


def main(
    ratings: str, movies: str, name: str, entry: dict, archives: str | None, downloads: str
) -> None:
    """Read the data set that an entry of the config describes; write its two tables."""
    progress = logging.getLogger("netlift.progress").info
    dataset = import_dataset(name, entry, archives=archives, downloads=downloads, progress=progress)
    write_dataset(dataset, ratings, movies, progress=progress)


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.output.ratings,
            snakemake.output.movies,
            **snakemake.params.settings,
            # The folder of archives does not change the result: not a setting that is tracked.
            archives=os.environ.get("NETLIFT_ARCHIVES"),
        )
