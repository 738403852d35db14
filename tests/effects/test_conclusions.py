"""Conclusions: verdicts that follow from intervals, and sentences that count worlds correctly."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from builders import compared, random_exposure, random_items

from netlift.core.labels import with_labels
from netlift.effects import like_with_like
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
from netlift.effects.item_rows import OTHER, ItemRows
from netlift.effects.item_rows import SAME_CLUSTER as SAME
from netlift.effects.like_with_like import known_same_minus_other
from netlift.inference.arms import clustered_coefficient
from netlift.worlds.simulation import Simulation


def judged(items: pd.DataFrame) -> pd.DataFrame:
    return conclusions(items, compared(slate_outcomes(items))).set_index("conclusion")


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
    # Other rows have the positions, the displacement and the relevance of same-cluster rows.
    edges = np.quantile(ITEMS["relevance"], [0.2, 0.4, 0.6, 0.8])
    rows["fifth"] = np.searchsorted(edges, rows["relevance"])
    cell = ["focal_seed_position", "slate_position_seed", "promoted_position", "fifth"]
    n_same = rows.groupby(cell)["same"].transform("sum")
    n_other = rows.groupby(cell)["same"].transform("size") - n_same
    rows["weight"] = np.where(rows["same"] == 1, n_other > 0, n_same / n_other.clip(lower=1))
    rows = rows[rows["weight"] > 0]
    fit = smf.wls("click ~ promotion_applied * same", rows, weights=rows["weight"]).fit(
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
        if conclusion == SAME_CLUSTER:
            lost = abs(lift[~ITEMS["is_focal_item"]].mean())
            known = line["known_value"] < -0.1 * lost
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
        row |= {"known_value": -0.01 if known == HOLDS else 0.02, "threshold": 0.0}
        row |= {"unit_code": "per_slate", "unit": "clicks per slate"}
        labels = {"verdict": VERDICTS, "known_verdict": VERDICTS}
        rows[world] = with_labels(pd.DataFrame([row]), conclusion=CONCLUSIONS, **labels)
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
    assert "in 2 of 3, from -0.01 clicks per slate in a to +0.02 clicks per slate in c" in said
    assert "it depends on the world" in said


@pytest.mark.parametrize(("known", "count"), [(HOLDS, 2), (FAILS, 0)])
def test_a_conclusion_that_is_the_same_everywhere_is_said_with_its_size_and_what_reverses_it(
    known, count
):
    table = verdicts(a=f"{UNDECIDED}/{known}", b=f"{UNDECIDED}/{known}")
    (line,) = robustness_statements(table).to_dict("records")
    assert line["holds_by_known_effects"] == count
    assert "does not depend" not in line["statement"]
    size = "-0.01" if known == HOLDS else "+0.02"
    assert f"from {size} clicks per slate in a to {size} clicks per slate" in line["statement"]
    assert "other values of that world's parameters may reverse it" in line["statement"]


def test_of_one_world_nothing_is_said_about_others():
    (line,) = robustness_statements(verdicts(a=f"{UNDECIDED}/{HOLDS}")).to_dict("records")
    assert "undecided in the only world of this study, a." in line["statement"]
    assert "it holds (-0.01 clicks per slate). One world does not show" in line["statement"]
    assert "1 of 1" not in line["statement"]


# --- Same-cluster rows compared with rows like them ---------------------------------------------

WITHOUT_CLUSTERS = {
    "mnl": {"model": "mnl", "b_r": 0.8, "b_v": 1.0, "attention": {"curve": "log2"}},
    "cascade": {"model": "cascade", "b_r": 0.8, "s": 0.4, "g": 0.9},
    "attention_budget": {
        "model": "attention_budget",
        "b_r": 0.8,
        "budget": 6.0,
        "kappa": 0.3,
        "attention": {"curve": "log2"},
    },
}
LOGIT = {
    "model": "logit",
    "b_r": 0.8,
    "b_v": 1.2,
    "g_c": 0.8,
    "g_all": 0.0,
    "competitors": "above",
    "attention": {"curve": "log2"},
}


def in_world(entry: dict, *, same_relevance: bool, per_cell: int = 40) -> pd.DataFrame:
    """Simulate slates whose same-cluster items are more often near the top."""
    exposed = random_exposure(6, per_cell * 20, 8).reset_index(drop=True)
    rng = np.random.default_rng(7)
    top = rng.random(len(exposed)) < 0.7 / exposed["slate_position_seed"]
    cluster = np.where(top, exposed["focal_spillover_cluster"], "elsewhere")
    focal = exposed["is_focal_item"].to_numpy(dtype=bool)
    cluster = np.where(focal, exposed["focal_spillover_cluster"], cluster)
    same = cluster == exposed["focal_spillover_cluster"].to_numpy()
    component = np.where(same, "same_cluster_competitor", "other_competitor")
    # Two relevances only where they differ: cells then hold rows of one relevance.
    relevance = 3.0 + (0 if same_relevance else (rng.random(len(exposed)) < 0.5).astype(float))
    exposed = exposed.assign(
        spillover_cluster=cluster,
        component=np.where(focal, "direct_focal", component),
        relevance=relevance,
    )
    if same_relevance:
        # Means and spreads of relevance must exist: one other slate has another relevance.
        last = exposed["slate_id"] == exposed["slate_id"].iloc[-1]
        exposed.loc[last, "relevance"] = 4.0
    return Simulation.from_exposure(exposed, entry, seed=3).items


@pytest.mark.parametrize("world", WITHOUT_CLUSTERS)
def test_a_world_without_substitution_by_cluster_has_no_known_difference(world):
    items = in_world(WITHOUT_CLUSTERS[world], same_relevance=True)
    items = items[items["slate_id"] != items["slate_id"].iloc[-1]]
    rows = ItemRows.from_items(items)
    lift, same = rows.known, rows.member(SAME)
    other = rows.member(OTHER)
    # Their positions differ, so their plain means do.
    assert lift[same].mean() - lift[other].mean() < -1e-3
    assert known_same_minus_other(rows)[0] == pytest.approx(0, abs=1e-12)
    assert judged(items).at[SAME_CLUSTER, "known_verdict"] == FAILS


@pytest.mark.parametrize("world", WITHOUT_CLUSTERS)
def test_with_relevance_that_differs_it_is_zero_but_for_chance(world):
    """By clustered errors over the slates: more than four errors off by chance in 1 of 16,000."""
    items = in_world(WITHOUT_CLUSTERS[world], same_relevance=False)
    rows = ItemRows.from_items(items)
    difference, material = known_same_minus_other(rows)
    used = like_with_like.weights(rows) > 0
    same = rows.member(SAME)[used].astype(float)
    error = clustered_coefficient(
        rows.known[used],
        np.column_stack([np.ones(used.sum()), same]),
        rows.slate[used],
        like_with_like.weights(rows)[used],
    )
    assert error.value == pytest.approx(difference, abs=1e-12)
    assert abs(difference) < 4 * error.se
    assert abs(difference) < material
    assert judged(items).at[SAME_CLUSTER, "known_verdict"] == FAILS


def test_a_world_with_substitution_by_cluster_has_a_difference():
    table = judged(in_world(LOGIT, same_relevance=False))
    assert table.at[SAME_CLUSTER, "known_value"] < -0.01
    assert table.at[SAME_CLUSTER, "known_verdict"] == HOLDS


def test_worlds_stay_in_the_order_of_the_study():
    one = judged(ITEMS).reset_index()
    table = robustness({"z": one, "a": one})
    assert list(table["world"]) == ["z", "a"] * 4
    assert list(dict.fromkeys(table["conclusion"])) == list(CONCLUSIONS)


def test_a_focal_item_that_is_not_shown_without_promotion_has_no_depth():
    items = random_items(3, 200, (4, 8))
    items.loc[items["is_focal_item"], "slate_position_seed"] = np.nan
    items["focal_seed_position"] = np.nan
    accounts = slate_outcomes(items)
    table = conclusions(items, compared(accounts))
    deeper = table.set_index("conclusion").loc[DEEPER]
    reason = "not estimated: the focal item is not shown without promotion, so it has no depth"
    assert deeper["note"] == reason
    assert deeper["verdict"] == UNDECIDED
    lines = robustness_statements(robustness({"a": table, "b": table})).set_index("conclusion")
    assert lines.at[DEEPER, "statement"] == f"Deeper focal items cost more: {reason}."
    assert "by the known effects" in lines.at[NEGATIVE, "statement"].lower()
