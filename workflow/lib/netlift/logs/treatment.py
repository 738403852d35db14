"""What the promotion of a log does to each row, in SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from netlift.logs.entries import LogEntry
from netlift.promotion.treatment import Treatment

IN_FOCAL_BLOCK = "block = focal_block"
"""The condition of a row in the block of its slate's focal item."""


def promoted_position(treatment: Treatment, focal_position: str = "focal_position") -> str:
    """Return the position of a row if its slate is promoted; NULL if it is not shown then.

    The same rule as ``netlift.promotion.positions.promoted_positions``. Rows are joined to
    ``slate_facts``, except where only ``focal_position`` is needed: a move of one item.

    Parameters
    ----------
    treatment
        What the promotion does.
    focal_position
        The focal item's position without promotion, in SQL.
    """
    if treatment.kind == "badge":
        return "position"
    if treatment.kind == "rerank":
        return "promoted_position"
    rule = _rule(treatment, focal_position)
    # Other blocks of the page stay as they are.
    return (
        f"CASE WHEN {IN_FOCAL_BLOCK} THEN {rule} ELSE position END" if treatment.in_block else rule
    )


def _rule(treatment: Treatment, focal_position: str) -> str:
    """Return the position of a row in the list that the promotion changes."""
    to, several = treatment.to, treatment.focal_items
    if treatment.kind == "replace":
        return f"CASE WHEN focal THEN {to} WHEN position <> {to} THEN position END"
    if treatment.kind == "insert":
        kept = "" if treatment.grows else "WHEN position >= n_shown THEN NULL "
        down = f"WHEN position >= {to} THEN position + 1 ELSE position END"
        return f"CASE WHEN focal THEN {to} {kept}{down}"
    if several > 1:
        before = "len(list_filter(focal_positions, lambda x: x < position))"
        rank = f"(position - {before})"
        rest = f"WHEN {rank} >= {to} THEN {rank} + {several} ELSE {rank} END"
        return f"CASE WHEN focal THEN {to} + {before} {rest}"
    return (
        f"CASE WHEN focal THEN {to} "
        f"WHEN position >= {to} AND position < {focal_position} THEN position + 1 "
        f"WHEN position <= {to} AND position > {focal_position} THEN position - 1 "
        "ELSE position END"
    )


def same_cluster(treatment: Treatment, focal_cluster: str = "focal_cluster") -> str:
    """Return the condition of a row that is not focal, and in the cluster of a focal item."""
    if treatment.focal_items > 1:
        return "(NOT focal AND list_contains(focal_clusters, cluster))"
    return f"(NOT focal AND cluster = {focal_cluster})"


def carried_out(log: LogEntry) -> str:
    """Return the flag of rows whose slate was shown with its promotion: as delivered, or drawn."""
    return "delivered" if log.records_delivery else "promoted"


def may_lack_position(log: LogEntry, role: str) -> str:
    """Return the condition under which a row needs no position of a role; empty if none."""
    if not log.has_parts:
        return "true"
    kind = log.treatment.kind
    if role == "position" and log.treatment.adds_focal_item:
        return "focal"
    if kind == "rerank" and role != "final_position":
        other = "position" if role == "promoted_position" else "promoted_position"
        return f"{other} IS NOT NULL"
    hides = log.treatment.adds_focal_item or kind == "rerank"
    return "true" if role == "final_position" and hides else ""


def may_be_hidden(log: LogEntry) -> str:
    """Return the condition of rows that may not be shown in their arm; empty if all are shown.

    By what the row itself has: where a slate keeps its length, its last item is one of those that
    move down. Positions are as logged.
    """
    if log.arms:
        return _hidden_in_some_arm(log)
    treatment, arm = log.treatment, carried_out(log)
    candidate = f"(focal AND NOT {arm})"
    if not log.has_parts or not (treatment.adds_focal_item or treatment.kind == "rerank"):
        return ""
    if "final_position" in log.columns:
        return "final_position IS NULL"
    if treatment.kind == "rerank":
        return f"(CASE WHEN {arm} THEN promoted_position IS NULL ELSE position IS NULL END)"
    if treatment.kind == "replace":
        replaced = f"position = {(treatment.to or 0) + log.first_position - 1}"
        return f"({candidate} OR ({arm} AND NOT focal AND {replaced}))"
    return candidate if treatment.grows else f"({candidate} OR ({arm} AND NOT focal))"


def _hidden_in_some_arm(log: LogEntry) -> str:
    """Return ``may_be_hidden`` of a log with several arms, each by its own treatment."""
    found = {
        number: may_be_hidden(replace(log, arms=(), treatment=arm.treatment))
        for number, arm in enumerate(log.arms)
        if arm.treatment is not None
    }
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    hidden = (f"(arm IN (0, {number}) AND {sql})" for number, sql in found.items() if sql)
    return f"({' OR '.join(hidden)})"


def is_hidden(log: LogEntry, promoted: str) -> str:
    """Return the condition of rows that are not shown in their arm.

    By the position that was shown, where it is logged: a promotion may have failed.

    Parameters
    ----------
    log
        The log's entry.
    promoted
        The position with promotion, in SQL.
    """
    if "final_position" in log.columns:
        return "final_position IS NULL"
    arm = carried_out(log)
    return f"(CASE WHEN {arm} THEN {promoted} IS NULL ELSE position IS NULL END)"


def slate_facts(
    treatment: Treatment, condition: str, *, unlogged: bool, arm: str = "promoted"
) -> str:
    """Return a SELECT of what a row must know of its slate, one row per ``focal_slate``.

    Focal items first: their clusters define which competitors share a cluster. Grouped, so that
    slates with several focal items do not multiply rows.

    Parameters
    ----------
    treatment
        What the promotion does.
    condition
        The rows to read, in SQL.
    unlogged
        Whether promoted slates have no row of the item that is pushed out.
    arm
        The flag of slates that were shown with their promotion.
    """
    columns = ["slate AS focal_slate"]
    if treatment.kind == "insert" and treatment.in_block:
        return _block_of_insertion(condition, unlogged=unlogged, arm=arm)
    if treatment.kind == "insert":
        # Without the row of the last item, the last one that is logged is not the last.
        one_more = f" + CASE WHEN bool_or({arm}) THEN 1 ELSE 0 END" if unlogged else ""
        columns += [
            "min(cluster) FILTER (focal) AS focal_cluster",
            "NULL::INTEGER AS focal_position",
            f"max(position){one_more} AS n_shown",
        ]
        return f"SELECT {', '.join(columns)} FROM rows WHERE {condition} GROUP BY slate"
    first, order = "min(position)", "position NULLS LAST"
    if treatment.in_block:
        order = f"block, {order}"
        first = f"first(position ORDER BY {order})"
        columns.append("min(block) AS focal_block")
    columns.append(f"{first} AS focal_position")
    if treatment.focal_items > 1:
        columns += [
            f"first(cluster ORDER BY {order}) AS focal_cluster",
            "list(DISTINCT cluster) FILTER (cluster IS NOT NULL) AS focal_clusters",
            "list(position) AS focal_positions",
        ]
    else:
        columns.append("min(cluster) AS focal_cluster")
    return f"SELECT {', '.join(columns)} FROM rows WHERE focal AND {condition} GROUP BY slate"


def _block_of_insertion(condition: str, *, unlogged: bool, arm: str) -> str:
    """Return ``slate_facts`` of an insertion into a block: how many items that block shows."""
    one_more = f" + CASE WHEN bool_or({arm}) THEN 1 ELSE 0 END" if unlogged else ""
    blocks = (
        "SELECT slate AS focal_slate, block AS focal_block, "
        "min(cluster) FILTER (focal) AS focal_cluster, NULL::INTEGER AS focal_position, "
        f"max(position){one_more} AS n_shown FROM rows WHERE {condition} "
        "GROUP BY slate, block HAVING bool_or(focal)"
    )
    return f"SELECT DISTINCT ON (focal_slate) * FROM ({blocks}) ORDER BY focal_slate, focal_block"


def block_facts(treatment: Treatment, condition: str, different: Callable[[str], str]) -> str:
    """Return a SELECT of gaps in positions, and of repeated ones, by slate and block.

    Parameters
    ----------
    treatment
        What the promotion does.
    condition
        The rows to read, in SQL.
    different
        Returns the number of different values of a column of positions, in SQL.
    """
    orders = {"block": "position"}
    if treatment.kind == "rerank":
        orders["block_order"] = "promoted_position"
    gaps = ", ".join(
        f"coalesce(min({place}) > 1 OR max({place}) > count({place}), false) AS {alias}_gap, "
        f"count({place}) - {different(place)} AS {alias}_repeats"
        for alias, place in orders.items()
    )
    return (
        f"SELECT slate AS block_slate, block AS of_block, {gaps} FROM rows WHERE {condition} "
        "GROUP BY slate, block"
    )


def rows_of_focal_blocks(log: LogEntry, used: str) -> str:
    """Return the rows that are in the block of a focal item of their slate; all without blocks.

    Parameters
    ----------
    log
        The log's entry.
    used
        Where the rows come from, in SQL.
    """
    if not (log.has_blocks and log.has_parts):
        return used
    focal = f"SELECT slate AS focal_slate, block AS focal_block FROM {used} WHERE focal"
    return f"(SELECT * FROM {used} SEMI JOIN ({focal}) ON slate = focal_slate AND {IN_FOCAL_BLOCK})"


def needs_facts(treatment: Treatment) -> bool:
    """Return whether a place with promotion depends on more than the focal item's position."""
    return treatment.kind == "insert" or treatment.focal_items > 1 or treatment.in_block
