"""Delivery in a log: whether promotions were carried out as they were drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netlift.core.arrays import ROUNDING
from netlift.inference.balance import WRONG
from netlift.logs.entries import LogEntry
from netlift.logs.problems import Problem
from netlift.logs.source import first_row

if TYPE_CHECKING:
    import duckdb

LARGE_SHARE = 0.1
"""Above this share of an arm, slates not delivered as drawn are on the first screen."""


@dataclass(frozen=True)
class _Arm:
    """How many slates of one arm have a delivered promotion, and the weighted mean over units."""

    delivered: int
    slates: int
    units: int
    mean: float
    variance: float

    @property
    def is_constant(self) -> bool:
        """Whether all slates have one, or none has."""
        return self.delivered in (0, self.slates)


def delivery_problems(
    con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str
) -> Iterator[Problem]:
    """Yield ``delivery_against_draw`` where no draw led to a delivery, or draws prevented them.

    The test is one-sided, and refuses at most one log in 10,000 in which the draw does not prevent
    deliveries.

    Parameters
    ----------
    con
        With the table ``slates``.
    log
        Its entry.
    aside
        The condition of slates that are set aside.
    """
    if not log.records_delivery:
        return
    promoted, control = _arms(con, aside)
    if promoted.delivered and not _is_against(promoted, control):
        return
    yield Problem(
        "delivery_against_draw",
        log.columns["delivered"],
        slates=promoted.slates + control.slates,
        examples=(f"delivered in {_of(promoted)} promoted and {_of(control)} control slates",),
    )


def delivery_warnings(
    con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str
) -> Iterator[Problem]:
    """Yield in how many slates of each arm the delivery is not what was drawn.

    Parameters
    ----------
    con, log, aside
        As of ``delivery_problems``.
    """
    if not log.records_delivery:
        return
    promoted, control = _arms(con, aside)
    failed = promoted.slates - promoted.delivered
    if not failed and not control.delivered:
        return
    largest = max(failed / promoted.slates, control.delivered / control.slates)
    message = (
        f"no promotion in {failed:,} of {promoted.slates:,} promoted slates "
        f"({failed / promoted.slates:.1%}), and one in {_of(control)} control slates "
        f"({control.delivered / control.slates:.1%})"
    )
    yield Problem(
        "partly_delivered" if largest > LARGE_SHARE else "not_delivered",
        log.columns["delivered"],
        slates=failed + control.delivered,
        examples=(message,),
    )


def _of(arm: _Arm) -> str:
    return f"{arm.delivered:,} of {arm.slates:,}"


def _is_against(promoted: _Arm, control: _Arm) -> bool:
    """Return whether promotions are delivered no more often in promoted slates, beyond chance."""
    difference, variance = promoted.mean - control.mean, promoted.variance + control.variance
    if difference > 0:
        return False
    if promoted.is_constant and control.is_constant:
        return True
    if not variance:
        return False  # the few units are alike by chance
    from scipy.special import stdtr

    units = min(promoted.units, control.units)
    return bool(stdtr(units - 1, difference / variance**0.5) < WRONG)


def _arms(con: duckdb.DuckDBPyConnection, aside: str) -> tuple[_Arm, _Arm]:
    """Return the shares of promoted and control slates with a delivered promotion.

    Slates are weighted by the inverse probability of their arm; the variance is that of the
    weighted mean over randomized units.
    """
    weight = (
        "1 / CASE promotion_applied WHEN 1 THEN promotion_probability "
        "ELSE 1 - promotion_probability END"
    )
    units = (
        "SELECT promotion_applied AS d, sum(promotion_delivered) AS t, count(*) AS n, "
        f"sum({weight}) AS w, sum({weight} * promotion_delivered) AS wt FROM slates "
        f"WHERE NOT ({aside}) GROUP BY randomization_unit, promotion_applied"
    )
    promoted, control = (
        _arm(
            first_row(
                con,
                "SELECT sum(t), sum(n), count(*), sum(w), sum(wt), sum(wt * wt), sum(w * wt), "
                f"sum(w * w) FROM ({units}) WHERE d = {arm}",
            )
        )
        for arm in (1, 0)
    )
    return promoted, control


def _arm(sums: tuple[float, ...]) -> _Arm:
    delivered, slates, units, w, wt, squares, products, weights = sums
    mean = wt / w
    scatter = squares - 2 * mean * products + mean**2 * weights
    # Equal units leave a rounding error.
    scatter = scatter if scatter > ROUNDING * squares else 0.0
    variance = scatter / w**2 * units / (units - 1)
    return _Arm(int(delivered), int(slates), int(units), float(mean), float(variance))
