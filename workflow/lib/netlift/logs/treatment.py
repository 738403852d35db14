"""Where the promotion of a log puts each item, in SQL."""

from __future__ import annotations

from netlift.promotion.treatment import Treatment


def promoted_position(treatment: Treatment, focal_position: str) -> str:
    """Return the position of a row if its slate is promoted.

    The same rule as ``netlift.promotion.positions.promoted_positions``.

    Parameters
    ----------
    treatment
        What the promotion does.
    focal_position
        The focal item's position before promotion, in SQL.
    """
    if treatment.to is None:
        return "position"
    to = treatment.to
    return (
        f"CASE WHEN focal THEN {to} "
        f"WHEN position >= {to} AND position < {focal_position} THEN position + 1 "
        f"WHEN position <= {to} AND position > {focal_position} THEN position - 1 "
        "ELSE position END"
    )
