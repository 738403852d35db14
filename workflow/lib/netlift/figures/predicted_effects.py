"""Predicted and known effects, slate by slate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from netlift.core.arrays import ROUNDING, Floats
from netlift.figures.drawing.marks import diagonal_look
from netlift.figures.drawing.style import sheet, styled, wide_enough
from netlift.figures.drawing.text import count, signed
from netlift.figures.drawing.themes import current_theme
from netlift.figures.outcome_models import DIAGONAL, MODEL_NAMES

PREDICTORS = ("row_logistic", "row_lightgbm", "stacked", "t_learner", "dr_learner")
"""Predictors drawn, where the table has them."""


POINTS = 800
"""Slates drawn as points, at most."""


N_GROUPS = 20
"""Groups of slates by predicted effect, whose means are drawn."""


SLATES, MEANS = "_slates", "_means"
"""Labels of the marks in an axis."""


_COLUMNS = 3


_PANEL = 2.35


_PREFIX = "predicted_"


@styled
def predicted_effects(slate_effects: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw the known effect of promoting each slate against each predictor's out-of-fold effect.

    Parameters
    ----------
    slate_effects
        ``slate_effects.parquet`` of a simulated world: ``known_effect`` and predicted effects.
    source
        Where the numbers come from, for the footer.
    """
    predictors = [name for name in PREDICTORS if f"{_PREFIX}{name}" in slate_effects]
    n_rows = max(-(-len(predictors) // _COLUMNS), 1)
    known = slate_effects["known_effect"].to_numpy(dtype=np.float64)
    figure = sheet(
        _PANEL * n_rows + 0.2,
        title="Do models find the slates that gain? Predicted and known effects",
        subtitle=f"{count(len(known))} slates, each predicted by models fitted on other users' "
        "slates.",
        legend=[
            Line2D([], [], label="slate", alpha=1, **_slates()),
            Line2D([], [], label="mean of each twentieth of slates, by prediction", **_means()),
            Line2D([], [], label="known equals predicted", **diagonal_look()),
        ],
        note=_note(len(known)),
        source=source,
    )
    grid = figure.add_gridspec(n_rows, _COLUMNS)
    first: Axes | None = None
    for index, name in enumerate(predictors):
        axes = figure.add_subplot(grid[divmod(index, _COLUMNS)], sharey=first)
        first = first or axes
        predicted = slate_effects[f"{_PREFIX}{name}"].to_numpy(dtype=np.float64)
        draw_effects(axes, predicted, known)
        correlation = agreement(predicted, known)
        axes.set(title=f"{MODEL_NAMES[name]}\n{correlation}", xlabel="Predicted, clicks per slate")
        if index % _COLUMNS == 0:
            axes.set_ylabel("Known, clicks per slate")
    return figure


def agreement(predicted: Floats, known: Floats) -> str:
    """Return the correlation of predicted and known effects, or why there is none."""
    if np.ptp(known) <= ROUNDING:
        return "known effects are all equal"
    if np.ptp(predicted) <= ROUNDING:
        return "one effect for all slates"
    return f"correlation {signed(float(np.corrcoef(predicted, known)[0, 1]), 2)}"


def draw_effects(axes: Axes, predicted: Floats, known: Floats) -> None:
    """Draw slates, the means of twentieths of them, and the line where both effects are equal."""
    every = -(-len(known) // POINTS)
    axes.plot(
        predicted[::every],
        known[::every],
        label=SLATES,
        alpha=0.45,
        rasterized=True,
        zorder=2,
        **_slates(),
    )
    axes.plot(*twentieths(predicted, known), label=MEANS, zorder=3, **_means())
    wide_enough(axes)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.axline((0, 0), slope=1, label=DIAGONAL, zorder=2.5, **diagonal_look())
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.locator_params(axis="x", nbins=5)
    axes.grid(visible=True)


def twentieths(predicted: Floats, known: Floats) -> tuple[Floats, Floats]:
    """Return the mean predicted and known effect of each twentieth of slates by prediction.

    Slates with equal predictions stay in one group, so there may be fewer groups.
    """
    cuts = np.unique(np.quantile(predicted, np.arange(1, N_GROUPS) / N_GROUPS))
    group = np.unique(np.searchsorted(cuts, predicted), return_inverse=True)[1]
    counts = np.bincount(group)
    return np.bincount(group, predicted) / counts, np.bincount(group, known) / counts


def _note(n_slates: int) -> str:
    """Explain what is drawn, and how to read it."""
    every = -(-n_slates // POINTS)
    drawn = "All slates are drawn" if every == 1 else f"One slate in {every} is drawn"
    return (
        f"{drawn}; means and correlations use all. Panels share only the y axis. Means "
        "flatter than the dashed line: predictions vary more than the effects that they "
        "predict. Stripes: each fold of slates has its own model."
    )


def _slates() -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": 2.4,
        "markerfacecolor": current_theme().control,
        "markeredgecolor": "none",
    }


def _means() -> dict[str, Any]:
    theme = current_theme()
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": 4.8,
        "markerfacecolor": theme.data,
        "markeredgecolor": theme.paper,
        "markeredgewidth": 0.7,
    }
