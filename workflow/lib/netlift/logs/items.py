"""Items of a log as later stages read them: the contract of ``items.parquet``, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netlift.logs.entries import LogEntry
from netlift.logs.rows import Rows
from netlift.logs.slates import outcome_columns, ranges
from netlift.logs.source import first_row, name
from netlift.logs.treatment import (
    needs_facts,
    promoted_position,
    same_cluster,
    slate_facts,
)

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH_ROWS = 500_000
"""Rows per row group."""

_CATEGORIES = ("spillover_cluster", "focal_spillover_cluster", "component", "exposure", "block")


def item_batches(
    con: duckdb.DuckDBPyConnection,
    rows: Rows,
    log: LogEntry,
    limits: Mapping[str, float],
    n_rows: int,
    used: str,
) -> Iterator[pa.Table]:
    """Yield the item rows of the slates in ``accounts``, sorted by slate and seed position.

    Parameters
    ----------
    con
        With the views ``rows`` and ``accounts`` (the slates that are used).
    rows, log
        The mapping of the log, and its entry.
    limits
        The values at which outcomes are capped, by name.
    n_rows
        Rows of the log.
    used
        Its rows that are used, in SQL.
    """
    import pyarrow as pa

    short = _short(con, rows, used)
    categories = [*_CATEGORIES, *(name for name, number in rows.attributes.items() if not number)]
    for condition in ranges(con, n_rows):
        sql = _items_sql(rows, log, limits, condition, short)
        batches = con.sql(sql).to_arrow_reader(BATCH_ROWS)
        assert batches is not None, "a SELECT has a result"
        for batch in batches:
            table = pa.Table.from_batches([batch])
            for column in categories:
                if column in table.column_names:
                    index = table.column_names.index(column)
                    values = table[column].cast(pa.string()).dictionary_encode()
                    table = table.set_column(index, column, values)
            yield table


def candidate_columns(log: LogEntry) -> dict[str, str]:
    """Return the probability of each row to be focal, and what the team's own rule promotes."""
    columns = {}
    if "focal_probability" in log.columns:
        columns["focal_probability"] = "focal_probability::DOUBLE"
    elif log.candidates:
        columns["focal_probability"] = uniform_probability(log)
    if "own_rule" in log.columns:
        columns["own_rule"] = "own_rule::TINYINT"
    return columns


def uniform_probability(log: LogEntry) -> str:
    """Return the probability of an item drawn uniformly from the stated positions of its slate."""
    positions = ", ".join(str(place - log.first_position + 1) for place in log.candidates)
    number = f"count(*) FILTER (position IN ({positions})) OVER (PARTITION BY slate)"
    drawn = f"{float(log.treatment.focal_items)!r} / {number}"
    return f"CASE WHEN position IN ({positions}) THEN {drawn} ELSE 0.0 END::DOUBLE"


def _short(con: duckdb.DuckDBPyConnection, rows: Rows, used: str) -> set[str]:
    """Return the outcomes whose values are whole and fit into 32 bits, whatever their type."""
    wide = [f"o_{outcome}" for outcome in rows.outcomes if f"o_{outcome}" in rows.whole]
    wide = [alias for alias in wide if alias not in rows.short]
    if not wide:
        return rows.short
    tests = ", ".join(f"bool_and(abs({name(alias)}::DOUBLE) < {2**31})" for alias in wide)
    fits = first_row(con, f"SELECT {tests} FROM {used}")
    return rows.short | {alias for alias, fit in zip(wide, fits, strict=True) if fit}


def _items_sql(
    rows: Rows, log: LogEntry, limits: Mapping[str, float], condition: str, short: set[str]
) -> str:
    columns = {
        "slate_id": "slate",
        "user_id": "user_id",
        "item_id": "item",
        "spillover_cluster": "cluster::VARCHAR",
        "slate_position_seed": "position::SMALLINT",
    }
    source = f"rows JOIN (SELECT {', '.join(_of_slates(rows))} FROM accounts) ON slate = slate_id"
    if rows.treatment.in_block:
        columns["block"] = "block::VARCHAR"
    if rows.parts:
        columns |= _exposure_columns(rows) | candidate_columns(log)
        if needs_facts(rows.treatment):
            facts = slate_facts(rows.treatment, condition, unlogged=False)
            source += f" JOIN ({facts}) ON slate = focal_slate"
    for column in (*rows.slate_covariates, *rows.item_covariates):
        columns[column] = f"rows.{name(column)}::DOUBLE"
    for column, is_number in rows.attributes.items():
        columns[column] = f"rows.{name(column)}::{'DOUBLE' if is_number else 'VARCHAR'}"
    whole = {name(alias) for alias in short}
    for column, (_, value, _) in outcome_columns(rows, limits).items():
        columns[column] = f"{value}::{'INTEGER' if value in whole else 'DOUBLE'}"
    chosen = ", ".join(f"{sql} AS {name(alias)}" for alias, sql in columns.items())
    # Items that are not shown without promotion are the last ones of their slate.
    order = "slate, rows.block, position" if rows.treatment.in_block else "slate, position"
    order += " NULLS LAST" + (", item" if rows.treatment.kind == "rerank" else "")
    return f"SELECT {chosen} FROM {source} WHERE {condition} ORDER BY {order}"


_DESIGN = (
    "focal_seed_position",
    "focal_spillover_cluster",
    "promotion_applied",
    "promotion_probability",
    "randomization_unit",
    "randomization_stratum",
)


def _of_slates(rows: Rows) -> list[str]:
    """Return the columns that rows take from the accounts of their slates."""
    if not rows.parts:
        return ["slate_id", "user_id"]
    return ["slate_id", "user_id", *_DESIGN, *_delivered(rows)]


def _delivered(rows: Rows) -> dict[str, str]:
    """Return the column of deliveries, where the log records them."""
    return {"promotion_delivered": "promotion_delivered"} if rows.records_delivery else {}


def _exposure_columns(rows: Rows) -> dict[str, str]:
    """Return the design and the exposure mapping of a row."""
    facts = needs_facts(rows.treatment)
    at = "focal_position" if facts else "focal_seed_position"
    cluster = "focal_cluster" if facts else "focal_spillover_cluster"
    promoted = f"({promoted_position(rows.treatment, at)})"
    final = f"CASE WHEN promotion_applied = 1 THEN {promoted} ELSE position END"
    same = same_cluster(rows.treatment, cluster)
    return {
        "is_focal_item": "focal",
        "focal_seed_position": "focal_seed_position",
        "focal_spillover_cluster": "focal_spillover_cluster::VARCHAR",
        "promotion_applied": "promotion_applied",
        **_delivered(rows),
        "promoted_position": f"({promoted})::SMALLINT",
        "final_position": f"({final})::SMALLINT",
        "component": "CASE WHEN focal THEN 'direct_focal' WHEN "
        f"{same} THEN 'same_cluster_competitor' ELSE 'other_competitor' END",
        "exposure": "CASE WHEN focal THEN 'focal' "
        f"WHEN {promoted} IS NULL THEN 'pushed_out' "
        f"WHEN {promoted} > position THEN 'moved_down' "
        f"WHEN position IS NULL OR {promoted} < position THEN 'moved_up' ELSE 'unchanged' END",
        "position_change": f"(({final}) - position)::SMALLINT",
        "promotion_probability": "promotion_probability",
        "randomization_unit": "randomization_unit",
        "randomization_stratum": "randomization_stratum",
    }
