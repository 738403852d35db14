"""Who gains among users: the ledger by quarters of what is known about users."""

import numpy as np
import pandas as pd
import pytest
from builders import random_items
from scipy import stats

from netlift.core.errors import NetliftError
from netlift.effects.account_tables import account_tables
from netlift.effects.accounts import slate_outcomes
from netlift.effects.ledger import component_effects
from netlift.effects.slate_accounts import SlateAccounts
from netlift.effects.user_segments import QUARTERS, user_segments

LINES = ["direct", "same_cluster", "other", "total"]


@pytest.fixture(scope="module")
def accounts() -> pd.DataFrame:
    return slate_outcomes(random_items(2, 800, 8, n_users=160))


def made(accounts: pd.DataFrame, **changes) -> tuple[pd.DataFrame, pd.DataFrame]:
    return user_segments(accounts, min_slates=20, bootstrap_draws=99, **changes)


def of(table: pd.DataFrame, kind: str, line: str = "total") -> pd.DataFrame:
    return table[(table["segment_type"] == kind) & (table["line"] == line)].set_index("segment")


@pytest.mark.parametrize("kind", ["user_activity", "user_liked_rate"])
def test_each_quarter_has_the_ledger_of_its_slates(accounts, kind):
    table, _ = made(accounts)
    edges = np.quantile(accounts[kind], [0.25, 0.5, 0.75])
    low = -np.inf
    for name, high in zip(QUARTERS, [*edges, np.inf], strict=True):
        member = (accounts[kind] > low) & (accounts[kind] <= high)
        ledger = component_effects(SlateAccounts.from_table(accounts[member]))
        ledger = ledger[ledger["estimator"] == "difference_in_means"]
        ledger = ledger[ledger["outcome_type"] == "observed_clicks"].set_index("line")
        for line in LINES:
            row = of(table, kind, line).loc[name]
            assert row["estimate"] == pytest.approx(ledger.loc[line, "estimate_per_slate"])
            assert row["se"] == pytest.approx(ledger.loc[line, "se"])
            known = {"total": accounts.loc[member, "known_effect_total"].mean()}
            assert row["known_effect"] == pytest.approx(known.get(line, row["known_effect"]))
            assert row["users"] == accounts.loc[member, "user_id"].nunique()
            assert row["lowest"] == accounts.loc[member, kind].min()
            assert row["highest"] == accounts.loc[member, kind].max()
            assert row["slates"] == member.sum()
        low = high


def test_lines_add_up_in_each_quarter(accounts):
    table, _ = made(accounts)
    wide = table.pivot(index=["segment_type", "segment"], columns="line", values="estimate")
    np.testing.assert_allclose(wide[LINES[:3]].sum(axis=1), wide["total"], atol=1e-12)


def test_intervals_hold_for_all_groups_of_all_covariates(accounts):
    table, heterogeneity = made(accounts)
    half = stats.t.ppf(0.5 + 0.95 ** (1 / 8) / 2, table["df"]) * table["se"]
    np.testing.assert_allclose(table["simultaneous_ci_95_upper"], table["estimate"] + half)
    p = heterogeneity["p_value"].to_numpy()
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    np.testing.assert_allclose(
        heterogeneity["p_value_adjusted"].to_numpy()[order], np.minimum(steps, 1.0)
    )


def test_groups_are_shrunken_and_draws_are_those_of_no_other_table(accounts):
    table, _ = made(accounts)
    assert table["shrunken_estimate"].notna().all()
    few = accounts.head(320)
    first, other = made(few, seed=1)[0], made(few, seed=2)[0]
    assert (first["wild_bootstrap_p_value"] != other["wild_bootstrap_p_value"]).any()


def test_a_covariate_of_slates_counts_if_it_is_the_same_for_a_user(accounts):
    premium = (accounts["user_id"] % 3 == 0).astype(float)
    hour = np.arange(len(accounts)) % 24
    more = accounts.assign(slate_covariate_premium=premium, slate_covariate_hour=hour)
    table, _ = made(more)
    assert "slate_covariate_hour" not in set(table["segment_type"])
    rows = of(table, "slate_covariate_premium")
    assert list(rows.index) == ["0", "1"]
    assert rows["segment_type_label"].eq("premium").all()
    assert rows["slates"].to_list() == [(premium == 0).sum(), (premium == 1).sum()]


def test_what_has_no_groups_says_why(accounts):
    changes = accounts.assign(user_activity=5.0)
    changes.loc[7, "user_liked_rate"] = np.nan
    with pytest.raises(NetliftError, match="the same in all slates") as refused:
        made(changes)
    assert "missing in 1 of 800 slates" in str(refused.value)
    with pytest.raises(NetliftError, match="nothing is known about users"):
        made(accounts.drop(columns=["user_activity", "user_liked_rate"]))
    one = accounts.assign(user_activity=5.0)
    table, _ = made(one)
    (row,) = table[table["segment_type"] == "user_activity"].to_dict("records")
    assert row["note"] == "the same in all slates"


def test_activity_that_earlier_promotions_may_change_divides_only_randomized_slates(accounts):
    later = accounts.assign(user_activity=np.arange(len(accounts)))
    table, _ = made(later)
    assert len(of(table, "user_activity")) == 4
    arm = accounts["user_id"] % 2
    by_user = later.assign(promotion_applied=arm, randomization_unit=accounts["user_id"])
    table, _ = made(by_user)
    (row,) = table[table["segment_type"] == "user_activity"].to_dict("records")
    assert "earlier promotions may have changed it" in row["note"]
    assert of(table, "user_liked_rate")["shrunken_estimate"].notna().all()


def test_accounts_without_covariates_have_the_reason_among_their_tables(accounts):
    bare = accounts.drop(columns=["user_activity", "user_liked_rate"])
    options = {"min_slates": 20, "seed": 1, "bootstrap_draws": 99, "power_effects": [0.1]}
    for table, expected in ((accounts, False), (bare, True)):
        tables = account_tables(table, units={"observed_clicks": "clicks"}, **options)
        for name in ("user_segments", "user_heterogeneity"):
            assert ("not_made_because" in tables[name]) == expected
