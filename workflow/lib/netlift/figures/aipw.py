"""The total effect with and without models, and how close its error is to the least possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.core.units import PER_SLATE
from netlift.effects.codes import TOTAL_LINE
from netlift.effects.estimators import label_of
from netlift.figures.drawing.marks import (
    best_key,
    best_look,
    draw_point,
    draw_row,
    estimate_key,
    has_known,
    interval_of,
    known_key,
)
from netlift.figures.drawing.style import (
    column_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import reasons, with_interval
from netlift.figures.drawing.themes import current_theme
from netlift.figures.outcome_models import MODEL_NAMES
from netlift.models.aipw import AIPW, PLAIN

BOUND = "_bound"
"""Label of the line at the smallest possible standard error."""

_ROW = 0.32


@styled
def aipw(
    aipw: pd.DataFrame,
    observed_effects: pd.DataFrame,
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
) -> Figure:
    """Draw the total effect by each estimator, and its standard error compared with the bound.

    Parameters
    ----------
    aipw
        ``aipw.csv``; ``bound_se`` may be missing, and an estimator may lack numbers.
    observed_effects
        ``observed_effects.csv``, for the known effect over all slates, which may be missing.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    theme = current_theme()
    totals = aipw[aipw["line"] == TOTAL_LINE.code]
    known = known_total(observed_effects)
    with_bound = has_known(totals, "bound_se")
    legend: list[Artist] = [
        estimate_key(theme.muted, "ledger, 95% interval", marker="s", filled=False),
        estimate_key(theme.total, "AIPW, 95% interval"),
    ]
    if np.isfinite(known):
        legend.append(known_key())
    if with_bound:
        legend.append(best_key("smallest possible error"))
    figure = sheet(
        _ROW * len(totals) + 1,
        title="Do outcome models make the effect on the whole slate more precise?",
        subtitle=f"{outcome.per_arm}, by each estimator.",
        legend=legend,
        note=_note(totals, with_bound=with_bound),
        source=source,
    )
    grid = figure.add_gridspec(1, 3, width_ratios=[1.4, 0.8, 1.35 if with_bound else 0.9])
    axes = figure.add_subplot(grid[0])
    row_axis(axes, [name_of(name) for name in totals["estimator"]])
    draw_totals(axes, totals, known, outcome)
    errors = figure.add_subplot(grid[1])
    row_axis(errors, [""] * len(totals))
    draw_errors(errors, totals, outcome)
    write_numbers(text_axis(figure, grid[2], axes), totals, with_bound=with_bound)
    return figure


def known_total(observed_effects: pd.DataFrame) -> float:
    """Return the known mean effect on all slates, promoted or not; NaN if unknown."""
    whole = observed_effects[observed_effects["line"] == TOTAL_LINE.code].iloc[0]
    return float(whole.get("known_effect", np.nan))


def name_of(estimator: str) -> str:
    """Return the label of an estimator of the ledger, or of AIPW by a model."""
    if not estimator.startswith(AIPW):
        return label_of(estimator)
    model = estimator.removeprefix(AIPW)
    return f"AIPW: {MODEL_NAMES.get(model, model)}"


def draw_totals(axes: Axes, totals: pd.DataFrame, known: float, outcome: Outcome) -> None:
    """Draw one row per estimator, with the known effect in each."""
    zero_line(axes)
    for row, (_, line) in enumerate(totals.iterrows()):
        draw_row(axes, row, interval_of(line), known, "not estimated", **_look(line))
    wide_enough(axes)
    axes.locator_params(axis="x", nbins=6)
    axes.set(title="Total effect", xlabel=f"Change in {outcome.of(PER_SLATE)}")


def draw_errors(axes: Axes, totals: pd.DataFrame, outcome: Outcome) -> None:
    """Draw the standard errors, and the bound as a vertical line."""
    for row, (_, line) in enumerate(totals.iterrows()):
        draw_point(axes, row, line["se"], **_look(line))
    if has_known(totals, "bound_se"):
        axes.axvline(totals["bound_se"].max(), label=BOUND, zorder=1.5, **best_look())
    axes.margins(x=0.15)
    axes.locator_params(axis="x", nbins=3)
    axes.set(title="Standard error", xlabel=capitalized(outcome.of(PER_SLATE)))


def _look(line: pd.Series) -> dict[str, Any]:
    """Return how the marks of an estimator look: hollow without a model, filled with one."""
    theme = current_theme()
    if line["estimator"] in PLAIN:
        return {"color": theme.muted, "marker": "s", "filled": False}
    return {"color": theme.total}


def write_numbers(axes: Axes, totals: pd.DataFrame, *, with_bound: bool) -> None:
    """Write the estimates with their intervals, and the share of the bound that is reached."""
    numbers = [with_interval(*interval_of(line), 3) for _, line in totals.iterrows()]
    edge = 0.73 if with_bound else 1.0
    column_of_text(axes, edge, "Estimate (95% interval)", numbers)
    if with_bound:
        shares = ["" if pd.isna(share) else f"{share:.0f}%" for share in totals["efficiency"]]
        column_of_text(axes, 1, "Efficiency", shares)


def _note(totals: pd.DataFrame, *, with_bound: bool) -> str:
    """Say what AIPW is, what the bound is, and why an estimator has no numbers."""
    notes = [
        "AIPW: a model's prediction, corrected with observed outcomes and the known probability of "
        "promotion, so that a wrong model costs only precision."
    ]
    if with_bound:
        notes.append(
            "Smallest possible error: from the known variance of clicks. Efficiency: its square "
            "over that of the standard error, which is estimated, so it can exceed 100%."
        )
    missing = totals.dropna(subset=["note"])
    return " ".join([*notes, *reasons(missing["estimator"].map(name_of), missing["note"])])
