"""Causes that show as many problems: each is named once, in place of what follows from it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netlift.logs.conditions import SLATE_CODES
from netlift.logs.entries import LogEntry
from netlift.logs.rows import RowProblem, Rows
from netlift.logs.source import first_row

if TYPE_CHECKING:
    import duckdb

SHOWN_VALUES = 8
"""Values of a flag that are named with their counts."""

_TWICE = ("duplicate_item", "duplicate_position")
_REPEATED = 1 << SLATE_CODES.index("repeated_slate")

_MISSING = {
    "user": "Where the user is not known, log the id of what is known (cookie, device, session)"
    "{drawn}. set_aside: [missing_value] leaves these slates out, if they are as many in each arm "
    "as chance explains.",
    "promoted": "Log the arm that was drawn in every row of the slate, in control slates too: an "
    "empty flag is neither arm. Slates that were not in the experiment are left out by "
    "set_aside: [missing_value].",
    "delivered": "Log in every row of the slate whether a promotion was carried out: 0 or false "
    "where none was, in control slates too. An empty flag is not 0. If it is not known, leave out "
    "columns.delivered: the effect of the draw needs none.",
    "focal": "Log the flag in every row: 0 or false for the other items of the slate, in both "
    "arms. An empty flag is not 0.",
    "slate": "Every row needs the id of its slate. Rows outside slates do not belong in the log.",
    "block": "Log in every row the block (carousel, row) that the item is in; of an item that is "
    "not shown without promotion, the block in which promotion shows it. Where a page is one list, "
    "leave out columns.block.",
    "stratum": "Log the stratum in which the arm was drawn, or leave out columns.stratum.",
    "probability": "Log the probability with which the slate was drawn to be promoted, in both "
    "arms: in control slates it is the probability of promotion, too.",
}
"""What to do about a missing value, by role of the column."""

_DRAWN = {
    "user": ", by which the arm was drawn",
    "slate": ", or give every such slate an id of its own: it then counts as a user",
}


def name_causes(con: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    """Replace problems of slates that follow from another one.

    Slates shown several times under one id get ``repeated_slate`` in place of all others; slates
    that are in neither arm keep the problems of their rows only.

    Parameters
    ----------
    con
        With ``rows`` and the table ``slates``, whose ``slate_problems`` are changed.
    rows
        The mapping of the log.
    """
    bits = sum(1 << SLATE_CODES.index(code) for code in _TWICE)
    some = first_row(con, f"SELECT count(*) FROM slates WHERE slate_problems & {bits} <> 0")
    if some[0]:
        _mark_repeated(con, bits, "block, " if rows.treatment.in_block else "")
    unknown = [bit for bit, check in enumerate(rows.checks) if is_arm(check)]
    if rows.experiment and unknown:
        mask = sum(1 << bit for bit in unknown)
        con.execute(
            "UPDATE slates SET slate_problems = 0 WHERE promotion_applied IS NULL "
            f"AND row_problems & {mask} <> 0 AND slate_problems <> 0"
        )


def is_arm(check: RowProblem) -> bool:
    """Return whether a check is of values of the arm that are neither promoted nor control."""
    return check.code == "unknown_flag" and "promoted_bad" in check.condition


def _mark_repeated(con: duckdb.DuckDBPyConnection, bits: int, within: str) -> None:
    """Mark slates in which most items and positions, or most positions, occur several times.

    ``within`` is what else tells rows of a slate apart, in SQL.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE suspects AS SELECT slate_id FROM slates "
        f"WHERE slate_problems & {bits} <> 0"
    )
    items, positions = (
        f"SELECT slate, min(n) AS fewest, max(n) AS most, count(*) AS kinds, "
        f"2 * count(*) FILTER (n > 1) > count(*) AS repeats FROM (SELECT slate, count(*) AS n "
        f"FROM rows JOIN suspects ON slate = slate_id GROUP BY slate, {within}{what}) "
        "GROUP BY slate"
        for what in ("item", "position")
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE repeated AS SELECT p.slate, "
        "CASE WHEN i.repeats THEN 'item' ELSE 'position' END AS what, "
        "CASE WHEN i.repeats THEN i.fewest ELSE p.fewest END AS fewest, "
        "CASE WHEN i.repeats THEN i.most ELSE p.most END AS most "
        f"FROM ({items}) i JOIN ({positions}) p USING (slate) "
        "WHERE p.repeats AND (i.repeats OR p.kinds > 1)"
    )
    con.execute(
        f"UPDATE slates SET slate_problems = {_REPEATED} "
        "WHERE slate_id IN (SELECT slate FROM repeated)"
    )


def repeated_examples(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return how many slates have each item, or each position, how many times."""
    counts = con.execute(
        "SELECT what, CASE WHEN fewest = most THEN fewest END AS times, count(*), "
        "min(slate::VARCHAR) FROM repeated GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 3"
    ).fetchall()
    return tuple(
        f"{slates:,} slate{'s have' if slates > 1 else ' has'} "
        f"{f'each {what} {times} times' if times else f'most {what}s several times'}, such as "
        f"slate {slate}: is an exposure id missing?"
        for what, times, slates, slate in counts
    )


def flag_examples(con: duckdb.DuckDBPyConnection, flag: str, where: str) -> tuple[str, ...]:
    """Return in how many slates a flag of slates marks the focal item only, if in any.

    Parameters
    ----------
    con
        With ``rows`` and the table ``slates``.
    flag
        ``promoted`` or ``delivered``.
    where
        The slates whose flag differs between rows, from ``FROM`` on.
    """
    row = first_row(
        con,
        f"SELECT count(*) FILTER (marks), count(*) FROM (SELECT bool_and({flag} = focal) AS marks "
        f"FROM rows WHERE slate IN (SELECT slate_id {where}) GROUP BY slate)",
    )
    if not row[0]:
        return ()
    return (f"in {row[0]:,} of {row[1]:,} the flag is set for the focal item only",)


def arm_values(con: duckdb.DuckDBPyConnection, check: RowProblem, where: str) -> tuple[str, ...]:
    """Return the values of the arm that mean neither arm, with their counts, and the known ones."""
    values = con.execute(
        f"SELECT ({check.shown})::VARCHAR, count(DISTINCT slate), count(*) {where} "
        f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {SHOWN_VALUES}"
    ).fetchall()
    known = first_row(
        con,
        "SELECT count(*) FILTER (promotion_applied = 1), count(*) FILTER (promotion_applied = 0) "
        "FROM slates",
    )
    return (
        *(
            f"{check.column} is {value!r} in {slates:,} slates ({rows:,} rows)"
            for value, slates, rows in values
        ),
        f"{known[0]:,} slates are promoted and {known[1]:,} are control slates",
    )


def row_fix(check: RowProblem, log: LogEntry) -> str | None:
    """Return what to do about a problem of one column; None where its code says it."""
    roles = [role for role, column in log.columns.items() if column == check.column]
    if check.code != "missing_value" or not roles or roles[0] not in _MISSING:
        return None
    return _MISSING[roles[0]].format(drawn=_DRAWN.get(log.unit or "", ""))


_OF_TWO = (
    "Two arms are compared. Name the value under meanings.promoted, in quotes, if it means one of "
    "them. Slates of a third arm are left out by set_aside: [unknown_flag]; the probability of "
    "promotion is then that among the two arms that remain."
)
_OF_SEVERAL = (
    "Name the value, in quotes, under values of the arm that it means, in promotion.arms or "
    "promotion.control. If it is another arm, give it an entry of its own with its probability."
)
_LIKE_CONTROL = ("control", "none", "0", "false", "off", "holdout", "baseline", "no")


def arm_fix(con: duckdb.DuckDBPyConnection, check: RowProblem, where: str, log: LogEntry) -> str:
    """Return what to do about values that mean no arm; for three or more, the keys to write."""
    if log.contrast is not None:
        return _OF_SEVERAL
    unknown = con.execute(f"SELECT DISTINCT ({check.shown})::VARCHAR {where} ORDER BY 1").fetchall()
    found = dict.fromkeys(value for (value,) in unknown)
    known = dict(log.meanings.get("promoted", {"control": ["0"], "promoted": ["1"]}))
    counted = first_row(
        con,
        "SELECT count(*) FILTER (promotion_applied = 0), count(*) FILTER (promotion_applied = 1) "
        "FROM slates",
    )
    control, promoted = (
        tuple(known[arm]) if count else ()
        for arm, count in zip(("control", "promoted"), counted, strict=True)
    )
    if not control:
        control = tuple(value for value in found if value.strip().lower() in _LIKE_CONTROL)[:1]
    variants = [promoted] if promoted else []
    variants += [(value,) for value in found if value not in control]
    if len(variants) < 2 or len(variants) > SHOWN_VALUES:
        return _OF_TWO
    return f"{_OF_TWO} To compare all arms, write {_keys(control, variants, log)}"


def _keys(control: Sequence[str], variants: Sequence[Sequence[str]], log: LogEntry) -> str:
    """Return the keys of a log with several arms, for the values that it has."""
    arms = ", ".join(
        f"{_arm_name(values[0], number)}: {{values: {json.dumps(list(values))}, probability: "
        "?, move: {to: ?}}"
        for number, values in enumerate(variants, start=1)
    )
    of_control = json.dumps(list(control)) if control else '["?"]'
    return (
        f"promotion: {{unit: {log.unit}, control: {{values: {of_control}, probability: ?}}, "
        f"arms: {{{arms}}}}} with the probability of each arm, and what each does, in place of ?; "
        "without promotion.probability and meanings.promoted."
    )


def _arm_name(value: str, number: int) -> str:
    """Return a name for an arm that can be the name of a folder."""
    word = re.sub(r"[^A-Za-z0-9_-]+", "_", value.strip()).strip("_-")[:32]
    return word if word and not word.isdigit() else f"variant{word or number}"
