"""The two tables that every data set ends in, as Arrow schemas."""

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
"""MovieLens's own words for a movie without genres."""

Progress = Callable[[str], None]
"""Takes one line of progress for the log."""


@dataclass(frozen=True)
class Dataset:
    """A data set on its way in: movies as a table, ratings as a stream that is read once.

    Attributes
    ----------
    label
        What the ratings are called in messages: a file, a member of a zip, a package.
    movies
        Table of `MOVIES`, sorted by ``item_id``, which is unique.
    ratings
        Batches with the columns and types of `RATINGS`, in the order of the source. Values may
        still be missing, out of range or doubled: `checks` finds them.
    place
        Says where row ``n`` (from 0) of the ratings stands in the source, as in ``line 17``.
    """

    label: str
    movies: pa.Table
    ratings: Iterator[pa.RecordBatch]
    place: Callable[[int], str]
