"""Runs of the workflow in a folder of their own, as a user runs it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def checkout(folder: Path) -> Path:
    """Copy what a study needs of the project into an empty folder."""
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
    """Return what the next run would rebuild: paths below results/tiny/, without endings."""
    table = run(folder, "--summary", *arguments)
    lines = [line.split("\t") for line in table.splitlines() if line.count("\t") >= 5]
    header = lines[0]
    rows = [dict(zip(header, line, strict=True)) for line in lines[1:]]
    assert rows, table
    return {
        re.sub(r"\.\w+$", "", row["output_file"]).removeprefix("results/tiny/")
        for row in rows
        if row["plan"] != "no update"
    }


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")
