"""Who gains: effects by predicted effect, and what promoting the first slates alone would add."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.core.units import PER_SLATE
from netlift.figures.drawing.marks import (
    BAND,
    draw_estimate,
    draw_known,
    draw_point,
    estimate_key,
    has_known,
    interval_of,
    known_key,
    say_missing,
)
from netlift.figures.drawing.style import (
    ROW,
    columns_of_text,
    row_axis,
    sheet,
    styled,
    text_rows,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import printable, reasons, with_interval
from netlift.figures.drawing.themes import current_theme
from netlift.figures.outcome_models import MODEL_NAMES
from netlift.models.who_gains import ANY, AUTOC, GROUP, N_GROUPS, QINI, SLOPE, detectability

SHOWN = "stacked"
"""The predictor whose groups and curve are drawn."""

MEASURES = {AUTOC: ("AUTOC", 4), QINI: ("Qini", 4), SLOPE: ("Calibration slope", 2)}
"""Measures of every predictor: the heading of each, and the digits of its numbers."""

CURVES = {"toc": "_toc", "known_toc": "_known_toc", "best_toc": "_best_toc"}
"""Curves by column, with the label of each line."""

ALIKE = "predictions do not differ between slates"
"""Shown where there are no groups to draw, and no curve."""

_PANEL = 3.0
_DECOR = 0.75
"""Height of the table's title and heading, in inches."""


@styled
def who_gains(
    heterogeneity: pd.DataFrame, toc: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS
) -> Figure:
    """Draw effects by fifth of predicted effect and the TOC; write the measures of all predictors.

    Parameters
    ----------
    heterogeneity
        ``heterogeneity.csv``; ``known`` may be missing, and a predictor that predicts the same for
        all slates has no numbers.
    toc
        ``toc.csv``; ``known_toc`` and ``best_toc`` may be missing, and predictors too.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    measured = heterogeneity[heterogeneity["predictor"] != ANY]
    shown = measured[measured["predictor"] == SHOWN]
    groups, curve = shown[shown["measure"] == GROUP], toc[toc["predictor"] == SHOWN]
    predictors = list(dict.fromkeys(measured["predictor"]))
    heights = [_PANEL, ROW * len(predictors) + _DECOR]
    figure = sheet(
        sum(heights),
        title="Who gains? Do slates with a large predicted effect have a large effect?",
        subtitle=printable(detectability(heterogeneity)),
        legend=_legend(groups),
        note=_note(measured, outcome),
        source=source,
    )
    grid = figure.add_gridspec(2, 2, height_ratios=heights)
    draw_groups(figure.add_subplot(grid[0, 0]), groups, outcome)
    draw_toc(figure.add_subplot(grid[0, 1]), curve, outcome)
    write_measures(figure.add_subplot(grid[1, :]), measured, predictors)
    return figure


def _legend(groups: pd.DataFrame) -> list[Artist]:
    theme = current_theme()
    keys: list[Artist] = [
        estimate_key(theme.total, "estimate, 95% interval"),
        estimate_key(theme.data, "predicted", marker="s", filled=False, interval=False),
    ]
    if has_known(groups, "known"):
        looks = _curves()
        keys.append(known_key())
        keys.append(Line2D([], [], label="known curve", **looks["known_toc"]))
        keys.append(Line2D([], [], label="best possible curve", **looks["best_toc"]))
    return keys


def draw_groups(axes: Axes, groups: pd.DataFrame, outcome: Outcome) -> None:
    """Draw the effect on each fifth of slates, and its predicted effect."""
    theme = current_theme()
    names = {1: "Lowest fifth", N_GROUPS: "Highest fifth"}
    row_axis(axes, [names.get(int(n), f"Fifth {int(n)}") for n in groups["group"]])
    zero_line(axes)
    for row, (_, line) in enumerate(groups.iterrows()):
        draw_estimate(axes, row, interval_of(line), color=theme.total)
        draw_point(axes, row, line["predicted"], color=theme.data, marker="s", filled=False)
        draw_known(axes, row, line.get("known", np.nan))
    if not len(groups):
        axes.set_xlim(0, 1)
        say_missing(axes, 0, ALIKE)
    wide_enough(axes)
    axes.locator_params(axis="x", nbins=6)
    axes.set(title="Effect by predicted effect", xlabel=f"Change in {outcome.of(PER_SLATE)}")


def draw_toc(axes: Axes, curve: pd.DataFrame, outcome: Outcome) -> None:
    """Draw how much more the slates promoted first gain than all, with the known curves."""
    zero_line(axes, vertical=False)
    share = curve["share"].to_numpy(dtype=np.float64)
    lower, upper = (
        curve[name].to_numpy(dtype=np.float64) for name in ("ci_95_lower", "ci_95_upper")
    )
    axes.fill_between(
        share, lower, upper, color=current_theme().total, alpha=0.15, linewidth=0, label=BAND
    )
    for name, label in CURVES.items():
        if has_known(curve, name):
            axes.plot(share, curve[name], label=label, zorder=3, **_curves()[name])
    if not len(curve):
        axes.set_ylim(-1, 1)
        say_missing(axes, 0.5, ALIKE)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(visible=True, axis="y")
    axes.set(
        title="TOC: gain of the slates promoted first",
        xlabel="Share promoted, the largest predictions first",
        ylabel=f"{capitalized(outcome.of(PER_SLATE))} more than all",
    )


def write_measures(axes: Axes, measured: pd.DataFrame, predictors: list[str]) -> None:
    """Write AUTOC, Qini and calibration slope of each predictor, with their intervals."""
    text_rows(axes, [MODEL_NAMES.get(name, name) for name in predictors])
    axes.set_title("Every predictor", pad=22)
    columns = {}
    for measure, (heading, digits) in MEASURES.items():
        lines = measured[measured["measure"] == measure].set_index("predictor")
        lines = lines.reindex(predictors)
        columns[f"{heading} (95% interval)"] = [
            with_interval(*interval_of(line), digits) or "none" for _, line in lines.iterrows()
        ]
    columns_of_text(axes, columns)


def _curves() -> dict[str, dict[str, Any]]:
    theme = current_theme()
    return {
        "toc": {"color": theme.total, "linewidth": 2},
        "known_toc": {"color": theme.focal, "linewidth": 1.8, "linestyle": (0, (4, 2))},
        "best_toc": {"color": theme.gains, "linewidth": 1.6, "linestyle": (0, (1, 1.5))},
    }


def _note(measured: pd.DataFrame, outcome: Outcome) -> str:
    """Say what the measures are, and why a predictor has none."""
    notes = [
        f"Above: the predictor {MODEL_NAMES[SHOWN]}; the band is pointwise. AUTOC and "
        f"Qini, in {outcome.of(PER_SLATE)}: how much more the first slates gain than all; 0 if the "
        "prediction is uninformative. Calibration slope: 1 if predictions are right on average, 0 "
        "if they are uninformative."
    ]
    missing = measured.dropna(subset=["note"]).drop_duplicates("predictor")
    names = [MODEL_NAMES.get(name, name) for name in missing["predictor"]]
    return " ".join([*notes, *reasons(names, missing["note"])])
