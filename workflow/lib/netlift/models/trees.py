"""Rules in the form of small trees, from an exact search (as in Athey and Wager 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlift.core.arrays import ROUNDING, Booleans, Floats, Integers

_CUTS = 32
"""Cut points of a feature that a tree may use: its quantiles."""


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
        """Return which slates are promoted; features of shape (N, k), result (N,)."""
        goes_left = features[:, self.feature] <= self.cut
        sides = [
            np.full(len(features), side) if isinstance(side, bool) else side.promotes(features)
            for side in (self.left, self.right)
        ]
        return np.where(goes_left, *sides)


def best_tree(features: Floats, gains: Floats, depth: int) -> Tree | bool:
    """Find the tree of depth 1 or 2 whose promoted slates gain most, by exact search.

    All trees whose cuts are among 32 quantiles of each feature are compared: sums of gains over
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
    sizes = [len(points) + 1 for points in cuts]
    best: Tree | bool = bool(gains.sum() > 0)
    best_value = max(float(gains.sum()), 0.0)
    # The shallow trees first: a question that gains nothing is not asked.
    for search in (_one_question, _three_questions)[:depth]:
        for first in (index for index, points in enumerate(cuts) if len(points)):
            value, tree = search(cuts, bins, gains, sizes, first)
            if value > best_value + ROUNDING:
                best_value, best = value, tree
    return best


def _one_question(
    cuts: list[Floats], bins: list[Integers], gains: Floats, sizes: list[int], first: int
) -> tuple[float, Tree]:
    """Return the best value of a tree that splits on one feature only, and the tree."""
    sums = np.cumsum(np.bincount(bins[first], gains, sizes[first]))
    left, right = sums[:-1], sums[-1] - sums[:-1]
    value = np.maximum(left, 0) + np.maximum(right, 0)
    index = int(np.argmax(value))
    tree = Tree(first, float(cuts[first][index]), bool(left[index] > 0), bool(right[index] > 0))
    return float(value[index]), tree


def _three_questions(
    cuts: list[Floats], bins: list[Integers], gains: Floats, sizes: list[int], first: int
) -> tuple[float, Tree]:
    """Return the best value of a tree that splits on one feature first, and the tree."""
    value, children = _best_children(bins, gains, sizes, first)
    index = int(np.argmax(value))
    left, right = (_child(cuts, *(part[index] for part in side)) for side in children)
    return float(value[index]), Tree(first, float(cuts[first][index]), left, right)


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
            # The last cut is no question at all: the whole side is on the left.
            right = left[:, -1:] - left
            value = np.maximum(left, 0) + np.maximum(right, 0)
            cut = value.argmax(axis=1)
            row = np.arange(n_cuts)
            better = value[row, cut] > side[0] + ROUNDING
            side[0] = np.where(better, value[row, cut], side[0])
            side[1] = np.where(better, second, side[1])
            side[2] = np.where(better, cut, side[2])
            signs = np.column_stack([left[row, cut] > 0, right[row, cut] > 0])
            side[3] = np.where(better[:, None], signs, side[3])
    return sides[0][0] + sides[1][0], [[*side[1:], side[0]] for side in sides]


def _child(cuts: list[Floats], feature: int, cut: int, signs: Floats, value: float) -> Tree | bool:
    left, right = (bool(sign) for sign in signs)
    if value <= 0:
        return False
    if cut >= len(cuts[feature]):
        return left
    return left if left == right else Tree(int(feature), float(cuts[feature][cut]), left, right)


def in_words(tree: Tree | bool, names: Sequence[str]) -> str:
    """Describe in words what a tree does, given the names of the features."""
    if isinstance(tree, bool):
        return "promote" if tree else "do not promote"
    sides = []
    for side in (tree.left, tree.right):
        text = in_words(side, names)
        sides.append(text if isinstance(side, bool) else f"({text})")
    return f"where {names[tree.feature]} is at most {tree.cut:.4g}, {sides[0]}; else {sides[1]}"
