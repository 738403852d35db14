"""Saving figures: the same tables give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from netlift.core.tables import written_whole
from netlift.figures.drawing.style import title_of

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

PNG_DPI = 144

_SETTINGS: dict[RcKeyType, Any] = {
    # Without these two, names inside an SVG and its date would differ from run to run.
    "svg.hashsalt": "netlift",
    "svg.fonttype": "path",  # looks the same everywhere, whatever fonts are installed
    "text.usetex": False,
}


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as SVG and as PNG, side by side, each written completely or not at all.

    Parameters
    ----------
    figure
        A figure of ``netlift.figures``.
    path
        The SVG file; the PNG file has the same name with its own extension.
    """
    svg = Path(path).with_suffix(".svg")
    png = svg.with_suffix(".png")
    with rc_context(_SETTINGS), written_whole(svg) as vector, written_whole(png) as bitmap:
        # The canvases are called directly: savefig draws everything twice, for a layout that
        # these figures already have.
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(
            vector, metadata={"Title": title_of(figure), "Date": None, "Creator": "Netlift"}
        )
        figure.set_dpi(PNG_DPI)
        canvas = FigureCanvasAgg(figure)
        canvas.print_png(bitmap, metadata={"Title": title_of(figure), "Software": "Netlift"})
