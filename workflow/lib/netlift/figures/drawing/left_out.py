"""The picture in place of a figure that some data do not allow."""

from __future__ import annotations

from matplotlib.figure import Figure

from netlift.figures.drawing.style import sheet, styled


@styled
def left_out(title: str, reason: str, *, source: str = "") -> Figure:
    """Draw why there is no figure.

    Parameters
    ----------
    title
        The figure's name.
    reason
        Why the tables behind it hold no numbers.
    source
        What they would show.
    """
    figure = sheet(0.3, title=title, subtitle=f"Not drawn: {reason}.", source=source)
    figure.add_subplot().set_axis_off()
    return figure
