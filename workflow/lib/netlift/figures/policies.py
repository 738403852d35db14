"""Which slates to promote: the value of each rule, and whether any is shown to gain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from netlift.core.arrays import ROUNDING
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000_ELIGIBLE
from netlift.figures.drawing.marks import (
    best_key,
    best_look,
    draw_estimate,
    draw_known,
    estimate_key,
    has_known,
    known_keys,
    say_missing,
)
from netlift.figures.drawing.style import (
    columns_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import printable, signed, written
from netlift.figures.drawing.themes import current_theme
from netlift.figures.risk import MARKERS
from netlift.models.policies import PROMOTE

OWN, ORACLE = "_own_interval", "_oracle"
"""Labels of each rule's own interval, and of the line at the best possible value."""

_ROW = 0.4


@styled
def policies(
    policies: pd.DataFrame,
    verdict: Mapping[str, Any],
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
) -> Figure:
    """Draw the value of each rule, with simultaneous bounds.

    Parameters
    ----------
    policies
        ``policies.csv``; ``known_value`` and ``oracle_value`` may be missing.
    verdict
        ``verdict.json``.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    ships = verdict["verdict"] == PROMOTE
    return draw_policies(
        policies,
        verdict,
        title=promoting(verdict) if ships else "Promote nothing: no rule is shown to gain",
        source=source,
        outcome=outcome,
    )


def promoting(verdict: Mapping[str, Any]) -> str:
    """Return the title of a figure of rules of which one is recommended."""
    return (
        f"Promote by the rule \N{LEFT SINGLE QUOTATION MARK}{verdict['rule_label']}"
        "\N{RIGHT SINGLE QUOTATION MARK}"
    )


def draw_policies(
    policies: pd.DataFrame, verdict: Mapping[str, Any], *, title: str, source: str, outcome: Outcome
) -> Figure:
    """Draw the value of each rule under a title; arguments as of ``policies``."""
    figure = sheet(
        _ROW * len(policies) + 0.85,
        title=title,
        subtitle=printable(verdict["statement"]),
        legend=_legend(policies),
        note="Bounds: simultaneous 95% intervals for all rules, the lower end from the units on "
        "which rules are chosen; a rule gains if it is above 0. Naive values are not corrected for "
        "that choice. Each rule is learned on earlier folds of slates than those on which it is "
        "evaluated.",
        source=source,
    )
    grid = figure.add_gridspec(1, 2, width_ratios=[1.9, 1])
    axes = figure.add_subplot(grid[0])
    draw_rules(axes, policies)
    axes.set_xlabel(f"Value, in {outcome.of(PER_1000_ELIGIBLE)}")
    row = policies["rule"].to_list().index(verdict["rule"])
    axes.get_yticklabels()[row].set_fontweight("bold")
    write_values(text_axis(figure, grid[1], axes), policies)
    return figure


def _legend(policies: pd.DataFrame) -> list[Artist]:
    theme = current_theme()
    verdicts = set(verdicts_of(policies))
    keys: list[Artist] = [
        estimate_key(getattr(theme, verdict), f"{verdict}, bounds", marker=marker)
        for verdict, marker in MARKERS.items()
        if verdict in verdicts
    ]
    keys.append(Line2D([], [], label="own 95% interval", **_own_look(theme.muted)))
    keys += known_keys(policies, column="known_value", label="known value")
    if has_known(policies, "oracle_value"):
        keys.append(best_key("best possible"))
    return keys


def verdicts_of(policies: pd.DataFrame) -> list[str]:
    """Return each rule's verdict by its simultaneous bounds; promoting nothing is undecided.

    No rule gains where the one that was chosen is contradicted by the other units.
    """
    contradicted = policies["corrected_value"].notna().any() and not policies["recommended"].any()
    gains = (policies["lower_bound"] > ROUNDING) & (not contradicted)
    loses = policies["upper_bound"] < -ROUNDING
    return np.select([gains, loses], ["gains", "loses"], default="undecided").tolist()


def draw_rules(axes: Axes, policies: pd.DataFrame) -> None:
    """Draw one row per rule: value, simultaneous bounds, own interval and known value."""
    row_axis(axes, [str(name).capitalize() for name in policies["rule_label"]])
    zero_line(axes)
    verdicts = verdicts_of(policies)
    for row, (_, line) in enumerate(policies.iterrows()):
        verdict = verdicts[row]
        color, marker = getattr(current_theme(), verdict), MARKERS[verdict]
        values = (line["naive_value"], line["lower_bound"], line["upper_bound"])
        if not draw_estimate(axes, row, values, color=color, marker=marker):
            say_missing(axes, row, "no value")
            continue
        interval = [line["ci_95_lower"], line["ci_95_upper"]]
        axes.plot(interval, [row, row], label=OWN, zorder=2.5, **_own_look(color))
        draw_known(axes, row, line.get("known_value", np.nan))
    if has_known(policies, "oracle_value"):
        oracle = float(policies["oracle_value"].max())
        axes.axvline(oracle, label=ORACLE, zorder=1.5, **best_look())
    wide_enough(axes)


def write_values(axes: Axes, policies: pd.DataFrame) -> None:
    """Write the share that each rule promotes, its value, its lower bound, and what is left."""
    columns = {
        "Promoted": [written(100 * share, "{:.0f}%") for share in policies["share_promoted"]],
        "Naive": [_signed(x) for x in policies["naive_value"]],
        "Bound": [_signed(x) for x in policies["lower_bound"]],
        "Corrected": [_signed(x) for x in policies["corrected_value"].astype(float)],
    }
    columns_of_text(axes, columns, (0.2, 0.44, 0.68, 1))


def _signed(value: float) -> str:
    return signed(value, 1) if np.isfinite(value) else ""


def _own_look(color: str) -> dict[str, Any]:
    return {"color": color, "linewidth": 6, "solid_capstyle": "butt", "alpha": 0.4}
