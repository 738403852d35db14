"""The effect of delivered promotions, with the draw as the instrument, for all parts jointly.

The arm is what was drawn, and the effect of the draw is the main result. Where promotions were not
always carried out, its ratio to the effect of the draw on deliveries (the first stage) is the mean
effect of a delivered promotion in the slates whose delivery the draw decided (Imbens and Angrist
1994). It rests on two assumptions: the draw acts through deliveries only, and in no slate does it
prevent one. One joint covariance of deliveries and all parts stands behind the intervals, which are
those of Anderson and Rubin (1949): all ratios r for which the effect of the draw on Y - r T may be
zero. For one ratio this is Fieller's set, and it is right however weak the first stage is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING, Floats
from netlift.core.errors import NetliftError
from netlift.core.labels import with_labels
from netlift.core.outcome import Outcome
from netlift.core.units import PER_1000, PER_1000_DELIVERED, SHARE_OF_SLATES
from netlift.effects.accounts import DELIVERED
from netlift.effects.claims import Claims, claim_columns
from netlift.effects.codes import (
    DELIVERED_MEASURES,
    DIRECT_LINE,
    FIRST_STAGE,
    INDIRECT_LINE,
    OF_DELIVERED,
    OF_DRAW,
    OTHER_LINE,
    SAME_CLUSTER_LINE,
    TOTAL_LINE,
    Line,
)
from netlift.effects.empty_lines import empty_lines, without_numbers
from netlift.effects.estimators import ESTIMATORS
from netlift.effects.shares import interval_text
from netlift.effects.slate_accounts import SlateAccounts, component_columns
from netlift.effects.users import BY_USER, CROSSED, NOT_ESTIMATED, USERS_COLUMNS, users_columns
from netlift.inference.arms import ArmDifference
from netlift.inference.estimate import Estimate, Ratio, fieller, numbers
from netlift.inference.users import UserErrors
from netlift.promotion.exposure import COMPONENTS

WEAK_F = 10.0
"""A first stage with a smaller F statistic is weak (Staiger and Stock 1997)."""

EXACTLY = "promotions were delivered as drawn in every slate: this is the effect of the draw"

_LINES = (DIRECT_LINE, SAME_CLUSTER_LINE, OTHER_LINE, INDIRECT_LINE, TOTAL_LINE)
_FIRST = Line(FIRST_STAGE, "First stage", "Deliveries", ())
_DENOMINATOR = "the effect of the draw on deliveries"
_UNITS = {
    FIRST_STAGE: SHARE_OF_SLATES,
    OF_DRAW: PER_1000,
    OF_DELIVERED: PER_1000_DELIVERED,
}
_NUMBERS = (
    *("estimate", "se", "df", "ci_95_lower", "ci_95_upper", "interval_kind", "interval_text"),
    *("treated_mean", "control_mean", "f_statistic", "is_weak"),
)


@dataclass(frozen=True)
class FirstStage:
    """The effect of the draw on deliveries.

    Attributes
    ----------
    effect
        Share of promoted minus share of control slates with a delivered promotion. An arm in which
        all slates have one, or none has, adds no error: what it delivers is known.
    promoted, control
        The two shares.
    """

    effect: Estimate
    promoted: float
    control: float

    @classmethod
    def from_arms(cls, arms: ArmDifference, delivered: Floats) -> Self:
        """Take it from a comparison of arms on m outcomes.

        Parameters
        ----------
        arms
            Of which one outcome is the delivery, 0 or 1.
        delivered
            Weights of the outcomes in the delivery, shape (m,).
        """
        return cls(
            replace(arms, exact=True).combination(delivered),
            arms.treated.combination(delivered).value,
            arms.control.combination(delivered).value,
        )

    @property
    def f_statistic(self) -> float | None:
        """The square of the effect in standard errors; None without an error."""
        return (self.effect.value / self.effect.se) ** 2 if self.effect.se else None

    @property
    def is_weak(self) -> bool:
        """Whether the draw hardly changes deliveries, or not for sure in its own direction."""
        f = self.f_statistic
        return self.effect.value <= 0 or (f is not None and f < WEAK_F)

    @property
    def is_full(self) -> bool:
        """Whether promotions were delivered in all promoted slates and in no control slate."""
        return abs(self.effect.value - 1) <= ROUNDING and not self.effect.se

    @property
    def note(self) -> str | None:
        """What limits ratios to it, or None."""
        if self.is_full:
            return EXACTLY
        if not self.is_weak:
            return None
        f = self.f_statistic
        size = "0" if self.effect.value == 0 or f is None else f"{f:.1f}"
        return (
            f"the first stage is weak (F = {size}; an effect above zero with at least "
            f"{WEAK_F:.0f} is needed): rely on the 95% set only, not on the estimate and its error"
        )


@dataclass(frozen=True)
class DeliveredEffect:
    """The effect of the draw on an outcome over its effect on deliveries.

    Attributes
    ----------
    ratio
        With Fieller's set.
    se
        By the delta method; None without a ratio.
    """

    ratio: Ratio
    se: float | None


def delivered_effect(
    arms: ArmDifference, line: Floats, delivered: Floats, users: UserErrors | None = None
) -> DeliveredEffect:
    """Return the effect of delivered promotions on one sum of outcomes.

    Parameters
    ----------
    arms
        The comparison of the arms on m outcomes, of which one is the delivery, 0 or 1.
    line, delivered
        Weights of the outcomes in the sum, and in the delivery, shape (m,).
    users
        The joint error clustered by user, for an interval for users like these; by default the
        one by randomized unit.
    """
    pair = np.array([line, delivered], dtype=np.float64)
    draw, first = arms.combination(line), FirstStage.from_arms(arms, delivered).effect
    joint, df = arms.covariance, min(draw.df, first.df)
    if users is not None:
        draw, joint, df = users.estimate(arms, line), users.covariance, users.df
    covariance = pair @ joint @ pair.T
    # An arm in which the outcome does not vary has an error all the same, as in the ledger.
    covariance[0, 0] = max(draw.se**2, covariance[0, 0])
    ratio = fieller(draw.value, first.value, covariance, df)
    if ratio.value is None:
        return DeliveredEffect(ratio, None)
    weights = np.array([1.0, -ratio.value])
    variance = max(float(weights @ covariance @ weights), 0.0)
    return DeliveredEffect(ratio, float(np.sqrt(variance)) / abs(first.value))


@dataclass(frozen=True)
class _Compared:
    """What one estimator makes of all columns: effects, errors clustered by user, and a note.

    ``kind`` is the code of ``USERS_ERRORS``; ``users`` is None where the errors by unit are for
    users like these, too, or where there are none.
    """

    arms: ArmDifference | None
    note: str | None
    users: UserErrors | None
    kind: str

    @classmethod
    def from_accounts(cls, accounts: SlateAccounts, estimator: str, columns: list[str]) -> Self:
        """Compare the arms; without numbers, the note has the reason."""
        chosen, design = ESTIMATORS[estimator], accounts.design
        try:
            arms = accounts.compare(columns, estimator)
        except NetliftError as error:
            if estimator == accounts.main:
                raise
            return cls(None, f"not estimated: {error}", None, NOT_ESTIMATED)
        covariates, (user, kind) = accounts.covariates, accounts.users
        note, users = chosen.note(design, covariates), None
        if chosen.by_user is None and kind != CROSSED:
            kind = NOT_ESTIMATED
        if kind == BY_USER and chosen.by_user is not None:
            try:
                users = chosen.by_user(accounts.values(columns), design, covariates, user)
            except NetliftError:  # too few users
                kind = NOT_ESTIMATED
        return cls(arms, note, users, kind)


@dataclass(frozen=True)
class _Row:
    """A row of the table: what it is about, and its weights over the columns compared."""

    measure: str
    outcome: str
    line: Line
    weights: Floats


def delivered_effects(accounts: SlateAccounts, *, units: Mapping[str, str]) -> pd.DataFrame:
    """Estimate the effects of delivered promotions next to those of the draw.

    Parameters
    ----------
    accounts
        Those of one experiment, with the column ``promotion_delivered``.
    units
        Unit of each outcome type.

    Returns
    -------
    For each estimator of the ledger a row of the first stage (``measure`` is ``first_stage``; a
    share of slates, with the shares of both arms as means), and for each outcome type and line two
    rows: ``of_draw``, the ledger's effect per 1,000 promoted slates, and ``of_delivered``, the
    effect per 1,000 delivered promotions, with Fieller's 95% set. Parts add up in both.
    ``is_weak`` says that the first stage is weak: F below 10, or an effect not above zero.
    ``claims_95`` and its reasons are those of ``component_effects``; for the effect of delivered
    promotions they are about Y - r T, with r the main estimator's. The columns that end in
    ``_users`` are for users like these, and ``users_errors`` says how they were found.

    Raises
    ------
    NetliftError
        An arm has fewer than two randomized units.
    """
    outcomes, main = accounts.outcomes, accounts.main
    columns = [*(name for kind in outcomes for name in component_columns(kind)), DELIVERED]
    rows = list(_rows_of(outcomes, len(columns)))
    compared = {name: _Compared.from_accounts(accounts, name, columns) for name in ESTIMATORS}
    claims = _claims(accounts, columns, compared[main].arms, rows)
    table = [
        {
            "measure": row.measure,
            "outcome_type": row.outcome,
            **row.line.columns,
            "estimator": estimator,
            "unit_code": _UNITS[row.measure],
            "unit": Outcome(units.get(row.outcome, "")).of(_UNITS[row.measure]),
            **_numbers(each.arms, row),
            **_of_users(each, row),
            **claim_columns(None if each.arms is None else claim),
            **accounts.arms,
            "is_main": estimator == main,
            "note": _note(each, row),
        }
        for estimator, each in compared.items()
        for row, claim in zip(rows, claims, strict=True)
    ]
    labeled = with_labels(pd.DataFrame(table), measure=DELIVERED_MEASURES)
    return without_numbers(labeled, empty_lines(accounts.table))


def _rows_of(outcomes: list[str], n_columns: int) -> Iterator[_Row]:
    yield _Row(FIRST_STAGE, DELIVERED, _FIRST, _delivered(n_columns))
    for index, outcome in enumerate(outcomes):
        for line in _LINES:
            weights = np.zeros(n_columns)
            weights[len(COMPONENTS) * index : len(COMPONENTS) * (index + 1)] = line.weights
            yield _Row(OF_DRAW, outcome, line, weights)
            yield _Row(OF_DELIVERED, outcome, line, weights)


def _delivered(n_columns: int) -> Floats:
    """Return the weights of the delivery, the last of the columns compared."""
    return np.eye(n_columns)[-1]


def _claims(
    accounts: SlateAccounts, columns: list[str], arms: ArmDifference | None, rows: list[_Row]
) -> list[Claims]:
    """Return what the interval of each row rests on, by the ratios of the main estimator."""
    assert arms is not None, "the main estimator has numbers"
    values, design = accounts.values(columns), accounts.design
    delivered = _delivered(len(columns))
    ratios = [
        (delivered_effect(arms, row.weights, delivered).ratio.value or 0.0)
        if row.measure == OF_DELIVERED
        else 0.0
        for row in rows
    ]
    # One row at a time, so that memory does not grow with their number.
    return [
        Claims.from_outcomes(values, design, [list(row.weights - ratio * delivered)])
        for row, ratio in zip(rows, ratios, strict=True)
    ]


def _numbers(arms: ArmDifference | None, row: _Row) -> dict[str, object]:
    """Return the numbers of a row; all missing without a comparison of the arms."""
    values: dict[str, object] = dict.fromkeys(_NUMBERS)
    if arms is None:
        return values
    delivered = _delivered(len(row.weights))
    first = FirstStage.from_arms(arms, delivered)
    values |= {"f_statistic": first.f_statistic, "is_weak": first.is_weak}
    if row.measure == FIRST_STAGE:
        means = {"treated_mean": first.promoted, "control_mean": first.control}
        return values | _of_estimate(first.effect) | means
    if row.measure == OF_DRAW:
        return values | _of_estimate(arms.combination(row.weights).scaled(1000))
    return values | _of_effect(delivered_effect(arms, 1000 * row.weights, delivered))


def _of_estimate(estimate: Estimate) -> dict[str, object]:
    return {**numbers(estimate), "interval_kind": "interval"}


def _of_effect(effect: DeliveredEffect) -> dict[str, object]:
    ratio = effect.ratio
    return {
        "estimate": ratio.value,
        "se": effect.se,
        "df": ratio.df,
        "ci_95_lower": ratio.lower,
        "ci_95_upper": ratio.upper,
        "interval_kind": ratio.kind,
        "interval_text": interval_text(ratio, _DENOMINATOR),
    }


def _of_users(compared: _Compared, row: _Row) -> dict[str, object]:
    """Return the columns of the errors for users like these; missing where there are none."""
    arms, kind, users = compared.arms, compared.kind, compared.users
    if arms is None or kind in (CROSSED, NOT_ESTIMATED):
        return {**users_columns(None, kind), "interval_kind_users": None}
    delivered = _delivered(len(row.weights))
    if row.measure == OF_DELIVERED:
        effect = delivered_effect(arms, 1000 * row.weights, delivered, users)
        ratio = effect.ratio
        values = (effect.se, ratio.df, ratio.lower, ratio.upper, kind)
        return {**dict(zip(USERS_COLUMNS, values, strict=True)), "interval_kind_users": ratio.kind}
    first_stage = row.measure == FIRST_STAGE
    arms = replace(arms, exact=True) if first_stage else arms
    weights = row.weights if first_stage else 1000 * row.weights
    estimate = arms.combination(weights) if users is None else users.estimate(arms, weights)
    return {**users_columns(estimate, kind), "interval_kind_users": "interval"}


def _note(compared: _Compared, row: _Row) -> str | None:
    """Return the estimator's note, and what limits ratios to the first stage."""
    if compared.arms is None or row.measure == OF_DRAW:
        return compared.note
    first = FirstStage.from_arms(compared.arms, _delivered(len(row.weights)))
    return "; ".join(filter(None, [first.note, compared.note])) or None
