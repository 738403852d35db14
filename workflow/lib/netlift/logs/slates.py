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
from netlift.logs.entries import SLATE_COVARIATES, WINSORIZED, LogEntry
from netlift.logs.problems import Problem, first_line, refusal
from netlift.logs.rows import Rows, cluster_from_items, map_rows, narrow_ids, whole_columns
from netlift.logs.source import Source, first_row, name
from netlift.logs.treatment import promoted_position

if TYPE_CHECKING:
    import duckdb

PART_ROWS = 8_000_000
"""Item rows that are summed at once: about 500 MB."""

UNIT_BITS = 56
"""Numbers that are not whole are summed in units of about the largest value / 2^56."""

LOST_BITS = 36
"""Half of the values that are not 0 may be at most 2^36 times smaller than the largest, so that
sums keep 20 bits (six digits) of them."""

_BITS = 62
_MASKED = "bit_count(bit_or(1::BIGINT << position::INTEGER))"
"""Number of different positions in a slate, if none exceeds the number of bits."""

SLATE_CODES = (
    "no_focal_item",
    "several_focal_items",
    "promotion_differs",
    "user_differs",
    "probability_differs",
    "covariate_differs",
    "duplicate_position",
    "position_gap",
    "duplicate_item",
    "focal_not_moved",
    "moved_without_promotion",
    "wrong_final_position",
    "repeated_slate",
    "short_slate",
    "delivery_differs",
    "moved_without_delivery",
    "delivered_not_moved",
)
"""Problems of slates; the index of each is its bit in ``slate_problems``."""


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
    positions = [role for role in ("position", "final_position") if role in log.columns]
    columns = [f"typed.* EXCLUDE ({', '.join(positions)})"]
    columns += [f"{_from_one(role, rows, log)} AS {role}" for role in positions]
    if "cluster" not in log.columns:
        cluster = cluster_from_items(rows, log) if log.items else "NULL::VARCHAR"
        columns.append(f"{cluster} AS cluster")
    if "user" not in log.columns:
        columns.append("slate AS user")
    columns.append(f"{rows.problems()} AS problems")
    con.execute(f"CREATE TEMP VIEW rows AS SELECT {', '.join(columns)} FROM {joined}")
    return rows


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
    """

    limits: Mapping[str, float]
    tops: Mapping[str, float]
    extremes: Mapping[str, float]
    masked: bool
    text_items: bool

    def value(self, sql: str) -> Value:
        """Return a value of rows in whole units, by its expression."""
        if sql not in self.tops:
            return Value(sql, 1.0)
        top = self.tops[sql]
        unit = 2.0 ** (ceil(log2(top)) - UNIT_BITS) if top else 1.0
        # Larger values are in slates that are not used: their sums must not overflow.
        inside = f"abs({sql}::DOUBLE) <= {top!r}"
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
    measures = [
        f"bool_and(position BETWEEN 0 AND {_BITS} AND position = floor(position))",
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
        limits, {sql: tops[sql] for sql in inexact}, extremes, bool(masked), kind == "VARCHAR"
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
    same = "(NOT focal AND cluster = focal_cluster)"
    plain = {
        "slate_id": "rows.slate",
        "user_id": "min(user)",
        "n_items": "count(*)::INTEGER",
        "row_problems": "bit_or(problems)",
        "users": "(min(user) IS DISTINCT FROM max(user))",
        "n_positions": "count(position)",
        "positions": _MASKED if scale.masked else "list_unique(list(position))",
        "position_min": "min(position)",
        "position_max": "max(position)",
        # Text is hashed: two items of a slate collide by chance once in 10^17 slates.
        "items": f"list_unique(list({'hash(item)' if scale.text_items else 'item'}))",
        "no_cluster": "(count(*) - count(cluster))::INTEGER",
    }
    if rows.experiment:
        plain |= _design_sql(log, same)
    if "final_position" in log.columns:
        promoted = promoted_position(log.treatment, "focal_position")
        shown_promoted = "delivered" if log.records_delivery else "promoted"
        expected = f"CASE WHEN {shown_promoted} THEN {promoted} ELSE position END"
        plain |= {
            "focal_final": "min(final_position) FILTER (focal)",
            "misplaced": f"coalesce(bool_or(final_position <> {expected}), false)",
        }
    plain |= _outcomes_sql(rows, scale, same)
    plain |= _covariates_sql(rows, scale)
    aggregates = ", ".join(f"{sql} AS {name(alias)}" for alias, sql in plain.items())
    focal = ""
    if rows.experiment:
        # Focal items first: their clusters define which competitors share a cluster. Grouped, so
        # that slates with several focal items do not multiply rows.
        focal = (
            "LEFT JOIN (SELECT slate AS focal_slate, min(cluster) AS focal_cluster, "
            f"min(position) AS focal_position FROM rows WHERE focal AND {condition} "
            "GROUP BY slate) ON rows.slate = focal_slate"
        )
    bits = " | ".join(
        f"CASE WHEN slate_id IS NOT NULL AND ({sql}) THEN {1 << SLATE_CODES.index(code)} ELSE 0 END"
        for code, sql in _slate_conditions(log, rows).items()
    )
    return (
        f"SELECT *, ({bits})::INTEGER AS slate_problems FROM (SELECT {aggregates} "
        f"FROM rows {focal} WHERE {condition} GROUP BY rows.slate) ORDER BY slate_id"
    )


def _outcomes_sql(rows: Rows, scale: Scale, same: str) -> dict[str, str]:
    """Return the sums of outcomes, by component and in total; ``same`` is a condition on rows."""
    members = {"direct_focal": "focal", "same_cluster_competitor": same}
    columns: dict[str, str] = {}
    for kind, sql, _ in outcome_columns(rows, scale.limits).values():
        value = scale.value(sql)
        sums = {}
        if rows.experiment:
            sums = {component: value.sum(condition) for component, condition in members.items()}
            # Cheaper, and equal: each row has one component, or its slate is not used.
            sums["other_competitor"] = " - ".join([value.sum(), *sums.values()])
        sums["total"] = value.sum()
        columns |= {f"{kind}_{part}": value.number(units) for part, units in sums.items()}
    return columns


def _design_sql(log: LogEntry, same: str) -> dict[str, str]:
    displaced = f"NOT focal AND {promoted_position(log.treatment, 'focal_position')} > position"
    columns = {
        "n_focal": "count(*) FILTER (focal)",
        "flags": "count(focal)",
        "promotion_applied": "max(promoted)::TINYINT",
        "promotions": "(min(promoted) IS DISTINCT FROM max(promoted))",
        "focal_seed_position": "TRY_CAST(min(focal_position) AS INTEGER)",
        "focal_spillover_cluster": "min(focal_cluster)",
        "n_same_cluster": f"count(*) FILTER ({same})",
        "n_other": f"count(focal) - count(*) FILTER (focal) - count(*) FILTER ({same})",
        "n_displaced": f"count(*) FILTER ({displaced})",
        "n_same_cluster_displaced": f"count(*) FILTER ({displaced} AND {same})",
    }
    columns = {
        alias: f"({sql})::INTEGER" if alias.startswith("n_") else sql
        for alias, sql in columns.items()
    }
    differs = "false"
    probability = f"{log.probability!r}::DOUBLE"
    if "probability" in log.columns:
        probability = "min(probability)"
        differs = "min(probability) IS DISTINCT FROM max(probability)"
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


def _covariates_sql(rows: Rows, scale: Scale) -> dict[str, str]:
    """Return the covariates of slates; missing if they are missing in any row."""
    columns = {}
    differs = []
    for column in rows.slate_covariates:
        value = name(column)
        columns[column] = f"min({value})::DOUBLE"
        differs.append(f"min({value}) IS DISTINCT FROM max({value})")
        differs.append(f"count({value}) NOT IN (0, count(*))")
    columns["covariates"] = f"({' OR '.join(differs) or 'false'})"
    for column in _account_covariates(rows):
        sql = name(column)
        units, complete = scale.value(sql), f"count({sql}) = count(*)"
        if rows.experiment:
            columns[f"focal_{column}"] = f"min({sql}::DOUBLE) FILTER (focal)"
        mean = f"{units.number(units.sum())} / count(*)"
        columns[f"{column}_mean"] = f"CASE WHEN {complete} THEN {mean} END"
        if column == "relevance":
            columns["relevance_sd"] = f"CASE WHEN {complete} THEN {_sd_sql(units)} END"
    return columns


def _account_covariates(rows: Rows) -> list[str]:
    return [
        column
        for column in rows.item_covariates
        if column == "relevance" or column.startswith(ITEM_PREFIX)
    ]


def _sd_sql(value: Value) -> str:
    """Return the standard deviation (over n) of a value, from exact sums; 0 for equal values.

    With m a whole number near the mean and r = sum x - n m, sum (x - m)^2 is
    sum x^2 - n m^2 - 2 m r, in whole numbers below 2^127; around the mean it is r^2 / n less.
    """
    total = f"{value.sum()}::HUGEINT"
    whole = f"round({total}::DOUBLE / count(*))::HUGEINT"  # division of HUGEINT is slow
    rest = f"({total} - count(*) * {whole})"
    squares = f"sum({value.sql}::HUGEINT * {value.sql})"
    around = f"({squares} - count(*) * {whole} * {whole} - 2 * {whole} * {rest})"
    scatter = f"({around}::DOUBLE - {rest}::DOUBLE * {rest}::DOUBLE / count(*))"
    return value.number(f"sqrt(greatest({scatter} / count(*), 0))")


def _slate_conditions(log: LogEntry, rows: Rows) -> dict[str, str]:
    conditions = {
        "user_differs": "users",
        "covariate_differs": "covariates",
        # Gaps are not reported for slates with missing or duplicate positions.
        "duplicate_position": "n_positions = n_items AND positions < n_items",
        "position_gap": "positions = n_items AND (position_min > 1 OR position_max > n_items)",
        "duplicate_item": "items < n_items",
    }
    if not rows.experiment:
        # Without a promotion, positions before it are not needed: gaps may be items not logged.
        del conditions["position_gap"]
        return conditions
    conditions |= {
        "no_focal_item": "n_focal = 0 AND flags = n_items",
        "several_focal_items": "n_focal > 1",
        "promotion_differs": "promotions",
        "probability_differs": "probabilities",
        "short_slate": f"n_items < {log.treatment.to or 0}",
    }
    if log.records_delivery:
        conditions["delivery_differs"] = "deliveries"
    if "final_position" in log.columns:
        conditions |= _final_position_conditions(log)
    return conditions


def _final_position_conditions(log: LogEntry) -> dict[str, str]:
    """Return the conditions of slates that were not shown as their arm, or their delivery, says."""
    consistent = "n_focal = 1 AND NOT promotions AND misplaced"
    as_drawn = consistent
    conditions = {}
    if log.records_delivery:
        consistent += " AND NOT deliveries"
        as_drawn = f"{consistent} AND promotion_delivered = promotion_applied"
        conditions = {
            "moved_without_delivery": f"{consistent} AND promotion_applied > promotion_delivered",
            "delivered_not_moved": f"{consistent} AND promotion_applied < promotion_delivered",
        }
    to = "focal_seed_position" if log.treatment.to is None else log.treatment.to
    return conditions | {
        "focal_not_moved": f"{as_drawn} AND promotion_applied = 1 AND focal_final <> {to}",
        "moved_without_promotion": f"{as_drawn} AND promotion_applied = 0",
        "wrong_final_position": f"{as_drawn} AND promotion_applied = 1 AND focal_final = {to}",
    }


def account_columns(rows: Rows, limits: Mapping[str, float]) -> list[str]:
    """Return the columns of ``slates`` that form the accounts, in order."""
    design = ["slate_id", "user_id"]
    counts = ["n_items"]
    if rows.experiment:
        design += ["promotion_applied", "focal_seed_position", "focal_spillover_cluster"]
        design += ["promotion_delivered"] if rows.records_delivery else []
        design += ["promotion_probability", "randomization_unit", "randomization_stratum"]
        counts += ["n_same_cluster", "n_other", "n_displaced", "n_same_cluster_displaced"]
    covariates = [column for column in SLATE_COVARIATES if column in rows.slate_covariates]
    covariates += [column for column in rows.slate_covariates if column not in SLATE_COVARIATES]
    for column in _account_covariates(rows):
        focal = [f"focal_{column}"] if rows.experiment else []
        spread = ["relevance_sd"] if column == "relevance" else []
        covariates += [*focal, f"{column}_mean", *spread]
    kinds = [kind for kind, _, _ in outcome_columns(rows, limits).values()]
    components = ["direct_focal", "same_cluster_competitor", "other_competitor"]
    parts = [*(components if rows.experiment else []), "total"]
    return design + counts + covariates + [f"{kind}_{part}" for kind in kinds for part in parts]
