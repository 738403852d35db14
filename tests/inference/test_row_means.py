"""Differences of row means, of one experiment and of a batch, are those of a fit on the rows."""

import numpy as np
import pytest
from builders import random_items

from netlift.effects.item_rows import ItemRows
from netlift.effects.observed import MEMBERS, OBSERVED_EFFECTS, observed_effects
from netlift.inference.arms import clustered_coefficient
from netlift.inference.row_means import row_difference


def arrays_of(items):
    """Return one experiment's arms, clicks and rows by component, and users, by slate."""
    rows = ItemRows.from_items(items)
    members = [rows.member(definition) for _, definition in OBSERVED_EFFECTS[:3]]
    clicks = np.array([rows.per_slate(rows.click * member) for member in members])
    counts = np.array([rows.per_slate(member) for member in members])
    return rows.design.promoted, clicks, counts, rows.user[rows.starts]


def test_the_groups_are_those_of_the_table():
    items = random_items(1, 30, 6)
    rows = ItemRows.from_items(items)
    parts = np.array([rows.member(definition) for _, definition in OBSERVED_EFFECTS])
    np.testing.assert_array_equal(MEMBERS @ parts[:3], parts)


@pytest.mark.parametrize("n_users", [9, 40, 400])
@pytest.mark.parametrize("weighted", [False, True])
def test_estimates_and_errors_are_those_of_the_fit_on_rows(n_users, weighted):
    items = random_items(3, 160, 6, n_users=n_users)
    rows = ItemRows.from_items(items)
    weight = np.random.default_rng(1).uniform(0.5, 3, 160) if weighted else np.ones(160)
    # Of two experiments on the same slates, the second has the arms of the first swapped.
    promoted = np.array([rows.design.promoted, ~rows.design.promoted])
    for _, definition in OBSERVED_EFFECTS:
        member = rows.member(definition)
        clicks, count = (
            rows.per_slate(rows.click * member) * weight,
            rows.per_slate(member) * weight,
        )
        design = np.column_stack([np.ones(member.sum()), rows.promoted[member]])
        for cluster in (rows.slate, rows.user):
            batch = row_difference(promoted, clicks, count, cluster[rows.starts])
            alone = row_difference(promoted[0], clicks, count, cluster[rows.starts]).single
            fit = clustered_coefficient(
                rows.click[member], design, cluster[member], weight[rows.slate][member]
            )
            assert (alone.value, alone.se, alone.df) == pytest.approx(
                (fit.value, fit.se, fit.df), rel=1e-9
            )
            np.testing.assert_allclose(batch.value[:, 0], [fit.value, -fit.value], rtol=1e-9)
            for values, expected in ((batch.se, fit.se), (batch.df, fit.df)):
                np.testing.assert_allclose(values[:, 0], expected, rtol=1e-9)


def test_tables_have_these_numbers():
    items = random_items(3, 160, 6, n_users=40)
    promoted, clicks, counts, users = arrays_of(items)
    table, _ = observed_effects(items, seed=1, bootstrap_draws=10)
    for group, (_, line) in zip(MEMBERS, table.iloc[:4].iterrows(), strict=True):
        found = row_difference(promoted, group @ clicks, group @ counts, np.arange(160)).single
        by_user = row_difference(promoted, group @ clicks, group @ counts, users).single
        assert (line["estimate"], line["se"], line["df"]) == pytest.approx(
            (found.value, found.se, found.df), rel=1e-9
        )
        assert line["se_user_clustered"] == pytest.approx(by_user.se, rel=1e-9)


def test_an_arm_with_rows_of_one_cluster_has_no_numbers():
    promoted = np.array([[True, False, False, True], [True, True, False, False]])
    few = row_difference(promoted, np.ones((2, 4)), np.array([0.0, 1, 1, 1]), np.arange(4))
    enough = row_difference(promoted, np.ones((2, 4)), np.array([2.0, 2, 2, 2]), np.arange(4))
    assert np.isnan([few.value, few.se, few.df]).all()
    assert np.isfinite([enough.value, enough.se, enough.df]).all()
