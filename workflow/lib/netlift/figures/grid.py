"""Sensitivity grids: heat maps of the known effects over two parameters of a world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from netlift.core.arrays import ROUNDING
from netlift.effects.codes import TOTAL_LINE
from netlift.figures.drawing.style import ROW, SMALL, sheet, styled
from netlift.figures.drawing.themes import current_theme
from netlift.studies.grid import DIVERSION, GAINING

_DECOR = 0.85
"""Height of a panel's title, ticks and label, in inches."""

_PANELS = (
    (TOTAL_LINE.code, "Total effect, clicks per slate", "{:+.3f}", 0.0),
    (DIVERSION, "Diversion ratio: competitors' loss over the focal gain", "{:.2f}", 1.0),
    (GAINING, "Share of slates that gain", "{:.0%}", None),
)
"""Quantity, title, format of a value, and the midpoint of the colors."""


@styled
def grid_heat_maps(effects: pd.DataFrame, parameters: Sequence[str], *, source: str = "") -> Figure:
    """Draw the known total effect, diversion ratio and share of slates that gain over a grid.

    Parameters
    ----------
    effects
        Table of a grid (``grid/{grid}.parquet``).
    parameters
        Its parameters in the order of the config: the first is the y axis, the second the x axis.
        Others are fixed at the middle of their values, as the subtitle states.
    source
        Where the numbers come from, for the footer.
    """
    up, across, *fixed = parameters
    part, fixed_at = _slice(effects, fixed)
    rows, columns = (list(dict.fromkeys(part[name])) for name in (up, across))
    figure = sheet(
        len(_PANELS) * (1.1 * ROW * len(rows) + _DECOR),
        title="How the effects depend on two parameters of the competition model",
        subtitle="Known effects, from exact click probabilities, over all slates." + fixed_at,
        legend=[Line2D([], [], label="the total changes sign", **_border())],
        source=source,
    )
    panels = np.ravel(figure.subplots(len(_PANELS), 1))
    total = _matrix(part, TOTAL_LINE.code, up, across, rows, columns)
    for axes, (quantity, title, form, midpoint) in zip(panels, _PANELS, strict=True):
        values = _matrix(part, quantity, up, across, rows, columns)
        _draw_panel(axes, values, form, midpoint)
        _draw_sign_change(axes, total)
        axes.set_xticks(range(len(columns)), [_text(value) for value in columns])
        axes.set_yticks(range(len(rows)), [_text(value) for value in rows])
        axes.tick_params(length=0)
        axes.set(title=title, xlabel=across, ylabel=up)
    return figure


def _slice(effects: pd.DataFrame, fixed: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Fix all but two parameters at the middle of their values, and return a note on it."""
    texts = []
    for name in fixed:
        values = list(dict.fromkeys(effects[name]))
        value = values[len(values) // 2]
        effects = effects[effects[name] == value]
        texts.append(f"{name} = {_text(value)}")
    return effects, f" Fixed at: {', '.join(texts)}." if texts else ""


def _matrix(
    part: pd.DataFrame, quantity: str, up: str, across: str, rows: list[Any], columns: list[Any]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the known values of a quantity, shape (rows, columns)."""
    known = part[part["quantity"] == quantity]
    table = known.pivot(index=up, columns=across, values="known")
    return table.reindex(index=rows, columns=columns).to_numpy(dtype=np.float64)


def _draw_panel(
    axes: Axes, values: np.ndarray[Any, np.dtype[np.float64]], form: str, midpoint: float | None
) -> None:
    """Draw one heat map, with its values written into the cells."""
    colors, norm = _colors(values, midpoint)
    axes.imshow(values, cmap=colors, norm=norm, aspect="auto", origin="lower")
    for (row, column), value in np.ndenumerate(values):
        if not np.isfinite(value):
            axes.text(column, row, "none", ha="center", va="center", size=SMALL)
            continue
        red, green, blue, _ = colors(norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        text = form.format(value if abs(value) > ROUNDING else 0.0)
        axes.text(
            column,
            row,
            text.replace("-", "\N{MINUS SIGN}"),
            ha="center",
            va="center",
            size=SMALL,
            color="white" if dark else "black",
        )


def _colors(
    values: np.ndarray[Any, np.dtype[np.float64]], midpoint: float | None
) -> tuple[Colormap, Normalize]:
    """Return a color-blind-safe map: diverging around a midpoint, or sequential."""
    if midpoint is None:
        return colormaps["cividis"], Normalize(0.0, 1.0)
    reach = float(np.nanmax(np.abs(values - midpoint), initial=0.0)) or 1.0
    better_high = midpoint == 0.0
    return colormaps["PuOr_r" if better_high else "PuOr"].reversed(), TwoSlopeNorm(
        midpoint, midpoint - reach, midpoint + reach
    )


def _draw_sign_change(axes: Axes, total: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """Draw the borders between cells whose total effects have different signs."""
    sign = np.where(np.abs(total) > ROUNDING, np.sign(total), 0)
    look = _border() | {"solid_capstyle": "butt"}
    for row, column in np.argwhere(sign[:, 1:] != sign[:, :-1]):
        axes.plot([column + 0.5] * 2, [row - 0.5, row + 0.5], **look)
    for row, column in np.argwhere(sign[1:] != sign[:-1]):
        axes.plot([column - 0.5, column + 0.5], [row + 0.5] * 2, **look)


def _border() -> dict[str, Any]:
    return {"color": current_theme().ink, "linewidth": 2.5}


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
