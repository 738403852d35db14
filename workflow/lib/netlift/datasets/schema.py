"""The two tables into which every data set is imported, as Arrow schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

RATINGS = pa.schema(
    [
        pa.field("user_id", pa.int32(), nullable=False),
        pa.field("item_id", pa.int32(), nullable=False),
        pa.field("rating", pa.float32(), nullable=False),
        pa.field("timestamp", pa.int64(), nullable=False),
    ]
)
"""One row per rating: stars (0.5 to 5.0), and seconds since 1970 UTC."""

MOVIES = pa.schema(
    [
        pa.field("item_id", pa.int32(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("year", pa.int16()),
        pa.field("genres", pa.string(), nullable=False),
    ]
)
"""One row per movie: title as published, genres joined by ``|``."""

NO_GENRES = "(no genres listed)"
"""MovieLens's text for a movie without genres."""

Progress = Callable[[str], None]
"""Called with a line of text about the progress, for the log."""


@dataclass(frozen=True)
class Dataset:
    """A data set being imported: movies as a table, ratings as a stream that is read once.

    Attributes
    ----------
    label
        The name of the ratings in messages: a file, a member of a zip, a package.
    movies
        Table of `MOVIES`, sorted by ``item_id``, which is unique.
    ratings
        Batches with the columns and types of `RATINGS`, in the order of the source. Values may
        still be missing, out of range or duplicate: `checks` detects them.
    place
        Returns the location of row ``n`` (from 0) of the ratings in the source, e.g. ``line 17``.
    """

    label: str
    movies: pa.Table
    ratings: Iterator[pa.RecordBatch]
    place: Callable[[int], str]
