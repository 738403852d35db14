"""Conclusions about a promotion: their verdicts in one world, and in how many worlds they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.errors import NetliftError
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_ROW, PER_SLATE, PER_SLATE_POSITION, RATIO
from netlift.effects.accounts import focal_depth
from netlift.effects.codes import INDIRECT, TOTAL
from netlift.effects.item_rows import ItemRows
from netlift.effects.items_table import has_truth
from netlift.effects.like_with_like import known_same_minus_other, same_minus_other
from netlift.effects.product import ratio_to_direct
from netlift.effects.slate_accounts import SlateAccounts, known_effects
from netlift.inference.arms import clustered_coefficient
from netlift.inference.estimate import Estimate, Ratio

HOLDS, FAILS, UNDECIDED = "holds", "does_not_hold", "undecided"
VERDICTS = {HOLDS: "holds", FAILS: "does not hold", UNDECIDED: "undecided"}
"""Labels of the verdicts."""

NEGATIVE, TAKES_MORE = "total_negative", "takes_more_than_it_gives"
SAME_CLUSTER, DEEPER = "same_cluster_loses_more", "deeper_costs_more"
CONCLUSIONS = {
    NEGATIVE: "The total effect is negative",
    TAKES_MORE: "Promotion takes more than it gives",
    SAME_CLUSTER: "Same-cluster items lose more per row than others",
    DEEPER: "Deeper focal items cost more",
}
"""Labels of the conclusions, in their order."""

MEASURES = {
    NEGATIVE: ("total_effect", "total effect"),
    TAKES_MORE: ("diversion_ratio", "diversion ratio, loss of the others over the focal gain"),
    SAME_CLUSTER: (
        "same_cluster_minus_other",
        "effect on same-cluster rows minus effect on other rows at the same positions",
    ),
    DEEPER: ("depth_slope", "change of the total effect per position of the focal item"),
}
"""Code and label of the number that decides each conclusion."""


def conclusions(items: pd.DataFrame, accounts: SlateAccounts) -> pd.DataFrame:
    """Judge each conclusion on the observed clicks of one experiment.

    Parameters
    ----------
    items
        The table of slate items with clicks.
    accounts
        Those of the same experiment.

    Returns
    -------
    One row per conclusion: the number that decides it with its 95% interval and unit, the
    ``threshold`` that it is compared with, and the verdict: ``holds`` or ``does_not_hold`` where
    the interval is on one side of the threshold, ``undecided`` where it does not or where there
    is no number (``note`` says why). In a simulated world ``known_value`` and
    ``known_verdict`` are the same from the exact probabilities; a known difference between
    same-cluster and other rows below a tenth of a competitor row's mean change is not called one.
    """
    arms = accounts.difference()
    diversion = _negative(ratio_to_direct(arms, INDIRECT))
    rows_of_items = ItemRows.from_items(items)
    rows = [
        _judge(NEGATIVE, lambda: arms.combination(TOTAL), PER_SLATE),
        {
            "conclusion": TAKES_MORE,
            "measure": MEASURES[TAKES_MORE][0],
            "unit_code": RATIO,
            "estimate": diversion.value,
            "ci_95_lower": diversion.lower,
            "ci_95_upper": diversion.upper,
            "threshold": 1.0,
            "verdict": _ratio_verdict(diversion),
            "note": None if diversion.value is not None else "the focal gain is exactly zero",
        },
        _judge(SAME_CLUSTER, lambda: same_minus_other(rows_of_items), PER_ROW),
        _judge(DEEPER, lambda: _slope_of_depth(accounts), PER_SLATE_POSITION),
    ]
    table = pd.DataFrame(rows)
    if has_truth(items):
        difference, material = known_same_minus_other(rows_of_items)
        known = np.array(_known_values(difference, accounts.table))
        # A diversion ratio above 1 is what "takes more" means; the other numbers are negative.
        holds = np.where(table["conclusion"] == TAKES_MORE, known > 1, known < 0)
        holds &= (table["conclusion"] != SAME_CLUSTER).to_numpy() | (difference < -material)
        table["known_value"] = known
        table["known_verdict"] = [
            None if np.isnan(value) else HOLDS if is_held else FAILS
            for value, is_held in zip(known, holds, strict=True)
        ]
    verdicts = {"verdict": VERDICTS, "known_verdict": VERDICTS}
    measures = dict(MEASURES.values())
    table = CLICKS.in_units(table)
    return with_labels(table, conclusion=CONCLUSIONS, measure=measures, **verdicts)


def _known_values(same_minus_other: float, accounts: pd.DataFrame) -> list[float]:
    """Return the known value of each conclusion's number, over the slates of both arms."""
    effects = known_effects(accounts)
    assert effects is not None
    depth = focal_depth(accounts)
    depth -= depth.mean()
    total = accounts["known_effect_total"].to_numpy()
    return [
        float(effects.sum()),
        float(-effects[1:].sum() / effects[0]) if effects[0] != 0 else np.nan,
        same_minus_other,
        float(depth @ total / (depth @ depth)) if depth.any() else np.nan,
    ]


def robustness(by_world: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Combine the conclusions of several worlds in one table.

    Parameters
    ----------
    by_world
        The conclusions of each world, in the order of the study.

    Returns
    -------
    One row per conclusion and world, as returned by ``conclusions``.
    """
    tables = [table.assign(world=world) for world, table in by_world.items()]
    stacked = pd.concat(tables, ignore_index=True)
    order = stacked["conclusion"].map(list(CONCLUSIONS).index)
    stacked = stacked.iloc[np.argsort(order.to_numpy(), kind="stable")]
    first = ["conclusion", "conclusion_label", "world", "verdict", "verdict_label"]
    rest = [name for name in stacked if name not in first]
    return stacked[first + rest].reset_index(drop=True)


def robustness_statements(table: pd.DataFrame) -> pd.DataFrame:
    """Count the worlds in which each conclusion holds, with a sentence for each.

    Parameters
    ----------
    table
        From ``robustness``.

    Returns
    -------
    One row per conclusion: counts of worlds by verdict on the observed clicks, in how many it
    holds by the known effects, and a sentence.
    """
    rows = []
    for conclusion, part in table.groupby("conclusion", sort=False):
        worlds = {
            verdict: list(part.loc[part["verdict"] == verdict, "world"])
            for verdict in (HOLDS, FAILS, UNDECIDED)
        }
        row: dict[str, Any] = {
            "conclusion": conclusion,
            "conclusion_label": CONCLUSIONS[str(conclusion)],
            "worlds": len(part),
            "holds": len(worlds[HOLDS]),
            "does_not_hold": len(worlds[FAILS]),
            "undecided": len(worlds[UNDECIDED]),
        }
        statement = _observed_sentence(CONCLUSIONS[str(conclusion)], worlds, len(part))
        if "known_verdict" in part:
            row["holds_by_known_effects"] = int((part["known_verdict"] == HOLDS).sum())
            statement = f"{statement} {_known_sentence(part)}"
        if reason := _why_not_judged(part):
            statement = f"{CONCLUSIONS[str(conclusion)]}: {reason}."
        rows.append(row | {"statement": statement})
    return pd.DataFrame(rows)


def _why_not_judged(part: pd.DataFrame) -> str:
    """Return why a conclusion has no number in any world; empty if it has one in some."""
    numbers = part[[name for name in ("estimate", "known_value") if name in part]]
    if "note" not in part or numbers.notna().to_numpy().any():
        return ""
    return "; ".join(dict.fromkeys(part["note"].dropna().map(str)))


def _observed_sentence(label: str, worlds: Mapping[str, list[str]], n_worlds: int) -> str:
    """Return a sentence that names the worlds in which a conclusion holds on observed clicks."""

    def named(verdict: str) -> str:
        return f"{len(worlds[verdict])} ({', '.join(worlds[verdict])})"

    if n_worlds == 1:
        verdict, (world, *_) = next((name, named) for name, named in worlds.items() if named)
        return f"{label}: {VERDICTS[verdict]} in the only world of this study, {world}."
    sentence = f"{label}: holds in {len(worlds[HOLDS])} of {n_worlds} worlds"
    sentence += f" ({', '.join(worlds[HOLDS])})" if worlds[HOLDS] else ""
    if worlds[FAILS]:
        sentence += f", does not hold in {named(FAILS)}"
    if worlds[UNDECIDED]:
        sentence += f", undecided at 95% in {named(UNDECIDED)}"
    return f"{sentence}."


def _known_sentence(part: pd.DataFrame) -> str:
    """Return a sentence with the worlds in which a conclusion holds by known effects, and sizes."""
    n_worlds, holds = len(part), int((part["known_verdict"] == HOLDS).sum())
    if n_worlds == 1:
        verdict = part["known_verdict_label"].iloc[0]
        known = f"it {verdict} ({_size(part.iloc[0])})" if isinstance(verdict, str) else "no number"
        return f"By the known effects: {known}. One world does not show what holds in others."
    values = part["known_value"].astype(float)
    sentence = f"By the known effects, without the noise of clicks, in {holds} of {n_worlds}"
    if values.isna().all():
        return f"{sentence}."
    low, high = (part.iloc[int(np.nanargmax(sign * values))] for sign in (-1, 1))
    sizes = f"from {_size(low)} in {low['world']} to {_size(high)} in {high['world']}"
    if holds in {0, n_worlds}:
        distance = (values - part["threshold"].astype(float)).abs()
        nearest = part.iloc[int(np.nanargmin(distance))]
        return (
            f"{sentence}, {sizes}. This is about these parameter values: where a number is near "
            f"{nearest['threshold']:g}, as in {nearest['world']}, other values of that world's "
            "parameters may reverse it."
        )
    return f"{sentence}, {sizes}: it depends on the world, so do not act on it without a test."


def _size(row: pd.Series) -> str:
    """Write a known value with its unit; a ratio has none."""
    number = f"{float(row['known_value']):+.4g}"
    return number if row["unit_code"] == RATIO else f"{number} {row['unit']}"


def _judge(conclusion: str, estimate: Callable[[], Estimate], unit: str) -> dict[str, Any]:
    """Judge a conclusion which states that a number is below zero."""
    row: dict[str, Any] = {
        "conclusion": conclusion,
        "measure": MEASURES[conclusion][0],
        "unit_code": unit,
        "estimate": None,
        "ci_95_lower": None,
        "ci_95_upper": None,
        "threshold": 0.0,
        "verdict": UNDECIDED,
        "note": None,
    }
    try:
        result = estimate()
    except NetliftError as error:
        return row | {"note": f"not estimated: {error}"}
    lower, upper = result.interval
    return row | {
        "estimate": result.value,
        "ci_95_lower": lower,
        "ci_95_upper": upper,
        "verdict": {-1: HOLDS, 0: UNDECIDED, 1: FAILS}[result.sign],
    }


def _negative(ratio: Ratio) -> Ratio:
    """Return minus a ratio."""
    value, lower, upper = (
        None if number is None else -number for number in (ratio.value, ratio.upper, ratio.lower)
    )
    return Ratio(value, lower, upper, ratio.kind, ratio.df)


def _ratio_verdict(diversion: Ratio) -> str:
    if diversion.kind != "interval" or diversion.lower is None or diversion.upper is None:
        return UNDECIDED
    if diversion.lower > 1:
        return HOLDS
    return FAILS if diversion.upper < 1 else UNDECIDED


def _slope_of_depth(accounts: SlateAccounts) -> Estimate:
    """Return the change of the total effect per position of the focal item."""
    design = accounts.design
    promoted, depth = design.promoted.astype(np.float64), focal_depth(accounts.table)
    if accounts.table["focal_seed_position"].isna().all():
        raise NetliftError("the focal item is not shown without promotion, so it has no depth")
    depth = depth - depth.mean()
    regressors = np.column_stack([np.ones(len(depth)), promoted, depth, promoted * depth])
    clicks = accounts.table["observed_clicks_total"].to_numpy(dtype=np.float64)
    return clustered_coefficient(clicks, regressors, design.unit, design.weights)
