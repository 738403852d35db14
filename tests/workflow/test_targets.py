"""Files that are requested by their path: a typo is told with the nearest path."""

import pytest
from configs import merged

from netlift.core.errors import NetliftError
from netlift.workflow import outputs
from netlift.workflow.config import check_config
from netlift.workflow.study import Study
from netlift.workflow.targets import check_targets

LOGIT = "ml-small/scorer/size=12/seed=20260428/to_first/logit"
LOG = {
    "path": "mine.csv",
    "columns": {"slate": "s", "item": "i", "position": "p", "promoted": "d", "focal": "f"},
    "outcomes": {"clicks": {"column": "c"}},
    "promotion": {"probability": 0.5, "unit": "slate"},
}
PATTERNS = [
    *(output.path for output in [*outputs.OUTPUTS, *outputs.FIGURES]),
    "results/{experiment}/report.html",
    r"results/logs/{log,[a-z]+}/sections.csv",
    "results/studies/{study}/index.html",
]


@pytest.fixture(scope="module")
def study():
    return Study.from_config(check_config(merged({"logs": {"mine": LOG}})))


def told(study, *targets):
    with pytest.raises(NetliftError) as caught:
        check_targets(targets, PATTERNS, lambda path: path not in targets, study)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "near"),
    [
        (LOGIT.replace("logit", "logitt") + "/report.html", f"{LOGIT}/report.html"),
        (LOGIT.replace("scorer", "scorrer") + "/report.html", f"{LOGIT}/report.html"),
        (LOGIT.replace("to_first", "tofirst") + "/report.html", f"{LOGIT}/report.html"),
        (LOGIT.replace("seed=", "seed") + "/report.html", f"{LOGIT}/report.html"),
        (f"{LOGIT}/effects/share.csv", f"{LOGIT}/effects/shares.csv"),
        (f"{LOGIT}/shares.csv", f"{LOGIT}/effects/shares.csv"),
        (LOGIT.replace("12", "7") + "/report.htm", LOGIT.replace("12", "7") + "/report.html"),
        ("ml-small/size=12/seed=20260428/logit/report.html", f"{LOGIT}/report.html"),
        ("ml-smal/scorer/scorer/users.parquet", "ml-small/scorer/scorer/users.parquet"),
        ("logs/mime/sections.csv", "logs/mine/sections.csv"),
        ("studies/defalt/index.html", "studies/default/index.html"),
        ("studies/default/sweep/summary.csv", "studies/default/sweep/to_first/summary.csv"),
    ],
)
def test_a_typo_is_told_with_the_nearest_path(study, path, near):
    assert f"  - results/{path}; did you mean results/{near}?\n" in told(study, f"results/{path}")


def test_all_typos_come_at_once_and_what_is_like_nothing_has_no_hint(study):
    text = told(study, "results/???", "results/studies/defalt/index.html")
    assert "  - results/???\n" in text
    assert "did you mean results/studies/default/index.html?" in text


def test_what_a_rule_makes_and_rules_themselves_pass(study):
    made = f"results/{LOGIT}/report.html"
    check_targets([made, "sweep"], PATTERNS, lambda path: path == made, study)


def test_an_output_that_this_log_does_not_have_is_not_its_own_hint(study):
    path = "results/logs/mine/effects/delivered_effects.csv"
    text = told(study, path)
    assert f"  - {path}" in text
    assert f"did you mean {path}" not in text
