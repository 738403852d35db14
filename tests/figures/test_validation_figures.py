"""Figures and the page of the validation show the numbers of its tables, and what was not kept."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from builders import validation_case as case
from matplotlib.colors import to_hex
from test_inference_figures import drawn, texts
from test_sweep_figures import assert_readable

from netlift.core.tables import read_table, write_table
from netlift.figures.drawing.marks import ESTIMATE
from netlift.figures.drawing.themes import DARK, LIGHT, use_theme
from netlift.figures.policies import ORACLE
from netlift.figures.validation_bias import validation_bias
from netlift.figures.validation_cases import title_of
from netlift.figures.validation_coverage import validation_coverage
from netlift.figures.validation_policies import validation_policies
from netlift.figures.validation_tests import ADJUSTED, validation_tests
from netlift.studies.replicate_estimates import FIELLER, replicate_ledgers, replicate_tests
from netlift.studies.replicate_segments import INTERVALS
from netlift.studies.validation import (
    FAIL,
    NO_CLAIM,
    PASS,
    POLICY_COLUMNS,
    SEGMENT_COLUMNS,
    coverage_table,
    policies_table,
    rejection_table,
    segments_table,
)
from netlift.studies.validation_report import failures, validation_report

pytestmark = pytest.mark.filterwarnings("error")

CASES = [("standard", "logit", 3000), ("standard", "mnl", 3000), ("few", "logit", 50)]


@cache
def replicates():
    experiment = case(n_slates=60)
    tests = replicate_tests(experiment, range(6), permutations=19, near_positions=2)
    return replicate_ledgers(experiment, range(25)), tests


SEGMENTS_HELD = ["replicate", "segment_type", "line", "segment", *INTERVALS]
SEGMENT_FACTS = {"case": "standard", "world": "logit", "slates": 3000}


def tables(tmp_path):
    """Judge the same replicates as three cases, break some claims, and read it all back."""
    ledgers, tested = replicates()
    coverage, tests, policies = [], [], []
    for number, (name, world, slates) in enumerate(CASES):
        facts = {"case": name, "world": world, "slates": slates, "bound_se": 0.1}
        # As if there were enough units for the coverage to be claimed.
        own = ledgers.assign(t=ledgers["t"] * (1 + number / 2), claimed=True)
        own.loc[(own["line"] == "direct") & (own["replicate"] < 3), "t"] = np.nan
        coverage.append(coverage_table(own, facts))
        tests.append(rejection_table(tested.assign(known_null=tested.index % 5 == number), facts))
        judged = {"verdict": ["promote"] * 30, "known_value": [2.0, -1.0] * 15}
        judged |= {"oracle_value": 5.0, "bounds_hold": [True] * 29 + [False]}
        judged |= {"value": [2.5, -1.5] * 15, "naive_value": 4.0}
        judged |= {"lower_bound": -3.0, "upper_bound": 5.0}
        policies.append(policies_table(pd.DataFrame(judged), facts))
    found = [pd.concat(parts, ignore_index=True) for parts in (coverage, tests, policies)]
    coverage[0].loc[0, "bias"] = 0
    first = found[0].index[(found[0]["case"] == "standard") & (found[0]["estimator"] == "lin")]
    found[0].loc[first[0], ["coverage_95", "verdict"]] = [0.7, FAIL]
    found[0].loc[first[1], ["bias", "bias_mc_error", "verdict"]] = [-0.4, 0.1, FAIL]
    found[0].loc[first[2], ["bias", "bias_mc_error", "verdict"]] = [0.7, 0.1, FAIL]
    for name, table in zip(("coverage", "tests", "policies"), found, strict=True):
        write_table(table, tmp_path / f"{name}.csv")
    return [read_table(tmp_path / f"{name}.csv") for name in ("coverage", "tests", "policies")]


def marks(axes):
    """Return the x values of all estimates in an axis, in order, and the markers there are."""
    found = [line for line in axes.lines if line.get_label() == ESTIMATE]
    return sorted(float(line.get_xdata()[0]) for line in found), [f.get_marker() for f in found]


def panels_by_title(figure):
    return {axes.get_title(loc="left"): axes for axes in figure.axes}


def test_coverage_stands_in_the_column_of_its_estimator(tmp_path):
    coverage, _, _ = tables(tmp_path)
    found = panels_by_title(validation_coverage(coverage))
    assert title_of("hajek") not in found
    for estimator in set(coverage["estimator"]) - {"hajek"}:
        own = coverage[coverage["estimator"] == estimator]["coverage_95"]
        shown, markers = marks(found[title_of(estimator)])
        assert shown == pytest.approx(sorted(own.clip(lower=0.85)))
        assert markers.count("<") == (own < 0.85).sum()
    labels = [label.get_text() for label in found[title_of("lin")].get_yticklabels()]
    assert set(labels) == {""}
    first = found[title_of("difference_in_means")]
    labels = [label.get_text() for label in first.get_yticklabels()]
    assert labels == ["standard (3,000)", "logit", "mnl", "few (50)", "logit"]


def test_a_mark_shows_its_verdict(tmp_path):
    coverage, _, _ = tables(tmp_path)
    # Of one line in one case, and no other: the verdict decides how it looks.
    one = coverage[(coverage["estimator"] == FIELLER)].iloc[:1]
    looks = {}
    for verdict, share in ((PASS, 0.95), (NO_CLAIM, 0.95), (FAIL, 0.88), (FAIL, 0.95)):
        line = one.assign(verdict=verdict, coverage_95=share, coverage_mc_error=0.005)
        (axes,) = validation_coverage(line).axes
        (mark,) = [found for found in axes.lines if found.get_label() == ESTIMATE]
        looks[verdict, share] = mark.get_marker(), to_hex(mark.get_markerfacecolor())
    assert looks[PASS, 0.95] == looks[FAIL, 0.95] == ("o", LIGHT.data.lower())
    assert looks[NO_CLAIM, 0.95] == ("o", LIGHT.paper.lower())
    assert looks[FAIL, 0.88] == ("X", LIGHT.loses.lower())


def test_bias_is_in_monte_carlo_errors_and_far_ones_are_arrows(tmp_path):
    coverage, _, _ = tables(tmp_path)
    bias, ratio = validation_bias(coverage).axes
    own = coverage[coverage["estimator"] != "hajek"].dropna(subset=["bias"])
    shown, markers = marks(bias)
    assert shown == pytest.approx(sorted((own["bias"] / own["bias_mc_error"]).clip(-5, 5)))
    assert markers.count(">") == 1
    assert markers.count("X") >= 1
    shown, _ = marks(ratio)
    assert shown == pytest.approx(sorted((own["mean_se"] / own["sd"]).clip(0.8, 1.25)))


def test_true_hypotheses_show_their_size_and_false_ones_their_power(tmp_path):
    _, tests, _ = tables(tmp_path)
    figure = validation_tests(tests)
    for true in (True, False):
        label = "Size, %" if true else "Power, %"
        axes = [axes for axes in figure.axes if axes.get_xlabel() == label]
        part = tests[tests["null_is_true"] == true]
        assert sorted(x for one in axes for x in marks(one)[0]) == sorted(part["rejected"])
        adjusted = [line for one in axes for line in one.lines if line.get_label() == ADJUSTED]
        shown = sorted(line.get_xdata()[0] for line in adjusted)
        assert shown == sorted(part["rejected_adjusted"])


def test_policies_show_their_error_rates_and_values(tmp_path):
    _, _, policies = tables(tmp_path)
    *shares, value = validation_policies(policies).axes
    for axes, name in zip(shares, ("promoted", "promoted_at_a_loss", "bounds_hold"), strict=True):
        assert drawn(axes, ESTIMATE) == {
            row: [share] for row, share in zip((1, 2, 4), policies[name], strict=True)
        }
        broken = name == "promoted_at_a_loss"
        assert set(marks(axes)[1]) == ({"X"} if broken else {"o"})
    assert set(marks(value)[0]) == {0.5}
    best = [line.get_xdata()[0] for line in value.lines if line.get_label() == ORACLE]
    assert best == [5.0] * 3


def test_without_policies_the_figure_says_so():
    figure = validation_policies(pd.DataFrame(columns=POLICY_COLUMNS))
    assert any("No case of the validation compares policies" in text for text in texts(figure))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_no_text_is_cut_off_or_lies_on_another(theme, tmp_path):
    coverage, tests, policies = tables(tmp_path)
    with use_theme(theme):
        figures = [
            validation_coverage(coverage, source="a/b"),
            validation_bias(coverage, source="a/b"),
            validation_tests(tests, source="a/b"),
            validation_policies(policies, source="a/b"),
        ]
    for figure in figures:
        assert_readable(figure)


def test_the_page_counts_claims_and_names_those_not_kept_by_number(tmp_path):
    given = tables(tmp_path)
    held = [(n, "focal_position", "total", s, n % 2, 1, 1) for n in range(40) for s in "AB"]
    given.append(segments_table(pd.DataFrame(held, columns=SEGMENTS_HELD), SEGMENT_FACTS))
    page = validation_report(*given, "ml-small")
    claims = sum((table["verdict"] != NO_CLAIM).sum() for table in given)
    assert "| standard, logit | total by focal position, own, not shrunken" in page
    assert "| standard | logit | 30 | 0.5 | +3.5 | +0.0 (Monte Carlo error " in page
    broken = list(failures(*given))
    assert len(broken) == sum((table["verdict"] == FAIL).sum() for table in given)
    assert f"**{len(broken)} of {claims} claims not kept.**" in page
    assert "| standard, logit | Focal item by lin | covers 70.0% |" in page
    assert "Same-cluster competitors by lin | bias of -4.0 Monte Carlo errors |" in page
    assert "| standard, logit | policies | promotes at a loss in 50.0% |" in page
    few = page.split("## Intervals where nothing is claimed")[1].split("\n## ")[0]
    assert "| few | 50 | lin | " in few
    assert "| standard | 3000 | lin |" not in few


def test_the_page_says_that_all_is_kept():
    one = pd.DataFrame(columns=POLICY_COLUMNS)
    coverage, tests = pd.DataFrame(), pd.DataFrame()
    ledgers, tested = replicates()
    facts = {"case": "standard", "world": "logit", "slates": 3000, "bound_se": 0.1}
    coverage = coverage_table(ledgers[ledgers["estimator"] == "hajek"], facts)
    coverage["verdict"] = PASS
    tests = rejection_table(tested.assign(known_null=False), facts)
    none = pd.DataFrame(columns=SEGMENT_COLUMNS)
    page = validation_report(coverage, tests, one, none, "tiny")
    # Four estimates, and that the hypothesis on all items is rejected where a part is.
    assert "**All claims kept (5 claims).**" in page
    assert "## Policies" not in page
    assert "None. Of the 4 estimates" in page
