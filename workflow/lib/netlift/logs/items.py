"""Items of a log as later stages read them: the contract of ``items.parquet``, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netlift.logs.rows import Rows
from netlift.logs.slates import outcome_columns, ranges
from netlift.logs.source import first_row, name
from netlift.logs.treatment import promoted_position

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH_ROWS = 500_000
"""Rows per row group."""

_CATEGORIES = ("spillover_cluster", "focal_spillover_cluster", "component", "exposure")


def item_batches(
    con: duckdb.DuckDBPyConnection,
    rows: Rows,
    limits: Mapping[str, float],
    n_rows: int,
    used: str,
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
    used
        Its rows that are used, in SQL.
    """
    import pyarrow as pa

    short = _short(con, rows, used)
    for condition in ranges(con, n_rows):
        batches = con.sql(_items_sql(rows, limits, condition, short)).to_arrow_reader(BATCH_ROWS)
        assert batches is not None, "a SELECT has a result"
        for batch in batches:
            table = pa.Table.from_batches([batch])
            for column in _CATEGORIES:
                if column in table.column_names:
                    index = table.column_names.index(column)
                    values = table[column].cast(pa.string()).dictionary_encode()
                    table = table.set_column(index, column, values)
            yield table


def _short(con: duckdb.DuckDBPyConnection, rows: Rows, used: str) -> set[str]:
    """Return the outcomes whose values are whole and fit into 32 bits, whatever their type."""
    wide = [f"o_{outcome}" for outcome in rows.outcomes if f"o_{outcome}" in rows.whole]
    wide = [alias for alias in wide if alias not in rows.short]
    if not wide:
        return rows.short
    tests = ", ".join(f"bool_and(abs({name(alias)}::DOUBLE) < {2**31})" for alias in wide)
    fits = first_row(con, f"SELECT {tests} FROM {used}")
    return rows.short | {alias for alias, fit in zip(wide, fits, strict=True) if fit}


def _items_sql(rows: Rows, limits: Mapping[str, float], condition: str, short: set[str]) -> str:
    columns = {
        "slate_id": "slate",
        "user_id": "user_id",
        "item_id": "item",
        "spillover_cluster": "cluster::VARCHAR",
        "slate_position_seed": "position::SMALLINT",
    }
    if rows.experiment:
        promoted = f"({promoted_position(rows.treatment, 'focal_seed_position')})"
        final = f"CASE WHEN promotion_applied = 1 THEN {promoted} ELSE position END"
        same = "cluster = focal_spillover_cluster"
        columns |= {
            "is_focal_item": "focal",
            "focal_seed_position": "focal_seed_position",
            "focal_spillover_cluster": "focal_spillover_cluster::VARCHAR",
            "promotion_applied": "promotion_applied",
            **({"promotion_delivered": "promotion_delivered"} if rows.records_delivery else {}),
            "promoted_position": f"({promoted})::SMALLINT",
            "final_position": f"({final})::SMALLINT",
            "component": "CASE WHEN focal THEN 'direct_focal' WHEN "
            f"{same} THEN 'same_cluster_competitor' ELSE 'other_competitor' END",
            "exposure": "CASE WHEN focal THEN 'focal' "
            f"WHEN {promoted} > position THEN 'moved_down' "
            f"WHEN {promoted} < position THEN 'moved_up' ELSE 'unchanged' END",
            "position_change": f"(({final}) - position)::SMALLINT",
            "promotion_probability": "promotion_probability",
            "randomization_unit": "randomization_unit",
            "randomization_stratum": "randomization_stratum",
        }
    for column in (*rows.slate_covariates, *rows.item_covariates):
        columns[column] = f"rows.{name(column)}::DOUBLE"
    whole = {name(alias) for alias in short}
    for column, (_, value, _) in outcome_columns(rows, limits).items():
        columns[column] = f"{value}::{'INTEGER' if value in whole else 'DOUBLE'}"
    chosen = ", ".join(f"{sql} AS {name(alias)}" for alias, sql in columns.items())
    accounts = ["slate_id", "user_id"]
    if rows.experiment:
        accounts += [
            "focal_seed_position",
            "focal_spillover_cluster",
            "promotion_applied",
            *(["promotion_delivered"] if rows.records_delivery else []),
            "promotion_probability",
            "randomization_unit",
            "randomization_stratum",
        ]
    return (
        f"SELECT {chosen} FROM rows JOIN (SELECT {', '.join(accounts)} FROM accounts) "
        f"ON slate = slate_id WHERE {condition} ORDER BY slate, position"
    )
