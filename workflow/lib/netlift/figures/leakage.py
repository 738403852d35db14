"""Leakage audit: the change on the items that a definition of spillover calls unexposed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE
from netlift.effects.codes import EXPOSED, UNEXPOSED
from netlift.figures.drawing.marks import (
    color_key,
    draw_estimate,
    draw_known,
    estimate_key,
    interval_of,
    known_keys,
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
from netlift.figures.drawing.text import with_interval
from netlift.figures.drawing.themes import current_theme

GROUPS = {EXPOSED: ("o", True, -0.17), UNEXPOSED: ("s", False, 0.17)}
"""Marker of exposed and unexposed items, whether it is filled, offset from the row's middle."""

_ROW = 0.78


@styled
def leakage(table: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS) -> Figure:
    """Draw the change on exposed and on unexposed items under each definition.

    Parameters
    ----------
    table
        ``leakage.csv``; ``known_effect`` may be missing, and a part without rows has no numbers.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    theme = current_theme()
    definitions = list(dict.fromkeys(table["definition"]))
    legend: list[Artist] = [
        estimate_key(
            theme.competitors, f"{group} items, 95% interval", marker=marker, filled=filled
        )
        for group, (marker, filled, _) in GROUPS.items()
    ]
    legend += known_keys(table)
    if any(map(is_true, table["coarsest_sufficient"])):
        legend.append(color_key(theme.grid, "coarsest sufficient"))
    figure = sheet(
        _ROW * len(definitions) + 0.75,
        title="Leakage: does spillover reach items that are called unexposed?",
        subtitle=f"Change in {outcome.unit} on the items that each definition calls exposed, and "
        "on those it calls unexposed. Leakage: a change on unexposed items.",
        legend=legend,
        note="Per slate: the sum over such items, averaged over all slates; the two parts add up "
        "to the change on all non-focal items. Coarsest sufficient: among the definitions without "
        "detectable leakage, the one that calls the fewest items exposed.",
        source=source,
    )
    grid = figure.add_gridspec(1, 3, width_ratios=[0.72, 1.2, 0.72])
    axes = figure.add_subplot(grid[1])
    row_axis(axes, [""] * len(definitions))
    zero_line(axes)
    texts = draw_parts(axes, table, definitions)
    wide_enough(axes)
    axes.set_xlabel(f"Change in {outcome.of(PER_SLATE)}")
    unexposed = table[table["row_group"] == UNEXPOSED].set_index("definition").loc[definitions]
    meanings = [verdict(line) for _, line in unexposed.iterrows()]
    names = unexposed["definition_label"]
    write_definitions(text_axis(figure, grid[0], axes), names, meanings)
    column_of_text(text_axis(figure, grid[2], axes), 1, "Change (95% interval)", texts)
    return figure


def draw_parts(axes: Axes, table: pd.DataFrame, definitions: list[str]) -> dict[float, str]:
    """Draw both parts of every definition; return their numbers by their position on the y axis."""
    theme = current_theme()
    texts = {}
    for _, line in table.iterrows():
        marker, filled, shift = GROUPS[line["row_group"]]
        row = definitions.index(line["definition"])
        values = interval_of(line)
        color = theme.competitors
        if draw_estimate(axes, row + shift, values, color=color, marker=marker, filled=filled):
            draw_known(axes, row + shift, line.get("known_effect", np.nan))
        if is_true(line["coarsest_sufficient"]):
            axes.axhspan(row - 0.46, row + 0.46, color=theme.grid, zorder=0.5, linewidth=0)
        texts[row + shift] = with_interval(*values, 3) or f"no {line['row_group']} items"
    return texts


def verdict(line: pd.Series) -> str:
    """Return whether leakage was detected on unexposed items, and what was detectable."""
    message = "leakage detected" if is_true(line["leakage_detected"]) else "leakage not detected"
    if not np.isfinite(line["estimate"]):
        message = "no leakage possible"
    smallest = line["minimum_detectable_leakage"]
    if np.isfinite(smallest):
        message += f"; 80% power for a change of {smallest:.3f}"
    return f"{message}; coarsest sufficient" if is_true(line["coarsest_sufficient"]) else message


def is_true(value: object) -> bool:
    """Return whether a cell, which may be missing, is true."""
    return not pd.isna(value) and bool(value)  # type: ignore[call-overload]
