"""Leakage: effects on rows that a definition calls unexposed, checked by plain pandas."""

import numpy as np
import pandas as pd
import pytest
from builders import items, random_exposure, random_items
from scipy import stats

from netlift.core.errors import NetliftError
from netlift.effects.leakage import leakage
from netlift.inference.power import power

DEFINITIONS = [
    "all_non_focal",
    "same_cluster",
    "displaced",
    "same_cluster_displaced",
    "near_displaced",
]
NEAR = 2
NUMBERS = ["estimate", "se", "df", "ci_95_lower", "ci_95_upper"]
SHARE = ["share_of_spillover", "share_ci_95_lower", "share_ci_95_upper", "share_interval_kind"]


def exposed_rows(log: pd.DataFrame, definition: str, near: int = NEAR) -> pd.Series:
    """Pick out the rows that a definition calls exposed, from positions and clusters alone."""
    above = log["focal_seed_position"] - log["slate_position_seed"]
    same = (log["spillover_cluster"] == log["focal_spillover_cluster"]) & (above != 0)
    return {
        "all_non_focal": above != 0,
        "same_cluster": same,
        "displaced": above > 0,
        "same_cluster_displaced": same & (above > 0),
        "near_displaced": above.between(1, near),
    }[definition]


def clicks_per_slate(log: pd.DataFrame, part: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Sum clicks on some rows over slates; promoted slates, control slates."""
    clicks = (log["click"] * part).groupby(log["slate_id"]).sum()
    promoted = log.groupby("slate_id")["promotion_applied"].first() == 1
    return clicks[promoted], clicks[~promoted]


def called(table: pd.DataFrame, definition: str, rows: str) -> pd.Series:
    (row,) = [
        row
        for _, row in table.iterrows()
        if (row["definition"], row["row_group"]) == (definition, rows)
    ]
    return row


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    return random_items(1, 400, (2, 9))


@pytest.fixture(scope="module")
def table(log) -> pd.DataFrame:
    return leakage(log, near_positions=NEAR)


# --- Effects on the rows -------------------------------------------------------------------------


def test_each_definition_has_a_row_for_what_it_exposes_and_one_for_what_it_leaves(table):
    keys = list(zip(table["definition"], table["row_group"], strict=True))
    assert keys == [(name, rows) for name in DEFINITIONS for rows in ("exposed", "unexposed")]
    assert (table["unit"] == "clicks per slate").all()


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_exposed_and_unexposed_add_up_to_the_effect_on_all_non_focal_rows(log, table, definition):
    treated, control = clicks_per_slate(log, ~log["is_focal_item"])
    effect, n_rows = treated.mean() - control.mean(), (~log["is_focal_item"]).sum()
    exposed = called(table, definition, "exposed")
    unexposed = called(table, definition, "unexposed")
    assert exposed["rows"] + unexposed["rows"] == n_rows
    if definition == "all_non_focal":
        assert abs(exposed["estimate"] - effect) < 1e-12
        assert (unexposed["rows"], unexposed["known_effect"]) == (0, 0)
        return
    assert abs(exposed["estimate"] + unexposed["estimate"] - effect) < 1e-12
    known = (log["p_promoted"] - log["p_control"])[~log["is_focal_item"]].sum() / 400
    assert exposed["known_effect"] + unexposed["known_effect"] == pytest.approx(known, rel=1e-12)
    assert exposed["share_of_spillover"] + unexposed["share_of_spillover"] == pytest.approx(1)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_effects_are_differences_of_mean_sums_with_welchs_interval(log, table, definition):
    exposed = exposed_rows(log, definition)
    for rows, part in (("exposed", exposed), ("unexposed", ~exposed & ~log["is_focal_item"])):
        row = called(table, definition, rows)
        assert row["rows"] == part.sum()
        if not part.any():
            continue
        treated, control = clicks_per_slate(log, part)
        variance = treated.var(ddof=1) / len(treated) + control.var(ddof=1) / len(control)
        welch = stats.ttest_ind(treated, control, equal_var=False)
        assert row["estimate"] == pytest.approx(treated.mean() - control.mean(), abs=1e-13)
        assert row["se"] == pytest.approx(variance**0.5, rel=1e-11)
        assert row["df"] == pytest.approx(welch.df, rel=1e-10)
        assert (row["ci_95_lower"], row["ci_95_upper"]) == pytest.approx(
            tuple(welch.confidence_interval()), rel=1e-9
        )
        known = (log["p_promoted"] - log["p_control"])[part].sum() / 400
        assert row["known_effect"] == pytest.approx(known, rel=1e-12)
        detected = None if rows == "exposed" else bool(welch.pvalue < 0.05)
        assert row["leakage_detected"] is detected


def test_users_who_were_randomized_as_a_whole_have_the_errors_of_users():
    log = random_items(4, 300, 5, n_users=60)
    log["promotion_applied"] = (log["user_id"] % 2).astype(int)
    log["randomization_unit"] = log["user_id"]
    part = exposed_rows(log, "same_cluster")
    variance = 0.0
    for arm in (1, 0):
        own = log[log["promotion_applied"] == arm]
        by_slate = (own["click"] * part[own.index]).groupby(own["slate_id"]).sum()
        user = own.groupby("slate_id")["user_id"].first()
        sums = (by_slate - by_slate.mean()).groupby(user).agg(["sum", "size"])
        # The jackknife of a mean: a user's leverage is his share of the slates.
        n, added = len(by_slate), sums["sum"] / (1 - sums["size"] / len(by_slate))
        variance += (added**2).sum() / n**2 * (1 - 1 / len(sums))
    row = called(leakage(log, near_positions=NEAR), "same_cluster", "exposed")
    assert row["se"] == pytest.approx(variance**0.5, rel=1e-10)


def test_minimum_detectable_leakage_is_an_effect_that_is_shown_with_80_percent_power(log, table):
    for _, row in table[table["minimum_detectable_leakage"].notna()].iterrows():
        assert row["row_group"] == "unexposed"
        found = power(row["minimum_detectable_leakage"], row["se"], row["df"])
        assert found == pytest.approx(0.8, abs=1e-9)
    measured = (table["row_group"] == "unexposed") & (table["rows"] > 0)
    assert table["minimum_detectable_leakage"].notna().equals(measured)


# --- The same effect from item rows --------------------------------------------------------------


def test_rows_times_their_effect_and_the_imbalance_by_hand():
    # Same-cluster rows: promoted slates have 1, 2 and 0 of them with 0, 1 and 0 clicks, control
    # slates 2 and 1 with 2 and 0.
    log = items(
        ["ABA", "ABAA", "ABC", "AAAB", "BCB"],
        focal=[3, 3, 3, 3, 3],
        promoted=[1, 1, 1, 0, 0],
        clicks=["011", "0001", "100", "1100", "001"],
    )
    row = called(leakage(log, near_positions=1), "same_cluster", "exposed")
    assert row["rows"] == 6
    assert row["estimate"] == pytest.approx(1 / 3 - 2 / 2, rel=1e-15)
    assert (row["rows_per_treated_slate"], row["rows_per_control_slate"]) == (1.0, 1.5)
    assert row["row_effect"] == pytest.approx(1 / 3 - 2 / 3, rel=1e-15)
    assert row["rows_per_slate"] == 1.25
    assert row["row_effect_times_rows"] == pytest.approx(-1 / 3 * 5 / 4, rel=1e-15)
    # Rows have 1/2 a click in the mean of the arms, and promoted slates half a row less.
    assert row["row_count_imbalance"] == pytest.approx(1 / 2 * -1 / 2, rel=1e-15)
    assert abs(row["check_difference"]) < 1e-15


@pytest.mark.parametrize("seed", range(4))
def test_rows_times_their_effect_and_the_imbalance_make_the_effect_of_ragged_slates(seed):
    log = random_items(seed, 60, (2, 8))
    table = leakage(log, near_positions=NEAR)
    counted = table[table["rows"] > 0]
    made = counted["row_effect_times_rows"] + counted["row_count_imbalance"]
    assert (made - counted["estimate"]).abs().max() < 1e-12
    assert counted["check_difference"].abs().max() < 1e-12
    exposed = exposed_rows(log, "displaced")
    means = log[exposed].groupby("promotion_applied")["click"].mean()
    row = called(table, "displaced", "exposed")
    assert row["row_effect"] == pytest.approx(means[1] - means[0], abs=1e-13)


def test_slates_with_the_same_rows_in_both_arms_have_no_imbalance():
    rng = np.random.default_rng(2)
    clicks = ["".join(rng.choice(["0", "1"], 4)) for _ in range(40)]
    table = leakage(items(["ABAB"] * 40, [3] * 40, [1, 0] * 20, clicks), near_positions=1)
    counted = table[table["rows"] > 0]
    assert (counted["row_count_imbalance"] == 0).all()


# --- Shares --------------------------------------------------------------------------------------


def in_ratio_set(ratio, top, bottom, promoted):
    """Test one ratio: is the mean of top - ratio * bottom the same in both arms?"""

    def degrees(values):
        return stats.ttest_ind(values[promoted], values[~promoted], equal_var=False).df

    moved = top - ratio * bottom
    difference = moved[promoted].mean() - moved[~promoted].mean()
    se = np.sqrt(sum(moved[arm].var(ddof=1) / arm.sum() for arm in (promoted, ~promoted)))
    return abs(difference) <= stats.t.ppf(0.975, min(degrees(top), degrees(bottom))) * se


@pytest.mark.parametrize("rows", ["exposed", "unexposed"])
@pytest.mark.parametrize("definition", DEFINITIONS[1:])
def test_the_set_of_a_share_is_what_tests_of_single_shares_do_not_reject(definition, rows):
    log = random_items(6, 900, 8)
    row = called(leakage(log, near_positions=NEAR), definition, rows)
    part = exposed_rows(log, definition)
    if rows == "unexposed":
        part = ~part & ~log["is_focal_item"]
    top = (log["click"] * part).groupby(log["slate_id"]).sum().to_numpy()
    bottom = (log["click"] * ~log["is_focal_item"]).groupby(log["slate_id"]).sum().to_numpy()
    promoted = (log.groupby("slate_id")["promotion_applied"].first() == 1).to_numpy()
    effects = [y[promoted].mean() - y[~promoted].mean() for y in (top, bottom)]
    assert row["share_of_spillover"] == pytest.approx(effects[0] / effects[1], rel=1e-10)
    assert row["share_interval_kind"] == "interval"
    lower, upper = row["share_ci_95_lower"], row["share_ci_95_upper"]
    assert lower < row["share_of_spillover"] < upper
    for end, inwards in ((lower, 1e-7), (upper, -1e-7)):
        assert in_ratio_set(end + inwards, top, bottom, promoted)
        assert not in_ratio_set(end - inwards, top, bottom, promoted)
    assert row["share_interval_text"] == f"from {lower:.3f} to {upper:.3f}"


def test_a_share_of_a_spillover_that_may_be_zero_is_said_to_be_unbounded():
    table = leakage(coins("ABAC", 3), near_positions=1)
    total = called(table, "all_non_focal", "exposed")
    assert total["ci_95_lower"] < 0 < total["ci_95_upper"]
    row = called(table, "same_cluster", "exposed")
    assert row["share_interval_kind"] in ("outside", "everything")
    assert row["share_interval_text"].startswith("unbounded: ")
    assert row["share_interval_text"].endswith("since the change of all competitors may be zero")


# --- Which definition suffices -------------------------------------------------------------------


def only_same_cluster_items_lose(seed: int) -> pd.DataFrame:
    """Draw 1,500 slates whose same-cluster items lose 0.3 of 0.5 clicks if promoted."""
    log = random_exposure(seed, 1500, 6)
    hurt = (log["component"] == "same_cluster_competitor") & (log["promotion_applied"] == 1)
    probability = np.where(hurt, 0.2, 0.5)
    uniform = np.random.default_rng([seed, 1]).random(len(log))
    return log.assign(click=(uniform < probability).astype(int))


def test_where_only_same_cluster_items_lose_only_their_definition_leaves_no_leakage():
    table = leakage(only_same_cluster_items_lose(20), near_positions=1)
    detected = table[table["row_group"] == "unexposed"].set_index("definition")
    # 5/3 same-cluster items a slate lose 0.5 clicks. What is left out leaks 0.25 clicks or more,
    # with an error near 0.05: power above 99%. False alarm of the same cluster's own: 5%.
    assert detected["leakage_detected"].to_dict() == {
        "all_non_focal": None,
        "same_cluster": False,
        "displaced": True,
        "same_cluster_displaced": True,
        "near_displaced": True,
    }
    assert detected["coarsest_sufficient"].to_dict() == {
        name: name == "same_cluster" for name in DEFINITIONS
    }
    near = detected.loc["near_displaced"]
    assert near["ci_95_upper"] < 0
    assert called(table, "same_cluster", "exposed")["share_of_spillover"] == pytest.approx(
        1, abs=0.3
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_coarsest_that_suffices_calls_the_fewest_rows_exposed(seed):
    table = leakage(random_items(seed, 60 + 200 * (seed % 3), 6), near_positions=1)
    left = table[table["row_group"] == "unexposed"].set_index("definition")
    exposed = table[table["row_group"] == "exposed"].set_index("definition")["rows"]
    silent = [name for name in DEFINITIONS if not left.loc[name, "leakage_detected"]]
    chosen = [name for name in DEFINITIONS if left.loc[name, "coarsest_sufficient"]]
    # That which leaves out nothing always suffices.
    assert len(chosen) == 1
    assert chosen[0] in silent
    assert exposed[chosen[0]] == exposed[silent].min()
    assert table.loc[table["row_group"] == "exposed", "coarsest_sufficient"].isna().all()


# --- Degenerate tables ---------------------------------------------------------------------------


def coins(slate: str, focal: int, n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    clicks = ["".join(rng.choice(["0", "1"], len(slate))) for _ in range(n)]
    return items([slate] * n, [focal] * n, [1, 0] * (n // 2), clicks)


def test_where_no_item_shares_the_focal_cluster_the_definition_has_no_numbers_and_says_so():
    log = coins("ABC", 3)
    table = leakage(log, near_positions=1)
    for definition in ("same_cluster", "same_cluster_displaced"):
        row = called(table, definition, "exposed")
        assert row["rows"] == 0
        assert row[[*NUMBERS, *SHARE, "row_effect", "check_difference"]].isna().all()
        assert row["note"] == "no item row is called exposed"
        rest = called(table, definition, "unexposed")
        treated, control = clicks_per_slate(
            coins("ABC", 3), exposed_rows(coins("ABC", 3), "displaced")
        )
        assert rest["estimate"] == pytest.approx(treated.mean() - control.mean(), abs=1e-13)
        # A definition that calls nothing exposed does not suffice.
        assert not rest["coarsest_sufficient"]
    assert table["coarsest_sufficient"].eq(True).sum() == 1


def test_slates_of_two_items_have_one_other_item_and_nothing_left_unexposed():
    table = leakage(coins("AA", 2), near_positions=1)
    for definition in DEFINITIONS:
        exposed, rest = (called(table, definition, rows) for rows in ("exposed", "unexposed"))
        assert exposed["rows"] == 40
        assert exposed["share_of_spillover"] == 1
        assert rest["rows"] == 0
        assert rest[[*NUMBERS, *SHARE, "row_effect", "minimum_detectable_leakage"]].isna().all()
        assert rest["note"] == "no item row is called unexposed"
    assert table["coarsest_sufficient"].eq(True).sum() == 1


def test_a_focal_item_at_the_top_displaces_nothing():
    table = leakage(coins("AAB", 1), near_positions=3)
    for definition in ("displaced", "near_displaced", "same_cluster_displaced"):
        assert called(table, definition, "exposed")["rows"] == 0
        assert called(table, definition, "unexposed")["rows"] == 80


def test_rows_in_one_arm_only_have_an_effect_per_slate_but_none_per_row():
    log = items(["AAB"] * 2 + ["ABC"] * 2, [1] * 4, [1, 1, 0, 0], ["010", "000", "000", "000"])
    row = called(leakage(log, near_positions=1), "same_cluster", "exposed")
    assert row["estimate"] == 0.5
    assert (row["rows_per_treated_slate"], row["rows_per_control_slate"]) == (1, 0)
    assert row[["row_effect", "row_effect_times_rows", "row_count_imbalance"]].isna().all()


@pytest.mark.parametrize("clicks", ["000", "111"])
def test_constant_clicks_leave_no_leakage_and_no_error_of_zero_to_divide_by(clicks):
    table = leakage(items(["ABA"] * 20, [3] * 20, [1, 0] * 10, [clicks] * 20), near_positions=1)
    counted = table[table["rows"] > 0]
    assert (counted[["estimate", "se", "ci_95_lower", "ci_95_upper"]] == 0).all(axis=None)
    assert not counted["leakage_detected"].eq(True).any()
    assert table["minimum_detectable_leakage"].isna().all()


def test_constant_clicks_leave_nothing_to_have_a_share_of():
    table = leakage(items(["ABA"] * 20, [3] * 20, [1, 0] * 10, ["000"] * 20), near_positions=1)
    assert table["share_of_spillover"].isna().all()


def test_rows_that_never_change_have_no_share_of_the_spillover():
    # The first item is never clicked, whatever the arm; the second is.
    rng = np.random.default_rng(4)
    clicks = [f"0{int(rng.random() < (0.2 if arm else 0.8))}0" for arm in [1, 0] * 60]
    table = leakage(items(["BAA"] * 120, [3] * 120, [1, 0] * 60, clicks), near_positions=1)
    assert called(table, "same_cluster", "exposed")["share_of_spillover"] == 1
    rest = called(table, "same_cluster", "unexposed")
    assert (rest["estimate"], rest["se"]) == (0, 0)
    assert rest["share_of_spillover"] == 0


def test_all_of_the_spillover_is_all_of_it_on_whichever_side_its_rows_are():
    # No item shares the focal cluster: what "same_cluster" leaves out is what "displaced" takes in.
    table = leakage(coins("ABC", 3), near_positions=1)
    inside = called(table, "displaced", "exposed")[SHARE]
    outside = called(table, "same_cluster", "unexposed")[SHARE]
    assert inside["share_of_spillover"] == outside["share_of_spillover"] == 1
    assert inside.to_dict() == outside.to_dict()


def test_too_few_slates_in_an_arm_are_an_error():
    with pytest.raises(NetliftError, match="1 promoted slates of 4"):
        leakage(items(["AAB"] * 4, [2] * 4, [1, 0, 0, 0], ["010"] * 4), near_positions=1)
