"""Promotions side by side: what each gains, what it takes, and what is left, in each world."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000
from netlift.effects.codes import DIRECT_LINE, INDIRECT_LINE, SHARE_MOVED, TOTAL_LINE
from netlift.figures.drawing.marks import (
    draw_estimate,
    draw_known,
    draw_row,
    estimate_key,
    known_keys,
)
from netlift.figures.drawing.style import (
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    write_definitions,
    zero_line,
)
from netlift.figures.drawing.text import shortened
from netlift.figures.drawing.themes import current_theme
from netlift.figures.shares import draw_piece, pieces

_PARTS = {
    DIRECT_LINE.code: ("focal gain", "o", -0.25),
    INDIRECT_LINE.code: ("change of all other items", "s", 0.0),
    TOTAL_LINE.code: ("net change of the slate", "^", 0.25),
}
"""Lines drawn for each promotion: words, marker, and distance from the middle of its row."""

LOWEST, HIGHEST = -1.0, 3.0
"""Ends of the longest axis of shares; a set beyond them ends in an arrow."""

_MARGIN = 0.1

_ROW = 0.6
"""Height of a promotion's row, in inches."""

_ENDS = ["ci_95_lower", "ci_95_upper"]

_DECOR = 0.75
"""Height of a world's heading and axis, in inches."""

_NAME = 170.0
"""Largest width of a promotion's name, in points."""


@styled
def promotions(table: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS) -> Figure:
    """Draw the promotions of each world side by side, and the share of the gain that each moves.

    Parameters
    ----------
    table
        ``promotions.csv``; ``known_value`` may be missing.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    worlds = list(dict.fromkeys(table["world"]))
    names = table.drop_duplicates("promotion")
    shares = table[table["line"] == SHARE_MOVED]
    theme = current_theme()
    figure = sheet(
        len(worlds) * (_ROW * len(names) + _DECOR),
        title="What each promotion gains, and what it takes from other items",
        subtitle="The same slates with each promotion, compared with no promotion. On the right, "
        "the share of the focal gain that is taken from other items.",
        legend=[
            *(
                estimate_key(theme.component(line), words, marker=marker)
                for line, (words, marker, _) in _PARTS.items()
            ),
            estimate_key(theme.data, "share moved"),
            *known_keys(table, column="known_value", label="known value"),
        ],
        note=_note(shares),
        source=source,
    )
    grid = figure.add_gridspec(len(worlds), 3, width_ratios=[0.75, 1.45, 0.8])
    first: tuple[Axes, Axes] | None = None
    for index, world in enumerate(worlds):
        effects = figure.add_subplot(grid[index, 1], sharex=first and first[0])
        moved = figure.add_subplot(grid[index, 2], sharex=first and first[1])
        first = first or (effects, moved)
        moved.set_xlim(*_limits(shares))
        part = table[table["world"] == world]
        _draw_effects(effects, part)
        _draw_shares(moved, part[part["line"] == SHARE_MOVED])
        effects.set_title(f"World: {shortened(world, 200, size=10.5)}")
        effects.set_xlabel(f"Change in {outcome.of(PER_1000)}")
        moved.set_xlabel("Share moved (dashed: 1, all)")
        titles = [shortened(name, _NAME, size=9) for name in names["promotion"]]
        write_definitions(
            text_axis(figure, grid[index, 0], effects), titles, names["promotion_label"]
        )
    return figure


def _draw_effects(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the gain of the focal item, the change of all others, and the sum, by promotion."""
    row_axis(axes, [""] * table["promotion"].nunique())
    zero_line(axes)
    for line, (_, marker, shift) in _PARTS.items():
        look = {"color": current_theme().component(line), "marker": marker}
        rows = table[table["line"] == line]
        numbers = 1000 * rows[["estimate", *_ENDS]].to_numpy(dtype=np.float64)
        known = 1000 * rows["known_value"] if "known_value" in rows else [np.nan] * len(rows)
        for index, (values, value) in enumerate(zip(numbers, known, strict=True)):
            draw_row(axes, index + shift, tuple(values), value, "not estimated", **look)
    wide_enough(axes)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))


def _draw_shares(axes: Axes, shares: pd.DataFrame) -> None:
    """Draw the share moved with its 95% set, by promotion."""
    row_axis(axes, [""] * len(shares))
    zero_line(axes)
    axes.axvline(1, color=current_theme().muted, linewidth=1, linestyle=(0, (4, 2)), zorder=1.5)
    for index, (_, row) in enumerate(shares.iterrows()):
        for lower, upper in pieces(
            str(row["interval_kind"]), row["ci_95_lower"], row["ci_95_upper"]
        ):
            draw_piece(axes, index, lower, upper)
        point = (_within(row["estimate"]), np.nan, np.nan)
        draw_estimate(axes, index, point, color=current_theme().data)
        draw_known(axes, index, _within(row.get("known_value", np.nan)))


def _within(share: float) -> float:
    """Return a share, or nothing where it is beyond the longest axis."""
    return share if LOWEST <= share <= HIGHEST else np.nan


def _limits(shares: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of an axis that shows every finite number from LOWEST to HIGHEST."""
    names = ["estimate", *_ENDS, "known_value"]
    values = shares[[name for name in names if name in shares]].to_numpy(dtype=np.float64)
    values = np.clip(np.r_[values[np.isfinite(values)], 0.0, 1.0], LOWEST, HIGHEST)
    return float(values.min()) - _MARGIN, float(values.max()) + _MARGIN


def _note(shares: pd.DataFrame) -> str:
    """Explain arrows."""
    if (shares["interval_kind"].isin(("outside", "everything"))).any():
        return (
            "Arrows on both sides: the set has no limits, because the focal gain may be zero; a "
            "gap is not in it. A share beyond the axis is in promotions.csv."
        )
    ends = shares[_ENDS].to_numpy(dtype=np.float64)
    beyond = (ends < LOWEST) | (ends > HIGHEST)
    return "Arrow: the set continues beyond the axis." if beyond.any() else ""
