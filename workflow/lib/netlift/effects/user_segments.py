"""Who gains among users: the ledger by quarters of what is known about users."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from netlift.core.arrays import Floats, numbered
from netlift.core.errors import NetliftError
from netlift.core.outcome import CLICKS, Outcome
from netlift.effects.accounts import SLATE_PREFIX
from netlift.effects.segments import Segmentation, effects_by_segment
from netlift.inference.holm import holm
from netlift.promotion.design import Design

KNOWN_OF_USERS = {
    "user_activity": "user activity",
    "user_liked_rate": "liked rate of the user",
}
"""Covariates of users that the analysis knows by name, and their labels."""


QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")
"""Names of the groups of slates, by the covariate of their user."""


_LINES_BEFORE = 100
"""More than ``segments`` has lines: draws of the bootstrap are not those of other segments."""


def user_segments(
    accounts: pd.DataFrame,
    *,
    min_slates: int,
    seed: int = 0,
    bootstrap_draws: int = 999,
    outcome: Outcome = CLICKS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimate the ledger by quarters of slates, in the order of each covariate of their users.

    Covariates of users are ``user_activity`` and ``user_liked_rate``, and every other covariate of
    slates that is the same in all slates of each user. Slates with equal values are in one group;
    a covariate with at most four values has a group for each.

    Parameters
    ----------
    accounts, min_slates, seed, bootstrap_draws, outcome
        As in ``segments``.

    Returns
    -------
    Segments and heterogeneity as of ``segments``. Segments also have ``lowest`` and ``highest``,
    the range of the covariate, and the number of ``users``; simultaneous intervals hold for all
    groups of all covariates at once, in each line of the ledger. ``p_value_adjusted`` is Holm's,
    for all covariates and lines.

    Raises
    ------
    NetliftError
        Nothing is known about users.
    """
    kinds = list(_segmentations(accounts))
    if all(kind.why_not for kind in kinds):
        raise NetliftError(
            "; ".join(f"{kind.label}: {kind.why_not}" for kind in kinds)
            or "nothing is known about users: no covariate is the same in all slates of a user"
        )
    table, heterogeneity = effects_by_segment(
        accounts,
        kinds,
        min_slates=min_slates,
        seed=seed,
        bootstrap_draws=bootstrap_draws,
        outcome=outcome,
        lines_before=_LINES_BEFORE,
        at_once=sum(not kind.why_not for kind in kinds),
    )
    adjusted = holm(heterogeneity["p_value"].to_numpy(dtype=np.float64))
    after = list(heterogeneity).index("p_value") + 1
    heterogeneity.insert(after, "p_value_adjusted", adjusted)
    return table, heterogeneity


def _segmentations(accounts: pd.DataFrame) -> Iterator[Segmentation]:
    """Yield the groups of slates by each covariate of users."""
    by_slate = Design.from_table(accounts).by_slate
    for column in accounts:
        name = str(column)
        if name not in KNOWN_OF_USERS and not name.startswith(SLATE_PREFIX):
            continue
        values = accounts[name].to_numpy(dtype=np.float64)
        of_user = _same_in_all_slates(values, accounts)
        if name not in KNOWN_OF_USERS and not of_user:
            continue
        label = KNOWN_OF_USERS.get(name, name.removeprefix(SLATE_PREFIX).replace("_", " "))
        why_not = _why_not(values, of_user=of_user, by_slate=by_slate)
        groups = np.full(len(values), "", dtype=object) if why_not else _groups(values)
        segment_of = pd.Series(groups, dtype=object)
        order = list(pd.Series(groups)[np.argsort(values, kind="stable")].drop_duplicates())
        about = {} if why_not else _about(values, segment_of, accounts)
        yield Segmentation(name, segment_of, order, why_not, label, about)


def _same_in_all_slates(values: Floats, accounts: pd.DataFrame) -> bool:
    user = numbered(accounts["user_id"].to_numpy())
    first = np.zeros(int(user.max(initial=-1)) + 1)
    first[user[::-1]] = values[::-1]
    return bool(((values == first[user]) | ~np.isfinite(values)).all())


def _why_not(values: Floats, *, of_user: bool, by_slate: bool) -> str | None:
    """Return why slates are not divided by a covariate, if so."""
    missing = int((~np.isfinite(values)).sum())
    if missing:
        return f"missing in {missing:,} of {len(values):,} slates"
    if not of_user and not by_slate:
        return (
            "it differs between slates of a user, and users were randomized, so that earlier "
            "promotions may have changed it; log it as it was before the first slate"
        )
    return "the same in all slates" if np.ptp(values) == 0 else None


def _groups(values: Floats) -> np.ndarray:
    """Return each slate's group: its value if there are at most four, else its quarter."""
    distinct, number = np.unique(values, return_inverse=True)
    if len(distinct) <= len(QUARTERS):
        return np.array([f"{value:g}" for value in distinct], dtype=object)[number]
    edges = np.quantile(values, [1 / 4, 2 / 4, 3 / 4])
    # A quarter includes its upper edge: with many equal values one may be empty.
    return np.array(QUARTERS, dtype=object)[np.searchsorted(edges, values, side="left")]


def _about(
    values: Floats, segment_of: pd.Series, accounts: pd.DataFrame
) -> dict[str, dict[str, object]]:
    """Return the range of the covariate and the number of users of each group."""
    table = pd.DataFrame({"value": values, "user": accounts["user_id"].to_numpy()})
    return {
        str(name): {
            "lowest": float(part["value"].min()),
            "highest": float(part["value"].max()),
            "users": int(part["user"].nunique()),
        }
        for name, part in table.groupby(segment_of.to_numpy())
    }
