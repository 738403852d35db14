"""Check that the same config gives the same results: run a study in fresh folders, in several ways.

Run by `make reproduce`. The first run uses one core, the second all of them; --cluster adds a third
run, whose arguments replace the number of cores. The folders are copies of this one without results
(downloads are shared); every table is compared by value, every figure and page by content. Exit
code 1 if anything differs. All other arguments are passed to Snakemake:

    make reproduce ARGS="--configfile config/studies/tiny.yaml -- all sweep"
    make reproduce ARGS="--cluster '--profile profiles/slurm' -- all sweep"
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/lib"))

from netlift.workflow.comparison import compare_folders, summary  # noqa: E402

FOLDER = ROOT / "reproduce"
MADE = ["results", "resources", "logs", "reproduce"]


def main(arguments: list[str]) -> int:
    """Run the study in each way; print what was compared; return 1 if anything differs."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--cluster", type=shlex.split)
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options, common = parser.parse_known_args(arguments[:split])
    ways = {"one-core": ["--cores", "1"], "all-cores": ["--cores", "all"]}
    if options.cluster:
        ways["cluster"] = options.cluster
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, way in ways.items():
        fresh(FOLDER / name)
        start = time.monotonic()
        if failed := run(FOLDER / name, [*way, *common, *arguments[split:]]):
            return failed
        print(f"{name}: ran in {time.monotonic() - start:.0f} s", flush=True)
    first, *others = (FOLDER / name / "results" for name in ways)
    comparisons = [compare_folders(first, other) for other in others]
    for other, comparison in zip(others, comparisons, strict=True):
        print(f"\n{first} compared with {other}:\n{summary(comparison)}")
    return 1 if any(comparison.differences for comparison in comparisons) else 0


def fresh(folder: Path) -> None:
    """Copy the work tree without results of runs; share the downloads."""

    def ignored(where: str, names: list[str]) -> set[str]:
        hidden = {name for name in names if name.startswith(".") or name == "__pycache__"}
        return hidden | ({*MADE} & {*names} if Path(where) == ROOT else set())

    shutil.copytree(ROOT, folder, ignore=ignored)
    downloads = ROOT / "resources/downloads"
    if downloads.is_dir():
        (folder / "resources").mkdir()
        (folder / "resources/downloads").symlink_to(downloads)


def run(folder: Path, arguments: list[str]) -> int:
    """Run the study in a folder; write its output to a file, and print it if the run fails."""
    command = [sys.executable, "-m", "netlift", "snakemake", *arguments]
    log_path = folder / "run.log"
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow/lib")}
    print(f"{folder.name}: running, see {log_path}", flush=True)
    with log_path.open("w", encoding="utf-8") as log:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    if done.returncode:
        print(log_path.read_text(encoding="utf-8"), file=sys.stderr)
        print(f"{folder.name}: the run failed", file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
