"""Differences of row means between arms, with clustered errors (CR2), of experiments or a batch.

A difference of row means is a fit on two dummies, so the matrices of ``cluster_robust`` are
diagonal: for cluster g, the leverage in arm a is its share of the arm's rows, k = n_ga / n_a. Hence
CR2 and Satterthwaite's degrees of freedom in closed form, also where a cluster has rows in both
arms, and rows of one slate can be summed first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.core.arrays import Booleans, Floats, Integers, sum_groups
from netlift.inference.estimate import MIN_PER_ARM, Estimates


@dataclass(frozen=True)
class _Arm:
    """One arm: mean and rows of shape (..., 1), and by cluster, with e the sum of its residuals.

    ``influence`` is (1 - k)^(-1/2) e / n, ``reached`` (1 - k)^(-1/2) k / n^(1/2) and ``norm``
    k / (1 - k) / n.
    """

    mean: Floats
    rows: Floats
    few: Booleans
    influence: Floats
    reached: Floats
    norm: Floats

    @classmethod
    def from_rows(cls, arm: Booleans, outcome: Floats, rows: Floats, cluster: Integers) -> _Arm:
        members, residual = sum_groups(arm * rows, cluster), sum_groups(arm * outcome, cluster)
        n = members.sum(axis=-1)[..., None]
        mean = residual.sum(axis=-1)[..., None] / n
        residual -= mean * members
        root = np.sqrt(1 / n / (n - members))
        reached = members * root
        few = np.count_nonzero(members, axis=-1) < MIN_PER_ARM
        norm = reached * root
        reached /= np.sqrt(n)
        residual *= root
        return cls(mean[..., 0], n[..., 0], few, residual, reached, norm)


def row_difference(
    promoted: Booleans, outcome: Floats, rows: Floats, cluster: Integers
) -> Estimates:
    """Compare the means of rows between arms.

    Parameters
    ----------
    promoted
        Arm of each slate, shape (..., N).
    outcome
        The outcome's sum over each slate's rows, times the slate's weight, shape (..., N).
    rows
        Rows of each slate, times its weight, shape (..., N).
    cluster
        Number of each slate's cluster, shape (N,).

    Returns
    -------
    The difference, shape (..., 1); NaN where an arm has rows of fewer than two clusters.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (
            _Arm.from_rows(arm, outcome, rows, cluster) for arm in (promoted, ~promoted)
        )
        influence, norm = first.influence - second.influence, first.norm + second.norm
        shared = first.reached**2 + second.reached**2
        square = _dot(norm, norm - 2 * shared) + 2 * _dot(first.reached, second.reached) ** 2
        square += _dot(first.reached, first.reached) ** 2
        square += _dot(second.reached, second.reached) ** 2
        numbers = (
            first.mean - second.mean,
            np.sqrt(_dot(influence, influence)),
            (1 / first.rows + 1 / second.rows) ** 2 / square,
        )
    few = first.few | second.few
    return Estimates(*(np.where(few, np.nan, values)[..., None] for values in numbers))


def _dot(first: Floats, second: Floats) -> Floats:
    return np.asarray(np.einsum("...g,...g->...", first, second))
