"""Effects on item rows: observed effects, their bootstrap, and five definitions of spillover."""

from __future__ import annotations

import numpy as np
import pandas as pd

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.core.errors import NetliftError
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.streams import generator
from netlift.core.units import PER_POSITION, PER_ROW, PER_SLATE
from netlift.effects.estimators import difference
from netlift.effects.item_rows import (
    BLOCKS,
    DEFINITIONS,
    DOSE,
    NON_FOCAL,
    PUSHED_OUT,
    SPILLOVER_DEFINITIONS,
    ItemRows,
    spillover_definitions,
)
from netlift.inference.cluster_robust import ClusteredFit
from netlift.inference.estimate import MIN_PER_ARM, Estimate, numbers

FEW_UNITS = 50
"""With fewer randomized units in an arm an effect also has the wild bootstrap's p-value
(Cameron and Miller 2015: few is fewer than 20 to 50)."""


_STREAMS = (
    *(definition.code for definition in SPILLOVER_DEFINITIONS),
    DOSE,
    *(definition.code for definition in (PUSHED_OUT, *BLOCKS)),
)
"""Codes by the number of their random stream, which does not depend on the others."""


def spillover_support(items: pd.DataFrame, *, near_positions: int) -> pd.DataFrame:
    """Count the rows and slates of each definition of spillover.

    Slates are those with at least one row of the definition.
    """
    rows = ItemRows.from_items(items)
    n_non_focal = int((~items["is_focal_item"]).sum())
    table = []
    for definition in spillover_definitions(items):
        member = rows.member(definition, near_positions)
        table.append(
            {
                "definition": definition.code,
                "meaning": definition.described(near_positions),
                "rows": int(member.sum()),
                "treated_rows": int((member & rows.promoted).sum()),
                "control_rows": int((member & ~rows.promoted).sum()),
                "share_of_non_focal_rows": (
                    float(member.sum() / n_non_focal) if n_non_focal else None
                ),
                **_slate_counts(rows, member),
            }
        )
    return with_labels(pd.DataFrame(table), definition=DEFINITIONS)


def spillover_sensitivity(
    items: pd.DataFrame, *, near_positions: int, seed: int = 0, bootstrap_draws: int = 999
) -> pd.DataFrame:
    """Estimate the spillover under each definition, per item row and per slate, and per position.

    Parameters
    ----------
    items
        The table of slate items with clicks.
    near_positions
        Positions above the focal item that count as near.
    seed
        Study seed, for the wild bootstrap.
    bootstrap_draws
        Draws of the wild bootstrap.

    Returns
    -------
    Two rows per definition, and one for the dose.

    Per item row: the difference of row means between arms. ``se`` is clustered by the randomized
    unit (CR2, interval by t with Satterthwaite's degrees of freedom ``df``); also CR0, CR1
    and CR3, and CR1 by user, by item, and by user and item. With fewer than 50 units in an arm
    ``wild_bootstrap_p_value`` is the p-value of the wild cluster bootstrap. Per slate: the
    difference of slate sums over all slates (0 where a slate has no such row), with Neyman's (HC2)
    errors.

    Dose: the effect of moving down by one position on a non-focal item, beyond the change of an
    item that does not move (OLS on the move that the promotion would make, promoted, and the
    position change).

    A definition without rows in two units of each arm has missing numbers and a ``note``.
    """
    rows = ItemRows.from_items(items)
    table = []
    for definition in spillover_definitions(items):
        member = rows.member(definition, near_positions)
        rng = generator(seed, "wild_bootstrap", _STREAMS.index(definition.code))
        arm = rows.promoted[member].astype(np.float64)
        known = None
        if rows.known is not None and member.any():
            known = float(rows.known[member].mean())
        for unit in (PER_ROW, PER_SLATE):
            table.append({"definition": definition.code, "unit_code": unit} | _counts(rows, member))
            try:
                if unit == PER_ROW:
                    design = np.column_stack([np.ones(len(arm)), arm])
                    effect = _row_effect(rows, member, design, known, rng, bootstrap_draws)
                else:
                    effect = _slate_effect(rows, member)
            except NetliftError as error:
                effect = {**numbers(None), "note": f"not estimated: {error}"}
            table[-1] |= effect
    dose = _dose(rows, seed, bootstrap_draws)
    table.append({"definition": DOSE, "unit_code": PER_POSITION} | dose)
    return with_labels(_ordered(CLICKS.in_units(pd.DataFrame(table))), definition=DEFINITIONS)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Move counts and the note after the numbers."""
    last = ["rows", "slates", "note"]
    return table[[name for name in table if name not in last] + last]


def _dose(rows: ItemRows, seed: int, bootstrap_draws: int) -> dict[str, object]:
    """Return the effect per position that a non-focal item moves down."""
    before, after = (
        rows.items[name].to_numpy(dtype=np.float64)
        for name in ("slate_position_seed", "promoted_position")
    )
    # Items that only one arm shows do not move.
    member = rows.member(NON_FOCAL) & np.isfinite(before) & np.isfinite(after)
    change = rows.items["position_change"].to_numpy(dtype=np.float64)[member]
    # Places down, if the slate is promoted; known in both arms.
    move = (after - before)[member]
    arm = rows.promoted[member].astype(np.float64)
    design = np.column_stack([np.ones(len(arm)), move, arm, change])
    rng = generator(seed, "wild_bootstrap", _STREAMS.index(DOSE))
    counts: dict[str, object] = dict(_counts(rows, member))
    known, moves = None, move > 0
    if rows.known is not None and moves.any() and not moves.all():
        difference = rows.known[member][moves].mean() - rows.known[member][~moves].mean()
        known = float(difference / move[moves].mean())
    try:
        effect = _row_effect(rows, member, design, known, rng, bootstrap_draws)
    except NetliftError as error:
        return counts | numbers(None) | {"note": f"not estimated: {error}"}
    # The arms' means are of all non-focal rows, so they do not belong to the dose.
    return counts | effect | dict.fromkeys(("treated_mean", "control_mean"))


def _row_effect(
    rows: ItemRows,
    member: Booleans,
    design: Floats,
    known: float | None,
    rng: np.random.Generator,
    n_draws: int,
) -> dict[str, object]:
    """Return the last coefficient of a fit to some rows, with all its errors."""
    click, unit = rows.click[member], rows.unit[member]
    promoted = rows.promoted[member]
    weight = rows.weight[member]
    _need_units(unit, promoted)
    fit = ClusteredFit.fit(click[:, None], design, unit, weight)
    last = np.eye(design.shape[1])[-1]
    estimate = Estimate(
        float(fit.coefficients[-1, 0]), float(np.sqrt(fit.covariance(last)[0, 0])), fit.df(last)
    )
    effect: dict[str, object] = {
        **numbers(estimate),
        **_arm_means(click, promoted, weight),
        **_compared_with_known(estimate, known),
        **_other_errors(rows, member, design),
        "se_cr3": float(np.sqrt(fit.covariance(last, "CR3")[0, 0])),
        "wild_bootstrap_p_value": None,
        "note": None,
    }
    if min(len(np.unique(unit[arm])) for arm in (promoted, ~promoted)) < FEW_UNITS:
        effect["wild_bootstrap_p_value"] = fit.wild_bootstrap_p_value(last, rng, n_draws)
    return effect


def _need_units(unit: Integers, promoted: Booleans) -> None:
    if not len(unit):
        raise NetliftError("there are no such item rows")
    for name, arm in (("promoted", promoted), ("control", ~promoted)):
        n_units = len(np.unique(unit[arm]))
        if n_units < MIN_PER_ARM:
            raise NetliftError(
                f"rows of {n_units} {name} units; an effect with an error needs at least "
                f"{MIN_PER_ARM} in each arm"
            )


def _other_errors(rows: ItemRows, member: Booleans, design: Floats) -> dict[str, float | None]:
    """Return the last coefficient's CR0 and CR1 errors, by unit, user, item, user and item.

    By statsmodels. Missing where there are fewer than two clusters or the two-way variance is
    negative.
    """
    from statsmodels.regression.linear_model import WLS

    fit = WLS(rows.click[member], design, weights=rows.weight[member]).fit()

    def se(groups: Integers, *, corrected: bool = True) -> float | None:
        if (
            min(len(np.unique(column)) for column in groups.T.reshape(-1, len(groups)))
            < MIN_PER_ARM
        ):
            return None
        robust = fit.get_robustcov_results(
            "cluster", groups=groups, use_correction=corrected, use_t=True
        )
        variance = float(robust.cov_params()[-1, -1])
        return float(np.sqrt(variance)) if variance >= 0 else None

    unit, user, item = (values[member] for values in (rows.unit, rows.user, rows.item))
    return {
        "se_cr0": se(unit, corrected=False),
        "se_cr1": se(unit),
        "se_user_clustered": se(user),
        "se_item_clustered": se(item),
        "se_user_and_item_clustered": se(np.column_stack([user, item])),
    }


def _slate_effect(rows: ItemRows, member: Booleans) -> dict[str, object]:
    """Return the effect on slate sums over some rows."""
    has = rows.per_slate(member) > 0
    _need_units(rows.design.unit[has], rows.design.promoted[has])
    click = rows.per_slate(rows.click * member)
    estimate = difference(rows.design, click[:, None]).combination((1,))
    known = None if rows.known is None else float(rows.known[member].sum() / rows.n_slates)
    return {
        **numbers(estimate),
        **_arm_means(click, rows.design.promoted, rows.slate_weight),
        **_compared_with_known(estimate, known),
        "note": None,
    }


def _counts(rows: ItemRows, member: Booleans) -> dict[str, object]:
    return {"rows": int(member.sum()), "slates": int((rows.per_slate(member) > 0).sum())}


def _slate_counts(rows: ItemRows, member: Booleans) -> dict[str, int]:
    has, promoted = rows.per_slate(member) > 0, rows.design.promoted
    return {
        "slates": int(has.sum()),
        "treated_slates": int((has & promoted).sum()),
        "control_slates": int((has & ~promoted).sum()),
    }


def _arm_means(outcome: Floats, promoted: Booleans, weight: Floats) -> dict[str, float]:
    return {
        "treated_mean": float(np.average(outcome[promoted], weights=weight[promoted])),
        "control_mean": float(np.average(outcome[~promoted], weights=weight[~promoted])),
    }


def _compared_with_known(estimate: Estimate, known: float | None) -> dict[str, float | None]:
    if known is None:
        return {}
    distance = (estimate.value - known) / estimate.se if estimate.se > 0 else None
    return {"known_effect": known, "distance_from_known_in_se": distance}
