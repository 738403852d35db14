"""A batch of experiments is estimated as its members are, one by one, by every estimator."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import compared, random_items

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.codes import LINES
from netlift.effects.covariates import COVARIATES, Covariates
from netlift.effects.estimators import ESTIMATORS, estimators_table
from netlift.effects.ledger import component_effects
from netlift.effects.slate_accounts import component_columns
from netlift.promotion.design import Design

COLUMNS = component_columns("observed_clicks")
WEIGHTS = [line.weights for line in LINES]
TOLERANCE = 1e-10


def experiments(
    n_slates: int, probability: float, *, by_user: bool = False, clicks: float = 1.0
) -> list[pd.DataFrame]:
    """Draw five experiments on the same slates, as accounts."""
    items = random_items(3, n_slates, 8, n_users=n_slates // 4 if by_user else None)
    accounts = slate_outcomes(items)
    accounts = accounts[[name for name in accounts if not name.startswith(("expected", "known"))]]
    accounts = accounts.sort_values("user_id", kind="stable", ignore_index=True)
    unit = np.unique(accounts["user_id"], return_inverse=True)[1]
    rng = np.random.default_rng(4)
    tables = []
    for _ in range(5):
        drawn = rng.random(n_slates) < probability
        if by_user:
            drawn = drawn[unit]
        counts = rng.poisson(clicks * np.array([0.4, 0.3, 1.5]) / 2, (n_slates, 3))
        tables.append(
            accounts.assign(
                promotion_applied=drawn.astype(int),
                promotion_probability=probability,
                randomization_unit=accounts["user_id"] if by_user else accounts["slate_id"],
                **dict(zip(COLUMNS, counts.T, strict=True)),
                observed_clicks_total=counts.sum(axis=1),
            )
        )
    return tables


def batch(tables: list[pd.DataFrame]) -> tuple[np.ndarray, Design, Covariates]:
    """Put experiments on the same slates together: outcomes, design with arms of each."""
    outcomes = np.array([table[COLUMNS].to_numpy(dtype=float) for table in tables])
    promoted = np.array([table["promotion_applied"] == 1 for table in tables])
    return outcomes, replace(Design.from_table(tables[0]), promoted=promoted), Covariates(tables[0])


def check_members(tables: list[pd.DataFrame], estimator: str) -> None:
    """Compare each member of a batch with the same experiment on its own, line by line."""
    found = ESTIMATORS[estimator].compare(*batch(tables)).combinations(WEIGHTS)
    for index, table in enumerate(tables):
        rows = component_effects(compared(table))
        rows = rows[rows["estimator"] == estimator]
        assert rows["line"].to_list() == [line.code for line in LINES]
        for column, values in (
            ("estimate_per_slate", found.value),
            ("se", found.se),
            ("df", found.df),
        ):
            expected = rows[column].to_numpy(dtype=float)
            np.testing.assert_allclose(
                values[index], expected, rtol=TOLERANCE, atol=1e-13, err_msg=column
            )


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("by_user", [False, True])
@pytest.mark.parametrize(("n_slates", "probability"), [(400, 0.5), (300, 0.2), (120, 0.5)])
def test_members_have_the_numbers_of_their_tables(n_slates, probability, by_user, estimator):
    check_members(experiments(n_slates, probability, by_user=by_user), estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("by_user", [False, True])
def test_so_have_members_whose_slates_differ_in_their_probability(by_user, estimator):
    tables = experiments(200, 0.5, by_user=by_user)
    unit = np.unique(tables[0]["user_id"], return_inverse=True)[1]
    chances = np.random.default_rng(5).uniform(0.2, 0.8, 200)[unit]
    check_members([table.assign(promotion_probability=chances) for table in tables], estimator)


def test_each_member_has_the_covariates_that_its_arms_can_hold():
    """Few slates, a covariate that is a sum of others, and one that is constant in one arm."""
    tables = experiments(60, 0.4)
    promoted = tables[2]["promotion_applied"].to_numpy()
    odd = {
        "n_displaced": tables[0]["n_same_cluster"] + 2 * tables[0]["relevance_mean"],
        "n_same_cluster": tables[0]["n_same_cluster"],
        "user_activity": np.where(promoted == 1, 3.0, np.arange(60)),
    }
    tables = [table.assign(**odd) for table in tables]
    check_members(tables, "lin")
    chosen = [Covariates(table).chosen(Design.from_table(table)) for table in tables]
    assert len({tuple(fate.items()) for _, fate in chosen}) > 1
    for (values, fate), table in zip(chosen, tables, strict=True):
        used = [name for name in COVARIATES if fate[name] == "used"]
        expected = table[used].to_numpy(dtype=float)
        expected = (expected - expected.mean(axis=0)) / expected.std(axis=0)
        np.testing.assert_allclose(values, expected, atol=1e-12)
        assert "combination of the others" in fate["relevance_mean"]
    assert chosen[2][1]["user_activity"] != "used"


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_arms_in_which_nothing_varies_are_given_the_other_arms_variance(estimator):
    tables = experiments(60, 0.3, clicks=0.02)
    constant = [table.groupby("promotion_applied")[COLUMNS].std() == 0 for table in tables]
    assert any(part.to_numpy().any() for part in constant)
    check_members(tables, estimator)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e6 + 0.1])
@pytest.mark.parametrize("unit", ["slate_id", "user_id"])
def test_what_does_not_vary_in_an_arm_has_no_variance_but_for_the_other_arms(value, unit):
    table = experiments(40, 0.5, by_user=unit == "user_id")[0]
    promoted = table["promotion_applied"].to_numpy() == 1
    for arm in (promoted, ~promoted):
        outcomes = np.random.default_rng(6).random((40, 3))
        outcomes[arm] = value
        for name in ("difference_in_means", "hajek"):
            arms = ESTIMATORS[name].compare(outcomes, Design.from_table(table), None)
            mine = arms.treated if arm is promoted else arms.control
            assert (mine.combinations(WEIGHTS).se == 0).all()
            assert (arms.combinations(WEIGHTS).se > 0).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("by_user", [False, True])
@pytest.mark.parametrize("there", [0, 1])
def test_a_member_without_two_units_in_an_arm_has_no_numbers(estimator, by_user, there):
    if by_user and there and estimator == "difference_in_means_ols_error":
        pytest.skip("it takes the slates of one user as independent")
    tables = experiments(40, 0.5, by_user=by_user)
    outcomes, design, covariates = batch(tables)
    unit = tables[0]["user_id"] if by_user else tables[0]["slate_id"]
    design.promoted[1] = np.isin(unit, unit.unique()[:there])
    design.promoted[3] = ~design.promoted[1]
    arms = ESTIMATORS[estimator].compare(outcomes, design, covariates).combinations(WEIGHTS)
    for values in (arms.value, arms.se):
        np.testing.assert_array_equal(np.isnan(values).all(axis=1), [False, True] * 2 + [False])
    alone = replace(design, promoted=design.promoted[1])
    with pytest.raises(NetliftError, match="needs at least 2"):
        ESTIMATORS[estimator].compare(outcomes[1], alone, covariates)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parts_add_up(estimator):
    found = ESTIMATORS[estimator].compare(*batch(experiments(200, 0.5))).combinations(WEIGHTS)
    np.testing.assert_allclose(found.value[:, :3].sum(axis=1), found.value[:, 3], atol=1e-12)


def test_the_docs_have_a_line_for_each_estimator():
    methods = (Path(__file__).parents[2] / "docs/methods.md").read_text(encoding="utf-8")
    assert estimators_table() in methods
