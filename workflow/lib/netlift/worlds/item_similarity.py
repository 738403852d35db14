"""Similarity of two items: by the scorer's factors, by genres, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core.arrays import Floats, Integers
from netlift.core.errors import NetliftError
from netlift.slates.catalog import NO_GENRE

_LARGEST_ID = 10_000_000
"""Above this a table of rows by id would take too much memory."""

Source = Literal["factors", "genres", "blend"]


@dataclass(frozen=True)
class ItemSimilarity:
    """Similarity of items, from tables of their factors and their genres.

    Attributes
    ----------
    item_id
        Sorted ids, shape (M,).
    factors
        Factors of length 1 (or 0), shape (M, d); None if only genres are used.
    genres
        1 where an item has a genre, shape (M, g); None if only factors are used.
    genre_weight
        Weight of the genres if both are used.
    """

    item_id: Integers
    factors: NDArray[np.float32] | None
    genres: NDArray[np.float32] | None
    genre_weight: float

    @classmethod
    def from_movies(
        cls,
        movies: pd.DataFrame,
        scored_items: pd.DataFrame | None,
        source: Source,
        genre_weight: float,
    ) -> Self:
        """Build the arrays from tables.

        Parameters
        ----------
        movies
            ``item_id``, ``genres``.
        scored_items
            The scorer's items, with their factors; an item without factors is similar to no other.
        source
            Which of them are used.
        genre_weight
            Weight of the genres in a blend.

        Raises
        ------
        NetliftError
            Factors are needed, but slates were not built by the scorer.
        """
        movies = movies.sort_values("item_id")
        item_id = movies["item_id"].to_numpy(dtype=np.int64)
        factors = genres = None
        if source in {"factors", "blend"}:
            if scored_items is None:
                raise NetliftError(
                    f"similarity from {source} needs the scorer's item factors, which slates of "
                    "the builder history do not have; take source: genres"
                )
            scored = scored_items.filter(regex="^factor_").to_numpy(dtype=np.float32)
            length = np.linalg.norm(scored, axis=1, keepdims=True)
            factors = np.zeros((len(item_id), scored.shape[1]), dtype=np.float32)
            rows = np.searchsorted(item_id, scored_items["item_id"].to_numpy())
            factors[rows] = scored / np.where(length > 0, length, 1.0)
        if source in {"genres", "blend"}:
            genre_lists = movies["genres"].replace(NO_GENRE, "")
            genres = genre_lists.str.get_dummies("|").to_numpy(dtype=np.float32)
        weight = {"factors": 0.0, "genres": 1.0, "blend": genre_weight}[source]
        return cls(item_id, factors, genres, weight)

    @cached_property
    def _row_of(self) -> Integers | None:
        """The row of each id, by id: many times faster than a search. None for enormous ids."""
        largest = int(self.item_id[-1])
        if largest > _LARGEST_ID:
            return None
        row_of = np.zeros(largest + 1, dtype=np.int64)
        row_of[self.item_id] = np.arange(len(self.item_id))
        return row_of

    def _rows(self, item: Integers) -> Integers:
        table = self._row_of
        return np.searchsorted(self.item_id, item) if table is None else table[item]

    def among(self, item: Integers) -> Floats:
        """Return S, shape (N, K, K), of item ids of shape (N, K): in [0, 1], 0 with itself."""
        rows = self._rows(item)
        size = item.shape[1]
        similarity = np.zeros((len(item), size, size), dtype=np.float32)
        if self.factors is not None:
            np.clip(_products(self.factors[rows]), 0.0, 1.0, out=similarity)
            similarity *= 1.0 - self.genre_weight
        if self.genres is not None:
            item_genres = self.genres[rows]
            shared, count = _products(item_genres), item_genres.sum(axis=2)
            either = count[:, :, None] + count[:, None, :]
            either -= shared
            shared /= np.maximum(either, 1.0, out=either)
            shared *= self.genre_weight
            similarity += shared
        similarity[:, np.arange(size), np.arange(size)] = 0.0
        return similarity.astype(np.float64)


def _products(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the products of each slate's vectors (n, K, d) with each other, (n, K, K)."""
    return np.asarray(np.matmul(vectors, vectors.transpose(0, 2, 1)))


def item_similarity(
    world: Mapping[str, Any], movies: pd.DataFrame | None, scored_items: pd.DataFrame | None
) -> ItemSimilarity | None:
    """Return the similarity of items for a world that needs it (only then are there movies)."""
    if movies is None:
        return None
    return ItemSimilarity.from_movies(movies, scored_items, world["source"], world["genre_weight"])
