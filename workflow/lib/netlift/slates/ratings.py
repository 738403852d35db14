"""Ratings that are too many for one table: compact arrays as columns, and pieces of whole users.

A *piece* is a part of the rating table: arrays of one length by column name. Pieces come in the
order of the table, which is sorted by user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from netlift.core.streams import blocks

ROWS_AT_ONCE = 1 << 20
"""Ratings processed at a time in steps that make copies: copies of all would take most memory."""

Columns = Mapping[str, Any]
"""Arrays of one length by column name; a pandas table serves as well."""


def stretches(n: int) -> Iterator[slice]:
    """Yield the slices of ``n`` rows that are processed at a time, in order."""
    return (rows for _, rows in blocks(n, ROWS_AT_ONCE))


def coded(ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Number users or items by their ids.

    The same as ``np.unique`` with ``return_inverse``, but by hashing and in half the memory.

    Parameters
    ----------
    ids
        Ids, shape (n,).

    Returns
    -------
    The distinct ids, ascending, and the number of each of ``ids`` among them, shape (n,).
    """
    encoded = pa.array(ids).dictionary_encode()
    distinct = encoded.dictionary.to_numpy()
    order = np.argsort(distinct)
    number = np.empty(len(order), dtype=np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return distinct[order], number[encoded.indices.to_numpy()]


class Gathering:
    """Columns that grow piece by piece, without more memory than they need in the end."""

    def __init__(self) -> None:
        self.columns: dict[str, NDArray[Any]] = {}

    def add(self, piece: Columns, rows: slice | NDArray[np.bool_] = slice(None)) -> None:
        """Add the rows of a piece; all pieces have the same columns."""
        for name in piece:
            values = np.asarray(piece[name])[rows]
            column = self.columns.setdefault(name, np.empty(0, dtype=values.dtype))
            n_before = len(column)
            # The system moves a large array without copying it; joining parts holds them twice.
            column.resize(n_before + len(values), refcheck=False)
            column[n_before:] = values


def gathered(pieces: Iterable[Columns]) -> dict[str, NDArray[Any]]:
    """Put pieces together."""
    whole = Gathering()
    for piece in pieces:
        whole.add(piece)
    return whole.columns


def whole_users(pieces: Iterable[Columns]) -> Iterator[dict[str, NDArray[Any]]]:
    """Split pieces again, so that all ratings of a user are in the same one.

    Parameters
    ----------
    pieces
        With ``user_id``, sorted by it.
    """
    kept = Gathering()
    for piece in pieces:
        user = np.asarray(piece["user_id"])
        if not len(user):
            continue
        last = int(np.searchsorted(user, user[-1]))
        if last:
            kept.add(piece, slice(0, last))
            yield kept.columns
            kept = Gathering()
        kept.add(piece, slice(last, None))
    if kept.columns:
        yield kept.columns


def training_rows(ratings: Columns, share: float) -> NDArray[np.bool_]:
    """Mark the first ``share`` of each user's ratings by time, rounded down, at least one.

    Parameters
    ----------
    ratings
        ``user_id``, ``item_id`` and ``timestamp``, sorted by user; at least one. Equal times are
        ordered by ``item_id``.
    share
        Between 0 and 1.
    """
    user, item, time = (np.asarray(ratings[name]) for name in ("user_id", "item_id", "timestamp"))
    is_first = np.append(True, user[1:] != user[:-1])
    first, code = np.flatnonzero(is_first), np.cumsum(is_first) - 1
    n_training = np.floor(share * np.diff(first, append=len(user)) + 1e-9).astype(np.int64)
    n_training = np.maximum(n_training, 1)
    # One number for user and time: sorting values is far faster than ordering rows.
    start = int(time.min())
    key = code * (int(time.max()) - start + 1) + (time - start)
    last = np.sort(key)[first + n_training - 1][code]
    train = key < last
    tied = np.flatnonzero(key == last)
    tied = tied[np.lexsort((item[tied], code[tied]))]
    owner = code[tied]
    room = n_training - np.bincount(code[train], minlength=len(first))
    train[tied[np.arange(len(tied)) - np.searchsorted(owner, owner) < room[owner]]] = True
    return train


def split_by_time(
    pieces: Iterable[Columns], share: float, columns: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Split ratings into each user's first ``share``, for training, and the rest.

    Parameters
    ----------
    pieces
        With ``user_id``, ``item_id`` and ``timestamp``, sorted by user.
    share
        As in `training_rows`.
    columns
        Columns to keep.

    Returns
    -------
    Training and held-out ratings.
    """
    training, held_out = Gathering(), Gathering()
    for piece in whole_users(pieces):
        train = training_rows(piece, share)
        kept = {name: piece[name] for name in columns}
        training.add(kept, train)
        held_out.add(kept, ~train)
    return training.columns, held_out.columns
