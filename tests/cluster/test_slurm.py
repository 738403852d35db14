"""Runs through profiles/slurm on a real cluster: the same tables as a local run, and faults.

All runs are started at once, each in its own folder, since most of their time they wait.
"""

import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cluster as daemons
import pandas as pd
import pytest
from runs import checkout, snakemake, start

TINY = ["--configfile", "config/studies/tiny.yaml", "--config"]
STUDY = "study={worlds: [logit], grids: [tiny]}"
SWEEP = "sweep={seeds: [1-4], sizes: [6], worlds: [logit]}"
# This cluster has no accounting database, jobs of seconds, and two cores for each.
HERE = ["--profile", "profiles/slurm", "--slurm-status-command", "squeue", "--slurm-no-account"]
HERE += ["--slurm-init-seconds-before-status-checks", "1", "--cores", "2"]
SCORER = "results/tiny/small/scorer/accuracy.csv"


def on_slurm(folder: Path, *arguments: str, ok: bool = True) -> str:
    return snakemake(folder, *TINY, STUDY, SWEEP, *HERE, *arguments, ok=ok)


def locally(folder: Path, *arguments: str) -> str:
    return snakemake(folder, *TINY, STUDY, SWEEP, "--cores", "2", *arguments)


def made(folder: Path) -> list[Path]:
    files = (path for path in (folder / "results").rglob("*.*") if path.is_file())
    return sorted(path.relative_to(folder) for path in files if path.parent.name != ".records")


def assert_same(one: Path, other: Path) -> None:
    """Every file of two runs holds the same: tables by value, all else byte for byte."""
    assert made(one) == made(other)
    for file in made(one):
        if file.suffix == ".parquet":
            first, second = pd.read_parquet(one / file), pd.read_parquet(other / file)
            pd.testing.assert_frame_equal(first, second, check_exact=True)
        else:
            assert (one / file).read_bytes() == (other / file).read_bytes(), file


def jobs_of(folder: Path) -> dict[str, dict[str, str]]:
    """Return the jobs that were submitted from a folder, by number: state, node, times."""
    fields = "%i|%T|%N|%V|%S|%e|%k"
    lines = daemons.slurm("squeue", "--noheader", "--states=all", f"--format={fields}|%Z")
    rows = [line.split("|") for line in lines.splitlines()]
    names = ("job", "state", "node", "submitted", "started", "ended", "what", "folder")
    jobs = [dict(zip(names, row, strict=True)) for row in rows]
    return {job["job"]: job for job in jobs if job["folder"] == str(folder)}


def wait_for_job(folder: Path, what: str) -> dict[str, str]:
    """Wait until a job whose comment contains ``what`` has started its work, and return it."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for job in jobs_of(folder).values():
            if what in job["what"] and job["state"] == "RUNNING" and scripts_of(job["job"]):
                return job
        time.sleep(0.2)
    raise AssertionError(f"no {what} job ran: {jobs_of(folder)}")


def scripts_of(job: str) -> list[int]:
    """Return the processes of a job that run a script of the workflow."""
    found = []
    for pid in daemons.processes_with(f"SLURM_JOB_ID={job}"):
        words = Path(f"/proc/{pid}/cmdline").read_bytes() if daemons.state_of(pid)[0] else b""
        if b".snakemake/scripts/" in words.split(b"\0")[-2:][0]:
            found.append(pid)
    return found


class Run(NamedTuple):
    """A run that has ended: its folder, its output, and the job that was disturbed."""

    folder: Path
    said: str
    job: dict[str, str] | None = None


def local(slurm: daemons.Cluster, folder: Path) -> Run:
    return Run(folder, locally(folder, "--", "all", "sweep"))


def undisturbed(slurm: daemons.Cluster, folder: Path) -> Run:
    return Run(folder, on_slurm(folder, "--", "all", "sweep"))


def over_its_time(slurm: daemons.Cluster, folder: Path) -> Run:
    """The scorer does not end, and its job has one minute."""
    limit = ["--set-resources", "fit_scorer:runtime=1", "--retries", "0"]
    with ThreadPoolExecutor(1) as pool:
        targets = ["--", SCORER, "results/studies/tiny/config.yaml"]
        run = pool.submit(on_slurm, folder, *limit, *targets, ok=False)
        job = wait_for_job(folder, "fit_scorer")
        for pid in scripts_of(job["job"]):
            daemons.kill(pid, signal.SIGSTOP)
        return Run(folder, run.result(), job)


def out_of_memory(slurm: daemons.Cluster, folder: Path) -> Run:
    limit = ["--set-resources", "fit_scorer:mem_mb=250*attempt*attempt"]
    return Run(folder, on_slurm(folder, *limit, "--", SCORER))


def node_killed(slurm: daemons.Cluster, folder: Path) -> Run:
    """The node where the sweep is at work goes down, as in a power cut."""
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(
            on_slurm, folder, "--default-resources", "slurm_partition=faults", "--", "sweep"
        )
        job = wait_for_job(folder, "sweep_effects")
        drain = ["State=DRAIN", "Reason=test"]
        daemons.slurm("scontrol", "update", f"NodeName={job['node']}", *drain)
        slurm.kill_node(job["node"])
        return Run(folder, run.result(), job)


def snakemake_killed(slurm: daemons.Cluster, folder: Path) -> Run:
    """Snakemake is killed while its job runs on, and the same command typed again, and again."""
    words = [sys.executable, "-m", "netlift", "snakemake", *TINY, STUDY, SWEEP, *HERE, "--", SCORER]
    run = start(folder, words)
    job = wait_for_job(folder, "fit_scorer")
    for pid in scripts_of(job["job"]):
        daemons.kill(pid, signal.SIGSTOP)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    refused = start(folder, words)
    assert refused.wait(timeout=60) == 2
    said = (folder / "said.txt").read_text()
    daemons.slurm("scancel", job["job"])
    daemons.wait_for(
        lambda: not daemons.processes_with(f"SLURM_JOB_ID={job['job']}"),
        "the end of the job",
        seconds=120,
    )
    again = start(folder, words)
    assert again.wait(timeout=300) == 0, (folder / "said.txt").read_text()
    return Run(folder, said, job)


RUNS = (local, undisturbed, over_its_time, out_of_memory, node_killed, snakemake_killed)


@pytest.fixture(scope="module")
def runs(slurm, tmp_path_factory):
    """Every run, as the future of its result."""
    with ThreadPoolExecutor(len(RUNS)) as pool:
        folders = [checkout(tmp_path_factory.mktemp(run.__name__)) for run in RUNS]
        yield {
            run: pool.submit(run, slurm, folder) for run, folder in zip(RUNS, folders, strict=True)
        }


def test_the_cluster_gives_the_values_of_a_local_run(runs):
    assert_same(runs[undisturbed].result().folder, runs[local].result().folder)


def test_small_steps_share_a_job_and_nothing_is_left_to_do(runs):
    folder = runs[undisturbed].result().folder
    whats = sorted(re.sub("^rule_(?:rule_)?", "", job["what"]) for job in jobs_of(folder).values())
    starts = ["experiment", "fit_scorer", "grid", "slates"]
    starts += ["sweep_summary", "sweep_sweep_effects", "sweep_sweep_effects"]
    assert [what[: len(start)] for what, start in zip(whats, starts, strict=True)] == starts
    # Not the front page, which shows a sweep when it is written again.
    stages = ["effects", "models", "grids", "figures", "sweep"]
    assert "Nothing to be done" in locally(folder, "--", *stages)


def test_a_job_out_of_memory_is_tried_again_with_more(runs):
    folder, said, _ = runs[out_of_memory].result()
    states = [job["state"] for job in jobs_of(folder).values()]
    assert sorted(states) == ["COMPLETED", "FAILED"], said
    assert "exceeded memory limit" in logs_of(folder), logs_of(folder)
    assert (folder / SCORER).exists()


def test_a_node_that_dies_in_the_middle_costs_no_value(runs):
    folder, said, job = runs[node_killed].result()
    again = jobs_of(folder)[job["job"]]
    assert again["state"] == "COMPLETED", said
    assert again["node"] != job["node"]
    tables = [table for table in made(folder) if table.suffix == ".parquet"]
    assert any("sweep" in table.parts for table in tables)
    for table in tables:
        one = pd.read_parquet(folder / table)
        two = pd.read_parquet(runs[local].result().folder / table)
        pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_a_job_over_its_time_is_named_and_the_rest_is_done(runs):
    folder, said, _ = runs[over_its_time].result()
    (job,) = jobs_of(folder).values()
    assert job["state"] == "TIMEOUT", said
    assert "fit_scorer" in said
    assert "logs/tiny/small/fit_scorer.log" in said
    assert job["job"] in said
    assert not (folder / SCORER).exists()
    assert (folder / "results/studies/tiny/config.yaml").exists()
    locally(folder, "--", SCORER)


def test_after_a_kill_of_snakemake_its_jobs_are_named_and_then_the_run_goes_on(runs):
    folder, said, job = runs[snakemake_killed].result()
    assert "1 jobs that a run in" in said
    assert f"scancel {job['job']}," in said
    states = [each["state"] for each in jobs_of(folder).values()]
    assert sorted(states) == ["CANCELLED", "COMPLETED"]
    assert (folder / SCORER).exists()


def logs_of(folder: Path) -> str:
    """Return the logs of the failed jobs."""
    logs = (folder / ".snakemake/slurm_logs").rglob("*.log")
    return "\n".join(log.read_text() for log in logs)


def test_a_configuration_of_someone_else_is_left_alone(monkeypatch, tmp_path):
    theirs = tmp_path / "slurm.conf"
    theirs.write_text("ClusterName=theirs\n")
    monkeypatch.setattr(daemons, "CONFIG", theirs)
    monkeypatch.setattr(daemons, "STATE", tmp_path / "state")
    with pytest.raises(daemons.NoCluster, match=r"left alone|takes root"):
        daemons.Cluster().up()
    daemons.Cluster().down()
    assert theirs.read_text() == "ClusterName=theirs\n"
