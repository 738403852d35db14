"""What an entry of ``logs`` in the config says, for the Snakefile: standard library only."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from netlift.core.errors import NetliftError, listed
from netlift.logs.codes import CODES

Json = dict[str, Any]

ENDINGS = {".parquet": "parquet", ".pq": "parquet", ".duckdb": "duckdb", ".db": "duckdb"}
"""File endings and the format that they stand for; all others are CSV."""

SLATE_COVARIATES = ("user_activity", "user_liked_rate")
ITEM_COVARIATES = ("relevance", "item_popularity", "item_liked_rate")
"""Covariates that have a meaning in the analysis; others get a prefix."""


MAIN_OUTCOME = "observed_clicks"
"""The outcome type of the main outcome, whatever it counts."""

RESERVED = (MAIN_OUTCOME, "expected_clicks", "known_lift", "known_effect")
"""Outcome types that Netlift makes itself."""

WINSORIZED = "_winsorized"
"""Ending of the winsorized version of an outcome."""


def is_experiment(entry: Mapping[str, Any]) -> bool:
    """Say whether a log tells which item was promoted in which slate."""
    return "promoted" in entry["columns"]


def log_problems(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the key and the problem where keys of an entry do not agree with each other."""
    columns, promotion = entry["columns"], entry["promotion"]
    if ("promoted" in columns) != ("focal" in columns):
        yield "columns", "promoted and focal belong together: name both, or neither"
    if is_experiment(entry):
        sources = ("probability" in columns) + ("probability" in promotion)
        if sources != 1:
            yield (
                "promotion.probability",
                "say with which probability slates were promoted, either here or in a column "
                f"(columns.probability); {'both are' if sources else 'neither is'} given",
            )
    if promotion["unit"] == "user" and "user" not in columns:
        yield "columns.user", "needed where promotion.unit is user"
    if "cluster" in columns and "items" in entry:
        yield "items", "clusters come from columns.cluster already; give one of the two"
    yield from _source_problems(entry)
    names = list(entry["outcomes"])
    taken = [name for name in names if name in RESERVED or f"{name}{WINSORIZED}" in names]
    if taken:
        yield "outcomes", f"{listed(taken)} would be taken for another column; give another name"
    allowed = [code.name for code in CODES if code.set_aside]
    unknown = [name for name in entry["set_aside"] if name not in allowed]
    if unknown:
        yield "set_aside", f"{listed(unknown)} cannot be set aside (allowed: {', '.join(allowed)})"
    for role in ("promoted", "focal"):
        named = entry.get("meanings", {}).get(role)
        if named:
            first, second = named.values()
            both = sorted(set(first) & set(second))
            if both:
                yield f"meanings.{role}", f"{listed(both)} cannot mean both"


def _source_problems(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "path" not in entry and "query" not in entry:
        yield "path", "say where the log lies (or give a query)"
    if "table" in entry and "query" in entry:
        yield "table", "give a table or a query, not both"
    database = "path" in entry and log_format(entry) == "duckdb"
    if database and not ("table" in entry or "query" in entry):
        yield "table", "say which table of the DuckDB file to read, or give a query"
    if "path" in entry and not database and ("table" in entry or "query" in entry):
        yield "table", "a table or a query is for DuckDB files; give their path, or format: duckdb"


def paths_of(entry: Mapping[str, Any]) -> list[str]:
    """Return the paths of an entry as a list."""
    path = entry.get("path", [])
    return [path] if isinstance(path, str) else list(path)


def log_format(entry: Mapping[str, Any]) -> str:
    """Return ``csv``, ``parquet`` or ``duckdb``: as the entry says, or by the first ending."""
    if "format" in entry:
        return str(entry["format"])
    if "path" not in entry:
        return "duckdb"
    endings = [_ending(name) for name in _found(paths_of(entry))] or [
        _ending(name) for name in paths_of(entry)
    ]
    return ENDINGS.get(endings[0], "csv")


def _ending(name: str) -> str:
    return Path(name).suffix.lower()


def _found(paths: list[str]) -> list[str]:
    """Return the files behind paths, globs and folders, each once, sorted; hidden ones left out."""
    files: list[str] = []
    for path in paths:
        if Path(path).is_dir():
            inside = sorted(str(file) for file in Path(path).rglob("*") if file.is_file())
            files += [
                file
                for file in inside
                if not any(part.startswith((".", "_")) for part in Path(file).parts[1:])
            ]
        elif Path(path).exists():
            files.append(path)
        else:
            files += sorted(glob.glob(path, recursive=True))
    return list(dict.fromkeys(files))


def log_files(entry: Mapping[str, Any]) -> list[str]:
    """Return the files that a log is read from, so that an edit of them runs it again.

    Raises
    ------
    NetliftError
        A path leads to no file.
    """
    missing = [path for path in paths_of(entry) if not _found([path])]
    table = entry.get("items", {}).get("path")
    if table and not Path(table).is_file():
        missing.append(table)
    if missing:
        raise NetliftError(
            f"no_file: there is no {listed(missing)}. Paths are relative to the folder in which "
            "Snakemake runs; a glob needs quotes in YAML if it starts with *."
        )
    return _found(paths_of(entry)) + ([table] if table else [])


def data_files(entry: Mapping[str, Any]) -> list[str]:
    """Return the files of the log itself, without the table of items."""
    return _found(paths_of(entry))


def covariate_names(entry: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return for slates and items the name of each covariate's column in items, and in the log."""
    known = {"slate": SLATE_COVARIATES, "item": ITEM_COVARIATES}
    return {
        level: {
            name if name in known[level] else f"{level}_covariate_{name}": column
            for name, column in entry["covariates"][level].items()
        }
        for level in known
    }


def log_settings(entry: Mapping[str, Any]) -> Json:
    """Return the part of an entry that its tables of slates and rows depend on.

    The order of outcomes, of which the first is the main one, is written out: the parameters of a
    rule are sorted.
    """
    own = {key: entry[key] for key in sorted(entry) if key not in ("title", "row_stages")}
    outcomes = {
        name: {key: value for key, value in said.items() if key != "unit"}
        for name, said in entry["outcomes"].items()
    }
    return own | {"outcomes": outcomes, "outcome_order": list(outcomes)}


def outcomes_of(entry: Mapping[str, Any]) -> Json:
    """Return the outcomes of an entry, or of its settings, the main one first."""
    order = entry.get("outcome_order", list(entry["outcomes"]))
    return {name: entry["outcomes"][name] for name in order}


def outcome_units(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return what is said after a number of each outcome, by outcome type, the main one first.

    As the entry says, or the outcome's name in words: minutes, euros of revenue.
    """
    units: dict[str, str] = {}
    for place, (name, said) in enumerate(outcomes_of(entry).items()):
        unit = said.get("unit") or name.replace("_", " ").strip()
        units[MAIN_OUTCOME if place == 0 else name] = unit
        if "winsorize" in said:
            units[f"{name}{WINSORIZED}"] = unit
    return units
