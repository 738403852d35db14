"""The record of an entry of ``logs`` in the config, parsed once: standard library only."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from netlift.core.errors import NetliftError, listed
from netlift.effects.codes import ATTRIBUTE, CLUSTER, MAIN_OUTCOME
from netlift.logs.codes import CODES, DELIVERY
from netlift.logs.variants import ARM_ORDER, Arm, arms_of
from netlift.promotion.treatment import MOVE_TO_FIRST, Treatment

Json = dict[str, Any]

ENDINGS = {".parquet": "parquet", ".pq": "parquet", ".duckdb": "duckdb", ".db": "duckdb"}
"""Format by file extension, in any case; all other files are CSV."""

SLATE_COVARIATES = ("user_activity", "user_liked_rate")
ITEM_COVARIATES = ("relevance", "item_popularity", "item_liked_rate")
"""Covariates that the analysis knows by name; others get a prefix."""

BLOCK = "block"
"""Role of the column with the block of a page (carousel, row) that an item is in."""

_WITH_FOCAL = ("promoted_position", "final_position")
"""Positions that a log without focal items cannot have: they follow from what is promoted."""

RESERVED = (MAIN_OUTCOME, "expected_clicks", "known_lift", "known_effect", "promotion_delivered")
"""Outcome types that Netlift computes itself."""

WINSORIZED = "_winsorized"
"""Suffix of the winsorized version of an outcome."""


UNIT_WORDS = (
    "slate: the arm was drawn for each slate by itself, so that one user sees both arms. user: it "
    "was drawn for each user, so that all slates of a user are in one arm"
)
"""How to choose ``promotion.unit``."""


@dataclass(frozen=True)
class LogOutcome:
    """One outcome of a log.

    Attributes
    ----------
    name
        Its name in the tables.
    column
        Its column in the log.
    unit
        Its unit: from the entry, or the name in words.
    negative
        Whether values below zero are intended.
    winsorize
        The quantile of its positive values at which larger values are capped; None for no
        winsorized version.
    """

    name: str
    column: str
    unit: str
    negative: bool = False
    winsorize: float | None = None

    @classmethod
    def from_config(cls, name: str, values: Mapping[str, Any]) -> Self:
        """Parse an entry of ``outcomes``."""
        words = name.replace("_", " ").strip()
        return cls(name, **{"unit": words, **values})


@dataclass(frozen=True)
class ItemsTable:
    """A table of items with their clusters: its file, and its columns of items and clusters.

    ``delimiter`` is that of a CSV file; None for the one of the log.
    """

    path: str
    item: str
    cluster: str
    delimiter: str | None = None


@dataclass(frozen=True)
class LogEntry:
    """A team's own log, as an entry of ``logs`` describes it.

    Attributes
    ----------
    columns
        The log's column by role: slate, user, item, position, promoted, ...
    outcomes
        The main one first.
    paths
        Files, globs and folders.
    format_name
        ``csv``, ``parquet`` or ``duckdb``; None to infer it from file extensions (see ``format``).
    table, query
        What to read from a DuckDB file.
    delimiter
        The delimiter of CSV files.
    first_position
        The number of the top position: 0 or 1.
    meanings
        The values of each flag (promoted, focal, delivered), by meaning.
    missing_values
        The texts that mean missing, all others being names; None if the entry does not say.
    items
        The table of items with their clusters.
    unit
        What was randomized: ``slate`` or ``user``; None in a log without promotions.
    probability
        Probability of promotion; None where it is in a column.
    treatment
        What the promotion does.
    candidates
        Positions, as logged, from which the focal item was drawn, each with the same probability;
        empty if the entry states none.
    arms
        The arms of a log with several, control first; empty for a log with two.
    contrast
        Which of the variants is compared with control, from 1 on, if this is a contrast of a log
        with several arms; else None.
    slate_covariates, item_covariates
        The log's column by the name of the covariate's column in the tables.
    attributes
        The log's column by the name of the attribute's column in items.
    bands
        Of the attributes that are numbers, by name: ``edges``, or the number of ``bands``.
    set_aside, accept
        Codes of problems whose slates are left out, and of those that become warnings.
    row_stages
        Whether stages that hold item rows in memory are run.
    """

    columns: Mapping[str, str]
    outcomes: tuple[LogOutcome, ...]
    paths: tuple[str, ...] = ()
    format_name: str | None = None
    table: str | None = None
    query: str | None = None
    delimiter: str = ","
    first_position: int = 1
    meanings: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)
    missing_values: tuple[str, ...] | None = None
    items: ItemsTable | None = None
    unit: str | None = None
    probability: float | None = None
    treatment: Treatment = MOVE_TO_FIRST
    candidates: tuple[int, ...] = ()
    arms: tuple[Arm, ...] = ()
    contrast: int | None = None
    slate_covariates: Mapping[str, str] = field(default_factory=dict)
    item_covariates: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, Json] = field(default_factory=dict)
    set_aside: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    row_stages: bool = True

    @classmethod
    def from_config(cls, entry: Mapping[str, Any]) -> Self:
        """Parse a validated entry of the config, or the settings that ``log_settings`` returns.

        Settings are sorted; ``outcome_order`` keeps the order of the outcomes.
        """
        path, promotion = entry.get("path", []), entry.get("promotion", {})
        arms = arms_of(promotion, in_block=BLOCK in entry["columns"])
        # All variants agree on whether control shows the focal item.
        treatments = [arm.treatment for arm in arms if arm.treatment is not None]
        order = entry.get("outcome_order", list(entry["outcomes"]))
        covariates, diversion = entry.get("covariates", {}), entry.get("diversion", {})
        copied = ("table", "query", "delimiter", "first_position", "meanings", "row_stages")
        return cls(
            columns=entry["columns"],
            outcomes=tuple(LogOutcome.from_config(name, entry["outcomes"][name]) for name in order),
            paths=(path,) if isinstance(path, str) else tuple(path),
            format_name=entry.get("format"),
            missing_values=(tuple(entry["missing_values"]) if "missing_values" in entry else None),
            items=ItemsTable(**entry["items"]) if "items" in entry else None,
            unit=promotion.get("unit"),
            probability=promotion.get("probability"),
            treatment=next(iter(treatments), treatment_of(entry)),
            candidates=tuple(promotion.get("candidates", {}).get("positions", ())),
            arms=arms,
            contrast=promotion.get("contrast", {}).get("number"),
            slate_covariates=_named("slate", SLATE_COVARIATES, covariates.get("slate", {})),
            item_covariates=_named("item", ITEM_COVARIATES, covariates.get("item", {})),
            attributes={f"{ATTRIBUTE}{name}": diversion[name]["column"] for name in diversion},
            bands=_bands(diversion),
            set_aside=tuple(entry.get("set_aside", ())),
            accept=tuple(entry.get("accept", ())),
            **{key: entry[key] for key in copied if key in entry},
        )

    @property
    def is_experiment(self) -> bool:
        """Whether the log records which slates were promoted."""
        return "promoted" in self.columns

    @property
    def has_parts(self) -> bool:
        """Whether it also records focal items: without them, only totals can be compared."""
        return self.is_experiment and "focal" in self.columns

    @property
    def has_blocks(self) -> bool:
        """Whether slates are pages of several blocks, in which items have their positions."""
        return BLOCK in self.columns

    @property
    def is_total_only(self) -> bool:
        """Whether promotions are recorded, and focal items are not."""
        return self.is_experiment and not self.has_parts

    @property
    def has_row_stages(self) -> bool:
        """Whether stages that hold item rows in memory are run."""
        return self.row_stages and not self.is_total_only

    @property
    def records_delivery(self) -> bool:
        """Whether the log records in which slates a promotion was carried out."""
        return "delivered" in self.columns

    @property
    def knows_candidates(self) -> bool:
        """Whether the log, or its entry, says with what probability each item is focal."""
        return bool(self.candidates) or "focal_probability" in self.columns

    @property
    def analysis(self) -> dict[str, bool]:
        """What of its analysis the entry decides: the arguments of ``outputs_of_log``."""
        return {
            "is_experiment": self.is_experiment,
            "row_stages": self.has_row_stages,
            "records_delivery": self.records_delivery,
        }

    @property
    def format(self) -> str:
        """``csv``, ``parquet`` or ``duckdb``: from the entry, or the first file's extension."""
        if self.format_name:
            return self.format_name
        if not self.paths:
            return "duckdb"
        return file_format(next(iter(self.data_files() or self.paths)))

    @property
    def needed_columns(self) -> list[str]:
        """The log's columns that the entry names, without duplicates, in its order."""
        columns = [*self.columns.values(), *(outcome.column for outcome in self.outcomes)]
        columns += [arm.column for arm in self.arms if arm.column is not None]
        columns += self.covariate_columns
        return list(dict.fromkeys([*columns, *self.attributes.values()]))

    @property
    def covariate_columns(self) -> list[str]:
        """The log's columns of covariates, those of slates first."""
        return [*self.slate_covariates.values(), *self.item_covariates.values()]

    @property
    def units(self) -> dict[str, str]:
        """The unit of each outcome, by outcome type, the main one first."""
        units: dict[str, str] = {}
        for index, outcome in enumerate(self.outcomes):
            units[MAIN_OUTCOME if index == 0 else outcome.name] = outcome.unit
            if outcome.winsorize is not None:
                units[f"{outcome.name}{WINSORIZED}"] = outcome.unit
        return units

    def data_files(self) -> list[str]:
        """Return the files of the log itself, without the table of items."""
        return _matching_files(self.paths)

    def files(self) -> list[str]:
        """Return all files that the log is read from: changes to them run its jobs again.

        Raises
        ------
        NetliftError
            A path matches no file.
        """
        tables = [self.items.path] if self.items else []
        missing = [path for path in self.paths if not _matching_files((path,))]
        missing += [path for path in tables if not Path(path).is_file()]
        if missing:
            raise NetliftError(
                f"no_file: there is no {listed(missing)}. Paths are relative to the folder in "
                "which Snakemake runs; a glob needs quotes in YAML if it starts with *. Names that "
                "begin with . or _ do not count in globs and folders."
            )
        return self.data_files() + tables


def treatment_of(entry: Mapping[str, Any]) -> Treatment:
    """Return what the promotion of an entry with two arms does."""
    treatment = Treatment.from_config(entry.get("promotion", {}))
    return replace(treatment, in_block=BLOCK in entry["columns"])


def _named(level: str, known: tuple[str, ...], columns: Mapping[str, str]) -> dict[str, str]:
    """Return columns of covariates by their names in the tables."""
    return {
        name if name in known else f"{level}_covariate_{name}": column
        for name, column in columns.items()
    }


def _bands(diversion: Mapping[str, Json]) -> dict[str, Json]:
    """Return the keys of the attributes that are numbers, by name, without their columns."""
    keys = {
        name: {key: value for key, value in values.items() if key != "column"}
        for name, values in diversion.items()
    }
    return {name: values for name, values in keys.items() if values}


def file_format(path: str) -> str:
    """Return the format of a file by its extension."""
    return ENDINGS.get(Path(path).suffix.lower(), "csv")


def _matching_files(paths: tuple[str, ...]) -> list[str]:
    """Return the files that paths, globs and folders match, without hidden files.

    A path that exists as it is written is that file or folder, whatever its characters. A file is
    listed once, also if several paths lead to it.
    """
    files: list[str] = []
    for path in paths:
        if Path(path).exists():
            files += _files_in(path)
        else:
            hidden = Path(path).name.startswith((".", "_"))
            matches = sorted(glob.glob(path, recursive=True))
            shown = [match for match in matches if hidden or not _is_hidden(Path(match).name)]
            files += [file for match in shown for file in _files_in(match)]
    once: dict[tuple[int, int], str] = {}
    for file in files:
        status = os.stat(file)
        once.setdefault((status.st_dev, status.st_ino), file)
    return list(once.values())


def _files_in(path: str) -> list[str]:
    """Return a file, or the files in a folder and its folders that are not hidden."""
    folder = Path(path)
    if not folder.is_dir():
        return [path]
    inside = sorted(file for file in folder.rglob("*") if file.is_file())
    return [
        str(file)
        for file in inside
        if not any(_is_hidden(part) for part in file.relative_to(folder).parts)
    ]


def _is_hidden(file_name: str) -> bool:
    return file_name.startswith((".", "_"))


def log_settings(entry: Mapping[str, Any]) -> Json:
    """Return the part of an entry on which its tables of slates and rows depend.

    The order of outcomes, of which the first is the main one, and that of variants are explicit,
    because the parameters of a rule are sorted.
    """
    used = {key: entry[key] for key in sorted(entry) if key not in ("title", "row_stages")}
    outcomes = {
        name: {key: value for key, value in values.items() if key != "unit"}
        for name, values in entry["outcomes"].items()
    }
    if "diversion" in used:
        # Rows hold the numbers themselves, so that other edges do not read the log again.
        used["diversion"] = {
            name: {"column": values["column"], **({"bands": 0} if len(values) > 1 else {})}
            for name, values in used["diversion"].items()
        }
    promotion = entry.get("promotion", {})
    if "arms" in promotion:
        used["promotion"] = promotion | {ARM_ORDER: list(promotion["arms"])}
    return used | {"outcomes": outcomes, "outcome_order": list(outcomes)}


def log_problems(log: LogEntry) -> Iterator[tuple[str, str]]:
    """Yield the key and the problem where keys of an entry contradict each other."""
    columns = log.columns
    yield from _role_problems(log)
    several = bool(log.arms)
    if (
        log.is_experiment
        and not several
        and ("probability" in columns) == (log.probability is not None)
    ):
        count = "neither is" if log.probability is None else "both are"
        yield (
            "promotion.probability",
            "give the probability of promotion, either here or in a column "
            f"(columns.probability); {count} given",
        )
    if log.is_experiment and log.unit is None:
        yield "promotion.unit", f"say what was drawn. {UNIT_WORDS}"
    if log.unit == "user" and "user" not in columns:
        yield "columns.user", "needed where promotion.unit is user"
    if "cluster" in columns and log.items:
        yield "items", "clusters already come from columns.cluster; give only one of the two"
    yield from _source_problems(log)
    yield from _columns_used_twice(log)
    yield from _diversion_problems(log)
    names = [outcome.name for outcome in log.outcomes]
    taken = [name for name in names if name in RESERVED or f"{name}{WINSORIZED}" in names]
    if taken:
        yield "outcomes", f"{listed(taken)} would conflict with another column; use another name"
    allowed = [code.name for code in CODES if code.set_aside]
    unknown = [name for name in log.set_aside if name not in (*allowed, *DELIVERY)]
    if unknown:
        yield "set_aside", f"{listed(unknown)} cannot be set aside (allowed: {', '.join(allowed)})"
    one_arm = [name for name in log.set_aside if name in DELIVERY]
    if one_arm:
        yield (
            "set_aside",
            f"{listed(one_arm)}: only slates of one arm can have this, so that setting them aside "
            f"would break the randomization. accept: [{', '.join(one_arm)}] keeps them in the arm "
            "that was drawn",
        )
    if several and "promoted" in log.meanings:
        yield "meanings.promoted", "the values of several arms are listed under promotion.arms"
    for role, meanings in log.meanings.items():
        first, second = meanings.values()
        both = sorted(set(first) & set(second))
        if both:
            yield f"meanings.{role}", f"{listed(both)} cannot mean both"


def _role_problems(log: LogEntry) -> Iterator[tuple[str, str]]:
    """Yield roles that others need, or that mean nothing without others."""
    columns = log.columns
    if "focal" in columns and not log.is_experiment:
        yield "columns.promoted", "needed where columns.focal is given: the arm of the slate"
    needed = ("item", "position") if log.has_parts or not log.is_experiment else ()
    for role in needed:
        if role not in columns:
            what = "columns.focal is given" if log.has_parts else "no promotion is recorded"
            yield f"columns.{role}", f"needed where {what}: one row per item of a slate"
    if "item" not in columns:
        of_items = ["cluster", "position", BLOCK, *_WITH_FOCAL]
        of_items = [role for role in of_items if role in columns]
        if log.items:
            of_items.append("items")
        if log.is_experiment and not log.has_parts and of_items:
            yield "columns.item", f"needed where {listed(of_items)} is given"
    if log.is_total_only:
        without = [role for role in (*_WITH_FOCAL, "delivered") if role in columns]
        if without:
            yield "columns.focal", f"needed where {listed(without)} is given"
        if log.item_covariates:
            yield (
                "covariates.item",
                "without columns.focal the items of both arms may differ, so only covariates of "
                "slates can be adjusted for; remove it, or name columns.focal",
            )
    yield from _candidate_problems(log)
    if log.has_blocks and "position" not in columns:
        yield "columns.position", "needed where columns.block is given: the position in the block"
    rerank = log.treatment.kind == "rerank"
    if log.has_parts and rerank != ("promoted_position" in columns):
        yield (
            "columns.promoted_position",
            "needed for promotion.rerank: the item's position with promotion, in both arms"
            if rerank
            else "only for promotion.rerank; the position that was shown is columns.final_position",
        )


def _candidate_problems(log: LogEntry) -> Iterator[tuple[str, str]]:
    """Yield what keeps an entry from telling which items could have been promoted."""
    if log.candidates and "focal_probability" in log.columns:
        yield (
            "promotion.candidates",
            "the probabilities already come from columns.focal_probability; give one of the two",
        )
    given = "promotion.candidates" if log.candidates else "columns.focal_probability"
    if log.knows_candidates and not log.has_parts:
        yield given, "it is about the draw of the focal item: name columns.focal, too"
    if log.knows_candidates and log.treatment.kind == "rerank":
        yield given, "slates with another order have no single item that was drawn; leave it out"
    if log.candidates and log.treatment.adds_focal_item:
        yield given, "an item that is not shown without promotion has no position; leave it out"
    if log.candidates and log.has_blocks:
        yield given, "positions are those of a block; log columns.focal_probability instead"
    if log.candidates and min(log.candidates) < log.first_position:
        yield given, f"positions are counted from {log.first_position} (first_position)"
    if "own_rule" in log.columns and not log.knows_candidates:
        yield (
            "columns.own_rule",
            "what your rule would promote can be evaluated if the focal item was drawn at random: "
            "name columns.focal_probability, or promotion.candidates",
        )


def _columns_used_twice(log: LogEntry) -> Iterator[tuple[str, str]]:
    """Yield columns with two meanings of which one must not be the other."""
    roles = {column: f"columns.{role}" for role, column in log.columns.items()}
    for outcome in log.outcomes:
        if outcome.column in roles:
            also = roles[outcome.column]
            yield f"outcomes.{outcome.name}", f"its column {outcome.column!r} is also {also}"
    after = {outcome.column: f"outcomes.{outcome.name}" for outcome in log.outcomes}
    after |= {
        log.columns[role]: f"columns.{role}"
        for role in ("promoted", "delivered", "final_position")
        if role in log.columns
    }
    before = [("covariates", column, "a covariate") for column in log.covariate_columns]
    before += [("diversion", column, "an attribute") for column in log.attributes.values()]
    for key, column, what in before:
        if column in after:
            yield (
                key,
                f"the column {column!r} is also {after[column]}; {what} is known before the "
                "promotion, and does not depend on it",
            )
    if log.is_experiment and log.columns["promoted"] == log.columns.get("focal"):
        yield (
            "columns.focal",
            "it is the same column as columns.promoted; the focal item is flagged in both arms",
        )
    yield from _delivery_problems(log)


def _diversion_problems(log: LogEntry) -> Iterator[tuple[str, str]]:
    """Yield what keeps a matrix of who pays from being made by an attribute."""
    if log.attributes and not log.has_parts:
        yield (
            "diversion",
            "who pays needs the promoted item: name columns.promoted and columns.focal, or remove "
            "it",
        )
    if f"{ATTRIBUTE}{CLUSTER}" in log.attributes:
        yield "diversion.cluster", "the matrix by cluster is always made; remove it, or rename it"
    for name, bands in log.bands.items():
        if "edges" in bands and "bands" in bands:
            yield f"diversion.{name}", "give edges or bands, not both"
        elif list(bands.get("edges", ())) != sorted(bands.get("edges", ())):
            yield f"diversion.{name}.edges", "give the edges from low to high"


def _delivery_problems(log: LogEntry) -> Iterator[tuple[str, str]]:
    """Yield what keeps a column from telling in which slates promotions were carried out."""
    delivered = log.columns.get("delivered")
    if delivered is None:
        return
    if not log.is_experiment:
        yield (
            "columns.delivered",
            "it compares what was carried out with what was drawn: name promoted and focal, too",
        )
    for role in ("promoted", "focal"):
        if delivered == log.columns.get(role):
            yield (
                "columns.delivered",
                f"it is the same column as columns.{role}; where every promotion was carried out "
                "as drawn, leave it out",
            )


def _source_problems(log: LogEntry) -> Iterator[tuple[str, str]]:
    if not log.paths and log.query is None:
        yield "path", "give the path of the log (or a query)"
    if log.table is not None and log.query is not None:
        yield "table", "give a table or a query, not both"
    chosen = log.table is not None or log.query is not None
    database = bool(log.paths) and log.format == "duckdb"
    if database and not chosen:
        yield "table", "name the table of the DuckDB file to read, or give a query"
    if log.paths and not database and chosen:
        yield "table", "a table or a query is for DuckDB files; give their path, or format: duckdb"
