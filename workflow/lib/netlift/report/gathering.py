"""Reading what there is of an experiment: tables, records, figures, and their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from netlift.core.errors import NetliftError
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.tables import read_json, read_table
from netlift.logs.entries import MAIN_OUTCOME, is_experiment, outcome_units
from netlift.report.sources import (
    DESCRIBED,
    FIGURES,
    IN_A_LOG,
    OF_A_LOG,
    RECORDS,
    ROWS,
    SLATE_SET_FIGURES,
    TABLES,
    Source,
)

NEEDED = {name: f"effects/{name}.csv" for name in ("component_effects", "product_summary")}
"""Tables without which there is no page, and their files."""


@dataclass(frozen=True)
class File:
    """A file that a page rests on.

    Attributes
    ----------
    path
        From the folder in which the study lies.
    rule
        The rule that makes it.
    sha256, size
        Its checksum, and its size in bytes.
    """

    path: str
    rule: str
    sha256: str
    size: int


@dataclass(frozen=True)
class PageData:
    """What there is of one experiment.

    Attributes
    ----------
    name
        Its path below ``results/``.
    settings
        The choices that made it (see ``report.choices``).
    tables, records
        Those of ``sources`` that exist, by name.
    figures
        Texts of SVG files, by name.
    files
        Every file read, by name; that of a figure begins with ``figure/``.
    missing
        Sources that do not exist.
    movies
        Titles by ``item_id``, where there are any.
    """

    name: str
    settings: Mapping[str, Any]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    missing: list[Source] = field(default_factory=list)
    movies: pd.DataFrame | None = None

    @property
    def is_log(self) -> bool:
        """Whether it is a team's own log, without a truth."""
        return self.name.startswith("logs/")

    @property
    def is_described(self) -> bool:
        """Whether it is a log without a promotion: it is described, and no effect is estimated."""
        entry = self.settings.get("entry", {})
        return self.is_log and "columns" in entry and not is_experiment(entry)

    @property
    def is_simulated(self) -> bool:
        """Whether the truth is known."""
        return not self.is_log

    @property
    def units(self) -> dict[str, str]:
        """What is said after a number of each outcome, by outcome type, the main one first."""
        entry = self.settings.get("entry", {})
        return outcome_units(entry) if "outcomes" in entry else {MAIN_OUTCOME: CLICKS.unit}

    @property
    def outcome(self) -> Outcome:
        """The words for the main outcome."""
        return Outcome(self.units[MAIN_OUTCOME])

    def table(self, name: str) -> pd.DataFrame | None:
        """Return a table, or None where it was not made."""
        return self.tables.get(name)

    def product(self, metric: str) -> dict[str, Any]:
        """Return a row of ``product_summary.csv``."""
        table = self.tables["product_summary"]
        return records(table[table["metric"] == metric])[0]


def gather(
    name: str,
    settings: Mapping[str, Any],
    *,
    root: str | Path = ".",
    movies: str | Path | None = None,
) -> PageData:
    """Read everything that there is of an experiment.

    Parameters
    ----------
    name
        Path below ``results/``.
    settings
        The choices that made it.
    root
        Folder in which the study lies.
    movies
        ``movies.parquet`` of the data set, if there is one.

    Raises
    ------
    NetliftError
        There is no such experiment, or a table without which nothing can be said is missing.
    """
    folder = Path("results") / name
    found = PageData(name, settings)
    sources = [*TABLES, *RECORDS, *ROWS, *FIGURES]
    needed = NEEDED
    if found.is_described:
        sources, needed = DESCRIBED, {"accounts": "slate_outcomes.parquet"}
    elif found.is_log:
        sources = [source for source in [*sources, *OF_A_LOG] if source.name != "world"]
    for source in sources:
        _take(found, source, folder, Path(root))
    if found.is_simulated:
        for source in SLATE_SET_FIGURES:
            _take(found, source, folder.parent, Path(root))
    missing = [path for table, path in needed.items() if table not in found.tables]
    if missing:
        raise NetliftError(
            f"no page can be made of {Path(root) / folder}: it lacks "
            f"{', '.join(missing)}. "
            f"Run `snakemake --cores all {folder}/report.html`."
        )
    if movies is not None and Path(movies).exists():
        titles = read_table(movies, ["item_id", "title"]).drop_duplicates("item_id")
        return PageData(**{**vars(found), "movies": titles})
    return found


def _take(found: PageData, source: Source, folder: Path, root: Path) -> None:
    """Read one source, if it is there."""
    path = root / folder / source.path
    if not path.exists():
        if not (source in OF_A_LOG or (found.is_log and source.rule == "plot_truth")):
            found.missing.append(source)
        return
    rule = IN_A_LOG.get(source.rule, source.rule) if found.is_log else source.rule
    is_figure = path.suffix == ".svg"
    key = f"figure/{source.name}" if is_figure else source.name
    found.files[key] = checked(path, root, rule)
    if is_figure:
        found.figures[source.name] = path.read_text(encoding="utf-8")
    elif path.suffix == ".json":
        found.records[source.name] = read_json(path)
    else:
        found.tables[source.name] = read_table(path)


def checked(path: Path, root: Path, rule: str) -> File:
    """Return a file's record with its checksum."""
    content = path.read_bytes()
    return File(
        path.relative_to(root).as_posix(), rule, hashlib.sha256(content).hexdigest(), len(content)
    )


def design_hash(accounts: pd.DataFrame) -> str:
    """Return the SHA-256 of who was randomized to what: the same for the same design.

    Parameters
    ----------
    accounts
        One row per slate.
    """
    names = [name for name in _DESIGN if name in accounts]
    digest = hashlib.sha256()
    for row in accounts.sort_values("slate_id")[names].itertuples(index=False):
        digest.update("\t".join(map(str, row)).encode() + b"\n")
    return digest.hexdigest()


_DESIGN: Sequence[str] = (
    "slate_id",
    "user_id",
    "focal_seed_position",
    "promotion_applied",
    "promotion_probability",
    "randomization_unit",
    "randomization_stratum",
    "n_items",
)


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of installed packages; those that are not installed are left out."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as plain values; a missing one is None."""
    return [
        {str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and value != value):
        return None
    return value.item() if hasattr(value, "item") else value
