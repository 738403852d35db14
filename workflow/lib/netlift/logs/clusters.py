"""The table of items: the clusters of a log's items, and whether it is about these items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netlift.logs.entries import ItemsTable, LogEntry, file_format
from netlift.logs.opening import check_counts, open_files
from netlift.logs.problems import Problem, first_line, refusal
from netlift.logs.source import FILE, first_row, name

if TYPE_CHECKING:
    import duckdb

FEW = 0.5
"""A table of items that has fewer of the log's items is refused, or accepted explicitly."""


def load_clusters(
    con: duckdb.DuckDBPyConnection, log: LogEntry, folder: Path
) -> tuple[Problem, ...]:
    """Create the table ``clusters`` from the table of items; return warnings of its columns.

    Raises
    ------
    LogRefusedError
        The file cannot be read, a column is missing or duplicate, or an item appears twice.
    """
    assert log.items is not None, "the entry has a table of items"
    table: ItemsTable = log.items
    delimiter = table.delimiter or log.delimiter
    columns = list(dict.fromkeys([table.item, table.cluster]))
    kind = file_format(table.path)
    source = open_files(con, [table.path], kind, delimiter, columns, folder)
    import duckdb

    try:
        con.execute(
            f"CREATE TABLE clusters AS SELECT CAST({name(table.item)} AS VARCHAR) AS item_key, "
            f"NULLIF(CAST({name(table.cluster)} AS VARCHAR), '') AS cluster_of_item, "
            f"{name(FILE)} FROM {source.sql}"
        )
    except duckdb.Error as error:
        cause = f"{table.path}: {first_line(error)}"
        raise refusal([Problem("unreadable_file", examples=(cause,))]) from error
    check_counts(con, source, "clusters")
    duplicates = con.execute(
        "SELECT item_key, count(*) FROM clusters GROUP BY 1 HAVING count(*) > 1 ORDER BY 1"
    ).fetchall()
    if duplicates:
        examples = tuple(f"item {key}: {count} rows" for key, count in duplicates[:3])
        total = sum(count for _, count in duplicates)
        raise refusal([Problem("duplicate_in_items_table", table.item, total, examples=examples)])
    return source.warnings


def match_problem(con: duckdb.DuckDBPyConnection, log: LogEntry) -> Problem | None:
    """Return the problem that the table of items has no or few items of the log, if so.

    The view ``rows`` and the table ``clusters`` must exist.
    """
    if log.items is None:
        return None
    con.execute(
        "CREATE OR REPLACE TEMP TABLE log_items AS SELECT item::VARCHAR AS item_key, "
        "count(*) AS n FROM rows WHERE item IS NOT NULL GROUP BY 1"
    )
    joined = "FROM log_items LEFT JOIN clusters USING (item_key)"
    total, rows, found, with_rows = first_row(
        con,
        f"SELECT count(*), sum(n), count(clusters.item_key), "
        f"coalesce(sum(n) FILTER (clusters.item_key IS NOT NULL), 0) {joined}",
    )
    if not total or found >= FEW * total:
        return None
    unmatched = _sample(con, f"{joined} WHERE clusters.item_key IS NULL")
    known = _sample(con, "FROM clusters WHERE item_key IS NOT NULL")
    examples = (
        f"of {total:,} items in the log, {found:,} are in {log.items.path}; rows with them: "
        f"{with_rows:,} of {rows:,}",
        f"items of the log that are not in it: {unmatched}",
        f"items in it: {known}{_cause(con, total)}",
    )
    code = "few_items_match" if found else "no_item_matches"
    return Problem(code, log.items.item, int(rows - with_rows), examples=examples)


def _sample(con: duckdb.DuckDBPyConnection, source: str) -> str:
    rows = con.execute(f"SELECT item_key {source} ORDER BY 1 LIMIT 3").fetchall()
    return ", ".join(repr(row[0]) for row in rows) or "none"


def _cause(con: duckdb.DuckDBPyConnection, total: int) -> str:
    """Return in words why no item matches, where another way of writing them would match."""
    ways = {
        "ids in the table are numbers with a decimal point: store them as whole numbers or text":
            "regexp_replace(item_key, '\\.0+$', '')",
        "ids differ in spaces around them": "trim(item_key)",
        "ids differ in capitals": "lower(item_key)",
        "ids differ in zeros before them": "ltrim(item_key, '0')",
    }  # fmt: skip
    for cause, changed in ways.items():
        matches = first_row(
            con,
            f"SELECT count(*) FROM (SELECT {changed} AS k FROM log_items) "
            f"SEMI JOIN (SELECT {changed} AS k FROM clusters) USING (k)",
        )[0]
        if matches >= FEW * total:
            return f" ({cause})"
    return ""
