"""What an interval is about: these users, or users like these; its columns and words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from netlift.core.arrays import Integers, numbered
from netlift.inference.estimate import Estimate
from netlift.promotion.design import Design

BY_USER = "clustered_by_user"
SAME_ONE_SLATE = "same_one_slate_per_user"
SAME_RANDOMIZED = "same_users_randomized"
CROSSED = "not_estimated_units_and_users_cross"
NOT_ESTIMATED = "not_estimated"

USERS_ERRORS = {
    BY_USER: "clustered by user",
    SAME_ONE_SLATE: "the same: each user has one slate, or the log names no users",
    SAME_RANDOMIZED: "the same: slates of a user were randomized together",
    CROSSED: "not estimated: randomized units contain several users, and users several units",
    NOT_ESTIMATED: "not estimated",
}
"""Codes of how the error for users like these was found (column ``users_errors``), with labels."""

_NAMES = ("se_users", "df_users", "ci_95_lower_users", "ci_95_upper_users")

USERS_COLUMNS = (*_NAMES, "users_errors")
"""Columns of tables with the error for users like these."""


def user_clusters(user_id: pd.Series, design: Design) -> tuple[Integers, str]:
    """Return the number of the user of each slate, shape (N,), and a code of ``USERS_ERRORS``.

    The error for users like these is the one by randomized unit where units are whole users (or
    contain them), or where each user has one slate.
    """
    user = numbered(user_id.to_numpy())
    if design.by_slate:
        several = int(user.max(initial=-1)) + 1 < len(user)
        return user, BY_USER if several else SAME_ONE_SLATE
    if _nested(user, design.unit):
        return user, SAME_RANDOMIZED
    return user, BY_USER if _nested(design.unit, user) else CROSSED


def _nested(inner: Integers, outer: Integers) -> bool:
    """Return whether all slates of each inner group are in one outer group."""
    first = np.zeros(int(inner.max(initial=-1)) + 1, dtype=np.int64)
    first[inner[::-1]] = outer[::-1]
    return bool((outer == first[inner]).all())


def users_columns(estimate: Estimate | None, kind: str) -> dict[str, object]:
    """Return the columns of the error for users like these; missing without an estimate."""
    if estimate is None:
        missing = kind if kind == CROSSED else NOT_ESTIMATED
        return dict.fromkeys(_NAMES) | {"users_errors": missing}
    values = (estimate.se, estimate.df, *estimate.interval)
    return dict(zip(_NAMES, values, strict=True)) | {"users_errors": kind}


def users_sentence(row: Mapping[str, object], form: str = "{:+,.1f}") -> str:
    """Say what the intervals of a row are about: these users, or users like these too.

    Parameters
    ----------
    row
        With the columns of ``users_columns``; "" if it has none of them.
    form
        How its numbers are written.
    """
    kind = row.get("users_errors")
    if kind == SAME_ONE_SLATE:
        return (
            "Each user has one slate, or the log names no users: the interval is also that for "
            "users like these."
        )
    if kind == SAME_RANDOMIZED:
        return "Users were randomized whole: the interval is also that for users like these."
    if kind == BY_USER:
        lower, upper = (float(str(row[name])) for name in _NAMES[2:])
        covers = ", which covers zero" if lower <= 0 <= upper else ""
        return (
            "This interval is for these users, if promotions were drawn again; for users like "
            f"these (clustered by user) it is {form.format(lower)} to {form.format(upper)}{covers}."
        )
    if not isinstance(kind, str):
        return ""
    return "The interval is for these users; none is given for users like these."
