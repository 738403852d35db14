"""``python -m netlift``: run a study; what it says, what changed; pages; published logs."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from netlift.core.errors import NetliftError

USAGE = """usage: python -m netlift snakemake ...     snakemake, alone in its folder: goes on after
                                             a run that was killed, refuses beside a live one
       python -m netlift results [FOLDER]     what a study found, and where
       python -m netlift diff A B            what changed between two runs: each an experiment's
                                             folder, its decision.json, or a folder of several;
                                             exit code 0 if nothing did, 1 if something did
       python -m netlift page FOLDER FILE    an experiment's page, of what there is of it
       python -m netlift import-log finn|open_bandit|kuairand SOURCE FOLDER
                                             a published data set as a log, with its config"""


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
    pages = sorted(folder.glob("logs/*/report.html"))
    described = [path for path in pages if not path.with_name("decision.json").exists()]
    if not found and not described:
        return f"No experiment in {folder} yet: run the study with `make run`."
    lines = ["", "Did promotion create engagement, or only move it?", ""]
    for path in found:
        (net,) = (row for row in _rows(path) if row["topic"] == "slate_level_metric")
        lines += [f"{path.parents[1]}/", f"    {net['statement']}", ""]
    for path in described:
        lines += [
            f"{path.parent}/",
            f"    No promotion was drawn at random: {path} says what this log can say.",
            "",
        ]
    for path in sorted(folder.glob("*/size=*/seed=*/decision_statements.csv")):
        lines += [
            f"Over all worlds, {path.parent}/",
            *(f"    {row['statement']}" for row in _rows(path)),
        ]
        lines.append("")
    front = folder / "report/index.html"
    lines.append(
        f"Open {front} in a browser: all of this with figures, and each experiment's page."
        if front.exists()
        else "Read effects/decision_statements.csv of an experiment first, then the tables beside "
        "it, and figures/."
    )
    return "\n".join(lines)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _import_log(name: str, source: Path, folder: Path) -> str:
    from netlift.logs.published import import_log

    overlay = import_log(name, source, folder)
    return f'make analyse LOG={name} ARGS="--configfile {overlay}"'


def page(folder: Path, file: Path) -> None:
    """Write an experiment's page from what there is of it, without Snakemake.

    Parameters
    ----------
    folder
        The experiment's folder, below a folder ``results``.
    file
        The page to write.

    Raises
    ------
    NetliftError
        There is no such experiment, or no configuration beside it.
    """
    import yaml

    from netlift.core.tables import written_whole
    from netlift.report.gathering import gather
    from netlift.report.pages import experiment_page
    from netlift.workflow.study import run_settings

    whole = folder.resolve()
    root = next((parent.parent for parent in whole.parents if parent.name == "results"), None)
    if root is None:
        raise NetliftError(f"{folder} does not lie in a folder results: no experiment of a study")
    name = whole.relative_to(root / "results").as_posix()
    dataset = name.split("/")[0]
    configs = sorted(
        (root / "results").glob("*/config.yaml" if dataset == "logs" else f"{dataset}/config.yaml")
    )
    if not configs:
        raise NetliftError(f"no config.yaml in {root / 'results' / dataset}: run the study first")
    settings = run_settings(yaml.safe_load(configs[0].read_text(encoding="utf-8")), name)
    movies = root / f"resources/datasets/{dataset}/movies.parquet"
    text = experiment_page(gather(name, settings, root=root, movies=movies))
    with written_whole(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Run a command; return its exit code: 2 if it cannot be run."""
    try:
        match arguments:
            case ["results"]:
                print(results(Path("results")))
            case ["results", folder]:
                print(results(Path(folder)))
            case ["snakemake", *rest]:
                from netlift.workflow.running import run_snakemake

                return run_snakemake(rest)
            case ["diff", before, after]:
                from netlift.report.changes import compare_runs

                said, changed = compare_runs(Path(before), Path(after))
                print(said)
                return int(changed)
            case ["page", folder, file]:
                page(Path(folder), Path(file))
            case ["import-log", name, source, folder]:
                print(_import_log(name, Path(source), Path(folder)))
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except NetliftError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
