"""What a run found, of this run alone, and where it is: in a few lines, for a terminal."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from netlift.core.formatting import NO_INTERVAL, signed, varies
from netlift.core.tables import read_json

QUESTION = "Did promotion create engagement, or only move it?"


def findings(run: Mapping[str, Any], targets: Sequence[str]) -> str:
    """Return what the targets of a run say, and where to read on; empty for other targets.

    Parameters
    ----------
    run
        Where the results of the study are, as the Snakefile wrote it.
    targets
        What was requested: names of rules, and files; none for the whole study.
    """
    words = list(targets) or ["all"]
    logs = [found[1] for word in words if (found := re.match(r"results/logs/([^/]+)/", word))]
    logs += run["logs"] if "analyse" in words else []
    lines = [line for log in dict.fromkeys(logs) for line in _log(Path("results/logs", log))]
    lines += _study(run) if "all" in words else []
    for word, shown, files in (
        ("sweep", _sweep, run["sweeps"]),
        ("validate", _validation, run["validations"]),
    ):
        lines += [line for file in files if word in words for line in shown(Path(file))]
    return "\n".join(["", *lines]) if lines else ""


def _log(folder: Path) -> Iterator[str]:
    yield f"{QUESTION} The log {folder.name}:"
    yield ""
    yield f"{folder}/"
    decision = folder / "decision.json"
    if decision.exists():
        yield from _decided(read_json(decision))
    else:
        yield "    No promotion was randomized, so no effect is estimated."
    if warnings := _warnings(folder / "contract.csv"):
        yield f"    The checks of the log gave warnings: {warnings} (contract.csv)."
    yield ""
    yield f"Open {folder / 'report.html'} in a browser: all of this with figures."


def _decided(decision: Mapping[str, Any]) -> Iterator[str]:
    ends = [float(decision["interval"][end]) for end in ("lower", "upper")]
    low, high = (signed(end, 1) for end in ends)
    yield f"    {decision['verdict']['in_words']}."
    interval = f"{low} to {high}" if varies(*ends) else NO_INTERVAL
    yield f"    Net change: {signed(decision['estimate'], 1)} ({interval}) {decision['unit']}."
    yield f"    What to do: {decision['verdict']['action']}."


def _warnings(contract: Path) -> str:
    codes = [row["code"] for row in _rows(contract)] if contract.exists() else []
    return ", ".join(dict.fromkeys(codes))


def _study(run: Mapping[str, Any]) -> Iterator[str]:
    yield QUESTION
    yield ""
    for experiment in run["experiments"]:
        yield f"results/{experiment}/"
        yield from _decided(read_json(Path("results", experiment, "decision.json")))
        yield ""
    for file in run["over_worlds"]:
        yield f"Over all worlds, {Path(file).parent}/"
        yield from (f"    {row['statement']}" for row in _rows(Path(file)))
        yield ""
    yield (
        f"Open {run['front_page']} in a browser: all of this with figures, and each "
        "experiment's page."
    )


def _sweep(shares: Path) -> Iterator[str]:
    """Yield the conclusions of a sweep: shares of seeds, from the lowest to the highest."""
    rows = _rows(shares)
    seeds = _range((float(row["seeds"]) for row in rows), "{:.0f}")
    cells = len({(row["world"], row["size"]) for row in rows})
    yield (
        f"The sweep {shares.parent}/: {seeds} seeds in each of {cells} combinations of world and "
        "slate size."
    )
    yield ""
    for label in dict.fromkeys(row["conclusion_label"] for row in rows):
        part = [row for row in rows if row["conclusion_label"] == label]
        holds = _range(float(row["holds"]) for row in part)
        wrong = _range(float(row["wrong"]) for row in part)
        yield f"    {label}: holds in {holds} of the seeds; wrong in {wrong}."
    yield ""
    yield "Tables and figures are in its folder."
    yield "`make run` shows them on the front page of the study."


def _range(values: Iterable[float], form: str = "{:.0%}") -> str:
    low, high = ((ends := sorted(values))[0], ends[-1])
    return " to ".join(dict.fromkeys(form.format(value) for value in (low, high)))


def _validation(report: Path) -> Iterator[str]:
    (result,) = re.findall(r"^\*\*(.+)\*\*$", report.read_text(encoding="utf-8"), re.MULTILINE)
    yield f"The validation {report.parent}/: {result}"
    yield ""
    yield f"{report} says which, and what was checked; tables and figures are next to it."
    yield "`make run` shows them on the front page of the study."


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
