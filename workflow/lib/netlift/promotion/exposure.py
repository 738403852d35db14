"""The design: one focal item per slate, promotion by slate, and its effect on each position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core.errors import NetliftError
from netlift.core.streams import generator, slate_uniforms
from netlift.promotion.positions import (
    EXPOSURES,
    NOT_SHOWN,
    as_column,
    exposures,
    from_column,
    promoted_positions,
)
from netlift.promotion.record import Promotion
from netlift.promotion.treatment import MOVE_TO_FIRST, Treatment

COMPONENTS = ("direct_focal", "same_cluster_competitor", "other_competitor")
"""The three parts of a slate: every row belongs to exactly one."""


def assign_promotion(slates: pd.DataFrame, promotion: Promotion, *, seed: int) -> pd.DataFrame:
    """Draw each slate's focal item and promotion, and map every row's exposure.

    Parameters
    ----------
    slates
        Slate table, sorted by slate and position; all slates of one size. If the promotion adds
        its focal item, that is the last item of each slate, which is not shown without promotion.
    promotion
        How they are drawn.
    seed
        Study seed.

    Returns
    -------
    The slate table with the columns of the exposure table added (see ``map_exposure``), and of the
    design: ``focal_probability`` (see ``focal_probabilities``), ``promotion_probability``,
    ``randomization_unit`` (the slate's or the user's id) and ``randomization_stratum`` (0, or the
    focal position).

    Raises
    ------
    NetliftError
        A fixed number of promoted units leaves an arm of a stratum empty, or users are to be
        randomized within focal positions.
    """
    stratified = promotion.assignment == "stratified"
    if promotion.unit == "user" and stratified:
        raise NetliftError("users cannot be randomized within focal positions: theirs differ")
    rows = int(slates["slate_position_seed"].max())
    ids = slates[["slate_id", "user_id"]].iloc[::rows]
    is_focal = draw_focal_items(len(ids), rows, promotion, seed)
    first = is_focal.argmax(axis=1) + 1
    units = ids[f"{promotion.unit}_id"].to_numpy()
    stratum = first if stratified else np.zeros(len(ids), dtype=np.int64)
    promoted, probabilities = draw_promotions(
        units,
        promotion.probability,
        "bernoulli" if promotion.assignment == "bernoulli" else "complete",
        seed,
        stratum,
    )
    if promotion.treatment.adds_focal_item:
        position = slates["slate_position_seed"]
        slates = slates.assign(slate_position_seed=position.where(position < rows))
    exposed = map_exposure(slates, is_focal.ravel(), np.repeat(promoted, rows), promotion.treatment)
    return exposed.assign(
        focal_probability=np.tile(focal_probabilities(rows, promotion), len(ids)),
        promotion_probability=np.repeat(probabilities, rows),
        randomization_unit=np.repeat(units, rows),
        randomization_stratum=np.repeat(stratum, rows).astype(np.int16),
    )


def draw_focal_items(
    n_slates: int, rows: int, promotion: Promotion, seed: int
) -> NDArray[np.bool_]:
    """Return which items are focal, shape (n_slates, rows): drawn, or the last one of each slate.

    Several are drawn without replacement, each set with the same probability.
    """
    several = promotion.treatment.focal_items
    if promotion.treatment.adds_focal_item:
        return np.broadcast_to(np.arange(rows) == rows - 1, (n_slates, rows))
    first, last = promotion.focal_position_first, promotion.focal_position_last or rows
    if several == 1:
        focal = draw_focal_positions(n_slates, first, last, seed)
        return np.asarray(np.arange(1, rows + 1) == focal[:, None])
    uniforms = slate_uniforms(seed, "focal", n_slates, last - first + 1)
    chosen = np.argsort(uniforms, axis=1, kind="stable")[:, :several] + first - 1
    is_focal = np.zeros((n_slates, rows), dtype=bool)
    np.put_along_axis(is_focal, chosen, True, axis=1)
    return is_focal


def focal_probabilities(rows: int, promotion: Promotion) -> NDArray[np.float64]:
    """Return the probability that each item of a slate is chosen as a focal item, shape (rows,).

    They add up to the number of focal items; items that cannot be chosen have 0.
    """
    if promotion.treatment.adds_focal_item:
        return (np.arange(rows) == rows - 1).astype(np.float64)
    position, last = np.arange(1, rows + 1), promotion.focal_position_last or rows
    candidate = (position >= promotion.focal_position_first) & (position <= last)
    return candidate * (promotion.treatment.focal_items / candidate.sum())


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
    is_focal: NDArray[np.bool_],
    promoted: NDArray[np.bool_],
    treatment: Treatment = MOVE_TO_FIRST,
) -> pd.DataFrame:
    """Add the design and the exposure mapping to a table of slate items.

    Parameters
    ----------
    slates
        One row per slate item, sorted by slate and seed position; slates may differ in length.
        The seed position is missing for items that are not shown without promotion; they are last.
    is_focal
        Whether the item is a focal item of its slate, for each row.
    promoted
        Whether the slate is promoted, for each row.
    treatment
        What the promotion does.

    Returns
    -------
    The table with ``is_focal_item``, ``focal_seed_position`` and ``focal_spillover_cluster`` (of
    the slate's first focal item), ``promotion_applied`` (0 or 1), ``promoted_position`` (with
    promotion, known in both arms), ``final_position`` (as shown), ``component``, ``exposure`` (what
    the promotion does to the item, known in both arms: one of ``EXPOSURES``) and
    ``position_change`` (final minus seed position: 1 is one down, negative is up, 0 in the control
    arm). Positions are missing where an item is not shown. Items without a cluster share none.

    Raises
    ------
    NetliftError
        A slate has another number of focal items, or rows are not in order.
    """
    seed_position = from_column(slates["slate_position_seed"].to_numpy())
    starts, slate = _slates(slates["slate_id"].to_numpy(), seed_position)
    _check_focal_items(slates["slate_id"].to_numpy()[starts], slate, is_focal, treatment)
    cluster = slates["spillover_cluster"].astype("category")
    codes = cluster.cat.codes.to_numpy().astype(np.int64)
    rows = np.flatnonzero(is_focal)
    first = rows[np.append(True, slate[rows][1:] != slate[rows][:-1])]
    promoted_position = promoted_positions(treatment, seed_position, is_focal, starts)
    final = np.where(promoted, promoted_position, seed_position)
    same_cluster = _of_focal_cluster(codes, slate, rows) & ~is_focal
    exposure = exposures(seed_position, promoted_position, is_focal)
    return slates.assign(
        spillover_cluster=cluster,
        is_focal_item=is_focal,
        focal_seed_position=as_column(seed_position[first])[slate],
        focal_spillover_cluster=_category(codes[first][slate], cluster.cat.categories),
        promotion_applied=promoted.astype(np.int8),
        promoted_position=as_column(promoted_position),
        final_position=as_column(final),
        component=_category(np.where(is_focal, 0, np.where(same_cluster, 1, 2)), COMPONENTS),
        exposure=_category(exposure, EXPOSURES),
        position_change=_changes(seed_position, final),
    )


def _category(codes: NDArray[np.integer], names: Sequence[str] | pd.Index) -> pd.Categorical:
    return pd.Categorical.from_codes(codes.astype(np.int64), categories=pd.Index(names))


def _slates(
    slate_id: NDArray[Any], position: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each slate, and the number of each row's slate; check the order."""
    new = np.append(True, slate_id[1:] != slate_id[:-1])
    place = np.where(position == NOT_SHOWN, np.iinfo(np.int64).max, position)
    starts = np.flatnonzero(new)
    if (
        len(np.unique(slate_id[starts])) < len(starts)
        or ((place[1:] <= place[:-1]) & ~new[1:] & (position[1:] != NOT_SHOWN)).any()
    ):
        raise NetliftError("slates: rows must be sorted by slate and position, each position once")
    return starts, np.cumsum(new) - 1


def _check_focal_items(
    ids: NDArray[Any], slate: NDArray[np.int64], is_focal: NDArray[np.bool_], treatment: Treatment
) -> None:
    """Refuse slates that do not have the promotion's number of focal items."""
    several = treatment.focal_items
    wrong = np.bincount(slate, is_focal, len(ids)) != several
    if wrong.any():
        items = "one item" if several == 1 else f"{several} items"
        raise NetliftError(
            f"slates: {int(wrong.sum()):,} of {len(ids):,} do not have exactly {items} "
            f"at their focal positions (first: slate {ids[wrong][0]})"
        )


def _of_focal_cluster(
    codes: NDArray[np.int64], slate: NDArray[np.int64], focal: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which rows are in the cluster of a focal item of their slate; none without one."""
    n_codes = int(codes.max(initial=0)) + 1
    marked = np.zeros((int(slate.max(initial=-1)) + 1) * n_codes, dtype=bool)
    known = focal[codes[focal] >= 0]
    marked[slate[known] * n_codes + codes[known]] = True
    return marked[slate * n_codes + np.maximum(codes, 0)] & (codes >= 0)


def _changes(
    seed_position: NDArray[np.int64], final: NDArray[np.int64]
) -> NDArray[np.int16] | NDArray[np.float64]:
    """Return final minus seed position, missing where one of the two is."""
    change = final - seed_position
    known = (seed_position != NOT_SHOWN) & (final != NOT_SHOWN)
    return change.astype(np.int16) if known.all() else np.where(known, change, np.nan)
