"""Open Bandit Dataset (Saito, Aihara, Matsutani and Narita 2021): items shown at three positions.

A CSV of a policy and campaign: ``timestamp``, ``item_id``, ``position`` (1 left, 2 center,
3 right), ``click``, ``propensity_score``, user features. A row is one item at one position;
which three were shown together is not published, so each row is a slate of one item and one user.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from netlift.logs.published.sql import published_rows

if TYPE_CHECKING:
    import pyarrow as pa

_NEEDED = ("item_id", "position", "click")


def slate_items(source: Path) -> Iterator[pa.Table]:
    """Yield item rows: slate, item, position, clicks.

    Parameters
    ----------
    source
        A CSV file of the data set, such as ``random/all/all.csv``.

    Raises
    ------
    NetliftError
        The file does not exist, or lacks a column.
    """
    yield from published_rows(
        source,
        _NEEDED,
        "SELECT row_number() OVER () AS slate, item_id AS item, position, click AS clicks "
        "FROM {rows}",
    )
