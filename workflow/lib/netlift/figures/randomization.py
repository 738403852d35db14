"""Randomization tests: what was observed against what chance alone gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE
from netlift.figures.drawing.marks import (
    band_key,
    draw_band,
    draw_estimate,
    estimate_key,
    say_missing,
)
from netlift.figures.drawing.style import (
    LIGHT,
    Theme,
    column_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import count, p_value, signed
from netlift.figures.spillover import write_definitions

_ROW = 0.84


@styled
def randomization_tests(
    table: pd.DataFrame,
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw each observed difference against its 95% range under the null hypothesis.

    Parameters
    ----------
    table
        ``randomization_tests.csv``; ``known_null`` may be missing, and a hypothesis without item
        rows has no numbers.
    source
        Where the numbers come from, for the foot.
    outcome
        Its words.
    theme
        Colors.
    """
    legend: list[Artist] = [
        estimate_key(theme.data, "observed", theme, interval=False),
        band_key(theme, "95% range under the null hypothesis"),
    ]
    figure = sheet(
        _ROW * len(table) + 0.75,
        theme,
        title="Could this be chance? Randomization tests for spillover",
        subtitle=f"{outcome.per_arm}, on the items named. Null hypothesis: promotion changes no "
        f"{outcome.one} of theirs, in any slate.",
        legend=legend,
        note=_note(table),
        source=source,
    )
    grid = figure.add_gridspec(1, 3, width_ratios=[0.72, 1, 0.75])
    axes = figure.add_subplot(grid[1])
    row_axis(axes, [""] * len(table))
    zero_line(axes, theme)
    for row, (_, line) in enumerate(table.iterrows()):
        draw_band(axes, row, line["null_95_lower"], line["null_95_upper"], theme)
        observed = (line["estimate"], np.nan, np.nan)
        if not draw_estimate(axes, row, observed, theme, color=theme.data):
            say_missing(axes, row, "not tested", theme)
    wide_enough(axes)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"Change in {outcome.of(PER_SLATE)}")
    # The sentence is the same for all but for the items, which stand behind its colon.
    meanings = [str(said).rpartition(": ")[2].rstrip(".") for said in table["null_hypothesis"]]
    described = pd.DataFrame({"definition_label": table["hypothesis_label"], "meaning": meanings})
    write_definitions(text_axis(figure, grid[0], axes), described, theme)
    beside = text_axis(figure, grid[2], axes)
    columns = columns_beside(table)
    for place, (heading, texts) in enumerate(columns.items(), start=1):
        column_of_text(beside, place / len(columns), heading, texts, theme)
    return figure


def columns_beside(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return what is written beside the plot: a heading and one text per hypothesis."""
    columns = {
        "Observed": [signed(x, 3) if np.isfinite(x) else "" for x in table["estimate"]],
        "p-value": [p_value(p) for p in table["p_value"]],
        "Adjusted": [p_value(p) for p in table["p_value_adjusted"]],
    }
    if "known_null" in table:
        columns["Known"] = ["true" if null else "false" for null in table["known_null"]]
    return columns


def _note(table: pd.DataFrame) -> str:
    """Say how the p-values were made, and what the table notes."""
    first = table.iloc[0]
    notes = [
        f"p-values: two-sided, by {first['statistic_text']}, over {count(first['permutations'])} "
        f"random assignments of {first['permuted_units']}.",
        "Adjusted: for testing all of these hypotheses together (closed test).",
    ]
    if "known_null" in table:
        notes.append("Known: whether the null hypothesis is true in this simulated world.")
    notes += [
        f"{line['hypothesis_label']}: {str(line['note']).rstrip('.')}."
        for _, line in table.dropna(subset=["note"]).iterrows()
    ]
    return " ".join(notes)
