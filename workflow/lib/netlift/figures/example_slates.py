"""Example slates as small tables: what a user would have been shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patches import Rectangle

from netlift.figures.drawing.style import SMALL
from netlift.figures.drawing.text import shortened
from netlift.figures.drawing.themes import current_theme

EXAMPLE_ROW = 0.2
"""Height of a row of an example, in inches."""

MAX_ROWS = 24
"""Items of a slate that are written out; of a longer slate, the first, the focal and the last."""

TITLE_WIDTH, CLUSTER_WIDTH = 158.0, 68.0
"""Room for a movie's title and its cluster, in points."""

_COLUMNS = {"Position": 0.075, "Movie": 0.1, "Cluster": 0.665, "Relevance": 0.995}
_SHORTENED = 5


def example_rows(exposure: pd.DataFrame) -> int:
    """Return how many rows an example slate takes."""
    slates = exposure["slate_id"].to_numpy()
    return min(int(np.unique(slates, return_counts=True)[1].max()), MAX_ROWS)


def draw_examples(
    figure: Figure, where: SubplotSpec, movies: pd.DataFrame, exposure: pd.DataFrame
) -> None:
    """Draw the first promoted and the first control slate side by side, as before promotion.

    Parameters
    ----------
    figure, where
        The figure, and the part of its grid to fill.
    movies
        ``item_id`` and ``title``.
    exposure
        Slate items with the design.
    """
    grid = where.subgridspec(1, 2)
    for column, arm in enumerate((1, 0)):
        axes = figure.add_subplot(grid[column])
        axes.set_axis_off()
        slates = exposure.loc[exposure["promotion_applied"] == arm, "slate_id"]
        if len(slates):
            slate = exposure[exposure["slate_id"] == slates.iloc[0]]
            titles = movies[["item_id", "title"]].drop_duplicates("item_id")
            draw_example(axes, slate.merge(titles, on="item_id", how="left"))


def draw_example(axes: Axes, slate: pd.DataFrame) -> None:
    """Draw one slate as a table, its focal item marked."""
    theme = current_theme()
    slate = slate.sort_values("slate_position_seed")
    shown = _shown_rows(slate)
    promotion = _what_is_done(slate[slate["is_focal_item"]])
    promoted = slate["promotion_applied"].iloc[0] == 1
    axes.set_title(
        f"Slate {slate['slate_id'].iloc[0]}, "
        + (f"promoted: {promotion}" if promoted else "control: the order stays")
    )
    axes.set(xlim=(0, 1), ylim=(example_rows(slate) + 0.5, -0.6))
    for name, x in _COLUMNS.items():
        axes.text(x, 0, name, ha=_side(name), va="center", size=SMALL, color=theme.muted)
    axes.plot([0, 1], [0.5, 0.5], color=theme.muted, linewidth=0.8, clip_on=False)
    for line, row in enumerate(shown, start=1):
        if row is None:
            axes.text(0.1, line, "\N{VERTICAL ELLIPSIS}", va="center", size=SMALL)
        else:
            _draw_item(axes, line, slate.iloc[row])


def _what_is_done(focal: pd.DataFrame) -> str:
    """Return in words what promotion does to the focal items of a slate."""
    before, after = focal["slate_position_seed"], focal["promoted_position"]
    if before.isna().any():
        return f"the focal item is shown at {after.iloc[0]:.0f}"
    if (before == after).all():
        return "the focal item is marked" if len(focal) == 1 else "the focal items are marked"
    moves = [" and ".join(f"{number:.0f}" for number in place) for place in (before, after)]
    return f"{moves[0]} {'moves' if len(focal) == 1 else 'move'} to {moves[1]}"


def _draw_item(axes: Axes, line: int, item: pd.Series) -> None:
    theme = current_theme()
    focal = bool(item["is_focal_item"])
    weight = "bold" if focal else "normal"
    if focal:
        axes.add_patch(Rectangle((0, line - 0.5), 1, 1, color=theme.focal, alpha=0.16, linewidth=0))
        axes.add_patch(Rectangle((0, line - 0.5), 0.008, 1, color=theme.focal, linewidth=0))
    shown = pd.notna(item["slate_position_seed"])
    title = item["title"] if isinstance(item["title"], str) else ""
    texts = {
        "Position": f"{item['slate_position_seed']:.0f}" if shown else "not shown",
        "Movie": shortened(title, TITLE_WIDTH, size=SMALL, weight=weight) or "(no title)",
        "Cluster": shortened(item["spillover_cluster"], CLUSTER_WIDTH, size=SMALL, weight=weight),
        "Relevance": f"{item['relevance']:.2f}",
    }
    for name, text in texts.items():
        axes.text(
            _COLUMNS[name], line, text, ha=_side(name), va="center", size=SMALL, weight=weight
        )


def _side(column: str) -> str:
    return "right" if column in ("Position", "Relevance") else "left"


def _shown_rows(slate: pd.DataFrame) -> list[int | None]:
    """Return the rows of a slate to write out, with None where some are left out."""
    size = len(slate)
    if size <= MAX_ROWS:
        return list(range(size))
    focal = int(slate["is_focal_item"].to_numpy().argmax())
    first = MAX_ROWS - _SHORTENED
    shown: list[int | None] = list(range(first))
    for row in sorted({focal, size - 1}):
        if row >= first:
            before = shown[-1]
            if before is not None and row > before + 1:
                shown.append(None)
            shown.append(row)
    return shown
