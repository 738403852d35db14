"""Which item to promote: the value of each rule, by share promoted, and what a rule promotes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000_ELIGIBLE
from netlift.figures.drawing.marks import BAND, color_key, has_known
from netlift.figures.drawing.style import SMALL, row_axis, sheet, styled, zero_line
from netlift.figures.drawing.text import printable, shortened
from netlift.figures.drawing.themes import current_theme
from netlift.figures.policies import draw_policies, promoting
from netlift.models.candidate_codes import GROUP, POSITION
from netlift.models.policies import PROMOTE

VALUE, KNOWN_VALUE = "_value", "_known_value"
"""Labels of the curves of estimated and of known values."""

MOST_GROUPS = 15
"""Groups that are drawn: those with the most promotions."""

_ROW = 0.3
_LABEL_POINTS = 110


@styled
def candidate_policies(
    policies: pd.DataFrame,
    verdict: Mapping[str, Any],
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
) -> Figure:
    """Draw the value of each rule that chooses among the candidates of a slate.

    Parameters
    ----------
    policies
        ``candidate_policies.csv``; ``known_value`` and ``oracle_value`` may be missing.
    verdict
        ``candidate_verdict.json``.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    ships = verdict["verdict"] == PROMOTE
    title = promoting(verdict) if ships else "No rule for which item to promote is shown to gain"
    return draw_policies(policies, verdict, title=title, source=source, outcome=outcome)


@styled
def candidate_curve(curve: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS) -> Figure:
    """Draw the value of promoting the best predicted candidate by the share of slates promoted.

    Parameters
    ----------
    curve
        ``candidate_curve.csv``; ``known_value`` may be missing.
    source, outcome
        See ``candidate_policies``.
    """
    theme, with_truth = current_theme(), has_known(curve, "known_value")
    legend = [
        Line2D([], [], label="value", **_look(VALUE)),
        color_key(theme.control, "simultaneous 95% bounds"),
        *([Line2D([], [], label="known value", **_look(KNOWN_VALUE))] if with_truth else []),
    ]
    figure = sheet(
        3.2,
        title="In how many slates to promote the best predicted candidate",
        legend=legend,
        note="Slates with the largest predicted effect of their best candidate are promoted first. "
        "The bounds hold for all shares at once. Values are compared with promoting nothing.",
        source=source,
    )
    axes = figure.add_subplot()
    zero_line(axes, vertical=False)
    share = np.r_[0.0, curve["share_promoted"].to_numpy(float)]
    lower, upper = (np.r_[0.0, curve[f"{end}_bound"].to_numpy(float)] for end in ("lower", "upper"))
    axes.fill_between(share, lower, upper, color=theme.control, alpha=0.45, lw=0, label=BAND)
    axes.plot(share, np.r_[0.0, curve["value"].to_numpy(float)], label=VALUE, **_look(VALUE))
    if with_truth:
        known = np.r_[0.0, curve["known_value"].to_numpy(float)]
        axes.plot(share, known, label=KNOWN_VALUE, **_look(KNOWN_VALUE))
    axes.set_xlim(0, max(float(share.max()), 0.05))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(visible=True, axis="y")
    axes.set(
        xlabel="Share of slates promoted",
        ylabel=f"Value, in {outcome.of(PER_1000_ELIGIBLE)}",
    )
    return figure


@styled
def promoted_candidates(
    promoted: pd.DataFrame,
    verdict: Mapping[str, Any],
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
) -> Figure:
    """Draw what a rule promotes, by position and by group, next to what a random draw promotes.

    Parameters
    ----------
    promoted
        ``promoted_candidates.csv``.
    verdict
        ``candidate_verdict.json``.
    source, outcome
        See ``candidate_policies``.
    """
    ships = verdict["verdict"] == PROMOTE
    theme, label = current_theme(), str(promoted["rule_label"].iloc[0])
    parts = [_largest(promoted[promoted["dimension"] == name]) for name in (POSITION, GROUP)]
    figure = sheet(
        _ROW * max(map(len, parts)) + 1.0,
        title=printable(
            f"What the rule \N{LEFT SINGLE QUOTATION MARK}{label}"
            "\N{RIGHT SINGLE QUOTATION MARK} promotes"
        ),
        subtitle="" if ships else "It is the rule with the largest value; it is not recommended.",
        legend=[
            color_key(theme.focal, "share of the rule's promotions"),
            color_key(theme.control, "share if the item is drawn at random"),
        ],
        note=_note(promoted, parts[1]),
        source=source,
    )
    grid = figure.add_gridspec(1, 2)
    titles = ("By position before promotion", f"By {parts[1]['column'].iloc[0].replace('_', ' ')}")
    for column, (part, title) in enumerate(zip(parts, titles, strict=True)):
        axes = figure.add_subplot(grid[column])
        _draw_shares(axes, part)
        axes.set(title=title, xlabel="Share of promotions")
    return figure


def _largest(part: pd.DataFrame) -> pd.DataFrame:
    """Return the rows to draw: positions in order, groups by the number of their promotions."""
    if (part["dimension"] == POSITION).all():
        return part.sort_values("value", key=lambda values: values.astype(float))
    ordered = part.sort_values(["promotions", "share_at_random"], ascending=False, kind="stable")
    return ordered.head(MOST_GROUPS)


def _draw_shares(axes: Axes, part: pd.DataFrame) -> None:
    theme = current_theme()
    row_axis(axes, [shortened(value, _LABEL_POINTS, size=SMALL) for value in part["value"]])
    rows = np.arange(len(part))
    axes.barh(rows - 0.18, part["share_of_promotions"].fillna(0.0), 0.34, color=theme.focal)
    axes.barh(rows + 0.18, part["share_at_random"], 0.34, color=theme.control)
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", nbins=6, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_formatter(PercentFormatter(1))


def _note(promoted: pd.DataFrame, groups: pd.DataFrame) -> str:
    left_out = int((promoted["dimension"] == GROUP).sum()) - len(groups)
    more = f" {left_out:,} more groups have fewer promotions and are not drawn." if left_out else ""
    return f"Of all slates of the folds on which rules are evaluated.{more}"


def _look(curve: str) -> dict[str, Any]:
    theme = current_theme()
    if curve == VALUE:
        return {"color": theme.total, "linewidth": 2}
    return {"color": theme.ink, "linewidth": 1.6, "linestyle": (0, (4, 2))}
