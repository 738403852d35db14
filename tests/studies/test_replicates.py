"""Replicates: the same in any block, with clicks and promotions as world and design say."""

import numpy as np
import pytest
from builders import random_exposure

from netlift.effects.accounts import slate_outcomes
from netlift.promotion.design import Design
from netlift.promotion.exposure import assign_promotion
from netlift.promotion.record import Promotion
from netlift.studies import replicates as module
from netlift.studies.replicates import Replicates
from netlift.worlds.simulation import Simulation

WORLDS = {
    "logit": {"model": "logit", "target_click_rate": 0.3},
    "mnl": {"model": "mnl", "intercept": -1.0},
    "cascade": {"model": "cascade", "intercept": -1.0},
}


def replicates(model: str = "logit", *, n_slates: int = 120, **promotion) -> Replicates:
    given = {"probability": 0.3, "assignment": "bernoulli", "unit": "slate"} | promotion
    slates = random_exposure(1, n_slates, 6, n_users=30).drop(
        columns=["is_focal_item", "focal_seed_position", "promotion_applied", "component"]
    )
    exposure = assign_promotion(slates, Promotion(focal_position_first=3, **given), seed=5)
    from netlift.workflow.schema import completed
    from netlift.worlds.registry import schema

    made = Simulation.from_exposure(exposure, completed(WORLDS[model], schema(model)), seed=5)
    design = Design.from_table(slate_outcomes(made.items))
    return Replicates.from_slates(
        made.slates, made.world, design, assignment=given["assignment"], seed=5
    )


@pytest.mark.parametrize("model", WORLDS)
def test_a_replicate_is_the_same_in_blocks_of_any_size(model, monkeypatch):
    drawn = replicates(model)
    whole = list(drawn.blocks(range(3, 13)))
    monkeypatch.setattr(module, "_CELLS_AT_ONCE", 3 * 120 * 2)
    small = list(drawn.blocks(range(3, 13)))
    assert len(whole) == 1
    assert len(small) == 5
    for place in (1, 2):
        np.testing.assert_array_equal(
            np.concatenate([block[place] for block in small]), whole[0][place]
        )


def test_blocks_sum_the_clicks_of_the_draws():
    drawn = replicates()
    _, promoted, outcomes = next(drawn.blocks(range(4)))
    slates = drawn.slates
    for number in range(4):
        arm, clicks = drawn.draw(number)
        np.testing.assert_array_equal(arm, promoted[number])
        clicks = clicks.T
        focal = (clicks & slates.is_focal).sum(axis=1)
        same = (clicks & slates.is_same_cluster).sum(axis=1)
        np.testing.assert_array_equal(outcomes[number, 0], focal)
        np.testing.assert_array_equal(outcomes[number, 1], same)
        np.testing.assert_array_equal(outcomes[number].sum(axis=0), clicks.sum(axis=1))


@pytest.mark.parametrize("model", WORLDS)
def test_click_rates_are_the_probabilities(model):
    """1,440 rates, each within 5 errors: false alarm in 1 of 1,200 runs; the seed is fixed."""
    drawn = replicates(model)
    n = 1500
    promoted_clicks, times = np.zeros(drawn.p_control.shape), np.zeros(120)
    control_clicks = np.zeros(drawn.p_control.shape)
    for number in range(n):
        promoted, clicks = drawn.draw(number)
        promoted_clicks += clicks & promoted
        control_clicks += clicks & ~promoted
        times += promoted
    for clicks, p, count in (
        (promoted_clicks, drawn.p_promoted, times),
        (control_clicks, drawn.p_control, n - times),
    ):
        error = np.sqrt(np.maximum(p * (1 - p), 1e-4) / count)
        assert np.abs((clicks / count - p) / error).max() < 5
    assert abs(times.mean() / n - 0.3) < 5 * np.sqrt(0.21 / (120 * n))


def test_users_are_promoted_as_a_whole():
    drawn = replicates(unit="user")
    for number in range(5):
        promoted, _ = drawn.draw(number)
        assert drawn.design.mixed_units(promoted) == 0
        assert 0 < promoted.sum() < len(promoted)


def test_complete_assignment_promotes_the_same_number_each_time():
    drawn = replicates(assignment="complete")
    arms = np.array([drawn.draw(number)[0] for number in range(5)])
    assert set(arms.sum(axis=1)) == {36}
    assert len(np.unique(arms, axis=0)) == 5


def test_stratified_assignment_does_so_at_each_focal_position():
    drawn = replicates(assignment="stratified")
    stratum, made = drawn.design.stratum, drawn.design.promoted
    for number in range(3):
        promoted, _ = drawn.draw(number)
        np.testing.assert_array_equal(np.bincount(stratum, promoted), np.bincount(stratum, made))
