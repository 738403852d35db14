"""A page of a folder shows nothing that was made with other settings than the configuration's."""

import shutil

import pytest
import yaml
from runs import DESIGN, STUDY

from netlift.__main__ import main
from netlift.workflow.experiment import Experiment
from netlift.workflow.made_with import settings_of_rules
from netlift.workflow.records import read_record, recorded_files
from netlift.workflow.study import Study

pytestmark = [pytest.mark.slow, pytest.mark.long]

WITHOUT_SETTINGS = {"account_slates", "write_report"}
"""Rules of an experiment without settings, and the one that makes the page itself."""


@pytest.fixture
def study(one_world_study, tmp_path):
    """A copy of the results of a finished study."""
    shutil.copytree(one_world_study / "results", tmp_path / "results")
    movies = "resources/datasets/tiny/movies.parquet"
    (tmp_path / movies).parent.mkdir(parents=True)
    shutil.copy(one_world_study / movies, tmp_path / movies)
    return tmp_path


def configured(folder, group, key, value):
    path = folder / STUDY / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    entry = config
    for part in group.split("."):
        entry = entry[part]
    assert entry[key] != value
    entry[key] = value
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def page(folder):
    code = main(["page", str(folder / DESIGN / "logit"), str(folder / "page.html")])
    return code, (folder / "page.html").read_text(encoding="utf-8") if code == 0 else ""


def test_the_settings_are_those_with_which_the_workflow_made_every_file(study):
    config = yaml.safe_load((study / STUDY / "config.yaml").read_text(encoding="utf-8"))
    name = (DESIGN + "/logit").removeprefix("results/")
    expected = settings_of_rules(Study.from_config(config), Experiment.parse(name))
    seen = set()
    folders = {study / DESIGN, (study / DESIGN).parent, (study / DESIGN).parents[1]}
    files = recorded_files(study / DESIGN)
    files += [file for file in recorded_files(study / "results") if file.parent in folders]
    for file in files:
        record = read_record(file)
        seen.add(record.rule)
        if record.rule not in WITHOUT_SETTINGS:
            assert repr(expected[record.rule]) in record.params, file
    simulated = {"build_slates", "assign_promotion", "simulate_clicks", "fit_models"}
    assert simulated | {"estimate_ledger", "plot_models", "compare_policies"} <= seen


def test_a_page_of_these_settings_is_that_of_the_run(study):
    code, text = page(study)
    assert code == 0
    assert text == (study / DESIGN / "logit/report.html").read_text(encoding="utf-8")


def test_parts_of_other_settings_are_named_and_not_shown(study):
    _, before = page(study)
    assert "models/outcome_models.csv" in before
    configured(study, "models", "folds", 3)
    code, text = page(study)
    assert code == 0
    assert "Not shown (made with other settings of fit_models than the configuration" in text
    assert len(text) < len(before)


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("promotions.from_third", "probability", 0.25),
        ("worlds.logit", "b_r", 0.1),
        ("slates.small", "n_slates", 77),
        ("inference", "min_slates", 3),
    ],
)
def test_a_page_of_another_design_is_refused(study, capsys, group, key, value):
    configured(study, group, key, value)
    assert page(study)[0] == 2
    assert "made with other settings of" in capsys.readouterr().err
