"""Figure 4c: spillover under several definitions of who is exposed."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.core.units import PER_POSITION, counted_by
from netlift.figures.drawing.marks import draw_row, estimate_key, interval_of, known_keys
from netlift.figures.drawing.style import (
    columns_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    write_definitions,
    zero_line,
)
from netlift.figures.drawing.text import count, signed, with_interval
from netlift.figures.drawing.themes import current_theme

_IN_CLUSTER = ("same_cluster", "same_cluster_displaced")
"""Definitions limited to the focal item's cluster."""

_ROW = 0.66
_LABEL_PER_LINE = 34
_DIGITS = 4


@styled
def spillover_sensitivity(
    spillover: pd.DataFrame, support: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS
) -> Figure:
    """Draw the spillover under every definition, one panel per unit.

    Parameters
    ----------
    spillover
        ``spillover_sensitivity.csv``; ``known_effect`` may be missing, and estimates too. The
        effect per position is not a definition of exposure: it is written in the note.
    support
        ``spillover_support.csv``: what each definition means, its rows and its slates.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    by_position = spillover["unit_code"] == PER_POSITION
    spillover, dose = spillover[~by_position], spillover[by_position]
    units = list(dict.fromkeys(spillover["unit_code"]))
    figure = sheet(
        _ROW * len(support) + 0.85,
        title=f"Spillover: how {outcome.unit} on other items change, by which items are exposed",
        subtitle=f"{capitalized(outcome.unit)} in promoted slates minus {outcome.unit} in control "
        "slates, on the items that each definition picks.",
        legend=[
            estimate_key(current_theme().competitors, "estimate, 95% interval"),
            *known_keys(spillover),
        ],
        note="Slates: those with at least one such item. Per slate: the sum over such items, "
        "averaged over all slates." + dose_note(dose, outcome),
        source=source,
    )
    widths = [0.7, *([1.0] * len(units)), 0.42]
    grid = figure.add_gridspec(1, len(widths), width_ratios=widths)
    for column, unit in enumerate(units, start=1):
        axes = figure.add_subplot(grid[column])
        part = spillover[spillover["unit_code"] == unit].set_index("definition")
        part = part.reindex(support["definition"])
        row_axis(axes, [""] * len(support))
        draw_definitions(axes, part)
        wide_enough(axes)
        axes.locator_params(axis="x", nbins=5)
        axes.set(
            title=counted_by(unit).capitalize(),
            xlabel=textwrap.fill(f"Change in {outcome.unit} {counted_by(unit)}", _LABEL_PER_LINE),
        )
    names = support["definition_label"]
    write_definitions(text_axis(figure, grid[0], axes), names, support["meaning"])
    counts = {name.capitalize(): [count(n) for n in support[name]] for name in ("rows", "slates")}
    columns_of_text(text_axis(figure, grid[-1], axes), counts, (0.45, 1))
    return figure


def dose_note(dose: pd.DataFrame, outcome: Outcome = CLICKS) -> str:
    """Return a note on the effect of moving down by one position; empty if not in the table."""
    note = ""
    for _, row in dose.iterrows():
        number = with_interval(*interval_of(row), _DIGITS)
        note += " For each position that an item moves down, compared with items that stay: "
        note += f"{number} {outcome.of(PER_POSITION)}" if number else "no estimate"
        known = row.get("known_effect", np.nan)
        note += f"; known: {signed(known, _DIGITS)}." if np.isfinite(known) else "."
    return note


def draw_definitions(axes: Axes, estimates: pd.DataFrame) -> None:
    """Draw one row per definition; where an estimate is missing, write so."""
    theme = current_theme()
    zero_line(axes)
    for row, (definition, line) in enumerate(estimates.iterrows()):
        color = theme.same_cluster if definition in _IN_CLUSTER else theme.competitors
        known = line.get("known_effect", np.nan)
        draw_row(axes, row, interval_of(line), known, "too little data", color=color)
