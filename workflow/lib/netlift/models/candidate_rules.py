"""Rules that say which item of a slate to promote, if any.

A rule gives for each slate and candidate the probability that it promotes it: 1 for one of them or
0 for all, or, of a rule that draws, what it draws with. As in ``policies`` a rule is learned on the
folds before the one that it is evaluated on, and the first fold is for learning only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.core.errors import NetliftError
from netlift.core.outcome import CLICKS, Outcome
from netlift.models.candidate_codes import AT_RANDOM, BEST, MOST_RELEVANT, OWN, SLOT
from netlift.models.candidates import Candidates
from netlift.models.features import item_features
from netlift.models.folds import splits
from netlift.models.policies import NONE, TREES
from netlift.models.trees import best_tree, in_words

OWN_COLUMN = "own_rule"
"""Column of items: 1 for the item that the team's own rule would promote."""


@dataclass(frozen=True)
class Limits:
    """What promotions cost, and how many there may be.

    Attributes
    ----------
    cost
        Of a promotion, in clicks.
    max_share
        Slates that may be promoted, as a share of all.
    max_group_share
        Slates in which items of any one group may be promoted, as a share of all.
    top_k
        Number of the most relevant candidates that one rule chooses from.
    """

    cost: float = 0.0
    max_share: float = 1.0
    max_group_share: float = 1.0
    top_k: int = 3


@dataclass(frozen=True)
class CandidateData:
    """What rules are learned from, of N slates with M candidates at most.

    Attributes
    ----------
    candidates
        Which items could be promoted.
    scores
        Doubly robust scores, missing in empty places, shape (N, M).
    predicted
        Effects that models fitted on earlier folds predict, missing in the first fold and in empty
        places; shape (N, M).
    fold
        Shape (N,).
    position
        Position before promotion, 0 in empty places; shape (N, M).
    group
        Number of the candidate's cluster or seller, -1 where it has none; shape (N, M).
    features
        Pre-treatment features of candidates in their own units, shape (N, M) each, by name.
    relevance
        Shape (N, M); None if it is not known.
    own
        Whether the team's own rule promotes the candidate, shape (N, M); None without such a rule.
    """

    candidates: Candidates
    scores: Floats
    predicted: Floats
    fold: Integers
    position: Integers
    group: Integers
    features: dict[str, Floats]
    relevance: Floats | None
    own: Booleans | None

    @classmethod
    def from_items(
        cls,
        items: pd.DataFrame,
        candidates: Candidates,
        scores: Floats,
        predicted: Floats,
        fold: Integers,
        *,
        group: str,
    ) -> CandidateData:
        """Take what rules use from an items table; ``group`` is the column of groups.

        Raises
        ------
        NetliftError
            There is no such column, or the team's own rule promotes several items of a slate, or
            one that could not have been drawn.
        """
        if group not in items:
            raise NetliftError(f"policy.max_group_share.column: the items have no column {group}")
        position = np.nan_to_num(candidates.of(items["slate_position_seed"].to_numpy(float)))
        codes = pd.factorize(items[group])[0].astype(np.float64)
        relevance = items["relevance"].to_numpy(float) if "relevance" in items else None
        return cls(
            candidates,
            scores,
            predicted,
            fold,
            position.astype(np.int64),
            np.nan_to_num(candidates.of(codes), nan=-1).astype(np.int64),
            candidate_features(items, candidates),
            None if relevance is None else candidates.of(np.nan_to_num(relevance, nan=-np.inf)),
            _own_rule(items, candidates),
        )


def candidate_features(items: pd.DataFrame, candidates: Candidates) -> dict[str, Floats]:
    """Return the features of candidates by which trees select, shape (N, M) each.

    Position, the item's own features, and by how much these exceed the mean of the slate.
    """
    position = items["slate_position_seed"].to_numpy(float)
    features = {} if np.isnan(position).any() else {"position": candidates.of(position)}
    slate = pd.factorize(items["slate_id"])[0]
    count = np.bincount(slate)
    for name, values in item_features(items).items():
        features[name] = candidates.of(values)
        mean = np.bincount(slate, values) / count
        features[f"{name}_above_slate"] = candidates.of(values - mean[slate])
    return features


def _own_rule(items: pd.DataFrame, candidates: Candidates) -> Booleans | None:
    """Return which candidate the team's own rule promotes; None without such a rule."""
    if OWN_COLUMN not in items or items[OWN_COLUMN].isna().all():
        return None
    chosen = items[OWN_COLUMN].to_numpy(dtype=np.float64)
    wrong = ~np.isin(chosen, (0.0, 1.0))
    if wrong.any():
        raise NetliftError(f"{OWN_COLUMN}: {int(wrong.sum()):,} rows are neither 0 nor 1")
    ids = items["slate_id"].to_numpy()
    per_slate = pd.Series(chosen).groupby(ids, sort=False).sum()
    several = per_slate[per_slate > 1]
    if len(several):
        raise NetliftError(
            f"{OWN_COLUMN}: {len(several):,} of {len(per_slate):,} slates have several items with "
            f"1 (first: slate {several.index[0]}); the rule may promote one at most"
        )
    own = np.asarray(candidates.of(chosen) == 1)
    missed = per_slate.to_numpy() > own.sum(axis=1)
    if missed.any():
        raise NetliftError(
            f"{OWN_COLUMN}: in {int(missed.sum()):,} of {len(per_slate):,} slates the rule "
            f"promotes an item that could not have been drawn (first: slate "
            f"{per_slate.index[missed.argmax()]}), so that the experiment cannot tell what that is "
            "worth. Set these to 0 to evaluate the rest of the rule"
        )
    return own


def candidate_rules(data: CandidateData, limits: Limits) -> dict[str, Floats]:
    """Return with what probability each rule promotes each candidate, shape (N, M) each.

    In the first fold rules promote nothing.
    """
    later = (data.fold > 0)[:, None]
    rules = {AT_RANDOM: data.candidates.probability * later}
    rules[BEST] = best_candidate(data, data.candidates.exists, limits.cost)
    if data.relevance is not None:
        rules[MOST_RELEVANT] = best_candidate(data, _top(data.relevance, limits.top_k), limits.cost)
    rules[SLOT] = _fixed_slot(data, limits.cost)
    for name, depth in TREES.items() if data.features else ():
        rules[name] = best_candidate(data, _tree(data, depth, limits.cost), -np.inf)
    if data.own is not None:
        rules[OWN] = (data.own & later).astype(np.float64)
    return {name: capped(chosen, data, limits) for name, chosen in rules.items()}


def best_candidate(data: CandidateData, allowed: Booleans, threshold: float) -> Floats:
    """Promote the candidate with the largest predicted effect of those allowed, if above a value.

    Of equal ones it is the first.
    """
    predicted = np.where(allowed & np.isfinite(data.predicted), data.predicted, -np.inf)
    best = predicted.argmax(axis=1)
    promotes = predicted.max(axis=1) > threshold
    return np.asarray((np.arange(predicted.shape[1]) == best[:, None]) * promotes[:, None] * 1.0)


def _top(relevance: Floats, k: int) -> Booleans:
    """Return which candidates are among the k most relevant of their slate, shape (N, M)."""
    order = np.argsort(-np.nan_to_num(relevance, nan=-np.inf), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    return np.asarray((rank < k) & ~np.isnan(relevance))


def best_slot(data: CandidateData, slates: Booleans, cost: float) -> int:
    """Return the position with the largest mean prediction in slates, (N,); 0 if none gains."""
    gains = np.nan_to_num((data.predicted - cost)[slates])
    sums = np.bincount(data.position[slates].ravel(), gains.ravel())
    sums[0] = 0.0  # no position
    return int(sums.argmax()) if sums.max() > 0 else 0


def _fixed_slot(data: CandidateData, cost: float) -> Floats:
    """Promote the item at one position, which may be another one in each fold."""
    chosen = np.zeros(data.scores.shape)
    for _, test in splits(data.fold, sequential=True):
        slot = best_slot(data, test, cost)
        chosen[test] = (data.position[test] == slot) & data.candidates.exists[test]
    return chosen


def tree_inputs(data: CandidateData, slates: Booleans, cost: float) -> tuple[Floats, Floats]:
    """Return features of all candidates of some slates, (C, k), and what each is worth, (C,).

    Their sum over the candidates that a tree selects is the value of promoting the one that is
    drawn if it is selected.
    """
    exists = data.candidates.exists[slates]
    features = np.column_stack([values[slates][exists] for values in data.features.values()])
    chance = data.candidates.probability[slates]
    return features, (chance * (data.scores[slates] - cost))[exists]


def _tree(data: CandidateData, depth: int, cost: float) -> Booleans:
    """Return which candidates a tree selects that was learned on earlier folds, shape (N, M)."""
    exists, selected = data.candidates.exists, np.zeros(data.scores.shape, dtype=bool)
    for train, test in splits(data.fold, sequential=True):
        tree = best_tree(*tree_inputs(data, train, cost), depth)
        chosen = exists & test[:, None]
        features = np.column_stack([values[chosen] for values in data.features.values()])
        selected[chosen] = tree if isinstance(tree, bool) else tree.promotes(features)
    return selected


def capped(chosen: Floats, data: CandidateData, limits: Limits) -> Floats:
    """Keep to the limits in each fold: promotions with the largest predicted effects are kept.

    Of the first of a group, and then of the first of all; the last one may be kept in part.
    """
    for share, group in (
        (limits.max_group_share, data.group),
        (limits.max_share, np.zeros_like(data.group)),
    ):
        if share < 1:
            chosen = _within_share(chosen, data.predicted, data.fold, group, share)
    return chosen


def _within_share(
    chosen: Floats, predicted: Floats, fold: Integers, group: Integers, share: float
) -> Floats:
    slates, places = np.nonzero((chosen > 0) & (group >= 0))
    limited = np.where(group >= 0, 0.0, chosen)
    order = np.lexsort((-predicted[slates, places], group[slates, places], fold[slates]))
    slates, places = slates[order], places[order]
    amount = chosen[slates, places]
    cell = np.column_stack([fold[slates], group[slates, places]])
    new = np.r_[True, (cell[1:] != cell[:-1]).any(axis=1)][: len(amount)]
    before = np.cumsum(amount) - amount
    first = np.maximum.accumulate(np.where(new, np.arange(len(amount)), 0))
    quota = share * np.bincount(fold)[fold[slates]]
    limited[slates, places] = np.clip(quota - (before - before[first]), 0, amount)
    return limited


def rule_descriptions(
    data: CandidateData, limits: Limits, *, group: str, outcome: Outcome = CLICKS
) -> dict[str, str]:
    """Describe in words what each rule does once it has learned on all slates."""
    everything = np.ones(len(data.fold), dtype=bool)
    slot = best_slot(data, everything, limits.cost)
    above = f"if that is above {limits.cost:g} {outcome.unit}"
    descriptions = {
        NONE: "promote nothing",
        AT_RANDOM: "promote in every slate a candidate that is drawn as in the experiment",
        BEST: f"promote the candidate with the largest predicted effect, {above}",
        MOST_RELEVANT: f"of the {limits.top_k} most relevant candidates, promote the one with the "
        f"largest predicted effect, {above}",
        SLOT: f"promote the item at position {slot}" if slot else "promote nothing: no slot gains",
        OWN: "promote the item that the log names",
    }
    for name, depth in TREES.items() if data.features else ():
        tree = best_tree(*tree_inputs(data, everything, limits.cost), depth)
        words = in_words(tree, list(data.features))
        descriptions[name] = (
            f"candidates: {words}; of several, the one with the largest predicted effect"
        )
    most = "; ".join(_limits_in_words(limits, group))
    if most:
        descriptions = {
            name: text if name == NONE else f"{text}; {most}" for name, text in descriptions.items()
        }
    return descriptions


def _limits_in_words(limits: Limits, group: str) -> Iterator[str]:
    kept = "those with the largest predicted effects"
    if limits.max_group_share < 1:
        share = 100 * limits.max_group_share
        yield f"items of the same {group} in at most {share:g}% of slates, {kept}"
    if limits.max_share < 1:
        yield f"at most {100 * limits.max_share:g}% of slates, {kept}"
