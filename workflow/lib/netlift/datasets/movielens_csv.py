"""Read ``ratings.csv`` and ``movies.csv`` in the MovieLens format.

Arrow reads the files: ratings are a stream of batches in compact types, so memory does not grow
with the file. If it fails, `diagnosis` reads the file again, slowly, to locate the line.
Extra columns are ignored, columns may come in any order, line ends may be LF or CR LF.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from netlift.core.errors import NetliftError, listed
from netlift.datasets.diagnosis import Kind, explain, line_of_row, rows_fault
from netlift.datasets.members import CheckedStream, Member
from netlift.datasets.schema import MOVIES, NO_GENRES, RATINGS, Dataset

RATING_COLUMNS: Mapping[str, Kind] = {
    "userId": "id",
    "movieId": "id",
    "rating": "number",
    "timestamp": "integer",
}
MOVIE_COLUMNS: Mapping[str, Kind] = {"movieId": "id", "title": "text", "genres": "text"}

_TYPES: Mapping[Kind, Any] = {
    "id": pa.int32(),
    "integer": pa.int64(),
    "number": pa.float32(),
    "text": pa.string(),
}
_BLOCK = 2**21
_LONGEST_HEADER = 2**16
_YEAR = re.compile(r"\((\d{4})(?:[-\u2013]\d{0,4})?\)\s*$")


def open_csv_dataset(members: Mapping[str, Member]) -> Dataset:
    """Open the data set in ``ratings.csv`` and ``movies.csv``.

    Raises
    ------
    NetliftError
        As `read_movies` does; from the stream of ratings: as `read_ratings` does.
    """
    ratings = members["ratings.csv"]
    return Dataset(
        label=ratings.label,
        movies=read_movies(members["movies.csv"]),
        ratings=read_ratings(ratings),
        place=lambda row: line_of_row(ratings, row),
    )


def read_ratings(member: Member) -> Iterator[pa.RecordBatch]:
    """Stream ``ratings.csv``.

    Yields
    ------
    Batches of `RATINGS` in the order of the file; an empty field is a null.

    Raises
    ------
    NetliftError
        The file is damaged, empty, not the published one, lacks a column, or has a value that is
        not of its column's type.
    """
    for batch in _read_csv(member, RATING_COLUMNS):
        yield pa.RecordBatch.from_arrays(batch.columns, names=RATINGS.names)


def read_movies(member: Member) -> pa.Table:
    """Read ``movies.csv``.

    Returns
    -------
    Table of `MOVIES`, sorted by ``item_id``. An empty title is a null; the year is the one in
    parentheses at the end of the title, or null; empty genres are "(no genres listed)".

    Raises
    ------
    NetliftError
        As `read_ratings` does; or a movie's id is missing, negative or duplicate.
    """
    batches = list(_read_csv(member, MOVIE_COLUMNS))
    table = pa.Table.from_batches(batches).combine_chunks()
    ids = table.column("movieId")
    _check_movie_ids(member, ids)
    titles = table.column("title").to_pylist()
    genres = [text or NO_GENRES for text in table.column("genres").to_pylist()]
    movies = pa.table(
        [
            ids,
            [title or None for title in titles],
            [year_of(title) for title in titles],
            genres,
        ],
        schema=MOVIES,
    )
    return movies.sort_by("item_id")


def year_of(title: str | None) -> int | None:
    """Return the year in parentheses at the end of a title; of a range of years, the first.

    >>> year_of("Toy Story (1995)")
    1995
    """
    match = _YEAR.search(title or "")
    return int(match[1]) if match else None


def _check_movie_ids(member: Member, ids: pa.ChunkedArray) -> None:
    if ids.null_count or pc.min(ids).as_py() < 0:
        wrong = pc.fill_null(pc.less(ids, 0), True).to_numpy()
        what = "movieId is missing or negative"
    else:
        values = ids.to_numpy()
        order = np.argsort(values, kind="stable")
        wrong = np.zeros(len(values), dtype=bool)
        wrong[order[1:]] = values[order][1:] == values[order][:-1]
        what = "movieId is the same as in an earlier row"
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise rows_fault(
            member.label, what, len(rows), line_of_row(member, int(rows[0])), ids[rows[0]].as_py()
        )


def _read_csv(member: Member, columns: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
    _check_header(member, columns)
    rows = 0
    with member.reading() as stream:
        try:
            for batch in _open_csv(stream, columns):
                rows += len(batch)
                yield batch
        except pa.ArrowInvalid as error:
            # Report a damaged file rather than the unreadable value that it causes.
            member.verify()
            raise explain(member, columns, str(error)) from error
        stream.finish()
    if not rows:
        raise NetliftError(f"{member.label}: has a header but no rows.")
    if rows != (member.rows or rows):
        raise NetliftError(f"{member.label}: has {rows:,} rows, but {member.rows:,} are published.")


def _open_csv(stream: CheckedStream, columns: Mapping[str, Kind]) -> Any:
    return pyarrow.csv.open_csv(
        pa.PythonFile(stream, mode="r"),
        read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values="text" in columns.values()),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=list(columns),
            column_types={name: _TYPES[kind] for name, kind in columns.items()},
            null_values=[""],
        ),
    )


def _check_header(member: Member, columns: Mapping[str, Kind]) -> None:
    """Raise a `NetliftError` unless the first line names each column once, as UTF-8 text."""
    with member.reading() as stream:
        start = stream.read(_LONGEST_HEADER)
        if not start:
            stream.finish()
            raise NetliftError(f"{member.label}: is empty.")
    line = start.splitlines()[0]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in line:
        raise NetliftError(f"{member.label}: is not UTF-8 text. Save it as CSV in UTF-8.")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NetliftError(
            f"{member.label}, line 1: is not UTF-8 text. Save it as CSV in UTF-8."
        ) from error
    names = next(csv.reader([text]), [])
    wrong = [name for name in columns if names.count(name) != 1]
    if wrong:
        times = "no column" if names.count(wrong[0]) == 0 else "more than one column"
        raise NetliftError(
            f"{member.label}, line 1: {times} {', '.join(wrong)}; the header is "
            f"{listed((repr(name) for name in names), limit=8)}. The first line must name the "
            f"columns {', '.join(columns)}, separated by commas."
        )
