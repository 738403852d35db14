"""The ledger: direct, indirect and total effects per slate that add up exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE_SQUARED
from netlift.effects.agreement import p_value_of_difference
from netlift.effects.claims import claim_columns
from netlift.effects.codes import INDIRECT, LINES, TOTAL
from netlift.effects.slate_accounts import SlateAccounts
from netlift.inference.arms import ArmDifference
from netlift.inference.estimate import Estimate
from netlift.promotion.exposure import COMPONENTS

TOLERANCE = 1e-12


def component_effects(accounts: SlateAccounts) -> pd.DataFrame:
    """Estimate every line of the ledger for every outcome type.

    Parameters
    ----------
    accounts
        Those of one experiment.

    Returns
    -------
    One row per outcome type, estimator and line; effects per slate and per 1,000 promoted
    slates, with 95% intervals and their degrees of freedom. These are for the users of the
    experiment; ``se_users``, ``df_users``, ``ci_95_lower_users`` and ``ci_95_upper_users`` (per
    slate) are for users like these, and ``users_errors`` says how they were found (a code of
    ``users.USERS_ERRORS``). ``claims_95`` says whether the interval is promised to cover 95%, by
    ``effective_units`` and ``effective_terms`` (see ``claims``). ``is_main`` marks the
    estimator of statements and figures, and ``p_value_of_difference`` says whether an estimator
    of means differs from it by more than chance (see ``agreement``). ``note`` names the covariates
    of Lin's regression and those dropped, or states what is wrong with an estimator, or why it has
    no numbers, or is not the declared one.

    Raises
    ------
    NetliftError
        An arm has fewer than two randomized units.
    """
    rows = []
    claims = {outcome: accounts.claims(outcome) for outcome in accounts.outcomes}
    for outcome, estimator, arms, note in accounts.ledgers():
        for number, line in enumerate(LINES):
            weights = line.weights
            rows.append(
                {
                    "outcome_type": outcome,
                    **line.columns,
                    "estimator": estimator,
                    **_line(arms, weights),
                    **accounts.arms,
                    **_per_1000(arms, weights),
                    "df": None if arms is None else arms.combination(weights).df,
                    **accounts.users_columns(outcome, estimator, arms, weights),
                    **claim_columns(None if arms is None else claims[outcome].part(number)),
                    "is_main": estimator == accounts.main,
                    "p_value_of_difference": p_value_of_difference(
                        accounts, outcome, estimator, weights
                    ),
                    "note": _note(accounts, estimator, note),
                }
            )
    return pd.DataFrame(rows)


def _note(accounts: SlateAccounts, estimator: str, note: str | None) -> str | None:
    """Return the note on an estimator; on the main one also why it is not the declared one."""
    why = accounts.why_not_declared if estimator == accounts.main else ""
    return "; ".join(filter(None, (why, note))) or None


def component_covariance(
    accounts: SlateAccounts, *, units: Mapping[str, str] = MappingProxyType({})
) -> pd.DataFrame:
    """Return the joint covariance of the three component effects.

    Parameters
    ----------
    accounts
        One row per slate.
    units
        Unit by outcome type; clicks by default.

    Returns
    -------
    One row per outcome type, estimator and pair of components, ``covariance`` in squared outcomes
    per slate, and ``correlation`` (missing where an effect has no variance). The variance of any
    sum of components, including the total, is the sum of its entries.
    """
    parts = LINES[: len(COMPONENTS)]
    rows = []
    for outcome, estimator, arms, note in accounts.ledgers():
        squared = Outcome(units.get(outcome, CLICKS.unit)).of(PER_SLATE_SQUARED)
        for i, first in enumerate(parts):
            for j, second in enumerate(parts):
                covariance = correlation = None
                if arms is not None:
                    matrix = arms.covariance
                    covariance = float(matrix[i, j])
                    scale = float(np.sqrt(matrix[i, i] * matrix[j, j]))
                    correlation = covariance / scale if scale > 0 else None
                rows.append(
                    {
                        "outcome_type": outcome,
                        "estimator": estimator,
                        "line_1": first.code,
                        "component_1": first.component,
                        "line_2": second.code,
                        "component_2": second.component,
                        "covariance": covariance,
                        "correlation": correlation,
                        "unit_code": PER_SLATE_SQUARED,
                        "unit": squared,
                        "note": note if arms is None else None,
                    }
                )
    return pd.DataFrame(rows)


def additivity_checks(accounts: SlateAccounts) -> pd.DataFrame:
    """Check that the parts add up to totals that were summed and estimated separately.

    Returns
    -------
    One row per outcome type, estimator and identity: both sides, their difference, the tolerance
    (relative for values above 1) and whether the identity holds; an estimator without
    numbers has no rows. The effects' unit is the outcome per slate.
    """
    rows = []
    totals: dict[str, Iterator[ArmDifference]] = {}
    for outcome, estimator, arms, _ in accounts.ledgers():
        if arms is None:
            continue
        total = next(totals.setdefault(estimator, accounts.totals(estimator)))
        direct, same, other, _ = (arms.combination(line.weights) for line in LINES)
        indirect, joint = arms.combination(INDIRECT), arms.combination(TOTAL)
        whole = total.combination((1,))
        identities = {
            "direct + indirect = total": (direct.value + indirect.value, whole.value),
            "same-cluster + other = indirect": (same.value + other.value, indirect.value),
            # Variances, because the root of a rounding error exceeds rounding error.
            "variance of the total from the joint covariance = its own": (
                joint.se**2,
                whole.se**2,
            ),
        }
        rows += [
            _check(outcome, estimator, identity, left, right)
            for identity, (left, right) in identities.items()
        ]
    return pd.DataFrame(rows)


def component_support(accounts: pd.DataFrame) -> pd.DataFrame:
    """Count the rows and slates of each component.

    Returns
    -------
    One row per component: item rows and slates that have at least one of them, in all and by
    arm, rows per slate by arm, and rows that are above the focal item before promotion.
    """
    promoted = accounts["promotion_applied"].to_numpy() == 1
    focal = pd.Series(1, index=accounts.index)
    same, other = accounts["n_same_cluster"], accounts["n_other"]
    same_displaced = accounts["n_same_cluster_displaced"]
    counts = (
        (focal, 0 * focal),
        (same, same_displaced),
        (other, accounts["n_displaced"] - same_displaced),
        (accounts["n_items"], accounts["n_displaced"]),
    )
    return pd.DataFrame(
        [
            {
                "line": line.code,
                "component": line.component,
                "rows": int(count.sum()),
                "treated_rows": int(count[promoted].sum()),
                "control_rows": int(count[~promoted].sum()),
                "displaced_rows": int(displaced.sum()),
                "slates": int((count > 0).sum()),
                "treated_slates": int((count[promoted] > 0).sum()),
                "control_slates": int((count[~promoted] > 0).sum()),
                "rows_per_treated_slate": float(count[promoted].mean()),
                "rows_per_control_slate": float(count[~promoted].mean()),
            }
            for line, (count, displaced) in zip(LINES, counts, strict=True)
        ]
    )


def _line(arms: ArmDifference | None, weights: tuple[int, ...]) -> dict[str, float | None]:
    """Return one line of the ledger: effect, error, interval and the arms' means, per slate."""
    names = ("estimate_per_slate", "se", "ci_95_lower", "ci_95_upper")
    if arms is None:
        return dict.fromkeys((*names, "treated_mean", "control_mean"))
    estimate = arms.combination(weights)
    values = (estimate.value, estimate.se, *estimate.interval)
    return {
        **dict(zip(names, values, strict=True)),
        "treated_mean": arms.treated.combination(weights).value,
        "control_mean": arms.control.combination(weights).value,
    }


def _per_1000(arms: ArmDifference | None, weights: tuple[int, ...]) -> dict[str, float | None]:
    names = (
        "estimate_per_1000_promoted_slates",
        "ci_95_lower_per_1000",
        "ci_95_upper_per_1000",
    )
    if arms is None:
        return dict.fromkeys(names)
    estimate: Estimate = arms.combination(weights).scaled(1000)
    return dict(zip(names, (estimate.value, *estimate.interval), strict=True))


def _check(
    outcome: str, estimator: str, identity: str, left: float, right: float
) -> dict[str, object]:
    return {
        "outcome_type": outcome,
        "estimator": estimator,
        "identity": identity,
        "left": left,
        "right": right,
        "difference": left - right,
        "tolerance": TOLERANCE,
        "holds": abs(left - right) <= TOLERANCE * max(1.0, abs(left), abs(right)),
    }
