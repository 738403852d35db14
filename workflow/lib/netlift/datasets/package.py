"""Ratings inside an installed Python package: real data without a download.

The package is located without being imported, and its data file is unpickled only if its SHA-256
is the pinned one: unpickling can run arbitrary code.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from netlift.core.errors import NetliftError
from netlift.datasets.schema import MOVIES, RATINGS, Dataset

if TYPE_CHECKING:
    import pandas as pd

RATING_COLUMNS = {
    "userId": "user_id",
    "movieId": "item_id",
    "rating": "rating",
    "timestamp": "timestamp",
}
MOVIE_COLUMNS = {"movieId": "item_id", "title": "title", "year": "year", "genres": "genres"}
_REMEDY = "Install the packages again as requirements.txt pins them."


def open_package(name: str, entry: Mapping[str, Any]) -> Dataset:
    """Open the data set in a file of an installed package.

    Parameters
    ----------
    name, entry
        An entry of kind ``package``: the package, its version, the file in it (an xz-compressed
        pickle of one data frame, a row per rating), and the file's SHA-256.

    Raises
    ------
    NetliftError
        The package is not installed or has another version, or its file is not the pinned one.
    """
    path = _find(name, entry)
    return _as_dataset(_load_frame(path, entry["sha256"]), str(path))


def _find(name: str, entry: Mapping[str, Any]) -> Path:
    package: str = entry["package"]
    version: str = entry["package_version"]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NetliftError(
            f"{name}: the Python package {package} {version} is not installed. {_REMEDY}"
        )
    installed = importlib.metadata.version(package)
    if installed != version:
        raise NetliftError(
            f"{name}: the Python package {package} has version {installed}, required is {version}. "
            f"{_REMEDY}"
        )
    path = Path(spec.submodule_search_locations[0], entry["file"])
    if not path.is_file():
        raise NetliftError(f"{name}: {package} {version} has no file {entry['file']}. {_REMEDY}")
    return path


def _load_frame(path: Path, sha256: str) -> pd.DataFrame:
    packed = path.read_bytes()
    actual = hashlib.sha256(packed).hexdigest()
    if actual != sha256:
        raise NetliftError(f"{path}: its SHA-256 is {actual}, required is {sha256}. {_REMEDY}")
    import pandas as pd

    try:
        frame: pd.DataFrame = pd.read_pickle(io.BytesIO(lzma.decompress(packed)), compression=None)
    except Exception as error:  # unpickling may raise anything
        raise NetliftError(
            f"{path}: cannot be read by pandas {pd.__version__} ({error}). {_REMEDY}"
        ) from error
    missing = [column for column in RATING_COLUMNS | MOVIE_COLUMNS if column not in frame]
    if missing:
        raise NetliftError(f"{path}: no column {', '.join(missing)}.")
    return frame


def _as_dataset(frame: pd.DataFrame, label: str) -> Dataset:
    """Split a table with a row per rating into ratings and movies."""
    frame = frame.reset_index(drop=True)
    ratings = frame[list(RATING_COLUMNS)].rename(columns=RATING_COLUMNS)
    movies = frame[list(MOVIE_COLUMNS)].rename(columns=MOVIE_COLUMNS)
    movies = movies.drop_duplicates("item_id").sort_values("item_id")
    for column in ("title", "genres"):  # factors, where the file comes from R
        movies[column] = movies[column].astype(object)
    movies["year"] = movies["year"].astype("Int16")
    order = np.lexsort((ratings["item_id"], ratings["user_id"]))
    table = pa.Table.from_pandas(ratings.iloc[order], RATINGS, preserve_index=False)
    return Dataset(
        label=label,
        movies=pa.Table.from_pandas(movies, MOVIES, preserve_index=False),
        ratings=iter(table.to_batches()),
        place=lambda row: f"row {order[row] + 1:,}",
    )
