"""Text in figures: data shown as literal text, and numbers in one format."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from netlift.core.formatting import MINUS as MINUS
from netlift.core.formatting import count as count
from netlift.core.formatting import p_value as p_value
from netlift.core.formatting import signed as signed
from netlift.core.formatting import with_interval as with_interval
from netlift.core.outcome import Outcome

NO_GLYPH = "\N{WHITE SQUARE}"
"""Replaces a run of characters that the fonts shipped with matplotlib cannot draw."""

_UNIT_WIDTH = 88.0
"""Largest width of a unit in an axis label, in points."""

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def printable(text: object) -> str:
    """Return a text that the house font can draw, in one line.

    White space of every kind becomes a space. Invisible characters (joiners, marks that change
    the direction of writing, variation selectors) are left out. A run of characters without a
    glyph becomes one square.
    """
    drawable = _drawable()
    kept: list[str] = []
    for character in unicodedata.normalize("NFC", str(text)):
        category = unicodedata.category(character)
        if character.isspace() or category == "Cc":
            kept.append(" ")
        elif category == "Cf" or "VARIATION SELECTOR" in unicodedata.name(character, ""):
            continue
        elif ord(character) in drawable:
            kept.append(character)
        elif category not in ("Mn", "Me") and (not kept or kept[-1] != NO_GLYPH):
            kept.append(NO_GLYPH)
    return " ".join("".join(kept).split())


def shortened(text: object, width: float, *, size: float, weight: str = "normal") -> str:
    """Return a printable text that is at most ``width`` points wide, cut with an ellipsis."""
    whole = printable(text)
    if len(whole) * size <= width or text_width(whole, size=size, weight=weight) <= width:
        return whole
    fits, too_long = 0, len(whole)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        cut = whole[:middle].rstrip() + ELLIPSIS
        if text_width(cut, size=size, weight=weight) <= width:
            fits = middle
        else:
            too_long = middle
    return whole[:fits].rstrip() + ELLIPSIS


def drawn_outcome(unit: str) -> Outcome:
    """Return the words for an outcome in figures: a long unit is shortened to fit on an axis."""
    return Outcome(shortened(unit, _UNIT_WIDTH, size=9.5))


def written(value: float, form: str) -> str:
    """Return a number in a format; a missing one is empty."""
    return form.format(value).replace("-", MINUS) if math.isfinite(value) else ""


def reasons(names: Iterable[str], notes: Iterable[object]) -> list[str]:
    """Return a sentence for each note of a table: what it is about, then the note."""
    return [f"{name}: {str(note).rstrip('.')}." for name, note in zip(names, notes, strict=True)]


def text_width(text: str, *, size: float, weight: str = "normal") -> float:
    """Return the width of a text in the house font, in points."""
    if not text:
        return 0.0
    font = FontProperties(family="DejaVu Sans", weight=weight, size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


@cache
def _drawable() -> frozenset[int]:
    """Return the characters that the house font has, both regular and bold."""
    faces = [
        get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight))).get_charmap()
        for weight in ("normal", "bold")
    ]
    return frozenset(faces[0]) & frozenset(faces[1])
