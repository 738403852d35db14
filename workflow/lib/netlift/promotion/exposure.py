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

RANKER_VALUE = "ranker_value"
"""The column of slates that they are ordered by, highest first."""

ARM = "arm"
"""The column of exposure tables with the number of a slate's arm; 0 is control."""

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
    focal position); without ``ranker_value``, which only orders slates. ``arm`` is the number of
    the slate's arm, 0 is control; where several variants are drawn, the table has the slates of all
    arms (see ``compared``) and the probability of each, ``probability_0`` and so on.

    Raises
    ------
    NetliftError
        A fixed number of promoted units leaves an arm of a stratum empty, users are to be
        randomized within focal positions, or slates lack the values that a boost needs.
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
    arm, shares = draw_arms(
        units,
        promotion.probabilities or (promotion.probability,),
        "bernoulli" if promotion.assignment == "bernoulli" else "complete",
        seed,
        stratum,
    )
    promoted, probabilities = arm == promotion.variant, shares[:, promotion.variant]
    of_arms = {ARM: np.repeat(arm.astype(np.int8), rows)}
    if promotion.probabilities:
        probabilities = probabilities / (probabilities + shares[:, 0])
        of_arms |= {
            f"probability_{number}": np.repeat(share, rows) for number, share in enumerate(shares.T)
        }
    if promotion.treatment.adds_focal_item:
        position = slates["slate_position_seed"]
        slates = slates.assign(slate_position_seed=position.where(position < rows))
    exposed = map_exposure(slates, is_focal.ravel(), np.repeat(promoted, rows), promotion.treatment)
    return exposed.drop(columns=RANKER_VALUE, errors="ignore").assign(
        focal_probability=np.tile(focal_probabilities(rows, promotion), len(ids)),
        promotion_probability=np.repeat(probabilities, rows),
        randomization_unit=np.repeat(units, rows),
        randomization_stratum=np.repeat(stratum, rows).astype(np.int16),
        **of_arms,
    )


def is_compared(exposure: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows are of an arm that an experiment compares: all, where there are two arms.

    Where several variants are drawn at once, an exposure table has the slates of all arms, so that
    a world is the same for each variant.
    """
    if ARM not in exposure:  # of an experiment with two arms that was not drawn here
        return np.ones(len(exposure), dtype=bool)
    promoted = exposure["promotion_applied"].to_numpy() == 1
    return np.asarray(promoted | (exposure[ARM].to_numpy() == 0))


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the two arms that an experiment compares, without the columns of others.

    Parameters
    ----------
    table
        An exposure table, or one with further columns, and ``arm``.
    """
    others = [ARM, *(name for name in table if str(name).startswith("probability_"))]
    chosen = is_compared(table)
    kept = table if chosen.all() else table[chosen].reset_index(drop=True)
    return kept.drop(columns=others, errors="ignore")


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


def draw_arms(
    units: NDArray[np.int64],
    probabilities: Sequence[float],
    assignment: Literal["bernoulli", "complete"],
    seed: int,
    stratum: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw the arm of each slate: control, or one of the variants.

    Parameters
    ----------
    units
        Id of the unit that is randomized, by slate, shape (N,).
    probabilities
        Probability of each of A variants.
    assignment
        ``bernoulli``, a draw for each unit, or ``complete``, a fixed number within each stratum.
    seed
        Study seed.
    stratum
        Number of each slate's stratum, shape (N,).

    Returns
    -------
    The number of each slate's arm, 0 is control, shape (N,); and the probability of each arm,
    control first, shape (N, 1 + A). The probabilities of a complete assignment are the shares of
    the stratum's units.

    Raises
    ------
    NetliftError
        A fixed number leaves an arm of a stratum empty.
    """
    n_slates = len(units)
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    bounds = np.cumsum(probabilities)
    if assignment == "bernoulli":
        # A user's draw is that of the first slate, so that it does not depend on the others.
        uniforms = slate_uniforms(seed, "assignment", n_slates, 1)[:, 0]
        everywhere = np.array([1 - bounds[-1], *probabilities])
        return _arms(uniforms[first][unit], bounds), np.tile(everywhere, (n_slates, 1))
    # By first appearance, so that single slates keep their order.
    order = np.argsort(first)[generator(seed, "assignment").permutation(len(first))]
    arm, shares = np.zeros(len(first), dtype=np.int64), np.zeros((len(first), len(bounds) + 1))
    of_unit = stratum[first]
    for number in np.unique(of_unit):
        members = order[of_unit[order] == number]
        ends = np.array([round(bound * len(members)) for bound in bounds])
        arm[members] = _arms(np.arange(len(members)), ends)
        counts = np.bincount(arm[members], minlength=len(bounds) + 1)
        if not counts.all():
            raise NetliftError(_empty_arm(counts, number if len(np.unique(of_unit)) > 1 else None))
        shares[members] = counts / len(members)
    return arm[unit], shares[unit]


def _arms(values: NDArray[Any], ends: NDArray[Any]) -> NDArray[np.int64]:
    """Return the arm of each value: variant k is below its end, control is not below the last."""
    variant = np.searchsorted(ends, values, side="right") + 1
    return np.where(variant > len(ends), 0, variant)


def _empty_arm(counts: NDArray[np.int64], focal_position: int | None) -> str:
    """Say that a fixed number of units leaves an arm without any."""
    control, *variants = (f"{count}" for count in counts)
    where = "" if focal_position is None else f" with focal position {focal_position}"
    several = f" by the variants, and {control} would be in control" if len(variants) > 1 else ""
    return (
        f"promotion: of {counts.sum()} randomized units{where}, {', '.join(variants)} would be "
        f"promoted{several}, which leaves an arm empty. Take more slates, fewer focal positions, "
        "or promotions.NAME.assignment: bernoulli."
    )


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
        A boost needs ``ranker_value``, by which the slates were ordered, highest first.
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
        A slate has another number of focal items, rows are not in order, or a boost lacks the
        values by which they are.
    """
    seed_position = from_column(slates["slate_position_seed"].to_numpy())
    starts, slate = _slates(slates["slate_id"].to_numpy(), seed_position)
    _check_focal_items(slates["slate_id"].to_numpy()[starts], slate, is_focal, treatment)
    cluster = slates["spillover_cluster"].astype("category")
    codes = cluster.cat.codes.to_numpy().astype(np.int64)
    rows = np.flatnonzero(is_focal)
    first = rows[np.append(True, slate[rows][1:] != slate[rows][:-1])]
    value = None if treatment.boost is None else _ranker_values(slates, slate)
    promoted_position = promoted_positions(treatment, seed_position, is_focal, starts, value)
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


def _ranker_values(slates: pd.DataFrame, slate: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what slates are ordered by, shape (R,); refuse it where their order is another one."""
    if RANKER_VALUE not in slates:
        raise NetliftError(
            f"slates: they have no column {RANKER_VALUE}, to which a boost is added; build them "
            "again"
        )
    value = slates[RANKER_VALUE].to_numpy(dtype=np.float64)
    lower = value[1:] <= value[:-1]
    wrong = np.unique(slate[1:][~lower & (slate[1:] == slate[:-1])])
    if len(wrong):
        raise NetliftError(
            f"slates: {len(wrong):,} of {slate[-1] + 1:,} are not in the order of {RANKER_VALUE}, "
            "to which a boost is added (first: slate "
            f"{slates['slate_id'].to_numpy()[slate == wrong[0]][0]}); a boost of 0 would reorder "
            "them"
        )
    return value


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
