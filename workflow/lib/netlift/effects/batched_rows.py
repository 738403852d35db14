"""Effects on item rows in many experiments at once: ``row_effects`` in array form.

A difference of row means between arms is a fit on two dummies, so the matrices of
``cluster_robust`` are diagonal: of cluster g, the leverage in arm a is its share of the arm's rows,
k = n_ga / n_a. Hence CR2 and Satterthwaite's degrees of freedom in closed form, also where a
cluster has slates in both arms. The values are those of the table form but for rounding, which
tests hold them to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.inference.estimate import MIN_PER_ARM

MEMBERS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=np.float64)
"""Components in each group of rows, in the order of ``row_effects.OBSERVED_EFFECTS``."""


@dataclass(frozen=True)
class RowEffects:
    """Effects per item row in b experiments, by group of rows.

    Attributes
    ----------
    value, se, df
        Shape (b, 4); NaN where an arm has rows of fewer than two clusters.
    """

    value: Floats
    se: Floats
    df: Floats


@dataclass(frozen=True)
class _Arm:
    """One arm's mean, rows, and by cluster the residuals' sums and the shares of the rows."""

    mean: Floats
    rows: Floats
    residual: Floats
    share: Floats


def array_row_effects(
    promoted: Booleans, outcomes: Floats, rows: Floats, cluster: Integers
) -> RowEffects:
    """Estimate effects per item row, with errors clustered (CR2).

    Parameters
    ----------
    promoted
        Shape (b, N).
    outcomes
        Clicks by component, shape (b, 3, N).
    rows
        Item rows by component, shape (3, N).
    cluster
        Number of each slate's cluster, shape (N,).
    """
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(cluster[order]) > 0])
    promoted, outcomes, rows = promoted[:, order], outcomes[:, :, order], rows[:, order]
    groups = []
    for weights in MEMBERS:
        clicks, members = np.tensordot(outcomes, weights, (1, 0)), weights @ rows
        arms = [_arm(arm, clicks, members, starts) for arm in (promoted, ~promoted)]
        groups.append(_difference(*arms))
    return RowEffects(*(np.stack(numbers, axis=1) for numbers in zip(*groups, strict=True)))


def _arm(arm: Booleans, clicks: Floats, rows: Floats, starts: Integers) -> _Arm:
    weight = arm * rows
    own = arm * clicks
    n = weight.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = own.sum(axis=1, keepdims=True) / n
        residual, share = own - mean * weight, weight / n
    if len(starts) < arm.shape[1]:
        residual, share = (np.add.reduceat(part, starts, axis=1) for part in (residual, share))
    return _Arm(mean[:, 0], n, residual, share)


def _difference(treated: _Arm, control: _Arm) -> tuple[Floats, Floats, Floats]:
    """Return value, error and degrees of freedom, each of shape (b,)."""
    arms, sign = (treated, control), np.array([1.0, -1.0])[:, None, None]
    share, rows, residual = (
        np.stack([getattr(arm, name) for arm in arms]) for name in ("share", "rows", "residual")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        # A cluster that is its arm's only one decides the mean and has no residual.
        rest = np.where(share < 1, 1 / (1 - share), 0.0)
        influence = (sign * residual * np.sqrt(rest) / rows).sum(axis=0)
        own = (share * rest / rows).sum(axis=0)
        shared = (share**2 * rest / rows).sum(axis=0)
        reached = (sign * share * np.sqrt(rest / rows)).transpose(1, 0, 2)
        products = reached @ reached.transpose(0, 2, 1)
        square = (own**2 - 2 * own * shared).sum(axis=1) + (products**2).sum(axis=(1, 2))
        df = (own - shared).sum(axis=1) ** 2 / square
    few = (share > 0).sum(axis=2).min(axis=0) < MIN_PER_ARM
    value, se = treated.mean - control.mean, np.sqrt((influence**2).sum(axis=1))
    value, se, df = (np.where(few, np.nan, found) for found in (value, se, df))
    return value, se, df
