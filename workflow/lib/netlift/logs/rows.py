"""Rows of a log in SQL: columns mapped to roles and types, and each row's problems as bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netlift.logs.entries import LogEntry
from netlift.logs.source import FILE, Source, first_row, name, text

if TYPE_CHECKING:
    import duckdb

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_NUMBERS = (*_WHOLE, "UBIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_IDS = ("slate", "user", "item", "cluster", "stratum")
_COUNTED = ("position", "final_position", "focal", "promoted")
_MEANT = {"promoted": ("promoted", "control"), "focal": ("focal", "other")}


SAMPLE_ROWS = 20_000
"""Rows of a CSV log from which its types are guessed; all other rows are checked against them."""


@dataclass(frozen=True)
class RowProblem:
    """A problem that single rows can have: its code, the log's column, and the condition in SQL."""

    code: str
    column: str
    condition: str
    shown: str


@dataclass
class Rows:
    """The typed rows of a log, as SQL.

    Attributes
    ----------
    select
        A SELECT over the source: the roles as columns (``slate``, ``user``, ``item``,
        ``cluster``, ``stratum``, ``position``, ``final_position``, ``promoted``, ``focal``,
        ``probability``, outcomes ``o_NAME``, covariates by their names in items), and for text
        columns ``NAME_bad``, the text where it cannot be parsed.
    checks
        Problems of single rows; their indices are the bits of ``problems``.
    outcomes
        Names of the outcomes, in order.
    slate_covariates, item_covariates
        Names of the covariates' columns.
    experiment
        Whether the log records promotions.
    whole
        Columns of whole numbers, whose sums are exact.
    guessed
        Flag column -> column of the log: where the flag is set, the value was taken for a whole
        number but is none.
    """

    select: str
    checks: list[RowProblem]
    outcomes: list[str]
    slate_covariates: list[str]
    item_covariates: list[str]
    experiment: bool
    whole: set[str] = field(default_factory=set)
    guessed: dict[str, str] = field(default_factory=dict)

    def problems(self) -> str:
        """Return the expression of a row's problems: one bit for each of ``checks``."""
        if not self.checks:
            return "0::BIGINT"
        bits = [
            f"CASE WHEN {check.condition} THEN {1 << bit}::BIGINT ELSE 0 END"
            for bit, check in enumerate(self.checks)
        ]
        # Test for any problem first: nearly all rows have none.
        some = " OR ".join(f"({check.condition})" for check in self.checks)
        return f"CASE WHEN {some} THEN {' | '.join(bits)} ELSE 0 END"


def _base(kind: str) -> str:
    return kind.split("(")[0].upper()


class _Mapper:
    """Builds the expressions of one log."""

    def __init__(self, source: Source, integers: set[str]) -> None:
        self.source, self.integers = source, integers
        self.columns: list[str] = []
        self.checks: list[RowProblem] = []
        self.whole: set[str] = set()
        self.guessed: dict[str, str] = {}

    def kind(self, column: str) -> str:
        return _base(self.source.types[column])

    def add(self, alias: str, expression: str) -> None:
        self.columns.append(f"{expression} AS {name(alias)}")

    def check(self, code: str, column: str, condition: str, shown: str) -> None:
        self.checks.append(RowProblem(code, column, condition, shown))

    def missing(self, alias: str, column: str, *, bad: bool = False) -> None:
        condition = f"{name(alias)} IS NULL"
        if bad:
            condition += f" AND {name(alias + '_bad')} IS NULL"
        self.check("missing_value", column, condition, "'(missing)'")

    def guess(self, alias: str, column: str, kind: str) -> None:
        """Parse text as whole numbers, and flag values that are not exactly one."""
        raw = f"r.{name(column)}"
        cast = f"TRY_CAST({raw} AS {kind})"
        self.add(alias, cast)
        wrong = f"{cast}::VARCHAR IS DISTINCT FROM {raw} AND {raw} IS NOT NULL"
        # The two most common values first: they decide most clicks.
        self.add(f"{alias}_guess", f"({raw} NOT IN ('0', '1') AND {wrong})")
        self.guessed[f"{alias}_guess"] = column

    def id(self, alias: str, column: str, *, needed: bool = True) -> None:
        kind, raw = self.kind(column), f"r.{name(column)}"
        if kind == "VARCHAR" and column in self.integers:
            self.guess(alias, column, "BIGINT")
        elif kind == "VARCHAR":
            self.add(alias, f"NULLIF({raw}, '')")
        elif kind in ("FLOAT", "DOUBLE"):
            whole = f"isfinite({raw}) AND {raw} = floor({raw})"
            self.add(alias, f"CASE WHEN {whole} THEN {raw}::BIGINT END")
        elif kind in _WHOLE:
            self.add(alias, raw)
        elif kind in ("UBIGINT", "HUGEINT", "UHUGEINT"):
            self.add(alias, f"TRY_CAST({raw} AS BIGINT)")
        else:
            self.add(alias, f"CAST({raw} AS VARCHAR)")
        if needed:
            self.missing(alias, column)

    def number(self, alias: str, column: str, *, needed: bool = True) -> None:
        kind, raw = self.kind(column), f"r.{name(column)}"
        if kind == "VARCHAR" and column in self.integers:
            self.guess(alias, column, "INTEGER")
            self.whole.add(alias)
            if needed:
                self.missing(alias, column)
        elif kind in _NUMBERS or kind == "BOOLEAN":
            whole = kind in _WHOLE or kind == "BOOLEAN"
            self.add(alias, f"{raw}::{'INTEGER' if whole and kind != 'BIGINT' else 'DOUBLE'}")
            if whole:
                self.whole.add(alias)
            if needed:
                self.missing(alias, column)
        else:
            cell = raw if kind == "VARCHAR" else f"CAST({raw} AS VARCHAR)"
            cast = f"TRY_CAST({cell} AS DOUBLE)"
            if alias.startswith("o_"):
                truth = f"CASE lower({cell}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
                cast = f"coalesce({cast}, {truth})"
            self.add(alias, cast)
            self.add(f"{alias}_bad", f"CASE WHEN {cast} IS NULL THEN NULLIF(trim({cell}), '') END")
            bad = name(f"{alias}_bad")
            self.check("wrong_type", column, f"{bad} IS NOT NULL", bad)
            if needed:
                self.missing(alias, column, bad=True)
        if alias not in self.whole:
            value = name(alias)
            code = "wrong_type" if alias.endswith("position") else "infinite_outcome"
            if alias == "probability":
                code = "probability_out_of_range"
            if code != "probability_out_of_range":
                self.check(code, column, f"NOT isfinite({value})", f"{value}::VARCHAR")

    def position(self, alias: str, column: str, first: int) -> None:
        self.number(alias, column)
        value = name(alias)
        if alias not in self.whole:
            condition = f"isfinite({value}) AND {value} <> floor({value})"
            self.check("position_not_whole", column, condition, f"{value}::VARCHAR")
        self.check("position_too_low", column, f"{value} < {first}", f"{value}::VARCHAR")

    def flag(self, role: str, column: str, meanings: Mapping[str, Any]) -> None:
        kind, raw = self.kind(column), f"r.{name(column)}"
        if role in meanings:
            first, second = (
                ", ".join(text(value) for value in meanings[role][key]) for key in _MEANT[role]
            )
            shown = f"CAST({raw} AS VARCHAR)"
            yes, no = f"{shown} IN ({first})", f"{shown} IN ({second})"
            value = f"CASE WHEN {yes} THEN true WHEN {no} THEN false END"
        elif kind == "BOOLEAN":
            self.add(role, raw)
            self.missing(role, column)
            return
        elif kind in _NUMBERS:
            shown = raw
            value = f"CASE {raw} WHEN 1 THEN true WHEN 0 THEN false END"
        else:
            shown = f"NULLIF(trim(CAST({raw} AS VARCHAR)), '')"
            # The two most common values first: they decide nearly all rows.
            value = (
                f"CASE {raw} WHEN '0' THEN false WHEN '1' THEN true ELSE CASE lower({shown}) "
                "WHEN 'true' THEN true WHEN 'false' THEN false WHEN '1' THEN true "
                "WHEN '0' THEN false WHEN '1.0' THEN true WHEN '0.0' THEN false END END"
            )
        bad = f"{role}_bad"
        self.add(role, value)
        self.add(bad, f"CASE WHEN {value} IS NULL THEN {shown} END")
        self.check("unknown_flag", column, f"{name(bad)} IS NOT NULL", name(bad))
        self.missing(role, column, bad=True)


def map_rows(source: Source, log: LogEntry, integers: set[str]) -> Rows:
    """Map the columns of a log to roles.

    Parameters
    ----------
    source
        The log.
    log
        Its entry.
    integers
        Text columns whose values are all whole numbers, to be parsed as numbers.
    """
    mapper, columns = _Mapper(source, integers), log.columns
    mapper.id("slate", columns["slate"])
    if "user" in columns:
        mapper.id("user", columns["user"])
    mapper.id("item", columns["item"])
    for role in ("cluster", "stratum"):
        if role in columns:
            mapper.id(role, columns[role], needed=role == "stratum")
    mapper.position("position", columns["position"], log.first_position)
    if log.is_experiment:
        mapper.flag("focal", columns["focal"], log.meanings)
        mapper.flag("promoted", columns["promoted"], log.meanings)
        if "final_position" in columns:
            mapper.position("final_position", columns["final_position"], log.first_position)
        if "probability" in columns:
            mapper.number("probability", columns["probability"])
            condition = "NOT (probability > 0 AND probability < 1)"
            mapper.check(
                "probability_out_of_range",
                columns["probability"],
                condition,
                "probability::VARCHAR",
            )
    _outcomes(mapper, log)
    for alias, column in [*log.slate_covariates.items(), *log.item_covariates.items()]:
        mapper.number(alias, column, needed=False)
    if source.files:
        mapper.add(FILE, f"r.{name(FILE)}")
    select = f"SELECT {', '.join(mapper.columns)} FROM {source.sql} r"
    return Rows(
        select,
        mapper.checks,
        [outcome.name for outcome in log.outcomes],
        list(log.slate_covariates),
        list(log.item_covariates),
        log.is_experiment,
        mapper.whole,
        mapper.guessed,
    )


def _outcomes(mapper: _Mapper, log: LogEntry) -> None:
    for outcome in log.outcomes:
        alias, column = f"o_{outcome.name}", outcome.column
        mapper.number(alias, column)
        if not outcome.negative:
            value = name(alias)
            mapper.check(
                "negative_outcome",
                column,
                f"{value} < 0 AND isfinite({value}::DOUBLE)",
                f"{value}::VARCHAR",
            )


def whole_columns(con: duckdb.DuckDBPyConnection, source: Source, log: LogEntry) -> set[str]:
    """Guess from the first rows of a CSV log which columns are whole numbers as usually written."""
    kinds = {log.columns[role]: "INTEGER" for role in _COUNTED if role in log.columns}
    kinds |= {outcome.column: "INTEGER" for outcome in log.outcomes}
    kinds |= {log.columns[role]: "BIGINT" for role in _IDS if role in log.columns}
    tests = [
        f"bool_and(TRY_CAST(r.{name(column)} AS {kind})::VARCHAR = r.{name(column)})"
        for column, kind in kinds.items()
    ]
    row = first_row(
        con, f"SELECT {', '.join(tests)} FROM (SELECT * FROM {source.sql} LIMIT {SAMPLE_ROWS}) r"
    )
    return {column for column, fits in zip(kinds, row, strict=True) if fits}
