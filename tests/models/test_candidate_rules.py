"""Rules for which item to promote: by hand, under caps, and learned on earlier folds only."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_candidates import ITEMS, simulated

from netlift.core.errors import NetliftError
from netlift.core.left_out import why_left_out
from netlift.core.tables import read_json, read_table, write_table
from netlift.models.candidate_codes import AT_RANDOM, BEST, MOST_RELEVANT, OWN, SLOT
from netlift.models.candidate_comparison import compare_candidates
from netlift.models.candidate_rules import (
    CandidateData,
    Limits,
    candidate_rules,
    rule_descriptions,
)
from netlift.models.candidates import Candidates
from netlift.models.folds import user_folds
from netlift.models.policies import PROMOTE, PROMOTE_NOTHING
from netlift.models.trees import best_tree
from netlift.workflow.outputs import made_by

ROOT = Path(__file__).parents[2]

SETTINGS = {
    "treatment": {},
    "cost": 0.0,
    "max_share": 1.0,
    "margin": 0.0,
    "top_k": 3,
    "max_group_share": {"column": "spillover_cluster", "share": 1.0},
    "seed": 1,
}


def data_of(seed: int = 1, **changes) -> CandidateData:
    """Draw ten slates of three candidates, one of them without the third."""
    rng = np.random.default_rng(seed)
    chance = np.full((10, 3), 1 / 3)
    chance[4] = [0.5, 0.5, 0.0]
    exists = chance > 0
    predicted, scores = (np.where(exists, rng.normal(size=(10, 3)), np.nan) for _ in range(2))
    predicted[:2] = np.nan  # the first fold
    position = np.where(exists, [2, 3, 4], 0)
    data = CandidateData(
        Candidates(np.zeros((10, 3), int), chance, rng.integers(0, 2, 10)),
        scores,
        predicted,
        np.repeat([0, 1, 2, 3, 4], 2),
        position,
        np.where(exists, [0, 1, 1], -1),
        {"position": position.astype(float), "x": np.where(exists, predicted**2, np.nan)},
        np.where(exists, [[0.1, 0.3, 0.2]], np.nan),
        None,
    )
    return replace(data, **changes)


def test_each_rule_promotes_what_it_says():
    data = data_of()
    rules = candidate_rules(data, Limits(cost=0.1, top_k=2))
    for chosen in rules.values():
        assert (chosen[:2] == 0).all(), "the first fold is for learning"
        assert (chosen.sum(axis=1) <= 1 + 1e-12).all()
        assert (chosen[~data.candidates.exists] == 0).all()
    np.testing.assert_array_equal(rules[AT_RANDOM][2:], data.candidates.probability[2:])
    for slate in range(2, 10):
        predicted = data.predicted[slate]
        best = int(np.nanargmax(predicted))
        expected = np.eye(3)[best] * (predicted[best] > 0.1)
        np.testing.assert_array_equal(rules[BEST][slate], expected)
        two = [1, 2] if slate != 4 else [0, 1]
        best = max(two, key=lambda place: predicted[place])
        expected = np.eye(3)[best] * (predicted[best] > 0.1)
        np.testing.assert_array_equal(rules[MOST_RELEVANT][slate], expected)


def test_the_slot_of_a_fold_is_the_one_with_the_largest_mean_prediction():
    data = data_of(2)
    chosen = candidate_rules(data, Limits(cost=0.05))[SLOT]
    for fold in range(1, 5):
        members = data.fold == fold
        means = np.nan_to_num(data.predicted[members] - 0.05).mean(axis=0)
        expected = (data.position[members] == 2 + means.argmax()) * (means.max() > 0)
        np.testing.assert_array_equal(chosen[members], expected)


def test_a_tree_is_exact_over_candidates_of_earlier_folds():
    data = data_of(3)
    chosen = candidate_rules(data, Limits())["tree_one_question"]
    for fold in range(1, 5):
        train, test = data.fold < fold, data.fold == fold
        exists = data.candidates.exists
        features = np.column_stack([v[train][exists[train]] for v in data.features.values()])
        gains = (data.candidates.probability * data.scores)[train][exists[train]]
        tree = best_tree(features, gains, 1)
        for slate in np.flatnonzero(test):
            rows = np.column_stack([values[slate] for values in data.features.values()])
            allowed = np.full(3, tree) if isinstance(tree, bool) else tree.promotes(rows)
            allowed &= exists[slate]
            expected = np.zeros(3)
            if allowed.any():
                expected[np.where(allowed, data.predicted[slate], -np.inf).argmax()] = 1
            np.testing.assert_array_equal(chosen[slate], expected)


def test_what_is_not_known_yet_changes_no_choice():
    """Scores of a fold, and of later ones, do not affect what is promoted in it."""
    data = data_of(4)
    before = candidate_rules(data, Limits())
    scores = data.scores.copy()
    scores[data.fold >= 3] *= -7
    after = candidate_rules(replace(data, scores=scores), Limits())
    for name, chosen in before.items():
        np.testing.assert_array_equal(chosen[data.fold <= 3], after[name][data.fold <= 3])


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("kind", ["max_share", "max_group_share"])
def test_caps_keep_the_largest_predictions_of_each_fold(kind, share):
    data = data_of(5)
    free, limited = (candidate_rules(data, Limits(**{kind: value})) for value in (1.0, share))
    for name, chosen in limited.items():
        assert (chosen <= free[name] + 1e-12).all()
        for fold in range(1, 5):
            members = data.fold == fold
            groups = data.group[members] if kind == "max_group_share" else None
            for number in (0, 1) if groups is not None else (0,):
                inside = groups == number if groups is not None else np.ones((2, 3), bool)
                sums = [(rule[name][members] * inside).sum() for rule in (free, limited)]
                assert sums[1] == pytest.approx(min(sums[0], share * 2))
                left = np.where(inside, limited[name][members], 0)
                cut = np.where(inside, free[name][members], 0) - left
                if (left > 1e-12).any() and (cut > 1e-12).any():
                    predicted = data.predicted[members]
                    assert predicted[left > 1e-12].min() >= predicted[cut > 1e-12].max() - 1e-12


def compared(items: pd.DataFrame, n_folds: int = 5, **changes):
    slates = items.drop_duplicates("slate_id").reset_index(drop=True)
    fold = user_folds(slates["user_id"].to_numpy(), n_folds=n_folds, seed=1)
    effects = pd.DataFrame({"fold": fold})
    return compare_candidates(items, slates, effects, **SETTINGS | changes)


OWN_ITEMS = ITEMS.assign(own_rule=(ITEMS["slate_position_seed"] == 3).astype(int))


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (ITEMS["slate_position_seed"].isin([3, 4]), "400 of 400 slates have several items"),
        (ITEMS["slate_position_seed"] == 1, "400 of 400 slates the rule promotes an item"),
        (2 * (ITEMS["slate_position_seed"] == 3), "400 rows are neither 0 nor 1"),
    ],
)
def test_an_own_rule_that_cannot_be_evaluated_is_refused(own, why):
    with pytest.raises(NetliftError, match=why):
        compared(ITEMS.assign(own_rule=own.astype(int)))


def test_the_own_rule_is_evaluated_as_it_is_logged():
    found = compared(OWN_ITEMS)
    row = found.policies.set_index("rule").loc[OWN]
    assert row["share_promoted"] == 1
    later = found.choices["slate_id"]
    third = OWN_ITEMS[(OWN_ITEMS["own_rule"] == 1) & OWN_ITEMS["slate_id"].isin(later)]
    assert row["known_value"] == pytest.approx(1000 * third["known_candidate_effect"].mean())
    np.testing.assert_array_equal(found.choices[OWN], third["item_id"])


def test_known_values_regret_and_choices_fit_together():
    items = simulated(8, 1200)
    found = compared(items, cost=0.05, max_share=0.5)
    known = items.set_index(["slate_id", "item_id"])["known_candidate_effect"] - 0.05
    choices, policies = found.choices, found.policies.set_index("rule")
    net = [
        known.loc[(row["slate_id"], row[BEST])] if pd.notna(row[BEST]) else 0.0
        for _, row in choices.iterrows()
    ]
    assert policies.loc[BEST, "known_value"] == pytest.approx(1000 * np.mean(net))
    best = known.groupby("slate_id").max().loc[choices["slate_id"]].clip(lower=0)
    oracle = 1000 * best.sort_values()[-round(len(best) / 2) :].sum() / len(best)
    np.testing.assert_allclose(policies["oracle_value"], oracle)
    regret = policies["oracle_value"] - policies["known_value"]
    np.testing.assert_allclose(policies["regret"], regret, atol=1e-9)
    assert (policies["share_promoted"] <= 0.5 + 1e-9).all()
    shares = found.promoted.groupby("dimension")[["share_of_promotions", "share_at_random"]].sum()
    np.testing.assert_allclose(shares, 1.0)


def test_a_world_in_which_choosing_pays_has_a_recommended_rule():
    found = compared(simulated(7, 3000, size=8))
    assert found.verdict["verdict"] == PROMOTE
    assert found.verdict["known_value"] > 0.5 * found.verdict["oracle_value"] > 50
    last = found.curve.iloc[-1]
    assert last["lower_bound"] > 0
    assert last["share_promoted"] == 1


def test_a_margin_above_every_gain_leaves_nothing_to_recommend():
    found = compared(simulated(7, 3000, size=8), margin=2000.0)
    assert found.verdict["verdict"] == PROMOTE_NOTHING
    assert "more than the margin of 2,000.0" in found.verdict["statement"]


def test_a_rule_on_which_the_draw_hardly_ever_fell_is_not_evaluated():
    """Its value would be that of a model, with an error that is far too small."""
    third = OWN_ITEMS["slate_position_seed"] == 3
    drawn_there = OWN_ITEMS["is_focal_item"] & third
    # In all but a few slates whose third item was drawn, the rule promotes nothing.
    few = OWN_ITEMS.loc[drawn_there & (OWN_ITEMS["promotion_applied"] == 1), "slate_id"].iloc[:12]
    own = third & (
        OWN_ITEMS["slate_id"].isin(few)
        | ~OWN_ITEMS["slate_id"].isin(OWN_ITEMS.loc[drawn_there, "slate_id"])
    )
    found = compared(OWN_ITEMS.assign(own_rule=own.astype(int)))
    assert OWN not in set(found.policies["rule"])
    assert 0 < found.verdict["not_evaluated"]["the team's own rule"] <= 12
    support = found.policies.set_index("rule")["effective_slates"]
    slates = OWN_ITEMS.drop_duplicates("slate_id").set_index("slate_id")["promotion_applied"]
    assert support[AT_RANDOM] == slates.loc[found.choices["slate_id"]].sum()
    matches = found.choices[BEST] == found.choices[AT_RANDOM]
    promoted = slates.loc[found.choices["slate_id"]].to_numpy() == 1
    assert support[BEST] == pytest.approx((matches & promoted).sum())


def test_a_group_column_that_is_missing_is_named():
    with pytest.raises(NetliftError, match="no column seller"):
        compared(ITEMS, max_group_share={"column": "seller", "share": 0.1})


def test_items_of_one_seller_are_promoted_in_no_more_slates_than_allowed():
    items = ITEMS.assign(seller=np.where(ITEMS["slate_position_seed"] % 2, "odd", "even"))
    found = compared(items, max_group_share={"column": "seller", "share": 0.2})
    promoted = found.promoted[found.promoted["dimension"] == "group"]
    assert set(promoted["value"]) == {"odd", "even"}
    slates = len(found.choices)
    assert (promoted["promotions"] <= 0.2 * slates + 1e-9).all()


def test_rules_are_described_with_their_limits():
    limits = Limits(cost=0.1, max_share=0.5, max_group_share=0.1, top_k=4)
    words = rule_descriptions(data_of(), limits, group="seller")
    assert words[BEST].startswith("promote the candidate with the largest predicted effect")
    assert "above 0.1 clicks" in words[BEST]
    assert "items of the same seller in at most 10% of slates" in words[BEST]
    assert "at most 50% of slates" in words[SLOT]
    assert "of the 4 most relevant" in words[MOST_RELEVANT]


def test_without_a_random_candidate_the_files_say_what_one_would_add(tmp_path):
    items = ITEMS.drop(columns=["focal_probability", "known_candidate_effect"])
    slates = items.drop_duplicates("slate_id").reset_index(drop=True)
    fold = user_folds(slates["user_id"].to_numpy(), n_folds=5, seed=1)
    tables = {"slate_items": items, "accounts": slates, "slate_effects": slates.assign(fold=fold)}
    inputs = {name: str(tmp_path / f"{name}.parquet") for name in tables}
    for name, table in tables.items():
        write_table(table, inputs[name])
    made = {output.name: str(tmp_path / output.file) for output in made_by("compare_candidates")}
    script = runpy.run_path(str(ROOT / "workflow/scripts/compare_candidates.py"))["main"]
    script(inputs, made, SETTINGS | {"outcome": "clicks"}, 1)
    for name, path in made.items():
        content = read_json(path) if path.endswith(".json") else read_table(path)
        reason = why_left_out(content)
        assert "only whether to promote the chosen item can be said" in reason, name
        assert "drawn at random from known candidates" in reason
