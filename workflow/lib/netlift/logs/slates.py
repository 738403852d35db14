"""Slate accounts of a log, in SQL: every outcome summed over each component of each slate.

The sums equal those of ``accounts.slate_outcomes``. DuckDB computes them in parts, each a range of
slate ids, so that memory use does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log2
from typing import TYPE_CHECKING

from netlift.core.arrays import ROUNDING
from netlift.effects.accounts import ITEM_PREFIX, main_and_further
from netlift.logs.conditions import SLATE_CODES, slate_conditions
from netlift.logs.entries import SLATE_COVARIATES, WINSORIZED, LogEntry
from netlift.logs.outcomes import SMALLEST
from netlift.logs.problems import Problem, first_line, refusal
from netlift.logs.rows import (
    Rows,
    arm_probability,
    cluster_from_items,
    map_rows,
    narrow_ids,
    whole_columns,
)
from netlift.logs.source import Source, first_row, name
from netlift.logs.treatment import (
    IN_FOCAL_BLOCK,
    block_facts,
    carried_out,
    is_hidden,
    may_be_hidden,
    promoted_position,
    same_cluster,
    slate_facts,
)
from netlift.logs.unlogged import is_unlogged
from netlift.promotion.treatment import Treatment

if TYPE_CHECKING:
    import duckdb

PART_ROWS = 8_000_000
"""Item rows that are summed at once: about 500 MB."""

UNIT_BITS = 56
"""Numbers that are not whole are summed in units of about the largest value / 2^56."""

LOST_BITS = 36
"""Half of the values that are not 0 may be at most 2^36 times smaller than the largest, so that
sums keep 20 bits (six digits) of them."""

_POSITIONS = ("position", "promoted_position", "final_position")

_BITS = 62
_MASKED = "bit_count(bit_or(1::BIGINT << {}::INTEGER))"
"""Number of different positions in a slate, if none exceeds the number of bits."""


def stage(con: duckdb.DuckDBPyConnection, source: Source, log: LogEntry) -> Rows:
    """Create ``rows``, the typed rows with their problems: a view, or a table if they were text.

    The table ``clusters`` must exist if the log has a table of items.

    Parameters
    ----------
    con
        A connection whose tables are on disk.
    source
        The log.
    log
        Its entry.

    Raises
    ------
    LogRefusedError
        A file cannot be read to its end.
    """
    try:
        if source.is_text:
            rows = _stage_csv(con, source, log)
        else:
            rows = map_rows(source, log, narrow_ids(con, source, log))
            con.execute(f"CREATE TEMP VIEW typed AS {rows.select}")
    except _duckdb_errors() as error:
        raise refusal([Problem("unreadable_file", examples=(first_line(error),))]) from error
    joined = "typed"
    if log.items:
        joined = "typed LEFT JOIN clusters ON typed.item::VARCHAR = clusters.item_key"
    columns = _view_columns(rows, log)
    con.execute(f"CREATE TEMP VIEW rows AS SELECT {', '.join(columns)} FROM {joined}")
    return rows


def _view_columns(rows: Rows, log: LogEntry) -> list[str]:
    """Return the columns of the view ``rows``: those of the log, and what the entry says of them.

    An item that is not shown has no outcome, which may be missing; ``unrecorded`` is whether it is
    missing in a row whose slate tells whether it is shown.
    """
    positions = [role for role in _POSITIONS if role in log.columns]
    changed = {role: _from_one(role, rows, log) for role in positions}
    hidden = may_be_hidden(log)
    if hidden:
        values = [name(f"o_{outcome}") for outcome in rows.outcomes]
        changed |= {
            value: f"CASE WHEN {value} IS NULL AND {hidden} THEN 0 ELSE {value} END"
            for value in values
        }
    kept = f"typed.* EXCLUDE ({', '.join(changed)})" if changed else "typed.*"
    columns = [kept, *(f"{sql} AS {column}" for column, sql in changed.items())]
    if hidden:
        missing = " OR ".join(f"{value} IS NULL" for value in values)
        columns.append(f"({missing}) AS unrecorded")
    if "position" not in log.columns:
        columns.append("NULL::INTEGER AS position")
    if "item" not in log.columns:
        columns.append("slate AS item")
    if "cluster" not in log.columns:
        cluster = cluster_from_items(rows, log) if log.items else "NULL::VARCHAR"
        columns.append(f"{cluster} AS cluster")
    if "user" not in log.columns:
        columns.append("slate AS user")
    return [*columns, f"{rows.problems()} AS problems"]


def _from_one(role: str, rows: Rows, log: LogEntry) -> str:
    """Return a position counted from 1."""
    if log.first_position == 1:
        return role
    # What is no position may be the largest number of its type.
    wide = "::BIGINT" if role in rows.short else ""
    return f"{role}{wide} - {log.first_position - 1}"


def _duckdb_errors() -> type[Exception]:
    import duckdb

    return duckdb.Error


def _stage_csv(con: duckdb.DuckDBPyConnection, source: Source, log: LogEntry) -> Rows:
    """Read CSV into a table of typed values: ids are numbers if all of them are written so."""
    # A temporary table is not compressed, and is written to disk only if memory is too small.
    create = "CREATE OR REPLACE TEMP TABLE typed AS"
    integers = whole_columns(con, source, log)
    while True:
        rows = map_rows(source, log, integers)
        con.execute(f"{create} {rows.select}")
        if not rows.guessed:
            return rows
        tests = ", ".join(f"bool_or({name(flag)})" for flag in rows.guessed)
        row = first_row(con, f"SELECT {tests} FROM typed")
        wrong = {column for column, bad in zip(rows.guessed.values(), row, strict=True) if bad}
        if not wrong:
            return rows
        integers = integers - wrong


def ranges(con: duckdb.DuckDBPyConnection, n_rows: int, table: str = "rows") -> Iterator[str]:
    """Yield conditions that split a table into ranges of slate ids, in order, covering all rows."""
    parts = -(-n_rows // PART_ROWS)
    if parts <= 1:
        yield "true"
        return
    shares = ", ".join(str((part + 1) / parts) for part in range(parts - 1))
    row = first_row(
        con,
        f"SELECT quantile_disc(slate, [{shares}]) FROM "
        f"(SELECT slate FROM {table} WHERE slate IS NOT NULL USING SAMPLE reservoir(20000 ROWS) "
        "REPEATABLE (1))",
    )
    edges = list(dict.fromkeys(row[0]))
    literal = [
        edge if isinstance(edge, int) else "'" + edge.replace("'", "''") + "'" for edge in edges
    ]
    yield f"(slate <= {literal[0]} OR slate IS NULL)"
    for lower, upper in pairwise(literal):
        yield f"slate > {lower} AND slate <= {upper}"
    yield f"slate > {literal[-1]}"


def used_rows(aside: str) -> str:
    """Return the rows of slates that are not set aside, as an expression after FROM."""
    if aside == "false":
        return "rows"
    return (
        f"(SELECT * FROM rows ANTI JOIN (SELECT slate_id FROM slates WHERE {aside}) "
        "ON slate = slate_id WHERE slate IS NOT NULL)"
    )


def winsor_limits(
    con: duckdb.DuckDBPyConnection, log: LogEntry, used: str = "rows"
) -> dict[str, float]:
    """Return the quantile of the positive values of each outcome with ``winsorize``.

    In two passes, so that values need not be kept in memory: bins of one percent, then the values
    of the bin that contains the quantile. ``used`` is where the rows come from, in SQL.
    """
    limits = {}
    for outcome in log.outcomes:
        if outcome.winsorize is None:
            continue
        value = name(f"o_{outcome.name}")
        positive = f"FROM {used} WHERE {value} > 0 AND isfinite({value}::DOUBLE)"
        bins = con.execute(
            f"SELECT floor(100 * ln({value}))::INTEGER, count(*) {positive} GROUP BY 1 ORDER BY 1"
        ).fetchall()
        total = sum(count for _, count in bins)
        if not total:
            continue
        rank, below, bin_index = max(ceil(total * outcome.winsorize - ROUNDING), 1), 0, 0
        for bin_index, count in bins:  # noqa: B007
            if below + count >= rank:
                break
            below += count
        row = first_row(
            con,
            f"SELECT {value} {positive} AND floor(100 * ln({value}))::INTEGER = {bin_index} "
            f"ORDER BY 1 LIMIT 1 OFFSET {rank - below - 1}",
        )
        limits[outcome.name] = float(row[0])
    return limits


def outcome_columns(rows: Rows, limits: Mapping[str, float]) -> dict[str, tuple[str, str, bool]]:
    """Return the outcomes: column in items -> (outcome type, expression of a row, exact)."""
    columns: dict[str, tuple[str, str, bool]] = {}
    for index, outcome in enumerate(rows.outcomes):
        alias = f"o_{outcome}"
        exact, value = alias in rows.whole, name(alias)
        column, kind = main_and_further(outcome, main=index == 0)
        columns[column] = (kind, value, exact)
        if outcome in limits:
            column, kind = main_and_further(outcome + WINSORIZED, main=False)
            columns[column] = (kind, f"least({value}, {limits[outcome]!r})", False)
    return columns


@dataclass(frozen=True)
class Value:
    """A value of rows, in whole units: sums are exact, so the order of rows does not matter.

    Attributes
    ----------
    sql
        The value of a row, in units.
    per_unit
        The size of one unit: 1, or a power of two.
    """

    sql: str
    per_unit: float

    def sum(self, condition: str = "") -> str:
        """Return the sum over rows that meet a condition, in units; 0 if none does."""
        where = f" FILTER ({condition})" if condition else ""
        return f"coalesce(sum({self.sql}){where}, 0)"

    def number(self, units: str) -> str:
        """Convert a number of units to the value."""
        return f"({units})::DOUBLE * {self.per_unit!r}"


@dataclass(frozen=True)
class Scale:
    """What sums depend on that only all rows tell.

    Attributes
    ----------
    limits
        The values at which outcomes are capped, by name.
    tops
        The largest absolute value of each expression of a row that is summed in units.
    extremes
        Columns of ``rows`` with a value so large that sums lose most others, with that value.
    masked
        Whether positions fit into the bits of an integer.
    text_items
        Whether ids of items are text.
    unlogged
        Whether promoted slates have no row of the item that is pushed out or replaced.
    """

    limits: Mapping[str, float]
    tops: Mapping[str, float]
    extremes: Mapping[str, float]
    masked: bool
    text_items: bool
    unlogged: bool = False

    def value(self, sql: str) -> Value:
        """Return a value of rows in whole units, by its expression."""
        if sql not in self.tops:
            return Value(sql, 1.0)
        top = self.tops[sql]
        unit = 2.0 ** (ceil(log2(top)) - UNIT_BITS) if top else 1.0
        # Larger values are in slates that are not used: their sums must not overflow.
        inside = f"isfinite({sql}::DOUBLE) AND abs({sql}::DOUBLE) <= {top!r}"
        return Value(f"CASE WHEN {inside} THEN round({sql}::DOUBLE / {unit!r})::BIGINT END", unit)


def measured(
    con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, used: str = "rows"
) -> Scale:
    """Measure the scale of what is summed over the rows that are used."""
    limits = winsor_limits(con, log, used)
    outcomes = outcome_columns(rows, limits).values()
    inexact = [value for _, value, exact in outcomes if not exact]
    inexact += [name(column) for column in _account_covariates(rows)]
    checked = {name(alias): alias for alias in rows.logged if alias not in rows.short}
    columns = list(dict.fromkeys([*inexact, *checked]))
    sizes = [f"abs({column}::DOUBLE)" for column in columns]
    places = ["position", *(role for role in _POSITIONS[1:2] if role in log.columns)]
    fits = " AND ".join(
        f"coalesce({place} BETWEEN 0 AND {_BITS} AND {place} = floor({place}), true)"
        for place in places
    )
    measures = [
        f"bool_and({fits})",
        "any_value(typeof(item))",
        *(f"max({size}) FILTER (isfinite({size}))" for size in sizes),
        *(f"min({size}) FILTER ({size} > 0)" for size in sizes),
    ]
    masked, kind, *found = first_row(con, f"SELECT {', '.join(measures)} FROM {used}")
    tops = {column: top or 0.0 for column, top in zip(columns, found, strict=False)}
    lows = dict(zip(columns, found[len(columns) :], strict=True))
    wide = [column for column in checked if lows[column] and _far(lows[column], tops[column])]
    extremes = {
        checked[column]: tops[column] for column in wide if _loses(con, column, tops[column], used)
    }
    return Scale(
        limits,
        {sql: tops[sql] for sql in inexact},
        extremes,
        bool(masked),
        kind == "VARCHAR",
        is_unlogged(con, log, used),
    )


def _far(low: float, top: float) -> bool:
    return low < top * 2.0**-LOST_BITS


def _loses(con: duckdb.DuckDBPyConnection, value: str, top: float, used: str) -> bool:
    """Return whether half of the values that are not 0 are too small for sums with the largest."""
    small = f"abs({value}::DOUBLE) < {top * 2.0**-LOST_BITS!r}"
    row = first_row(
        con, f"SELECT count(*) FILTER ({small}), count(*) FROM {used} WHERE {value} <> 0"
    )
    return bool(2 * row[0] >= row[1])


def extreme_values(
    con: duckdb.DuckDBPyConnection, rows: Rows, scale: Scale, used: str
) -> Iterator[Problem]:
    """Yield the problem of each column with values that sums cannot hold together."""
    for alias, top in scale.extremes.items():
        column, logged = name(alias), rows.logged[alias]
        large = f"FROM {used} WHERE abs({column}::DOUBLE) > {top * 2.0**-LOST_BITS!r}"
        counted = first_row(con, f"SELECT count(*), count(DISTINCT slate) {large}")
        sample = con.execute(
            f"SELECT DISTINCT {column}::VARCHAR, slate::VARCHAR, item::VARCHAR, "
            f"abs({column}::DOUBLE) {large} ORDER BY 4 DESC, 2, 3 LIMIT 3"
        ).fetchall()
        examples = tuple(
            f"{logged} is {value} in slate {slate}, item {item}" for value, slate, item, _ in sample
        )
        yield Problem("extreme_value", logged, int(counted[0]), int(counted[1]), examples)


def sum_slates(
    con: duckdb.DuckDBPyConnection, rows: Rows, log: LogEntry, scale: Scale, n_rows: int
) -> None:
    """Create the table ``slates``: one row per slate id, with its accounts and its problems.

    ``row_problems`` combines the bits of its rows' problems, ``slate_problems`` has the bits of its
    own (``SLATE_CODES``). Sorted by slate.
    """
    for number, condition in enumerate(ranges(con, n_rows)):
        sql = _slates_sql(rows, log, scale, condition)
        verb = "CREATE OR REPLACE TABLE slates AS" if number == 0 else "INSERT INTO slates"
        con.execute(f"{verb} {sql}")


def _slates_sql(rows: Rows, log: LogEntry, scale: Scale, condition: str) -> str:
    """Return the query of one range of slates."""
    facts = ""
    if rows.parts:
        facts = slate_facts(log.treatment, condition, unlogged=scale.unlogged, arm=carried_out(log))
    summed = grouped_sql(slate_columns(rows, log, scale), facts, condition, log.treatment, scale)
    bits = problem_bits(rows, log, unlogged=scale.unlogged)
    return f"SELECT *, {bits} AS slate_problems FROM ({summed}) ORDER BY slate_id"


def grouped_sql(
    columns: Mapping[str, str], facts: str, condition: str, treatment: Treatment, scale: Scale
) -> str:
    """Return the query of one range of slates: some columns, by alias, of each slate id.

    ``facts`` is the query of what a row must know of its slate; empty if nothing.
    """
    aggregates = ", ".join(f"{sql} AS {name(alias)}" for alias, sql in columns.items())
    joined = f"LEFT JOIN ({facts}) ON rows.slate = focal_slate" if facts else ""
    if treatment.in_block:
        blocks = block_facts(treatment, condition, lambda place: _different(place, scale))
        joined += f" LEFT JOIN ({blocks}) ON rows.slate = block_slate AND block = of_block"
    return f"SELECT {aggregates} FROM rows {joined} WHERE {condition} GROUP BY rows.slate"


def problem_bits(rows: Rows, log: LogEntry, *, unlogged: bool) -> str:
    """Return the bits of a slate's own problems, over the columns of ``slate_columns``."""
    bits = " | ".join(
        f"CASE WHEN slate_id IS NOT NULL AND ({sql}) THEN {1 << SLATE_CODES.index(code)} ELSE 0 END"
        for code, sql in slate_conditions(log, rows, unlogged=unlogged).items()
    )
    return f"({bits})::INTEGER"


def slate_columns(rows: Rows, log: LogEntry, scale: Scale) -> dict[str, str]:
    """Return the aggregates of a slate's rows, by alias: accounts, and what checks need."""
    plain = {
        "slate_id": "rows.slate",
        "user_id": "min(user)",
        "n_items": "count(*)::INTEGER",
        "row_problems": "bit_or(problems)",
        "users": "(min(user) IS DISTINCT FROM max(user))",
        "n_positions": "count(position)",
        "positions": _different("position", scale),
        "position_min": "min(position)",
        "position_max": "max(position)",
        # Text is hashed: two items of a slate collide by chance once in 10^17 slates.
        "items": f"list_unique(list({'hash(item)' if scale.text_items else 'item'}))",
        "no_cluster": "(count(*) - count(cluster))::INTEGER",
    }
    if log.has_blocks:
        plain |= _blocks_sql(rows, scale)
    same, counted = same_cluster(log.treatment), ""
    promoted = f"({promoted_position(log.treatment)})"
    if rows.parts and scale.unlogged:
        # The same items in both arms: without those that only control slates have.
        counted = f"(position IS NULL OR {promoted} IS NOT NULL)"
    if rows.experiment:
        plain |= _design_sql(log)
    if rows.parts:
        plain |= _focal_sql(log, same, promoted, counted)
        plain |= _orders_sql(rows, log, scale, promoted)
    plain |= _outcomes_sql(rows, scale, same)
    return plain | _covariates_sql(rows, scale, counted)


def _blocks_sql(rows: Rows, scale: Scale) -> dict[str, str]:
    """Return what replaces, and what is added to, the aggregates of a slate that is one list.

    A page may show one item in several blocks. The first and last position are those of the focal
    item's block, which has ``n_focal_block`` items and ``n_block_positions`` positions; gaps in
    other blocks are ``blocks_gap``.
    """
    columns = {
        "items": "list_unique(list(hash(item, block)))",
        "different_items": "list_unique(list(hash(item)))",
        "blocks": "(min(block) IS DISTINCT FROM max(block))",
        "positions": "count(position) - coalesce(max(block_repeats), 0)",
        "page_positions": _different("position", scale),
        "page_first": "min(position)",
        "page_last": "max(position)",
        "blocks_gap": "coalesce(bool_or(block_gap), false)",
        "page_gap": "coalesce(bool_or(block_gap), false)",
    }
    if rows.parts:
        inside = f"FILTER ({IN_FOCAL_BLOCK})"
        columns |= {
            "focal_block": "min(focal_block)::VARCHAR",
            "focal_blocks": "(min(block) FILTER (focal) <> max(block) FILTER (focal))",
            "n_focal_block": f"(count(*) {inside})::INTEGER",
            "n_block_positions": f"count(position) {inside}",
            "position_min": f"min(position) {inside}",
            "position_max": f"max(position) {inside}",
            "blocks_gap": f"coalesce(bool_or(block_gap AND NOT {IN_FOCAL_BLOCK}), false)",
        }
    return columns


def _different(position: str, scale: Scale) -> str:
    """Return the number of different positions of a list of items."""
    return _MASKED.format(position) if scale.masked else f"list_unique(list({position}))"


def _orders_sql(rows: Rows, log: LogEntry, scale: Scale, promoted: str) -> dict[str, str]:
    """Return what the slate's two orders tell: what is where, and what is not shown."""
    columns = {}
    if "final_position" in log.columns:
        expected = f"CASE WHEN {carried_out(log)} THEN {promoted} ELSE position END"
        misplaced = f"final_position IS DISTINCT FROM ({expected})"
        columns = {
            "focal_misplaced": f"coalesce(bool_or(focal AND {misplaced}), false)",
            "misplaced": f"coalesce(bool_or({misplaced}), false)",
        }
    if may_be_hidden(log):
        hidden = is_hidden(log, promoted)
        some = " OR ".join(f"{name(f'o_{outcome}')} <> 0" for outcome in rows.outcomes)
        columns["outcome_hidden"] = f"coalesce(bool_or({hidden} AND ({some})), false)"
        unrecorded = f"unrecorded AND promoted IS NOT NULL AND NOT {hidden}"
        columns["outcome_missing"] = f"coalesce(bool_or({unrecorded}), false)"
    if log.treatment.kind == "replace":
        inside = f" AND {IN_FOCAL_BLOCK}" if log.has_blocks else ""
        columns["n_replaced"] = f"count(*) FILTER (position = {log.treatment.to}{inside})"
    if log.treatment.kind == "rerank":
        columns["n_promoted_positions"] = "count(promoted_position)"
        columns["promoted_positions"] = _different("promoted_position", scale)
        columns["promoted_min"] = "min(promoted_position)"
        columns["promoted_max"] = "max(promoted_position)"
        if log.has_blocks:
            columns["blocks_order_gap"] = "coalesce(bool_or(block_order_gap), false)"
            columns["promoted_positions"] = (
                "count(promoted_position) - coalesce(max(block_order_repeats), 0)"
            )
    return columns


def _outcomes_sql(rows: Rows, scale: Scale, same: str) -> dict[str, str]:
    """Return the sums of outcomes, by component and in total; ``same`` is a condition on rows."""
    members = {"direct_focal": "focal", "same_cluster_competitor": same}
    columns: dict[str, str] = {}
    for kind, sql, _ in outcome_columns(rows, scale.limits).values():
        value = scale.value(sql)
        sums = {}
        if rows.parts:
            sums = {component: value.sum(condition) for component, condition in members.items()}
            # Cheaper, and equal: each row has one component, or its slate is not used.
            sums["other_competitor"] = " - ".join([value.sum(), *sums.values()])
        sums["total"] = value.sum()
        columns |= {f"{kind}_{part}": value.number(units) for part, units in sums.items()}
        if rows.experiment and not rows.parts:
            columns[f"{kind}_{SMALLEST}"] = value.number(f"min({value.sql})")
    return columns


def _focal_sql(log: LogEntry, same: str, promoted: str, counted: str) -> dict[str, str]:
    """Return the focal items of a slate, and the numbers of its other items that are counted."""
    displaced = f"NOT focal AND {promoted} > position"
    among = f" AND {counted}" if counted else ""
    n_same = f"count(*) FILTER ({same}{among})"
    n_all = f"count(focal) FILTER ({counted})" if counted else "count(focal)"
    columns = {
        "n_focal": "count(*) FILTER (focal)",
        "flags": "count(focal)",
        "focal_seed_position": "TRY_CAST(min(focal_position) AS INTEGER)",
        "focal_spillover_cluster": "min(focal_cluster)",
        "n_same_cluster": n_same,
        "n_other": f"{n_all} - count(*) FILTER (focal) - {n_same}",
        "n_displaced": f"count(*) FILTER ({displaced})",
        "n_same_cluster_displaced": f"count(*) FILTER ({displaced} AND {same})",
    }
    if "focal_probability" in log.columns:
        columns["focal_chances"] = "sum(focal_probability)"
    if "own_rule" in log.columns:
        columns["own_promotions"] = "count(*) FILTER (own_rule)"
    return {
        alias: f"({sql})::INTEGER" if alias.startswith("n_") else sql
        for alias, sql in columns.items()
    }


def _design_sql(log: LogEntry) -> dict[str, str]:
    drawn = "promoted" if log.contrast is None else "arm"
    columns = {
        "promotion_applied": "max(promoted)::TINYINT",
        "promotions": f"(min({drawn}) IS DISTINCT FROM max({drawn}))",
    }
    differs = "false"
    probability = f"{log.probability!r}::DOUBLE"
    if "probability" in log.columns:
        of_row = "probability"
        if log.contrast is not None:
            of_arm, of_control = arm_probability(log.contrast), arm_probability(0)
            of_row = f"({of_arm} / ({of_arm} + {of_control}))"
        probability = f"min({of_row})"
        differs = f"min({of_row}) IS DISTINCT FROM max({of_row})"
    if log.records_delivery:
        columns["promotion_delivered"] = "max(delivered)::TINYINT"
        columns["deliveries"] = "(min(delivered) IS DISTINCT FROM max(delivered))"
    columns["promotion_probability"] = probability
    columns["randomization_unit"] = "min(user)" if log.unit == "user" else "rows.slate"
    columns["randomization_stratum"] = "0::SMALLINT"
    if "stratum" in log.columns:
        columns["randomization_stratum"] = "min(stratum)"
        differs += " OR min(stratum) IS DISTINCT FROM max(stratum)"
    return columns | {"probabilities": f"({differs})"}


def _covariates_sql(rows: Rows, scale: Scale, counted: str) -> dict[str, str]:
    """Return the covariates of slates; missing if they are missing in any row that is counted."""
    columns = {}
    differs = []
    for column in rows.slate_covariates:
        value = name(column)
        columns[column] = f"min({value})::DOUBLE"
        differs.append(f"min({value}) IS DISTINCT FROM max({value})")
        differs.append(f"count({value}) NOT IN (0, count(*))")
    columns["covariates"] = f"({' OR '.join(differs) or 'false'})"
    where = f" FILTER ({counted})" if counted else ""
    n = f"count(*){where}"
    for column in _account_covariates(rows):
        sql = name(column)
        units, complete = scale.value(sql), f"count({sql}){where} = {n}"
        if rows.parts:
            columns[f"focal_{column}"] = _of_focal_items(rows, units, sql)
        mean = f"{units.number(units.sum(counted))} / {n}"
        columns[f"{column}_mean"] = f"CASE WHEN {complete} THEN {mean} END"
        if column == "relevance":
            spread = _sd_sql(units, n, counted)
            columns["relevance_sd"] = f"CASE WHEN {complete} THEN {spread} END"
    return columns


def _of_focal_items(rows: Rows, units: Value, sql: str) -> str:
    """Return the covariate of the focal item; of several, the mean, missing if one is missing."""
    if rows.treatment.focal_items == 1:
        return f"min({sql}::DOUBLE) FILTER (focal)"
    n, known = "count(*) FILTER (focal)", f"count({sql}) FILTER (focal)"
    return f"CASE WHEN {known} = {n} AND {n} > 0 THEN {units.number(units.sum('focal'))} / {n} END"


def _account_covariates(rows: Rows) -> list[str]:
    return [
        column
        for column in rows.item_covariates
        if column == "relevance" or column.startswith(ITEM_PREFIX)
    ]


def _sd_sql(value: Value, n: str, counted: str) -> str:
    """Return the standard deviation (over n) of a value, from exact sums; 0 for equal values.

    With m a whole number near the mean and r = sum x - n m, sum (x - m)^2 is
    sum x^2 - n m^2 - 2 m r, in whole numbers below 2^127; around the mean it is r^2 / n less.
    """
    total = f"{value.sum(counted)}::HUGEINT"
    whole = f"round({total}::DOUBLE / {n})::HUGEINT"  # division of HUGEINT is slow
    rest = f"({total} - {n} * {whole})"
    where = f" FILTER ({counted})" if counted else ""
    squares = f"sum({value.sql}::HUGEINT * {value.sql}){where}"
    around = f"({squares} - {n} * {whole} * {whole} - 2 * {whole} * {rest})"
    scatter = f"({around}::DOUBLE - {rest}::DOUBLE * {rest}::DOUBLE / {n})"
    return value.number(f"sqrt(greatest({scatter} / {n}, 0))")


def account_columns(rows: Rows, limits: Mapping[str, float]) -> list[str]:
    """Return the columns of ``slates`` that form the accounts, in order."""
    design = ["slate_id", "user_id"]
    counts = ["n_items"]
    if rows.experiment:
        focal = ["focal_seed_position", "focal_spillover_cluster"] if rows.parts else []
        design += ["promotion_applied", *focal]
        design += ["promotion_delivered"] if rows.records_delivery else []
        design += ["promotion_probability", "randomization_unit", "randomization_stratum"]
    if rows.parts:
        counts += ["n_same_cluster", "n_other", "n_displaced", "n_same_cluster_displaced"]
    covariates = [column for column in SLATE_COVARIATES if column in rows.slate_covariates]
    covariates += [column for column in rows.slate_covariates if column not in SLATE_COVARIATES]
    for column in _account_covariates(rows):
        focal = [f"focal_{column}"] if rows.parts else []
        spread = ["relevance_sd"] if column == "relevance" else []
        covariates += [*focal, f"{column}_mean", *spread]
    kinds = [kind for kind, _, _ in outcome_columns(rows, limits).values()]
    components = ["direct_focal", "same_cluster_competitor", "other_competitor"]
    parts = [*(components if rows.parts else []), "total"]
    return design + counts + covariates + [f"{kind}_{part}" for kind in kinds for part in parts]
