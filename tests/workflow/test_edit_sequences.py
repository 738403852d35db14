"""After any sequence of edits the results are those of a fresh run, byte for byte.

A folder with a log and own ratings is edited at random: values of the configuration, files with
old time stamps, modules, templates, switches, records of earlier runs, the folder's path. After
each round of edits it is run again, and compared with a run in a new folder. The number of rounds
is ``NETLIFT_EDIT_ROUNDS``; ``NETLIFT_EDIT_SEED`` draws other ones.
"""

import copy
import hashlib
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from log_files import ENTRY, draw_log
from runs import checkout

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROUNDS = int(os.environ.get("NETLIFT_EDIT_ROUNDS", "4"))
SEED = int(os.environ.get("NETLIFT_EDIT_SEED", "20261128"))
LONG_AGO = 10**18  # ns: 2001

LOG = {"logs": {"shop": {**ENTRY, "path": "own/log.csv", "row_stages": False}}}
RATED = {
    "dataset": "own",
    "datasets": {"own": {"kind": "folder", "path": "own/ratings"}},
    "study": {
        "slates": "few",
        "sizes": [6],
        "promotions": ["from_third"],
        "worlds": ["logit"],
        "grids": [],
    },
    "slates": {"few": {"n_slates": 60, "scorer": {"factors": 4, "pool": 12}}},
    "promotions": {"from_third": {"focal_position_first": 3}},
}
SHARED = {"inference": {"bootstrap_draws": 100, "permutations": 199, "min_slates": 5}}
PARTS = {
    "log": "results/logs/shop/sections.csv",
    "rated": "results/own/few/size=6/seed=20260428/from_third/logit/effects/component_effects.csv",
}
"""What is run of each half, with the configuration of its name."""


class Project:
    """A folder with everything that results follow from, and the configurations of both parts."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.config = copy.deepcopy({"log": LOG, "rated": RATED, "shared": SHARED})
        checkout(folder)
        (folder / "own/ratings").mkdir(parents=True)
        draw_log(31, 120, (4, 5), n_users=60)[0].to_csv(folder / "own/log.csv", index=False)
        _draw_ratings(folder / "own/ratings")

    def write(self) -> None:
        for name, overlay in self.config.items():
            text = yaml.safe_dump(overlay, sort_keys=False)
            (self.folder / f"own/{name}.yaml").write_text(text, encoding="utf-8")

    def run(self, part: str) -> bool:
        """Run one part as `make` does; return whether it ended well."""
        words = [sys.executable, "-m", "netlift", "snakemake", "--cores", "2", "--configfile"]
        words += [f"own/{part}.yaml", "own/shared.yaml", "--", PARTS[part]]
        environment = os.environ | {"PYTHONPATH": str(self.folder / "workflow/lib")}
        done = subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        self.said = done.stdout + done.stderr
        assert "Traceback" not in self.said, self.said
        return done.returncode == 0

    def sources(self, part: str) -> str:
        """Return a hash of all that the results of a part follow from."""
        own = "own/log.csv" if part == "log" else "own/ratings/*.csv"
        files = [*self.folder.glob(own), self.folder / f"own/{part}.yaml"]
        files += [self.folder / "own/shared.yaml"]
        for name in ("workflow", "config", "profiles"):
            files += [path for path in (self.folder / name).rglob("*") if path.suffix != ".pyc"]
        digest = hashlib.sha256()
        for path in sorted(path for path in files if path.is_file()):
            digest.update(f"{path.relative_to(self.folder)}\0".encode() + path.read_bytes())
        return digest.hexdigest()

    def results(self, part: str) -> dict[str, bytes]:
        """Return the content of all results of a part, but the records of how they were made."""
        roots = ["results/logs"] if part == "log" else ["results/own", "resources/datasets"]
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for root in roots
            for path in (self.folder / root).rglob("*")
            if path.is_file() and path.parent.name != ".records"
        }


def _draw_ratings(folder: Path) -> None:
    """Write ratings in the MovieLens format: 40 users, 100 movies, 2 genres of 5 each."""
    rng = np.random.default_rng(5)
    genres = ["Drama", "Comedy", "Action", "Horror", "Musical"]
    movies = ["movieId,title,genres"]
    movies += [f"{i},Movie {i} (1999),{genres[i % 5]}|{genres[(i + 1) % 5]}" for i in range(1, 101)]
    ratings = ["userId,movieId,rating,timestamp"]
    for user in range(1, 41):
        for movie in rng.permutation(np.arange(1, 101))[:60]:
            ratings.append(f"{user},{movie},{rng.integers(1, 11) / 2},{1_000_000 + len(ratings)}")
    (folder / "movies.csv").write_text("\n".join(movies) + "\n", encoding="utf-8")
    (folder / "ratings.csv").write_text("\n".join(ratings) + "\n", encoding="utf-8")


# --- Edits ---------------------------------------------------------------------------------------


def write_old(path: Path, text: str) -> None:
    """Replace a file's content, with a time stamp that is older than any result."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))


def toggled(path: Path, old: str, new: str) -> None:
    """Replace a text in a file by another one, or put it back."""
    text = path.read_text(encoding="utf-8")
    assert (old in text) != (new in text), f"{path}: {old!r}, {new!r}"
    write_old(path, text.replace(old, new) if old in text else text.replace(new, old))


def flip_clicks(project, rng):
    lines = (project.folder / "own/log.csv").read_text(encoding="utf-8").splitlines()
    for row in rng.sample(range(1, len(lines)), 5):
        lines[row] = ("1" if lines[row][0] == "0" else "0") + lines[row][1:]
    write_old(project.folder / "own/log.csv", "\n".join(lines) + "\n")


def change_rating(project, rng):
    path = project.folder / "own/ratings/ratings.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    for row in rng.sample(range(1, len(lines)), 20):
        user, movie, rating, when = lines[row].split(",")
        lines[row] = ",".join([user, movie, "4.5" if rating == "1.0" else "1.0", when])
    write_old(path, "\n".join(lines) + "\n")


def refuse_or_mend(project, rng):
    toggled(project.folder / "own/log.csv", ",boost,", ",maybe,")


def entry(project):
    return project.config["log"]["logs"]["shop"]


def probability(project, rng):
    entry(project)["promotion"] = {"probability": rng.choice([0.45, 0.5, 0.52])}


def outcomes(project, rng):
    minutes = {"minutes": {"column": "minutes", "unit": rng.choice(["minutes", "min"])}}
    entry(project)["outcomes"] = {
        "clicks": {"column": "clicked"},
        **(minutes if rng.random() < 0.5 else {}),
    }


def title(project, rng):
    entry(project)["title"] = rng.choice(["A log", "The log"])


def covariates(project, rng):
    entry(project)["covariates"] = rng.choice([{}, {"slate": {"user_activity": "visits"}}])


def row_stages(project, rng):
    entry(project)["row_stages"] = not entry(project)["row_stages"]


def no_promotion(project, rng):
    """Turn the experiment into a log that is described, or back."""
    now = entry(project)
    if "promoted" in now["columns"]:
        hidden = ("focal", "promoted")
        now["columns"] = {k: v for k, v in now["columns"].items() if k not in hidden}
        now |= {"promotion": {}, "meanings": {}}
    else:
        now |= {key: copy.deepcopy(ENTRY[key]) for key in ("columns", "promotion", "meanings")}


def world(project, rng):
    project.config["rated"]["worlds"] = {
        "logit": {"b_r": rng.choice([0.7, 0.8, 1.2]), "b_v": rng.choice([0.8, 1.2])}
    }


def design(project, rng):
    rated = project.config["rated"]
    rated["promotions"]["from_third"]["probability"] = rng.choice([0.4, 0.5])
    rated["slates"]["few"]["n_slates"] = rng.choice([60, 70])


def inference(project, rng):
    project.config["shared"]["inference"] |= {
        "min_slates": rng.choice([4, 5, 8]),
        "bootstrap_draws": rng.choice([100, 120]),
    }


def module(project, rng):
    path, old, new = rng.choice(
        [
            ("inference/power.py", "POWER = 0.8\n", "POWER = 0.9\n"),
            ("logs/contract.py", "FEW_SLATES = 100\n", "FEW_SLATES = 200\n"),
            ("logs/sections.py", "simulated worlds only", "worlds that are simulated"),
            ("effects/ledger.py", "TOLERANCE = 1e-12\n", "TOLERANCE = 1e-11\n"),
        ]
    )
    toggled(project.folder / "workflow/lib/netlift" / path, old, new)


def template(project, rng):
    toggled(project.folder / "workflow/report/page.html.j2", "Made by Netlift", "From Netlift")


def lose_records(project, rng):
    """Forget what Snakemake knows, as in a copy of the results."""
    shutil.rmtree(project.folder / ".snakemake", ignore_errors=True)


def lose_all_records(project, rng):
    lose_records(project, rng)
    for records in [*project.folder.glob("results/**/.records")]:
        shutil.rmtree(records)


def touch(project, rng):
    for path in project.folder.rglob("*.*"):
        if rng.random() < 0.2 and path.is_file() and ".snakemake" not in path.parts:
            path.touch()


def move(project, rng):
    moved = project.folder.with_name(f"moved $HOME 'é' {rng.randrange(10**6)}")
    project.folder.rename(moved)
    project.folder = moved


OFTEN = (flip_clicks, change_rating, probability, outcomes, title, covariates, world, design)
OFTEN += (inference, module, template, touch, move, lose_records, lose_all_records)
SELDOM = (refuse_or_mend, row_stages, no_promotion)


def edit(project, rng) -> list[str]:
    """Make one to three edits, and write the configuration; return their names."""
    edits = rng.choices([*OFTEN, *OFTEN, *SELDOM], k=rng.randint(1, 3))
    for change in edits:
        change(project, rng)
    project.write()
    return [change.__name__ for change in edits]


# --- Comparison ----------------------------------------------------------------------------------


def fresh_results(project: Project, part: str, folder: Path) -> tuple[bool, dict[str, bytes]]:
    """Run a part in a new folder with nothing but the sources."""
    shutil.rmtree(folder, ignore_errors=True)
    hidden = shutil.ignore_patterns("results", ".snakemake", "logs", "__pycache__")
    folder.mkdir()
    for name in ("workflow", "config", "profiles", "own", "resources", "environment.yml"):
        source = project.folder / name
        if source.is_dir() and name != "resources":
            ignored = None if name in ("workflow", "own") else hidden
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.is_file():
            shutil.copy(source, folder)
    other = copy.copy(project)
    other.folder = folder
    ended_well = other.run(part)
    return ended_well, other.results(part)


def differences(incremental: dict[str, bytes], fresh: dict[str, bytes]) -> list[str]:
    return [
        f"{name}: {'differs' if name in incremental and name in fresh else 'only in one'}"
        for name in sorted(incremental.keys() | fresh.keys())
        if incremental.get(name) != fresh.get(name)
    ]


def test_incremental_results_equal_fresh_ones(tmp_path):
    project, rng = Project(tmp_path / "project"), random.Random(SEED)
    known: dict[tuple[str, str], tuple[bool, dict[str, bytes]]] = {}
    project.write()
    history = []
    for number in range(ROUNDS + 1):
        history.append(edit(project, rng) if number else ["first run"])
        for part in PARTS:
            ended_well = project.run(part)
            key = (part, project.sources(part))
            if key not in known:
                known[key] = fresh_results(project, part, tmp_path / "fresh")
            fresh_ended_well, fresh = known[key]
            assert ended_well == fresh_ended_well, f"round {number}, {history}:\n{project.said}"
            found = differences(project.results(part), fresh)
            assert not found, f"round {number}, {part}, {history}: {found[:20]}\n{project.said}"
        print(f"round {number}: {', '.join(history[-1])}: equal", flush=True)
