"""Shares of the focal gain: parts that add up, and sets compared with tests of single shares."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from builders import compared, random_items
from scipy import stats

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.shares import shares

PARTS = ("direct_focal", "same_cluster_competitor", "other_competitor")
SAME, OTHER, ALL, LEFT, WITHIN = (
    "taken_from_same_cluster",
    "taken_from_other_clusters",
    "taken_from_competitors",
    "left_for_slate",
    "same_cluster_part",
)
MADE_OF = {
    SAME: ((0, -1, 0), (1, 0, 0)),
    OTHER: ((0, 0, -1), (1, 0, 0)),
    ALL: ((0, -1, -1), (1, 0, 0)),
    LEFT: ((1, 1, 1), (1, 0, 0)),
    WITHIN: ((0, 1, 0), (0, 1, 1)),
}
"""Weights of (focal, same-cluster, other) above and below the line, from the names."""

ESTIMATORS = ["difference_in_means", "difference_in_means_ols_error", "lin", "hajek"]
ESTIMATORS.append("horvitz_thompson")
NUMBERS = ["estimate", "ci_95_lower", "ci_95_upper", "interval_kind", "interval_text"]


def accounts_of(promoted, focal, same, other, **columns) -> pd.DataFrame:
    """Write slate accounts with observed clicks only, one number a slate."""
    clicks = zip(PARTS, (focal, same, other), strict=True)
    return pd.DataFrame({"promotion_applied": promoted}).assign(
        **{f"observed_clicks_{part}": np.asarray(values, float) for part, values in clicks},
        **columns,
    )


def simulated(seed: int = 1, n_slates: int = 600, probability=None) -> pd.DataFrame:
    accounts = slate_outcomes(random_items(seed, n_slates, (5, 8)))
    if probability is None:
        return accounts
    return accounts.assign(promotion_probability=probability)


def of(table: pd.DataFrame, estimator: str) -> pd.DataFrame:
    return table[table["estimator"] == estimator].set_index("metric")


def clicks_and_arm(accounts: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    clicks = accounts[[f"observed_clicks_{part}" for part in PARTS]].to_numpy()
    return clicks, (accounts["promotion_applied"] == 1).to_numpy()


# --- Values --------------------------------------------------------------------------------------


def test_shares_by_hand():
    table = shares(
        compared(
            accounts_of(
                promoted=[1, 1, 1, 1, 0, 0, 0, 0],
                focal=[1, 0, 1, 1, 0, 1, 0, 0],
                same=[0, 0, 1, 0, 1, 0, 1, 0],
                other=[2, 1, 2, 2, 2, 2, 3, 2],
            )
        )
    )
    # The focal item gains 3/4 - 1/4; same-cluster items lose 1/4, others 2/4.
    assert of(table, "difference_in_means")["estimate"].to_dict() == pytest.approx(
        {SAME: 0.5, OTHER: 1.0, ALL: 1.5, LEFT: -0.5, WITHIN: 1 / 3}, rel=1e-12
    )
    assert (table["unit"] == "ratio, without unit").all()
    assert "known_value" not in table


def test_every_estimator_has_every_share_of_what_it_is_a_share_of():
    table = shares(compared(simulated(probability=0.5)))
    keys = list(zip(table["estimator"], table["metric"], strict=True))
    assert keys == [(estimator, share) for estimator in ESTIMATORS for share in MADE_OF]
    assert table[[*NUMBERS, "known_value"]].notna().all(axis=None)
    named = {(1, 0, 0): "the focal gain", (0, 1, 1): "the change of all competitors"}
    assert list(table["denominator_label"]) == [named[bottom] for _, bottom in MADE_OF.values()] * 5


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_taken_and_what_is_left_add_up_to_the_gain(estimator, seed):
    probability = np.random.default_rng(seed).uniform(0.3, 0.7, 600)
    share = of(shares(compared(simulated(seed, probability=probability))), estimator)["estimate"]
    assert share[SAME] + share[OTHER] == pytest.approx(share[ALL], abs=1e-11)
    assert share[ALL] + share[LEFT] == pytest.approx(1, abs=1e-11)
    assert share[WITHIN] == pytest.approx(share[SAME] / share[ALL], rel=1e-10)


def test_shares_are_ratios_of_regressions_by_other_code():
    probability = np.random.default_rng(3).uniform(0.2, 0.8, 600)
    accounts = simulated(3, probability=probability)
    clicks, promoted = clicks_and_arm(accounts)
    table = shares(compared(accounts))
    received = np.where(promoted, probability, 1 - probability)
    design = sm.add_constant(promoted.astype(float))
    effects = {
        "difference_in_means": [sm.OLS(y, design).fit().params[1] for y in clicks.T],
        "hajek": [sm.WLS(y, design, weights=1 / received).fit().params[1] for y in clicks.T],
    }
    # The focal position is one more than the number of displaced items: it adds nothing.
    names = ["n_same_cluster", "n_displaced", "relevance_mean", "relevance_sd", "user_activity"]
    covariates = accounts[names].to_numpy(dtype=float)
    centered = (covariates - covariates.mean(axis=0)) / covariates.std(axis=0)
    lin = np.column_stack([design, centered, centered * promoted[:, None]])
    effects["lin"] = [sm.WLS(y, lin, weights=1 / received).fit().params[1] for y in clicks.T]
    effects["difference_in_means_ols_error"] = effects["difference_in_means"]
    for estimator, parts in effects.items():
        for share, (top, bottom) in MADE_OF.items():
            expected = np.dot(top, parts) / np.dot(bottom, parts)
            assert of(table, estimator).loc[share, "estimate"] == pytest.approx(expected, rel=1e-9)


def test_known_values_are_the_truth_over_both_arms():
    log = random_items(4, 200, 6)
    effect = (log["p_promoted"] - log["p_control"]).groupby(log["component"]).sum()
    focal, same, other = (effect[part] for part in PARTS)
    table = shares(compared(slate_outcomes(log)))
    for estimator in ESTIMATORS:
        assert of(table, estimator)["known_value"].to_dict() == pytest.approx(
            {
                SAME: -same / focal,
                OTHER: -other / focal,
                ALL: -(same + other) / focal,
                LEFT: (focal + same + other) / focal,
                WITHIN: same / (same + other),
            },
            rel=1e-10,
        )


def test_a_known_share_of_nothing_is_missing():
    log = random_items(4, 60, 6).assign(p_promoted=lambda table: table["p_control"])
    assert shares(compared(slate_outcomes(log)))["known_value"].isna().all()


# --- Sets ----------------------------------------------------------------------------------------


def welch(values: np.ndarray, promoted: np.ndarray) -> tuple[float, float, float]:
    """Difference in means, its error, and degrees of freedom."""
    test = stats.ttest_ind(values[promoted], values[~promoted], equal_var=False)
    difference = values[promoted].mean() - values[~promoted].mean()
    error = np.sqrt(sum(values[arm].var(ddof=1) / arm.sum() for arm in (promoted, ~promoted)))
    return difference, error, test.df


def pooled(values: np.ndarray, promoted: np.ndarray) -> tuple[float, float, float]:
    fit = sm.OLS(values, sm.add_constant(promoted.astype(float))).fit()
    return fit.params[1], fit.bse[1], fit.df_resid


def kept(ratios, accounts: pd.DataFrame, share: str, compare=welch) -> np.ndarray:
    """Test each ratio by itself: does numerator - ratio * denominator differ between arms?"""
    clicks, promoted = clicks_and_arm(accounts)
    top, bottom = (clicks @ weights for weights in MADE_OF[share])
    critical = stats.t.ppf(0.975, min(compare(y, promoted)[2] for y in (top, bottom)))

    def one(ratio: float) -> bool:
        difference, error, _ = compare(top - ratio * bottom, promoted)
        return bool(abs(difference) <= critical * error)

    return np.array([one(ratio) for ratio in ratios])


def assert_set_is_what_tests_keep(row: pd.Series, accounts, share, compare=welch) -> None:
    # Tangents of angles between -90 and 90 degrees reach far out on both sides.
    grid = np.tan(np.linspace(-np.pi / 2, np.pi / 2, 62)[1:-1])
    inside = kept(grid, accounts, share, compare)
    if row["interval_kind"] == "everything":
        assert inside.all()
        assert pd.isna(row["ci_95_lower"])
        assert pd.isna(row["ci_95_upper"])
        return
    ends = row["ci_95_lower"], row["ci_95_upper"]
    between = (grid >= ends[0]) & (grid <= ends[1])
    assert np.array_equal(inside, between if row["interval_kind"] == "interval" else ~between)
    # A hair on each side of an end, the test changes its mind.
    for end in ends:
        hair = max(abs(end), 1e-3) * 1e-7
        below, above = kept([end - hair, end + hair], accounts, share, compare)
        assert below != above


@pytest.mark.parametrize(("seed", "n_slates"), [(1, 600), (2, 120), (5, 40), (11, 30)])
def test_sets_are_what_tests_of_single_shares_do_not_reject(seed, n_slates):
    accounts = simulated(seed, n_slates)
    table = shares(compared(accounts))
    for share in MADE_OF:
        row = of(table, "difference_in_means").loc[share]
        assert_set_is_what_tests_keep(row, accounts, share)


def test_sets_with_plain_ols_errors_are_what_plain_ols_does_not_reject():
    accounts = simulated(2, 120)
    for share, row in of(shares(compared(accounts)), "difference_in_means_ols_error").iterrows():
        assert_set_is_what_tests_keep(row, accounts, share, pooled)


def undecided_gain(lost: bool) -> pd.DataFrame:
    """Write accounts whose focal gain is about zero, and whose competitors lose or do not."""
    rng = np.random.default_rng(2)
    arm = np.tile([1, 0], 60)
    focal, same = rng.integers(0, 2, 120), rng.integers(0, 2, 120)
    other = rng.integers(0, 2, 120) - (2 * arm if lost else 0)
    return accounts_of(arm, focal, same, other + 2)


def test_a_set_may_be_all_but_an_interval_and_is_said_to_be_in_words():
    accounts = undecided_gain(lost=True)
    row = of(shares(compared(accounts)), "difference_in_means").loc[ALL]
    assert row["interval_kind"] == "outside"
    assert_set_is_what_tests_keep(row, accounts, ALL)
    lower, upper = row["ci_95_lower"], row["ci_95_upper"]
    assert row["interval_text"] == (
        f"unbounded: below {lower:.3f} or above {upper:.3f}, since the focal gain may be zero"
    )


def test_a_set_may_be_everything_and_is_said_to_be_in_words():
    accounts = undecided_gain(lost=False)
    table = of(shares(compared(accounts)), "difference_in_means")
    for share, may_be_zero in (
        (SAME, "the focal gain"),
        (WITHIN, "the change of all competitors"),
    ):
        row = table.loc[share]
        assert row["interval_kind"] == "everything"
        assert_set_is_what_tests_keep(row, accounts, share)
        assert row["interval_text"] == f"unbounded: any number, since {may_be_zero} may be zero"


def test_an_interval_is_said_by_its_ends():
    for _, row in of(shares(compared(simulated())), "difference_in_means").iterrows():
        assert row["interval_kind"] == "interval"
        ends = f"{row['ci_95_lower']:.3f}", f"{row['ci_95_upper']:.3f}"
        assert row["interval_text"] == f"from {ends[0]} to {ends[1]}"


# --- Probabilities of promotion ------------------------------------------------------------------


def test_without_probabilities_hajeks_shares_are_missing_and_the_others_are_not():
    table = shares(compared(simulated()))
    hajek = of(table, "hajek")
    assert len(hajek) == len(MADE_OF)
    assert hajek[NUMBERS].isna().all(axis=None)
    assert (hajek["note"] == "not estimated: the probabilities of promotion are not known").all()
    rest = table[~table["estimator"].isin(["hajek", "horvitz_thompson"])]
    assert rest["estimate"].notna().all()
    assert rest["note"].isna().all()
    # What is known does not need an estimator.
    assert hajek["known_value"].notna().all()


@pytest.mark.parametrize("probability", [0.5, 0.2])
def test_with_one_probability_for_all_hajeks_shares_are_those_of_plain_means(probability):
    table = shares(compared(simulated(probability=probability)))
    plain, hajek = of(table, "difference_in_means"), of(table, "hajek")
    for column in ("estimate", "ci_95_lower", "ci_95_upper"):
        assert hajek[column].to_list() == pytest.approx(plain[column].to_list(), rel=1e-9)
    assert list(hajek["interval_text"]) == list(plain["interval_text"])


# --- Degenerate accounts -------------------------------------------------------------------------


def test_competitors_that_never_change_have_nothing_taken_from_them():
    arm = np.tile([1, 0], 30)
    focal = np.where(arm, np.random.default_rng(9).integers(0, 3, 60), 0)
    table = of(
        shares(compared(accounts_of(arm, focal, np.ones(60), np.zeros(60)))),
        "difference_in_means",
    )
    for share, value in ((SAME, 0), (OTHER, 0), (ALL, 0), (LEFT, 1)):
        row = table.loc[share]
        assert row[["estimate", "ci_95_lower", "ci_95_upper"]].to_list() == pytest.approx(
            [value] * 3, abs=1e-12
        )
    assert pd.isna(table.loc[WITHIN, "estimate"])
    assert table.loc[WITHIN, "interval_kind"] == "everything"


def test_constant_clicks_have_no_shares_and_say_that_any_number_would_do():
    arm = np.tile([1, 0], 10)
    table = shares(compared(accounts_of(arm, np.ones(20), np.ones(20), np.zeros(20))))
    estimated = table[~table["estimator"].isin(["hajek", "horvitz_thompson"])]
    assert estimated[["estimate", "ci_95_lower", "ci_95_upper"]].isna().all(axis=None)
    assert (estimated["interval_kind"] == "everything").all()


def test_too_few_slates_in_an_arm_are_an_error():
    with pytest.raises(NetliftError, match="1 promoted slates of 4"):
        shares(compared(accounts_of([1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0], [0, 1, 0, 0])))


@pytest.mark.parametrize("size", [1.0, 1e-6, 1e9])
def test_rounding_errors_are_neither_denominators_nor_gains(size):
    """Parts that add up to one number in every slate, up to rounding, whatever their size."""
    rng = np.random.default_rng(4)
    promoted = np.arange(60) % 2
    focal, same = size * rng.random(60), size * rng.random(60)
    rounded = size * (1 + 1e-15 * rng.random(60))
    accounts = accounts_of(promoted, rounded, same, rounded - same)
    table = shares(compared(accounts))
    of_gain = table[table["estimator"].isin(ESTIMATORS[:3]) & (table["denominator"] == "direct")]
    assert of_gain["estimate"].isna().all()
    assert set(of_gain["note"]) == {"the focal gain is 0, and has no shares"}
    accounts = accounts_of(promoted, focal, same, rounded - same - focal)
    table = shares(compared(accounts))
    left = table[table["estimator"].isin(ESTIMATORS[:3]) & (table["metric"] == LEFT)]
    assert set(left["interval_kind"]) <= {"everything", "interval"}
    assert (left["estimate"] == 0).all()
