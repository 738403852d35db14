"""The outputs of an experiment as a page reads them: tables, records, figures, checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from netlift.core.errors import NetliftError
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.tables import read_json, read_table
from netlift.logs.entries import MAIN_OUTCOME, LogEntry
from netlift.workflow.outputs import (
    EXPERIMENT,
    FIGURES,
    TRUTH_RULE,
    Figure,
    Output,
    maker,
    named,
    page_outputs,
)

LOG_CHECKS = ("contract", "row_counts")
"""Results of the checks of a log; a log that was read elsewhere has none."""

NEEDED = {name: f"effects/{name}.csv" for name in ("component_effects", "product_summary")}
"""Tables without which there is no page, and their files."""


@dataclass(frozen=True)
class File:
    """A file that a page uses.

    Attributes
    ----------
    path
        Relative to the study's folder.
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
    """The available outputs of one experiment.

    Attributes
    ----------
    name
        Its path below ``results/``.
    settings
        Its settings (``Study.page_settings``).
    tables, records
        Outputs that exist, by name.
    figures
        Texts of SVG files, by name.
    files
        Every file read, by name; a figure's name begins with ``figure/``.
    missing
        Outputs that do not exist.
    movies
        Titles by ``item_id``, if available.
    """

    name: str
    settings: Mapping[str, Any]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    missing: list[Output] = field(default_factory=list)
    movies: pd.DataFrame | None = None

    @property
    def is_log(self) -> bool:
        """Whether it is a team's own log, without a truth."""
        return self.name.startswith("logs/")

    @cached_property
    def log(self) -> LogEntry | None:
        """The entry of the log; None where the configuration has none."""
        entry = self.settings.get("entry")
        return LogEntry.from_config(entry) if self.is_log and entry else None

    @property
    def is_described(self) -> bool:
        """Whether it is a log without a promotion: it is described, and no effect is estimated."""
        return self.log is not None and not self.log.is_experiment

    @property
    def is_simulated(self) -> bool:
        """Whether the truth is known."""
        return not self.is_log

    @property
    def units(self) -> dict[str, str]:
        """Unit of each outcome, in words, by outcome type, the main one first."""
        return self.log.units if self.log else {MAIN_OUTCOME: CLICKS.unit}

    @property
    def outcome(self) -> Outcome:
        """The main outcome in words."""
        return Outcome(self.units[MAIN_OUTCOME])

    def table(self, name: str) -> pd.DataFrame | None:
        """Return a table, or None if it does not exist."""
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
    """Read all available outputs of an experiment.

    Parameters
    ----------
    name
        Path below ``results/``.
    settings
        Its settings.
    root
        Folder of the study.
    movies
        ``movies.parquet`` of the data set, if there is one.

    Raises
    ------
    NetliftError
        There is no such experiment, or a required table is missing.
    """
    folder = Path("results") / name
    page = PageData(name, settings)
    needed = {"accounts": named("accounts").file} if page.is_described else NEEDED
    for output in shown_outputs(page):
        _take(page, output, folder if output.folder == EXPERIMENT else folder.parent, Path(root))
    missing = [path for table, path in needed.items() if table not in page.tables]
    if missing:
        raise NetliftError(
            f"no page can be made of {Path(root) / folder}: it lacks "
            f"{', '.join(missing)}. "
            f"Run `snakemake --cores all {folder}/report.html`."
        )
    if movies is not None and Path(movies).exists():
        titles = read_table(movies, ["item_id", "title"]).drop_duplicates("item_id")
        return replace(page, movies=titles)
    return page


def shown_outputs(page: PageData) -> list[Output]:
    """Return the outputs that the page of an experiment, or of a log, uses."""
    if page.is_described:
        return [named(name) for name in (*LOG_CHECKS, "accounts", "outcome_by_position")]
    outputs = page_outputs()
    if page.is_simulated:
        return outputs
    known = {named("world").name, *(figure.name for figure in FIGURES if figure.rule == TRUTH_RULE)}
    of_log = [o for o in outputs if o.folder == EXPERIMENT and o.name not in known]
    return [*of_log, *(named(name) for name in LOG_CHECKS)]


def _take(page: PageData, output: Output, folder: Path, root: Path) -> None:
    """Read one output, if it exists."""
    path = root / folder / output.file
    if not path.exists():
        if output.name not in LOG_CHECKS:
            page.missing.append(output)
        return
    is_figure = isinstance(output, Figure)
    key = f"figure/{output.name}" if is_figure else output.name
    page.files[key] = checked(path, root, maker(output, of_log=page.is_log))
    if is_figure:
        page.figures[output.name] = path.read_text(encoding="utf-8")
    elif path.suffix == ".json":
        page.records[output.name] = read_json(path)
    else:
        page.tables[output.name] = read_table(path)


def checked(path: Path, root: Path, rule: str) -> File:
    """Return a file's record with its checksum."""
    content = path.read_bytes()
    return File(
        path.relative_to(root).as_posix(), rule, hashlib.sha256(content).hexdigest(), len(content)
    )


def design_hash(accounts: pd.DataFrame) -> str:
    """Return the SHA-256 of the assignment: equal for equal designs.

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
    """Return the versions of installed packages; packages that are not installed are left out."""
    from importlib.metadata import PackageNotFoundError, version

    installed = {}
    for name in names:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as plain values; a missing value is None."""
    return [
        {str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and value != value):
        return None
    return value.item() if hasattr(value, "item") else value
