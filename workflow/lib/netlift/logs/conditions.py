"""Problems of slates: the condition of each in SQL, over the table of slates."""

from __future__ import annotations

from netlift.logs.entries import LogEntry
from netlift.logs.rows import Rows
from netlift.logs.treatment import may_be_hidden
from netlift.logs.variants import SUM_TOLERANCE

SLATE_CODES = (
    "no_focal_item",
    "several_focal_items",
    "promotion_differs",
    "user_differs",
    "probability_differs",
    "covariate_differs",
    "duplicate_position",
    "position_gap",
    "duplicate_item",
    "focal_not_moved",
    "moved_without_promotion",
    "wrong_final_position",
    "repeated_slate",
    "short_slate",
    "few_focal_items",
    "promoted_order",
    "outcome_not_shown",
    "missing_value",
    "delivery_differs",
    "moved_without_delivery",
    "delivered_not_moved",
    "focal_probabilities_do_not_add_up",
    "several_own_promotions",
    "page_position",
    "focal_items_in_blocks",
)
"""Problems of slates; the index of each is its bit in ``slate_problems``."""


def slate_conditions(log: LogEntry, rows: Rows, *, unlogged: bool) -> dict[str, str]:
    """Return the condition of each problem of slates, by its code, over the table ``slates``."""
    placed = "n_positions = n_items"
    if rows.parts and log.treatment.adds_focal_item:
        placed = "n_positions = n_items - n_focal"
    elif rows.parts and log.treatment.kind == "rerank":
        placed = "true"
    conditions = {
        "user_differs": "users",
        "covariate_differs": "covariates",
        "duplicate_position": f"{placed} AND positions < n_positions",
        "duplicate_item": "items < n_items",
    }
    if "item" not in log.columns:
        del conditions["duplicate_item"]
        conditions["repeated_slate"] = "n_items > 1"
    page = ""
    if log.has_blocks:
        page = (
            "blocks AND page_gap AND page_positions = n_positions "
            "AND page_first = 1 AND page_last = n_positions"
        )
        conditions["page_position"] = page
    if rows.experiment:
        conditions |= {"promotion_differs": "promotions", "probability_differs": "probabilities"}
        if log.records_delivery:
            conditions["delivery_differs"] = "deliveries"
    if not rows.parts:
        # Without focal items, positions before the promotion are not needed: gaps may be items
        # that are not logged.
        return conditions
    # Gaps are not reported for slates with missing or duplicate positions.
    gap = f"{placed} AND positions = n_positions"
    in_list = f"position_min > 1 OR position_max > {_n_in_list(log)}"
    if log.treatment.kind == "replace":
        in_list = f"({in_list}) AND NOT ({_replaced_unlogged(log)})"
    if log.has_blocks:
        in_list = f"({in_list}) OR blocks_gap"
        gap += f" AND NOT coalesce({page}, false)"
    gap += f" AND ({in_list})"
    several = log.treatment.focal_items
    conditions |= {
        "position_gap": gap,
        "no_focal_item": "n_focal = 0 AND flags = n_items",
        "several_focal_items": f"n_focal > {several}",
        "few_focal_items": f"n_focal BETWEEN 1 AND {several - 1}",
        "short_slate": _too_short(log, unlogged=unlogged),
    }
    if "focal_probability" in log.columns:
        off = f"abs(focal_chances - {several}) > {SUM_TOLERANCE!r}"
        conditions["focal_probabilities_do_not_add_up"] = f"coalesce({off}, false)"
    if "own_rule" in log.columns:
        conditions["several_own_promotions"] = "own_promotions > 1"
    if log.has_blocks and log.treatment.kind == "move":
        conditions["focal_items_in_blocks"] = "focal_blocks"
    return conditions | _order_conditions(log, gap)


def _n_in_list(log: LogEntry) -> str:
    """Return the number of positions in the list that a promotion changes: the page or a block."""
    return "n_block_positions" if log.has_blocks else "n_positions"


def _order_conditions(log: LogEntry, gap: str) -> dict[str, str]:
    """Return the conditions of problems of what is shown where, given that of a gap."""
    conditions = {}
    if "final_position" in log.columns:
        conditions = _final_position_conditions(log)
    if may_be_hidden(log):
        # With a gap, positions do not say what is shown.
        conditions["outcome_not_shown"] = f"outcome_hidden AND NOT coalesce({gap}, false)"
        conditions["missing_value"] = "outcome_missing"
    if log.treatment.kind == "rerank":
        conditions["promoted_order"] = "promoted_positions < n_promoted_positions OR " + (
            "blocks_order_gap"
            if log.has_blocks
            else "promoted_min > 1 OR promoted_max > n_promoted_positions"
        )
    return conditions


def _final_position_conditions(log: LogEntry) -> dict[str, str]:
    """Return the conditions of slates that were not shown as their arm, or their delivery, says."""
    consistent = f"n_focal = {log.treatment.focal_items} AND NOT promotions AND misplaced"
    as_drawn = consistent
    conditions = {}
    if log.records_delivery:
        consistent += " AND NOT deliveries"
        as_drawn = f"{consistent} AND promotion_delivered = promotion_applied"
        conditions = {
            "moved_without_delivery": f"{consistent} AND promotion_applied > promotion_delivered",
            "delivered_not_moved": f"{consistent} AND promotion_applied < promotion_delivered",
        }
    promoted = f"{as_drawn} AND promotion_applied = 1"
    return conditions | {
        "focal_not_moved": f"{promoted} AND focal_misplaced",
        "moved_without_promotion": f"{as_drawn} AND promotion_applied = 0",
        "wrong_final_position": f"{promoted} AND NOT focal_misplaced",
    }


def _applied(log: LogEntry) -> str:
    """Return the column that says whether a slate was shown with its promotion."""
    return "promotion_delivered" if log.records_delivery else "promotion_applied"


def _too_short(log: LogEntry, *, unlogged: bool) -> str:
    """Return the condition of a slate without the position of the promotion."""
    treatment, shown = log.treatment, "coalesce(position_max, 0)"
    if treatment.to is None:
        return "false"
    if treatment.kind == "move":
        n_items = "n_focal_block" if log.has_blocks else "n_items"
        return f"{n_items} < {treatment.to + treatment.focal_items - 1}"
    if treatment.kind == "insert" and (treatment.grows or unlogged):
        # One place more: that of the inserted item, or, where it is not logged, of the last one.
        more = "1" if treatment.grows else f"coalesce({_applied(log)}, 0)"
        return f"{shown} + {more} < {treatment.to}"
    short = f"{shown} < {treatment.to}"
    if treatment.kind == "replace":
        return f"{short} AND NOT ({_replaced_unlogged(log)})"
    return short


def _replaced_unlogged(log: LogEntry) -> str:
    """Return the condition of a promoted slate without the row of the item that is replaced."""
    to = log.treatment.to or 0
    n_positions = _n_in_list(log)
    places = f"positions = n_positions AND position_min = {2 if to == 1 else 1}"
    inside = f"position_max = {n_positions} + 1"
    at_the_end = f"(position_max = {to - 1} AND {n_positions} = {to - 1})"
    return f"{_applied(log)} = 1 AND n_replaced = 0 AND {places} AND ({inside} OR {at_the_end})"
