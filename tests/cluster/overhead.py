"""Measure what a job on Slurm costs besides its work: a sweep here, and through profiles/slurm.

    .venv/bin/python tests/cluster/overhead.py [--seeds 1-100] [--block-size 50] [--grouped no]

Starts the cluster of the tests on this machine (as root), runs the sweep of the default study on
it and then without it on two cores, and prints a table in Markdown: how long jobs wait, how long
Snakemake takes to notice that they have ended, and the CPU time of both runs. The overhead of the
cluster is the share of its run's CPU time that the local run does not need; CPU time counts all
processes of the cluster's daemons, by a cpuacct cgroup, where there is one.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import yaml

sys.path[:0] = [str(Path(__file__).parents[1])]
import cluster as daemons  # noqa: E402
from runs import checkout  # noqa: E402

GROUP = Path("/sys/fs/cgroup/cpuacct/netlift")
HERE = ["--profile", "profiles/slurm", "--slurm-status-command", "squeue", "--slurm-no-account"]


def cluster_seconds() -> float:
    """Return the CPU time of the cluster's daemons and all that they started, so far."""
    return int((GROUP / "cpuacct.usage").read_text()) / 1e9


def own_seconds() -> float:
    """Return the CPU time of the processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Run the sweep; return its time and the CPU time of what ran here."""
    start, before = time.monotonic(), own_seconds()
    command = [sys.executable, "-m", "snakemake", *arguments, "--", "sweep"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.monotonic() - start, own_seconds() - before


def polls(folder: Path) -> list[datetime]:
    """Return when Snakemake noticed that jobs had ended, from its log."""
    text = next((folder / ".snakemake/log").glob("*.log")).read_text()
    times = re.findall(r"^\[(.*)\]\nFinished jobid", text, re.M)
    return sorted({datetime.strptime(when, "%a %b %d %H:%M:%S %Y") for when in times})


def waits(folder: Path) -> tuple[list[float], list[float], list[float]]:
    """Return for each job the seconds in the queue, at work, and ended but not noticed."""
    lines = daemons.slurm("squeue", "--noheader", "--states=all", "--format=%V|%S|%e|%Z")
    queued, ran, late = [], [], []
    for line in lines.splitlines():
        *times, where = line.split("|")
        if where == str(folder):
            submitted, started, ended = map(datetime.fromisoformat, times)
            queued.append((started - submitted).total_seconds())
            ran.append((ended - started).total_seconds())
            # One look at the queue finds all that have ended, so it is the first one after the end.
            seen = next(poll for poll in polls(folder) if poll >= ended)
            late.append((seen - ended).total_seconds())
    return queued, ran, late


def mean(values: list[float]) -> str:
    """Return a mean in seconds, as text."""
    return f"{sum(values) / len(values):.1f} s" if values else "none"


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="1-100")
    parser.add_argument("--block-size", type=int, default=50)
    parser.add_argument("--grouped", choices=["yes", "no"], default="yes")
    options = parser.parse_args()
    sweep = f"sweep={{seeds: [{options.seeds}], block_size: {options.block_size}}}"
    with tempfile.TemporaryDirectory() as name:
        here, there = (checkout(Path(name, part)) for part in ("local", "slurm"))
        if options.grouped == "no":
            file = there / "profiles/slurm/config.yaml"
            profile = yaml.safe_load(file.read_text())
            file.write_text(yaml.safe_dump({k: v for k, v in profile.items() if k != "groups"}))
        slurm = daemons.Cluster()
        slurm.up()
        try:
            GROUP.mkdir(exist_ok=True)
            for pid in slurm.pids.values():
                (GROUP / "cgroup.procs").write_text(str(pid))
            before = cluster_seconds()
            wall, cpu = run(there, *HERE, "--config", sweep)
            cpu += cluster_seconds() - before
            queued, ran, late = waits(there)
        finally:
            slurm.down()
            GROUP.rmdir()
        local_wall, local_cpu = run(here, "--cores", "2", "--config", sweep)
    print(f"seeds {options.seeds}, blocks of {options.block_size}, grouped: {options.grouped}")
    print(f"load average at the end {os.getloadavg()[1]:.1f}\n")
    print("| figure | on Slurm | local |\n|---|---|---|")
    print(f"| jobs | {len(ran)} | |")
    print(f"| from submission to start, mean | {mean(queued)} | |")
    print(f"| from start to end, mean | {mean(ran)} | |")
    print(f"| from end to noticed, mean | {mean(late)} | |")
    print(f"| CPU time | {cpu:.0f} s | {local_cpu:.0f} s |")
    print(f"| time | {wall:.0f} s | {local_wall:.0f} s |")
    print(f"| CPU time of a job beyond its work | {(cpu - local_cpu) / len(ran):.1f} s | |")
    print(f"| overhead, share of the CPU time | {1 - local_cpu / cpu:.0%} | |")


if __name__ == "__main__":
    main()
