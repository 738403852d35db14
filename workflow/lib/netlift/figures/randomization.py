"""Randomization tests: observed differences compared with random assignment."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE
from netlift.figures.drawing.marks import band_key, draw_band, draw_point, estimate_key, say_missing
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
from netlift.figures.drawing.text import count, p_value, reasons, signed
from netlift.figures.drawing.themes import current_theme

_ROW = 0.84


@styled
def randomization_tests(
    table: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS
) -> Figure:
    """Draw each observed difference and its 95% range under the null hypothesis.

    Parameters
    ----------
    table
        ``randomization_tests.csv``; ``known_null`` may be missing, and a hypothesis without item
        rows has no numbers.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    theme = current_theme()
    figure = sheet(
        _ROW * len(table) + 0.75,
        title="Could this be chance? Randomization tests for spillover",
        subtitle=f"{outcome.per_arm}, on the items named. Null hypothesis: promotion changes no "
        f"{outcome.one} on them, in any slate.",
        legend=[
            estimate_key(theme.data, "observed", interval=False),
            band_key("95% range under the null hypothesis"),
        ],
        note=_note(table),
        source=source,
    )
    grid = figure.add_gridspec(1, 3, width_ratios=[0.72, 1, 0.75])
    axes = figure.add_subplot(grid[1])
    row_axis(axes, [""] * len(table))
    zero_line(axes)
    for row, (_, line) in enumerate(table.iterrows()):
        draw_band(axes, row, line["null_95_lower"], line["null_95_upper"])
        if not draw_point(axes, row, line["estimate"], color=theme.data):
            say_missing(axes, row, "not tested")
    wide_enough(axes)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"Change in {outcome.of(PER_SLATE)}")
    # Sentences differ only in the items, which follow the colon.
    meanings = [
        str(sentence).rpartition(": ")[2].rstrip(".") for sentence in table["null_hypothesis"]
    ]
    write_definitions(text_axis(figure, grid[0], axes), table["hypothesis_label"], meanings)
    columns_of_text(text_axis(figure, grid[2], axes), columns_beside(table))
    return figure


def columns_beside(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns next to the plot: a heading and one text per hypothesis."""
    columns = {
        "Observed": [signed(x, 3) if np.isfinite(x) else "" for x in table["estimate"]],
        "p-value": [p_value(p) for p in table["p_value"]],
        "Adjusted": [p_value(p) for p in table["p_value_adjusted"]],
    }
    if "known_null" in table:
        columns["Known"] = ["true" if null else "false" for null in table["known_null"]]
    return columns


def _note(table: pd.DataFrame) -> str:
    """Explain how the p-values were computed, and add the table's notes."""
    first = table.iloc[0]
    notes = [
        f"p-values: two-sided, by {first['statistic_text']}, over {count(first['permutations'])} "
        f"random assignments of {first['permuted_units']}.",
        "Adjusted: for testing all of these hypotheses together (closed test).",
    ]
    if "known_null" in table:
        notes.append("Known: whether the null hypothesis is true in this simulated world.")
    noted = table.dropna(subset=["note"])
    return " ".join([*notes, *reasons(noted["hypothesis_label"], noted["note"])])
