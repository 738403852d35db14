"""Design diagnostics: broken randomizations fail, valid ones pass, and gaps are explained."""

from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from builders import exposure, random_items, slates_of
from scipy import stats

from netlift.effects.accounts import slate_outcomes
from netlift.effects.covariates import COVARIATES
from netlift.effects.design_checks import design_diagnostics
from netlift.promotion.exposure import assign_promotion
from netlift.promotion.record import Promotion

SAMPLE_RATIO = "sample_ratio"
SPLIT = "users_in_both_arms"
EFFECTIVE = "effective_units"
BALANCE = "covariate_balance"
OMNIBUS = "joint_covariate_balance"
PLACEBO = "aa_test"


def accounts_of(
    seed: int, n_slates: int, *, n_users: int | None = None, **columns: object
) -> pd.DataFrame:
    return slate_outcomes(random_items(seed, n_slates, (4, 8), n_users=n_users)).assign(**columns)


def diagnosed(accounts: pd.DataFrame, *, permutations: int = 99, seed: int = 2) -> pd.DataFrame:
    return design_diagnostics(accounts, permutations=permutations, seed=seed)


def line(table: pd.DataFrame, check: str, subject: str | None = None) -> pd.Series:
    rows = table[table["check"] == check]
    if subject is not None:
        rows = rows[rows["subject"] == subject]
    (row,) = [row for _, row in rows.iterrows()]
    return row


def by_user(accounts: pd.DataFrame, promoted_users: np.ndarray) -> pd.DataFrame:
    """Let users be the randomized units; activity is the user's already."""
    promoted = np.isin(accounts["user_id"], promoted_users).astype(int)
    return accounts.assign(promotion_applied=promoted, randomization_unit=accounts["user_id"])


# --- Sample ratio --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_promoted", "verdict"), [(57, "fine"), (42, "fine"), (75, "look_into_it")]
)
def test_the_sample_ratio_is_held_against_the_binomial_distribution(n_promoted, verdict):
    accounts = accounts_of(
        1, 100, promotion_applied=(np.arange(100) < n_promoted) * 1, promotion_probability=0.5
    )
    row = line(diagnosed(accounts), SAMPLE_RATIO)
    test = stats.binomtest(n_promoted, 100, 0.5)
    assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-12)
    interval = test.proportion_ci(method="exact")
    assert (row["lower_95"], row["upper_95"]) == pytest.approx(tuple(interval), rel=1e-9)
    assert (row["value"], row["expected"]) == (n_promoted / 100, 0.5)
    assert (row["subject"], row["unit"]) == ("promoted slates", "share of slates")
    assert row["verdict"] == verdict


def test_the_sample_ratio_of_users_counts_users():
    accounts = by_user(accounts_of(2, 90, n_users=20), np.arange(6))
    present = accounts["user_id"].nunique()
    promoted = accounts.loc[accounts["promotion_applied"] == 1, "user_id"].nunique()
    row = line(diagnosed(accounts.assign(promotion_probability=0.3)), SAMPLE_RATIO)
    assert row["value"] == promoted / present
    assert row["p_value"] == pytest.approx(stats.binomtest(promoted, present, 0.3).pvalue, rel=1e-9)
    assert (row["subject"], row["unit"]) == ("promoted users", "share of users")


@pytest.mark.parametrize("more", [-12, 0, 9, 30])
def test_with_unequal_probabilities_it_is_nearly_the_distribution_of_the_sum_of_draws(more):
    probability = np.random.default_rng(3).uniform(0.1, 0.7, 200)
    exact = np.ones(1)
    for p in probability:
        exact = np.convolve(exact, [1 - p, p])
    mean = probability.sum()
    n_promoted = round(mean) + more
    accounts = accounts_of(
        3,
        200,
        promotion_applied=(np.arange(200) < n_promoted) * 1,
        promotion_probability=probability,
    )
    row = line(diagnosed(accounts), SAMPLE_RATIO)
    assert row["expected"] == pytest.approx(mean / 200, rel=1e-12)
    as_far = np.abs(np.arange(201) - mean) >= abs(n_promoted - mean) - 1e-9
    # A normal distribution without correction for whole numbers: off by half a lump on each side.
    assert row["p_value"] == pytest.approx(exact[as_far].sum(), abs=0.065)
    assert row["verdict"] == ("look_into_it" if more == 30 else "fine")


# --- What was drawn ------------------------------------------------------------------------------


@pytest.mark.parametrize("drawn", ["slates", "users"])
def test_users_that_were_drawn_are_seen_where_slates_are_stated(drawn):
    accounts = accounts_of(25, 300, n_users=40, promotion_probability=0.5)
    if drawn == "users":
        accounts = accounts.assign(promotion_applied=accounts["user_id"] % 2)
    row = line(diagnosed(accounts), SPLIT)
    users = accounts.groupby("user_id")["promotion_applied"].agg(["size", "nunique"])
    users = users[users["size"] > 1]
    assert row["value"] == (users["nunique"] == 2).mean()
    assert row["expected"] == pytest.approx((1 - 0.5 ** (users["size"] - 1)).mean(), rel=1e-12)
    assert row["verdict"] == {"slates": "fine", "users": "look_into_it"}[drawn]
    assert row["unit"] == "share of users"


def test_effective_units_are_counted_by_arm():
    accounts = accounts_of(26, 400).assign(user_id=np.repeat(np.arange(100), 4))
    table = diagnosed(by_user(accounts, np.arange(0, 100, 2)))
    assert line(table, EFFECTIVE, "promoted users")["value"] == 50
    assert set(table.loc[table["check"] == EFFECTIVE, "verdict"]) == {"fine"}
    # One control user has 200 slates, 50 others 4 of the rest: (400 - 200)^2 / ...
    big = accounts.assign(user_id=np.r_[np.full(200, 1), np.repeat(np.arange(2, 52), 4)])
    row = line(diagnosed(by_user(big, np.arange(0, 100, 2))), EFFECTIVE, "control users")
    assert row["value"] == pytest.approx((200 + 25 * 4) ** 2 / (200**2 + 25 * 4**2), rel=1e-12)
    assert (row["expected"], row["unit"], row["verdict"]) == (26, "effective users", "too_few")
    assert row["note"].startswith("fewer than 30")


# --- Covariate balance ---------------------------------------------------------------------------


def test_standardized_differences_by_hand():
    # Promoted 20, 40, 60, 80 with variance 500; control 10, 20, 30, 40 with variance 125.
    accounts = accounts_of(4, 8).assign(
        promotion_applied=[1, 1, 1, 1, 0, 0, 0, 0], user_activity=[20, 40, 60, 80, 10, 20, 30, 40]
    )
    row = line(diagnosed(accounts), BALANCE, "user_activity")
    assert row["value"] == pytest.approx(25 / 312.5**0.5, rel=1e-12)
    assert (row["expected"], row["unit"]) == (0, "standard deviations")


def test_p_values_of_differences_are_shares_of_all_assignments():
    accounts = accounts_of(5, 8, promotion_applied=[1, 0, 0, 1, 1, 0, 1, 0])
    table = diagnosed(accounts, permutations=4000)
    arms = [np.isin(np.arange(8), chosen) for chosen in combinations(range(8), 4)]
    for name in COVARIATES:
        x = accounts[name].to_numpy(float)
        reached = np.abs([x[arm].mean() - x[~arm].mean() for arm in arms])
        own = accounts["promotion_applied"].to_numpy() == 1
        share = np.mean(reached >= abs(x[own].mean() - x[~own].mean()) - 1e-9)
        row = line(table, BALANCE, name)
        # 4.5 standard deviations: false alarm 0.004% for all six.
        margin = 4.5 * np.sqrt(share * (1 - share) / 4000) + 1 / 4000
        assert abs(row["p_value"] - share) < margin
        sd = np.sqrt((x[own].var() + x[~own].var()) / 2)
        # The outer 2.5% of 70 assignments begin between the 1st and the 4th from each end.
        ends = np.sort([(x[arm].mean() - x[~arm].mean()) / sd for arm in arms])[[0, 3, -4, -1]]
        assert ends[0] - 1e-9 <= row["lower_95"] <= ends[1] + 1e-9
        assert ends[2] - 1e-9 <= row["upper_95"] <= ends[3] + 1e-9


def test_the_distance_is_mahalanobis_with_the_covariance_of_complete_randomization():
    accounts = accounts_of(6, 60)
    promoted = accounts["promotion_applied"].to_numpy() == 1
    # The number of displaced items follows from the focal position: five covariates of six.
    x = accounts[[name for name in COVARIATES if name != "n_displaced"]].to_numpy(float)
    difference = x[promoted].mean(axis=0) - x[~promoted].mean(axis=0)
    covariance = np.cov(x, rowvar=False) * 60 / (promoted.sum() * (~promoted).sum())
    expected = difference @ np.linalg.solve(covariance, difference)
    row = line(diagnosed(accounts, permutations=4000), OMNIBUS)
    # The covariance is estimated from 4,000 assignments: errors of about 2%.
    assert row["value"] == pytest.approx(expected, rel=0.1)
    assert row["expected"] == pytest.approx(5, rel=0.02)
    assert row["upper_95"] == pytest.approx(stats.chi2.ppf(0.95, 5), rel=0.1)
    assert row["p_value"] == pytest.approx(stats.chi2.sf(expected, 5), abs=0.05)


def test_the_test_of_all_covariates_rejects_sound_randomizations_as_often_as_it_says():
    rng = np.random.default_rng(20260428)
    accounts = accounts_of(7, 30)
    p_values = []
    for run in range(150):
        promoted = rng.permutation(30) < 12
        table = diagnosed(accounts.assign(promotion_applied=promoted * 1), seed=run)
        p_values.append(line(table, OMNIBUS)["p_value"])
    # Uniform on 1/100, ..., 100/100: Kolmogorov's distance for 150 draws is above 0.159 in 0.1%.
    assert stats.kstest(p_values, "uniform").statistic < 0.159 + 0.01
    # At most 15 expected, standard deviation 3.7: 4 of them.
    assert np.sum(np.array(p_values) <= 0.1) < 15 + 4 * 3.7


def test_the_unit_of_a_covariate_and_one_that_follows_from_others_do_not_matter():
    accounts = accounts_of(8, 40)
    table = diagnosed(accounts)
    row = line(table, OMNIBUS)
    for same in (
        accounts.assign(user_activity=-1e6 * accounts["user_activity"] + 3),
        accounts.assign(relevance_sd=1e-7 * accounts["relevance_sd"]),
        accounts.drop(columns="n_displaced"),
        accounts.drop(columns="focal_seed_position"),
    ):
        found = line(diagnosed(same), OMNIBUS)
        assert found["value"] == pytest.approx(row["value"], rel=1e-7)
        assert found["p_value"] == row["p_value"]
    negative = diagnosed(accounts.assign(user_activity=-1e6 * accounts["user_activity"]))
    was, now = (line(t, BALANCE, "user_activity") for t in (table, negative))
    assert now["value"] == pytest.approx(-was["value"], rel=1e-9)
    assert now["p_value"] == was["p_value"]


# --- Broken and sound randomizations -------------------------------------------------------------


def promoted_by_activity(accounts: pd.DataFrame, seed: int, *, broken: bool) -> pd.DataFrame:
    """Draw promotions, where broken with a chance of 65% for active users and 35% for others."""
    active = accounts["user_activity"] > accounts["user_activity"].median()
    chance = np.where(active, 0.65, 0.35) if broken else np.full(len(accounts), 0.5)
    promoted = np.random.default_rng(seed).random(len(accounts)) < chance
    return accounts.assign(promotion_applied=promoted * 1, promotion_probability=0.5)


def test_promotion_that_depends_on_activity_is_seen_and_named():
    table = diagnosed(promoted_by_activity(accounts_of(9, 800), 1, broken=True), permutations=1999)
    assert line(table, BALANCE, "user_activity")["verdict"] == "look_into_it"
    assert line(table, OMNIBUS)["verdict"] == "look_into_it"
    # 400 are promoted on average all the same.
    assert line(table, SAMPLE_RATIO)["verdict"] == "fine"
    others = table[(table["check"] == BALANCE) & (table["subject"] != "user_activity")]
    assert others["p_value"].min() > 0.01


def looked_into(accounts: pd.DataFrame, n_experiments: int, permutations: int) -> int:
    """Count false alarms in valid experiments with the same slates."""
    looks = 0
    for seed in range(n_experiments):
        sound = promoted_by_activity(accounts, seed, broken=False)
        table = diagnosed(sound, permutations=permutations, seed=seed)
        unchecked = set(table.loc[table["verdict"].eq("not_checked"), "check"])
        assert unchecked == (set() if accounts["user_id"].duplicated().any() else {SPLIT})
        looks += (table["verdict"] == "look_into_it").sum()
    return int(looks)


def test_sound_randomizations_of_many_slates_pass():
    accounts = pd.concat([accounts_of(10, 500)] * 8, ignore_index=True)
    # Differences above 0.1 come in 0.2% and p-values below 0.001 in 0.1%: six covariates and two
    # other checks in 3 experiments give two or more in 0.1% of seeds.
    assert looked_into(accounts, 3, permutations=1023) <= 1


def test_sound_randomizations_of_few_slates_pass():
    assert looked_into(accounts_of(10, 400), 12, permutations=255) <= 1


def test_users_of_many_slates_are_not_taken_for_many_draws():
    # Six of twelve users with 60 slates each: taken for 720 draws, activity would always differ.
    users = np.repeat(np.arange(12), 60)
    rng = np.random.default_rng(3)
    accounts = accounts_of(11, 720).assign(
        user_id=users, user_activity=rng.integers(20, 500, 12)[users]
    )
    p_values = []
    for seed in range(20):
        table = diagnosed(by_user(accounts, rng.permutation(12)[:6]), seed=seed)
        p_values.append(line(table, BALANCE, "user_activity")["p_value"])
    # One below 0.05 expected, five or more in 0.3% of seeds.
    assert np.sum(np.array(p_values) < 0.05) < 5
    assert np.median(p_values) > 0.2


# --- A/A test ------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", ["slates", "users", "strata"])
def test_about_one_of_twenty_splits_of_control_slates_alarms(units):
    accounts = accounts_of(12, 600, n_users=150 if units == "users" else None)
    if units == "users":
        # Whole users click a lot: errors of single slates would be too small.
        accounts = by_user(accounts, np.arange(75))
        loud = 4 * (accounts["user_id"] % 3 == 0)
        accounts["observed_clicks_other_competitor"] += loud
    if units == "strata":
        accounts["randomization_stratum"] = accounts["focal_seed_position"]
    table = diagnosed(accounts, permutations=1999)
    row = line(table, PLACEBO, "total effect, false alarms")
    assert row["expected"] == 0.05
    # Standard deviation 0.5% of the splits, and intervals by t need not be exact to 1%.
    assert 0.03 < row["value"] < 0.07
    assert row["lower_95"] < row["value"] < row["upper_95"]
    assert row["verdict"] == "fine"
    alarms = round(row["value"] * 1999)
    assert row["note"].startswith(f"{alarms:,} of 1,999 splits")


def test_the_one_split_that_is_shown_adds_up_and_is_of_control_slates_only():
    accounts = accounts_of(13, 120)
    table = diagnosed(accounts)
    names = ["Focal item", "Same-cluster competitors", "Other competitors", "Full slate"]
    focal, same, other, total = (
        line(table, PLACEBO, f"{name}, first split")["value"] for name in names
    )
    assert focal + same + other == pytest.approx(total, abs=1e-12)
    loud = accounts.copy()
    clicks = [name for name in loud if name.startswith("observed_clicks")]
    loud.loc[loud["promotion_applied"] == 1, clicks] += 1000
    pd.testing.assert_frame_equal(diagnosed(loud), table)


def test_slates_that_are_there_four_times_over_say_no_more_of_their_users():
    once = by_user(accounts_of(24, 60), np.arange(0, 60, 2))
    fourfold = pd.concat([once] * 4).sort_values("user_id", kind="stable", ignore_index=True)
    fourfold["slate_id"] = np.arange(240)
    numbers = ["value", "expected", "lower_95", "upper_95", "p_value"]
    tables = [diagnosed(accounts) for accounts in (once, fourfold)]
    # Where each user has one slate, slates and users are the same units.
    tables = [table[table["check"] != SPLIT].reset_index() for table in tables]
    tables = [table[numbers].astype(float) for table in tables]
    pd.testing.assert_frame_equal(*tables, check_exact=False, rtol=1e-9, atol=1e-12)


# --- What cannot be checked ----------------------------------------------------------------------


def is_honest(table: pd.DataFrame) -> bool:
    """Return whether every verdict has a number, or a note where it has none."""
    checked = table["verdict"] != "not_checked"
    numbers = table.loc[checked, ["value", "expected"]].astype(float)
    counted = table["check"].isin([PLACEBO, EFFECTIVE])
    tested = table.loc[checked & ~counted, "p_value"].astype(float)
    return bool(
        np.isfinite(numbers).all(axis=None)
        and tested.between(0, 1).all()
        and table.loc[~checked, "note"].notna().all()
        and table.loc[~checked, "p_value"].isna().all()
        and table[["check", "subject", "unit", "verdict"]].notna().all(axis=None)
        and set(table["verdict"]) <= {"fine", "look_into_it", "too_few", "not_checked"}
    )


def test_a_sound_table_is_complete_and_every_number_has_a_unit():
    table = diagnosed(accounts_of(14, 60, promotion_probability=0.5))
    assert is_honest(table)
    assert table["check"].tolist() == (
        [SAMPLE_RATIO, SPLIT, EFFECTIVE, EFFECTIVE]
        + [BALANCE] * len(COVARIATES)
        + [OMNIBUS]
        + [PLACEBO] * 5
    )
    assert list(table.columns) == [
        "check",
        "check_label",
        "subject",
        "value",
        "unit_code",
        "unit",
        "expected",
        "lower_95",
        "upper_95",
        "p_value",
        "verdict",
        "verdict_label",
        "note",
    ]


def test_an_unknown_probability_is_said_and_the_share_shown():
    accounts = accounts_of(15, 60)
    table = diagnosed(accounts)
    row = line(table, SAMPLE_RATIO)
    assert row["value"] == accounts["promotion_applied"].mean()
    assert (row["verdict"], row["note"]) == (
        "not_checked",
        "the probability of promotion is not known",
    )
    assert row[["expected", "lower_95", "upper_95", "p_value"]].isna().all()
    assert is_honest(table)


def test_a_missing_probability_is_not_known():
    with np.errstate(invalid="ignore"):
        table = diagnosed(accounts_of(15, 60, promotion_probability=np.nan))
    assert line(table, SAMPLE_RATIO)["verdict"] == "not_checked"
    assert is_honest(table)


CONSTANTS = [
    3,
    0.0,
    0.1,
]


@pytest.mark.parametrize("constant", CONSTANTS)
def test_a_constant_covariate_is_not_checked_and_the_others_are(constant):
    accounts = accounts_of(16, 60, user_activity=constant)
    table = diagnosed(accounts)
    row = line(table, BALANCE, "user_activity")
    assert (row["verdict"], row["note"]) == ("not_checked", "constant, so it cannot differ")
    assert pd.isna(row["value"])
    assert is_honest(table)
    assert len(table[table["check"] == BALANCE]) == len(COVARIATES)
    without = line(diagnosed(accounts.drop(columns="user_activity")), OMNIBUS)
    assert line(table, OMNIBUS)["value"] == pytest.approx(without["value"], rel=1e-9)


def test_a_covariate_that_is_missing_in_a_slate_is_not_checked():
    accounts = accounts_of(17, 60)
    accounts["user_activity"] = accounts["user_activity"].astype(float).where(accounts.index != 7)
    table = diagnosed(accounts)
    assert line(table, BALANCE, "user_activity")["verdict"] == "not_checked"
    assert is_honest(table)


def test_without_covariates_there_is_nothing_to_compare():
    accounts = accounts_of(18, 60).drop(columns=list(COVARIATES))
    table = diagnosed(accounts)
    row = line(table, OMNIBUS)
    assert (row["verdict"], row["note"]) == ("not_checked", "no covariate to compare")
    assert BALANCE not in set(table["check"])
    constant = diagnosed(accounts.assign(user_activity=5, n_displaced=2))
    assert set(constant.loc[constant["check"].str.startswith(BALANCE), "verdict"]) == {
        "not_checked"
    }
    assert is_honest(table)
    assert is_honest(constant)


def test_a_covariate_that_tells_the_arms_apart_is_seen_by_the_test_of_all():
    accounts = accounts_of(19, 60)
    activity = np.where(accounts["promotion_applied"] == 1, 100 + np.arange(60), 20)
    accounts = accounts.drop(columns=list(COVARIATES)).assign(user_activity=activity)
    table = diagnosed(accounts, permutations=1999)
    assert line(table, BALANCE, "user_activity")["verdict"] == "look_into_it"
    assert line(table, OMNIBUS)["verdict"] != "fine"


def test_what_strata_hold_fixed_cannot_differ_between_arms():
    slates = slates_of(exposure(["AABCBA"] * 60, [1] * 60, [0] * 60))
    promotion = Promotion(probability=0.5, assignment="stratified", focal_position_first=3)
    p_values = []
    for seed in range(4):
        log = assign_promotion(slates, promotion, seed=seed)
        table = diagnosed(slate_outcomes(log.assign(click=0)), seed=seed)
        row = line(table, BALANCE, "focal_seed_position")
        p_values.append(row["p_value"])
        assert is_honest(table)
    # Either one, or missing because it could not be checked.
    assert all(pd.isna(p) or p == 1 for p in p_values), p_values


@pytest.mark.parametrize(
    ("promoted", "unchecked"),
    [
        ([1, 0, 0, 0, 0, 0], {BALANCE, OMNIBUS}),
        ([0, 0, 0, 0, 0, 0], {BALANCE, OMNIBUS}),
        ([1, 1, 1, 1, 1, 0], {BALANCE, OMNIBUS, PLACEBO}),
        ([1, 1, 1, 1, 1, 1], {BALANCE, OMNIBUS, PLACEBO}),
        ([1, 1, 1, 0, 0, 0], {PLACEBO}),
        ([1, 1, 0, 0, 0, 0], set()),
    ],
)
def test_arms_that_are_too_small_are_not_checked_and_say_so(promoted, unchecked):
    table = diagnosed(accounts_of(20, 6, promotion_applied=promoted, promotion_probability=0.5))
    assert set(table.loc[table["verdict"] == "not_checked", "check"]) == unchecked | {SPLIT}
    assert is_honest(table)
    if OMNIBUS in unchecked:
        assert line(table, OMNIBUS)["note"] == "no covariate to compare"
        notes = table.loc[table["check"] == BALANCE, "note"]
        assert (notes == "an arm has fewer than 2 slates").all()
    if PLACEBO in unchecked:
        assert line(table, PLACEBO)["note"] == "too few control slates to split"


def test_few_users_with_many_slates_are_too_few_to_split():
    accounts = accounts_of(21, 60).assign(user_id=np.arange(60) // 10)
    table = diagnosed(by_user(accounts, np.array([0, 1, 2])))
    assert line(table, PLACEBO)["note"] == "too few control users to split"
    assert is_honest(table)


def test_clicks_that_never_vary_alarm_in_no_split():
    accounts = accounts_of(22, 40)
    clicks = [name for name in accounts if name.startswith("observed_clicks")]
    table = diagnosed(accounts.assign(**dict.fromkeys(clicks, 1.0)))
    assert line(table, PLACEBO, "total effect, false alarms")["value"] == 0
    assert is_honest(table)


def test_the_same_seed_gives_the_same_table_and_more_permutations_only_finer_p_values():
    accounts = accounts_of(23, 60)
    tables = [diagnosed(accounts, permutations=n) for n in (99, 99, 999, 3999)]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    p = [line(table, OMNIBUS)["p_value"] for table in tables[1:]]
    for few, many in pairwise(p):
        assert abs(few - many) < 0.2
