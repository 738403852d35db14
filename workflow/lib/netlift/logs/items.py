"""Items of a log as later stages read them: the contract of ``items.parquet``, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netlift.logs.rows import Rows
from netlift.logs.slates import outcome_columns, ranges
from netlift.logs.source import name

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH_ROWS = 500_000
"""Rows per row group."""

_CATEGORIES = ("spillover_cluster", "focal_spillover_cluster", "component")


def item_batches(
    con: duckdb.DuckDBPyConnection,
    rows: Rows,
    limits: Mapping[str, float],
    n_rows: int,
) -> Iterator[pa.Table]:
    """Yield the item rows of the slates in ``accounts``, sorted by slate and seed position.

    Parameters
    ----------
    con
        With the views ``rows`` and ``accounts`` (the slates that are used).
    rows
        The mapping of the log.
    limits
        The values at which outcomes are capped, by name.
    n_rows
        Rows of the log.
    """
    import pyarrow as pa

    for condition in ranges(con, n_rows):
        batches = con.execute(_items_sql(rows, limits, condition)).to_arrow_reader(BATCH_ROWS)
        assert batches is not None, "a SELECT has a result"
        for batch in batches:
            table = pa.Table.from_batches([batch])
            for column in _CATEGORIES:
                if column in table.column_names:
                    index = table.column_names.index(column)
                    values = table[column].cast(pa.string()).dictionary_encode()
                    table = table.set_column(index, column, values)
            yield table


def _kind(rows: Rows, value: str, exact: bool) -> str:
    if not exact:
        return "DOUBLE"
    return "INTEGER" if value in map(name, rows.short) else "BIGINT"


def _items_sql(rows: Rows, limits: Mapping[str, float], condition: str) -> str:
    columns = {
        "slate_id": "slate",
        "user_id": "user_id",
        "item_id": "item",
        "spillover_cluster": "cluster::VARCHAR",
        "slate_position_seed": "position::SMALLINT",
    }
    if rows.experiment:
        displaced = "position < focal_seed_position"
        final = (
            "CASE WHEN promotion_applied = 1 AND focal THEN 1 WHEN promotion_applied = 1 "
            f"AND {displaced} THEN position + 1 ELSE position END"
        )
        same = "cluster = focal_spillover_cluster"
        columns |= {
            "is_focal_item": "focal",
            "focal_seed_position": "focal_seed_position",
            "focal_spillover_cluster": "focal_spillover_cluster::VARCHAR",
            "promotion_applied": "promotion_applied",
            "final_position": f"({final})::SMALLINT",
            "component": "CASE WHEN focal THEN 'direct_focal' WHEN "
            f"{same} THEN 'same_cluster_competitor' ELSE 'other_competitor' END",
            "is_displaced": displaced,
            "position_change": f"(({final}) - position)::SMALLINT",
            "promotion_probability": "promotion_probability",
            "randomization_unit": "randomization_unit",
            "randomization_stratum": "randomization_stratum",
        }
    for column in (*rows.slate_covariates, *rows.item_covariates):
        columns[column] = f"rows.{name(column)}::DOUBLE"
    for column, (_, value, exact) in outcome_columns(rows, limits).items():
        columns[column] = f"{value}::{_kind(rows, value, exact)}"
    chosen = ", ".join(f"{sql} AS {name(alias)}" for alias, sql in columns.items())
    accounts = ["slate_id", "user_id"]
    if rows.experiment:
        accounts += [
            "focal_seed_position",
            "focal_spillover_cluster",
            "promotion_applied",
            "promotion_probability",
            "randomization_unit",
            "randomization_stratum",
        ]
    return (
        f"SELECT {chosen} FROM rows JOIN (SELECT {', '.join(accounts)} FROM accounts) "
        f"ON slate = slate_id WHERE {condition} ORDER BY slate, position"
    )
