"""Treatments: what a promotion does to the slate, and the exact effects that follow from it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from builders import random_exposure
from test_competition_models import LIKENESS, MODELS, REFERENCE, each_model

from netlift.core.errors import NetliftError
from netlift.promotion.exposure import assign_promotion, map_exposure
from netlift.promotion.record import Promotion
from netlift.promotion.treatment import MOVE_TO_FIRST, Treatment
from netlift.worlds import registry as worlds
from netlift.worlds import simulation
from netlift.worlds.slates import Slates

PER_SLATE = {"n_control", "user_effect"}
TREATMENTS = [Treatment("move", to) for to in (1, 2, 3, 6)]
BOOSTS = [-0.7, 0.0, 0.3, 1.0, 1e6]
RERANKS = [Treatment("rerank", boost=boost) for boost in BOOSTS]
each_treatment = pytest.mark.parametrize("treatment", TREATMENTS, ids=lambda t: f"to {t.to}")
each_size = pytest.mark.parametrize("size", [6, 12])


def exposed_to(treatment, size=6, n_slates=40, seed=3):
    drawn = ranked(random_exposure(seed, n_slates, size))
    focal = drawn["is_focal_item"].to_numpy()
    promoted = drawn["promotion_applied"].to_numpy() == 1
    return map_exposure(drawn, focal, promoted, treatment)


def ranked(slates, seed=3):
    """Add values that fall from top to bottom of each slate, in steps of 0 to 0.6."""
    steps = np.random.default_rng(seed).integers(0, 4, len(slates)) * 0.2
    value = -pd.Series(steps).groupby(slates["slate_id"].to_numpy()).cumsum()
    return slates.assign(ranker_value=value.to_numpy())


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
    return Slates(**arrays)


@each_size
@pytest.mark.parametrize("treatment", [*TREATMENTS, *RERANKS], ids=str)
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


ADDED = [
    Treatment("insert", 1),
    Treatment("insert", 3),
    Treatment("insert", 6),
    Treatment("insert", 2, grows=True),
    Treatment("insert", 7, grows=True),
    Treatment("replace", 1),
    Treatment("replace", 4),
]


def with_candidate(treatment, size=6, n_slates=40, seed=3):
    """Expose slates of ``size`` to an item that they do not show without promotion."""
    drawn = random_exposure(seed, n_slates, size + 1)
    last = drawn["slate_position_seed"].to_numpy() == size + 1
    position = drawn["slate_position_seed"].where(~last)
    slates = drawn.assign(slate_position_seed=position)
    promoted = drawn["promotion_applied"].to_numpy() == 1
    return map_exposure(slates, last, promoted, treatment)


def shown_with(treatment, items, focal):
    """Return the promoted slate as a list, written item by item."""
    at = treatment.to - 1
    if treatment.kind == "replace":
        return [*items[:at], focal, *items[at + 1 :]]
    longer = [*items[:at], focal, *items[at:]]
    return longer if treatment.grows else longer[: len(items)]


@pytest.mark.parametrize("treatment", ADDED, ids=str)
def test_positions_are_those_of_a_list_to_which_the_item_is_added(treatment):
    table = with_candidate(treatment)
    for _, slate in table.groupby("slate_id"):
        items = slate.dropna(subset="slate_position_seed").sort_values("slate_position_seed")
        focal = slate.loc[slate["is_focal_item"], "item_id"].item()
        shown = slate.dropna(subset="promoted_position").sort_values("promoted_position")
        assert shown["item_id"].tolist() == shown_with(treatment, items["item_id"].tolist(), focal)
        assert shown["promoted_position"].tolist() == list(range(1, len(shown) + 1))
        out = ~slate["item_id"].isin(shown["item_id"])
        assert (slate.loc[out, "exposure"] == "pushed_out").all()
        assert out.sum() == (0 if treatment.grows else 1)
    assert (table.loc[table["is_focal_item"], "exposure"] == "focal").all()
    assert table.loc[table["is_focal_item"], "slate_position_seed"].isna().all()
    control = table["promotion_applied"] == 0
    seed_position = table.loc[control, "slate_position_seed"]
    assert table.loc[control, "final_position"].equals(seed_position.rename("final_position"))


@pytest.mark.parametrize("treatment", ADDED, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_effects_of_an_added_item_are_those_of_the_slates_alone(name, treatment):
    """Each arm is clicked as a slate of exactly the items that it shows, without promotion."""
    table = with_candidate(treatment)
    slates = Slates.from_exposure(table, seed=1)
    entry = MODELS[name]
    if name == "reference":
        entry = entry | dict.fromkeys(DUMMIES, 0.0)
    world = worlds.fit(entry, slates, LIKENESS)
    for arm in ("control", "promoted"):
        found = world.probabilities(slates, arm)
        assert (found[~slates.is_shown(arm)] == 0).all()
        assert (found[slates.is_shown(arm)] > 0).all()
        alone = alone_in(slates, arm)
        expected = world.probabilities(alone, "control")
        np.testing.assert_allclose(slates.in_order(found, arm), expected, rtol=1e-12)
        variance = world.total_variance(alone, "control")
        np.testing.assert_allclose(world.total_variance(slates, arm), variance, rtol=1e-12)


def alone_in(slates: Slates, arm) -> Slates:
    """Return slates of the items that one arm shows, in its order, without any promotion."""
    n_shown = slates.n_shown(arm)
    arrays = {
        field.name: slates.in_order(getattr(slates, field.name), arm)
        for field in dataclasses.fields(slates)
        if field.name not in PER_SLATE
    }
    arrays["promoted_position"] = np.tile(np.arange(1, n_shown + 1), (len(slates), 1))
    return dataclasses.replace(slates, n_control=n_shown, **arrays)


@pytest.mark.parametrize("to", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_to_insert_is_to_move_in_a_slate_one_longer_whose_last_item_is_not_seen(name, to):
    """With promotion, the first six of seven; nothing below is looked at."""
    inserted = Slates.from_exposure(with_candidate(Treatment("insert", to)), seed=1)
    moved = Slates.from_exposure(last_of_seven(Treatment("move", to)), seed=1)
    np.testing.assert_array_equal(
        np.where(moved.promoted_position == 7, 0, moved.promoted_position),
        inserted.promoted_position,
    )
    world = worlds.fit(MODELS[name], inserted, LIKENESS)
    if name in ("cascade", "reference", "logit, above"):  # an item below changes none above it
        same = inserted.promoted_position > 0
        one, other = (world.probabilities(slates, "promoted") for slates in (inserted, moved))
        np.testing.assert_allclose(one[same], other[same], rtol=1e-12)


def last_of_seven(treatment):
    drawn = random_exposure(3, 40, 7)
    promoted = drawn["promotion_applied"].to_numpy() == 1
    return map_exposure(drawn, drawn["slate_position_seed"].to_numpy() == 7, promoted, treatment)


@each_model
@pytest.mark.parametrize("treatment", ADDED, ids=str)
def test_what_is_not_shown_is_never_clicked(world, treatment):
    table = with_candidate(treatment)
    slates = Slates.from_exposure(table, seed=1)
    items = simulation.simulate_clicks(table, slates, worlds.fit(world, slates, LIKENESS), seed=1)
    assert not items.loc[items["final_position"].isna(), "click"].any()
    assert not items.loc[items["promoted_position"].isna(), "click_promoted"].any()
    assert not items.loc[items["slate_position_seed"].isna(), "click_control"].any()
    assert items["click_control"].any()


@pytest.mark.parametrize("to", [1, 2, 5])
def test_several_items_move_together(to):
    drawn = random_exposure(3, 60, 6)
    rng = np.random.default_rng(4)
    chosen = np.argsort(rng.random((60, 6)), axis=1) < 3
    table = map_exposure(
        drawn, chosen.ravel(), np.ones(len(drawn), bool), Treatment("move", to, focal_items=3)
    )
    for _, slate in table.groupby("slate_id"):
        items = slate.sort_values("slate_position_seed")
        focal = items.loc[items["is_focal_item"], "item_id"].tolist()
        rest = items.loc[~items["is_focal_item"], "item_id"].tolist()
        at = min(to, 4) - 1
        shown = slate.sort_values("promoted_position")["item_id"].tolist()
        assert shown == [*rest[:at], *focal, *rest[at:]]
        clusters = set(items.loc[items["is_focal_item"], "spillover_cluster"])
        same = items["spillover_cluster"].isin(clusters) & ~items["is_focal_item"]
        assert (items["component"] == "same_cluster_competitor").equals(same)
        assert (items["component"] == "direct_focal").sum() == 3
    slates = Slates.from_exposure(table, seed=1)
    same = (table["component"] == "same_cluster_competitor").to_numpy().reshape(60, 6)
    np.testing.assert_array_equal(slates.is_same_cluster, same)


def test_an_item_moved_to_its_own_position_moves_nothing():
    table = exposed_to(MOVE_TO_FIRST)
    focal = table["slate_position_seed"].to_numpy() == 1
    still = map_exposure(table, focal, np.ones(len(table), dtype=bool))
    assert (still["promoted_position"] == still["slate_position_seed"]).all()


# --- Boosts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("several", [1, 3])
@pytest.mark.parametrize("boost", BOOSTS)
def test_positions_of_a_boost_are_those_of_a_sorted_list(boost, several):
    drawn = ranked(random_exposure(3, 60, 6))
    chosen = np.argsort(np.random.default_rng(4).random((60, 6)), axis=1) < several
    treatment = Treatment("rerank", focal_items=several, boost=boost)
    table = map_exposure(drawn, chosen.ravel(), np.ones(len(drawn), bool), treatment)
    names = set()
    for _, slate in table.groupby("slate_id"):
        before = slate.sort_values("slate_position_seed").to_dict("records")
        # Sorting a list keeps the order of equal values.
        after = sorted(
            before, key=lambda item: -(item["ranker_value"] + boost * item["is_focal_item"])
        )
        shown = slate.sort_values("promoted_position")["item_id"].tolist()
        assert shown == [item["item_id"] for item in after]
        for item in before:
            move = shown.index(item["item_id"]) + 1 - item["slate_position_seed"]
            names.add(item["exposure"])
            expected = "unchanged" if move == 0 else "moved_down" if move > 0 else "moved_up"
            assert item["exposure"] == ("focal" if item["is_focal_item"] else expected)
    moved = {-0.7: {"moved_up"}, 0.0: set()}.get(boost, {"moved_down"})
    assert names - {"unchanged"} == {"focal"} | moved


def drawn_with(treatment, entry, n_slates=60):
    """Draw a promotion of ranked slates, and simulate their clicks."""
    slates = ranked(random_exposure(5, n_slates, 6))
    columns = ["relevance", "ranker_value", "item_popularity", "item_liked_rate", "user_liked_rate"]
    columns += ["slate_id", "user_id", "item_id", "spillover_cluster", "slate_position_seed"]
    promotion = Promotion(
        probability=0.5, assignment="bernoulli", focal_position_first=2, treatment=treatment
    )
    exposure = assign_promotion(slates[columns], promotion, seed=8)
    arrays = Slates.from_exposure(exposure, seed=8)
    world = worlds.fit(entry, arrays, LIKENESS)
    return simulation.simulate_clicks(exposure, arrays, world, seed=8)


@each_model
@pytest.mark.parametrize("several", [1, 3])
def test_a_boost_above_all_differences_is_to_move_to_the_top(world, several):
    """Value for value, whatever the scores: the largest difference in a slate is below 6 x 0.6."""
    boosted = drawn_with(Treatment("rerank", focal_items=several, boost=3.7), world)
    moved = drawn_with(Treatment("move", 1, focal_items=several), world)
    pd.testing.assert_frame_equal(boosted, moved, check_exact=True)
    barely = drawn_with(Treatment("rerank", focal_items=several, boost=0.5), world)
    assert not barely["promoted_position"].equals(moved["promoted_position"])


@each_model
def test_a_boost_of_nothing_has_no_effect(world):
    dull = world | (dict.fromkeys(DUMMIES, 0.0) if world["model"] == "reference" else {})
    items = drawn_with(Treatment("rerank", boost=0), dull)
    assert (items["p_control"] == items["p_promoted"]).all()
    assert (items["click_control"] == items["click_promoted"]).all()
    assert set(items["exposure"]) == {"focal", "unchanged"}
    assert "ranker_value" not in items


def test_a_boost_needs_the_values_that_slates_are_ordered_by():
    drawn = ranked(random_exposure(3, 40, 6))
    focal, promoted = drawn["is_focal_item"].to_numpy(), np.ones(len(drawn), bool)
    treatment = Treatment("rerank", boost=1)
    with pytest.raises(NetliftError, match="no column ranker_value"):
        map_exposure(drawn.drop(columns="ranker_value"), focal, promoted, treatment)
    disorder = drawn.assign(ranker_value=drawn["ranker_value"].where(drawn["slate_id"] != 7, 0.0))
    rows = np.flatnonzero(disorder["slate_id"] == 7)
    disorder.loc[rows[3], "ranker_value"] = 0.1
    with pytest.raises(NetliftError, match=r"1 of 40 are not in the order.*first: slate 7"):
        map_exposure(disorder, focal, promoted, treatment)
    disorder.loc[rows[3], "ranker_value"] = np.nan
    with pytest.raises(NetliftError, match="1 of 40 are not in the order"):
        map_exposure(disorder, focal, promoted, treatment)
