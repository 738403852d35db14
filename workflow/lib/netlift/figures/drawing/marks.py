"""Marks: an estimate with its interval, a known effect, and the keys that explain them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from netlift.figures.drawing.style import SMALL
from netlift.figures.drawing.themes import current_theme

ESTIMATE, INTERVAL, KNOWN, BAND = "_estimate", "_interval", "_known", "_band"
"""Labels of the marks in an axis; the leading underscore keeps them out of its legend."""

_BAND_HEIGHT = 0.5


def has_known(table: pd.DataFrame, column: str = "known_effect") -> bool:
    """Return whether a table has known values to draw."""
    return column in table and bool(table[column].notna().any())


def draw_estimate(
    axes: Axes,
    row: float,
    values: tuple[float, float, float],
    *,
    color: str,
    marker: str = "o",
    filled: bool = True,
) -> bool:
    """Draw an estimate and its interval in one row; draw nothing where the estimate is missing.

    Parameters
    ----------
    axes
        An axis whose x is the estimate's unit.
    row
        Position on the y axis.
    values
        Estimate, lower and upper end of the 95% interval.
    color, marker, filled
        Style of the mark; one that is not filled shows the background.

    Returns
    -------
    Whether anything was drawn.
    """
    estimate, lower, upper = values
    if not math.isfinite(estimate):
        return False
    if math.isfinite(lower) and math.isfinite(upper):
        axes.plot([lower, upper], [row, row], label=INTERVAL, zorder=3, **_line(color))
    look = _point(color, marker, color if filled else current_theme().paper)
    axes.plot([estimate], [row], linestyle="none", label=ESTIMATE, zorder=4, **look)
    return True


def draw_point(axes: Axes, row: float, value: float, **look: Any) -> bool:
    """Draw an estimate without an interval as ``draw_estimate`` does."""
    return draw_estimate(axes, row, (value, math.nan, math.nan), **look)


def draw_row(
    axes: Axes,
    row: float,
    values: tuple[float, float, float],
    known: float,
    missing: str,
    **look: Any,
) -> None:
    """Draw an estimate and over it the known effect; where it is missing, write why."""
    if draw_estimate(axes, row, values, **look):
        draw_known(axes, row, known)
    else:
        say_missing(axes, row, missing)


def interval_of(line: pd.Series, value: str = "estimate") -> tuple[float, float, float]:
    """Return a number of a row with the ends of its 95% interval."""
    return line[value], line["ci_95_lower"], line["ci_95_upper"]


def draw_known(axes: Axes, row: float, value: float) -> None:
    """Mark the known effect of a simulated world; draw nothing if it is missing."""
    if math.isfinite(value):
        axes.plot([value], [row], linestyle="none", label=KNOWN, zorder=5, **_known())


def draw_band(axes: Axes, row: float, lower: float, upper: float) -> None:
    """Draw the range by chance alone in one row; draw nothing if it is missing."""
    if math.isfinite(lower) and math.isfinite(upper):
        corner = (lower, row - _BAND_HEIGHT / 2)
        axes.add_patch(
            Rectangle(corner, upper - lower, _BAND_HEIGHT, label=BAND, zorder=1, **_band())
        )
        axes.autoscale_view()  # plot() does this by itself, add_patch() does not


def say_missing(axes: Axes, row: float, text: str) -> None:
    """Write next to the line of no effect why a row has no numbers."""
    axes.annotate(
        text,
        (0, row),
        (6, 0),
        textcoords="offset points",
        va="center",
        size=SMALL,
        color=current_theme().muted,
    )


def known_key(label: str = "known effect") -> Line2D:
    """Return the legend's handle of a known effect, or of another known value."""
    return Line2D([], [], linestyle="none", label=label, **_known())


def known_keys(
    *tables: pd.DataFrame, column: str = "known_effect", label: str = "known effect"
) -> list[Line2D]:
    """Return the legend's handle of known values where any of the tables has them, else none."""
    return [known_key(label)] if any(has_known(table, column) for table in tables) else []


def best_key(label: str) -> Line2D:
    """Return the legend's handle of the best possible value."""
    return Line2D([], [], label=label, **best_look())


def best_look() -> dict[str, Any]:
    """Return the style of the line at the best possible value."""
    return {"color": current_theme().gains, "linewidth": 1.6, "linestyle": (0, (4, 2))}


def diagonal_look() -> dict[str, Any]:
    """Return the style of the line on which outcomes equal predictions."""
    return {"color": current_theme().muted, "linewidth": 1, "linestyle": (0, (4, 2))}


def band_key(label: str) -> Artist:
    """Return the legend's handle of the range by chance alone."""
    return Patch(label=label, **_band())


def estimate_key(
    color: str, label: str, *, marker: str = "o", filled: bool = True, interval: bool = True
) -> Line2D:
    """Return the legend's handle of an estimate, with or without its interval."""
    look = _point(color, marker, color if filled else current_theme().paper)
    line = _line(color) if interval else {"linestyle": "none"}
    return Line2D([], [], label=label, **line, **look)


def color_key(color: str, label: str) -> Artist:
    """Return the legend's handle of a color."""
    return Patch(facecolor=color, edgecolor=color, label=label)


def _line(color: str) -> dict[str, Any]:
    return {"color": color, "linewidth": 2, "solid_capstyle": "butt"}


def _band() -> dict[str, Any]:
    theme = current_theme()
    return {"facecolor": theme.control, "edgecolor": theme.control, "alpha": 0.45}


def _point(color: str, marker: str, face: str) -> dict[str, Any]:
    return {
        "marker": marker,
        "markersize": 7.5,
        "markerfacecolor": face,
        "markeredgecolor": color,
        "markeredgewidth": 1.5,
    }


def _known() -> dict[str, Any]:
    theme = current_theme()
    # Small enough that an estimate at the same position can be seen around it.
    return _point(theme.ink, "D", theme.paper) | {"markersize": 4.8, "markeredgewidth": 1.2}
