"""Sensitivity grids: one world over the values of two or more parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING, Floats
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.streams import outcome_uniforms
from netlift.core.units import PER_SLATE, RATIO, SHARE_OF_SLATES
from netlift.effects.codes import INDIRECT, LINES
from netlift.effects.estimators import difference
from netlift.effects.item_rows import DEFINITIONS, SPILLOVER_DEFINITIONS
from netlift.effects.product import ratio_to_direct
from netlift.promotion.design import Design
from netlift.promotion.exposure import COMPONENTS, is_compared
from netlift.worlds.registry import set_parameter
from netlift.worlds.simulation import Outcomes, fit_world, simulate
from netlift.worlds.slates import Slates
from netlift.worlds.world import Similarity

DIVERSION, GAINING = "diversion_ratio", "share_of_slates_that_gain"
QUANTITIES = {
    **{line.code: line.component for line in LINES},
    **{f"definition_{code}": label for code, label in DEFINITIONS.items()},
    DIVERSION: "Diversion ratio",
    GAINING: "Share of slates that gain",
}
"""Labels of the quantities; codes of definitions have a prefix, as lines share some of them."""


def grid_points(
    world: Mapping[str, Any], parameters: Mapping[str, Sequence[Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield every point of a grid: its values by parameter, and the world's entry with them set.

    Parameters
    ----------
    world
        Config entry of the world.
    parameters
        Values by parameter; a parameter inside a mapping is named with a dot, as in
        ``attention.eta``.

    Raises
    ------
    NetliftError
        A name with a dot does not refer to a mapping of the world.
    """
    for values in itertools.product(*parameters.values()):
        point = dict(zip(parameters, values, strict=True))
        entry = dict(world)
        for name, value in point.items():
            entry = set_parameter(entry, name, value)
        yield point, entry


def grid_effects(
    exposure: pd.DataFrame,
    world: Mapping[str, Any],
    parameters: Mapping[str, Sequence[Any]],
    *,
    seed: int,
    definitions: Sequence[str] = (),
    near_positions: int = 3,
    similarity: Similarity | None = None,
) -> pd.DataFrame:
    """Compute the known and the observed effects at every point of a grid.

    Every point uses the same slates, design and uniform numbers, as a full experiment in that
    world does, and gives the same numbers.

    Parameters
    ----------
    exposure
        Exposure table, sorted by slate and seed position; all slates of one size.
    world
        Config entry of the world.
    parameters
        Values by parameter (see ``grid_points``).
    seed
        Study seed.
    definitions
        Codes or labels of spillover definitions to add, each per slate.
    near_positions
        Positions above the focal item that count as near.
    similarity
        Similarity of items, for models that use it.

    Returns
    -------
    One row per point and quantity: ``point``, ``size``, ``seed``, a column per parameter,
    ``quantity``, ``unit``, ``known``, and for the observed clicks ``estimate``, ``se``,
    ``ci_95_lower``, ``ci_95_upper`` (missing for the share of slates that gain, which only
    the known effects show). Quantities are the lines of the ledger, the definitions, the diversion
    ratio (-(same + other) / direct) and the share of slates whose known total effect is above zero.
    """
    slates = Slates.from_exposure(exposure, seed=seed)
    chosen = is_compared(exposure)[:: slates.size]
    design = Design.from_table(exposure.iloc[:: slates.size][chosen])
    masks = _masks(exposure, slates, definitions, near_positions)
    masks = {name: mask[chosen] for name, mask in masks.items()}
    sheets = None
    tables = []
    for number, (point, entry) in enumerate(grid_points(world, parameters)):
        fitted, _ = fit_world(entry, slates, similarity)
        if sheets is None or len(sheets) != fitted.SHEETS:
            sheets = outcome_uniforms(seed, len(slates), slates.size, fitted.SHEETS)
        outcomes = simulate(slates, fitted, sheets).of(chosen)
        rows = pd.DataFrame(_point_rows(outcomes, masks, design))
        keys = {"point": number, "size": slates.size, "seed": seed, **point}
        for column, (name, value) in enumerate(keys.items()):
            rows.insert(column, name, value)
        tables.append(rows)
    table = CLICKS.in_units(pd.concat(tables, ignore_index=True))
    return with_labels(table, quantity=QUANTITIES)


def _masks(
    exposure: pd.DataFrame, slates: Slates, definitions: Sequence[str], near_positions: int
) -> dict[str, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return which items belong to each component and to each definition, shape (N, K)."""
    same = slates.is_same_cluster
    masks = dict(zip(COMPONENTS, (slates.is_focal, same, ~slates.is_focal & ~same), strict=True))
    for definition in SPILLOVER_DEFINITIONS:
        if {definition.label, definition.code} & set(definitions):
            member = definition.rows(exposure, near_positions).to_numpy()
            masks[f"definition_{definition.code}"] = member.reshape(slates.relevance.shape)
    return masks


def _point_rows(
    outcomes: Outcomes,
    masks: Mapping[str, np.ndarray[Any, np.dtype[np.bool_]]],
    design: Design,
) -> Iterator[dict[str, Any]]:
    click = np.where(design.promoted[:, None], outcomes.click_promoted, outcomes.click_control)
    lift = outcomes.p_promoted - outcomes.p_control
    observed = np.column_stack([_slate_sums(click, mask) for mask in masks.values()])
    known = np.array([_slate_sums(lift, mask).mean() for mask in masks.values()])
    arms = difference(design, observed)
    extra = np.zeros(len(masks) - len(COMPONENTS))
    quantities = [(line.code, line.weights) for line in LINES]
    for index, name in enumerate(list(masks)[len(COMPONENTS) :]):
        quantities.append((name, (0, 0, 0, *np.eye(len(extra))[index])))
    for name, weights in quantities:
        padded = np.append(weights, extra) if len(weights) == len(COMPONENTS) else np.array(weights)
        estimate = arms.combination(padded)
        lower, upper = estimate.interval
        yield _row(
            name, PER_SLATE, float(padded @ known), estimate.value, estimate.se, lower, upper
        )
    ledger = difference(design, observed[:, : len(COMPONENTS)])
    ratio = ratio_to_direct(ledger, INDIRECT)
    ends: tuple[float | None, float | None] = (None, None)
    if ratio.kind == "interval" and ratio.lower is not None and ratio.upper is not None:
        ends = (-ratio.upper, -ratio.lower)
    diversion = None if ratio.value is None else -ratio.value
    known_diversion = -(known[1] + known[2]) / known[0] if known[0] != 0 else None
    yield _row(DIVERSION, RATIO, known_diversion, diversion, None, *ends)
    yield _row(
        GAINING,
        SHARE_OF_SLATES,
        float((lift.sum(axis=1) > ROUNDING).mean()),
        None,
        None,
        None,
        None,
    )


def _slate_sums(values: np.ndarray[Any, np.dtype[Any]], mask: np.ndarray[Any, Any]) -> Floats:
    return np.asarray((values * mask).sum(axis=1), dtype=np.float64)


def _row(
    quantity: str,
    unit_code: str,
    known: float | None,
    estimate: float | None,
    se: float | None,
    lower: float | None,
    upper: float | None,
) -> dict[str, Any]:
    return {
        "quantity": quantity,
        "unit_code": unit_code,
        "known": known,
        "estimate": estimate,
        "se": se,
        "ci_95_lower": lower,
        "ci_95_upper": upper,
    }
