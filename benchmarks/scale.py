"""Measure MovieLens 32M: import, relevance, the default study, and 100,000 slates.

    .venv/bin/python benchmarks/scale.py [--folder FOLDER] [--parts import relevance study slates]

Makes a synthetic archive with exactly the counts of MovieLens 32M (32,000,204 ratings by 200,948
users of 84,432 of 87,585 movies, 890 MB of CSV in a zip) in FOLDER, where it is kept: two minutes
the first time, and 2 GB of disk. Every step is a separate process. Memory is that of the largest
process; "together" is the peak of all processes of a step. Exit code 1 if a target is missed.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

# As in the rules; Snakemake sets it again for every job.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow/lib"), str(ROOT / "benchmarks")]

import pandas as pd  # noqa: E402
import yaml  # noqa: E402
from process_tree import Used, run  # noqa: E402
from study import copied  # noqa: E402

from netlift.core.tables import read_json, write_json  # noqa: E402
from netlift.datasets.movielens_files import write_movielens  # noqa: E402
from netlift.datasets.schema import Dataset  # noqa: E402
from netlift.datasets.synthetic import Population, simulate  # noqa: E402

SHAPE = Population(users=200_948, items=87_585, ratings=32_000_204, rated_items=84_432, seed=32)
NAME = "ml-32m-shape"
ROUNDS, LEAST_TIMES_SMALLER = 2, 5.0
LIMITS = {  # seconds, MB of the largest process
    "import": (20, 700),
    "relevance": (30, 1500),
    "study": (180, 2000),
    "slates": (300, None),
}


class Figure(NamedTuple):
    """One line of the table that is printed."""

    what: str
    value: str
    wanted: str
    met: bool


def make_archive(path: Path, population: Population = SHAPE) -> None:
    """Write a zip in the MovieLens format, and a file of its facts, if they do not exist yet."""
    facts = path.with_suffix(".json")
    if path.exists() and facts.exists():
        return
    print(f"making {path}", file=sys.stderr)
    dataset = simulate(population)
    members = write_movielens(_with_progress(dataset, population.ratings), path)
    write_json({name: vars(fact) for name, fact in members.items()}, facts)


def _with_progress(dataset: Dataset, ratings: int) -> Dataset:
    """Return the data set; print now and then how many ratings have been made."""

    def batches():
        made, shown = 0, 0
        for batch in dataset.ratings:
            made += len(batch)
            if 10 * made // ratings > shown:
                shown = 10 * made // ratings
                print(f"  {made:,} ratings", file=sys.stderr)
            yield batch

    return Dataset(dataset.label, dataset.movies, batches(), dataset.place)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the ratings for pandas, if not done yet."""
    path = folder / "ratings.csv"
    if not path.exists():
        with (
            zipfile.ZipFile(archive) as source,
            source.open(f"{archive.stem}/ratings.csv") as packed,
            path.with_suffix(".part").open("wb") as target,
        ):
            shutil.copyfileobj(packed, target, 1 << 20)
        path.with_suffix(".part").rename(path)
    return path


def step_import(archive: str, folder: str) -> None:
    """Make both tables from the zip, as the rule import_ratings does."""
    from netlift.datasets.importing import import_dataset, write_dataset

    entry = overlay_of(Path(archive))["datasets"][NAME]
    dataset = import_dataset(NAME, entry, archives=Path(archive).parent, downloads=folder)
    write_dataset(dataset, f"{folder}/ratings.parquet", f"{folder}/movies.parquet")


def step_pandas(csv: str, folder: str) -> None:
    """Read the unpacked ratings with pandas and write them as Parquet."""
    pd.read_csv(csv).to_parquet(f"{folder}/pandas.parquet", index=False)


def step_relevance(_archive: str, folder: str) -> None:
    """Fit the scorer and measure its accuracy, as the rule fit_scorer does."""
    sys.path.insert(0, str(ROOT / "workflow/scripts"))
    from fit_scorer import main as fit

    recipe = yaml.safe_load((ROOT / "config/config.yaml").read_text())["slates"]["scorer"]
    outputs = [f"{folder}/{name}" for name in ("users.parquet", "items.parquet", "accuracy.csv")]
    fit(f"{folder}/ratings.parquet", *outputs, recipe["scorer"])


STEPS: dict[str, Callable[[str, str], None]] = {
    "import": step_import,
    "pandas": step_pandas,
    "relevance": step_relevance,
}


def step(name: str, source: Path, folder: Path) -> Used:
    """Run a step in a separate process."""
    used = run([sys.executable, __file__, "--step", name, str(source), str(folder)])
    print(f"  {name:10} {_shown(used)}", file=sys.stderr)
    return used


def _shown(used: Used) -> str:
    return (
        f"{used.seconds:6.1f} s ({used.cpu_seconds:.1f} CPU-s), {used.largest_mb:,.0f} MB, "
        f"together {used.together_mb:,.0f} MB; load {os.getloadavg()[0]:.1f}"
    )


def figures_of(part: str, what: str, used: Used) -> list[Figure]:
    """Compare the time and memory of a part with its limits."""
    seconds, memory = LIMITS[part]
    figures = [Figure(f"{what}, s", f"{used.seconds:.1f}", f"{seconds}", used.seconds <= seconds)]
    met = memory is None or used.largest_mb <= memory
    wanted = "" if memory is None else f"{memory:,}"
    figures.append(Figure(f"{what}, MB", f"{used.largest_mb:,.0f}", wanted, met))
    return figures


def measure_import(archive: Path, folder: Path) -> list[Figure]:
    """Import the zip, and read the unpacked file with pandas, alternately."""
    csv = unpack(archive, folder)
    ours, pandas = [], []
    for _ in range(ROUNDS):
        ours.append(step("import", archive, folder))
        pandas.append(step("pandas", csv, folder))
    (folder / "pandas.parquet").unlink()
    used = Used(*(max(values) for values in zip(*ours, strict=True)))
    theirs = Used(*(max(values) for values in zip(*pandas, strict=True)))
    times = sum(run.seconds for run in ours) / sum(run.seconds for run in pandas)
    smaller = theirs.largest_mb / used.largest_mb
    return [
        *figures_of("import", "zip to ratings.parquet", used),
        Figure("the same in pandas, from the unpacked file, s", f"{theirs.seconds:.1f}", "", True),
        Figure("its memory, MB", f"{theirs.largest_mb:,.0f}", "", True),
        Figure("our time over that of pandas", f"{times:.2f}", "1", times <= 1),
        Figure(
            "memory of pandas over ours",
            f"{smaller:.1f}",
            f"at least {LEAST_TIMES_SMALLER:g}",
            smaller >= LEAST_TIMES_SMALLER,
        ),
    ]


def measure_relevance(archive: Path, folder: Path) -> list[Figure]:
    """Fit the scorer to the imported ratings."""
    if not (folder / "ratings.parquet").exists():
        step("import", archive, folder)
    return figures_of("relevance", "relevance", step("relevance", archive, folder))


def measure_study(archive: Path, folder: Path) -> list[Figure]:
    """Run the default study on the archive, from nothing."""
    used = workflow(archive, folder, "ml-32m", "all")
    together = f"{used.together_mb:,.0f}"
    return [
        *figures_of("study", "default study from nothing", used),
        Figure("its processes together, MB", together, "", True),
    ]


def measure_slates(archive: Path, folder: Path) -> list[Figure]:
    """Run all worlds, accounts and effects of 100,000 slates, from nothing."""
    used = workflow(archive, folder, "ml-32m-100k", "effects")
    return figures_of("slates", "100,000 slates: clicks, accounts, effects, from nothing", used)


PARTS: dict[str, Callable[[Path, Path], list[Figure]]] = {
    "import": measure_import,
    "relevance": measure_relevance,
    "study": measure_study,
    "slates": measure_slates,
}


def workflow(archive: Path, folder: Path, study: str, target: str) -> Used:
    """Run a target of a study on the archive in a copy of the checkout; print use by rule."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        checkout = copied(Path(name))
        overlay = checkout / "shape.yaml"
        overlay.write_text(yaml.safe_dump(overlay_of(archive)))
        configs = ["--configfile", f"config/studies/{study}.yaml", str(overlay)]
        command = [sys.executable, "-m", "snakemake", "--cores", "all", *configs, "--", target]
        used = run(command, checkout)
        print(f"  {study:10} {_shown(used)}", file=sys.stderr)
        print(f"\n{study}, {target}: the maximum over jobs\n\n{by_rule(checkout)}\n")
    return used


def overlay_of(archive: Path) -> dict:
    """Return the overlay that replaces MovieLens 32M by the archive, with its checksums."""
    published = yaml.safe_load((ROOT / "config/datasets.yaml").read_text())["datasets"]["ml-32m"]
    entry = {key: value for key, value in published.items() if key not in ("bytes", "md5")} | {
        "title": "The shape of MovieLens 32M",
        "url": f"http://127.0.0.1:9/{archive.name}",  # no server there: it is not downloaded
        "members": read_json(archive.with_suffix(".json")),
    }
    return {"dataset": NAME, "archives": str(archive.parent), "datasets": {NAME: entry}}


def by_rule(checkout: Path) -> str:
    """Return the maximum time and memory of the jobs of each rule, from the benchmark files."""
    rows = [
        {"rule": path.stem, **pd.read_csv(path, sep="\t", na_values="-").iloc[0]}
        for path in checkout.glob("logs/**/*.tsv")
    ]
    table = pd.DataFrame(rows)[["rule", "s", "cpu_time", "max_rss"]].groupby("rule")
    most = table.max().assign(jobs=table.size()).sort_values("s", ascending=False)
    lines = [
        f"| {rule} | {row.jobs:.0f} | {row.s:.1f} | {row.cpu_time:.1f} | {row.max_rss:,.0f} |"
        for rule, row in most.iterrows()
    ]
    return "\n".join(["| rule | jobs | s | CPU s | MB |", "|---|---|---|---|---|", *lines])


def main() -> int:
    """Measure, print a table, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = Path(tempfile.gettempdir()) / "netlift-scale"
    parser.add_argument("--folder", type=Path, default=default, help=f"default: {default}")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, source, target = options.step
        STEPS[name](source, target)
        return 0
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{NAME}.zip"
    make_archive(archive)
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    figures = [figure for part in options.parts for figure in PARTS[part](archive, folder)]
    print("| figure | measured | target |\n|---|---|---|")
    for what, value, wanted, met in figures:
        print(f"| {what} | {value} | {wanted}{'' if met else ' MISSED'} |")
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
