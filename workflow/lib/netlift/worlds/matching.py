"""Fit a world to the effects of one's own test: parameters from known effects (``match:``).

The method of moments: the free parameters are those that bring the known direct, same-cluster and
other effects, and the control click rate, as close as possible to the target numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netlift.core.arrays import Floats
from netlift.worlds.slates import Slates
from netlift.worlds.world import ADD_ONS, World

EFFECTS = ("direct", "same_cluster", "other")
TOLERANCE = 0.002
"""Clicks per slate by which a target effect may be missed."""

SCHEMA: dict[str, Any] = {
    "description": (
        "Solve for parameters that give these known effects, in clicks per slate, and this click "
        "rate. With click_rate, neither intercept nor target_click_rate can be set."
    ),
    "type": "object",
    "additionalProperties": False,
    "required": list(EFFECTS),
    "properties": {
        "direct": {
            "description": "Target effect on the focal item, clicks per slate.",
            "type": "number",
        },
        "same_cluster": {
            "description": "Target effect on same-cluster competitors, clicks per slate.",
            "type": "number",
        },
        "other": {
            "description": "Target effect on other competitors, clicks per slate.",
            "type": "number",
        },
        "click_rate": {
            "description": "Target mean click probability per item row in the control arm.",
            "type": "number",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1,
        },
        "free": {
            "description": "Numeric parameters to solve for; by default the model's own choice.",
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"type": "string"},
        },
    },
}

_STARTS = 3
_MAX_EVALUATIONS = 200
_INTERCEPTS = (-12.0, 12.0)


@dataclass(frozen=True)
class Match:
    """Result of matching.

    Attributes
    ----------
    world
        The world with the fitted parameters.
    targets
        For each target: ``wanted``, ``reached``, its unit, and whether it is met.
    parameters
        For each free parameter: its value, its range, and whether it is at an end of its range.
    why
        In words, why a target was not reached; empty if all were.
    note
        In words, that the promotion's bonus is a loss, if it is; else empty.
    """

    world: World
    targets: dict[str, dict[str, Any]]
    parameters: dict[str, dict[str, Any]]
    why: str
    note: str


def match(world: World, slates: Slates, wanted: Mapping[str, Any]) -> Match:
    """Solve for a world's free parameters.

    Bounded least squares (trust region reflective: Branch, Coleman and Li 1999) from several
    starting points, the world's own parameters first.

    Parameters
    ----------
    world
        A world fitted to the slates; its parameters are the first starting point.
    slates
        The slates of the study.
    wanted
        Values of ``SCHEMA``: effects in clicks per slate, and optionally ``click_rate`` and
        ``free``.
    """
    from scipy.optimize import least_squares

    free = tuple(wanted.get("free", world.FREE))
    names = (*free, "intercept") if "click_rate" in wanted else free
    low, high = np.array([_bounds(world, name) for name in names]).T
    goal = _goal(wanted, slates.n_control)

    def residuals(values: Floats) -> Floats:
        return _moments(_with(world, names, values), slates, goal) - np.array(list(goal.values()))

    initial = np.array([_value(world, name) for name in names])
    best = None
    for start in _starting_points(initial, low, high):
        result = least_squares(
            residuals, start, bounds=(low, high), xtol=1e-12, ftol=1e-12, max_nfev=_MAX_EVALUATIONS
        )
        if best is None or result.cost < best.cost:
            best = result
        if np.abs(result.fun).max() < TOLERANCE / 100:
            break
    assert best is not None
    solved = _with(world, names, best.x)
    parameters = {
        name: {
            "value": float(value),
            "lowest": float(lowest),
            "highest": float(highest),
            "at_an_end": bool(min(value - lowest, highest - value) < 1e-6 * (highest - lowest)),
        }
        for name, value, lowest, highest in zip(names, best.x, low, high, strict=True)
    }
    targets = _targets(goal, best.fun, slates.n_control)
    return Match(solved, targets, parameters, _why(targets, parameters, world), _note(parameters))


def _goal(wanted: Mapping[str, Any], size: int) -> dict[str, float]:
    """Return the targets, all in clicks per slate."""
    goal = {name: float(wanted[name]) for name in EFFECTS}
    if "click_rate" in wanted:
        goal["click_rate"] = float(wanted["click_rate"]) * size
    return goal


def _moments(world: World, slates: Slates, goal: Mapping[str, float]) -> Floats:
    """Return a world's values of the goal's numbers, in clicks per slate."""
    sums = np.zeros(4)
    for _, block in slates.split():
        control = world.probabilities(block, "control")
        lift = world.probabilities(block, "promoted") - control
        sums += (
            lift[block.is_focal].sum(),
            lift[block.is_same_cluster].sum(),
            lift[~block.is_focal & ~block.is_same_cluster].sum(),
            control.sum(),
        )
    return np.asarray(sums[: len(goal)] / len(slates))


def _bounds(world: World, name: str) -> tuple[float, float]:
    """Return the range of a parameter from its schema; open ends are moved inward a little."""
    if name == "intercept":
        return _INTERCEPTS
    schema = {**world.PARAMETERS, **ADD_ONS}[name]
    low = schema.get("minimum", schema.get("exclusiveMinimum", -20) + 1e-6)
    high = schema.get("maximum", schema.get("exclusiveMaximum", 20) - 1e-6)
    return float(low), float(high)


def _value(world: World, name: str) -> float:
    return world.intercept if name == "intercept" else float(world.parameters[name])


def _with(world: World, names: tuple[str, ...], values: Floats) -> World:
    changed = dict(zip(names, (float(value) for value in values), strict=True))
    intercept = changed.pop("intercept", world.intercept)
    return replace(world, parameters={**world.parameters, **changed}, intercept=intercept)


def _starting_points(initial: Floats, low: Floats, high: Floats) -> list[Floats]:
    """Return the initial parameters, then points around them, all inside the range."""
    width = np.minimum(high - low, 6.0)
    points = [initial]
    for number in range(1, _STARTS):
        shift = np.cos(np.arange(1, len(initial) + 1) * number * 2.4)
        points.append(initial + 0.35 * shift * width)
    margin = 1e-3 * (high - low)
    return [np.clip(point, low + margin, high - margin) for point in points]


def _targets(goal: Mapping[str, float], misses: Floats, size: int) -> dict[str, dict[str, Any]]:
    targets = {}
    for (name, value), miss in zip(goal.items(), misses, strict=True):
        factor, unit = (
            (size, "clicks per item row") if name == "click_rate" else (1, "clicks per slate")
        )
        targets[name] = {
            "wanted": value / factor,
            "reached": (value + float(miss)) / factor,
            "unit": unit,
            "met": bool(abs(miss) <= TOLERANCE),
        }
    return targets


def _note(parameters: Mapping[str, Mapping[str, Any]]) -> str:
    """Say that a badge below zero makes the promoted item less attractive, not more."""
    badge = parameters.get("promotion_badge")
    if badge is None or badge["value"] >= 0:
        return ""
    return (
        f"promotion_badge is {badge['value']:.4g}, below zero: these effects need a promoted item "
        "that attracts less than an item shown at its position without promotion. If that is not "
        "meant, leave promotion_badge out of free."
    )


def _why(
    targets: Mapping[str, Mapping[str, Any]],
    parameters: Mapping[str, Mapping[str, Any]],
    world: World,
) -> str:
    missed = [name for name, target in targets.items() if not target["met"]]
    if not missed:
        return ""
    ends = [
        f"{name} is at the end of its range ({parameter['value']:.4g})"
        for name, parameter in parameters.items()
        if parameter["at_an_end"]
    ]
    reason = "; ".join(ends) or (
        "no values of them give all the numbers at once: this model ties them together"
    )
    return (
        f"{', '.join(missed)} could not be reached with {', '.join(parameters)} free: {reason}. "
        "Free other parameters, or take a model with another kind of substitution."
    )
