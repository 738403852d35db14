"""The gate of rules for which item to promote: no promises without a gain, and honest values.

Seeds are fixed. If the code is right, other seeds would fail one of these tests in less than one
of a hundred cases: the bounds are three standard errors, or a binomial tail below 0.3%.
"""

import numpy as np
import pytest
from test_candidate_rules import compared
from test_candidates import simulated

from netlift.models.candidate_codes import AT_RANDOM, BEST
from netlift.models.policies import PROMOTE

pytestmark = pytest.mark.long

NO_EFFECT = {
    "model": "reference",
    "attention": 0.0,
    "promoted_focal": 0.0,
    "promoted_competitor": 0.0,
    "promoted_same_cluster": 0.0,
    "promoted_displaced": 0.0,
}


@pytest.mark.long
def test_without_any_gain_a_rule_is_hardly_ever_recommended():
    found = [compared(simulated(seed, 600, world=NO_EFFECT)).verdict for seed in range(1, 41)]
    assert sum(verdict["verdict"] == PROMOTE for verdict in found) <= 4  # of 40 at 2.5%
    assert all(verdict["oracle_value"] == pytest.approx(0, abs=1e-9) for verdict in found)


@pytest.mark.long
def test_values_are_right_on_average_and_errors_as_large_as_they_should_be():
    errors = {AT_RANDOM: [], BEST: []}
    for seed in range(1, 25):
        policies = compared(simulated(seed, 500)).policies.set_index("rule")
        for rule, found in errors.items():
            row = policies.loc[rule]
            found.append((row["naive_value"] - row["known_value"]) / row["se"])
    for found in errors.values():
        assert abs(np.mean(found)) < 3 / np.sqrt(24)
        assert 1 - 3 / np.sqrt(48) < np.std(found) < 1 + 3 / np.sqrt(48)
