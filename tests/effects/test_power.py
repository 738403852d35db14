"""Power: compared with the noncentral t distribution and simulation, and inverted."""

import numpy as np
import pandas as pd
import pytest
from builders import compared, items, random_items
from scipy import integrate, stats

from netlift.effects.accounts import slate_outcomes
from netlift.effects.ledger import component_effects
from netlift.effects.power_table import power_table
from netlift.inference.estimate import Estimate
from netlift.inference.power import exaggeration, minimum_detectable_effect, power, slates_needed

MINIMUM, GIVEN = "minimum_detectable_effect", "given_effect"
EFFECTS = [0.05, 0.2]


def table_of(accounts: pd.DataFrame, effects: list[float] = EFFECTS) -> pd.DataFrame:
    return power_table(compared(accounts), effects=effects)


def ragged_accounts(seed: int = 1, n_slates: int = 120, **columns: object) -> pd.DataFrame:
    return slate_outcomes(random_items(seed, n_slates, (4, 8))).assign(**columns)


# --- Power ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("df", [1, 1.5, 2, 3.7, 10, 57.3, 400, 9e4])
@pytest.mark.parametrize("shift", [0.01, 0.5, 1.96, 2.8, 4.5])
def test_power_is_the_tails_of_the_noncentral_t_distribution(df, shift):
    critical = stats.t.ppf(0.975, df)
    expected = stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift)
    assert power(0.3 * shift, 0.3, df) == pytest.approx(expected, abs=3e-6)


@pytest.mark.parametrize("df", [1, 1.5, 3.7, 25])
@pytest.mark.parametrize("shift", [2.0, 8.0, 20.0])
def test_power_is_an_integral_over_the_error_that_is_estimated(df, shift):
    critical = stats.t.ppf(0.975, df)

    def shown(ratio: float) -> float:
        tails = stats.norm.sf(critical * ratio - shift) + stats.norm.cdf(-critical * ratio - shift)
        return tails * stats.chi.pdf(ratio * np.sqrt(df), df) * np.sqrt(df)

    expected = sum(
        integrate.quad(shown, *ends, limit=200)[0] for ends in ((0, 0.5), (0.5, 1.5), (1.5, 12))
    )
    assert power(shift, 1.0, df) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("df", [1e5, 1e9, np.inf])
@pytest.mark.parametrize("shift", [0.0, 1.0, 2.8, 5.0])
def test_power_with_many_degrees_of_freedom_is_the_normal_one(df, shift):
    expected = stats.norm.sf(1.959963985 - shift) + stats.norm.cdf(-1.959963985 - shift)
    assert power(shift, 1.0, df) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("df", [1, 4.5, 30, np.inf])
def test_without_an_effect_one_interval_of_twenty_excludes_zero(df):
    assert power(0.0, 2.0, df) == pytest.approx(0.05, abs=1e-6)


def test_intervals_exclude_zero_as_often_as_power_says():
    rng = np.random.default_rng(20260428)
    # Two arms of 5 and 9 with one variance: t with 12 degrees of freedom, exactly.
    se = 1.5 * np.sqrt(1 / 5 + 1 / 9)
    treated = rng.normal(2.0, 1.5, (20_000, 5))
    control = rng.normal(0.0, 1.5, (20_000, 9))
    shown = stats.ttest_ind(treated, control, axis=1).pvalue < 0.05
    expected = power(2.0, se, 12)
    assert 0.3 < expected < 0.7
    # 4 standard deviations of a share of 20,000: false alarm 0.006%.
    assert abs(shown.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 20_000)


def test_power_grows_with_the_effect_its_precision_and_the_degrees_of_freedom():
    by_effect = [power(effect, 0.5, 12) for effect in np.linspace(0, 4, 30)]
    by_error = [power(1.0, se, 12) for se in np.geomspace(0.1, 10, 30)]
    by_df = [power(1.0, 0.4, df) for df in (1, 2, 5, 20, 100, 1e4, 1e6, np.inf)]
    assert (np.diff(by_effect) > 0).all()
    assert (np.diff(by_error) < 0).all()
    assert (np.diff(by_df) > -1e-9).all()


def test_harm_is_shown_as_well_as_gain_and_units_do_not_matter():
    assert power(-1.3, 0.5, 8) == power(1.3, 0.5, 8)
    assert power(1300, 500, 8) == pytest.approx(power(1.3, 0.5, 8), rel=1e-12)


# --- Minimum detectable effects ------------------------------------------------------------------


@pytest.mark.parametrize("df", [1, 2, 7.5, 40, 1e3, np.inf])
@pytest.mark.parametrize("se", [1e-4, 0.3, 250.0])
def test_the_minimum_detectable_effect_has_a_power_of_80_percent(se, df):
    smallest = minimum_detectable_effect(se, df)
    assert power(smallest, se, df) == pytest.approx(0.8, abs=1e-9)
    if not np.isinf(df):
        assert stats.nct.sf(stats.t.ppf(0.975, df), df, smallest / se) == pytest.approx(
            0.8, abs=1e-5
        )


def test_the_minimum_detectable_effect_of_large_samples_is_2_8_standard_errors():
    # 1.959964 + 0.841621, and the other tail's chance of 1e-6 takes off nearly nothing.
    assert minimum_detectable_effect(2.0, np.inf) == pytest.approx(2 * 2.801585, rel=1e-5)


# --- Slates needed -------------------------------------------------------------------------------


def power_with(n: int, effect: float, estimate: Estimate, n_slates: int) -> float:
    """Squared errors fall with the number of slates, degrees of freedom grow with it."""
    return power(effect, estimate.se * np.sqrt(n_slates / n), estimate.df * n / n_slates)


@pytest.mark.parametrize("effect", [0.02, -0.02, 0.11, 0.5])
@pytest.mark.parametrize(("se", "df", "n_slates"), [(0.1, 97.3, 100), (0.05, 400, 900)])
def test_slates_needed_have_the_power_and_one_fewer_do_not(effect, se, df, n_slates):
    estimate = Estimate(0.3, se, df)
    n = slates_needed(effect, estimate, n_slates)
    assert power_with(n, effect, estimate, n_slates) >= 0.8 - 1e-9
    assert power_with(n - 1, effect, estimate, n_slates) < 0.8


def test_the_slates_that_there_are_show_the_minimum_detectable_effect():
    estimate = Estimate(-0.3, 0.07, 148.2)
    smallest = minimum_detectable_effect(estimate.se, estimate.df)
    assert slates_needed(smallest, estimate, 150) == 150
    # A quarter of a large experiment's effect takes sixteen times the slates.
    large = Estimate(-0.3, 0.07, 1e7)
    smallest = minimum_detectable_effect(large.se, large.df)
    assert slates_needed(smallest / 4, large, 150_000) == pytest.approx(16 * 150_000, rel=1e-6)


def test_smaller_effects_need_more_slates():
    needed = [
        slates_needed(effect, Estimate(0.1, 0.05, 200), 210) for effect in np.geomspace(3, 1e-3, 40)
    ]
    assert (np.diff(needed) >= 0).all()
    assert (np.diff(needed[10:]) > 0).all()


def test_effects_that_no_experiment_shows_have_no_number_of_slates():
    assert slates_needed(0.0, Estimate(0.1, 0.05, 200), 210) is None
    assert slates_needed(0.1, Estimate(0.1, 0.0, 200), 210) is None
    # 210 (2.8 * 0.05 / effect)^2 slates: 4.1e12, and 0.41e12.
    assert slates_needed(1e-6, Estimate(0.1, 0.05, 200), 210) is None
    needed = slates_needed(3.2e-6, Estimate(0.1, 0.05, 200), 210)
    assert needed == pytest.approx(210 * (2.801582 * 0.05 / 3.2e-6) ** 2, rel=1e-4)


def test_no_fewer_slates_are_said_to_do_than_an_estimate_with_an_error_needs():
    # Two slates in each arm.
    assert slates_needed(1000.0, Estimate(0.1, 0.05, 200), 210) >= 4


# --- The table -----------------------------------------------------------------------------------


def test_every_estimator_and_line_has_a_row_for_each_question():
    accounts = ragged_accounts(promotion_probability=0.5)
    table = table_of(accounts)
    lines = ["direct", "same_cluster", "other", "total"]
    estimators = ["difference_in_means", "difference_in_means_ols_error", "lin", "hajek"]
    estimators.append("horvitz_thompson")
    keys = list(table[["estimator", "line", "question"]].itertuples(index=False, name=None))
    assert keys == [
        (estimator, component, question)
        for estimator in estimators
        for component in lines
        for question in (MINIMUM, GIVEN, GIVEN, "known_effect")
    ]
    given = table[table["question"] == GIVEN]
    assert given["effect_per_slate"].tolist() == EFFECTS * 20
    assert set(table["unit"]) == {"clicks per slate"}
    assert (table["slates"] == 120).all()
    assert table["note"].isna().all()
    assert table.drop(columns="note").notna().all(axis=None)
    assert list(table.columns) == [
        "line",
        "effect_family",
        "component",
        "estimator",
        "question",
        "question_label",
        "unit_code",
        "unit",
        "slates",
        "se",
        "effect_per_slate",
        "power",
        "exaggeration",
        "wrong_sign_probability",
        "slates_needed",
        "note",
    ]


def test_errors_are_those_of_the_ledger_and_the_rows_answer_each_other():
    accounts = ragged_accounts(promotion_probability=0.5)
    effects = component_effects(compared(accounts))
    effects = effects[effects["outcome_type"] == "observed_clicks"]
    ledger = effects.set_index(["estimator", "line"])[["se", "df"]]
    for row in table_of(accounts).itertuples():
        se, df = ledger.loc[(row.estimator, row.line)]
        assert row.se == pytest.approx(se, rel=1e-12)
        assert row.power == pytest.approx(power(row.effect_per_slate, se, df), rel=1e-9)
        assert (row.power >= 0.8 - 1e-9) == (row.slates_needed <= row.slates)
        if row.question == MINIMUM:
            assert row.power == pytest.approx(0.8, abs=1e-9)
            assert row.slates_needed == row.slates


def test_sixteen_times_the_slates_show_a_quarter_of_the_effect_as_had_been_said():
    accounts = ragged_accounts(2, 150)
    first = accounts["slate_id"].max() + 1
    more = pd.concat(
        [accounts.assign(slate_id=accounts["slate_id"] + k * first) for k in range(16)]
    )
    before, after = (
        table.query("estimator == 'difference_in_means' and question == @MINIMUM")
        for table in (table_of(accounts), table_of(more))
    )
    smaller = after["effect_per_slate"].to_numpy(float)
    # The variance's denominators n - 1 and the degrees of freedom differ by 1% of 150.
    assert smaller == pytest.approx(before["effect_per_slate"].to_numpy(float) / 4, rel=0.02)
    asked = table_of(accounts, smaller.tolist())
    asked = asked[(asked["estimator"] == "difference_in_means") & (asked["question"] == GIVEN)]
    for place, component in enumerate(after["line"]):
        row = asked[asked["line"] == component].iloc[place]
        assert row["slates_needed"] == pytest.approx(16 * 150, rel=0.02)


def test_without_questions_only_the_minimum_is_answered():
    assert set(table_of(ragged_accounts(), [])["question"]) == {MINIMUM, "known_effect"}


def test_an_estimator_without_numbers_says_why():
    table = table_of(ragged_accounts())
    hajek = table[table["estimator"].isin(["hajek", "horvitz_thompson"])]
    assert len(hajek) == 8
    assert hajek[["se", "effect_per_slate", "power", "slates_needed"]].isna().all(axis=None)
    assert hajek["note"].str.contains("the probabilities of promotion are not known").all()
    assert table.drop(index=hajek.index)["power"].notna().all()


def test_an_outcome_that_does_not_vary_is_noted_and_has_no_power():
    # Same-cluster items are never clicked; the focal item of some slates is.
    n = 24
    log = items(["AAB"] * n, [2] * n, [1, 0] * (n // 2), ["010", "000", "000", "011"] * (n // 4))
    table = table_of(slate_outcomes(log))
    still = table[(table["line"] == "same_cluster") & table["se"].notna()]
    assert len(still) == 3
    assert (still["se"] == 0).all()
    assert still[["effect_per_slate", "power", "slates_needed"]].isna().all(axis=None)
    assert still["note"].str.contains("does not vary").all()
    moving = table[(table["line"] == "direct") & table["se"].notna()]
    assert moving["power"].notna().all()


def test_a_sum_that_does_not_vary_though_its_parts_do_is_noted_too():
    # Every slate has exactly one click, on one item or another.
    rng = np.random.default_rng(0)
    clicks = ["".join("1" if j == k else "0" for j in range(5)) for k in rng.integers(0, 5, 41)]
    log = items(["AABCB"] * 41, [3] * 41, [int(k % 3 == 0) for k in range(41)], clicks)
    table = table_of(slate_outcomes(log))
    total = table[(table["line"] == "total") & table["se"].notna()]
    assert total["power"].isna().all()
    assert total["note"].str.contains("does not vary").all()


@pytest.mark.parametrize("shift", [0.1, 0.5, 1.0, 2.0, 2.8, 5.0])
def test_exaggeration_is_that_of_simulated_significant_estimates(shift):
    """Of 2 million draws; a difference beyond 5 errors is one in two million."""
    draws = np.random.default_rng(3).normal(-shift, 1, 2_000_000)
    significant = draws[np.abs(draws) > stats.norm.isf(0.025)]
    size, wrong = exaggeration(-3 * shift, 3.0, np.inf)
    share = np.abs(significant) / shift
    assert abs(size - share.mean()) < 5 * share.std() / np.sqrt(len(share))
    error = np.sqrt(max(wrong * (1 - wrong), 1e-6) / len(significant))
    assert abs(wrong - (significant > 0).mean()) < 5 * error


def test_an_effect_of_zero_is_not_exaggerated():
    assert exaggeration(0.0, 1.0, np.inf) is None


def test_known_effects_have_their_power():
    accounts = slate_outcomes(random_items(3, 300, 6))
    table = table_of(accounts, [])
    row = table[(table["question"] == "known_effect") & (table["line"] == "total")].iloc[0]
    known = accounts["known_effect_total"].mean()
    assert row["effect_per_slate"] == pytest.approx(known)
    assert row["power"] == pytest.approx(power(known, row["se"], 298.0), rel=0.05)
