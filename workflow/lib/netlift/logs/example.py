"""A simulated experiment written as a team's log, so that the log's true effects are known."""

from __future__ import annotations

import pandas as pd

COLUMNS = {
    "clicked": "click",
    "page_view": "slate_id",
    "rank": "slate_position_seed",
    "shown_at": "final_position",
    "sku": "item_id",
    "department": "spillover_cluster",
    "visitor": "user_id",
    "candidate": "is_focal_item",
    "arm": "promotion_applied",
    "score": "relevance",
    "visits": "user_activity",
}
"""Column of the log -> column of the items."""


def example_log(items: pd.DataFrame) -> pd.DataFrame:
    """Return a table of items as a team might log it: other names, text, positions from 0.

    Parameters
    ----------
    items
        Items of a simulated world; columns of known effects are left out.
    """
    log = pd.DataFrame({name: items[column] for name, column in COLUMNS.items()})
    return log.assign(
        rank=log["rank"] - 1,
        shown_at=log["shown_at"] - 1,
        page_view="pv-" + log["page_view"].astype(str),
        candidate=log["candidate"].map({True: "yes", False: "no"}),
        arm=log["arm"].map({1: "boosted", 0: "control"}),
    )
