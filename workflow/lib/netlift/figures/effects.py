"""Figure 3: observed effects with their intervals, and their bootstrap distributions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.core.units import PER_ROW, PER_SLATE, counted_by
from netlift.figures.drawing.marks import (
    ESTIMATE,
    INTERVAL,
    draw_estimate,
    draw_known,
    estimate_key,
    interval_of,
    known_keys,
)
from netlift.figures.drawing.style import row_axis, sheet, styled, wide_enough, zero_line
from netlift.figures.drawing.text import count, with_interval
from netlift.figures.drawing.themes import current_theme

DIGITS = {PER_ROW: 4, PER_SLATE: 3}
"""Decimals of an effect, by its unit."""

_ROW = 0.56
_DECOR = 0.95
"""Height of a panel's title, ticks and label, in inches."""
_BINS = 40
_HEIGHT = 0.66


@styled
def observed_effects(
    effects: pd.DataFrame, draws: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS
) -> Figure:
    """Draw the observed effects, one axis per unit, and their bootstrap distributions.

    Parameters
    ----------
    effects
        ``observed_effects.csv``; ``known_effect`` may be missing.
    draws
        ``bootstrap_draws.parquet``: one column per line, one row per resample of slates.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    units = list(dict.fromkeys(effects["unit_code"]))
    parts = [effects[effects["unit_code"] == unit] for unit in units]
    figure = sheet(
        _ROW * len(effects) + _DECOR * len(units),
        title=f"Observed effects of promotion on {outcome.unit}",
        subtitle=f"{capitalized(outcome.unit)} in promoted slates minus {outcome.unit} in control "
        "slates. Each unit has its own axis.",
        legend=[
            estimate_key(current_theme().muted, "estimate, 95% interval"),
            *known_keys(effects),
        ],
        note=f"Right: the estimate in {count(len(draws))} resamples of slates, each effect scaled "
        "to its own height; vertical line: the estimate; bar: 95% percentile interval.",
        source=source,
    )
    grid = figure.add_gridspec(len(units), 2, height_ratios=[len(part) for part in parts])
    for index, (unit, part) in enumerate(zip(units, parts, strict=True)):
        left = figure.add_subplot(grid[index, 0])
        right = figure.add_subplot(grid[index, 1], sharex=left)
        draw_effects(left, part, digits=DIGITS.get(unit, 3))
        draw_bootstrap(right, part, draws)
        wide_enough(left)
        name = counted_by(unit)
        changed = f"Change in {outcome.unit} {name}"
        left.set(title=f"Effect {name}", xlabel=changed)
        right.set(title=f"Bootstrap, {name}", xlabel=changed)
    return figure


def draw_effects(axes: Axes, effects: pd.DataFrame, *, digits: int) -> None:
    """Draw one row per effect, labeled with its number."""
    row_axis(axes, [f"{row['component']}\n{_number(row, digits)}" for _, row in effects.iterrows()])
    zero_line(axes)
    for row_index, (_, row) in enumerate(effects.iterrows()):
        color = current_theme().component(row["line"])
        draw_estimate(axes, row_index, interval_of(row), color=color)
        draw_known(axes, row_index, row.get("known_effect", np.nan))


def draw_bootstrap(axes: Axes, effects: pd.DataFrame, draws: pd.DataFrame) -> None:
    """Draw the distribution of each effect over the resamples, its estimate and interval."""
    theme = current_theme()
    row_axis(axes, [""] * len(effects))
    zero_line(axes)
    for row_index, (_, row) in enumerate(effects.iterrows()):
        color, base = theme.component(row["line"]), row_index + 0.32
        axes.axhline(base, color=theme.grid, linewidth=0.8)
        if row["line"] in draws:
            drawn = draws[row["line"]].to_numpy(dtype=np.float64)
            _ridge(axes, drawn[np.isfinite(drawn)], base, color)
        ends = [row["bootstrap_ci_95_lower"], row["bootstrap_ci_95_upper"]]
        if np.isfinite(ends).all():
            axes.plot(
                ends, [base, base], color=color, linewidth=4, solid_capstyle="butt", label=INTERVAL
            )
        if np.isfinite(row["estimate"]):
            value = [row["estimate"]] * 2
            axes.plot(value, [base, base - _HEIGHT], color=color, linewidth=1.5, label=ESTIMATE)


def _ridge(axes: Axes, values: np.ndarray, base: float, color: str) -> None:
    if len(values) == 0 or values.min() == values.max():
        return
    counts, edges = np.histogram(values, bins=_BINS)
    x = np.repeat(edges, 2)[1:-1]
    top = base - _HEIGHT * np.repeat(counts, 2) / counts.max()
    axes.fill_between(x, base, top, color=color, alpha=0.35, linewidth=0)


def _number(row: pd.Series, digits: int) -> str:
    return with_interval(*interval_of(row), digits) or "no estimate"
