"""CSV files as one source: each counted and checked, then read by DuckDB as text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from netlift.logs.csv_scan import CsvFile, rewrite, scan
from netlift.logs.files import (
    alike_columns,
    column_problems,
    partition_sql,
    readable,
    refuse_doubles,
)
from netlift.logs.problems import LogRefusedError, Problem, refusal
from netlift.logs.source import FILE, Source, name, text

SHOWN = 10
"""Damaged files that one message lists."""


def csv_source(
    files: Sequence[str], delimiter: str, needed: Sequence[str], folder: Path, threads: int
) -> Source:
    """Open CSV files, which may differ in the order of their columns.

    Parameters
    ----------
    files
        Their paths.
    delimiter
        Their field delimiter.
    needed
        The columns to read; from folders ``key=value`` where a file does not have them.
    folder
        A temporary folder for copies of files that DuckDB cannot read as they are.
    threads
        Files that are counted at the same time.

    Raises
    ------
    LogRefusedError
        Files cannot be read in one way only, or columns are missing or duplicate.
    """
    scanned = _scan_all(files, delimiter, threads)
    columns = {file.path: file.header for file in scanned}
    problems = list(column_problems(columns, needed))
    if problems:
        raise refusal(problems)
    refuse_doubles({file.path: file.rows for file in scanned})
    groups: dict[tuple[object, ...], list[CsvFile]] = defaultdict(list)
    for file in scanned:
        groups[file.header, file.line_end, file.quoted, file.compression].append(file)
    selects, ordered = [], list[CsvFile]()
    for group in groups.values():
        selects.append(_select(group, delimiter, needed, folder, len(ordered)))
        ordered += group
    return Source(
        f"({' UNION ALL '.join(selects)})",
        dict.fromkeys(needed, "VARCHAR"),
        is_text=True,
        files=tuple((file.path, file.rows) for file in ordered),
        warnings=tuple(alike_columns(columns, needed)),
    )


def _scan_all(files: Sequence[str], delimiter: str, threads: int) -> list[CsvFile]:
    """Count the rows of all files; one message has the problems of all."""
    problems: list[Problem] = []

    def one(file: str) -> CsvFile | None:
        try:
            return scan(file, delimiter)
        except LogRefusedError as error:
            problems.extend(error.problems)
            return None

    with ThreadPoolExecutor(threads) as pool:
        scanned = list(pool.map(one, files))
    if problems:
        problems.sort(key=lambda problem: problem.examples)
        more = len(problems) - SHOWN
        if more > 0:
            message = f"and {more:,} more files"
            problems[SHOWN:] = [Problem(problems[SHOWN].code, examples=(message,))]
        raise refusal(problems)
    return [file for file in scanned if file is not None]


def _select(
    group: list[CsvFile], delimiter: str, needed: Sequence[str], folder: Path, offset: int
) -> str:
    """Return the SELECT of files of one kind; their columns have names that no folder has."""
    first, paths = group[0], [file.path for file in group]
    chosen = [
        f"{name(_own(first.header.index(column)))} AS {name(column)}"
        if column in first.header
        else f"{partition_sql(paths, column, numbers=False)} AS {name(column)}"
        for column in needed
    ]
    chosen.append(f"(file_index + {offset})::INTEGER AS {name(FILE)}")
    columns = ", ".join(f"{text(_own(index))}: 'VARCHAR'" for index in range(len(first.header)))
    quote = "'\"'" if first.quoted else "''"
    copied = first.line_end == "mixed" or first.utf16
    line_end = "\\r\\n" if first.line_end == "\r\n" and not copied else "\\n"
    options = {
        "header": "true",
        "auto_detect": "false",
        "hive_partitioning": "false",
        "columns": f"{{{columns}}}",
        "delim": text(delimiter),
        "quote": quote,
        "escape": quote,
        "nullstr": "''",
        "allow_quoted_nulls": "true",
        "new_line": text(line_end),
        "compression": text("none" if copied else first.compression),
    }
    read = ", ".join(text(_path(file, delimiter, folder)) for file in group)
    written = ", ".join(f"{option} = {value}" for option, value in options.items())
    return f"SELECT {', '.join(chosen)} FROM read_csv([{read}], {written})"


def _own(index: int) -> str:
    return f"/{index}"


def _path(file: CsvFile, delimiter: str, folder: Path) -> str:
    """Return the path by which DuckDB reads a file: its own, a link's, or that of a copy."""
    if file.line_end != "mixed" and not file.utf16:
        return readable(file.path, folder)
    copies = folder / "copies"
    copies.mkdir(exist_ok=True)
    copy = copies / f"{len(list(copies.iterdir()))}.csv"
    rewrite(file, delimiter, str(copy))
    return str(copy)
