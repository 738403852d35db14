"""The design as the analysis needs it: who was randomized together, and with what probability."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from builders import draw_promotions, exposure, items, random_items, slates_of
from scipy import stats

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.estimators import difference, plain_difference, weighted_difference
from netlift.effects.item_rows import ItemRows
from netlift.effects.items_table import slates_of_rows
from netlift.promotion.design import DESIGN_COLUMNS, Design
from netlift.promotion.exposure import assign_promotion, map_exposure
from netlift.promotion.record import Promotion

SIZE = 6


def slates_for(users: np.ndarray) -> pd.DataFrame:
    n = len(users)
    return slates_of(exposure(["AABCBA"] * n, [1] * n, [0] * n, users))


def assigned(users: np.ndarray, **changes: object) -> pd.DataFrame:
    """Assign promotions and return one row per slate."""
    settings = {"probability": 0.5, "assignment": "bernoulli", "unit": "user"}
    promotion = Promotion(**settings | {"focal_position_first": 3} | changes)
    table = assign_promotion(slates_for(users), promotion, seed=4)
    assert (table.groupby("slate_id")[list(DESIGN_COLUMNS)].nunique() == 1).all(axis=None)
    return table.iloc[::SIZE].reset_index(drop=True)


def some_users(n_slates: int = 120, n_users: int = 30, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(50, 50 + n_users, n_slates)


# --- Assigning promotions ------------------------------------------------------------------------


@pytest.mark.parametrize("assignment", ["bernoulli", "complete"])
def test_all_slates_of_a_user_share_the_promotion(assignment):
    slates = assigned(some_users(), assignment=assignment)
    assert (slates.groupby("user_id")["promotion_applied"].nunique() == 1).all()
    assert 0 < slates["promotion_applied"].mean() < 1
    assert slates["randomization_unit"].tolist() == slates["user_id"].tolist()
    assert (slates["randomization_stratum"] == 0).all()
    # The focal item is drawn for each slate all the same.
    assert (slates.groupby("user_id")["focal_seed_position"].nunique() > 1).sum() > 20


def test_without_users_as_units_each_slate_is_its_own():
    slates = assigned(some_users(), unit="slate")
    assert slates["randomization_unit"].tolist() == slates["slate_id"].tolist()
    assert (slates.groupby("user_id")["promotion_applied"].nunique() > 1).sum() > 15


def test_by_bernoulli_the_first_slates_have_the_same_design_however_many_follow():
    users = some_users(1500, 400)
    many, few = assigned(users), assigned(users[:90])
    # Categories of clusters are the same: every slate has A, B and C.
    pd.testing.assert_frame_equal(many[:90], few)


def test_a_user_alone_draws_as_a_slate_does():
    users = np.arange(200) + 7
    by_user, by_slate = assigned(users), assigned(users, unit="slate")
    assert by_user["promotion_applied"].tolist() == by_slate["promotion_applied"].tolist()
    complete = [assigned(users, unit=unit, assignment="complete") for unit in ("user", "slate")]
    assert complete[0]["promotion_applied"].tolist() == complete[1]["promotion_applied"].tolist()


def test_by_bernoulli_each_user_is_promoted_with_the_probability_that_is_recorded():
    users = np.repeat(np.arange(8000), 2)
    slates = assigned(users, probability=0.3)
    assert (slates["promotion_probability"] == 0.3).all()
    promoted = slates.groupby("user_id")["promotion_applied"].first().sum()
    # 2,400 expected, standard deviation 41: 4 of them, false alarm 0.006%.
    assert abs(promoted - 2400) < 4 * 41


def test_complete_over_users_promotes_a_fixed_number_of_users_and_every_user_alike():
    users = np.repeat([3, 8, 5, 1, 9], [1, 4, 2, 1, 3])
    draws = []
    for seed in range(1500):
        promoted, probability = draw_promotions(users, 0.4, "complete", seed, np.zeros(11, int))
        assert (probability == 0.4).all()
        draws.append([promoted[users == user].mean() for user in (1, 3, 5, 8, 9)])
    assert (np.sum(draws, axis=1) == 2).all()
    # Each user: 600 expected, standard deviation 19; 5 users at 4.5: false alarm 0.003%.
    assert (np.abs(np.sum(draws, axis=0) - 600) < 4.5 * 19).all()


def test_complete_records_the_share_of_users_that_are_promoted():
    # 0.5 of 7 users is 3.5, and 4 of them are promoted, with one slate or with many.
    slates = assigned(np.repeat(np.arange(7), [1, 2, 9, 1, 3, 2, 2]), assignment="complete")
    assert slates.groupby("user_id")["promotion_applied"].first().sum() == 4
    assert slates["promotion_probability"].tolist() == [4 / 7] * 20


def test_stratified_promotes_a_fixed_share_of_the_slates_of_each_focal_position():
    users = np.arange(203)
    slates = assigned(users, unit="slate", assignment="stratified", probability=0.3)
    assert slates["randomization_stratum"].tolist() == slates["focal_seed_position"].tolist()
    assert slates["randomization_unit"].tolist() == slates["slate_id"].tolist()
    for _, own in slates.groupby("focal_seed_position"):
        assert own["promotion_applied"].sum() == round(0.3 * len(own))
        share = own["promotion_applied"].mean()
        assert own["promotion_probability"].to_numpy() == pytest.approx(share, rel=1e-15)
    assert slates["promotion_probability"].nunique() > 1
    # The focal positions are those of any other assignment.
    other = assigned(users, unit="slate")
    assert slates["focal_seed_position"].tolist() == other["focal_seed_position"].tolist()


def test_stratified_promotes_every_slate_of_a_position_alike():
    focal = np.repeat([3, 4], [4, 5])
    draws = [draw_promotions(np.arange(9), 0.5, "complete", seed, focal)[0] for seed in range(1500)]
    totals = np.sum(draws, axis=0)
    # 750 and 600 expected (2 of 4, 2 of 5), standard deviation 19.4 and less: false alarm 0.006%.
    assert (np.abs(totals - np.repeat([750, 600], [4, 5])) < 4.5 * 19.4).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"assignment": "complete", "probability": 0.01}, "of 30 randomized units, 0 would be"),
        ({"assignment": "complete", "probability": 0.99}, "of 30 randomized units, 30 would be"),
        (
            {"assignment": "stratified", "probability": 0.02, "unit": "slate"},
            "of 25 randomized units with focal position 5, 0 would be promoted",
        ),
    ],
)
def test_a_fixed_number_that_leaves_an_arm_empty_is_an_error(changes, said):
    users = np.repeat(np.arange(30), 4)
    with pytest.raises(NetliftError, match=said):
        assigned(users, **changes)


def test_users_cannot_be_stratified_by_the_focal_position_of_a_slate():
    with pytest.raises(NetliftError):
        assigned(some_users(), assignment="stratified", unit="user")


@pytest.mark.parametrize("unit", ["slate", "user"])
def test_the_design_reaches_the_accounts_and_the_analysis(unit):
    users = some_users(60, 12)
    promotion = Promotion(probability=0.4, assignment="complete", focal_position_first=2, unit=unit)
    log = assign_promotion(slates_for(users), promotion, seed=2)
    accounts = slate_outcomes(log.assign(click=0))
    slates = log.iloc[::SIZE].reset_index(drop=True)
    for column in DESIGN_COLUMNS:
        assert accounts[column].tolist() == slates[column].tolist()
    design = Design.from_table(accounts)
    assert design.unit_name == unit
    assert design.n_units == (60 if unit == "slate" else len(set(users.tolist())))
    assert design.units_per_arm()[0] == round(0.4 * design.n_units)
    assert design.probability.tolist() == accounts["promotion_probability"].tolist()


# --- Reading the design --------------------------------------------------------------------------


def accounts_with(**columns: object) -> pd.DataFrame:
    plain = {"slate_id": range(6), "user_id": [9, 9, 4, 4, 4, 7]}
    return pd.DataFrame(plain | {"promotion_applied": [1, 1, 0, 0, 0, 1]} | columns)


def test_without_columns_of_the_design_each_slate_was_randomized_by_itself():
    design = Design.from_table(accounts_with())
    assert design.unit.tolist() == list(range(6))
    assert design.stratum.tolist() == [0] * 6
    assert design.probability is None
    assert (design.unit_name, design.by_slate) == ("slate", True)
    assert design.units_per_arm() == (3, 3)


@pytest.mark.parametrize(
    ("units", "name", "per_arm"),
    [
        ([9, 9, 4, 4, 4, 7], "user", (2, 1)),
        (["a", "a", "b", "b", "c", "d"], "unit", (2, 2)),
        ([5, 4, 3, 2, 1, 0], "slate", (3, 3)),
    ],
)
def test_units_are_named_for_what_they_are(units, name, per_arm):
    design = Design.from_table(accounts_with(randomization_unit=units))
    assert design.unit_name == name
    assert design.units_per_arm() == per_arm


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"promotion_applied": [1, 0, 0, 0, 1, 1]},
            "the promotion differs between slates of the same randomized user in 2 of 3",
        ),
        (
            {"randomization_stratum": [1, 1, 1, 2, 2, 1]},
            "the stratum differs between slates of the same randomized user in 1 of 3",
        ),
    ],
)
def test_a_promotion_or_stratum_that_differs_within_a_unit_is_an_error(columns, said):
    table = accounts_with(randomization_unit=[9, 9, 4, 4, 4, 7], **columns)
    with pytest.raises(NetliftError, match=said):
        Design.from_table(table)
    # Of single slates, nothing can differ.
    assert Design.from_table(table.drop(columns="randomization_unit")).n_units == 6


def test_slates_are_summed_over_their_unit_wherever_they_stand():
    design = Design.from_table(
        accounts_with(
            user_id=[9, 4, 9, 4, 7, 4],
            promotion_applied=[1, 0, 1, 0, 1, 0],
            randomization_unit=[9, 4, 9, 4, 7, 4],
        )
    )
    values = np.array([[1.0, 10], [2, 20], [3, 30], [4, 40], [5, 50], [6, 60]])
    # Users 4, 7 and 9.
    assert design.per_unit(values).tolist() == [[12, 120], [5, 50], [4, 40]]
    assert design.of_units(design.promoted).tolist() == [False, True, True]
    assert design.mixed_units(np.array([1, 2, 1, 2, 0, 3])) == 1


# --- Differences between arms --------------------------------------------------------------------


def users_experiment(seed: int = 3) -> tuple[Design, np.ndarray]:
    """Draw 24 users with one to five slates, alike within a user, and unequal probabilities."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(24), rng.integers(1, 6, 24))
    user = user[rng.permutation(len(user))]
    probability = rng.uniform(0.3, 0.6, 24)[user]
    outcomes = rng.normal(size=(len(user), 3)) + 2 * rng.normal(size=(24, 3))[user]
    return Design(user < 9, user, np.zeros(len(user), int), probability, "user"), outcomes


def mean_and_jackknife(y: list[float], user: list[int]) -> tuple[float, float, float]:
    """Return the mean, its jackknife variance and degrees of freedom, number by number.

    Each of G users is left out once: (G - 1) / G times the squared changes of the mean. With an
    intercept alone, a user's n_g rows change it by the sum of residuals over n (1 - n_g / n).
    """
    n = len(y)
    mean = sum(y) / n
    variance, sizes, users = 0.0, [], len(set(user))
    for number in sorted(set(user)):
        own = [value - mean for value, u in zip(y, user, strict=True) if u == number]
        sizes.append(len(own))
        rest = [value for value, u in zip(y, user, strict=True) if u != number]
        variance += (users - 1) / users * (sum(rest) / len(rest) - mean) ** 2
    # Satterthwaite: columns (I - H) 1_g / (n (1 - n_g/n)) of independent errors, of which
    # (1_g - n_g/n) and (1_h - n_h/n) have the inner product [g = h] n_g - n_g n_h / n.
    gram = [
        [
            ((g == h) * sizes[g] - sizes[g] * sizes[h] / n)
            / (n**2 * (1 - sizes[g] / n) * (1 - sizes[h] / n))
            for h in range(len(sizes))
        ]
        for g in range(len(sizes))
    ]
    trace = sum(gram[g][g] for g in range(len(sizes)))
    square = sum(value**2 for row in gram for value in row)
    return mean, variance, trace**2 / square


def test_differences_by_user_have_the_jackknife_s_errors_in_each_arm():
    design, outcomes = users_experiment()
    arms = plain_difference(design, outcomes)
    for column in range(3):
        parts = [
            mean_and_jackknife(outcomes[arm, column].tolist(), design.unit[arm].tolist())
            for arm in (design.promoted, ~design.promoted)
        ]
        (mean_1, variance_1, df_1), (mean_0, variance_0, df_0) = parts
        estimate = arms.combination(np.eye(3)[column])
        assert estimate.value == pytest.approx(mean_1 - mean_0, rel=1e-11)
        assert estimate.se == pytest.approx((variance_1 + variance_0) ** 0.5, rel=1e-11)
        welch = (variance_1 + variance_0) ** 2 / (variance_1**2 / df_1 + variance_0**2 / df_0)
        assert estimate.df == pytest.approx(welch, rel=1e-9)


def test_sums_of_parts_have_the_error_of_the_sum():
    design, outcomes = users_experiment()
    for compared in (difference, weighted_difference):
        whole = compared(design, outcomes.sum(axis=1, keepdims=True)).combination((1,))
        parts = compared(design, outcomes).combination((1, 1, 1))
        assert (parts.value, parts.se, parts.df) == pytest.approx(
            (whole.value, whole.se, whole.df), rel=1e-10
        )


def test_users_with_one_slate_each_are_as_single_slates():
    rng = np.random.default_rng(5)
    promoted, outcomes = np.arange(40) % 3 == 0, rng.normal(size=(40, 2))
    by_slate, by_user = (
        difference(Design(promoted, unit, np.zeros(40, int), None, name), outcomes)
        for unit, name in ((np.arange(40), "slate"), (rng.permutation(40), "user"))
    )
    assert by_user.covariance == pytest.approx(by_slate.covariance, rel=1e-12)
    welch = stats.ttest_ind(outcomes[promoted, 0], outcomes[~promoted, 0], equal_var=False)
    assert by_user.combination((1, 0)).df == pytest.approx(welch.df, rel=1e-9)


def test_weighted_differences_are_statsmodels_wls_with_the_jackknife_s_errors():
    rng = np.random.default_rng(6)
    probability = rng.uniform(0.1, 0.9, 80)
    promoted = rng.random(80) < probability
    outcomes = rng.normal(size=(80, 2)) * (1 + promoted[:, None]) + probability[:, None]
    design = Design(promoted, np.arange(80), np.zeros(80, int), probability, "slate")
    arms = weighted_difference(design, outcomes)
    weights = 1 / np.where(promoted, probability, 1 - probability)
    for combination in ((1, 0), (0, 1), (1, 1)):
        y = outcomes @ np.array(combination)
        wls = sm.WLS(y, sm.add_constant(promoted * 1.0), weights=weights).fit()
        variance = 0.0
        for arm in (promoted, ~promoted):
            # HC3 of an arm's mean is the sum of its changes when a slate is left out.
            mean = sm.WLS(y[arm], np.ones(arm.sum()), weights=weights[arm]).fit(cov_type="HC3")
            variance += mean.bse[0] ** 2 * (arm.sum() - 1) / arm.sum()
        estimate = arms.combination(combination)
        assert estimate.value == pytest.approx(wls.params[1], rel=1e-11)
        assert estimate.se == pytest.approx(variance**0.5, rel=1e-11)


def test_weights_of_one_probability_change_nothing():
    design, outcomes = users_experiment()
    same = Design(
        design.promoted, design.unit, design.stratum, np.full(len(design.unit), 0.3), "user"
    )
    weighted, plain = weighted_difference(same, outcomes), difference(same, outcomes)
    assert weighted.difference == pytest.approx(plain.difference, rel=1e-11)
    assert weighted.covariance == pytest.approx(plain.covariance, rel=1e-10, abs=1e-14)


def test_without_probabilities_there_is_no_weighted_difference():
    with pytest.raises(NetliftError, match="probabilities of promotion are not known"):
        weighted_difference(Design.from_table(accounts_with()), np.zeros((6, 1)))


def test_an_arm_of_one_user_has_no_error():
    table = accounts_with(randomization_unit=[9, 9, 4, 4, 4, 7])
    with pytest.raises(NetliftError, match="1 control randomized units of 6 slates"):
        difference(Design.from_table(table), np.zeros((6, 1)))


# --- The exposure mapping ------------------------------------------------------------------------


def mapped(slates: pd.DataFrame, focal: list[int], promoted: int = 1) -> pd.DataFrame:
    is_focal = slates["slate_position_seed"].to_numpy() == np.array(focal)
    return map_exposure(slates, is_focal, np.full(len(slates), promoted == 1))


def test_items_without_a_cluster_share_none():
    slates = slates_of(exposure(["ABABC"], [1], [0]))
    slates["spillover_cluster"] = [None, "B", None, "B", "C"]
    without = mapped(slates, [3] * 5)
    assert without["component"].tolist() == [
        "other_competitor",
        "other_competitor",
        "direct_focal",
        "other_competitor",
        "other_competitor",
    ]
    assert without["focal_spillover_cluster"].isna().all()
    with_one = mapped(slates, [4] * 5)
    assert with_one["component"].tolist().count("same_cluster_competitor") == 1
    assert with_one["component"].iloc[1] == "same_cluster_competitor"
    assert (with_one["focal_spillover_cluster"] == "B").all()
    # Positions move as ever.
    assert without["final_position"].tolist() == [2, 3, 1, 4, 5]


@pytest.mark.parametrize(
    ("focal", "said"),
    [
        ([2, 2, 2, 4, 4, 1, 1], r"1 of 3 do not have .* \(first: slate 1\)"),
        ([9, 9, 9, 2, 2, 0, 0], r"2 of 3 do not have .* \(first: slate 0\)"),
    ],
)
def test_a_slate_without_an_item_at_its_focal_position_is_an_error(focal, said):
    slates = slates_of(exposure(["ABC", "AB", "CC"], [1, 1, 1], [0, 0, 0]))
    with pytest.raises(NetliftError, match=said):
        mapped(slates, focal)


def test_a_slate_with_two_items_at_one_position_is_an_error():
    slates = slates_of(exposure(["ABC", "AB"], [1, 1], [0, 0]))
    slates["slate_position_seed"] = [1, 2, 3, 2, 2]
    with pytest.raises(NetliftError, match="sorted by slate and position, each position once"):
        mapped(slates, [2] * 5)


# --- Rows of slates ------------------------------------------------------------------------------


def two_slates() -> pd.DataFrame:
    return items(["ABAB", "BBC"], [3, 1], [1, 0], ["0010", "011"])


def scattered() -> pd.DataFrame:
    log = two_slates()
    return pd.concat([log.iloc[:2], log.iloc[4:], log.iloc[2:4]])


def half_promoted() -> pd.DataFrame:
    log = two_slates()
    return log.assign(promotion_applied=[1, 1, 1, 1, 0, 1, 0])


WRONG_ROWS = {
    "must be consecutive": scattered,
    r"1 of 2 slates are promoted in some rows and not in others \(first: slate 1\)": half_promoted,
    "no rows, so there is no slate": lambda: two_slates().iloc[:0],
    r"1 of 2 slates do not have exactly one focal item \(first: slate 0\)": lambda: (
        two_slates().assign(is_focal_item=[True, False, True, False, True, False, False])
    ),
}


@pytest.mark.parametrize("said", WRONG_ROWS)
@pytest.mark.parametrize("reader", [slate_outcomes, ItemRows.from_items, slates_of_rows])
def test_rows_that_make_no_slates_are_an_error(said: str, reader: Callable[..., object]):
    with pytest.raises(NetliftError, match=said):
        reader(WRONG_ROWS[said]())


def test_rows_of_slates_by_hand():
    starts, slate = slates_of_rows(two_slates())
    assert starts.tolist() == [0, 4]
    assert slate.tolist() == [0] * 4 + [1] * 3


def test_item_rows_and_accounts_read_the_same_design():
    users = np.repeat(np.arange(15), 4)
    log = random_items(7, 60, (3, 7)).assign(promotion_probability=0.5)
    log["user_id"] = users[log["slate_id"]]
    log["promotion_applied"] = log["user_id"] % 2
    log["randomization_unit"] = log["user_id"]
    rows, accounts = ItemRows.from_items(log), Design.from_table(slate_outcomes(log))
    assert rows.design.unit_name == accounts.unit_name == "user"
    for name in ("promoted", "unit", "stratum", "probability"):
        assert np.array_equal(getattr(rows.design, name), getattr(accounts, name))
    assert np.array_equal(rows.unit, log["user_id"])
    assert np.array_equal(rows.promoted, log["promotion_applied"] == 1)
    assert np.array_equal(rows.per_slate(rows.click), log.groupby("slate_id")["click"].sum())
