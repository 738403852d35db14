"""Effects on item rows: observed effects, their bootstrap, and five definitions of spillover."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.accounts import has_truth
from netlift.errors import NetliftError
from netlift.inference import CONFIDENCE, ArmDifference, Estimate, clustered_difference
from netlift.streams import generator

PER_ROW = "clicks per item row"
PER_SLATE = "clicks per slate"

_DRAWS_AT_ONCE = 1 << 21
"""Resampled slates held in memory at once."""


@dataclass(frozen=True)
class Definition:
    """A set of item rows that a promotion may touch.

    Attributes
    ----------
    label
        Its name in tables and figures.
    meaning
        In words.
    rows
        Picks the rows out of an items table; the second argument is the number of positions
        above the focal item that count as near.
    """

    label: str
    meaning: str
    rows: Callable[[pd.DataFrame, int], pd.Series]


def _non_focal(items: pd.DataFrame, _: int) -> pd.Series:
    return ~items["is_focal_item"]


def _same_cluster(items: pd.DataFrame, _: int) -> pd.Series:
    return items["component"] == "same_cluster_competitor"


def _other(items: pd.DataFrame, _: int) -> pd.Series:
    return items["component"] == "other_competitor"


def _displaced(items: pd.DataFrame, _: int) -> pd.Series:
    return items["is_displaced"]


def _near(items: pd.DataFrame, near: int) -> pd.Series:
    above = items["focal_seed_position"] - items["slate_position_seed"]
    return (above > 0) & (above <= near)


SPILLOVER_DEFINITIONS = (
    Definition("All non-focal", "every item of the slate but the focal one", _non_focal),
    Definition("Same cluster", "non-focal items in the focal item's cluster", _same_cluster),
    Definition("Displaced", "items above the focal item before promotion", _displaced),
    Definition(
        "Same-cluster displaced",
        "displaced items in the focal item's cluster",
        lambda items, near: _displaced(items, near) & _same_cluster(items, near),
    ),
    Definition("Near displaced", "displaced items just above the focal item", _near),
)

OBSERVED_EFFECTS = (
    Definition("Focal item", "the promoted item itself", lambda items, _: items["is_focal_item"]),
    Definition("Same-cluster competitors", SPILLOVER_DEFINITIONS[1].meaning, _same_cluster),
    Definition("Other competitors", "non-focal items in other clusters", _other),
    Definition("All competitors", SPILLOVER_DEFINITIONS[0].meaning, _non_focal),
)
FULL_SLATE = "Full slate"


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
        Resamples of slates.

    Returns
    -------
    Effects, and bootstrap draws.

    The effects: one row per group of items, per item row (difference of row means, errors
    clustered by slate, the randomized unit, and by user beside it), and one for the full slate,
    per slate. In a simulated world also the known effect over both arms, and the estimate's
    distance from it in standard errors. The draws: one column per effect, one row per resample.
    """
    rows = _Rows.of(items)
    effects, sums = [], []
    for definition in OBSERVED_EFFECTS:
        member = definition.rows(items, 0).to_numpy()
        effects.append(_observed(rows, definition.label, PER_ROW, member))
        sums.append((rows.per_slate(rows.click * member), rows.per_slate(member)))
    clicks = rows.per_slate(rows.click)
    effects.append(_observed_slate(rows, clicks))
    sums.append((clicks, np.ones(rows.n_slates)))
    draws = bootstrap(
        np.array([total for total, _ in sums]).T,
        np.array([count for _, count in sums]).T,
        rows.slate_promoted,
        seed=seed,
        n_draws=bootstrap_draws,
    )
    tail = (1 - CONFIDENCE) / 2
    ends = np.quantile(draws, [tail, 1 - tail], axis=0)
    for effect, se, lower, upper in zip(effects, draws.std(axis=0, ddof=1), *ends, strict=True):
        effect["bootstrap_se"] = se
        effect["bootstrap_ci_95_lower"] = lower
        effect["bootstrap_ci_95_upper"] = upper
    table = pd.DataFrame(effects)
    return table, pd.DataFrame(draws, columns=table["effect"].to_list())


def bootstrap(
    totals: NDArray[np.float64],
    counts: NDArray[np.float64],
    promoted: NDArray[np.bool_],
    *,
    seed: int,
    n_draws: int,
) -> NDArray[np.float64]:
    """Bootstrap differences of means by resampling slates within arms.

    Each draw is a vector of how often each slate was drawn; a table of rows is never copied.

    Parameters
    ----------
    totals, counts
        Sum of the outcome and number of rows by slate, shape (N, m) for m effects.
    promoted
        Arm of each slate, shape (N,).
    seed
        Study seed.
    n_draws
        Number of draws.

    Returns
    -------
    Differences between arms of (sum of outcome / number of rows), shape (n_draws, m).
    """
    means = []
    for arm, chosen in enumerate((promoted, ~promoted)):
        values = np.hstack([totals[chosen], counts[chosen]])
        n_slates, m = len(values), totals.shape[1]
        rng = generator(seed, "bootstrap", arm)
        step = max(1, _DRAWS_AT_ONCE // n_slates)
        drawn = np.empty((n_draws, 2 * m))
        for start in range(0, n_draws, step):
            size = min(step, n_draws - start)
            picks = rng.integers(n_slates, size=(size, n_slates))
            picks += n_slates * np.arange(size)[:, None]
            weights = np.bincount(picks.ravel(), minlength=size * n_slates)
            drawn[start : start + size] = weights.reshape(size, n_slates).astype(float) @ values
        means.append(drawn[:, :m] / drawn[:, m:])
    return means[0] - means[1]


def spillover_support(items: pd.DataFrame, *, near_positions: int) -> pd.DataFrame:
    """Count the rows and slates of each definition of spillover.

    Slates are counted as slates: those with at least one row of the definition.
    """
    rows = _Rows.of(items)
    n_non_focal = int((~items["is_focal_item"]).sum())
    table = []
    for definition in SPILLOVER_DEFINITIONS:
        member = definition.rows(items, near_positions).to_numpy()
        has = rows.per_slate(member) > 0
        table.append(
            {
                "definition": definition.label,
                "meaning": _meaning(definition, near_positions),
                "rows": int(member.sum()),
                "treated_rows": int((member & rows.promoted).sum()),
                "control_rows": int((member & ~rows.promoted).sum()),
                "share_of_non_focal_rows": float(member.sum() / n_non_focal),
                "slates": int(has.sum()),
                "treated_slates": int((has & rows.slate_promoted).sum()),
                "control_slates": int((has & ~rows.slate_promoted).sum()),
            }
        )
    return pd.DataFrame(table)


def spillover_sensitivity(items: pd.DataFrame, *, near_positions: int) -> pd.DataFrame:
    """Estimate the spillover under each definition, per item row and per slate.

    Returns
    -------
    Two rows per definition. Per item row: the difference of row means between arms, errors
    clustered by slate. Per slate: the difference of slate sums over all slates (0 where a slate
    has no such row), with Neyman's (HC2) errors. A definition without rows in two slates of each
    arm has missing numbers and says so in ``note``.
    """
    rows = _Rows.of(items)
    table = []
    for definition in SPILLOVER_DEFINITIONS:
        member = definition.rows(items, near_positions).to_numpy()
        for unit in (PER_ROW, PER_SLATE):
            table.append(
                {
                    "definition": definition.label,
                    "unit": unit,
                    **_spillover(rows, member, unit),
                    "rows": int(member.sum()),
                    "slates": int((rows.per_slate(member) > 0).sum()),
                }
            )
    return pd.DataFrame(table)


@dataclass(frozen=True)
class _Rows:
    """The columns of an items table that every row-level effect needs."""

    click: NDArray[np.float64]
    promoted: NDArray[np.bool_]
    slate: NDArray[np.int64]
    user: NDArray[np.int64]
    starts: NDArray[np.int64]
    known: NDArray[np.float64] | None

    @classmethod
    def of(cls, items: pd.DataFrame) -> _Rows:
        slate_id = items["slate_id"].to_numpy()
        changes = np.r_[True, slate_id[1:] != slate_id[:-1]]
        known = (items["p_promoted"] - items["p_control"]).to_numpy() if has_truth(items) else None
        return cls(
            click=items["click"].to_numpy(dtype=np.float64),
            promoted=items["promotion_applied"].to_numpy() == 1,
            slate=np.cumsum(changes) - 1,
            user=np.unique(items["user_id"].to_numpy(), return_inverse=True)[1],
            starts=np.flatnonzero(changes),
            known=known,
        )

    @property
    def n_slates(self) -> int:
        return len(self.starts)

    @property
    def slate_promoted(self) -> NDArray[np.bool_]:
        return self.promoted[self.starts]

    def per_slate(self, values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(self.slate, values, self.n_slates).astype(np.float64)


def _observed(rows: _Rows, label: str, unit: str, member: NDArray[np.bool_]) -> dict[str, object]:
    click, promoted = rows.click[member], rows.promoted[member]
    try:
        estimate = clustered_difference(click, promoted, rows.slate[member])
        by_user = clustered_difference(click, promoted, rows.user[member])
    except NetliftError as error:
        raise NetliftError(f"observed effect on {label}: {error}") from error
    known = None if rows.known is None else float(rows.known[member].mean())
    slates = rows.per_slate(member) > 0
    return {
        "effect": label,
        "unit": unit,
        **_with_interval(estimate),
        "se_user_clustered": by_user.se,
        **_arm_means(click, promoted),
        "treated_rows": int(promoted.sum()),
        "control_rows": int((~promoted).sum()),
        "treated_slates": int((slates & rows.slate_promoted).sum()),
        "control_slates": int((slates & ~rows.slate_promoted).sum()),
        **_against_known(estimate, known),
    }


def _observed_slate(rows: _Rows, clicks: NDArray[np.float64]) -> dict[str, object]:
    promoted = rows.slate_promoted
    estimate = ArmDifference.of(clicks[:, None], promoted).combination((1,))
    by_user = clustered_difference(clicks, promoted, rows.user[rows.starts])
    known = None if rows.known is None else float(rows.known.sum() / rows.n_slates)
    return {
        "effect": FULL_SLATE,
        "unit": PER_SLATE,
        **_with_interval(estimate),
        "se_user_clustered": by_user.se,
        **_arm_means(clicks, promoted),
        "treated_rows": int(rows.promoted.sum()),
        "control_rows": int((~rows.promoted).sum()),
        "treated_slates": int(promoted.sum()),
        "control_slates": int((~promoted).sum()),
        **_against_known(estimate, known),
    }


def _spillover(rows: _Rows, member: NDArray[np.bool_], unit: str) -> dict[str, object]:
    known: float | None = None
    try:
        if unit == PER_ROW:
            click, promoted = rows.click[member], rows.promoted[member]
            estimate = clustered_difference(click, promoted, rows.slate[member])
            if rows.known is not None:
                known = float(rows.known[member].mean())
        else:
            click, promoted = rows.per_slate(rows.click * member), rows.slate_promoted
            if not member.any():
                raise NetliftError("no item row fits the definition")
            estimate = ArmDifference.of(click[:, None], promoted).combination((1,))
            if rows.known is not None:
                known = float(rows.known[member].sum() / rows.n_slates)
    except NetliftError as error:
        missing = dict.fromkeys(("estimate", "se", "ci_95_lower", "ci_95_upper"))
        return {**missing, "treated_mean": None, "control_mean": None, "note": str(error)}
    return {
        **_with_interval(estimate),
        **_arm_means(click, promoted),
        **_against_known(estimate, known),
        "note": None,
    }


def _with_interval(estimate: Estimate) -> dict[str, float]:
    lower, upper = estimate.interval
    return {
        "estimate": estimate.value,
        "se": estimate.se,
        "ci_95_lower": lower,
        "ci_95_upper": upper,
    }


def _arm_means(outcome: NDArray[np.float64], promoted: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "treated_mean": float(outcome[promoted].mean()),
        "control_mean": float(outcome[~promoted].mean()),
    }


def _against_known(estimate: Estimate, known: float | None) -> dict[str, float | None]:
    if known is None:
        return {}
    distance = (estimate.value - known) / estimate.se if estimate.se > 0 else None
    return {"known_effect": known, "distance_from_known_in_se": distance}


def _meaning(definition: Definition, near: int) -> str:
    if definition.label == "Near displaced":
        return f"items at most {near} positions above the focal item before promotion"
    return definition.meaning
