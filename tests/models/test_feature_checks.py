"""Features that were not known before promotion are refused by name; honest ones never are."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from builders import items, random_exposure, random_items
from scipy import optimize, stats

from netlift.core.errors import NetliftError
from netlift.models.feature_checks import (
    ALARM,
    ALMOST_THE_CLICK,
    ALMOST_THE_OUTCOME,
    OF_THE_SHAPE,
    refuse_leaks,
)
from netlift.models.features import slate_features
from netlift.models.outcome_models import ModelData
from netlift.promotion.design import Design

LOG = random_items(1, 900, 5).assign(promotion_probability=0.5)
NOISE = np.random.default_rng(2).normal(size=len(LOG))

Column = Callable[[pd.DataFrame], pd.Series]


def total(log: pd.DataFrame, name: str = "click") -> pd.Series:
    return log.groupby("slate_id")[name].transform("sum")


def first_is_clicked(log: pd.DataFrame) -> pd.Series:
    """Whether the item shown first, promoted or not, was clicked."""
    clicked = log["click"].where(log["final_position"] == 1, 0)
    return clicked.groupby(log["slate_id"]).transform("sum")


LEAKS: dict[str, tuple[str, Column]] = {
    "clicks": ("relevance", lambda log: log["click"]),
    "clicks, the other way round": ("relevance", lambda log: 1 - log["click"]),
    "clicks with noise": ("relevance", lambda log: log["click"] + 0.2 * NOISE),
    "final position": ("relevance", lambda log: log["final_position"]),
    "final position with noise": ("relevance", lambda log: log["final_position"] + NOISE),
    "attention after promotion": ("relevance", lambda log: 1 / np.log2(log["final_position"] + 1)),
    "moved places": ("relevance", lambda log: log["position_change"]),
    "promoted slate": ("relevance", lambda log: log["promotion_applied"]),
    "promoted item": ("relevance", lambda log: log["promotion_applied"] * log["is_focal_item"]),
    "expected clicks in the arm": ("relevance", lambda log: log["expected_click"]),
    "known lift in the arm": ("relevance", lambda log: log["known_lift"]),
    "clicks as liked rate of items": ("item_liked_rate", lambda log: log["click"]),
    "clicks of the item's slate": ("item_liked_rate", total),
    "clicks of the slate as liked rate": ("user_liked_rate", total),
    "clicks of the slate as activity": ("user_activity", total),
    "clicks of the slate with noise": (
        "user_liked_rate",
        lambda log: total(log) + 0.2 * NOISE[log["slate_id"]],
    ),
    "click on the first item shown": ("user_liked_rate", first_is_clicked),
    "lift of the focal item": (
        "user_activity",
        lambda log: total(log.assign(lift=log["known_lift"] * log["is_focal_item"]), "lift"),
    ),
    "promoted user": ("user_activity", lambda log: log["promotion_applied"]),
    "known lift as popularity": ("item_popularity", lambda log: 1 + log["known_lift"]),
    "popularity after its clicks": (
        "item_popularity",
        lambda log: log["item_popularity"] * np.where(log["click"] == 1, 1e4, 1),
    ),
    "missing where it was not promoted": (
        "relevance",
        lambda log: np.where(log["is_focal_item"], log["promotion_applied"] * 9, log["relevance"]),
    ),
}
"""Name of a leak: the column it is in, and its values."""

SAID_OF = {"item_popularity": "popularity"}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_refused_and_named(leak):
    column, values = LEAKS[leak]
    with pytest.raises(NetliftError) as error:
        ModelData.from_items(LOG.assign(**{column: values(LOG)}))
    said = str(error.value)
    assert said.startswith("features that were not known before promotion: ")
    assert SAID_OF.get(column, column) in said
    assert "Remove these columns" in said
    # Only features of the column that leaks are named.
    named = [part.split()[0] for part in said.split(": ", 1)[1].split(". Models")[0].split("; ")]
    assert all(SAID_OF.get(column, column) in name for name in named)


def test_the_log_without_leaks_is_not_refused():
    assert ModelData.from_items(LOG).slate_names == tuple(
        slate_features(LOG).columns.drop("n_items")
    )


def test_leaks_are_found_where_users_were_randomized_and_probabilities_differ():
    rng = np.random.default_rng(3)
    probability = rng.uniform(0.1, 0.9, 900)
    arm = (rng.random(900) < probability).astype(int)
    row = LOG["slate_id"].to_numpy()
    by_slate = LOG.assign(promotion_applied=arm[row], promotion_probability=probability[row])
    user = row // 5
    by_user = LOG.assign(
        user_id=user, randomization_unit=user, promotion_applied=(user * 7 % 3 == 0).astype(int)
    )
    for log in (by_slate, by_user):
        ModelData.from_items(log)
        moved = log["relevance"] + 3 * log["promotion_applied"] * log["is_focal_item"]
        with pytest.raises(NetliftError, match="focal_relevance differs between promoted and con"):
            ModelData.from_items(log.assign(relevance=moved))


def test_all_leaks_are_told_at_once():
    leaking = LOG.assign(relevance=LOG["click"], user_activity=total(LOG))
    with pytest.raises(NetliftError) as error:
        ModelData.from_items(leaking)
    said = str(error.value)
    assert "relevance separates clicks from the rest (area under the ROC curve 1.000)" in said
    assert "user_activity explains 100% of the variance of the slates' clicks" in said
    assert "focal_relevance differs between promoted and control slates by +" in said


# --- Honest features -----------------------------------------------------------------------------

DESIGNS = ["half", "tenth", "by slate", "users", "users, by user", "ragged"]
TABLES = {
    "slates": random_exposure(4, 300, 4, n_users=90),
    "ragged": random_exposure(5, 250, (2, 9)),
}


def honest(design: str, seed: int) -> pd.DataFrame:
    """Draw arms and clicks again; clicks follow the features, and the promotion."""
    rng = np.random.default_rng([DESIGNS.index(design), seed])
    log = TABLES["ragged" if design == "ragged" else "slates"]
    row = log["slate_id"].to_numpy()
    slates = log.drop_duplicates("slate_id")
    n, user = len(slates), slates["user_id"].to_numpy()
    probability = np.full(n, 0.1 if design == "tenth" else 0.5)
    unit = np.arange(n)
    if design == "by slate":
        # More often for users who like more, as a design may well have it.
        probability = 0.05 + 0.9 * slates["user_liked_rate"].to_numpy()
    if design.startswith("users"):
        unit = user
    if design == "users, by user":
        probability = rng.uniform(0.2, 0.8, user.max() + 1)[user]
    arm = rng.random(n)[unit] < probability
    odds = (
        2 * (log["relevance"] - 4)
        + log["user_liked_rate"]
        + 2 * log["is_focal_item"] * arm[row]
        + 0.3 * rng.normal(size=n)[row]
    )
    return log.assign(
        promotion_applied=arm[row].astype(int),
        promotion_probability=probability[row],
        randomization_unit=unit[row],
        click=(rng.random(len(log)) < 1 / (1 + np.exp(-odds))).astype(int),
    )


@pytest.mark.parametrize("design", DESIGNS)
def test_honest_features_are_never_refused(design):
    # 210 experiments in all. One in a million is refused by chance: 0.02% that any of these is.
    for seed in range(35):
        ModelData.from_items(honest(design, seed))


def test_chance_alone_would_have_refused_at_the_usual_5_percent():
    # So the designs above do put features to the test: their p-values are spread as they should.
    smallest = []
    for seed in range(40):
        log = honest("half", seed)
        features, first = slate_features(log), log.drop_duplicates("slate_id")
        arm = first["promotion_applied"].to_numpy() == 1
        features = features.loc[:, features.std() > 0]
        smallest.append(stats.ttest_ind(features[arm], features[~arm], equal_var=False).pvalue)
    assert 0.01 < (np.array(smallest) < 0.05).mean() < 0.12


@pytest.mark.parametrize("rate", [0.0, 0.004, 0.5, 1.0])
@pytest.mark.parametrize("by_user", [False, True])
def test_few_slates_and_few_clicks_are_never_refused(rate, by_user):
    # Of few slates, some feature often is alike within arms and different between them.
    log = TABLES["ragged"]
    for seed in range(40):
        rng = np.random.default_rng([seed, int(10 * rate)])
        n = int(rng.integers(8, 60))
        own = log[log["slate_id"] < n]
        user = rng.integers(0, max(4, n // 4), n)
        unit = user if by_user else np.arange(n)
        arm = (rng.permutation(unit.max() + 1) % 2)[unit]
        row = own["slate_id"].to_numpy()
        ModelData.from_items(
            own.assign(
                user_id=user[row],
                randomization_unit=unit[row],
                promotion_applied=arm[row],
                click=(rng.random(len(own)) < rate).astype(int),
            )
        )


def test_one_slate_in_an_arm_is_no_leak():
    log = items(["AAB"] * 5, [3] * 5, [1, 0, 0, 0, 0], ["010"] * 5)
    # Something differs between slates, so that models can be fitted.
    differs = np.repeat(np.arange(5.0), 3)
    ModelData.from_items(log.assign(relevance=log["click"], user_activity=differs))


def test_a_count_that_foretells_clicks_is_no_leak():
    # In slates of 2 to 60 items, of which every second is clicked, the size says nearly all.
    rng = np.random.default_rng(6)
    log = random_exposure(6, 200, (2, 60))
    log["click"] = (rng.random(len(log)) < 0.5).astype(int)
    size, clicks = (log.groupby("slate_id")["click"].agg(how) for how in ("size", "sum"))
    assert np.corrcoef(size, clicks)[0, 1] ** 2 > ALMOST_THE_OUTCOME
    ModelData.from_items(log)
    assert set(OF_THE_SHAPE) == set(slate_features(items(["AB"], [2], [1], ["00"])))


def test_missing_features_are_no_leak():
    bare = LOG.drop(columns=["relevance", "item_liked_rate", "item_popularity", "user_activity"])
    ModelData.from_items(bare)
    ModelData.from_items(LOG.assign(relevance=np.nan))


# --- Where the line is ---------------------------------------------------------------------------


def refused(slates: pd.DataFrame, rows: dict | None = None, **given: np.ndarray) -> str:
    """Return the message on leaks; empty if there are none."""
    n = len(slates)
    arm = given.get("arm", np.arange(n) % 2 == 0)
    design = Design(arm, np.arange(n), np.zeros(n, dtype=int), None, "slate")
    clicks = given.get("total", np.random.default_rng(7).normal(size=n))
    try:
        refuse_leaks(
            slates, rows or {}, total=clicks, click=given.get("click", clicks), design=design
        )
    except NetliftError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("n_features", [1, 5])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_feature_is_moved_from_one_in_a_million_over_all_features(n_features, sign):
    rng = np.random.default_rng(8)
    values, arm = rng.normal(size=(80, n_features)), np.arange(80) % 2 == 0

    def p_value(shift: float) -> float:
        moved = values[:, 0] + shift * arm
        return stats.ttest_ind(moved[arm], moved[~arm], equal_var=False).pvalue

    for factor, alarm in ((1.1, False), (0.9, True)):
        shift = optimize.brentq(
            lambda size, factor=factor: (
                np.log(p_value(sign * size)) - np.log(factor * ALARM / n_features)
            ),
            0.8,
            6,
        )
        table = pd.DataFrame(values).rename(columns=lambda place: f"feature_{place}")
        table["feature_0"] += sign * shift * arm
        said = refused(table)
        assert bool(said) == alarm
        if alarm:
            gap = table["feature_0"][arm].mean() - table["feature_0"][~arm].mean()
            size = gap / table["feature_0"].std(ddof=0)
            assert f"feature_0 differs between promoted and control slates by {size:+.2f}" in said
            assert "feature_1" not in said


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_feature_is_the_outcome_from_nine_tenths_of_its_variance(sign):
    rng = np.random.default_rng(9)
    clicks, noise = rng.normal(size=100), rng.normal(size=100)
    # Of the same variance and without correlation, so that shares of variance are what they say.
    clicks = (clicks - clicks.mean()) / clicks.std()
    noise -= noise.mean() + clicks * (noise @ clicks) / 100
    noise /= noise.std()
    for square, alarm in ((ALMOST_THE_OUTCOME - 0.003, False), (ALMOST_THE_OUTCOME + 0.003, True)):
        feature = sign * (square**0.5 * clicks + (1 - square) ** 0.5 * noise)
        said = refused(pd.DataFrame({"feature": 5 + 3 * feature}), total=clicks)
        assert ("feature explains 90% of the variance" in said) == alarm


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_feature_is_the_click_from_an_area_of_99_percent(sign):
    # 50 clicks and 100 others, of which some stand above the clicks: pairs in the wrong order.
    click = np.r_[np.ones(50), np.zeros(100)]
    for n_wrong, alarm in ((45, True), (55, False)):
        values = np.r_[np.arange(50) + 1000.0, np.arange(100)]
        # One of the others stands above n_wrong of the clicks; they are 5,000 pairs in all.
        wrong = values.copy()
        wrong[50] = 1000 + min(n_wrong, 50) - 0.5
        wrong[51] = 1000 + max(n_wrong - 50, 0) - 0.5
        area = 1 - n_wrong / 5000
        assert (area >= ALMOST_THE_CLICK) == (n_wrong <= 50)
        said = refused(pd.DataFrame({"other": np.zeros(90)}), {"rank": sign * wrong}, click=click)
        shown = area if sign > 0 else 1 - area
        told = f"rank separates clicks from the rest (area under the ROC curve {shown:.3f})"
        assert (told in said) == alarm


@pytest.mark.parametrize(("n", "alarm"), [(29, False), (30, True)])
def test_thirty_in_an_arm_or_thirty_clicks_are_enough_to_tell(n, alarm):
    rng = np.random.default_rng(10)
    arm = np.arange(100) < n
    moved = pd.DataFrame({"feature": 100.0 * arm + rng.normal(size=100)})
    assert bool(refused(moved, arm=arm)) == alarm
    assert bool(refused(moved, arm=~arm)) == alarm
    few = np.r_[1 + rng.random(n), np.zeros(100 - n)]
    same = pd.DataFrame({"feature": few[::-1]})
    assert bool(refused(same, total=few[::-1])) == alarm
    click = np.r_[np.ones(n), np.zeros(50)]
    for given in (click, 1 - click):
        nothing = pd.DataFrame({"other": np.zeros(90)})
        assert bool(refused(nothing, {"rank": click}, click=given)) == alarm
