"""``python -m netlift``: say what the results say, or turn a published data set into a log."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

USAGE = """usage: python -m netlift results [FOLDER]
       python -m netlift import-log finn|open_bandit|kuairand SOURCE FOLDER"""


def results(folder: Path) -> str:
    """Return a summary of every experiment in a results folder.

    Parameters
    ----------
    folder
        The results folder of a study.

    Returns
    -------
    For each experiment its folder and its net effect with interval and unit; for each slate set
    what holds in how many worlds; and where to read on.
    """
    simulated = folder.glob("*/size=*/seed=*/*/effects/decision_statements.csv")
    logs = folder.glob("logs/*/effects/decision_statements.csv")
    found = [*sorted(simulated), *sorted(logs)]
    if not found:
        return f"No experiment in {folder} yet: run the study with `make run`."
    lines = ["", "Did promotion create clicks, or only move them?", ""]
    for path in found:
        (net,) = (row for row in _rows(path) if row["topic"] == "slate-level metric")
        lines += [f"{path.parents[1]}/", f"    {net['statement']}", ""]
    for path in sorted(folder.glob("*/size=*/seed=*/decision_statements.csv")):
        lines += [
            f"Over all worlds, {path.parent}/",
            *(f"    {row['statement']}" for row in _rows(path)),
        ]
        lines.append("")
    lines.append(
        "Read effects/decision_statements.csv of an experiment first, then the tables beside it, "
        "and figures/."
    )
    return "\n".join(lines)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _import_log(name: str, source: Path, folder: Path) -> int:
    from netlift.errors import NetliftError
    from netlift.importers import import_log

    try:
        overlay = import_log(name, source, folder)
    except NetliftError as error:
        print(error, file=sys.stderr)
        return 1
    print(f'make analyse LOG={name} ARGS="--configfile {overlay}"')
    return 0


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    if arguments[:1] == ["import-log"] and len(arguments) == 4:
        return _import_log(arguments[1], Path(arguments[2]), Path(arguments[3]))
    if arguments[:1] != ["results"] or len(arguments) > 2:
        print(USAGE, file=sys.stderr)
        return 2
    print(results(Path(arguments[1] if len(arguments) == 2 else "results")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
