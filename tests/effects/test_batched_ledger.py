"""The array form of the estimators is the table form, for many experiments at once."""

import numpy as np
import pytest
from builders import random_items

from netlift.effects.accounts import slate_outcomes
from netlift.effects.batched_ledger import array_ledger
from netlift.effects.codes import LINES
from netlift.effects.estimators import COVARIATES
from netlift.effects.ledger import component_columns, component_effects

COLUMNS = component_columns("observed_clicks")
TOLERANCE = 1e-10


def experiments(n_slates: int, probability: float, *, by_user: bool = False, clicks: float = 1.0):
    """Draw five experiments on the same slates: their accounts, and the same as arrays."""
    items = random_items(3, n_slates, 8, n_users=n_slates // 4 if by_user else None)
    accounts = slate_outcomes(items).drop(
        columns=[name for name in items if "known" in name], errors="ignore"
    )
    accounts = accounts[[name for name in accounts if not name.startswith(("expected", "known"))]]
    accounts = accounts.sort_values("user_id", kind="stable", ignore_index=True)
    unit = np.unique(accounts["user_id"], return_inverse=True)[1]
    rng = np.random.default_rng(4)
    tables, promoted, outcomes = [], [], []
    for _ in range(5):
        drawn = rng.random(n_slates) < probability
        if by_user:
            drawn = drawn[unit]
        counts = rng.poisson(clicks * np.array([0.4, 0.3, 1.5]) / 2, (n_slates, 3))
        table = accounts.assign(
            promotion_applied=drawn.astype(int),
            promotion_probability=probability,
            randomization_unit=accounts["user_id"] if by_user else accounts["slate_id"],
            **dict(zip(COLUMNS, counts.T, strict=True)),
            observed_clicks_total=counts.sum(axis=1),
        )
        tables.append(table)
        promoted.append(drawn)
        outcomes.append(counts.T.astype(float))
    covariates = accounts[list(COVARIATES)].to_numpy(dtype=float)
    arrays = array_ledger(
        np.array(promoted),
        np.array(outcomes),
        probability=probability,
        covariates=covariates,
        unit=unit if by_user else None,
    )
    return tables, arrays


@pytest.mark.parametrize("by_user", [False, True])
@pytest.mark.parametrize(("n_slates", "probability"), [(400, 0.5), (300, 0.2), (120, 0.5)])
def test_estimates_errors_and_degrees_of_freedom_are_those_of_the_tables(
    n_slates, probability, by_user
):
    tables, arrays = experiments(n_slates, probability, by_user=by_user)
    assert ("lin" in arrays) != by_user
    for place, table in enumerate(tables):
        effects = component_effects(table)
        for estimator, found in arrays.items():
            rows = effects[effects["estimator"] == estimator]
            assert rows["line"].to_list() == [line.code for line in LINES]
            for column, values in (
                ("estimate_per_slate", found.value),
                ("se", found.se),
                ("df", found.df),
            ):
                expected = rows[column].to_numpy(dtype=float)
                np.testing.assert_allclose(
                    values[place],
                    expected,
                    rtol=TOLERANCE,
                    atol=1e-13,
                    err_msg=f"{estimator} {column}",
                )


def test_lin_leaves_to_the_table_form_what_it_would_choose_covariates_for():
    _, arrays = experiments(40, 0.3)
    assert np.isnan(arrays["lin"].value).all()
    assert np.isfinite(arrays["difference_in_means"].value).all()


def test_arms_in_which_nothing_varies_are_given_the_other_arms_variance():
    tables, arrays = experiments(60, 0.3, clicks=0.02)
    seen_zero = False
    for place, table in enumerate(tables):
        seen_zero |= bool((table.groupby("promotion_applied")[COLUMNS].std() == 0).to_numpy().any())
        rows = component_effects(table)
        rows = rows[rows["estimator"] == "difference_in_means"]
        found = arrays["difference_in_means"]
        np.testing.assert_allclose(found.se[place], rows["se"].to_numpy(), rtol=TOLERANCE)
        np.testing.assert_allclose(found.df[place], rows["df"].to_numpy(), rtol=TOLERANCE)
    assert seen_zero


def test_an_arm_without_two_units_has_no_estimate():
    promoted = np.zeros((1, 20), dtype=bool)
    promoted[0, 0] = True
    outcomes = np.ones((1, 3, 20))
    found = array_ledger(promoted, outcomes, probability=0.5)
    assert np.isnan(found["difference_in_means"].value).all()


def test_parts_add_up():
    _, arrays = experiments(200, 0.5)
    for found in arrays.values():
        np.testing.assert_allclose(found.value[:, :3].sum(axis=1), found.value[:, 3], atol=1e-12)
