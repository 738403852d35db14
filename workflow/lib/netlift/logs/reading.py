"""From a log to its accounts and its items: DuckDB does the work, files are written whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netlift.core.left_out import reason_table
from netlift.core.tables import is_disk_full, write_arrow, write_table, written_whole
from netlift.logs.clusters import load_clusters, match_problem
from netlift.logs.contract import Checked, check_slates, count_rows
from netlift.logs.entries import LogEntry
from netlift.logs.items import item_batches
from netlift.logs.opening import check_counts, open_source
from netlift.logs.problems import LogRefusedError, Problem, contract_table, first_line, refusal
from netlift.logs.rows import Rows
from netlift.logs.slates import (
    Scale,
    account_columns,
    extreme_values,
    measured,
    stage,
    sum_slates,
    used_rows,
    winsor_limits,
)
from netlift.logs.source import connection, name, text
from netlift.logs.unlogged import is_unlogged, why_not_alike

if TYPE_CHECKING:
    import duckdb

MEMORY_MB = 800
"""Default limit of DuckDB's memory, MB."""

_NARROW = {
    "promotion_applied": "TINYINT",
    "focal_seed_position": "SMALLINT",
    "focal_spillover_cluster": "VARCHAR",
}


def account_log(
    log: LogEntry,
    outputs: Mapping[str, str],
    *,
    threads: int = 1,
    memory_mb: int = MEMORY_MB,
) -> None:
    """Check a log and sum it to slate accounts.

    Parameters
    ----------
    log
        The log's entry.
    outputs
        Paths of ``accounts`` (as ``accounts.slate_outcomes`` computes them from items),
        ``contract`` (warnings and problems that were set aside) and ``row_counts``. All or none of
        them are written; for a log that is refused, ``contract_refused.csv`` in the same folder.
    threads, memory_mb
        Limits for DuckDB.

    Raises
    ------
    LogRefusedError
        The log has errors: one message lists all that can be detected.
    """
    refused = Path(outputs["contract"]).with_name("contract_refused.csv")
    refused.unlink(missing_ok=True)
    try:
        with written_whole(outputs["accounts"]) as temporary:
            checked = _account(log, temporary, threads, memory_mb)
            write_table(contract_table(checked.problems, log), outputs["contract"])
            write_table(checked.counts, outputs["row_counts"])
    except LogRefusedError as error:
        write_table(contract_table(error.problems, log), refused)
        raise


def _account(log: LogEntry, path: Path, threads: int, memory_mb: int) -> Checked:
    with _staged(log, path.parent, threads, memory_mb, str(path)) as (con, rows, n_rows):
        few_items = match_problem(con, log)
        accepted = [] if few_items is None else [few_items]
        if few_items is not None and few_items.code not in log.accept:
            raise refusal(accepted)
        checked, scale = _summed(con, rows, log, n_rows)
        columns = ", ".join(
            f"{name(column)}::{_NARROW[column]} AS {name(column)}"
            if column in _NARROW
            else name(column)
            for column in account_columns(rows, scale.limits)
        )
        con.execute(
            f"COPY (SELECT {columns} FROM slates WHERE NOT ({checked.aside})) "
            f"TO {text(str(path))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 500000, "
            "USE_TMP_FILE false)"
        )
    return replace(checked, problems=[*accepted, *checked.problems])


def _summed(
    con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, n_rows: int
) -> tuple[Checked, Scale]:
    """Sum and check slates; what is set aside must not change the rest, not even by rounding."""
    scale, aside = measured(con, rows, log), "false"
    while True:
        sum_slates(con, rows, log, scale, n_rows)
        checked = check_slates(con, rows, log, n_rows, unlogged=scale.unlogged)
        if checked.aside == aside:
            break
        aside, of_more = checked.aside, scale
        # All slates are summed again, so positions of all of them must fit into bits.
        scale = replace(measured(con, rows, log, used_rows(aside)), masked=scale.masked)
        if scale == of_more:
            break
    extremes = list(extreme_values(con, rows, scale, used_rows(aside)))
    if extremes:
        raise refusal(extremes)
    return checked, scale


@contextmanager
def _staged(
    log: LogEntry, folder: Path, threads: int, memory_mb: int, allowed: str
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Rows, int]]:
    """Yield a connection with the rows of a log, their description, and their number.

    ``allowed`` is the file that is read or written besides the log.
    """
    with connection(
        memory_mb=memory_mb, threads=threads, folder=folder, allowed=[allowed, *_items_path(log)]
    ) as (con, temporary):
        import duckdb

        source = open_source(con, log, temporary, threads)
        warnings = source.warnings
        if log.items:
            warnings += load_clusters(con, log, temporary)
        rows = stage(con, source, log)
        rows.warnings = warnings
        try:
            check_counts(con, source, "typed")
            yield con, rows, count_rows(con)
        except (
            duckdb.OutOfMemoryException,
            duckdb.BinderException,
            duckdb.ParserException,
            duckdb.CatalogException,
        ):
            raise  # not caused by the log
        except duckdb.Error as error:
            if is_disk_full(error):
                raise
            # Damage inside Parquet files, and differing types, appear only when rows are read.
            raise refusal([Problem("unreadable_file", examples=(first_line(error),))]) from error


def _items_path(log: LogEntry) -> list[str]:
    return [log.items.path] if log.items else []


def map_log(
    log: LogEntry,
    accounts: str,
    items: str,
    *,
    threads: int = 1,
    memory_mb: int = MEMORY_MB,
) -> None:
    """Write the item rows of a log whose accounts exist, sorted by slate, in row groups.

    Where the rows of both arms are not alike, the file has the reason instead: sums over slates can
    be compared, and rows cannot.

    Parameters
    ----------
    log
        The log's entry.
    accounts
        Its slate accounts: which slates are used, and their design.
    items
        Path of the table of items.
    threads, memory_mb
        Limits for DuckDB.
    """
    with _staged(log, Path(items).parent, threads, memory_mb, accounts) as (con, rows, n_rows):
        con.execute(f"CREATE VIEW accounts AS SELECT * FROM read_parquet({text(accounts)})")
        used = "(SELECT * FROM rows SEMI JOIN accounts ON slate = slate_id)"
        if is_unlogged(con, log, used):
            write_table(reason_table(why_not_alike(log)), items)
            return
        limits = winsor_limits(con, log, used)
        write_arrow(item_batches(con, rows, limits, n_rows, used), items)
