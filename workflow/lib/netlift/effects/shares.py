"""Shares: what part of the focal gain is taken from which items, with Fieller's sets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from netlift.core.units import RATIO
from netlift.effects.estimators import ESTIMATORS
from netlift.effects.ledger import INDIRECT, TOTAL, estimated, known_effects
from netlift.inference.arms import ratio_of
from netlift.inference.estimate import Ratio

SHARES = (
    ("Taken from the same cluster", (0, -1, 0), (1, 0, 0)),
    ("Taken from other clusters", (0, 0, -1), (1, 0, 0)),
    ("Taken from all competitors", (0, -1, -1), (1, 0, 0)),
    ("Left for the slate", TOTAL, (1, 0, 0)),
    ("Same-cluster part of the spillover", (0, 1, 0), INDIRECT),
)
"""Name, and weights of (focal, same-cluster, other) in the numerator and in the denominator."""

_OF = {(1, 0, 0): "the focal gain", INDIRECT: "the change of all competitors"}


def shares(accounts: pd.DataFrame) -> pd.DataFrame:
    """Estimate what share of the focal gain is taken from others, and what is left.

    Parameters
    ----------
    accounts
        One row per slate.

    Returns
    -------
    One row per estimator and share of the observed clicks, with Fieller's (1954) 95% set:
    ``interval_kind`` is ``interval`` (lower to upper), ``outside`` (everything but lower to
    upper) or ``everything``, and ``interval_said`` says it in words. The first three shares and
    "Left for the slate" are shares of the focal gain: the two of them that take in all
    competitors and what is left add up to 1. ``known_value`` in a simulated world.
    """
    known = known_effects(accounts)
    rows = []
    for estimator in ESTIMATORS:
        arms, note = estimated(accounts, "observed_clicks", estimator)
        for share, numerator, denominator in SHARES:
            row: dict[str, object] = {
                "share": share,
                "of": _OF[denominator],
                "estimator": estimator,
                "unit": RATIO,
                "estimate": None,
                "ci_95_lower": None,
                "ci_95_upper": None,
                "interval_kind": None,
                "interval_said": None,
                "note": note if arms is None else None,
            }
            if arms is not None:
                ratio = ratio_of(arms, numerator, denominator)
                row |= {
                    "estimate": ratio.value,
                    "ci_95_lower": ratio.lower,
                    "ci_95_upper": ratio.upper,
                    "interval_kind": ratio.kind,
                    "interval_said": said(ratio, _OF[denominator]),
                }
            if known is not None:
                bottom = float(np.dot(denominator, known))
                row["known_value"] = float(np.dot(numerator, known)) / bottom if bottom else None
            rows.append(row)
    return pd.DataFrame(rows)


def said(ratio: Ratio, denominator: str) -> str:
    """Say a confidence set in words."""
    if ratio.kind == "interval":
        return f"from {ratio.lower:.3f} to {ratio.upper:.3f}"
    zero = f"{denominator} may be zero"
    if ratio.kind == "outside":
        return f"unbounded: below {ratio.lower:.3f} or above {ratio.upper:.3f}, since {zero}"
    return f"unbounded: any number, since {zero}"
