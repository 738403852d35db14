"""FINN.no slates (Eide, Leslie, Frigessi and others 2021): searches and recommendations.

``data.npz`` holds, for U users and T interactions of each: ``userId`` (U), ``slate`` (U, T, K) the
items shown, ``click`` (U, T) the item clicked, ``interaction_type``, ``slate_lengths`` and
``click_idx`` (U, T). Items 0 and 1 are not items: 0 is padding, 1 means no click.
``itemattr.npz``, if it is in the same folder, holds ``category``, by item.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netlift.core.errors import NetliftError

if TYPE_CHECKING:
    import pyarrow as pa

FILLER, NO_CLICK = 0, 1
USERS_AT_ONCE = 20_000

_NEEDED = ("userId", "slate", "click")


def slate_items(source: Path) -> Iterator[pa.Table]:
    """Yield item rows: slate, user, item, cluster, position, clicks.

    Parameters
    ----------
    source
        ``data.npz``, or its folder.

    Raises
    ------
    NetliftError
        The file does not exist, or lacks an array.
    """
    path = source / "data.npz" if source.is_dir() else source
    if not path.is_file():
        raise NetliftError(f"{path}: no such file; FINN.no slates are published as data.npz")
    with np.load(path) as arrays:
        missing = [name for name in _NEEDED if name not in arrays]
        if missing:
            raise NetliftError(f"{path}: no array {', '.join(missing)}")
        users, slates, clicks = (arrays[name] for name in _NEEDED)
    category = _categories(path.with_name("itemattr.npz"))
    for start in range(0, len(users), USERS_AT_ONCE):
        part = slice(start, start + USERS_AT_ONCE)
        yield _rows(users[part], slates[part], clicks[part], category, start)


def _categories(path: Path) -> NDArray[np.int64] | None:
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        return np.asarray(arrays["category"], dtype=np.int64) if "category" in arrays else None


def _rows(
    users: NDArray[np.int64],
    slates: NDArray[np.int64],
    clicks: NDArray[np.int64],
    category: NDArray[np.int64] | None,
    first: int,
) -> pa.Table:
    import pyarrow as pa

    shown = (slates > NO_CLICK) & (clicks != FILLER)[:, :, None]
    user, step, index = np.nonzero(shown)
    item = slates[user, step, index]
    position = np.cumsum(shown, axis=2)[user, step, index]
    columns = {
        "slate": (first + user).astype(np.int64) * slates.shape[1] + step,
        "user": users[user],
        "item": item,
        "position": position.astype(np.int32),
        "clicks": (item == clicks[user, step]).astype(np.int8),
    }
    if category is not None:
        columns["cluster"] = category[item]
    return pa.table(columns)
