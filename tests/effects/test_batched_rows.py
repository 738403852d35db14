"""Effects on item rows in array form are those of the table form, by slate and by user."""

import numpy as np
import pytest
from builders import random_items

from netlift.effects.batched_rows import MEMBERS, array_row_effects
from netlift.effects.item_rows import ItemRows
from netlift.effects.observed import OBSERVED_EFFECTS, observed_effects
from netlift.inference.arms import clustered_coefficient


def arrays_of(items):
    """Return one experiment's arms, clicks and rows by component, and users, by slate."""
    rows = ItemRows.of(items)
    members = [rows.member(definition) for _, definition in OBSERVED_EFFECTS[:3]]
    clicks = np.array([rows.per_slate(rows.click * member) for member in members])
    counts = np.array([rows.per_slate(member) for member in members])
    return rows.design.promoted, clicks, counts, rows.user[rows.starts]


def test_the_groups_are_those_of_the_table():
    items = random_items(1, 30, 6)
    rows = ItemRows.of(items)
    parts = np.array([rows.member(definition) for _, definition in OBSERVED_EFFECTS])
    np.testing.assert_array_equal(MEMBERS @ parts[:3], parts)


@pytest.mark.parametrize("n_users", [12, 40, 400])
def test_estimates_and_errors_are_those_of_the_tables(n_users):
    drawn = [random_items(seed, 160, 6, n_users=n_users) for seed in (3, 4)]
    # Experiments on the same slates: the second's promotions and clicks on the slates of the first.
    drawn[1] = drawn[0].assign(
        promotion_applied=1 - drawn[0]["promotion_applied"], click=drawn[1]["click"].to_numpy()
    )
    promoted, clicks, counts, users = zip(*map(arrays_of, drawn), strict=True)
    given = np.array(promoted), np.array(clicks), counts[0]
    by_slate = array_row_effects(*given, np.arange(160))
    by_user = array_row_effects(*given, users[0])
    for place, items in enumerate(drawn):
        table, _ = observed_effects(items, seed=1, bootstrap_draws=10)
        table = table.iloc[:4]
        for column, values in (
            ("estimate", by_slate.value),
            ("se", by_slate.se),
            ("df", by_slate.df),
            ("estimate", by_user.value),
            ("se_user_clustered", by_user.se),
        ):
            np.testing.assert_allclose(values[place], table[column].astype(float), rtol=1e-9)


def test_degrees_of_freedom_by_user_are_those_of_the_fit():
    items = random_items(3, 60, 6, n_users=9)
    rows = ItemRows.of(items)
    promoted, clicks, counts, users = arrays_of(items)
    found = array_row_effects(promoted[None], clicks[None], counts, users)
    for group, (_, definition) in enumerate(OBSERVED_EFFECTS):
        member = rows.member(definition)
        design = np.column_stack([np.ones(member.sum()), rows.promoted[member]])
        fit = clustered_coefficient(rows.click[member], design, rows.user[member])
        assert found.df[0, group] == pytest.approx(fit.df, rel=1e-9)


def test_an_arm_with_rows_of_one_cluster_has_no_numbers():
    promoted = np.array([[True, False, False, True], [True, True, False, False]])
    outcomes = np.ones((2, 3, 4))
    rows = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [2, 2, 2, 2]])
    found = array_row_effects(promoted, outcomes, rows, np.arange(4))
    np.testing.assert_array_equal(np.isnan(found.value[:, 1]), [True, True])
    np.testing.assert_array_equal(np.isnan(found.se[:, 2]), [False, False])
