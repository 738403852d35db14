"""What a run says at its end: of its targets alone."""

import pandas as pd
import pytest
from study_files import DESIGN, OVER_WORLDS, WORLDS

from netlift.report.findings import findings


@pytest.fixture
def run(small_study, monkeypatch):
    monkeypatch.chdir(small_study)
    return {
        "experiments": [f"{DESIGN}/logit"],
        "over_promotions": [],
        "over_worlds": [f"results/{OVER_WORLDS}/decision_statements.csv"],
        "front_page": "results/index.html",
        "logs": ["watch", "shown"],
        "arm_logs": [],
        "sweeps": ["sweep/conclusion_shares.csv"],
        "validations": ["validation/validation.md"],
    }


@pytest.mark.long
def test_a_study_speaks_of_its_own_experiments(run):
    said = findings(run, [])
    assert said == findings(run, ["all"])
    assert f"results/{DESIGN}/logit/" in said
    assert all(f"{DESIGN}/{world}" not in said for world in WORLDS if world != "logit")
    assert "logs/" not in said
    assert "Over all worlds" in said
    assert "Open results/index.html" in said


def test_a_study_of_several_promotions_compares_them(run, tmp_path):
    file = tmp_path / "promotion_statements.csv"
    pd.DataFrame({"statement": ["Moving it (top): focal gain +1."]}).to_csv(file, index=False)
    said = findings(run | {"over_promotions": [str(file)]}, [])
    assert f"Promotions side by side, {tmp_path}/" in said
    assert "    Moving it (top): focal gain +1." in said
    assert "side by side" not in findings(run, [])


def test_a_log_is_spoken_of_alone(run):
    said = findings(run, ["results/logs/watch/sections.csv"])
    assert "results/logs/watch/" in said
    assert "minutes" in said
    assert "logs/shown" not in said
    assert DESIGN not in said


def test_all_logs_also_those_without_a_promotion(run):
    said = findings(run, ["analyse"])
    assert said.count("results/logs/watch/\n") == said.count("results/logs/shown/\n") == 1
    assert said.count("No promotion was randomized") == 1


def test_another_target_says_nothing(run):
    assert findings(run, ["slates", f"results/{DESIGN}/logit/items.parquet"]) == ""


def test_a_sweep_and_a_validation_say_what_they_found(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep").mkdir()
    (tmp_path / "validation").mkdir()
    shares = {
        "conclusion_label": ["A", "A", "B", "B"],
        "world": ["logit", "mnl"] * 2,
        "size": [6] * 4,
        "seeds": [4] * 4,
        "holds": [0.25, 0.75, 1.0, 1.0],
        "wrong": [0.0, 0.25, 0.0, 0.0],
    }
    pd.DataFrame(shares).to_csv("sweep/conclusion_shares.csv", index=False)
    said = findings(run, ["sweep"])
    assert "4 seeds in each of 2 combinations" in said
    assert "A: holds in 25% to 75% of the seeds; wrong in 0% to 25%." in said
    assert "B: holds in 100% of the seeds; wrong in 0%." in said
    assert "The sweep sweep/: " in said
    report = "# Validation of tiny\n\n**2 of 30 claims not kept.**\n"
    (tmp_path / "validation/validation.md").write_text(report)
    said = findings(run, ["validate"])
    assert "The validation validation/: 2 of 30 claims not kept." in said
    assert "validation/validation.md" in said
