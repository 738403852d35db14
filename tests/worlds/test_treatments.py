"""Treatments: what a promotion does to the slate, and the exact effects that follow from it."""

import dataclasses

import numpy as np
import pytest
from builders import random_exposure
from test_competition_models import LIKENESS, MODELS, REFERENCE, each_model

from netlift.promotion.exposure import map_exposure
from netlift.promotion.treatment import MOVE_TO_FIRST, Treatment
from netlift.worlds import registry as worlds
from netlift.worlds import simulation
from netlift.worlds.slates import Slates

PER_SLATE = {"focal", "user_effect"}
TREATMENTS = [Treatment("move", to) for to in (1, 2, 3, 6)]
each_treatment = pytest.mark.parametrize("treatment", TREATMENTS, ids=lambda t: f"to {t.to}")
each_size = pytest.mark.parametrize("size", [6, 12])


def exposed_to(treatment, size=6, n_slates=40, seed=3):
    drawn = random_exposure(seed, n_slates, size)
    focal = drawn["focal_seed_position"].to_numpy()
    promoted = drawn["promotion_applied"].to_numpy() == 1
    return map_exposure(drawn, focal, promoted, treatment)


def by_hand(order, focal, to):
    """Move an item of a list."""
    order = [item for item in order if item != focal]
    return [*order[: to - 1], focal, *order[to - 1 :]]


@each_treatment
def test_positions_are_those_of_a_list_in_which_the_item_is_moved(treatment):
    table = exposed_to(treatment)
    for _, slate in table.groupby("slate_id"):
        items = slate.sort_values("slate_position_seed")["item_id"].tolist()
        focal = slate.loc[slate["is_focal_item"], "item_id"].item()
        shown = slate.sort_values("promoted_position")["item_id"].tolist()
        assert shown == by_hand(items, focal, treatment.to)
    change = table["promoted_position"] - table["slate_position_seed"]
    rest = ~table["is_focal_item"]
    names = np.select([change > 0, change < 0], ["moved_down", "moved_up"], default="unchanged")
    assert (table["exposure"].astype(str) == np.where(rest, names, "focal")).all()
    moved = table["promotion_applied"] == 1
    assert (table["final_position"] - table["slate_position_seed"] == change * moved).all()


def reordered(slates: Slates) -> Slates:
    """Return slates that are shown without promotion as these are shown with it."""
    rows = np.arange(len(slates))[:, None]
    order = np.argsort(slates.promoted_position, axis=1)
    arrays = {}
    for field in dataclasses.fields(slates):
        values = getattr(slates, field.name)
        arrays[field.name] = values if field.name in PER_SLATE else values[rows, order]
    arrays["focal"] = slates.promoted_position[rows[:, 0], slates.focal] - 1
    return Slates(**arrays)


@each_size
@each_treatment
@pytest.mark.parametrize("name", [name for name in MODELS if name != "reference"])
def test_effects_are_those_of_the_order_alone(name, treatment, size):
    """A promoted slate is clicked as a slate that has this order without any promotion."""
    slates = Slates.from_exposure(exposed_to(treatment, size), seed=1)
    world = worlds.fit(MODELS[name], slates, LIKENESS)
    promoted = world.probabilities(slates, "promoted")
    order = np.argsort(slates.promoted_position, axis=1)
    expected = world.probabilities(reordered(slates), "control")
    np.testing.assert_allclose(np.take_along_axis(promoted, order, 1), expected, rtol=1e-12)
    np.testing.assert_allclose(
        world.total_variance(slates, "promoted"),
        world.total_variance(reordered(slates), "control"),
        rtol=1e-12,
    )


def test_the_reference_study_s_model_item_by_item():
    slates = Slates.from_exposure(exposed_to(Treatment("move", 3)), seed=1)
    unclipped = REFERENCE | {"lowest_probability": 0.0, "highest_probability": 1.0}
    world = worlds.fit(unclipped, slates)
    plain = worlds.fit(unclipped | dict.fromkeys(DUMMIES, 0.0), slates)
    logit = np.log(1 / plain.probabilities(slates, "promoted") - 1)
    down = (slates.promoted_position > slates.position("control")) & ~slates.is_focal
    added = np.where(slates.is_focal, 0.20, -0.08) - 0.24 * slates.is_same_cluster - 0.10 * down
    np.testing.assert_allclose(
        world.probabilities(slates, "promoted"), 1 / (1 + np.exp(logit - added)), rtol=1e-9
    )


DUMMIES = ["promoted_focal", "promoted_competitor", "promoted_same_cluster", "promoted_displaced"]


@each_model
@each_size
def test_a_badge_of_nothing_has_no_effect(world, size):
    table = exposed_to(Treatment("badge"), size)
    slates = Slates.from_exposure(table, seed=1)
    dull = world | (dict.fromkeys(DUMMIES, 0.0) if world["model"] == "reference" else {})
    found = worlds.fit(dull, slates, LIKENESS)
    items = simulation.simulate_clicks(table, slates, found, seed=1)
    assert (items["p_control"] == items["p_promoted"]).all()
    assert (items["click_control"] == items["click_promoted"]).all()
    assert set(table["exposure"]) == {"focal", "unchanged"}


@each_model
def test_a_badge_adds_to_the_focal_item_where_it_is(world):
    slates = Slates.from_exposure(exposed_to(Treatment("badge")), seed=1)
    found = worlds.fit(world | {"promotion_badge": 0.7}, slates, LIKENESS)
    gain = found.probabilities(slates, "promoted") - found.probabilities(slates, "control")
    assert (gain[slates.is_focal] > 0).all()
    if world["model"] != "reference":
        assert (gain[~slates.is_focal] <= 1e-15).all()


def test_an_item_moved_to_its_own_position_moves_nothing():
    table = exposed_to(MOVE_TO_FIRST)
    focal = np.ones(len(table), dtype=int)
    still = map_exposure(table, focal, np.ones(len(table), dtype=bool))
    assert (still["promoted_position"] == still["slate_position_seed"]).all()
