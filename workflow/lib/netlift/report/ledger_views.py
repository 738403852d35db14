"""The ledger as a waterfall of bars: one view for each estimator and unit, drawn as inline SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core import units
from netlift.core.formatting import count, signed, varies
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import counted_by
from netlift.effects.codes import MAIN_OUTCOME, TOTAL_LINE
from netlift.effects.empty_lines import with_items
from netlift.effects.estimators import label_of
from netlift.report.columns import digits_of

WORDS = {
    "direct": "The {promoted_item}",
    "same_cluster": "Same-cluster items",
    "other": "Other items",
    "total": "Net: the whole slate",
}
_COLORS = {
    "direct": "focal",
    "same_cluster": "same-cluster",
    "other": "other",
    "total": "total",
}
UNITS = tuple(map(counted_by, (units.PER_1000, units.PER_SLATE, units.PER_ROW)))
"""Units of a ledger, in the order shown."""

WIDE = 1000.0
"""Width of the drawing."""

DISAGREES = 0.01
"""P-value below which two estimators are said to differ by more than chance."""

_NUMBERS = ("estimate", "ci_95_lower", "ci_95_upper")


@dataclass(frozen=True)
class Bar:
    """One line of the ledger, in drawing units of 0 to 1,000.

    Attributes
    ----------
    label, component, color
        What it is, its name in tables, and the name of its color.
    value, interval, counts
        As text.
    left, width, low, high, end
        Positions of the bar and its interval, and the start of the next bar.
    """

    label: str
    component: str
    color: str
    value: str
    interval: str
    counts: str
    left: float
    width: float
    low: float
    high: float
    end: float


@dataclass(frozen=True)
class LedgerView:
    """The ledger by one estimator in one unit.

    Attributes
    ----------
    estimator, unit_code, unit
        As in tables.
    bars
        Its lines; empty where the estimator has no numbers.
    zero
        Position of zero.
    ticks
        Positions on the axis with their labels.
    stacked
        Whether bars are cumulative; effects per item row do not add up.
    note
        Why there are no numbers, or which lines have no items.
    """

    estimator: str
    unit_code: str
    unit: str
    bars: Sequence[Bar]
    zero: float
    ticks: Sequence[tuple[float, str]]
    stacked: bool
    note: str

    @property
    def counts(self) -> str:
        """How many slates or rows are behind the numbers; by line, where lines differ."""
        counts = dict.fromkeys(bar.counts for bar in self.bars)
        if len(counts) == 1:
            return next(iter(counts))
        return "; ".join(f"{bar.label}: {bar.counts}" for bar in self.bars)

    @property
    def by(self) -> str:
        """What the unit counts by."""
        return counted_by(self.unit_code)


def ledger_views(
    effects: pd.DataFrame, observed: pd.DataFrame | None, outcome: Outcome = CLICKS
) -> list[LedgerView]:
    """Return the ledger of observed clicks by every estimator, in every unit.

    Parameters
    ----------
    effects
        ``component_effects.csv``.
    observed
        ``observed_effects.csv``, for effects per item row; None leaves that unit out.
    outcome
        Its words.
    """
    rows = effects[effects["outcome_type"] == "observed_clicks"]
    views = []
    for name, lines in rows.groupby("estimator", sort=False):
        numbers = lines.rename(columns={"estimate_per_slate": "estimate"})
        views.append(_view(str(name), units.PER_SLATE, outcome, numbers))
        columns = {
            "estimate_per_1000_promoted_slates": "estimate",
            "ci_95_lower_per_1000": "ci_95_lower",
            "ci_95_upper_per_1000": "ci_95_upper",
        }
        thousand = lines.drop(columns=["ci_95_lower", "ci_95_upper"]).rename(columns=columns)
        views.append(_view(str(name), units.PER_1000, outcome, thousand))
    if observed is not None:
        have_items = with_items(rows)[0]["line"]
        by_row = observed[
            (observed["unit_code"] == units.PER_ROW)
            & observed["line"].isin(list(_COLORS))
            & observed["line"].isin(have_items)
        ]
        views.append(_view("least_squares", units.PER_ROW, outcome, by_row))
    return views


def main_estimator(effects: pd.DataFrame) -> str:
    """Return the estimator that statements use."""
    return str(effects.loc[effects["is_main"].astype(bool), "estimator"].iloc[0])


def about_estimators(effects: pd.DataFrame, outcome: Outcome = CLICKS) -> list[str]:
    """Say which estimator statements use, why, and where another differs by more than chance.

    Parameters
    ----------
    effects
        ``component_effects.csv``.
    outcome
        Its words.
    """
    totals = effects[
        (effects["outcome_type"] == MAIN_OUTCOME) & (effects["line"] == TOTAL_LINE.code)
    ]
    rows = {str(row["estimator"]): row for row in totals.to_dict("records")}
    chosen = rows[main_estimator(effects)]
    note = "" if pd.isna(chosen["note"]) else f": {chosen['note']}"
    main = label_of(str(chosen["estimator"]))
    sentences = [f"Statements, figures and decisions use one estimator, {main}{note}."]
    for name, row in rows.items():
        p_value = row.get("p_value_of_difference", np.nan)
        if pd.isna(p_value) or p_value >= DISAGREES:
            continue
        other, own = (
            signed(float(each["estimate_per_1000_promoted_slates"]), 1) for each in (row, chosen)
        )
        sentences.append(
            f"{label_of(name)} says {other} {outcome.of(units.PER_1000)} where {main} says {own}: "
            f"they differ by more than the random draw explains (p = {p_value:.2g}), because the "
            "arms differ in what is known before promotion. Look at the checks of the design "
            "before you use either."
        )
    return sentences


def _view(estimator: str, unit_code: str, outcome: Outcome, lines: pd.DataFrame) -> LedgerView:
    stacked, unit = unit_code != units.PER_ROW, outcome.of(unit_code)
    lines, empty = with_items(lines)
    values = lines[list(_NUMBERS)].to_numpy(dtype=np.float64)
    if not np.isfinite(values[:, 0]).all():
        notes = lines["note"].dropna() if "note" in lines else pd.Series(dtype=object)
        why = str(notes.iloc[0]) if len(notes) else "an arm has too few slates"
        return LedgerView(estimator, unit_code, unit, [], 0.0, [], stacked, f"No numbers: {why}.")
    names = lines["line"].to_list()
    starts = np.zeros(len(names))
    if stacked:
        starts[1:] = np.cumsum(values[:, 0])[:-1]
        starts[[index for index, name in enumerate(names) if name == TOTAL_LINE.code]] = 0.0
    labeled = [
        {
            **{str(key): value for key, value in line.items()},
            "label": outcome.fill(WORDS[name]),
            "color": _COLORS[name],
        }
        for line, name in zip(lines.to_dict("records"), names, strict=True)
    ]
    drawn = _drawn(estimator, unit_code, outcome, labeled, starts, stacked)
    return replace(drawn, note=" ".join(empty))


def side_by_side(
    rows: Sequence[Mapping[str, Any]],
    unit_code: str,
    outcome: Outcome = CLICKS,
    write: Callable[[float, int], str] = signed,
) -> LedgerView:
    """Return numbers of several experiments as bars that all start at zero.

    Parameters
    ----------
    rows
        ``label``, ``estimate``, ``ci_95_lower``, ``ci_95_upper``, and ``treated_slates`` with
        ``control_slates``, or ``counts`` in words.
    unit_code, outcome
        Their unit.
    write
        Function that formats a number: changes with their sign, levels without.
    """
    labeled = [{"component": row["label"], "color": "total", **row} for row in rows]
    return _drawn("", unit_code, outcome, labeled, np.zeros(len(rows)), stacked=False, write=write)


def _drawn(
    estimator: str,
    unit_code: str,
    outcome: Outcome,
    rows: Sequence[Mapping[str, Any]],
    starts: NDArray[np.float64],
    stacked: bool,
    write: Callable[[float, int], str] = signed,
) -> LedgerView:
    """Return bars and an axis in drawing units."""
    values = np.array([[row[key] for key in _NUMBERS] for row in rows], dtype=np.float64)
    ends = starts[:, None] + np.nan_to_num(values, nan=0.0)
    lowest, highest = _range(np.r_[0.0, starts, ends.ravel()])

    def position(value: float) -> float:
        return float(round(WIDE * (value - lowest) / (highest - lowest), 2))

    bars = [
        _bar(row, unit_code, position, float(start), write)
        for row, start in zip(rows, starts, strict=True)
    ]
    ticks = [(position(value), _tick(value)) for value in _ticks(lowest, highest)]
    unit = outcome.of(unit_code)
    return LedgerView(estimator, unit_code, unit, bars, position(0.0), ticks, stacked, "")


def _bar(
    line: Mapping[str, Any],
    unit_code: str,
    position: Callable[[float], float],
    start: float,
    write: Callable[[float, int], str],
) -> Bar:
    value, lower, upper = (float(line[key]) for key in _NUMBERS)
    digits = digits_of(unit_code)
    end = start + value
    has_interval = np.isfinite([lower, upper]).all() and varies(lower, upper)
    return Bar(
        label=str(line["label"]),
        component=str(line["component"]),
        color=str(line["color"]),
        value=write(value, digits),
        interval=f"{write(lower, digits)} to {write(upper, digits)}" if has_interval else "none",
        counts=_counts(line),
        left=min(position(start), position(end)),
        width=round(abs(position(end) - position(start)), 2),
        low=position(start + lower) if has_interval else position(end),
        high=position(start + upper) if has_interval else position(end),
        end=position(end),
    )


def _counts(line: Mapping[str, Any]) -> str:
    if "counts" in line:
        return str(line["counts"])
    promoted, control = count(line["treated_slates"]), count(line["control_slates"])
    text = f"{promoted} promoted and {control} control slates"
    if "treated_rows" in line:
        rows = count(line["treated_rows"] + line["control_rows"])
        text = f"{rows} item rows in {text}"
    return text


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    lowest, highest = float(values.min()), float(values.max())
    if highest - lowest < 1e-9:
        return -1.0, 1.0
    room = 0.04 * (highest - lowest)
    return lowest - room, highest + room


def _ticks(lowest: float, highest: float) -> list[float]:
    """Return four to eight round numbers within a range, including zero."""
    raw = (highest - lowest) / 6
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(min(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw))
    first = int(np.ceil(lowest / step))
    return [step * k for k in range(first, int(np.floor(highest / step)) + 1)]


def _tick(value: float) -> str:
    text = f"{value:,.10g}"
    return text.replace("-", "−")
