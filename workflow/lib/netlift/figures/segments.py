"""Effects by segment: raw, shrunken, and whether segments differ at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE
from netlift.effects.codes import TOTAL_LINE
from netlift.effects.segments import SEGMENT_TYPES
from netlift.figures.drawing.marks import (
    draw_estimate,
    draw_known,
    estimate_key,
    known_keys,
    say_missing,
)
from netlift.figures.drawing.style import row_axis, sheet, styled, text_axis, wide_enough, zero_line
from netlift.figures.drawing.text import p_value, shortened
from netlift.figures.drawing.themes import current_theme
from netlift.figures.risk import write_slates

SHIFT = 0.2
"""Distance of a mark from the middle of its row: raw above, shrunken below."""

MOST_WITHOUT = 3
"""Segments without numbers that have a row each; more are combined in one."""

_ROW = 0.44
_DECOR = 1.1
"""Height of a panel's title, ticks and label, in inches."""


@styled
def segments(
    segments: pd.DataFrame,
    heterogeneity: pd.DataFrame,
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
) -> Figure:
    """Draw the effect on whole slates by segment, one panel per segmentation.

    Parameters
    ----------
    segments
        ``segments.csv``; ``known_effect`` may be missing, and a segment or a whole segmentation
        may lack numbers.
    heterogeneity
        ``heterogeneity.csv``.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    theme = current_theme()
    panels = [rows_of(part) for _, part in segments.groupby("segment_type", sort=False)]
    figure = sheet(
        sum(_ROW * len(rows) + _DECOR for rows in panels),
        title="Do some slates lose more? The effect on the whole slate, by segment",
        subtitle=f"{outcome.per_arm}, by the observed {outcome.unit}.",
        legend=[
            estimate_key(theme.total, "raw, simultaneous 95% interval"),
            estimate_key(theme.data, "shrunken, 95% interval on average", marker="s", filled=False),
            *known_keys(*panels),
        ],
        note="Simultaneous: 95% intervals that are valid for all segments of a panel together. "
        "Shrunken: pulled towards the panel's mean, more so with a larger standard error; "
        "their intervals hold on average over a panel. p: for "
        "no difference between segments; tau: standard deviation of their true effects.",
        source=source,
    )
    heights = [_ROW * len(rows) + _DECOR for rows in panels]
    grid = figure.add_gridspec(len(panels), 2, height_ratios=heights, width_ratios=[3, 1])
    axes: Axes | None = None
    for index, rows in enumerate(panels):
        axes = figure.add_subplot(grid[index, 0], sharex=axes)
        draw_segments(axes, rows)
        write_slates(text_axis(figure, grid[index, 1], axes), rows.dropna(subset=["slates"]))
        wide_enough(axes)
        axes.set(
            title=panel_title(str(rows["segment_type"].iloc[0]), heterogeneity, outcome),
            xlabel=f"Change in {outcome.of(PER_SLATE)}",
        )
    return figure


def rows_of(part: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one segmentation's panel, with many empty segments in one row."""
    whole = part[part["line"] == TOTAL_LINE.code]
    if not len(whole):
        return part.iloc[:1].assign(segment="")
    without = whole[whole["estimate"].isna()]
    if len(without) <= MOST_WITHOUT:
        return whole
    others = "more" if len(without) < len(whole) else "segments"
    reasons = dict.fromkeys(reason(note) for note in without["note"])
    counts = ["slates", "treated_slates", "control_slates"]
    summed = without.iloc[:1].assign(
        segment=f"{len(without)} {others}",
        note=f"{' or '.join(reasons)} in each",
        known_effect=np.nan,
        **without[counts].sum(),
    )
    return pd.concat([whole.drop(without.index), summed])


def reason(note: object) -> str:
    """Return why a segment has no numbers, without the counts, which are next to it."""
    return str(note).partition(":")[0]


def draw_segments(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the raw and the shrunken effect of each segment; where it is missing, write why."""
    theme = current_theme()
    row_axis(axes, [shortened(segment, 130, size=9) for segment in rows["segment"]])
    zero_line(axes)
    for row, (_, line) in enumerate(rows.iterrows()):
        simultaneous = ("simultaneous_ci_95_lower", "simultaneous_ci_95_upper")
        raw = (line["estimate"], *(line[name] for name in simultaneous))
        if not draw_estimate(axes, row - SHIFT, raw, color=theme.total):
            say_missing(axes, row, reason(line["note"]))
            continue
        names = ("shrunken_estimate", "shrunken_ci_95_lower", "shrunken_ci_95_upper")
        shrunken = (line[names[0]], line[names[1]], line[names[2]])
        draw_estimate(axes, row + SHIFT, shrunken, color=theme.data, marker="s", filled=False)
        draw_known(axes, row, line.get("known_effect", np.nan))


def panel_title(segment_type: str, heterogeneity: pd.DataFrame, outcome: Outcome = CLICKS) -> str:
    """Return a panel's title: the segmentation, and how much the segments differ."""
    title = f"By {SEGMENT_TYPES[segment_type]}"
    tested = heterogeneity[
        (heterogeneity["segment_type"] == segment_type) & (heterogeneity["line"] == TOTAL_LINE.code)
    ]
    if not len(tested):
        return title
    line = tested.iloc[0]
    if not np.isfinite(line["p_value"]):
        return f"{title}\nNot tested: {line['note']}"
    p = p_value(line["p_value"])
    equals = "" if p.startswith("<") else "= "
    tau = f"tau = {line['tau']:.3f} {outcome.of(PER_SLATE)}"
    return f"{title}\nDo they differ? p {equals}{p}, {tau}"
