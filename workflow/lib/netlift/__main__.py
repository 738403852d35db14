"""``python -m netlift results``: say where the results are, and what they say."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

USAGE = "usage: python -m netlift results [FOLDER]"


def results(folder: Path) -> str:
    """Return a summary of every experiment in a results folder.

    Parameters
    ----------
    folder
        The results folder of a study.

    Returns
    -------
    For each experiment its folder, its net effect with interval and unit, and where to read on.
    """
    found = sorted(folder.glob("*/size=*/seed=*/*/effects/decision_statements.csv"))
    if not found:
        return f"No experiment in {folder} yet: run the study with `make run`."
    lines = ["", "Did promotion create clicks, or only move them?", ""]
    for path in found:
        with path.open(encoding="utf-8", newline="") as file:
            statements = {row["topic"]: row for row in csv.DictReader(file)}
        lines += [f"{path.parents[1]}/", f"    {statements['slate-level metric']['statement']}", ""]
    lines.append(
        "In each of these folders: effects/decision_statements.csv to read first, the tables "
        "beside it, and figures/."
    )
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    if arguments[:1] != ["results"] or len(arguments) > 2:
        print(USAGE, file=sys.stderr)
        return 2
    print(results(Path(arguments[1] if len(arguments) == 2 else "results")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
