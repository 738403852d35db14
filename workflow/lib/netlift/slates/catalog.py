"""Features of users and items from ratings, known before any slate is built."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.slates.ratings import stretches

LIKED = 4.0
"""A rating of at least this many stars counts as liked."""

NO_GENRE = "(no genres listed)"
NOT_A_GENRE = "IMAX"
"""A screen format that MovieLens lists among the genres."""

ClusterRule = Literal["rarest_genre", "first_genre"]


def item_clusters(movies: pd.DataFrame, rule: ClusterRule) -> pd.Series:
    """Return the spillover cluster of each movie: one of its genres.

    Parameters
    ----------
    movies
        ``item_id`` and ``genres`` (``Action|Comedy``).
    rule
        ``first_genre`` takes the first of the list, which MovieLens sorts by name (the reference
        study's choice). ``rarest_genre`` takes the one that the fewest movies of the catalog
        have, by name where tied; IMAX, a screen format, counts only where nothing else is listed.

    Returns
    -------
    Cluster names, indexed by ``item_id``.
    """
    lists = movies["genres"].fillna(NO_GENRE).replace("", NO_GENRE).str.split("|")
    if rule == "first_genre":
        clusters = lists.str[0]
    else:
        counts = Counter(genre for genres in lists for genre in genres)
        clusters = pd.Series(
            [
                min(genres, key=lambda genre: (genre == NOT_A_GENRE, counts[genre], genre))
                for genres in lists
            ],
            dtype=object,
        )
    return pd.Series(clusters.to_numpy(), index=movies["item_id"].to_numpy(), dtype=object)


def rating_counts(
    group: NDArray[np.integer[Any]], rating: NDArray[np.float32], n_groups: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count ratings and the share of liked ones by user or by item.

    Parameters
    ----------
    group
        Number of the user or item of each rating, 0 to ``n_groups`` - 1.
    rating
        Stars of each rating.
    n_groups
        Number of users or items.

    Returns
    -------
    Number of ratings and share of them that is liked, each of shape (n_groups,); the share is
    0 where there is no rating.
    """
    count, liked = (np.zeros(n_groups, dtype=np.int64) for _ in range(2))
    for rows in stretches(len(group)):
        count += np.bincount(group[rows], minlength=n_groups)
        liked += np.bincount(group[rows][rating[rows] >= LIKED], minlength=n_groups)
    return count, liked / np.maximum(count, 1)
