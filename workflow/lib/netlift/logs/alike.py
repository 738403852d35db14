"""Names that differ only in how they are written: a warning, for they count as different."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netlift.logs.entries import LogEntry
from netlift.logs.problems import Problem
from netlift.logs.rows import BLANKS

if TYPE_CHECKING:
    import duckdb


def alike_names(con: duckdb.DuckDBPyConnection, log: LogEntry, used: str) -> Iterator[Problem]:
    """Yield clusters, blocks, items and users that differ only in how they are written.

    That is by case, blanks, Unicode form or ``.0``.

    Parameters
    ----------
    con
        With the view ``rows`` and the table ``slates``.
    log
        The log's entry.
    used
        The rows that are used, in SQL.
    """
    columns = {role: log.columns.get(role) for role in ("cluster", "block", "item", "user")}
    if log.items is not None:
        columns["cluster"] = log.items.cluster
    types = dict(con.execute("SELECT column_name, column_type FROM (DESCRIBE rows)").fetchall())
    for role, column in columns.items():
        if column is None or types[role] != "VARCHAR":
            continue
        counted = f"SELECT {role} AS value, count(*) AS n FROM {used} GROUP BY 1"
        if role == "user":  # slates are fewer than rows
            counted = "SELECT user_id AS value, sum(n_items) AS n FROM slates GROUP BY 1"
        found = con.execute(
            f"SELECT min(value), max(value), count(*), sum(n) FROM ({counted}) "
            f"WHERE value IS NOT NULL GROUP BY {_written('value')} HAVING count(*) > 1 "
            "ORDER BY 4 DESC, 1"
        ).fetchall()
        if found:
            examples = [f"{column} is {low!r} and {high!r}" for low, high, *_ in found[:3]]
            if len(found) > len(examples):
                examples.append(f"and {len(found) - len(examples):,} more")
            rows = sum(int(n) for *_, n in found)
            yield Problem("alike_names", column, rows, None, tuple(examples))


def _written(value: str) -> str:
    """Return a name as it would be written alike by all programs."""
    return f"regexp_replace(lower(trim(nfc_normalize({value}), {BLANKS})), '\\.0+$', '')"
