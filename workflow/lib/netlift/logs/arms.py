"""Problems by arm: of which arm they are, and whether their slates can be set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from netlift.inference.balance import UNEQUAL, unequal_p_value
from netlift.inference.effective_units import ENOUGH_UNITS
from netlift.logs.codes import BY_NAME
from netlift.logs.problems import Problem
from netlift.logs.source import first_row

if TYPE_CHECKING:
    import duckdb

_ARM = "(promotion_applied IS NOT NULL AND NOT promotions)"
"""The condition of slates whose arm is known."""

_PROBABLE = "coalesce(promotion_probability > 0 AND promotion_probability < 1, false)"
"""The condition of slates whose probability is one."""

_OF_ONE_ARM = {
    "no_focal_item": "Flag in {arm} slates, too, the item that is promoted if the slate is: chosen "
    "by the same rule as in the other arm. If it was not logged and the rule is known, compute it "
    "before the analysis. If neither can be done, leave out columns.focal: then the effect on "
    "whole slates is estimated, without its parts.",
}
"""What to do where slates of one arm have a problem, and those of the other have not."""


@dataclass(frozen=True)
class ByArm:
    """How many slates of each arm have a problem.

    Attributes
    ----------
    slates
        Slates that have it, by arm: control, promoted.
    of
        All slates of each arm.
    p_value
        The probability of counts as unequal, if it does not depend on the arm.
    """

    slates: tuple[int, int]
    of: tuple[int, int]
    p_value: float

    @property
    def whole_arm(self) -> str | None:
        """The arm of which all slates have it, while none of the other does."""
        for arm, name in ((0, "control"), (1, "promoted")):
            if self.slates[arm] == self.of[arm] > 0 and not self.slates[1 - arm]:
                return name
        return None

    @property
    def mostly(self) -> str:
        """The arm of which the larger share has it."""
        control, promoted = (
            some / max(every, 1) for some, every in zip(self.slates, self.of, strict=True)
        )
        return "control" if control > promoted else "promoted"

    @property
    def differs(self) -> bool:
        """Whether its slates cannot be left out."""
        return self.p_value < UNEQUAL or self.whole_arm is not None

    def __str__(self) -> str:
        (control, promoted), (all_control, all_promoted) = self.slates, self.of
        if self.whole_arm:
            other = "promoted" if self.whole_arm == "control" else "control"
            return f"all {control + promoted:,} {self.whole_arm} slates, no {other} slate"
        counts = f"{promoted:,} of {all_promoted:,} promoted and "
        return f"{counts}{control:,} of {all_control:,} control slates (p = {self.p_value:.2g})"


def by_arm(con: duckdb.DuckDBPyConnection, condition: str, unit: str | None) -> ByArm:
    """Count the slates of each arm that meet a condition, and compare them with the draw.

    If a condition does not depend on the arm, the units that meet it were promoted with their own
    probabilities, scaled to the share of slates that was promoted. Users count once; where many
    users meet it, their slates are counted too.

    Parameters
    ----------
    con
        With the table ``slates``.
    condition
        In SQL, over ``slates``.
    unit
        What was randomized.
    """
    counted = con.execute(
        f"SELECT promotion_applied, count(*) FILTER ({condition}), count(*) FROM slates "
        f"WHERE {_ARM} GROUP BY 1"
    ).fetchall()
    found = {int(arm): (int(some), int(every)) for arm, some, every in counted}
    (control, all_control), (promoted, all_promoted) = (found.get(arm, (0, 0)) for arm in (0, 1))
    p = _p_value(con, condition, unit == "user") if control + promoted else 1.0
    return ByArm((control, promoted), (all_control, all_promoted), p)


def _p_value(con: duckdb.DuckDBPyConnection, condition: str, by_user: bool) -> float:
    ratio, share = first_row(
        con,
        f"SELECT sum(promotion_applied) FILTER ({_PROBABLE}) "
        f"/ sum(promotion_probability) FILTER ({_PROBABLE}), avg(promotion_applied) "
        f"FROM slates WHERE {_ARM}",
    )
    # Slates that could only be in one arm are there for sure; others without a probability have
    # that of all.
    chance = f"CASE WHEN {_PROBABLE} THEN least(promotion_probability * {ratio or 0.0!r}, 1.0) "
    chance += f"WHEN promotion_probability IN (0, 1) THEN promotion_probability ELSE {share!r} END"
    # A slate of a user who is not known counts by itself.
    unknown = "CASE WHEN user_id IS NULL THEN slate_id END"
    group = f"user_id, promotion_applied, {unknown}" if by_user else "slate_id"
    row = first_row(
        con,
        "SELECT sum(d), count(*), sum(e), sum(c), sum(c * c), sum((d - e) * c), "
        "sum(e * (1 - e) * c * c) FROM (SELECT any_value(promotion_applied) AS d, "
        f"any_value({chance}) AS e, count(*)::DOUBLE AS c FROM slates "
        f"WHERE {_ARM} AND ({condition}) GROUP BY {group})",
    )
    promoted, units, expected, total, squares, difference, variance = row
    p = unequal_p_value(int(promoted), int(units), float(expected))
    if by_user and variance > 0 and total**2 >= ENOUGH_UNITS * squares:
        from scipy.special import ndtr

        of_slates = float(2 * ndtr(-abs(difference) / variance**0.5))
        p = min(2 * min(p, of_slates), 1.0)
    return p


def with_arms(problem: Problem, counts: ByArm) -> Problem:
    """Return a problem with what its arms have to do with it, where they have."""
    if not counts.differs or not sum(counts.slates):
        return problem
    code, arm = BY_NAME[problem.code], counts.whole_arm
    examples = (str(counts), *problem.examples)
    if code.accept:
        return replace(problem, examples=examples)
    fix = problem.fix or _way_out(code.name, counts) or code.fix
    if arm:
        fix = (
            f"Every {arm} slate has it, and no other: it comes from how this arm is logged. {fix} "
            f"To set these slates aside would leave no {arm} slate."
        )
    elif code.set_aside:
        fix += " Here it depends on the arm, so these slates cannot be set aside."
    return replace(problem, examples=examples, fix=fix)


def _way_out(code: str, counts: ByArm) -> str | None:
    """Return what to do where a problem is one of an arm; None where its code says it."""
    words = _OF_ONE_ARM.get(code)
    return words.format(arm=counts.mostly) if words else None


def set_aside_problems(
    con: duckdb.DuckDBPyConnection, reasons: Mapping[str, str], unit: str | None
) -> Iterator[Problem]:
    """Yield ``set_aside_differs`` if slates that are set aside depend on the arm.

    Parameters
    ----------
    con
        With the table ``slates``.
    reasons
        The condition of the slates that are set aside, by code.
    unit
        What was randomized.
    """
    counts = dict(_unequal(con, reasons, unit))
    if not counts:
        return
    examples = tuple(f"{code}: {count}" for code, count in counts.items())
    slates = sum(sum(count.slates) for count in counts.values())
    yield Problem("set_aside_differs", None, None, slates, examples, _fix(counts))


def _unequal(
    con: duckdb.DuckDBPyConnection, reasons: Mapping[str, str], unit: str | None
) -> Iterator[tuple[str, ByArm]]:
    conditions = dict(reasons)
    if len(reasons) > 1:
        conditions["all together"] = " OR ".join(f"({sql})" for sql in reasons.values())
    found = False
    for code, condition in conditions.items():
        counts = by_arm(con, condition, unit)
        if counts.differs and not (found and code == "all together"):
            found = True
            yield code, counts


def _fix(counts: Mapping[str, ByArm]) -> str | None:
    """Return what to do where a whole arm has a problem."""
    for code, count in counts.items():
        if count.whole_arm:
            fix = f"Take {code} out of set_aside: it would leave no {count.whole_arm} slate."
            return f"{fix} {_way_out(code, count) or ''}".rstrip()
    return None
