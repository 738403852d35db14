"""Several arms: each variant against control, and against each other, side by side."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000
from netlift.effects.codes import DIRECT_LINE, INDIRECT_LINE, MAIN_OUTCOME, TOTAL_LINE
from netlift.effects.several_arms import PAIR, VARIANT
from netlift.figures.drawing.marks import draw_row, estimate_key, interval_of
from netlift.figures.drawing.style import ROW, row_axis, sheet, styled, wide_enough, zero_line
from netlift.figures.drawing.text import shortened
from netlift.figures.drawing.themes import current_theme
from netlift.promotion.variants import CONTROL

_PANELS = {
    DIRECT_LINE.code: "The focal item",
    INDIRECT_LINE.code: "All other items together",
    TOTAL_LINE.code: "The whole slate",
}
_DECOR = 0.55
"""Height of a panel's title and ticks, in inches."""


@styled
def arms(table: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS) -> Figure:
    """Draw the effects of all variants side by side, one panel for each part of the slate.

    Parameters
    ----------
    table
        ``arms.csv``.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    main = table[(table["outcome_type"] == MAIN_OUTCOME) & table["kind"].isin((VARIANT, PAIR))]
    n_rows = len(main[["variant", "against"]].drop_duplicates())
    theme = current_theme()
    figure = sheet(
        len(_PANELS) * (ROW * n_rows + _DECOR) + 0.2,
        title="What each variant changes, side by side",
        subtitle=f"{outcome.of(PER_1000).capitalize()}: one arm minus the other, with 95% "
        "intervals.",
        legend=[
            estimate_key(theme.data, "a variant against control"),
            estimate_key(theme.data, "a variant against another", filled=False),
        ],
        note="All variants are compared with the same control slates. Intervals are not adjusted "
        "for the number of variants; the p-values in arms.csv are.",
        source=source,
    )
    axes: Axes | None = None
    grid = figure.add_gridspec(len(_PANELS), 1)
    for index, (line, title) in enumerate(_PANELS.items()):
        axes = figure.add_subplot(grid[index, 0], sharex=axes)
        _draw(axes, main[main["line"] == line])
        axes.set_title(title)
    if axes is not None:
        wide_enough(axes)
        axes.set_xlabel(f"Change in {outcome.of(PER_1000)}")
    return figure


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    pairs = zip(rows["variant"], rows["against"], strict=True)
    row_axis(axes, [shortened(f"{arm} against {other}", 150, size=9) for arm, other in pairs])
    zero_line(axes)
    for number, (_, row) in enumerate(rows.iterrows()):
        look = {"color": current_theme().data, "filled": row["against"] == CONTROL}
        draw_row(axes, number, interval_of(row), float("nan"), "no number", **look)
