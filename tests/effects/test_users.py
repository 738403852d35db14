"""Errors for users like these: by leaving out users, by simulation, and what is said of them."""

import numpy as np
import pandas as pd
import pytest
from builders import compared, random_items

from netlift.effects.accounts import slate_outcomes
from netlift.effects.codes import NET_CHANGE
from netlift.effects.covariates import Covariates
from netlift.effects.decisions import decision_statements
from netlift.effects.estimators import ESTIMATORS, OLS_ERROR
from netlift.effects.ledger import component_effects
from netlift.effects.product import product_summary
from netlift.effects.users import (
    BY_USER,
    CROSSED,
    SAME_ONE_SLATE,
    SAME_RANDOMIZED,
    user_clusters,
    users_columns,
    users_sentence,
)
from netlift.inference.estimate import Estimate
from netlift.promotion.design import Design

SLATES, USERS = 240, 24


def accounts_of(seed: int, *, unit: str = "slate", users: int = USERS) -> pd.DataFrame:
    """Return accounts of users with 1 to 20 slates and differing probabilities of promotion."""
    rng = np.random.default_rng(seed)
    accounts = slate_outcomes(random_items(seed, SLATES, 8))
    user = np.sort(rng.integers(0, users, SLATES) * (rng.random(SLATES) < 0.8))
    key = user if unit == "user" else np.arange(SLATES)
    probability = rng.choice([0.3, 0.5, 0.7], SLATES)[key]
    return accounts.assign(
        user_id=user,
        randomization_unit=user if unit == "user" else accounts["slate_id"],
        promotion_probability=probability,
        promotion_applied=(rng.random(SLATES)[key] < probability).astype(int),
    )


COMPARED = [name for name in ESTIMATORS if name not in {OLS_ERROR, "lin"}]


@pytest.mark.parametrize("name", COMPARED)
def test_errors_for_users_like_these_are_those_of_leaving_out_one_user_at_a_time(name):
    accounts = accounts_of(1)
    design, columns = Design.from_table(accounts), ["observed_clicks_total"]
    values = accounts[columns].to_numpy(dtype=float)
    user, kind = user_clusters(accounts["user_id"], design)
    assert kind == BY_USER
    estimator, covariates = ESTIMATORS[name], Covariates(accounts)

    def effect(kept: np.ndarray) -> float:
        some = Covariates(accounts[kept])
        part = design.subset(kept)
        arms = estimator.compare(values[kept], part, some)
        return float(arms.difference[0])

    whole, n = effect(np.ones(SLATES, dtype=bool)), user.max() + 1
    changes = [effect(user != left) - whole for left in range(n)]
    expected = (n - 1) / n * np.square(changes).sum()
    errors = estimator.by_user(values, design, covariates, user)
    assert errors.variance((1,)) == pytest.approx(expected, rel=1e-8)


def test_lins_errors_by_user_are_those_of_its_regression_with_all_interactions():
    from netlift.inference.cluster_robust import ClusteredFit

    accounts = accounts_of(2, users=120)
    design = Design.from_table(accounts)
    values = accounts[["observed_clicks_total"]].to_numpy(dtype=float)
    user, _ = user_clusters(accounts["user_id"], design)
    covariates = Covariates(accounts)
    x = covariates.chosen(design)[0]
    assert x.shape[1] > 1
    x, arm = x - x.mean(axis=0), design.promoted[:, None].astype(float)
    whole = np.column_stack([np.ones(SLATES), arm, x, arm * x])
    fit = ClusteredFit.fit(values, whole, user, design.weights)
    n = user.max() + 1
    contrast = np.eye(whole.shape[1])[1]
    errors = ESTIMATORS["lin"].by_user(values, design, covariates, user)
    expected = fit.covariance(contrast, "CR3")[0, 0] * (n - 1) / n
    assert errors.variance((1,)) == pytest.approx(expected, rel=1e-8)
    assert errors.df == pytest.approx(fit.df(contrast, "CR3"), rel=1e-8)


def test_of_one_slate_per_user_both_errors_are_the_same():
    accounts = accounts_of(3).assign(user_id=np.arange(SLATES))
    assert user_clusters(accounts["user_id"], Design.from_table(accounts))[1] == SAME_ONE_SLATE
    effects = component_effects(compared(accounts))
    effects = effects[effects["estimator"] != OLS_ERROR]
    assert (effects["se_users"] == effects["se"]).all()
    assert (effects["ci_95_lower_users"] == effects["ci_95_lower"]).all()
    without = component_effects(compared(accounts.drop(columns="user_id")))
    assert set(without["users_errors"]) >= {SAME_ONE_SLATE}


def test_of_users_randomized_whole_both_errors_are_the_same():
    accounts = accounts_of(4, unit="user")
    assert user_clusters(accounts["user_id"], Design.from_table(accounts))[1] == SAME_RANDOMIZED
    effects = component_effects(compared(accounts))
    effects = effects[effects["estimator"] != OLS_ERROR]
    assert (effects["se_users"] == effects["se"]).all()


def test_units_that_cross_users_have_no_error_for_users_like_these():
    user = pd.Series([0, 0, 1, 1, 2, 2, 3, 3])
    unit = np.array([0, 1, 1, 2, 2, 3, 3, 0])
    design = Design(unit % 2 == 0, unit, np.zeros(8, dtype=int), None, "unit")
    assert user_clusters(user, design)[1] == CROSSED
    within = Design(unit % 2 == 0, np.arange(8), np.zeros(8, dtype=int), None, "unit")
    assert user_clusters(user, within)[1] == BY_USER
    regions = Design(user // 2 == 0, np.array(user // 2), np.zeros(8, dtype=int), None, "unit")
    assert user_clusters(user, regions)[1] == SAME_RANDOMIZED


def test_effects_that_differ_by_user_need_the_error_by_user():
    """Of 400 samples of users, 95% intervals by user cover the mean over all users.

    Tolerance: four Monte Carlo errors, sqrt(0.95 * 0.05 / 400) each: a false alarm in 1 of 16,000.
    """
    rng, covered = np.random.default_rng(8), []
    user = np.repeat(np.arange(60), 10)
    for _ in range(400):
        promoted = rng.random(600) < 0.5
        effect = rng.normal(1.0, 2.0, 60)[user]
        outcome = rng.normal(0, 1, 60)[user] + promoted * effect + rng.normal(size=600)
        design = Design(promoted, np.arange(600), np.zeros(600, dtype=int), None, "slate")
        estimator, values = ESTIMATORS["difference_in_means"], outcome[:, None]
        arms = estimator.compare(values, design, None)
        by_user = estimator.by_user(values, design, None, user).estimate(arms, (1,))
        covered.append(
            [
                low <= 1.0 <= high
                for low, high in (by_user.interval, arms.combination((1,)).interval)
            ]
        )
    users, slates = np.mean(covered, axis=0)
    assert abs(users - 0.95) < 4 * (0.95 * 0.05 / 400) ** 0.5
    assert slates < 0.85


def test_sentences_say_which_interval_is_which():
    row = users_columns(Estimate(2.0, 3.0, 50.0), BY_USER)
    said = users_sentence(row)
    assert "for these users" in said
    assert "users like these (clustered by user) it is -4.0 to +8.0, which covers zero" in said
    assert "covers zero" not in users_sentence(users_columns(Estimate(9.0, 3.0, 50.0), BY_USER))
    assert "one slate" in users_sentence(users_columns(Estimate(2.0, 3.0, 9.0), SAME_ONE_SLATE))
    assert "randomized whole" in users_sentence(
        users_columns(Estimate(2.0, 3.0, 9.0), SAME_RANDOMIZED)
    )
    assert "none is given" in users_sentence(users_columns(None, CROSSED))
    assert users_sentence({}) == ""


def test_statements_and_product_units_have_both_intervals():
    product = product_summary(compared(accounts_of(5)))
    net = product.set_index("metric").loc[NET_CHANGE]
    effects = component_effects(compared(accounts_of(5)))
    main = effects[effects["is_main"] & (effects["line"] == "total")].iloc[0]
    assert net["se_users"] == pytest.approx(1000 * main["se_users"], rel=1e-12)
    spillover = pd.DataFrame(
        columns=["unit_code", "se", "estimate", "ci_95_lower", "ci_95_upper", "definition_label"]
    )
    segments = pd.DataFrame(
        {"line": ["total"], "estimate": [np.nan], "segment_type_label": "x", "segment": "y"}
        | {f"simultaneous_ci_95_{end}": [np.nan] for end in ("lower", "upper")}
    )
    statements = decision_statements(product, spillover, segments).set_index("topic")
    row = statements.loc["slate_level_metric"]
    assert row["ci_95_upper_users"] == net["ci_95_upper_users"]
    assert "for users like these (clustered by user)" in row["statement"]
