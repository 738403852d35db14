"""Shared parts of the validation figures: rows of cases and worlds, columns, and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from netlift.effects.estimators import ESTIMATORS
from netlift.figures.aipw import name_of
from netlift.figures.drawing.style import ROW, SMALL, row_axis
from netlift.figures.drawing.text import shortened
from netlift.figures.drawing.themes import current_theme
from netlift.studies.replicate_estimates import BY_SLATE, BY_USER, FIELLER
from netlift.studies.validation import FAIL, NO_CLAIM, PASS

VERDICTS = {PASS: "gains", FAIL: "loses", NO_CLAIM: "undecided"}
"""Verdicts, and the color of each."""

DECOR = 0.75
"""Height of a block's titles, ticks and label, in inches."""

_OTHERS = {
    FIELLER: "Ratio, Fieller",
    BY_SLATE: "Item rows, by slate",
    BY_USER: "Item rows, by user",
}
"""Labels of other estimates than the ledger's."""

_TITLE = 15
"""Characters in a line of a column's title."""

_LINES = {
    "direct": "focal",
    "same_cluster": "same cluster",
    "other": "other",
    "indirect": "both",
    "total": "full slate",
}
"""Lines of the ledger and groups of rows, in short."""

_LABEL = 150.0
_PER_BLOCK = 7
_SPREAD = 0.6
"""Share of a row over which its marks are spread."""

Draw = Callable[[Axes, float, pd.Series], None]


@dataclass(frozen=True)
class Block:
    """Some columns of a matrix, and the rows that have values in them.

    Attributes
    ----------
    columns
        Values of the column that is laid out.
    part
        Their part of the table.
    labels
        Labels of the figure's rows: each case followed by its worlds.
    """

    columns: list[str]
    part: pd.DataFrame
    labels: list[str]

    @property
    def height(self) -> float:
        """Height in inches."""
        return ROW * len(self.labels) + DECOR


def case_labels(table: pd.DataFrame) -> list[str]:
    """Return the rows of a figure: each case, with the number of its slates, then its worlds."""
    labels = []
    for (case, slates), part in table.groupby(["case", "slates"], sort=False):
        labels.append(f"{case} ({slates:,})")
        labels += [str(world) for world in dict.fromkeys(part["world"])]
    return labels


def row_numbers(table: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Return the row of each case and world in the figure."""
    rows, row = {}, 0
    for case, part in table.groupby("case", sort=False):
        for world in dict.fromkeys(part["world"]):
            row += 1
            rows[(str(case), str(world))] = row
        row += 1
    return rows


def blocks(table: pd.DataFrame, column: str, order: Sequence[str]) -> Iterator[Block]:
    """Yield blocks of as many columns as fit next to each other.

    Parameters
    ----------
    table
        With ``case``, ``world``, ``slates`` and the column that is laid out.
    column
        Its name.
    order
        Its values. Values with the same cases and worlds are in the same block.
    """
    present = [name for name in order if (table[column] == name).any()]
    cells = {name: table.loc[table[column] == name, ["case", "world"]] for name in present}
    most = max((len(part.drop_duplicates()) for part in cells.values()), default=0)
    full = [name for name in present if len(cells[name].drop_duplicates()) >= most / 2]
    for group in (full, [name for name in present if name not in full]):
        for start in range(0, len(group), _PER_BLOCK):
            chosen = group[start : start + _PER_BLOCK]
            part = table[table[column].isin(chosen)]
            yield Block(chosen, part, case_labels(part))


def draw_blocks(
    figure: Figure, layout: Sequence[Block], column: str, titles: Callable[[str], str], draw: Draw
) -> list[Axes]:
    """Draw an axis for each column, marks of one row spread around its middle.

    Parameters
    ----------
    figure
        An empty sheet.
    layout
        From ``blocks``.
    column
        Column that is laid out.
    titles
        Returns the title of a column.
    draw
        Draws one row of the table at a y position.

    Returns
    -------
    The axes, block by block.
    """
    panels = []
    width = max(len(block.columns) for block in layout)
    grid = figure.add_gridspec(len(layout), width, height_ratios=[block.height for block in layout])
    for number, block in enumerate(layout):
        rows = row_numbers(block.part)
        for index, name in enumerate(block.columns):
            axes = figure.add_subplot(grid[number, index])
            case_axis(axes, block.labels if index == 0 else [""] * len(block.labels))
            axes.set_title(titles(name), size=SMALL)
            cells = block.part[block.part[column] == name]
            for key, cell in cells.groupby(["case", "world"], sort=False):
                for offset, (_, line) in zip(spread(len(cell)), cell.iterrows(), strict=True):
                    draw(axes, rows[(str(key[0]), str(key[1]))] + offset, line)
            panels.append(axes)
    return panels


def case_axis(axes: Axes, labels: Sequence[str]) -> None:
    """Label the rows, cases in bold; a case is a label with its number of slates."""
    row_axis(axes, [shortened(label, _LABEL, size=SMALL) for label in labels])
    for row, label in enumerate(labels):
        if label.endswith(")"):
            axes.get_yticklabels()[row].set_fontweight("bold")
            axes.axhline(row - 0.5, color=current_theme().grid, linewidth=0.8, zorder=1.3)


def spread(n: int) -> list[float]:
    """Return n offsets around the middle of a row, the first above."""
    return [_SPREAD * ((index + 0.5) / n - 0.5) for index in range(n)]


def in_order(estimators: pd.Series) -> list[str]:
    """Return the estimators of a table in the order of the figures."""
    present = list(dict.fromkeys(estimators))
    return sorted(present, key=[*ESTIMATORS, *_OTHERS, *present].index)


def label_of(estimator: str) -> str:
    """Return the label of an estimator or of other estimates than the ledger's."""
    return _OTHERS.get(estimator) or name_of(estimator)


def title_of(estimator: str) -> str:
    """Return the label in the lines of a narrow column's title."""
    dash = "\N{EN DASH}"
    parts = label_of(estimator).replace(dash, f"{dash} ")
    return "\n".join(wrap(parts, _TITLE)).replace(f"{dash} ", dash)


def line_color(line: str) -> str:
    """Return the color of a line of the ledger or a group of rows; a ratio has its own."""
    theme = current_theme()
    return theme.component(line) if line in _LINES else theme.data


def mark_of(verdict: str, color: str) -> dict[str, Any]:
    """Return how a mark shows a verdict: filled, a cross in its own color, or hollow."""
    theme = current_theme()
    if verdict == FAIL:
        return {"marker": "X", "markersize": 7, "color": theme.loses, "markeredgecolor": theme.ink}
    face = color if verdict == PASS else theme.paper
    return {"marker": "o", "markersize": 4, "markerfacecolor": face, "markeredgecolor": color}


def verdict_keys() -> list[Artist]:
    """Return the legend's handles of the verdicts."""
    words = {PASS: "kept", FAIL: "not kept", NO_CLAIM: "no claim"}
    return [
        Line2D([], [], linestyle="none", label=label, **mark_of(verdict, current_theme().muted))
        for verdict, label in words.items()
    ]


def line_keys(table: pd.DataFrame) -> list[Artist]:
    """Return the legend's handles of the lines of the ledger and the groups of rows."""
    present = dict.fromkeys(table["line"])
    return [
        Line2D([], [], color=line_color(name), linewidth=4, label=label)
        for name, label in _LINES.items()
        if name in present
    ]
