"""Figures 2b, 4a and 4b: known lift by slate, the ledger, and the ledger with known effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000, counted_by
from netlift.effects.codes import TOTAL_LINE
from netlift.effects.empty_lines import with_items
from netlift.figures.drawing.marks import INTERVAL, color_key, draw_estimate, estimate_key
from netlift.figures.drawing.style import (
    column_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import count, signed, with_interval
from netlift.figures.drawing.themes import current_theme

OUTCOMES = {
    "observed_clicks": ("observed clicks", "o", True),
    "expected_clicks": ("expected clicks", "s", False),
    "known_lift": ("known lift", "D", False),
}
"""Outcome types: words, marker, and whether it is filled."""

_PER_1000 = (
    "estimate_per_1000_promoted_slates",
    "ci_95_lower_per_1000",
    "ci_95_upper_per_1000",
)
_PER_SLATE = ("estimate_per_slate", "ci_95_lower", "ci_95_upper")
_BAR_LABELS = {
    "direct": "Focal item",
    "same_cluster": "Same-cluster\ncompetitors",
    "other": "Other\ncompetitors",
    "total": "Full slate\n(net)",
}
_OBSERVED = (
    "What was observed, line by line of the ledger",
    "Clicks per promoted slate minus clicks per control slate.",
)
_AGAINST_KNOWN = (
    "What was observed, compared with the known effects in this simulated world",
    "The same change three times: in the simulated clicks, in their probabilities, and for each "
    "promoted slate compared with the same slate without promotion.",
)
_NO_CHANGE = 1e-12
_BINS = 50


@styled
def decomposition(effects: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS) -> Figure:
    """Draw the ledger of observed clicks as a waterfall that ends at the whole slate.

    Parameters
    ----------
    effects
        ``component_effects.csv``.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
    """
    lines, empty = with_items(ledger_lines(effects, "observed_clicks"))
    first = lines.iloc[0]
    figure = sheet(
        4.3,
        title="What a promotion changes, part by part and in the whole slate",
        subtitle=f"{count(first['treated_slates'])} promoted and "
        f"{count(first['control_slates'])} control slates. Each bar starts where the one before it "
        "ends; the last one is their sum.",
        note=" ".join(["Thin lines: 95% interval of each bar's own change.", *empty]),
        source=source,
    )
    axes = figure.add_subplot()
    draw_waterfall(axes, lines)
    axes.set_ylabel(f"Change in {outcome.unit}\n{counted_by(PER_1000)}")
    return figure


def draw_waterfall(axes: Axes, lines: pd.DataFrame) -> None:
    """Draw lines of the ledger, per 1,000 promoted slates, as cumulative bars."""
    theme = current_theme()
    names = lines["line"].to_list()
    values = lines[list(_PER_1000)].to_numpy(dtype=np.float64)
    starts = waterfall_starts(names, values[:, 0])
    zero_line(axes, vertical=False)
    for index, name in enumerate(names):
        if not np.isfinite(values[index, 0]):
            axes.text(index, 0, "no estimate", ha="center", va="bottom", color=theme.muted)
            continue
        _draw_bar(axes, index, starts[index], values[index], theme.component(name))
        if index + 1 < len(names):
            end = starts[index] + values[index, 0]
            axes.plot([index, index + 1], [end, end], color=theme.muted, linewidth=0.8, zorder=0)
    axes.set_xticks(range(len(names)), [_BAR_LABELS[name] for name in names], size=9.5)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(names) - 0.5)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + 0.14 * (top - bottom))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.grid(visible=True, axis="y")


def waterfall_starts(names: list[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where each bar of a waterfall starts: at the sum so far; the total at 0."""
    starts = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))[:-1]])
    starts[[index for index, name in enumerate(names) if name == TOTAL_LINE.code]] = 0.0
    return starts


@styled
def observed_against_known(effects: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw every line of the ledger by observed clicks, expected clicks and known lift.

    Parameters
    ----------
    effects
        ``component_effects.csv``; missing outcome types are left out.
    source
        Where the numbers come from, for the footer.
    """
    theme = current_theme()
    outcomes = [name for name in OUTCOMES if (effects["outcome_type"] == name).any()]
    legend: list[Artist] = [
        estimate_key(theme.muted, f"{words}, 95% interval", marker=marker, filled=filled)
        for words, marker, filled in (OUTCOMES[name] for name in outcomes)
    ]
    names = ledger_lines(effects, outcomes[0])["component"].to_list()
    title, subtitle = _OBSERVED if outcomes == ["observed_clicks"] else _AGAINST_KNOWN
    figure = sheet(
        0.72 * len(names) + 0.7, title=title, subtitle=subtitle, legend=legend, source=source
    )
    grid = figure.add_gridspec(1, 2, width_ratios=[2.6, 1])
    axes = figure.add_subplot(grid[0])
    row_axis(axes, names, size=9.5)
    zero_line(axes)
    shifts = np.linspace(-0.27, 0.27, len(outcomes)) if len(outcomes) > 1 else np.zeros(1)
    numbers: dict[float, str] = {}
    for outcome, shift in zip(outcomes, shifts, strict=True):
        numbers |= _draw_outcome(axes, ledger_lines(effects, outcome), outcome, shift)
    for row in range(1, len(names)):
        axes.axhline(row - 0.5, color=theme.grid, linewidth=0.8)
    table_axes = text_axis(figure, grid[1], axes)
    column_of_text(table_axes, 1, "Estimate (95% interval)", numbers)
    wide_enough(axes)
    axes.set_xlabel("Change in clicks per slate")
    return figure


def ledger_lines(effects: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Return the ledger's lines of one outcome type, in the order of the table."""
    chosen = (effects["outcome_type"] == outcome) & effects["is_main"].astype(bool)
    return effects[chosen]


@styled
def known_lift_by_slate(accounts: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw how the known effect of promotion differs between slates.

    Parameters
    ----------
    accounts
        ``slate_outcomes.parquet`` of a simulated world: ``known_effect_total``.
    source
        Where the numbers come from, for the footer.
    """
    theme = current_theme()
    effect = accounts["known_effect_total"].to_numpy(dtype=np.float64)
    effect = np.where(np.abs(effect) <= _NO_CHANGE, 0.0, effect)
    parts = (
        ("lose", theme.loses, effect < 0),
        ("gain", theme.gains, effect > 0),
        ("no change", theme.undecided, effect == 0),
    )
    figure = sheet(
        3.6,
        title="Who would gain or lose: the known effect of promotion, slate by slate",
        subtitle=f"All {count(len(effect))} slates, promoted or not: what promoting each would "
        "change, in expected clicks on all of its items.",
        legend=[
            color_key(color, f"{words}: {100 * part.mean():.1f}% ({count(part.sum())} slates)")
            for words, color, part in parts
        ],
        source=source,
    )
    draw_known_effects(figure.add_subplot(), effect)
    return figure


def draw_known_effects(axes: Axes, effect: NDArray[np.float64]) -> None:
    """Draw a histogram of effects by slate; no bin contains both gains and losses."""
    theme = current_theme()
    step = float(np.ptp(np.r_[effect, 0.0])) / _BINS or 0.01
    # One more bin at each end, so that rounding does not leave out the outermost slates.
    edges = step * np.arange(np.floor(effect.min() / step) - 1, np.ceil(effect.max() / step) + 2)
    for part, color in ((effect < 0, theme.loses), (effect > 0, theme.gains)):
        if part.any():
            counts, _ = np.histogram(effect[part], bins=edges)
            shown = counts > 0
            axes.bar(
                edges[:-1][shown], counts[shown], width=step, align="edge", color=color, linewidth=0
            )
    if not effect.any():
        axes.set_xlim(-5 * step, 5 * step)
    if (effect == 0).any():
        axes.bar(0, int((effect == 0).sum()), width=0.6 * step, color=theme.undecided, zorder=3)
    zero_line(axes)
    mean = float(effect.mean())
    axes.axvline(mean, color=theme.ink, linewidth=1.3, linestyle=(0, (4, 2)), label="_mean")
    axes.annotate(
        f"mean {signed(mean, 3)}",
        (mean, 1),
        (4 if mean >= 0 else -4, 1),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="left" if mean >= 0 else "right",
        va="bottom",
    )
    axes.set(xlabel="Known change in expected clicks per slate", ylabel="Slates")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(visible=True, axis="y")


def _draw_bar(
    axes: Axes, index: int, start: float, values: NDArray[np.float64], color: str
) -> None:
    """Draw one bar from ``start``, the interval around its end, and its numbers above both."""
    theme = current_theme()
    value, lower, upper = values
    axes.bar(index, value, bottom=start, width=0.56, color=color, edgecolor=color)
    highest = max(0.0, start, start + value)
    texts = [(signed(value, 1), 10.5, "bold")]
    if np.isfinite([lower, upper]).all():
        ends = [start + lower, start + upper]
        where = [index, index]
        axes.plot(where, ends, color=theme.paper, linewidth=3.2, solid_capstyle="butt")
        axes.plot(where, ends, color=theme.muted, linewidth=1.6, marker="_", label=INTERVAL)
        highest = max(highest, ends[1])
        texts.insert(0, (f"{signed(lower, 1)} to {signed(upper, 1)}", 9, "normal"))
    for line, (text, size, weight) in enumerate(texts):
        axes.annotate(
            text,
            (index, highest),
            (0, 6 + 14 * line),
            textcoords="offset points",
            ha="center",
            va="bottom",
            size=size,
            weight=weight,
        )


def _draw_outcome(axes: Axes, lines: pd.DataFrame, outcome: str, shift: float) -> dict[float, str]:
    """Draw one outcome type's marks, and return its numbers by position on the y axis."""
    _, marker, filled = OUTCOMES[outcome]
    numbers = {}
    for row, (_, line) in enumerate(lines.iterrows()):
        values = (line[_PER_SLATE[0]], line[_PER_SLATE[1]], line[_PER_SLATE[2]])
        color = current_theme().component(line["line"])
        draw_estimate(axes, row + shift, values, color=color, marker=marker, filled=filled)
        numbers[row + shift] = with_interval(*values, 3) or "no estimate"
    return numbers
