"""Build slates: what a user would have been shown, before any promotion.

Two builders. ``history`` is the reference study's recipe: a slate is the best of a window of the
user's own ratings. ``scorer`` is closer to a real product: a slate is the top of a pool of unseen
movies in the order of an imperfect ranker, so that good items can also be low.

Slate ``s`` does not depend on the number of slates. Users come in rounds: each round is a random
order of all eligible users, and every user gets one slate per round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core.errors import NetliftError
from netlift.core.streams import BLOCK, blocks, generator
from netlift.slates.catalog import rating_counts
from netlift.slates.ratings import Columns, coded
from netlift.slates.scorer import Scorer

COLUMNS = [
    "slate_id",
    "user_id",
    "item_id",
    "spillover_cluster",
    "slate_position_seed",
    "relevance",
    "ranker_value",
    "item_popularity",
    "item_liked_rate",
    "user_liked_rate",
    "user_activity",
]

_DRAWS_PER_ROUND = 4
"""Popularity draws per wanted candidate in one round of rejection."""
_MAX_ROUNDS = 50


def history_slates(
    ratings: Columns,
    clusters: pd.Series,
    *,
    n_slates: int,
    size: int,
    seed: int,
    window: int,
    max_per_user: int,
    n_users: int | None = None,
) -> pd.DataFrame:
    """Build slates from windows of each user's own ratings (the reference study's recipe).

    A user's r-th slate takes the r-th ``window`` of their ratings, most recent first, sorts it by
    rating and then recency, and shows the first ``size``. Relevance is the user's own rating, in
    stars; it is also ``ranker_value``, by which slates are ordered.

    Parameters
    ----------
    ratings
        ``user_id``, ``item_id``, ``rating``, ``timestamp``; all of them also give the features.
    clusters
        Spillover cluster by ``item_id``.
    n_slates, size
        Number of slates, and items in each.
    seed
        Study seed.
    window
        Ratings in a window.
    max_per_user
        Maximum number of slates of one user.
    n_users
        Number of users to build slates for, drawn at random; all users if not given.

    Returns
    -------
    The slate table, one row per slate item, with ``COLUMNS``.

    Raises
    ------
    NetliftError
        The window is shorter than a slate, or the ratings do not suffice for so many slates.
    """
    _need_long_windows(window, size)
    user_id, user = coded(ratings["user_id"])
    item_id, item = coded(ratings["item_id"])
    rating = np.asarray(ratings["rating"])
    users = _features("user", user_id, user, rating)
    items = _features("item", item_id, item, rating)
    n_ratings = users["user_activity"].to_numpy()

    eligible = [np.flatnonzero(n_ratings >= window * visit + size) for visit in range(max_per_user)]
    owner, visit = _rounds(
        eligible, n_slates, n_users, seed, _too_few_windows(window, size, max_per_user)
    )

    recent, first = _most_recent(owner, user, item, np.asarray(ratings["timestamp"]))
    start = first[owner] + window * visit
    length = np.minimum(window, n_ratings[owner] - window * visit)
    shown = _best_rated(recent, start, length, rating, window, size)
    stars = rating[shown].astype(np.float64)
    return _table(users, items, clusters, owner, item[shown], stars, stars)


def _need_long_windows(window: int, size: int) -> None:
    if window < size:
        raise NetliftError(
            f"slates.NAME.history.window: a window of {window} ratings cannot fill slates of "
            f"{size}; give at least {size}"
        )


def _most_recent(
    owner: NDArray[np.int64],
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    timestamp: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order the ratings of the users who own slates by user, the most recent first.

    Returns
    -------
    Rows of the ratings, and for each user the index of their first rating among them.
    """
    is_owner = np.zeros(int(user.max()) + 1, dtype=bool)
    is_owner[owner] = True
    rows = np.flatnonzero(is_owner[user])
    recent = rows[np.lexsort((item[rows], -timestamp[rows], user[rows]))]
    count = np.bincount(user[rows], minlength=len(is_owner))
    return recent, np.cumsum(count) - count


def _best_rated(
    recent: NDArray[np.int64],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    rating: NDArray[np.floating],
    window: int,
    size: int,
) -> NDArray[np.int64]:
    """Return the ratings that slates show, shape (N, size): the best of each window, then recent.

    ``recent`` numbers the ratings of each user, most recent first, shape (R,); a window is
    ``length`` of these from ``start`` on, shape (N,) each, at most ``window``.
    """
    shown = np.empty((len(start), size), dtype=np.int64)
    for _, rows in blocks(len(start)):
        column = np.arange(window)
        inside = column < length[rows, None]
        index = recent[np.minimum(start[rows, None] + column, len(recent) - 1)]
        # Rating first, then recency: a stable sort keeps the order by recency within a rating.
        key = np.where(inside, -rating[index], np.inf)
        best = np.argsort(key, axis=1, kind="stable")[:, :size]
        shown[rows] = np.take_along_axis(index, best, axis=1)
    return shown


def scorer_slates(
    training: Columns,
    scorer: Scorer,
    clusters: pd.Series,
    *,
    n_slates: int,
    size: int,
    seed: int,
    pool: int,
    ranker: Mapping[str, float],
    max_per_user: int,
    n_users: int | None = None,
) -> pd.DataFrame:
    """Build slates as an imperfect ranker would: the top of a pool of unseen movies.

    A candidate pool is drawn by popularity, without replacement, from movies that the user has
    not rated in training. The ranker adds, each standardized within the pool and times its
    weight, the score, the log of popularity, and normal noise. Relevance is the score alone, the
    predicted rating in stars; ``ranker_value`` is that sum, without a unit: where the weight of the
    score is 1, one more is one standard deviation of the scores of a slate's pool.

    Parameters
    ----------
    training
        Training ratings: ``user_id``, ``item_id``.
    scorer
        Fitted to the training ratings.
    clusters
        Spillover cluster by ``item_id``.
    n_slates, size
        Number of slates, and items in each.
    seed
        Study seed.
    pool
        Candidates per slate, at least ``size``.
    ranker
        Weights ``score``, ``popularity`` and ``noise``.
    max_per_user
        Maximum number of slates of one user.
    n_users
        Number of users to build slates for, drawn at random; all users if not given.

    Returns
    -------
    The slate table, one row per slate item, with ``COLUMNS``.

    Raises
    ------
    NetliftError
        The pool is smaller than a slate, or the data do not suffice for so many slates.
    """
    if pool < size:
        raise NetliftError(f"a pool of {pool} candidates cannot fill slates of {size} items")
    n_items = len(scorer.items)
    seen = _Seen.from_ratings(training, scorer)
    eligible = [np.flatnonzero(n_items - seen.count >= pool)] * max_per_user
    owner, _ = _rounds(eligible, n_slates, n_users, seed, _too_few_sessions(pool, max_per_user))
    shown, relevance, value = _top_of_pools(owner, seen, scorer, ranker, pool, size, seed)
    return _table(scorer.users, scorer.items, clusters, owner, shown, relevance, value)


def _top_of_pools(
    owner: NDArray[np.int64],
    seen: _Seen,
    scorer: Scorer,
    ranker: Mapping[str, float],
    pool: int,
    size: int,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the items that slates show, their scores and the ranker's values, shape (N, size)."""
    shown = np.empty((len(owner), size), dtype=np.int64)
    relevance, shown_value = np.empty((len(owner), size)), np.empty((len(owner), size))
    popularity = scorer.items["item_popularity"].to_numpy(dtype=np.float64)
    cumulative = np.cumsum(popularity) / popularity.sum()
    for block, rows in blocks(len(owner)):
        candidates = _candidate_pool(owner[rows], seen, cumulative, pool, seed, block)
        score = scorer.scores(np.broadcast_to(owner[rows, None], candidates.shape), candidates)
        value = _ranker_values(score, popularity[candidates], ranker, seed, block)
        top = np.argsort(-value, axis=1, kind="stable")[:, :size]
        shown[rows] = np.take_along_axis(candidates, top, axis=1)
        relevance[rows] = np.take_along_axis(score, top, axis=1)
        shown_value[rows] = np.take_along_axis(value, top, axis=1)
    return shown, relevance, shown_value


def _ranker_values(
    score: NDArray[np.float64],
    popularity: NDArray[np.float64],
    ranker: Mapping[str, float],
    seed: int,
    block: int,
) -> NDArray[np.float64]:
    """Return the ranker's values of the candidates of a block, shape (slates, pool)."""
    noise = generator(seed, "ranking", block).standard_normal((BLOCK, score.shape[1]))
    return (
        ranker["score"] * _standardized(score)
        + ranker["popularity"] * _standardized(np.log(popularity))
        + ranker["noise"] * noise[: len(score)]
    )


def _rounds(
    eligible: list[NDArray[np.int64]],
    n_slates: int,
    n_users: int | None,
    seed: int,
    reason: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give each slate its user and the user's visit (0, 1, ...), round by round.

    ``eligible`` holds the users of each round. Each round draws its own random order, so the
    first slates are the same however many follow.
    """
    if n_users is not None:
        chosen = generator(seed, "chosen_users").permutation(eligible[0])[:n_users]
        eligible = [np.intersect1d(users, chosen) for users in eligible]
    capacity = sum(len(users) for users in eligible)
    if capacity < n_slates:
        raise NetliftError(
            f"slates.NAME.n_slates: {n_slates:,} slates requested, but the data give {capacity:,} "
            f"({reason.format(users=f'{len(eligible[0]):,}')}"
        )
    owners, visits, missing = [], [], n_slates
    for visit, users in enumerate(eligible):
        if missing <= 0:
            break
        order = generator(seed, "users", visit).permutation(users)[:missing]
        owners.append(order)
        visits.append(np.full(len(order), visit))
        missing -= len(order)
    return np.concatenate(owners), np.concatenate(visits)


def _too_few_windows(window: int, size: int, max_per_user: int) -> str:
    return (
        "{users} users have the "
        f"{size} ratings of a first slate; a user gives at most {max_per_user} slates, each from "
        f"their next {window} ratings). Lower slates.NAME.n_slates or study.sizes, raise "
        "slates.NAME.max_per_user, narrow slates.NAME.history.window, or take a larger data set."
    )


def _too_few_sessions(pool: int, max_per_user: int) -> str:
    return (
        "{users} users with "
        f"{pool} unseen movies, at most {max_per_user} slates each). Lower slates.NAME.n_slates, "
        "raise slates.NAME.max_per_user, lower slates.NAME.scorer.pool, or take a larger data set."
    )


def _candidate_pool(
    owner: NDArray[np.int64],
    seen: _Seen,
    cumulative: NDArray[np.float64],
    pool: int,
    seed: int,
    block: int,
) -> NDArray[np.int64]:
    """Draw ``pool`` distinct unseen items for each slate of a block, by popularity.

    Draws with replacement, from which repeated and seen items are rejected, are successive sampling
    without replacement with probability proportional to popularity.

    Returns
    -------
    Item rows, shape (slates in the block, pool), in the order drawn.
    """
    n_items = len(cumulative)
    owners, local = np.unique(owner, return_inverse=True)
    rejected = seen.by(owners, n_items)
    padded, guide = _guide(cumulative)
    drawn = np.full((len(owner), pool), -1, dtype=np.int64)
    count = np.zeros(len(owner), dtype=np.int64)
    draws = generator(seed, "candidates", block)
    for _ in range(_MAX_ROUNDS):
        open_slates = np.flatnonzero(count < pool)
        if len(open_slates) == 0:
            return drawn
        uniforms = draws.random((BLOCK, _DRAWS_PER_ROUND * pool))[open_slates]
        item = np.minimum(_looked_up(uniforms, padded, guide), n_items - 1)
        known = np.concatenate([drawn[open_slates], item], axis=1)
        fresh = _first_occurrence(known) & (known >= 0)
        fresh[:, pool:] &= ~rejected[local[open_slates, None], item]
        # The fresh ones move to the front in the order drawn; those beyond the pool are dropped.
        front = np.argsort(~fresh, axis=1, kind="stable")[:, :pool]
        chosen = np.take_along_axis(known, front, axis=1)
        n_fresh = np.minimum(fresh.sum(axis=1), pool)
        drawn[open_slates] = np.where(np.arange(pool) < n_fresh[:, None], chosen, -1)
        count[open_slates] = n_fresh
    raise NetliftError(
        f"slates.NAME.scorer.pool: {int((count < pool).sum()):,} slates of block {block} found "
        f"fewer than {pool} unseen movies, because nearly all ratings fall on movies that their "
        "users have seen. Lower slates.NAME.scorer.pool."
    )


def _first_occurrence(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark in each row the first occurrence of each value."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    first = np.ones(values.shape, dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    marked = np.empty(values.shape, dtype=bool)
    np.put_along_axis(marked, order, first, axis=1)
    return marked


@dataclass(frozen=True)
class _Seen:
    """Which items each user has seen: rows of a scorer's tables.

    Attributes
    ----------
    item
        Items, those of a user together, users in order.
    first, count
        For each user the index of their first item, and their number of items.
    """

    item: NDArray[np.int32]
    first: NDArray[np.int64]
    count: NDArray[np.int64]

    @classmethod
    def from_ratings(cls, training: Columns, scorer: Scorer) -> _Seen:
        user = _rows_in(scorer.users["user_id"], training["user_id"])
        item = _rows_in(scorer.items["item_id"], training["item_id"])
        if (user[1:] < user[:-1]).any():
            order = np.argsort(user, kind="stable")
            user, item = user[order], item[order]
        bounds = np.searchsorted(user, np.arange(len(scorer.users) + 1, dtype=np.int32))
        return cls(item, bounds[:-1], np.diff(bounds))

    def by(self, owners: NDArray[np.int64], n_items: int) -> NDArray[np.bool_]:
        """Return which items each of some users has seen, shape (users, items)."""
        marked = np.zeros((len(owners), n_items), dtype=bool)
        for row, owner in enumerate(owners):
            first = self.first[owner]
            marked[row, self.item[first : first + self.count[owner]]] = True
        return marked


def _rows_in(known: pd.Series, ids: Any) -> NDArray[np.int32]:
    """Return the row of each id in a column of ascending ids."""
    distinct, code = coded(ids)
    return np.searchsorted(known.to_numpy(), distinct).astype(np.int32)[code]


def _guide(cumulative: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return what ``_looked_up`` needs: the sums, and where each of many equal steps begins.

    The guide table of Chen and Asau (1974).
    """
    steps = 1 << (4 * len(cumulative)).bit_length()
    guide = np.searchsorted(cumulative, np.arange(steps) / steps, side="right")
    return np.r_[cumulative, np.inf], guide.astype(np.int64)


def _looked_up(
    uniforms: NDArray[np.float64], padded: NDArray[np.float64], guide: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many sums are at most each uniform number, the same as a binary search."""
    index = guide[(uniforms * len(guide)).astype(np.int64)].ravel()
    flat = uniforms.ravel()
    behind = np.flatnonzero(padded[index] <= flat)
    while len(behind):
        index[behind] += 1
        behind = behind[padded[index[behind]] <= flat[behind]]
    return index.reshape(uniforms.shape)


def _standardized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Center each row and divide by its standard deviation; a constant row becomes 0."""
    centered = values - values.mean(axis=1, keepdims=True)
    spread = centered.std(axis=1, keepdims=True)
    return np.asarray(centered / np.where(spread > 1e-12, spread, 1.0))


def _features(
    kind: str, ids: NDArray[Any], code: NDArray[np.int32], rating: NDArray[np.float32]
) -> pd.DataFrame:
    """Return the features of users or items from all ratings, one row for each."""
    count, liked_rate = rating_counts(code, rating, len(ids))
    volume = {"user": "user_activity", "item": "item_popularity"}[kind]
    return pd.DataFrame({f"{kind}_id": ids, volume: count, f"{kind}_liked_rate": liked_rate})


def _table(
    users: pd.DataFrame,
    items: pd.DataFrame,
    clusters: pd.Series,
    owner: NDArray[np.int64],
    shown: NDArray[np.integer[Any]],
    relevance: NDArray[np.float64],
    value: NDArray[np.float64],
) -> pd.DataFrame:
    """Return slates as a table from user rows (N,), item rows, relevance and values (N, K)."""
    n_slates, size = shown.shape
    rows, flat = np.repeat(owner, size), shown.ravel()
    item_id = items["item_id"].to_numpy()[flat]
    return pd.DataFrame(
        {
            "slate_id": np.repeat(np.arange(n_slates, dtype=np.int32), size),
            "user_id": users["user_id"].to_numpy()[rows],
            "item_id": item_id,
            "spillover_cluster": pd.Categorical(clusters.reindex(item_id).to_numpy()),
            "slate_position_seed": np.tile(np.arange(1, size + 1, dtype=np.int16), n_slates),
            "relevance": relevance.ravel(),
            "ranker_value": value.ravel(),
            "item_popularity": items["item_popularity"].to_numpy()[flat],
            "item_liked_rate": items["item_liked_rate"].to_numpy()[flat],
            "user_liked_rate": users["user_liked_rate"].to_numpy()[rows],
            "user_activity": users["user_activity"].to_numpy()[rows],
        }
    )[COLUMNS]
