"""Runs that are killed, disks that fill up, files that are damaged: all tables, or a clear word."""

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
import yaml
from runs import ROOT, checkout

from netlift.comparison import compare_folders, summary

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]

SLATES = "results/tiny/size=6/seed=20260428"
LEDGER = f"{SLATES}/logit/effects/component_effects.csv"
KILLS = 20
ONE_WORLD = {
    "study": {"worlds": ["logit"], "grids": []},
    "sweep": {"seeds": ["1-2"], "sizes": [6], "worlds": ["logit"], "block_size": 1},
}
TARGETS = ["all", "sweep"]
"""From the import to pages, models and the sweep: every kind of file that the workflow writes."""
ROOT_ONLY = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("mount"),
    reason="NOT TESTED HERE: a full and a read-only disk need root, to mount a small one",
)


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
    """Start a run as `make run` does, in a process group of its own."""
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow/lib")}
    environment.pop("OMP_NUM_THREADS", None)
    with (folder / "said.txt").open("w") as said:
        return subprocess.Popen(
            command(*arguments, module=module),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def run(folder: Path, *arguments: str, ok: bool = True, module: str = "netlift") -> str:
    """Run to the end; return what was said."""
    code = begin(folder, *arguments, module=module).wait(timeout=900)
    said = (folder / "said.txt").read_text()
    assert (code == 0) == ok, said
    return said


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
    """Return the scripts of jobs that have begun and not ended, each by a name of its own."""
    return {path.name for path in (folder / ".snakemake/scripts").glob("*.py")}


def wait_for_jobs(folder: Path, process: subprocess.Popen, number: int) -> None:
    """Wait until a run has begun so many jobs, or has ended."""
    seen, before = set(), begun(folder)

    def enough() -> bool:
        seen.update(begun(folder) - before)
        return len(seen) >= number

    wait_until(enough, process)


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
    return [path for path in found if path.name not in {".snakemake_timestamp"}]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that nothing disturbed; tests must not change it."""
    folder = fresh(tmp_path_factory.mktemp("undisturbed"))
    run(folder, *TARGETS)
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished study, to do harm to."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


# --- Killed --------------------------------------------------------------------------------------


def test_killed_twenty_times_it_ends_as_if_undisturbed(finished, tmp_path):
    folder, rng, hit = fresh(tmp_path / "killed"), random.Random(20260428), set()
    for _ in range(KILLS):
        process = begin(folder, *TARGETS)
        wait_for_jobs(folder, process, rng.choice([1, 1, 2, 3]))
        # A job imports for a second or two, then works and writes: hit it in all of that.
        end = time.monotonic() + rng.uniform(0, 3)
        wait_until(lambda: time.monotonic() > end, process)  # noqa: B023
        hit |= {name.split(".", 1)[1] for name in begun(folder)}
        if process.poll() is None:
            kill(process)
        else:
            assert process.returncode == 0, (folder / "said.txt").read_text()
    said = run(folder, *TARGETS)
    assert {"import_ratings.py", "sweep_effects.py"} <= hit
    assert len(hit) >= KILLS // 2, hit  # many different jobs were hit at work
    assert "Traceback" not in said
    assert temporary_files(folder) == []
    comparison = compare_folders(finished / "results", folder / "results")
    assert comparison.differences == [], summary(comparison)
    assert sum(comparison.counts.values()) > 60
    again = compare_folders(finished / "resources", folder / "resources")
    assert again.differences == []
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
    assert f"Going on where a run was killed (process {process.pid} on " in said
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


DAMAGE = [
    ("items.parquet", cut, "slate_outcomes.parquet"),
    ("items.parquet", flipped, "slate_outcomes.parquet"),
    ("items.parquet", lambda data: b"", "slate_outcomes.parquet"),
    ("effects/product_summary.csv", cut, "effects/decision_statements.csv"),
    ("effects/product_summary.csv", digit_changed, "effects/decision_statements.csv"),
    ("effects/product_summary.csv", last_line_missing, "effects/decision_statements.csv"),
    ("models/verdict.json", cut, "figures/policies.svg"),
    ("models/verdict.json", lambda data: b"", "figures/policies.svg"),
]


def test_a_damaged_file_is_named_before_it_is_used(copied, finished):
    folder = copied / SLATES / "logit"
    for name, damage, needed_for in DAMAGE:
        whole = (folder / name).read_bytes()
        for with_checksums in (True, False) if damage in (cut, flipped) else (True,):
            # Written anew with the old time stamp: nothing that Snakemake looks at tells.
            times = (folder / name).stat()
            (folder / name).write_bytes(damage(whole))
            os.utime(folder / name, ns=(times.st_atime_ns, times.st_mtime_ns))
            (folder / needed_for).unlink()
            notes, away = copied / ".snakemake/netlift", copied / "away"
            if not with_checksums:
                notes.rename(away)
            said = run(copied, f"{SLATES}/logit/{needed_for}", ok=False)
            if not with_checksums:
                shutil.rmtree(notes, ignore_errors=True)
                away.rename(notes)
            flat = " ".join(said.split())
            assert "Netlift cannot go on" in said, said
            assert f"{SLATES}/logit/{name}".replace(" ", "") in said.replace("\n", ""), said
            assert re.search(r"Delete (it|the file) and run again", flat), said
            no_traceback(said[: said.index("Netlift cannot go on")])
            assert not (folder / needed_for).exists()
            (folder / name).unlink()  # as it says
            run(copied, f"{SLATES}/logit/{needed_for}")
            assert (folder / name).read_bytes() == whole
    comparison = compare_folders(finished / "results", copied / "results")
    assert comparison.differences == [], summary(comparison)


def test_a_job_that_fails_shows_its_log(copied):
    script = copied / "workflow/scripts/state_decisions.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("def main(", "1 / 0\n\n\ndef main("), encoding="utf-8")
    scripted = text.replace("with job(snakemake):\n", "with job(snakemake):\n        1 / 0\n")
    script.write_text(scripted, encoding="utf-8")
    said = run(copied, f"{SLATES}/logit/effects/decision_statements.csv", ok=False)
    log = "logs/tiny/size=6/seed=20260428/logit/state_decisions.log"
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
def test_a_full_disk_is_said_and_the_run_goes_on_once_there_is_room(finished, tmp_path):
    folder = fresh(tmp_path / "full")
    with small_disk(folder / "results", "size=200k"):
        said = run(folder, "all", ok=False)
        assert "the disk is full" in said, said
        assert re.search(r"results/\S+: the disk is full", said.replace("\n", " ")), said
        assert "Make room and run again" in " ".join(said.split())
        no_traceback(said[: said.index("Netlift cannot go on")])
        assert temporary_files(folder) == []
        for path in (folder / "results").rglob("*"):  # what is there is whole
            twin = finished / path.relative_to(folder)
            assert path.is_dir() or path.read_bytes() == twin.read_bytes(), path
        subprocess.run(["mount", "-o", "remount,size=100m", str(folder / "results")], check=True)
        run(folder, *TARGETS)
        comparison = compare_folders(finished / "results", folder / "results")
        assert comparison.differences == [], summary(comparison)


@ROOT_ONLY
def test_a_results_folder_that_is_read_only_is_named(tmp_path):
    folder = fresh(tmp_path / "readonly")
    with small_disk(folder / "results", "ro"):
        said = run(folder, LEDGER, ok=False)
    flat = " ".join(said.split())
    assert re.search(r"results\S*: cannot be written", flat), said
    no_traceback(said)


# --- Twice the same ------------------------------------------------------------------------------


def test_reproduce_compares_two_runs(tmp_path):
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    folder = fresh(tmp_path)
    files = ["config/studies/tiny.yaml", "config/studies/one_world.yaml"]
    done = subprocess.run(
        [sys.executable, "benchmarks/reproduce.py", "--configfile", *files, "--", LEDGER],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ files compared, 0 differences", done.stdout), done.stdout
