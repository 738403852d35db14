"""What lies in the folder of a log's results: nothing of an earlier log or configuration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from markupsafe import escape

from netlift.workflow.records import recorded_files, remove

PAGES = ("report.html", "decision.json", "sections.csv")
"""What states a verdict, and what is there."""

FOLDERS = ("effects", "models", "figures")
"""Folders that only Netlift writes to."""


def remove_results(folder: Path) -> list[Path]:
    """Delete all results of a log, and the front pages that show them.

    A user's own files in the folder stay: results are what jobs recorded, the pages, and what is in
    the folders of effects, models and figures.

    Parameters
    ----------
    folder
        The folder of the log below ``results/logs``.

    Returns
    -------
    The front pages that were deleted: the next run of their study writes them again.
    """
    unrecorded = [file for name in FOLDERS for file in (folder / name).rglob("*") if file.is_file()]
    remove([*recorded_files(folder), *unrecorded, *(folder / page for page in PAGES)])
    fronts = _front_pages_of(folder)
    remove(fronts)
    return fronts


def remove_other_verdicts(folder: Path, verdict: str) -> None:
    """Delete front pages that show another verdict of a log than its decision has now.

    Parameters
    ----------
    folder
        The folder of the log below ``results/logs``.
    verdict
        The verdict in words.
    """
    written = escape(verdict)
    fronts = _front_pages_of(folder)
    remove(page for page in fronts if str(written) not in page.read_text(encoding="utf-8"))


def remove_undeclared(folder: Path, declared: Iterable[str]) -> None:
    """Delete results of a log that its configuration no longer makes.

    Parameters
    ----------
    folder
        The folder of the log below ``results/logs``.
    declared
        Paths of the results that the configuration makes.
    """
    kept = {Path(path) for path in declared}
    remove(file for file in recorded_files(folder) if file not in kept)


def _front_pages_of(folder: Path) -> list[Path]:
    """Return the front pages that link to the page of a log."""
    results = folder.parents[1]
    link = f"logs/{folder.name}/report.html"
    patterns = ("index.html", "*/index.html", "studies/*/index.html")
    pages = sorted({page for pattern in patterns for page in results.glob(pattern)})
    return [page for page in pages if link in page.read_text(encoding="utf-8")]
