"""Runs of the workflow in their own folders, as a user runs it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]

SLATES = "results/tiny/small/size=6/seed=20260428"
DESIGN = f"{SLATES}/from_third"
"""Where the slates of the tiny study are, and these slates with its promotion drawn."""

STUDY = "results/studies/tiny"
"""Where the tiny study has its front page."""

ONE_WORLD = {
    "study": {"worlds": ["logit"], "grids": []},
    "sweep": {"seeds": ["1-2"], "sizes": [6], "worlds": ["logit"], "block_size": 1},
}
TARGETS = ["all", "sweep"]
"""From the import to pages, models and the sweep: every kind of file that the workflow writes."""


def checkout(folder: Path) -> Path:
    """Copy the parts of the project that a study needs into an empty folder."""
    for name in ("workflow", "config", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "environment.yml", folder)
    return folder


def snakemake(folder: Path, *arguments: str, ok: bool = True) -> str:
    environment = {
        k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "OMP_NUM_THREADS"}
    }
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    output = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, output
    return output


def run(folder: Path, *arguments: str, cores: int = 2, ok: bool = True) -> str:
    tiny = ["--configfile", "config/studies/tiny.yaml", "--cores", str(cores)]
    return snakemake(folder, *tiny, *arguments, ok=ok)


def stale(folder: Path, *arguments: str) -> set[str]:
    """Return what the next run would rebuild: paths below results/, without endings."""
    table = run(folder, "--summary", *arguments)
    lines = [line.split("\t") for line in table.splitlines() if line.count("\t") >= 5]
    header = lines[0]
    rows = [dict(zip(header, line, strict=True)) for line in lines[1:]]
    assert rows, table
    return {
        re.sub(r"\.\w+$", "", row["output_file"]).removeprefix("results/")
        for row in rows
        if row["plan"] != "no update"
    }


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- A study of one world, run as `make run` does -----------------------------------------------


def fresh(folder: Path) -> Path:
    """Make a folder to run a study of one world in."""
    folder.mkdir(exist_ok=True)
    checkout(folder)
    overlay = yaml.safe_dump(ONE_WORLD)
    (folder / "config/studies/one_world.yaml").write_text(overlay, encoding="utf-8")
    return folder


def command(*arguments: str, module: str = "netlift") -> list[str]:
    start = ["-m", "netlift", "snakemake"] if module == "netlift" else ["-m", "snakemake"]
    files = ["config/studies/tiny.yaml", "config/studies/one_world.yaml"]
    words = [sys.executable, *start, "--cores", "2", "--configfile", *files]
    flags = [word for word in arguments if word.startswith("-")]
    targets = [word for word in arguments if not word.startswith("-")]
    return [*words, *flags, "--", *targets]


def begin(folder: Path, *arguments: str, module: str = "netlift") -> subprocess.Popen:
    """Start a run as `make run` does, in its own process group."""
    return start(folder, command(*arguments, module=module))


def start(folder: Path, words: list[str]) -> subprocess.Popen:
    """Start a command in a folder, in its own process group; its output goes to a file."""
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow/lib")}
    environment.pop("OMP_NUM_THREADS", None)
    with (folder / "said.txt").open("w") as said:
        return subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def run_alone(folder: Path, *arguments: str, ok: bool = True, module: str = "netlift") -> str:
    """Run to the end; return the output."""
    code = begin(folder, *arguments, module=module).wait(timeout=900)
    said = (folder / "said.txt").read_text()
    assert (code == 0) == ok, said
    return said
