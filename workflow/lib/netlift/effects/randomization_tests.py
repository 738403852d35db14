"""Randomization tests: the observed statistics compared with those of other assignments.

Under a sharp null hypothesis ("promotion changes no click of these items") the clicks of these
items are the same under every assignment, so the statistic's distribution over assignments is
known and the p-value (1 + number at least as extreme) / (draws + 1) is exact for any number of
slates and any dependence among clicks (Fisher 1935; Phipson and Smyth 2010 for the ones).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.core.arrays import ROUNDING, Booleans, Floats
from netlift.core.errors import NetliftError
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_SLATE
from netlift.effects.item_rows import (
    BELOW,
    NEAR,
    NON_FOCAL,
    OTHER,
    SAME_CLUSTER,
    Definition,
    ItemRows,
)
from netlift.inference.estimate import CONFIDENCE, MIN_PER_ARM
from netlift.inference.randomization import (
    ClosedTest,
    Statistics,
    assignments,
    closed_test,
    disjoint_cells,
)
from netlift.promotion.design import Design


@dataclass(frozen=True)
class Hypothesis:
    """A sharp null hypothesis about a set of item rows.

    Attributes
    ----------
    code, label
        The code by which programs select it, and its name in tables and figures.
    definition
        The rows whose clicks promotion does not change under the hypothesis.
    """

    code: str
    label: str
    definition: Definition

    def described(self, near_positions: int, outcome: Outcome) -> str:
        """Return the null hypothesis as a sentence."""
        return (
            f"Promotion changes no {outcome.one}, in any slate, of these items: "
            f"{self.definition.described(near_positions)}."
        )


NO_SPILLOVER = "no_spillover"
"""Code of the hypothesis on all non-focal items, which includes all others."""


HYPOTHESES = (
    Hypothesis(NO_SPILLOVER, "No spillover at all", NON_FOCAL),
    Hypothesis("no_same_cluster_spillover", "No spillover on same-cluster items", SAME_CLUSTER),
    Hypothesis("no_other_cluster_spillover", "No spillover on other clusters", OTHER),
    Hypothesis("no_spillover_below", "No spillover below the focal slot", BELOW),
    Hypothesis("no_spillover_near", "No spillover near the focal slot", NEAR),
)

LABELS = {hypothesis.code: hypothesis.label for hypothesis in HYPOTHESES}
"""Labels by code."""


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
        The table of slate items with clicks; only non-focal rows are used.
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
        The outcome's names.

    Returns
    -------
    One row per hypothesis: its words, the hypotheses that it ``includes`` (their rows are among its
    rows), the difference per slate (less the means of strata, if any), the statistic, the
    difference's 95% range under the null hypothesis, ``p_value`` (two-sided, by the largest
    statistic of it and those that it includes), and ``p_value_adjusted``, from the closed test over
    all five (see ``closed_test``): the chance to reject any true hypothesis at a is at most a, and
    one is rejected where another that it includes is. ``known_null``, in a simulated world, is
    whether the click probabilities satisfy it.

    Raises
    ------
    NetliftError
        An arm has fewer than two randomized units.
    """
    rows = ItemRows.from_items(items)
    _need_units(rows.design)
    members = hypothesis_rows(rows, near_positions)
    tests = DrawnTests.from_rows(rows, members, permutations, seed, studentized=studentized)
    table = []
    for k, numbers in enumerate(tests.rows()):
        row = {
            "hypothesis": HYPOTHESES[k].code,
            "null_hypothesis": HYPOTHESES[k].described(near_positions, outcome),
            "includes": _included(k, tests.cells),
            **_counts(rows, members[k]),
            **numbers,
            "permuted_units": _permuted_units(rows.design),
            "note": None,
        }
        row |= _without_number(present=bool(tests.cells[k].any()), statistic=tests.statistic[k])
        table.append(row | _known_null(rows, members[k]))
    return with_labels(outcome.in_units(pd.DataFrame(table)), hypothesis=LABELS)


def _included(k: int, cells: Booleans) -> str:
    """Return the codes of the other hypotheses whose rows are among those of a hypothesis."""
    inside = cells.any(axis=1) & ~(cells & ~cells[k]).any(axis=1)
    return "; ".join(HYPOTHESES[j].code for j in np.flatnonzero(inside) if j != k)


def _known_null(rows: ItemRows, member: NDArray[np.bool_]) -> dict[str, object]:
    """Return whether click probabilities, if known, satisfy a hypothesis on some rows."""
    if rows.known is None:
        return {}
    return {"known_null": not bool((np.abs(rows.known[member]) > ROUNDING).any())}


def _counts(rows: ItemRows, member: NDArray[np.bool_]) -> dict[str, object]:
    n_slates = int((rows.per_slate(member) > 0).sum())
    return {"rows": int(member.sum()), "slates": n_slates, "unit_code": PER_SLATE}


def hypothesis_rows(rows: ItemRows, near_positions: int) -> list[NDArray[np.bool_]]:
    """Return the rows of each hypothesis, shape (R,) each."""
    return [rows.member(test.definition, near_positions) for test in HYPOTHESES]


@dataclass(frozen=True)
class DrawnTests:
    """Differences and statistics as observed, shape (m,), and in each draw, shape (R, m).

    ``cells`` are the disjoint groups of rows of which each set of rows consists, shape (m, c).
    """

    difference: Floats
    statistic: Floats
    differences: Floats
    drawn_statistics: Floats
    cells: Booleans
    studentized: bool

    @classmethod
    def from_rows(
        cls,
        rows: ItemRows,
        members: list[NDArray[np.bool_]],
        permutations: int,
        seed: int,
        *,
        studentized: bool,
    ) -> DrawnTests:
        """Compute the statistics of sets of rows, as observed and in each draw."""
        design = rows.design
        outcomes = np.column_stack([rows.per_slate(rows.click * member) for member in members])
        statistics = Statistics.from_outcomes(outcomes, design, studentized=studentized)
        assigned = design.of_units(design.promoted).astype(np.float64)[None, :]
        difference, statistic = (values[0] for values in statistics(assigned))
        drawn = [statistics(block) for block in assignments(design, seed=seed, draws=permutations)]
        differences = np.concatenate([block[0] for block in drawn])
        drawn_statistics = np.abs(np.concatenate([block[1] for block in drawn]))
        cells = disjoint_cells(members)
        return cls(difference, statistic, differences, drawn_statistics, cells, studentized)

    @cached_property
    def closed(self) -> ClosedTest:
        """P-values of each test, and those of the closed test over the tests with rows."""
        return closed_test(np.abs(self.statistic), self.drawn_statistics, self.cells)

    def rows(self) -> list[dict[str, object]]:
        """Return each test's difference, its range under the null hypothesis, and p-values."""
        tail = (1 - CONFIDENCE) / 2
        rows: list[dict[str, object]] = []
        for k, differences in enumerate(self.differences.T):
            lower, upper = np.nanquantile(differences, [tail, 1 - tail])
            rows.append(
                {
                    "estimate": self.difference[k],
                    "null_95_lower": lower,
                    "null_95_upper": upper,
                    "statistic": self.statistic[k],
                    "statistic_text": "difference / standard error"
                    if self.studentized
                    else "difference",
                    "p_value": self.closed.p_values[k],
                    "p_value_adjusted": self.closed.adjusted[k],
                    "permutations": len(self.drawn_statistics),
                }
            )
        return rows


def _need_units(design: Design) -> None:
    treated, control = design.units_per_arm()
    if min(treated, control) < MIN_PER_ARM:
        raise NetliftError(
            f"{treated} promoted and {control} control {design.unit_name}s: a randomization test "
            f"needs at least {MIN_PER_ARM} in each arm"
        )


def _without_number(*, present: bool, statistic: float) -> dict[str, object]:
    """Return the missing values of a test without rows or a finite statistic, and the reason."""
    if not present:
        empty = ("estimate", "null_95_lower", "null_95_upper", "statistic", "p_value")
        missing = dict.fromkeys((*empty, "p_value_adjusted"))
        return {**missing, "note": "not tested: there are no such item rows"}
    if not np.isfinite(statistic):
        why = "the arms differ and neither varies: the statistic is infinite"
        return {"statistic": None, "note": why}
    return {}


def _permuted_units(design: Design) -> str:
    within = " within strata" if design.stratum.any() else ""
    return f"{design.unit_name}s{within}"
