"""The page of an experiment, section by section: which files are shown, and in what words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from netlift.core import units
from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.effects.accounts import DELIVERED
from netlift.effects.codes import (
    ALL_SLATES,
    FIRST_STAGE,
    MAIN_OUTCOME,
    TAKINGS,
    TOTAL_LINE,
    UNEXPOSED,
)
from netlift.effects.margins import margin_sentences
from netlift.report.columns import (
    KNOWN,
    NOT_SHOWN,
    NOTE,
    SLATES,
    UNIT,
    Column,
    TableView,
    counted,
    effect,
    number,
    p_values,
    percent,
    table_view,
    text,
    users_effect,
)
from netlift.report.delivery import delivery_sentences
from netlift.report.diversion import diversion_sentences
from netlift.report.gathering import PageData
from netlift.report.ledger_views import main_estimator
from netlift.report.user_segments import user_sentences
from netlift.workflow.outputs import FIGURES, OUTPUTS, Figure, maker


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes
    ----------
    name, title
        Its anchor and its heading.
    lead
        Sentences: what it is about, and what the tables say in words.
    figures, tables
        Names of figures, and tables as shown.
    missing
        Files of this section that are not shown, with the rule that makes each, and the reason.
    page
        Address of the page that has more; empty if there is none.
    """

    name: str
    title: str
    lead: Sequence[str]
    figures: Sequence[str] = ()
    tables: Sequence[TableView] = ()
    missing: Sequence[tuple[str, str, str]] = ()
    page: str = ""


@dataclass
class _Part:
    """A section while it is written."""

    experiment: PageData
    lead: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    tables: list[TableView] = field(default_factory=list)
    laid_out: set[str] = field(default_factory=set)

    def figure(self, *names: str) -> None:
        self.figures += [name for name in names if name in self.experiment.figures]

    def table(
        self,
        name: str,
        caption: str,
        columns: Sequence[Column],
        keep: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    ) -> None:
        self.laid_out.add(name)
        frame = self.experiment.table(name)
        if frame is not None:
            shown = frame if keep is None else keep(frame)
            if len(shown):
                filled = self.experiment.outcome.fill(caption)
                self.tables.append(table_view(name, filled, shown, columns))

    def say(self, *sentences: str) -> None:
        self.lead += [sentence for sentence in sentences if sentence]

    def done(self, name: str, title: str) -> Section:
        """Return the section, with all other outputs that the registry lists for it."""
        for output in [*OUTPUTS, *FIGURES]:
            if output.section != name:
                continue
            if isinstance(output, Figure):
                self.figure(*{output.name}.difference(self.figures))
            elif output.suffix == ".csv" and output.name not in self.laid_out:
                frame = self.experiment.tables.get(output.name, pd.DataFrame())
                self.table(output.name, f"{capitalized(output.answers)}.", plain_columns(frame))
        missing = [
            (
                output.file,
                maker(output, of_log=self.experiment.is_log),
                self.experiment.reason(output),
            )
            for output in self.experiment.missing
            if output.section == name
        ]
        return Section(name, title, self.lead, self.figures, self.tables, missing)


def sections(experiment: PageData) -> list[Section]:
    """Return the sections between the ledger and the assumptions, none of them empty."""
    written = [
        _other_outcomes(experiment),
        _delivered(experiment),
        _shares(experiment),
        _margins(experiment),
        _who_pays(experiment),
        _item_level(experiment),
        _spillover(experiment),
        _risk(experiment),
        _models(experiment),
        _who_gains(experiment),
        _users(experiment),
        _policies(experiment),
        _candidates(experiment),
        _conclusions(experiment),
        _estimators(experiment),
        _truth(experiment),
        _design(experiment),
        _data(experiment),
    ]
    return [part for part in written if part.figures or part.tables or part.missing]


def _other_outcomes(experiment: PageData) -> Section:
    """Return the ledger of all outcomes of a log except the main one."""
    part = _Part(experiment)
    unit_of = experiment.units
    part.say(
        f"The rest of this page is about {experiment.outcome.unit}, the main outcome of this log. "
        "This is the ledger of each other outcome, by the main estimator. Winsorized: with the "
        "largest values lowered."
    )

    def others(frame: pd.DataFrame) -> pd.DataFrame:
        is_other = frame["outcome_type"].isin(unit_of) & (frame["outcome_type"] != MAIN_OUTCOME)
        rows = frame[is_other & frame["is_main"].astype(bool)]
        return rows.assign(
            outcome=rows["outcome_type"].str.replace("_", " "),
            unit_code=units.PER_SLATE,
            unit=[Outcome(unit_of[name]).of(units.PER_SLATE) for name in rows["outcome_type"]],
        )

    if experiment.is_log:
        columns = [
            text("outcome", "Outcome"),
            text("component", "Items"),
            UNIT,
            effect("estimate_per_slate"),
            number("se", "Standard error", 4),
            number("control_mean", "Mean, control", 3),
            NOTE,
        ]
        part.table("component_effects", "Effects on the other outcomes.", columns, others)
    return part.done("other-outcomes", "The other outcomes of this log")


def _delivered(experiment: PageData) -> Section:
    """Return the effects of delivered promotions, where the log records the delivery."""
    part = _Part(experiment)
    table = experiment.table("delivered_effects")
    if table is not None:
        part.say(*delivery_sentences(table, experiment.table("accounts")))
    part.figure("delivered_effects")
    part.table(
        "delivered_effects",
        "The effect of the draw, per 1,000 promoted slates, and of delivered promotions, per 1,000 "
        "of them, with 95% sets; the first line is by how much the draw changed the share of "
        "slates with a delivery.",
        [
            text("component", "Items"),
            text("measure_label", "What"),
            UNIT,
            effect(heading="Estimate (95% set, these users)"),
            users_effect(),
            number("se", "Standard error", 3),
            number("f_statistic", "F of the first stage", 1),
            NOTE,
        ],
        _of_main_outcome,
    )
    return part.done("delivered", "Promotions drawn, and promotions delivered")


def _of_main_outcome(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of deliveries and of the main outcome, by the main estimator."""
    chosen = frame["outcome_type"].isin([DELIVERED, MAIN_OUTCOME]) & frame["is_main"].astype(bool)
    rows = frame[chosen]
    once = rows["f_statistic"].where(rows["measure"] == FIRST_STAGE)
    return rows.assign(f_statistic=once)


def _shares(experiment: PageData) -> Section:
    part = _Part(experiment)
    part.say(
        "How much of the focal gain is taken from the items around it, and how much is "
        "left for the slate. A share above 1 means that more is lost than gained."
    )
    part.figure("shares")
    main = main_estimator(experiment.tables["component_effects"])
    part.table(
        "shares",
        "Shares of a change, with Fieller's 95% sets. They are ratios and have no unit.",
        [
            text("metric_label", "Share"),
            text("denominator_label", "Of"),
            effect(heading="Ratio (95% set)"),
            number("known_value", "Known", signs=True),
            NOTE,
        ],
        lambda frame: frame[frame["estimator"] == main],
    )
    part.table(
        "product_summary",
        "The same in product units. Intervals for these users are for promotions drawn again; "
        "those for users like these are clustered by user, with users as a sample.",
        [
            text("metric_label", "What"),
            UNIT,
            effect(heading="Estimate (95% interval, these users)"),
            users_effect(),
            number("known_value", "Known", signs=True),
            NOTE,
        ],
    )
    return part.done("shares", "What is taken, and what is left")


def _who_pays(experiment: PageData) -> Section:
    part = _Part(experiment)
    part.say(
        "What promoting items of one group takes from the items of every other group. Whether a "
        "taking is real is judged by simultaneous intervals: one set for all slates together, one "
        "for all cells of single groups, so that the largest of many numbers is not taken for a "
        "finding. Effects are differences of means, so that sums may differ from a ledger by Lin's "
        "regression."
    )
    table = experiment.table("diversion")
    if table is not None:
        part.say(*diversion_sentences(table, experiment.outcome))
    part.figure("diversion", "largest_takings")
    part.table(
        "diversion",
        f"The cells with the {MOST_CELLS} largest changes of each matrix by the pooled estimate, "
        "and all sums over all slates, in {clicks} per 1,000 promoted slates; all cells are in "
        "diversion.csv. "
        "Raw numbers add up along a row of the matrix, pooled ones do not.",
        [
            text("attribute_label", "By"),
            text("focal_group", "Promoted items of"),
            text("group", "Items that gain or lose"),
            effect(
                heading="Raw (simultaneous 95% interval)",
                lower="simultaneous_ci_95_lower",
                upper="simultaneous_ci_95_upper",
            ),
            effect(
                "pooled_estimate",
                "Pooled (95% interval, on average)",
                lower="pooled_ci_95_lower",
                upper="pooled_ci_95_upper",
            ),
            KNOWN,
            number("share", "Share of the focal gain", 2),
            text("share_text", "95% set of the share"),
            *SLATES,
            NOTE,
        ],
        _largest_cells,
    )
    return part.done("who-pays", "Who pays")


MOST_CELLS = 20
"""Cells of a diversion matrix that the page shows, besides sums."""


def _largest_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the sums of all slates and the largest cells, in the order of the table."""
    if "part" not in frame:
        return frame
    size = frame["pooled_estimate"].fillna(frame["estimate"]).abs()
    cells = frame[frame["part"].isin(TAKINGS)].assign(size=size)
    largest = cells.sort_values("size", ascending=False).groupby("attribute").head(MOST_CELLS)
    sums = ~frame["part"].isin(TAKINGS) & (frame["focal_kind"] == ALL_SLATES)
    return frame[sums | frame["focal_kind"].isna() | frame.index.isin(largest.index)]


def _margins(experiment: PageData) -> Section:
    part = _Part(experiment)
    table = experiment.table("margins")
    if table is not None:
        part.say(*margin_sentences(table, experiment.outcome))
    part.table(
        "margins",
        "Effects compared with margins that were declared before the data, by the main estimator, "
        "with 95% intervals (for ratios Fieller's sets). Shown at 97.5%, one-sided. Slates needed: "
        "for 80% power if the true change is zero, or for superiority if it is the margin.",
        [
            text("component", "Items"),
            text("question_label", "Question"),
            number("margin", "Margin", 2),
            UNIT,
            effect(),
            p_values("p_value", "p-value"),
            text("verdict_label", "Verdict"),
            counted("slates_needed", "Slates needed"),
        ],
    )
    return part.done("margins", "Is a loss within the margin?")


def _item_level(experiment: PageData) -> Section:
    part = _Part(experiment)
    part.say(
        "A report that looks at single items sees the focal gain and not what it costs "
        "elsewhere. This is what such reports would have claimed from the same "
        f"{experiment.outcome.unit}."
    )
    part.figure("item_level_claim")
    part.table(
        "item_level_claim",
        "Claims and the net change, in {clicks} per 1,000 promoted slates, with 95% intervals.",
        [
            text("metric_label", "Claim"),
            text("calculation", "How it is computed"),
            _claim("claim", "Claimed"),
            _claim("net_change", "Net change"),
            _claim("error_of_claim", "Error of the claim"),
            text("verdict_label", "Verdict"),
        ],
    )
    return part.done("item-level", "What an item-level report would have claimed")


def _claim(name: str, heading: str) -> Column:
    lower, upper = f"{name}_ci_95_lower", f"{name}_ci_95_upper"
    return effect(name, f"{heading} (95% interval)", lower=lower, upper=upper)


def _spillover(experiment: PageData) -> Section:
    part = _Part(experiment)
    part.say(
        "Which items a promotion affects depends on which are called exposed. Effects are per item "
        "row (how much one such item changes) and per slate (how much all of them change). "
        "Leakage is the change on items that a definition calls unexposed."
    )
    support = experiment.table("spillover_support")
    if experiment.is_log and support is not None and "same_block" not in set(support["definition"]):
        part.say(
            "Each slate is one list of items: same block and other blocks are compared where a log "
            "has pages of several blocks, with columns.block."
        )
    part.figure("spillover_sensitivity", "leakage", "randomization_tests")
    _definitions(part)
    _effects_on_rows(part)
    part.figure("observed_effects")
    return part.done("spillover", "Who is exposed, and what each definition misses")


def _definitions(part: _Part) -> None:
    """Add the effect, the support and the leakage of each definition of exposure."""
    part.table(
        "spillover_sensitivity",
        "Spillover under each definition of exposure; units are given per row.",
        [
            text("definition_label", "Definition"),
            UNIT,
            effect(),
            KNOWN,
            counted("rows", "Item rows"),
            counted("slates", "Slates"),
            NOTE,
        ],
    )
    part.table(
        "spillover_support",
        "The rows and slates of each definition.",
        [
            text("definition_label", "Definition"),
            text("meaning", "Meaning"),
            counted("rows", "Item rows"),
            percent("share_of_non_focal_rows", "Share of non-focal rows"),
            counted("slates", "Slates"),
            *SLATES,
        ],
    )
    part.table(
        "leakage",
        "Leakage: the change on items that each definition calls unexposed, in {clicks} per slate.",
        [
            text("definition_label", "Definition"),
            counted("rows", "Unexposed item rows"),
            effect(unit_code=units.PER_SLATE),
            text("share_interval_text", "Its share of all spillover (95% set)"),
            text("leakage_detected", "Detected"),
            number("minimum_detectable_leakage", "Smallest leakage detected with 80% power", 3),
            NOTE,
        ],
        lambda frame: frame[frame["row_group"] == UNEXPOSED],
    )


def _effects_on_rows(part: _Part) -> None:
    """Add the tests and effects of item rows, for every definition of exposure."""
    part.table(
        "randomization_tests",
        "Exact tests: does promotion change any {click} of these items? Differences in {clicks} "
        "per slate, with the range that holds 95% of them if it does not. A hypothesis that "
        "includes others is tested by the largest of their statistics, so that where a part is "
        "rejected (by adjusted p-values), the whole is, too.",
        [
            text("hypothesis_label", "Hypothesis"),
            number("estimate", "Difference", signs=True),
            effect(
                "estimate",
                "Range under the hypothesis",
                lower="null_95_lower",
                upper="null_95_upper",
            ),
            p_values("p_value", "p-value"),
            p_values("p_value_adjusted", "p-value, adjusted for five tests"),
            text("includes", "Includes"),
            counted("slates", "Slates"),
            NOTE,
        ],
    )
    part.table(
        "observed_effects",
        "Effects on item rows, with errors by the randomized unit; the last line is for "
        "whole slates.",
        [
            text("component", "Items"),
            UNIT,
            effect(),
            KNOWN,
            counted("treated_rows", "Promoted rows"),
            counted("control_rows", "Control rows"),
            *SLATES,
            NOTE,
        ],
    )


def _risk(experiment: PageData) -> Section:
    part = _Part(experiment)
    part.say(
        "Where promotions gain and lose, by the focal item's position before promotion and by its "
        "cluster. Some segments differ by chance; simultaneous intervals hold for all segments "
        "of a kind at once."
    )
    part.figure("risk", "segments")
    columns = [effect(unit_code=units.PER_SLATE), KNOWN, text("verdict_label", "Verdict"), *SLATES]
    part.table(
        "risk_by_position",
        "By focal position before promotion, in {clicks} per slate.",
        [text("focal_position_bucket", "Position"), text("effect_family", "Effect"), *columns],
    )
    part.table(
        "risk_by_cluster",
        "By the focal item's cluster: the total effect in {clicks} per slate.",
        [text("focal_cluster", "Cluster"), *columns],
        lambda frame: frame[frame["line"] == TOTAL_LINE.code],
    )
    _segments(part)
    return part.done("risk", "Where promotions gain and lose")


def _segments(part: _Part) -> None:
    """Add the effect of each segment, and whether segments differ at all."""
    part.table(
        "segments",
        "Total effect by segment, in {clicks} per slate: raw with simultaneous intervals, and "
        "shrunken towards the mean of its kind. Intervals of shrunken effects hold on average over "
        "the segments of a kind; one far from the mean is held less often.",
        [
            text("segment_type_label", "Kind"),
            text("segment", "Segment"),
            effect(
                heading="Raw (simultaneous 95% interval)",
                lower="simultaneous_ci_95_lower",
                upper="simultaneous_ci_95_upper",
                unit_code=units.PER_SLATE,
            ),
            effect(
                "shrunken_estimate",
                "Shrunken (95% interval, on average)",
                lower="shrunken_ci_95_lower",
                upper="shrunken_ci_95_upper",
                unit_code=units.PER_SLATE,
            ),
            KNOWN,
            *SLATES,
            NOTE,
        ],
        lambda frame: frame[frame["line"] == TOTAL_LINE.code],
    )
    part.table(
        "heterogeneity",
        "Do segments differ at all? Cochran's Q; tau is the standard deviation of true effects "
        "in {clicks} per slate.",
        _HETEROGENEITY,
    )


_HETEROGENEITY = [
    text("segment_type_label", "Kind"),
    text("component", "Items"),
    counted("segments_compared", "Segments"),
    number("q", "Q", 1),
    p_values("p_value", "p-value"),
    number("tau", "Tau", 3),
    NOTE,
]
"""Columns of a table of heterogeneity."""


def _models(experiment: PageData) -> Section:
    part = _Part(experiment)
    gate = experiment.records.get("verdict", {})
    part.say(
        f"Models predict {experiment.outcome.unit} from what is known before promotion; AIPW "
        "corrects them with the observed outcomes, so that a wrong model costs only precision. "
        "The bound is the smallest error that any regular estimator of the total can have.",
        str(gate.get("advice") or ""),
    )
    part.figure("outcome_models", "aipw", "feature_importance")
    part.table(
        "outcome_models",
        "Predictions of the {clicks} of slates of users that the model has not seen; errors in "
        "{clicks} per slate.",
        [
            text("model", "Model"),
            text("level", "Learns on"),
            number("rmse", "RMSE", 3),
            number("r2", "R²", 3),
            number("floor_rmse", "Smallest possible RMSE", 3),
            percent("excess_over_floor", "Excess over it", factor=1.0, digits=2),
            number("rmse_of_expectation", "RMSE of the expectation", 3),
            percent("excess_of_expectation", "Excess from it", factor=1.0, digits=2),
            number("calibration_slope", "Calibration slope", 3),
            number("correlation_with_known_effect", "Correlation with known effect", 3, signs=True),
        ],
    )
    part.table(
        "aipw",
        "The total effect by each estimator, in {clicks} per slate; percent of bound is the "
        "bound's variance over the estimator's.",
        [
            text("estimator", "Estimator"),
            effect(unit_code=units.PER_SLATE),
            users_effect(unit_code=units.PER_SLATE),
            number("se", "Standard error", 4),
            number("bound_se", "Bound", 4),
            percent("efficiency", "Percent of bound", factor=1.0),
            NOTE,
        ],
        lambda frame: frame[frame["line"] == TOTAL_LINE.code],
    )
    part.table(
        "feature_importance",
        "What each model uses. What predicts {clicks} need not be what promotion changes.",
        [
            text("model", "Model"),
            text("feature", "Feature"),
            number("importance", "Importance", 3, signs=True),
            text("measure_label", "In"),
        ],
    )
    return part.done("models", "Models, and how close they come to the smallest error")


def _who_gains(experiment: PageData) -> Section:
    part = _Part(experiment)
    gate = experiment.records.get("verdict", {})
    part.say(
        "Do slates differ in what a promotion does, and can models predict which gain? "
        "Predictions are learned on earlier folds of users and evaluated on later ones.",
        str(gate.get("who_gains") or ""),
    )
    part.figure("who_gains")
    part.table(
        "who_gains",
        "Predicted and estimated effects, by predictor: groups are fifths of slates by "
        "predicted effect.",
        [
            text("predictor", "Predictor"),
            text("measure_label", "Measure"),
            counted("group", "Fifth"),
            UNIT,
            number("predicted", "Predicted", 3, signs=True),
            effect(),
            p_values("p_value", "p-value"),
            number("known", "Known", 3, signs=True),
            counted("slates", "Slates"),
            NOTE,
        ],
    )
    return part.done("who-gains", "Who gains")


_VALUES = (
    text("rule_label", "Rule"),
    text("description", "In words"),
    percent("share_promoted", "Slates promoted"),
    effect("naive_value", "Naive value (95% interval)"),
    effect("naive_value", "Bounds for all rules", lower="lower_bound", upper="upper_bound"),
    effect(
        "corrected_value",
        "Corrected for the choice (95% interval, given the recommendation)",
        lower="corrected_ci_95_lower",
        upper="corrected_ci_95_upper",
    ),
    users_effect(),
    number("known_value", "Known", signs=True),
    number("oracle_value", "Best possible", signs=True),
    counted("slates", "Slates evaluated"),
)
"""Columns of the value of rules."""


def _users(experiment: PageData) -> Section:
    part = _Part(experiment)
    part.say(
        "Do some users gain and others lose? Slates are divided into quarters by what is known of "
        "their user, or by value where there are at most four. Simultaneous intervals hold for all "
        "groups of all covariates at once, in each line of the ledger; p-values are adjusted by "
        "Holm's method for all covariates and lines."
    )
    table, differ = (experiment.table(f"user_{name}") for name in ("segments", "heterogeneity"))
    if table is not None and differ is not None:
        part.say(*user_sentences(table, differ, experiment.outcome))
    part.figure("user_segments")
    part.table(
        "user_segments",
        "Every line of the ledger by group of users, in {clicks} per slate: raw with simultaneous "
        "intervals, and shrunken towards the mean of the groups, with intervals that hold on "
        "average over them.",
        [
            text("segment_type_label", "By"),
            text("segment", "Group of slates"),
            number("lowest", "From", 2),
            number("highest", "To", 2),
            counted("users", "Users"),
            text("component", "Items"),
            effect(
                heading="Raw (simultaneous 95% interval)",
                lower="simultaneous_ci_95_lower",
                upper="simultaneous_ci_95_upper",
                unit_code=units.PER_SLATE,
            ),
            effect(
                "shrunken_estimate",
                "Shrunken (95% interval, on average)",
                lower="shrunken_ci_95_lower",
                upper="shrunken_ci_95_upper",
                unit_code=units.PER_SLATE,
            ),
            KNOWN,
            *SLATES,
            NOTE,
        ],
    )
    part.table(
        "user_heterogeneity",
        "Do groups of users differ at all? Cochran's Q; tau is the standard deviation of true "
        "effects in {clicks} per slate.",
        [*_HETEROGENEITY[:-1], p_values("p_value_adjusted", "p-value, adjusted"), NOTE],
    )
    return part.done("users", "Who gains among users")


def _policies(experiment: PageData) -> Section:
    part = _Part(experiment)
    gate = experiment.records.get("verdict")
    if gate is not None:
        part.say(
            f"{gate['statement']}",
            f"A rule passes the gate only if its lower bound, which holds for all "
            f"{gate['rules_compared']} rules at once, is above zero. Values are compared "
            "with promoting nothing, which is 0. Rules are chosen on four fifths of the randomized "
            "units; the naive value of the rule that was chosen is too large on average, and the "
            "corrected one is not.",
            str(gate.get("users") or ""),
        )
    part.figure("policies")
    part.table(
        "policies",
        "What each rule gains over promoting nothing, in {clicks} per 1,000 eligible slates.",
        _VALUES,
    )
    return part.done("policies", "Which slates to promote, if any")


def _not_evaluated(rules: Mapping[str, float]) -> str:
    """Return the sentence on rules that too few slates tell about; empty if there are none."""
    names = [f"{label} ({slates:.0f} effective slates)" for label, slates in rules.items()]
    if not names:
        return ""
    return (
        f"Not evaluated: {', '.join(names)}. In too few promoted slates the draw fell on the item "
        "that the rule chooses."
    )


def _candidates(experiment: PageData) -> Section:
    part = _Part(experiment)
    gate = experiment.records.get("candidate_verdict")
    if gate is not None:
        part.say(
            "The promoted item of a slate was drawn at random with known probabilities. So the "
            "same experiment can say which item to promote, and not only whether to promote the "
            "one that was drawn.",
            str(gate["statement"]),
            "All control slates count for every item; of the promoted slates, a rule learns most "
            "from those in which the draw fell on the item that the rule chooses. So its value is "
            "less precise than the effect of promoting at random.",
            _not_evaluated(gate["not_evaluated"]),
        )
    part.figure("candidate_policies", "candidate_curve", "promoted_candidates")
    part.table(
        "candidate_policies",
        "What each rule for which item to promote gains over promoting nothing, in {clicks} per "
        "1,000 eligible slates. Effective slates: the promoted slates that tell about the rule, as "
        "many as equally weighted ones would be.",
        [*_VALUES, number("effective_slates", "Effective slates", 0)],
    )
    part.table(
        "promoted_candidates",
        "What the rule promotes, next to what a random draw of the item promotes.",
        [
            text("dimension_label", "By"),
            text("value", "Value"),
            counted("promotions", "Promotions"),
            percent("share_of_promotions", "Of its promotions"),
            percent("share_at_random", "At random"),
        ],
    )
    return part.done("candidates", "Which item to promote, if any")


def _conclusions(experiment: PageData) -> Section:
    part = _Part(experiment)
    elsewhere = (
        " The front page shows whether they hold in other worlds."
        if experiment.is_simulated
        else ""
    )
    part.say(
        "Four conclusions of the reference study, and whether the 95% interval of the number "
        f"behind each decides it here.{elsewhere}"
    )
    part.table(
        "conclusions",
        "Conclusions and verdicts; units are given per row.",
        [
            text("conclusion_label", "Conclusion"),
            text("verdict_label", "Verdict"),
            text("measure_label", "Number behind it"),
            UNIT,
            effect(),
            number("threshold", "Threshold", 0),
            number("known_value", "Known", signs=True),
            text("known_verdict_label", "By the known effects"),
            NOTE,
        ],
    )
    return part.done("conclusions", "Conclusions that can be checked")


def _estimators(experiment: PageData) -> Section:
    part = _Part(experiment)
    part.say(
        "The ledger by several estimators. They answer the same question; where they disagree by "
        "more than their intervals, look at the design."
    )
    part.figure("estimators")
    part.table(
        "component_effects",
        "Observed {clicks} per slate: every line of the ledger by every estimator.",
        [
            text("estimator", "Estimator"),
            text("component", "Items"),
            effect(
                "estimate_per_slate",
                f"{capitalized(experiment.outcome.of(units.PER_SLATE))} (95% interval)",
                unit_code=units.PER_SLATE,
            ),
            number("se", "Standard error", 4),
            number("treated_mean", "Mean, promoted", 3),
            number("control_mean", "Mean, control", 3),
            *SLATES,
            NOTE,
        ],
        lambda frame: frame[frame["outcome_type"] == MAIN_OUTCOME],
    )
    part.table(
        "additivity_checks",
        "Do the parts add up? Differences in {clicks} per slate.",
        [
            text("estimator", "Estimator"),
            text("identity", "Identity"),
            number("left", "Left", 6, signs=True),
            number("right", "Right", 6, signs=True),
            text("holds", "Holds"),
        ],
        lambda frame: frame[frame["outcome_type"] == MAIN_OUTCOME],
    )
    return part.done("estimators", "The same with other estimators")


def _truth(experiment: PageData) -> Section:
    part = _Part(experiment)
    if not experiment.is_simulated:
        return part.done("truth", "")
    part.say(
        "The world is simulated, so the effect on every slate is known exactly, without the "
        "noise of clicks."
    )
    part.figure("observed_against_known", "known_lift_by_slate", "predicted_effects")
    return part.done("truth", "What is known about this simulated world")


def _design(experiment: PageData) -> Section:
    part = _Part(experiment)
    main = main_estimator(experiment.tables["component_effects"])
    part.say(
        "Was the promotion randomized as it should be, and what could this experiment have shown?"
    )
    part.figure("design_diagnostics")
    part.table(
        "design_diagnostics",
        "Checks of the design, with the range that random assignment gives.",
        [
            text("check_label", "Check"),
            text("subject", "Subject"),
            UNIT,
            effect("value", "Value (range or 95% interval)", lower="lower_95", upper="upper_95"),
            p_values("p_value", "p-value"),
            text("verdict_label", "Verdict"),
            NOTE,
        ],
    )
    part.table(
        "power",
        "Power for given effects and the smallest effect detected with 80% power, by the main "
        "estimator; effects in {clicks} per slate.",
        [
            text("component", "Items"),
            text("question_label", "Question"),
            number("effect_per_slate", "Effect", 3),
            percent("power", "Power", digits=0),
            number("exaggeration", "Significant estimates, as a multiple of the effect", 1),
            percent("wrong_sign_probability", "Of them with the wrong sign", digits=1),
            counted("slates_needed", "Slates needed for 80% power"),
            NOTE,
        ],
        lambda frame: frame[frame["estimator"] == main],
    )
    part.table(
        "component_support",
        "Item rows and slates behind the ledger. Slates are those with at least one such item.",
        [
            text("component", "Items"),
            counted("rows", "Item rows"),
            counted("treated_rows", "Promoted rows"),
            counted("control_rows", "Control rows"),
            counted("displaced_rows", "Displaced rows"),
            counted("slates", "Slates"),
            *SLATES,
        ],
    )
    part.tables += log_checks(experiment)
    return part.done("design", "Was it a fair experiment?")


def log_checks(experiment: PageData) -> list[TableView]:
    """Return the results of a log's checks and its row counts; nothing for a simulation."""
    part = _Part(experiment)
    for name, caption in (
        ("contract", "Results of the checks of the log."),
        ("row_counts", "Rows and slates in the log, used, and set aside, by reason."),
    ):
        part.table(name, caption, plain_columns(experiment.tables.get(name, pd.DataFrame())))
    return part.tables


def plain_columns(frame: pd.DataFrame) -> list[Column]:
    """Return all columns of a table with their names as headings."""
    return [
        (number if frame[name].dtype.kind == "f" else text)(
            str(name), str(name).replace("_", " ").capitalize()
        )
        for name in frame
    ]


def _data(experiment: PageData) -> Section:
    part = _Part(experiment)
    part.say("What the slates look like, and who is exposed to what.")
    part.figure("ratings_and_slates", "exposure_mapping")
    items = experiment.table("slate_items")
    if items is not None:
        as_drawn = items.get(DELIVERED, items["promotion_applied"]) == items["promotion_applied"]
        part.tables += example_slates(items[as_drawn], experiment.movies, experiment.outcome)
    return part.done("data", "Data and slates")


def example_slates(
    items: pd.DataFrame, movies: pd.DataFrame | None, outcome: Outcome = CLICKS
) -> list[TableView]:
    """Return the first promoted and the first control slate, item by item.

    Parameters
    ----------
    items
        The table of slate items.
    movies
        Titles by ``item_id``; without them the items' ids are shown.
    outcome
        Its words.
    """
    views, block = [], ["block"] if "block" in items else []
    for arm, word in ((1, "promoted"), (0, "control")):
        chosen = items.loc[items["promotion_applied"] == arm, "slate_id"]
        if chosen.empty:
            continue
        slate = items[items["slate_id"] == chosen.iloc[0]]
        slate = slate.sort_values([*block, "final_position"])
        if movies is not None:
            slate = slate.merge(movies, on="item_id", how="left")
        elif "title" not in slate:
            slate = slate.assign(title=slate["item_id"])
        slate = slate.assign(
            component=slate["component"].astype(str).map(_COMPONENT_WORDS),
            spillover_cluster=slate["spillover_cluster"].astype(object),
        )
        columns = [
            *(text(name, "Block") for name in block),
            counted("final_position", "Position", missing=NOT_SHOWN),
            counted("slate_position_seed", "Before promotion", missing=NOT_SHOWN),
            text("title", "Item"),
            text("spillover_cluster", "Cluster"),
            text("component", "Part of the ledger"),
            number("relevance", "Relevance", 2),
            number("click", capitalized(outcome.unit), 2)
            if outcome != CLICKS
            else counted("click", "Clicks"),
            number("p_control", "Click probability, control", 3),
            number("p_promoted", "Click probability, promoted", 3),
        ]
        caption = f"Slate {chosen.iloc[0]}, a {word} slate: {outcome.of(units.PER_ROW)}, as shown."
        views.append(table_view("slate_items", caption, slate, columns))
    return views


_COMPONENT_WORDS = {
    "direct_focal": "focal item",
    "same_cluster_competitor": "same-cluster competitor",
    "other_competitor": "other competitor",
}
