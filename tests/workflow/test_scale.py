"""MovieLens 32M: its shape at a small size, memory that does not grow with it, and its studies."""

import re
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import yaml
from configs import merged
from runs import ROOT, checkout, snakemake

sys.path.append(str(ROOT / "benchmarks"))

import process_tree
import scale

from netlift.datasets import importing, movielens_csv
from netlift.datasets.importing import import_dataset, write_dataset
from netlift.datasets.schema import RATINGS
from netlift.datasets.synthetic import Population
from netlift.slates import ratings
from netlift.slates.builder import SlateBuilder
from netlift.slates.ratings import split_by_time
from netlift.slates.scorer import fit_scorer, scorer_accuracy
from netlift.workflow.config import check_config

SMALL = Population(users=150, items=400, ratings=9000, rated_items=370, seed=32)


# --- The archive ---------------------------------------------------------------------------------


def test_the_shape_is_that_of_movielens_32m():
    published = yaml.safe_load((ROOT / "config/datasets.yaml").read_text())
    members = published["datasets"]["ml-32m"]["members"]
    assert scale.SHAPE.ratings == members["ratings.csv"]["rows"]
    assert scale.SHAPE.items == members["movies.csv"]["rows"]
    assert (scale.SHAPE.users, scale.SHAPE.rated_items) == (200_948, 84_432)


def test_an_archive_is_exact_sorted_deterministic_and_readable(tmp_path):
    paths = [tmp_path / number / f"{scale.NAME}.zip" for number in "ab"]
    for path in paths:
        scale.make_archive(path, SMALL)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with zipfile.ZipFile(paths[0]) as archive:
        text = archive.read(f"{scale.NAME}/ratings.csv").decode()
        movies = archive.read(f"{scale.NAME}/movies.csv").decode()
    lines = text.splitlines()
    assert lines[0] == "userId,movieId,rating,timestamp"
    rows = np.array([line.split(",") for line in lines[1:]], dtype=float)
    user, item = rows[:, 0].astype(int), rows[:, 1].astype(int)
    assert len(rows) == 9000
    assert sorted(zip(user, item, strict=True)) == list(zip(user, item, strict=True))
    assert np.bincount(user)[1:].min() >= 20
    assert (len(set(user)), len(set(item))) == (150, 370)
    assert set(rows[:, 2]) <= {half / 2 for half in range(1, 11)}
    assert len(pd.read_csv(pa.BufferReader(movies.encode()))) == 400
    assert '"The ""Quoted"", the Comma' in movies

    overlay = scale.overlay_of(paths[0])
    assert check_config(merged(overlay))["dataset"] == scale.NAME
    entry = overlay["datasets"][scale.NAME]
    dataset = import_dataset(scale.NAME, entry, archives=paths[0].parent, downloads=tmp_path)
    assert write_dataset(dataset, tmp_path / "r.parquet", tmp_path / "m.parquet") == 9000
    read = pq.read_table(tmp_path / "r.parquet")
    np.testing.assert_array_equal(read.column("item_id").to_numpy(), item)


def test_an_archive_that_is_there_is_not_made_again(tmp_path):
    path = tmp_path / "there.zip"
    path.write_bytes(b"as it was")
    path.with_suffix(".json").write_text("{}")
    scale.make_archive(path, SMALL)
    assert path.read_bytes() == b"as it was"


# --- Memory --------------------------------------------------------------------------------------


def many_ratings(n: int) -> pa.Table:
    """Make ratings of the form of a large data set: users of 100 ratings, 20,000 movies."""
    row = np.arange(n)
    user, place = row // 100, row % 100
    item = 200 * place + (7 * user) % 200
    stars = 0.5 + ((3 * user + place * place) % 10) / 2
    return pa.table([user, item, stars, 10**9 + (row * 7919) % 10**6], names=RATINGS.names).cast(
        RATINGS
    )


def most_bytes(work: Callable[[], object]) -> int:
    """Return the most memory that a work holds at a time, of NumPy and Python."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bytes_per_rating(work: Callable[[pa.Table], Callable[[], object]]) -> float:
    """Return by how many bytes for each further rating a work needs more memory."""
    few, many = 100_000, 300_000
    used = [most_bytes(work(many_ratings(n))) for n in (few, many)]
    return (used[1] - used[0]) / (many - few)


def in_pieces(table: pa.Table) -> Iterator[dict[str, np.ndarray]]:
    """Yield row groups as they come from a file."""
    for batch in table.to_batches(max_chunksize=2**14):
        yield {name: batch.column(name).to_numpy() for name in batch.schema.names}


def test_an_import_needs_no_more_memory_for_more_ratings(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "ROWS_PER_GROUP", 2**15)
    monkeypatch.setattr(movielens_csv, "_BLOCK", 2**15)
    titles = "".join(f"{movie},Title {movie} (1999),Drama\n" for movie in range(20_000))
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n" + titles)
    entry = {"kind": "folder", "path": str(tmp_path)}
    arrow: list[int] = []

    def noted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            arrow[-1] = max(arrow[-1], pa.total_allocated_bytes())
            yield batch

    def work(table: pa.Table) -> Callable[[], object]:
        csv = table.rename_columns(["userId", "movieId", "rating", "timestamp"])
        pyarrow.csv.write_csv(csv, tmp_path / "ratings.csv")
        del table, csv

        def imported() -> None:
            arrow.append(0)
            dataset = import_dataset("x", entry, downloads=tmp_path)
            streamed = replace(dataset, ratings=noted(dataset.ratings))
            write_dataset(streamed, tmp_path / "r.parquet", tmp_path / "m.parquet")

        return imported

    # A table of ratings has 20 bytes of each, in compact types.
    assert bytes_per_rating(work) < 4
    assert arrow[1] - arrow[0] < 4 * 200_000


def test_relevance_and_slates_need_few_bytes_a_rating(monkeypatch):
    monkeypatch.setattr(ratings, "ROWS_AT_ONCE", 2**14)
    import sklearn.utils.extmath  # noqa: F401  (an import takes memory too)

    own = {"train_share": 0.8, "pool": 20, "ranker": {"score": 1, "popularity": 1, "noise": 1}}
    settings = {"clusters": "first_genre", "n_slates": 50, "max_per_user": 1, "scorer": own}
    movies = pd.DataFrame({"item_id": range(20_000), "genres": "Drama"})
    columns, scorers = ["user_id", "item_id", "rating"], []

    def relevance(table: pa.Table) -> Callable[[], object]:
        def work() -> None:
            training, held_out = split_by_time(in_pieces(table), 0.8, columns)
            scorers.append(fit_scorer(training, {"damping": 5, "factors": 1}))
            scorer_accuracy(scorers[-1], held_out)

        return work

    def slates(table: pa.Table) -> Callable[[], object]:
        scorer = scorers.pop(0)
        return lambda: SlateBuilder(in_pieces(table), movies, scorer, settings).slates(6, 1)

    # Three columns of a rating are 12 bytes, and a 64-bit copy of one of them 8 more.
    assert bytes_per_rating(relevance) < 30
    assert bytes_per_rating(slates) < 14


def test_memory_is_that_of_all_processes_and_of_the_largest():
    child = "x = b'1' * 60_000_000; import time; time.sleep(1)"
    parent = (
        "import subprocess, sys;"
        f"p = [subprocess.Popen([sys.executable, '-c', {child!r}]) for _ in range(2)];"
        "[one.wait() for one in p]"
    )
    used = process_tree.run([sys.executable, "-c", parent])
    assert 60 < used.largest_mb < 110
    assert 120 < used.together_mb < 220
    assert used.seconds > 1


def test_a_step_that_fails_ends_the_measurement_with_what_it_said():
    with pytest.raises(SystemExit, match=r"(?s)failed.*no such thing"):
        process_tree.run([sys.executable, "-c", "raise ValueError('no such thing')"])


# --- The studies ---------------------------------------------------------------------------------


def planned(folder: Path, study: str, target: str) -> dict[str, int]:
    """Return how many jobs of each rule a dry run of a study plans."""
    overlay = ["--configfile", f"config/studies/{study}.yaml"]
    said = snakemake(folder, "--cores", "2", "--dry-run", *overlay, "--", target)
    rows = re.findall(r"^ ([a-z ]+?) {2,}(\d+) *$", said, re.MULTILINE)
    return {rule.replace(" ", "_"): int(jobs) for rule, jobs in rows}


@pytest.mark.slow
@pytest.mark.long
def test_the_studies_of_movielens_32m_plan_what_they_say(tmp_path):
    folder = checkout(tmp_path)
    study = planned(folder, "ml-32m", "all")
    assert study["import_ratings"] == study["fit_scorer"] == study["build_slates"] == 1
    assert study["simulate_clicks"] == study["fit_models"] == study["write_report"] == 5
    large = planned(folder, "ml-32m-100k", "effects")
    assert large["simulate_clicks"] == large["estimate_ledger"] == 5
    assert "fit_models" not in large
    assert not (folder / "resources").exists()


def test_the_benchmark_names_a_figure_that_is_missed():
    used = process_tree.Used(31.0, 30.0, 900.0, 1000.0)
    seconds, memory = scale.figures_of("relevance", "relevance", used)
    assert (seconds.met, memory.met) == (False, True)
    assert (seconds.value, seconds.wanted) == ("31.0", "30")
