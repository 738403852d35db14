"""Measure the study on this machine: time, memory, and whether its targets are met.

    .venv/bin/python benchmarks/study.py [--archives FOLDER]

Runs the study in a copy of the checkout from nothing, with two worlds and with the default config,
then again with nothing to do, and checks the tables. With a folder that contains
ml-latest-small.zip it also runs the reference study on it. Exit code 1 if a target is missed. Times
are wall-clock seconds of a whole `snakemake --cores all`; memory is the largest single process.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
MAX_SECONDS, MAX_TWO_WORLDS_SECONDS, MAX_IDLE_SECONDS, MAX_MB = 240, 90, 5, 1000
TWO_WORLDS = "study={worlds: [reference, logit], grids: []}"
REFERENCE_ITEMS = "results/*/history/size=*/seed=*/to_first/reference/items.parquet"
REFERENCE = {  # figure, expected, tolerance
    "direct, clicks per slate": (0.175, 0.012),
    "total, clicks per slate": (-0.318, 0.012),
    "same-cluster, clicks per item row": (-0.067, 0.008),
    "other, clicks per item row": (-0.037, 0.008),
}


def copied(folder: Path) -> Path:
    """Copy the parts of the checkout that a study needs."""
    for name in ("workflow", "config", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "environment.yml", folder)
    return folder


def timed(folder: Path, *arguments: str) -> float:
    """Run the workflow; return its wall-clock seconds."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "all", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - start


def accuracy(folder: Path) -> list[tuple[str, float, float]]:
    """Return the largest additivity error and distance from the known effect of all experiments."""
    effects = sorted(folder.glob("results/*/*/size=*/seed=*/*/*/effects"))
    additivity = max(
        pd.read_csv(path / "additivity_checks.csv")["difference"].abs().max() for path in effects
    )
    distance = max(
        pd.read_csv(path / f"{name}.csv")["distance_from_known_in_se"].abs().max()
        for path in effects
        for name in ("observed_effects", "spillover_sensitivity")
    )
    return [
        ("largest difference in an additivity check", additivity, 1e-12),
        ("largest distance of an observed effect from the known one, standard errors", distance, 4),
    ]


def known_lift(folder: Path) -> dict[str, float]:
    """Return the known lift of the reference study over the slates of both arms."""
    items = pd.read_parquet(next(folder.glob(REFERENCE_ITEMS)))
    lift = items["p_promoted"] - items["p_control"]
    n_slates = items["slate_id"].nunique()
    per_row = lift.groupby(items["component"].astype(str)).mean()
    direct = lift[items["is_focal_item"]].sum() / n_slates
    values = (
        direct,
        lift.sum() / n_slates,
        per_row["same_cluster_competitor"],
        per_row["other_competitor"],
    )
    return dict(zip(REFERENCE, values, strict=True))


def main() -> int:
    """Measure, print a table, and return the number of missed targets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--archives", type=Path, help="folder that contains ml-latest-small.zip")
    archives = parser.parse_args().archives
    rows: list[tuple[str, str, str, bool]] = []

    def add(figure: str, value: float, limit: float) -> None:
        rows.append((figure, f"{value:.4g}", f"at most {limit:g}", value <= limit))

    with tempfile.TemporaryDirectory() as name:
        folder = copied(Path(name))
        seconds = timed(folder, "--config", TWO_WORLDS)
        add("two worlds from nothing, s", seconds, MAX_TWO_WORLDS_SECONDS)
    with tempfile.TemporaryDirectory() as name:
        folder = copied(Path(name))
        add("default study from nothing, s", timed(folder), MAX_SECONDS)
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        add("largest process, MB", largest, MAX_MB)
        add("nothing to do, s", timed(folder), MAX_IDLE_SECONDS)
        for figure in accuracy(folder):
            add(*figure)
    if archives is not None:
        with tempfile.TemporaryDirectory() as name:
            folder = copied(Path(name))
            overlay = ["--configfile", "config/studies/reference.yaml"]
            chosen = ["dataset=ml-latest-small", f"archives={archives.resolve()}"]
            timed(folder, *overlay, "--config", *chosen)
            for figure, value in known_lift(folder).items():
                expected, tolerance = REFERENCE[figure]
                met = abs(value - expected) <= tolerance
                rows.append((figure, f"{value:+.4f}", f"{expected:+} within {tolerance}", met))
            for figure in accuracy(folder):
                add(f"reference study: {figure[0]}", *figure[1:])
    print("| figure | measured | target | met |\n|---|---|---|---|")
    for *row, met in rows:
        print(f"| {' | '.join(row)} | {'yes' if met else 'NO'} |")
    return sum(not row[3] for row in rows)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
