"""The effect of the draw, and that of delivered promotions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.core.units import PER_1000, PER_1000_DELIVERED, counted_by
from netlift.effects.codes import FIRST_STAGE, MAIN_OUTCOME, OF_DELIVERED, OF_DRAW
from netlift.effects.empty_lines import with_items
from netlift.figures.drawing.marks import draw_point, estimate_key
from netlift.figures.drawing.style import (
    column_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import signed, with_interval
from netlift.figures.drawing.themes import current_theme
from netlift.figures.shares import draw_piece, pieces

MEASURES = {OF_DRAW: ("s", False, -0.17), OF_DELIVERED: ("o", True, 0.17)}
"""What is drawn: marker, whether it is filled, and its distance from the middle of its row."""

FARTHEST = 8.0
"""Ends of an axis, in the largest effect of the draw: a set beyond it ends in an arrow."""

_ROW = 0.6


@styled
def delivered_effects(
    table: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS
) -> Figure:
    """Draw each line of the ledger twice: the effect of the draw, and of delivered promotions.

    Parameters
    ----------
    table
        ``delivered_effects.csv``.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    main = table[table["is_main"].astype(bool)]
    (first,) = main[main["measure"] == FIRST_STAGE].to_dict("records")
    lines, empty = with_items(main[main["outcome_type"] == MAIN_OUTCOME])
    names = list(dict.fromkeys(lines["component"]))
    keys = [
        estimate_key(
            current_theme().data,
            f"{words}, {counted_by(unit)}",
            marker=MEASURES[measure][0],
            filled=MEASURES[measure][1],
        )
        for measure, words, unit in (
            (OF_DRAW, "the draw", PER_1000),
            (OF_DELIVERED, "delivered promotions", PER_1000_DELIVERED),
        )
    ]
    figure = sheet(
        _ROW * len(names) + 0.75,
        title="What a delivered promotion changes",
        subtitle=f"{capitalized(outcome.unit)}, with 95% sets. {_deliveries(first)}",
        legend=keys,
        note=" ".join([_note(lines), *empty]),
        source=source,
    )
    grid = figure.add_gridspec(1, 2, width_ratios=[1.3, 0.5])
    axes = figure.add_subplot(grid[0])
    row_axis(axes, names)
    axes.set_xlim(*_limits(lines))
    zero_line(axes)
    texts = {}
    for _, row in lines.iterrows():
        y = names.index(row["component"]) + MEASURES[row["measure"]][2]
        texts[y] = _draw(axes, y, row)
    wide_enough(axes)
    column_of_text(text_axis(figure, grid[1], axes), 1, "Estimate (95% set)", texts)
    axes.set_xlabel(f"Change in {outcome.unit}; units as in the legend")
    return figure


def _deliveries(first: dict[Any, Any]) -> str:
    return (
        f"Delivered in {first['treated_mean']:.1%} of promoted and {first['control_mean']:.1%} of "
        "control slates."
    )


def _draw(axes: Axes, y: float, row: pd.Series) -> str:
    """Draw an estimate with its set in one row; return its numbers."""
    marker, filled, _ = MEASURES[row["measure"]]
    ends = row["ci_95_lower"], row["ci_95_upper"]
    kind = str(row["interval_kind"])
    for lower, upper in pieces(kind, *ends):
        draw_piece(axes, y, lower, upper)
    left, right = axes.get_xlim()
    if left <= row["estimate"] <= right:
        draw_point(
            axes, y, row["estimate"], color=current_theme().data, marker=marker, filled=filled
        )
    if kind == "interval":
        return with_interval(row["estimate"], *ends, 1)
    number = signed(row["estimate"], 1) if math.isfinite(row["estimate"]) else "no estimate"
    if kind == "outside":
        return f"{number} (below {signed(ends[0], 1)} or above {signed(ends[1], 1)})"
    return f"{number} (any number)"


def _limits(lines: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of an axis that shows the effects of the draw, and others not too far."""
    draws = lines[lines["measure"] == OF_DRAW]
    names = ["estimate", "ci_95_lower", "ci_95_upper"]
    farthest = FARTHEST * float(np.nanmax(np.abs(draws[names].to_numpy(dtype=np.float64))))
    values = lines[names].to_numpy(dtype=np.float64)
    values = np.clip(np.r_[values[np.isfinite(values)], 0.0], -farthest, farthest)
    margin = 0.06 * float(np.ptp(values)) or 1.0  # without variation all effects are 0
    return float(values.min()) - margin, float(values.max()) + margin


def _note(lines: pd.DataFrame) -> str:
    """Explain arrows."""
    if not set(lines["interval_kind"]) & {"outside", "everything"}:
        return "Arrow: the set continues beyond the axis."
    return (
        "Arrow: the set continues beyond the axis, in some rows without an end, because the draw "
        "may have changed no delivery."
    )
