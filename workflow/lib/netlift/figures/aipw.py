"""The total effect with and without models, and how close its error is to the least possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.core.units import PER_SLATE
from netlift.effects.codes import TOTAL_LINE
from netlift.figures.drawing.marks import (
    draw_estimate,
    draw_known,
    estimate_key,
    has_known,
    known_key,
    say_missing,
)
from netlift.figures.drawing.style import (
    LIGHT,
    Theme,
    column_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import with_interval
from netlift.figures.estimators import NAMES
from netlift.figures.outcome_models import MODEL_NAMES
from netlift.models.aipw import PLAIN

BOUND = "_bound"
"""Label of the line at the least possible standard error."""

_PREFIX = "aipw_"
_ROW = 0.32


@styled
def aipw(
    aipw: pd.DataFrame,
    observed_effects: pd.DataFrame,
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the total effect by each estimator, and its standard error against the bound.

    Parameters
    ----------
    aipw
        ``aipw.csv``; ``bound_se`` may be missing, and an estimator may lack numbers.
    observed_effects
        ``observed_effects.csv``, for the known effect over all slates, which may be missing.
    source
        Where the numbers come from, for the foot.
    outcome
        Its words.
    theme
        Colors.
    """
    totals = aipw[aipw["line"] == TOTAL_LINE.code]
    known = known_total(observed_effects)
    with_bound = has_known(totals, "bound_se")
    legend: list[Artist] = [
        estimate_key(theme.muted, "ledger, 95% interval", theme, marker="s", filled=False),
        estimate_key(theme.total, "AIPW, 95% interval", theme),
    ]
    if np.isfinite(known):
        legend.append(known_key(theme))
    if with_bound:
        legend.append(Line2D([], [], label="least possible error", **best_look(theme)))
    figure = sheet(
        _ROW * len(totals) + 1,
        theme,
        title="Do outcome models make the effect on the whole slate more precise?",
        subtitle=f"{outcome.per_arm}, by each estimator.",
        legend=legend,
        note=_note(totals, with_bound=with_bound),
        source=source,
    )
    grid = figure.add_gridspec(1, 3, width_ratios=[1.4, 0.8, 1.35 if with_bound else 0.9])
    axes = figure.add_subplot(grid[0])
    row_axis(axes, [name_of(name) for name in totals["estimator"]])
    draw_totals(axes, totals, known, theme, outcome)
    errors = figure.add_subplot(grid[1])
    row_axis(errors, [""] * len(totals))
    draw_errors(errors, totals, theme, outcome)
    write_numbers(text_axis(figure, grid[2], axes), totals, with_bound=with_bound, theme=theme)
    return figure


def known_total(observed_effects: pd.DataFrame) -> float:
    """Return the known mean effect on all slates, promoted or not; NaN without a truth."""
    whole = observed_effects[observed_effects["line"] == TOTAL_LINE.code].iloc[0]
    return float(whole.get("known_effect", np.nan))


def name_of(estimator: str) -> str:
    """Return an estimator in words."""
    if not estimator.startswith(_PREFIX):
        return NAMES.get(estimator, estimator)
    model = estimator.removeprefix(_PREFIX)
    return f"AIPW: {MODEL_NAMES.get(model, model)}"


def draw_totals(
    axes: Axes, totals: pd.DataFrame, known: float, theme: Theme, outcome: Outcome
) -> None:
    """Draw one row per estimator, with the known effect in each."""
    zero_line(axes, theme)
    for row, (_, line) in enumerate(totals.iterrows()):
        values = (line["estimate"], line["ci_95_lower"], line["ci_95_upper"])
        plain = line["estimator"] in PLAIN
        color, marker = (theme.muted, "s") if plain else (theme.total, "o")
        if draw_estimate(axes, row, values, theme, color=color, marker=marker, filled=not plain):
            draw_known(axes, row, known, theme)
        else:
            say_missing(axes, row, "not estimated", theme)
    wide_enough(axes)
    axes.locator_params(axis="x", nbins=6)
    axes.set(title="Total effect", xlabel=f"Change in {outcome.of(PER_SLATE)}")


def draw_errors(axes: Axes, totals: pd.DataFrame, theme: Theme, outcome: Outcome) -> None:
    """Draw the standard errors, and the bound as an upright line."""
    for row, (_, line) in enumerate(totals.iterrows()):
        plain = line["estimator"] in PLAIN
        color, marker = (theme.muted, "s") if plain else (theme.total, "o")
        error = (line["se"], np.nan, np.nan)
        draw_estimate(axes, row, error, theme, color=color, marker=marker, filled=not plain)
    if has_known(totals, "bound_se"):
        axes.axvline(totals["bound_se"].max(), label=BOUND, zorder=1.5, **best_look(theme))
    axes.margins(x=0.15)
    axes.locator_params(axis="x", nbins=3)
    axes.set(title="Standard error", xlabel=capitalized(outcome.of(PER_SLATE)))


def write_numbers(axes: Axes, totals: pd.DataFrame, *, with_bound: bool, theme: Theme) -> None:
    """Write the estimates with their intervals, and the share of the bound that is reached."""
    numbers = [
        with_interval(line["estimate"], line["ci_95_lower"], line["ci_95_upper"], 3)
        for _, line in totals.iterrows()
    ]
    place = 0.73 if with_bound else 1.0
    column_of_text(axes, place, "Estimate (95% interval)", numbers, theme)
    if with_bound:
        shares = ["" if pd.isna(share) else f"{share:.0f}%" for share in totals["efficiency"]]
        column_of_text(axes, 1, "Efficiency", shares, theme)


def best_look(theme: Theme) -> dict[str, Any]:
    """Return how the line looks that marks the best that is possible."""
    return {"color": theme.gains, "linewidth": 1.6, "linestyle": (0, (4, 2))}


def _note(totals: pd.DataFrame, *, with_bound: bool) -> str:
    """Say what AIPW is, what the bound is, and why an estimator has no numbers."""
    notes = [
        "AIPW: a model's prediction, corrected by what was observed with the known probability of "
        "promotion, so that a wrong model costs precision alone."
    ]
    if with_bound:
        notes.append(
            "Least possible error: from the known variance of clicks. Efficiency: its square over "
            "that of the standard error, which is estimated, so that it may come out above 100%."
        )
    missing = totals.dropna(subset=["note"])
    notes += [
        f"{name_of(name)}: {str(note).rstrip('.')}."
        for name, note in zip(missing["estimator"], missing["note"], strict=True)
    ]
    return " ".join(notes)
