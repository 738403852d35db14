"""The movies of a synthetic data set: popularity, quality, genres and titles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from netlift.datasets.schema import MOVIES, NO_GENRES

GENRES: dict[str, float] = {
    "Action": 1543,
    "Adventure": 1116,
    "Animation": 447,
    "Children": 582,
    "Comedy": 3307,
    "Crime": 1092,
    "Documentary": 487,
    "Drama": 4328,
    "Fantasy": 653,
    "Film-Noir": 121,
    "Horror": 872,
    "Musical": 394,
    "Mystery": 537,
    "Romance": 1541,
    "Sci-Fi": 791,
    "Thriller": 1717,
    "War": 366,
    "Western": 168,
}
"""The 18 genres of MovieLens, alphabetical, with the number of movies that had each in 2016."""

GENRES_PER_MOVIE = {1: 0.35, 2: 0.4, 3: 0.25}
NO_GENRES_SHARE = 0.005
ZIPF_EXPONENT = 1.5
QUALITY_SD = 0.4
QUALITY_FROM_POPULARITY = 0.6
"""Correlation of an item's quality with the logarithm of its popularity."""

AWKWARD_TITLES: tuple[str | None, ...] = (
    "<b>Bold</b> & <script>alert('markup')</script> (1999)",
    'The "Quoted", the Comma, and the Apostrophe\'s Return (2001)',
    "\u05de\u05dc\u05d7\u05de\u05ea \u05d4\u05db\u05d5\u05db\u05d1\u05d9\u05dd (1977)",
    "\U0001f3ac\U0001f37f Popcorn \U0001f468\u200d\U0001f469\u200d\U0001f467 (2015)",
    None,
    "=SUM(A1:A9) (1988)",
    "{{ braces }} {% raw %} $HOME `ls` \\ back|slash (1990)",
    "\u0627\u0644\u0631\u0633\u0627\u0644\u0629 Cin\u00e9ma \u00f1and\u00fa \u6620\u753b (2003)",
    "nan",
    "A Title That Goes On " + "and On " * 20 + "(1964)",
)
"""Titles that break careless code; every data set of at least 100 items has all of them."""

_FIRST_WORDS = (
    "Amber Blue Broken Crimson Distant Electric Empty Final Frozen Gentle Golden Hidden Hollow "
    "Iron Last Lonely Lost Lucky Midnight Paper Quiet Red Restless Second Secret Silent Silver "
    "Stolen Summer Velvet Wild Winter"
)
_SECOND_WORDS = (
    "Bridge Carnival Choir Circus Compass Dance Detective Empire Garden Harbor Horizon Island "
    "Journey Kingdom Letter Lighthouse Machine Mirror Orchard Parade Passenger Planet Promise "
    "Railway River Road Season Shadow Station Stranger Theater Wedding"
)
_THIRD_WORDS = (
    "Berlin Boston Cairo Chicago Delhi Dublin Havana Kyoto Lagos Lima Lisbon Madrid Manila Milan "
    "Montreal Moscow Nairobi Naples Oslo Paris Prague Quito Rome Santiago Seoul Sydney Tokyo Tunis "
    "Vienna Warsaw Yangon Zagreb"
)


@dataclass(frozen=True)
class Shelf:
    """The items of a synthetic data set; every array has one entry per item, ascending by id.

    Attributes
    ----------
    movies
        The table of movies.
    ids
        Ids, with gaps.
    weights
        Popularity: the probability that a draw takes the item. Zero for items never rated.
    quality
        The item's contribution to each rating, in stars; zero on average over ratings.
    genres
        Shape (items, 3): indices into the genres, ``len(GENRES)`` where there is no further one.
    genre_scale
        One over the square root of the number of genres, so that tastes weigh the same.
    """

    movies: pa.Table
    ids: NDArray[np.int32]
    weights: NDArray[np.float64]
    quality: NDArray[np.float32]
    genres: NDArray[np.int64]
    genre_scale: NDArray[np.float32]

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Draw ``n`` items (indices) by popularity, with replacement."""
        edges = np.cumsum(self.weights)
        items: NDArray[np.int64] = np.searchsorted(edges, rng.random(n) * edges[-1], side="right")
        return items

    def draws_for(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many draws with replacement nearly always give ``counts`` different items."""
        draws = _mean_draws(self.weights, counts + 4 * np.sqrt(counts) + 4)
        whole: NDArray[np.int64] = np.ceil(draws).astype(np.int64)
        return whole


def make_shelf(
    rng: np.random.Generator, items: int, rated: int, counts: NDArray[np.int64]
) -> Shelf:
    """Generate the items of a synthetic data set.

    Parameters
    ----------
    rng
        Random number generator.
    items, rated
        The number of items, and of those that are rated.
    counts
        Ratings of each user, shape (users,).
    """
    popularity_rank = rng.permutation(items)
    weights = _popularity(items)[popularity_rank]
    weights[popularity_rank >= rated] = 0.0
    weights /= weights.sum()
    log_popularity = np.log(_popularity(items))[popularity_rank]
    spread = log_popularity.std() or 1.0
    common = QUALITY_FROM_POPULARITY * (log_popularity - log_popularity.mean()) / spread
    idiosyncratic = np.sqrt(1 - QUALITY_FROM_POPULARITY**2) * rng.standard_normal(items)
    quality = QUALITY_SD * (common + idiosyncratic)
    expected = _expected_ratings(weights, counts)
    quality -= (expected * quality).sum() / expected.sum()
    genres = _draw_genres(rng, items)
    ids = np.cumsum(rng.integers(1, 5, items)).astype(np.int32)
    n_genres = np.maximum((genres < len(GENRES)).sum(axis=1), 1)
    return Shelf(
        movies=_movies(rng, ids, genres, popularity_rank),
        ids=ids,
        weights=weights,
        quality=quality.astype(np.float32),
        genres=genres,
        genre_scale=(1 / np.sqrt(n_genres)).astype(np.float32),
    )


def _popularity(items: int) -> NDArray[np.float64]:
    """Zipf-Mandelbrot weights by rank, the most popular first (Mandelbrot 1953)."""
    offset = max(10.0, 0.01 * items)
    weights: NDArray[np.float64] = (1 + np.arange(items) / offset) ** -ZIPF_EXPONENT
    return weights


def _expected_ratings(
    weights: NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return numbers proportional to the approximate ratings of each item, shape (items,).

    A user with few ratings rates popular items; one with many must rate others too. The users
    are represented by 50 quantiles of their counts.
    """
    expected = np.zeros(len(weights))
    typical = np.quantile(counts, (np.arange(50) + 0.5) / 50)
    for draws in _mean_draws(weights, typical):
        expected += _reach(weights, draws)
    return expected


def _mean_draws(
    weights: NDArray[np.float64], different: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how many draws with replacement give this many different items on average.

    At least the number of items; a very large number if no number of draws is enough.
    """
    grid = np.unique(np.geomspace(1, 2 * len(weights), 64).astype(np.int64))
    reached = [_reach(weights, draws).sum() for draws in grid]
    draws = np.interp(different, reached, grid, right=float(np.iinfo(np.int32).max))
    return np.maximum(draws, different)


def _reach(weights: NDArray[np.float64], draws: float) -> NDArray[np.float64]:
    """Return the probability that each item is among this many draws with replacement."""
    probability: NDArray[np.float64] = -np.expm1(draws * np.log1p(-np.minimum(weights, 1 - 1e-12)))
    return probability


def _draw_genres(rng: np.random.Generator, items: int) -> NDArray[np.int64]:
    """Draw one to three different genres for each item, ascending, by their frequency."""
    clocks = rng.standard_exponential((items, len(GENRES))) / np.array(list(GENRES.values()))
    first = np.argsort(clocks, axis=1)[:, : len(GENRES_PER_MOVIE)]
    shares = np.cumsum(list(GENRES_PER_MOVIE.values()))
    how_many = 1 + np.searchsorted(shares, rng.random(items), side="right")
    how_many[rng.random(items) < NO_GENRES_SHARE] = 0
    beyond = np.arange(first.shape[1]) >= how_many[:, None]
    return np.sort(np.where(beyond, len(GENRES), first), axis=1)


def _movies(
    rng: np.random.Generator,
    ids: NDArray[np.int32],
    genres: NDArray[np.int64],
    popularity_rank: NDArray[np.int64],
) -> pa.Table:
    names = list(GENRES)
    years = _draw_years(rng, len(ids))
    lists = [words.split() for words in (_FIRST_WORDS, _SECOND_WORDS, _THIRD_WORDS)]
    titles: list[str | None] = [
        f"{lists[0][a]} {lists[1][b]} of {lists[2][c]} ({year})"
        for (a, b, c), year in zip(rng.integers(0, 32, (len(ids), 3)), years, strict=True)
    ]
    by_popularity = np.argsort(popularity_rank)
    all_years: list[int | None] = years.tolist()
    for item, title in zip(by_popularity[2::7], AWKWARD_TITLES, strict=False):
        titles[item] = title
        all_years[item] = int(title[-5:-1]) if title and title.endswith(")") else None
    listed = ["|".join(names[g] for g in row if g < len(names)) or NO_GENRES for row in genres]
    return pa.table([pa.array(ids), titles, all_years, listed], schema=MOVIES)


def _draw_years(rng: np.random.Generator, items: int) -> NDArray[np.int64]:
    """Draw years of release, 1920 to 2018, most of them recent."""
    years: NDArray[np.int64] = 2018 - np.minimum(98, rng.gamma(1.4, 15.0, items)).astype(np.int64)
    return years
