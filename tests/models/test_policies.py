"""Policies: rules by exact search, honest values, and a gate that can promote nothing."""

import numpy as np
import pandas as pd
import pytest

from netlift.core.streams import generator
from netlift.core.units import PER_1000_ELIGIBLE
from netlift.figures.policies import verdicts_of
from netlift.models.policies import (
    ALL,
    NONE,
    PROMOTE,
    PROMOTE_NOTHING,
    TREES,
    compare_rules,
    policy_values,
    rules,
    rules_in_words,
    simultaneous_quantile,
    top_share,
    tree_rule,
    verdict,
)
from netlift.models.trees import Tree, best_tree, in_words
from netlift.promotion.design import Design

NO_COST = {"cost": 0.0, "max_share": 1.0}


def design_of(n_slates: int) -> Design:
    arm = np.arange(n_slates) % 2 == 0
    return Design(
        arm, np.arange(n_slates), np.zeros(n_slates, dtype=int), np.full(n_slates, 0.5), "slate"
    )


def gain_of(tree: Tree | bool, features: np.ndarray, gains: np.ndarray) -> float:
    chosen = np.full(len(gains), tree) if isinstance(tree, bool) else tree.promotes(features)
    return float(gains[chosen].sum())


def brute_force(features: np.ndarray, gains: np.ndarray, depth: int) -> float:
    """Return the best gain over all trees with cuts at every value but the largest."""
    if depth == 0:
        return max(gains.sum(), 0.0)
    best = max(gains.sum(), 0.0)
    for feature in range(features.shape[1]):
        for cut in np.unique(features[:, feature])[:-1]:
            left = features[:, feature] <= cut
            best = max(
                best,
                brute_force(features[left], gains[left], depth - 1)
                + brute_force(features[~left], gains[~left], depth - 1),
            )
    return best


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_no_tree_gains_more_than_the_one_that_is_found(depth, seed):
    # Few values a feature, so that every one is a cut point.
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 5, (40, 3)).astype(float)
    gains = rng.normal(size=40)
    tree = best_tree(features, gains, depth)
    best = brute_force(features, gains, depth)
    assert gain_of(tree, features, gains) == pytest.approx(best, abs=1e-9)


def test_a_tree_of_three_questions_finds_what_one_question_cannot():
    rng = np.random.default_rng(1)
    features = rng.random((400, 4))
    gains = np.where((features[:, 1] > 0.5) == (features[:, 3] > 0.5), 1.0, -1.0)
    one, three = (gain_of(best_tree(features, gains, depth), features, gains) for depth in (1, 2))
    assert three > 0.85 * (gains > 0).sum()
    assert one < 0.3 * three


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_where_all_slates_are_alike_no_question_is_asked(depth, sign):
    features = np.random.default_rng(2).random((50, 2))
    assert best_tree(features, np.full(50, sign), depth) is (sign > 0)
    constant = np.ones((50, 2))
    assert best_tree(constant, np.full(50, sign), depth) is (sign > 0)


def test_a_tree_in_words_says_what_it_does():
    tree = Tree(1, 0.25, True, Tree(0, 1234567.0, False, True))
    assert in_words(tree, ["a", "b"]) == (
        "where b is at most 0.25, promote; "
        "else (where a is at most 1.235e+06, do not promote; else promote)"
    )
    assert in_words(False, []) == "do not promote"


def test_trees_are_learned_on_earlier_folds_than_they_are_judged_on():
    rng = np.random.default_rng(3)
    features, scores = rng.random((300, 3)), rng.normal(size=300)
    fold = np.arange(300) % 3
    chosen = tree_rule(features, scores, fold, depth=2, cost=0.0)
    assert not chosen[fold == 0].any()
    for changed_fold, is_seen_by in ((0, [1, 2]), (1, [2]), (2, [])):
        changed = np.where(fold == changed_fold, -5 * scores, scores)
        again = tree_rule(features, changed, fold, depth=2, cost=0.0)
        seen = [number for number in range(3) if (chosen != again)[fold == number].any()]
        assert seen == is_seen_by


def test_shares_are_taken_within_folds_and_not_of_the_first():
    predicted = np.array([np.nan, np.nan, 5.0, 1.0, 3.0, 2.0, -1.0, -3.0, -2.0, -4.0])
    fold = np.array([0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    assert top_share(predicted, fold, 0.5).tolist() == [0, 0, 1, 0, 1, 0, 1, 0, 1, 0]


def test_a_cap_keeps_the_slates_with_the_largest_predicted_effects():
    rng = np.random.default_rng(4)
    predicted, features = rng.normal(size=200), rng.random((200, 2))
    fold = np.arange(200) % 5
    options = {"cost": 0.1, "max_share": 0.2}
    found = rules(predicted, features, predicted, fold, **options)
    for name, chosen in found.items():
        assert chosen.mean() <= 0.2, name
    gaining = found["predicted_gain"]
    assert (predicted[gaining] > 0.1).all()
    for number in range(1, 5):
        own = fold == number
        assert predicted[own & gaining].min() >= predicted[own & ~gaining].max() - 1e-12


def test_values_by_hand():
    scores = np.array([1.0, 3.0, -2.0, 0.0])
    chosen = {"two": np.array([True, True, False, False]), ALL: np.ones(4, dtype=bool)}
    known = np.array([0.5, 0.2, -1.0, 0.1])
    table = policy_values(
        chosen, scores, design_of(4), cost=0.5, max_share=1.0, seed=1, known=known
    ).set_index("rule")
    # Gains of 0.5 and 2.5 in two of four slates; of all four 0.5, 2.5, -2.5 and -0.5.
    assert table.at["two", "naive_value"] == pytest.approx(750)
    assert table.at["two", "naive_value_per_1000_promoted"] == pytest.approx(1500)
    assert table.at[ALL, "naive_value"] == pytest.approx(0, abs=1e-9)
    variance = np.var([0.5, 2.5, 0, 0], ddof=1) / 4
    assert table.at["two", "se"] == pytest.approx(1000 * variance**0.5)
    # Known effects less the cost: 0, -0.3, -1.5, -0.4: the best rule gains nothing.
    assert table.at["two", "known_value"] == pytest.approx(-75)
    assert table["oracle_value"].tolist() == [0.0, 0.0, 0.0]
    assert table.at[NONE, "naive_value"] == table.at[NONE, "regret"] == 0
    assert table.at["two", "regret"] == pytest.approx(75)


def test_the_oracle_keeps_to_the_cap():
    known = np.array([3.0, 2.0, 1.0, -5.0])
    table = policy_values(
        {ALL: np.ones(4, dtype=bool)},
        known,
        design_of(4),
        cost=0.0,
        max_share=0.25,
        seed=1,
        known=known,
    )
    assert table["oracle_value"].iloc[0] == pytest.approx(750)


def test_simultaneous_bounds_are_wider_the_more_rules_and_those_of_one_rule_are_students():
    one = simultaneous_quantile(np.eye(1), 30, 1)
    assert one == pytest.approx(2.042, abs=0.02)
    # Independent normals: the (1 + 0.95^(1/6)) / 2 quantile, 2.631.
    assert simultaneous_quantile(np.eye(6), 1e6, 1) == pytest.approx(2.631, abs=0.02)
    alike = np.full((6, 6), 1.0)
    assert simultaneous_quantile(alike, 1e6, 1) == pytest.approx(1.960, abs=0.02)


def test_a_rule_that_gains_is_recommended():
    rng = np.random.default_rng(6)
    effect = rng.normal(size=2000)
    scores = effect + rng.normal(size=2000)
    fold = np.arange(2000) % 5
    features = pd.DataFrame({"promise": 100 * effect})
    chosen, values = compare_rules(
        effect, features, scores, fold, design_of(2000), **NO_COST, seed=1, known=effect
    )
    found = verdict(values)
    # The first fold is learned from, and judges nothing.
    assert (chosen.index == np.flatnonzero(fold > 0)).all()
    assert (values["slates"] == 1600).all()
    table = values.set_index("rule")
    best = effect[fold > 0]
    assert table.at["predicted_gain", "known_value"] == pytest.approx(
        1000 * np.maximum(best, 0).mean()
    )
    assert table.at["predicted_gain", "regret"] == pytest.approx(0, abs=1e-9)
    # A tree of one question finds about zero, in the feature's own unit.
    said = table.at["tree_one_question", "description"]
    assert said.startswith("where promise is at most ")
    assert said.endswith(", do not promote; else promote")
    assert abs(float(said.split("at most ")[1].split(",")[0])) < 30
    assert found["description"] == table.at[found["rule"], "description"]
    assert found["verdict"] == PROMOTE
    gaining = values[values["lower_bound"] > 0]
    (row,) = (row for _, row in values[values["recommended"]].iterrows())
    assert row["rule"] == found["rule"]
    assert row["choice_value"] == gaining["choice_value"].max() > 0
    assert (found["naive_value"], found["value"]) == (row["naive_value"], row["corrected_value"])
    # Far from the limit of the gate little is corrected: within half of an error.
    assert abs(found["value"] - found["naive_value"]) < row["se"] / 2
    assert 0 < found["lower_bound"] < found["value"] < found["upper_bound"]
    assert values.loc[~values["recommended"], "corrected_value"].isna().all()
    assert found["known_value"] > 0.9 * found["oracle_value"]
    assert found["rule_label"] in found["statement"]


def compared(
    rules_: dict[str, tuple[float, float]], recommended: str | None = None
) -> pd.DataFrame:
    """Write a table of policies by hand: value and lower bound of each rule."""
    rows = [
        {"rule": name, "naive_value": value, "lower_bound": lower, "upper_bound": 2 * value - lower}
        for name, (value, lower) in ({NONE: (0.0, 0.0)} | rules_).items()
    ]
    table = pd.DataFrame(rows)
    chosen = table["rule"] == recommended
    return table.assign(
        share_promoted=0.5,
        unit_code=PER_1000_ELIGIBLE,
        unit="clicks",
        recommended=chosen,
        corrected_value=table["naive_value"].where(chosen) - 20,
        corrected_ci_95_lower=table["lower_bound"].where(chosen) - 5,
        corrected_ci_95_upper=table["upper_bound"].where(chosen),
    )


def test_the_verdict_tells_the_value_corrected_for_the_choice_and_names_the_other():
    rules_ = {"sure": (40.0, 30.0), "hope": (90.0, -5.0), "large": (60.0, 10.0)}
    found = verdict(compared(rules_, "large"))
    assert (found["verdict"], found["rule"]) == (PROMOTE, "large")
    assert (found["value"], found["lower_bound"], found["upper_bound"]) == (40.0, 5.0, 110.0)
    assert found["naive_value"] == 60.0
    assert found["best_lower_bound"] == 30.0
    assert found["largest_gain_not_ruled_out"] == 185.0
    assert "Promote by the rule 'large', the best of 3" in found["statement"]
    assert (
        "its value is +40.0 clicks (95% interval, given that it was chosen: +5.0 to +110.0; "
        in (found["statement"])
    )
    assert "not corrected: +60.0)" in found["statement"]
    assert "at most 2.5% of experiments" in found["statement"]
    assert "not shown" not in found["statement"]
    unsure = verdict(compared({"large": (60.0, 2.0)}, "large"))
    assert unsure["lower_bound"] == -3.0
    assert "How much it gains is not shown" in unsure["statement"]
    # A rule that is known to gain nothing at all is not shown to gain.
    none = verdict(compared({"hope": (90.0, -5.0), "loss": (-9.0, -20.0), "same": (0.0, 0.0)}))
    assert (none["verdict"], none["rule"]) == (PROMOTE_NOTHING, NONE)
    assert (none["value"], none["lower_bound"], none["naive_value"]) == (0.0, 0.0, 0.0)
    assert "best lower bound +0.0" in none["statement"]


@pytest.mark.long
def test_rules_are_chosen_on_four_fifths_of_the_units_and_valued_on_all():
    rng = np.random.default_rng(9)
    unit = np.repeat(np.arange(100), 5)
    design = Design(unit % 2 == 0, unit, np.zeros(500, dtype=int), np.full(500, 0.5), "user")
    scores = 0.5 + rng.normal(size=500)
    chosen = {ALL: np.ones(500, dtype=bool), "half": np.arange(500) % 2 == 0}
    options = {"cost": 0.0, "max_share": 1.0, "seed": 4}
    found = policy_values(chosen, scores, design, **options).set_index("rule")
    assert found.at[ALL, "naive_value"] == pytest.approx(1000 * scores.mean())
    # Which units the choice uses is seen by what a large score in one of them changes.
    used = []
    for number in range(100):
        changed = scores + 50.0 * (unit == number)
        again = policy_values(chosen, changed, design, **options).set_index("rule")
        assert again.at[ALL, "naive_value"] == pytest.approx(1000 * changed.mean())
        used.append(again.at[ALL, "choice_value"] != found.at[ALL, "choice_value"])
    assert sum(used) == 80
    in_choice = np.array(used)[unit]
    assert found.at[ALL, "choice_value"] == pytest.approx(1000 * scores[in_choice].mean())
    other = policy_values(chosen, scores, design, **options | {"seed": 5}).set_index("rule")
    assert other.at[ALL, "choice_value"] != found.at[ALL, "choice_value"]
    assert other.at[ALL, "naive_value"] == found.at[ALL, "naive_value"]


def test_a_rule_that_the_other_units_contradict_is_not_recommended():
    design, seed = design_of(500), 4
    used = generator(seed, "policy_choice").permutation(500) < 400
    scores = np.random.default_rng(2).normal(size=500)
    options = {"cost": 0.0, "max_share": 1.0, "seed": seed}
    chosen = {ALL: np.ones(500, dtype=bool)}
    gaining = policy_values(chosen, scores + np.where(used, 1.0, 0.9), design, **options)
    assert verdict(gaining)["verdict"] == PROMOTE
    values = policy_values(chosen, scores + np.where(used, 0.3, -1.0), design, **options)
    row = values.set_index("rule").loc[ALL]
    assert row["lower_bound"] > 0 > row["corrected_ci_95_upper"]
    assert not row["recommended"]
    found = verdict(values)
    assert (found["verdict"], found["rule"], found["value"]) == (PROMOTE_NOTHING, NONE, 0)
    assert (
        "chosen on a part of the randomized units, but the others contradict it"
        in (found["statement"])
    )
    assert verdicts_of(values) == ["undecided"] * 2
    assert "gains" in verdicts_of(gaining)


def test_values_and_bounds_of_the_same_experiment_can_disagree_on_the_rule():
    # Half of the slates gain 1 for sure; the others gain 0.2 on average, with a lot of noise.
    rng = np.random.default_rng(8)
    noisy = np.arange(400) % 2 == 1
    scores = np.where(noisy, 4 * rng.standard_normal(400), 1 + 0.1 * rng.random(400))
    scores += noisy * (0.4 - scores[noisy].mean())
    chosen = {ALL: np.ones(400, dtype=bool), "half": ~noisy}
    values = policy_values(chosen, scores, design_of(400), cost=0.0, max_share=1.0, seed=1)
    table = values.set_index("rule")
    assert table.at[ALL, "choice_value"] > table.at["half", "choice_value"]
    assert 0 < table.at[ALL, "lower_bound"] < table.at["half", "lower_bound"]
    assert verdict(values)["rule"] == ALL


@pytest.mark.long
@pytest.mark.parametrize("gain", [0.04, 0.1])
def test_the_value_of_a_recommended_rule_is_right_on_average_and_its_interval_holds(
    gain, monkeypatch
):
    """Experiments in which a rule is recommended: 250, the value and the bound of each."""
    monkeypatch.setattr("netlift.models.policies._GATE_DRAWS", 1_000)
    design = design_of(500)
    third = np.arange(500) % 3 == 0
    chosen = {ALL: np.ones(500, dtype=bool), "third": third, "rest": ~third}
    errors, naive, held, above = [], [], [], []
    for seed in range(4000):
        rng = np.random.default_rng(seed)
        scores = gain + rng.normal(size=500)
        values = policy_values(chosen, scores, design, cost=0.0, max_share=1.0, seed=seed)
        recommended = values[values["recommended"]]
        if not len(recommended):
            continue
        row = recommended.iloc[0]
        known = 1000 * gain * row["share_promoted"]
        errors.append(row["corrected_value"] - known)
        naive.append(row["naive_value"] - known)
        above.append(row["corrected_ci_95_lower"] <= known)
        held.append(above[-1] and known <= row["corrected_ci_95_upper"])
        if len(errors) == 250:
            break
    assert len(errors) == 250
    mc_error = np.std(errors) / np.sqrt(250)
    # Three Monte Carlo errors, and 0.95 and 0.975 less three: false alarm 0.5%; the seed is fixed.
    assert abs(np.mean(errors)) < 3 * mc_error
    assert np.mean(naive) > 6 * mc_error if gain < 0.1 else np.mean(naive) > 3 * mc_error
    assert np.mean(held) > 0.95 - 3 * 0.0138
    assert np.mean(above) > 0.975 - 3 * 0.0099


def test_where_nothing_gains_the_verdict_says_what_is_ruled_out():
    rng = np.random.default_rng(7)
    scores = -1 + rng.normal(size=500)
    chosen = rules(
        rng.normal(size=500),
        rng.random((500, 2)),
        scores,
        np.arange(500) % 5,
        cost=0.0,
        max_share=1.0,
    )
    values = policy_values(chosen, scores, design_of(500), cost=0.0, max_share=1.0, seed=1)
    found = verdict(values)
    assert (found["verdict"], found["rule"], found["value"]) == (PROMOTE_NOTHING, NONE, 0.0)
    assert not values["recommended"].any()
    hope = max(values.loc[values["rule"] != NONE, "upper_bound"].max(), 0)
    assert found["largest_gain_not_ruled_out"] == pytest.approx(hope)
    assert f"A gain above {hope:+,.1f} is ruled out for each of these rules" in found["statement"]


def test_words_name_cost_and_cap():
    features = pd.DataFrame({"depth": [1.0, 2.0, 3.0, 4.0]})
    scores = np.array([1.0, 1.0, -1.0, -1.0])
    said = rules_in_words(features, scores, cost=0.5, max_share=0.25)
    most = "; at most 25% of slates, those with the largest predicted effects"
    assert said[NONE] == "promote no slate"
    assert said[ALL] == "promote every slate" + most
    assert said["predicted_gain"].startswith("promote slates whose predicted effect is above 0.5")
    for name in TREES:
        assert said[name] == "where depth is at most 2, promote; else do not promote" + most
    # What a promotion costs is not worth it anywhere.
    dear = rules_in_words(features, scores, cost=2.0, max_share=1.0)
    assert {dear[name] for name in TREES} == {"do not promote"}
