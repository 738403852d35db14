"""The ledger by every estimator, and the correlations between the errors of its parts."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE
from netlift.effects.empty_lines import with_items
from netlift.effects.estimators import HAJEK, label_of
from netlift.figures.drawing.marks import draw_estimate, estimate_key, interval_of, say_missing
from netlift.figures.drawing.style import (
    ROW,
    SMALL,
    columns_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import count, signed, with_interval
from netlift.figures.drawing.themes import current_theme

_DECOR = 0.85
"""Height of a panel's title, ticks and label, in inches."""
_CELL = 0.34
_DARKEST = 0.6


@styled
def estimators(
    component_effects: pd.DataFrame,
    component_covariance: pd.DataFrame,
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
) -> Figure:
    """Draw each line of the ledger by each estimator, and the correlations of its parts.

    Parameters
    ----------
    component_effects
        ``component_effects.csv``, of which the observed clicks are drawn; an estimator may lack
        numbers, and its ``note`` says why.
    component_covariance
        ``component_covariance.csv``.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    observed = component_effects[component_effects["outcome_type"] == "observed_clicks"]
    effects, empty = with_items(by_line(observed))
    main = effects.loc[effects["is_main"].astype(bool), "estimator"].iloc[0]
    pairs = component_covariance[
        (component_covariance["outcome_type"] == "observed_clicks")
        & (component_covariance["estimator"] == main)
        & component_covariance["line_1"].isin(effects["line"])
        & component_covariance["line_2"].isin(effects["line"])
    ]
    lines = list(dict.fromkeys(effects["line"]))
    parts = list(dict.fromkeys(pairs["component_1"]))
    first = effects.iloc[0]
    heights = [ROW * (len(effects) + len(lines)) + _DECOR, _CELL * len(parts) + _DECOR]
    figure = sheet(
        sum(heights),
        title="The same changes by several estimators",
        subtitle=f"Observed {outcome.of(PER_SLATE)}, {count(first['treated_slates'])} promoted "
        f"and {count(first['control_slates'])} control slates.",
        legend=[estimate_key(current_theme().muted, "estimate, 95% interval")],
        note=" ".join([_note(effects), *empty]),
        source=source,
    )
    grid = figure.add_gridspec(2, 2, height_ratios=heights, width_ratios=[2, 1])
    axes = figure.add_subplot(grid[0, 0])
    rows = draw_estimators(axes, effects)
    write_numbers(text_axis(figure, grid[0, 1], axes), effects, rows)
    wide_enough(axes)
    axes.set_xlabel(f"Change in {outcome.of(PER_SLATE)}")
    draw_correlations(figure.add_subplot(grid[1, :]), pairs, parts)
    return figure


def by_line(effects: pd.DataFrame) -> pd.DataFrame:
    """Group the estimators of each line, lines and estimators in the order of the table."""
    return pd.concat([part for _, part in effects.groupby("line", sort=False)])


def draw_estimators(axes: Axes, effects: pd.DataFrame) -> list[int]:
    """Draw one row per estimator below the name of each line; return the rows of the estimates."""
    theme = current_theme()
    labels: list[str] = []
    rows: list[int] = []
    headings: list[int] = []
    for _, part in effects.groupby("line", sort=False):
        headings.append(len(labels))
        labels.append(str(part["component"].iloc[0]))
        rows += range(len(labels), len(labels) + len(part))
        labels += [label_of(name) for name in part["estimator"]]
    row_axis(axes, labels)
    zero_line(axes)
    for row in headings:
        axes.get_yticklabels()[row].set_fontweight("bold")
        axes.axhline(row - 0.5, color=theme.grid, linewidth=0.8)
    for row, (_, line) in zip(rows, effects.iterrows(), strict=True):
        values = interval_of(line, "estimate_per_slate")
        if not draw_estimate(axes, row, values, color=theme.component(line["line"])):
            say_missing(axes, row, "not estimated")
    return rows


def write_numbers(axes: Axes, effects: pd.DataFrame, rows: list[int]) -> None:
    """Write the estimates, their intervals and their standard errors."""
    numbers = [
        with_interval(*interval_of(line, "estimate_per_slate"), 3) for _, line in effects.iterrows()
    ]
    errors = ["" if pd.isna(error) else f"{error:.4f}" for error in effects["se"]]
    columns = {"Estimate (95% interval)": numbers, "Std. error": errors}
    by_row: dict[str, dict[float, str]] = {
        name: dict(zip(rows, texts, strict=True)) for name, texts in columns.items()
    }
    columns_of_text(axes, by_row, (0.68, 1.0))


def draw_correlations(axes: Axes, pairs: pd.DataFrame, parts: list[str]) -> None:
    """Draw the correlations of the parts' estimates as a matrix, darker where stronger."""
    for first, second, value in zip(
        pairs["component_1"], pairs["component_2"], pairs["correlation"], strict=True
    ):
        row, column = parts.index(first), parts.index(second)
        strength = 0.0 if pd.isna(value) else min(abs(float(value)), 1.0)
        axes.add_patch(
            Rectangle(
                (column - 0.48, row - 0.46),
                0.96,
                0.92,
                facecolor=current_theme().data,
                edgecolor="none",
                alpha=_DARKEST * strength,
            )
        )
        text = "none: no variance" if pd.isna(value) else signed(value, 2)
        axes.text(column, row, text, ha="center", va="center", size=SMALL)
    row_axis(axes, parts)
    axes.grid(visible=False)
    axes.set_xticks(range(len(parts)), parts)
    axes.tick_params(axis="x", length=0)
    axes.spines["bottom"].set_visible(False)
    axes.set(
        xlim=(-0.5, len(parts) - 0.5),
        title="Correlations between the errors of the parts",
        xlabel="Correlation of the two estimates, without unit",
    )


def _note(effects: pd.DataFrame) -> str:
    """Return what the estimators are, and the table's notes on them."""
    sentences = [f"{label_of(HAJEK)}: means weighted by the design's probabilities."]
    notes = effects.dropna(subset=["note"]).drop_duplicates(["estimator", "note"])
    for estimator, note in zip(notes["estimator"], notes["note"], strict=True):
        sentences.append(f"{label_of(estimator)}: {str(note).rstrip('.')}.")
    return " ".join(sentences)
