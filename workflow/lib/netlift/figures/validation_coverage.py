"""Coverage of 95% intervals in every case of the validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.effects.codes import DIFFERENCE
from netlift.effects.estimators import HAJEK
from netlift.figures.drawing.marks import ESTIMATE, INTERVAL, band_key
from netlift.figures.drawing.style import sheet, styled
from netlift.figures.drawing.themes import current_theme
from netlift.figures.validation_cases import (
    blocks,
    draw_blocks,
    in_order,
    line_color,
    line_keys,
    mark_of,
    title_of,
    verdict_keys,
)
from netlift.studies.validation import CLAIMED, CLAIMED_FROM, FAIL, PASS, covers

_LOWEST = 0.85
"""Lowest coverage drawn to scale."""


@styled
def validation_coverage(coverage: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw the coverage of 95% intervals by case, world, estimator and line of the ledger.

    Parameters
    ----------
    coverage
        ``validation/coverage.csv``; an estimator may lack numbers.
    source
        Where the numbers come from, for the footer.
    """
    table, note = without_twins(coverage.dropna(subset=["coverage_95"]))
    layout = list(blocks(table, "estimator", in_order(table["estimator"])))
    figure = sheet(
        sum(block.height for block in layout),
        title="Do 95% intervals cover the known effect in 95% of experiments?",
        subtitle="Share of replicates whose interval covers the known effect, with 1.96 Monte "
        "Carlo errors. In brackets: number of slates.",
        legend=[*line_keys(table), *verdict_keys(), band_key("claimed")],
        note=f"Claimed: {CLAIMED[0]:.0%} to {CLAIMED[1]:.0%}, up to 3 Monte Carlo errors, from "
        f"{CLAIMED_FROM} slates on; nothing is claimed for plain OLS errors."
        f" Arrows: below {_LOWEST:.0%}. {note}",
        source=source,
    )

    for axes in draw_blocks(figure, layout, "estimator", title_of, draw_coverage):
        axes.axvspan(*CLAIMED, color=current_theme().control, alpha=0.3, linewidth=0, zorder=0.5)
        axes.set_xlim(_LOWEST - 0.01, 1.005)
        axes.set_xticks([0.9, 1.0], ["90", "100%"])
    return figure


def without_twins(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Leave Hajek's estimator out where it equals the difference in means, with a note."""
    keys = ["case", "world", "line"]
    means = table[table["estimator"] == DIFFERENCE].set_index(keys)["mean_estimate"]
    hajek = table[table["estimator"] == HAJEK].set_index(keys)["mean_estimate"]
    if hajek.empty or not np.allclose(hajek, means.reindex(hajek.index), rtol=1e-9, atol=1e-12):
        return table, ""
    return table[table["estimator"] != HAJEK], (
        "Hajek's estimator equals the difference in means here: all slates have one probability."
    )


def draw_coverage(axes: Axes, row: float, line: pd.Series) -> None:
    """Draw one coverage with its Monte Carlo error, or an arrow where it is too low."""
    value, error = float(line["coverage_95"]), 1.96 * float(line["coverage_mc_error"])
    color = line_color(str(line["line"]))
    verdict = str(line["verdict"])
    if verdict == FAIL and covers(line):
        verdict = PASS  # the failure is in the bias, which another figure shows
    look = mark_of(verdict, color)
    if value < _LOWEST:
        value, look = _LOWEST, look | {"marker": "<"}
    else:
        ends = [max(value - error, _LOWEST - 0.01), min(value + error, 1.0)]
        axes.plot(ends, [row] * 2, color=color, linewidth=1, label=INTERVAL, zorder=3)
    axes.plot([value], [row], linestyle="none", label=ESTIMATE, zorder=4, **look)
