"""Which conclusions hold in which world."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from netlift.effects.conclusions import CONCLUSIONS, FAILS, HOLDS, TAKES_MORE, UNDECIDED, VERDICTS
from netlift.figures.drawing.marks import color_key, has_known
from netlift.figures.drawing.style import SMALL, sheet, styled
from netlift.figures.drawing.text import shortened, written
from netlift.figures.drawing.themes import current_theme

_CELL = 0.62
"""Height of a cell, in inches."""


@styled
def robustness(table: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw the verdict on each conclusion in each world, with the number behind it.

    Parameters
    ----------
    table
        ``robustness.csv``; ``known_verdict`` may be missing.
    source
        Where the numbers come from, for the footer.
    """
    theme = current_theme()
    conclusions = list(dict.fromkeys(table["conclusion"]))
    worlds = list(dict.fromkeys(table["world"]))
    colors = {HOLDS: theme.gains, FAILS: theme.loses, UNDECIDED: theme.undecided}
    figure = sheet(
        _CELL * len(conclusions) + 0.4,
        title="Which conclusions hold in which world",
        subtitle="Verdict on the observed clicks at 95%, with the estimate behind it"
        + (
            "; below, the verdict of the known effects."
            if has_known(table, "known_verdict")
            else "."
        ),
        legend=[color_key(color, VERDICTS[verdict]) for verdict, color in colors.items()],
        note="Units: clicks per slate; ratio; clicks per item row; clicks per slate and position.",
        source=source,
    )
    axes = figure.subplots()
    cells = table.set_index(["conclusion", "world"])
    for row, conclusion in enumerate(conclusions):
        for column, world in enumerate(worlds):
            cell = cells.loc[(conclusion, world)]
            color = colors[str(cell["verdict"])]
            corner = (column - 0.47, row - 0.44)
            axes.add_patch(
                Rectangle(corner, 0.94, 0.88, facecolor=color, alpha=0.22, edgecolor="none")
            )
            axes.add_patch(Rectangle(corner, 0.05, 0.88, facecolor=color, edgecolor="none"))
            known = cell.get("known_verdict_label")
            form = "{:.2f}" if conclusion == TAKES_MORE else "{:+.3f}"
            number = written(cell["estimate"], form) or "no number"
            lines = [str(cell["verdict_label"]), number]
            if isinstance(known, str):
                lines.append(f"known: {known}")
            axes.text(column, row, "\n".join(lines), ha="center", va="center", size=SMALL)
    axes.set_xlim(-0.5, len(worlds) - 0.5)
    axes.set_ylim(len(conclusions) - 0.5, -0.5)
    axes.set_xticks(range(len(worlds)), [shortened(world, 110, size=SMALL) for world in worlds])
    axes.xaxis.tick_top()
    labels = [CONCLUSIONS[name].replace(" more ", " more\n", 1) for name in conclusions]
    axes.set_yticks(range(len(conclusions)), labels)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure
