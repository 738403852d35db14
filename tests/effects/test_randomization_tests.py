"""Randomization tests, compared with all possible assignments, and in many experiments."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from builders import items, random_items
from scipy import stats

from netlift.core.errors import NetliftError
from netlift.effects.item_rows import ItemRows
from netlift.effects.randomization_tests import HYPOTHESES, hypothesis_rows, randomization_tests
from netlift.inference import randomization as arrays_module
from netlift.inference.randomization import (
    Statistics,
    assignments,
    closed_test,
    disjoint_cells,
    p_value,
)
from netlift.promotion.design import Design

NEAR = 2
NUMBERS = [
    "estimate",
    "null_95_lower",
    "null_95_upper",
    "statistic",
    "p_value",
    "p_value_adjusted",
]
LABELS = [hypothesis.code for hypothesis in HYPOTHESES]


def results(log: pd.DataFrame, *, permutations: int = 99, seed: int = 3, **more) -> pd.DataFrame:
    settings = {"near_positions": NEAR, "permutations": permutations, "seed": seed}
    table = randomization_tests(log, **settings | more)
    return table.set_index("hypothesis")


def sums_by_hand(log: pd.DataFrame) -> np.ndarray:
    """Sum clicks of each hypothesis's rows over slates, from the words that describe them."""
    above = log["focal_seed_position"] - log["slate_position_seed"]
    same_cluster = log["spillover_cluster"] == log["focal_spillover_cluster"]
    sets = [
        above != 0,
        (above != 0) & same_cluster,
        ~same_cluster,
        above < 0,
        (above > 0) & (above <= NEAR),
    ]
    columns = [log["click"].where(rows, 0).groupby(log["slate_id"]).sum() for rows in sets]
    return np.column_stack(columns).astype(float)


def small_log(
    seed: int = 1, n_slates: int = 8, promoted: Sequence[int] = (1, 0) * 4, **columns: object
) -> pd.DataFrame:
    """Draw a log with a given assignment; further columns are given by slate."""
    rng = np.random.default_rng(seed)
    slates = ["".join(rng.choice(list("AB"), 6)) for _ in range(n_slates)]
    clicks = ["".join(rng.choice(list("01"), 6, p=[0.6, 0.4])) for _ in range(n_slates)]
    log = items(slates, rng.integers(3, 6, n_slates).tolist(), promoted, clicks)
    return log.assign(**{name: np.repeat(values, 6) for name, values in columns.items()})


def design_of(
    promoted: Sequence[int],
    unit: Sequence[int] | None = None,
    stratum: Sequence[int] | None = None,
    probability: Sequence[float] | None = None,
) -> Design:
    n = len(promoted)
    return Design(
        np.array(promoted) == 1,
        np.arange(n) if unit is None else np.array(unit),
        np.zeros(n, dtype=np.int64) if stratum is None else np.array(stratum),
        None if probability is None else np.array(probability, dtype=float),
        "slate" if unit is None else "user",
    )


def every_assignment(n: int, k: int) -> np.ndarray:
    return np.array([np.isin(np.arange(n), chosen) for chosen in combinations(range(n), k)])


def drawn_from(design: Design, draws: int, seed: int = 5) -> np.ndarray:
    return np.concatenate(list(assignments(design, seed=seed, draws=draws)))


# --- The statistic -------------------------------------------------------------------------------


def test_estimates_and_statistics_are_those_of_welchs_test_on_sums_of_slates():
    log = random_items(1, 60, (3, 9))
    arm = log.groupby("slate_id")["promotion_applied"].first().to_numpy() == 1
    table, plain = results(log), results(log, studentized=False)
    assert table.index.tolist() == LABELS
    for label, y in zip(LABELS, sums_by_hand(log).T, strict=True):
        welch = stats.ttest_ind(y[arm], y[~arm], equal_var=False)
        assert table.loc[label, "statistic"] == pytest.approx(welch.statistic, rel=1e-10)
        assert table.loc[label, "estimate"] == pytest.approx(
            y[arm].mean() - y[~arm].mean(), abs=1e-13
        )
        assert plain.loc[label, "statistic"] == plain.loc[label, "estimate"]
    assert set(table["statistic_text"]) == {"difference / standard error"}
    assert set(plain["statistic_text"]) == {"difference"}


def test_rows_and_slates_of_each_hypothesis_by_hand():
    # Above the third item, the focal one: two items near with two positions, one with one.
    log = items(["ABAAC", "BBC", "AB"], [3, 2, 1], [1, 0, 1], ["00000", "000", "00"])
    log = pd.concat([log, log.assign(slate_id=log["slate_id"] + 3, promotion_applied=0)])
    table = results(log)
    # Half of them: non-focal 4 + 2 + 1; same cluster 2 + 1 + 0; below 2 + 1 + 1; near 2 + 1 + 0.
    assert table["rows"].tolist() == [14, 6, 8, 8, 6]
    assert table["slates"].tolist() == [6, 4, 6, 6, 4]
    assert results(log, near_positions=1)["rows"].tolist() == [14, 6, 8, 8, 4]
    assert "at most 1 positions above" in results(log, near_positions=1)["null_hypothesis"].iloc[-1]


def regressed(y: np.ndarray, design: Design, arm: np.ndarray) -> tuple[float, float]:
    """Return difference and t: each arm's mean with statsmodels' error clustered by unit."""
    centered = y - pd.Series(y).groupby(design.stratum).transform("mean").to_numpy()
    probability = np.ones(len(y)) if design.probability is None else design.probability
    means, variances = [], []
    for own, share in ((arm, probability), (~arm, 1 - probability)):
        weights = np.ones(own.sum()) if design.probability is None else 1 / share[own]
        fit = sm.WLS(centered[own], np.ones(own.sum()), weights=weights).fit(
            cov_type="cluster", cov_kwds={"groups": design.unit[own]}
        )
        means.append(fit.params[0])
        variances.append(fit.bse[0] ** 2)
    return means[0] - means[1], (means[0] - means[1]) / np.sqrt(sum(variances))


STATISTIC_CASES = {
    "slates": {},
    "users with one to three slates": {"unit": [0, 0, 1, 2, 2, 2, 3, 4, 4, 5, 6, 6]},
    "slates in strata": {"stratum": [0, 1, 1, 2, 2, 0, 0, 1, 2, 0, 1, 2]},
    "users in strata": {
        "unit": [0, 0, 1, 2, 2, 2, 3, 4, 4, 5, 6, 6],
        "stratum": [0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1],
    },
    "slates with unequal probabilities": {"probability": np.linspace(0.2, 0.8, 12)},
    "users with unequal probabilities": {
        "unit": [0, 0, 1, 2, 2, 2, 3, 4, 4, 5, 6, 6],
        "probability": np.linspace(0.2, 0.8, 7)[[0, 0, 1, 2, 2, 2, 3, 4, 4, 5, 6, 6]],
    },
}


@pytest.mark.parametrize("case", STATISTIC_CASES)
def test_statistics_of_every_assignment_are_statsmodels_clustered_means(case):
    rng = np.random.default_rng(2)
    outcomes = rng.poisson(2, (12, 2)) + rng.normal(size=(12, 2))
    design = design_of(np.arange(12) < 6, **STATISTIC_CASES[case])
    assigned = every_assignment(design.n_units, design.n_units // 2)
    assigned = assigned[rng.permutation(len(assigned))[:60]]
    difference, t = Statistics.from_outcomes(outcomes, design)(assigned.astype(float))
    plain, same = Statistics.from_outcomes(outcomes, design, studentized=False)(
        assigned.astype(float)
    )
    assert np.array_equal(plain, same)
    assert np.array_equal(plain, difference)
    for row, chosen in enumerate(assigned):
        for column in range(2):
            expected = regressed(outcomes[:, column], design, chosen[design.unit])
            found = difference[row, column], t[row, column]
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_within_strata_of_different_shares_the_difference_is_the_mean_of_those_of_the_strata():
    # Strata of 4 and 6 slates, of which 2 and 2 are promoted, as a stratified design does it.
    stratum = np.repeat([3, 7], [4, 6])
    promoted = np.array([1, 1, 0, 0, 1, 1, 0, 0, 0, 0])
    log = small_log(
        4,
        10,
        promoted.tolist(),
        randomization_stratum=stratum,
        promotion_probability=np.where(stratum == 3, 1 / 2, 1 / 3),
    )
    table = results(log)
    for label, y in zip(LABELS, sums_by_hand(log).T, strict=True):
        own = [
            y[(stratum == s) & (promoted == 1)].mean() - y[(stratum == s) & (promoted == 0)].mean()
            for s in (3, 7)
        ]
        assert table.loc[label, "estimate"] == pytest.approx(0.4 * own[0] + 0.6 * own[1], abs=1e-12)
    assert set(table["permuted_units"]) == {"slates within strata"}


# --- P-values ------------------------------------------------------------------------------------


def enumerated(
    y: np.ndarray, assigned: np.ndarray, observed: np.ndarray, design: Design, studentized: bool
) -> np.ndarray:
    """Return the share of all assignments at least as extreme as the one observed, by hypothesis.

    The first hypothesis, on all rows, is tested by the largest of the five statistics, each over
    the root of its mean square; the others by their own.
    """
    reached, own = [], []
    for column in y.T:
        with np.errstate(divide="ignore", invalid="ignore"):
            pairs = [regressed(column, design, arm[design.unit]) for arm in assigned]
            pair = regressed(column, design, observed[design.unit])
        values = np.abs(np.array(pairs)[:, int(studentized)])
        scale = np.sqrt(np.mean(values[np.isfinite(values)] ** 2))
        reached.append(values / scale)
        own.append(abs(pair[int(studentized)]) / scale)
    reached[0], own[0] = np.max(reached, axis=0), np.max(own)
    return np.array([np.mean(r >= o - 1e-9) for r, o in zip(reached, own, strict=True)])


def test_the_hypotheses_of_small_logs_are_parts_of_the_first_only():
    """So that ``enumerated`` knows which statistics each is tested by."""
    for log in (small_log(12), small_log(20, 16, [1, 0] * 8), small_log(22, 9, [1, 0, 0] * 3)):
        assert results(log)["includes"].tolist() == ["; ".join(LABELS[1:]), "", "", "", ""]


def close_to_shares(p_values: np.ndarray, shares: np.ndarray, draws: int) -> bool:
    # 4.5 standard deviations of a share of the draws: false alarm 0.0007% for each.
    margin = 4.5 * np.sqrt(shares * (1 - shares) / draws) + 1 / draws
    return bool((np.abs(p_values - shares) < margin).all())


@pytest.mark.parametrize("studentized", [True, False])
def test_p_values_are_shares_of_all_assignments_of_slates(studentized):
    log = small_log(12)
    observed = log.groupby("slate_id")["promotion_applied"].first().to_numpy() == 1
    table = results(log, permutations=4000, studentized=studentized)
    shares = enumerated(
        sums_by_hand(log), every_assignment(8, 4), observed, design_of(observed), studentized
    )
    assert shares.min() < 0.1
    assert close_to_shares(table["p_value"].to_numpy(float), shares, 4000), (table, shares)


def test_p_values_are_shares_of_all_assignments_of_users():
    users = np.repeat(np.arange(8), [1, 2, 3, 2, 1, 2, 3, 2])
    by_user = np.array([1, 1, 1, 0, 0, 1, 0, 0])
    log = small_log(20, 16, by_user[users].tolist(), user_id=users, randomization_unit=users)
    table = results(log, permutations=4000)
    design = design_of(by_user[users], unit=users)
    shares = enumerated(sums_by_hand(log), every_assignment(8, 4), by_user == 1, design, True)
    assert close_to_shares(table["p_value"].to_numpy(float), shares, 4000), (table, shares)
    assert set(table["permuted_units"]) == {"users"}


def test_p_values_are_shares_of_all_assignments_within_strata():
    stratum = np.repeat([1, 2], [4, 5])
    promoted = [1, 0, 1, 0, 0, 1, 1, 0, 0]
    log = small_log(22, 9, promoted, randomization_stratum=stratum)
    table = results(log, permutations=4000)
    both = product(every_assignment(4, 2), every_assignment(5, 2))
    assigned = np.array([np.r_[first, second] for first, second in both])
    design = design_of(promoted, stratum=stratum)
    shares = enumerated(sums_by_hand(log), assigned, np.array(promoted) == 1, design, True)
    assert close_to_shares(table["p_value"].to_numpy(float), shares, 4000), (table, shares)


def test_the_null_range_is_that_of_the_difference_over_all_assignments():
    log = small_log(0)
    table = results(log, permutations=4000)
    y = sums_by_hand(log)
    for label, column in zip(LABELS, y.T, strict=True):
        reached = np.array([column[a].mean() - column[~a].mean() for a in every_assignment(8, 4)])
        lower, upper = table.loc[label, ["null_95_lower", "null_95_upper"]]
        # 2.5% each, of 70 assignments with equal chances: 1.3% to 4.3% allow for their lumps.
        assert np.mean(reached < lower - 1e-9) <= 0.043
        assert np.mean(reached <= lower + 1e-9) >= 0.013
        assert (lower, upper) == pytest.approx((-upper, -lower), abs=0.26)


def test_a_p_value_counts_draws_at_least_as_extreme_and_the_observed_one():
    assert p_value(2.0, np.array([0.0, 1.9, 2.0, 5.0])) == 3 / 5
    assert p_value(6.0, np.array([0.0, 1.9, 2.0, 5.0])) == 1 / 5
    assert p_value(0.0, np.zeros(3)) == 1.0
    assert p_value(np.inf, np.array([1.0, np.inf])) == 2 / 3
    # A tie up to rounding is a tie.
    assert p_value(0.1 + 0.2, np.array([0.3, 0.29])) == 2 / 3


def test_clicks_on_focal_items_do_not_matter():
    log = random_items(3, 40, (3, 8))
    changed = log.assign(click=log["click"].where(~log["is_focal_item"], 1 - log["click"]))
    assert (changed["click"] != log["click"]).sum() == 40
    pd.testing.assert_frame_equal(results(changed), results(log))


@pytest.mark.parametrize("columns", [{}, {"randomization_stratum": [1, 1, 1, 1, 2, 2, 2, 2]}])
def test_the_same_p_values_by_slate_whatever_slates_are_called(columns):
    log = small_log(8, **columns)
    renamed = log.assign(slate_id=["s" + str(900 - number) for number in log["slate_id"]])
    if columns:
        renamed["randomization_stratum"] = renamed["randomization_stratum"].map({1: "x", 2: "y"})
    pd.testing.assert_frame_equal(results(renamed), results(log))


# --- Size ----------------------------------------------------------------------------------------


def clicks_that_differ_by_unit(design: Design, seed: int) -> np.ndarray:
    """Draw skewed sums of clicks, alike within a unit and higher in later strata."""
    rng = np.random.default_rng(seed)
    n, m = len(design.promoted), 5
    level = rng.exponential(1.0, (design.n_units, 1)) ** 2
    return rng.poisson(level[design.unit] + design.stratum[:, None], (n, m)) + rng.random((n, m))


UNITS = np.repeat(np.arange(16), [1, 3] * 8)
SIZE_CASES = {
    "slates": design_of([1, 0, 0] * 6),
    "users": design_of(np.arange(16)[UNITS] % 2, unit=UNITS),
    "strata": design_of([1, 0, 0] * 6, stratum=np.repeat([0, 1], 9)),
    "unequal probabilities": design_of([1, 0] * 9, probability=[0.3, 0.6, 0.7] * 6),
}


def redrawn(design: Design, runs: int) -> Iterator[Design]:
    """Make the assignment again and again, by the test's own chance."""
    rng = np.random.default_rng(20260428)
    for _ in range(runs):
        arm = np.zeros(design.n_units, dtype=bool)
        if design.probability is not None:
            arm = rng.random(design.n_units) < design.of_units(design.probability)
        else:
            strata = design.of_units(design.stratum)
            before = design.of_units(design.promoted)
            for number in np.unique(strata):
                own = np.flatnonzero(strata == number)
                arm[rng.permutation(own)[: before[own].sum()]] = True
        yield Design(
            arm[design.unit], design.unit, design.stratum, design.probability, design.unit_name
        )


def p_values_of(
    statistics: Statistics, design: Design, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return p-values, observed and drawn statistics, with 99 permutations."""
    observed = design.of_units(design.promoted).astype(float)[None, :]
    extreme = np.abs(statistics(observed)[1][0])
    (block,) = assignments(design, seed=seed, draws=99)
    reached = np.abs(statistics(block)[1])
    p = [p_value(extreme[k], reached[:, k]) for k in range(len(extreme))]
    return np.array(p), extreme, reached


NESTED = disjoint_cells(
    [
        np.array(rows) == 1
        for rows in ([1] * 6, [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 0, 0])
    ]
)
"""Four sets of rows: all, two parts that make up all, and one across both."""


APART = np.eye(5, dtype=bool)
"""Five sets without common rows."""


@pytest.mark.parametrize("case", SIZE_CASES)
def test_a_true_sharp_null_is_rejected_as_often_as_said_and_no_more(case):
    outcomes = clicks_that_differ_by_unit(SIZE_CASES[case], 1)[:, :1]
    statistics = {
        studentized: Statistics.from_outcomes(outcomes, SIZE_CASES[case], studentized=studentized)
        for studentized in (True, False)
    }
    small = dict.fromkeys(statistics, 0)
    for run, design in enumerate(redrawn(SIZE_CASES[case], 2000)):
        studentized = run % 2 == 0
        p, _, _ = p_values_of(statistics[studentized], design, run)
        small[studentized] += p[0] <= 0.05
    # At most 50 of 1,000 expected, standard deviation 6.9: 4 of them, false alarm 0.003%. Nearly
    # as many must come too: a test that never rejects has the right size as well.
    assert 50 - 4 * 6.9 < small[True] < 50 + 4 * 6.9
    assert 50 - 4 * 6.9 < small[False] < 50 + 4 * 6.9


def test_the_whole_test_is_the_statistics_of_the_assignments_of_the_design():
    log = small_log(9)
    table = results(log, permutations=99, seed=17)
    first = log.groupby("slate_id").first().reset_index()
    p, extreme, reached = p_values_of(
        Statistics.from_outcomes(sums_by_hand(log), Design.from_table(first)),
        Design.from_table(first),
        17,
    )
    rows = ItemRows.from_items(log)
    test = closed_test(extreme, reached, disjoint_cells(hypothesis_rows(rows, NEAR)))
    assert table["p_value"].tolist() == test.p_values
    assert table["p_value"].tolist()[1:] == p.tolist()[1:]
    assert table["p_value_adjusted"].tolist() == test.adjusted


# --- Several hypotheses --------------------------------------------------------------------------


def brute_force_closed_test(
    observed: np.ndarray, drawn: np.ndarray, sets: list[set[int]]
) -> list[float]:
    """Take the largest p-value of all intersections that contain a hypothesis.

    ``sets`` are the rows of each; the hypotheses of an intersection and those on rows among its
    rows give it their largest statistic.
    """
    m, adjusted = len(observed), np.zeros(len(observed))
    for size in range(1, m + 1):
        for some in combinations(range(m), size):
            rows = set().union(*(sets[k] for k in some))
            own = [k for k in range(m) if sets[k] <= rows]
            extreme = drawn[:, own].max(axis=1) >= observed[own].max() - 1e-9
            p = (1 + extreme.sum()) / (1 + len(drawn))
            adjusted[list(some)] = np.maximum(adjusted[list(some)], p)
    return adjusted.tolist()


def statistics_of_one_scale(seed: int, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return five observed and 119 times five drawn statistics, correlated."""
    rng = np.random.default_rng(seed)
    # Columns of the same numbers in another order have one scale; the first row was observed.
    numbers = np.abs(rng.normal(size=120)) * 4
    numbers = np.round(numbers) if ties else numbers
    shared = rng.normal(size=120)
    ranks = [np.argsort(np.argsort(shared + 0.7 * rng.normal(size=120))) for _ in range(5)]
    table = np.column_stack([np.sort(numbers)[rank] for rank in ranks])
    # Put a rather extreme row first.
    first = np.argsort(table.max(axis=1))[-6]
    table[[0, first]] = table[[first, 0]]
    return table[0], table[1:]


def random_sets(seed: int) -> list[set[int]]:
    """Draw five sets of up to six rows, among them all rows."""
    inside = np.random.default_rng(seed).random((5, 6)) < 0.5
    inside[seed % 5] = True
    return [set(np.flatnonzero(rows)) | {seed % 6} for rows in inside]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("ties", [False, True])
def test_adjusted_p_values_are_the_closed_test_over_all_intersections(seed, ties):
    observed, drawn = statistics_of_one_scale(seed, ties=ties)
    alone = [p_value(observed[k], drawn[:, k]) for k in range(5)]
    apart = closed_test(observed, drawn, APART)
    expected = brute_force_closed_test(observed, drawn, [{k} for k in range(5)])
    assert apart.adjusted == pytest.approx(expected, rel=1e-12)
    assert apart.p_values == alone
    sets = random_sets(seed)
    nested = closed_test(
        observed, drawn, disjoint_cells([np.isin(np.arange(6), list(rows)) for rows in sets])
    )
    expected = brute_force_closed_test(observed, drawn, sets)
    assert nested.adjusted == pytest.approx(expected, rel=1e-12)
    # Unions that cannot occur are not tested: no adjusted p-value is above that of sets apart.
    assert (np.array(nested.adjusted) <= np.array(apart.adjusted) + 1e-12).all()
    assert (np.array(nested.adjusted) >= np.array(nested.p_values) - 1e-12).all()
    # Coherent: a set is not rejected before the sets that contain it.
    for one, other in product(range(5), repeat=2):
        if sets[one] <= sets[other]:
            assert nested.adjusted[one] >= nested.adjusted[other]


def test_one_hypothesis_needs_no_adjustment_and_absent_ones_do_not_count():
    rng = np.random.default_rng(1)
    observed, drawn = np.array([0.5, 2.1, 1.4]), np.abs(rng.normal(size=(199, 3)))
    alone = p_value(2.1, drawn[:, 1])
    one = closed_test(observed, drawn, np.diag([False, True, False]))
    assert one.adjusted == one.p_values == [None, alone, None]
    two = closed_test(observed[[0, 1]], drawn[:, [0, 1]], np.eye(2, dtype=bool))
    three = closed_test(observed, drawn, np.diag([True, True, False]))
    assert three.adjusted == [*two.adjusted, None]


def test_the_same_hypothesis_twice_costs_nothing():
    rng = np.random.default_rng(2)
    observed, drawn = np.array([2.2]), np.abs(rng.normal(size=(199, 1)))
    (alone,) = closed_test(observed, drawn, np.ones((1, 1), dtype=bool)).adjusted
    thrice = closed_test(np.repeat(observed, 3), np.repeat(drawn, 3, axis=1), np.ones((3, 1)) == 1)
    assert thrice.adjusted == [alone] * 3


def test_the_unit_of_a_statistic_does_not_matter():
    rng = np.random.default_rng(3)
    observed, drawn = np.array([0.5, 2.1, 1.4]), np.abs(rng.normal(size=(199, 3)))
    scale = np.array([1000.0, 1.0, 1e-4])
    cells = np.array([[True, True], [True, False], [False, True]])
    assert closed_test(observed * scale, drawn * scale, cells) == closed_test(
        observed, drawn, cells
    )


def test_rows_of_the_same_sets_are_one_cell():
    cells = NESTED.astype(int)
    assert cells.sum(axis=1).tolist() == [4, 2, 2, 2]
    assert sorted(map(tuple, cells.T)) == [(1, 0, 1, 0), (1, 0, 1, 1), (1, 1, 0, 0), (1, 1, 0, 1)]
    assert disjoint_cells([np.zeros(3, dtype=bool)] * 2).shape == (2, 0)


def test_where_a_part_is_rejected_the_whole_is_also_if_its_own_difference_shows_nothing():
    """Same-cluster items lose what others gain: the sum over all rows does not change."""
    design = SIZE_CASES["slates"]
    rejected = []
    for run, made in enumerate(redrawn(design, 200)):
        noise = np.random.default_rng(run).normal(size=(18, 2))
        lost = 2.0 * made.promoted[:, None] * np.array([-1.0, 1.0])
        same, other = (noise + lost).T
        y = np.column_stack([same + other, same, other])
        p, extreme, reached = p_values_of(Statistics.from_outcomes(y, made), made, run)
        cells = np.array([[True, True], [True, False], [False, True]])
        test = closed_test(extreme, reached, cells)
        whole, *parts = np.array(test.adjusted) <= 0.05
        assert whole or not any(parts)
        rejected.append((p[0] <= 0.05, whole, any(parts)))
    by_sum, whole, part = np.sum(rejected, axis=0)
    # The sum is unchanged: 5% of 200, with 4 standard deviations of 3.1 (false alarm 0.003%).
    assert by_sum < 10 + 4 * 3.1
    assert whole > 150 < part


@pytest.mark.parametrize(
    ("false_ones", "studentized"), [(0, True), (2, True), (3, True), (2, False)]
)
def test_the_chance_to_reject_any_true_hypothesis_is_controlled(false_ones, studentized):
    design = SIZE_CASES["slates"]
    outcomes = clicks_that_differ_by_unit(design, 2)
    moved = np.arange(5) < false_ones
    adjusted_alarms = raw_alarms = found = 0
    for run, made in enumerate(redrawn(design, 600)):
        y = outcomes + 6.0 * made.promoted[:, None] * moved
        statistics = Statistics.from_outcomes(y, made, studentized=studentized)
        p, extreme, reached = p_values_of(statistics, made, run)
        adjusted = np.array(closed_test(extreme, reached, APART).adjusted, dtype=float)
        adjusted_alarms += (adjusted[~moved] <= 0.05).any()
        raw_alarms += (p[~moved] <= 0.05).any()
        found += (adjusted[moved] <= 0.05).all()
    # At most 30 expected, standard deviation 5.3: 4 of them, false alarm 0.003%.
    assert adjusted_alarms < 30 + 4 * 5.3
    # Without the adjustment it would not hold; with it, false hypotheses are still found.
    assert raw_alarms > 30 + 4 * 5.3 or false_ones == 3
    assert found > 300


@pytest.mark.parametrize("effect_on", [None, 0, 3])
def test_the_chance_to_reject_any_true_nested_hypothesis_is_controlled(effect_on):
    """Sets of rows that overlap, of which all are true, or only those without one group of rows."""
    design = SIZE_CASES["slates"]
    clicks = clicks_that_differ_by_unit(design, 3)[:, : NESTED.shape[1]]
    affected = np.arange(NESTED.shape[1]) == (-1 if effect_on is None else effect_on)
    true = ~(NESTED & affected).any(axis=1)
    alarms = found = 0
    for run, made in enumerate(redrawn(design, 600)):
        y = (clicks + 20.0 * made.promoted[:, None] * affected) @ NESTED.T
        _, extreme, reached = p_values_of(Statistics.from_outcomes(y, made), made, run)
        adjusted = np.array(closed_test(extreme, reached, NESTED).adjusted, dtype=float)
        alarms += (adjusted[true] <= 0.05).any()
        found += adjusted[0] <= 0.05
    # At most 30 expected, standard deviation 5.3: 4 of them, false alarm 0.003%.
    assert alarms < 30 + 4 * 5.3
    # The whole is rejected where it is false, and not less than 5% allow where it is true.
    assert found > 300 if effect_on is not None else 30 - 4 * 5.3 < found < 30 + 4 * 5.3


# --- Assignments ---------------------------------------------------------------------------------


@pytest.fixture(params=["permuted", "chosen"])
def way(request, monkeypatch):
    """Small strata are permuted; in large ones those promoted are chosen."""
    if request.param == "chosen":
        monkeypatch.setattr(arrays_module, "_CHOSEN_FROM", 0)


@pytest.mark.usefixtures("way")
def test_every_assignment_within_strata_has_the_same_chance():
    design = design_of([1, 0, 0, 1, 1, 0, 0], stratum=[0, 0, 0, 1, 1, 1, 1])
    drawn = drawn_from(design, 3600)
    assert (drawn[:, :3].sum(axis=1) == 1).all()
    assert (drawn[:, 3:].sum(axis=1) == 2).all()
    kinds, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(kinds) == 3 * 6
    # Chi-square with 17 degrees of freedom: above 40.8 in 0.1% of seeds.
    assert ((counts - 200) ** 2 / 200).sum() < 40.8


@pytest.mark.usefixtures("way")
def test_users_are_drawn_as_one_and_their_number_per_arm_stays():
    users = np.array([4, 4, 4, 0, 1, 1, 2, 3, 3, 5])
    promoted = np.isin(users, [1, 4])
    design = design_of(promoted, unit=users)
    drawn = drawn_from(design, 600)
    assert drawn.shape == (600, 6)
    assert (drawn.sum(axis=1) == 2).all()
    # Each of 15 pairs: chi-square with 14 degrees of freedom, above 36.1 in 0.1% of seeds.
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 15
    assert ((counts - 40) ** 2 / 40).sum() < 36.1


def test_in_large_strata_as_many_as_before_are_promoted_all_units_alike():
    sizes, promoted = (700, 501, 40), (350, 51, 10)
    stratum = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], sizes))
    arm = np.zeros(len(stratum))
    for own, count in enumerate(promoted):
        arm[np.flatnonzero(stratum == own)[:count]] = 1
    drawn = drawn_from(design_of(arm, stratum=stratum), 2000)
    for own, size in enumerate(sizes):
        part, share = drawn[:, stratum == own], promoted[own] / size
        assert (part.sum(axis=1) == promoted[own]).all()
        # 5 standard deviations of 2,000 draws, of 1,241 units: false alarm 0.07% in all.
        assert (np.abs(part.mean(axis=0) - share) < 5 * np.sqrt(share * (1 - share) / 2000)).all()


def test_unequal_probabilities_are_drawn_anew_for_each_unit():
    probability = np.array([0.1, 0.1, 0.5, 0.9, 0.3])
    design = design_of([1, 0, 0, 1, 0, 1, 1], [0, 1, 2, 3, 4, 0, 3], None, [0, 0, 0, 0, 0, 0, 0])
    design = Design(
        design.promoted, design.unit, design.stratum, probability[design.unit], design.unit_name
    )
    drawn = drawn_from(design, 4000)
    # Standard deviations of 4,000 draws: 4.5 of them, false alarm 0.003% for all five.
    off = np.abs(drawn.mean(axis=0) - probability)
    assert (off < 4.5 * np.sqrt(probability * (1 - probability) / 4000)).all()
    correlation = np.corrcoef(drawn.T)[np.triu_indices(5, 1)]
    assert (np.abs(correlation) < 4.5 / np.sqrt(4000)).all()


@pytest.mark.usefixtures("way")
def test_probabilities_that_differ_only_between_strata_are_permuted():
    design = design_of([1, 0, 1, 1, 1, 0], None, [0, 0, 1, 1, 1, 1], [0.5] * 2 + [0.75] * 4)
    drawn = drawn_from(design, 300)
    assert (drawn[:, :2].sum(axis=1) == 1).all()
    assert (drawn[:, 2:].sum(axis=1) == 3).all()


@pytest.mark.parametrize("case", SIZE_CASES)
def test_more_permutations_begin_with_the_same_ones(case):
    design = SIZE_CASES[case]
    many = drawn_from(design, 700)
    assert many.shape == (700, design.n_units)
    for draws in (1, 100, 256, 257, 600):
        assert np.array_equal(drawn_from(design, draws), many[:draws])
    assert not np.array_equal(drawn_from(design, 100, seed=6), many[:100])
    assert len(np.unique(many, axis=0)) > 300


# --- Degenerate experiments ----------------------------------------------------------------------


def test_a_set_without_rows_is_missing_says_so_and_changes_no_other():
    log = small_log(1)
    log["component"] = log["component"].replace("same_cluster_competitor", "other_competitor")
    table = results(log)
    row = table.loc["no_same_cluster_spillover"]
    assert (row["rows"], row["slates"]) == (0, 0)
    assert row[NUMBERS].isna().all()
    assert row["note"] == "not tested: there are no such item rows"
    others = table.drop(index=row.name)
    assert others[NUMBERS].notna().all(axis=None)
    assert others["note"].isna().all()
    # The rows of other clusters are all rows now: the same test twice.
    same = table.loc[["no_spillover", "no_other_cluster_spillover"], NUMBERS]
    assert same.iloc[0].tolist() == same.iloc[1].tolist()


@pytest.mark.parametrize("clicks", ["000000", "111111"])
@pytest.mark.parametrize("studentized", [True, False])
def test_clicks_that_are_the_same_in_all_slates_have_p_values_of_one(clicks, studentized):
    log = items(["ABABAB"] * 7, [4] * 7, [1, 1, 1, 0, 0, 0, 0], [clicks] * 7)
    table = results(log, studentized=studentized)
    assert (table[["p_value", "p_value_adjusted"]] == 1).all(axis=None)
    assert (table[["estimate", "statistic", "null_95_lower", "null_95_upper"]] == 0).all(axis=None)
    assert table["note"].isna().all()


@pytest.mark.parametrize(
    ("promoted", "said"),
    [([1] + [0] * 7, "1 promoted and 7 control slates"), ([1] * 8, "8 promoted and 0 control")],
)
def test_an_arm_with_fewer_than_two_slates_is_an_error(promoted, said):
    with pytest.raises(NetliftError, match=said):
        results(small_log(1, 8, promoted))


def test_an_arm_with_one_user_of_many_slates_is_an_error():
    users = [1, 1, 1, 1, 2, 2, 3, 3]
    log = small_log(1, 8, [1] * 4 + [0] * 4, user_id=users, randomization_unit=users)
    with pytest.raises(NetliftError, match="1 promoted and 2 control users"):
        results(log)


def separated(n_promoted: int, n_control: int) -> pd.DataFrame:
    """Write a log in which all promoted slates have two clicks, and all others none."""
    n = n_promoted + n_control
    arm = [1] * n_promoted + [0] * n_control
    return items(["ABAA"] * n, [2] * n, arm, ["1011" if is_on else "0000" for is_on in arm])


SEPARATED = [
    (4, 4),
    (3, 4),
    (5, 8),
]


@pytest.mark.parametrize(("n_promoted", "n_control"), SEPARATED)
def test_an_infinite_statistic_is_missing_and_noted_and_its_p_value_counts(n_promoted, n_control):
    table = results(separated(n_promoted, n_control), permutations=999)
    row = table.loc["no_spillover"]
    assert row["estimate"] == 3
    assert row["p_value"] < 0.05
    assert row["note"] == "the arms differ and neither varies: the statistic is infinite"
    assert pd.isna(row["statistic"])


def few_with_small_probabilities() -> pd.DataFrame:
    """Write a log of five slates; with chance 0.44 none would have been promoted."""
    return small_log(3, 5, [1, 1, 0, 0, 0], promotion_probability=[0.2, 0.2, 0.1, 0.1, 0.15])


@pytest.mark.parametrize("studentized", [True, False])
def test_where_a_redrawn_arm_may_be_empty_no_number_is_lost(studentized):
    table = results(few_with_small_probabilities(), studentized=studentized)
    # The two promoted slates agree on what is not in the focal cluster, and the others do too.
    infinite = table["note"].notna()
    assert infinite.sum() == 2 * studentized
    assert np.isfinite(table.loc[~infinite, NUMBERS].astype(float)).all(axis=None)
    rest = [name for name in NUMBERS if name != "statistic"]
    assert np.isfinite(table[rest].astype(float)).all(axis=None)


def test_where_a_redrawn_arm_may_be_empty_the_test_stays_on_the_safe_side():
    log = few_with_small_probabilities()
    p_values = results(log, permutations=4000, studentized=False)["p_value"].to_numpy(float)
    probability = log.groupby("slate_id")["promotion_probability"].first().to_numpy()
    arms = np.array(list(product([False, True], repeat=5)))
    arms = arms[(arms.sum(axis=1) > 0) & (arms.sum(axis=1) < 5)]
    chance = np.where(arms, probability, 1 - probability).prod(axis=1)
    # The first hypothesis is tested by all five statistics.
    for y, p in zip(sums_by_hand(log).T[1:], p_values[1:], strict=True):
        hajek = [
            np.average(y[arm], weights=1 / probability[arm])
            - np.average(y[~arm], weights=1 / (1 - probability[~arm]))
            for arm in arms
        ]
        observed = hajek[arms.tolist().index([True, True, False, False, False])]
        extreme = np.abs(hajek) >= abs(observed) - 1e-9
        enough = np.minimum(arms.sum(axis=1), 5 - arms.sum(axis=1)) >= 2
        # Whether an assignment with less than one, or two, slates in an arm is left out or counted
        # as extreme, the p-value is no smaller than one of these; 4.5 standard deviations.
        shares = [chance[extreme & own].sum() / chance[own].sum() for own in (enough, chance > 0)]
        assert p > min(shares) - 4.5 * np.sqrt(0.25 / 4000)


def test_the_known_null_hypothesis_is_told_by_click_probabilities():
    log = random_items(4, 50, (4, 8))
    assert not results(log)["known_null"].any()
    below = log["slate_position_seed"] > log["focal_seed_position"]
    quiet = log.assign(p_promoted=log["p_promoted"].where(~below, log["p_control"]))
    expected = [label == "no_spillover_below" for label in LABELS]
    assert results(quiet)["known_null"].tolist() == expected
    focal = log["is_focal_item"]
    only_focal = log.assign(p_promoted=log["p_promoted"].where(focal, log["p_control"]))
    assert results(only_focal)["known_null"].all()
    # Rounding is no effect.
    rounding = only_focal.assign(p_promoted=only_focal["p_promoted"] + 1e-16)
    assert results(rounding)["known_null"].all()
    assert "known_null" not in results(log.drop(columns=["p_control", "p_promoted"]))
