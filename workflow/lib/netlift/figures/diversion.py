"""Who pays: heat maps of what promotions of each group change for each group, and the largest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000
from netlift.effects.codes import (
    FOCAL_PART,
    OF_GROUP,
    OWN_PART,
    SUMS,
    TAKINGS,
)
from netlift.figures.drawing.marks import (
    color_key,
    draw_estimate,
    draw_known,
    estimate_key,
    known_keys,
)
from netlift.figures.drawing.style import (
    ROW,
    SMALL,
    column_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import shortened, signed
from netlift.figures.drawing.themes import current_theme

LARGEST = 10
"""Takings of each attribute in the figure of the largest ones."""


STRONGEST = 0.65
"""Opacity of the cell with the largest change; words on it can be read in both themes."""


SHIFT = 0.18
"""Distance of a mark from the middle of its row: raw above, pooled below."""


_CELL = 0.3
"""Height of a row of a heat map, in inches."""


_DECOR = 1.5
"""Height of a heat map's title and of the names of its columns, in inches."""


_TITLE = 68.0
"""Distance of the title from the first row, in points: the names of columns are between them."""


_LABEL = 92.0
_PAIR = 250.0


@styled
def diversion(table: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS) -> Figure:
    """Draw the matrix of each attribute: promoted items by row, the items that pay by column.

    Parameters
    ----------
    table
        ``diversion.csv``.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    theme = current_theme()
    matrices = _matrices(table)
    rows = [_n_rows(matrix) + 0.3 for matrix in matrices]
    figure = sheet(
        _CELL * sum(rows) + _DECOR * len(rows),
        title="Who pays? What promoted items of each group take, and from which items",
        subtitle=f"Change in observed {outcome.of(PER_1000)}. Rows: the group of the promoted "
        "item; columns: the items that gain or lose.",
        legend=[color_key(theme.loses, "loses"), color_key(theme.gains, "gains")],
        note="Numbers are raw and add up along a row: the focal item and the groups to all items. "
        "Colors are pooled: of estimates that are shrunken towards those of the same column. "
        "Framed: the simultaneous 95% interval does not contain 0. The diagonal, in bold, is the "
        "other items of the promoted item's own group. Rarer groups: all but the most common ones; "
        "in rows, also those with too few slates in an arm.",
        source=source,
    )
    panels = np.ravel(figure.subplots(len(matrices), 1, gridspec_kw={"height_ratios": rows}))
    for axes, matrix in zip(panels, matrices, strict=True):
        _draw_matrix(axes, matrix)
        axes.set_title(f"By {_words(matrix)}", pad=_TITLE)
    return figure


def _matrices(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the cells of each attribute that has a matrix."""
    cells = table.dropna(subset=["focal_kind"])
    return [matrix for _, matrix in cells.groupby("attribute", sort=False)]


def _words(matrix: pd.DataFrame) -> str:
    return shortened(matrix["attribute_label"].iloc[0], 200, size=10.5)


def _n_rows(matrix: pd.DataFrame) -> int:
    return len(matrix[["focal_kind", "focal_group"]].drop_duplicates())


def _draw_matrix(axes: Axes, matrix: pd.DataFrame) -> None:
    """Draw one cell for each row of the table, with the sums apart."""
    rows = [cells for _, cells in matrix.groupby(["focal_kind", "focal_group"], sort=False)]
    sums = matrix["part"].isin(SUMS)
    reach = {part: float(_colored(matrix[sums == part]).abs().max()) for part in (True, False)}
    across = _places(list(rows[0]["part"]))
    down = [0.0, *(number + 0.35 for number in range(1, len(rows)))]
    for y, cells in zip(down, rows, strict=True):
        for x, (_, cell) in zip(across, cells.iterrows(), strict=True):
            _draw_cell(axes, x, y, cell, reach[cell["part"] in SUMS])
    names = [shortened(name, _LABEL, size=SMALL) for name in rows[0]["group"]]
    axes.set_xticks(across, names, rotation=40, ha="left", rotation_mode="anchor")
    labels = [shortened(cells["focal_group"].iloc[0], _LABEL, size=SMALL) for cells in rows]
    axes.set_yticks(down, labels)
    axes.set(xlim=(across[0] - 0.5, across[-1] + 0.5), ylim=(down[-1] + 0.5, -0.5))
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_ylabel("promoted item of")


def _places(parts: Sequence[str]) -> list[float]:
    """Return the place of each column: the focal item and the sums are set apart."""
    places, x = [], 0.0
    for before, part in zip(["", *parts], parts, strict=False):
        x += 0.3 * (before == FOCAL_PART or (part in SUMS and before not in SUMS))
        places.append(x)
        x += 1
    return places


def _colored(cells: pd.DataFrame) -> pd.Series:
    """Return the numbers that colors show: pooled where they are, raw elsewhere."""
    return cells["pooled_estimate"].fillna(cells["estimate"])


def _draw_cell(axes: Axes, x: float, y: float, cell: pd.Series, reach: float) -> None:
    """Draw the change of one cell: its number, its color, and a frame where it is shown."""
    theme, value = current_theme(), cell["estimate"]
    if not math.isfinite(value):
        axes.text(x, y, "none", ha="center", va="center", size=SMALL, color=theme.muted)
        return
    pooled = cell["pooled_estimate"]
    color = pooled if math.isfinite(pooled) else value
    strength = min(abs(color) / reach, 1.0) if reach > 0 else 0.0
    side = theme.gains if color > 0 else theme.loses
    look: dict[str, Any] = {"facecolor": side, "linewidth": 0, "alpha": STRONGEST * strength}
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **look))
    if is_shown(cell):
        frame = Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, gid="shown")
        frame.set(edgecolor=theme.ink, linewidth=1.4)
        axes.add_patch(frame)
    weight = "bold" if cell["part"] == OWN_PART else "normal"
    axes.text(x, y, signed(value, 0), ha="center", va="center", size=SMALL, weight=weight)


def is_shown(cell: pd.Series) -> bool:
    """Return whether the simultaneous interval of a cell does not contain 0."""
    lower, upper = cell["simultaneous_ci_95_lower"], cell["simultaneous_ci_95_upper"]
    return bool(lower > 0 or upper < 0)


@styled
def largest_takings(table: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS) -> Figure:
    """Draw the largest takings of each attribute: from whom, to which promoted items, how much.

    Parameters
    ----------
    table
        ``diversion.csv``.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    theme = current_theme()
    panels = [(_words(matrix), largest(matrix)) for matrix in _matrices(table)]
    panels = [(words, rows) for words, rows in panels if len(rows)]
    heights = [1.35 * ROW * len(rows) + 0.95 for _, rows in panels]
    figure = sheet(
        sum(heights) or 1.0,
        title="The largest takings: from which items, to promoted items of which group",
        subtitle=f"Change in observed {outcome.of(PER_1000)} of the group.",
        legend=[
            estimate_key(theme.total, "raw, simultaneous 95% interval"),
            estimate_key(theme.data, "pooled, 95% on average", marker="s", filled=False),
            color_key(theme.same_cluster, "own group"),
            color_key(theme.other, "another group"),
            *known_keys(*(rows for _, rows in panels)),
        ],
        note="Simultaneous: valid for all cells of the matrix at once. The largest of many "
        "estimates are too large on average: the pooled ones, by which they are chosen, "
        "less so. A share is that of the raw estimate in what the promoted items gain.",
        source=source,
    )
    if not panels:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.text(0, 0.5, _why_none(table), va="center", color=theme.muted)
        return figure
    grid = figure.add_gridspec(len(panels), 2, height_ratios=heights, width_ratios=[3, 1])
    for index, (words, rows) in enumerate(panels):
        axes = figure.add_subplot(grid[index, 0])
        _draw_takings(axes, rows)
        column_of_text(
            text_axis(figure, grid[index, 1], axes),
            1,
            "Of 100 gained (95% set)",
            [_share(row) for _, row in rows.iterrows()],
        )
        wide_enough(axes)
        axes.set(title=f"By {words}", xlabel=f"Change in {outcome.of(PER_1000)}")
    return figure


def _why_none(table: pd.DataFrame) -> str:
    if (table["focal_kind"] == OF_GROUP).any():
        return "Nothing is taken: no estimate of a pair of groups is below 0."
    return "No group has enough promoted and control slates for a row of its own."


def largest(matrix: pd.DataFrame) -> pd.DataFrame:
    """Return the largest takings of single groups, by the pooled estimate where there is one."""
    cells = matrix[(matrix["focal_kind"] == OF_GROUP) & matrix["part"].isin(TAKINGS)]
    cells = cells.dropna(subset=["se"]).assign(_order=_colored)
    return cells[cells["_order"] < 0].nsmallest(LARGEST, "_order")


def _draw_takings(axes: Axes, rows: pd.DataFrame) -> None:
    theme = current_theme()
    row_axis(axes, [_pair(row) for _, row in rows.iterrows()])
    zero_line(axes)
    for number, (_, row) in enumerate(rows.iterrows()):
        color = theme.same_cluster if row["part"] == OWN_PART else theme.other
        axes.barh(number, row["_order"], height=0.8, color=color, alpha=0.45, zorder=1)
        ends = (row["simultaneous_ci_95_lower"], row["simultaneous_ci_95_upper"])
        draw_estimate(axes, number - SHIFT, (row["estimate"], *ends), color=theme.total)
        pooled = (row["pooled_estimate"], row["pooled_ci_95_lower"], row["pooled_ci_95_upper"])
        draw_estimate(axes, number + SHIFT, pooled, color=theme.data, marker="s", filled=False)
        draw_known(axes, number, row.get("known_effect", np.nan))


def _pair(row: pd.Series) -> str:
    half = _PAIR / 2 - 20
    promoted = shortened(row["focal_group"], half, size=SMALL)
    if row["part"] == OWN_PART:
        return f"other {promoted} to promoted {promoted}"
    return f"{shortened(row['group'], half, size=SMALL)} to promoted {promoted}"


def _share(row: pd.Series) -> str:
    """Write a share of the focal gain in percent, with its own set."""
    share = row["share"]
    if not math.isfinite(share):
        return "none"
    number = signed(100 * share, 0).lstrip("+")
    lower, upper = row["share_ci_95_lower"], row["share_ci_95_upper"]
    if row["share_kind"] != "interval":
        return f"{number} (unbounded)"
    return f"{number} ({signed(100 * lower, 0)} to {signed(100 * upper, 0)})".replace("+", "")
