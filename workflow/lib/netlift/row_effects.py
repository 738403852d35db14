"""Effects on item rows: observed effects, their bootstrap, and five definitions of spillover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.cluster_robust import ClusteredFit
from netlift.errors import NetliftError
from netlift.inference import (
    CONFIDENCE,
    MIN_PER_ARM,
    Estimate,
    clustered_coefficient,
    need_units,
    numbers,
)
from netlift.item_rows import (
    FOCAL,
    NON_FOCAL,
    OTHER,
    SAME_CLUSTER,
    SPILLOVER_DEFINITIONS,
    ItemRows,
)
from netlift.streams import generator
from netlift.units import PER_POSITION, PER_ROW, PER_SLATE

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]


FULL_SLATE = "Full slate"
OBSERVED_EFFECTS = (
    FOCAL,
    replace(SAME_CLUSTER, label="Same-cluster competitors"),
    replace(OTHER, label="Other competitors"),
    replace(NON_FOCAL, label="All competitors"),
)
DOSE = "Position change"

FEW_UNITS = 50
"""With fewer randomized units in an arm the wild bootstrap's p-value stands beside an effect
(Cameron and Miller 2015: few is fewer than 20 to 50)."""

_DRAWS_AT_ONCE = 1 << 21
"""Resampled units held in memory at once."""


def observed_effects(
    items: pd.DataFrame, *, seed: int, bootstrap_draws: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimate what the promotion did to the clicks that were observed.

    Parameters
    ----------
    items
        The table of slate items with clicks; the rows of a slate stand together.
    seed
        Study seed, for the bootstrap.
    bootstrap_draws
        Resamples of randomized units.

    Returns
    -------
    Effects, and bootstrap draws.

    The effects: one row per group of items, per item row (difference of row means, errors
    clustered by the randomized unit, and by user beside it), and one for the full slate, per
    slate; where probabilities of promotion differ, slates are weighted by them. In a simulated
    world also the known effect over both arms, and the estimate's distance from it in standard
    errors. A group without rows of two units in each arm has missing numbers and says so in
    ``note``. The draws: one column per effect, one row per resample; missing where
    a resample has no row of the group in an arm, which ``bootstrap_draws`` leaves out of its count.
    """
    rows = ItemRows.of(items)
    need_units(rows.design.promoted, rows.design.unit)
    everything = np.ones(len(items), dtype=bool)
    effects, sums = [], []
    for definition in OBSERVED_EFFECTS:
        member = rows.member(definition)
        effects.append(_observed(rows, definition.label, PER_ROW, member))
        sums.append((rows.per_slate(rows.click * member), rows.per_slate(member)))
    effects.append(_observed(rows, FULL_SLATE, PER_SLATE, everything))
    sums.append((rows.per_slate(rows.click), np.ones(rows.n_slates)))
    design = rows.design
    draws = bootstrap(
        design.per_unit(rows.slate_weight[:, None] * np.array([total for total, _ in sums]).T),
        design.per_unit(rows.slate_weight[:, None] * np.array([count for _, count in sums]).T),
        design.of_units(design.promoted),
        seed=seed,
        n_draws=bootstrap_draws,
    )
    for effect, drawn in zip(effects, draws.T, strict=True):
        effect |= _summary(drawn)
    table = pd.DataFrame(effects)
    return table, pd.DataFrame(draws, columns=table["effect"].to_list())


def _summary(drawn: Floats) -> dict[str, float | None]:
    """Return the error and the interval of bootstrap draws, of which some may be missing."""
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < MIN_PER_ARM:
        missing = dict.fromkeys(("se", "ci_95_lower", "ci_95_upper", "draws"))
        return {f"bootstrap_{name}": value for name, value in missing.items()}
    tail = (1 - CONFIDENCE) / 2
    lower, upper = np.quantile(drawn, [tail, 1 - tail])
    return {
        "bootstrap_se": float(drawn.std(ddof=1)),
        "bootstrap_ci_95_lower": float(lower),
        "bootstrap_ci_95_upper": float(upper),
        "bootstrap_draws": len(drawn),
    }


def bootstrap(
    totals: Floats, counts: Floats, promoted: Booleans, *, seed: int, n_draws: int
) -> Floats:
    """Bootstrap differences of means by resampling randomized units within arms.

    Each draw is a vector of how often each unit was drawn; a table of rows is never copied.

    Parameters
    ----------
    totals, counts
        Sum of the outcome and number of rows by unit, shape (U, m) for m effects.
    promoted
        Arm of each unit, shape (U,).
    seed
        Study seed.
    n_draws
        Number of draws.

    Returns
    -------
    Differences between arms of (sum of outcome / number of rows), shape (n_draws, m); NaN where
    a draw has no row.
    """
    means = []
    for arm, chosen in enumerate((promoted, ~promoted)):
        values = np.hstack([totals[chosen], counts[chosen]])
        n_units, m = len(values), totals.shape[1]
        rng = generator(seed, "bootstrap", arm)
        step = max(1, _DRAWS_AT_ONCE // n_units)
        drawn = np.empty((n_draws, 2 * m))
        for start in range(0, n_draws, step):
            size = min(step, n_draws - start)
            picks = rng.integers(n_units, size=(size, n_units))
            picks += n_units * np.arange(size)[:, None]
            weights = np.bincount(picks.ravel(), minlength=size * n_units)
            drawn[start : start + size] = weights.reshape(size, n_units).astype(float) @ values
        total, count = drawn[:, :m], drawn[:, m:]
        means.append(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
    return np.asarray(means[0] - means[1])


def spillover_support(items: pd.DataFrame, *, near_positions: int) -> pd.DataFrame:
    """Count the rows and slates of each definition of spillover.

    Slates are counted as slates: those with at least one row of the definition.
    """
    rows = ItemRows.of(items)
    n_non_focal = int((~items["is_focal_item"]).sum())
    table = []
    for definition in SPILLOVER_DEFINITIONS:
        member = rows.member(definition, near_positions)
        table.append(
            {
                "definition": definition.label,
                "meaning": definition.said(near_positions),
                "rows": int(member.sum()),
                "treated_rows": int((member & rows.promoted).sum()),
                "control_rows": int((member & ~rows.promoted).sum()),
                "share_of_non_focal_rows": (
                    float(member.sum() / n_non_focal) if n_non_focal else None
                ),
                **_slate_counts(rows, member),
            }
        )
    return pd.DataFrame(table)


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
    unit (CR2, interval by t with Satterthwaite's degrees of freedom ``df``); beside it CR0, CR1
    and CR3, and CR1 by user, by item, and by user and item. With fewer than 50 units in an arm
    ``wild_bootstrap_p_value`` is that of the wild cluster bootstrap. Per slate: the difference of
    slate sums over all slates (0 where a slate has no such row), with Neyman's (HC2) errors.

    Dose: what moving down by one position changes for a non-focal item beyond what an item that
    does not move changes (OLS on displaced, promoted and the position change).

    A definition without rows in two units of each arm has missing numbers and says so in ``note``.
    """
    rows = ItemRows.of(items)
    table = []
    for number, definition in enumerate(SPILLOVER_DEFINITIONS):
        member = rows.member(definition, near_positions)
        rng = generator(seed, "wild_bootstrap", number)
        arm = rows.promoted[member].astype(np.float64)
        known = None
        if rows.known is not None and member.any():
            known = float(rows.known[member].mean())
        for unit in (PER_ROW, PER_SLATE):
            table.append({"definition": definition.label, "unit": unit} | _counts(rows, member))
            try:
                if unit == PER_ROW:
                    design = np.column_stack([np.ones(len(arm)), arm])
                    found = _row_effect(rows, member, design, known, rng, bootstrap_draws)
                else:
                    found = _slate_effect(rows, member)
            except NetliftError as error:
                found = {**numbers(None), "note": f"not estimated: {error}"}
            table[-1] |= found
    table.append({"definition": DOSE, "unit": PER_POSITION} | _dose(rows, seed, bootstrap_draws))
    return _ordered(pd.DataFrame(table))


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Put counts and the note behind the numbers."""
    last = ["rows", "slates", "note"]
    return table[[name for name in table if name not in last] + last]


def _dose(rows: ItemRows, seed: int, bootstrap_draws: int) -> dict[str, object]:
    """Return the effect per position that a non-focal item moves down."""
    member = rows.member(NON_FOCAL)
    change = rows.items["position_change"].to_numpy(dtype=np.float64)[member]
    displaced = rows.items["is_displaced"].to_numpy(dtype=np.float64)[member]
    arm = rows.promoted[member].astype(np.float64)
    design = np.column_stack([np.ones(len(arm)), displaced, arm, change])
    rng = generator(seed, "wild_bootstrap", len(SPILLOVER_DEFINITIONS))
    counts: dict[str, object] = dict(_counts(rows, member))
    known, moves = None, displaced == 1
    if rows.known is not None and moves.any() and not moves.all():
        known = float(rows.known[member][moves].mean() - rows.known[member][~moves].mean())
    try:
        found = _row_effect(rows, member, design, known, rng, bootstrap_draws)
    except NetliftError as error:
        return counts | numbers(None) | {"note": f"not estimated: {error}"}
    # The arms' means are those of all non-focal rows, not of a dose.
    return counts | found | dict.fromkeys(("treated_mean", "control_mean"))


def _row_effect(
    rows: ItemRows,
    member: Booleans,
    design: Floats,
    known: float | None,
    rng: np.random.Generator,
    n_draws: int,
) -> dict[str, object]:
    """Return the last coefficient of a fit on some rows, with all its errors."""
    click, unit = rows.click[member], rows.unit[member]
    promoted = rows.promoted[member]
    weight = rows.weight[member]
    _need_units(unit, promoted)
    fit = ClusteredFit.of(click[:, None], design, unit, weight)
    last = np.eye(design.shape[1])[-1]
    estimate = Estimate(
        float(fit.coefficients[-1, 0]), float(np.sqrt(fit.covariance(last)[0, 0])), fit.df(last)
    )
    found: dict[str, object] = {
        **numbers(estimate),
        **_arm_means(click, promoted, weight),
        **_against_known(estimate, known),
        **_other_errors(rows, member, design),
        "se_cr3": float(np.sqrt(fit.covariance(last, "CR3")[0, 0])),
        "wild_bootstrap_p_value": None,
        "note": None,
    }
    if min(len(np.unique(unit[arm])) for arm in (promoted, ~promoted)) < FEW_UNITS:
        found["wild_bootstrap_p_value"] = fit.wild_bootstrap_p_value(last, rng, n_draws)
    return found


def _need_units(unit: Integers, promoted: Booleans) -> None:
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
    estimate = rows.design.difference(click[:, None]).combination((1,))
    known = None if rows.known is None else float(rows.known[member].sum() / rows.n_slates)
    return {
        **numbers(estimate),
        **_arm_means(click, rows.design.promoted, rows.slate_weight),
        **_against_known(estimate, known),
        "note": None,
    }


def _observed(rows: ItemRows, label: str, unit: str, member: Booleans) -> dict[str, object]:
    """Return one observed effect, per item row or per slate."""
    by_slate = unit == PER_SLATE
    click = rows.per_slate(rows.click) if by_slate else rows.click[member]
    promoted = rows.design.promoted if by_slate else rows.promoted[member]
    units = rows.design.unit if by_slate else rows.unit[member]
    users = rows.user[rows.starts] if by_slate else rows.user[member]
    weight = rows.slate_weight if by_slate else rows.weight[member]
    known = None
    if rows.known is not None and member.any():
        known = float(rows.known[member].sum() / (rows.n_slates if by_slate else member.sum()))
    counts = {
        "treated_rows": int((member & rows.promoted).sum()),
        "control_rows": int((member & ~rows.promoted).sum()),
        **{name: value for name, value in _slate_counts(rows, member).items() if name != "slates"},
    }
    design = np.column_stack([np.ones(len(click)), promoted])
    row: dict[str, object] = {"effect": label, "unit": unit}
    try:
        _need_units(units, promoted)
        if by_slate:
            estimate = rows.design.difference(click[:, None]).combination((1,))
        else:
            estimate = clustered_coefficient(click, design, units, weight)
    except NetliftError as error:
        missing = dict.fromkeys(("se_user_clustered", "treated_mean", "control_mean"))
        truth = {} if rows.known is None else {"known_effect": known}
        note = {"note": f"not estimated: {error}"}
        return row | numbers(None) | missing | counts | truth | note
    return row | {
        **numbers(estimate),
        "se_user_clustered": _user_clustered(click, design, users, weight),
        **_arm_means(click, promoted, weight),
        **counts,
        **_against_known(estimate, known),
        "note": None,
    }


def _user_clustered(click: Floats, design: Floats, users: Integers, weight: Floats) -> float | None:
    """Return the error clustered by user (CR2); None where an arm has fewer than two users."""
    try:
        _need_units(users, design[:, 1] == 1)
        return clustered_coefficient(click, design, users, weight).se
    except NetliftError:
        return None


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


def _against_known(estimate: Estimate, known: float | None) -> dict[str, float | None]:
    if known is None:
        return {}
    distance = (estimate.value - known) / estimate.se if estimate.se > 0 else None
    return {"known_effect": known, "distance_from_known_in_se": distance}
