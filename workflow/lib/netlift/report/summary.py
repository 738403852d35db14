"""The results of a study in a few lines, for a terminal."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from netlift.core.errors import NetliftError, unexpected_content
from netlift.core.tables import original


def summary(folder: Path) -> str:
    """Return a summary of every experiment in a results folder.

    Parameters
    ----------
    folder
        The results folder of a study.

    Returns
    -------
    For each experiment its folder and its net effect with interval and unit; for each design
    what holds in how many worlds; and what to read next.

    Raises
    ------
    NetliftError
        It is no folder, or a table in it is damaged.
    """
    if folder.exists() and not folder.is_dir():
        raise NetliftError(f"{folder} is a file; give a folder of results")
    lines = [*_nets(folder), *_variants(folder), *_without_promotion(folder)]
    if not lines:
        return f"No experiment in {folder} yet: run the study with `make run`."
    front = folder / "index.html"
    last = (
        f"Open {front} in a browser: all of this with figures, and each experiment's page."
        if front.exists()
        else "Read effects/decision_statements.csv of an experiment first, then the tables next "
        "to it, and figures/."
    )
    question = "Did promotion create engagement, or only move it?"
    return "\n".join(["", question, "", *lines, *_over_worlds(folder), last])


def _nets(folder: Path) -> Iterator[str]:
    """Yield the net effect of each experiment, simulated ones first."""
    for experiments in ("*/*/size=*/seed=*/*/*", "logs/*"):
        for path in sorted(folder.glob(f"{experiments}/effects/decision_statements.csv")):
            with unexpected_content(_damaged(path)):
                (net,) = (row for row in _rows(path) if row["topic"] == "slate_level_metric")
                lines = f"{path.parents[1]}/", f"    {net['statement']}", ""
            yield from lines


def _variants(folder: Path) -> Iterator[str]:
    """Yield what the variants of each log with several arms do."""
    for path in sorted(folder.glob("logs/*/arm_statements.csv")):
        with unexpected_content(_damaged(path)):
            statements = [f"    {row['statement']}" for row in _rows(path)]
        yield from (f"{path.parent}/", *statements, "")


def _without_promotion(folder: Path) -> Iterator[str]:
    """Yield the page of each log without a randomized promotion."""
    for path in sorted(folder.glob("logs/*/report.html")):
        if not path.with_name("decision.json").exists():
            yield f"{path.parent}/"
            yield f"    No promotion was randomized: {path} has what this log can show."
            yield ""


def _over_worlds(folder: Path) -> Iterator[str]:
    """Yield what holds in how many worlds, by study and design."""
    for path in sorted(folder.glob("studies/*/size=*/seed=*/*/decision_statements.csv")):
        yield f"Conclusions by world, {path.parent}/"
        with unexpected_content(_damaged(path)):
            statements = [f"    {row['statement']}" for row in _rows(path)]
        yield from statements
        yield ""


def _damaged(path: Path) -> str:
    return f"{path} is damaged. Delete it and run again: it will be rebuilt."


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return [{name: original(cell or "") for name, cell in row.items()} for row in rows]
