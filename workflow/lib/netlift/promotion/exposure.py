"""The design: one focal item per slate, promotion by slate, and its effect on each position."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core.errors import NetliftError
from netlift.core.streams import generator, slate_uniforms
from netlift.promotion.positions import EXPOSURES, exposures, promoted_positions
from netlift.promotion.record import Promotion
from netlift.promotion.treatment import MOVE_TO_FIRST, Treatment

COMPONENTS = ("direct_focal", "same_cluster_competitor", "other_competitor")
"""The three parts of a slate: every row belongs to exactly one."""


def assign_promotion(slates: pd.DataFrame, promotion: Promotion, *, seed: int) -> pd.DataFrame:
    """Draw each slate's focal item and promotion, and map every row's exposure.

    Parameters
    ----------
    slates
        Slate table, sorted by slate and position; all slates of one size.
    promotion
        How they are drawn.
    seed
        Study seed.

    Returns
    -------
    The slate table with the columns of the exposure table added (see ``map_exposure``), and of the
    design: ``promotion_probability``, ``randomization_unit`` (the slate's or the user's id) and
    ``randomization_stratum`` (0, or the focal position).

    Raises
    ------
    NetliftError
        A fixed number of promoted units leaves an arm of a stratum empty, or users are to be
        randomized within focal positions.
    """
    stratified = promotion.assignment == "stratified"
    if promotion.unit == "user" and stratified:
        raise NetliftError("users cannot be randomized within focal positions: theirs differ")
    size = int(slates["slate_position_seed"].max())
    ids = slates[["slate_id", "user_id"]].iloc[::size]
    last = promotion.focal_position_last or size
    focal = draw_focal_positions(len(ids), promotion.focal_position_first, last, seed)
    units = ids[f"{promotion.unit}_id"].to_numpy()
    stratum = focal if stratified else np.zeros(len(ids), dtype=np.int64)
    promoted, probabilities = draw_promotions(
        units,
        promotion.probability,
        "bernoulli" if promotion.assignment == "bernoulli" else "complete",
        seed,
        stratum,
    )
    exposed = map_exposure(
        slates, np.repeat(focal, size), np.repeat(promoted, size), promotion.treatment
    )
    return exposed.assign(
        promotion_probability=np.repeat(probabilities, size),
        randomization_unit=np.repeat(units, size),
        randomization_stratum=np.repeat(stratum, size).astype(np.int16),
    )


def draw_focal_positions(n_slates: int, first: int, last: int, seed: int) -> NDArray[np.int64]:
    """Draw each slate's focal position, uniform over ``first`` to ``last``; shape (n_slates,)."""
    uniforms = slate_uniforms(seed, "focal", n_slates, 1)[:, 0]
    return first + np.floor(uniforms * (last - first + 1)).astype(np.int64)


def draw_promotions(
    units: NDArray[np.int64],
    probability: float,
    assignment: Literal["bernoulli", "complete"],
    seed: int,
    stratum: NDArray[np.int64],
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Draw which slates are promoted.

    Parameters
    ----------
    units
        Id of the unit that is randomized, by slate, shape (N,).
    probability
        Probability of promotion.
    assignment
        ``bernoulli``, a draw for each unit, or ``complete``, a fixed number within each stratum.
    seed
        Study seed.
    stratum
        Number of each slate's stratum, shape (N,).

    Returns
    -------
    Whether each slate is promoted, and with what probability, shapes (N,). The probability
    of a complete assignment is the share of the stratum's units that are promoted.

    Raises
    ------
    NetliftError
        A fixed number leaves an arm of a stratum empty.
    """
    n_slates = len(units)
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    if assignment == "bernoulli":
        # A user's draw is that of the first slate, so that it does not depend on the others.
        uniforms = slate_uniforms(seed, "assignment", n_slates, 1)[:, 0]
        return uniforms[first][unit] < probability, np.full(n_slates, probability)
    # By first appearance, so that single slates keep their order.
    order = np.argsort(first)[generator(seed, "assignment").permutation(len(first))]
    chosen, share = np.zeros(len(first), dtype=bool), np.zeros(len(first))
    of_unit = stratum[first]
    for number in np.unique(of_unit):
        members = order[of_unit[order] == number]
        n_promoted = round(probability * len(members))
        if not 0 < n_promoted < len(members):
            raise NetliftError(
                f"promotion: of {len(members)} randomized units"
                + (f" with focal position {number}" if len(np.unique(of_unit)) > 1 else "")
                + f", {n_promoted} would be promoted, which leaves an arm empty. Take more slates, "
                "fewer focal positions, or promotions.NAME.assignment: bernoulli."
            )
        chosen[members[:n_promoted]] = True
        share[members] = n_promoted / len(members)
    return chosen[unit], share[unit]


def map_exposure(
    slates: pd.DataFrame,
    focal_position: NDArray[np.int64],
    promoted: NDArray[np.bool_],
    treatment: Treatment = MOVE_TO_FIRST,
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
    treatment
        What the promotion does.

    Returns
    -------
    The table with ``is_focal_item``, ``focal_seed_position``, ``focal_spillover_cluster``,
    ``promotion_applied`` (0 or 1), ``promoted_position`` (with promotion, known in both arms),
    ``final_position`` (as shown), ``component``, ``exposure`` (what the promotion does to the item,
    known in both arms: one of ``EXPOSURES``) and ``position_change`` (final minus seed position:
    1 is one down, negative is up, 0 in the control arm). Items without a cluster share none.

    Raises
    ------
    NetliftError
        A slate has no item at its focal position, or several.
    """
    seed_position = slates["slate_position_seed"].to_numpy()
    cluster = slates["spillover_cluster"].astype("category")
    codes = cluster.cat.codes.to_numpy()
    is_focal = seed_position == focal_position
    focal_codes = _of_focal_item(codes, slates["slate_id"].to_numpy(), is_focal)
    promoted_position = promoted_positions(treatment, seed_position, focal_position)
    final = np.where(promoted, promoted_position, seed_position)
    same_cluster = (codes == focal_codes) & (codes >= 0)
    component = np.asarray(np.where(is_focal, 0, np.where(same_cluster, 1, 2)), np.int64)
    return slates.assign(
        spillover_cluster=cluster,
        is_focal_item=is_focal,
        focal_seed_position=focal_position.astype(np.int16),
        focal_spillover_cluster=pd.Categorical.from_codes(
            focal_codes, categories=cluster.cat.categories
        ),
        promotion_applied=promoted.astype(np.int8),
        promoted_position=promoted_position.astype(np.int16),
        final_position=final.astype(np.int16),
        component=pd.Categorical.from_codes(component, categories=pd.Index(COMPONENTS)),
        exposure=pd.Categorical.from_codes(
            exposures(seed_position, promoted_position, is_focal), categories=pd.Index(EXPOSURES)
        ),
        position_change=(final - seed_position).astype(np.int16),
    )


def _of_focal_item(
    values: NDArray[np.integer], slate_id: NDArray[np.integer], is_focal: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the value of each row's focal item; refuse slates with none or several."""
    ids, slate = np.unique(slate_id, return_inverse=True)
    n_focal = np.bincount(slate, is_focal, len(ids))
    if (n_focal != 1).any():
        raise NetliftError(
            f"slates: {int((n_focal != 1).sum()):,} of {len(ids):,} do not have exactly one item "
            f"at their focal position (first: slate {ids[n_focal != 1][0]})"
        )
    of_slate = np.empty(len(ids), dtype=np.int64)
    of_slate[slate[is_focal]] = values[is_focal]
    return of_slate[slate]
