"""The house style: one theme of colors, one sheet with a heading, the same marks everywhere.

Colors are those of ``netlift.figures.drawing.themes``; what a color shows is always shown by a
label or by the shape of a marker too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine

from netlift.figures.drawing.text import shortened
from netlift.figures.drawing.themes import current_theme

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

WIDTH = 9.0
"""Width of every figure, in inches."""

SMALL = 9.0
"""The smallest size of text, in points."""

ROW = 0.26
"""Height of one labeled row of marks, in inches."""

_LINE = 0.2
_EDGE = 0.1
_NO_RANGE = 1e-9
_PER_LINE = 128
_PER_NAME, _PER_MEANING = 28, 32
_TEXT_LINE = 13.0
_P = ParamSpec("_P")


def house_style() -> dict[RcKeyType, Any]:
    """Return matplotlib's settings for the current theme."""
    theme = current_theme()
    return {
        "font.family": ["DejaVu Sans"],
        "font.size": 9.5,
        "text.color": theme.ink,
        "text.usetex": False,
        "text.parse_math": False,  # a dollar sign in a title is a dollar sign
        "figure.facecolor": theme.paper,
        "figure.dpi": 100,
        "axes.facecolor": theme.paper,
        "axes.edgecolor": theme.muted,
        "axes.labelcolor": theme.ink,
        "axes.labelsize": 9.5,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 7,
        "axes.titley": 1.0,
        "axes.linewidth": 0.8,
        "axes.axisbelow": True,
        "axes.grid": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "axes.formatter.use_mathtext": False,
        "grid.color": theme.grid,
        "grid.linewidth": 0.8,
        "grid.linestyle": "-",
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.ink,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "legend.frameon": False,
        "legend.fontsize": SMALL,
        "hatch.linewidth": 0.8,
    }


def styled(draw: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Make a drawing function use the house style in the current theme.

    The layout is computed before the figure is returned, so that it looks the same whatever
    the settings where it is shown or saved, and is not computed again for each file.
    """

    @wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with rc_context(house_style()):
            figure = draw(*args, **kwargs)
            _fix_layout(figure)
        return figure

    return drawn


def _fix_layout(figure: Figure) -> None:
    """Compute the layout once and fix it.

    The layout's solver takes its steps in an order that differs between runs, so its last
    digits do too; without rounding they would change the names inside an SVG.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(float(x), 6) for x in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))


def sheet(
    height: float,
    *,
    title: str,
    subtitle: str = "",
    legend: Sequence[Artist] = (),
    note: str = "",
    source: str = "",
) -> Figure:
    """Return an empty figure with its heading, legend and footer.

    Parameters
    ----------
    height
        Inches for the plots; heading and footer are added to it.
    title, subtitle
        What the figure shows, in words.
    legend
        Handles with labels, shown in one line below the heading.
    note
        What a reader must know to read the figure correctly, in the footer.
    source
        Where the numbers come from: the experiment's path.
    """
    lines = textwrap.wrap(subtitle, _PER_LINE)
    footer = textwrap.wrap(note, _PER_LINE)
    if source:
        footer.append(shortened(source, 72 * WIDTH - 20, size=SMALL))
    top = _EDGE + 0.26 + _LINE * len(lines) + 0.08 + (0.28 if legend else 0)
    bottom = _EDGE + _LINE * len(footer)
    whole = height + top + bottom
    figure = Figure(figsize=(WIDTH, whole))
    figure.set_layout_engine(
        ConstrainedLayoutEngine(
            rect=(0.005, bottom / whole, 0.985, height / whole), w_pad=0.08, h_pad=0.08
        )
    )
    _write_heading(figure, title, lines, legend)
    if footer:
        figure.text(
            _EDGE / WIDTH,
            _EDGE / whole,
            "\n".join(footer),
            size=SMALL,
            color=current_theme().muted,
            linespacing=1.5,
        )
    return figure


def _write_heading(
    figure: Figure, title: str, lines: Sequence[str], legend: Sequence[Artist]
) -> None:
    whole = figure.get_figheight()
    left, line = _EDGE / WIDTH, whole - _EDGE
    figure.text(left, line / whole, title, size=12.5, weight="bold", va="top")
    line -= 0.28
    if lines:
        figure.text(left, line / whole, "\n".join(lines), va="top", linespacing=1.4)
        line -= _LINE * len(lines)
    if legend:
        _draw_legend(figure, legend, (left, (line - 0.06) / whole))


def _draw_legend(figure: Figure, handles: Sequence[Artist], corner: tuple[float, float]) -> None:
    figure.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=corner,
        ncols=len(handles),
        borderaxespad=0,
        borderpad=0,
        columnspacing=1.6,
        handletextpad=0.5,
    )


def title_of(figure: Figure) -> str:
    """Return a figure's title, which ``sheet`` writes first."""
    return figure.texts[0].get_text()


def row_axis(axes: Axes, labels: Sequence[str], *, size: float = SMALL) -> None:
    """Make the y axis a list of labeled rows, the first at the top, at 0, 1, 2, ..."""
    axes.set_yticks(range(len(labels)), labels, size=size)
    axes.set_ylim(max(len(labels), 1) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")


def zero_line(axes: Axes, *, vertical: bool = True) -> None:
    """Draw the line of no effect."""
    draw = axes.axvline if vertical else axes.axhline
    draw(0, color=current_theme().ink, linewidth=1, zorder=1.5, gid="zero")


def wide_enough(axes: Axes) -> None:
    """Give an axis a readable range if all of its effects are zero."""
    lower, upper = axes.get_xlim()
    if upper - lower < _NO_RANGE:
        axes.set_xlim(-0.01, 0.01)


def text_axis(figure: Figure, where: SubplotSpec, neighbor: Axes) -> Axes:
    """Return an empty axis for columns of text, with the rows of the neighboring axis."""
    axes = figure.add_subplot(where)
    axes.set(xlim=(0, 1), ylim=neighbor.get_ylim())
    axes.set_axis_off()
    return axes


def column_of_text(
    axes: Axes, x: float, heading: str, texts: Mapping[float, str] | Sequence[str]
) -> None:
    """Write one column of right-aligned text next to the rows of a plot.

    Parameters
    ----------
    axes
        An axis made by ``text_axis``.
    x
        Right edge of the column, from 0 to 1.
    heading
        What the column contains, with its unit.
    texts
        One text per row.
    """
    rows = texts if isinstance(texts, Mapping) else dict(enumerate(texts))
    for row, text in rows.items():
        axes.text(x, row, text, ha="right", va="center", size=SMALL)
    axes.annotate(
        heading,
        (x, 1),
        (0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="bottom",
        size=SMALL,
        color=current_theme().muted,
    )


def columns_of_text(
    axes: Axes,
    columns: Mapping[str, Mapping[float, str] | Sequence[str]],
    edges: Sequence[float] = (),
) -> None:
    """Write columns of text by their headings, at ``edges`` (right) or evenly spaced."""
    evenly = [index / len(columns) for index in range(1, len(columns) + 1)]
    for x, (heading, texts) in zip(edges or evenly, columns.items(), strict=True):
        column_of_text(axes, x, heading, texts)


def text_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Make an axis a list of labeled rows for columns of text, without a scale."""
    row_axis(axes, labels)
    axes.set_xlim(0, 1)
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def write_definitions(axes: Axes, names: Iterable[object], meanings: Iterable[object]) -> None:
    """Write the name of each row, and below it its meaning."""
    theme = current_theme()
    for row, (name, meaning) in enumerate(zip(names, meanings, strict=True)):
        name_lines = textwrap.wrap(str(name), _PER_NAME)
        meaning_lines = textwrap.wrap(str(meaning), _PER_MEANING)
        top = _TEXT_LINE * (len(name_lines) + len(meaning_lines)) / 2
        for text, lift, color, weight in (
            (name_lines, top, theme.ink, "bold"),
            (meaning_lines, top - _TEXT_LINE * len(name_lines), theme.muted, "normal"),
        ):
            axes.annotate(
                "\n".join(text),
                (1, row),
                (0, lift),
                textcoords="offset points",
                ha="right",
                va="top",
                color=color,
                weight=weight,
                size=SMALL,
                linespacing=1.25,
            )
