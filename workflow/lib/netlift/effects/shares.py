"""Shares: what part of the focal gain is taken from which items, with Fieller's sets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.units import RATIO
from netlift.effects.codes import DIRECT_LINE, INDIRECT_LINE, TOTAL
from netlift.effects.estimators import ESTIMATORS
from netlift.effects.slate_accounts import SlateAccounts, known_effects
from netlift.inference.arms import ratio_of
from netlift.inference.estimate import Ratio

SHARES = (
    ("taken_from_same_cluster", (0, -1, 0), DIRECT_LINE),
    ("taken_from_other_clusters", (0, 0, -1), DIRECT_LINE),
    ("taken_from_competitors", (0, -1, -1), DIRECT_LINE),
    ("left_for_slate", TOTAL, DIRECT_LINE),
    ("same_cluster_part", (0, 1, 0), INDIRECT_LINE),
)
"""Code, weights of (focal, same-cluster, other) in the numerator, and line of the denominator."""

METRICS = {
    "taken_from_same_cluster": "Taken from the same cluster",
    "taken_from_other_clusters": "Taken from other clusters",
    "taken_from_competitors": "Taken from all competitors",
    "left_for_slate": "Left for the slate",
    "same_cluster_part": "Same-cluster part of the spillover",
}
"""Labels of the shares."""

DENOMINATORS = {"direct": "the focal gain", "indirect": "the change of all competitors"}
"""Labels of the denominators of shares."""


def shares(accounts: SlateAccounts) -> pd.DataFrame:
    """Estimate the share of the focal gain that is taken from others, and the share left.

    Parameters
    ----------
    accounts
        Those of one experiment.

    Returns
    -------
    One row per estimator and share of the observed clicks, with Fieller's (1954) 95% set:
    ``interval_kind`` is ``interval`` (lower to upper), ``outside`` (everything but lower to
    upper) or ``everything``, and ``interval_text`` describes it in words; ``df``, the degrees of
    freedom of its t distribution, are the smaller ones of the numerator's and the denominator's
    effect (Welch 1947). The first three shares and "Left for the slate" are shares of the focal
    gain: the share of all competitors and what is left add up to 1. Simulated worlds also have
    ``known_value``.
    """
    known = known_effects(accounts.table)
    rows = []
    for estimator in ESTIMATORS:
        arms, note = accounts.effects(estimator=estimator)
        for metric, numerator, line in SHARES:
            denominator = line.weights
            row: dict[str, object] = {
                "metric": metric,
                "denominator": line.code,
                "estimator": estimator,
                "unit_code": RATIO,
                "estimate": None,
                "ci_95_lower": None,
                "ci_95_upper": None,
                "df": None,
                "interval_kind": None,
                "interval_text": None,
                "note": note if arms is None else None,
            }
            if arms is not None:
                ratio = ratio_of(arms, numerator, denominator)
                row |= {
                    "estimate": ratio.value,
                    "ci_95_lower": ratio.lower,
                    "ci_95_upper": ratio.upper,
                    "df": ratio.df,
                    "interval_kind": ratio.kind,
                    "interval_text": interval_text(ratio, DENOMINATORS[line.code]),
                }
                if ratio.value is None:
                    row["note"] = f"{DENOMINATORS[line.code]} is 0, and has no shares"
            if known is not None:
                bottom = float(np.dot(denominator, known))
                row["known_value"] = float(np.dot(numerator, known)) / bottom if bottom else None
            rows.append(row)
    table = CLICKS.in_units(pd.DataFrame(rows))
    return with_labels(table, metric=METRICS, denominator=DENOMINATORS)


def interval_text(ratio: Ratio, denominator: str) -> str:
    """Describe a confidence set in words."""
    if ratio.kind == "interval":
        return f"from {ratio.lower:.3f} to {ratio.upper:.3f}"
    zero = f"{denominator} may be zero"
    if ratio.kind == "outside":
        return f"unbounded: below {ratio.lower:.3f} or above {ratio.upper:.3f}, since {zero}"
    return f"unbounded: any number, since {zero}"
