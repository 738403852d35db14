"""Effective units: by hand, and as what they mean for the variance of a mean."""

import numpy as np
import pytest

from netlift.inference.effective_units import effective_units, effective_units_per_arm
from netlift.promotion.design import Design


def design(promoted, unit=None, probability=None) -> Design:
    promoted = np.asarray(promoted, dtype=bool)
    unit = np.arange(len(promoted)) if unit is None else np.asarray(unit)
    name = "slate" if len(np.unique(unit)) == len(unit) else "user"
    probability = None if probability is None else np.asarray(probability, dtype=np.float64)
    return Design(promoted, unit, np.zeros(len(unit), dtype=np.int64), probability, name)


def test_by_hand():
    assert effective_units(np.ones(7)) == 7
    assert effective_units(np.array([3.0, 1.0])) == pytest.approx(16 / 10)
    assert effective_units(np.array([1.0, 0.0, 0.0])) == 1
    assert effective_units(np.array([])) == 0
    both = effective_units(np.array([[1.0, 1.0], [1e200, 1e-200]]))
    np.testing.assert_array_equal(both, [2, 1])


def test_it_is_the_variance_of_a_weighted_mean():
    weights = np.random.default_rng(1).gamma(0.5, 1.0, 50)
    draws = np.random.default_rng(2).normal(size=(20_000, 50))
    variance = (draws @ weights / weights.sum()).var()
    # Monte Carlo error of a variance: 1% of it.
    assert effective_units(weights) == pytest.approx(1 / variance, rel=0.05)


def test_slates_are_units_of_their_own():
    assert effective_units_per_arm(design([1, 1, 1, 0, 0])) == (3, 2)
    assert effective_units_per_arm(design([1, 1, 0], probability=[0.3, 0.3, 0.3])) == (2, 1)


def test_a_unit_weighs_its_slates():
    # The promoted users have 3 and 1 slates, the control users 2 and 2.
    arms = design([1, 1, 1, 1, 0, 0, 0, 0], unit=[0, 0, 0, 1, 2, 2, 3, 3])
    assert effective_units_per_arm(arms) == pytest.approx((16 / 10, 2))


def test_slates_weigh_their_inverse_probability():
    # Promoted: weights 10 and 2; control: 1 / (1 - 0.5) twice.
    arms = design([1, 1, 0, 0], probability=[0.1, 0.5, 0.5, 0.5])
    assert effective_units_per_arm(arms) == (pytest.approx(144 / 104), 2)
