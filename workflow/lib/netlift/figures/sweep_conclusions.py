"""The share of a sweep's seeds in which each conclusion holds."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.effects.conclusions import CONCLUSIONS, FAILS, HOLDS, UNDECIDED, VERDICTS
from netlift.figures.drawing.marks import color_key
from netlift.figures.drawing.style import (
    ROW,
    SMALL,
    columns_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
)
from netlift.figures.drawing.text import count, shortened
from netlift.figures.drawing.themes import current_theme

_DECOR = 0.8
"""Height of a panel's title, ticks and label, in inches."""
_WRITTEN_FROM = 0.12
"""Share of seeds from which a bar has room for its number."""
_LABEL = 120.0


@styled
def sweep_conclusions(shares: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw the share of seeds by verdict on each conclusion, by world and slate size.

    Parameters
    ----------
    shares
        ``sweep/conclusion_shares.csv``.
    source
        Where the numbers come from, for the footer.
    """
    theme = current_theme()
    conclusions = list(dict.fromkeys(shares["conclusion"]))
    n_rows = int(shares.groupby("conclusion").size().max())
    colors = {HOLDS: theme.gains, UNDECIDED: theme.undecided, FAILS: theme.loses}
    figure = sheet(
        len(conclusions) * (ROW * n_rows + _DECOR),
        title="What one experiment would have concluded, over many seeds",
        subtitle=f"Share of {count(shares['seeds'].max())} seeds by the verdict at 95% on the "
        "observed clicks.",
        legend=[color_key(color, VERDICTS[verdict]) for verdict, color in colors.items()],
        note="Known: the share of seeds in which the known effects, without the noise of clicks, "
        "show that the conclusion holds. Wrong: verdicts that the known effects contradict; at "
        "95%, at most 2.5% are expected.",
        source=source,
    )
    grid = figure.add_gridspec(len(conclusions), 2, width_ratios=[4, 1])
    for index, conclusion in enumerate(conclusions):
        part = shares[shares["conclusion"] == conclusion]
        axes = figure.add_subplot(grid[index, 0])
        draw_shares(axes, part, colors)
        axes.set_title(CONCLUSIONS[conclusion])
        if index == len(conclusions) - 1:
            axes.set_xlabel("Share of seeds")
        write_known(text_axis(figure, grid[index, 1], axes), part)
    return figure


def draw_shares(axes: Axes, part: pd.DataFrame, colors: dict[str, str]) -> None:
    """Draw one bar per world and slate size, stacked from the shares of the verdicts."""
    labels = [
        f"{shortened(world, _LABEL, size=SMALL)}, {size}"
        for world, size in zip(part["world"], part["size"], strict=True)
    ]
    row_axis(axes, labels)
    left = pd.Series(0.0, index=part.index)
    for verdict, color in colors.items():
        share = part[verdict]
        bars = axes.barh(range(len(part)), share, left=left, color=color, height=0.72)
        bars.set_label(f"_{verdict}")
        for row, (start, width) in enumerate(zip(left, share, strict=True)):
            if width >= _WRITTEN_FROM:
                middle = start + width / 2
                axes.text(
                    middle,
                    row,
                    f"{width:.0%}",
                    ha="center",
                    va="center",
                    size=SMALL,
                    color=current_theme().paper,
                )
        left = left + share
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def write_known(axes: Axes, part: pd.DataFrame) -> None:
    """Write the share of seeds in which the known effects hold, and that of wrong verdicts."""
    names = {"Known: holds": "holds_by_known_effects", "Wrong": "wrong"}
    columns = {heading: [f"{share:.0%}" for share in part[name]] for heading, name in names.items()}
    columns_of_text(axes, columns, (0.5, 0.95))
