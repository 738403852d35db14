"""What analyses of single items would claim, compared with the change of whole slates."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.core.units import PER_1000
from netlift.figures.drawing.marks import (
    draw_estimate,
    draw_known,
    draw_row,
    estimate_key,
    known_keys,
    say_missing,
)
from netlift.figures.drawing.style import (
    column_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    write_definitions,
    zero_line,
)
from netlift.figures.drawing.text import signed, with_interval
from netlift.figures.drawing.themes import current_theme

NET = "Net change of whole slates"
"""Name of what the claims are compared with."""

_ROW = 1.0


@styled
def item_level_claim(table: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS) -> Figure:
    """Draw each item-level claim and the net change of whole slates.

    Parameters
    ----------
    table
        ``item_level_claim.csv``; ``known_claim`` and ``known_net_change`` may be missing.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    theme = current_theme()
    figure = sheet(
        _ROW * (1 + len(table)) + 0.75,
        title="What an analysis of single items would claim, and how wrong it is",
        subtitle=f"{capitalized(outcome.of(PER_1000))}. Shaded: the net change's interval.",
        legend=[
            estimate_key(theme.focal, "claim, 95% interval"),
            estimate_key(theme.total, "net change, 95% interval", marker="s"),
            *known_keys(table, column="known_net_change", label="known value"),
        ],
        note="Intervals by randomized unit, not those that an item-level analysis would report. "
        "Verdicts follow from the intervals of claim, net change and their difference.",
        source=source,
    )
    grid = figure.add_gridspec(1, 3, width_ratios=[0.75, 1.1, 0.7])
    axes = figure.add_subplot(grid[1])
    row_axis(axes, [""] * (1 + len(table)))
    zero_line(axes)
    draw_net(axes, table.iloc[0])
    for row, (_, line) in enumerate(table.iterrows(), start=1):
        known = line.get("known_claim", np.nan)
        draw_row(axes, row, values_of(line, "claim"), known, "no estimate", color=theme.focal)
    wide_enough(axes)
    axes.set_xlabel(capitalized(outcome.of(PER_1000)))
    net = f"{outcome.unit} on all items, promoted minus control slates"
    names, meanings = [NET, *table["metric_label"]], [net, *table["calculation"]]
    write_definitions(text_axis(figure, grid[0], axes), names, meanings)
    texts = words_beside(table)
    column_of_text(text_axis(figure, grid[2], axes), 1, "Estimate (95% interval)", texts)
    return figure


def draw_net(axes: Axes, line: pd.Series) -> None:
    """Draw the net change in the first row, and its interval behind all rows."""
    theme = current_theme()
    values = values_of(line, "net_change")
    if not draw_estimate(axes, 0, values, color=theme.total, marker="s"):
        say_missing(axes, 0, "no estimate")
        return
    draw_known(axes, 0, line.get("known_net_change", np.nan))
    if math.isfinite(values[1]) and math.isfinite(values[2]):
        axes.axvspan(*values[1:], color=theme.grid, zorder=0.5, linewidth=0)


def words_beside(table: pd.DataFrame) -> dict[float, str]:
    """Return the numbers of all rows and the verdict on each claim, by position on the y axis.

    A claim is followed by its difference from the net change.
    """
    net = with_interval(*values_of(table.iloc[0], "net_change"), 1)
    texts: dict[float, str] = {0.0: net or "no estimate"}
    for row, (_, line) in enumerate(table.iterrows(), start=1):
        texts[row] = "\n".join(
            [
                with_interval(*values_of(line, "claim"), 1) or "no estimate",
                f"minus net change: {_difference(line)}",
                f"verdict: {line['verdict_label']}",
            ]
        )
    return texts


def values_of(line: pd.Series, name: str) -> tuple[float, float, float]:
    """Return a number of the table with the ends of its interval."""
    return line[name], line[f"{name}_ci_95_lower"], line[f"{name}_ci_95_upper"]


def _difference(line: pd.Series) -> str:
    value, lower, upper = values_of(line, "error_of_claim")
    if not all(map(math.isfinite, (value, lower, upper))):
        return "no estimate"
    return f"{signed(value, 1)}\n({signed(lower, 1)} to {signed(upper, 1)})"
