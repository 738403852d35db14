"""Where 95% intervals are not promised to cover 95%: few effective units, or a few large values.

An interval rests on means that are near normal and on a variance that many units give. Two numbers
say whether they are: Kish's effective number of randomized units in each arm, and the effective
number of terms in the squared error, (sum v^2)^2 / sum v^4 over what each unit adds, v. Below 30
and 10 the measured coverage is often below 94% (docs/methods.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from netlift.core.arrays import Floats, Integers, sum_groups
from netlift.inference.effective_units import ENOUGH_UNITS, effective_units
from netlift.promotion.design import Design

ENOUGH_TERMS = 10.0
"""Effective terms of a squared error that its interval needs."""


CLAIM_COLUMNS = ("effective_units", "effective_terms", "claims_95")
"""Columns of tables that say whether an interval is claimed to cover 95%."""


@dataclass(frozen=True)
class Claims:
    """What the intervals of L lines rest on.

    Attributes
    ----------
    units
        Effective units of the arm with fewer, shape (...).
    terms
        Effective terms of each line's squared error, shape (..., L); 0 where it does not vary.
    """

    units: Floats
    terms: Floats

    @classmethod
    def from_outcomes(
        cls,
        outcomes: Floats,
        design: Design,
        lines: Sequence[Sequence[float]],
        user: Integers | None = None,
    ) -> Claims:
        """Measure them on the means of arms.

        Parameters
        ----------
        outcomes
            By component, shape (..., N, m).
        design
            With arms of shape (..., N).
        lines
            Weights of the components, shape (L, m).
        user
            Number of each slate's user, shape (N,): for errors clustered by user.
        """
        values = np.swapaxes(outcomes @ np.asarray(lines, dtype=np.float64).T, -1, -2)
        weights = np.ones(design.promoted.shape) if design.weights is None else design.weights
        cluster = design.unit if user is None else user
        units, parts = [], []
        for arm in (design.promoted, ~design.promoted):
            of_arm, added = _of_arm(values, weights * arm, cluster)
            units.append(of_arm)
            parts.append(added)
        if user is None:
            squares = [(part**2).sum(axis=-1) for part in parts]
            fourths = sum(((part**2) ** 2).sum(axis=-1) for part in parts)
            total = squares[0] + squares[1]
        else:
            both = parts[0] - parts[1]
            total, fourths = (both**2).sum(axis=-1), ((both**2) ** 2).sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(fourths > 0, total**2 / fourths, 0.0)
        return cls(np.minimum(*units), terms)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Whether each line's interval is claimed to cover 95%, shape (..., L)."""
        return (self.units[..., None] >= ENOUGH_UNITS) & (self.terms >= ENOUGH_TERMS)

    def part(self, index: int) -> Claims:
        """Return the claims of one line."""
        return replace(self, terms=self.terms[..., index : index + 1])


def _of_arm(values: Floats, weights: Floats, cluster: Integers) -> tuple[Floats, Floats]:
    """Return an arm's effective units, and what each cluster adds to its means' error."""
    total = weights.sum(axis=-1)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (values * weights[..., None, :]).sum(axis=-1) / total
        added = (values - mean[..., None]) * weights[..., None, :] / total[..., None]
    return effective_units(sum_groups(weights, cluster)), sum_groups(added, cluster)


def claim_columns(claims: Claims | None) -> dict[str, object]:
    """Return the columns of one line of one experiment, missing without numbers."""
    if claims is None:
        return dict.fromkeys(CLAIM_COLUMNS)
    return {
        "effective_units": float(claims.units),
        "effective_terms": float(claims.terms[0]),
        "claims_95": bool(claims.kept[0]),
    }


def claim_sentence(row: dict[str, object]) -> str:
    """Say why an interval is not promised to cover 95%.

    "" if it is, if nothing is known, or if the outcome does not vary, so that there is no interval.
    """
    units, terms = (row.get(name) for name in CLAIM_COLUMNS[:2])
    if units is None or terms is None:
        return ""
    units, terms = float(str(units)), float(str(terms))
    if units < ENOUGH_UNITS:
        reason = (
            f"one arm has the weight of {units:.1f} equal randomized units, and "
            f"{ENOUGH_UNITS:.0f} are needed"
        )
    elif 0 < terms < ENOUGH_TERMS:
        reason = (
            f"its error rests on a few large values, as much as {terms:.1f} equal ones, and "
            f"{ENOUGH_TERMS:.0f} are needed"
        )
    else:
        return ""
    return f"This interval is not promised to cover 95%: {reason}."
