"""Runs that are killed, disks that fill up, files that are damaged: all tables or a clear error."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from runs import DESIGN, ROOT, TARGETS, begin, fresh
from runs import run_alone as run

from netlift.workflow.comparison import compare_folders, summary

pytestmark = [pytest.mark.slow, pytest.mark.long]

KILLS = 20
AT_JOBS = {0: "import_ratings", 2: "sweep_effects"}
"""Kills that wait for a job by its name; the others come whenever they come."""
SCORER = "results/tiny/small/scorer/accuracy.csv"
LEDGER = f"{DESIGN}/logit/effects/component_effects.csv"
ROOT_ONLY = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("mount"),
    reason="NOT TESTED HERE: a full and a read-only disk need root, to mount a small one",
)


def kill(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(holds, process: subprocess.Popen | None = None, seconds: float = 300) -> None:
    """Wait until something holds, or a process has ended."""
    end = time.monotonic() + seconds
    while not holds() and (process is None or process.poll() is None):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def begun(folder: Path) -> set[str]:
    """Return the scripts of jobs that have begun and not ended, each with its own name."""
    return {path.name for path in (folder / ".snakemake/scripts").glob("*.py")}


def moment(folder: Path, process: subprocess.Popen, number: int, rng: random.Random) -> None:
    """Wait for the event before a kill: a job that starts, a file that exists, or the end."""
    jobs, files, seen = begun(folder), count_files(folder), set()
    wanted = 1 + rng.randrange(3)

    def come() -> bool:
        seen.update(begun(folder) - jobs)
        if number in AT_JOBS:
            return any(AT_JOBS[number] in name for name in seen)
        if number % 2:
            return len(seen) >= wanted
        return count_files(folder) >= files + wanted  # of several that a job writes, say

    wait_until(come, process)


def count_files(folder: Path) -> int:
    return sum(path.is_file() for path in (folder / "results").rglob("*"))


def working(folder: Path, *arguments: str, module: str = "netlift") -> subprocess.Popen:
    """Start a run and wait until it has a job at work."""
    process = begin(folder, *arguments, module=module)
    wait_until(lambda: begun(folder), process)
    assert process.poll() is None, (folder / "said.txt").read_text()
    return process


def no_traceback(said: str) -> None:
    assert "Traceback" not in said, said


def temporary_files(folder: Path) -> list[Path]:
    found = [path for name in ("results", "resources") for path in (folder / name).rglob(".*")]
    return [path for path in found if path.name not in {".snakemake_timestamp", ".records"}]


@pytest.fixture
def copied(one_world_study, tmp_path):
    """A copy of the finished study, to do harm to."""
    folder = tmp_path / "copy"
    shutil.copytree(one_world_study, folder, symlinks=True)
    return folder


# --- Killed --------------------------------------------------------------------------------------


def test_killed_twenty_times_it_ends_as_if_undisturbed(one_world_study, tmp_path):
    folder, rng, hit = fresh(tmp_path / "killed"), random.Random(20260428), set()
    for number in range(KILLS):
        process = begin(folder, *TARGETS)
        moment(folder, process, number, rng)
        # Some kills come at once, some while the job imports, works or writes the next file.
        end = time.monotonic() + rng.choice([0, 0.5, 1]) * rng.random()
        wait_until(lambda: time.monotonic() > end, process)  # noqa: B023
        hit |= {name.split(".", 1)[1] for name in begun(folder)}
        if process.poll() is None:
            kill(process)
        else:
            assert process.returncode == 0, (folder / "said.txt").read_text()
    run(folder, *TARGETS)
    run(folder, *TARGETS)  # now the front page shows the sweep too
    assert len(hit) >= KILLS // 2, hit  # many different jobs were hit at work
    assert temporary_files(folder) == []
    for made in ("results", "resources"):
        comparison = compare_folders(one_world_study / made, folder / made)
        assert comparison.differences == [], summary(comparison)
    assert "Nothing to be done" in run(folder, *TARGETS)


def test_after_a_kill_the_next_run_goes_on_by_itself(tmp_path):
    folder = fresh(tmp_path / "killed")
    process = working(folder, LEDGER)
    kill(process)
    assert list((folder / ".snakemake/locks").glob("*.lock"))
    assert json.loads((folder / ".snakemake/netlift.lock").read_text())["process"] == process.pid
    said = run(folder, "-n", LEDGER)
    assert "would have been run" in said or "dry-run" in said, said
    said = run(folder, LEDGER)
    assert f"Continuing where a run was killed (process {process.pid} on " in said
    assert (folder / LEDGER).exists()
    assert (folder / ".snakemake/netlift.lock").read_text() == ""


# --- Two at once ---------------------------------------------------------------------------------


@contextmanager
def stopped(process: subprocess.Popen):
    """Keep a run alive and still while something else is tried."""
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)
        kill(process)


def test_beside_a_live_run_a_second_one_refuses(tmp_path):
    folder = fresh(tmp_path / "two")
    first = working(folder, LEDGER)
    with stopped(first):
        start = time.monotonic()
        said = run(folder, LEDGER, ok=False)
        assert time.monotonic() - start < 60
        assert f"Another run is alive in {folder} (process {first.pid} on " in said
        assert "Nothing was changed" in said
        no_traceback(said)
        assert "Going on" not in said
        run(folder, "-n", LEDGER)  # to look is allowed
        said = run(folder, LEDGER, ok=False, module="snakemake")
        assert "LockException" in said or "cannot be locked" in said


def test_the_lock_of_plain_snakemake_is_not_stolen(tmp_path):
    folder = fresh(tmp_path / "plain")
    plain = working(folder, LEDGER, module="snakemake")
    with stopped(plain):
        said = run(folder, LEDGER, ok=False)
        assert re.search(rf"Snakemake is running in \S+: process .*{plain.pid}", said), said
        no_traceback(said)
        assert list((folder / ".snakemake/locks").glob("*.lock"))
    # Now dead, and nobody can know that no other machine runs one.
    said = run(folder, LEDGER, ok=False)
    assert "locked by a run of plain snakemake" in said
    assert "--unlock" in said
    run(folder, "--unlock", LEDGER)
    assert "Going on" not in run(folder, "-n", LEDGER)


def test_a_job_that_outlives_its_run_keeps_the_next_one_out(tmp_path):
    folder = fresh(tmp_path / "orphan")
    process = working(folder, LEDGER)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGSTOP)
    process.kill()  # the run alone: the job that it started stays
    process.wait()
    try:
        said = run(folder, LEDGER, ok=False)
        assert "or jobs that it started still are" in said
    finally:
        os.killpg(process.pid, signal.SIGKILL)


# --- Damaged files -------------------------------------------------------------------------------


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def flipped(data: bytes) -> bytes:
    middle = len(data) // 3
    return (
        data[:middle] + bytes(255 - byte for byte in data[middle : middle + 4]) + data[middle + 4 :]
    )


def digit_changed(data: bytes) -> bytes:
    """Change one digit after a decimal point: the file can be read as well as before."""
    place = re.search(rb"\.\d", data).end() - 1
    return data[:place] + (b"8" if data[place : place + 1] != b"8" else b"7") + data[place + 1 :]


def last_line_missing(data: bytes) -> bytes:
    return b"".join(data.splitlines(keepends=True)[:-1])


def nothing(data: bytes) -> bytes:
    return b""


NEEDED_FOR = {
    "items.parquet": "effects/randomization_tests.csv",
    "effects/product_summary.csv": "effects/decision_statements.csv",
    "models/verdict.json": "figures/policies.svg",
}


@pytest.mark.parametrize(
    ("damages", "noted"),
    [
        ((cut, cut, cut), True),
        ((flipped, digit_changed, nothing), True),
        ((nothing, last_line_missing, cut), True),
        # Without records, some damage shows as files are read.
        ((cut, cut, nothing), False),
        ((flipped, nothing, cut), False),
    ],
)
def test_a_damaged_file_is_named_before_it_is_used(copied, damages, noted):
    folder = copied / DESIGN / "logit"
    for damage, (name, needed_for) in zip(damages, NEEDED_FOR.items(), strict=True):
        # Written anew with the old time stamp: nothing that Snakemake looks at tells.
        times = (folder / name).stat()
        (folder / name).write_bytes(damage((folder / name).read_bytes()))
        os.utime(folder / name, ns=(times.st_atime_ns, times.st_mtime_ns))
        (folder / needed_for).unlink()
    if not noted:
        for records in [*(copied / "results").rglob(".records")]:
            shutil.rmtree(records)
    targets = [f"{DESIGN}/logit/{name}" for name in NEEDED_FOR.values()]
    said = run(copied, "--keep-going", *targets, ok=False)
    no_traceback(said)
    errors = re.findall(r"Netlift cannot continue \(\w+\):\n(.+?)\n\n", said, re.DOTALL)
    for name, needed_for in NEEDED_FOR.items():
        (error,) = (error for error in errors if f"{DESIGN}/logit/{name}" in error)
        assert re.search(r"Delete (it|the file) and run again", error), error
        assert not (folder / needed_for).exists()


def test_what_was_damaged_is_made_anew_once_it_is_deleted(copied, one_world_study):
    for name in (*NEEDED_FOR, *NEEDED_FOR.values()):
        (copied / DESIGN / "logit" / name).unlink()
    run(copied, *(f"{DESIGN}/logit/{name}" for name in NEEDED_FOR.values()))
    comparison = compare_folders(one_world_study / "results", copied / "results")
    assert comparison.differences == [], summary(comparison)


def test_a_job_that_fails_shows_its_log(copied):
    script = copied / "workflow/scripts/state_decisions.py"
    text = script.read_text(encoding="utf-8")
    failing = text.replace("with job(snakemake):\n", "with job(snakemake):\n        1 / 0\n")
    script.write_text(failing, encoding="utf-8")
    said = run(copied, f"{DESIGN}/logit/effects/decision_statements.csv", ok=False)
    log = DESIGN.replace("results", "logs", 1) + "/logit/state_decisions.log"
    assert log in said.replace("\n", ""), said
    assert "ZeroDivisionError" in said
    assert (copied / log).read_text().rstrip().endswith("ZeroDivisionError: division by zero")


# --- Disks ---------------------------------------------------------------------------------------


@contextmanager
def small_disk(where: Path, options: str):
    """Mount a small disk in memory."""
    where.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)], capture_output=True
    )
    if done.returncode:
        pytest.skip(f"NOT TESTED HERE: no disk could be mounted ({done.stderr.decode().strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@ROOT_ONLY
def test_a_full_disk_is_said_and_the_run_goes_on_once_there_is_room(one_world_study, tmp_path):
    folder = fresh(tmp_path / "full")
    with small_disk(folder / "results", "size=200k"):
        said = run(folder, "all", ok=False)
        assert "the disk is full" in said, said
        assert re.search(r"results/\S+: the disk is full", said.replace("\n", " ")), said
        assert "Make room and run again" in " ".join(said.split())
        no_traceback(said[: said.index("Netlift cannot continue")])
        assert temporary_files(folder) == []
        for path in (folder / "results").rglob("*"):  # what is there is whole
            twin = one_world_study / path.relative_to(folder)
            assert path.is_dir() or path.read_bytes() == twin.read_bytes(), path
        subprocess.run(["mount", "-o", "remount,size=100m", str(folder / "results")], check=True)
        run(folder, LEDGER)
        for path in (folder / "results").rglob("*.csv"):
            twin = one_world_study / path.relative_to(folder)
            assert path.read_bytes() == twin.read_bytes(), path
        assert (folder / LEDGER).exists()


@ROOT_ONLY
def test_a_results_folder_that_is_read_only_is_named(tmp_path):
    folder = fresh(tmp_path / "readonly")
    with small_disk(folder / "results", "ro"):
        said = run(folder, LEDGER, ok=False)
    flat = " ".join(said.split())
    assert "results: not writable (a read-only disk" in flat
    assert len(flat) < 300  # and nothing else
    no_traceback(said)


# --- Twice the same ------------------------------------------------------------------------------


def test_reproduce_compares_two_runs(tmp_path):
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    folder = fresh(tmp_path)
    files = ["config/studies/tiny.yaml", "config/studies/one_world.yaml"]
    done = subprocess.run(
        [sys.executable, "benchmarks/reproduce.py", "--configfile", *files, "--", SCORER],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ files compared, 0 differences", done.stdout), done.stdout
