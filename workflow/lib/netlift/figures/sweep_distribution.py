"""How estimates are spread over the seeds of a sweep, by slate size and world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from netlift.figures.drawing.marks import draw_known, known_key
from netlift.figures.drawing.style import SMALL, row_axis, sheet, styled, wide_enough, zero_line
from netlift.figures.drawing.text import count, shortened
from netlift.figures.drawing.themes import current_theme

SEEDS, MIDDLE, SPREAD = "_seeds", "_middle_half", "_middle_95"
"""Labels of the marks: single seeds, and the middle 50% and 95% of them."""

_ROW = 0.42
_DECOR = 0.62
"""Height of a panel's title and ticks, in inches."""
_DEPTH = 0.3
"""Largest distance of a seed's point below its row."""


@styled
def sweep_distribution(effects: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw the distribution over seeds of each line of the ledger, by slate size and world.

    Parameters
    ----------
    effects
        ``sweep/effects.parquet``, of which the main estimator is drawn.
    source
        Where the numbers come from, for the footer.
    """
    rows = effects[effects["is_main"].astype(bool)].dropna(subset=["estimate_per_slate"])
    sizes = sorted(map(int, effects["size"].unique()))
    lines, worlds = (list(dict.fromkeys(effects[name])) for name in ("line", "world"))
    labels = dict(zip(effects["line"], effects["component"], strict=True))
    heights = len(worlds) * (_ROW * len(sizes) + _DECOR)
    seeds = effects.groupby(["world", "size"])["seed"].nunique()
    most, least = count(seeds.max()), count(seeds.min())
    seeds_text = most if most == least else f"{least} to {most}"
    figure = sheet(
        heights + 0.2,
        title="How estimates spread over seeds, by slate size and world",
        subtitle=f"{seeds_text} seeds in each row. Change in clicks per slate due to promotion.",
        legend=_legend(),
        note="The known effect is the mean over seeds, whose slates differ a little.",
        source=source,
    )
    panels = figure.subplots(len(worlds), len(lines), squeeze=False)
    for (row, column), axes in np.ndenumerate(panels):
        world, line = worlds[row], lines[column]
        part = rows[(rows["world"] == world) & (rows["line"] == line)]
        row_axis(axes, [f"{size} items" if column == 0 else "" for size in sizes])
        zero_line(axes)
        draw_spread(axes, part, sizes, current_theme().component(line))
        wide_enough(axes)
        axes.locator_params(axis="x", nbins=4)
        if row == 0:
            axes.set_title(labels[line], size=SMALL)
        if column == 0:
            room = 72 * _ROW * len(sizes)
            axes.set_ylabel(shortened(world, room, size=10.5, weight="bold"), weight="bold")
    return figure


def _legend() -> list[Artist]:
    theme = current_theme()
    look: dict[str, Any] = {"color": theme.muted, "solid_capstyle": "butt"}
    return [
        Line2D([], [], marker=".", linestyle="none", color=theme.muted, label="one seed"),
        Line2D([], [], linewidth=5, label="middle half of the seeds", **look),
        Line2D([], [], linewidth=1.5, label="middle 95%", **look),
        known_key(),
    ]


def draw_spread(axes: Axes, part: pd.DataFrame, sizes: list[int], color: str) -> None:
    """Draw one row per slate size: seeds as points, their quantiles, and the known effect."""
    for row, size in enumerate(sizes):
        cell = part[part["size"] == size]
        values = cell["estimate_per_slate"].to_numpy()
        if not len(values):
            continue
        axes.plot(
            values,
            row + 0.1 + _DEPTH * scattered(len(values)),
            linestyle="none",
            marker=".",
            markersize=3,
            markeredgewidth=0,
            color=color,
            alpha=0.55,
            label=SEEDS,
        )
        quantiles = np.quantile(values, [0.025, 0.25, 0.75, 0.975])
        for ends, width, label in (
            (quantiles[[0, 3]], 1.5, SPREAD),
            (quantiles[[1, 2]], 5, MIDDLE),
        ):
            axes.plot(
                ends,
                [row - 0.12] * 2,
                color=color,
                linewidth=width,
                solid_capstyle="butt",
                label=label,
            )
        draw_known(axes, row - 0.12, float(cell["known_effect"].mean()))


def scattered(n: int) -> NDArray[np.float64]:
    """Return evenly spread, deterministic numbers from 0 to 1 (multiples of a fraction)."""
    return np.asarray(np.arange(n) * 0.6180339887498949 % 1)
