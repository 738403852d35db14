"""Opening a log with DuckDB: CSV, Parquet, folders of them, a DuckDB file, or a query."""

from __future__ import annotations

import csv
import difflib
import gzip
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from netlift.core.errors import NetliftError, listed
from netlift.logs.entries import ItemsTable, LogEntry

if TYPE_CHECKING:
    import duckdb
from netlift.logs.problems import Problem, first_line, refusal

_STAGED = ".log-"
"""Prefix of temporary folders."""


@dataclass(frozen=True)
class Source:
    """Where rows come from, in SQL.

    Attributes
    ----------
    sql
        The expression after FROM.
    types
        Column name -> DuckDB type; all VARCHAR for CSV.
    is_text
        Whether values are text, as in CSV, so that their types are to be found.
    """

    sql: str
    types: dict[str, str]
    is_text: bool = False


@contextmanager
def connection(
    *, memory_mb: int, threads: int, folder: Path
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a DuckDB connection whose tables are on disk, in a temporary folder that is removed.

    Parameters
    ----------
    memory_mb
        Memory limit of DuckDB; beyond it, DuckDB writes to the folder.
    threads
        Number of threads.
    folder
        Where the temporary folder is created; created if it does not exist.
    """
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f"{_STAGED}*"):
        shutil.rmtree(leftover)  # left by a process that was killed
    with TemporaryDirectory(prefix=_STAGED, dir=folder) as temporary:
        con = duckdb.connect(str(Path(temporary) / "netlift_work.duckdb"))
        try:
            con.execute(f"SET memory_limit = '{memory_mb}MB'")
            con.execute(f"SET threads = {threads}")
            con.execute(f"SET temp_directory = {text(str(Path(temporary) / 'spill'))}")
            con.execute("SET enable_progress_bar = false")
            con.execute("SET preserve_insertion_order = false")
            yield con
        finally:
            con.close()


def name(column: str) -> str:
    """Quote a name for SQL."""
    return '"' + column.replace('"', '""') + '"'


def text(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"


def first_row(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """Return the first row of a query that has one."""
    return con.execute(sql).fetchall()[0]


def open_source(con: duckdb.DuckDBPyConnection, log: LogEntry) -> Source:
    """Open a log and check its header.

    Raises
    ------
    LogRefusedError
        A file cannot be read, or columns are missing or duplicate; one message lists all.
    """
    files, columns = log.data_files(), log.needed_columns
    try:
        if log.format == "duckdb":
            source = _database(con, log, files)
        elif log.format == "parquet":
            source = _parquet(con, files)
        else:
            return _csv(files, log.delimiter, columns)
    except NetliftError:
        raise
    except Exception as error:
        raise refusal([Problem("unreadable_file", examples=(first_line(error),))]) from error
    _refuse_missing(columns, source)
    return source


def _refuse_missing(columns: list[str], source: Source) -> None:
    missing = [_missing(column, list(source.types), 0) for column in columns]
    problems = [problem for problem in missing if problem is not None]
    if problems:
        raise refusal(problems)


def _described(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, str]:
    rows = con.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
    return {row[0]: row[1] for row in rows}


def _parquet(con: duckdb.DuckDBPyConnection, files: list[str]) -> Source:
    hive = ", hive_partitioning = true" if any("=" in file for file in files) else ""
    names = ", ".join(text(file) for file in files)
    sql = f"read_parquet([{names}], union_by_name = {str(len(files) > 1).lower()}{hive})"
    return Source(sql, _described(con, sql))


def _database(con: duckdb.DuckDBPyConnection, log: LogEntry, files: list[str]) -> Source:
    if files:
        con.execute(f"ATTACH {text(files[0])} AS team_log (READ_ONLY)")
    if log.query is not None:
        query = log.query.strip().rstrip(";")
        row = first_row(con, "SELECT current_database()")
        if files:
            # Names in the query refer to its own database.
            con.execute("USE team_log")
        # Run it only once: it may be slow.
        con.execute(f"CREATE TABLE {name(row[0])}.main.queried AS {query}")
        con.execute(f"USE {name(row[0])}")
        return Source("queried", _described(con, "queried"))
    assert log.table is not None, "checked with the configuration"
    sql = f"team_log.{log.table if '.' in log.table else name(log.table)}"
    return Source(sql, _described(con, sql))


def _csv(files: list[str], delimiter: str, needed: list[str]) -> Source:
    """Describe CSV files, grouped by their headers: files may differ in the order of columns."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for file in files:
        groups.setdefault(tuple(_header(file, delimiter)), []).append(file)
    problems = []
    for header, paths in groups.items():
        available = [*header, *_partitions(paths[0])]
        where = f" ({paths[0]})" if len(files) > 1 else ""
        counts = Counter(header)
        for column in needed:
            problem = _missing(column, available, len(header), where)
            if problem is not None:
                problems.append(problem)
            elif counts[column] > 1:
                examples = (f"{column} appears {counts[column]} times in the header{where}",)
                problems.append(Problem("duplicate_column", column, examples=examples))
    if problems:
        raise refusal(problems)
    chosen = ", ".join(name(column) for column in needed)
    selects = [
        f"SELECT {chosen} FROM {_read_csv(header, paths, delimiter)}"
        for header, paths in groups.items()
    ]
    return Source(
        f"({' UNION ALL '.join(selects)})", dict.fromkeys(needed, "VARCHAR"), is_text=True
    )


def _read_csv(header: tuple[str, ...], files: list[str], delimiter: str) -> str:
    # Duplicate names are not used, but every column needs a unique name.
    seen: Counter[str] = Counter()
    unique = []
    for column in header:
        seen[column] += 1
        unique.append(column if seen[column] == 1 else f"{column} ({seen[column]})")
    columns = ", ".join(f"{text(column)}: 'VARCHAR'" for column in unique)
    names = ", ".join(text(file) for file in files)
    hive = (
        ", hive_partitioning = true, hive_types_autocast = false" if _partitions(files[0]) else ""
    )
    return (
        f"read_csv([{names}], header = true, auto_detect = false, columns = {{{columns}}}, "
        f"delim = {text(delimiter)}, quote = '\"', escape = '\"', nullstr = '', "
        f"allow_quoted_nulls = true{hive})"
    )


def read_items_table(con: duckdb.DuckDBPyConnection, table: ItemsTable) -> str:
    """Return the table of items in SQL.

    Raises
    ------
    LogRefusedError
        A column is missing or duplicate.
    """
    columns = list(dict.fromkeys([table.item, table.cluster]))
    if Path(table.path).suffix not in (".parquet", ".pq"):
        return _csv([table.path], ",", columns).sql
    source = _parquet(con, [table.path])
    _refuse_missing(columns, source)
    return source.sql


def _partitions(file: str) -> list[str]:
    """Return the names of key=value folders in a path."""
    return [part.split("=", 1)[0] for part in Path(file).parts[:-1] if "=" in part]


def _header(file: str, delimiter: str) -> list[str]:
    opened = gzip.open if file.endswith(".gz") else open
    try:
        with opened(file, "rt", encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines, delimiter=delimiter), [])
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        problem = Problem("unreadable_file", examples=(f"{file}: {first_line(error)}",))
        raise refusal([problem]) from error
    if not header:
        raise refusal([Problem("empty_log", examples=(f"{file} is empty",))])
    return header


def _missing(column: str, names: list[str], width: int, where: str = "") -> Problem | None:
    if column in names:
        return None
    near = difflib.get_close_matches(column, names, n=1, cutoff=0.5)
    alike = [match for match in names if match.strip().lower() == column.strip().lower()] or near
    hint = f"; did you mean {alike[0]!r}?" if alike else ""
    if width == 1:
        hint += " Only one column was found: is the delimiter correct?"
    return Problem(
        "missing_column",
        column,
        examples=(f"available columns{where}: {listed(names, limit=20)}{hint}",),
    )
