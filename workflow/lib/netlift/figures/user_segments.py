"""Who gains among users: every line of the ledger by groups of users."""

from __future__ import annotations

from itertools import product

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE
from netlift.effects.codes import LINES
from netlift.figures.drawing.marks import estimate_key, known_keys
from netlift.figures.drawing.style import SMALL, sheet, styled, wide_enough
from netlift.figures.drawing.text import p_value, shortened
from netlift.figures.drawing.themes import current_theme
from netlift.figures.segments import draw_segments

TITLES = dict(
    zip(
        (line.code for line in LINES),
        ("Focal item", "Same cluster", "Other clusters", "Whole slate"),
        strict=True,
    )
)
"""Title of the panel of each line of the ledger."""


_ROW = 0.46
_DECOR = 0.95
"""Height of a panel's title, ticks and label, in inches."""


@styled
def user_segments(
    table: pd.DataFrame,
    heterogeneity: pd.DataFrame,
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
) -> Figure:
    """Draw the ledger by groups of users, one panel per covariate and line.

    Parameters
    ----------
    table
        ``user_segments.csv``; ``known_effect`` may be missing, and groups may lack numbers.
    heterogeneity
        ``user_heterogeneity.csv``.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    theme = current_theme()
    with_line = table.dropna(subset=["line"]) if "line" in table else table.iloc[:0]
    kinds = [part for _, part in with_line.groupby("segment_type", sort=False)]
    heights = [_ROW * part["segment"].nunique() + _DECOR for part in kinds]
    figure = sheet(
        sum(heights),
        title="Who gains among users? The ledger by groups of slates, by what is known of the user",
        subtitle=f"Change in observed {outcome.of(PER_SLATE)}. p: for no difference between the "
        "groups of a panel, adjusted for all panels.",
        legend=[
            estimate_key(theme.total, "raw, simultaneous 95% interval"),
            estimate_key(theme.data, "shrunken, 95% interval on average", marker="s", filled=False),
            *known_keys(table),
        ],
        note=" ".join(
            [
                "Simultaneous: valid for all groups of a column of panels together. Quarters are "
                "of slates, in the order of the covariate of their user.",
                *_left_out(table),
            ]
        ),
        source=source,
    )
    grid = figure.add_gridspec(len(kinds), len(LINES), height_ratios=heights)
    axes: dict[tuple[int, int], Axes] = {}
    for place in product(range(len(kinds)), range(len(LINES))):
        part, line = kinds[place[0]], LINES[place[1]].code
        axes[place] = figure.add_subplot(grid[place], sharex=axes.get((0, place[1])))
        _draw_panel(axes[place], part[part["line"] == line], heterogeneity, named=place[1] == 0)
        if place[0] == len(kinds) - 1:
            axes[place].set_xlabel("Change per slate", size=SMALL)
    return figure


def _draw_panel(
    axes: Axes, rows: pd.DataFrame, heterogeneity: pd.DataFrame, *, named: bool
) -> None:
    """Draw one line of the ledger by the groups of one covariate."""
    draw_segments(axes, rows)
    if named:
        labels = [
            str(row.segment)
            if row.lowest == row.highest
            else f"{row.segment}\n{row.lowest:.5g} to {row.highest:.5g}"
            for row in rows.itertuples()
        ]
        axes.set_yticks(range(len(labels)), labels)
        label = shortened(f"By {rows['segment_type_label'].iloc[0]}", 150, size=SMALL)
        axes.set_ylabel(label, size=SMALL)
    else:
        axes.tick_params(axis="y", labelleft=False)
    axes.locator_params(axis="x", nbins=3)
    wide_enough(axes)
    line = str(rows["line"].iloc[0])
    axes.set_title(f"{TITLES[line]}\n{_tested(rows, heterogeneity)}", size=SMALL)


def _tested(rows: pd.DataFrame, heterogeneity: pd.DataFrame) -> str:
    """Return the p-value of the groups of one panel."""
    first = rows.iloc[0]
    same = heterogeneity["segment_type"] == first["segment_type"]
    tested = heterogeneity[same & (heterogeneity["line"] == first["line"])]
    p = p_value(tested["p_value_adjusted"].iloc[0]) if len(tested) else ""
    if not p:
        return "not tested"
    return f"p {p}" if p.startswith("<") else f"p = {p}"


def _left_out(table: pd.DataFrame) -> list[str]:
    """Say which covariates of users have no groups, and why."""
    without = table[table["line"].isna()] if "line" in table else table
    return [
        f"By {row.segment_type_label} there are none: {row.note}." for row in without.itertuples()
    ]
