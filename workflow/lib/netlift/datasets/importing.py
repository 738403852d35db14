"""Import one entry of ``config/datasets.yaml`` as two Parquet files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from netlift.core.errors import NetliftError
from netlift.core.tables import written_whole
from netlift.datasets.checks import RatingChecks, pair_keys
from netlift.datasets.schema import RATINGS, Dataset, Progress

ROWS_PER_GROUP = 2**20
_SECONDS_BETWEEN_LINES = 5.0
_ENCODING = {"item_id": "DELTA_BINARY_PACKED", "timestamp": "DELTA_BINARY_PACKED"}


def import_dataset(
    name: str,
    entry: Mapping[str, Any],
    *,
    archives: str | Path | None = None,
    downloads: str | Path,
    progress: Progress = lambda line: None,
) -> Dataset:
    """Open the data set that an entry of ``config/datasets.yaml`` describes.

    Parameters
    ----------
    name
        Name of the entry, for messages.
    entry
        The entry; its keys are checked by ``workflow/schemas/datasets.schema.json``.
    archives
        A folder that may contain published archives; it is only read.
    downloads
        The folder to which archives are downloaded.
    progress
        Called with a line of text now and then during long steps.

    Returns
    -------
    The movies, and the ratings as a stream; `write_dataset` reads and checks it.

    Raises
    ------
    NetliftError
        The data set does not exist, cannot be downloaded, or is not the expected one.
    """
    match entry["kind"]:
        case "package":
            from netlift.datasets.package import open_package

            return open_package(name, entry)
        case "archive":
            from netlift.datasets.archive import open_archive

            return open_archive(name, entry, archives, downloads, progress)
        case "folder":
            from netlift.datasets.members import folder_members
            from netlift.datasets.movielens_csv import open_csv_dataset

            return open_csv_dataset(folder_members(entry["path"]))
        case "synthetic":
            from netlift.datasets.synthetic import Population, simulate

            keys = ("users", "items", "ratings", "rated_items", "seed")
            return simulate(Population(**{key: int(entry[key]) for key in keys if key in entry}))
        case kind:
            raise NetliftError(f"{name}: unknown kind of data set {kind!r}.")


def write_dataset(
    dataset: Dataset,
    ratings_path: str | Path,
    movies_path: str | Path,
    *,
    progress: Progress = lambda line: None,
) -> int:
    """Check a data set while it is read, and write both of its tables or neither.

    Parameters
    ----------
    dataset
        From `import_dataset`; its stream is consumed.
    ratings_path, movies_path
        Paths of the tables. Ratings are sorted by user, then item; movies by item.
    progress
        Called with a line of text every few seconds.

    Returns
    -------
    The number of ratings.

    Raises
    ------
    NetliftError
        At least one rating has a fault; neither table is written.
    """
    checks = RatingChecks(dataset)
    report = _Reporter(progress)
    with written_whole(ratings_path) as ratings, written_whole(movies_path) as movies:
        with _RatingsWriter(ratings) as writer:
            for batch in dataset.ratings:
                writer.add(checks.add(batch))
                report(checks.rows)
        if not checks.in_order:
            progress("Sorting the ratings by user and item")
            _sort_ratings(ratings, checks)
        checks.finish()
        pq.write_table(dataset.movies, movies, compression="zstd")
    progress(f"{checks.rows:,} ratings of {len(dataset.movies):,} movies")
    return checks.rows


class _Reporter:
    """Reports every few seconds how many ratings have been read."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._next = time.monotonic() + _SECONDS_BETWEEN_LINES

    def __call__(self, rows: int) -> None:
        if time.monotonic() >= self._next:
            self._progress(f"{rows:,} ratings read")
            self._next = time.monotonic() + _SECONDS_BETWEEN_LINES


class _RatingsWriter:
    """Writes batches of `RATINGS` to a Parquet file in row groups of equal size."""

    def __init__(self, path: Path) -> None:
        self._pending: list[pa.RecordBatch] = []
        self._rows = 0
        self._writer = pq.ParquetWriter(
            path,
            RATINGS,
            compression="zstd",
            use_dictionary=["user_id", "rating"],
            column_encoding=_ENCODING,
        )

    def __enter__(self) -> _RatingsWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and self._pending:
            self._flush(self._rows)
        self._writer.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch, and write all full row groups."""
        self._pending.append(batch)
        self._rows += len(batch)
        if self._rows >= ROWS_PER_GROUP:
            self._flush(self._rows - self._rows % ROWS_PER_GROUP)

    def _flush(self, rows: int) -> None:
        table = pa.Table.from_batches(self._pending)
        self._writer.write_table(table.slice(0, rows), row_group_size=ROWS_PER_GROUP)
        self._pending = table.slice(rows).to_batches()
        self._rows -= rows


def _sort_ratings(path: Path, checks: RatingChecks) -> None:
    """Sort a file of ratings by user, then item, in memory, and record duplicate ratings."""
    ratings = pq.read_table(path)
    users, items = (ratings.column(name).to_numpy() for name in ("user_id", "item_id"))
    keys = pair_keys(users, items)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    duplicates = order[1:][keys[1:] == keys[:-1]]
    if len(duplicates):
        first = int(duplicates.min())
        checks.note_twice(duplicates, (users[first], items[first]))
    with _RatingsWriter(path) as writer:
        for start in range(0, len(order), ROWS_PER_GROUP):
            part = ratings.take(order[start : start + ROWS_PER_GROUP])
            for batch in part.combine_chunks().to_batches():
                writer.add(batch)
