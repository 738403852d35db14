"""Policies: which slates to promote, what that is worth, and when to promote nothing.

A rule's value is the mean of pi (G - cost) over all slates, with pi whether the rule promotes a
slate and G its AIPW score: what the rule gains against promoting nothing. Rules are fitted on other
folds than the slates that they are valued on, so that no rule is judged by the noise that it was
chosen for (Athey and Wager 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.aipw import MeanScore
from netlift.design import Design
from netlift.inference import CONFIDENCE, ROUNDING, quantile_t
from netlift.streams import generator

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

PER_1000_ELIGIBLE = "clicks per 1,000 eligible slates"

NONE, ALL = "promote none", "promote all"
PROMOTE, PROMOTE_NOTHING = "promote", "promote nothing"

_CUTS = 32
"""Cut points of a feature that a tree may use: its quantiles."""

_GATE_DRAWS = 100_000


@dataclass(frozen=True)
class Tree:
    """A rule that asks one question, and perhaps one more on either side.

    Attributes
    ----------
    feature, cut
        Slates with features[:, feature] <= cut go left.
    left, right
        Whether to promote, or another question.
    """

    feature: int
    cut: float
    left: bool | Tree
    right: bool | Tree

    def promotes(self, features: Floats) -> Booleans:
        """Say which slates are promoted; features of shape (N, k), result (N,)."""
        goes_left = features[:, self.feature] <= self.cut
        sides = [
            np.full(len(features), side) if isinstance(side, bool) else side.promotes(features)
            for side in (self.left, self.right)
        ]
        return np.where(goes_left, *sides)


def best_tree(features: Floats, gains: Floats, depth: int) -> Tree | bool:
    """Find the tree of depth 1 or 2 whose promoted slates gain most, by exact search.

    All trees are looked at whose cuts are among 32 quantiles of each feature: sums of gains over
    pairs of binned features give every tree's value without visiting slates again.

    Parameters
    ----------
    features
        Shape (N, k).
    gains
        What promoting each slate is worth, shape (N,).
    depth
        1 or 2.

    Returns
    -------
    The tree; or whether to promote all slates, where no question is better than that.
    """
    cuts = [_cut_points(column) for column in features.T]
    bins = [
        np.searchsorted(points, column) for points, column in zip(cuts, features.T, strict=True)
    ]
    best_value, best = max(gains.sum(), 0.0), bool(gains.sum() > 0)
    found: Tree | bool = best
    sizes = [len(points) + 1 for points in cuts]
    for first, points in enumerate(cuts):
        if not len(points):
            continue
        if depth == 1:
            sums = np.cumsum(np.bincount(bins[first], gains, sizes[first]))
            left, right = sums[:-1], sums[-1] - sums[:-1]
            value = np.maximum(left, 0) + np.maximum(right, 0)
            place = int(np.argmax(value))
            if value[place] > best_value + ROUNDING:
                best_value = float(value[place])
                found = Tree(
                    first, float(points[place]), bool(left[place] > 0), bool(right[place] > 0)
                )
            continue
        value, children = _best_children(bins, gains, sizes, first)
        place = int(np.argmax(value))
        if value[place] > best_value + ROUNDING:
            best_value = float(value[place])
            left_child, right_child = (
                _child(cuts, side[0][place], side[1][place], side[2][place], side[3][place])
                for side in children
            )
            found = Tree(first, float(points[place]), left_child, right_child)
    return found


def _cut_points(column: Floats) -> Floats:
    points = np.unique(np.quantile(column, np.arange(1, _CUTS + 1) / (_CUTS + 1), method="lower"))
    return np.asarray(points[points < column.max()])


def _best_children(
    bins: list[Integers], gains: Floats, sizes: list[int], first: int
) -> tuple[Floats, list[list[NDArray[Any]]]]:
    """Return the best value for each cut of the first question, and each side's best question."""
    n_cuts = sizes[first] - 1
    sides = [
        [
            np.full(n_cuts, -np.inf),
            np.zeros(n_cuts, int),
            np.zeros(n_cuts, int),
            np.zeros((n_cuts, 2)),
        ]
        for _ in range(2)
    ]
    for second, size in enumerate(sizes):
        both = np.bincount(bins[first] * size + bins[second], gains, sizes[first] * size)
        by_first = np.cumsum(both.reshape(sizes[first], size), axis=0)
        for side, sums in zip(sides, (by_first[:-1], by_first[-1] - by_first[:-1]), strict=True):
            left = np.cumsum(sums, axis=1)
            # The last place is no question at all: all of the side on the left.
            right = left[:, -1:] - left
            value = np.maximum(left, 0) + np.maximum(right, 0)
            place = value.argmax(axis=1)
            row = np.arange(n_cuts)
            better = value[row, place] > side[0] + ROUNDING
            side[0] = np.where(better, value[row, place], side[0])
            side[1] = np.where(better, second, side[1])
            side[2] = np.where(better, place, side[2])
            signs = np.column_stack([left[row, place] > 0, right[row, place] > 0])
            side[3] = np.where(better[:, None], signs, side[3])
    return sides[0][0] + sides[1][0], [[*side[1:], side[0]] for side in sides]


def _child(
    cuts: list[Floats], feature: int, place: int, signs: Floats, value: float
) -> Tree | bool:
    left, right = (bool(sign) for sign in signs)
    if value <= 0:
        return False
    if place >= len(cuts[feature]):
        return left
    return left if left == right else Tree(int(feature), float(cuts[feature][place]), left, right)


def tree_rule(
    features: Floats, scores: Floats, fold: Integers, *, depth: int, cost: float
) -> Booleans:
    """Say which slates are promoted by a tree learned on the other folds, shape (N,)."""
    chosen = np.zeros(len(scores), dtype=bool)
    for number in range(int(fold.max()) + 1):
        test = fold == number
        tree = best_tree(features[~test], scores[~test] - cost, depth)
        chosen[test] = tree if isinstance(tree, bool) else tree.promotes(features[test])
    return chosen


def top_share(predicted: Floats, fold: Integers, share: float) -> Booleans:
    """Say which slates are in the top share of their fold by predicted effect, shape (N,)."""
    chosen = np.zeros(len(predicted), dtype=bool)
    for number in range(int(fold.max()) + 1):
        own = np.flatnonzero(fold == number)
        order = own[np.argsort(-predicted[own], kind="stable")]
        chosen[order[: round(share * len(own))]] = True
    return chosen


def rules(
    predicted: Floats,
    features: Floats,
    scores: Floats,
    fold: Integers,
    *,
    cost: float,
    max_share: float,
) -> dict[str, Booleans]:
    """Apply every rule to every slate, by models and trees of the other folds.

    Parameters
    ----------
    predicted
        Predicted effects, out of fold, shape (N,).
    features
        Pre-treatment features of slates, shape (N, k).
    scores
        AIPW scores of the total effect, shape (N,).
    fold
        Shape (N,).
    cost
        Of a promotion, in clicks.
    max_share
        Most slates that may be promoted, as a share; of more, those with the largest predicted
        effects are kept.
    """
    everything = np.ones(len(scores), dtype=bool)
    found = {
        ALL: everything,
        "top 50% by predicted effect": top_share(predicted, fold, 0.5),
        "top 25% by predicted effect": top_share(predicted, fold, 0.25),
        "predicted to gain": predicted > cost,
        "tree of one question": tree_rule(features, scores, fold, depth=1, cost=cost),
        "tree of three questions": tree_rule(features, scores, fold, depth=2, cost=cost),
    }
    return {name: _capped(chosen, predicted, fold, max_share) for name, chosen in found.items()}


def _capped(chosen: Booleans, predicted: Floats, fold: Integers, max_share: float) -> Booleans:
    if max_share >= 1:
        return chosen
    return chosen & top_share(np.where(chosen, predicted, -np.inf), fold, max_share)


def policy_values(
    chosen: Mapping[str, Booleans],
    scores: Floats,
    design: Design,
    *,
    cost: float,
    max_share: float,
    seed: int,
    known: Floats | None = None,
) -> pd.DataFrame:
    """Value rules against promoting nothing, with bounds that hold for all of them at once.

    Parameters
    ----------
    chosen
        Which slates each rule promotes, shape (N,) each.
    scores
        AIPW scores of the total effect, shape (N,).
    design
        The assignment, for errors by randomized unit.
    cost
        Of a promotion, in clicks.
    max_share
        Most slates that may be promoted, as a share.
    seed
        Study seed, for the simultaneous bounds.
    known
        Known total effects, shape (N,).

    Returns
    -------
    One row per rule, promoting none among them: share promoted; value per 1,000 eligible slates
    with its error and 95% interval; ``lower_bound`` and ``upper_bound``, one-sided at 95%, which
    hold for all rules at once (maximum of correlated normals); the value per 1,000 promoted
    slates; with a truth the known value, that of the best possible rule (the oracle, under the
    same cost and cap) and the regret.
    """
    names = list(chosen)
    gains = np.column_stack([chosen[name] * (scores - cost) for name in names])
    mean = MeanScore.of(gains, design)
    critical = simultaneous_quantile(mean.covariance, mean.df, seed)
    oracle = None if known is None else _oracle(known - cost, max_share)
    table = [_none(oracle)]
    for place, name in enumerate(names):
        estimate = mean.combination(np.eye(len(names))[place]).scaled(1000)
        share = float(chosen[name].mean())
        lower, upper = estimate.interval
        row: dict[str, object] = {
            "rule": name,
            "share_promoted": share,
            "unit": PER_1000_ELIGIBLE,
            "value": estimate.value,
            "se": estimate.se,
            "ci_95_lower": lower,
            "ci_95_upper": upper,
            "lower_bound": estimate.value - critical * estimate.se,
            "upper_bound": estimate.value + critical * estimate.se,
            "value_per_1000_promoted": estimate.value / share if share > 0 else None,
        }
        if known is not None and oracle is not None:
            worth = 1000 * float((chosen[name] * (known - cost)).mean())
            row |= {"known_value": worth, "oracle_value": oracle, "regret": oracle - worth}
        table.append(row)
    return pd.DataFrame(table)


def _none(oracle: float | None) -> dict[str, object]:
    zeros = ("share_promoted", "value", "se", "ci_95_lower", "ci_95_upper")
    row: dict[str, object] = {"rule": NONE, "unit": PER_1000_ELIGIBLE, **dict.fromkeys(zeros, 0.0)}
    row |= {"lower_bound": 0.0, "upper_bound": 0.0, "value_per_1000_promoted": None}
    if oracle is not None:
        row |= {"known_value": 0.0, "oracle_value": oracle, "regret": oracle}
    return row


def _oracle(gains: Floats, max_share: float) -> float:
    """Return the most that a rule can gain per 1,000 eligible slates, under the cap."""
    best = np.sort(np.maximum(gains, 0))[::-1]
    return 1000 * float(best[: round(max_share * len(best))].sum()) / len(best)


def simultaneous_quantile(covariance: Floats, df: float, seed: int) -> float:
    """Return how many errors a one-sided 95% bound lies off, to hold for all at once.

    The 95% quantile of the largest of correlated t variables, by simulation.
    """
    sd = np.sqrt(np.diag(covariance))
    varying = sd > ROUNDING
    if not varying.any():
        return quantile_t(CONFIDENCE, df)
    correlation = covariance[np.ix_(varying, varying)] / np.outer(sd[varying], sd[varying])
    values, vectors = np.linalg.eigh(correlation)
    rng = generator(seed, "policy_gate")
    normal = rng.standard_normal((_GATE_DRAWS, len(values)))
    drawn = (normal * np.sqrt(np.maximum(values, 0))) @ vectors.T
    drawn /= np.sqrt(rng.chisquare(df, (_GATE_DRAWS, 1)) / df)
    return float(np.quantile(drawn.max(axis=1), CONFIDENCE))


def verdict(policies: pd.DataFrame) -> dict[str, Any]:
    """Recommend a rule, or promoting nothing, by the simultaneous lower bounds.

    Of the rules whose lower bound is above zero, the one of the largest value is recommended.

    Parameters
    ----------
    policies
        From ``policy_values``.

    Returns
    -------
    Plain values: ``verdict`` (promote, or promote nothing), ``rule``, the numbers behind it, the
    largest gain that the data do not rule out, and a ``statement``.
    """
    compared = policies[policies["rule"] != NONE]
    gaining = compared[compared["lower_bound"] > ROUNDING]
    shipped = len(gaining) > 0
    best = compared.iloc[int(compared["lower_bound"].argmax())]
    if shipped:
        best = gaining.iloc[int(gaining["value"].argmax())]
    hope = compared.iloc[int(compared["upper_bound"].argmax())]
    largest = max(float(hope["upper_bound"]), 0.0)
    if shipped:
        said = (
            f"Promote by the rule '{best['rule']}': it gains {best['value']:+,.1f} "
            f"{PER_1000_ELIGIBLE}, at least {best['lower_bound']:+,.1f} at 95% confidence over all "
            f"{len(compared)} rules compared. It promotes {100 * best['share_promoted']:.0f}% of "
            "slates."
        )
    else:
        said = (
            f"Promote nothing: none of the {len(compared)} rules compared is shown to gain (best "
            f"lower bound {best['lower_bound']:+,.1f} {PER_1000_ELIGIBLE}, '{best['rule']}'). "
            f"A gain above {largest:+,.1f} is ruled out."
        )
    row = best if shipped else policies[policies["rule"] == NONE].iloc[0]
    found = {
        "verdict": PROMOTE if shipped else PROMOTE_NOTHING,
        "rule": str(row["rule"]),
        "statement": said,
        "unit": PER_1000_ELIGIBLE,
        "value": float(row["value"]),
        "lower_bound": float(row["lower_bound"]),
        "share_promoted": float(row["share_promoted"]),
        "best_lower_bound": float(compared["lower_bound"].max()),
        "largest_gain_not_ruled_out": largest,
        "confidence": CONFIDENCE,
        "rules_compared": len(compared),
    }
    if "known_value" in policies:
        found |= {name: float(row[name]) for name in ("known_value", "oracle_value", "regret")}
    return found
