"""Candidates: their probabilities, their doubly robust scores, and what promoting each is worth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from builders import random_exposure

from netlift.core.errors import NetliftError
from netlift.models.candidates import (
    Candidates,
    Expected,
    candidate_scores,
    expected_clicks,
)
from netlift.models.folds import user_folds
from netlift.models.outcome_models import ModelData
from netlift.promotion.design import Design
from netlift.promotion.exposure import assign_promotion, focal_probabilities
from netlift.promotion.record import Promotion
from netlift.promotion.treatment import MOVE_TO_FIRST, Treatment
from netlift.worlds.simulation import Simulation, fit_world
from netlift.worlds.slates import Slates

CASCADE = {"model": "cascade", "intercept": -1.0, "s": 0.8, "g": 0.8, "popularity": -1.0}
SECOND_ON = {"probability": 0.5, "assignment": "bernoulli", "focal_position_first": 2}


def simulated(seed: int, n_slates: int, size: int = 6, world=CASCADE, **keys) -> pd.DataFrame:
    """Draw an experiment with the effect of every candidate."""
    promotion = Promotion(**SECOND_ON | keys)
    columns = ["focal_seed_position", "focal_spillover_cluster", "is_focal_item", "component"]
    columns += ["promotion_applied", "promoted_position", "final_position", "exposure"]
    slates = random_exposure(seed, n_slates, promotion.rows(size))
    slates = slates.drop(columns=[*columns, "position_change"])
    exposed = assign_promotion(slates, promotion, seed=seed)
    world = Simulation.from_exposure(exposed, world, seed=seed)
    return world.with_candidate_effects(promotion.treatment)


ITEMS = simulated(1, 400)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"focal_position_last": 4},
        {"assignment": "stratified"},
        {"treatment": Treatment("move", 3)},
        {"treatment": Treatment("badge")},
        {"treatment": Treatment("insert", 1)},
        {"treatment": Treatment("move", 1, focal_items=2)},
    ],
)
def test_draws_of_focal_items_have_their_stated_probabilities(keys):
    promotion = Promotion(**SECOND_ON | keys)
    rows = promotion.rows(6)
    stated = focal_probabilities(rows, promotion)
    assert stated.sum() == pytest.approx(promotion.treatment.focal_items, abs=1e-12)
    items = simulated(2, 3000, **keys)
    grid = items["is_focal_item"].to_numpy().reshape(-1, rows)
    np.testing.assert_array_equal(items["focal_probability"].to_numpy()[:rows], stated)
    error = np.sqrt(stated * (1 - np.minimum(stated, 1)) / len(grid))
    # Five standard errors: of some forty positions one in a million draws is further off.
    assert (np.abs(grid.mean(axis=0) - stated) <= 5 * error + 1e-12).all()


@pytest.mark.parametrize(
    ("world", "treatment"),
    [
        (CASCADE, MOVE_TO_FIRST),
        (CASCADE, Treatment("move", 3)),
        ({"model": "logit", "promotion_badge": 0.7}, Treatment("badge")),
        ({"model": "mnl", "promotion_badge": 0.7, "popularity": 0.5}, MOVE_TO_FIRST),
        ({"model": "reference"}, MOVE_TO_FIRST),
        ({"model": "attention_budget"}, Treatment("replace", 2)),
    ],
)
def test_the_drawn_candidate_has_the_known_effect_of_its_slate(world, treatment):
    items = simulated(3, 80, world=world, treatment=treatment)
    total = (items["p_promoted"] - items["p_control"]).groupby(items["slate_id"]).sum()
    drawn = items.loc[items["is_focal_item"], "known_candidate_effect"]
    np.testing.assert_allclose(drawn, total, atol=1e-12)
    missing = items["known_candidate_effect"].isna()
    assert missing.eq(items["focal_probability"] == 0).all()


def test_known_effects_are_those_of_slates_whose_other_candidate_is_promoted():
    exposed = ITEMS[[name for name in ITEMS if not name.startswith(("p_", "click", "known"))]]
    slates = Slates.from_exposure(exposed, seed=1)
    world, _ = fit_world(CASCADE, slates)
    known = ITEMS["known_candidate_effect"].to_numpy().reshape(-1, 6)
    for column in range(1, 6):
        order = [column, *(i for i in range(6) if i != column)]
        shown = replace(
            slates,
            **{
                name: getattr(slates, name)[:, order]
                for name in ("relevance", "cluster", "item", "item_popularity")
            },
        )
        change = world.probabilities(shown, "control") - 0
        change = change.sum(axis=1) - world.probabilities(slates, "control").sum(axis=1)
        np.testing.assert_allclose(known[:, column], change, atol=1e-12)


def changed(column: str, values) -> pd.DataFrame:
    return ITEMS.assign(**{column: values})


@pytest.mark.parametrize(
    ("items", "why"),
    [
        (ITEMS.drop(columns="focal_probability"), "are not known"),
        (changed("focal_probability", np.nan), "are not known"),
        (changed("focal_probability", ITEMS["focal_probability"] * 1.01), "400 of 400 slates"),
        (changed("focal_probability", ITEMS["focal_probability"] * 10), "2,000 of 2,400 rows"),
        (
            changed("focal_probability", ITEMS["focal_probability"].where(ITEMS.index != 7)),
            "1 of 2,400 rows",
        ),
        (
            changed("focal_probability", (ITEMS["slate_position_seed"] == 1).astype(float)),
            "400 of 400 focal items have probability 0",
        ),
        (
            changed("focal_probability", ITEMS["is_focal_item"].astype(float)),
            "each slate has one item",
        ),
        (simulated(1, 50, treatment=Treatment("insert", 1)), "each slate has one item"),
        (
            simulated(1, 50, treatment=Treatment("move", 1, focal_items=2)),
            "several focal items",
        ),
    ],
)
def test_without_a_random_draw_of_one_item_there_are_no_candidates(items, why):
    with pytest.raises(NetliftError, match=why):
        Candidates.from_items(items)


def uneven(items: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Give items of each slate their own probabilities; some cannot be drawn."""
    rng = np.random.default_rng(seed)
    weight = rng.exponential(size=len(items)) * (rng.random(len(items)) < 0.7)
    weight = np.where(items["is_focal_item"], rng.random(len(items)) + 0.1, weight)
    total = pd.Series(weight).groupby(items["slate_id"].to_numpy()).transform("sum")
    return items.assign(focal_probability=weight / total.to_numpy())


def test_scores_equal_an_independent_computation():
    """Slate by slate and item by item, by the formula of DESIGN, to 1e-12."""
    items, rng = uneven(ITEMS, 3), np.random.default_rng(4)
    e = dict(zip(items["slate_id"].unique(), rng.uniform(0.2, 0.8, 400), strict=True))
    items = items.assign(promotion_probability=items["slate_id"].map(e))
    candidates = Candidates.from_items(items)
    m0 = rng.normal(size=400)
    m1 = np.where(candidates.exists, rng.normal(size=candidates.row.shape), np.nan)
    slates = items.drop_duplicates("slate_id")
    total = items.groupby("slate_id")["click"].sum().to_numpy(float)
    design = Design.from_table(slates)
    scores = candidate_scores(total, Expected(m0, m1), candidates, design)
    for number, (_, rows) in enumerate(items.groupby("slate_id")):
        arm, chance = rows["promotion_applied"].iloc[0], rows["promotion_probability"].iloc[0]
        possible = rows[rows["focal_probability"] > 0]
        for place, (_, row) in enumerate(possible.iterrows()):
            expected = m1[number, place] - m0[number]
            if arm == 0:
                expected -= (total[number] - m0[number]) / (1 - chance)
            elif row["is_focal_item"]:
                weight = 1 / (row["focal_probability"] * chance)
                expected += weight * (total[number] - m1[number, place])
            assert scores[number, place] == pytest.approx(expected, abs=1e-12)
        assert np.isnan(scores[number, len(possible) :]).all()


def test_the_mean_score_over_all_draws_is_the_effect_whatever_the_model_says():
    """Exactly: over every candidate that could be drawn, in either arm, with its probability."""
    rng = np.random.default_rng(5)
    q, e = np.array([0.5, 0.2, 0.3]), 0.3
    control, promoted = rng.normal(size=1), rng.normal(size=3)
    m0, m1 = rng.normal(size=1), rng.normal(size=(1, 3))
    mean = np.zeros(3)
    for arm, chance in ((True, e), (False, 1 - e)):
        for drawn in range(3):
            candidates = Candidates(np.arange(3)[None, :], q[None, :], np.array([drawn]))
            design = Design(
                np.array([arm]), np.zeros(1, int), np.zeros(1, int), np.array([e]), "slate"
            )
            total = promoted[drawn : drawn + 1] if arm else control
            scores = candidate_scores(total, Expected(m0, m1), candidates, design)
            mean += chance * q[drawn] * scores[0]
    np.testing.assert_allclose(mean, promoted - control, atol=1e-12)


def test_predictions_of_the_drawn_candidate_are_those_of_the_models_of_rows():
    data, candidates = ModelData.from_items(ITEMS), Candidates.from_items(ITEMS)
    fold = user_folds(data.user, n_folds=3, seed=1)
    from netlift.models.outcome_models import ROW_MODELS, cross_fit

    found = expected_clicks(ITEMS, data, candidates, MOVE_TO_FIRST, fold, seed=1, threads=1)
    for expected, sequential in zip(found, (False, True), strict=True):
        each = [
            cross_fit(data, model, fold, seed=1, threads=1, sequential=sequential)
            for model in ROW_MODELS
        ]
        control = np.mean([one.control.sum(axis=1) for one in each], axis=0)
        promoted = np.mean([one.promoted.sum(axis=1) for one in each], axis=0)
        np.testing.assert_allclose(expected.control, control, atol=1e-12)
        drawn = expected.promoted[np.arange(400), candidates.drawn]
        np.testing.assert_allclose(drawn, promoted, atol=1e-12)
    assert np.isnan(found[1].promoted[fold == 0]).all()
