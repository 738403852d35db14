"""Checks that every rating must pass, whatever kind of data set it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from netlift.core.errors import NetliftError
from netlift.datasets.diagnosis import rows_fault
from netlift.datasets.schema import RATINGS, Dataset

LOWEST, HIGHEST = 0.5, 5.0
"""The range of ratings, in stars."""

LAST_SECOND = 253_402_300_799
"""The end of the year 9999: a larger value is in milliseconds, or not a time."""

TWICE = "the user has already rated this movie"

_CSV_NAMES = {
    "user_id": "userId",
    "item_id": "movieId",
    "rating": "rating",
    "timestamp": "timestamp",
}
"""The names of the columns in messages."""

Mask = NDArray[np.bool_]


@dataclass
class _Finding:
    """Rows with the same fault: how many, and the first (from 0) with its value."""

    rows: int
    first: int
    value: object


class RatingChecks:
    """Checks ratings batch by batch, counts faults, and reports them at the end.

    Parameters
    ----------
    dataset
        The data set of the ratings, with the known movies.

    Attributes
    ----------
    rows
        Ratings seen so far.
    in_order
        Whether all of them came sorted by user, then item. If not, duplicate ratings are reported
        through `note_twice`, after sorting.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._known = dataset.movies.column("item_id").to_numpy()
        self._findings: dict[str, _Finding] = {}
        self._last_key = np.iinfo(np.int64).min
        self.rows = 0
        self.in_order = True

    def add(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Check a batch.

        Returns
        -------
        The same ratings with the types of `RATINGS`. Missing values are replaced by zero; `finish`
        raises the error.
        """
        columns: dict[str, NDArray[Any]] = {}
        for name in RATINGS.names:
            column = batch.column(name)
            if column.null_count:
                missing = column.is_null().to_numpy(zero_copy_only=False)
                self._note(f"{_CSV_NAMES[name]} is missing", missing, lambda _row: "")
                column = column.fill_null(0)
            columns[name] = column.to_numpy()
        users, items, stars, times = columns.values()
        self._note("userId is negative", users < 0, users.item)
        self._note("movieId has no row in the movies", ~np.isin(items, self._known), items.item)
        on_scale = (stars >= LOWEST) & (stars <= HIGHEST)
        self._note(
            f"rating is outside {LOWEST} to {HIGHEST}",
            ~on_scale,
            lambda row: float(f"{stars[row]:g}"),
        )
        in_seconds = (times >= 0) & (times <= LAST_SECOND)
        self._note("timestamp is not in seconds since 1970", ~in_seconds, times.item)
        self._check_order(users, items)
        self.rows += len(batch)
        return pa.RecordBatch.from_arrays([pa.array(c) for c in columns.values()], schema=RATINGS)

    def note_twice(self, rows: NDArray[np.int64], pair: tuple[int, int]) -> None:
        """Record duplicate ratings: those of a movie that the user has already rated.

        Parameters
        ----------
        rows
            Their row numbers in the source, counted from 0. At least one row.
        pair
            User and item of the first of them.
        """
        self._findings[TWICE] = _Finding(len(rows), int(rows.min()), _pair_text(*pair))

    def finish(self) -> None:
        """Raise the error for the first fault, if there is any.

        Raises
        ------
        NetliftError
            At least one row has a fault, or there are no rows. The message names the fault of the
            first such row, and how many rows have the same fault.
        """
        if not self.rows:
            raise NetliftError(f"{self._dataset.label}: no ratings.")
        if not self._findings:
            return
        what, finding = min(self._findings.items(), key=lambda pair: pair[1].first)
        location = self._dataset.place(finding.first)
        raise rows_fault(self._dataset.label, what, finding.rows, location, finding.value)

    def _note(self, what: str, wrong: Mask, value_of: Any) -> None:
        """Record the rows of this batch that have a fault."""
        if not wrong.any():
            return
        row = int(wrong.argmax())
        finding = self._findings.setdefault(what, _Finding(0, self.rows + row, value_of(row)))
        finding.rows += int(wrong.sum())

    def _check_order(self, users: NDArray[np.int32], items: NDArray[np.int32]) -> None:
        if not self.in_order or not len(users):
            return
        keys = pair_keys(users, items)
        before = np.concatenate(([self._last_key], keys[:-1]))
        self._last_key = keys[-1]
        self.in_order = not (keys < before).any()
        self._note(TWICE, keys == before, lambda row: _pair_text(int(users[row]), int(items[row])))


def pair_keys(users: NDArray[np.int32], items: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return one number per (user, item), ordered by user, then item. Items are not negative."""
    keys: NDArray[np.int64] = users.astype(np.int64) << 32
    keys |= items
    return keys


def _pair_text(user: int, item: int) -> str:
    return f"user {user}, movie {item}"
