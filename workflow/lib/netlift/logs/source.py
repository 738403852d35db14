"""DuckDB as the engine of a log: its connection, quoting, and where rows come from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from netlift.logs.problems import Problem

_STAGED = ".log-"
"""Prefix of temporary folders."""

FILE = "/file"
"""Column with the index of a row's file; no column of a log has a name like it."""


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
    files
        The files and the rows that each of them holds, as counted without DuckDB, in the order of
        the column ``FILE``; empty where rows do not come from files that can be counted.
    warnings
        What is doubtful about its columns.
    """

    sql: str
    types: dict[str, str]
    is_text: bool = False
    files: tuple[tuple[str, int], ...] = ()
    warnings: tuple[Problem, ...] = ()


@contextmanager
def connection(
    *, memory_mb: int, threads: int, folder: Path, allowed: Sequence[str] = ()
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Yield a DuckDB connection whose tables are on disk, and its temporary folder.

    No extension is loaded or fetched, and no Python variable is taken for a table.

    Parameters
    ----------
    memory_mb
        Memory limit of DuckDB; beyond it, DuckDB writes to the folder.
    threads
        Number of threads.
    folder
        Where the temporary folder is created; created if it does not exist.
    allowed
        Files that remain accessible after ``restrict``.
    """
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f"{_STAGED}*"):
        shutil.rmtree(leftover)  # left by a process that was killed
    with TemporaryDirectory(prefix=_STAGED, dir=folder.absolute()) as temporary:
        con = duckdb.connect(str(Path(temporary) / "netlift_work.duckdb"))
        paths = ", ".join(text(str(Path(path).absolute())) for path in allowed)
        settings = {
            "memory_limit": text(f"{memory_mb}MB"),
            "threads": str(threads),
            "temp_directory": text(str(Path(temporary) / "spill")),
            "enable_progress_bar": "false",
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "python_enable_replacements": "false",
            "allowed_directories": f"[{text(temporary)}]",
            "allowed_paths": f"[{paths}]",
        }
        try:
            for setting, value in settings.items():
                con.execute(f"SET {setting} = {value}")
            yield con, Path(temporary)
        finally:
            con.close()


def restrict(con: duckdb.DuckDBPyConnection, *, files: bool) -> None:
    """Fix the settings of a connection before SQL of others runs in it.

    Parameters
    ----------
    con
        The connection.
    files
        Whether it may still open files other than those that it was allowed; the SELECT of a
        configuration without a path names its files itself, but views in a DuckDB file may not.
    """
    if not files:
        con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def name(column: str) -> str:
    """Quote a name for SQL."""
    return '"' + column.replace('"', '""') + '"'


def text(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"


def first_row(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """Return the first row of a query that has one."""
    return con.execute(sql).fetchall()[0]
