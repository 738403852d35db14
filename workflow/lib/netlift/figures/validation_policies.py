"""How often the policy gate promoted, how often at a loss, and the value of its choices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from netlift.figures.drawing.marks import ESTIMATE, INTERVAL, best_key, best_look
from netlift.figures.drawing.style import SMALL, sheet, styled, wide_enough, zero_line
from netlift.figures.drawing.themes import current_theme
from netlift.figures.policies import ORACLE
from netlift.figures.validation_cases import (
    DECOR,
    case_axis,
    case_labels,
    mark_of,
    row_numbers,
    verdict_keys,
)
from netlift.studies.validation import AT_A_LOSS, FAIL, NO_CLAIM, PASS, rarely

_ROW = 0.3
_SHARES = {
    "promoted": ("Recommends a rule", None),
    "promoted_at_a_loss": ("\N{HORIZONTAL ELLIPSIS} at a loss", AT_A_LOSS),
    "bounds_hold": ("All bounds hold", 0.95),
}
"""Columns that are shares, their titles, and their claimed values."""


@styled
def validation_policies(policies: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw the verdict's error rates, and the known value of what it recommends.

    Parameters
    ----------
    policies
        ``validation/policies.csv``.
    source
        Where the numbers come from, for the footer.
    """
    if policies.empty:
        return _empty(source)
    labels = case_labels(policies)
    figure = sheet(
        _ROW * len(labels) + DECOR,
        title="Does the gate let harmful rules pass?",
        subtitle=f"Share of {policies['replicates'].max():,} experiments in which a rule is "
        "recommended, in which its known value is not above zero (claimed: at most 2.5%), and in "
        "which all lower bounds are below the known values (at least 95%).",
        legend=[
            *verdict_keys(),
            Line2D([], [], color=current_theme().ink, linewidth=1, label="claimed"),
            best_key("best possible value"),
        ],
        note="Value: mean known value of what is recommended, 0 where nothing is; best possible: "
        "promoting only the slates that gain. Lines: 1.96 Monte Carlo errors.",
        source=source,
    )
    panels = figure.subplots(1, len(_SHARES) + 1)
    rows = row_numbers(policies)
    for axes, (name, (title, claimed)) in zip(panels, _SHARES.items(), strict=False):
        draw_share(axes, policies, name, claimed, rows)
        axes.set_title(title, size=SMALL)
    draw_value(panels[-1], policies, rows)
    for axes in panels:
        case_axis(axes, labels if axes is panels[0] else [""] * len(labels))
    return figure


def _empty(source: str) -> Figure:
    figure = sheet(
        0.3,
        title="No case of the validation compares policies",
        subtitle="Set model_replicates for a case to evaluate the gate.",
        source=source,
    )
    figure.subplots().set_axis_off()
    return figure


def draw_share(
    axes: Axes,
    policies: pd.DataFrame,
    name: str,
    claimed: float | None,
    rows: dict[tuple[str, str], int],
) -> None:
    """Draw a share with its Monte Carlo error, and the claimed value."""
    theme = current_theme()
    for _, line in policies.iterrows():
        row, value = rows[(line["case"], line["world"])], float(line[name])
        error = 1.96 * np.sqrt(max(value * (1 - value), 0.0) / line["replicates"])
        ends = np.clip([value - error, value + error], 0, 1)
        axes.plot(ends, [row] * 2, color=theme.data, linewidth=1.2, label=INTERVAL, zorder=3)
        wrong = 1 - value if name == "bounds_hold" else value
        at_most = AT_A_LOSS if name == "promoted_at_a_loss" else 0.05
        kept = PASS if rarely(wrong, int(line["replicates"]), at_most) else FAIL
        verdict = NO_CLAIM if claimed is None else kept
        look = mark_of(verdict, theme.data)
        axes.plot([value], [row], linestyle="none", label=ESTIMATE, zorder=4, **look)
    if claimed is not None:
        axes.axvline(claimed, color=theme.ink, linewidth=1, zorder=1.5)
    axes.set_xlim(-0.04, 1.04)
    axes.set_xticks([0, 0.5, 1], ["0", "50%", "100"])


def draw_value(axes: Axes, policies: pd.DataFrame, rows: dict[tuple[str, str], int]) -> None:
    """Draw the mean known value of the recommendations, and the best possible one."""
    for _, line in policies.iterrows():
        row = rows[(line["case"], line["world"])]
        look: dict[str, Any] = mark_of(NO_CLAIM, current_theme().data) | {"markersize": 6}
        axes.plot([line["mean_known_value"]], [row], label=ESTIMATE, zorder=4, **look)
        best, half = float(line["oracle_value"]), 0.35
        axes.plot([best] * 2, [row - half, row + half], label=ORACLE, zorder=3, **best_look())
    zero_line(axes)
    wide_enough(axes)
    axes.set_title("Known value", size=SMALL)
    axes.set_xlabel("Clicks per 1,000 slates", size=SMALL)
