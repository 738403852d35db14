"""The total effect of every seed of a sweep, with its interval, compared with the known effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from netlift.effects.codes import TOTAL_LINE
from netlift.figures.drawing.marks import ESTIMATE, INTERVAL, KNOWN, estimate_key
from netlift.figures.drawing.style import SMALL, WIDTH, sheet, styled, zero_line
from netlift.figures.drawing.text import count, shortened
from netlift.figures.drawing.themes import current_theme

_COLUMNS = 3
_PANEL = 2.15
"""Height of a panel, in inches."""


@styled
def sweep_estimates(effects: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw each seed's total effect with its interval, one panel per slate size and world.

    Parameters
    ----------
    effects
        ``sweep/effects.parquet``, of which the main estimator's total is drawn; an experiment may
        lack numbers.
    source
        Where the numbers come from, for the footer.
    """
    totals = effects[effects["is_main"].astype(bool) & (effects["line"] == TOTAL_LINE.code)]
    sizes, worlds = sorted(totals["size"].unique()), list(dict.fromkeys(totals["world"]))
    columns = min(len(worlds), _COLUMNS)
    per_size = -(-len(worlds) // columns)
    missing = int(totals["estimate_per_slate"].isna().sum())
    figure = sheet(
        _PANEL * per_size * len(sizes),
        title="The same experiment with many seeds: total effect per slate",
        subtitle="Each line is one seed: its estimate with a 95% interval, sorted by estimate.",
        legend=_legend(),
        note="Of 100 intervals, 5 are expected to miss. A seed draws the same numbers at all sizes "
        "and in all worlds, so panels are correlated."
        + (f" {count(missing)} experiments have no estimate." if missing else ""),
        source=source,
    )
    panels = figure.subplots(per_size * len(sizes), columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    for band, size in enumerate(sizes):
        for index, world in enumerate(worlds):
            axes = panels[band * per_size + index // columns, index % columns]
            axes.set_axis_on()
            part = totals[(totals["size"] == size) & (totals["world"] == world)]
            draw_seeds(axes, part.dropna(subset=["estimate_per_slate"]))
            name = shortened(f"{world}, {size} items", 72 * WIDTH / columns - 60, size=SMALL)
            axes.set_title(f"{name}\n{_coverage(part)}", size=SMALL)
            if index % columns == 0:
                axes.set_ylabel("Clicks per slate")
    return figure


def _legend() -> list[Artist]:
    theme = current_theme()
    return [
        estimate_key(theme.data, "estimate, 95% interval", interval=True),
        Line2D([], [], color=theme.loses, linewidth=2, marker="X", label="misses the known effect"),
        Line2D([], [], color=theme.ink, linewidth=1.2, label="known effect of the seed's slates"),
    ]


def misses(part: pd.DataFrame) -> pd.Series:
    """Return which experiments' intervals do not cover their known effect."""
    covered = part["known_effect"].between(part["ci_95_lower"], part["ci_95_upper"])
    return ~covered & part["estimate_per_slate"].notna()


def _coverage(part: pd.DataFrame) -> str:
    n = int(part["estimate_per_slate"].notna().sum())
    return f"{count(n - misses(part).sum())} of {count(n)} cover the known effect"


def draw_seeds(axes: Axes, part: pd.DataFrame) -> None:
    """Draw one vertical interval per seed, with another color and a cross where it misses."""
    theme = current_theme()
    part = part.sort_values("estimate_per_slate", kind="stable")
    x, missed = np.arange(1, len(part) + 1), misses(part).to_numpy()
    values = part["estimate_per_slate"].to_numpy()
    ends = part[["ci_95_lower", "ci_95_upper"]].to_numpy()
    # Wide enough to be seen, narrow enough that neighbors stay apart.
    width = float(np.clip(100 / max(len(part), 1), 0.35, 2))
    for chosen, color, marker in ((~missed, theme.data, "."), (missed, theme.loses, "X")):
        lines = [
            [(seed, low), (seed, high)]
            for seed, (low, high) in zip(x[chosen], ends[chosen], strict=True)
        ]
        axes.add_collection(
            LineCollection(
                lines,
                colors=color,
                linewidths=width,
                alpha=1.0 if marker == "X" else 0.5,
                label=INTERVAL,
                zorder=3 if marker == "X" else 2,
            )
        )
        axes.plot(
            x[chosen],
            values[chosen],
            linestyle="none",
            marker=marker,
            color=color,
            markersize=4.5 if marker == "X" else 2 + 2 * width,
            markeredgewidth=0,
            label=ESTIMATE,
            zorder=4,
        )
    axes.step(
        x,
        part["known_effect"],
        where="mid",
        color=theme.ink,
        linewidth=1.2,
        label=KNOWN,
        zorder=5,
    )
    zero_line(axes, vertical=False)
    axes.lines[-1].set(linewidth=0.8, linestyle=(0, (2, 2)))
    axes.grid(visible=True, axis="y")
    axes.locator_params(axis="y", nbins=5)
    axes.margins(x=0.02)
    axes.set_xticks([])
    axes.autoscale_view()
