"""Matching a world to given effects: parameters recovered, impossible effects reported."""

import math

import numpy as np
import pytest
from builders import random_exposure

from netlift.worlds import registry as worlds
from netlift.worlds.matching import TOLERANCE, match
from netlift.worlds.simulation import fit_world, world_description
from netlift.worlds.slates import Slates
from netlift.worlds.world import ADD_ONS

SLATES = Slates.from_exposure(random_exposure(1, 300, 8), seed=1)


def known(world: worlds.World) -> dict[str, float]:
    """Measure a world's effects per slate item by item, and its control click rate."""
    p0, p1 = (world.probabilities(SLATES, arm) for arm in ("control", "promoted"))
    sums = dict.fromkeys(("direct", "same_cluster", "other"), 0.0)
    for slate in range(len(SLATES)):
        focal = SLATES.focal[slate]
        for item in range(SLATES.size):
            same = SLATES.cluster[slate, item] == SLATES.cluster[slate, focal]
            part = "direct" if item == focal else "same_cluster" if same else "other"
            sums[part] += p1[slate, item] - p0[slate, item]
    effects = {part: total / len(SLATES) for part, total in sums.items()}
    return effects | {"click_rate": float(p0.mean())}


@pytest.mark.parametrize(
    "entry",
    [
        {"model": "logit", "b_v": 1.9, "g_c": 0.7, "promotion_badge": 0.4, "intercept": -1.5},
        {"model": "mnl", "b_v": 1.4, "b_r": 0.5, "promotion_badge": 0.3, "intercept": -0.5},
        {"model": "cascade", "s": 0.3, "g": 0.8, "promotion_badge": 0.2, "intercept": -1.0},
        {"model": "attention_budget", "budget": 5.0, "kappa": 0.5, "promotion_badge": -0.2,
         "intercept": -0.5},
        {"model": "nested_logit", "b_v": 1.2, "lam": 0.6, "promotion_badge": 0.5, "intercept": 0.0},
        {"model": "reference", "promoted_focal": 0.4, "promoted_same_cluster": -0.5,
         "promoted_displaced": -0.2, "intercept": -2.0},
    ],
    ids=lambda entry: entry["model"],
)  # fmt: skip
def test_effects_that_a_world_has_made_are_met_again_from_other_parameters(entry):
    wanted = known(worlds.fit(entry, SLATES))
    started = worlds.fit({"model": entry["model"]}, SLATES)
    found = match(started, SLATES, wanted)
    reached = known(found.world)
    for name, value in wanted.items():
        scale = SLATES.size if name == "click_rate" else 1
        assert abs(reached[name] - value) * scale < TOLERANCE, name
        assert found.targets[name]["met"]
        assert found.targets[name]["reached"] == pytest.approx(reached[name], abs=1e-9)
    assert found.why == ""
    badge = found.world.parameters.get("promotion_badge", 0.0)
    assert ("below zero" in found.note) == (badge < 0)
    assert (entry.get("promotion_badge", 0.0) < 0) == (badge < 0)


def test_without_a_click_rate_the_intercept_stays():
    wanted = known(worlds.fit({"model": "logit", "b_v": 2.0, "intercept": -2.0}, SLATES))
    del wanted["click_rate"]
    found = match(worlds.fit({"model": "logit"}, SLATES), SLATES, wanted)
    assert found.world.intercept == -2.0
    assert set(found.targets) == {"direct", "same_cluster", "other"}
    assert "intercept" not in found.parameters


def test_only_the_parameters_that_are_free_move_and_they_stay_in_their_range():
    wanted = {"direct": 0.5, "same_cluster": -0.4, "other": 0.3, "free": ["g_c"]}
    started = worlds.fit({"model": "logit"}, SLATES)
    found = match(started, SLATES, wanted)
    changed = {
        name for name, value in found.world.parameters.items() if value != started.parameters[name]
    }
    assert changed <= {"g_c"}
    schema = worlds.schema("logit")["properties"]["g_c"]
    assert schema["minimum"] <= found.world.parameters["g_c"] <= schema["maximum"]


def test_a_world_that_cannot_make_the_wanted_substitution_says_so():
    # A choice of at most one item moves clicks; it cannot give to all.
    wanted = {"direct": 0.2, "same_cluster": 0.2, "other": 0.2}
    found = match(worlds.fit({"model": "mnl"}, SLATES), SLATES, wanted)
    missed = {name for name, target in found.targets.items() if not target["met"]}
    assert missed >= {"same_cluster"}
    assert "same_cluster" in found.why
    assert "could not be reached with b_v, b_r, promotion_badge free" in found.why
    reached = known(found.world)
    for name in wanted:
        assert found.targets[name]["reached"] == pytest.approx(reached[name], abs=1e-9)


def test_the_description_of_a_matched_world_is_plain_and_complete():
    entry = {"model": "logit", "match": {"direct": 0.1, "same_cluster": -0.05, "other": -0.1}}
    world, matched = fit_world(entry, SLATES)
    described = world_description(entry, world, matched)
    assert described["match"]["targets"]["direct"]["wanted"] == 0.1
    assert described["parameters"] == dict(world.parameters)
    assert set(described["parameters"]) >= set(ADD_ONS) - {"intercept", "target_click_rate"}
    for target in described["match"]["targets"].values():
        assert isinstance(target["met"], bool)
        assert math.isfinite(target["reached"])
    plain, none = fit_world({"model": "logit"}, SLATES)
    assert none is None
    assert world_description({"model": "logit"}, plain, none)["match"] is None
    assert not np.allclose(plain.parameters["b_v"], world.parameters["b_v"])
