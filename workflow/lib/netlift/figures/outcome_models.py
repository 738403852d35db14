"""How well each outcome model predicts the clicks of slates not used to fit it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.core.units import PER_SLATE
from netlift.figures.drawing.marks import (
    ESTIMATE,
    INTERVAL,
    diagonal_look,
    draw_point,
    estimate_key,
    has_known,
    say_missing,
)
from netlift.figures.drawing.style import (
    columns_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    zero_line,
)
from netlift.figures.drawing.text import signed, written
from netlift.figures.drawing.themes import current_theme
from netlift.models.outcome_models import ROW_LINEAR

MODEL_NAMES = {
    "linear": "Linear",
    "random_forest": "Random forest",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "row_logistic": "Logistic, by item",
    ROW_LINEAR: "Linear, by item",
    "row_lightgbm": "LightGBM, by item",
    "stacked": "Stacked",
    "t_learner": "T-learner",
    "dr_learner": "DR-learner",
}
"""Outcome models and effect models in words."""

DIAGONAL = "_diagonal"
"""Label of the line on which predictions equal outcomes."""

EXCESS = "excess_of_expectation"

_PANEL = 2.25
"""Height of a panel of calibration, in inches."""


@styled
def outcome_models(
    outcome_models: pd.DataFrame,
    calibration: pd.DataFrame,
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
) -> Figure:
    """Draw the held-out error of each model, and the calibration of models of item rows.

    Parameters
    ----------
    outcome_models
        ``outcome_models.csv``; without known effects it has no floor, and the errors themselves
        are drawn.
    calibration
        ``calibration.csv``: a model may have no bins.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    by_row = outcome_models[outcome_models["level"] == "row"]
    # Only an outcome of 0 or 1 has a calibration to draw.
    unbinned = (by_row["model"] == ROW_LINEAR).any()
    figure = sheet(
        _PANEL * max(len(by_row), 2),
        title=f"How well do models predict the {outcome.unit} of unseen slates?",
        subtitle=f"{capitalized(outcome.of(PER_SLATE))}, each slate predicted by models fitted on "
        "other users' slates.",
        legend=_legend(outcome, calibrated=not unbinned),
        note=_note(outcome_models, calibrated=not unbinned),
        source=source,
    )
    widths = [1, 1.32] if unbinned else [1, 1.32, 1.05]
    grid = figure.add_gridspec(max(len(by_row), 1), len(widths), width_ratios=widths)
    axes = figure.add_subplot(grid[:, 0])
    draw_errors(axes, outcome_models, outcome)
    write_scores(text_axis(figure, grid[:, 1], axes), outcome_models)
    if not unbinned:
        _calibration_panels(figure, grid, by_row, calibration, outcome)
    return figure


def _legend(outcome: Outcome, *, calibrated: bool) -> list[Artist]:
    """Return the legend of the errors, and of the calibration panels if there are any."""
    theme = current_theme()
    if not calibrated:
        return [estimate_key(theme.data, "error", interval=False)]
    return [
        estimate_key(theme.data, f"error, or {outcome.mean} with its 95% interval"),
        Line2D([], [], label=f"{outcome.unit} as predicted", **diagonal_look()),
    ]


def draw_errors(axes: Axes, models: pd.DataFrame, outcome: Outcome) -> None:
    """Draw each model's error above the floor; if the floor is unknown, its error."""
    row_axis(axes, [MODEL_NAMES.get(name, name) for name in models["model"]])
    column = EXCESS if has_known(models, EXCESS) else "rmse"
    if column == EXCESS:
        zero_line(axes)
    for row, value in enumerate(models[column].to_numpy(dtype=np.float64)):
        if not draw_point(axes, row, value, color=current_theme().data):
            say_missing(axes, row, "no error")
    axes.margins(x=0.12)
    axes.locator_params(axis="x", nbins=5)
    axes.set_title("Held-out error")
    in_units = f"RMSE, in {outcome.of(PER_SLATE)}"
    axes.set_xlabel("Above the floor, in percent" if column == EXCESS else in_units)


def write_scores(axes: Axes, models: pd.DataFrame) -> None:
    """Write each model's error, and how much larger its squared error is than the best one's."""
    columns = {
        "RMSE": [written(value, "{:.4f}") for value in models["rmse"]],
        "R\N{SUPERSCRIPT TWO}": [written(value, "{:.3f}") for value in models["r2"]],
        "MSE over best (error)": [
            f"{signed(more, 4)} ({error:.4f})" if more > 0 else "best" if more == 0 else ""
            for more, error in zip(
                models["mse_minus_best"], models["mse_minus_best_se"], strict=True
            )
        ],
    }
    columns_of_text(axes, columns, (0.16, 0.38, 1.0))


def _calibration_panels(
    figure: Figure,
    grid: GridSpec,
    models: pd.DataFrame,
    calibration: pd.DataFrame,
    outcome: Outcome,
) -> None:
    axes: Axes | None = None
    for row, (_, model) in enumerate(models.iterrows()):
        axes = figure.add_subplot(grid[row, 2], sharex=axes, sharey=axes)
        slope = model["calibration_slope"]
        slope_text = f"slope {slope:.2f}" if np.isfinite(slope) else "no slope"
        name = str(model["model"])
        axes.set(
            title=f"Calibration, {slope_text}\n{MODEL_NAMES.get(name, name)}",
            ylabel=capitalized(outcome.mean),
        )
        draw_calibration(axes, calibration[calibration["model"] == name])
    if axes is not None:
        axes.set_xlabel(f"Predicted {outcome.chance}")


def draw_calibration(axes: Axes, bins: pd.DataFrame) -> None:
    """Draw click rates against predicted probabilities, and the line of perfect calibration."""
    theme = current_theme()
    axes.axline((0, 0), slope=1, label=DIAGONAL, zorder=1.5, **diagonal_look())
    for predicted, rate, lower, upper in bins[
        ["predicted", "click_rate", "ci_95_lower", "ci_95_upper"]
    ].to_numpy(dtype=np.float64):
        ends = [lower, upper]
        axes.plot([predicted] * 2, ends, color=theme.data, linewidth=1.6, label=INTERVAL)
        axes.plot([predicted], [rate], "o", color=theme.data, markersize=4.5, label=ESTIMATE)
    if not len(bins):
        say_missing(axes, 0, "no predictions of rows")
    axes.set(xlim=(0, None), ylim=(min(0.0, axes.get_ylim()[0]), None))
    axes.locator_params(nbins=5)
    axes.grid(visible=True)


def _note(models: pd.DataFrame, *, calibrated: bool) -> str:
    """Explain the columns and the floor that no model can beat."""
    notes = []
    if has_known(models, EXCESS):
        notes.append(
            f"Floor: an RMSE of {models['floor_rmse'].iloc[0]:.4f}. Clicks are random, so a model "
            "is below it only by chance; the excess comes from errors of the predicted "
            "expectation."
        )
    notes.append(
        "MSE over best: mean squared error minus that of the best model on the same slates, with "
        "its standard error."
    )
    if calibrated:
        notes.append("Slope: 1 if calibrated, below 1 if predictions are too extreme.")
    return " ".join(notes)
