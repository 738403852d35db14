"""Write a data set as files in the MovieLens format, for tests and benchmarks."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from netlift.core.tables import written_whole
from netlift.datasets.schema import Dataset

RATINGS_HEADER = b"userId,movieId,rating,timestamp\n"
MOVIES_HEADER = ("movieId", "title", "genres")
_HALF_STARS = pa.array([f"{half / 2:.1f}" for half in range(11)])


@dataclass
class FileFacts:
    """What is published about a file: its size, its MD5, its number of rows."""

    bytes: int
    md5: str
    rows: int


class _Counted(io.RawIOBase):
    """A sink that forwards bytes and records their number and MD5."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self.bytes = 0
        self.md5 = hashlib.md5(usedforsecurity=False)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sink.write(data)
        self.md5.update(data)
        self.bytes += len(data)
        return len(data)


def write_movielens(dataset: Dataset, path: str | Path) -> dict[str, FileFacts]:
    """Write ``ratings.csv`` and ``movies.csv`` in the MovieLens format.

    Parameters
    ----------
    dataset
        What to write; its ratings are half stars. The stream is consumed.
    path
        A zip, if the name ends in ``.zip`` (the files are then in a folder of the same name inside
        it, as in published zips); otherwise a folder.

    Returns
    -------
    The facts of each file, by name.
    """
    path = Path(path)
    if path.suffix != ".zip":
        return _write_files(dataset, lambda name: _in_folder(path, name))
    with (
        written_whole(path) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
    ):
        return _write_files(dataset, lambda name: _in_zip(archive, f"{path.stem}/{name}"))


@contextmanager
def _in_folder(folder: Path, name: str) -> Iterator[IO[bytes]]:
    with written_whole(folder / name) as temporary, temporary.open("wb") as sink:
        yield sink


def _in_zip(archive: zipfile.ZipFile, name: str) -> AbstractContextManager[IO[bytes]]:
    member = zipfile.ZipInfo(name)  # dated 1980, so that the same data give the same bytes
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return archive.open(member, "w", force_zip64=True)


def _write_files(
    dataset: Dataset, open_sink: Callable[[str], AbstractContextManager[IO[bytes]]]
) -> dict[str, FileFacts]:
    facts = {}
    with open_sink("ratings.csv") as raw:
        sink = _Counted(raw)
        rows = _write_ratings(dataset, sink)
        facts["ratings.csv"] = FileFacts(sink.bytes, sink.md5.hexdigest(), rows)
    with open_sink("movies.csv") as raw:
        sink = _Counted(raw)
        sink.write(_movies_text(dataset.movies).encode("utf-8"))
        facts["movies.csv"] = FileFacts(sink.bytes, sink.md5.hexdigest(), len(dataset.movies))
    return facts


def _write_ratings(dataset: Dataset, sink: _Counted) -> int:
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    sink.write(RATINGS_HEADER)
    rows = 0
    for batch in dataset.ratings:
        halves = np.rint(batch.column("rating").to_numpy() * 2).astype(np.int8)
        stars = _HALF_STARS.take(pa.array(halves))
        text = batch.set_column(2, "rating", stars)
        # Arrow writes in small pieces; one large piece at a time compresses faster.
        piece = io.BytesIO()
        pyarrow.csv.write_csv(text, piece, options)
        sink.write(piece.getbuffer())
        rows += len(batch)
    return rows


def _movies_text(movies: pa.Table) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(MOVIES_HEADER)
    columns = [movies.column(name).to_pylist() for name in ("item_id", "title", "genres")]
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue()
