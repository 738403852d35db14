"""Which features each outcome model uses."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from netlift.core.outcome import CLICKS, Outcome
from netlift.figures.drawing.marks import draw_point, estimate_key, say_missing
from netlift.figures.drawing.style import ROW, row_axis, sheet, styled, wide_enough, zero_line
from netlift.figures.drawing.themes import current_theme
from netlift.figures.outcome_models import MODEL_NAMES
from netlift.models.outcome_models import ROW_LINEAR

LOGISTIC, TREES_BY_ROW = "row_logistic", "row_lightgbm"
REGRESSIONS = (LOGISTIC, ROW_LINEAR)
"""Models of item rows that have coefficients; one of them is fitted, depending on the outcome."""

TREES = {"random_forest": ("s", True), "xgboost": ("o", False), "lightgbm": ("o", True)}
"""Tree models that predict slates, with the marker of each and whether it is filled."""

INTERCEPT = "intercept"

MOST = 10
"""Features of slates that are drawn: those with the largest mean share."""

SHIFT = 0.25
"""Distance between the marks of two models in one row."""

_ROW = 0.4

_DECOR = 0.95
"""Height of a panel's title, ticks and label, in inches."""


@styled
def feature_importance(
    feature_importance: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS
) -> Figure:
    """Draw the coefficients of the regression of item rows, and shares of the gain in tree models.

    Parameters
    ----------
    feature_importance
        ``feature_importance.csv``; a model that was not fitted is not in it.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    theme = current_theme()
    rows, slates = features_of_rows(feature_importance), features_of_slates(feature_importance)
    models = [name for name in TREES if name in slates]
    colors = dict(zip(TREES, (theme.muted, theme.data, theme.data), strict=True))
    legend: list[Artist] = [estimate_key(theme.total, "by item row", interval=False)]
    for name in models:
        marker, filled = TREES[name]
        words = f"by slate: {MODEL_NAMES[name]}"
        legend.append(
            estimate_key(colors[name], words, marker=marker, filled=filled, interval=False)
        )
    heights = [
        height * max(len(table), 2) + _DECOR for height, table in ((ROW, rows), (_ROW, slates))
    ]
    figure = sheet(
        sum(heights),
        title="Which features do the outcome models use?",
        subtitle=f"Models of all slates. Importance shows what predicts {outcome.unit}, not what "
        "promotion changes.",
        legend=legend,
        note="Without the intercept. Relevance, popularity and liked rates are in standard "
        "deviations; attention is 1 / log2(position + 1); promoted: 0 or 1, by component. Share: "
        "of the gain of all splits; for the random forest, of the decrease of variance.",
        source=source,
    )
    grid = figure.add_gridspec(2, 2, height_ratios=heights, width_ratios=[1.25, 1])
    _row_panels(figure, grid, rows, outcome)
    axes = figure.add_subplot(grid[1, :])
    draw_shares(axes, slates, {name: (colors[name], *TREES[name]) for name in models})
    axes.set_title(f"Trees by slate: the {len(slates)} features with the largest mean share")
    return figure


def features_of_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return coefficient and share of each feature of item rows, the largest coefficient first."""
    models = [*REGRESSIONS, TREES_BY_ROW]
    part = table[table["model"].isin(models) & (table["feature"] != INTERCEPT)]
    wide = part.pivot(index="feature", columns="model", values="importance")
    regression = ROW_LINEAR if ROW_LINEAR in wide else LOGISTIC
    wide = wide.reindex(columns=[regression, TREES_BY_ROW])
    by = regression if wide[regression].notna().any() else TREES_BY_ROW
    return wide.sort_values(by, key=np.abs, ascending=False)


def features_of_slates(table: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of the features of slates that matter most, one column per model."""
    part = table[table["model"].isin(TREES)]
    wide = part.pivot(index="feature", columns="model", values="importance").fillna(0.0)
    return wide.loc[wide.mean(axis=1).sort_values(ascending=False, kind="stable").index[:MOST]]


def _row_panels(figure: Figure, grid: GridSpec, rows: pd.DataFrame, outcome: Outcome) -> None:
    """Draw both models of item rows, with the same features in the same rows."""
    axes = figure.add_subplot(grid[0, 0])
    row_axis(axes, words(rows))
    regression = str(rows.columns[0])
    draw_values(axes, rows[regression], outcome)
    changed = outcome.unit if regression == ROW_LINEAR else f"log odds of {outcome.a_single}"
    axes.set(
        title=f"Coefficients: {MODEL_NAMES[regression]}",
        xlabel=f"Change in {changed}, per unit",
    )
    axes = figure.add_subplot(grid[0, 1])
    row_axis(axes, [""] * len(rows))
    draw_values(axes, rows[TREES_BY_ROW], outcome)
    axes.set(title=f"Gain: {MODEL_NAMES[TREES_BY_ROW]}", xlabel="Share of the gain")


def draw_values(axes: Axes, values: pd.Series, outcome: Outcome) -> None:
    """Draw one mark per feature; where the model was not fitted, write so."""
    zero_line(axes)
    for row, value in enumerate(values):
        draw_point(axes, row, value, color=current_theme().total)
    if not values.notna().any():
        say_missing(axes, 0, f"not fitted: all {outcome.unit} {outcome.are} the same")
    wide_enough(axes)


def draw_shares(axes: Axes, slates: pd.DataFrame, marks: dict[str, tuple[str, str, bool]]) -> None:
    """Draw the share of each feature in each model."""
    row_axis(axes, words(slates))
    zero_line(axes)
    for index, (name, (color, marker, filled)) in enumerate(marks.items()):
        shift = SHIFT * (index - (len(marks) - 1) / 2)
        for row, value in enumerate(slates[name]):
            draw_point(axes, row + shift, value, color=color, marker=marker, filled=filled)
    if not marks:
        say_missing(axes, 0, "no tree model")
    wide_enough(axes)
    axes.set_xlabel("Share of the gain (random forest: of the decrease of variance)")


def words(table: pd.DataFrame) -> list[str]:
    """Return features in words."""
    return [str(name).replace("_", " ") for name in table.index]
