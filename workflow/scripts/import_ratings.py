"""Import one data set: ratings and movies, checked, as Parquet."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.datasets.importing import import_dataset, write_dataset

if TYPE_CHECKING:
    from snakemake.script import Snakemake

    snakemake: Snakemake


def main(
    ratings_path: str | Path,
    movies_path: str | Path,
    name: str,
    entry: Mapping[str, Any],
    archives: str | Path | None,
    downloads: str | Path,
) -> None:
    """Import the data set ``name``, as ``entry`` of the config describes it."""
    progress = logging.getLogger("netlift").info
    dataset = import_dataset(
        name, entry, archives=archives, downloads=downloads, progress=progress
    )
    write_dataset(dataset, ratings_path, movies_path, progress=progress)


if "snakemake" in globals():
    settings = snakemake.params.settings
    main(
        snakemake.output.ratings,
        snakemake.output.movies,
        settings["name"],
        settings["entry"],
        # Where archives lie says nothing of what is in them: not a setting, so not tracked.
        os.environ.get("NETLIFT_ARCHIVES"),
        settings["downloads"],
    )
