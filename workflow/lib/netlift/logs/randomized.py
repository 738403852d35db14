"""Randomized units of a log: users in both arms, users in one arm, and how much units tell."""

from __future__ import annotations

from collections.abc import Iterator
from math import log as ln
from typing import TYPE_CHECKING

from netlift.effects.caveats import arm_words
from netlift.inference.balance import SPLIT_USERS, TINY, few_split_p_value
from netlift.inference.effective_units import ENOUGH_UNITS
from netlift.logs.entries import LogEntry
from netlift.logs.problems import Problem
from netlift.logs.source import first_row

if TYPE_CHECKING:
    import duckdb

MERGED_USERS = 0.05
"""At most this share of the users with several slates may be in both arms and be set aside."""

MIXED_USERS = "coalesce(user_id IN (SELECT user_id FROM mixed_users), false)"
"""The condition of slates whose user is in both arms, once ``users_in_both_arms`` counted them."""


def users_in_both_arms(con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str) -> Problem | None:
    """Return ``promotion_differs_in_user`` if users were drawn and some are in both arms.

    Their ids are in the table ``mixed_users`` afterwards.

    Parameters
    ----------
    con
        With the table ``slates``.
    log
        Its entry.
    aside
        The condition of slates that are set aside.
    """
    if log.unit != "user":
        return None
    con.execute(
        "CREATE OR REPLACE TEMP TABLE mixed_users AS SELECT user_id, count(*) AS slates, "
        f"sum(n_items) AS n FROM slates WHERE NOT ({aside}) GROUP BY 1 "
        "HAVING min(promotion_applied) <> max(promotion_applied)"
    )
    row = first_row(con, "SELECT count(*), sum(slates), sum(n) FROM mixed_users")
    if not row[0]:
        return None
    several = first_row(
        con,
        "SELECT count(*) FROM (SELECT user_id FROM slates "
        f"WHERE NOT ({aside}) GROUP BY 1 HAVING count(*) > 1)",
    )[0]
    sample = con.execute(
        "SELECT user_id::VARCHAR, slates FROM mixed_users ORDER BY 1 LIMIT 3"
    ).fetchall()
    share = row[0] / several
    examples = (
        f"{row[0]:,} of {several:,} users with several slates ({share:.1%}) are in both arms",
        *(f"user {user}, {slates} slates" for user, slates in sample),
    )
    fix = None
    if share > MERGED_USERS:
        fix = (
            f"These are more than {MERGED_USERS:.0%} of the users with several slates, too many to "
            "be set aside. Set promotion.unit: slate if each slate was drawn by itself; else name "
            "under columns.user the id by which the arm was drawn."
        )
    return Problem("promotion_differs_in_user", None, int(row[2]), int(row[1]), examples, fix)


def users_in_one_arm(
    con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str
) -> Iterator[Problem]:
    """Yield ``users_in_one_arm`` if slates were drawn, but too few users have slates of both arms.

    Probabilities are scaled to the share of slates that was promoted.

    Parameters
    ----------
    con
        With the table ``slates``.
    log
        Its entry.
    aside
        The condition of slates that are set aside.
    """
    if log.unit != "slate" or "user" not in log.columns:
        return
    used = f"FROM slates WHERE NOT ({aside})"
    ratio = first_row(con, f"SELECT sum(promotion_applied) / sum(promotion_probability) {used}")[0]
    chance = f"least(promotion_probability * {ratio!r}, 1.0)"
    row = first_row(
        con,
        "SELECT count(*) FILTER (split), count(*), sum(1 - one), "
        f"sum(ln(greatest(one, {TINY!r}))) FROM (SELECT split, least(promoted + control, 1.0) "
        "AS one FROM (SELECT min(promotion_applied) <> max(promotion_applied) AS split, "
        f"exp(sum(ln({chance}))) AS promoted, "
        f"exp(sum(ln(greatest(1 - {chance}, {TINY!r})))) AS control {used} "
        "GROUP BY user_id HAVING count(*) > 1))",
    )
    split, users, expected, log_none = row
    if not users:
        return
    p = few_split_p_value(int(split), int(users), float(expected), float(log_none))
    if p < SPLIT_USERS:
        size = f"(p < 1e-{int(-ln(max(p, TINY)) / ln(10))})"
        message = (
            f"{split:,} of {users:,} users with several slates have slates of both arms; "
            f"{expected:,.0f} are expected {size}"
        )
        yield Problem("users_in_one_arm", log.columns["user"], examples=(message,))


def unit_warnings(con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str) -> Iterator[Problem]:
    """Yield ``few_units`` where an arm has few effective units.

    Parameters
    ----------
    con
        With the table ``slates``.
    log
        Its entry.
    aside
        The condition of slates that are set aside.
    """
    used = f"FROM slates WHERE NOT ({aside})"
    weight = "1 / (CASE d WHEN 1 THEN promotion_probability ELSE 1 - promotion_probability END)"
    weights = f"SELECT randomization_unit, promotion_applied AS d, {weight} AS w {used}"
    if log.unit == "user":
        weights = f"SELECT d, sum(w) AS w FROM ({weights}) GROUP BY randomization_unit, d"
    units = con.execute(
        "SELECT d, count(*), sum(w) * sum(w) / sum(w * w), max(w) / sum(w) "
        f"FROM ({weights}) GROUP BY 1 ORDER BY 1 DESC"
    ).fetchall()
    if min(effective for _, _, effective, _ in units) < ENOUGH_UNITS:
        examples = tuple(
            arm_words("promoted" if arm else "control", count, str(log.unit), effective, largest)
            for arm, count, effective, largest in units
        )
        yield Problem("few_units", examples=examples)
