"""Observed effects per item row and per slate, with errors clustered by slate and by user."""

from __future__ import annotations

import numpy as np
import pandas as pd

from netlift.core.arrays import Booleans, Floats
from netlift.core.errors import NetliftError
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_ROW, PER_SLATE
from netlift.effects.codes import (
    DIRECT_LINE,
    INDIRECT_LINE,
    OTHER_LINE,
    SAME_CLUSTER_LINE,
    TOTAL_LINE,
    Line,
)
from netlift.effects.estimators import difference
from netlift.effects.item_rows import (
    FOCAL,
    NON_FOCAL,
    OTHER,
    SAME_CLUSTER,
    ItemRows,
)
from netlift.effects.spillover import _compared_with_known, _need_units, _slate_counts
from netlift.inference.arms import need_units
from netlift.inference.bootstrap import bootstrap
from netlift.inference.estimate import CONFIDENCE, MIN_PER_ARM, numbers
from netlift.inference.row_means import row_difference

OBSERVED_EFFECTS = (
    (DIRECT_LINE, FOCAL),
    (SAME_CLUSTER_LINE, SAME_CLUSTER),
    (OTHER_LINE, OTHER),
    (INDIRECT_LINE, NON_FOCAL),
)
"""Lines that have an effect per item row, and their item rows."""


MEMBERS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=np.float64)
"""Components in each group of rows, in the order of ``OBSERVED_EFFECTS``."""


def observed_effects(
    items: pd.DataFrame, *, seed: int, bootstrap_draws: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimate the effects of promotion on observed clicks.

    Parameters
    ----------
    items
        The table of slate items with clicks; the rows of a slate are consecutive.
    seed
        Study seed, for the bootstrap.
    bootstrap_draws
        Resamples of randomized units.

    Returns
    -------
    Effects, and bootstrap draws.

    The effects: one row per group of items, per item row (difference of row means, errors
    clustered by the randomized unit, and also by user), and one for the full slate, per
    slate; where probabilities of promotion differ, slates are weighted by them. In a simulated
    world also the known effect over both arms, and the estimate's distance from it in standard
    errors. A group without rows of two units in each arm has missing numbers and a ``note``. The
    draws: one column per line, one row per resample; missing where a resample has no row of the
    group in an arm, which ``bootstrap_draws`` does not count.
    """
    rows = ItemRows.from_items(items)
    need_units(rows.design.promoted, rows.design.unit)
    everything = np.ones(len(items), dtype=bool)
    effects, sums = [], []
    for line, definition in OBSERVED_EFFECTS:
        member = rows.member(definition)
        effects.append(_observed(rows, line, PER_ROW, member))
        sums.append((rows.per_slate(rows.click * member), rows.per_slate(member)))
    effects.append(_observed(rows, TOTAL_LINE, PER_SLATE, everything))
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
    table = CLICKS.in_units(pd.DataFrame(effects))
    return table, pd.DataFrame(draws, columns=table["line"].to_list())


def _summary(drawn: Floats) -> dict[str, float | None]:
    """Return the error and interval of bootstrap draws, some of which may be missing."""
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


def _observed(rows: ItemRows, line: Line, unit: str, member: Booleans) -> dict[str, object]:
    """Return one observed effect, per item row or per slate."""
    by_slate = unit == PER_SLATE
    design, users = rows.design, rows.user[rows.starts]
    click = rows.per_slate(rows.click * member)
    count = np.ones(rows.n_slates) if by_slate else rows.per_slate(member)
    weighted = click * rows.slate_weight, count * rows.slate_weight
    known = None
    if rows.known is not None and member.any():
        known = float(rows.known[member].sum() / count.sum())
    counts = {
        "treated_rows": int((member & rows.promoted).sum()),
        "control_rows": int((member & ~rows.promoted).sum()),
        **{name: value for name, value in _slate_counts(rows, member).items() if name != "slates"},
    }
    row: dict[str, object] = {"line": line.code, "component": line.component, "unit_code": unit}
    try:
        _need_units(design.unit[count > 0], design.promoted[count > 0])
        if by_slate:
            estimate = difference(design, click[:, None]).combination((1,))
        else:
            estimate = row_difference(design.promoted, *weighted, design.unit).single
    except NetliftError as error:
        missing = dict.fromkeys(("se_user_clustered", "treated_mean", "control_mean"))
        known_effect = {} if rows.known is None else {"known_effect": known}
        note = {"note": f"not estimated: {error}"}
        return row | numbers(None) | missing | counts | known_effect | note
    # NaN where an arm has rows of fewer than two users.
    by_user = row_difference(design.promoted, *weighted, users).single.se
    return row | {
        **numbers(estimate),
        "se_user_clustered": None if np.isnan(by_user) else by_user,
        **_arm_means(design.promoted, *weighted),
        **counts,
        **_compared_with_known(estimate, known),
        "note": None,
    }


def _arm_means(promoted: Booleans, total: Floats, count: Floats) -> dict[str, float]:
    return {
        name: float(total[arm].sum() / count[arm].sum())
        for name, arm in (("treated_mean", promoted), ("control_mean", ~promoted))
    }
