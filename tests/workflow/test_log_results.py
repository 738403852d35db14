"""What lies in the folder of a log: nothing of an earlier log or configuration."""

from pathlib import Path

import pytest

from netlift.workflow.log_results import remove_other_verdicts, remove_results, remove_undeclared
from netlift.workflow.records import write_records

MADE = ("slate_outcomes.parquet", "effects/power.csv", "models/verdict.json", "items.parquet")
MADE += ("models/fitted/linear.csv",)


@pytest.fixture
def folder(tmp_path):
    """Results of the log shop, a user's own file among them, and front pages."""
    folder = tmp_path / "results/logs/shop"
    for name in (*MADE, "report.html", "decision.json", "own.csv", "figures/risk.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    write_records([folder / name for name in MADE], rule="some", params=[], inputs={})
    for name, link in (("index.html", "shop"), ("studies/a/index.html", "other")):
        page = tmp_path / "results" / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f'<a href="logs/{link}/report.html">It loses &lt;b&gt;.</a>')
    return folder


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_of_an_earlier_log_only_the_user_s_own_files_stay(folder):
    results = folder.parents[1]
    assert remove_results(folder) == [results / "index.html"]
    assert names(folder) == {"own.csv"}
    assert [path.name for path in folder.iterdir()] == ["own.csv"]
    assert not (results / "index.html").exists()
    assert (results / "studies/a/index.html").exists()
    remove_results(folder)
    remove_results(folder.with_name("new"))


def test_what_is_no_longer_made_is_deleted(folder):
    remove_undeclared(folder, [str(folder / name) for name in MADE[:2]])
    assert not {"models/verdict.json", "items.parquet"} & names(folder)
    assert not (folder / "models").exists()
    assert {*MADE[:2], "own.csv", "report.html"} <= names(folder)


def test_a_front_page_with_another_verdict_is_deleted(folder):
    front = folder.parents[1] / "index.html"
    remove_other_verdicts(folder, "It loses <b>")
    assert front.exists()
    remove_other_verdicts(folder, "It gains")
    assert not front.exists()
