"""The effects of delivered promotions in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from netlift.core.formatting import count
from netlift.effects.accounts import DELIVERED
from netlift.effects.claims import claim_sentence
from netlift.effects.codes import FIRST_STAGE, MAIN_OUTCOME, OF_DELIVERED, TOTAL_LINE
from netlift.effects.delivered import WEAK_F
from netlift.report.columns import plain
from netlift.report.gathering import records

_FULL = (
    "Every promotion was delivered as it was drawn, so the effect of delivered promotions is the "
    "effect of the draw."
)
_ABOUT = (
    "The arm is what was drawn, and the effect of the draw is the main result of this page. The "
    "effect of delivered promotions is about the slates in which the draw decided whether a "
    "promotion was delivered, {share}; it says nothing about the others. It assumes that "
    "the draw changes a slate only through the delivery, and that it prevents no delivery. It is "
    "the effect of the draw divided by that share, for every part alike: parts still add up."
)

_INTERVALS = (
    "Sets for these users are for promotions drawn again; those for users like these are clustered "
    "by user, with users as a sample."
)


def delivery_sentences(table: pd.DataFrame, accounts: pd.DataFrame | None) -> list[str]:
    """Say how many promotions were delivered, and whom the effect of delivered ones is about.

    Parameters
    ----------
    table
        ``delivered_effects.csv``.
    accounts
        One row per slate; None where they are not available.
    """
    main = table[table["is_main"].astype(bool)]
    (first,) = records(main[main["measure"] == FIRST_STAGE])
    counts = [] if accounts is None else [_counts(accounts)]
    if first["estimate"] == 1 and first["se"] == 0:
        return [*counts, _FULL]
    rows = main[(main["measure"] == OF_DELIVERED) & (main["outcome_type"] == MAIN_OUTCOME)]
    (total,) = records(rows[rows["line"] == TOTAL_LINE.code])
    about = _ABOUT.format(share=_share(first))
    return [*counts, about, _INTERVALS, *_weak(first, total), *_claim(total)]


def _share(first: dict[str, Any]) -> str:
    """Describe the share of slates whose delivery the draw decided."""
    names = ("estimate", "ci_95_lower", "ci_95_upper")
    value, lower, upper = (f"{plain(100 * first[name], 1)}%" for name in names)
    interval = f"95% interval {lower} to {upper}"
    if first["estimate"] > 0:
        return f"an estimated {value} of all ({interval})"
    return f"of which these data show none (estimated share {value}, {interval})"


def _counts(accounts: pd.DataFrame) -> str:
    promoted = accounts["promotion_applied"] == 1
    delivered = accounts[DELIVERED] == 1
    of_promoted, of_control = int((promoted & delivered).sum()), int((~promoted & delivered).sum())
    sentence = (
        f"A promotion was delivered in {count(of_promoted)} of {count(int(promoted.sum()))} "
        f"promoted slates and in {count(of_control)} of {count(int((~promoted).sum()))} control "
        "slates."
    )
    if of_control:
        sentence += " Slates that get one whatever is drawn are not among those of its effect."
    return sentence


def _weak(first: dict[str, Any], total: dict[str, Any]) -> Iterator[str]:
    """Yield the warning about a weak first stage, and what it leaves of the total."""
    if not first["is_weak"]:
        return
    f = first["f_statistic"]
    size = "" if f is None else f" (F = {plain(f, 1)})"
    bounded = (
        "" if total["interval_kind"] == "interval" else " The data do not bound the total effect."
    )
    yield (
        f"The draw hardly changed deliveries{size}: an increase with F of at least {WEAK_F:.0f} is "
        "needed for the estimates and their standard errors to mean much (Staiger and Stock 1997). "
        f"The 95% sets do not depend on it (Anderson and Rubin 1949).{bounded}"
    )


def _claim(total: dict[str, Any]) -> Iterator[str]:
    """Yield why the interval of the total is not promised to hold, if it is not."""
    claim = claim_sentence(total)
    if claim:
        yield f"The total effect of delivered promotions: {claim[0].lower()}{claim[1:]}"
