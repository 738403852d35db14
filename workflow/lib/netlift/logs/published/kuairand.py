"""KuaiRand (Gao and others 2022): a video feed in which some videos were replaced at random.

``log_*.csv``: ``user_id``, ``video_id``, ``date``, ``hourmin``, ``time_ms``, ``is_click``,
``play_time_ms``, ``is_rand``, ``tab`` and other signals. The feed has no pages: what a user saw in
one tab within one minute is treated as a slate, in order of time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from netlift.logs.published.sql import published_rows

if TYPE_CHECKING:
    import pyarrow as pa

_NEEDED = ("user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "play_time_ms", "tab")

_ROWS = """
SELECT dense_rank() OVER (ORDER BY user_id, date, hourmin, tab) AS slate, user_id AS user,
    video_id AS item,
    row_number() OVER (PARTITION BY user_id, date, hourmin, tab ORDER BY time_ms, video_id)
        AS position,
    is_click AS clicks, play_time_ms / 60000.0 AS minutes
FROM {rows} ORDER BY slate, position
"""


def slate_items(source: Path) -> Iterator[pa.Table]:
    """Yield item rows: slate, user, item, position, clicks, minutes played.

    Parameters
    ----------
    source
        A CSV file of the data set, such as ``log_random_4_22_to_5_08_pure.csv``.

    Raises
    ------
    NetliftError
        The file does not exist, or lacks a column.
    """
    yield from published_rows(source, _NEEDED, _ROWS)
