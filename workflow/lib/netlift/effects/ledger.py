"""The ledger: direct, indirect and total effects per slate that add up exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd

from netlift.core.arrays import Floats
from netlift.core.errors import NetliftError
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE_SQUARED
from netlift.effects.accounts import OUTCOMES
from netlift.effects.claims import Claims, claim_columns
from netlift.effects.codes import INDIRECT, LINES, TOTAL
from netlift.effects.covariates import Covariates
from netlift.effects.estimators import ESTIMATORS, MAIN, difference, main_estimator
from netlift.effects.items_table import KNOWN_EFFECT
from netlift.effects.users import BY_USER, CROSSED, user_clusters, users_columns
from netlift.inference.arms import ArmDifference
from netlift.inference.estimate import Estimate
from netlift.inference.users import UserErrors
from netlift.promotion.design import Design
from netlift.promotion.exposure import COMPONENTS

TOLERANCE = 1e-12


def component_columns(outcome: str) -> list[str]:
    """Return the columns of the accounts that hold an outcome's components, in order."""
    return [f"{outcome}_{name}" for name in COMPONENTS]


def arm_difference(
    accounts: pd.DataFrame,
    outcome: str = "observed_clicks",
    estimator: str | None = None,
    columns: Sequence[str] | None = None,
) -> ArmDifference:
    """Compare arms on the three components of one outcome type (order of ``COMPONENTS``).

    Every estimator is one linear map for all components, so parts add up to totals exactly.

    Parameters
    ----------
    accounts
        One row per slate.
    outcome
        Outcome type.
    estimator
        One of ``ESTIMATORS``; by default the main one: the difference in means, with Hajek's
        weights where probabilities of promotion differ between slates.
    columns
        Columns to compare instead of the components.

    Raises
    ------
    NetliftError
        An arm has too few randomized units, or the estimator needs unknown probabilities.
    """
    names = component_columns(outcome) if columns is None else list(columns)
    values, design = accounts[names].to_numpy(dtype=np.float64), Design.from_table(accounts)
    if estimator is None:
        arms = difference(design, values)
    else:
        arms = ESTIMATORS[estimator].compare(values, design, Covariates(accounts))
    # The lift in control slates is known to be zero.
    return replace(arms, exact=True) if outcome == "known_lift" else arms


def known_effects(accounts: pd.DataFrame) -> Floats | None:
    """Return the known mean effect per slate of each component over both arms, or None."""
    columns = [f"{KNOWN_EFFECT}_{name}" for name in COMPONENTS]
    if columns[0] not in accounts:
        return None
    means: Floats = accounts[columns].to_numpy(dtype=np.float64).mean(axis=0)
    return means


def outcome_types(accounts: pd.DataFrame) -> list[str]:
    """Return the outcome types that the accounts have."""
    first = COMPONENTS[0]
    names = [str(name) for name in accounts.columns if str(name).endswith(f"_{first}")]
    kinds = [name.removesuffix(f"_{first}") for name in names]
    return [kind for kind in OUTCOMES if kind in kinds] + [
        kind for kind in kinds if kind not in OUTCOMES and kind != KNOWN_EFFECT
    ]


def component_effects(accounts: pd.DataFrame) -> pd.DataFrame:
    """Estimate every line of the ledger for every outcome type.

    Parameters
    ----------
    accounts
        One row per slate (``slate_outcomes.parquet``).

    Returns
    -------
    One row per outcome type, estimator and line; effects per slate and per 1,000 promoted
    slates, with 95% intervals and their degrees of freedom. These are for the users of the
    experiment; ``se_users``, ``df_users``, ``ci_95_lower_users`` and ``ci_95_upper_users`` (per
    slate) are for users like these, and ``users_errors`` says how they were found (a code of
    ``users.USERS_ERRORS``). ``claims_95`` says whether the interval is promised to cover 95%, by
    ``effective_units`` and ``effective_terms`` (see ``claims``). ``is_main`` marks the
    estimator of statements and figures. ``note`` names the covariates of Lin's regression and
    those dropped, or states what is wrong with an estimator, or why it has no numbers.

    Raises
    ------
    NetliftError
        An arm has fewer than two randomized units.
    """
    design = Design.from_table(accounts)
    n_treated, main = int(design.promoted.sum()), main_estimator(accounts)
    rows, by_user = [], LedgerByUser(accounts)
    claims = {outcome: claims_of(accounts, outcome) for outcome in outcome_types(accounts)}
    for outcome, estimator, arms, note in ledgers(accounts):
        for number, line in enumerate(LINES):
            weights = line.weights
            rows.append(
                {
                    "outcome_type": outcome,
                    **line.columns,
                    "estimator": estimator,
                    **_line(arms, weights),
                    "treated_slates": n_treated,
                    "control_slates": len(accounts) - n_treated,
                    **_per_1000(arms, weights),
                    "df": None if arms is None else arms.combination(weights).df,
                    **by_user.columns(outcome, estimator, arms, weights),
                    **claim_columns(None if arms is None else claims[outcome].part(number)),
                    "is_main": estimator == main,
                    "note": note,
                }
            )
    return pd.DataFrame(rows)


def claims_of(accounts: pd.DataFrame, outcome: str = "observed_clicks") -> Claims:
    """Return what the intervals of an outcome's lines rest on, in the order of ``LINES``."""
    values = accounts[component_columns(outcome)].to_numpy(dtype=np.float64)
    lines = [line.weights for line in LINES]
    return Claims.from_outcomes(values, Design.from_table(accounts), lines)


class LedgerByUser:
    """The errors of the ledger for users like these, by outcome type and estimator.

    Parameters
    ----------
    accounts
        One row per slate.
    """

    def __init__(self, accounts: pd.DataFrame) -> None:
        self.accounts, self.design = accounts, Design.from_table(accounts)
        # Without users, each slate stands for itself.
        users = accounts.get("user_id", pd.Series(np.arange(len(accounts))))
        self.user, self.kind = user_clusters(users, self.design)
        self._made: dict[str, UserErrors | None] = {}

    @cached_property
    def _covariates(self) -> Covariates:
        return Covariates(self.accounts)

    def _errors(self, name: str) -> UserErrors | None:
        """Return an estimator's errors of all outcome types' components together, made once."""
        if name not in self._made:
            self._made[name] = None
            by_user = ESTIMATORS[name].by_user
            kinds = outcome_types(self.accounts)
            columns = [column for kind in kinds for column in component_columns(kind)]
            values = self.accounts[columns].to_numpy(dtype=np.float64)
            # Too few users, or unknown probabilities: no error, as the code says.
            with suppress(NetliftError):
                if by_user is not None:
                    self._made[name] = by_user(values, self.design, self._covariates, self.user)
        return self._made[name]

    def estimate(
        self,
        outcome: str,
        estimator: str,
        arms: ArmDifference | None,
        weights: Sequence[int],
    ) -> Estimate | None:
        """Return a line with its error for users like these; None where there is none."""
        if arms is None or self.kind == CROSSED or ESTIMATORS[estimator].by_user is None:
            return None
        if self.kind != BY_USER:
            return arms.combination(weights)
        errors = self.errors(outcome, estimator)
        return None if errors is None else errors.estimate(arms, weights)

    def errors(self, outcome: str, estimator: str) -> UserErrors | None:
        """Return the joint error of an outcome's components."""
        index = len(COMPONENTS) * outcome_types(self.accounts).index(outcome)
        part, errors = slice(index, index + len(COMPONENTS)), self._errors(estimator)
        return None if errors is None else replace(errors, covariance=errors.covariance[part, part])

    def columns(
        self,
        outcome: str,
        estimator: str,
        arms: ArmDifference | None,
        weights: Sequence[int],
    ) -> dict[str, object]:
        """Return the columns of a line, per slate."""
        return users_columns(self.estimate(outcome, estimator, arms, weights), self.kind)


def ledgers(
    accounts: pd.DataFrame,
) -> Iterator[tuple[str, str, ArmDifference | None, str | None]]:
    """Yield every outcome type and estimator, with its joint effects and note as ``estimated``.

    All outcome types go through one fit per estimator.

    Raises
    ------
    NetliftError
        The difference in means, on which everything else depends, cannot be estimated.
    """
    outcomes = outcome_types(accounts)
    columns = [name for outcome in outcomes for name in component_columns(outcome)]
    design, covariates = Design.from_table(accounts), Covariates(accounts)
    values = accounts[columns].to_numpy(dtype=np.float64)
    compared = {name: _estimated(values, design, covariates, name) for name in ESTIMATORS}
    for index, outcome in enumerate(outcomes):
        columns_of = slice(len(COMPONENTS) * index, len(COMPONENTS) * (index + 1))
        for estimator, (arms, note) in compared.items():
            part = None if arms is None else arms.part(columns_of)
            if part is not None and outcome == "known_lift":
                part = replace(part, exact=True)
            yield outcome, estimator, part, note


def estimated(
    accounts: pd.DataFrame, outcome: str, estimator: str
) -> tuple[ArmDifference | None, str | None]:
    """Return an estimator's joint effects and note, or None and the reason.

    Raises
    ------
    NetliftError
        The difference in means, on which everything else depends, cannot be estimated.
    """
    values = accounts[component_columns(outcome)].to_numpy(dtype=np.float64)
    arms, note = _estimated(values, Design.from_table(accounts), Covariates(accounts), estimator)
    if arms is not None and outcome == "known_lift":
        arms = replace(arms, exact=True)
    return arms, note


def _estimated(
    values: Floats, design: Design, covariates: Covariates, name: str
) -> tuple[ArmDifference | None, str | None]:
    estimator = ESTIMATORS[name]
    try:
        arms = estimator.compare(values, design, covariates)
    except NetliftError as error:
        if name == MAIN:
            raise
        return None, f"not estimated: {error}"
    return arms, estimator.note(design, covariates)


def component_covariance(
    accounts: pd.DataFrame, *, units: Mapping[str, str] = MappingProxyType({})
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
    for outcome, estimator, arms, note in ledgers(accounts):
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


def additivity_checks(accounts: pd.DataFrame) -> pd.DataFrame:
    """Check that the parts add up to totals that were summed and estimated separately.

    Returns
    -------
    One row per outcome type, estimator and identity: both sides, their difference, the tolerance
    (relative for values above 1) and whether the identity holds; an estimator without
    numbers has no rows. The effects' unit is the outcome per slate.
    """
    rows = []
    for outcome in outcome_types(accounts):
        for estimator in ESTIMATORS:
            arms, _ = estimated(accounts, outcome, estimator)
            if arms is None:
                continue
            total = arm_difference(accounts, outcome, estimator, [f"{outcome}_total"])
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
