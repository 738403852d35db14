"""Codes of rules that choose among candidates, and of what their promotions are counted by."""

from __future__ import annotations

from netlift.models.policies import NONE

AT_RANDOM, BEST, MOST_RELEVANT, SLOT, OWN = (
    "promote_drawn",
    "best_candidate",
    "best_of_most_relevant",
    "fixed_slot",
    "own_rule",
)

CANDIDATE_RULES = {
    NONE: "promote none",
    AT_RANDOM: "promote at random",
    BEST: "best predicted candidate",
    MOST_RELEVANT: "best of the most relevant",
    SLOT: "fixed slot",
    "tree_one_question": "candidates of a tree of one question",
    "tree_three_questions": "candidates of a tree of three questions",
    OWN: "the team's own rule",
}
"""Labels of the rules."""

POSITION, GROUP = "position", "group"
DIMENSIONS = {POSITION: "position before promotion", GROUP: "group"}
"""Labels of the dimensions by which promoted items are counted."""
