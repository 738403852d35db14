"""Slates before any promotion: who is shown what, by recipe and by ranker."""

from collections import Counter
from functools import partial
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from builders import random_ratings, ratings

from netlift.core.errors import NetliftError
from netlift.slates.catalog import item_clusters
from netlift.slates.ratings import training_rows
from netlift.slates.recipes import COLUMNS, history_slates, scorer_slates
from netlift.slates.scorer import Scorer, fit_scorer

RANKER = {"score": 1.0, "popularity": 0.5, "noise": 0.5}
AS_DRAWN = {"score": 0.0, "popularity": 0.0, "noise": 0.0}


def clusters_of(table: pd.DataFrame) -> pd.Series:
    item = table["item_id"].unique()
    return pd.Series(np.array(["A", "B", "C"])[item % 3], index=item)


def history(table: pd.DataFrame, **changes: object) -> pd.DataFrame:
    settings = {"n_slates": 1, "size": 3, "seed": 1, "window": 5, "max_per_user": 9}
    return history_slates(table, clusters_of(table), **settings | changes)


def by_scorer(table: pd.DataFrame, scorer: Scorer | None = None, **changes: object):
    scorer = scorer or fit_scorer(table, {"damping": 5.0, "factors": 3})
    settings = {"n_slates": 50, "size": 6, "seed": 1, "pool": 12, "ranker": RANKER}
    return scorer_slates(
        table, scorer, clusters_of(table), **settings | {"max_per_user": 9} | changes
    )


def shown_items(slates: pd.DataFrame) -> np.ndarray:
    """Return item ids, one row a slate, from top to bottom."""
    return slates["item_id"].to_numpy().reshape(slates["slate_id"].nunique(), -1)


def catalog_of(counts: list[int], seen: list[list[int]]) -> tuple[pd.DataFrame, Scorer]:
    """Write training ratings and a scorer of items with given popularity."""
    training = ratings(*((user, item, 3, 0) for user, items in enumerate(seen) for item in items))
    zero = np.float32(0)
    users = pd.DataFrame({"user_id": range(len(seen)), "offset": 3.0, "factor_00": zero})
    items = pd.DataFrame({"item_id": range(len(counts)), "item_popularity": counts})
    items["offset"] = np.linspace(-1, 1, len(counts))
    return training, Scorer(
        users.assign(user_activity=1, user_liked_rate=0.0),
        items.assign(item_liked_rate=0.0, factor_00=zero),
    )


# --- Clusters ------------------------------------------------------------------------------------


def clusters(rule: str, *genres: str | None) -> list[str]:
    movies = pd.DataFrame({"item_id": np.arange(len(genres)) + 70, "genres": genres})
    found = item_clusters(movies, rule)
    assert found.index.tolist() == movies["item_id"].tolist()
    return found.tolist()


def test_first_genre_is_the_first_of_the_list():
    assert clusters("first_genre", "Comedy|Drama", "Drama", "IMAX|Sci-Fi") == [
        "Comedy",
        "Drama",
        "IMAX",
    ]


def test_rarest_genre_is_the_one_that_the_fewest_movies_have():
    # Drama 3, Comedy 2, War 1, Film-Noir 1.
    assert clusters("rarest_genre", "Comedy|Drama", "Drama|War", "Drama|Film-Noir", "Comedy") == [
        "Comedy",
        "War",
        "Film-Noir",
        "Comedy",
    ]


def test_genres_as_rare_as_each_other_are_taken_by_name_and_not_by_their_place_in_the_list():
    assert clusters("rarest_genre", "War|Drama", "War|Drama|Comedy", "Comedy") == [
        "Drama",
        "Comedy",
        "Comedy",
    ]


def test_imax_is_a_cluster_only_where_nothing_else_is_listed():
    assert clusters("rarest_genre", "Action|IMAX", "Action", "IMAX", "Action|Sci-Fi") == [
        "Action",
        "Action",
        "IMAX",
        "Sci-Fi",
    ]


@pytest.mark.parametrize("rule", ["first_genre", "rarest_genre"])
def test_movies_without_genres_share_a_cluster_of_their_own(rule):
    without = "(no genres listed)"
    assert clusters(rule, None, "", without, "Drama") == [without, without, without, "Drama"]


# --- History -------------------------------------------------------------------------------------


def test_a_history_slate_by_hand():
    # Newest first: items 9 8 7 6 5 | 4 3 2 1 0 | with stars below.
    stars = dict(zip([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [3, 5, 4, 5, 1, 2, 2, 4.5, 2, 5], strict=True))
    table = ratings(*((1, item, star, 100 + item) for item, star in stars.items()))
    slates = history(table, n_slates=2)
    # The best of the latest five by stars, the newer first where equal; then of the five before.
    assert shown_items(slates).tolist() == [[8, 6, 7], [0, 2, 4]]
    assert slates["relevance"].tolist() == [5, 5, 4, 5, 4.5, 2]
    assert slates["slate_position_seed"].tolist() == [1, 2, 3] * 2
    assert slates["slate_id"].tolist() == [0] * 3 + [1] * 3
    assert slates["user_id"].tolist() == [1] * 6
    assert slates["spillover_cluster"].tolist() == ["C", "A", "B", "A", "C", "B"]
    assert (slates["user_activity"] == 10).all()
    assert (slates["user_liked_rate"] == 0.5).all()
    assert (slates["item_popularity"] == 1).all()
    assert slates["item_liked_rate"].tolist() == [1, 1, 1, 1, 1, 0]


def test_ratings_of_the_same_second_are_ordered_by_item():
    table = ratings(*((1, item, 4, 7) for item in (5, 3, 9, 1)))
    assert shown_items(history(table)).tolist() == [[1, 3, 5]]


@pytest.mark.parametrize("size", [2, 4])
def test_history_slates_are_the_recipe_user_by_user(size):
    table = random_ratings(1, 25, 60, (1, 30))
    rows = {user: own.to_dict("records") for user, own in table.groupby("user_id")}
    capacity = sum(sum(len(own) >= 6 * visit + size for visit in range(3)) for own in rows.values())
    slates = history(table, n_slates=capacity, size=size, window=6, max_per_user=3)
    visits: Counter = Counter()
    for _, slate in slates.groupby("slate_id"):
        (user,) = slate["user_id"].unique()
        newest = sorted(rows[user], key=lambda row: (-row["timestamp"], row["item_id"]))
        window = newest[6 * visits[user] : 6 * (visits[user] + 1)]
        best = sorted(window, key=lambda row: (-row["rating"], -row["timestamp"], row["item_id"]))[
            :size
        ]
        assert slate["item_id"].tolist() == [row["item_id"] for row in best]
        assert slate["relevance"].tolist() == [row["rating"] for row in best]
        assert slate["ranker_value"].tolist() == [row["rating"] for row in best]
        visits[user] += 1
    # Everyone was visited as often as their ratings allow.
    assert visits == Counter(
        {
            user: sum(len(own) >= 6 * visit + size for visit in range(3))
            for user, own in rows.items()
            if len(own) >= size
        }
    )


@pytest.mark.parametrize("build", [history, by_scorer])
def test_features_describe_the_ratings(build):
    table = random_ratings(2, 30, 60, (10, 30))
    slates = build(table, n_slates=30)
    assert list(slates.columns) == COLUMNS
    liked = table["rating"] >= 4
    for key, count, rate in (
        ("user_id", "user_activity", "user_liked_rate"),
        ("item_id", "item_popularity", "item_liked_rate"),
    ):
        groups = liked.groupby(table[key])
        assert slates[count].tolist() == slates[key].map(groups.size()).tolist()
        assert slates[rate].to_numpy() == pytest.approx(slates[key].map(groups.mean()).to_numpy())
    found = slates["spillover_cluster"].astype(object)
    assert found.tolist() == slates["item_id"].map(clusters_of(table)).tolist()


# --- Who gets a slate ----------------------------------------------------------------------------


@pytest.mark.parametrize("build", [history, by_scorer])
def test_everyone_gets_a_slate_before_anyone_gets_the_next(build):
    table = random_ratings(3, 20, 90, (12, 12))
    slates = build(table, n_slates=33, max_per_user=2)
    users = slates.groupby("slate_id")["user_id"].first()
    assert sorted(users[:20]) == sorted(table["user_id"].unique())
    assert users[20:].nunique() == 13
    # Each round has an order of its own.
    assert users[20:].tolist() != users[:13].tolist()


@pytest.mark.parametrize("build", [partial(history, window=3), by_scorer])
def test_slates_of_a_few_users_are_theirs_in_rounds(build):
    table = random_ratings(3, 20, 90, (12, 12))
    slates = build(table, n_slates=11, n_users=4, max_per_user=3)
    users = slates.groupby("slate_id")["user_id"].first()
    assert len(set(users)) == 4
    assert set(users[:4]) == set(users[4:8]) == set(users)
    chosen = {frozenset(build(table, n_slates=4, n_users=4, seed=s)["user_id"]) for s in range(4)}
    assert len(chosen) > 1
    with pytest.raises(NetliftError, match="the data give 12"):
        build(table, n_slates=13, n_users=4, max_per_user=3)


@pytest.mark.parametrize("build", [partial(history, window=3), by_scorer])
def test_the_first_slates_are_the_same_however_many_follow(build):
    table = random_ratings(4, 400, 90, (12, 14))
    many = build(table, n_slates=1100, max_per_user=4).drop(columns="spillover_cluster")
    for n_slates in (1, 30, 1030):
        few = build(table, n_slates=n_slates, max_per_user=4).drop(columns="spillover_cluster")
        pd.testing.assert_frame_equal(few, many[: len(few)], check_exact=True)


@pytest.mark.parametrize("build", [history, by_scorer])
def test_another_seed_visits_users_in_another_order(build):
    table = random_ratings(5, 40, 90, (12, 14))
    orders = [tuple(build(table, n_slates=40, seed=seed)["user_id"]) for seed in range(4)]
    assert len(set(orders)) == 4


def test_every_user_is_as_likely_as_any_other_to_come_first():
    table = random_ratings(6, 5, 40, (10, 20))
    first = Counter(int(history(table, seed=seed)["user_id"].iat[0]) for seed in range(200))
    # Chi-square with 4 degrees of freedom: above 18.5 in 0.1% of cases.
    assert len(first) == 5
    assert sum((count - 40) ** 2 / 40 for count in first.values()) < 18.5


def test_more_history_slates_than_the_ratings_give_is_an_error_with_numbers_and_a_way_out():
    # Slates of 3 from windows of 5: 8 ratings give two, 7 give one, 2 give none.
    table = ratings(
        *((user, item, 3, item) for user, n in ((1, 8), (2, 7), (3, 2)) for item in range(n))
    )
    assert history(table, n_slates=3)["user_id"].nunique() == 2
    with pytest.raises(NetliftError) as caught:
        history(table, n_slates=1234)
    message = str(caught.value)
    for part in ("1,234 slates requested", "give 3 ", "2 users", "at most 9 slates", "5 ratings"):
        assert part in message
    for way_out in ("n_slates", "max_per_user", "history.window"):
        assert f"slates.NAME.{way_out}" in message
    assert "data set" in message
    with pytest.raises(NetliftError, match="the data give 2 "):
        history(table, n_slates=3, max_per_user=1)


def test_a_window_shorter_than_a_slate_is_an_error_with_numbers():
    table = ratings(*((1, item, 3, item) for item in range(20)))
    with pytest.raises(NetliftError, match=r"window.* 2 .* 3"):
        history(table, window=2, size=3)


def test_more_scorer_slates_than_the_users_give_is_an_error_with_numbers_and_a_way_out():
    # Four items; a pool of 2 needs two of them unseen.
    training, scorer = catalog_of([3, 2, 2, 2], [[0], [0, 1], [0, 1, 2]])
    settings = {"scorer": scorer, "size": 2, "pool": 2, "max_per_user": 3}
    assert by_scorer(training, n_slates=6, **settings)["user_id"].nunique() == 2
    with pytest.raises(NetliftError) as caught:
        by_scorer(training, n_slates=1234, **settings)
    message = str(caught.value)
    for part in ("1,234 slates requested", "give 6 ", "2 users with 2 unseen", "at most 3 slates"):
        assert part in message
    for way_out in ("n_slates", "max_per_user", "scorer.pool"):
        assert f"slates.NAME.{way_out}" in message
    assert "data set" in message


# --- Scorer --------------------------------------------------------------------------------------


def test_no_slate_shows_an_item_that_its_user_rated_in_training():
    table = random_ratings(7, 60, 80, (5, 40))
    slates = by_scorer(table, n_slates=400)
    pairs = set(zip(table["user_id"], table["item_id"], strict=True))
    assert not pairs & set(zip(slates["user_id"], slates["item_id"], strict=True))
    assert set(slates["item_id"]) <= set(table["item_id"])


def test_no_slate_shows_an_item_twice():
    slates = by_scorer(random_ratings(8, 60, 40, (5, 20)), n_slates=400, size=12)
    assert (slates.groupby("slate_id")["item_id"].nunique() == 12).all()


def test_held_out_ratings_change_nothing():
    table = random_ratings(9, 40, 80, (10, 30))
    train = training_rows(table, 0.8)
    changed = table.copy()
    rng = np.random.default_rng(1)
    changed.loc[~train, "rating"] = rng.choice([0.5, 5.0], (~train).sum()).astype("float32")
    changed.loc[~train, "timestamp"] += rng.integers(1, 10_000, (~train).sum())
    changed.loc[~train, "item_id"] += 1_000_000
    built = [by_scorer(part[training_rows(part, 0.8)]) for part in (table, changed)]
    pd.testing.assert_frame_equal(*built, check_exact=True)


def test_shorter_slates_are_the_top_of_longer_ones():
    table = random_ratings(10, 60, 80, (5, 30))
    long = shown_items(by_scorer(table, n_slates=200, size=12))
    assert np.array_equal(shown_items(by_scorer(table, n_slates=200, size=6)), long[:, :6])


def test_relevance_is_the_score_and_not_the_ranking():
    table = random_ratings(11, 40, 80, (5, 30))
    scorer = fit_scorer(table, {"damping": 5.0, "factors": 3})
    slates = by_scorer(table, scorer)
    user = np.searchsorted(scorer.users["user_id"], slates["user_id"])
    item = np.searchsorted(scorer.items["item_id"], slates["item_id"])
    assert slates["relevance"].tolist() == scorer.scores(user, item).tolist()
    rises = slates.groupby("slate_id")["relevance"].diff() > 0
    assert 0.1 < rises.mean() < 0.5


def pool_and_slate(ranker: dict[str, float]) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Return each slate's pool in the order drawn, its slate of 5, and the table of all ranked."""
    table = random_ratings(12, 40, 80, (5, 30))
    pool = shown_items(by_scorer(table, size=12, ranker=AS_DRAWN))
    ranked = by_scorer(table, size=12, ranker=ranker)
    return pool, shown_items(by_scorer(table, size=5, ranker=ranker)), ranked


def test_the_ranker_orders_the_pool_by_weighted_standardized_score_and_log_popularity():
    pool, slates, ranked = pool_and_slate({"score": 0.7, "popularity": 0.4, "noise": 0.0})
    for number, rows in ranked.groupby("slate_id"):
        assert sorted(rows["item_id"]) == sorted(pool[number])
        log_popularity = np.log(rows["item_popularity"])
        value = 0.7 * (rows["relevance"] - rows["relevance"].mean()) / rows["relevance"].std(ddof=0)
        value += 0.4 * (log_popularity - log_popularity.mean()) / log_popularity.std(ddof=0)
        assert (value.diff().dropna() <= 1e-12).all()
        np.testing.assert_allclose(rows["ranker_value"], value, atol=1e-12)
        assert slates[number].tolist() == rows["item_id"].tolist()[:5]


@pytest.mark.parametrize(
    ("weight", "column"), [("score", "relevance"), ("popularity", "item_popularity")]
)
def test_a_ranker_of_one_weight_orders_by_it_alone(weight, column):
    _, _, ranked = pool_and_slate(AS_DRAWN | {weight: 2.0})
    steps = ranked.groupby("slate_id")[column].diff().dropna()
    assert (steps <= 0).all()
    assert (steps < 0).any()


def test_noise_is_standard_normal_next_to_standardized_scores():
    # Two candidates score alike one standard deviation apart: -1 and +1. The worse one wins where
    # the difference of two noises, times 1.5, is above 2.
    training, scorer = catalog_of([1, 1, 1], [[2]] * 40)
    table = by_scorer(
        training,
        scorer,
        n_slates=8000,
        size=2,
        pool=2,
        max_per_user=200,
        ranker=AS_DRAWN | {"score": 1.0, "noise": 1.5},
    )
    upset = (shown_items(table)[:, 0] == 0).sum()
    # P(N(0, 2) > 2 / 1.5) = P(Z > 0.942809) = 0.172889: 1,383 of 8,000, standard deviation 33.8.
    assert abs(upset - 1383) < 4 * 33.8


def test_candidates_are_drawn_one_after_the_other_by_popularity():
    # Users 0 to 19 have seen item 0, users 20 to 39 item 5. Their slates of 3 are the pool of 3 in
    # the order drawn, so each ordered triple has a known probability.
    counts = [60, 25, 8, 4, 2, 1]
    training, scorer = catalog_of(counts, [[0]] * 20 + [[5]] * 20)
    slates = by_scorer(
        training, scorer, n_slates=40_000, size=3, pool=3, max_per_user=1000, ranker=AS_DRAWN
    )
    shown = shown_items(slates)
    owner = slates["user_id"].to_numpy()[::3]
    for users, seen in ((owner < 20, 0), (owner >= 20, 5)):
        drawn = Counter(map(tuple, shown[users].tolist()))
        left = [item for item in range(6) if item != seen]
        distance = 0.0
        for triple in permutations(left, 3):
            chance, mass = 1.0, sum(counts[item] for item in left)
            for item in triple:
                chance *= counts[item] / mass
                mass -= counts[item]
            distance += (drawn.pop(triple, 0) - 20_000 * chance) ** 2 / (20_000 * chance)
        assert not drawn
        # Chi-square with 59 degrees of freedom: above 98.3 in 0.1% of cases, each.
        assert distance < 98.3


def test_inclusion_in_a_pool_is_that_of_successive_sampling():
    rng = np.random.default_rng(1)
    counts = np.sort(rng.integers(1, 400, 30))[::-1]
    training, scorer = catalog_of(counts.tolist(), [[3, 7]] * 50)
    slates = by_scorer(
        training, scorer, n_slates=10_000, size=10, pool=10, max_per_user=200, ranker=AS_DRAWN
    )
    included = np.bincount(slates["item_id"], minlength=30)
    # Successive sampling by exponential clocks: the ten that ring first.
    rate = np.where(np.isin(np.arange(30), [3, 7]), 0.0, counts)
    with np.errstate(divide="ignore"):
        rings = rng.exponential(size=(100_000, 30)) / rate
    expected = np.bincount(np.argsort(rings, axis=1)[:, :10].ravel(), minlength=30) / 100_000
    assert included.sum() == 100_000
    assert included[3] == included[7] == 0
    spread = np.sqrt(10_000 * expected * (1 - expected) * (1 + 1 / 10))
    # 28 items at 4.5 standard deviations: false alarm 0.02%.
    assert (np.abs(included - 10_000 * expected) <= 4.5 * spread).all()


def test_a_user_with_just_enough_unseen_items_is_shown_all_of_them():
    training, scorer = catalog_of([500, 30, 20, 10], [[0]] * 3)
    slates = by_scorer(training, scorer, n_slates=3, size=3, pool=3)
    assert np.sort(shown_items(slates), axis=1).tolist() == [[1, 2, 3]] * 3


def test_a_pool_that_cannot_be_found_is_an_error_with_a_way_out():
    # The first user has seen all that is ever drawn; the second has not.
    training, scorer = catalog_of([10**9, 10**9, 1, 1], [[0, 1], [2]])
    with pytest.raises(
        NetliftError, match=r"1 slates .* fewer than 2 unseen .*Lower slates\.NAME\.scor"
    ):
        by_scorer(training, scorer, n_slates=2, size=2, pool=2)


def test_slates_are_pinned_so_that_a_published_study_can_be_made_again():
    training, scorer = catalog_of([60, 25, 8, 4, 2, 1, 30, 9], [[0], [3], [5, 6]])
    slates = by_scorer(training, scorer, n_slates=4, size=3, pool=5)
    assert slates["user_id"].tolist()[::3] == [1, 0, 2, 0]
    assert shown_items(slates).tolist() == [[6, 7, 0], [6, 4, 3], [7, 0, 2], [6, 7, 5]]
    table = ratings(*((user, item, 3, item) for user in (1, 2, 3, 4) for item in range(8)))
    visited = history(table, n_slates=6, size=2, window=4)["user_id"]
    assert visited.tolist()[::2] == [1, 2, 4, 3, 1, 4]


def test_candidates_and_noise_differ_from_visit_to_visit():
    training, scorer = catalog_of([5] * 30, [[0]])
    shown = shown_items(by_scorer(training, scorer, n_slates=9, size=10, pool=10))
    assert len({frozenset(slate) for slate in shown.tolist()}) == 9


def test_a_pool_smaller_than_a_slate_is_an_error_that_says_so():
    table = random_ratings(3, 20, 40, (10, 20))
    with pytest.raises(NetliftError, match="a pool of 5 candidates cannot fill slates of 6 items"):
        by_scorer(table, pool=5)
