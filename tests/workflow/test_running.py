"""One run at a time in a folder: which may continue, and which has to wait."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from netlift.core.errors import NetliftError
from netlift.workflow.running import LOCK, ONLY_LOOK, SNAKEMAKES_LOCKS, alone, makes_files


def parsed(*words: str):
    from snakemake.cli import get_argument_parser

    return get_argument_parser().parse_args(list(words))


def lock_of_snakemake(folder: Path) -> Path:
    path = folder / SNAKEMAKES_LOCKS / "0.input.lock"
    path.parent.mkdir(parents=True)
    path.write_text("results/table.csv\n")
    return path


def left_by(folder: Path, *, machine: str) -> None:
    """Leave the record of a run that was killed."""
    record = {"process": 4321, "machine": machine, "since": "2026-11-25 10:00:00+00:00"}
    (folder / LOCK).parent.mkdir(exist_ok=True)
    (folder / LOCK).write_text(json.dumps(record))


def test_snakemake_has_every_option_that_only_looks():
    options = vars(parsed())
    assert [name for name in (*ONLY_LOOK, "report_after_run") if name not in options] == []


@pytest.mark.parametrize(
    ("words", "makes"),
    [
        ("-c1", True),
        ("--cores all -- sweep", True),
        ("-c1 --touch", True),
        ("--delete-all-output", True),
        ("-c1 --report r.html --report-after-run", True),
        ("-n", False),
        ("-c1 -np", False),
        ("--unlock", False),
        ("--report r.zip", False),
        ("--summary", False),
        ("--rulegraph", False),
    ],
)
def test_only_what_makes_files_has_to_be_alone(words, makes):
    assert makes_files(parsed(*words.split())) == makes


def test_the_lock_goes_to_all_that_a_run_starts_and_ends_with_the_last_of_them(tmp_path):
    with alone(tmp_path):
        record = json.loads((tmp_path / LOCK).read_text())
        assert record["process"] == os.getpid()
        job = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with (
            pytest.raises(NetliftError, match="or jobs that it started still are"),
            alone(tmp_path),
        ):
            pass
    finally:
        job.kill()
        job.wait()
    with alone(tmp_path):
        pass
    assert (tmp_path / LOCK).read_text() == ""


def test_a_second_run_is_told_who_holds_the_folder(tmp_path):
    with (
        alone(tmp_path),
        pytest.raises(NetliftError, match=rf"process {os.getpid()} on {socket.gethostname()}"),
        alone(tmp_path),
    ):
        pass


def test_what_a_killed_run_left_is_cleared_away(tmp_path, capsys):
    lock = lock_of_snakemake(tmp_path)
    left_by(tmp_path, machine=socket.gethostname())
    with alone(tmp_path):
        assert not lock.exists()
    assert "Continuing where a run was killed (process 4321 on " in capsys.readouterr().err


def test_a_lock_from_another_machine_stays(tmp_path):
    lock = lock_of_snakemake(tmp_path)
    left_by(tmp_path, machine="elsewhere")
    said = "cannot be seen from here: process 4321 on elsewhere"
    with pytest.raises(NetliftError, match=said), alone(tmp_path):
        pass
    assert lock.exists()
    assert json.loads((tmp_path / LOCK).read_text())["process"] == 4321  # so do not forget it


def test_a_lock_that_no_run_of_ours_left_stays(tmp_path):
    lock = lock_of_snakemake(tmp_path)
    with pytest.raises(NetliftError, match=r"plain snakemake.*--unlock"), alone(tmp_path):
        pass
    assert lock.exists()


def test_beside_a_live_snakemake_nothing_is_cleared_away(tmp_path):
    lock = lock_of_snakemake(tmp_path)
    left_by(tmp_path, machine=socket.gethostname())
    (tmp_path / "snakemake").write_text("print(flush=True)\nimport time\ntime.sleep(60)\n")
    plain = subprocess.Popen(
        [sys.executable, "snakemake", "--cores", "1"], cwd=tmp_path, stdout=subprocess.PIPE
    )
    try:
        plain.stdout.readline()
        with pytest.raises(NetliftError, match=f"process {plain.pid}"), alone(tmp_path):
            pass
    finally:
        plain.kill()
        plain.communicate()
    assert lock.exists()
    with alone(tmp_path):
        assert not lock.exists()


def test_jobs_that_are_still_on_a_cluster_are_named(tmp_path, monkeypatch):
    lock = lock_of_snakemake(tmp_path)
    left_by(tmp_path, machine=socket.gethostname())
    queue = tmp_path / "bin/squeue"
    queue.parent.mkdir()
    queue.write_text(f"#!/bin/sh\necho '12 {tmp_path}'\necho '13 /elsewhere'\necho '14 '\n")
    queue.chmod(0o755)
    monkeypatch.setenv("PATH", str(queue.parent), prepend=os.pathsep)
    said = r"1 jobs that a run in .* submitted to the cluster have not ended.*scancel 12,"
    with pytest.raises(NetliftError, match=said), alone(tmp_path):
        pass
    assert lock.exists()
    queue.write_text("#!/bin/sh\necho squeue: error: no controller >&2\nexit 1\n")
    with alone(tmp_path):
        assert not lock.exists()


def test_a_run_that_fails_in_order_leaves_no_record(tmp_path):
    from netlift.workflow.running import run_snakemake

    words = ["--cores", "1", "--directory", str(tmp_path), "--snakefile", str(tmp_path / "none")]
    assert run_snakemake(words) == 1
    assert (tmp_path / LOCK).read_text() == ""
