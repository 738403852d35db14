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
from netlift.core.left_out import why_left_out
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.tables import read_json, read_table
from netlift.effects.codes import MAIN_OUTCOME
from netlift.effects.empty_lines import NOT_RECORDED
from netlift.logs.entries import LogEntry
from netlift.logs.sections import NO_ROWS
from netlift.promotion.treatment import Treatment
from netlift.workflow.outputs import (
    DELIVERY_RULES,
    EXPERIMENT,
    FIGURES,
    TRUTH_RULE,
    Figure,
    Output,
    made_by,
    maker,
    named,
    outputs_of_log,
    page_outputs,
)
from netlift.workflow.records import outdated_files

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
        Outputs that do not exist, or that this configuration does not make.
    reasons
        Why outputs are missing, by name, where more is known than that they do not exist.
    left_out
        Why the data do not allow a table, by name; figures of it are left out, too.
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
    reasons: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
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
    def is_total_only(self) -> bool:
        """Whether it is a log without focal items: only totals of slates are compared."""
        return self.log is not None and self.log.is_total_only

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
        return Outcome(self.units[MAIN_OUTCOME], self._treatment.focal_items)

    @property
    def _treatment(self) -> Treatment:
        """What a promotion does to a slate."""
        if self.log is not None:
            return self.log.treatment
        return Treatment.from_config(self.settings.get("promotion", {}))

    def reason(self, output: Output) -> str:
        """Return why an output is missing; empty if it just does not exist."""
        key = f"figure/{output.name}" if isinstance(output, Figure) else output.name
        return self.reasons.get(key, "")

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
    made_with: Mapping[str, Any] | None = None,
) -> PageData:
    """Read the outputs of an experiment that its configuration declares.

    Other files in its folder are not read: those that the configuration no longer makes, and those
    that were made from an earlier version of what is in the folder now, or with other settings.

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
    made_with
        The settings of each rule, by name, with which files must have been made; None if the caller
        has just made them, as a run of Snakemake does.

    Raises
    ------
    NetliftError
        There is no such experiment, or a required table is missing.
    """
    folder = Path("results") / name
    page = PageData(name, settings)
    needed = {"accounts": named("accounts").file} if page.is_described else NEEDED
    paths = {
        output: Path(root)
        / (folder if output.folder == EXPERIMENT else folder.parent)
        / output.file
        for output in shown_outputs(page)
    }
    outdated = outdated_files(paths.values(), Path(root), made_with)
    for output, path in paths.items():
        _take(page, output, path, Path(root), _undeclared(page, output) or outdated.get(path, ""))
    missing = [path for table, path in needed.items() if table not in page.tables]
    if missing:
        raise NetliftError(
            f"no page can be made of {Path(root) / folder}: it lacks "
            f"{', '.join(missing)}{_why(page, needed)}. "
            f"Run `snakemake --cores all {folder}/report.html`."
        )
    if movies is not None and Path(movies).exists():
        titles = read_table(movies, ["item_id", "title"]).drop_duplicates("item_id")
        return replace(page, movies=titles)
    return page


def _why(page: PageData, needed: Iterable[str]) -> str:
    """Return in brackets why tables that exist are not used."""
    reasons = sorted({page.reasons[name] for name in needed if name in page.reasons})
    return f" ({'; '.join(reasons)})" if reasons else ""


def shown_outputs(page: PageData) -> list[Output]:
    """Return the outputs that the page of an experiment, or of a log, uses."""
    if page.is_described:
        return [named(name) for name in (*LOG_CHECKS, "accounts", "outcome_by_position")]
    outputs = page_outputs()
    if page.is_simulated:
        return outputs
    known = {named("world").name, *(figure.name for figure in FIGURES if figure.rule == TRUTH_RULE)}
    of_log = [o for o in outputs if o.folder == EXPERIMENT and o.name not in known]
    if page.log is not None and page.log.records_delivery:
        of_log += made_by(*DELIVERY_RULES)
    return [*of_log, *(named(name) for name in LOG_CHECKS)]


def _undeclared(page: PageData, output: Output) -> str:
    """Return why an output is not made with the configuration of a log; empty if it is made."""
    log = page.log
    if log is None or output in outputs_of_log(**log.analysis):
        return ""
    if not log.is_experiment:
        return "no promotion was drawn at random in this log" if log.row_stages else NO_ROWS
    return NOT_RECORDED if log.is_total_only else NO_ROWS


def _take(page: PageData, output: Output, path: Path, root: Path, reason: str) -> None:
    """Read one output, if it exists and no reason is given not to show it."""
    is_figure = isinstance(output, Figure)
    key = f"figure/{output.name}" if is_figure else output.name
    content = None if reason or not path.exists() else _content(path)
    if isinstance(output, Figure):
        reason = reason or next(filter(None, map(page.left_out.get, output.tables)), "")
    elif content is not None and not isinstance(content, str) and why_left_out(content):
        reason = page.left_out[output.name] = why_left_out(content)
    if reason or content is None:
        if reason:
            page.reasons[key] = reason
        if output.name not in LOG_CHECKS:
            page.missing.append(output)
        return
    page.files[key] = checked(path, root, maker(output, of_log=page.is_log))
    if isinstance(content, str):
        page.figures[output.name] = content
    elif isinstance(content, pd.DataFrame):
        page.tables[output.name] = content
    else:
        page.records[output.name] = content


def _content(path: Path) -> pd.DataFrame | dict[str, Any] | str:
    """Read a table, a record, or the text of a figure."""
    if path.suffix == ".svg":
        return path.read_text(encoding="utf-8")
    return read_json(path) if path.suffix == ".json" else read_table(path)


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
