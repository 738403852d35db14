"""Randomization tests: assignments drawn as in the design, statistics, and the closed test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from netlift.core.arrays import ROUNDING, Booleans, Floats
from netlift.core.streams import Stream, generator
from netlift.promotion.design import Design

DRAWS_AT_ONCE = 256


_CELLS_AT_ONCE = 1 << 20
"""Assignments drawn at once, and units times assignments held in memory."""


_CHOSEN_FROM = 500
"""Units of a stratum from which it is faster to choose those promoted than to permute all."""


_NO_SPREAD = 1e-12


_TIE = 1e-9
"""Statistics that differ by less than this share are equal up to rounding errors."""


def assignments(
    design: Design, *, seed: int, draws: int, stream: Stream = "randomization_test"
) -> Iterator[Floats]:
    """Yield blocks of assignments that the design could have made, shape (b, U), 1 is promoted.

    Promotions are permuted over the randomized units within strata of the design. Where
    probabilities differ within a stratum, each unit's promotion is drawn independently instead.

    Parameters
    ----------
    design
        The assignment that was made.
    seed
        Study seed.
    draws
        Number of assignments in all.
    stream
        Random stream; the draws in one of its blocks depend only on the number of units.
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
        for members in strata:
            _permute(rng, promoted, members, drawn)
        yield drawn[:size]


def _permute(
    rng: np.random.Generator, promoted: Floats, members: NDArray[np.intp], drawn: Floats
) -> None:
    """Permute a stratum's promotions independently in each row of ``drawn``, (b, U), initially 0.

    In a large stratum the promoted units are chosen instead: that takes fewer random numbers.
    """
    if len(members) < _CHOSEN_FROM:
        drawn[:, members] = rng.permuted(np.tile(promoted[members], (len(drawn), 1)), axis=1)
        return
    n_promoted = int(promoted[members].sum())
    for row in drawn:
        row[members[rng.choice(len(members), n_promoted, replace=False, shuffle=False)]] = 1.0


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
    def from_outcomes(
        cls, outcomes: Floats, design: Design, *, studentized: bool = True
    ) -> Statistics:
        """Compute the sums.

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
        an arm is too small for it; for an empty arm the difference is NaN.
        """
        m = (self.sums.shape[1] - 3) // 3
        means, variances = [], []
        promoted = assigned @ self.sums
        as_control = promoted if self.control_sums is self.sums else assigned @ self.control_sums
        for sums in (promoted, self._total - as_control):
            y, square, cross = sums[:, :m], sums[:, m : 2 * m], sums[:, 2 * m : 3 * m]
            slates, slates_square, units = (sums[:, [column]] for column in (-3, -2, -1))
            with np.errstate(divide="ignore", invalid="ignore"):
                mean = y / slates
                spread = square - 2 * mean * cross + mean**2 * slates_square
                # Without variation in an arm, rounding errors remain.
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


def p_value(observed: float, drawn: Floats) -> float:
    """Return (1 + draws at least as extreme) / (draws + 1) of absolute statistics."""
    return float((1 + (drawn >= observed * (1 - _TIE)).sum()) / (1 + len(drawn)))


@dataclass(frozen=True)
class ClosedTest:
    """P-values of several hypotheses on sets of rows; None where a set has no rows.

    Attributes
    ----------
    p_values
        Of each hypothesis, by the largest statistic among its own and those of its parts.
    adjusted
        The largest p-value of a hypothesis on a union of sets that contains this set. A set's
        adjusted p-value is never below that of a set that contains it: where a part is rejected,
        the whole is.
    """

    p_values: list[float | None]
    adjusted: list[float | None]


def closed_test(observed: Floats, drawn: Floats, cells: Booleans) -> ClosedTest:
    """Test nested hypotheses together, coherently.

    A hypothesis is a sharp null hypothesis on a set of rows, so that hypotheses on two sets are
    together the hypothesis on their union, under which the statistics of all sets inside the union
    have the joint distribution of the draws. Each union is tested by the largest of these
    statistics; a hypothesis is rejected if all unions are that contain its set (Marcus, Peritz and
    Gabriel 1976; with only the unions that can occur, Shaffer 1986). The chance to reject any true
    hypothesis by adjusted p-values <= a is at most a.

    Parameters
    ----------
    observed
        Absolute statistics, shape (m,).
    drawn
        The same in each draw, shape (R, m).
    cells
        Which of the c disjoint groups of rows each set consists of, shape (m, c); a set without
        any is not tested.
    """
    m = len(observed)
    # Statistics on one scale, which studentized ones nearly have. The observed statistic counts as
    # one more draw, so that the scale is the same whichever of the draws was observed.
    scale = np.array([_root_mean_square(np.r_[observed[k], drawn[:, k]]) for k in range(m)])
    scaled, limits = drawn / scale, observed / scale
    tested = np.flatnonzero(cells.any(axis=1))
    p_values, adjusted = np.zeros(m), np.zeros(m)
    for union in _unions(cells[tested]):
        inside = tested[~(cells[tested] & ~union).any(axis=1)]
        p = p_value(limits[inside].max(), scaled[:, inside].max(axis=1))
        adjusted[inside] = np.maximum(adjusted[inside], p)
        p_values[inside[(cells[inside] == union).all(axis=1)]] = p
    of_tested = np.isin(np.arange(m), tested)
    return ClosedTest(
        *(
            [float(p) if there else None for p, there in zip(values, of_tested, strict=True)]
            for values in (p_values, adjusted)
        )
    )


def _unions(sets: Booleans) -> Booleans:
    """Return all unions of one or more sets, each once, shape (n, c)."""
    chosen = np.arange(1, 1 << len(sets))[:, None] >> np.arange(len(sets)) & 1
    return np.unique(chosen @ sets.astype(np.int64) > 0, axis=0)


def disjoint_cells(members: Sequence[Booleans]) -> Booleans:
    """Return of which disjoint groups of rows each of m sets consists, shape (m, c).

    Two rows are in one group if they belong to the same sets.
    """
    code = sum((member.astype(np.int64) << k for k, member in enumerate(members)), start=0)
    codes = np.unique(code)
    bits = codes[codes > 0] >> np.arange(len(members))[:, None] & 1
    return np.asarray(bits, dtype=bool)


def _root_mean_square(drawn: Floats) -> float:
    finite = drawn[np.isfinite(drawn)]
    size = float(np.sqrt((finite**2).mean())) if len(finite) else 0.0
    return size if size > ROUNDING else 1.0
