"""The ledger: parts that add up exactly, errors that other people's code agrees with."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from builders import COMPONENTS, compared, items, random_items

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.estimators import expanded_difference
from netlift.effects.ledger import (
    additivity_checks,
    component_covariance,
    component_effects,
    component_support,
)
from netlift.promotion.design import Design

OUTCOMES = ["observed_clicks", "expected_clicks", "known_lift"]
PLAIN = {"difference_in_means": "HC2", "difference_in_means_ols_error": "nonrobust"}
ESTIMATORS = [*PLAIN, "lin", "hajek", "horvitz_thompson"]
NEED_PROBABILITIES = ["hajek", "horvitz_thompson"]
COVARIATES = ["n_same_cluster", "n_displaced", "relevance_mean", "relevance_sd", "user_activity"]
PARTS = {
    "direct": COMPONENTS[:1],
    "same_cluster": COMPONENTS[1:2],
    "other": COMPONENTS[2:],
    "total": COMPONENTS,
}


def ragged_accounts(seed: int = 1, n_slates: int = 150) -> pd.DataFrame:
    """Accounts of slates that were promoted with probabilities of 0.3, 0.5 and 0.7."""
    probability = np.random.default_rng(seed).choice([0.3, 0.5, 0.7], n_slates)
    accounts = slate_outcomes(random_items(seed, n_slates, (3, 9)))
    return accounts.assign(promotion_probability=probability)


def four_slates() -> pd.DataFrame:
    """Two promoted and two control slates, the focal item third."""
    return slate_outcomes(
        items(
            ["ABACA", "ABACA", "ABACA", "ABBCC"],
            focal=[3, 3, 3, 3],
            promoted=[1, 1, 0, 0],
            clicks=["00100", "01110", "11010", "10001"],
        )
    )


def line(effects: pd.DataFrame, component: str, **where: str) -> pd.Series:
    where = {"outcome_type": OUTCOMES[0], "estimator": "difference_in_means"} | where
    rows = effects[effects["line"] == component]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    (row,) = [row for _, row in rows.iterrows()]
    return row


def test_effects_by_hand():
    effects = component_effects(compared(four_slates()))
    # Promoted slates, (focal, same-cluster, other): (1, 0, 0) and (1, 0, 2).
    # Control slates: (0, 1, 2) and, with cluster B's third item as focal item, (0, 0, 2).
    expected = {
        "direct": (1.0, 0.0),
        "same_cluster": (0.0, 0.5),
        "other": (1.0, 2.0),
        "total": (2.0, 2.5),
    }
    for component, (treated, control) in expected.items():
        row = line(effects, component)
        assert (row["treated_mean"], row["control_mean"]) == (treated, control)
        assert row["estimate_per_slate"] == treated - control
    # Totals: promoted 1 and 3, control 3 and 2: variances 2 and 1/2, each over 2 slates.
    assert line(effects, "total")["se"] == pytest.approx(1.25**0.5, rel=1e-15)
    assert (effects["treated_slates"] == 2).all()
    assert (effects["control_slates"] == 2).all()


def test_the_table_has_the_agreed_columns_and_lines():
    effects = component_effects(compared(ragged_accounts()))
    assert list(effects.columns) == [
        "outcome_type",
        "line",
        "effect_family",
        "component",
        "estimator",
        "estimate_per_slate",
        "se",
        "ci_95_lower",
        "ci_95_upper",
        "treated_mean",
        "control_mean",
        "treated_slates",
        "control_slates",
        "estimate_per_1000_promoted_slates",
        "ci_95_lower_per_1000",
        "ci_95_upper_per_1000",
        "df",
        "se_users",
        "df_users",
        "ci_95_lower_users",
        "ci_95_upper_users",
        "users_errors",
        "effective_units",
        "effective_terms",
        "claims_95",
        "is_main",
        "p_value_of_difference",
        "note",
    ]
    keys = list(zip(effects["effect_family"], effects["line"], strict=True))
    families = ["Direct", "Indirect", "Indirect", "Total"]
    assert keys == list(zip(families, PARTS, strict=True)) * len(OUTCOMES) * len(ESTIMATORS)
    plain = effects["estimator"] == "difference_in_means_ols_error"
    assert not effects[~plain].drop(columns=["note", "p_value_of_difference"]).isna().any(axis=None)
    # Plain OLS errors are not claimed, so there are none for users like these.
    assert (effects.loc[plain, "users_errors"] == "not_estimated").all()
    assert effects.loc[plain, "se_users"].isna().all()


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("estimator", PLAIN)
def test_every_line_is_statsmodels_regression_on_the_arm(outcome, estimator):
    log = random_items(2, 150, (3, 9))
    effects = component_effects(compared(slate_outcomes(log)))
    column = {"observed_clicks": "click", "expected_clicks": "expected_click"}.get(outcome, outcome)
    arm = log.groupby("slate_id")["promotion_applied"].first()
    for component, members in PARTS.items():
        summed = log[column].where(log["component"].isin(members), 0).groupby(log["slate_id"]).sum()
        ols = sm.OLS(summed.to_numpy(), sm.add_constant(arm.to_numpy(dtype=float)))
        fit = ols.fit(cov_type=PLAIN[estimator])
        row = line(effects, component, outcome_type=outcome, estimator=estimator)
        assert row["estimate_per_slate"] == pytest.approx(fit.params[1], abs=1e-13)
        assert row["se"] == pytest.approx(fit.bse[1], rel=1e-11)
        assert row["control_mean"] == pytest.approx(fit.params[0], abs=1e-13)
        assert row["treated_mean"] == pytest.approx(fit.params.sum(), abs=1e-13)


def jackknife_se(outcome, design, weights, arms) -> float:
    """Return the error of the difference of intercepts: statsmodels' HC3 times (n - 1) / n."""
    variance = 0.0
    for arm in arms:
        fit = sm.WLS(np.asarray(outcome, dtype=float)[arm], design[arm], weights=weights[arm])
        variance += fit.fit(cov_type="HC3").bse[0] ** 2 * (1 - 1 / arm.sum())
    return variance**0.5


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_lin_is_statsmodels_regression_with_all_interactions(outcome):
    accounts = ragged_accounts(5, 200)
    effects = component_effects(compared(accounts))
    arm, e = accounts["promotion_applied"].to_numpy(float), accounts["promotion_probability"]
    # Slates differ in their probability, so they are weighted by it.
    weights = 1 / np.where(arm == 1, e, 1 - e)
    x = accounts[COVARIATES].to_numpy(dtype=float)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    design = np.column_stack([arm, x, arm[:, None] * x])
    arms = arm == 1, arm == 0
    for component, members in PARTS.items():
        summed = sum(accounts[f"{outcome}_{name}"] for name in members)
        model = sm.WLS(summed.to_numpy(dtype=float), sm.add_constant(design), weights=weights)
        fit = model.fit()
        row = line(effects, component, outcome_type=outcome, estimator="lin")
        assert row["estimate_per_slate"] == pytest.approx(fit.params[1], abs=1e-11)
        assert row["se"] == pytest.approx(jackknife_se(summed, sm.add_constant(x), weights, arms))
        assert row["control_mean"] == pytest.approx(fit.params[0], abs=1e-11)
        assert row["note"].startswith(f"adjusted for {', '.join(COVARIATES)}; dropped: focal_seed")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_hajek_is_statsmodels_weighted_regression(outcome):
    accounts = ragged_accounts(6, 200)
    effects = component_effects(compared(accounts))
    arm, e = accounts["promotion_applied"].to_numpy(), accounts["promotion_probability"].to_numpy()
    weights = 1 / np.where(arm == 1, e, 1 - e)
    for component, members in PARTS.items():
        summed = sum(accounts[f"{outcome}_{name}"] for name in members).to_numpy(dtype=float)
        model = sm.WLS(summed, sm.add_constant(arm.astype(float)), weights=weights)
        row = line(effects, component, outcome_type=outcome, estimator="hajek")
        assert row["estimate_per_slate"] == pytest.approx(model.fit().params[1], abs=1e-12)
        se = jackknife_se(summed, np.ones((200, 1)), weights, (arm == 1, arm == 0))
        assert row["se"] == pytest.approx(se, rel=1e-10)
        treated = np.average(summed[arm == 1], weights=weights[arm == 1])
        assert row["treated_mean"] == pytest.approx(treated, abs=1e-12)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_horvitz_thompson_expands_sums_by_the_probabilities(outcome):
    accounts = ragged_accounts(6, 200)
    effects = component_effects(compared(accounts))
    arm, e = accounts["promotion_applied"].to_numpy() == 1, accounts["promotion_probability"]
    for component, members in PARTS.items():
        summed = sum(accounts[f"{outcome}_{name}"] for name in members)
        parts = [(summed / p)[own] for own, p in ((arm, e), (~arm, 1 - e))]
        row = line(effects, component, outcome_type=outcome, estimator="horvitz_thompson")
        assert row["treated_mean"] == pytest.approx(parts[0].sum() / 200, abs=1e-12)
        assert row["control_mean"] == pytest.approx(parts[1].sum() / 200, abs=1e-12)
        square = sum((part**2).sum() for part in parts)
        assert row["se"] == pytest.approx(square**0.5 / 200, rel=1e-12)


def test_horvitz_thompson_is_unbiased_over_all_assignments_and_its_error_conservative():
    # Six slates with probabilities of their own: 64 assignments.
    rng = np.random.default_rng(3)
    control, promoted = rng.poisson(2, (2, 6)).astype(float)
    probability = np.array([0.2, 0.3, 0.5, 0.5, 0.6, 0.7])
    mean = square = error = chance_of_both = 0.0
    for arms in product([False, True], repeat=6):
        arm = np.array(arms)
        chance = np.where(arm, probability, 1 - probability).prod()
        outcome = np.where(arm, promoted, control)
        received = np.where(arm, probability, 1 - probability)
        value = (np.where(arm, 1, -1) * outcome / received).sum() / 6
        mean, square = mean + chance * value, square + chance * value**2
        error += chance * ((outcome / received) ** 2).sum() / 36
        if min(arm.sum(), 6 - arm.sum()) < 2:
            continue
        chance_of_both += chance
        units = np.arange(6)
        design = Design(arm, units, np.zeros(6, dtype=int), probability, "slate")
        found = expanded_difference(design, outcome[:, None]).combination((1,))
        assert found.value == pytest.approx(value, abs=1e-12)
        assert found.se**2 == pytest.approx(((outcome / received) ** 2).sum() / 36, rel=1e-12)
    assert mean == pytest.approx((promoted - control).mean(), abs=1e-12)
    assert error >= square - mean**2
    assert 0.5 < chance_of_both < 1


def test_estimators_without_what_they_need_say_so_and_have_no_numbers():
    accounts = ragged_accounts().drop(columns="promotion_probability")
    effects = component_effects(compared(accounts))
    hajek = effects[effects["estimator"].isin(NEED_PROBABILITIES)]
    assert hajek["estimate_per_slate"].isna().all()
    assert hajek["note"].str.contains("probabilities of promotion are not known").all()


def test_lin_has_five_slates_an_arm_for_every_coefficient_or_drops_covariates():
    accounts = ragged_accounts()
    arm = accounts["promotion_applied"] == 1
    few = pd.concat([accounts[arm][:17], accounts[~arm]])
    note = line(component_effects(compared(few)), "total", estimator="lin")["note"]
    assert note.startswith("adjusted for n_same_cluster, n_displaced; dropped: ")
    assert note.count("(too few randomized units)") == 3
    fewer = component_effects(compared(pd.concat([accounts[arm][:5], accounts[~arm]])))
    lin, plain = (line(fewer, "total", estimator=name) for name in ("lin", "hajek"))
    assert lin["note"].startswith("adjusted for nothing; dropped: ")
    assert (lin["estimate_per_slate"], lin["se"]) == (plain["estimate_per_slate"], plain["se"])


def test_where_probabilities_differ_plain_means_are_noted_and_hajek_is_the_main_estimator():
    varying = component_effects(compared(ragged_accounts()))
    assert set(varying.loc[varying["is_main"], "estimator"]) == {"hajek"}
    plain = varying[varying["estimator"].isin(PLAIN)]
    assert plain["note"].str.contains("probabilities of promotion differ").all()
    same = component_effects(compared(ragged_accounts().assign(promotion_probability=0.4)))
    assert set(same.loc[same["is_main"], "estimator"]) == {"difference_in_means"}
    assert same.loc[same["is_main"], "note"].isna().all()


def test_covariates_that_cannot_be_used_are_named():
    accounts = ragged_accounts().assign(relevance_sd=1.0)
    accounts["user_activity"] = accounts["user_activity"].where(accounts.index > 3)
    accounts["n_same_cluster"] = 0
    note = line(component_effects(compared(accounts)), "total", estimator="lin")["note"]
    assert note == (
        "adjusted for n_displaced, relevance_mean; dropped: n_same_cluster (constant), "
        "focal_seed_position (a combination of the others, or constant, in an arm), "
        "relevance_sd (constant), user_activity (has missing values)"
    )


def test_covariances_give_the_error_of_every_line():
    accounts = ragged_accounts()
    effects, table = (
        component_effects(compared(accounts)),
        component_covariance(compared(accounts)),
    )
    for outcome in OUTCOMES:
        for estimator in ESTIMATORS:
            part = table[(table["outcome_type"] == outcome) & (table["estimator"] == estimator)]
            matrix = part.pivot(index="line_1", columns="line_2", values="covariance")
            names = list(PARTS)[:3]
            matrix = matrix.loc[names, names].to_numpy()
            assert (matrix == matrix.T).all()
            errors = [
                line(effects, name, outcome_type=outcome, estimator=estimator)["se"]
                for name in PARTS
            ]
            assert np.sqrt(np.diag(matrix)) == pytest.approx(errors[:3], rel=1e-12)
            assert np.sqrt(matrix.sum()) == pytest.approx(errors[3], rel=1e-12)
            correlation = part.pivot(index="line_1", columns="line_2", values="correlation").loc[
                names, names
            ]
            expected = matrix / np.outer(errors[:3], errors[:3])
            assert correlation.to_numpy() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_direct_plus_indirect_is_the_total_of_whole_slates(outcome, estimator):
    accounts = ragged_accounts(3, 400)
    rows = [
        line(
            component_effects(compared(accounts)),
            part,
            outcome_type=outcome,
            estimator=estimator,
        )
        for part in PARTS
    ]
    direct, same, other, total = (row["estimate_per_slate"] for row in rows)
    assert abs(direct + same + other - total) < 1e-12
    if estimator in PLAIN:
        by_arm = accounts.groupby("promotion_applied")[f"{outcome}_total"].mean()
        assert abs(total - (by_arm[1] - by_arm[0])) < 1e-12


def test_effects_per_1000_promoted_slates_are_1000_times_those_per_slate():
    effects = component_effects(compared(ragged_accounts()))
    for per_1000, per_slate in (
        ("estimate_per_1000_promoted_slates", "estimate_per_slate"),
        ("ci_95_lower_per_1000", "ci_95_lower"),
        ("ci_95_upper_per_1000", "ci_95_upper"),
    ):
        assert effects[per_1000].to_numpy() == pytest.approx(
            1000 * effects[per_slate].to_numpy(), rel=1e-12
        )


def test_over_all_possible_assignments_the_estimate_is_right_and_its_error_not_too_small():
    # Complete randomization of 3 of 6 slates, both potential outcomes known: 20 assignments. They
    # are no counts here, so that they vary in every arm.
    log = random_items(5, 6, 5).drop(columns=["p_control", "expected_click", "known_lift"])
    log[["click_control", "click_promoted"]] += np.random.default_rng(1).normal(size=(len(log), 2))
    control = log["click_control"].groupby(log["slate_id"]).sum().to_numpy()
    promoted = log["click_promoted"].groupby(log["slate_id"]).sum().to_numpy()
    estimates, variances = [], []
    for chosen in combinations(range(6), 3):
        arm = np.isin(np.arange(6), chosen)
        clicks = log["click_promoted"].where(arm[log["slate_id"]], log["click_control"])
        assigned = log.assign(click=clicks, promotion_applied=arm[log["slate_id"]].astype(int))
        row = line(component_effects(compared(slate_outcomes(assigned))), "total")
        estimates.append(row["estimate_per_slate"])
        variances.append(row["se"] ** 2)
    effect = promoted - control
    assert np.mean(estimates) == pytest.approx(effect.mean(), abs=1e-13)
    # Neyman (1923): on average too large by the variance of the effects over their number.
    excess = effect.var(ddof=1) / 6
    assert np.mean(variances) == pytest.approx(np.var(estimates) + excess, abs=1e-13)


def test_a_log_without_a_truth_has_only_observed_clicks():
    effects = component_effects(compared(four_slates()))
    assert set(effects["outcome_type"]) == {"observed_clicks"}
    assert set(additivity_checks(compared(four_slates()))["outcome_type"]) == {"observed_clicks"}


# --- Additivity checks ---------------------------------------------------------------------------


def test_checks_hold_for_every_outcome_and_estimator():
    checks = additivity_checks(compared(ragged_accounts(4, 500)))
    assert len(checks) == 3 * len(OUTCOMES) * len(ESTIMATORS)
    assert set(zip(checks["outcome_type"], checks["estimator"], strict=True)) == {
        (outcome, estimator) for outcome in OUTCOMES for estimator in ESTIMATORS
    }
    assert checks["holds"].all()
    assert (checks["difference"].abs() < 1e-12).all()
    assert (checks["tolerance"] == 1e-12).all()


def test_checks_show_the_numbers_of_the_table_of_effects():
    accounts = ragged_accounts()
    effects, checks = (
        component_effects(compared(accounts)),
        additivity_checks(compared(accounts)),
    )
    for outcome in OUTCOMES:
        for estimator in ESTIMATORS:
            _direct, same, other, total = (
                line(effects, part, outcome_type=outcome, estimator=estimator) for part in PARTS
            )
            here = (checks["outcome_type"] == outcome) & (checks["estimator"] == estimator)
            left = checks[here].set_index("identity")["left"]
            right = checks[here].set_index("identity")["right"]
            indirect = same["estimate_per_slate"] + other["estimate_per_slate"]
            expected = {
                "direct + indirect = total": total["estimate_per_slate"],
                "same-cluster + other = indirect": indirect,
                "variance of the total from the joint covariance = its own": total["se"] ** 2,
            }
            for identity, value in expected.items():
                assert left[identity] == pytest.approx(value, abs=1e-13)
                assert right[identity] == pytest.approx(value, abs=1e-13)


def test_a_row_that_belongs_to_no_component_is_an_error():
    log = random_items(6, 60, 5).astype({"component": str})
    log.loc[7, "component"] = "misspelled"
    with pytest.raises(NetliftError, match="1 of 300 rows have a component that is none of the"):
        slate_outcomes(log)


def test_totals_that_are_not_the_sum_of_their_parts_fail_the_checks():
    accounts = ragged_accounts()
    arm = accounts["promotion_applied"].to_numpy()
    accounts.loc[np.flatnonzero(arm)[0], "observed_clicks_total"] += 1
    checks = additivity_checks(compared(accounts))
    observed = checks["outcome_type"] == "observed_clicks"
    broken = checks[observed & (checks["identity"] == "direct + indirect = total")]
    assert not broken["holds"].any()
    plain = broken[broken["estimator"].isin(PLAIN)]
    assert plain["difference"].abs().to_numpy() == pytest.approx([1 / arm.sum()] * 2, rel=1e-9)


def test_checks_hold_for_outcomes_of_any_size():
    log = random_items(7, 80, 5)
    log["click"] = log["click"] * 1e9 + np.random.default_rng(1).random(len(log))
    assert additivity_checks(compared(slate_outcomes(log)))["holds"].all()


# --- Degenerate experiments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("promoted", "message"),
    [
        ([1, 1, 1, 1], "0 control slates of 4"),
        ([0, 0, 0, 0], "0 promoted slates of 4"),
        ([1, 0, 0, 0], "1 promoted slates of 4"),
    ],
)
@pytest.mark.parametrize("table", [component_effects, additivity_checks])
def test_an_experiment_without_two_slates_in_each_arm_says_so(table, promoted, message):
    log = items(["AAB"] * 4, [2] * 4, promoted, ["010"] * 4)
    with pytest.raises(NetliftError, match=message):
        table(compared(slate_outcomes(log)))


@pytest.mark.parametrize("clicks", ["000", "111"])
def test_constant_clicks_give_effects_of_zero_with_no_error_and_nothing_missing(clicks):
    accounts = slate_outcomes(items(["AAB"] * 6, [2] * 6, [1, 0] * 3, [clicks] * 6))
    effects = component_effects(compared(accounts))
    effects = effects[~effects["estimator"].isin(NEED_PROBABILITIES)]
    for column in ("estimate_per_slate", "se", "ci_95_lower", "ci_95_upper"):
        assert (effects[column] == 0).all()
    assert additivity_checks(compared(accounts))["holds"].all()


def test_checks_hold_where_every_slate_has_exactly_one_click():
    for seed in range(20):
        log = random_items(seed, 60, 5)
        rng = np.random.default_rng(seed)
        log["click"] = (np.arange(5) == rng.integers(0, 5, (60, 1))).astype(int).ravel()
        checks = additivity_checks(compared(slate_outcomes(log)))
        assert checks["holds"].all(), checks[~checks["holds"]]


# --- Support -------------------------------------------------------------------------------------


def test_support_by_hand():
    log = items(
        ["ABACA", "BC", "AAB"], focal=[3, 2, 1], promoted=[1, 1, 0], clicks=["00000", "00", "000"]
    )
    support = component_support(slate_outcomes(log)).set_index("line")
    columns = ["rows", "treated_rows", "control_rows", "displaced_rows"]
    assert support[columns].to_numpy().tolist() == [
        [3, 2, 1, 0],  # focal items
        [3, 2, 1, 1],  # items 1 and 5 of the first slate, item 2 of the third
        [4, 3, 1, 2],  # items 2 and 4 of the first, item 1 of the second, item 3 of the third
        [10, 7, 3, 3],
    ]
    columns = ["slates", "treated_slates", "control_slates"]
    # The second slate has no same-cluster competitor.
    assert support[columns].to_numpy().tolist() == [[3, 2, 1], [2, 1, 1], [3, 2, 1], [3, 2, 1]]
    assert support["rows_per_treated_slate"].tolist() == [1.0, 1.0, 1.5, 3.5]
    assert support["rows_per_control_slate"].tolist() == [1.0, 1.0, 1.0, 3.0]


def test_support_of_components_adds_up_to_the_slate():
    support = component_support(ragged_accounts()).set_index("line")
    rows = [column for column in support if "rows" in column]
    parts = support.loc[list(PARTS)[:3], rows].sum()
    assert parts.to_numpy() == pytest.approx(support.loc["total", rows].to_numpy(), rel=1e-12)
