"""Figure 4d: where promotions are risky."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE
from netlift.effects.codes import TOTAL_LINE
from netlift.figures.drawing.marks import draw_row, estimate_key, interval_of, known_keys
from netlift.figures.drawing.style import (
    ROW,
    column_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import count, shortened
from netlift.figures.drawing.themes import current_theme

MARKERS = {"gains": "^", "undecided": "o", "loses": "v"}
"""Verdicts on segments, and the marker of each."""

SEGMENTS = {
    "focal_position_bucket": "By the focal item's position before promotion",
    "focal_cluster": "By the focal item's cluster",
}
"""Columns that name the segments, and the titles of their panels."""

_DECOR = 0.95
"""Height of a panel's title, ticks and label, in inches."""


@styled
def risk(
    by_position: pd.DataFrame,
    by_cluster: pd.DataFrame,
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
) -> Figure:
    """Draw the total effect per slate by focal position and by focal cluster.

    Parameters
    ----------
    by_position, by_cluster
        ``risk_by_position.csv``, ``risk_by_cluster.csv``; ``known_effect`` may be missing.
        Segments with too few slates have no estimate.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    parts = [table[table["line"] == TOTAL_LINE.code] for table in (by_position, by_cluster)]
    keys = [
        estimate_key(getattr(current_theme(), verdict), verdict, marker=marker)
        for verdict, marker in MARKERS.items()
    ]
    figure = sheet(
        ROW * sum(map(len, parts)) + 2 * _DECOR,
        title="Where promotions are risky: the effect on the whole slate, by segment",
        subtitle=f"{outcome.per_arm}, with 95% intervals. Undecided: the interval covers zero.",
        legend=[*keys, *known_keys(*parts)],
        note=chance_note(parts),
        source=source,
    )
    grid = figure.add_gridspec(
        2, 2, height_ratios=[max(len(part), 1) for part in parts], width_ratios=[3, 1]
    )
    axes: Axes | None = None
    for index, (part, (column, title)) in enumerate(zip(parts, SEGMENTS.items(), strict=True)):
        axes = figure.add_subplot(grid[index, 0], sharex=axes)
        draw_segments(axes, part, column)
        write_slates(text_axis(figure, grid[index, 1], axes), part)
        wide_enough(axes)
        axes.set(title=title, xlabel=f"Change in {outcome.of(PER_SLATE)}")
    return figure


def draw_segments(axes: Axes, segments: pd.DataFrame, name: str) -> None:
    """Draw one row per segment; where there are too few slates, write so."""
    theme = current_theme()
    row_axis(axes, [shortened(segment, 130, size=9) for segment in segments[name]])
    zero_line(axes)
    for row, (_, line) in enumerate(segments.iterrows()):
        verdict = str(line["verdict"])
        color = getattr(theme, verdict) if verdict in MARKERS else theme.undecided
        look = {"color": color, "marker": MARKERS.get(verdict, "o")}
        known = line.get("known_effect", np.nan)
        draw_row(axes, row, interval_of(line), known, str(line["verdict_label"]), **look)


def write_slates(axes: Axes, segments: pd.DataFrame) -> None:
    """Write the number of slates of each segment, as the sum of its arms."""
    counts = segments[["slates", "treated_slates", "control_slates"]].to_numpy()
    texts = [
        f"{count(total)} = {count(promoted)} + {count(control)}"
        for total, promoted, control in counts
    ]
    column_of_text(axes, 1, "Slates = promoted + control", texts)


def chance_note(parts: list[pd.DataFrame]) -> str:
    """Return how many segments would stand out by chance alone."""
    tested = sum(int(part["estimate"].notna().sum()) for part in parts)
    return (
        f"{tested} segments have numbers, each judged at 95%: about {0.05 * tested:.1f} of them "
        "would stand out by chance alone. Position and cluster divide the same slates in two ways."
    )
