"""What an items table must be like before anything is estimated from it."""

import numpy as np
import pandas as pd
import pytest
from builders import random_items

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.item_rows import NON_FOCAL, ItemRows
from netlift.effects.observed import observed_effects

LOG = random_items(1, 40, 5)


def changed(column: str, value: object) -> pd.DataFrame:
    log = LOG.astype({column: object})
    log.loc[7, column] = value
    return log


@pytest.mark.parametrize("read", [slate_outcomes, ItemRows.from_items])
@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("click", np.nan, "a click that is missing or not a finite number"),
        ("click", np.inf, "a click that is missing or not a finite number"),
        ("click", "yes", "a click that is missing or not a finite number"),
        ("p_promoted", np.nan, "a p_promoted that is missing or not a finite number"),
        ("promotion_applied", 2, "a promotion_applied that is neither 0 nor 1"),
        ("promotion_applied", "1", "a promotion_applied that is neither 0 nor 1"),
        ("promotion_applied", np.nan, "a promotion_applied that is neither 0 nor 1"),
        ("is_focal_item", 2, "a is_focal_item that is neither 0 nor 1"),
        ("component", "misspelled", "a component that is none of the three"),
        ("user_id", None, "no user_id"),
        ("component", None, "a component that is none of the three"),
    ],
)
def test_rows_that_are_not_as_agreed_are_counted_and_the_first_is_named(read, column, value, said):
    with pytest.raises(NetliftError, match=rf"1 of 200 rows have {said} .first: slate 1"):
        read(changed(column, value))


@pytest.mark.parametrize("read", [slate_outcomes, ItemRows.from_items])
@pytest.mark.parametrize("column", ["click", "user_id", "is_focal_item", "promotion_applied"])
def test_a_column_that_is_not_there_is_named(read, column):
    with pytest.raises(NetliftError, match=f"items table: no column {column}$"):
        read(LOG.drop(columns=column))


def test_flags_may_be_0_and_1():
    numbers = LOG.astype({"is_focal_item": int})
    pd.testing.assert_frame_equal(slate_outcomes(numbers), slate_outcomes(LOG))
    assert (
        ItemRows.from_items(numbers).member(NON_FOCAL) == ItemRows.from_items(LOG).member(NON_FOCAL)
    ).all()


@pytest.mark.parametrize("column", ["randomization_unit", "randomization_stratum"])
def test_a_design_that_is_missing_in_some_slates_is_an_error(column):
    log = LOG.assign(**{column: LOG["slate_id"].astype(float).where(LOG["slate_id"] != 3)})
    with pytest.raises(NetliftError, match=rf"{column}: missing in 1 of 40 slates"):
        ItemRows.from_items(log)


@pytest.mark.parametrize("promoted", [0, 1])
def test_an_empty_arm_is_an_error_before_anything_is_drawn(promoted):
    with pytest.raises(NetliftError, match="needs at least 2"):
        observed_effects(LOG.assign(promotion_applied=promoted), seed=1, bootstrap_draws=10)


def test_outcomes_need_not_be_clicks():
    minutes = LOG.assign(click=np.random.default_rng(2).normal(-3, 20, len(LOG)))
    effects = observed_effects(minutes, seed=1, bootstrap_draws=50)[0]
    assert effects[["estimate", "se"]].notna().all(axis=None)
