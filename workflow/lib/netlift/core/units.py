"""Units of the numbers in tables: a code for each, and its text for clicks.

Programs select by the code (column ``unit_code``); ``netlift.core.outcome`` writes the text for any
outcome (column ``unit``).
"""

from __future__ import annotations

PER_ROW = "per_row"
PER_SLATE = "per_slate"
PER_SLATE_SQUARED = "per_slate_squared"
PER_POSITION = "per_row_and_position"
PER_SLATE_POSITION = "per_slate_and_position"
PER_1000 = "per_1000_promoted"
PER_1000_CONTROL = "per_1000_control"
PER_1000_ELIGIBLE = "per_1000_eligible"
PER_1000_DELIVERED = "per_1000_delivered"
RATIO = "ratio"
SHARE_OF_SLATES = "share_of_slates"
SHARE_OF_USERS = "share_of_users"
SHARE_OF_UNITS = "share_of_units"
SHARE_OF_SPLITS = "share_of_splits"
EFFECTIVE_SLATES = "effective_slates"
EFFECTIVE_USERS = "effective_users"
EFFECTIVE_UNITS = "effective_units"
POSITIONS = "positions"
STANDARD_DEVIATIONS = "standard_deviations"
SQUARED_DISTANCE = "squared_distance"

WORDS = {
    PER_ROW: "clicks per item row",
    PER_SLATE: "clicks per slate",
    PER_SLATE_SQUARED: "(clicks per slate) squared",
    PER_POSITION: "clicks per item row and position",
    PER_SLATE_POSITION: "clicks per slate and position",
    PER_1000: "clicks per 1,000 promoted slates",
    PER_1000_CONTROL: "clicks per 1,000 control slates",
    PER_1000_ELIGIBLE: "clicks per 1,000 eligible slates",
    PER_1000_DELIVERED: "clicks per 1,000 delivered promotions",
    RATIO: "ratio, without unit",
    SHARE_OF_SLATES: "share of slates",
    SHARE_OF_USERS: "share of users",
    SHARE_OF_UNITS: "share of units",
    SHARE_OF_SPLITS: "share of random splits",
    EFFECTIVE_SLATES: "effective slates",
    EFFECTIVE_USERS: "effective users",
    EFFECTIVE_UNITS: "effective units",
    POSITIONS: "positions",
    STANDARD_DEVIATIONS: "standard deviations",
    SQUARED_DISTANCE: "Mahalanobis distance, squared",
}
"""Text by code, for clicks."""


def counted_by(unit_code: str) -> str:
    """Return the denominator of a unit, for any outcome: ``per item row``.

    A unit without a denominator, such as a ratio, is returned as its full text.
    """
    words = WORDS[unit_code]
    _, per, rest = words.rpartition(" per ")
    return f"per {rest}" if per else words
