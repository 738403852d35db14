"""Features that cannot have been known before promotion are rejected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING, Floats
from netlift.core.errors import NetliftError
from netlift.effects.estimators import difference
from netlift.promotion.design import Design

ALARM = 1e-6
"""False alarms over all features of an experiment in which promotion was randomized."""


ALMOST_THE_OUTCOME = 0.9
"""Squared correlation with a slate's clicks from which a feature counts as the outcome itself."""


ALMOST_THE_CLICK = 0.99
"""Area under the ROC curve for single clicks from which a feature counts as the outcome itself."""


OF_THE_SHAPE = (
    "focal_seed_position",
    "n_items",
    "n_same_cluster",
    "n_displaced",
    "n_same_cluster_displaced",
)
"""Features computed from no column that could leak; long slates may well have many clicks."""


_ENOUGH = 30
"""Units in an arm, slates of other than the most common number of clicks, or clicks, below which a
feature may differ between arms, or be like the outcome, by chance."""


def refuse_leaks(
    slates: pd.DataFrame,
    rows: Mapping[str, Floats],
    *,
    total: Floats,
    click: Floats,
    design: Design,
) -> None:
    """Reject features that promotion changed, or that are nearly the outcome itself.

    What was known before a promotion that was randomized differs between arms by chance alone, and
    does not predict clicks without error. In a few slates it may, so these are not checked.

    Parameters
    ----------
    slates
        Features of slates, one row each (N).
    rows
        Features of item rows by name, shape (R,) each.
    total
        Observed clicks of slates, shape (N,).
    click
        Observed clicks of rows, shape (R,).
    design
        The assignment.

    Raises
    ------
    NetliftError
        Some features were not known before promotion; it says which, and why.
    """
    problems = [
        *_moved(slates, design),
        *_same_as_total(slates, total),
        *_same_as_click(rows, click),
    ]
    if problems:
        raise NetliftError(
            f"features that were not known before promotion: {'; '.join(problems)}. Models and "
            "rules that use them would promise gains that cannot be had. Remove these columns, "
            "or give their values from before the slate was shown."
        )


def _moved(slates: pd.DataFrame, design: Design) -> Iterator[str]:
    from scipy.special import stdtr

    if min(design.units_per_arm()) < _ENOUGH:
        return
    values = slates.to_numpy(dtype=np.float64)
    spread = values.std(axis=0)
    arms = difference(design, (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
    for index, name in enumerate(slates):
        estimate = arms.combination(np.eye(len(spread))[index])
        if abs(estimate.value) <= ROUNDING or estimate.se == 0:
            continue
        p = 2 * float(stdtr(estimate.df, -abs(estimate.value) / estimate.se))
        if p < ALARM / len(spread):
            yield (
                f"{name} differs between promoted and control slates by {estimate.value:+.2f} "
                f"standard deviations (p = {p:.1g})"
            )


def _same_as_total(slates: pd.DataFrame, total: Floats) -> Iterator[str]:
    most_common = np.unique(total, return_counts=True)[1].max()
    if len(total) - most_common < _ENOUGH:
        return
    for name in slates.columns.difference(list(OF_THE_SHAPE), sort=False):
        values = slates[name].to_numpy(dtype=np.float64)
        if values.std() <= ROUNDING:
            continue
        square = float(np.corrcoef(values, total)[0, 1]) ** 2
        if square >= ALMOST_THE_OUTCOME:
            yield f"{name} explains {100 * square:.0f}% of the variance of the slates' clicks"


def _same_as_click(rows: Mapping[str, Floats], click: Floats) -> Iterator[str]:
    from scipy.stats import rankdata

    clicked = click > 0
    n_clicked, n_other = int(clicked.sum()), int((~clicked).sum())
    if min(n_clicked, n_other) < _ENOUGH:
        return
    for name, values in rows.items():
        ranks = float(rankdata(values)[clicked].sum()) - n_clicked * (n_clicked + 1) / 2
        area = ranks / (n_clicked * n_other)
        if max(area, 1 - area) >= ALMOST_THE_CLICK:
            yield f"{name} separates clicks from the rest (area under the ROC curve {area:.3f})"
