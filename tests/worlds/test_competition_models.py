"""Competition models: each formula item by item, both arms, exact probabilities and clicks."""

import dataclasses
import math
import re
from itertools import product
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from builders import random_exposure

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.worlds import registry as worlds
from netlift.worlds import simulation as experiment
from netlift.worlds.attention import attention
from netlift.worlds.slates import Slates, user_effects

ARMS = ("control", "promoted")
FIELDS = [field.name for field in dataclasses.fields(Slates)]
REFERENCE = {
    "model": "reference",
    "intercept": -2.75,
    "relevance": 0.78,
    "attention": 1.15,
    "user_liked_rate": 0.35,
    "item_liked_rate": 0.25,
    "log_popularity": 0.10,
    "promoted_focal": 0.20,
    "promoted_competitor": -0.08,
    "promoted_same_cluster": -0.24,
    "promoted_displaced": -0.10,
    "lowest_probability": 0.01,
    "highest_probability": 0.95,
}
LOGIT = {
    "model": "logit",
    "intercept": -1.1,
    "b_r": 0.7,
    "b_v": 1.4,
    "g_c": 0.5,
    "g_all": 0.15,
    "competitors": "all",
    "attention": {"curve": "log2"},
}
WORLDS = {
    "reference": REFERENCE,
    "logit": LOGIT,
    "logit, above": LOGIT | {"competitors": "above"},
    "logit, power": LOGIT | {"attention": {"curve": "power", "eta": 0.7}},
    "logit, geometric": LOGIT | {"attention": {"curve": "geometric", "g": 0.8}},
    "logit, table": LOGIT
    | {"attention": {"curve": "table", "values": [0.9, 0.9, 0.1, 0.5, 0.4, 0.2, 7.0]}},
}


class Likeness:
    """Similarity of item ids, made up: symmetric, in [0, 1], 0 with itself."""

    def among(self, item: np.ndarray) -> np.ndarray:
        one, other = item[:, :, None], item[:, None, :]
        return np.where(one == other, 0.0, ((one + other) % 7) / 7)


LIKENESS = Likeness()
RIVALS = {
    "mnl": {"model": "mnl", "intercept": -0.7, "b_r": 0.6, "b_v": 1.3},
    "nested_logit": {
        "model": "nested_logit",
        "intercept": -0.4,
        "b_r": 0.6,
        "b_v": 1.3,
        "lam": 0.45,
    },
    "cascade": {"model": "cascade", "intercept": -0.2, "b_r": 0.9, "s": 0.35, "g": 0.85},
    "attention_budget": {
        "model": "attention_budget",
        "intercept": -0.3,
        "b_r": 0.5,
        "budget": 4.0,
        "kappa": 0.4,
    },
    "similarity": {
        "model": "similarity",
        "intercept": -1.0,
        "b_r": 0.5,
        "b_v": 1.1,
        "g": 2.5,
        "kappa": 0.4,
        "attention": {"curve": "geometric", "g": 0.8},
    },
}
NO_ADD_ONS = {"promotion_badge": 0.0, "popularity": 0.0, "user_sd": 0.0}
ADDED = {"promotion_badge": 0.6, "popularity": -0.7, "user_sd": 0.5}
WORLDS |= RIVALS | {f"{name}, badge and users": w | ADDED for name, w in RIVALS.items()}
WORLDS |= {"reference, badge and users": REFERENCE | ADDED, "logit, badge": LOGIT | ADDED}
MODELS = {name: WORLDS[name] for name in ("reference", "logit", "logit, above", *RIVALS)}

each_world = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
each_model = pytest.mark.parametrize("world", MODELS.values(), ids=MODELS)


def simulate_clicks(exposed: pd.DataFrame, world: dict, seed: int) -> pd.DataFrame:
    slates = Slates.from_exposure(exposed, seed=seed)
    found, _ = experiment.fit_world(world, slates, LIKENESS)
    return experiment.simulate_clicks(exposed, slates, found, seed=seed)


def simulated(world: dict, seed: int = 1, **where: object) -> pd.DataFrame:
    return simulate_clicks(random_exposure(seed, 60, 6, **where), world, seed=seed)


def fitted(world: dict, exposed: pd.DataFrame) -> tuple[worlds.World, Slates]:
    slates = Slates.from_exposure(exposed, seed=1)
    return worlds.fit(world, slates, LIKENESS), slates


def attention_at(position: int, curve: dict) -> float:
    return {
        "log2": lambda: 1 / math.log2(position + 1),
        "power": lambda: position ** -curve["eta"],
        "geometric": lambda: curve["g"] ** (position - 1),
        "table": lambda: curve["values"][position - 1],
    }[curve["curve"]]()


def order_shown(slate: pd.DataFrame, arm: str) -> list[dict]:
    """Return the items from top to bottom: promotion takes the focal item out and on top."""
    shown = slate.to_dict("records")
    if arm == "promoted":
        (focal,) = [item for item in shown if item["is_focal_item"]]
        shown.remove(focal)
        shown.insert(0, focal)
    return shown


def mean_and_spread(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def scale_of(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Measure over all items of all slates what the formulas center and standardize."""
    columns = ("relevance", "user_liked_rate", "item_liked_rate")
    scale = {column: mean_and_spread(table[column].tolist()) for column in columns}
    log_count = [math.log(1 + count) for count in table["item_popularity"]]
    return scale | {"log_count": mean_and_spread(log_count)}


def popularity(item: dict, scale: dict) -> float:
    """Return the standardized log popularity of an item."""
    mean, spread = scale["log_count"]
    return (math.log(1 + item["item_popularity"]) - mean) / spread


def reference_click(
    shown: list[dict], position: int, base: float, arm: str, world: dict, scale: dict
) -> float:
    """The formula for one item of a slate as shown."""
    item = shown[position - 1]
    mean, spread = scale["log_count"]
    x = (
        base
        + world["relevance"] * (item["relevance"] - 3.5)
        + world["attention"] / math.log2(position + 1)
        + world["user_liked_rate"] * (item["user_liked_rate"] - scale["user_liked_rate"][0])
        + world["item_liked_rate"] * (item["item_liked_rate"] - scale["item_liked_rate"][0])
        + world["log_popularity"] * (math.log(1 + item["item_popularity"]) - mean) / spread
    )
    if arm == "promoted" and item["is_focal_item"]:
        x += world["promoted_focal"]
    elif arm == "promoted":
        x += world["promoted_competitor"]
        if item["spillover_cluster"] == item["focal_spillover_cluster"]:
            x += world["promoted_same_cluster"]
        if item["slate_position_seed"] < item["focal_seed_position"]:
            x += world["promoted_displaced"]
    p = 1 / (1 + math.exp(-x))
    return min(max(p, world["lowest_probability"]), world["highest_probability"])


def logit_click(
    shown: list[dict], own: int, base: float, arm: str, world: dict, scale: dict
) -> float:
    """The formula for one item: own attention, and the attention that others get."""
    item = shown[own - 1]
    same_cluster = everyone = 0.0
    for position, other in enumerate(shown, start=1):
        if position == own or (world["competitors"] == "above" and position > own):
            continue
        everyone += attention_at(position, world["attention"])
        if other["spillover_cluster"] == item["spillover_cluster"]:
            same_cluster += attention_at(position, world["attention"])
    mean, spread = scale["relevance"]
    x = (
        base
        + world["b_r"] * (item["relevance"] - mean) / spread
        + world["b_v"] * attention_at(own, world["attention"])
        - world["g_c"] * same_cluster
        - world["g_all"] * everyone
    )
    return 1 / (1 + math.exp(-x))


def one_by_one(click):
    """Make a formula for one item into one for all items of a slate, top to bottom."""

    def formula(shown, base, arm, world, scale):
        return [
            click(shown, position, base[position - 1], arm, world, scale)
            for position in range(1, len(shown) + 1)
        ]

    return formula


def standardized(shown, scale):
    mean, spread = scale["relevance"]
    return [(item["relevance"] - mean) / spread for item in shown]


def curve_of(world, n):
    return [attention_at(p, world.get("attention", {"curve": "log2"})) for p in range(1, n + 1)]


def utilities(shown, base, world, scale):
    r, theta = standardized(shown, scale), curve_of(world, len(shown))
    return [
        b0 + world["b_r"] * x + world["b_v"] * math.log(t)
        for b0, x, t in zip(base, r, theta, strict=True)
    ]


def mnl(shown, base, arm, world, scale):
    powers = [math.exp(v) for v in utilities(shown, base, world, scale)]
    return [power / (1 + sum(powers)) for power in powers]


def nested_logit(shown, base, arm, world, scale):
    lam, v = world["lam"], utilities(shown, base, world, scale)
    cluster = [item["spillover_cluster"] for item in shown]
    nests = {
        c: sum(math.exp(x / lam) for x, own in zip(v, cluster, strict=True) if own == c)
        for c in cluster
    }
    whole = 1 + sum(inclusive**lam for inclusive in nests.values())
    return [
        (math.exp(x / lam) / nests[c]) * nests[c] ** lam / whole
        for x, c in zip(v, cluster, strict=True)
    ]


def cascade(shown, base, arm, world, scale):
    examined, clicks = 1.0, []
    for b0, r in zip(base, standardized(shown, scale), strict=True):
        a = 1 / (1 + math.exp(-(b0 + world["b_r"] * r)))
        clicks.append(examined * a)
        examined *= world["g"] * (1 - a * world["s"])
    return clicks


def weights(shown, world, scale):
    r, theta = standardized(shown, scale), curve_of(world, len(shown))
    return [t * math.exp(world["kappa"] * x) for t, x in zip(theta, r, strict=True)]


def attention_budget(shown, base, arm, world, scale):
    w = weights(shown, world, scale)
    return [
        (1 - math.exp(-world["budget"] * own / sum(w))) / (1 + math.exp(-(b0 + world["b_r"] * r)))
        for own, b0, r in zip(w, base, standardized(shown, scale), strict=True)
    ]


def similarity(shown, base, arm, world, scale):
    w, r, theta = weights(shown, world, scale), standardized(shown, scale), curve_of(world, 6)
    clicks = []
    for k, item in enumerate(shown):
        crowd = sum(
            ((item["item_id"] + other["item_id"]) % 7) / 7 * w[j]
            for j, other in enumerate(shown)
            if j != k
        )
        x = base[k] + world["b_r"] * r[k] + world["b_v"] * theta[k] - world["g"] * crowd / sum(w)
        clicks.append(1 / (1 + math.exp(-x)))
    return clicks


FORMULAS = {
    "reference": one_by_one(reference_click),
    "logit": one_by_one(logit_click),
    "mnl": mnl,
    "nested_logit": nested_logit,
    "cascade": cascade,
    "attention_budget": attention_budget,
    "similarity": similarity,
}


# --- Formulas ------------------------------------------------------------------------------------


@each_world
def test_probabilities_are_the_formula_item_by_item_in_both_arms(world):
    table = simulated(world)
    scale = scale_of(table)
    # A user's effect is one number per user, whatever the arm; each slate here has its own user.
    effects = user_effects(table["user_id"].to_numpy()[::6], seed=1)
    for (_, slate), effect in zip(table.groupby("slate_id"), effects, strict=True):
        for arm in ARMS:
            shown = order_shown(slate, arm)
            base = [
                world["intercept"]
                + world.get("user_sd", 0.0) * effect
                + world.get("popularity", 0.0) * popularity(item, scale)
                for item in shown
            ]
            if arm == "promoted":
                base[0] += world.get("promotion_badge", 0.0)
            expected = FORMULAS[world["model"]](shown, base, arm, world, scale)
            found = [item[f"p_{arm}"] for item in shown]
            assert found == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("size", [6, 24])
@pytest.mark.parametrize(
    ("model", "off"),
    [
        ("mnl", {"b_v": 0.0}),
        ("nested_logit", {"b_v": 0.0}),
        ("cascade", {"s": 0.0, "g": 1.0}),
        ("attention_budget", {"attention": {"curve": "power", "eta": 0.0}}),
        ("similarity", {"b_v": 0.0, "g": 0.0}),
    ],
)
def test_a_world_whose_order_does_not_count_has_no_effect(model, off, size):
    table = simulate_clicks(random_exposure(2, 60, size), RIVALS[model] | off, seed=1)
    assert table["p_promoted"].to_numpy() == pytest.approx(table["p_control"].to_numpy(), abs=1e-15)
    assert (table["click_control"] == table["click_promoted"]).all()


def test_nested_logit_with_lam_1_is_mnl():
    mnl = simulated(RIVALS["mnl"] | {"intercept": 0.3})
    nested = simulated(RIVALS["nested_logit"] | {"intercept": 0.3, "lam": 1.0})
    for column in ("p_control", "p_promoted"):
        assert nested[column].to_numpy() == pytest.approx(mnl[column].to_numpy(), abs=1e-15)


def test_nests_with_hardly_any_dissimilarity_stay_finite():
    table = simulated(RIVALS["nested_logit"] | {"lam": 0.05, "b_r": 10.0, "b_v": 10.0})
    for arm in ARMS:
        assert table[f"p_{arm}"].between(0, 1).all()
        assert table.groupby("slate_id")[f"p_{arm}"].sum().between(1e-9, 1).all()


def test_attention_sums_to_the_budget_in_both_arms():
    model, slates = fitted(RIVALS["attention_budget"], random_exposure(2, 30, 6))
    for arm in ARMS:
        looks = model.attention(model.shown(slates, arm))
        assert looks.sum(axis=1) == pytest.approx(4.0, abs=1e-13)
        assert looks.std() > 0.1


def test_where_no_item_is_like_another_similarity_is_position_and_relevance():
    class Nothing:
        def among(self, item):
            return np.zeros((*item.shape, item.shape[1]))

    exposed = random_exposure(2, 30, 6)
    slates = Slates.from_exposure(exposed, seed=1)
    alone = worlds.fit(RIVALS["similarity"], slates, Nothing())
    curve = {"attention": RIVALS["similarity"]["attention"]}
    logit = LOGIT | curve | {"intercept": -1.0, "b_r": 0.5, "b_v": 1.1, "g_c": 0.0, "g_all": 0.0}
    plain = worlds.fit(logit, slates)
    for arm in ARMS:
        expected = plain.probabilities(slates, arm)
        assert alone.probabilities(slates, arm) == pytest.approx(expected, abs=1e-15)


def test_reference_probabilities_are_clipped_at_both_ends():
    low, high = (simulated(REFERENCE | {"intercept": b0}) for b0 in (-40.0, 40.0))
    for arm in ARMS:
        assert (low[f"p_{arm}"] == 0.01).all()
        assert (high[f"p_{arm}"] == 0.95).all()


def test_a_world_where_position_and_competition_do_not_count_has_no_effect():
    table = simulated(LOGIT | {"b_v": 0.0, "g_c": 0.0, "g_all": 0.0})
    assert (table["p_control"] == table["p_promoted"]).all()
    assert (table["click_control"] == table["click_promoted"]).all()
    assert table["p_control"].nunique() > 5


def test_without_competition_only_the_items_that_move_are_touched():
    table = simulated(LOGIT | {"g_c": 0.0, "g_all": 0.0})
    below = table["slate_position_seed"] > table["focal_seed_position"]
    moved = table["focal_seed_position"] > 1
    assert (table["p_control"] == table["p_promoted"])[below | ~moved].all()
    gain = table["p_promoted"] - table["p_control"]
    assert (gain[table["is_focal_item"] & moved] > 0).all()
    assert (gain[table["exposure"] == "moved_down"] < 0).all()


def test_competition_by_cluster_falls_on_the_cluster_alone():
    # The focal item moves up and draws attention; b_v = 0 leaves only that.
    table = simulated(LOGIT | {"b_v": 0.0, "g_all": 0.0})
    gain = table["p_promoted"] - table["p_control"]
    below = table["slate_position_seed"] > table["focal_seed_position"]
    same_cluster = table["component"] == "same_cluster_competitor"
    moved = table["focal_seed_position"] > 1
    in_cluster = table.groupby(["slate_id", "spillover_cluster"])["item_id"].transform("size")
    assert (gain[in_cluster == 1] == 0).all()
    assert (gain[below & same_cluster & moved & (in_cluster == 2)] < 0).all()


@each_model
def test_the_known_effect_is_the_sum_of_its_three_parts(world):
    accounts = slate_outcomes(simulated(world))
    parts = [
        accounts[f"known_effect_{part}"]
        for part in ("direct_focal", "same_cluster_competitor", "other_competitor")
    ]
    table = simulated(world)
    whole = (table["p_promoted"] - table["p_control"]).groupby(table["slate_id"]).sum()
    assert sum(parts).to_numpy() == pytest.approx(whole.to_numpy(), abs=1e-14)


@each_model
def test_names_of_clusters_do_not_matter(world):
    exposed = random_exposure(3, 60, 6)
    names = {"A": "Western", "B": "Action", "C": "Drama"}
    renamed = exposed.assign(
        spillover_cluster=exposed["spillover_cluster"].map(names),
        focal_spillover_cluster=exposed["focal_spillover_cluster"].map(names),
    )
    before, after = (simulate_clicks(table, world, seed=1) for table in (exposed, renamed))
    for column in ("p_control", "p_promoted"):
        assert after[column].to_numpy() == pytest.approx(before[column].to_numpy(), abs=1e-15)


@each_world
@pytest.mark.parametrize("arm", ARMS)
def test_once_fitted_a_slate_does_not_depend_on_the_other_slates(world, arm):
    model, slates = fitted(world, random_exposure(4, 40, 6))
    whole, variance = model.probabilities(slates, arm), model.total_variance(slates, arm)
    rows = [rows for rows, _ in slates.split(7)]
    assert [number for part in rows for number in range(40)[part]] == list(range(40))
    for part, block in slates.split(7):
        assert len(block) == part.stop - part.start <= 7
        assert np.array_equal(model.probabilities(block, arm), whole[part])
        assert np.array_equal(model.total_variance(block, arm), variance[part])


# --- Clicks --------------------------------------------------------------------------------------


@each_model
@pytest.mark.parametrize("arm", ARMS)
def test_clicks_come_as_often_as_their_probabilities_say(world, arm):
    model, slates = fitted(world, random_exposure(5, 3, 6))
    p, variance = model.probabilities(slates, arm), model.total_variance(slates, arm)
    n_draws = 20_000
    arrays = {name: getattr(slates, name) for name in FIELDS if name != "n_control"}
    repeated = {name: np.repeat(values, n_draws, axis=0) for name, values in arrays.items()}
    copies = dataclasses.replace(slates, **repeated)
    uniforms = np.random.default_rng(6).random((model.SHEETS, 3 * n_draws, 6))
    clicks = model.draw(copies, arm, uniforms).reshape(3, n_draws, 6)
    distance = (clicks.mean(axis=1) - p) / np.sqrt(p * (1 - p) / n_draws)
    # 18 rates at 4.5 standard errors: false alarm 0.01%.
    assert np.abs(distance).max() < 4.5
    totals = clicks.sum(axis=2)
    fourth = ((totals - totals.mean(axis=1, keepdims=True)) ** 4).mean(axis=1)
    error = np.sqrt((fourth - totals.var(axis=1) ** 2) / n_draws)
    assert (np.abs(totals.var(axis=1) - variance) < 4.5 * error).all()


@pytest.mark.parametrize(
    "world", [MODELS[name] for name in ("reference", "logit", "attention_budget", "similarity")]
)
def test_the_variance_of_independent_clicks_is_exact(world):
    model, slates = fitted(world, random_exposure(7, 4, 5))
    for arm in ARMS:
        for p, variance in zip(
            model.probabilities(slates, arm), model.total_variance(slates, arm), strict=True
        ):
            first = second = 0.0
            for pattern in product([0, 1], repeat=5):
                chance = math.prod(q if hit else 1 - q for q, hit in zip(p, pattern, strict=True))
                first += chance * sum(pattern)
                second += chance * sum(pattern) ** 2
            assert variance == pytest.approx(second - first**2, abs=1e-13)


@pytest.mark.parametrize("name", ["mnl", "nested_logit"])
def test_a_choice_is_of_one_item_or_none(name):
    table = simulated(RIVALS[name])
    for arm in ARMS:
        assert table.groupby("slate_id")[f"click_{arm}"].sum().isin([0, 1]).all()
        assert (table.groupby("slate_id")[f"p_{arm}"].sum() < 1).all()
    model, slates = fitted(RIVALS[name], random_exposure(7, 4, 5))
    any_click = model.probabilities(slates, "control").sum(axis=1)
    assert model.total_variance(slates, "control") == pytest.approx(any_click * (1 - any_click))


def test_the_variance_of_a_cascade_is_that_of_all_its_paths():
    world = RIVALS["cascade"]
    model, slates = fitted(world, random_exposure(7, 4, 5))
    s, g = world["s"], world["g"]
    for arm in ARMS:
        for a, variance in zip(
            model.attraction(model.shown(slates, arm)),
            model.total_variance(slates, arm),
            strict=True,
        ):
            moments = [0.0, 0.0]

            def walk(k, chance, clicks, a=a, moments=moments):
                if k == 5:
                    moments[0] += chance * clicks
                    moments[1] += chance * clicks**2
                    return
                stop_click, go_click = a[k] * (1 - (1 - s) * g), a[k] * (1 - s) * g
                walk(5, chance * stop_click, clicks + 1)
                walk(k + 1, chance * go_click, clicks + 1)
                walk(5, chance * (1 - a[k]) * (1 - g), clicks)
                walk(k + 1, chance * (1 - a[k]) * g, clicks)

            walk(0, 1.0, 0)
            assert variance == pytest.approx(moments[1] - moments[0] ** 2, abs=1e-13)


def test_both_arms_use_the_same_chance():
    table = simulated(LOGIT)
    up = table["p_promoted"] >= table["p_control"]
    assert (table["click_promoted"] >= table["click_control"])[up].all()
    assert (table["click_promoted"] <= table["click_control"])[~up].all()
    assert (table["click_promoted"] != table["click_control"]).any()


def test_all_worlds_use_the_same_chance():
    exposed = random_exposure(8, 200, 6)
    low, high = (
        simulate_clicks(exposed, world, seed=3)
        for world in (LOGIT | {"target_click_rate": 0.1}, REFERENCE | {"target_click_rate": 0.5})
    )
    ordered = low["p_control"] <= high["p_control"]
    assert ordered.mean() > 0.9
    assert (low["click_control"] <= high["click_control"])[ordered].all()
    other_seed = simulate_clicks(exposed, LOGIT | {"target_click_rate": 0.1}, seed=4)
    assert (other_seed["p_control"] == low["p_control"]).all()
    assert (other_seed["click"] != low["click"]).any()


@each_model
def test_what_happened_is_the_arm_that_happened(world):
    table = simulated(world)
    promoted = table["promotion_applied"] == 1
    for happened, control, treated in (
        ("click", "click_control", "click_promoted"),
        ("expected_click", "p_control", "p_promoted"),
    ):
        assert (table[happened] == table[treated].where(promoted, table[control])).all()
    assert (table["known_lift"] == table["expected_click"] - table["p_control"]).all()
    assert (table.loc[~promoted, "known_lift"] == 0).all()
    assert table["click"].isin([0, 1]).all()
    for column in ("p_control", "p_promoted"):
        assert table[column].between(0, 1).all()


def test_the_click_of_a_slate_does_not_depend_on_how_many_slates_follow():
    # Fixed scales: relevance is the same spread in both tables.
    exposed = random_exposure(9, 1500, 4).assign(relevance=np.tile([1.0, 2.0, 3.0, 4.0], 1500))
    many = simulate_clicks(exposed, LOGIT, seed=2)
    few = simulate_clicks(exposed[:400], LOGIT, seed=2)
    assert few["click"].tolist() == many["click"][:400].tolist()


def test_simulating_adds_columns_and_changes_none():
    exposed = random_exposure(10, 20, 4)
    table = simulate_clicks(exposed, REFERENCE, seed=1)
    pd.testing.assert_frame_equal(table[exposed.columns], exposed)
    assert list(table.columns[len(exposed.columns) :]) == [
        "click",
        "p_control",
        "p_promoted",
        "expected_click",
        "known_lift",
        "click_control",
        "click_promoted",
        "slate_variance_control",
        "slate_variance_promoted",
    ]


# --- The intercept -------------------------------------------------------------------------------


@each_model
@pytest.mark.parametrize("target", [0.05, 0.3, 0.9])
def test_the_control_click_rate_meets_its_target(world, target):
    aimed = {key: value for key, value in world.items() if key != "intercept"}
    if world["model"] in {"mnl", "nested_logit"}:
        target /= 6  # a slate of six has at most one click
    if world["model"] in {"cascade", "attention_budget"}:
        target /= 3  # not every item is seen
    table = simulated(aimed | {"target_click_rate": target})
    assert table["p_control"].mean() == pytest.approx(target, abs=1e-9)


def test_a_target_that_cannot_be_reached_says_what_can():
    with pytest.raises(NetliftError, match=r"target_click_rate: .* 0\.97; .* 0\.01 to 0\.95"):
        simulated(REFERENCE | {"target_click_rate": 0.97})


@pytest.mark.parametrize(("model", "intercept"), [("reference", -2.75), ("logit", -2.0)])
def test_without_intercept_and_target_the_models_own_intercept_holds(model, intercept):
    world = {"reference": REFERENCE, "logit": LOGIT}[model]
    bare = {key: value for key, value in world.items() if key != "intercept"}
    said = simulated(bare | {"intercept": intercept})
    pd.testing.assert_frame_equal(simulated(bare), said)


# --- Slates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", ARMS)
def test_positions_are_those_of_the_exposure_table(arm):
    exposed = random_exposure(11, 80, 6)
    position = Slates.from_exposure(exposed, seed=1).position(arm).ravel()
    same_arm = (exposed["promotion_applied"] == (arm == "promoted")).to_numpy()
    assert 0 < same_arm.sum() < len(exposed)
    assert (position == exposed["final_position"])[same_arm].all()


def test_components_are_those_of_the_exposure_table():
    exposed = random_exposure(12, 80, 6)
    slates = Slates.from_exposure(exposed, seed=1)
    for found, column in (
        (slates.is_focal, exposed["is_focal_item"]),
        (slates.is_displaced, exposed["exposure"] == "moved_down"),
    ):
        assert found.ravel().tolist() == column.tolist()
    same_cluster = exposed["component"] == "same_cluster_competitor"
    assert slates.is_same_cluster.ravel().tolist() == same_cluster.tolist()


def test_a_world_needs_slates_of_one_size_in_order():
    ragged, in_order = random_exposure(13, 20, (3, 5)), random_exposure(13, 20, 4)
    for table in (ragged, in_order[::-1], in_order[:-1], in_order[:0]):
        with pytest.raises(NetliftError, match="slates of one size, sorted by"):
            simulate_clicks(table, LOGIT, seed=1)


# --- Attention -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ({"curve": "log2"}, [1.0, math.log(2) / math.log(3), 0.5]),
        ({"curve": "power", "eta": 1.0}, [1.0, 1 / 2, 1 / 3]),
        ({"curve": "power", "eta": 0}, [1.0, 1.0, 1.0]),
        ({"curve": "geometric", "g": 0.5}, [1.0, 0.5, 0.25]),
        ({"curve": "table", "values": [3, 0, 2, 9]}, [3.0, 0.0, 2.0]),
    ],
)
def test_attention_curves_by_hand(curve, expected):
    assert attention(3, curve).tolist() == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"curve": "power"}, "power takes eta, but was given none"),
        ({"curve": "geometric", "eta": 0.5}, "geometric takes g, but was given eta"),
        ({"curve": "log2", "g": 0.5}, "log2 takes no parameter, but was given g"),
        ({"curve": "power", "eta": 1.0, "g": 0.5}, "power takes eta, but was given eta, g"),
        ({"curve": "table", "values": [1, 0.5]}, "table has 2 values, but slates have 3 positions"),
    ],
)
def test_a_curve_with_the_wrong_parameters_says_what_it_takes(settings, message):
    with pytest.raises(NetliftError, match=message):
        attention(3, settings)


# --- The registry --------------------------------------------------------------------------------


def test_every_module_in_the_folder_is_a_model():
    folder = Path(worlds.__file__).parent / "models"
    files = sorted(path.stem for path in folder.glob("[!_]*.py"))
    assert worlds.models() == files
    assert {"logit", "reference"} <= set(files)


@pytest.mark.parametrize("model", worlds.models())
def test_defaults_fit_the_schema_and_a_typo_does_not(model):
    schema = worlds.schema(model)
    jsonschema.Draft202012Validator.check_schema(schema)
    properties = schema["properties"]
    defaults = {key: value["default"] for key, value in properties.items() if "default" in value}
    jsonschema.validate({"model": model} | defaults, schema)
    assert all(value.get("description") for key, value in properties.items() if key != "model")
    for wrong in ({"b_rr": 1}, {"model": "other"}, {"intercept": "high"}, {"target_click_rate": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"model": model} | defaults | wrong, schema)


def test_defaults_of_the_reference_world_are_the_reference_studys():
    properties = worlds.schema("reference")["properties"]
    defaults = {key: value["default"] for key, value in properties.items() if "default" in value}
    assert {"model": "reference", "intercept": -2.75} | defaults == REFERENCE | NO_ADD_ONS


def test_an_intercept_and_a_target_together_are_refused():
    model = worlds.model_class("logit")
    model.check(LOGIT, 6)
    with pytest.raises(NetliftError, match="not both"):
        model.check(LOGIT | {"target_click_rate": 0.2}, 6)


def test_a_table_of_attention_is_checked_against_the_size_of_slates():
    short = LOGIT | {"attention": {"curve": "table", "values": [1.0, 0.5]}}
    worlds.model_class("logit").check(short, 2)
    with pytest.raises(NetliftError, match="2 values, but slates have 6"):
        worlds.model_class("logit").check(short, 6)


def test_the_model_written_out_in_the_docs_works_as_it_stands():
    page = (Path(__file__).parents[2] / "docs/adding-a-world.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    module: dict = {}
    exec(compile(source, "fading.py", "exec"), module)
    slates = Slates.from_exposure(random_exposure(1, 20, 6), seed=1)
    world = module["Model"].fit({"b_r": 0.0, "b_v": 2.0, "g": 0.7} | NO_ADD_ONS, slates)
    expected = [1 / (1 + math.exp(2.0 - 2.0 * 0.7**p)) for p in range(6)]
    assert world.probabilities(slates, "control")[0].tolist() == pytest.approx(expected)
    promoted = world.probabilities(slates, "promoted")
    assert promoted[np.arange(20), slates.focal] == pytest.approx(expected[0])
