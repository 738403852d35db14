"""Opening a log: CSV, Parquet, folders of them, a DuckDB file, or a query."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netlift.core.errors import NetliftError
from netlift.logs.csv_source import csv_source
from netlift.logs.database import database_sql
from netlift.logs.entries import LogEntry
from netlift.logs.files import alike_columns, missing_column
from netlift.logs.parquet_source import parquet_sql
from netlift.logs.problems import Problem, first_line, refusal
from netlift.logs.source import FILE, Source, name

if TYPE_CHECKING:
    import duckdb


def open_source(
    con: duckdb.DuckDBPyConnection, log: LogEntry, folder: Path, threads: int
) -> Source:
    """Open a log and check its columns.

    Parameters
    ----------
    con
        A connection.
    log
        The log's entry.
    folder
        The connection's temporary folder.
    threads
        Files that are counted at the same time.

    Raises
    ------
    LogRefusedError
        A file cannot be read, or columns are missing or duplicate; one message lists all.
    NetliftError
        A path matches no file, or more than one DuckDB file.
    """
    log.files()
    files, columns = log.data_files(), log.needed_columns
    if log.format != "duckdb":
        return open_files(con, files, log.format, log.delimiter, columns, folder, threads)
    try:
        sql = database_sql(con, log, files, folder)
        source = Source(sql, _described(con, sql))
    except NetliftError:
        raise
    except Exception as error:
        raise refusal([Problem("unreadable_file", examples=(first_line(error),))]) from error
    names = list(source.types)
    problems = [missing_column(column, names, 0) for column in columns]
    found = [problem for problem in problems if problem is not None]
    if found:
        raise refusal(found)
    return replace(source, warnings=tuple(alike_columns({"": names}, columns)))


def open_files(
    con: duckdb.DuckDBPyConnection,
    files: list[str],
    kind: str,
    delimiter: str,
    needed: list[str],
    folder: Path,
    threads: int = 1,
) -> Source:
    """Open CSV or Parquet files.

    Parameters
    ----------
    con, folder, threads
        See ``open_source``.
    files
        Their paths.
    kind
        ``csv`` or ``parquet``.
    delimiter
        The delimiter of CSV files.
    needed
        The columns to read.

    Raises
    ------
    LogRefusedError
        See ``open_source``.
    """
    if kind == "csv":
        return csv_source(files, delimiter, needed, folder, threads)
    sql, rows, warnings = parquet_sql(files, needed, folder)
    try:
        types = _described(con, sql)
    except Exception as error:
        raise refusal([Problem("unreadable_file", examples=(first_line(error),))]) from error
    del types[FILE]
    return Source(sql, types, files=rows, warnings=warnings)


def check_counts(con: duckdb.DuckDBPyConnection, source: Source, table: str) -> None:
    """Compare the rows that DuckDB read from each file with those that the file holds.

    Parameters
    ----------
    con
        A connection.
    source
        The source that was read.
    table
        The table that it was read into, with the column ``FILE``.

    Raises
    ------
    LogRefusedError
        They differ.
    """
    if not source.files:
        return
    read = dict(con.execute(f"SELECT {name(FILE)}, count(*) FROM {table} GROUP BY 1").fetchall())
    problems = [
        Problem(
            "unreadable_file",
            rows=abs(rows - read.get(index, 0)),
            examples=(f"{file}: has {rows:,} rows, of which {read.get(index, 0):,} were read",),
        )
        for index, (file, rows) in enumerate(source.files)
        if read.get(index, 0) != rows
    ]
    if problems:
        raise refusal(problems[:10])


def _described(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, str]:
    rows = con.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
    return {row[0]: row[1] for row in rows}
