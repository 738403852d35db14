"""Claims of an item-level analysis, and their errors compared with the net change of slates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from netlift.core.arrays import Booleans, Floats
from netlift.core.errors import NetliftError
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000
from netlift.effects.estimators import difference
from netlift.effects.item_rows import FOCAL, ItemRows
from netlift.inference.arms import ArmDifference, ratio_of
from netlift.inference.estimate import MIN_PER_ARM, Estimate, Ratio

WRONG_SIGN, OVERSTATES, UNDERSTATES, NOT_SHOWN = (
    "wrong_sign",
    "overstates",
    "understates",
    "error_not_shown",
)
VERDICTS = {
    WRONG_SIGN: "wrong sign",
    OVERSTATES: "overstates",
    UNDERSTATES: "understates",
    NOT_SHOWN: "error not shown",
}
"""Labels of the verdicts."""

METRICS = {
    "focal_gain": "Focal gain alone",
    "within_slates": "Promoted against other items of the same slates",
    "across_slates": "Promoted against all unpromoted items",
}
"""Labels of the numbers that item-level analyses report."""


@dataclass(frozen=True)
class _Claim:
    """One item-level number, as a sum over slates whose error follows from the design.

    Attributes
    ----------
    metric, calculation
        Its code, and how an item-level analysis computes it.
    outcome
        Shape (N,): its difference between arms is the claim, and to first order its error.
    reported_se
        The error that the item-level analysis reports, treating rows as independent; None where it
        has fewer than two rows to compare.
    known
        Its expectation under the known probabilities; None outside simulated worlds.
    control_is_constant
        Whether all control slates have the same outcome by construction.
    """

    metric: str
    calculation: str
    outcome: Floats
    reported_se: float | None
    known: float | None
    control_is_constant: bool = False


def item_level_claim(items: pd.DataFrame, *, outcome: Outcome = CLICKS) -> pd.DataFrame:
    """Compare claims of item-level analyses with the net change of the slate.

    Parameters
    ----------
    items
        The table of slate items with clicks.
    outcome
        The outcome's names.

    Returns
    -------
    One row per claim, per 1,000 promoted slates (all focal items of each): the ``claim`` with the
    error that an item-level analysis reports (``claim_reported_se``: rows treated as independent,
    plain OLS), its error and 95% interval by randomized units, the ``net_change`` of whole slates
    from the same data, ``error_of_claim`` (claim minus net change) with its interval, the ratio of
    claim to net change with Fieller's set, a verdict, and in a simulated world the known values.
    Claims about promoted and unpromoted items are ratios of sums; their errors are by
    linearization.

    Raises
    ------
    NetliftError
        An arm has fewer than two randomized units, or no promoted slate has another item.
    """
    rows = ItemRows.from_items(items)
    total = rows.per_slate(rows.click)
    known_net = None if rows.known is None else float(rows.known.sum() / rows.n_slates)
    table = []
    for claim in _claims(rows, outcome):
        arms = difference(rows.design, np.column_stack([claim.outcome, total]))
        # A control arm that is constant by construction is known exactly; it is not without clicks.
        claim_arms = replace(arms, exact=claim.control_is_constant)
        claimed, net, error = (
            part.combination(weights).scaled(1000)
            for part, weights in ((claim_arms, (1, 0)), (arms, (0, 1)), (arms, (1, -1)))
        )
        ratio = ratio_of(claim_arms, (1, 0), (0, 1))
        row: dict[str, object] = {
            "metric": claim.metric,
            "calculation": claim.calculation,
            "unit_code": PER_1000,
            **_numbers("claim", claimed),
            "claim_reported_se": None if claim.reported_se is None else 1000 * claim.reported_se,
            **_numbers("net_change", net),
            **_numbers("error_of_claim", error),
            "claim_over_net_change": ratio.value,
            **_ratio_numbers(ratio),
            "verdict": _verdict(claimed, net, error),
        }
        if claim.known is not None and known_net is not None:
            row |= {
                "known_claim": 1000 * claim.known,
                "known_net_change": 1000 * known_net,
                "known_error_of_claim": 1000 * (claim.known - known_net),
            }
        table.append(row)
    return with_labels(outcome.in_units(pd.DataFrame(table)), metric=METRICS, verdict=VERDICTS)


def _claims(rows: ItemRows, outcome: Outcome) -> list[_Claim]:
    focal, shown = rows.member(FOCAL), _shown(rows, "final_position")
    promoted, weight = rows.design.promoted, rows.slate_weight
    focal_clicks, others = (rows.per_slate(rows.click * part) for part in (focal, ~focal))
    n_others, n_shown = rows.per_slate(~focal & shown), rows.per_slate(shown)
    several = focal.sum() / rows.n_slates
    if n_others[promoted].sum() == 0:
        raise NetliftError("promoted slates have no item but the focal one to compare with")

    def mean(values: Floats, arm: Booleans) -> float:
        return float(np.average(values[arm], weights=weight[arm])) if arm.any() else 0.0

    # A ratio of sums, c = sum of clicks / sum of rows, moves to first order with clicks - c rows.
    per_slate = mean(n_others, promoted)
    mean_others = mean(others, promoted) / per_slate
    deviation = (others - mean_others * n_others) / per_slate
    same_slates = np.where(promoted, focal_clicks - several * deviation, several * mean_others)
    clicks = np.where(promoted, others, focal_clicks + others)
    counts = np.where(promoted, n_others, n_shown)
    share = float(promoted.mean())
    parts = ((promoted, share), (~promoted, 1 - share))
    rows_per_slate = sum(part * mean(counts, arm) for arm, part in parts)
    everywhere = sum(part * mean(clicks, arm) for arm, part in parts) / rows_per_slate
    moved = (clicks - everywhere * counts) / rows_per_slate
    whole_log = np.where(
        promoted,
        focal_clicks - several * share * moved,
        several * (everywhere + (1 - share) * moved),
    )
    is_promoted = focal & rows.promoted
    known = _known_claims(rows, focal, several)
    return [
        _Claim(
            "focal_gain",
            f"{outcome.unit} on the focal item, promoted minus control slates; other items are "
            "ignored",
            focal_clicks,
            _ols_se(rows.click[focal], rows.promoted[focal], several),
            known[0],
        ),
        _Claim(
            "within_slates",
            f"{outcome.mean} of promoted items minus that of the other items in promoted slates",
            same_slates,
            _ols_se(rows.click[rows.promoted & shown], is_promoted[rows.promoted & shown], several),
            known[1],
            control_is_constant=True,
        ),
        _Claim(
            "across_slates",
            f"{outcome.mean} of promoted items minus that of all other items in the log",
            whole_log,
            _ols_se(rows.click[shown], is_promoted[shown], several),
            known[2],
        ),
    ]


def _shown(rows: ItemRows, position: str) -> Booleans:
    """Return which rows have a position: an item that is not shown is not in a log of items."""
    if position not in rows.items:
        return np.ones(len(rows.items), dtype=bool)
    return np.asarray(rows.items[position].notna())


def _known_claims(rows: ItemRows, focal: Booleans, several: float) -> tuple[float | None, ...]:
    """Return the claims' expectations over all slates, with the log's share of promoted slates."""
    if rows.known is None:
        return None, None, None
    p_control = rows.items["p_control"].to_numpy(dtype=np.float64)
    p_promoted = rows.items["p_promoted"].to_numpy(dtype=np.float64)
    share = float(rows.design.promoted.mean())
    others = p_promoted[~focal].sum()
    n_others = (~focal & _shown(rows, "promoted_position")).sum()
    clicks = share * others + (1 - share) * p_control.sum()
    count = share * n_others + (1 - share) * _shown(rows, "slate_position_seed").sum()
    gain = p_promoted[focal].mean()
    claims = (gain - p_control[focal].mean(), gain - others / n_others, gain - clicks / count)
    return tuple(several * float(claim) for claim in claims)


def _ols_se(outcome: Floats, group: Booleans, several: float) -> float | None:
    """Return several times the OLS error of a difference in means, with rows as independent."""
    if min(int(group.sum()), int((~group).sum())) < MIN_PER_ARM:
        return None
    arms = ArmDifference.from_outcomes(outcome[:, None], group).pooled()
    return several * arms.combination((1,)).se


def _numbers(name: str, estimate: Estimate) -> dict[str, float]:
    lower, upper = estimate.interval
    return {
        name: estimate.value,
        f"{name}_se": estimate.se,
        f"{name}_ci_95_lower": lower,
        f"{name}_ci_95_upper": upper,
    }


def _ratio_numbers(ratio: Ratio) -> dict[str, object]:
    return {
        "ratio_ci_95_lower": ratio.lower,
        "ratio_ci_95_upper": ratio.upper,
        "ratio_interval_kind": ratio.kind,
    }


def _verdict(claimed: Estimate, net: Estimate, error: Estimate) -> str:
    """Judge a claim by intervals: first its sign, then its error."""
    if claimed.sign * net.sign < 0:
        return WRONG_SIGN
    return {1: OVERSTATES, -1: UNDERSTATES, 0: NOT_SHOWN}[error.sign]
