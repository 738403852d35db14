"""The design: one focal item per slate, promotion by slate, and what it does to each row.

Promotion moves the focal item to position 1; the items that stood above it move down by one; the
rest stay.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.streams import generator, slate_uniforms

COMPONENTS = ("direct_focal", "same_cluster_competitor", "other_competitor")
"""The three parts of a slate: every row belongs to exactly one."""

Assignment = Literal["bernoulli", "complete"]


def assign_promotion(
    slates: pd.DataFrame,
    *,
    seed: int,
    probability: float,
    assignment: Assignment,
    focal_position_first: int,
    focal_position_last: int | None = None,
) -> pd.DataFrame:
    """Draw each slate's focal item and promotion, and map every row's exposure.

    Parameters
    ----------
    slates
        Slate table, sorted by slate and position; all slates of one size.
    seed
        Study seed.
    probability
        Probability that a slate is promoted.
    assignment
        ``bernoulli`` promotes each slate by its own draw; ``complete`` promotes a fixed number
        of slates, ``probability`` times their number, rounded.
    focal_position_first, focal_position_last
        The focal item's position is uniform from first to last; None is the last of the slate.

    Returns
    -------
    The slate table with the columns of the exposure table added (see ``map_exposure``).
    """
    size = int(slates["slate_position_seed"].max())
    n_slates = len(slates) // size
    last = size if focal_position_last is None else focal_position_last
    focal = draw_focal_positions(n_slates, focal_position_first, last, seed)
    promoted = draw_promotions(n_slates, probability, assignment, seed)
    return map_exposure(slates, np.repeat(focal, size), np.repeat(promoted, size))


def draw_focal_positions(n_slates: int, first: int, last: int, seed: int) -> NDArray[np.int64]:
    """Draw each slate's focal position, uniform over ``first`` to ``last``; shape (n_slates,)."""
    uniforms = slate_uniforms(seed, "focal", n_slates, 1)[:, 0]
    return first + np.floor(uniforms * (last - first + 1)).astype(np.int64)


def draw_promotions(
    n_slates: int, probability: float, assignment: Assignment, seed: int
) -> NDArray[np.bool_]:
    """Draw which slates are promoted; shape (n_slates,)."""
    if assignment == "complete":
        promoted = np.zeros(n_slates, dtype=bool)
        order = generator(seed, "assignment").permutation(n_slates)
        promoted[order[: round(probability * n_slates)]] = True
        return promoted
    return slate_uniforms(seed, "assignment", n_slates, 1)[:, 0] < probability


def map_exposure(
    slates: pd.DataFrame, focal_position: NDArray[np.int64], promoted: NDArray[np.bool_]
) -> pd.DataFrame:
    """Add the design and the exposure mapping to a table of slate items.

    Parameters
    ----------
    slates
        One row per slate item, sorted by slate; slates may differ in length.
    focal_position
        Seed position of the slate's focal item, for each row.
    promoted
        Whether the slate is promoted, for each row.

    Returns
    -------
    The table with ``is_focal_item``, ``focal_seed_position``, ``focal_spillover_cluster``,
    ``promotion_applied`` (0 or 1), ``final_position``, ``component``, ``is_displaced`` (above the
    focal item before promotion, in either arm) and ``position_change`` (final minus seed position:
    1 is one down, negative is up, 0 in the control arm).
    """
    seed_position = slates["slate_position_seed"].to_numpy()
    cluster = slates["spillover_cluster"].astype("category")
    codes = cluster.cat.codes.to_numpy()
    is_focal = seed_position == focal_position
    is_displaced = seed_position < focal_position
    _, slate = np.unique(slates["slate_id"].to_numpy(), return_inverse=True)
    focal_codes = np.asarray(codes[is_focal][slate], dtype=np.int64)
    final = np.where(promoted & is_focal, 1, seed_position + (promoted & is_displaced))
    component = np.asarray(np.where(is_focal, 0, np.where(codes == focal_codes, 1, 2)), np.int64)
    return slates.assign(
        spillover_cluster=cluster,
        is_focal_item=is_focal,
        focal_seed_position=focal_position.astype(np.int16),
        focal_spillover_cluster=pd.Categorical.from_codes(
            focal_codes, categories=cluster.cat.categories
        ),
        promotion_applied=promoted.astype(np.int8),
        final_position=final.astype(np.int16),
        component=pd.Categorical.from_codes(component, categories=pd.Index(COMPONENTS)),
        is_displaced=is_displaced,
        position_change=(final - seed_position).astype(np.int16),
    )
