"""Codes of effects by which other packages select, with their labels; imports nothing.

It is a separate module because everything that a script imports is an input of its rule.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A line of the ledger.

    Attributes
    ----------
    code
        The code by which programs select it (column ``line``).
    family, component
        Labels of the effect's family and of its items.
    weights
        Weights of (focal, same-cluster, other) in the line.
    """

    code: str
    family: str
    component: str
    weights: tuple[int, ...]

    @property
    def columns(self) -> dict[str, object]:
        """The code and the labels as columns of a table."""
        return {"line": self.code, "effect_family": self.family, "component": self.component}


DIRECT_LINE = Line("direct", "Direct", "Focal item", (1, 0, 0))
SAME_CLUSTER_LINE = Line("same_cluster", "Indirect", "Same-cluster competitors", (0, 1, 0))
OTHER_LINE = Line("other", "Indirect", "Other competitors", (0, 0, 1))
INDIRECT_LINE = Line("indirect", "Indirect", "All competitors", (0, 1, 1))
TOTAL_LINE = Line("total", "Total", "Full slate", (1, 1, 1))
SHARE_MOVED = "share_moved"
"""Code of the share of the focal gain that is taken from other items: -indirect / direct."""

SHARE_MOVED_LABEL = "Share of the focal gain that is taken from other items"

MAIN_OUTCOME = "observed_clicks"
"""The outcome type of the main outcome, whatever it counts."""

DIFFERENCE = "difference_in_means"
"""The estimator of plain means."""

LINES = (DIRECT_LINE, SAME_CLUSTER_LINE, OTHER_LINE, TOTAL_LINE)
"""The lines of the ledger, in order; all competitors together are the line ``indirect``."""

DIRECT, INDIRECT, TOTAL = DIRECT_LINE.weights, INDIRECT_LINE.weights, TOTAL_LINE.weights

FOCAL_GAIN, SAME_CLUSTER_CHANGE, OTHER_CLUSTER_CHANGE = (
    "focal_gain",
    "same_cluster_change",
    "other_cluster_change",
)
COMPETITOR_CHANGE, NET_CHANGE = "competitor_change", "net_change"
OFFSET_RATIO, RELATIVE_NET_CHANGE, CONTROL_MEAN = (
    "offset_ratio",
    "relative_net_change",
    "control_mean",
)

PRODUCT_METRICS = {
    FOCAL_GAIN: "Focal gain",
    SAME_CLUSTER_CHANGE: "Same-cluster change",
    OTHER_CLUSTER_CHANGE: "Other-cluster change",
    COMPETITOR_CHANGE: "Competitor change",
    NET_CHANGE: "Net change",
    OFFSET_RATIO: "Offset ratio",
    RELATIVE_NET_CHANGE: "Relative net change",
    CONTROL_MEAN: "{Clicks} of control slates",
}
"""Labels by code of the metrics of the product summary, as templates, in order."""

ITEM_LEVEL, SLATE_LEVEL, MONITORING, POLICY = (
    "item_level_reporting",
    "slate_level_metric",
    "spillover_monitoring",
    "policy_design",
)
DESIGN = "design"
TOPICS = {
    DESIGN: "design",
    ITEM_LEVEL: "item-level reporting",
    SLATE_LEVEL: "slate-level metric",
    MONITORING: "spillover monitoring",
    POLICY: "policy design",
}
"""Labels of the topics, in their order."""

MINIMUM, GIVEN, KNOWN = "minimum_detectable_effect", "given_effect", "known_effect"
QUESTIONS = {
    MINIMUM: "minimum detectable effect",
    GIVEN: "given effect",
    KNOWN: "known effect of this world",
}
"""Labels of the questions."""

FIRST_STAGE, OF_DRAW, OF_DELIVERED = "first_stage", "of_draw", "of_delivered"
DELIVERED_MEASURES = {
    FIRST_STAGE: "deliveries that the draw caused",
    OF_DRAW: "effect of the draw",
    OF_DELIVERED: "effect of delivered promotions",
}
"""Labels of what is estimated where promotions were not always delivered."""

EXPOSED, UNEXPOSED = "exposed", "unexposed"
"""Groups of item rows in the audit of leakage."""

ALL_SLATES, OF_GROUP, OF_RARER, OF_SEVERAL = "all", "group", "rarer", "several"
"""Kinds of rows of the diversion matrix: all slates; those whose focal item is of one group, or of
a rarer one; those whose focal items are of several groups."""

FOCAL_PART, OWN_PART, GROUP_PART, RARER_PART = "focal", "own_group", "group", "rarer"
OWN_SUM, OTHER_SUM, OTHERS_PART, TOTAL_PART = "own_groups", "other_groups", "others", "total"
"""Kinds of columns: the focal item, the other items of its group, the items of another group, those
of rarer groups; and sums: of the items of the focal items' own groups, of all other groups, of all
items but the focal one, of all items."""

SUMS = (OWN_SUM, OTHER_SUM, OTHERS_PART, TOTAL_PART)
"""Kinds of columns that are sums over groups."""

TAKINGS = (OWN_PART, GROUP_PART, RARER_PART)
"""Kinds of columns that add up with the focal item to the total."""

CLUSTER, ATTRIBUTE = "cluster", "item_attribute_"
"""The attribute of items that every experiment has, and the prefix of the columns of further ones
in items: seller, brand, price."""

NO_GROUP = "(none)"
"""Name of the group of items whose attribute is missing."""
