"""The accounts of an experiment with their design, and each comparison of the arms, made once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from netlift.core.arrays import Floats
from netlift.core.errors import NetliftError
from netlift.effects.accounts import OUTCOMES
from netlift.effects.claims import Claims
from netlift.effects.codes import DIFFERENCE, LINES, MAIN_OUTCOME
from netlift.effects.covariates import Covariates
from netlift.effects.estimators import ESTIMATORS, LIN, main_estimator, with_known
from netlift.effects.items_table import KNOWN_EFFECT
from netlift.effects.users import BY_USER, CROSSED, user_clusters, users_columns
from netlift.inference.arms import ArmDifference
from netlift.inference.estimate import Estimate
from netlift.inference.users import UserErrors
from netlift.promotion.design import Design
from netlift.promotion.exposure import COMPONENTS

Compared = tuple[ArmDifference | None, str | None]
"""The joint effects with the note on them, or None and the reason."""


def component_columns(outcome: str) -> list[str]:
    """Return the columns of the accounts that hold an outcome's components, in order."""
    return [f"{outcome}_{name}" for name in COMPONENTS]


def known_effects(accounts: pd.DataFrame) -> Floats | None:
    """Return the known mean effect per slate of each component over both arms, or None."""
    columns = component_columns(KNOWN_EFFECT)
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


@dataclass(frozen=True, eq=False)
class SlateAccounts:
    """The accounts of one experiment, from which every table of the ledger is made.

    Every estimator is one linear map for all outcomes, so parts add up to totals exactly.

    Attributes
    ----------
    table
        One row per slate (``slate_outcomes.parquet``).
    design
        How promotions were assigned.
    declared
        The declared main estimator, one of ``estimators.DECLARED``.
    """

    table: pd.DataFrame
    design: Design
    declared: str

    @classmethod
    def from_table(cls, table: pd.DataFrame, declared: str = LIN) -> Self:
        """Read the design of a table with one row per slate.

        Raises
        ------
        NetliftError
            The design contradicts itself (see ``Design.from_table``).
        """
        return cls(table, Design.from_table(table), declared)

    def __len__(self) -> int:
        """Return the number of slates."""
        return len(self.table)

    @property
    def arms(self) -> dict[str, int]:
        """The number of slates of each arm, as columns of tables."""
        treated = int(self.design.promoted.sum())
        return {"treated_slates": treated, "control_slates": len(self) - treated}

    @cached_property
    def outcomes(self) -> list[str]:
        """The outcome types."""
        return outcome_types(self.table)

    @cached_property
    def covariates(self) -> Covariates:
        """The covariates of Lin's regression."""
        return Covariates(self.table)

    @property
    def main(self) -> str:
        """The estimator of statements and figures, one of ``ESTIMATORS``."""
        return self._main[0]

    @property
    def why_not_declared(self) -> str:
        """Why the main estimator is not the declared one; "" if it is."""
        return self._main[1]

    @cached_property
    def _main(self) -> tuple[str, str]:
        name, why = main_estimator(self.declared, self.design, self.covariates)
        if name == LIN:
            note = self._compare(LIN)[1]
            if self._compare(LIN)[0] is None:
                return main_estimator(DIFFERENCE, self.design, self.covariates)[0], str(note)
        return name, why

    def values(self, columns: Sequence[str]) -> Floats:
        """Return columns of the table, shape (N, m)."""
        return self.table[list(columns)].to_numpy(dtype=np.float64)

    @cached_property
    def _components(self) -> Floats:
        """The components of all outcome types, shape (N, 3 K)."""
        return self.values([name for kind in self.outcomes for name in component_columns(kind)])

    @cached_property
    def _compared(self) -> dict[str, Compared]:
        """What each estimator has made of all components together."""
        return {}

    @cached_property
    def _errors(self) -> dict[str, UserErrors | None]:
        """Each estimator's errors of all components together for users like these."""
        return {}

    def _part(self, outcome: str) -> slice:
        first = len(COMPONENTS) * self.outcomes.index(outcome)
        return slice(first, first + len(COMPONENTS))

    def _compare(self, estimator: str) -> Compared:
        if estimator not in self._compared:
            chosen = ESTIMATORS[estimator]
            try:
                arms = chosen.compare(self._components, self.design, self.covariates)
            except NetliftError as error:
                if estimator == DIFFERENCE or (estimator != LIN and estimator == self.main):
                    raise
                self._compared[estimator] = None, f"not estimated: {error}"
            else:
                self._compared[estimator] = arms, chosen.note(self.design, self.covariates)
        return self._compared[estimator]

    def effects(self, outcome: str = MAIN_OUTCOME, estimator: str | None = None) -> Compared:
        """Return the joint effects on the components of an outcome type and a note on them.

        Parameters
        ----------
        outcome
            Outcome type.
        estimator
            One of ``ESTIMATORS``; by default the main one.

        Returns
        -------
        Effects in the order of ``COMPONENTS``, or None and the reason.

        Raises
        ------
        NetliftError
            The difference in means, or the main estimator, cannot be estimated.
        """
        arms, note = self._compare(estimator or self.main)
        if arms is None:
            return None, note
        arms = arms.part(self._part(outcome))
        if arms.exact is not True:
            arms = with_known(arms, self.design)
        return _with_known_lift(arms, outcome), note

    def difference(
        self, outcome: str = MAIN_OUTCOME, estimator: str | None = None
    ) -> ArmDifference:
        """Compare arms on the components of an outcome type, as ``effects``.

        Raises
        ------
        NetliftError
            An arm has too few randomized units, or the estimator needs unknown probabilities.
        """
        arms, note = self.effects(outcome, estimator)
        if arms is None:
            raise NetliftError(str(note).removeprefix("not estimated: "))
        return arms

    def compare(self, columns: Sequence[str], estimator: str) -> ArmDifference:
        """Compare arms on any columns of the table; raises as ``difference``."""
        return ESTIMATORS[estimator].compare(self.values(columns), self.design, self.covariates)

    def totals(self, estimator: str) -> Iterator[ArmDifference]:
        """Yield the comparison of each outcome type's column of totals."""
        arms = self.compare([f"{outcome}_total" for outcome in self.outcomes], estimator)
        for index, outcome in enumerate(self.outcomes):
            yield _with_known_lift(arms.part(slice(index, index + 1)), outcome)

    def ledgers(self) -> Iterator[tuple[str, str, ArmDifference | None, str | None]]:
        """Yield every outcome type and estimator, with its joint effects and note as ``effects``.

        Raises
        ------
        NetliftError
            As in ``effects``.
        """
        for outcome in self.outcomes:
            for estimator in ESTIMATORS:
                yield outcome, estimator, *self.effects(outcome, estimator)

    def claims(
        self, outcome: str = MAIN_OUTCOME, lines: Sequence[Sequence[float]] | None = None
    ) -> Claims:
        """Return what the intervals of lines of an outcome rest on; by default of ``LINES``."""
        weights = [line.weights for line in LINES] if lines is None else lines
        values = self._components[:, self._part(outcome)]
        return Claims.from_outcomes(values, self.design, weights)

    # --- Errors for users like these -------------------------------------------------------------

    @cached_property
    def users(self) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], str]:
        """The number of each slate's user, shape (N,), and a code of ``USERS_ERRORS``."""
        # Without users, each slate stands for itself.
        users = self.table.get("user_id", pd.Series(np.arange(len(self))))
        return user_clusters(users, self.design)

    def user_errors(self, outcome: str, estimator: str) -> UserErrors | None:
        """Return the joint error of an outcome's components, clustered by user; None if none is."""
        if estimator not in self._errors:
            self._errors[estimator] = None
            by_user = ESTIMATORS[estimator].by_user
            # Too few users, or unknown probabilities: no error, as the code says.
            with suppress(NetliftError):
                if by_user is not None:
                    self._errors[estimator] = by_user(
                        self._components, self.design, self.covariates, self.users[0]
                    )
        part, errors = self._part(outcome), self._errors[estimator]
        return None if errors is None else replace(errors, covariance=errors.covariance[part, part])

    def for_users(
        self, outcome: str, estimator: str, arms: ArmDifference | None, weights: Sequence[int]
    ) -> Estimate | None:
        """Return a line with its error for users like these; None where there is none."""
        kind = self.users[1]
        if arms is None or kind == CROSSED or ESTIMATORS[estimator].by_user is None:
            return None
        if kind != BY_USER:
            return arms.combination(weights)
        errors = self.user_errors(outcome, estimator)
        return None if errors is None else errors.estimate(arms, weights)

    def users_columns(
        self, outcome: str, estimator: str, arms: ArmDifference | None, weights: Sequence[int]
    ) -> dict[str, object]:
        """Return the columns of a line for users like these, per slate."""
        return users_columns(self.for_users(outcome, estimator, arms, weights), self.users[1])


def _with_known_lift(arms: ArmDifference, outcome: str) -> ArmDifference:
    """Return the comparison; the lift in control slates is known to be zero."""
    return replace(arms, exact=True) if outcome == "known_lift" else arms
