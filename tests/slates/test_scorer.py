"""The scorer: what it learns from, what it predicts, and how it is judged."""

import math
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from builders import random_ratings, ratings
from sklearn.metrics import roc_auc_score

from netlift.core.errors import NetliftError
from netlift.slates.catalog import rating_counts
from netlift.slates.ratings import training_rows
from netlift.slates.scorer import Scorer, area_under_curve, fit_scorer, scorer_accuracy

SETTINGS = {"damping": 5.0, "factors": 3}


def damped_offsets(
    table: pd.DataFrame, damping: float
) -> tuple[float, dict[int, float], dict[int, float]]:
    """Return overall mean, item offsets and user offsets, rating by rating."""
    rows = list(table[["user_id", "item_id", "rating"]].itertuples(index=False))
    mean = sum(rating for _, _, rating in rows) / len(rows)
    sums: dict = defaultdict(lambda: [0.0, 0])
    for _, item, rating in rows:
        sums["item", item][0] += rating - mean
        sums["item", item][1] += 1
    items = {key[1]: total / (n + damping) for key, (total, n) in sums.items()}
    sums.clear()
    for user, item, rating in rows:
        sums["user", user][0] += rating - mean - items[item]
        sums["user", user][1] += 1
    users = {key[1]: total / (n + damping) for key, (total, n) in sums.items()}
    return mean, items, users


def dense_scores(table: pd.DataFrame, damping: float, rank: int) -> pd.DataFrame:
    """Predict every rating with NumPy's full SVD of the dense matrix of residuals."""
    mean, items, users = damped_offsets(table, damping)
    bias = pd.DataFrame(
        [[mean + users[user] + items[item] for item in sorted(items)] for user in sorted(users)],
        index=sorted(users),
        columns=sorted(items),
    )
    stars = table.pivot(index="user_id", columns="item_id", values="rating")
    left, singular, right = np.linalg.svd(
        (stars - bias).fillna(0.0).to_numpy(), full_matrices=False
    )
    return bias + (left[:, :rank] * singular[:rank]) @ right[:rank]


def all_scores(scorer: Scorer) -> np.ndarray:
    user, item = np.indices((len(scorer.users), len(scorer.items)))
    return scorer.scores(user, item)


def flat_scorer(user_offsets: list[float], item_offsets: list[float], counts: list[int]) -> Scorer:
    """Write a scorer whose factors are all zero."""
    zero = np.float32(0)
    return Scorer(
        users=pd.DataFrame(
            {"user_id": np.arange(len(user_offsets)), "offset": user_offsets, "factor_00": zero}
        ),
        items=pd.DataFrame(
            {
                "item_id": np.arange(len(item_offsets)),
                "item_popularity": counts,
                "offset": item_offsets,
                "factor_00": zero,
            }
        ),
    )


# --- What it learns from -------------------------------------------------------------------------


def test_the_earliest_ratings_of_each_user_train():
    table = ratings(
        (1, 10, 4, 50), (1, 11, 4, 10), (1, 12, 4, 40), (1, 13, 4, 20), (1, 14, 4, 30),
        (2, 10, 4, 9), (2, 11, 4, 8),
    )  # fmt: skip
    assert training_rows(table, 0.8).tolist() == [False, True, True, True, True, False, True]


def test_equal_times_are_ordered_by_item_and_the_order_of_rows_does_not_matter():
    table = ratings((1, 13, 4, 7), (1, 11, 4, 7), (1, 14, 4, 7), (1, 12, 4, 7))
    assert table[training_rows(table, 0.5)]["item_id"].tolist() == [11, 12]


@pytest.mark.parametrize(
    ("n_ratings", "share", "n_training"),
    # 0.29 * 100 is 28.999999999999996 in floating point.
    [(1, 0.8, 1), (1, 0.1, 1), (4, 0.8, 3), (5, 0.8, 4), (100, 0.29, 29), (3, 0.1, 1), (6, 1.0, 6)],
)
def test_the_share_is_rounded_down_but_everyone_trains_at_least_once(n_ratings, share, n_training):
    table = ratings(*((user, item, 3, item) for user in (4, 9) for item in range(n_ratings)))
    train = training_rows(table, share)
    assert table[train].groupby("user_id").size().tolist() == [n_training] * 2
    assert (table[train].groupby("user_id")["timestamp"].max() == n_training - 1).all()


def test_liked_rates_and_counts_by_hand():
    group = np.array([0, 0, 0, 2])
    count, liked = rating_counts(group, np.array([4.0, 3.5, 5.0, 0.5], dtype=np.float32), 4)
    assert count.tolist() == [3, 0, 1, 0]
    assert liked.tolist() == [2 / 3, 0, 0, 0]


def test_features_are_those_of_the_training_ratings():
    table = random_ratings(1, 20, 40, (5, 15))
    scorer = fit_scorer(table, SETTINGS)
    for found, key, prefix in (
        (scorer.users, "user_id", "user"),
        (scorer.items, "item_id", "item"),
    ):
        liked = (table["rating"] >= 4).groupby(table[key])
        count = "user_activity" if prefix == "user" else "item_popularity"
        assert found[key].tolist() == sorted(table[key].unique())
        assert found[count].tolist() == liked.size().tolist()
        assert found[f"{prefix}_liked_rate"].to_numpy() == pytest.approx(liked.mean().to_numpy())


# --- What it predicts ----------------------------------------------------------------------------


def test_damped_offsets_by_hand():
    table = ratings((1, 10, 5, 0), (1, 11, 3, 1), (2, 10, 4, 2), (2, 12, 2, 3))
    scorer = fit_scorer(table, {"damping": 2.0, "factors": 1})
    # Mean 3.5. Items: (1.5 + 0.5) / (2 + 2), -0.5 / (1 + 2), -1.5 / (1 + 2).
    items = [1 / 2, -1 / 6, -1 / 2]
    assert scorer.items["offset"].tolist() == pytest.approx(items, rel=1e-14)
    # Users: (1.5 - 1/2 - 0.5 + 1/6) / (2 + 2), (0.5 - 1/2 - 1.5 + 1/2) / (2 + 2), plus the mean.
    users = [3.5 + (2 / 3) / 4, 3.5 - 1 / 4]
    assert scorer.users["offset"].tolist() == pytest.approx(users, rel=1e-14)
    bias = scorer.bias_scores(np.array([0, 1]), np.array([2, 0]))
    assert bias.tolist() == pytest.approx([users[0] + items[2], users[1] + items[0]], rel=1e-14)


@pytest.mark.parametrize("damping", [0.0, 5.0, 25.0])
def test_offsets_are_those_of_summing_rating_by_rating(damping):
    table = random_ratings(2, 25, 60, (5, 30))
    scorer = fit_scorer(table, SETTINGS | {"damping": damping})
    mean, items, users = damped_offsets(table, damping)
    assert scorer.items["offset"].tolist() == pytest.approx(
        [items[item] for item in scorer.items["item_id"]], abs=1e-13
    )
    assert scorer.users["offset"].tolist() == pytest.approx(
        [mean + users[user] for user in scorer.users["user_id"]], abs=1e-13
    )


def test_scores_are_the_bias_model_plus_numpys_full_svd_clipped_to_stars():
    table = random_ratings(3, 14, 50, (8, 30))
    expected = dense_scores(table, 5.0, rank=5)
    # 14 users: the randomized search space of 5 + 10 directions holds all of them, so the result
    # is exact up to the single precision of the matrix.
    scores = all_scores(fit_scorer(table, SETTINGS | {"factors": 5}))
    assert np.abs(scores - expected.clip(0.5, 5.0).to_numpy()).max() < 1e-5
    assert ((expected < 0.5) | (expected > 5.0)).any(axis=None)


def test_few_factors_are_the_best_ones():
    # A planted taste: users of two kinds, movies of two kinds, opposite likings.
    rng = np.random.default_rng(4)
    table = random_ratings(4, 80, 90, (30, 60))
    taste = np.where(table["user_id"] % 2 == table["item_id"] // 2 % 2, 1.2, -1.2)
    stars = np.clip(np.round(2 * (3 + taste + rng.normal(0, 0.5, len(table)))) / 2, 0.5, 5.0)
    table["rating"] = stars.astype("float32")
    dense = dense_scores(table, 5.0, rank=1)
    scores = all_scores(fit_scorer(table, SETTINGS | {"factors": 1}))
    # The second singular value is far below the first: four power iterations find it exactly.
    assert np.abs(scores - dense.clip(0.5, 5.0).to_numpy()).max() < 1e-4
    train = training_rows(table, 0.8)
    accuracy = scorer_accuracy(
        fit_scorer(table[train], SETTINGS | {"factors": 1}), table[~train]
    ).set_index("scorer")
    assert accuracy.loc["bias + SVD", "rmse_stars"] < accuracy.loc["bias", "rmse_stars"] - 0.1
    assert accuracy.loc["bias + SVD", "auc_liked"] > accuracy.loc["bias", "auc_liked"] + 0.2


def test_scores_take_any_shape_and_any_number_of_pairs():
    scorer = fit_scorer(random_ratings(5, 12, 30, (5, 15)), SETTINGS)
    whole = all_scores(scorer)
    rng = np.random.default_rng(6)
    user, item = rng.integers(12, size=600_000), rng.integers(len(scorer.items), size=600_000)
    assert np.array_equal(scorer.scores(user, item), whole[user, item])
    grid = np.broadcast_to(np.arange(12)[:, None], (12, 4)), np.tile([7, 0, 3, 3], (12, 1))
    assert np.array_equal(scorer.scores(*grid), whole[:, [7, 0, 3, 3]])


def test_the_same_ratings_give_the_same_scorer():
    table = random_ratings(7, 60, 80, (5, 40))
    one, other = fit_scorer(table, SETTINGS), fit_scorer(table.copy(), SETTINGS)
    pd.testing.assert_frame_equal(one.users, other.users, check_exact=True)
    pd.testing.assert_frame_equal(one.items, other.items, check_exact=True)


def test_fewer_users_or_items_than_factors_is_an_error_with_numbers_and_a_way_out():
    few_users = random_ratings(8, 3, 40, (20, 30))
    with pytest.raises(NetliftError, match=r"more than 3 users and items .* 3 users and \d+ items"):
        fit_scorer(few_users, SETTINGS)
    with pytest.raises(NetliftError, match=r"Lower slates\.NAME\.scorer\.factors"):
        fit_scorer(random_ratings(8, 20, 3, (2, 3)), SETTINGS)
    fit_scorer(random_ratings(8, 4, 40, (20, 30)), SETTINGS)


# --- How it is judged ----------------------------------------------------------------------------


def test_accuracy_by_hand():
    # Predictions: user offset + item offset, at most 5 stars: user 0: 3, 4, 5; user 1: 4, 5, 5.
    scorer = flat_scorer([3.0, 4.0], [0.0, 1.0, 2.0], counts=[5, 50, 5])
    held_out = ratings((0, 0, 3, 0), (0, 1, 3, 0), (0, 2, 5, 0), (1, 0, 4.5, 0), (1, 2, 3.5, 0))
    accuracy = scorer_accuracy(scorer, held_out).set_index("scorer")
    # Errors 0, 1, 0, 0.5, 1.5.
    rmse = math.sqrt((1 + 0.25 + 2.25) / 5)
    for name in ("bias + SVD", "bias"):
        assert accuracy.loc[name, "rmse_stars"] == pytest.approx(rmse, rel=1e-14)
        # Liked: 5 and 4; not: 3, 4, 5. Wins of 6 pairs: 2 + half, 1 + half.
        assert accuracy.loc[name, "auc_liked"] == pytest.approx(4 / 6, rel=1e-14)
        # User 0: both pairs won; user 1: 4 against 5, lost.
        assert accuracy.loc[name, "auc_liked_within_user"] == 0.5
    assert pd.isna(accuracy.loc["popularity", "rmse_stars"])
    # Liked: 5 and 5; not: 5, 50, 5: two half wins each.
    assert accuracy.loc["popularity", "auc_liked"] == pytest.approx(2 / 6, rel=1e-14)
    # User 0: 5 against 5 and 50; user 1: 5 against 5.
    assert accuracy.loc["popularity", "auc_liked_within_user"] == pytest.approx((1 / 4 + 1 / 2) / 2)
    assert (accuracy["held_out_ratings"] == 5).all()


def test_areas_under_the_curve_are_scikit_learns():
    table = random_ratings(9, 40, 60, (8, 30))
    train = training_rows(table, 0.6)
    scorer, held_out = fit_scorer(table[train], SETTINGS), table[~train]
    held_out = held_out[held_out["item_id"].isin(scorer.items["item_id"])]
    user = np.searchsorted(scorer.users["user_id"], held_out["user_id"])
    item = np.searchsorted(scorer.items["item_id"], held_out["item_id"])
    accuracy = scorer_accuracy(scorer, table[~train]).set_index("scorer")
    scores = {
        "bias + SVD": scorer.scores(user, item),
        "bias": scorer.bias_scores(user, item),
        "popularity": scorer.items["item_popularity"].to_numpy()[item],
    }
    for name, score in scores.items():
        judged = held_out.assign(score=score, liked=held_out["rating"] >= 4)
        assert accuracy.loc[name, "auc_liked"] == pytest.approx(
            roc_auc_score(judged["liked"], judged["score"]), rel=1e-12
        )
        areas = [
            roc_auc_score(own["liked"], own["score"])
            for _, own in judged.groupby("user_id")
            if own["liked"].nunique() == 2
        ]
        assert 0 < len(areas) < judged["user_id"].nunique()
        assert accuracy.loc[name, "auc_liked_within_user"] == pytest.approx(
            np.mean(areas), rel=1e-12
        )


def test_an_area_with_ties_and_without_one_kind():
    assert area_under_curve(np.array([1.0, 1.0, 2.0]), np.array([True, False, True])) == 0.75
    assert area_under_curve(np.array([1.0, 2.0]), np.array([True, True])) is None
    assert area_under_curve(np.array([1.0, 2.0]), np.array([False, False])) is None


def test_areas_are_missing_where_every_rating_is_liked():
    scorer = flat_scorer([3.0], [0.0, 1.0], counts=[5, 6])
    accuracy = scorer_accuracy(scorer, ratings((0, 0, 4, 0), (0, 1, 5, 0)))
    assert accuracy[["auc_liked", "auc_liked_within_user"]].isna().all(axis=None)
    assert accuracy["rmse_stars"].notna().tolist() == [True, True, False]


def test_ratings_of_items_that_never_trained_are_counted_and_change_nothing():
    scorer = flat_scorer([3.0, 4.0], [0.0, 1.0], counts=[5, 50])
    known = ratings((0, 0, 3, 0), (0, 1, 5, 0), (1, 0, 4.5, 0))
    new = ratings((0, 7, 0.5, 0), (1, 9, 5, 0))
    numbers = ["rmse_stars", "auc_liked", "auc_liked_within_user", "held_out_ratings"]
    alone, together = (scorer_accuracy(scorer, t) for t in (known, pd.concat([known, new])))
    pd.testing.assert_frame_equal(alone[numbers], together[numbers])
    assert (alone["held_out_ratings_of_new_items"] == 0).all()
    assert (together["held_out_ratings_of_new_items"] == 2).all()


def test_nothing_to_judge_is_an_error_with_a_way_out():
    scorer = flat_scorer([3.0], [0.0], counts=[5])
    for held_out in (ratings((0, 7, 3, 0)), ratings()):
        with pytest.raises(NetliftError, match=r"Lower slates\.NAME\.scorer\.train_share"):
            scorer_accuracy(scorer, held_out)
