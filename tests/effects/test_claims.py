"""Where intervals are not promised to cover 95%: few effective units, a few large values."""

import numpy as np
import pytest

from netlift.effects.claims import (
    CLAIM_COLUMNS,
    ENOUGH_TERMS,
    Claims,
    claim_columns,
    claim_sentence,
)
from netlift.inference.effective_units import ENOUGH_UNITS
from netlift.promotion.design import Design

LINES = [(1, 0), (0, 1), (1, 1)]


def design_of(promoted: np.ndarray, unit: np.ndarray | None = None, probability=None) -> Design:
    n = len(promoted)
    name = "slate" if unit is None else "user"
    unit = np.arange(n) if unit is None else unit
    return Design(promoted, unit, np.zeros(n, dtype=int), probability, name)


def test_units_and_terms_by_hand():
    promoted = np.arange(8) < 4
    outcomes = np.array([[0, 1], [0, 2], [0, 3], [4, 4], [1, 0], [1, 0], [1, 0], [1, 0.0]])
    claims = Claims.from_outcomes(outcomes, design_of(promoted), LINES)
    assert claims.units == 4
    # Residuals -1, -1, -1, 3 over 4, and none in control: 12^2 / (3 + 81).
    assert claims.terms[0] == pytest.approx(144 / 84)
    # -1.5, -.5, .5, 1.5: squares 5, fourths 2 (5.0625 + .0625).
    assert claims.terms[1] == pytest.approx(25 / 10.25)
    assert not claims.kept.any()


def test_weights_and_users_make_fewer_effective_units():
    promoted = np.repeat([True, False], 40)
    values = np.random.default_rng(1).normal(size=(80, 2))
    equal = Claims.from_outcomes(values, design_of(promoted), LINES)
    assert (float(equal.units), equal.kept.all()) == (40, True)
    probability = np.tile([0.1, 0.5, 0.5, 0.9], 20)
    unequal = Claims.from_outcomes(values, design_of(promoted, probability=probability), LINES)
    weights = 1 / probability[:40]
    assert unequal.units == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    users = np.repeat(np.arange(8), 10)
    by_user = Claims.from_outcomes(values, design_of(promoted, users), LINES)
    assert by_user.units == pytest.approx(4)
    clustered = Claims.from_outcomes(values, design_of(promoted), LINES, users)
    assert clustered.units == pytest.approx(4)


def test_a_batch_has_the_claims_of_its_members():
    rng = np.random.default_rng(2)
    values, promoted = rng.normal(size=(3, 60, 2)), rng.random((3, 60)) < 0.5
    design = design_of(promoted[0])
    batch = Claims.from_outcomes(
        values, Design(promoted, design.unit, design.stratum, None, "slate"), LINES
    )
    for index in range(3):
        one = Claims.from_outcomes(values[index], design_of(promoted[index]), LINES)
        assert batch.units[index] == one.units
        assert batch.terms[index] == pytest.approx(one.terms)


def test_what_does_not_vary_makes_no_claim():
    claims = Claims.from_outcomes(np.ones((80, 2)), design_of(np.arange(80) < 40), LINES)
    assert not claims.kept.any()


def test_sentences_name_the_number_and_what_is_needed():
    few = dict(zip(CLAIM_COLUMNS, (12.34, 50.0, False), strict=True))
    assert f"12.3 equal randomized units, and {ENOUGH_UNITS:.0f}" in claim_sentence(few)
    rare = dict(zip(CLAIM_COLUMNS, (200.0, 3.21, False), strict=True))
    assert f"3.2 equal ones, and {ENOUGH_TERMS:.0f} are needed" in claim_sentence(rare)
    constant = dict(zip(CLAIM_COLUMNS, (200.0, 0.0, False), strict=True))
    assert claim_sentence(constant) == ""
    kept = dict(zip(CLAIM_COLUMNS, (200.0, 50.0, True), strict=True))
    assert claim_sentence(kept) == claim_sentence({}) == claim_sentence(claim_columns(None)) == ""


def test_heavy_tails_make_no_claim_and_clicks_do():
    rng = np.random.default_rng(3)
    promoted, clicked = np.arange(300) % 2 == 0, rng.random(300) < 0.25
    clicks = np.column_stack([clicked, clicked]).astype(float)
    assert Claims.from_outcomes(clicks, design_of(promoted), LINES).kept.all()
    tails = clicks * np.exp(2 * rng.standard_normal((300, 1)))
    assert not Claims.from_outcomes(tails, design_of(promoted), LINES).kept.any()
