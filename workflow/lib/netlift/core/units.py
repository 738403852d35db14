"""Units of the numbers in tables: one wording for each, of clicks.

``netlift.core.outcome`` says them of another outcome.
"""

PER_ROW = "clicks per item row"
PER_SLATE = "clicks per slate"
PER_POSITION = "clicks per item row and position"
PER_SLATE_POSITION = "clicks per slate and position"
PER_1000 = "clicks per 1,000 promoted slates"
PER_1000_CONTROL = "clicks per 1,000 control slates"
PER_1000_ELIGIBLE = "clicks per 1,000 eligible slates"
RATIO = "ratio, without unit"


def kind(unit: str) -> str:
    """Return what a unit counts by, whatever the outcome: ``per item row`` of minutes per item row.

    A unit that counts by nothing, as a ratio, is its own kind.
    """
    by = unit.rpartition(" per ")[2]
    return unit if by == unit else f"per {by}"
