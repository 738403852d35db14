"""The resources that jobs request, and the profile that requests them from a cluster."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from netlift.datasets.entries import n_ratings
from netlift.workflow.outputs import FIGURE_RULES, TRUTH_RULE
from netlift.workflow.resources import requested_mb, requested_minutes

ROOT = Path(__file__).resolve().parents[2]
RULES = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
BODIES = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^\S)", RULES + "\nend", re.S | re.M))
(IN_A_LOOP,) = re.findall(r"^for plot in .*?\n(.*?)(?=^\S)", RULES, re.S | re.M)
BODIES |= dict.fromkeys((*FIGURE_RULES, TRUTH_RULE), IN_A_LOOP)
JOBS = {name: body for name, body in BODIES.items() if "script:" in body}
# Long, or of many cores: a job of the cluster each.
ALONE = {
    "fit_scorer",
    "validate_case",
    "account_log",
    "map_log",
    "describe_positions",
    "export_log",
}


def test_what_is_asked_is_what_was_used_and_a_margin():
    assert requested_mb(200, 1) == 700  # 1.5 * 200 + 400
    assert requested_minutes(60, 1) == 15  # 5 + 10 * 60 s


def test_each_attempt_asks_for_as_much_again():
    assert [requested_mb(200, attempt) for attempt in (1, 2, 3)] == [700, 1400, 2100]
    assert [requested_minutes(60, attempt) for attempt in (1, 2, 3)] == [15, 30, 45]


def test_the_ratings_of_a_data_set_are_told_from_its_entry(tmp_path):
    entries = yaml.safe_load((ROOT / "config/datasets.yaml").read_text())["datasets"]
    assert n_ratings(entries["ml-32m"]) == 32_000_204
    assert n_ratings(entries["tiny"]) == 5000
    assert n_ratings(entries["ml-small"]) == 0
    (tmp_path / "ratings.csv").write_bytes(b"x" * 25_000)
    (tmp_path / "movies.csv").write_bytes(b"")
    assert n_ratings({"kind": "folder", "path": str(tmp_path)}) == 1000


def test_every_rule_says_what_was_measured():
    assert len(JOBS) > 30
    for rule, body in JOBS.items():
        assert re.search(r"mem_mb=memory\(\d", body), rule
        assert re.search(r"runtime=minutes\(\d", body), rule


def test_the_slurm_profile_places_every_rule():
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    groups = dict(entry.split("=") for entry in profile["groups"])
    local = {rule for rule, body in JOBS.items() if "localrule: True" in body}
    assert set(groups) | local | ALONE == set(JOBS)
    assert not set(groups) & local


def record(folder, rule, *, mb, seconds):
    """Write what one job used, as Snakemake does; it requested 500 MB and 5 minutes."""
    asked = {"mem_mb": 500, "runtime": 5, "_cores": 1}
    row = {"s": seconds, "max_rss": mb, "rule_name": rule, "resources": asked}
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([row]).to_csv(folder / f"{rule}.tsv", sep="\t", index=False)


def compared(folder):
    command = [sys.executable, ROOT / "benchmarks/resources.py", folder]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_rule_that_used_more_than_it_asked_for_is_found(tmp_path):
    record(tmp_path / "logs/a", "plot_slates", mb=99, seconds=299)
    assert compared(tmp_path).returncode == 0
    record(tmp_path / "logs/b", "plot_slates", mb=101, seconds=1)
    done = compared(tmp_path)
    assert (done.returncode, "too little: plot_slates" in done.stdout) == (1, True)
    record(tmp_path / "logs/b", "plot_slates", mb=1, seconds=301)
    assert compared(tmp_path).returncode == 1


def test_without_records_it_says_what_to_do(tmp_path):
    done = compared(tmp_path)
    assert done.returncode == 1
    assert "run the study there first" in done.stderr
