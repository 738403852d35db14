"""Running the experiment in one world: exact probabilities in both arms, and clicks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, get_args

import numpy as np
import pandas as pd

from netlift.core.arrays import Booleans, Floats
from netlift.core.streams import outcome_uniforms
from netlift.promotion.positions import promoted_positions
from netlift.promotion.treatment import Treatment
from netlift.worlds import registry as worlds
from netlift.worlds.matching import Match, match
from netlift.worlds.slates import Arm, Slates
from netlift.worlds.world import Similarity, World


def fit_world(
    entry: Mapping[str, Any], slates: Slates, similarity: Similarity | None = None
) -> tuple[World, Match | None]:
    """Fit a world of the config to slates, and match it to known effects if its entry says so.

    Parameters
    ----------
    entry
        Config entry: ``model``, its parameters, and perhaps ``match``.
    slates
        The slates of the study.
    similarity
        Similarity of items, for models that need it.

    Returns
    -------
    The world, and the result of matching (None without ``match``).
    """
    world = worlds.fit(entry, slates, similarity)
    if "match" not in entry:
        return world, None
    matched = match(world, slates, entry["match"])
    return matched.world, matched


def world_description(
    entry: Mapping[str, Any], world: World, matched: Match | None
) -> dict[str, Any]:
    """Describe a fitted world in plain values: model, parameters, intercept, scale, match."""
    return {
        "model": entry["model"],
        "parameters": dict(world.parameters),
        "intercept": world.intercept,
        "scale": asdict(world.scale),
        "match": None
        if matched is None
        else {
            "targets": matched.targets,
            "parameters": matched.parameters,
            "why_not": matched.why,
            "note": matched.note,
        },
    }


@dataclass(frozen=True)
class Outcomes:
    """What happens to each item in each arm, arrays of shape (N, K).

    Attributes
    ----------
    p_control, p_promoted
        Exact click probabilities.
    click_control, click_promoted
        Clicks, drawn from the same uniform numbers.
    """

    p_control: Floats
    p_promoted: Floats
    click_control: Booleans
    click_promoted: Booleans

    def of(self, chosen: Booleans) -> Outcomes:
        """Return those of some of the slates, shape (N,)."""
        if chosen.all():
            return self
        return Outcomes(*(values[chosen] for values in vars(self).values()))


def simulate(slates: Slates, world: World, uniforms: Floats) -> Outcomes:
    """Compute both arms' probabilities and clicks, block by block.

    Parameters
    ----------
    slates
        N slates of K items.
    world
        Fitted to the slates.
    uniforms
        U(0, 1) numbers, shape (sheets, N, K).
    """
    shape = slates.relevance.shape
    outcomes = Outcomes(
        np.empty(shape), np.empty(shape), np.empty(shape, dtype=bool), np.empty(shape, dtype=bool)
    )
    for rows, block in slates.split():
        outcomes.p_control[rows] = world.probabilities(block, "control")
        outcomes.p_promoted[rows] = world.probabilities(block, "promoted")
        outcomes.click_control[rows] = world.draw(block, "control", uniforms[:, rows])
        outcomes.click_promoted[rows] = world.draw(block, "promoted", uniforms[:, rows])
    return outcomes


def _total_variance(slates: Slates, world: World, arm: Arm) -> Floats:
    """Return the exact variance of each slate's clicks, shape (N,), block by block."""
    return np.concatenate([world.total_variance(block, arm) for _, block in slates.split()])


def candidate_effects(
    slates: Slates, world: World, treatment: Treatment, candidates: Booleans
) -> Floats:
    """Return what promoting each candidate changes in its slate's expected clicks, exactly.

    Parameters
    ----------
    slates
        N slates of K items, of which each has one focal item.
    world
        Fitted to the slates.
    treatment
        What the promotion does.
    candidates
        Which items could be the focal item of their slate, shape (N, K).

    Returns
    -------
    Clicks per slate, missing for items that are no candidates; shape (N, K).
    """
    effects = np.full(candidates.shape, np.nan)
    for rows, block in slates.split():
        control = world.probabilities(block, "control").sum(axis=1)
        for column in np.flatnonzero(candidates[rows].any(axis=0)):
            promoted = world.probabilities(_promoting(block, int(column), treatment), "promoted")
            effects[rows, column] = promoted.sum(axis=1) - control
    return np.where(candidates, effects, np.nan)


def _promoting(slates: Slates, column: int, treatment: Treatment) -> Slates:
    """Return slates whose focal item is the one in a column."""
    position = slates.position("control")
    focal = np.broadcast_to(np.arange(slates.size) == column, position.shape)
    starts = slates.size * np.arange(len(slates))
    promoted = promoted_positions(treatment, position.ravel(), focal.ravel(), starts)
    return replace(slates, is_focal=focal, promoted_position=promoted.reshape(position.shape))


def simulate_clicks(
    exposure: pd.DataFrame, slates: Slates, world: World, *, seed: int
) -> pd.DataFrame:
    """Add to every row its click and its true probabilities.

    Both arms, and all worlds of a study, use the same uniform numbers (common random numbers), so
    that differences between them are differences of the model and not of chance.

    Parameters
    ----------
    exposure
        Exposure table, sorted by slate and seed position; all slates of one size.
    slates
        The same as arrays.
    world
        Fitted to the slates.
    seed
        Study seed.

    Returns
    -------
    The exposure table with ``click``, ``p_control`` and ``p_promoted`` (click probability of the
    row in each arm), ``expected_click`` (in the assigned arm), ``known_lift``
    (``expected_click`` - ``p_control``), ``click_control`` and ``click_promoted`` (both potential
    outcomes), ``slate_variance_control`` and ``slate_variance_promoted`` (exact variance of the
    clicks of the row's slate in each arm).
    """
    uniforms = outcome_uniforms(seed, len(slates), slates.size, world.SHEETS)
    outcomes = simulate(slates, world, uniforms)
    promoted = exposure["promotion_applied"].to_numpy() == 1
    variances = {
        f"slate_variance_{arm}": np.repeat(_total_variance(slates, world, arm), slates.size)
        for arm in get_args(Arm)
    }
    p_control, p_promoted = outcomes.p_control.ravel(), outcomes.p_promoted.ravel()
    click_control = outcomes.click_control.ravel()
    click_promoted = outcomes.click_promoted.ravel()
    expected_click = np.where(promoted, p_promoted, p_control)
    return exposure.assign(
        click=np.where(promoted, click_promoted, click_control).astype(np.int8),
        p_control=p_control,
        p_promoted=p_promoted,
        expected_click=expected_click,
        known_lift=expected_click - p_control,
        click_control=click_control.astype(np.int8),
        click_promoted=click_promoted.astype(np.int8),
        **variances,
    )


@dataclass(frozen=True)
class Simulation:
    """An exposure table with the simulated clicks of one world.

    Attributes
    ----------
    slates
        The table as arrays.
    world
        Fitted to the slates.
    items
        The table with clicks and true probabilities (see ``simulate_clicks``).
    facts
        The fitted world in plain values (see ``world_description``).
    """

    slates: Slates
    world: World
    items: pd.DataFrame
    facts: dict[str, Any]

    @classmethod
    def from_exposure(
        cls,
        exposure: pd.DataFrame,
        entry: Mapping[str, Any],
        similarity: Similarity | None = None,
        *,
        seed: int,
    ) -> Self:
        """Fit a world of the config to slates, and simulate their clicks.

        Parameters
        ----------
        exposure
            Exposure table, sorted by slate and seed position; all slates of one size.
        entry
            Config entry of the world.
        similarity
            Similarity of items, for models that need it (see ``item_similarity``).
        seed
            Study seed.

        Raises
        ------
        NetliftError
            The table is not in order, or the world cannot be fitted or matched.
        """
        slates = Slates.from_exposure(exposure, seed=seed)
        world, matched = fit_world(entry, slates, similarity)
        items = simulate_clicks(exposure, slates, world, seed=seed)
        return cls(slates, world, items, world_description(entry, world, matched))

    def with_candidate_effects(self, treatment: Treatment) -> pd.DataFrame:
        """Return the items with ``known_candidate_effect`` (see ``candidate_effects``).

        Without that column if slates have several focal items, so that no item has its own effect,
        or a boost reorders them.
        """
        if treatment.focal_items > 1 or treatment.kind == "rerank":
            return self.items
        shape = self.slates.is_focal.shape
        candidates = self.items["focal_probability"].to_numpy().reshape(shape) > 0
        effects = candidate_effects(self.slates, self.world, treatment, candidates)
        return self.items.assign(known_candidate_effect=effects.ravel())
