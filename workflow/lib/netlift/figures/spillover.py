"""Figure 4c: spillover under several definitions of who is exposed."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.core.units import PER_POSITION, counted_by
from netlift.figures.drawing.marks import (
    draw_estimate,
    draw_known,
    estimate_key,
    has_known,
    known_key,
    say_missing,
)
from netlift.figures.drawing.style import (
    LIGHT,
    SMALL,
    Theme,
    column_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import count, signed, with_interval

_IN_CLUSTER = ("same_cluster", "same_cluster_displaced")
"""Definitions that look at the focal item's cluster alone."""

_ROW = 0.66
_LINE = 13.0
_PER_LINE = 32
_NAME_PER_LINE = 28
_LABEL_PER_LINE = 34
_DIGITS = 4


@styled
def spillover_sensitivity(
    spillover: pd.DataFrame,
    support: pd.DataFrame,
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the spillover under every definition, each unit in a panel of its own.

    Parameters
    ----------
    spillover
        ``spillover_sensitivity.csv``; ``known_effect`` may be missing, and estimates too. What one
        position changes is no definition of who is exposed: it is said in words.
    support
        ``spillover_support.csv``: what each definition means, its rows and its slates.
    source
        Where the numbers come from, for the foot.
    outcome
        Its words.
    theme
        Colors.
    """
    by_position = spillover["unit_code"] == PER_POSITION
    spillover, dose = spillover[~by_position], spillover[by_position]
    units = list(dict.fromkeys(spillover["unit_code"]))
    legend: list[Artist] = [estimate_key(theme.competitors, "estimate, 95% interval", theme)]
    if has_known(spillover):
        legend.append(known_key(theme))
    figure = sheet(
        _ROW * len(support) + 0.85,
        theme,
        title=f"Spillover: how {outcome.unit} on other items change, by who counts as exposed",
        subtitle=f"{capitalized(outcome.unit)} in promoted slates minus {outcome.unit} in control "
        "slates, on the items that each definition picks.",
        legend=legend,
        note="Slates: those with at least one such item. Per slate: the sum over such items, "
        "averaged over all slates." + said_dose(dose, outcome),
        source=source,
    )
    widths = [0.7, *([1.0] * len(units)), 0.42]
    grid = figure.add_gridspec(1, len(widths), width_ratios=widths)
    for place, unit in enumerate(units, start=1):
        axes = figure.add_subplot(grid[place])
        part = spillover[spillover["unit_code"] == unit].set_index("definition")
        part = part.reindex(support["definition"])
        row_axis(axes, [""] * len(support))
        draw_definitions(axes, part, theme)
        wide_enough(axes)
        axes.locator_params(axis="x", nbins=5)
        axes.set(
            title=counted_by(unit).capitalize(),
            xlabel=textwrap.fill(f"Change in {outcome.unit} {counted_by(unit)}", _LABEL_PER_LINE),
        )
    write_definitions(text_axis(figure, grid[0], axes), support, theme)
    beside = text_axis(figure, grid[-1], axes)
    column_of_text(beside, 0.45, "Rows", [count(number) for number in support["rows"]], theme)
    column_of_text(beside, 1, "Slates", [count(number) for number in support["slates"]], theme)
    return figure


def said_dose(dose: pd.DataFrame, outcome: Outcome = CLICKS) -> str:
    """Say what moving down by one position changes; nothing where the table does not have it."""
    said = ""
    for _, row in dose.iterrows():
        values = (row["estimate"], row["ci_95_lower"], row["ci_95_upper"])
        number = with_interval(*values, _DIGITS)
        said += " For each position that an item moves down, against items that stay: "
        said += f"{number} {outcome.of(PER_POSITION)}" if number else "no estimate"
        known = row.get("known_effect", np.nan)
        said += f"; known: {signed(known, _DIGITS)}." if np.isfinite(known) else "."
    return said


def draw_definitions(axes: Axes, estimates: pd.DataFrame, theme: Theme) -> None:
    """Draw one row per definition; where an estimate is missing, say so."""
    zero_line(axes, theme)
    for row, (definition, line) in enumerate(estimates.iterrows()):
        values = (line["estimate"], line["ci_95_lower"], line["ci_95_upper"])
        color = theme.same_cluster if definition in _IN_CLUSTER else theme.competitors
        if draw_estimate(axes, row, values, theme, color=color):
            draw_known(axes, row, line.get("known_effect", np.nan), theme)
        else:
            say_missing(axes, row, "too little data", theme)


def write_definitions(axes: Axes, support: pd.DataFrame, theme: Theme) -> None:
    """Write what each definition is called, and below it what it means."""
    for row, (name, meaning) in enumerate(
        zip(support["definition_label"], support["meaning"], strict=True)
    ):
        names = textwrap.wrap(str(name), _NAME_PER_LINE)
        lines = textwrap.wrap(str(meaning), _PER_LINE)
        top = _LINE * (len(names) + len(lines)) / 2
        for text, lift, color, weight in (
            (names, top, theme.ink, "bold"),
            (lines, top - _LINE * len(names), theme.muted, "normal"),
        ):
            axes.annotate(
                "\n".join(text),
                (1, row),
                (0, lift),
                textcoords="offset points",
                ha="right",
                va="top",
                color=color,
                weight=weight,
                size=SMALL,
                linespacing=1.25,
            )
