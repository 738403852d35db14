"""Holm's adjustment: by hand, and its error rate under any dependence."""

import numpy as np
from numpy.testing import assert_allclose

from netlift.inference.holm import holm


def test_by_hand():
    # In order .01, .02, .021, .5: times 4, 3, 2, 1, none below the one before: .021 gets .06.
    assert_allclose(holm(np.array([0.02, 0.5, 0.01, 0.021])), [0.06, 0.5, 0.04, 0.06])


def test_a_test_that_was_not_made_does_not_count():
    adjusted = holm(np.array([0.01, np.nan, 0.04]))
    assert_allclose(adjusted, [0.02, np.nan, 0.04])


def test_one_test_stays_and_none_exceeds_one():
    assert_allclose(holm(np.array([0.3])), [0.3])
    assert_allclose(holm(np.array([0.7, 0.8])), [1.0, 1.0])
    assert len(holm(np.array([]))) == 0


def test_a_true_hypothesis_is_rejected_in_at_most_five_of_a_hundred():
    """Two true and one false hypothesis, tests that are strongly dependent.

    With 4,000 draws and a true rate of .05, more than 264 rejections have a chance below 1e-4.
    """
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(4000, 1))
    z = 0.7 * shared + np.sqrt(1 - 0.49) * rng.normal(size=(4000, 3)) + [0, 0, 6]
    from scipy.special import ndtr

    p = 2 * ndtr(-np.abs(z))
    rejected = sum(bool((holm(row)[:2] < 0.05).any()) for row in p)
    assert 100 < rejected <= 264
