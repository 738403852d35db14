"""Reading a published CSV file with DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netlift.core.errors import NetliftError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 500_000


def published_rows(source: Path, needed: Sequence[str], query: str) -> Iterator[pa.Table]:
    """Yield the rows of a query over a CSV file, in batches.

    Parameters
    ----------
    source
        The file.
    needed
        The columns that it must have.
    query
        A SELECT in which ``{rows}`` is replaced by the file.

    Raises
    ------
    NetliftError
        The file does not exist, or lacks a column.
    """
    import duckdb
    import pyarrow as pa

    if not source.is_file():
        raise NetliftError(f"{source}: no such file")
    path = str(source).replace("'", "''")
    rows = f"read_csv('{path}', header = true)"
    with duckdb.connect() as con:
        columns = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()]
        missing = [column for column in needed if column not in columns]
        if missing:
            raise NetliftError(f"{source}: no column {', '.join(missing)}")
        batches = con.sql(query.format(rows=rows)).to_arrow_reader(BATCH_ROWS)
        assert batches is not None, "a SELECT has a result"
        for batch in batches:
            yield pa.Table.from_batches([batch])
