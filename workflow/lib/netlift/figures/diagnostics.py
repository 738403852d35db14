"""Design diagnostics: balance, checks of the randomization, and minimum detectable effects."""

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
    SPLIT,
    VERDICTS,
)
from netlift.effects.estimators import label_of
from netlift.figures.drawing.marks import band_key, draw_band, draw_point, estimate_key, say_missing
from netlift.figures.drawing.style import (
    ROW,
    SMALL,
    columns_of_text,
    row_axis,
    sheet,
    styled,
    text_axis,
    text_rows,
    wide_enough,
    zero_line,
)
from netlift.figures.drawing.text import count, p_value, reasons, signed
from netlift.figures.drawing.themes import current_theme
from netlift.figures.shares import ESTIMATORS, SHIFT

WORDS = {
    SAMPLE_RATIO: "Sample ratio",
    SPLIT: "Users in both arms",
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
"""Effects whose power is written, at most; the smallest come first."""

_DECOR = 0.95
"""Height of a panel's title, ticks and label, in inches."""
_POWER_ROW = 0.46


@styled
def design_diagnostics(
    diagnostics: pd.DataFrame, power: pd.DataFrame, *, source: str = "", outcome: Outcome = CLICKS
) -> Figure:
    """Draw the checks of the randomization, and the effects that the experiment could detect.

    Parameters
    ----------
    diagnostics
        ``design_diagnostics.csv``; a check that was not run has no numbers.
    power
        ``power.csv``; an estimator may lack numbers.
    source
        Where the numbers come from, for the footer.
    outcome
        The outcome's unit and wording, for labels.
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
        title="Was the promotion randomized as designed, and what could be detected?",
        subtitle="Before promotion, only chance can make promoted and control slates differ. "
        f"Power: with this experiment's {count(power['slates'].max())} slates.",
        legend=_legend(balance),
        note=_note(diagnostics, power),
        source=source,
    )
    grid = figure.add_gridspec(3, 2, height_ratios=heights, width_ratios=[1.7, 1])
    _balance_panel(figure, grid, balance)
    write_checks(figure.add_subplot(grid[1, :]), checks)
    _power_panel(figure, grid, power, lines, outcome)
    return figure


def _legend(balance: pd.DataFrame) -> list[Artist]:
    theme = current_theme()
    keys: list[Artist] = [
        estimate_key(theme.data, label_of(name), marker=marker, filled=filled, interval=False)
        for name, (marker, filled) in ESTIMATORS.items()
    ]
    keys.append(band_key("95% range of random assignment"))
    if (balance["verdict"] == LOOK).any():
        keys.append(estimate_key(theme.loses, VERDICTS[LOOK], marker="v", interval=False))
    return keys


def _balance_panel(figure: Figure, grid: GridSpec, balance: pd.DataFrame) -> None:
    axes = figure.add_subplot(grid[0, 0])
    draw_balance(axes, balance)
    wide_enough(axes)
    axes.set(
        title="Balance of covariates before promotion",
        xlabel="Promoted minus control slates, in standard deviations",
    )
    columns = {
        "Difference": [signed(x, 3) if np.isfinite(x) else "" for x in balance["value"]],
        "p-value": [p_value(p) for p in balance["p_value"]],
        "Verdict": balance["verdict_label"].to_list(),
    }
    columns_of_text(text_axis(figure, grid[0, 1], axes), columns, (0.3, 0.6, 1))


def draw_balance(axes: Axes, balance: pd.DataFrame) -> None:
    """Draw each covariate's difference between arms, with its range under random assignment."""
    theme = current_theme()
    row_axis(axes, [WORDS.get(name, name) for name in balance["subject"]])
    zero_line(axes)
    for row, (_, line) in enumerate(balance.iterrows()):
        draw_band(axes, row, line["lower_95"], line["upper_95"])
        look = line["verdict"] == LOOK
        color, marker = (theme.loses, "v") if look else (theme.data, "o")
        if not draw_point(axes, row, line["value"], color=color, marker=marker):
            say_missing(axes, row, str(line["note"]))
    if not len(balance):
        say_missing(axes, 0, "no covariate to compare")


def whole_checks(diagnostics: pd.DataFrame) -> pd.DataFrame:
    """Return one row per overall check of the randomization; for the A/A test, false alarms."""
    checks = diagnostics[diagnostics["check"].isin([SAMPLE_RATIO, SPLIT, OMNIBUS, PLACEBO])]
    return checks.drop_duplicates("check")


def write_checks(axes: Axes, checks: pd.DataFrame) -> None:
    """Write the overall checks of the randomization, one per row."""
    text_rows(axes, [WORDS[check] for check in checks["check"]])
    axes.set_title("Checks of the randomization")
    for row, unit in enumerate(checks["unit"]):
        axes.text(0.01, row, str(unit), va="center", size=SMALL)
    columns = {
        "Value": [_number(value) for value in checks["value"]],
        "Expected": [_number(value) for value in checks["expected"]],
        "95% interval": [_range(line) for _, line in checks.iterrows()],
        "p-value": [p_value(p) for p in checks["p_value"]],
        "Verdict": checks["verdict_label"].to_list(),
    }
    columns_of_text(axes, columns, (0.43, 0.55, 0.76, 0.87, 1.0))


def _power_panel(
    figure: Figure, grid: GridSpec, power: pd.DataFrame, lines: Mapping[str, str], outcome: Outcome
) -> None:
    axes = figure.add_subplot(grid[2, 0])
    row_axis(axes, list(lines.values()))
    draw_detectable(axes, power, list(lines))
    axes.set_xlim(left=0)
    axes.set(
        title="Smallest effect detected with 80% power",
        xlabel=f"Change in {outcome.of(PER_SLATE)}",
    )
    table_axes = text_axis(figure, grid[2, 1], axes)
    columns = power_columns(power, list(lines))
    columns_of_text(table_axes, {f"{effect:g}": texts for effect, texts in columns.items()})
    if columns:
        table_axes.set_title(
            "Power to detect a change of \N{HORIZONTAL ELLIPSIS}", pad=20, loc="right"
        )


def draw_detectable(axes: Axes, power: pd.DataFrame, lines: list[str]) -> None:
    """Draw the minimum detectable effect of each line for each estimator."""
    for _, line in power[power["question"] == MINIMUM].iterrows():
        y = lines.index(line["line"]) + shift_of(line["estimator"])
        marker, filled = ESTIMATORS[line["estimator"]]
        look = {"color": current_theme().data, "marker": marker, "filled": filled}
        if not draw_point(axes, y, line["effect_per_slate"], **look):
            say_missing(axes, y, "no estimate")


def power_columns(power: pd.DataFrame, lines: list[str]) -> dict[float, dict[float, str]]:
    """Return the power for each effect, by position on the y axis."""
    effects = power[power["question"] == GIVEN]
    columns: dict[float, dict[float, str]] = {}
    for effect in sorted(set(effects["effect_per_slate"]))[:MOST_EFFECTS]:
        part = effects[effects["effect_per_slate"] == effect]
        columns[effect] = {
            lines.index(name) + shift_of(estimator): f"{100 * chance:.0f}%"
            for name, estimator, chance in zip(
                part["line"], part["estimator"], part["power"], strict=True
            )
        }
    return columns


def shift_of(estimator: str) -> float:
    """Return the offset of an estimator's mark from the middle of its row."""
    return -SHIFT if estimator == next(iter(ESTIMATORS)) else SHIFT


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else ""


def _range(line: pd.Series) -> str:
    """Write an interval, or a range that has only an upper end."""
    lower, upper = line["lower_95"], line["upper_95"]
    if np.isfinite(lower):
        return f"{lower:.3f} to {upper:.3f}"
    return f"up to {upper:.3f}" if np.isfinite(upper) else ""


def _note(diagnostics: pd.DataFrame, power: pd.DataFrame) -> str:
    notes = [
        "Sample ratio: interval of the share. Users in both arms: share of those with several "
        "slates; too few are a sign that users were drawn. All covariates: range of random "
        "assignment. "
        "A/A test: control slates are split at random, so there is no effect; the interval is "
        "that of the simulated share of splits whose 95% interval excludes zero."
    ]
    unchecked = whole_checks(diagnostics)
    unchecked = unchecked[unchecked["value"].isna() | unchecked["expected"].isna()]
    unchecked = unchecked.dropna(subset=["note"])
    notes += reasons(unchecked["check"].map(WORDS), unchecked["note"])
    missing = power.dropna(subset=["note"]).drop_duplicates(["estimator", "note"])
    return " ".join([*notes, *reasons(missing["estimator"].map(label_of), missing["note"])])
