"""Parquet files as one source, with the rows that their footers state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netlift.logs.files import (
    alike_columns,
    column_problems,
    partition_sql,
    partitions,
    readable,
    refuse_doubles,
)
from netlift.logs.problems import Problem, first_line, refusal
from netlift.logs.source import FILE, name, text


def parquet_sql(
    files: Sequence[str], needed: Sequence[str], folder: Path
) -> tuple[str, tuple[tuple[str, int], ...], tuple[Problem, ...]]:
    """Return Parquet files in SQL, each file with its number of rows, and warnings.

    Parameters
    ----------
    files
        Their paths.
    needed
        The columns to read; from folders ``key=value`` where a file does not have them.
    folder
        A temporary folder, for links to files whose names DuckDB takes for patterns.

    Raises
    ------
    LogRefusedError
        A file is not Parquet or incomplete; or columns are missing or duplicate.
    """
    columns, rows = _footers(files)
    problems = list(column_problems(columns, needed, any_case=True))
    if problems:
        raise refusal(problems)
    refuse_doubles(rows)
    chosen = [f"{_value(column, columns)} AS {name(column)}" for column in needed]
    chosen.append(f"file_index::INTEGER AS {name(FILE)}")
    read = ", ".join(text(readable(file, folder)) for file in files)
    by_name = str(len(files) > 1).lower()
    sql = f"read_parquet([{read}], union_by_name = {by_name}, hive_partitioning = false)"
    warnings = tuple(alike_columns(columns, needed))
    return f"(SELECT {', '.join(chosen)} FROM {sql})", tuple(rows.items()), warnings


def _footers(files: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return the columns and the numbers of rows of files."""
    import pyarrow.parquet as pq

    columns, rows, problems = {}, {}, []
    for file in files:
        try:
            footer = pq.read_metadata(file)
            columns[file] = footer.schema.to_arrow_schema().names
            rows[file] = footer.num_rows
        except (OSError, ValueError) as error:
            cause = f"{file}: is not a whole Parquet file ({first_line(error)})"
            problems.append(Problem("unreadable_file", examples=(cause,)))
    if problems:
        raise refusal(problems[:10])
    return columns, rows


def _value(column: str, columns: dict[str, list[str]]) -> str:
    """Return the expression of a column: the file's own, or the value in its path."""
    files = list(columns)
    have = [column in columns[file] for file in files]
    if all(have):
        return name(column)
    if not any(have):
        return partition_sql(files, column, numbers=True)
    # Only files without the column take it from their path.
    own_or_none = [file if not own else "" for file, own in zip(files, have, strict=True)]
    assert all(column in partitions(file) for file in own_or_none if file)
    return f"coalesce({name(column)}::VARCHAR, {partition_sql(own_or_none, column, numbers=False)})"
