"""Candidates: the items of a slate that could have been promoted, and what promoting each is worth.

The focal item of a slate was drawn, candidate j with a known probability q_j. So the experiment can
tell which item to promote, and not only whether to promote the one that was drawn. With m1_j and m0
the expected clicks of the slate if j is promoted and if nothing is, as models predict them out of
fold, J the candidate that was drawn, D its promotion and e its probability, the score of j is

    G_j = m1_j - m0 + 1{J = j} / q_j D (Y - m1_j) / e - (1 - D) (Y - m0) / (1 - e)

(doubly robust off-policy evaluation: Dudik, Langford and Li 2011, "Doubly robust policy evaluation
and learning"). Its mean is unbiased for the effect of promoting j whatever the models say. All
control slates tell about all candidates, since nothing was promoted there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING, Booleans, Floats, Integers
from netlift.core.errors import NetliftError
from netlift.effects.items_table import slates_of_rows
from netlift.models.features import RowFeatures
from netlift.models.folds import splits
from netlift.models.outcome_models import ROW_MODELS, ModelData, row_fit
from netlift.promotion.design import Design
from netlift.promotion.exposure import map_exposure
from netlift.promotion.treatment import Treatment

PROBABILITY = "focal_probability"

TOLERANCE = 1e-6
"""How far the probabilities of a slate's candidates may be from adding up to 1."""

_PROMOTED = (
    "is_focal_item",
    "focal_seed_position",
    "focal_spillover_cluster",
    "promoted_position",
    "final_position",
    "component",
    "exposure",
    "position_change",
)
"""Columns of items that depend on which item is focal."""

Predict = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Candidates:
    """The candidates of N slates, M in the slate that has most; others have empty places.

    Attributes
    ----------
    row
        Row of each candidate in the items table, that of the slate's drawn one in empty places;
        shape (N, M).
    probability
        Probability that each was drawn, 0 in empty places; shape (N, M).
    drawn
        Place of the candidate that was drawn, shape (N,).
    """

    row: Integers
    probability: Floats
    drawn: Integers

    @classmethod
    def from_items(cls, items: pd.DataFrame) -> Candidates:
        """Take the candidates from an items table.

        Raises
        ------
        NetliftError
            The probabilities are not known, are no probabilities, do not add up to 1 in a slate, or
            a focal item could not be drawn; a slate has several focal items; or no slate has more
            than one candidate.
        """
        starts, slate = slates_of_rows(items)
        n_slates, focal = len(starts), items["is_focal_item"].to_numpy(dtype=bool)
        if int(focal.sum()) != n_slates:
            raise NetliftError(
                "slates have several focal items, which are promoted together: no single one has "
                "an effect of its own"
            )
        probability = _checked_probabilities(items, slate, focal)
        candidate = probability > 0
        count = np.bincount(slate, candidate, n_slates).astype(np.int64)
        if count.max() < 2:
            raise NetliftError(
                "each slate has one item that could be promoted: there is no other to choose"
            )
        rows = np.flatnonzero(candidate)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        focal_rows = np.flatnonzero(focal)
        row = np.repeat(focal_rows[:, None], int(count.max()), axis=1)
        row[slate[rows], place] = rows
        chance = np.zeros(row.shape)
        chance[slate[rows], place] = probability[rows]
        return cls(row, chance, place[np.searchsorted(rows, focal_rows)])

    @property
    def exists(self) -> Booleans:
        """Whether a place has a candidate, shape (N, M)."""
        return np.asarray(self.probability > 0)

    def of(self, values: Floats) -> Floats:
        """Return values of item rows, shape (R,), by candidate, missing in empty places: (N, M)."""
        return np.where(self.exists, values[self.row], np.nan)


def _checked_probabilities(items: pd.DataFrame, slate: Integers, focal: Booleans) -> Floats:
    """Return the probability of each row to be focal, shape (R,)."""
    if PROBABILITY not in items or items[PROBABILITY].isna().all():
        raise NetliftError(
            "the probabilities with which focal items were chosen are not known, so only whether "
            "to promote the chosen item can be said, and not which item to promote. With a focal "
            "item that is drawn at random from known candidates it could"
        )
    probability = items[PROBABILITY].to_numpy(dtype=np.float64)
    wrong = ~((probability >= 0) & (probability <= 1))
    if wrong.any():
        raise NetliftError(
            f"{PROBABILITY}: {int(wrong.sum()):,} of {len(items):,} rows have no value from 0 to 1"
        )
    total, ids = np.bincount(slate, probability), items["slate_id"].to_numpy()
    off = np.abs(total - 1) > TOLERANCE
    if off.any():
        first = int(off.argmax())
        raise NetliftError(
            f"{PROBABILITY}: in {int(off.sum()):,} of {len(total):,} slates the probabilities do "
            f"not add up to 1 (first: slate {ids[slate.searchsorted(first)]}, {total[first]:.6g}). "
            "Every item that could be chosen needs its own probability, and other items 0"
        )
    never = focal & (probability <= 0)
    if never.any():
        raise NetliftError(
            f"{PROBABILITY}: {int(never.sum()):,} of {len(total):,} focal items have probability 0 "
            f"(first: slate {ids[never][0]}), so that they could not have been chosen"
        )
    return probability


@dataclass(frozen=True)
class Expected:
    """Expected clicks of N slates as models predict them.

    Attributes
    ----------
    control
        With no promotion, shape (N,).
    promoted
        If each candidate is promoted, missing in empty places; shape (N, M).
    """

    control: Floats
    promoted: Floats

    @property
    def effect(self) -> Floats:
        """Predicted effect of promoting each candidate, shape (N, M)."""
        return np.asarray(self.promoted - self.control[:, None])


def candidate_scores(
    total: Floats, expected: Expected, candidates: Candidates, design: Design
) -> Floats:
    """Return the doubly robust score of promoting each candidate, shape (N, M).

    Parameters
    ----------
    total
        Observed clicks of slates, shape (N,).
    expected
        Predicted out of fold.
    candidates, design
        Of the same slates.

    Raises
    ------
    NetliftError
        The probabilities of promotion are not known.
    """
    e, promoted = design.known_probability(), design.promoted
    chosen, slates = candidates.drawn, np.arange(len(total))
    scores = expected.effect - (~promoted * (total - expected.control) / (1 - e))[:, None]
    weight = promoted / (e * candidates.probability[slates, chosen])
    scores[slates, chosen] += weight * (total - expected.promoted[slates, chosen])
    return np.asarray(scores)


def expected_clicks(
    items: pd.DataFrame,
    data: ModelData,
    candidates: Candidates,
    treatment: Treatment,
    fold: Integers,
    *,
    seed: int,
    threads: int,
) -> tuple[Expected, Expected]:
    """Predict what each slate gets with no promotion, and with that of each of its candidates.

    Models of single rows predict every item in the order of the slate that the promotion of the
    candidate gives; their mean is summed over the slate.

    Parameters
    ----------
    items
        Table of N slates, of whose rows ``data`` are the features.
    data, candidates
        Of the same slates.
    treatment
        What the promotion does.
    fold
        Fold of each slate, shape (N,).
    seed, threads
        For the learners.

    Returns
    -------
    Predictions of models fitted on the other folds, and of models fitted on earlier folds only,
    which are missing in the first.
    """
    total = data.outcomes.sum(axis=1)
    if np.ptp(total) <= ROUNDING:
        # Models of rows need not add up to what every slate has.
        same = Expected(total, np.where(candidates.exists, total[:, None], np.nan))
        return same, same
    fits = [
        list(_fits(data, fold, seed=seed, threads=threads, sequential=sequential))
        for sequential in (False, True)
    ]
    n_slates, n_places = candidates.row.shape
    rows = data.rows
    control = [_totals(each, rows.control, rows.shown_control, data.slate) for each in fits]
    promoted = [np.full((n_slates, n_places), np.nan) for _ in fits]
    for place in range(n_places):
        features = _promoting(items, candidates.row[:, place], treatment)
        for each, predicted in zip(fits, promoted, strict=True):
            shown = features.shown_promoted
            predicted[:, place] = _totals(each, features.promoted, shown, data.slate)
    out_of_fold, in_order = (
        Expected(one, np.where(candidates.exists, many, np.nan))
        for one, many in zip(control, promoted, strict=True)
    )
    return out_of_fold, in_order


def _fits(
    data: ModelData, fold: Integers, *, seed: int, threads: int, sequential: bool
) -> Iterator[tuple[Booleans, list[Predict]]]:
    """Yield the slates of each fold, shape (N,), and the models that predict them."""
    for train, test in splits(fold, sequential=sequential):
        of_rows = train[data.slate]
        yield test, [row_fit(data, of_rows, model, seed, threads) for model in ROW_MODELS]


def _totals(
    fits: list[tuple[Booleans, list[Predict]]], features: Floats, shown: Booleans, slate: Integers
) -> Floats:
    """Return the predicted clicks of each slate, missing where no model predicts it."""
    n_slates = int(slate.max()) + 1
    totals = np.full(n_slates, np.nan)
    for test, predictors in fits:
        of_rows = test[slate]
        rows = features[of_rows]
        clicks = sum(predict(rows) for predict in predictors) / len(predictors) * shown[of_rows]
        totals[test] = np.bincount(slate[of_rows], clicks, n_slates)[test]
    return totals


def _promoting(items: pd.DataFrame, focal_rows: Integers, treatment: Treatment) -> RowFeatures:
    """Return the features of rows as they would be if other items were focal."""
    focal = np.zeros(len(items), dtype=bool)
    focal[focal_rows] = True
    plain = items.drop(columns=[name for name in _PROMOTED if name in items])
    promoted = np.zeros(len(items), dtype=bool)
    return RowFeatures.from_items(map_exposure(plain, focal, promoted, treatment))
