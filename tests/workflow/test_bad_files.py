"""Commands on files that are missing, damaged or something else: one message, exit code 2."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from runs import ROOT

from netlift.__main__ import main

DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2 - 3],
    "bytes": lambda content: bytes(range(256)) * 4,
    "utf-16": lambda content: content.decode().encode("utf-16"),
    "a list": lambda content: b"[]",
    "a number": lambda content: b"3",
    "text": lambda content: b"text",
    "deep": lambda content: b"[" * 100_000,
    "other keys": lambda content: b'{"format": 2}',
    "a page": lambda content: b"<html></html>\n",
}

DECISION = {
    "format": 2,
    "experiment": "logs/mine",
    "netlift_version": "0.1.0",
    "verdict": {"in_words": "creates", "action": "ship", "statements": []},
    "conclusions": [],
    "ledger": [],
    "spillover_tests": [],
    "policy": None,
    "design": {"hash": "x"},
    "settings": {},
    "files": [],
}


def refused(capsys, *arguments) -> str:
    """Run a command that cannot do its work; return its one message."""
    assert main([str(argument) for argument in arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.strip()
    assert "Traceback" not in told.err
    return told.err


# --- diff ----------------------------------------------------------------------------------------


@pytest.fixture
def decision(tmp_path):
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(DECISION))
    return path


def test_two_sound_decisions_are_compared(decision, capsys):
    assert main(["diff", str(decision), str(decision)]) == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_diff_names_the_damaged_decision(decision, tmp_path, damage, capsys):
    other = tmp_path / "other.json"
    other.write_bytes(DAMAGES[damage](decision.read_bytes()))
    assert "other.json" in refused(capsys, "diff", decision, other)


@pytest.mark.parametrize("key", DECISION)
def test_diff_of_a_decision_that_lacks_a_key_or_has_another_value_there(
    decision, tmp_path, key, capsys
):
    for other in ({k: v for k, v in DECISION.items() if k != key}, DECISION | {key: 3}):
        path = tmp_path / "other.json"
        path.write_text(json.dumps(other))
        if main(["diff", str(decision), str(path)]) == 2:
            assert "other.json" in capsys.readouterr().err


def test_diff_without_files(tmp_path, decision, capsys):
    assert "no such file" in refused(capsys, "diff", tmp_path / "none", decision)
    (tmp_path / "empty").mkdir()
    assert "no decision.json" in refused(capsys, "diff", decision, tmp_path / "empty")


# --- results -------------------------------------------------------------------------------------

STATEMENTS = b"topic,statement\nslate_level_metric,Promotion creates engagement.\n"


def statements(folder):
    path = folder / "logs/mine/effects/decision_statements.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(STATEMENTS)
    return path


def test_results_of_a_sound_folder(tmp_path, capsys):
    statements(tmp_path)
    assert main(["results", str(tmp_path)]) == 0
    assert "creates engagement" in capsys.readouterr().out


@pytest.mark.parametrize("damage", DAMAGES)
def test_results_name_the_damaged_table(tmp_path, damage, capsys):
    path = statements(tmp_path)
    path.write_bytes(DAMAGES[damage](STATEMENTS))
    assert "decision_statements.csv is damaged" in refused(capsys, "results", tmp_path)


def test_results_of_a_file(tmp_path, capsys):
    (tmp_path / "x").write_text("x")
    assert "is a file" in refused(capsys, "results", tmp_path / "x")


# --- page ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGES)
def test_page_names_the_damaged_configuration(tmp_path, damage, capsys):
    folder = tmp_path / "results/tiny/small/size=6/seed=1/from_third/logit"
    folder.mkdir(parents=True)
    config = tmp_path / "results/studies/tiny/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_bytes(DAMAGES[damage](b"dataset: tiny\n" * 9))
    assert "tiny" in refused(capsys, "page", folder, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_page_of_no_experiment_or_into_a_folder(tmp_path, capsys):
    assert "no experiment" in refused(capsys, "page", tmp_path, tmp_path / "page.html")
    assert "is a folder" in refused(capsys, "page", tmp_path / "results/x", tmp_path)


# --- import-log ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["finn", "open_bandit", "kuairand"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_import_log_names_the_damaged_source(tmp_path, name, damage, capsys):
    source = tmp_path / ("data.npz" if name == "finn" else "log.csv")
    source.write_bytes(DAMAGES[damage](b"item_id,position,click\n1,1,0\n" * 50))
    assert source.name in refused(capsys, "import-log", name, source, tmp_path / "out")


def test_import_log_of_a_cut_archive_and_of_other_arrays(tmp_path, capsys):
    source = tmp_path / "data.npz"
    np.savez(source, userId=np.arange(3), slate=np.arange(3), click=np.arange(3))
    refused(capsys, "import-log", "finn", source, tmp_path / "out")
    source.write_bytes(source.read_bytes()[:300])
    assert "data.npz" in refused(capsys, "import-log", "finn", source, tmp_path / "out")


@pytest.mark.parametrize("name", ["finn", "open_bandit", "kuairand", "such"])
def test_import_log_without_a_source(tmp_path, name, capsys):
    refused(capsys, "import-log", name, tmp_path / "none", tmp_path / "out")
    (tmp_path / "folder").mkdir()
    refused(capsys, "import-log", name, tmp_path / "folder", tmp_path / "out")


# --- Files that may not be read ------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, setpriv")
def test_a_file_that_may_not_be_read_is_one_message(tmp_path):
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(DECISION))
    path.chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    words = [sys.executable, "-m", "netlift", "diff", str(path), str(path)]
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", *words],
        env={"PYTHONPATH": str(ROOT / "workflow/lib"), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
