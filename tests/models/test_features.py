"""Features are known before any promotion; folds never split a user."""

import numpy as np
import pandas as pd
import pytest
from builders import items, random_items

from netlift.core.errors import NetliftError
from netlift.models.features import RowFeatures, slate_features
from netlift.models.folds import user_folds

AFTER = ["click", "final_position", "position_change", "promotion_applied"]


def scrambled(log: pd.DataFrame) -> pd.DataFrame:
    """Redraw all columns that depend on promotion, and drop the known effects."""
    rng = np.random.default_rng(9)
    arm = rng.integers(0, 2, log["slate_id"].max() + 1)[log["slate_id"]]
    truth = [name for name in log if name.startswith(("p_", "click_", "expected", "known"))]
    return log.drop(columns=truth).assign(
        click=rng.integers(0, 9, len(log)),
        promotion_applied=arm,
        final_position=rng.integers(1, 9, len(log)),
        position_change=rng.integers(-9, 9, len(log)),
    )


def test_nothing_that_follows_the_promotion_enters_a_feature():
    log = random_items(1, 60, (3, 9))
    other = scrambled(log)
    pd.testing.assert_frame_equal(slate_features(log), slate_features(other))
    ours, theirs = RowFeatures.from_items(log), RowFeatures.from_items(other)
    assert ours.names == theirs.names
    assert (ours.control == theirs.control).all()
    assert (ours.promoted == theirs.promoted).all()


def test_row_features_by_hand():
    # Focal item third; in the promoted arm the order is 3, 1, 2, 4.
    log = items(["ABAA"], [3], [0], ["0000"])
    found = RowFeatures.from_items(log)
    attention = 1 / np.log2(np.arange(1, 5) + 1)
    expected = {
        "control": {
            "attention": attention,
            # Items of cluster A stand first, third, fourth; B has none above of its own.
            "same_cluster_above": [0, 0, attention[0], attention[0] + attention[2]],
            "others_above": [0, attention[0], attention[1], attention[1]],
            "promoted_focal": [0, 0, 0, 0],
            "promoted_competitor": [0, 0, 0, 0],
            "promoted_same_cluster": [0, 0, 0, 0],
            "promoted_displaced": [0, 0, 0, 0],
        },
        "promoted": {
            "attention": attention[[1, 2, 0, 3]],
            "same_cluster_above": [attention[0], 0, 0, attention[0] + attention[1]],
            "others_above": [0, attention[0] + attention[1], 0, attention[2]],
            "promoted_focal": [0, 0, 1, 0],
            "promoted_competitor": [1, 1, 0, 1],
            "promoted_same_cluster": [1, 0, 0, 1],
            "promoted_displaced": [1, 1, 0, 0],
        },
    }
    for arm, columns in expected.items():
        table = pd.DataFrame(getattr(found, arm), columns=list(found.names))
        assert set(table) == set(columns)
        for name, values in columns.items():
            assert table[name].to_numpy() == pytest.approx(np.array(values, float), abs=1e-12)


def test_relevance_of_the_item_and_of_the_others_by_hand():
    # Two slates of relevance 1, 2, 3 and 4, 4, 4: of mean 3 and variance 8/6.
    log = items(["ABA", "AAB"], [3, 2], [1, 0], ["000"] * 2).assign(relevance=[1, 2, 3, 4, 4, 4])
    found = RowFeatures.from_items(log)
    z = (np.array([1, 2, 3, 4, 4, 4]) - 3) / (8 / 6) ** 0.5
    # Seen with attention 1, 0.63 and 0.5 before promotion, wherever an item stands after it.
    first, second, third = 1, 1 / np.log2(3), 1 / 2
    others = [
        second * z[1] + third * z[2],
        first * z[0] + third * z[2],
        first * z[0] + second * z[1],
        second * z[4] + third * z[5],
        first * z[3] + third * z[5],
        first * z[3] + second * z[4],
    ]
    for arm in (found.control, found.promoted):
        table = pd.DataFrame(arm, columns=list(found.names))
        assert table["relevance"].to_numpy() == pytest.approx(z, abs=1e-12)
        assert table["relevance_squared"].to_numpy() == pytest.approx(z**2, abs=1e-12)
        assert table["others_relevance"].to_numpy() == pytest.approx(others, abs=1e-12)
    moved = found.names.index("attention_x_relevance")
    attention = np.array([second, third, first, second, first, third])
    assert found.promoted[:, moved] == pytest.approx(attention * z, abs=1e-12)
    without = RowFeatures.from_items(log.drop(columns="relevance")).names
    assert not {"relevance_squared", "attention_x_relevance", "others_relevance"} & set(without)


def test_what_the_others_are_worth_is_the_same_in_both_arms():
    found = RowFeatures.from_items(random_items(4, 50, (2, 7)))
    for name in ("relevance", "relevance_squared", "others_relevance", "user_liked_rate"):
        place = found.names.index(name)
        assert (found.control[:, place] == found.promoted[:, place]).all(), name
        assert found.control[:, place].std() > 0


def test_slates_do_not_look_at_each_other():
    log = random_items(2, 40, (3, 8))
    whole = RowFeatures.from_items(log)
    part = log["slate_id"] >= 20
    alone = RowFeatures.from_items(log[part].reset_index(drop=True))
    for name in ("attention", "same_cluster_above", "others_above"):
        place = whole.names.index(name)
        assert whole.promoted[part.to_numpy(), place] == pytest.approx(alone.promoted[:, place])


def test_items_without_a_cluster_share_none():
    log = items(["ABAA"], [3], [1], ["0000"])
    log["spillover_cluster"] = None
    found = RowFeatures.from_items(log)
    assert (found.control[:, found.names.index("same_cluster_above")] == 0).all()


def test_slate_features_by_hand():
    log = items(["ABAA", "BB"], [3, 2], [0, 1], ["0000", "00"]).assign(
        relevance=[4.0, 2.0, 3.0, 3.0, 1.0, 2.0], user_activity=[7, 7, 7, 7, 9, 9]
    )
    found = slate_features(log)
    assert found["focal_seed_position"].tolist() == [3, 2]
    assert found["n_same_cluster"].tolist() == [2, 1]
    assert found["n_displaced"].tolist() == [2, 1]
    assert found["n_same_cluster_displaced"].tolist() == [1, 1]
    assert found["relevance_mean"].tolist() == [3.0, 1.5]
    assert found["relevance_sd"].tolist() == [0.5**0.5, 0.5]
    assert found["focal_relevance"].tolist() == [3.0, 2.0]
    # Around the slate's mean: displaced +1 and -1; same-cluster +1 and 0.
    assert found["displaced_relevance"].tolist() == [0.0, -0.5]
    assert found["same_cluster_relevance"].tolist() == [0.5, -0.5]
    assert found["user_activity"].tolist() == [7, 9]


def test_missing_features_are_left_out_and_missing_values_are_the_mean():
    bare = items(["AAB"] * 4, [2] * 4, [0, 1, 0, 1], ["000"] * 4)
    assert "relevance_mean" not in slate_features(bare)
    log = bare.assign(relevance=[1.0, np.nan, 3.0] * 4)
    assert (slate_features(log)["focal_relevance"] == 2.0).all()
    assert np.isfinite(RowFeatures.from_items(log).control).all()


@pytest.mark.parametrize("n_folds", [2, 5])
def test_folds_are_alike_in_size_and_never_split_a_user(n_folds):
    rng = np.random.default_rng(3)
    users = rng.zipf(1.8, 400) % 60 + 1000
    fold = user_folds(users, n_folds=n_folds, seed=1)
    assert set(fold) == set(range(n_folds))
    assert pd.Series(fold).groupby(users).nunique().max() == 1
    sizes, most = np.bincount(fold), np.unique(users, return_counts=True)[1].max()
    assert np.ptp(sizes) <= most


def test_folds_are_drawn_anew_by_seed_and_repetition_and_not_by_names():
    users = np.arange(200)
    first = user_folds(users, n_folds=5, seed=1)
    assert (first == user_folds(users * 7 + 3, n_folds=5, seed=1)).all()
    assert (first != user_folds(users, n_folds=5, seed=2)).any()
    assert (first != user_folds(users, n_folds=5, seed=1, repetition=1)).any()


def test_fewer_users_than_folds_is_an_error():
    with pytest.raises(NetliftError, match="3 users cannot be split into 5 folds"):
        user_folds(np.array([1, 2, 3, 3]), n_folds=5, seed=1)
