"""Estimates, joint covariances and confidence sets, compared with other packages and by hand."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from netlift.core.errors import NetliftError
from netlift.inference.arms import ArmDifference
from netlift.inference.estimate import Estimate, fieller, quantile_t

WEIGHTS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1), (2, -1, 0.5)]


def experiment(seed: int = 0, n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Draw three correlated outcomes with unequal variances in two arms of unequal size."""
    rng = np.random.default_rng(seed)
    promoted = np.arange(n) < n // 3
    mix = np.array([[1.0, 0.3, 0.0], [0.0, 2.0, -0.5], [0.4, 0.0, 0.7]])
    outcomes = rng.normal(size=(n, 3)) @ mix + rng.poisson(2, (n, 1))
    outcomes[promoted] *= 1.8
    return outcomes, promoted


# --- Estimates -----------------------------------------------------------------------------------


@pytest.mark.parametrize("df", [1, 4.5, 30])
def test_intervals_are_those_of_the_t_distribution(df):
    lower, upper = Estimate(2.0, 0.5, df).interval
    assert (lower, upper) == pytest.approx(stats.t.interval(0.95, df, loc=2.0, scale=0.5), rel=1e-9)


def test_infinite_degrees_of_freedom_give_the_normal_interval():
    assert Estimate(0.0, 1.0, np.inf).interval[1] == pytest.approx(1.959963984540054, rel=1e-12)
    assert quantile_t(0.9, np.inf) == pytest.approx(stats.norm.ppf(0.9), rel=1e-12)


@pytest.mark.parametrize(("value", "sign"), [(2.0, 1), (-2.0, -1), (1.9, 0), (-1.9, 0), (0.0, 0)])
def test_a_sign_is_given_only_where_the_interval_excludes_zero(value, sign):
    # The half-width is 1.96.
    assert Estimate(value, 1.0, np.inf).sign == sign


def test_an_interval_that_touches_zero_covers_it():
    assert Estimate(0.0, 0.0, np.inf).sign == 0


@pytest.mark.parametrize("value", [6e-17, -6e-17])
def test_an_effect_that_is_only_rounding_has_no_sign(value):
    assert Estimate(value, 0.0, np.inf).sign == 0
    assert Estimate(1e4 * value, 0.0, np.inf).sign == 0
    assert Estimate(1e8 * value, 0.0, np.inf).sign == np.sign(value)


def test_another_unit_scales_the_estimate_and_its_error_but_not_the_verdict():
    scaled = Estimate(-2.0, 0.5, 7).scaled(-1000)
    assert scaled == Estimate(2000.0, 500.0, 7)
    assert Estimate(-2.0, 0.5, 7).scaled(1000).sign == Estimate(-2.0, 0.5, 7).sign == -1


# --- Differences between arms --------------------------------------------------------------------


def test_difference_and_neyman_error_by_hand():
    outcomes = np.array([[1.0], [3.0], [0.0], [0.0], [3.0]])
    arms = ArmDifference.from_outcomes(outcomes, np.array([True, True, False, False, False]))
    # Means 2 and 1; variances 2 and 3; 2/2 + 3/3 = 2.
    estimate = arms.combination((1,))
    assert estimate.value == 1.0
    assert estimate.se == pytest.approx(2**0.5, rel=1e-15)
    # Welch: 2^2 / (1^2/1 + 1^2/2) = 8/3. Pooled variance (1*2 + 2*3)/3 = 8/3, times 1/2 + 1/3.
    assert estimate.df == pytest.approx(8 / 3, rel=1e-15)
    assert arms.pooled().combination((1,)).se == pytest.approx((8 / 3 * 5 / 6) ** 0.5, rel=1e-15)
    assert arms.pooled().combination((1,)).df == 3
    assert (arms.treated.slates, arms.control.slates) == (2, 3)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_errors_are_hc2_and_plain_ols_of_statsmodels(weights):
    outcomes, promoted = experiment()
    arms = ArmDifference.from_outcomes(outcomes, promoted)
    ols = sm.OLS(outcomes @ np.array(weights), sm.add_constant(promoted.astype(float)))
    robust, plain = arms.combination(weights), arms.pooled().combination(weights)
    assert robust.value == plain.value == pytest.approx(ols.fit().params[1], rel=1e-12)
    assert robust.se == pytest.approx(ols.fit(cov_type="HC2").bse[1], rel=1e-12)
    assert plain.se == pytest.approx(ols.fit().bse[1], rel=1e-12)
    assert plain.interval == pytest.approx(tuple(ols.fit().conf_int()[1]), rel=1e-10)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_intervals_are_those_of_welchs_test(weights):
    outcomes, promoted = experiment()
    y = outcomes @ np.array(weights)
    welch = stats.ttest_ind(y[promoted], y[~promoted], equal_var=False)
    estimate = ArmDifference.from_outcomes(outcomes, promoted).combination(weights)
    assert estimate.df == pytest.approx(welch.df, rel=1e-12)
    assert estimate.interval == pytest.approx(tuple(welch.confidence_interval()), rel=1e-10)


def test_joint_covariance_is_that_of_all_pairs_of_outcomes():
    outcomes, promoted = experiment()
    arms = ArmDifference.from_outcomes(outcomes, promoted)
    for i in range(3):
        for j in range(3):
            plus = sm.OLS(outcomes[:, i] + outcomes[:, j], sm.add_constant(promoted * 1.0))
            minus = sm.OLS(outcomes[:, i] - outcomes[:, j], sm.add_constant(promoted * 1.0))
            for covariance, kind in (
                (arms.covariance, "HC2"),
                (arms.pooled().covariance, "nonrobust"),
            ):
                # cov(a, b) = (var(a + b) - var(a - b)) / 4.
                polar = plus.fit(cov_type=kind).bse[1] ** 2 - minus.fit(cov_type=kind).bse[1] ** 2
                assert covariance[i, j] == pytest.approx(polar / 4, abs=1e-13)


@pytest.mark.parametrize(("promoted", "name"), [(0, "promoted"), (1, "promoted"), (4, "control")])
def test_an_arm_with_fewer_than_two_slates_is_an_error_that_says_which(promoted, name):
    outcomes = np.arange(5.0)[:, None]
    n = promoted if name == "promoted" else 5 - promoted
    with pytest.raises(
        NetliftError, match=rf"^{n} {name} slates of 5 slates: .*at least 2 .*Take more"
    ):
        ArmDifference.from_outcomes(outcomes, np.arange(5) < promoted)


def test_constant_outcomes_have_zero_error_and_no_missing_number():
    outcomes = np.column_stack([np.full(6, 2.0), np.zeros(6)])
    arms = ArmDifference.from_outcomes(outcomes, np.arange(6) < 3)
    for weights in ((1, 0), (0, 1)):
        for estimate in (arms.combination(weights), arms.pooled().combination(weights)):
            assert (estimate.value, estimate.se) == (0.0, 0.0)
            assert estimate.interval == (0.0, 0.0)


def test_an_arm_in_which_nothing_varies_has_the_other_arms_variance():
    promoted = np.arange(8) < 2
    outcomes = np.array([0, 0, 1, 3, 0, 2, 1, 5], dtype=float)[:, None]
    estimate = ArmDifference.from_outcomes(outcomes, promoted).combination((1,))
    one = np.var([1, 3, 0, 2, 1, 5], ddof=1)
    assert estimate.se == pytest.approx((one / 2 + one / 6) ** 0.5, rel=1e-12)
    # Welch, with the two promoted slates' single degree of freedom.
    assert estimate.df == pytest.approx((1 / 2 + 1 / 6) ** 2 / (1 / 4 + 1 / 36 / 5), rel=1e-12)
    exact = replace(ArmDifference.from_outcomes(outcomes, promoted), exact=True).combination((1,))
    assert exact.se == pytest.approx((one / 6) ** 0.5, rel=1e-12)


def test_arms_that_differ_and_do_not_vary_have_the_variance_of_all_slates_together():
    promoted = np.arange(7) < 3
    estimate = ArmDifference.from_outcomes(
        np.where(promoted, 1.0, 0.0)[:, None], promoted
    ).combination((1,))
    variance = np.var(promoted.astype(float), ddof=1) * (1 / 3 + 1 / 4)
    assert estimate.se == pytest.approx(variance**0.5, rel=1e-12)
    assert 0 < estimate.df < 6
    assert np.isfinite(estimate.interval).all()


def test_rare_clicks_in_a_small_arm_are_covered():
    # 12 of 100 slates promoted, 2% of slates clicked in either arm: four in five draws have no
    # click among the promoted. With their variance taken as 0 most of these would miss.
    rng = np.random.default_rng(5)
    promoted, covered = np.arange(100) < 12, 0
    for _ in range(1000):
        clicks = (rng.random((100, 1)) < 0.02).astype(float)
        lower, upper = ArmDifference.from_outcomes(clicks, promoted).combination((1,)).interval
        covered += lower <= 0 <= upper
    assert covered > 950 - 4 * 6.9


def test_intervals_cover_a_known_difference_as_often_as_they_say():
    rng = np.random.default_rng(20260428)
    promoted = np.arange(40) < 12
    covered = 0
    for _ in range(2000):
        outcomes = rng.normal(size=(40, 2)) * np.where(promoted, 3.0, 1.0)[:, None]
        outcomes[promoted] += 0.7
        lower, upper = ArmDifference.from_outcomes(outcomes, promoted).combination((1, 1)).interval
        covered += lower <= 1.4 <= upper
    # 1,900 expected, standard deviation 9.7: 4 of them (Welch's interval is not quite exact).
    assert abs(covered - 1900) < 4 * 9.7


# --- Fieller's sets ------------------------------------------------------------------------------


def in_fieller_set(ratio: np.ndarray, a: float, b: float, covariance, df: float) -> np.ndarray:
    """Test each ratio by itself: is a - ratio * b within t of zero?"""
    (vaa, vab), (_, vbb) = covariance
    distance = np.abs(a - ratio * b) / np.sqrt(vaa - 2 * ratio * vab + ratio**2 * vbb)
    return distance <= stats.t.ppf(0.975, df)


FIELLER_CASES = {
    "interval": (-0.48, 0.17, [[0.0030, -0.0002], [-0.0002, 0.0004]], 400.0),
    "interval around zero": (0.02, 0.17, [[0.0030, 0.0001], [0.0001, 0.0004]], 12.0),
    "outside": (-0.48, 0.02, [[0.0030, -0.0002], [-0.0002, 0.0004]], 400.0),
    "everything": (-0.05, 0.02, [[0.0030, -0.0002], [-0.0002, 0.0004]], 400.0),
}


@pytest.mark.parametrize("case", FIELLER_CASES)
def test_fiellers_set_is_the_set_of_ratios_that_a_test_does_not_reject(case):
    a, b, covariance, df = FIELLER_CASES[case]
    found = fieller(a, b, np.array(covariance), df)
    assert found.kind == case.split()[0]
    assert found.value == a / b
    # Tangents of angles between -90 and 90 degrees reach far out on both sides.
    grid = np.tan(np.linspace(-np.pi / 2, np.pi / 2, 200_001)[1:-1])
    inside = in_fieller_set(grid, a, b, covariance, df)
    if found.kind == "everything":
        assert inside.all()
        assert (found.lower, found.upper) == (None, None)
        return
    between = (grid >= found.lower) & (grid <= found.upper)
    assert np.array_equal(inside, between if found.kind == "interval" else ~between)
    assert 0 < inside.sum() < len(grid)
    # A hair on each side of an end, the test changes its mind: the ends are exact.
    for end in (found.lower, found.upper):
        hair = abs(end) * 1e-9
        assert in_fieller_set(np.array([end - hair]), a, b, covariance, df) != in_fieller_set(
            np.array([end + hair]), a, b, covariance, df
        )


def test_the_ratio_itself_always_lies_in_its_set():
    rng = np.random.default_rng(6)
    kinds = set()
    for _ in range(300):
        a, b = rng.normal(size=2)
        root = rng.normal(size=(2, 2)) * rng.choice([0.1, 0.6])
        found = fieller(a, b, root @ root.T, 20.0)
        kinds.add(found.kind)
        between = found.lower is not None and found.lower <= found.value <= found.upper
        assert between == (found.kind == "interval"), found
    assert kinds == {"interval", "outside", "everything"}


def test_a_ratio_without_a_denominator_is_missing():
    zero = fieller(0.5, 0.0, np.array([[0.01, 0.0], [0.0, 0.01]]), 50.0)
    assert (zero.value, zero.kind) == (None, "outside")
    nothing = fieller(0.5, 0.0, np.zeros((2, 2)), 50.0)
    assert (nothing.value, nothing.lower, nothing.upper) == (None, None, None)
    assert nothing.kind == "everything"


def test_a_ratio_of_certain_numbers_is_certain():
    found = fieller(-0.3, 0.2, np.zeros((2, 2)), np.inf)
    assert (found.value, found.lower, found.upper) == pytest.approx((-1.5, -1.5, -1.5), rel=1e-15)
    assert found.kind == "interval"


def test_fiellers_set_covers_the_true_ratio_as_often_as_it_says_even_near_a_zero_denominator():
    rng = np.random.default_rng(8)
    covariance = np.array([[0.04, -0.01], [-0.01, 0.02]])
    true = np.array([-0.6, 0.3])
    covered = 0
    for a, b in rng.multivariate_normal(true, covariance, 4000):
        found = fieller(a, b, covariance, np.inf)
        if found.kind == "everything":
            covered += 1
        else:
            covered += (found.lower <= -2.0 <= found.upper) == (found.kind == "interval")
    # 3,800 expected, standard deviation 13.8: 4 of them, false alarm 0.006%.
    assert abs(covered - 3800) < 4 * 13.8


@pytest.mark.parametrize("seed", range(20))
def test_a_sum_that_never_varies_has_no_error_and_not_an_error_that_is_no_number(seed):
    # Rounding leaves w'Vw a little below zero in about half of these.
    parts, promoted = experiment(seed)
    outcomes = np.column_stack([parts[:, :2], 7.3 - parts[:, :2].sum(axis=1)])
    arms = ArmDifference.from_outcomes(outcomes, promoted)
    for estimate in (arms.combination((1, 1, 1)), arms.pooled().combination((1, 1, 1))):
        assert 0 <= estimate.se < 1e-6
        assert np.isfinite(estimate.interval).all()


@pytest.mark.parametrize("n", [200, 3000, 100_001])
@pytest.mark.parametrize("clicked", [True, False])
def test_one_click_among_many_slates_leaves_the_other_arm_without_variance(n, clicked):
    """By hand: the arm without a click is given the other's variance per slate."""
    promoted = np.arange(n) % 2 == 0
    outcomes = np.zeros((n, 2))
    outcomes[[promoted, ~promoted][not clicked].argmax(), 0] = 1
    arms = ArmDifference.from_outcomes(outcomes, promoted)
    here, there = (arms.treated, arms.control)[:: 1 if clicked else -1]
    assert here.combination((1, 0)).se == pytest.approx(1 / here.slates, rel=1e-9)
    assert there.combinations([(1, 0), (0, 1), (1, 1)]).se.tolist() == [0, 0, 0]
    expected = np.sqrt(1 / here.slates**2 + 1 / here.slates / there.slates)
    assert arms.combination((1, 0)).se == pytest.approx(expected, rel=1e-9)
