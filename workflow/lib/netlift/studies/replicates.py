"""Replicates: the same slates and world, with assignment and clicks redrawn.

Each replicate has a separate random stream, so that it is the same in blocks of any size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.core.streams import generator
from netlift.promotion.design import Design
from netlift.worlds.slates import Arm, Slates
from netlift.worlds.world import IndependentClicks, World

ARMS: tuple[Arm, Arm] = ("control", "promoted")


_VALUES = 1 << 40
"""Number of the stream of the first replicate's values of clicks."""


_CELLS_AT_ONCE = 1 << 19
"""Slates times components times replicates held in memory at once."""


@dataclass(frozen=True)
class Replicates:
    """Redraws of assignment and clicks, for fixed slates and world.

    Attributes
    ----------
    slates
        N slates of K items.
    world
        Fitted to them.
    design
        How promotions are assigned: probabilities, randomized units and strata.
    independent
        Whether each unit's promotion is drawn independently; if not, a stratum's are permuted.
    seed
        Study seed.
    p_control, p_promoted
        Click probabilities by item and slate, shape (K, N).
    user
        Number of the user of each slate, shape (N,), if each replicate draws the users' effects
        anew; else None.
    value_sigma
        If above 0, each click has a value of mean 1: lognormal, with this standard deviation of
        its logarithm.
    """

    slates: Slates
    world: World
    design: Design
    independent: bool
    seed: int
    p_control: Floats
    p_promoted: Floats
    user: Integers | None = None
    value_sigma: float = 0.0

    @classmethod
    def from_slates(
        cls, slates: Slates, world: World, design: Design, *, assignment: str, seed: int
    ) -> Replicates:
        """Compute the click probabilities; ``assignment`` as in the config."""
        arms = probabilities(slates, world)
        return cls(slates, world, design, assignment == "bernoulli", seed, *arms)

    def with_users_of(self, rng: np.random.Generator) -> Replicates:
        """Return the same with new users: their effects are redrawn, the rest stays."""
        if self.user is None:
            return self
        effect = rng.standard_normal(int(self.user.max()) + 1)[self.user]
        slates = replace(self.slates, user_effect=effect)
        p_control, p_promoted = probabilities(slates, self.world)
        return replace(self, slates=slates, p_control=p_control, p_promoted=p_promoted)

    def draw(self, replicate: int) -> tuple[Booleans, Booleans]:
        """Draw one replicate: promotions, shape (N,), and clicks by item and slate, (K, N)."""
        rng = generator(self.seed, "replicates", replicate)
        promoted = self._draw_assignment(rng)
        return promoted, self.with_users_of(rng)._draw_clicks(promoted, rng)

    def _draw_clicks(self, promoted: Booleans, rng: np.random.Generator) -> Booleans:
        if not isinstance(self.world, IndependentClicks):
            return self._draw_by_world(promoted, rng)
        # 32-bit integers take half the time of 64-bit fractions, and probabilities are off by no
        # more than 2^-32.
        size = self.p_control.size
        drawn = rng.bit_generator.random_raw((size + 1) // 2).view(np.uint32)[:size]
        uniforms = drawn.reshape(self.p_control.shape)
        in_promoted, in_control = (uniforms < threshold for threshold in self._thresholds)
        return (in_promoted & promoted) | (in_control & ~promoted)

    def _valued(self, clicks: Booleans, number: int) -> Floats:
        """Return the values of clicks, of the clicks' shape."""
        rng = generator(self.seed, "replicates", _VALUES + number)
        sigma = self.value_sigma
        value = np.exp(sigma * rng.standard_normal(clicks.shape) - sigma**2 / 2)
        return np.asarray(np.where(clicks, value, 0.0))

    @cached_property
    def _thresholds(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """32-bit integers below which an item is clicked, in promoted and in control slates."""
        largest = np.iinfo(np.uint32).max
        promoted, control = (
            np.minimum(np.rint(p * 2.0**32), largest).astype(np.uint32)
            for p in (self.p_promoted, self.p_control)
        )
        return promoted, control

    def _draw_by_world(self, promoted: Booleans, rng: np.random.Generator) -> Booleans:
        """Return clicks that depend on each other, shape (K, N)."""
        clicks = np.empty(self.p_control.shape[::-1], dtype=bool)
        sheets = rng.random((self.world.SHEETS, *clicks.shape))
        for rows, part in self.slates.split():
            arms: dict[Any, Booleans] = {
                arm: self.world.draw(part, arm, sheets[:, rows]) for arm in ("promoted", "control")
            }
            clicks[rows] = np.where(promoted[rows, None], arms["promoted"], arms["control"])
        return clicks.T

    @cached_property
    def _unit_probability(self) -> Floats:
        return self.design.of_units(self.design.known_probability())

    def _draw_assignment(self, rng: np.random.Generator) -> Booleans:
        design = self.design
        if self.independent:
            drawn = rng.random(len(self._unit_probability)) < self._unit_probability
            return drawn if design.by_slate else np.asarray(drawn[design.unit])
        promoted, stratum = design.of_units(design.promoted), design.of_units(design.stratum)
        for number in np.unique(stratum):
            members = np.flatnonzero(stratum == number)
            promoted[members] = rng.permutation(promoted[members])
        return np.asarray(promoted[design.unit])

    def blocks(self, replicates: range) -> Iterator[tuple[range, Booleans, Floats]]:
        """Yield replicates in blocks that fit into memory.

        Yields
        ------
        Their numbers, promotions of shape (b, N), and clicks by component of shape (b, 3, N).
        """
        n_slates = len(self.slates)
        at_once = max(1, _CELLS_AT_ONCE // (3 * n_slates))
        same = np.ascontiguousarray(self.slates.is_same_cluster.T)
        own = np.ascontiguousarray(self.slates.is_focal.T)
        rest, one = ~own & ~same, self.slates.one_focal_item
        focal, column = self.slates.focal, np.arange(n_slates)
        for start in range(replicates.start, replicates.stop, at_once):
            numbers = range(start, min(start + at_once, replicates.stop))
            promoted = np.empty((len(numbers), n_slates), dtype=bool)
            outcomes = np.empty((len(numbers), 3, n_slates))
            for index, number in enumerate(numbers):
                promoted[index], clicks = self.draw(number)
                if self.value_sigma > 0:
                    values = self._valued(clicks, number)
                    outcomes[index] = [(values * part).sum(axis=0) for part in (own, same, rest)]
                    continue
                direct = clicks[focal, column] if one else _item_sums(clicks & own)
                competitors = _item_sums(clicks & same)
                outcomes[index] = direct, competitors, _item_sums(clicks) - competitors - direct
            yield numbers, promoted, outcomes


def probabilities(slates: Slates, world: World) -> tuple[Floats, Floats]:
    """Return the click probabilities of the control and the promoted arm, shape (K, N) each."""
    control, promoted = (
        np.ascontiguousarray(
            np.concatenate([world.probabilities(part, arm) for _, part in slates.split()]).T
        )
        for arm in ARMS
    )
    return control, promoted


def _item_sums(clicks: Booleans) -> NDArray[np.integer]:
    """Sum over items, shape (N,)."""
    # The smallest type that can hold the sum: sums without a cast are several times faster.
    counts = np.uint8 if len(clicks) < 1 << 8 else np.uint16
    return np.add.reduce(clicks.view(np.uint8), axis=0, dtype=counts)
