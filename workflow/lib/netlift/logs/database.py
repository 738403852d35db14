"""A DuckDB file or a query as the source of a log: one SELECT, or one table, and nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netlift.core.errors import NetliftError, listed
from netlift.logs.entries import LogEntry
from netlift.logs.files import readable
from netlift.logs.problems import first_line
from netlift.logs.source import first_row, name, restrict, text

if TYPE_CHECKING:
    import duckdb

ATTACHED = "team_log"
"""Name of the log's database in the connection."""


def database_sql(
    con: duckdb.DuckDBPyConnection, log: LogEntry, files: Sequence[str], folder: Path
) -> str:
    """Return the rows of a DuckDB file, or of a query, in SQL.

    Afterwards the connection is restricted: with a file, no view or query in it can open others.

    Raises
    ------
    NetliftError
        The query is not one SELECT; the table does not exist; or there are several files.
    """
    if len(files) > 1:
        raise NetliftError(
            f"path: {len(files)} DuckDB files match ({listed(files)}); give one, or export their "
            "rows to Parquet"
        )
    query = None if log.query is None else one_select(con, log.query)
    if files:
        path = str(Path(files[0]).absolute())  # has no prefix that would load an extension
        if "\\" in path:  # DuckDB takes it for a slash, and could open another file
            path = readable(path, folder)
        con.execute(f"ATTACH {text(path)} AS {ATTACHED} (READ_ONLY, TYPE duckdb)")
    restrict(con, files=not files)
    if query is not None:
        return _queried(con, query, attached=bool(files))
    assert log.table is not None, "checked with the configuration"
    schema, table = find_table(con, log.table)
    return f"{ATTACHED}.{name(schema)}.{name(table)}"


def one_select(con: duckdb.DuckDBPyConnection, query: str) -> str:
    """Return the SELECT that a query is, without a semicolon at its end.

    Raises
    ------
    NetliftError
        It is not one SELECT statement.
    """
    import duckdb

    try:
        statements = con.extract_statements(query)
    except duckdb.Error as error:
        raise NetliftError(f"query: is not valid SQL ({first_line(error)})") from error
    kinds = [statement.type for statement in statements]
    if kinds != [duckdb.StatementType.SELECT]:
        found = ", ".join(kind.name for kind in kinds) or "nothing"
        raise NetliftError(
            f"query: must be one SELECT statement, but is {found}. It may begin with WITH."
        )
    return statements[0].query.strip().rstrip(";")


def _queried(con: duckdb.DuckDBPyConnection, query: str, *, attached: bool) -> str:
    work = first_row(con, "SELECT current_database()")[0]
    if attached:
        # Names in the query refer to its own database.
        con.execute(f"USE {ATTACHED}")
    # Run it only once: it may be slow. A line of its own, because it may end with a comment.
    con.execute(f"CREATE TABLE {name(work)}.main.queried AS\n{query}\n")
    con.execute(f"USE {name(work)}")
    return "queried"


def find_table(con: duckdb.DuckDBPyConnection, table: str) -> tuple[str, str]:
    """Return the schema and the name of a table or view of the log's database.

    Parameters
    ----------
    con
        A connection with the database.
    table
        ``table``, or ``schema.table``; also quoted.

    Raises
    ------
    NetliftError
        There is none.
    """
    found = con.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? UNION ALL "
        "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = ? "
        "AND NOT internal ORDER BY ALL",
        [ATTACHED, ATTACHED],
    ).fetchall()
    wanted = table.replace('"', "").lower()
    named = [pair for pair in found if pair[1].lower() == wanted]
    named = [pair for pair in named if pair[0] == "main"] or named
    named = named or [pair for pair in found if f"{pair[0]}.{pair[1]}".lower() == wanted]
    if len(named) == 1:
        return str(named[0][0]), str(named[0][1])
    names = [own if schema == "main" else f"{schema}.{own}" for schema, own in found]
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    if named:
        hint = "; several schemas have it: name one"
    raise NetliftError(
        f"table: {table!r} is not one table or view of the DuckDB file, which has "
        f"{listed(names, limit=20) or 'none'}{hint}"
    )
