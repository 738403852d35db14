"""Conclusions: verdicts that follow from intervals, and sentences that count worlds correctly."""

import pandas as pd
import pytest
import statsmodels.formula.api as smf
from builders import random_items

from netlift.core.labels import with_labels
from netlift.effects.accounts import slate_outcomes
from netlift.effects.conclusions import (
    CONCLUSIONS,
    DEEPER,
    FAILS,
    HOLDS,
    NEGATIVE,
    SAME_CLUSTER,
    TAKES_MORE,
    UNDECIDED,
    VERDICTS,
    conclusions,
    robustness,
    robustness_statements,
)


def judged(items: pd.DataFrame) -> pd.DataFrame:
    return conclusions(items, slate_outcomes(items)).set_index("conclusion")


ITEMS = random_items(3, 900, 6)


def test_every_conclusion_has_its_number_unit_and_verdict():
    table = judged(ITEMS)
    assert list(table.index) == list(CONCLUSIONS)
    assert table["unit"].notna().all()
    for _, line in table.iterrows():
        side = int(line["ci_95_lower"] > line["threshold"]) - int(
            line["ci_95_upper"] < line["threshold"]
        )
        meant = 1 if line.name == TAKES_MORE else -1
        assert line["verdict"] == {meant: HOLDS, 0: UNDECIDED, -meant: FAILS}[side]


def test_the_numbers_are_those_of_regressions_written_as_formulas():
    table, rows = judged(ITEMS), ITEMS[~ITEMS["is_focal_item"]].copy()
    rows["same"] = (rows["component"] == "same_cluster_competitor").astype(int)
    fit = smf.ols("click ~ promotion_applied * same", rows).fit(
        cov_type="cluster", cov_kwds={"groups": rows["slate_id"]}, use_t=True
    )
    name = "promotion_applied:same"
    assert table.at[SAME_CLUSTER, "estimate"] == pytest.approx(fit.params[name], abs=1e-10)
    # Errors are CR2 here and CR1 there: with 900 slates they differ by less than one in a hundred.
    half = fit.params[name] - fit.conf_int().loc[name, 0]
    assert table.at[SAME_CLUSTER, "ci_95_lower"] == pytest.approx(
        fit.conf_int().loc[name, 0], abs=0.01 * half
    )
    slates = slate_outcomes(ITEMS)
    fit = smf.ols("observed_clicks_total ~ promotion_applied * focal_seed_position", slates).fit(
        cov_type="HC2", use_t=True
    )
    name = "promotion_applied:focal_seed_position"
    assert table.at[DEEPER, "estimate"] == pytest.approx(fit.params[name], abs=1e-10)
    # The same errors; degrees of freedom are Satterthwaite's there.
    half = fit.conf_int().loc[name, 1] - fit.params[name]
    assert table.at[DEEPER, "ci_95_upper"] == pytest.approx(
        fit.conf_int().loc[name, 1], abs=0.005 * half
    )


def test_a_conclusion_that_cannot_be_judged_is_undecided_and_says_why():
    log = random_items(4, 60, 3)
    component = log["component"].astype(str)
    others = component.replace("same_cluster_competitor", "other_competitor")
    alone = log.assign(component=others, focal_seed_position=2)
    table = judged(alone)
    for conclusion in (SAME_CLUSTER, DEEPER):
        assert table.at[conclusion, "verdict"] == UNDECIDED
        assert table.at[conclusion, "note"].startswith("not estimated: ")
        assert pd.isna(table.at[conclusion, "estimate"])
        assert pd.isna(table.at[conclusion, "known_verdict"])
    assert pd.isna(table.at[NEGATIVE, "note"])


def test_known_values_are_over_the_slates_of_both_arms():
    table = judged(ITEMS)
    lift = ITEMS["p_promoted"] - ITEMS["p_control"]
    assert table.at[NEGATIVE, "known_value"] == pytest.approx(lift.sum() / 900, abs=1e-12)
    focal = lift[ITEMS["is_focal_item"]].sum()
    assert table.at[TAKES_MORE, "known_value"] == pytest.approx(1 - lift.sum() / focal, abs=1e-10)
    for conclusion, line in table.iterrows():
        known = line["known_value"] > 1 if conclusion == TAKES_MORE else line["known_value"] < 0
        assert line["known_verdict"] == (HOLDS if known else FAILS)


def test_a_log_without_truth_has_no_known_values():
    truth = [name for name in ITEMS if name.startswith(("p_", "expected", "known", "click_"))]
    table = judged(ITEMS.drop(columns=truth))
    assert "known_value" not in table
    statements = robustness_statements(robustness({"log": table.reset_index()}))
    assert "known effects" not in " ".join(statements["statement"])
    assert "nan" not in " ".join(statements["statement"])


def verdicts(**by_world: str) -> pd.DataFrame:
    """Make the table of one conclusion; a verdict is written observed/known."""
    rows = {}
    for world, both in by_world.items():
        verdict, known = both.split("/")
        row = {"conclusion": NEGATIVE, "verdict": verdict, "known_verdict": known, "estimate": 0.1}
        rows[world] = with_labels(pd.DataFrame([row]), conclusion=CONCLUSIONS, verdict=VERDICTS)
    return robustness(rows)


def test_statements_count_the_worlds():
    table = verdicts(a=f"{HOLDS}/{HOLDS}", b=f"{UNDECIDED}/{HOLDS}", c=f"{FAILS}/{FAILS}")
    (line,) = robustness_statements(table).to_dict("records")
    assert (line["worlds"], line["holds"], line["does_not_hold"], line["undecided"]) == (3, 1, 1, 1)
    assert line["holds_by_known_effects"] == 2
    said = line["statement"]
    assert said.startswith(
        f"{CONCLUSIONS[NEGATIVE]}: holds in 1 of 3 worlds (a), does not hold in 1 (c)"
    )
    assert "undecided at 95% in 1 (b)" in said
    assert "in 2 of 3: it depends on the competition model" in said


@pytest.mark.parametrize(("known", "count"), [(HOLDS, 2), (FAILS, 0)])
def test_a_conclusion_that_is_the_same_everywhere_does_not_depend_on_the_model(known, count):
    table = verdicts(a=f"{UNDECIDED}/{known}", b=f"{UNDECIDED}/{known}")
    (line,) = robustness_statements(table).to_dict("records")
    assert line["holds_by_known_effects"] == count
    assert "does not depend on which of these competition models is true" in line["statement"]


def test_worlds_stay_in_the_order_of_the_study():
    one = judged(ITEMS).reset_index()
    table = robustness({"z": one, "a": one})
    assert list(table["world"]) == ["z", "a"] * 4
    assert list(dict.fromkeys(table["conclusion"])) == list(CONCLUSIONS)
