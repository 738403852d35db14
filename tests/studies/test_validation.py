"""Validation: replicates are estimated as experiments are, and judged by hand-computed numbers."""

import numpy as np
import pandas as pd
import pytest
from builders import compared
from builders import validation_case as case

from netlift.core.units import PER_SLATE
from netlift.effects.accounts import slate_outcomes
from netlift.effects.codes import INDIRECT
from netlift.effects.item_rows import ItemRows
from netlift.effects.ledger import component_effects
from netlift.effects.observed import observed_effects
from netlift.effects.product import ratio_to_direct
from netlift.effects.randomization_tests import randomization_tests
from netlift.effects.segments import segments
from netlift.effects.slate_accounts import known_effects
from netlift.studies.replicate_estimates import (
    BY_SLATE,
    BY_USER,
    FIELLER,
    ROWS,
    Case,
    replicate_ledgers,
    replicate_models,
    replicate_tests,
)
from netlift.studies.replicate_segments import INTERVALS, replicate_segments
from netlift.studies.validation import (
    FAIL,
    NO_CLAIM,
    PASS,
    POLICY_COLUMNS,
    coverage_table,
    policies_table,
    rejection_table,
    segments_table,
)

FACTS = {"case": "standard", "world": "logit", "slates": 400, "bound_se": 0.1}


def tables_of(experiment: Case, number: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write one replicate out as the tables of an experiment."""
    promoted, clicks = experiment.replicates.draw(number)
    items = experiment.items.assign(
        promotion_applied=np.repeat(promoted.astype(int), clicks.shape[0]),
        click=clicks.T.ravel().astype(int),
    )
    return items, slate_outcomes(items)


def test_the_known_effects_are_those_of_the_tables():
    experiment = case()
    np.testing.assert_allclose(experiment.known, known_effects(experiment.accounts), atol=1e-14)


@pytest.mark.parametrize(("unit", "n_slates"), [("slate", 120), ("user", 120), ("slate", 40)])
def test_replicates_are_estimated_as_experiments_are(unit, n_slates):
    """Lin among them: also where the array form leaves it to the table form."""
    experiment = case(unit=unit, n_slates=n_slates)
    rows = replicate_ledgers(experiment, range(6))
    for number in range(6):
        _, accounts = tables_of(experiment, number)
        effects = component_effects(compared(accounts))
        effects = effects[effects["outcome_type"] == "observed_clicks"]
        own = rows[rows["replicate"] == number]
        for estimator, expected in effects.groupby("estimator"):
            found = own[own["estimator"] == estimator]
            assert len(found) == 4
            for column, name in (("estimate", "estimate_per_slate"), ("se", "se"), ("df", "df")):
                np.testing.assert_allclose(
                    found[column].to_numpy(), expected[name].to_numpy(), rtol=1e-9, atol=1e-12
                )
            inside = found["known_effect"].to_numpy()
            covered = (expected["ci_95_lower"] <= inside) & (inside <= expected["ci_95_upper"])
            from scipy.stats import t

            limit = t.ppf(0.975, found["df"])
            np.testing.assert_array_equal(found["t"].abs() <= limit, covered)


@pytest.mark.parametrize("unit", ["slate", "user"])
def test_item_rows_of_replicates_are_estimated_as_experiments_are(unit):
    experiment = case(unit=unit)
    rows = replicate_ledgers(experiment, range(3))
    rows = rows[rows["effect_family"] == ROWS]
    assert set(rows["estimator"]) == {BY_USER} | ({BY_SLATE} if unit == "slate" else set())
    for number in range(3):
        items, _ = tables_of(experiment, number)
        expected = observed_effects(items, seed=5, bootstrap_draws=9)[0].iloc[:4]
        for estimator, own in rows[rows["replicate"] == number].groupby("estimator"):
            assert own["line"].to_list() == expected["line"].to_list()
            by_user = estimator == BY_USER and unit == "slate"
            error = "se_user_clustered" if by_user else "se"
            columns = {"estimate": "estimate", "se": error, "known_effect": "known_effect"}
            columns |= {} if by_user else {"df": "df"}
            for column, name in columns.items():
                np.testing.assert_allclose(
                    own[column].to_numpy(), expected[name].astype(float), rtol=1e-9
                )


def test_the_ratio_is_covered_where_fieller_s_set_holds_it():

    experiment = case()
    rows = replicate_ledgers(experiment, range(40))
    ratios = rows[rows["estimator"] == FIELLER].set_index("replicate")
    true = -experiment.known[1:].sum() / experiment.known[0]
    assert ratios["known_effect"].iloc[0] == pytest.approx(true)
    from scipy.stats import t

    for number in range(40):
        _, accounts = tables_of(experiment, number)
        found = ratio_to_direct(compared(accounts).difference(), INDIRECT)
        # The table's ratio is that of the indirect effect; here it is of what is lost.
        lower, upper, held = found.lower, found.upper, None
        if found.kind == "interval":
            held = lower <= -true <= upper
        elif found.kind == "outside":
            held = -true <= lower or -true >= upper
        else:
            held = True
        row = ratios.loc[number]
        if found.value is None:
            # In one replicate the focal item gains exactly nothing.
            assert not np.isfinite(row["estimate"])
        else:
            assert row["estimate"] == pytest.approx(-found.value)
        assert (abs(row["t"]) <= t.ppf(0.975, row["df"])) == held


def test_tests_of_replicates_are_those_of_experiments():
    experiment = case()
    rows = replicate_tests(experiment, range(3), permutations=49, near_positions=2)
    for number in range(3):
        items, _ = tables_of(experiment, number)
        expected = randomization_tests(items, permutations=49, near_positions=2, seed=5)
        own = rows[rows["replicate"] == number]
        for name in ("p_value", "p_value_adjusted"):
            np.testing.assert_allclose(own[name], expected[name].dropna().astype(float))
        np.testing.assert_array_equal(own["known_null"], expected["known_null"])


def test_models_of_replicates_give_scores_that_add_up_and_a_verdict():
    ledgers, judged = replicate_models(
        case(n_slates=200), range(2), folds=3, cost=0.0, max_share=1.0
    )
    assert set(ledgers["estimator"]) == {"aipw_linear", "aipw_row_logistic", "aipw_stacked"}
    wide = ledgers.pivot_table(index=["replicate", "estimator"], columns="line", values="estimate")
    parts = wide.drop(columns="total").sum(axis=1)
    np.testing.assert_allclose(parts, wide["total"], atol=1e-12)
    assert len(judged) == 2
    assert judged["verdict"].isin(["promote", "promote_nothing"]).all()


def rows_of(t: np.ndarray, *, estimator: str = "lin", se: float = 0.2) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "replicate": np.arange(len(t)),
            "line": "total",
            "effect_family": "Total",
            "component": "Full slate",
            "estimator": estimator,
            "unit_code": PER_SLATE,
            "estimate": 1 + se * t,
            "se": se,
            "df": 1e9,
            "t": t,
            "known_effect": 1.0,
        }
    )


def test_coverage_by_hand():
    t = np.array([-3.0, -1.8, -1.0, 0.0, 0.0, 1.0, 1.7, 2.1, np.nan])
    row = coverage_table(rows_of(t), FACTS).iloc[0]
    assert row["replicates"] == 8
    assert row["without_estimate"] == 1
    assert row["coverage_90"] == 4 / 8
    assert row["coverage_95"] == 6 / 8
    assert row["coverage_99"] == 7 / 8
    assert row["coverage_mc_error"] == pytest.approx(np.sqrt(0.75 * 0.25 / 8))
    assert row["bias"] == pytest.approx(0.2 * np.nansum(t) / 8)
    sd = 0.2 * np.nanstd(t, ddof=1)
    assert row["bias_mc_error"] == pytest.approx(sd / np.sqrt(8))
    assert row["rmse"] == pytest.approx(0.2 * np.sqrt(np.nanmean(t**2)))
    assert row["percent_of_bound"] == pytest.approx(100 * (0.1 / sd) ** 2)


def normal(n: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Quantiles of a normal distribution: coverage is exact up to steps of 1 / n."""
    from scipy.stats import norm

    return shift + scale * norm.ppf((np.arange(n) + 0.5) / n)


@pytest.mark.parametrize(
    ("t", "slates", "estimator", "expected"),
    [
        (normal(2000), 300, "lin", PASS),
        (normal(2000, 1.25), 300, "lin", FAIL),  # errors too small: covers 88%
        (normal(2000, 0.8), 300, "lin", FAIL),  # errors too large: covers 98.6%
        (normal(2000, 1, 0.1), 300, "lin", FAIL),  # 4.5 Monte Carlo errors off
        (normal(2000, 1.25), 299, "lin", NO_CLAIM),
        (normal(2000, 1.25), 300, "difference_in_means_ols_error", NO_CLAIM),
        (normal(50, 1.25), 300, "lin", PASS),  # too few replicates to tell
    ],
)
def test_claims_are_judged_by_number(t, slates, estimator, expected):
    table = coverage_table(rows_of(t, estimator=estimator), FACTS | {"slates": slates})
    assert table["verdict"].to_list() == [expected]


def test_size_and_power_by_hand():
    tests = pd.DataFrame(
        {
            "replicate": range(400),
            "hypothesis": ["no_spillover"] * 200 + ["no_spillover_near"] * 200,
            "p_value": [0.04] * 10 + [0.5] * 190 + [0.01] * 150 + [0.2] * 50,
            "p_value_adjusted": [0.04] * 5 + [0.5] * 195 + [0.01] * 100 + [0.2] * 100,
            "known_null": [True] * 200 + [False] * 200,
        }
    )
    size, power = (row for _, row in rejection_table(tests, FACTS).iterrows())
    assert (size["rate"], size["rejected"], size["rejected_adjusted"]) == ("size", 0.05, 0.025)
    assert (power["rate"], power["rejected"]) == ("power", 0.75)
    assert (size["verdict"], power["verdict"]) == (PASS, NO_CLAIM)
    assert (size["contradicted"], power["contradicted"]) == (0, 0)
    often = tests.assign(p_value=0.04)
    assert rejection_table(often, FACTS)["verdict"].to_list() == [FAIL, NO_CLAIM]


def test_verdicts_by_hand():
    judged = pd.DataFrame(
        {
            "verdict": ["promote", "promote", "promote_nothing", "promote_nothing"] * 50,
            "known_value": [3.0, -1.0, 0.0, 0.0] * 50,
            "oracle_value": 10.0,
            "bounds_hold": [True, False, True, True] * 50,
            "value": [4.0, -3.0, 0.0, 0.0] * 50,
            "naive_value": [6.0, 5.0, 0.0, 0.0] * 50,
            "lower_bound": [3.5, -4.0, 0.0, 0.0] * 50,
            "upper_bound": [5.0, -2.0, 0.0, 0.0] * 50,
        }
    )
    row = policies_table(judged, FACTS).iloc[0]
    assert row["promoted"] == 0.5
    assert row["promoted_at_a_loss"] == 0.25
    assert row["bounds_hold"] == 0.75
    assert row["mean_known_value"] == 0.5
    assert row["verdict"] == FAIL
    # Of 100 recommendations: errors of 1 and -2, naive ones of 3 and 6.
    assert (row["recommended"], row["recommended_known_value"]) == (100, 1.0)
    assert (row["corrected_value_bias"], row["naive_value_bias"]) == (-0.5, 4.5)
    sd = np.std([1.0, -2.0] * 50, ddof=1)
    assert row["corrected_value_bias_mc_error"] == pytest.approx(sd / 10)
    # 3.5 to 5 is above 3, and -4 to -2 below -1.
    assert (row["lower_bound_holds"], row["interval_holds"]) == (0.5, 0.0)
    fine = judged.assign(known_value=judged["known_value"].abs(), bounds_hold=True)
    right = fine.assign(lower_bound=-9.0, upper_bound=9.0, value=[4.0, 0.0, 0.0, 0.0] * 50)
    assert policies_table(right, FACTS)["verdict"].to_list() == [PASS]
    biased = right.assign(value=right["naive_value"])
    assert policies_table(biased, FACTS)["verdict"].to_list() == [FAIL]
    short = right.assign(lower_bound=right["known_value"] + 0.1)
    assert policies_table(short, FACTS)["verdict"].to_list() == [FAIL]
    # Too few recommendations to judge their value.
    assert policies_table(biased[:60].iloc[:8], FACTS)["verdict"].to_list() == [PASS]
    none = policies_table(judged[:0], FACTS)
    assert none.empty
    assert list(none) == list(row.index)
    assert set(POLICY_COLUMNS) < set(none)


def test_a_whole_that_is_not_rejected_where_a_part_is_is_a_claim_not_kept():
    hypotheses = ["no_spillover", "no_same_cluster_spillover"]
    tests = pd.DataFrame(
        {
            "replicate": np.repeat(range(100), 2),
            "hypothesis": hypotheses * 100,
            "p_value": 0.01,
            "p_value_adjusted": [0.02, 0.03] * 99 + [0.06, 0.05],
            "known_null": False,
        }
    )
    table = rejection_table(tests, FACTS).set_index("hypothesis")
    assert table["contradicted"].to_list() == [0.01, 0.0]
    assert table["verdict"].to_list() == [FAIL, NO_CLAIM]
    coherent = tests.assign(p_value_adjusted=[0.02, 0.03] * 100)
    assert rejection_table(coherent, FACTS)["verdict"].to_list() == [PASS, NO_CLAIM]


def test_segments_of_replicates_are_those_of_experiments():
    experiment = case(n_slates=160)
    rows = replicate_segments(experiment, range(2), min_slates=10)
    for number in range(2):
        _, accounts = tables_of(experiment, number)
        table, _ = segments(accounts, min_slates=10, bootstrap_draws=1)
        expected = table.dropna(subset=["estimate"]).reset_index(drop=True)
        own = rows[rows["replicate"] == number].reset_index(drop=True)
        assert own["segment"].to_list() == expected["segment"].to_list()
        for kind, columns in INTERVALS.items():
            for found, (_, row) in zip(own[kind], expected.iterrows(), strict=True):
                if pd.isna(row[f"{columns}_lower"]):
                    assert pd.isna(found)
                    continue
                ends = row[f"{columns}_lower"], row[f"{columns}_upper"]
                assert found == (ends[0] <= row["known_effect"] <= ends[1])
    assert rows["own"].notna().all()
    assert rows["shrunken"].notna().any()
    assert replicate_segments(experiment, range(0), min_slates=10).empty


def held(own: list[int], together: list[int], shrunken: list[float]) -> pd.DataFrame:
    """Write two segments in replicates: whether each kind of interval holds in A; in B it does."""
    n = len(own)
    rows = {"own": own, "simultaneous": together, "shrunken": shrunken}
    parts = [
        pd.DataFrame({"replicate": range(n), "segment": "A", **rows}),
        pd.DataFrame({"replicate": range(n), "segment": "B", **dict.fromkeys(rows, 1)}),
    ]
    return pd.concat(parts).assign(segment_type="focal_position", line="total")


def test_coverage_of_segments_by_hand():
    # In A 90, 96 and 80 of 100 hold: on average .95, together .96, on average .90.
    table = segments_table(
        held([1] * 90 + [0] * 10, [1] * 96 + [0] * 4, [1] * 80 + [0] * 20), FACTS
    ).set_index("interval")
    assert table["coverage"].to_dict() == {"own": 0.95, "simultaneous": 0.96, "shrunken": 0.9}
    assert table["worst_segment"].to_dict() == {"own": 0.9, "simultaneous": 0.96, "shrunken": 0.8}
    assert (table["segments"] == 2).all()
    # The mean of two has 0.5 or 1 in a replicate.
    error = np.std([1] * 80 + [0.5] * 20, ddof=1) / 10
    assert table.at["shrunken", "coverage_mc_error"] == pytest.approx(error)
    assert table["verdict"].to_list() == [PASS, PASS, PASS]
    bad = segments_table(held([1] * 60 + [0] * 40, [1] * 80 + [0] * 20, [1] * 60 + [0] * 40), FACTS)
    assert bad["verdict"].to_list() == [FAIL] * 3
    wide = held([1] * 4000, [1] * 4000, [1] * 4000)
    assert segments_table(wide, FACTS)["verdict"].to_list() == [FAIL, PASS, PASS]
    none = held([1] * 9, [1] * 9, [np.nan] * 9)
    none["shrunken"] = np.nan
    assert segments_table(none, FACTS)["interval"].to_list() == ["own", "simultaneous"]
    assert segments_table(wide[:0], FACTS).empty
    few = segments_table(held([0] * 50, [0] * 50, [0] * 50), FACTS | {"slates": 299})
    assert few["verdict"].to_list() == [NO_CLAIM] * 3
    single = segments_table(held([1], [1], [1]), FACTS)
    assert single["verdict"].to_list() == [PASS] * 3


def test_intervals_cover_in_a_small_experiment():
    """Coverage of 1,500 replicates within 4 Monte Carlo errors of [.94, .96] for all lines.

    20 correlated numbers: a false alarm in fewer than 1 of 1,500 runs; the seed is fixed.
    """
    experiment = case(n_slates=300)
    table = coverage_table(replicate_ledgers(experiment, range(1500)), FACTS | {"slates": 300})
    table = table[table["estimator"] != "difference_in_means_ols_error"]
    room = 4 * table["coverage_mc_error"]
    assert (table["coverage_95"] >= 0.94 - room).all()
    assert (table["coverage_95"] <= 0.96 + room).all()
    there = table.dropna(subset=["bias"])
    assert (there["bias"].abs() <= 4 * there["bias_mc_error"]).all()
    assert ItemRows.from_items(experiment.items).n_slates == 300
