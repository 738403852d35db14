"""The default scorer: a damped bias model plus a truncated SVD of its residuals.

It learns from the first part of each user's ratings by time and is evaluated on the rest. Ratings
are columns by name: a table, or arrays, which take less memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core.errors import NetliftError
from netlift.core.streams import generator
from netlift.slates.catalog import LIKED, rating_counts
from netlift.slates.ratings import Columns, coded, stretches

STARS = (0.5, 5.0)
FACTOR = "factor_"


@dataclass(frozen=True)
class Scorer:
    """A fitted scorer: one row per user and per item of the training ratings.

    Attributes
    ----------
    users
        ``user_id``, ``user_activity`` (training ratings), ``user_liked_rate``, ``offset`` (stars,
        the overall mean included) and the factors.
    items
        ``item_id``, ``item_popularity`` (training ratings), ``item_liked_rate``, ``offset`` and
        the factors.
    """

    users: pd.DataFrame
    items: pd.DataFrame

    def scores(self, user: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return predicted ratings in stars, clipped to the scale of ratings.

        Parameters
        ----------
        user, item
            Row numbers of ``users`` and ``items``, of one shape.

        Returns
        -------
        Array of that shape.
        """
        score = self.bias_scores(user, item)
        user_factors, item_factors = _factors(self.users), _factors(self.items)
        flat_user, flat_item, flat = user.ravel(), item.ravel(), score.ravel()
        for start in range(0, len(flat), 1 << 18):
            rows = slice(start, start + (1 << 18))
            flat[rows] += np.einsum(
                "ij,ij->i", user_factors[flat_user[rows]], item_factors[flat_item[rows]]
            )
        return np.clip(flat.reshape(score.shape), *STARS)

    def bias_scores(self, user: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the bias model's predicted ratings in stars, not clipped."""
        user_offset = self.users["offset"].to_numpy()
        item_offset = self.items["offset"].to_numpy()
        return np.asarray(user_offset[user] + item_offset[item])


def fit_scorer(ratings: Columns, settings: Mapping[str, Any]) -> Scorer:
    """Fit offsets and factors to training ratings.

    The item offset is sum(r - mean) / (n + damping), then the user offset is
    sum(r - mean - item offset) / (n + damping) (Funk's damped means, as in Ekstrand 2020,
    "LensKit for Python"). The factors are a randomized truncated SVD (Halko, Martinsson and Tropp
    2011) of the user by item matrix of residuals, zero where there is no rating.

    Parameters
    ----------
    ratings
        Training ratings only: ``user_id``, ``item_id``, ``rating``.
    settings
        ``damping`` (ratings) and ``factors`` (rank of the SVD).

    Raises
    ------
    NetliftError
        There are fewer users or items than factors.
    """
    from scipy.sparse import csr_matrix
    from sklearn.utils.extmath import randomized_svd

    user_id, user = coded(ratings["user_id"])
    item_id, item = coded(ratings["item_id"])
    rating = np.asarray(ratings["rating"])
    rank, damping = int(settings["factors"]), float(settings["damping"])
    _need_more_than(rank, len(user_id), len(item_id))
    item_popularity, item_liked_rate = rating_counts(item, rating, len(item_id))
    user_activity, user_liked_rate = rating_counts(user, rating, len(user_id))

    mean, item_offset, user_offset, residual = _offsets(
        rating, item, item_popularity, user, user_activity, damping
    )
    residual = residual.astype(np.float32)
    matrix = csr_matrix((residual, (user, item)), shape=(len(user_id), len(item_id)))
    del user, item, rating, residual
    left, singular, right = randomized_svd(
        matrix,
        n_components=rank,
        n_iter=4,
        random_state=int(generator(0, "scorer").integers(2**31)),
    )
    users = {
        "user_id": user_id,
        "user_activity": user_activity,
        "user_liked_rate": user_liked_rate,
        "offset": mean + user_offset,
    }
    items = {
        "item_id": item_id,
        "item_popularity": item_popularity,
        "item_liked_rate": item_liked_rate,
        "offset": item_offset,
    }
    return Scorer(_with_factors(users, left * singular), _with_factors(items, right.T))


def _need_more_than(rank: int, n_users: int, n_items: int) -> None:
    if min(n_users, n_items) <= rank:
        raise NetliftError(
            f"the scorer needs more than {rank} users and items to fit {rank} factors, but the "
            f"training ratings have {n_users:,} users and {n_items:,} items. "
            "Lower slates.NAME.scorer.factors or take a larger data set."
        )


def _with_factors(
    columns: Mapping[str, NDArray[Any]], factors: NDArray[np.floating[Any]]
) -> pd.DataFrame:
    """Return a table of users or items with their factors, shape (M, d), as columns."""
    names = [f"{FACTOR}{number:02d}" for number in range(factors.shape[1])]
    return pd.DataFrame(columns).join(pd.DataFrame(factors.astype(np.float32), columns=names))


def _offsets(
    rating: NDArray[np.float32],
    item: NDArray[np.int32],
    item_popularity: NDArray[np.int64],
    user: NDArray[np.int32],
    user_activity: NDArray[np.int64],
    damping: float,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64], NDArray[np.floating[Any]]]:
    """Return the mean, the damped offsets of items and then of users, and the residuals."""
    mean = float(rating.mean(dtype=np.float64))
    residual: NDArray[np.floating[Any]] = rating.astype(np.float64)
    residual -= mean
    item_offset = _subtract_offsets(residual, item, item_popularity + damping)
    user_offset = _subtract_offsets(residual, user, user_activity + damping)
    return mean, item_offset, user_offset, residual


def _subtract_offsets(
    residual: NDArray[np.floating[Any]],
    group: NDArray[np.int32],
    damped_count: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """Subtract the damped mean of each group from the residuals, in place; return the means."""
    total = np.zeros(len(damped_count))
    for rows in stretches(len(group)):
        np.add.at(total, group[rows], residual[rows])
    offset: NDArray[np.float64] = total / damped_count
    for rows in stretches(len(group)):
        residual[rows] -= offset[group[rows]]
    return offset


def scorer_accuracy(scorer: Scorer, held_out: Columns) -> pd.DataFrame:
    """Evaluate the scorer, its bias model and popularity on held-out ratings.

    Only ratings of items with a training rating are used, for all three; the rest is counted.

    Parameters
    ----------
    scorer
        Fitted to the training ratings.
    held_out
        ``user_id``, ``item_id``, ``rating``.

    Returns
    -------
    One row per scorer: ``rmse_stars`` (of the predicted rating; missing for popularity, which
    predicts none), ``auc_liked`` (a liked rating ranks above one that is not, pairs over all
    users), ``auc_liked_within_user`` (mean over users who have both kinds), ``held_out_ratings``
    and ``held_out_ratings_of_new_items`` (left out).
    """
    user = _rows_of(np.asarray(held_out["user_id"]), scorer.users["user_id"].to_numpy())
    item = _rows_of(np.asarray(held_out["item_id"]), scorer.items["item_id"].to_numpy())
    known = (user >= 0) & (item >= 0)
    user, item = user[known], item[known]
    rating = np.asarray(held_out["rating"])[known].astype(np.float64)
    if len(rating) == 0:
        raise NetliftError(
            "no held-out rating is of an item with a training rating, so the scorer cannot be "
            "evaluated. Lower slates.NAME.scorer.train_share or take a larger data set."
        )
    predictions = {
        "bias + SVD": scorer.scores(user, item),
        "bias": np.clip(scorer.bias_scores(user, item), *STARS),
        "popularity": scorer.items["item_popularity"].to_numpy(dtype=np.float64)[item],
    }
    liked, everyone = rating >= LIKED, np.zeros(len(rating), dtype=np.int64)
    rows = []
    for name, score in predictions.items():
        level = _levels(score)
        rows.append(
            {
                "scorer": name,
                "rmse_stars": None
                if name == "popularity"
                else float(np.sqrt(np.mean((rating - score) ** 2))),
                "auc_liked": _mean(areas_under_curves(level, liked, everyone)),
                "auc_liked_within_user": _mean(areas_under_curves(level, liked, user)),
                "held_out_ratings": len(rating),
                "held_out_ratings_of_new_items": int((~known).sum()),
            }
        )
    return pd.DataFrame(rows)


def area_under_curve(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float | None:
    """Return the probability that a positive outranks a negative, ties half; None without both.

    The Mann-Whitney form of the area under the ROC curve.
    """
    return _mean(areas_under_curves(_levels(score), positive, np.zeros(len(score), dtype=np.int64)))


def _levels(score: NDArray[np.float64]) -> NDArray[np.int32]:
    """Number scores by their order, the same where they are the same."""
    order = np.argsort(score)
    step = np.diff(score[order], prepend=score[order[:1]]) > 0
    level = np.empty(len(score), dtype=np.int32)
    level[order] = np.cumsum(step, dtype=np.int32)
    return level


def areas_under_curves(
    level: NDArray[np.int32], positive: NDArray[np.bool_], group: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return `area_under_curve` of each group that has both kinds, in the order of the groups.

    Parameters
    ----------
    level, positive, group
        Shape (n,); scores and groups as numbers from 0.
    """
    if not len(level):
        return np.empty(0)
    n_levels = int(level.max()) + 1
    # One number for group, score and kind: sorting values is far faster than ordering rows.
    key = np.sort((group.astype(np.int64) * n_levels + level) * 2 + positive)
    above = (key & 1).astype(np.int8)
    key >>= 1
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    owner = key[first] // n_levels
    n_above = np.add.reduceat(above, first, dtype=np.int64)
    n_below = np.diff(first, append=len(key)) - n_above
    groups = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    below = np.cumsum(n_below) - n_below
    below -= np.repeat(below[groups], np.diff(groups, append=len(owner)))
    wins = np.add.reduceat(n_above * (below + n_below / 2), groups)
    pairs = np.add.reduceat(n_above, groups) * np.add.reduceat(n_below, groups)
    return np.asarray(wins[pairs > 0] / pairs[pairs > 0])


def _mean(areas: NDArray[np.float64]) -> float | None:
    return float(areas.mean()) if len(areas) else None


def _rows_of(wanted: NDArray[Any], sorted_ids: NDArray[Any]) -> NDArray[np.int64]:
    """Return the row of each id in a sorted array of ids, -1 where it is missing."""
    row = np.minimum(np.searchsorted(sorted_ids, wanted), len(sorted_ids) - 1)
    return np.where(sorted_ids[row] == wanted, row, -1)


def _factors(table: pd.DataFrame) -> NDArray[np.float32]:
    return table.filter(regex=f"^{FACTOR}").to_numpy(dtype=np.float32)
