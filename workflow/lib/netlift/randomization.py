"""Randomization tests: what promotions would have shown if they had been drawn otherwise.

Under a sharp null hypothesis ("promotion changes no click of these items") the clicks of these
items are the same whatever the assignment, so the statistic's distribution over assignments is
known and the p-value (1 + number at least as extreme) / (draws + 1) is exact for any number of
slates and any dependence among clicks (Fisher 1935; Phipson and Smyth 2010 for the ones).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.design import Design, Floats
from netlift.errors import NetliftError
from netlift.inference import CONFIDENCE, MIN_PER_ARM, ROUNDING
from netlift.item_rows import BELOW, NEAR, NON_FOCAL, OTHER, SAME_CLUSTER, Definition, ItemRows
from netlift.outcome import CLICKS, Outcome
from netlift.streams import Stream, generator
from netlift.units import PER_SLATE

DRAWS_AT_ONCE = 256
_CELLS_AT_ONCE = 1 << 20
"""Assignments drawn at once, and units times assignments held in memory."""

_CHOSEN_FROM = 500
"""Units of a stratum from which it is faster to choose those promoted than to permute all."""

_NO_SPREAD = 1e-12
_TIE = 1e-9
"""Statistics that differ by less than this share are the same but for rounding."""


@dataclass(frozen=True)
class Hypothesis:
    """A sharp null hypothesis about a set of item rows.

    Attributes
    ----------
    label
        Its name in tables and figures.
    definition
        The rows whose clicks it says promotion does not change.
    """

    label: str
    definition: Definition

    def said(self, near_positions: int, outcome: Outcome) -> str:
        """Say the null hypothesis in words."""
        return (
            f"Promotion changes no {outcome.one}, in any slate, of these items: "
            f"{self.definition.said(near_positions)}."
        )


HYPOTHESES = (
    Hypothesis("No spillover at all", NON_FOCAL),
    Hypothesis("No spillover on same-cluster items", SAME_CLUSTER),
    Hypothesis("No spillover on other clusters", OTHER),
    Hypothesis("No spillover below the focal slot", BELOW),
    Hypothesis("No spillover near the focal slot", NEAR),
)


def assignments(
    design: Design, *, seed: int, draws: int, stream: Stream = "randomization_test"
) -> Iterator[Floats]:
    """Yield blocks of assignments that the design could have made, shape (b, U), 1 is promoted.

    Promotions are permuted over the randomized units within strata of the design. Where
    probabilities differ within a stratum, each unit's promotion is drawn anew instead.

    Parameters
    ----------
    design
        The assignment that was made.
    seed
        Study seed.
    draws
        Number of assignments in all.
    stream
        Stream of chance; each of its blocks makes as many draws, by the number of units alone.
    """
    promoted = design.of_units(design.promoted).astype(np.float64)
    stratum = design.of_units(design.stratum)
    order = np.argsort(stratum, kind="stable")
    edges = np.flatnonzero(np.r_[True, np.diff(stratum[order]) != 0, True])
    strata = [order[first:last] for first, last in pairwise(edges)]
    probability = unequal_probability(design)
    at_once = min(DRAWS_AT_ONCE, max(1, _CELLS_AT_ONCE // design.n_units))
    for block, start in enumerate(range(0, draws, at_once)):
        rng = generator(seed, stream, block)
        size = min(at_once, draws - start)
        if probability is not None:
            redrawn = rng.random((at_once, design.n_units)) < probability
            yield redrawn[:size].astype(np.float64)
            continue
        drawn = np.zeros((at_once, design.n_units))
        for own in strata:
            _permute(rng, promoted, own, drawn)
        yield drawn[:size]


def _permute(
    rng: np.random.Generator, promoted: Floats, own: NDArray[np.intp], drawn: Floats
) -> None:
    """Permute the promotions of a stratum's units anew for each row of (b, U), which are 0.

    Of many units, which of them are promoted is chosen: less chance than their order takes.
    """
    if len(own) < _CHOSEN_FROM:
        drawn[:, own] = rng.permuted(np.tile(promoted[own], (len(drawn), 1)), axis=1)
        return
    n_promoted = int(promoted[own].sum())
    for row in drawn:
        row[own[rng.choice(len(own), n_promoted, replace=False, shuffle=False)]] = 1.0


def unequal_probability(design: Design) -> Floats | None:
    """Return the units' probabilities, shape (U,), if they differ within a stratum; else None."""
    if design.probability is None:
        return None
    probability, stratum = design.of_units(design.probability), design.of_units(design.stratum)
    n_strata = int(stratum.max()) + 1
    low, high = np.full(n_strata, np.inf), np.full(n_strata, -np.inf)
    np.minimum.at(low, stratum, probability)
    np.maximum.at(high, stratum, probability)
    return probability if (high - low).max() > ROUNDING else None


@dataclass(frozen=True)
class Statistics:
    """Differences of means between arms, for any assignment of the units.

    Attributes
    ----------
    sums
        What a unit adds to the sums of its arm, shape (U, 3 m + 3): the outcome y (around the
        stratum's mean), y squared, y times slates, slates, slates squared, 1; all weighted.
    control_sums
        The same with the weights of control units: the same array where weights are equal.
    studentized
        Whether the differences are divided by their standard errors.
    """

    sums: Floats
    control_sums: Floats
    studentized: bool

    @classmethod
    def of(cls, outcomes: Floats, design: Design, *, studentized: bool = True) -> Statistics:
        """Prepare.

        Parameters
        ----------
        outcomes
            Shape (N, m), one row per slate.
        design
            The assignment.
        studentized
            Whether to divide by standard errors.
        """
        stratum = design.stratum
        size = np.bincount(stratum)
        centered = np.column_stack(
            [
                column - (np.bincount(stratum, column) / np.maximum(size, 1))[stratum]
                for column in outcomes.T
            ]
        )
        y = design.per_unit(centered)
        slates = np.bincount(design.unit, minlength=design.n_units).astype(np.float64)[:, None]
        weight = control_weight = np.ones(design.n_units)
        if design.probability is not None and np.ptp(design.probability) > ROUNDING:
            probability = design.of_units(design.probability)
            weight, control_weight = 1 / probability, 1 / (1 - probability)

        def sums(weights: Floats) -> Floats:
            w = weights[:, None]
            first, second = w * y, w * slates
            return np.column_stack(
                [first, first**2, first * second, second, second**2, np.ones(len(w))]
            )

        treated = sums(weight)
        return cls(
            treated, treated if weight is control_weight else sums(control_weight), studentized
        )

    @cached_property
    def _total(self) -> Floats:
        """Sums of all units as control ones, shape (3 m + 3,)."""
        return np.asarray(self.control_sums.sum(axis=0))

    @cached_property
    def _largest(self) -> Floats:
        """The largest outcome of a unit, shape (m,)."""
        m = (self.sums.shape[1] - 3) // 3
        return np.asarray(np.abs(self.sums[:, :m]).max(axis=0, initial=0.0))

    def __call__(self, assigned: Floats) -> tuple[Floats, Floats]:
        """Return differences of means and statistics, shapes (b, m), of assignments (b, U).

        A statistic is 0 where the difference is, and infinite where only its error is 0 or where
        an arm is too small for it; of an empty arm the difference is NaN.
        """
        m = (self.sums.shape[1] - 3) // 3
        means, variances = [], []
        promoted = assigned @ self.sums
        as_control = promoted if self.control_sums is self.sums else assigned @ self.control_sums
        for sums in (promoted, self._total - as_control):
            y, square, cross = sums[:, :m], sums[:, m : 2 * m], sums[:, 2 * m : 3 * m]
            slates, slates_square, units = (sums[:, [place]] for place in (-3, -2, -1))
            with np.errstate(divide="ignore", invalid="ignore"):
                mean = y / slates
                spread = square - 2 * mean * cross + mean**2 * slates_square
                # Of an arm that does not vary, rounding leaves a little.
                spread = np.where(spread > _NO_SPREAD * square, spread, 0.0)
                variances.append(spread / slates**2 * units / (units - 1))
            means.append(mean)
        difference = means[0] - means[1]
        if not self.studentized:
            # An empty arm has no difference: as extreme as can be, which is on the safe side.
            return difference, np.where(np.isnan(difference), np.inf, difference)
        nothing = np.abs(difference) <= ROUNDING * np.maximum(self._largest, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = difference / np.sqrt(variances[0] + variances[1])
        # An arm without two units has no error: as extreme as can be here too.
        t = np.where(np.isnan(t), np.inf, t)
        return difference, np.where(nothing, 0.0, t)


def randomization_tests(
    items: pd.DataFrame,
    *,
    near_positions: int,
    permutations: int,
    seed: int,
    studentized: bool = True,
    outcome: Outcome = CLICKS,
) -> pd.DataFrame:
    """Test five sharp null hypotheses of no spillover.

    Parameters
    ----------
    items
        The table of slate items with clicks; only non-focal rows are looked at.
    near_positions
        Positions above the focal item that count as near.
    permutations
        Assignments drawn, R.
    seed
        Study seed.
    studentized
        Whether the statistic, the difference of slate sums between arms, is divided by its
        standard error.
    outcome
        Its words.

    Returns
    -------
    One row per hypothesis: the hypothesis in words, the difference per slate (around the means of
    strata, where there are any), the statistic, the difference's 95% range under the null
    hypothesis, ``p_value`` (two-sided) and ``p_value_adjusted``, of the
    closed test over all five: the largest p-value of a hypothesis on a union of these sets of
    rows, with the maximum of their statistics (Marcus, Peritz and Gabriel 1976; Westfall and Young
    1993). The chance to reject any true hypothesis by ``p_value_adjusted`` <= a is at most a.
    ``known_null`` says in a simulated world whether the click probabilities fulfill the hypothesis.

    Raises
    ------
    NetliftError
        An arm has fewer than two randomized units.
    """
    rows = ItemRows.of(items)
    _need_units(rows.design)
    members = hypothesis_rows(rows, near_positions)
    tests = DrawnTests.of(rows, members, permutations, seed, studentized=studentized)
    present = [bool(member.any()) for member in members]
    p_values, adjusted = tests.p_values(present)
    table = []
    for k, test in enumerate(HYPOTHESES):
        row: dict[str, object] = {
            "hypothesis": test.label,
            "null_hypothesis": test.said(near_positions, outcome),
            "rows": int(members[k].sum()),
            "slates": int((rows.per_slate(members[k]) > 0).sum()),
            "unit": PER_SLATE,
            **tests.numbers(k),
            "statistic_is": "difference / standard error" if studentized else "difference",
            "p_value": p_values[k],
            "p_value_adjusted": adjusted[k],
            "permutations": permutations,
            "permuted_over": _permuted_over(rows.design),
            "note": None,
        }
        row |= _without_number(present=present[k], statistic=tests.statistic[k])
        if rows.known is not None:
            row["known_null"] = not bool((np.abs(rows.known[members[k]]) > ROUNDING).any())
        table.append(row)
    return outcome.in_units(pd.DataFrame(table))


def hypothesis_rows(rows: ItemRows, near_positions: int) -> list[NDArray[np.bool_]]:
    """Say for each hypothesis which rows it is about, shape (R,) each."""
    return [rows.member(test.definition, near_positions) for test in HYPOTHESES]


@dataclass(frozen=True)
class DrawnTests:
    """Differences and statistics as observed, shape (m,), and in each draw, shape (R, m)."""

    difference: Floats
    statistic: Floats
    differences: Floats
    reached: Floats

    @classmethod
    def of(
        cls,
        rows: ItemRows,
        members: list[NDArray[np.bool_]],
        permutations: int,
        seed: int,
        *,
        studentized: bool,
    ) -> DrawnTests:
        """Compute the statistics of sets of rows as observed, and in so many draws."""
        design = rows.design
        outcomes = np.column_stack([rows.per_slate(rows.click * member) for member in members])
        statistics = Statistics.of(outcomes, design, studentized=studentized)
        made = design.of_units(design.promoted).astype(np.float64)[None, :]
        difference, statistic = (values[0] for values in statistics(made))
        drawn = [statistics(block) for block in assignments(design, seed=seed, draws=permutations)]
        differences = np.concatenate([block[0] for block in drawn])
        reached = np.abs(np.concatenate([block[1] for block in drawn]))
        return cls(difference, statistic, differences, reached)

    @property
    def observed(self) -> Floats:
        """Absolute statistics as observed, shape (m,)."""
        return np.abs(self.statistic)

    def p_values(self, present: Sequence[bool]) -> tuple[list[float], list[float | None]]:
        """Return each test's p-value, and those of the closed test over the tests with rows."""
        single = [p_value(one, self.reached[:, k]) for k, one in enumerate(self.observed)]
        return single, closed_test(self.observed, self.reached, np.array(present))

    def numbers(self, k: int) -> dict[str, object]:
        """Return one test's difference, its range under the null hypothesis, and its statistic."""
        tail = (1 - CONFIDENCE) / 2
        lower, upper = np.nanquantile(self.differences[:, k], [tail, 1 - tail])
        return {
            "estimate": self.difference[k],
            "null_95_lower": lower,
            "null_95_upper": upper,
            "statistic": self.statistic[k],
        }


def _need_units(design: Design) -> None:
    treated, control = design.units_per_arm()
    if min(treated, control) < MIN_PER_ARM:
        raise NetliftError(
            f"{treated} promoted and {control} control {design.unit_name}s: a randomization test "
            f"needs at least {MIN_PER_ARM} in each arm"
        )


def _without_number(*, present: bool, statistic: float) -> dict[str, object]:
    """Return what is missing of a test that has no rows or no finite statistic, and why."""
    if not present:
        empty = ("estimate", "null_95_lower", "null_95_upper", "statistic", "p_value")
        missing = dict.fromkeys((*empty, "p_value_adjusted"))
        return {**missing, "note": "not tested: no item row fits"}
    if not np.isfinite(statistic):
        why = "the arms differ and neither varies: the statistic is infinite"
        return {"statistic": None, "note": why}
    return {}


def _permuted_over(design: Design) -> str:
    within = " within strata" if design.stratum.any() else ""
    return f"{design.unit_name}s{within}"


def p_value(observed: float, drawn: Floats) -> float:
    """Return (1 + draws at least as extreme) / (draws + 1) of absolute statistics."""
    return float((1 + (drawn >= observed * (1 - _TIE)).sum()) / (1 + len(drawn)))


def closed_test(
    observed: Floats, drawn: Floats, present: NDArray[np.bool_] | None = None
) -> list[float | None]:
    """Adjust p-values for testing several hypotheses together.

    The closed test whose intersections are judged by the largest statistic, by its step-down
    shortcut: from the most extreme statistic down, each is held against the largest of those not
    yet passed. Needs hypotheses such that the statistics' joint distribution under an
    intersection comes from the same draws, as it does for sharp null hypotheses on sets of rows.

    Parameters
    ----------
    observed
        Absolute statistics, shape (m,).
    drawn
        The same in each draw, shape (R, m).
    present
        Which hypotheses are tested, shape (m,); all if not given.

    Returns
    -------
    Adjusted p-values; None where a hypothesis is not tested.
    """
    m = len(observed)
    tested = np.ones(m, dtype=bool) if present is None else present
    # Statistics in one scale: studentized ones have it already, nearly. What was observed counts
    # as one draw more, so that the scale is the same whichever of the draws had happened.
    scale = np.array([_root_mean_square(np.r_[observed[k], drawn[:, k]]) for k in range(m)])
    scaled, limits = drawn / scale, observed / scale
    adjusted: list[float | None] = [None] * m
    left = [int(k) for k in np.argsort(-limits, kind="stable") if tested[k]]
    largest = 0.0
    while left:
        k = left[0]
        largest = max(largest, p_value(limits[k], scaled[:, left].max(axis=1)))
        adjusted[k] = largest
        left.pop(0)
    return adjusted


def _root_mean_square(drawn: Floats) -> float:
    finite = drawn[np.isfinite(drawn)]
    size = float(np.sqrt((finite**2).mean())) if len(finite) else 0.0
    return size if size > ROUNDING else 1.0
