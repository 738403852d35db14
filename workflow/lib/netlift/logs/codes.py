"""The problems that a log can have: their codes, what they mean, and how to fix them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["file", "row", "slate", "log"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Code:
    """One kind of problem.

    Attributes
    ----------
    name
        The code.
    level
        What it is about: a file or column, a row, a slate, or the log as a whole.
    severity
        An error stops the analysis; a warning is shown on the page.
    what
        What is wrong, in words.
    fix
        How to fix it, in words.
    set_aside
        Whether slates that have it may be set aside.
    accept
        Whether it may be accepted: the log is analyzed with it, and every result says so.
    """

    name: str
    level: Level
    severity: Severity
    what: str
    fix: str
    set_aside: bool = False
    accept: bool = False


def _row(name: str, what: str, fix: str) -> Code:
    return Code(name, "row", "error", what, fix, set_aside=True)


def _slate(name: str, what: str, fix: str) -> Code:
    return Code(name, "slate", "error", what, fix, set_aside=True)


def _delivery(name: str, what: str, fix: str) -> Code:
    """Return a problem of slates of one arm: without them the arms could not be compared."""
    way_out = (
        f"If the delivery failed in some slates, accept: [{name}] keeps them in the arm that was "
        "drawn for them; the effect of the draw is estimated. If a flag says where it failed, name "
        "it under columns.delivered: the effect of delivered promotions is estimated, too."
    )
    return Code(name, "slate", "error", what, f"{fix} {way_out}", accept=True)


def _contradiction(name: str, what: str) -> Code:
    """Return a problem of slates of one arm whose positions contradict the delivery flag."""
    fix = (
        "Check which position column is which, columns.delivered, and meanings.delivered. "
        f"accept: [{name}] takes the flag as it is logged."
    )
    return Code(name, "slate", "error", what, fix, accept=True)


def _log(name: str, what: str, fix: str) -> Code:
    """Return a problem of the assignment that may be accepted."""
    return Code(name, "log", "error", what, fix, accept=True)


CODES = (
    Code(
        "unreadable_file",
        "file",
        "error",
        "a file cannot be read in its declared format",
        "Look at the line that the message names; set format or delimiter if the file is "
        "something else; in CSV, quote text that contains delimiters, quotes or line breaks.",
    ),
    Code(
        "missing_column",
        "file",
        "error",
        "a column that the config names is not in the log",
        "Correct the name under columns, outcomes or covariates; names are case-sensitive.",
    ),
    Code(
        "duplicate_column",
        "file",
        "error",
        "a column that the config names appears twice in the header",
        "Rename one of them in the log.",
    ),
    Code("empty_log", "file", "error", "the log has no rows", "Check the path or the query."),
    Code(
        "duplicate_file",
        "file",
        "error",
        "files have the same content, so that their rows would count twice",
        "Remove the copies, or leave them out of path.",
    ),
    _row(
        "missing_value",
        "a value that every row needs is missing",
        "Fill it in where the log is written. An item without the outcome has 0, not an empty "
        "field.",
    ),
    _row(
        "text_for_missing",
        "an id or cluster is a text that may mean missing, or be a name: NULL, NA, None, nan and "
        "the like",
        "Say which: missing_values: [NULL, NA] lists the texts that mean missing; "
        "missing_values: [] says that all of them are names.",
    ),
    _row(
        "float_id",
        "an id is a floating-point number that is not whole, or so large that different ids can "
        "be the same number",
        "Log the id as a whole number (64 bits) or as text. Programs make floating-point numbers "
        "of ids where a file has missing ids, or where files differ in their types: write missing "
        "ids in a type that can be missing, and the same type in all files.",
    ),
    _row(
        "wrong_type",
        "a value is not a number where a number is needed",
        "Write numbers with a decimal point and without separators, units or words.",
    ),
    _row(
        "unknown_flag",
        "a flag has a value that is not 0 or 1, true or false, or listed under meanings",
        "Map each value under meanings, in quotes.",
    ),
    _row(
        "position_not_whole",
        "a position is not a whole number",
        "Log the position in the slate: 1, 2, 3 (or from 0, with first_position: 0).",
    ),
    _row(
        "position_too_low",
        "a position is below the first one",
        "Set first_position: 0 if the log counts from 0.",
    ),
    _row(
        "position_too_high",
        "a position is above 32,767",
        "Log the position in the slate: 1, 2, 3. A number this large is rather an id, a time or "
        "the place in a longer list.",
    ),
    _row(
        "negative_outcome",
        "an outcome is below zero",
        "Fix the log, or set negative: true if values below zero are intended (refunds).",
    ),
    _row(
        "infinite_outcome",
        "an outcome or covariate is infinite, beyond 1e100, or not a number (NaN)",
        "Find the cause; an item without the outcome has 0.",
    ),
    _row(
        "probability_out_of_range",
        "a probability of promotion is not above 0 and below 1",
        "Leave out slates that could only be in one arm: they say nothing about promotion.",
    ),
    _row(
        "probabilities_do_not_add_up",
        "the probabilities of control and of all variants do not add up to 1",
        "Log the probability of every arm in every row; an arm that is not analyzed needs an entry "
        "under promotion.arms, too.",
    ),
    _row(
        "focal_probability_out_of_range",
        "a probability of an item to be the focal one is not from 0 to 1",
        "Log for each item of a slate the probability with which it was chosen as the candidate "
        "for promotion, in both arms, and 0 for items that could not be chosen.",
    ),
    _row(
        "impossible_focal_item",
        "a focal item has the probability 0, or is not at one of promotion.candidates.positions, "
        "so that it could not have been drawn",
        "Correct columns.focal_probability, or list under promotion.candidates.positions every "
        "position from which focal items are drawn (counted as in the log). If focal items were "
        "not drawn at random, leave both out: then whether to promote can be said, and not what.",
    ),
    _row(
        "impossible_own_promotion",
        "columns.own_rule promotes an item that could not have been drawn, so that the log does "
        "not tell what promoting it is worth",
        "Log 0 for it, so that the rule promotes nothing there; or leave these slates out.",
    ),
    _slate(
        "focal_probabilities_do_not_add_up",
        "the probabilities of a slate's items to be focal do not add up to 1 (to "
        "promotion.focal_items, if there are several)",
        "Every item that could be chosen needs its own probability in the slate, and other items "
        "0; log all items of the slate, also where another item was chosen.",
    ),
    _slate(
        "several_own_promotions",
        "columns.own_rule promotes several items of a slate",
        "Log 1 for the one item that the rule would promote, and 0 for the others.",
    ),
    _slate(
        "no_focal_item",
        "a slate has no focal item",
        "Flag, in both arms, the item that was promoted or would have been. Slates without a "
        "candidate were not in the experiment: set_aside: [no_focal_item] leaves them out.",
    ),
    _slate(
        "repeated_slate",
        "slate ids repeat: each item, or each position, is in the slate several times",
        "A slate id must identify one slate shown once: is an exposure id (request, page view, "
        "time) missing? Use it as columns.slate, or join it to the slate id. If rows were logged "
        "twice, keep one of each.",
    ),
    _slate(
        "several_focal_items",
        "a slate has more focal items than a promotion takes",
        "If every promotion takes several items at once, state their number: "
        "promotion.focal_items. The direct effect is then that of all of them together: their "
        "effects cannot be separated. If only one was promoted, flag only that one.",
    ),
    _slate(
        "few_focal_items",
        "a slate has fewer focal items than promotion.focal_items",
        "Flag, in both arms, all items that a promotion of the slate takes. Slates with another "
        "number of them are another experiment: analyze each number by itself, with a query.",
    ),
    _row(
        "focal_has_position",
        "a focal item has a position without promotion, though promotion.insert or "
        "promotion.replace says that it is not shown then",
        "columns.position is the position without promotion, empty for the item that is inserted "
        "or takes a place. Is it the position with promotion? Log that under "
        "columns.final_position. If the item is in the slate without promotion, too, and goes to "
        "another position, the promotion is a move: promotion.move. Slates that showed the item "
        "anyway were not in the experiment: set_aside: [focal_has_position].",
    ),
    _slate(
        "promotion_differs",
        "the promotion flag differs between rows of a slate",
        "The flag is the slate's arm, in every row of the slate. A flag that marks only the "
        "promoted item is not the arm: give every row of the slate the largest flag of its rows.",
    ),
    _slate(
        "delivery_differs",
        "the delivery flag differs between rows of a slate",
        "The flag says whether a promotion was carried out in the slate, in every row of the "
        "slate. A flag that marks only the promoted item: give every row of the slate the largest "
        "flag of its rows.",
    ),
    _slate(
        "user_differs",
        "rows of a slate belong to different users",
        "A slate id must identify one slate shown to one user: add the user or the time to it.",
    ),
    _slate(
        "probability_differs",
        "the probability or the stratum differs between rows of a slate",
        "Both are properties of the slate, as the promotion is.",
    ),
    _slate(
        "covariate_differs",
        "a covariate of slates differs between rows of a slate",
        "List it under covariates.item, or log one value per slate.",
    ),
    _slate(
        "duplicate_position",
        "two items of a slate (with columns.block: of a block) have the same position",
        "Log each item of a slate once, with its own position before any promotion. Rows that "
        "were logged twice cause this too.",
    ),
    _slate(
        "position_gap",
        "the positions of a slate (with columns.block: of a block) have a gap",
        "Log every item of the slate, including those without an outcome, with its position before "
        "promotion.",
    ),
    _slate(
        "page_position",
        "the positions of a page with several blocks are numbered through the whole page",
        "With columns.block, a position is the position in the block, which starts at 1 in each "
        "block: subtract the number of items in the blocks above, from columns.final_position too "
        "(in SQL: row_number() OVER (PARTITION BY slate, block ORDER BY position)). If the items "
        "of all blocks move as one list, so that the last one of a row goes to the next row, leave "
        "out columns.block.",
    ),
    _slate(
        "focal_items_in_blocks",
        "the focal items of a slate are in several blocks, and a move is within one",
        "columns.block is the block in which the item is shown without promotion. A promotion that "
        "moves items in several blocks has no single position: log both orders, with "
        "promotion.rerank. If the items of all blocks move as one list, leave out columns.block, "
        "and log positions over the page.",
    ),
    _slate(
        "promoted_order",
        "the positions with promotion of a slate have a gap, or occur twice",
        "columns.promoted_position is the item's position in the other order, 1, 2, 3 without "
        "gaps, in both arms, and empty for an item that this order does not show.",
    ),
    Code(
        "outcome_not_shown",
        "slate",
        "error",
        "an item that is not shown in the arm of its slate has an outcome",
        "Not shown are the candidate in control slates and, in promoted slates, the last item (of "
        "promotion.insert with a kept length) or the one whose place is taken "
        "(promotion.replace). If the slate grows by the inserted item: promotion.insert.length: "
        "grows. Otherwise correct the outcome, or the promotion.",
    ),
    _slate(
        "duplicate_item",
        "a slate (with columns.block: a block) has the same item twice",
        "Log each item of a slate once. Rows that were logged twice cause this too.",
    ),
    _slate(
        "short_slate",
        "a slate (with columns.block: the focal item's block) has fewer items than the position "
        "where promotion shows the focal item",
        "Set promotion.move.to (insert.at, replace.at) to the position that promotion means. "
        "Slates too short for it were "
        "not in the experiment: set_aside: [short_slate] leaves them out of both arms.",
    ),
    _delivery(
        "focal_not_moved",
        "a promoted focal item was not shown where the promotion puts it",
        "Check which position column is which, and promotion.move.to (insert.at, replace.at), the "
        "position where promotion shows the focal item: a move to 1, if nothing is stated.",
    ),
    _delivery(
        "moved_without_promotion",
        "items of a control slate were not shown at their positions before promotion",
        "Check which position column is which, and that control slates were not changed.",
    ),
    _delivery(
        "wrong_final_position",
        "items of a promoted slate were not shown where the promotion puts them",
        "The focal item moves to promotion.move.to (1, if no other is stated), the items in "
        "between make room by one place, and the rest stay; with promotion.insert, those from "
        "insert.at on move down, and the last one has no position (unless insert.length is grows); "
        "with promotion.replace, only the item at replace.at has none; with promotion.badge "
        "nothing moves.",
    ),
    _contradiction(
        "moved_without_delivery",
        "items of a promoted slate that was not delivered were not shown at their positions "
        "before promotion",
    ),
    _contradiction(
        "delivered_not_moved",
        "items of a control slate in which a promotion was delivered were not shown where the "
        "promotion puts them",
    ),
    _log(
        "set_aside_differs",
        "the slates set aside are not the same share of both arms (p < 0.001), so that without "
        "them the arms differ by more than the promotion",
        "Take the code out of set_aside, and correct in the log what is recorded of one arm only. "
        "accept: [set_aside_differs] continues anyway.",
    ),
    Code(
        "extreme_value",
        "log",
        "error",
        "values of an outcome or covariate are so large that sums with them lose the others (half "
        "of those are more than 2^36 times smaller)",
        "Such values usually stand for something missing: write them as missing, and leave those "
        "slates out with set_aside: [missing_value]; an item without the outcome has 0.",
    ),
    Code(
        "promotion_differs_in_user",
        "log",
        "error",
        "the promotion differs between slates of a user, though users were randomized",
        "Set promotion.unit: slate if each slate was drawn by itself. A few users in both arms "
        "(two people or cookies that count as one user) can be left out with all their slates: "
        "set_aside: [promotion_differs_in_user].",
        set_aside=True,
    ),
    _log(
        "users_in_one_arm",
        "too few users have slates in both arms (p < 0.000001), though each slate was drawn by "
        "itself",
        "If the arm was drawn for each user, set promotion.unit: user. If it was drawn for "
        "sessions or days of users, set promotion.unit: user and name under columns.user the "
        "column of what was drawn. accept: [users_in_one_arm] continues anyway, with errors that "
        "are too small if slates were not drawn by themselves.",
    ),
    Code(
        "probability_differs_in_user",
        "log",
        "error",
        "the probability or the stratum differs between slates of a user, though users were "
        "randomized",
        "Log the probability with which the user was promoted.",
    ),
    Code(
        "empty_arm",
        "log",
        "error",
        "an arm has fewer than two randomized units",
        "Check the promotion flag and its meanings: both promoted and control slates are needed.",
    ),
    Code(
        "delivery_against_draw",
        "log",
        "error",
        "promotions were delivered in no promoted slate, in every slate of both arms, or less "
        "often in promoted than in control slates (p < 0.0001)",
        "Check columns.delivered and meanings.delivered: the flag says in both arms whether a "
        "promotion was carried out. Without columns.delivered the effect of the draw is estimated "
        "alone.",
    ),
    _log(
        "sample_ratio",
        "the number of promoted units does not fit the stated probability (p < 0.0001)",
        "Correct the probability, or find out which slates are missing from an arm: until then, "
        "estimates cannot be trusted. accept: [sample_ratio] continues anyway.",
    ),
    _log(
        "focal_draw",
        "focal items are not at the positions that their stated probabilities give (p < 0.0001)",
        "Correct columns.focal_probability or promotion.candidates, or find out which slates are "
        "missing. If focal items were not drawn at random, leave both out: then whether to promote "
        "can be said, and not what. accept: [focal_draw] continues anyway.",
    ),
    _log(
        "covariate_imbalance",
        "which units were promoted depends on covariates (p < 0.0001)",
        "Check that the covariates were known before the promotion, and that the draw was random. "
        "If it is n_items or n_displaced, one arm lacks rows: log all items of a slate, in both "
        "arms, or state the promotion that takes items off. "
        "accept: [covariate_imbalance] continues anyway.",
    ),
    _log(
        "block_differs",
        "the block of the focal item depends on the arm (p < 0.0001)",
        "columns.block is the block in which an item is shown without promotion, in both arms "
        "(for insert and replace, the one in which promotion shows it); it is not the block in "
        "which a promoted item was shown. A promotion that moves items from one block into another "
        "cannot be described with columns.block: leave it out, and log positions over the page. "
        "accept: [block_differs] continues anyway.",
    ),
    Code(
        "one_arm_outcome",
        "log",
        "error",
        "an outcome never varies in one arm, though it varies in the other (p < 0.0001): it is "
        "not recorded in one arm, or is a copy of the promotion",
        "Find out why: an effect on an outcome that only one arm records is none. "
        "accept: [one_arm_outcome] continues anyway.",
        accept=True,
    ),
    Code(
        "slate_level_outcome",
        "log",
        "error",
        "an outcome is the same in all rows of every slate: a number of the slate, joined to its "
        "rows, which sums would count once per item",
        "Log the outcome of each item. A number that only the whole slate has belongs in one row, "
        "the focal item's, with 0 in the others: then the total is right, and its parts mean "
        "nothing. accept: [slate_level_outcome] continues anyway.",
        accept=True,
    ),
    Code(
        "duplicate_in_items_table",
        "file",
        "error",
        "an item appears in the table of items more than once",
        "Keep one row, and one cluster, per item.",
    ),
    Code(
        "no_item_matches",
        "file",
        "error",
        "the table of items has none of the log's items",
        "Check which columns have the ids, and that they are written alike in both.",
    ),
    Code(
        "few_items_match",
        "file",
        "error",
        "the table of items has fewer than half of the log's items",
        "Complete the table: each of the other items counts as its own cluster. "
        "accept: [few_items_match] continues anyway.",
        accept=True,
    ),
    _log(
        "nothing_moves",
        "the focal item is already where the promotion puts it, so that the promotion changes "
        "nothing",
        "Check promotion.move.to, and that columns.position is the position without promotion. If "
        "a promotion only marks the item, write promotion: {badge: {}}.",
    ),
    Code(
        "no_cluster",
        "row",
        "warning",
        "items have no cluster; each counts as its own cluster",
        "Fill in the cluster if it is known.",
    ),
    Code(
        "missing_covariate",
        "row",
        "warning",
        "a covariate is missing; adjustment leaves the covariate out",
        "Fill it in, or remove it from covariates.",
    ),
    Code(
        "alike_names",
        "row",
        "warning",
        "names differ only by letter case, blanks around them, their Unicode form (NFC, NFD) or "
        "an ending .0, and count as different",
        "If they mean the same, write them in one way where the log is written.",
    ),
    Code(
        "not_shown_not_logged",
        "slate",
        "warning",
        "promoted slates have no row of the item that is pushed out or replaced. Its outcome is 0, "
        "so sums over slates are right; nothing is compared row by row",
        "Log that row in promoted slates, too, with its position without promotion and outcome 0: "
        "then effects on rows, tests and models are estimated as well.",
    ),
    Code(
        "alike_columns",
        "file",
        "warning",
        "columns have names that differ only by letter case, blanks around them or their Unicode "
        "form (NFC, NFD), and one of them is used",
        "Check that the config names the right one, or rename the other in the log.",
    ),
    Code(
        "slate_lengths_differ",
        "slate",
        "warning",
        "slates have different numbers of items, which is allowed",
        "Nothing, if that is how they were shown.",
    ),
    Code(
        "single_item_slate",
        "slate",
        "warning",
        "slates have only one item, so that nothing can be displaced",
        "Check that all items of the slate were logged.",
    ),
    Code(
        "item_in_blocks",
        "slate",
        "warning",
        "pages show an item in several blocks: each place is an item row of its own, and if the "
        "focal item is elsewhere too, that row is a competitor of its cluster",
        "Nothing, if the page showed it so. If rows were doubled (by a join), log each place once.",
    ),
    Code(
        "focal_item_on_top",
        "slate",
        "warning",
        "the focal item was already where the promotion puts it, so that nothing moves",
        "Preferably, choose focal items from other positions.",
    ),
    Code(
        "cluster_with_one_slate",
        "log",
        "warning",
        "focal clusters have only one slate, so that no effect is estimated for them alone",
        "Use coarser clusters if effects by cluster matter.",
    ),
    Code(
        "user_with_one_slate",
        "log",
        "warning",
        "users have only one slate, so that errors clustered by user differ little from those by "
        "slate",
        "Nothing, if that is correct.",
    ),
    Code(
        "constant_outcome",
        "log",
        "warning",
        "an outcome is the same in every row, or adds up to the same number in every slate: no "
        "effect on it can be seen",
        "Check that the outcome is recorded as it happens, and that it is the right column.",
    ),
    Code(
        "constant_part",
        "log",
        "warning",
        "an outcome of the focal item, or of all its competitors, never varies in an arm",
        "If it was not recorded there, the direct and indirect effects are wrong: record it in "
        "both arms and in all rows.",
    ),
    Code(
        "users_not_compared",
        "log",
        "warning",
        "no user has several slates, so that it cannot be checked whether slates or users were "
        "randomized",
        "Name the column of users under columns.user, if the log has one. If users were "
        "randomized, promotion.unit must be user, or errors are too small.",
    ),
    Code(
        "partly_delivered",
        "log",
        "warning",
        "promotions were not delivered as they were drawn in more than 10% of an arm's slates",
        "Find out why. The effect of the draw is the main result; that of delivered promotions is "
        "next to it, for slates in which the draw changed whether one was delivered.",
    ),
    Code(
        "not_delivered",
        "log",
        "warning",
        "promotions were not delivered as they were drawn in at most 10% of each arm's slates",
        "The effect of the draw is the main result; that of delivered promotions is next to it.",
    ),
    Code(
        "few_units",
        "log",
        "warning",
        "an arm has fewer than 30 effective units: 95% intervals may cover the truth in less than "
        "95% of experiments",
        "Randomize more units, and more equal ones. The effective number is (sum w)^2 / sum w^2 "
        "with w the slates of a unit, by the inverse probability of its arm.",
    ),
    Code(
        "heavy_tail",
        "log",
        "warning",
        "1% of the rows with an outcome account for more than 20% of it",
        "Set winsorize: 0.99 for the outcome, to see it without its largest values as well.",
    ),
    Code(
        "few_slates",
        "log",
        "warning",
        "fewer than 100 slates in an arm: only large effects can be detected",
        "See power.csv for what can be detected, and run the test for longer.",
    ),
)
"""All codes, in the order in which a log is checked."""

BY_NAME = {code.name: code for code in CODES}

DELIVERY = tuple(code.name for code in CODES if code.level == "slate" and code.accept)
"""Problems of what was shown, in slates of one arm: a failed promotion stays in its arm."""


def codes_table() -> str:
    """Return the codes as a Markdown table."""
    lines = ["| code | about | | what is wrong | how to fix it |", "|---|---|---|---|---|"]
    for code in CODES:
        kind = code.severity + (", may be set aside" if code.set_aside else "")
        kind += ", may be accepted" if code.accept else ""
        lines.append(f"| `{code.name}` | {code.level} | {kind} | {code.what} | {code.fix} |")
    return "\n".join(lines) + "\n"
