"""Outcomes by position: what a log without a randomized promotion can show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from netlift.effects.accounts import item_outcomes
from netlift.inference.estimate import Estimate

UNIT = "outcome per item row"


def outcome_by_position(items: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of each outcome at each position, with errors clustered by user.

    The position is the one at which items were shown (on pages of several blocks: in the block); in
    a log with promotions, only control slates are used. The means are descriptive: items at
    different positions differ.

    Parameters
    ----------
    items
        Item rows.

    Returns
    -------
    One row per outcome, ``block`` (if there are any) and position: ``rows``, ``mean`` (outcome per
    item row), ``se`` and its 95% interval.
    """
    if "promotion_applied" in items:
        items = items[(items["promotion_applied"] == 0) & items["slate_position_seed"].notna()]
    user = pd.factorize(items["user_id"])[0]
    keys = ["block", "slate_position_seed"] if "block" in items else ["slate_position_seed"]
    places = items.groupby(keys, observed=True).indices
    table = []
    for outcome, column in item_outcomes(items).items():
        values = items[column].to_numpy(dtype=np.float64)
        for place in sorted(places, key=_in_order):
            here = places[place]
            *block, number = place if isinstance(place, tuple) else (place,)
            estimate = _mean(values[here], pd.factorize(user[here])[0])
            lower, upper = estimate.interval if estimate.df > 0 else (None, None)
            table.append(
                {
                    "outcome_type": outcome,
                    **dict(zip(keys[:-1], block, strict=True)),
                    "position": int(number),
                    "unit": UNIT,
                    "rows": len(here),
                    "mean": estimate.value,
                    "se": estimate.se if estimate.df > 0 else None,
                    "ci_95_lower": lower,
                    "ci_95_upper": upper,
                }
            )
    return pd.DataFrame(table)


def _in_order(place: Any) -> tuple[float, str, float]:
    """Return the key by which places are sorted: by block, numbers of blocks as numbers."""
    *block, position = place if isinstance(place, tuple) else (place,)
    text = str(block[0]) if block else ""
    return (float(text) if text.isdecimal() else np.inf, text, position)


def _mean(values: np.ndarray, user: np.ndarray) -> Estimate:
    users = int(user.max()) + 1
    sums = np.bincount(user, values - values.mean(), users)
    spread = float((sums**2).sum()) * users / max(users - 1, 1)
    return Estimate(float(values.mean()), float(np.sqrt(spread)) / len(values), users - 1)
