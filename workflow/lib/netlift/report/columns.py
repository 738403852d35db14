"""Tables of the page: a column's kind decides its format, and every number has a unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from netlift.core import units
from netlift.core.formatting import MINUS, NO_INTERVAL, count, p_value, signed, varies

_DIGITS = {
    units.PER_ROW: 4,
    units.PER_POSITION: 4,
    units.PER_SLATE_POSITION: 4,
    units.PER_1000: 1,
    units.PER_1000_CONTROL: 1,
    units.PER_1000_ELIGIBLE: 1,
    units.PER_1000_DELIVERED: 1,
}
_OTHER_DIGITS = 3

NONE = "none"
"""Text of a missing number: a zero and a missing value are two things."""


@dataclass(frozen=True)
class Cell:
    """One field: the text shown, and the value it is sorted by."""

    text: str
    sort: float | str


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    heading
        Its content, with the unit where all its numbers share one.
    cell
        Makes the cell of a row.
    numeric
        Whether it is aligned to the right and sorted by number.
    """

    heading: str
    cell: Callable[[dict[str, Any]], Cell]
    numeric: bool = True


@dataclass(frozen=True)
class TableView:
    """A table as shown.

    Attributes
    ----------
    name
        Name of its source.
    caption
        What it shows, and the unit of its numbers.
    headings
        Heading and whether the column is numeric.
    rows
        Cells.
    """

    name: str
    caption: str
    headings: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)


def table_view(
    name: str, caption: str, frame: pd.DataFrame, columns: Sequence[Column]
) -> TableView:
    """Return a table as shown; columns without any number are left out."""
    records = frame.to_dict("records")
    cells = [[column.cell(record) for column in columns] for record in records]  # type: ignore[arg-type]
    kept = [index for index in range(len(columns)) if any(row[index].text != NONE for row in cells)]
    return TableView(
        name,
        caption,
        [(columns[index].heading, columns[index].numeric) for index in kept],
        [[row[index] for index in kept] for row in cells],
    )


def digits_of(unit_code: str) -> int:
    """Return the number of decimals for a unit, by its code."""
    return _DIGITS.get(unit_code, _OTHER_DIGITS)


def finite(value: object) -> bool:
    """Return whether a field holds a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def text(name: str, heading: str) -> Column:
    """Return a column of words."""

    def cell(row: dict[str, Any]) -> Cell:
        value = row.get(name)
        exists = value is not None and value == value and value != ""
        return Cell(str(value), str(value).lower()) if exists else Cell(NONE, "")

    return Column(heading, cell, numeric=False)


def effect(
    name: str = "estimate",
    heading: str = "Estimate (95% interval)",
    *,
    lower: str = "ci_95_lower",
    upper: str = "ci_95_upper",
    unit_code: str = "",
    signs: bool = True,
) -> Column:
    """Return a column of numbers with intervals; decimals by ``unit_code`` or the row's."""

    def cell(row: dict[str, Any]) -> Cell:
        value = row.get(name)
        if not finite(value):
            return Cell(NONE, "")
        digits = digits_of(unit_code or str(row.get("unit_code")))
        write = _writer(row, signs=signs)
        shown = write(float(value), digits)  # type: ignore[arg-type]
        low, high = row.get(lower), row.get(upper)
        kind = str(row.get("interval_kind", "interval"))
        if kind == "everything":
            shown += " (unbounded)"
        elif finite(low) and finite(high) and not varies(float(low), float(high)):  # type: ignore[arg-type]
            shown += f" ({NO_INTERVAL})"
        elif finite(low) and finite(high):
            ends = f"{write(float(low), digits)} to {write(float(high), digits)}"  # type: ignore[arg-type]
            shown += {
                "interval": f" ({ends})",
                "outside": f" (everything but {ends})",
            }[kind]
        return Cell(shown, float(value))  # type: ignore[arg-type]

    return Column(heading, cell)


def users_effect(unit_code: str = "") -> Column:
    """Return a column of 95% intervals for users like these."""

    def cell(row: dict[str, Any]) -> Cell:
        low, high = row.get("ci_95_lower_users"), row.get("ci_95_upper_users")
        kind = row.get("interval_kind_users", "interval")
        if kind == "everything":
            return Cell("unbounded", -math.inf)
        if not finite(low) or not finite(high) or not varies(float(low), float(high)):  # type: ignore[arg-type]
            return Cell(NONE, "")
        digits = digits_of(unit_code or str(row.get("unit_code")))
        ends = (signed(float(end), digits) for end in (low, high))  # type: ignore[arg-type]
        shown = "everything but " if kind == "outside" else ""
        return Cell(shown + " to ".join(ends), float(low))  # type: ignore[arg-type]

    return Column("95% interval, users like these", cell)


def _writer(row: dict[str, Any], *, signs: bool) -> Callable[[float, int], str]:
    """Return the function that formats a number: changes with their sign, levels without."""
    is_level = row.get("unit_code") == units.PER_1000_CONTROL
    return signed if signs and not is_level else plain


def plain(value: float, digits: int) -> str:
    """Write a number without a plus sign: ``1,234.5``."""
    shown = f"{value:,.{digits}f}"
    return (shown.lstrip("-") if not shown.strip("-0.,") else shown).replace("-", MINUS)


def _numbers(name: str, heading: str, write: Callable[[dict[str, Any], float], str]) -> Column:
    def cell(row: dict[str, Any]) -> Cell:
        if not finite(row.get(name)):
            return Cell(NONE, "")
        value = float(row[name])
        return Cell(write(row, value), value)

    return Column(heading, cell)


def number(name: str, heading: str, digits: int | None = None, *, signs: bool = False) -> Column:
    """Return a column of numbers, with ``digits`` decimals or those of the row's unit."""

    def write(row: dict[str, Any], value: float) -> str:
        decimals = digits_of(str(row.get("unit_code"))) if digits is None else digits
        return _writer(row, signs=signs)(value, decimals)

    return _numbers(name, heading, write)


def counted(name: str, heading: str) -> Column:
    """Return a column of counts."""
    return _numbers(name, heading, lambda _, value: count(value))


def percent(name: str, heading: str, *, factor: float = 100.0, digits: int = 1) -> Column:
    """Return a column of shares, written as percents."""
    return _numbers(name, heading, lambda _, value: f"{plain(factor * value, digits)}%")


def p_values(name: str, heading: str) -> Column:
    """Return a column of p-values."""
    return _numbers(name, heading, lambda _, value: p_value(value))


UNIT = text("unit", "Unit")
NOTE = text("note", "Note")
KNOWN = number("known_effect", "Known", signs=True)
SLATES = [counted("treated_slates", "Promoted slates"), counted("control_slates", "Control slates")]
