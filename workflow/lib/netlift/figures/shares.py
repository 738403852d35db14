"""Shares of the focal gain that are taken from other items, with Fieller sets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome
from netlift.effects.codes import DIFFERENCE
from netlift.effects.empty_lines import with_items
from netlift.effects.estimators import LIN, label_of
from netlift.figures.drawing.marks import (
    INTERVAL,
    draw_known,
    draw_point,
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
    write_definitions,
    zero_line,
)
from netlift.figures.drawing.text import reasons, signed, with_interval
from netlift.figures.drawing.themes import current_theme

ESTIMATORS = {LIN: ("o", True), DIFFERENCE: ("s", False)}
"""The estimators drawn, with the marker of each and whether it is filled."""

SHIFT = 0.17
"""Distance of an estimator's mark from the middle of its row."""

FARTHEST = 10.0
"""Largest distance of an axis limit from 0; a set beyond it ends in an arrow."""

ARROW = "_arrow"
"""Label of the marks where a set extends beyond the axis."""

_ROW = 0.64
_MARGIN = 0.06


@styled
def shares(shares: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS) -> Figure:
    """Draw each share with its 95% Fieller set, bounded or not.

    Parameters
    ----------
    shares
        ``shares.csv``; ``known_value`` may be missing, and an estimator may lack numbers.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    theme = current_theme()
    part, empty = with_items(shares[shares["estimator"].isin(ESTIMATORS)], "metric_label")
    names = part.drop_duplicates("metric")
    keys = [
        estimate_key(theme.data, f"{label_of(name)}, 95% set", marker=marker, filled=filled)
        for name, (marker, filled) in ESTIMATORS.items()
    ]
    figure = sheet(
        _ROW * len(names) + 0.7,
        title="What a promotion takes from the items around it",
        subtitle=f"Shares of observed {outcome.unit}, with Fieller sets. What is taken from all "
        "competitors and what is left for the slate add up to 1.",
        legend=[*keys, *known_keys(part, column="known_value", label="known share")],
        note=" ".join(filter(None, [_note(part), *empty])),
        source=source,
    )
    grid = figure.add_gridspec(1, 3, width_ratios=[0.62, 1.3, 0.72])
    axes = figure.add_subplot(grid[1])
    row_axis(axes, [""] * len(names))
    axes.set_xlim(*limits(part))
    zero_line(axes)
    axes.axvline(1, color=theme.muted, linewidth=1, linestyle=(0, (4, 2)), zorder=1.5)
    texts = draw_shares(axes, part, names["metric"].to_list())
    meanings = "of " + names["denominator_label"]
    write_definitions(text_axis(figure, grid[0], axes), names["metric_label"], meanings)
    column_of_text(text_axis(figure, grid[2], axes), 1, "Estimate (95% set)", texts)
    axes.set_xlabel("Share (ratio, without unit); dashed: 1, the whole")
    return figure


def limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of an axis that shows every finite number, up to FARTHEST."""
    names = ["estimate", "ci_95_lower", "ci_95_upper", "known_value"]
    values = table[[name for name in names if name in table]].to_numpy(dtype=np.float64)
    values = np.clip(np.r_[values[np.isfinite(values)], 0.0, 1.0], -FARTHEST, FARTHEST)
    margin = _MARGIN * float(np.ptp(values))
    return float(values.min()) - margin, float(values.max()) + margin


def draw_shares(axes: Axes, table: pd.DataFrame, names: list[str]) -> dict[float, str]:
    """Draw the shares of every estimator; return their numbers by their position on the y axis."""
    texts = {}
    shifts = dict(zip(ESTIMATORS, (-SHIFT, SHIFT), strict=True))
    for _, line in table.iterrows():
        row = names.index(line["metric"])
        y = row + shifts[line["estimator"]]
        marker, filled = ESTIMATORS[line["estimator"]]
        ends = (line["ci_95_lower"], line["ci_95_upper"])
        for lower, upper in pieces(str(line["interval_kind"]), *ends):
            draw_piece(axes, y, lower, upper)
        if abs(line["estimate"]) <= FARTHEST:
            look = {"color": current_theme().data, "marker": marker, "filled": filled}
            draw_point(axes, y, line["estimate"], **look)
        elif pd.isna(line["interval_kind"]):
            say_missing(axes, y, "not estimated")
        texts[y] = estimate_text(line["estimate"], *ends, str(line["interval_kind"]))
    for metric, part in table.groupby("metric", sort=False):
        draw_known(axes, names.index(str(metric)), part.iloc[0].get("known_value", np.nan))
    return texts


def pieces(kind: str, lower: float, upper: float) -> list[tuple[float, float]]:
    """Return the pieces of a confidence set, from end to end."""
    return {
        "interval": [(lower, upper)],
        "outside": [(-math.inf, lower), (upper, math.inf)],
        "everything": [(-math.inf, math.inf)],
    }.get(kind, [])


def estimate_text(estimate: float, lower: float, upper: float, kind: str) -> str:
    """Write an estimate with its confidence set."""
    number = signed(estimate, 2) if math.isfinite(estimate) else "no estimate"
    if kind == "interval":
        return with_interval(estimate, lower, upper, 2)
    if kind == "outside":
        return f"{number} (below {signed(lower, 2)} or above {signed(upper, 2)})"
    return f"{number} (any number)" if kind == "everything" else number


def draw_piece(axes: Axes, row: float, lower: float, upper: float) -> None:
    """Draw a piece of a set; where it extends beyond the axis, it ends in an arrow."""
    theme = current_theme()
    left, right = axes.get_xlim()
    ends = np.clip([lower, upper], left, right)
    axes.plot(
        ends, [row, row], color=theme.data, linewidth=2, solid_capstyle="butt", label=INTERVAL
    )
    for end, beyond, arrow in ((left, lower < left, "<"), (right, upper > right, ">")):
        if beyond:
            look: dict[str, Any] = {
                "color": theme.data,
                "markersize": 7,
                "clip_on": False,
                "zorder": 3,
            }
            axes.plot([end], [row], marker=arrow, linestyle="none", label=ARROW, **look)


def _note(table: pd.DataFrame) -> str:
    """Explain arrows, and why an estimator has no numbers."""
    notes = []
    ends = table[["ci_95_lower", "ci_95_upper"]].to_numpy(dtype=np.float64)
    if (np.abs(ends) > FARTHEST).any():
        notes.append("Arrow: the set continues beyond the axis.")
    if (table["interval_kind"] == "outside").any():
        notes.append(
            "Arrows and a gap: every number except those in the gap, because the denominator may "
            "be zero."
        )
    if (table["interval_kind"] == "everything").any():
        notes.append("Arrows, no gap: any number, because the denominator may be zero.")
    missing = table.dropna(subset=["note"]).drop_duplicates("estimator")
    return " ".join([*notes, *reasons(missing["estimator"].map(label_of), missing["note"])])
