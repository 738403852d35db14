"""From a log to its accounts and its items: DuckDB does the work, files are written whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netlift.core.left_out import reason_table
from netlift.core.tables import is_disk_full, write_arrow, write_table, written_whole
from netlift.logs.clusters import load_clusters, match_problem
from netlift.logs.contract import Checked, check_slates, count_rows, row_warnings
from netlift.logs.contrasts import (
    USED_ROWS,
    assignment_of_arms,
    choose_all,
    choose_contrast,
    empty_arms,
    merged,
    sum_arms,
    with_other_arms,
)
from netlift.logs.entries import LogEntry
from netlift.logs.items import item_batches
from netlift.logs.opening import check_counts, open_source
from netlift.logs.problems import LogRefusedError, Problem, contract_table, first_line, refusal
from netlift.logs.rows import Rows, arm_probability
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
    import pandas as pd

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
    with _staged(log, path.parent, threads, memory_mb, [str(path)]) as (con, rows, n_rows):
        accepted = _few_items(con, log)
        checked, scale = _summed(con, rows, log, n_rows)
        _write_accounts(con, rows, scale, checked.aside, path)
    return replace(checked, problems=[*accepted, *checked.problems])


def _few_items(con: duckdb.DuckDBPyConnection, log: LogEntry) -> list[Problem]:
    """Return the problem of a table of items that has few of them, if it is accepted.

    Raises
    ------
    LogRefusedError
        It is not.
    """
    few_items = match_problem(con, log)
    found = [] if few_items is None else [few_items]
    if few_items is not None and few_items.code not in log.accept:
        raise refusal(found)
    return found


def _write_accounts(
    con: duckdb.DuckDBPyConnection, rows: Rows, scale: Scale, aside: str, path: Path
) -> None:
    columns = ", ".join(
        f"{name(column)}::{_NARROW[column]} AS {name(column)}"
        if column in _NARROW
        else name(column)
        for column in account_columns(rows, scale.limits)
    )
    _write_parquet(con, f"SELECT {columns} FROM slates WHERE NOT ({aside})", path)


def _write_parquet(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    con.execute(
        f"COPY ({query}) TO {text(str(path))} (FORMAT parquet, COMPRESSION zstd, "
        "ROW_GROUP_SIZE 500000, USE_TMP_FILE false)"
    )


def account_arms(
    log: LogEntry,
    contrasts: Mapping[str, LogEntry],
    folders: Mapping[str, Path],
    *,
    folder: Path,
    threads: int = 1,
    memory_mb: int = MEMORY_MB,
) -> None:
    """Check a log with several arms, and sum it to slate accounts of each variant and control.

    Its rows are read and summed once.

    Parameters
    ----------
    log
        The log's entry, with its arms.
    contrasts
        The entry of each contrast, by its variant.
    folders
        The folder of the results of each contrast, by its variant: see ``account_log``.
    folder
        The folder of the log: ``arm_counts.csv`` (slates and units of each arm, with the expected
        shares), and ``arms.parquet`` (slates that are used, with their arm and the probabilities of
        all arms). For a log that is refused, ``contract_refused.csv``.
    threads, memory_mb
        Limits for DuckDB.

    Raises
    ------
    LogRefusedError
        The log has errors: one message lists all that can be detected.
    """
    refused = folder / "contract_refused.csv"
    refused.unlink(missing_ok=True)
    try:
        with ExitStack() as stack:
            paths = {
                variant: stack.enter_context(written_whole(path / "slate_outcomes.parquet"))
                for variant, path in folders.items()
            }
            slates = stack.enter_context(written_whole(folder / "arms.parquet"))
            checked, counts = _account_arms(log, contrasts, paths, slates, threads, memory_mb)
            for variant, path in folders.items():
                table = contract_table(checked[variant].problems, contrasts[variant])
                write_table(table, path / "contract.csv")
                write_table(checked[variant].counts, path / "row_counts.csv")
            write_table(counts, folder / "arm_counts.csv")
    except LogRefusedError as error:
        write_table(contract_table(error.problems, log), refused)
        raise


def _account_arms(
    log: LogEntry,
    contrasts: Mapping[str, LogEntry],
    paths: Mapping[str, Path],
    slates: Path,
    threads: int,
    memory_mb: int,
) -> tuple[dict[str, Checked], pd.DataFrame]:
    files = [str(path) for path in (*paths.values(), slates)]
    with _staged(log, slates.parent, threads, memory_mb, files) as (con, rows, n_rows):
        accepted = _few_items(con, log)
        con.execute("ALTER VIEW rows RENAME TO all_rows")
        scale = measured(con, rows, log, "all_rows")
        while True:
            checked, set_aside = _contrasts(con, rows, log, contrasts, scale, n_rows, paths)
            of_more, scale = scale, measured(con, rows, log, USED_ROWS) if set_aside else scale
            if scale == of_more:
                break
        extremes = list(extreme_values(con, rows, scale, USED_ROWS))
        counts, problems = assignment_of_arms(con, log)
        choose_all(con)
        of_rows = list(row_warnings(con, log, USED_ROWS))
        errors = [*extremes, *(p for p in problems if p.code not in log.accept)]
        if errors:
            raise refusal(errors)
        chosen = ", ".join(arm_probability(number) for number in range(len(log.arms)))
        used = "all_slates SEMI JOIN used_slates USING (slate_id)"
        _write_parquet(con, f"SELECT slate_id, arm, {chosen} FROM {used} ORDER BY slate_id", slates)
    shared = [*accepted, *problems, *of_rows]
    return {
        variant: replace(found, problems=[*shared, *found.problems])
        for variant, found in checked.items()
    }, counts


def _contrasts(
    con: duckdb.DuckDBPyConnection,
    rows: Rows,
    log: LogEntry,
    contrasts: Mapping[str, LogEntry],
    scale: Scale,
    n_rows: int,
    paths: Mapping[str, Path],
) -> tuple[dict[str, Checked], bool]:
    """Sum all slates, then check and write each contrast; tell whether slates are set aside."""
    stored, lacking = sum_arms(con, rows, log, list(contrasts.values()), scale, n_rows)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE used_slates AS SELECT slate_id FROM all_slates LIMIT 0"
    )
    missing = empty_arms(con, log)
    if missing:
        raise refusal(missing)
    checked, errors, set_aside = {}, {}, False
    of_contrasts = zip(contrasts.items(), stored, lacking, strict=True)
    for (variant, contrast), columns, unlogged in of_contrasts:
        n_compared = choose_contrast(con, rows, contrast, columns, unlogged=unlogged)
        try:
            found = check_slates(con, rows, contrast, n_compared, unlogged=unlogged)
        except LogRefusedError as error:
            errors[variant] = error.problems
            continue
        set_aside |= found.aside != "false"
        con.execute(
            f"INSERT INTO used_slates SELECT slate_id FROM slates WHERE NOT ({found.aside}) "
            "AND slate_id NOT IN (SELECT slate_id FROM used_slates)"
        )
        _write_accounts(con, rows, scale, found.aside, paths[variant])
        counts = with_other_arms(con, found.counts, log, contrast)
        checked[variant] = replace(found, counts=counts)
    if errors:
        raise refusal(merged({variant: errors.get(variant, []) for variant in contrasts}))
    return checked, set_aside


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
    log: LogEntry, folder: Path, threads: int, memory_mb: int, allowed: Sequence[str]
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Rows, int]]:
    """Yield a connection with the rows of a log, their description, and their number.

    ``allowed`` are the files that are read or written besides the log.
    """
    with connection(
        memory_mb=memory_mb, threads=threads, folder=folder, allowed=[*allowed, *_items_path(log)]
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
    other_accounts: Sequence[str] = (),
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
    other_accounts
        In a log with several arms, the accounts of the other contrasts: outcomes are capped at the
        quantile of all of them.
    threads, memory_mb
        Limits for DuckDB.
    """
    read = [accounts, *other_accounts]
    with _staged(log, Path(items).parent, threads, memory_mb, read) as (con, rows, n_rows):
        con.execute(f"CREATE VIEW accounts AS SELECT * FROM read_parquet({text(accounts)})")
        used = "(SELECT * FROM rows SEMI JOIN accounts ON slate = slate_id)"
        if is_unlogged(con, log, used):
            write_table(reason_table(why_not_alike(log)), items)
            return
        files = ", ".join(text(path) for path in read)
        of_all = f"(SELECT * FROM rows SEMI JOIN read_parquet([{files}]) ON slate = slate_id)"
        limits = winsor_limits(con, log, of_all)
        write_arrow(item_batches(con, rows, log, limits, n_rows, used), items)
