"""Claims of item-level analyses: their numbers, their errors, and how wrong they are."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from builders import compared, items, random_items
from scipy import stats

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.item_level import item_level_claim
from netlift.effects.ledger import component_effects

FOCAL, BESIDE, EVERYWHERE = (
    "focal_gain",
    "within_slates",
    "across_slates",
)
CLAIMS = [FOCAL, BESIDE, EVERYWHERE]


def claims(log: pd.DataFrame) -> pd.DataFrame:
    return item_level_claim(log).set_index("metric")


def compared_rows(log: pd.DataFrame, claim: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the rows that a claim looks at, and which of them are promoted items."""
    promoted = log["promotion_applied"] == 1
    kept = {FOCAL: log["is_focal_item"], BESIDE: promoted, EVERYWHERE: promoted | True}[claim]
    rows = log[kept]
    return rows, (rows["is_focal_item"] & (rows["promotion_applied"] == 1)).to_numpy()


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    return random_items(1, 500, (2, 8))


@pytest.fixture(scope="module")
def table(log) -> pd.DataFrame:
    return claims(log)


# --- The numbers ---------------------------------------------------------------------------------


def test_claims_by_hand():
    # Promoted: focal 1 and 1 of 2, others 0, 1 (of 2) and 1 (of 1). Control: focal 0, 1; others 2.
    log = items(
        ["AAB", "AB", "AB", "ABB"],
        focal=[1, 2, 1, 3],
        promoted=[1, 1, 0, 0],
        clicks=["101", "11", "01", "101"],
    )
    table = claims(log)
    assert list(table.index) == CLAIMS
    assert (table["unit"] == "clicks per 1,000 promoted slates").all()
    # 2/2 - 1/2; 2/2 - 2/3; 2/2 - (2 + 3) / (3 + 5).
    assert table["claim"].to_list() == pytest.approx([500, 1000 / 3, 375], rel=1e-14)
    # Slates have 2 and 2, 1 and 2 clicks.
    assert (table["net_change"] == 500).all()
    assert table["error_of_claim"].to_list() == pytest.approx([0, -500 / 3, -125], abs=1e-10)
    assert table["claim_over_net_change"].to_list() == pytest.approx([1, 2 / 3, 0.75], rel=1e-14)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_is_a_difference_of_click_rates_of_rows(log, table, claim):
    rows, is_promoted = compared_rows(log, claim)
    clicks = rows["click"].to_numpy()
    rate = clicks[is_promoted].mean() - clicks[~is_promoted].mean()
    assert table.loc[claim, "claim"] == pytest.approx(1000 * rate, rel=1e-12)


def test_the_focal_gain_is_the_direct_effect_of_the_ledger_and_the_net_change_its_total(log, table):
    effects = component_effects(compared(slate_outcomes(log)))
    main = effects[effects["outcome_type"] == "observed_clicks"]
    main = main[main["estimator"] == "difference_in_means"].set_index("line")
    for prefix, line, rows in (
        ("claim", "direct", [FOCAL]),
        ("net_change", "total", CLAIMS),
    ):
        expected = main.loc[line]
        for claim in rows:
            found = table.loc[claim]
            assert found[prefix] == pytest.approx(
                expected["estimate_per_1000_promoted_slates"], abs=1e-9
            )
            assert found[f"{prefix}_se"] == pytest.approx(1000 * expected["se"], rel=1e-11)
            for end in ("lower", "upper"):
                assert found[f"{prefix}_ci_95_{end}"] == pytest.approx(
                    expected[f"ci_95_{end}_per_1000"], rel=1e-10
                )


def test_what_the_focal_gain_gets_wrong_is_what_happens_to_all_other_items(log, table):
    others = (log["click"] * ~log["is_focal_item"]).groupby(log["slate_id"]).sum()
    promoted = log.groupby("slate_id")["promotion_applied"].first() == 1
    welch = stats.ttest_ind(others[promoted], others[~promoted], equal_var=False)
    interval = welch.confidence_interval()
    row = table.loc[FOCAL]
    change = others[promoted].mean() - others[~promoted].mean()
    assert row["error_of_claim"] == pytest.approx(-1000 * change, abs=1e-10)
    assert (row["error_of_claim_ci_95_lower"], row["error_of_claim_ci_95_upper"]) == pytest.approx(
        (-1000 * interval.high, -1000 * interval.low), rel=1e-9
    )


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_error_of_a_claim_is_the_claim_minus_the_net_change(table, claim):
    row = table.loc[claim]
    assert row["error_of_claim"] == pytest.approx(row["claim"] - row["net_change"], abs=1e-9)
    assert row["claim_over_net_change"] == pytest.approx(row["claim"] / row["net_change"])


# --- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_error_that_the_analysis_itself_reports_is_plain_ols(log, table, claim):
    rows, is_promoted = compared_rows(log, claim)
    fit = sm.OLS(rows["click"].to_numpy(), sm.add_constant(is_promoted.astype(float))).fit()
    assert table.loc[claim, "claim_reported_se"] == pytest.approx(1000 * fit.bse[1], rel=1e-10)


@pytest.mark.parametrize("claim", [BESIDE, EVERYWHERE])
def test_the_error_of_a_claim_is_close_to_that_of_clustered_rows(claim):
    log = random_items(2, 500, (2, 8))
    # Some slates are liked as a whole, so that rows are far from independent.
    rng = np.random.default_rng(2)
    taste = rng.choice([0.1, 0.6], 500)[log["slate_id"]]
    lifted = 0.3 * (log["is_focal_item"] & (log["promotion_applied"] == 1))
    log["click"] = (rng.random(len(log)) < taste + lifted).astype(int)
    rows, is_promoted = compared_rows(log, claim)
    ols = sm.OLS(rows["click"].to_numpy(), sm.add_constant(is_promoted.astype(float)))
    clustered = ols.fit(cov_type="cluster", cov_kwds={"groups": rows["slate_id"].to_numpy()})
    row = claims(log).loc[claim]
    # The sandwich also counts that arms might have had other sizes, which is little.
    assert row["claim_se"] == pytest.approx(1000 * clustered.bse[1], rel=0.02)
    assert abs(row["claim_reported_se"] / row["claim_se"] - 1) > 0.06


def sums_by_slate(log: pd.DataFrame) -> pd.DataFrame:
    focal = log["is_focal_item"]
    columns = pd.DataFrame(
        {"own": log["click"] * focal, "others": log["click"] * ~focal, "rows": ~focal}
    )
    sums = columns.groupby(log["slate_id"]).sum().astype(float)
    return sums.assign(promoted=log.groupby("slate_id")["promotion_applied"].first() == 1)


def rate_claim(sums: pd.DataFrame, claim: str) -> float:
    treated, control = sums[sums["promoted"]], sums[~sums["promoted"]]
    clicks, rows = treated["others"].sum(), treated["rows"].sum()
    if claim == EVERYWHERE:
        clicks += (control["own"] + control["others"]).sum()
        rows += control["rows"].sum() + len(control)
    return treated["own"].mean() - clicks / rows


def net_change(sums: pd.DataFrame) -> float:
    totals = (sums["own"] + sums["others"]).groupby(sums["promoted"]).mean()
    return totals[True] - totals[False]


@pytest.mark.parametrize("claim", [BESIDE, EVERYWHERE])
def test_errors_of_claims_are_close_to_a_jackknife_over_slates(claim):
    log = random_items(3, 160, (2, 8))
    sums, row = sums_by_slate(log), claims(log).loc[claim]
    variance = {"claim_se": 0.0, "error_of_claim_se": 0.0}
    for arm in (True, False):
        left_out = []
        for slate in sums.index[sums["promoted"] == arm]:
            rest = sums.drop(slate)
            value = rate_claim(rest, claim)
            left_out.append((value, value - net_change(rest)))
        # Slates are drawn within arms, so each arm has its own jackknife.
        n = len(left_out)
        for name, spread in zip(variance, np.var(left_out, axis=0) * (n - 1), strict=True):
            variance[name] += spread
    for name, value in variance.items():
        assert row[name] == pytest.approx(1000 * value**0.5, rel=0.02), name


def test_users_who_were_randomized_as_a_whole_widen_the_errors_but_not_the_analysts_own():
    log = random_items(4, 240, 5, n_users=40)
    log["promotion_applied"] = (log["user_id"] % 2).astype(int)
    # Users differ a lot, so their slates are alike.
    liked = np.random.default_rng(4).choice([0.05, 0.95], 40)
    log["click"] = (np.random.default_rng(5).random(len(log)) < liked[log["user_id"]]).astype(int)
    by_slate, by_user = claims(log), claims(log.assign(randomization_unit=log["user_id"]))
    for column in ("claim", "net_change", "claim_reported_se", "error_of_claim"):
        assert by_user[column].to_list() == pytest.approx(by_slate[column].to_list(), abs=1e-9)
    assert (by_user["net_change_se"] > 1.5 * by_slate["net_change_se"]).all()
    # One unit is one cluster: the jackknife of each arm's mean, by hand.
    totals = log.groupby("slate_id").agg({"click": "sum", "user_id": "first"})
    variance = 0.0
    for odd in (0, 1):
        own = totals[totals["user_id"] % 2 == odd]
        parts = (own["click"] - own["click"].mean()).groupby(own["user_id"]).agg(["sum", "size"])
        added = parts["sum"] / (1 - parts["size"] / len(own)) / len(own)
        variance += (added**2).sum() * (len(parts) - 1) / len(parts)
    assert by_user["net_change_se"].to_list() == pytest.approx([1000 * variance**0.5] * 3)


def test_the_ratio_of_claim_to_net_change_has_the_ends_where_a_test_changes_its_mind():
    log = random_items(7, 900, 3)
    # Other items keep their clicks, so the net change is the focal gain and some noise.
    log["click"] = log["click"].where(log["is_focal_item"], log["click_control"])
    row = claims(log).loc[FOCAL]
    sums = sums_by_slate(log)
    own, total = sums["own"].to_numpy(), (sums["own"] + sums["others"]).to_numpy()
    promoted = sums["promoted"].to_numpy()
    df = min(stats.ttest_ind(y[promoted], y[~promoted], equal_var=False).df for y in (own, total))

    def kept(ratio: float) -> bool:
        y = own - ratio * total
        t = stats.ttest_ind(y[promoted], y[~promoted], equal_var=False).statistic
        return abs(t) <= stats.t.ppf(0.975, df)

    assert row["ratio_interval_kind"] == "interval"
    lower, upper = row["ratio_ci_95_lower"], row["ratio_ci_95_upper"]
    assert lower < row["claim_over_net_change"] < upper
    for end, inwards in ((lower, 1e-7), (upper, -1e-7)):
        assert kept(end + inwards)
        assert not kept(end - inwards)


# --- Verdicts ------------------------------------------------------------------------------------


def noisy(promoted: str, control: str, n: int = 60) -> pd.DataFrame:
    """Write slates "AAB", the focal item first, that click as given, except for one item in six."""
    rng = np.random.default_rng(11)
    clicks = []
    for arm in [1, 0] * (n // 2):
        marks = np.array([int(mark) for mark in (promoted if arm else control)])
        clicks.append("".join(map(str, np.where(rng.random(3) < 1 / 6, 1 - marks, marks))))
    return items(["AAB"] * n, [1] * n, [1, 0] * (n // 2), clicks)


@pytest.mark.parametrize(
    ("promoted", "control", "verdict"),
    [
        ("100", "011", "wrong_sign"),  # one click gained, two lost
        ("100", "010", "overstates"),  # gained and lost the same
        ("110", "011", "overstates"),  # the same, and one item does not change
        ("111", "000", "understates"),  # the others gain as well
        ("110", "010", "error_not_shown"),  # the others do not change
    ],
)
def test_the_verdict_on_the_focal_gain(promoted, control, verdict):
    row = claims(noisy(promoted, control)).loc[FOCAL]
    assert row["verdict"] == verdict
    assert row["claim_ci_95_lower"] > 0
    excludes = row["error_of_claim_ci_95_lower"] > 0 or row["error_of_claim_ci_95_upper"] < 0
    assert excludes == (verdict != "error_not_shown")


def test_items_that_are_promoted_because_they_are_clicked_little_are_claimed_to_lose():
    # The focal item gains, and is still clicked less than its neighbours, which do not change.
    rng = np.random.default_rng(12)
    clicks = [f"{int(rng.random() < 0.4 * arm)}11" for arm in [1, 0] * 60]
    table = claims(items(["AAB"] * 120, [1] * 120, [1, 0] * 60, clicks))
    assert (table["net_change_ci_95_lower"] > 0).all()
    assert table.loc[[BESIDE, EVERYWHERE], "verdict"].to_list() == ["wrong_sign"] * 2
    # The others never change: the focal gain is the net change, and its error exactly nothing.
    assert table.loc[FOCAL, ["error_of_claim", "error_of_claim_se"]].abs().max() < 1e-9
    assert table.loc[FOCAL, "verdict"] == "error_not_shown"


def test_verdicts_follow_from_the_intervals_that_stand_beside_them():
    seen = set()
    for seed in range(12):
        for _, row in claims(random_items(seed, 40 + 60 * (seed % 4), 5)).iterrows():
            signs = {
                name: int(row[f"{name}_ci_95_lower"] > 0) - int(row[f"{name}_ci_95_upper"] < 0)
                for name in ("claim", "net_change", "error_of_claim")
            }
            named = {1: "overstates", 0: "error_not_shown", -1: "understates"}
            expected = named[signs["error_of_claim"]]
            if signs["claim"] * signs["net_change"] == -1:
                expected = "wrong_sign"
            assert row["verdict"] == expected
            seen.add(expected)
    assert {"overstates", "error_not_shown"} <= seen


# --- Known values --------------------------------------------------------------------------------


def test_known_values_by_hand():
    log = items(["AB", "ABC"], [1, 1], [1, 0], ["00", "000"])
    log = pd.concat([log, log.assign(slate_id=log["slate_id"] + 2)], ignore_index=True)
    log["p_control"] = [0.2, 0.5, 0.4, 0.3, 0.1] * 2
    log["p_promoted"] = [0.6, 0.4, 0.6, 0.3, 0.2] * 2
    table = claims(log)
    # Others: 0.9 of 3 if promoted. Unpromoted items: half of 0.9 of 3 and half of 1.5 of 5.
    expected = [300, 600 - 300, 600 - 1000 * (0.45 + 0.75) / (1.5 + 2.5)]
    assert table["known_claim"].to_list() == pytest.approx(expected, rel=1e-12)
    # Two slates' sums change by 0.4 - 0.1 and by 0.2 + 0.1.
    assert table["known_net_change"].to_list() == pytest.approx([300] * 3, rel=1e-12)
    assert table["known_error_of_claim"].to_list() == pytest.approx(
        [claim - 300 for claim in expected], abs=1e-9
    )


def test_known_values_are_what_claims_are_on_average():
    # Slates of one size, so that rates are means of slates, and half of the slates promoted.
    log = random_items(13, 60, 4)
    rng, found = np.random.default_rng(13), []
    for _ in range(80):
        arm = rng.permutation(np.arange(60) % 2)[log["slate_id"]]
        chance = np.where(arm == 1, log["p_promoted"], log["p_control"])
        drawn = log.assign(promotion_applied=arm, click=(rng.random(len(log)) < chance).astype(int))
        found.append(claims(drawn)[["claim", "net_change", "error_of_claim"]].to_numpy())
    known = claims(log.assign(promotion_applied=(log["slate_id"] % 2)))
    known = known[["known_claim", "known_net_change", "known_error_of_claim"]].to_numpy()
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / 80**0.5
    # Nine means, few of them independent: 4 standard errors, false alarm at most 0.06%.
    assert (np.abs(mean - known) < 4 * error).all()


def test_without_a_truth_nothing_is_said_to_be_known(log):
    unknown = log.drop(columns=["p_control", "p_promoted", "expected_click", "known_lift"])
    assert not [name for name in claims(unknown) if name.startswith("known")]


# --- Degenerate tables ---------------------------------------------------------------------------


@pytest.mark.parametrize("slates", [["A"] * 6, ["A", "AB"] * 3])
def test_promoted_slates_of_one_item_have_nothing_to_compare_with(slates):
    clicks = ["0" * len(slate) for slate in slates]
    with pytest.raises(NetliftError, match="no item but the focal one"):
        item_level_claim(items(slates, [1] * 6, [1, 0] * 3, clicks))


def test_some_slates_of_one_item_are_no_hindrance():
    slates = ["A", "AB", "ABB", "A", "AB", "BBA"]
    log = items(slates, [1] * 6, [1, 1, 1, 0, 0, 0], ["1", "10", "011", "0", "01", "100"])
    # Promoted items 2/3; the others of their slates 2/3; all unpromoted ones 4/9.
    assert claims(log)["claim"].to_list() == pytest.approx([1000 / 3, 0, 2000 / 9], abs=1e-9)


def test_an_arm_of_one_slate_is_an_error_that_says_so():
    with pytest.raises(NetliftError, match="1 promoted slates of 4"):
        item_level_claim(items(["AB"] * 4, [1] * 4, [1, 0, 0, 0], ["01"] * 4))


def test_constant_clicks_give_claims_of_zero_without_error_and_no_ratio():
    table = claims(items(["AB"] * 8, [1] * 8, [1, 0] * 4, ["11"] * 8))
    zero = ["claim", "claim_se", "claim_reported_se", "net_change", "error_of_claim_se"]
    assert (table[zero] == 0).all(axis=None)
    assert table["claim_over_net_change"].isna().all()
    assert (table["ratio_interval_kind"] == "everything").all()
    assert (table["verdict"] == "error_not_shown").all()
