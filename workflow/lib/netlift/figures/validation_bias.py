"""Bias of every estimator in Monte Carlo errors, and its standard errors over the true ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.figures.drawing.marks import ESTIMATE, band_key
from netlift.figures.drawing.style import ROW, sheet, styled, zero_line
from netlift.figures.drawing.themes import current_theme
from netlift.figures.validation_cases import (
    DECOR,
    case_axis,
    case_labels,
    in_order,
    label_of,
    line_color,
    line_keys,
    mark_of,
    row_numbers,
    spread,
    verdict_keys,
)
from netlift.figures.validation_coverage import without_twins
from netlift.studies.validation import FAIL, MC_ERRORS, PASS

_FURTHEST = 5.0
"""Largest bias drawn to scale, in Monte Carlo errors."""
_RATIO = (0.8, 1.25)
_ROW = 1.35 * ROW


@styled
def validation_bias(coverage: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw bias and standard errors of all estimators, one row per case and world.

    Parameters
    ----------
    coverage
        ``validation/coverage.csv``; an estimator may lack numbers.
    source
        Where the numbers come from, for the footer.
    """
    theme = current_theme()
    table, _ = without_twins(coverage.dropna(subset=["bias"]))
    labels = case_labels(table)
    order = in_order(table["estimator"])
    names = [label_of(name) for name in order]
    figure = sheet(
        _ROW * len(labels) + DECOR,
        title="Are estimates unbiased, and are their standard errors right?",
        subtitle="Each mark is one line of one estimator; in a row from the top: "
        f"{'; '.join(names)}.",
        legend=[
            *line_keys(table),
            *verdict_keys()[:2],
            band_key("3 Monte Carlo errors"),
        ],
        note="One in 370 unbiased estimates is more than 3 Monte Carlo errors off; cases share "
        "their draws. Right: below 1, standard errors are too small; where they are right, "
        f"chance moves marks by {_by_chance(table)}. Arrows: outside the axis.",
        source=source,
    )
    bias, ratio = figure.subplots(1, 2)

    rows = row_numbers(table)
    for axes, shown in ((bias, labels), (ratio, [""] * len(labels))):
        case_axis(axes, shown)
    for key, part in table.groupby(["case", "world"], sort=False):
        middle = rows[(str(key[0]), str(key[1]))]
        part = part.sort_values(
            "estimator", key=lambda names: names.map(order.index), kind="stable"
        )
        for offset, (_, line) in zip(spread(len(part)), part.iterrows(), strict=True):
            draw_bias(bias, middle + 1.3 * offset, line)
            draw_ratio(ratio, middle + 1.3 * offset, line)
    zero_line(bias)
    bias.axvspan(-MC_ERRORS, MC_ERRORS, color=theme.control, alpha=0.3, linewidth=0, zorder=0.5)
    bias.set(xlim=(-_FURTHEST - 0.2, _FURTHEST + 0.2), xlabel="Bias, in Monte Carlo errors")
    ratio.axvline(1, color=theme.ink, linewidth=1, zorder=1.5)
    ratio.set(
        xlim=(_RATIO[0] - 0.01, _RATIO[1] + 0.01),
        xlabel="Mean standard error over the true one",
    )
    return figure


def _look(line: pd.Series, wrong: bool) -> dict[str, Any]:
    color = line_color(str(line["line"]))
    verdict = str(line["verdict"])
    # The verdict may fail for coverage, and not for what is drawn here.
    if verdict == FAIL and not wrong:
        verdict = PASS
    return mark_of(verdict, color) | ({"markersize": 3} if verdict != FAIL else {})


def draw_bias(axes: Axes, row: float, line: pd.Series) -> None:
    """Draw a bias in Monte Carlo errors; draw nothing if they are missing or zero."""
    if not line["bias_mc_error"] > 0:
        return
    value = float(line["bias"] / line["bias_mc_error"])
    look = _look(line, abs(value) > MC_ERRORS)
    if abs(value) > _FURTHEST:
        value = float(np.copysign(_FURTHEST, value))
        look["marker"] = ">" if value > 0 else "<"
    axes.plot([value], [row], linestyle="none", label=ESTIMATE, zorder=4, **look)


def draw_ratio(axes: Axes, row: float, line: pd.Series) -> None:
    """Draw the mean standard error over the estimates' standard deviation."""
    if not line["sd"] > 0:
        return
    value = float(line["mean_se"] / line["sd"])
    look = _look(line, wrong=False)
    drawn = float(np.clip(value, *_RATIO))
    if drawn != value:
        look["marker"] = ">" if value > drawn else "<"
    axes.plot([drawn], [row], linestyle="none", label=ESTIMATE, zorder=4, **look)


def _by_chance(table: pd.DataFrame) -> str:
    """Return the relative error by chance of a standard deviation, by number of replicates."""
    numbers = sorted(set(table["replicates"]))
    ends = dict.fromkeys((numbers[0], numbers[-1]))
    return " and ".join(f"{1.96 / np.sqrt(2 * n):.0%} ({n:,} replicates)" for n in ends)
