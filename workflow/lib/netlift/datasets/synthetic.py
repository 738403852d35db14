"""Synthetic ratings: any number of users, items and ratings, with tastes that can be learned.

Popularity of items follows Zipf and Mandelbrot, activity of users is log-normal above a floor of
20 ratings, and each rating is

    stars = 3.5 + quality of the item + leniency of the user
            + taste of the user for the item's genres + noise,

rounded to half a star and clipped to 0.5 to 5. Better items are somewhat more popular. Users rate
in sessions spread over years. The data are not meant to match a real data set in detail: they are
for tests, for benchmarks, and for methods that need known true tastes.

Users are generated in blocks. Each block draws from its own random stream, so memory is bounded,
and a block's draws do not depend on the number of later blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from netlift.core.arrays import Floats
from netlift.core.errors import NetliftError
from netlift.core.streams import generator
from netlift.datasets.schema import RATINGS, Dataset
from netlift.datasets.synthetic_movies import GENRES, Shelf, make_shelf

USERS_PER_BLOCK = 4096


FEWEST_RATINGS = 20
"""Minimum ratings of each user, if there are enough ratings (as in MovieLens)."""


ACTIVITY_SIGMA = 1.35


LENIENCY_SD = 0.4


TASTE_SD = 0.5


NOISE_SD = 0.75


MEAN_STARS = 3.5


FIRST_START = 820_454_400  # 1996-01-01 UTC


LAST_START = 1_483_228_800  # 2017-01-01 UTC


END = 1_696_118_400  # 2023-10-01 UTC


RATINGS_PER_SESSION = 25


SECONDS_BETWEEN_RATINGS = 15.0


SECONDS_BETWEEN_SESSIONS = 20 * 86_400.0


_ACTIVITY_BLOCK, _MOVIES_BLOCK, _SURE_BLOCK, _FIRST_USER_BLOCK = range(4)


_CELLS_AT_ONCE = 2**22


Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Population:
    """The counts of a synthetic data set.

    Attributes
    ----------
    users, items, ratings
        Exact counts. Each user has at least one rating, and no user rates an item twice.
    rated_items
        How many of the items have at least one rating. By default all of them, or as many as there
        are ratings.
    seed
        Seed of all draws.
    """

    users: int
    items: int
    ratings: int
    rated_items: int | None = None
    seed: int = 0

    @property
    def n_rated(self) -> int:
        """Number of items with at least one rating."""
        return min(self.items, self.ratings) if self.rated_items is None else self.rated_items

    @property
    def most_by_a_user(self) -> int:
        """Maximum ratings of a user: half of the items, or more if the counts need it."""
        twice_the_mean = 2 * -(-self.ratings // self.users)
        return max(self.n_rated // 2, min(self.n_rated, twice_the_mean))


def simulate(population: Population) -> Dataset:
    """Simulate a data set.

    Parameters
    ----------
    population
        Counts and seed.

    Returns
    -------
    Dataset
        Its ratings are sorted by user and item, in one batch per block of users.

    Raises
    ------
    NetliftError
        No data set can have these counts.
    """
    _check(population)
    rng = generator(population.seed, "synthetic", _ACTIVITY_BLOCK)
    counts = draw_activity(rng, population.users, population.ratings, population.most_by_a_user)
    shelf = make_shelf(
        generator(population.seed, "synthetic", _MOVIES_BLOCK),
        population.items,
        population.n_rated,
        counts,
    )
    return Dataset(
        label="synthetic ratings",
        movies=shelf.movies,
        ratings=_rating_batches(population.seed, counts, shelf),
        place=lambda row: f"row {row + 1:,}",
    )


def _check(population: Population) -> None:
    users, ratings, rated = population.users, population.ratings, population.n_rated
    if min(users, population.items, ratings, rated) < 1:
        raise NetliftError("A synthetic data set needs at least one user, one item and one rating.")
    if rated > population.items:
        raise NetliftError(
            f"rated_items is {rated:,}, but there are only {population.items:,} items."
        )
    if ratings < users:
        raise NetliftError(f"{ratings:,} ratings cannot give each of {users:,} users at least one.")
    if ratings < rated:
        raise NetliftError(f"{ratings:,} ratings cannot give each of {rated:,} items at least one.")
    if ratings > users * rated:
        raise NetliftError(
            f"{users:,} users can rate {rated:,} items at most {users * rated:,} times, "
            f"not {ratings:,} times."
        )


def _rating_batches(seed: int, counts: Ints, shelf: Shelf) -> Iterator[pa.RecordBatch]:
    rng = generator(seed, "synthetic", _SURE_BLOCK)
    sure_users, sure_items = _sure_picks(rng, counts, shelf)
    for block, start in enumerate(range(0, len(counts), USERS_PER_BLOCK)):
        rng = generator(seed, "synthetic", _FIRST_USER_BLOCK + block)
        in_block = counts[start : start + USERS_PER_BLOCK]
        low, high = np.searchsorted(sure_users, [start, start + len(in_block)])
        users, items = _pick_items(
            rng, in_block, sure_users[low:high] - start, sure_items[low:high], shelf
        )
        yield pa.record_batch(
            [
                (users + start + 1).astype(np.int32),
                shelf.ids[items],
                _draw_stars(rng, len(in_block), users, items, shelf),
                _draw_times(rng, in_block, users),
            ],
            schema=RATINGS,
        )


def draw_activity(rng: np.random.Generator, users: int, ratings: int, most: int) -> Ints:
    """Draw how many ratings each user has: a floor plus a log-normal excess.

    Parameters
    ----------
    rng
        Random number generator.
    users, ratings
        The number of users, and the sum to reach exactly.
    most
        The maximum for a user: the number of items that can be rated.

    Returns
    -------
    Array of shape (users,), integers in 1..most with sum ``ratings``.
    """
    floor = min(FEWEST_RATINGS, ratings // users)
    excess = rng.lognormal(0.0, ACTIVITY_SIGMA, users)

    def spread(scale: float) -> Floats:
        wanted: Floats = np.minimum(float(most), floor + scale * excess)
        return wanted

    low, high = 0.0, 1.0
    while spread(high).sum() < ratings and high < 1e12:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if spread(middle).sum() <= ratings else (low, middle)
    wanted = spread(low)
    counts = wanted.astype(np.int64)
    largest_fraction_first = np.argsort(counts - wanted, kind="stable")
    while (missing := ratings - int(counts.sum())) > 0:
        room = largest_fraction_first[counts[largest_fraction_first] < most]
        counts[room[:missing]] += 1
    return counts


def _sure_picks(rng: np.random.Generator, counts: Ints, shelf: Shelf) -> tuple[Ints, Ints]:
    """Assign each item that is to be rated one certain rating, by some user.

    Returns
    -------
    Users (indices, ascending) and items (indices), each of shape (rated items,).
    """
    rated = rng.permutation(np.flatnonzero(shelf.weights))
    slots = np.sort(rng.choice(int(counts.sum()), size=len(rated), replace=False, shuffle=False))
    return np.searchsorted(np.cumsum(counts), slots, side="right"), rated


def _pick_items(
    rng: np.random.Generator, counts: Ints, sure_users: Ints, sure_items: Ints, shelf: Shelf
) -> tuple[Ints, Ints]:
    """Draw which items each user of a block rates: by popularity, without replacement.

    Most users draw with replacement until they have enough different items, which is the same
    as drawing without. For users with a large part of all items another method is used.

    Returns
    -------
    Users (indices in the block) and items (indices), sorted by user, then item.
    """
    n_items = len(shelf.weights)
    sure_keys = sure_users * n_items + sure_items
    draws = shelf.draws_for(counts)
    by_draws = np.flatnonzero(draws <= n_items)
    keys, served = _keys_by_draws(rng, counts, draws, by_draws, sure_keys, shelf)
    others = np.setdiff1d(np.arange(len(counts)), served)
    parts = [keys]
    rows = max(1, _CELLS_AT_ONCE // n_items)
    for start in range(0, len(others), rows):
        some = others[start : start + rows]
        parts.append(_keys_by_clocks(rng, counts, some, sure_keys, shelf))
    everything = np.sort(np.concatenate(parts), kind="stable")
    return everything // n_items, everything % n_items


def _keys_by_draws(
    rng: np.random.Generator,
    counts: Ints,
    draws: Ints,
    chosen: Ints,
    sure_keys: Ints,
    shelf: Shelf,
) -> tuple[Ints, Ints]:
    """Draw items with replacement and keep the first different ones.

    Parameters
    ----------
    counts, draws
        Items needed and draws to make, for each user of the block.
    chosen
        The users to serve, ascending.
    sure_keys
        Keys (user * items + item) that must be among the picks, sorted by user.

    Returns
    -------
    Keys picked, ascending, and the users that got all their items.
    """
    n_items = len(shelf.weights)
    lengths = np.zeros_like(counts)
    lengths[chosen] = draws[chosen]
    users = np.repeat(np.arange(len(counts)), lengths)
    starts = np.cumsum(lengths) - lengths
    keys = users * n_items + shelf.draw(rng, len(users))
    sure = sure_keys[lengths[sure_keys // n_items] > 0]
    order_of_sure = np.arange(len(sure)) - np.searchsorted(sure // n_items, sure // n_items)
    keys[starts[sure // n_items] + order_of_sure] = sure

    different, at = np.unique(keys, return_index=True)
    is_first = np.zeros(len(keys) + 1, dtype=np.int64)
    is_first[at + 1] = 1
    seen = np.cumsum(is_first)
    rank = seen[at + 1] - seen[starts[users[at]]]
    kept = rank <= counts[users[at]]
    got = np.bincount(users[at][kept], minlength=len(counts))
    served = np.flatnonzero((lengths > 0) & (got == counts))
    is_served = np.zeros(len(counts), dtype=bool)
    is_served[served] = True
    picked: Ints = different[kept & is_served[users[at]]]
    return picked, served


def _keys_by_clocks(
    rng: np.random.Generator, counts: Ints, chosen: Ints, sure_keys: Ints, shelf: Shelf
) -> Ints:
    """Draw items without replacement by exponential clocks: the items that ring first.

    An item's clock has its popularity as its rate, so the order in which clocks ring is that of
    successive draws without replacement (Efraimidis and Spirakis 2006, "Weighted random sampling
    with a reservoir", Information Processing Letters 97(5), 181-185).
    """
    n_items = len(shelf.weights)
    with np.errstate(divide="ignore"):
        rings = rng.standard_exponential((len(chosen), n_items)) / shelf.weights
    row_of = np.full(len(counts), -1)
    row_of[chosen] = np.arange(len(chosen))
    rows = row_of[sure_keys // n_items]
    rings[rows[rows >= 0], sure_keys[rows >= 0] % n_items] = -1.0
    order = np.argsort(rings, axis=1)
    wanted = np.arange(n_items) < counts[chosen][:, None]
    picked: Ints = (chosen[:, None] * n_items + order)[wanted]
    return picked


def _draw_stars(
    rng: np.random.Generator, n_users: int, users: Ints, items: Ints, shelf: Shelf
) -> NDArray[np.float32]:
    """Draw the ratings of a block: half stars in 0.5..5.0, one for each (user, item)."""
    taste = np.zeros((n_users, len(GENRES) + 1), dtype=np.float32)
    taste[:, :-1] = rng.standard_normal((n_users, len(GENRES)), dtype=np.float32) * TASTE_SD
    leniency = rng.standard_normal(n_users, dtype=np.float32) * LENIENCY_SD
    stars = rng.standard_normal(len(users), dtype=np.float32) * NOISE_SD
    stars += leniency[users]
    stars += shelf.quality[items]
    liking = np.zeros_like(stars)
    for column in shelf.genres.T:
        liking += taste[users, column[items]]
    stars += liking * shelf.genre_scale[items]
    stars += MEAN_STARS
    half_stars: NDArray[np.float32] = np.clip(np.round(stars * 2) / 2, 0.5, 5.0)
    return half_stars.astype(np.float32, copy=False)


def _draw_times(rng: np.random.Generator, counts: Ints, users: Ints) -> Ints:
    """Draw when each rating was given, in seconds since 1970: sessions of a user over years.

    Parameters
    ----------
    counts
        Ratings of each user of the block, each at least 1.
    users
        The user of each rating, ascending.
    """
    n = len(users)
    in_time = np.argsort(users + rng.random(n))
    gaps = SECONDS_BETWEEN_RATINGS * rng.lognormal(0.0, 0.8, n)
    session_starts = np.flatnonzero(rng.random(n) < 1 / RATINGS_PER_SESSION)
    gaps[session_starts] = SECONDS_BETWEEN_SESSIONS * rng.lognormal(0.0, 1.0, len(session_starts))
    clock = np.cumsum(gaps)
    last = np.cumsum(counts) - 1
    first = last + 1 - counts
    elapsed = clock - clock[first][users]
    start = rng.uniform(FIRST_START, LAST_START, len(counts))
    squeeze = np.minimum(1.0, (END - start) / np.maximum(elapsed[last], 1.0))
    times = np.empty(n, dtype=np.int64)
    times[in_time] = (start[users] + squeeze[users] * elapsed).astype(np.int64)
    return times
