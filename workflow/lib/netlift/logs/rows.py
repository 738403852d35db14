"""Rows of a log in SQL: columns mapped to roles and types, and each row's problems as bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netlift.effects.codes import ATTRIBUTE
from netlift.logs.entries import LogEntry
from netlift.logs.source import FILE, Source, first_row, name, text
from netlift.logs.treatment import may_be_hidden, may_lack_position
from netlift.logs.variants import SUM_TOLERANCE, Arm
from netlift.promotion.treatment import MOVE_TO_FIRST, Treatment

if TYPE_CHECKING:
    import duckdb

    from netlift.logs.problems import Problem

_SHORT = ("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "BOOLEAN")
"""Types of whole numbers that fit into 32 bits with a sign."""

_WHOLE = (*_SHORT[:-1], "BIGINT", "UINTEGER")
_WIDE = ("UBIGINT", "HUGEINT", "UHUGEINT", "DECIMAL")
"""Types of numbers that may not fit into 64 bits with a sign."""

_EXACT_BELOW = {"FLOAT": 2**24, "DOUBLE": 2**53}
"""Floating-point types, and the number up to which each whole number has its own value."""

_NUMBERS = (*_WHOLE, *_WIDE, *_EXACT_BELOW)
_IDS = ("slate", "user", "item", "cluster", "stratum", "block")
_COUNTED = ("position", "promoted_position", "final_position", "focal", "promoted")
_MEANT = {
    "promoted": ("promoted", "control"),
    "focal": ("focal", "other"),
    "delivered": ("delivered", "not_delivered"),
}


MISSING_TEXTS = (
    r"\N",
    "NULL",
    "(NULL)",
    "<NULL>",
    "NAN",
    "NAT",
    "NA",
    "<NA>",
    "N/A",
    "#N/A",
    "NONE",
    "UNDEFINED",
)
"""Texts by which programs write a missing value, in capitals: compared without blanks and case."""

BLANKS = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"
"""What is trimmed, in SQL: spaces, tabs, ends of lines, no-break spaces."""

LARGEST = 1e100
"""The largest number whose square, summed over slates, is certainly finite."""

_TEXT_MISSING = max(map(len, MISSING_TEXTS)) + 8
_FLOAT_TEXT = r"-?\d(\.\d+E\d+|(\.\d+)?[eE]\+\d+)|-?\d{16,}\.0+"
"""How programs write floating-point numbers of 16 or more digits; never part of a hash."""

HIGHEST_POSITION = 32_767
"""The largest position that is read; larger numbers are hardly positions in a slate."""

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
        ``cluster``, ``stratum``, ``block``, ``position``, ``promoted_position``,
        ``final_position``, ``promoted``, ``focal``, ``delivered``, ``probability``, in a log with
        several arms ``arm`` and ``probability_0`` and so on, outcomes ``o_NAME``, covariates by
        their names in items), and for text columns ``NAME_bad``, the text that cannot be parsed.
    checks
        Problems of single rows; their indices are the bits of ``problems``.
    outcomes
        Names of the outcomes, in order.
    slate_covariates, item_covariates
        Names of the covariates' columns.
    attributes
        For each column of an attribute, whether it is a number.
    experiment
        Whether the log records promotions.
    parts
        Whether it also records focal items, so that slates have components.
    treatment
        What a promotion does.
    records_delivery
        Whether the log says in which slates a promotion was carried out.
    whole
        Columns of whole numbers, whose sums are exact.
    short
        Those of them that fit into 32 bits.
    logged
        Outcomes and covariates, ``o_NAME`` or NAME -> column of the log.
    guessed
        Flag column -> column of the log: where the flag is set, the value was taken for a whole
        number but is none.
    warnings
        What is doubtful about the columns of the log.
    """

    select: str
    checks: list[RowProblem]
    outcomes: list[str]
    slate_covariates: list[str]
    item_covariates: list[str]
    experiment: bool
    parts: bool
    attributes: dict[str, bool] = field(default_factory=dict)
    treatment: Treatment = MOVE_TO_FIRST
    records_delivery: bool = False
    whole: set[str] = field(default_factory=set)
    short: set[str] = field(default_factory=set)
    logged: dict[str, str] = field(default_factory=dict)
    guessed: dict[str, str] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()

    def problems(self) -> str:
        """Return the expression of a row's problems: one bit for each of ``checks``."""
        if not self.checks:
            return "0::BIGINT"
        kind = "BIGINT" if len(self.checks) < 63 else "HUGEINT"
        bits = [
            f"CASE WHEN {check.condition} THEN {1 << bit}::{kind} ELSE 0 END"
            for bit, check in enumerate(self.checks)
        ]
        # Test for any problem first: nearly all rows have none.
        some = " OR ".join(f"({check.condition})" for check in self.checks)
        return f"CASE WHEN {some} THEN {' | '.join(bits)} ELSE 0 END"


def _base(kind: str) -> str:
    return kind.split("(")[0].upper()


def _nan(value: str) -> str:
    """Return the condition that a floating-point number is NaN.

    By its text: from a Parquet file's smallest and largest values, which leave NaN out, DuckDB
    concludes that ``isnan`` holds nowhere.
    """
    return f"(NOT isfinite({value}) AND {value}::VARCHAR = 'nan')"


def _written(cell: str, texts: Iterable[str]) -> str:
    """Return the condition that a cell has one of some texts, whatever its case and blanks."""
    # Long cells first: nearly all ids are decided by their length. DuckDB compares a cell with a
    # list of texts by a join of all rows, so they are looked for in one text.
    mark = "\x1f"
    listed = text(mark + mark.join(texts) + mark)
    written = f"{text(mark)} || upper(trim({cell}, {BLANKS})) || {text(mark)}"
    return (
        f"CASE WHEN strlen({cell}) > {_TEXT_MISSING} THEN false "
        f"ELSE contains({listed}, {written}) END"
    )


def _listed_missing(cell: str, texts: Sequence[str] | None) -> str:
    """Return a cell; NULL for texts that the entry lists as missing."""
    if not texts:
        return cell
    listed = _written(cell, [value.strip().upper() for value in texts])
    return f"CASE WHEN {listed} THEN NULL ELSE {cell} END"


def _not_blank(cell: str) -> str:
    blank = f"strlen({cell}) <= {_TEXT_MISSING} AND trim({cell}, {BLANKS}) = ''"
    return f"CASE WHEN {blank} THEN NULL ELSE {cell} END"


def cluster_from_items(rows: Rows, log: LogEntry) -> str:
    """Return the cluster that the table of items gives a row, and check it as one of the log."""
    assert log.items is not None, "the entry has a table of items"
    if log.missing_values is None:
        asked = _written("cluster", MISSING_TEXTS)
        rows.checks.append(RowProblem("text_for_missing", log.items.cluster, asked, "cluster"))
    return _not_blank(_listed_missing("cluster_of_item", log.missing_values))


def _unreadable(cell: str) -> str:
    """Return a cell without blanks; NULL if it is empty or says that a value is missing."""
    return f"CASE WHEN {_written(cell, MISSING_TEXTS)} THEN NULL ELSE NULLIF(trim({cell}), '') END"


def _unmeant(cell: str, meant: str) -> str:
    """Return a cell as it is written; NULL if it says that a value is missing, and none is meant.

    A blank more than in the meaning is shown: ``none`` may be an arm, and "none " is not missing.
    """
    bare = f"trim({cell}, {BLANKS})"
    missing = f"({bare} = '' OR {_written(cell, MISSING_TEXTS)})"
    return f"CASE WHEN {missing} AND {bare} NOT IN ({meant}) THEN NULL ELSE {cell} END"


class _Mapper:
    """Builds the expressions of one log."""

    def __init__(self, source: Source, integers: set[str], missing: Sequence[str] | None) -> None:
        self.source, self.integers, self.missing_texts = source, integers, missing
        self.columns: list[str] = []
        self.parsed: list[str] = []
        self.checks: list[RowProblem] = []
        self.whole: set[str] = set()
        self.short: set[str] = set()
        self.logged: dict[str, str] = {}
        self.guessed: dict[str, str] = {}

    def kind(self, column: str) -> str:
        return _base(self.source.types[column])

    def raw(self, column: str) -> str:
        """Return a cell as logged; NULL for texts that the entry lists as missing."""
        cell = f"r.{name(column)}"
        return cell if self.kind(column) != "VARCHAR" else _listed_missing(cell, self.missing_texts)

    def once(self, alias: str, expression: str) -> str:
        """Return a name of an expression, which is evaluated once although it is used twice."""
        self.parsed.append(f"{expression} AS {name(alias + '/parsed')}")
        return f"r.{name(alias + '/parsed')}"

    def select(self) -> str:
        """Return the SELECT of all columns."""
        parsed = ", ".join(["*", *self.parsed])
        source = f"(SELECT {parsed} FROM {self.source.sql} r)" if self.parsed else self.source.sql
        return f"SELECT {', '.join(self.columns)} FROM {source} r"

    def add(self, alias: str, expression: str) -> None:
        self.columns.append(f"{expression} AS {name(alias)}")

    def check(self, code: str, column: str, condition: str, shown: str) -> None:
        self.checks.append(RowProblem(code, column, condition, shown))

    def missing(self, alias: str, column: str, *, bad: bool = False, unless: str = "") -> None:
        condition = f"{name(alias)} IS NULL"
        if bad:
            condition += f" AND {name(alias + '_bad')} IS NULL"
        if unless:
            condition += f" AND NOT coalesce({unless}, false)"
        self.check("missing_value", column, condition, "'(missing)'")

    def guess(self, alias: str, column: str, kind: str) -> None:
        """Parse text as whole numbers, and flag values that are not exactly one."""
        raw = self.raw(column)
        cast = self.once(alias, f"TRY_CAST({raw} AS {kind})")
        self.add(alias, cast)
        wrong = f"{cast}::VARCHAR IS DISTINCT FROM {raw} AND {raw} IS NOT NULL"
        # The two most common values first: they decide most clicks.
        self.add(f"{alias}_guess", f"({raw} NOT IN ('0', '1') AND {wrong})")
        self.guessed[f"{alias}_guess"] = column

    def id(self, alias: str, column: str, *, needed: bool = True) -> None:
        kind, raw = self.kind(column), self.raw(column)
        bad = False
        if kind == "VARCHAR" and column in self.integers:
            self.guess(alias, column, "BIGINT")
        elif kind in _EXACT_BELOW:
            bad = True
            self.float_id(alias, column, kind)
        elif kind in _WHOLE or (kind in _WIDE and column in self.integers):
            self.add(alias, f"{raw}::BIGINT")
        elif kind in _WIDE:
            self.add(alias, f"regexp_replace(CAST({raw} AS VARCHAR), '\\.0+$', '')")
        else:
            self.text_id(alias, column)
        if needed:
            self.missing(alias, column, bad=bad)

    def float_id(self, alias: str, column: str, kind: str) -> None:
        """Read whole floating-point numbers as such where each has its own value."""
        raw = self.raw(column)
        apart = f"isfinite({raw}) AND {raw} = floor({raw}) AND abs({raw}) < {_EXACT_BELOW[kind]}"
        self.add(alias, f"CASE WHEN {apart} THEN {raw}::BIGINT END")
        self.add(f"{alias}_bad", f"CASE WHEN NOT ({apart} OR {_nan(raw)}) THEN {raw}::VARCHAR END")
        bad = name(f"{alias}_bad")
        self.check("float_id", column, f"{bad} IS NOT NULL", bad)

    def text_id(self, alias: str, column: str) -> None:
        """Read text; blank cells are missing, and texts that may mean so are asked about."""
        self.add(alias, _not_blank(f"CAST({self.raw(column)} AS VARCHAR)"))
        value = name(alias)
        if self.missing_texts is None:
            asked = _written(value, MISSING_TEXTS)
            self.check("text_for_missing", column, asked, value)
        digits = f"regexp_full_match({value}, {text(_FLOAT_TEXT)})"
        floats = f"CASE WHEN contains({value}, '.') OR contains({value}, '+') THEN {digits} END"
        self.check("float_id", column, floats, value)

    def number(self, alias: str, column: str, *, needed: bool = True, unless: str = "") -> None:
        kind = self.kind(column)
        bad = False
        if kind == "VARCHAR" and column in self.integers:
            self.guess(alias, column, "INTEGER")
            self.whole.add(alias)
            self.short.add(alias)
        elif kind in _NUMBERS or kind == "BOOLEAN":
            self.typed_number(alias, column, kind)
        else:
            bad = True
            self.text_number(alias, column, kind)
        if needed:
            self.missing(alias, column, bad=bad, unless=unless)
        if alias not in self.whole and alias not in ("probability", "focal_probability"):
            value = name(alias)
            code = "wrong_type" if alias.endswith("position") else "infinite_outcome"
            fits = f"isfinite({value}::DOUBLE) AND abs({value}) <= {LARGEST!r}"
            self.check(code, column, f"NOT ({fits})", f"{value}::VARCHAR")

    def typed_number(self, alias: str, column: str, kind: str) -> None:
        raw, to = self.raw(column), "DOUBLE"
        if kind in _SHORT:
            to = "INTEGER"
            self.short.add(alias)
        elif kind in _WHOLE and alias.startswith("o_"):
            to = "BIGINT"
        if kind in _WHOLE or kind in _SHORT:
            self.whole.add(alias)
        value = f"{raw}::{to}"
        if kind in _EXACT_BELOW and alias.endswith("position"):
            # Programs write NaN for a place that is missing.
            value = f"CASE WHEN NOT {_nan(raw)} THEN {value} END"
        self.add(alias, value)

    def text_number(self, alias: str, column: str, kind: str) -> None:
        raw = self.raw(column)
        cell = raw if kind == "VARCHAR" else f"CAST({raw} AS VARCHAR)"
        number = self.once(alias, f"TRY_CAST({cell} AS DOUBLE)")
        cast = f"CASE WHEN isnan({number}) THEN NULL ELSE {number} END"
        if alias.startswith("o_"):
            truth = f"CASE lower({cell}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
            cast = f"coalesce({cast}, {truth})"
        self.add(alias, cast)
        bad = name(f"{alias}_bad")
        unread = f"CASE WHEN {cast} IS NULL THEN {_unreadable(cell)} END"
        self.add(f"{alias}_bad", f"CASE WHEN {number} IS NULL THEN {unread} END")
        self.check("wrong_type", column, f"{bad} IS NOT NULL", bad)

    def position(self, alias: str, column: str, first: int, unless: str = "") -> None:
        self.number(alias, column, unless=unless)
        value = name(alias)
        if alias not in self.whole:
            condition = f"isfinite({value}) AND {value} <> floor({value})"
            self.check("position_not_whole", column, condition, f"{value}::VARCHAR")
        self.check("position_too_low", column, f"{value} < {first}", f"{value}::VARCHAR")
        highest = HIGHEST_POSITION + first - 1
        too_high = f"{value} > {highest} AND {value}::DOUBLE <= {LARGEST!r}"
        self.check("position_too_high", column, too_high, f"{value}::VARCHAR")

    def flag(self, role: str, column: str, meanings: Mapping[str, Any]) -> None:
        kind, raw = self.kind(column), self.raw(column)
        if role in meanings:
            first, second = (
                ", ".join(text(value) for value in meanings[role][key]) for key in _MEANT[role]
            )
            shown = f"CAST({raw} AS VARCHAR)"
            unread = _unmeant(shown, f"{first}, {second}")
            yes, no = f"{shown} IN ({first})", f"{shown} IN ({second})"
            value = f"CASE WHEN {yes} THEN true WHEN {no} THEN false END"
        elif kind == "BOOLEAN":
            self.add(role, raw)
            self.missing(role, column)
            return
        elif kind in _NUMBERS:
            shown = unread = raw
            value = f"CASE {raw} WHEN 1 THEN true WHEN 0 THEN false END"
        else:
            shown = f"trim(CAST({raw} AS VARCHAR))"
            unread = _unreadable(shown)
            # The two most common values first: they decide nearly all rows.
            value = (
                f"CASE {raw} WHEN '0' THEN false WHEN '1' THEN true ELSE CASE lower({shown}) "
                "WHEN 'true' THEN true WHEN 'false' THEN false WHEN '1' THEN true "
                "WHEN '0' THEN false WHEN '1.0' THEN true WHEN '0.0' THEN false END END"
            )
        bad = f"{role}_bad"
        value = self.once(role, value)
        self.add(role, value)
        self.add(bad, f"CASE WHEN {value} IS NULL THEN {unread} END")
        self.check("unknown_flag", column, f"{name(bad)} IS NOT NULL", name(bad))
        self.missing(role, column, bad=True)

    def arms(self, column: str, arms: Sequence[Arm]) -> None:
        """Read the number of the arm (0 is control), and ``promoted``: whether it is a variant."""
        shown = f"CAST({self.raw(column)} AS VARCHAR)"
        if self.kind(column) in _EXACT_BELOW or self.kind(column) in _WIDE:
            shown = f"regexp_replace({shown}, '\\.0+$', '')"
        lists = [", ".join(text(value) for value in arm.values) for arm in arms]
        cases = " ".join(f"WHEN {shown} IN ({ins}) THEN {n}" for n, ins in enumerate(lists))
        number = self.once("arm", f"(CASE {cases} END)::TINYINT")
        self.add("arm", number)
        self.add("promoted", f"{number} > 0")
        unread = _unmeant(shown, ", ".join(lists))
        self.add("promoted_bad", f"CASE WHEN {number} IS NULL THEN {unread} END")
        self.check("unknown_flag", column, "promoted_bad IS NOT NULL", "promoted_bad")
        self.missing("promoted", column, bad=True)

    def arm_probabilities(self, arms: Sequence[Arm]) -> None:
        """Read the probability of each arm from its column, as ``probability_0`` and so on."""
        columns = [arm.column for arm in arms if arm.column is not None]
        aliases = [arm_probability(number) for number in range(len(columns))]
        for alias, column in zip(aliases, columns, strict=True):
            self.number(alias, column)
            inside = f"{alias} > 0 AND {alias} < 1"
            self.check("probability_out_of_range", column, f"NOT ({inside})", f"{alias}::VARCHAR")
        if columns:
            total = " + ".join(aliases)
            wrong = f"abs({total} - 1) > {SUM_TOLERANCE!r}"
            self.check("probabilities_do_not_add_up", columns[0], wrong, f"({total})::VARCHAR")


def arm_probability(arm: int) -> str:
    """Return the column of rows with the probability of an arm, by its number."""
    return f"probability_{arm}"


def map_rows(source: Source, log: LogEntry, integers: set[str]) -> Rows:
    """Map the columns of a log to roles.

    Parameters
    ----------
    source
        The log.
    log
        Its entry.
    integers
        Columns of text, or of wide numbers, whose values are all whole numbers of 64 bits.
    """
    mapper, columns = _Mapper(source, integers, log.missing_values), log.columns
    mapper.id("slate", columns["slate"])
    if "user" in columns:
        mapper.id("user", columns["user"])
    if "item" in columns:
        mapper.id("item", columns["item"])
    for role in ("cluster", "stratum", "block"):
        if role in columns:
            mapper.id(role, columns[role], needed=role != "cluster")
    _positions(mapper, log)
    if log.is_experiment:
        _design(mapper, log)
    _outcomes(mapper, log)
    for alias, column in [*log.slate_covariates.items(), *log.item_covariates.items()]:
        mapper.number(alias, column, needed=False)
        mapper.logged[alias] = column
    attributes = {alias: alias.removeprefix(ATTRIBUTE) in log.bands for alias in log.attributes}
    for alias, is_number in attributes.items():
        read = mapper.number if is_number else mapper.id
        read(alias, log.attributes[alias], needed=False)
    if source.files:
        mapper.add(FILE, f"r.{name(FILE)}")
    return Rows(
        mapper.select(),
        mapper.checks,
        [outcome.name for outcome in log.outcomes],
        list(log.slate_covariates),
        list(log.item_covariates),
        log.is_experiment,
        log.has_parts,
        attributes,
        log.treatment,
        log.records_delivery,
        mapper.whole,
        mapper.short,
        mapper.logged,
        mapper.guessed,
    )


def _positions(mapper: _Mapper, log: LogEntry) -> None:
    """Map the places of items; they may be missing where an item is not shown."""
    for role in ("position", "promoted_position", "final_position"):
        if role in log.columns:
            column, unless = log.columns[role], may_lack_position(log, role)
            mapper.position(role, column, log.first_position, unless)
    if log.has_parts and log.treatment.adds_focal_item:
        condition = "focal AND position IS NOT NULL"
        mapper.check("focal_has_position", log.columns["position"], condition, "position::VARCHAR")


def _design(mapper: _Mapper, log: LogEntry) -> None:
    """Map the arm, the focal item, and the probability."""
    columns = log.columns
    for role in ("focal", "delivered"):
        if role in columns:
            mapper.flag(role, columns[role], log.meanings)
    if log.arms:
        mapper.arms(columns["promoted"], log.arms)
        mapper.arm_probabilities(log.arms)
    else:
        mapper.flag("promoted", columns["promoted"], log.meanings)
    _candidates(mapper, log)
    if "probability" in columns:
        mapper.number("probability", columns["probability"])
        condition = "NOT (probability > 0 AND probability < 1)"
        mapper.check(
            "probability_out_of_range", columns["probability"], condition, "probability::VARCHAR"
        )


def _candidates(mapper: _Mapper, log: LogEntry) -> None:
    """Map the probability of each item to be focal, and what the team's own rule promotes."""
    columns, impossible = log.columns, ""
    if "focal_probability" in columns:
        column = columns["focal_probability"]
        mapper.number("focal_probability", column)
        shown, inside = "focal_probability::VARCHAR", "focal_probability BETWEEN 0 AND 1"
        mapper.check("focal_probability_out_of_range", column, f"NOT ({inside})", shown)
        impossible = "focal_probability <= 0"
    elif log.candidates:
        column, shown = columns["position"], "position::VARCHAR"
        impossible = f"position NOT IN ({', '.join(map(str, log.candidates))})"
    if impossible:
        mapper.check("impossible_focal_item", column, f"focal AND {impossible}", shown)
    if "own_rule" in columns:
        mapper.flag("own_rule", columns["own_rule"], log.meanings)
        promoted = f"own_rule AND {impossible}"
        mapper.check("impossible_own_promotion", columns["own_rule"], promoted, shown)


def _outcomes(mapper: _Mapper, log: LogEntry) -> None:
    for outcome in log.outcomes:
        alias, column = f"o_{outcome.name}", outcome.column
        mapper.number(alias, column, unless=may_be_hidden(log))
        mapper.logged[alias] = column
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
    mapper = _Mapper(source, set(), log.missing_values)
    tests = []
    for column, kind in kinds.items():
        raw = mapper.raw(column)
        tests.append(f"bool_and(TRY_CAST({raw} AS {kind})::VARCHAR = {raw})")
    row = first_row(
        con, f"SELECT {', '.join(tests)} FROM (SELECT * FROM {source.sql} LIMIT {SAMPLE_ROWS}) r"
    )
    return {column for column, fits in zip(kinds, row, strict=True) if fits}


def narrow_ids(con: duckdb.DuckDBPyConnection, source: Source, log: LogEntry) -> set[str]:
    """Return the columns of ids of a wide type whose values are whole numbers of 64 bits.

    So ids are the same from every format: numbers if all fit, text otherwise.
    """
    columns = [log.columns[role] for role in _IDS if role in log.columns]
    wide = [column for column in columns if _base(source.types[column]) in _WIDE]
    if not wide:
        return set()
    tests = [
        f"bool_and({value} = floor({value}) AND TRY_CAST({value} AS BIGINT) IS NOT NULL)"
        for value in (f"r.{name(column)}" for column in wide)
    ]
    row = first_row(con, f"SELECT {', '.join(tests)} FROM {source.sql} r")
    return {column for column, fits in zip(wide, row, strict=True) if fits}
