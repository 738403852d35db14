"""Design diagnostics: balance, checks of the randomization, and what could have been detected."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE
from netlift.effects.codes import GIVEN, MINIMUM
from netlift.effects.design_checks import (
    BALANCE,
    LOOK,
    OMNIBUS,
    PLACEBO,
    SAMPLE_RATIO,
    VERDICTS,
)
from netlift.figures.drawing.marks import (
    band_key,
    draw_band,
    draw_estimate,
    estimate_key,
    say_missing,
)
from netlift.figures.drawing.style import (
    LIGHT,
    ROW,
    SMALL,
    Theme,
    column_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import count, p_value, signed
from netlift.figures.estimators import NAMES
from netlift.figures.shares import ESTIMATORS, SHIFT

WORDS = {
    SAMPLE_RATIO: "Sample ratio",
    OMNIBUS: "All covariates together",
    PLACEBO: "A/A test of the total",
    "n_same_cluster": "Same-cluster items",
    "n_displaced": "Displaced items",
    "focal_seed_position": "Focal position",
    "relevance_mean": "Mean relevance",
    "relevance_sd": "Spread of relevance",
    "user_activity": "User activity",
}
"""Checks and covariates in words."""

MOST_EFFECTS = 6
"""Given effects whose power is written; of more, the first."""

_DECOR = 0.95
"""Height of a panel's title, ticks and label, in inches."""
_POWER_ROW = 0.46


@styled
def design_diagnostics(
    diagnostics: pd.DataFrame,
    power: pd.DataFrame,
    *,
    source: str = "",
    outcome: Outcome = CLICKS,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the checks of the randomization, and what effects the experiment could have shown.

    Parameters
    ----------
    diagnostics
        ``design_diagnostics.csv``; a check that was not made has no numbers.
    power
        ``power.csv``; an estimator may lack numbers.
    source
        Where the numbers come from, for the foot.
    outcome
        Its words.
    theme
        Colors.
    """
    balance = diagnostics[diagnostics["check"] == BALANCE]
    checks = whole_checks(diagnostics)
    power = power[power["estimator"].isin(ESTIMATORS)]
    lines = dict(zip(power["line"], power["component"], strict=True))
    heights = [
        ROW * max(len(balance), 1) + _DECOR,
        ROW * len(checks) + 0.6,
        _POWER_ROW * len(lines) + _DECOR + 0.15,
    ]
    figure = sheet(
        sum(heights),
        theme,
        title="Was the promotion randomized as it should be, and what could be detected?",
        subtitle="Before promotion, only chance can make promoted and control slates differ. "
        f"Power: of this experiment's {count(power['slates'].max())} slates.",
        legend=_legend(balance, theme),
        note=_note(diagnostics, power),
        source=source,
    )
    grid = figure.add_gridspec(3, 2, height_ratios=heights, width_ratios=[1.7, 1])
    _balance_panel(figure, grid, balance, theme)
    write_checks(figure.add_subplot(grid[1, :]), checks, theme)
    _power_panel(figure, grid, power, lines, theme, outcome)
    return figure


def _legend(balance: pd.DataFrame, theme: Theme) -> list[Artist]:
    keys: list[Artist] = [
        estimate_key(theme.data, NAMES[name], theme, marker=marker, filled=filled, interval=False)
        for name, (marker, filled) in ESTIMATORS.items()
    ]
    keys.append(band_key(theme, "95% range of random assignment"))
    if (balance["verdict"] == LOOK).any():
        keys.append(estimate_key(theme.loses, VERDICTS[LOOK], theme, marker="v", interval=False))
    return keys


def _balance_panel(figure: Figure, grid: GridSpec, balance: pd.DataFrame, theme: Theme) -> None:
    axes = figure.add_subplot(grid[0, 0])
    draw_balance(axes, balance, theme)
    wide_enough(axes)
    axes.set(
        title="Balance of what promotion cannot change",
        xlabel="Promoted minus control slates, in standard deviations",
    )
    beside = text_axis(figure, grid[0, 1], axes)
    values = [signed(value, 3) if np.isfinite(value) else "" for value in balance["value"]]
    column_of_text(beside, 0.3, "Difference", values, theme)
    column_of_text(beside, 0.6, "p-value", [p_value(p) for p in balance["p_value"]], theme)
    column_of_text(beside, 1, "Verdict", balance["verdict_label"].to_list(), theme)


def draw_balance(axes: Axes, balance: pd.DataFrame, theme: Theme) -> None:
    """Draw each covariate's difference between arms against what random assignment gives."""
    row_axis(axes, [WORDS.get(name, name) for name in balance["subject"]])
    zero_line(axes, theme)
    for row, (_, line) in enumerate(balance.iterrows()):
        draw_band(axes, row, line["lower_95"], line["upper_95"], theme)
        look = line["verdict"] == LOOK
        value = (line["value"], np.nan, np.nan)
        color, marker = (theme.loses, "v") if look else (theme.data, "o")
        if not draw_estimate(axes, row, value, theme, color=color, marker=marker):
            say_missing(axes, row, str(line["note"]), theme)
    if not len(balance):
        say_missing(axes, 0, "no covariate to compare", theme)


def whole_checks(diagnostics: pd.DataFrame) -> pd.DataFrame:
    """Return the checks of the randomization as a whole; of the A/A test, the false alarms."""
    checks = diagnostics[diagnostics["check"].isin([SAMPLE_RATIO, OMNIBUS, PLACEBO])]
    return checks.drop_duplicates("check")


def write_checks(axes: Axes, checks: pd.DataFrame, theme: Theme) -> None:
    """Write the checks of the randomization as a whole, one in each row."""
    row_axis(axes, [WORDS[check] for check in checks["check"]])
    axes.set(xlim=(0, 1), title="Checks of the randomization")
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    for row, unit in enumerate(checks["unit"]):
        axes.text(0.01, row, str(unit), va="center", size=SMALL)
    columns = {
        0.43: ("Found", [_number(value) for value in checks["value"]]),
        0.55: ("Expected", [_number(value) for value in checks["expected"]]),
        0.76: ("95% interval", [_range(line) for _, line in checks.iterrows()]),
        0.87: ("p-value", [p_value(p) for p in checks["p_value"]]),
        1.0: ("Verdict", checks["verdict_label"].to_list()),
    }
    for x, (heading, texts) in columns.items():
        column_of_text(axes, x, heading, texts, theme)


def _power_panel(
    figure: Figure,
    grid: GridSpec,
    power: pd.DataFrame,
    lines: Mapping[str, str],
    theme: Theme,
    outcome: Outcome,
) -> None:
    axes = figure.add_subplot(grid[2, 0])
    row_axis(axes, list(lines.values()))
    draw_detectable(axes, power, list(lines), theme)
    axes.set_xlim(left=0)
    axes.set(
        title="Smallest effect shown with 80% power",
        xlabel=f"Change in {outcome.of(PER_SLATE)}",
    )
    beside = text_axis(figure, grid[2, 1], axes)
    columns = power_columns(power, list(lines))
    for place, (effect, texts) in enumerate(columns.items(), start=1):
        column_of_text(beside, place / len(columns), f"{effect:g}", texts, theme)
    if columns:
        beside.set_title("Power to show a change of \N{HORIZONTAL ELLIPSIS}", pad=20, loc="right")


def draw_detectable(axes: Axes, power: pd.DataFrame, lines: list[str], theme: Theme) -> None:
    """Draw the minimum detectable effect of each line by each estimator."""
    for _, line in power[power["question"] == MINIMUM].iterrows():
        place = lines.index(line["line"]) + shift_of(line["estimator"])
        marker, filled = ESTIMATORS[line["estimator"]]
        effect = (line["effect_per_slate"], np.nan, np.nan)
        color = theme.data
        if not draw_estimate(axes, place, effect, theme, color=color, marker=marker, filled=filled):
            say_missing(axes, place, "no estimate", theme)


def power_columns(power: pd.DataFrame, lines: list[str]) -> dict[float, dict[float, str]]:
    """Return the power for each given effect, by place on the y axis."""
    given = power[power["question"] == GIVEN]
    columns: dict[float, dict[float, str]] = {}
    for effect in sorted(set(given["effect_per_slate"]))[:MOST_EFFECTS]:
        part = given[given["effect_per_slate"] == effect]
        columns[effect] = {
            lines.index(name) + shift_of(estimator): f"{100 * chance:.0f}%"
            for name, estimator, chance in zip(
                part["line"], part["estimator"], part["power"], strict=True
            )
        }
    return columns


def shift_of(estimator: str) -> float:
    """Return how far an estimator's mark stands from the middle of its row."""
    return -SHIFT if estimator == next(iter(ESTIMATORS)) else SHIFT


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else ""


def _range(line: pd.Series) -> str:
    """Write an interval, or a range that has but an upper end."""
    lower, upper = line["lower_95"], line["upper_95"]
    if np.isfinite(lower):
        return f"{lower:.3f} to {upper:.3f}"
    return f"up to {upper:.3f}" if np.isfinite(upper) else ""


def _note(diagnostics: pd.DataFrame, power: pd.DataFrame) -> str:
    notes = [
        "Sample ratio: interval of the share. All covariates: range of random assignment. "
        "A/A test: control slates are split at random, so that no effect can be; the interval is "
        "that of the simulated share of splits whose 95% interval excludes zero."
    ]
    unchecked = whole_checks(diagnostics)
    unchecked = unchecked[unchecked["value"].isna() | unchecked["expected"].isna()]
    notes += [
        f"{WORDS[line['check']]}: {str(line['note']).rstrip('.')}."
        for _, line in unchecked.dropna(subset=["note"]).iterrows()
    ]
    missing = power.dropna(subset=["note"]).drop_duplicates(["estimator", "note"])
    notes += [
        f"{NAMES[name]}: {str(note).rstrip('.')}."
        for name, note in zip(missing["estimator"], missing["note"], strict=True)
    ]
    return " ".join(notes)
