"""Marks: an estimate with its interval, a known effect, and the keys that explain them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from netlift.figures.style import SMALL, Theme

ESTIMATE, INTERVAL, KNOWN = "_estimate", "_interval", "_known"
"""Labels of the marks in an axis; the leading underscore keeps them out of its legend."""


def has_known(table: pd.DataFrame) -> bool:
    """Say whether a table of effects has known effects to draw."""
    return "known_effect" in table and bool(table["known_effect"].notna().any())


def draw_estimate(
    axes: Axes,
    row: float,
    values: tuple[float, float, float],
    theme: Theme,
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
        Where on the y axis.
    values
        Estimate, lower and upper end of the 95% interval.
    theme
        Colors.
    color, marker, filled
        How the mark looks; one that is not filled shows the paper.

    Returns
    -------
    Whether there was something to draw.
    """
    estimate, lower, upper = values
    if not math.isfinite(estimate):
        return False
    if math.isfinite(lower) and math.isfinite(upper):
        axes.plot([lower, upper], [row, row], label=INTERVAL, zorder=3, **_line(color))
    look = _point(color, marker, color if filled else theme.paper)
    axes.plot([estimate], [row], linestyle="none", label=ESTIMATE, zorder=4, **look)
    return True


def draw_known(axes: Axes, row: float, value: float, theme: Theme) -> None:
    """Mark the known effect of a simulated world; draw nothing where there is none."""
    if math.isfinite(value):
        axes.plot([value], [row], linestyle="none", label=KNOWN, zorder=5, **_known(theme))


def say_missing(axes: Axes, row: float, text: str, theme: Theme) -> None:
    """Say in words, beside the line of no effect, why a row has no numbers."""
    axes.annotate(
        text,
        (0, row),
        (6, 0),
        textcoords="offset points",
        va="center",
        size=SMALL,
        color=theme.muted,
    )


def known_key(theme: Theme) -> Line2D:
    """Return the legend's handle of a known effect."""
    return Line2D([], [], linestyle="none", label="known effect", **_known(theme))


def estimate_key(
    color: str,
    label: str,
    theme: Theme,
    *,
    marker: str = "o",
    filled: bool = True,
    interval: bool = True,
) -> Line2D:
    """Return the legend's handle of an estimate, with its interval or alone."""
    look = _point(color, marker, color if filled else theme.paper)
    line = _line(color) if interval else {"linestyle": "none"}
    return Line2D([], [], label=label, **line, **look)


def color_key(color: str, label: str) -> Artist:
    """Return the legend's handle of a color."""
    return Patch(facecolor=color, edgecolor=color, label=label)


def _line(color: str) -> dict[str, Any]:
    return {"color": color, "linewidth": 2, "solid_capstyle": "butt"}


def _point(color: str, marker: str, face: str) -> dict[str, Any]:
    return {
        "marker": marker,
        "markersize": 7.5,
        "markerfacecolor": face,
        "markeredgecolor": color,
        "markeredgewidth": 1.5,
    }


def _known(theme: Theme) -> dict[str, Any]:
    # Small enough that an estimate at the same place can be seen around it.
    return _point(theme.ink, "D", theme.paper) | {"markersize": 4.8, "markeredgewidth": 1.2}
