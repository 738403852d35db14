"""Build slates as configured, any number of times, and read the ratings only once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from netlift.slates.catalog import item_clusters
from netlift.slates.ratings import Columns, gathered, split_by_time
from netlift.slates.recipes import history_slates, scorer_slates
from netlift.slates.scorer import Scorer


class SlateBuilder:
    """Builds slates of any size and seed.

    Parameters
    ----------
    ratings
        Of the data set, all columns, in pieces: see `netlift.slates.ratings`. They are read once.
    movies
        Of the data set: ``item_id`` and ``genres``.
    scorer
        Fitted to the training ratings; None for the builder ``history``.
    settings
        ``clusters``, ``n_slates``, ``max_per_user``, the settings of the chosen builder under its
        name, and ``n_users`` if slates are built for some users only.
    """

    def __init__(
        self,
        ratings: Iterable[Columns],
        movies: pd.DataFrame,
        scorer: Scorer | None,
        settings: Mapping[str, Any],
    ) -> None:
        self._clusters = item_clusters(movies, settings["clusters"])
        self._common = {key: settings[key] for key in ("n_slates", "max_per_user")}
        self._common["n_users"] = settings.get("n_users")
        self._scorer = scorer
        self._recipe = dict(settings["history" if scorer is None else "scorer"])
        if scorer is None:
            self._ratings = gathered(ratings)
        else:
            share, columns = self._recipe.pop("train_share"), ["user_id", "item_id"]
            self._ratings, _ = split_by_time(ratings, share, columns)

    def slates(self, size: int, seed: int) -> pd.DataFrame:
        """Build the slates of one size and seed.

        Raises
        ------
        NetliftError
            The ratings do not suffice for so many slates.
        """
        options = {**self._common, **self._recipe, "size": size, "seed": seed}
        if self._scorer is None:
            return history_slates(self._ratings, self._clusters, **options)
        return scorer_slates(self._ratings, self._scorer, self._clusters, **options)
