"""Decision statements: sentences derived from the numbers of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from netlift.core.arrays import ROUNDING
from netlift.core.formatting import NO_INTERVAL, varies
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000, PER_ROW, PER_SLATE
from netlift.effects.caveats import Caveat, in_short
from netlift.effects.claims import CLAIM_COLUMNS, claim_sentence
from netlift.effects.codes import (
    COMPETITOR_CHANGE,
    DESIGN,
    FOCAL_GAIN,
    ITEM_LEVEL,
    MONITORING,
    NET_CHANGE,
    OFFSET_RATIO,
    POLICY,
    SAME_CLUSTER_CHANGE,
    SLATE_LEVEL,
    TOPICS,
    TOTAL_LINE,
)
from netlift.effects.users import USERS_COLUMNS, USERS_ERRORS, users_sentence

_ROUNDING = 1000 * ROUNDING
"""Rounding error per 1,000 slates."""


@dataclass(frozen=True)
class _Line:
    """An estimate as written in a sentence, with the sign that its interval supports."""

    value: float
    lower: float
    upper: float
    about: dict[str, object]
    why_empty: str = ""
    """Why there are no items that it is about."""

    @classmethod
    def from_product(cls, product: pd.DataFrame, metric: str) -> _Line:
        row = product.loc[product["metric"] == metric].iloc[0]
        return cls(
            float(row["estimate"]),
            float(row["ci_95_lower"]),
            float(row["ci_95_upper"]),
            {name: row[name] for name in (*USERS_COLUMNS, *CLAIM_COLUMNS) if name in row},
            str(row["note"]) if pd.isna(row["estimate"]) else "",
        )

    @property
    def varies(self) -> bool:
        """Whether there is an error: none can be estimated where outcomes do not vary."""
        return varies(self.lower, self.upper)

    @property
    def sign(self) -> int:
        if not self.varies:
            return 0
        return int(self.lower > _ROUNDING) - int(self.upper < -_ROUNDING)

    def __str__(self) -> str:
        if not self.varies:
            return f"{self.value:+,.1f} ({NO_INTERVAL})"
        return f"{self.value:+,.1f} (95% interval {self.lower:+,.1f} to {self.upper:+,.1f})"


def decision_statements(
    product: pd.DataFrame,
    spillover: pd.DataFrame | None,
    segments: pd.DataFrame | None,
    *,
    outcome: Outcome = CLICKS,
    caveats: Sequence[Caveat] = (),
) -> pd.DataFrame:
    """Write one statement per topic from the tables of one experiment.

    Parameters
    ----------
    product
        ``product_summary.csv``.
    spillover
        ``spillover_sensitivity.csv``; None where item rows were not analyzed.
    segments
        ``segments.csv``; None where slates have no parts.
    outcome
        The outcome's names.
    caveats
        What limits the results. Each statement says so in short.

    Returns
    -------
    One row per topic: ``verdict`` (a code), ``statement`` (sentences), and the number that it is
    about, with its intervals for these users and (``ci_95_lower_users``, ...) for users like these,
    and its unit. With caveats, the first row is about the design, without a number.
    """
    direct, same, indirect, total = (
        _Line.from_product(product, metric)
        for metric in (FOCAL_GAIN, SAME_CLUSTER_CHANGE, COMPETITOR_CHANGE, NET_CHANGE)
    )
    offset = product.loc[product["metric"] == OFFSET_RATIO].iloc[0]
    item, monitoring = _without_parts(direct), {}
    if not direct.why_empty:
        item = _item_level(direct, indirect, offset, outcome)
        found = _monitoring(indirect, same, spillover, outcome)
        monitoring = {MONITORING: (indirect, found)}
    judged = {
        ITEM_LEVEL: (direct, item),
        SLATE_LEVEL: (total, _slate_level(direct, total, outcome)),
        **monitoring,
        POLICY: (total, _policy(total, segments, outcome)),
    }
    rows = [_row(topic, *of_topic, caveats) for topic, of_topic in judged.items()]
    table = pd.DataFrame([*_of_design(caveats), *rows])
    return with_labels(outcome.in_units(table), topic=TOPICS, users_errors=USERS_ERRORS)


def _row(
    topic: str, line: _Line, judged: tuple[str, str], caveats: Sequence[Caveat]
) -> dict[str, object]:
    """Return the row of a topic: its verdict, its sentences, and the number they are about."""
    verdict, statement = judged
    return {
        "topic": topic,
        "verdict": verdict,
        "statement": " ".join(filter(None, (statement, *_about(line, caveats)))),
        "estimate": line.value,
        "ci_95_lower": line.lower,
        "ci_95_upper": line.upper,
        **line.about,
        "unit_code": PER_1000,
    }


def _about(line: _Line, caveats: Sequence[Caveat]) -> tuple[str, ...]:
    """Return the sentences on what a line's interval is of, and on what limits it, each once."""
    if not line.varies:
        return (in_short(caveats),)
    claim = claim_sentence(line.about)
    return users_sentence(line.about), claim, in_short(caveats, few_units=not claim)


def _of_design(caveats: Sequence[Caveat]) -> list[dict[str, str]]:
    """Return the row that says what limits all results; none where nothing does."""
    if not caveats:
        return []
    statement = " ".join(caveat.message for caveat in caveats)
    return [{"topic": DESIGN, "verdict": "limited", "statement": statement}]


def _without_parts(direct: _Line) -> tuple[str, str]:
    """Say that the parts of the effect cannot be estimated, and what they need."""
    return (
        "not_estimable",
        f"The focal gain, and whether other items lose, cannot be estimated: {direct.why_empty}.",
    )


def _item_level(
    direct: _Line, indirect: _Line, offset: pd.Series, outcome: Outcome
) -> tuple[str, str]:
    """Judge what a report on what is promoted alone would claim."""
    summary = f"The {outcome.promoted_item}'s own change is {direct} {outcome.of(PER_1000)}"
    others = indirect.why_empty or f"its competitors change by {indirect}"
    if not direct.varies:
        return (
            "no_direct_effect_detected",
            f"{summary}: its {outcome.unit} are the same in all slates of an arm, so nothing about "
            f"promotion can be seen in them; {others}.",
        )
    if indirect.why_empty:
        return (
            "offset_not_detected",
            f"{summary}; {others}: nothing can be taken from other items of the slate, and whether "
            "anything is taken from elsewhere is not recorded in this log.",
        )
    if direct.sign == 0:
        return (
            "no_direct_effect_detected",
            f"{summary}, so the data do not show that promotion changes the "
            f"{outcome.promoted_item}'s {outcome.unit}; {others}. "
            "Report neither without its interval.",
        )
    if direct.sign < 0:
        return (
            "direct_loss",
            f"{summary}: the {outcome.promoted_item} itself loses, and {others}. "
            "Check how the promotion is shown before anything else.",
        )
    if indirect.sign < 0:
        return (
            "overstates",
            f"{summary}, but {others}. {_offset_words(offset, outcome)} An item-level report shows "
            "only the gain and overstates what promotion does; do not report it alone.",
        )
    if indirect.sign > 0:
        return (
            "understates",
            f"{summary}, and {others}: other items gain too, so an item-level report understates "
            "what promotion does.",
        )
    covers = ", an interval that covers zero" if indirect.varies else ""
    return (
        "offset_not_detected",
        f"{summary}; {others}{covers}. The data do not show whether the gain "
        "is taken from other items; report both numbers with their intervals.",
    )


def _offset_words(offset: pd.Series, outcome: Outcome) -> str:
    if pd.isna(offset["estimate"]) or offset["interval_kind"] != "interval":
        return "The data do not bound the share of the gain that this is."
    share, low, high = (
        _whole(-100 * float(offset[name])) for name in ("estimate", "ci_95_upper", "ci_95_lower")
    )
    return (
        f"For every 100 {outcome.unit} that the {outcome.promoted_item} gains, the others lose "
        f"{share} (95% interval {low} to {high})."
    )


def _whole(value: float) -> str:
    """Write a number without decimals; a zero without a sign."""
    return f"{round(value) + 0:,d}"


def _slate_level(direct: _Line, total: _Line, outcome: Outcome) -> tuple[str, str]:
    """Judge the net effect on the whole slate."""
    promoted = outcome.promoted_item
    summary = f"The whole slate changes by {total} {outcome.of(PER_1000)}"
    if total.sign > 0:
        return (
            "creates",
            f"{summary}: promotion creates {outcome.unit}. Judge promotions by this number.",
        )
    if total.sign < 0:
        moved = (
            ""
            if direct.why_empty
            else {
                1: f"; it costs more {outcome.unit} elsewhere than it gains for the {promoted}",
                0: f"; and the data do not show that the {promoted} itself gains",
                -1: f"; the {promoted} itself loses too",
            }[direct.sign]
        )
        return (
            "destroys",
            f"{summary}: promotion loses {outcome.unit}{moved}. Judge promotions by this number.",
        )
    if not total.varies:
        return (
            "undecided",
            f"{summary}: the {outcome.unit} of a slate add up to the same number in all slates of "
            "an arm. Without variation no error can be estimated, so neither a gain nor a loss is "
            "excluded; check how the outcome is recorded.",
        )
    return (
        "undecided",
        f"{summary}, an interval that covers zero: the data do not show that promotion creates or "
        f"loses {outcome.unit}. For promoting every slate {_excluded(total)}; more slates would "
        "narrow this.",
    )


def _excluded(total: _Line) -> str:
    """Say which net changes the data exclude, as far as the interval is promised to hold."""
    gain, loss = f"a gain above {total.upper:+,.1f}", f"a loss beyond {total.lower:+,.1f}"
    if claim_sentence(total.about):
        return f"{gain} and {loss} are outside the interval"
    return f"they rule out {gain} and {loss}"


def _monitoring(
    indirect: _Line, same: _Line, spillover: pd.DataFrame | None, outcome: Outcome
) -> tuple[str, str]:
    """Return which items to monitor for spillover."""
    if indirect.why_empty:
        return "not_detected", f"Nothing to monitor: {indirect.why_empty}."
    row_sign, row_words = _clearest_row_effect(spillover, outcome)
    cluster = (
        same.why_empty
        or {
            1: f"same-cluster items gain, by {same}",
            -1: f"same-cluster items lose, by {same}",
            0: f"for same-cluster items alone, {same}"
            + (", the interval covers zero" if same.varies else ""),
        }[same.sign]
    )
    summary = f"Competitors change by {indirect} {outcome.of(PER_1000)}; {cluster}. {row_words}"
    summary = summary.rstrip()
    if indirect.sign < 0:
        return "losses", f"{summary} Watch competitors' {outcome.unit} in every promotion test."
    if indirect.sign > 0:
        return "gains", f"{summary} Count the gain of other items in every promotion test."
    if same.sign != 0:
        return (
            "same_cluster_only",
            f"{summary} Watch same-cluster items in every promotion test: the sum over all "
            "competitors hides their change.",
        )
    on_slates = _shown_per_slate(spillover)
    if row_sign != 0 or on_slates:
        summed = (
            f"Summed to slates a change is shown for: {', '.join(on_slates)}"
            if on_slates
            else "Summed to slates no change is shown"
        )
        return (
            "some_definitions_only",
            f"{summary} {summed}. A result for only some definitions is a hypothesis to test on "
            "new slates, not a finding; the adjusted p-values of the randomization tests take the "
            "number of tests into account.",
        )
    return (
        "not_detected",
        f"{summary} No spillover is shown, which is not proof that there is none: keep measuring "
        "whole slates.",
    )


def _clearest_row_effect(spillover: pd.DataFrame | None, outcome: Outcome) -> tuple[int, str]:
    """Return sign and sentence of the definition with the clearest effect per item row."""
    if spillover is None:
        return 0, "Definitions of spillover per item row were not compared."
    rows = spillover[(spillover["unit_code"] == PER_ROW) & (spillover["se"] > ROUNDING)]
    if rows.empty:
        return 0, ""
    clearest = rows.iloc[int((rows["estimate"] / rows["se"]).abs().to_numpy().argmax())]
    lower, upper = float(clearest["ci_95_lower"]), float(clearest["ci_95_upper"])
    return int(lower > ROUNDING) - int(upper < -ROUNDING), (
        f"Of the {len(rows)} definitions of spillover with a number, "
        f"'{clearest['definition_label']}' is the clearest per item row: "
        f"{clearest['estimate']:+.4f} {outcome.unit} "
        f"(95% interval {lower:+.4f} to {upper:+.4f})."
    )


def _shown_per_slate(spillover: pd.DataFrame | None) -> list[str]:
    """Return the definitions whose effect per slate has an interval without zero."""
    if spillover is None:
        return []
    rows = spillover[spillover["unit_code"] == PER_SLATE]
    lower, upper = (rows[name].astype(float) for name in ("ci_95_lower", "ci_95_upper"))
    shown = (lower > ROUNDING) | (upper < -ROUNDING)
    return [str(name) for name in rows.loc[shown, "definition_label"]]


def _policy(total: _Line, segments: pd.DataFrame | None, outcome: Outcome) -> tuple[str, str]:
    """Return whether to promote, and which segments differ from the overall result."""
    examined, gains, loses = 0, "", ""
    if segments is not None:
        totals = segments[segments["line"] == TOTAL_LINE.code]
        examined = int(totals["estimate"].notna().sum())
        gains, loses = _standing_out(totals, 1), _standing_out(totals, -1)
    caution = (
        f" Intervals hold for all segments of a kind at once; {examined} segments were examined. "
        "Confirm on new slates before acting."
    )
    summary = f"Promoting every slate changes {outcome.unit} by {total} per 1,000 promoted slates."
    if total.sign > 0:
        spared = f" Slates that lose: {loses}.{caution}" if loses else ""
        return "promote", f"{summary} Promotion as tested is worth keeping.{spared}"
    if total.sign < 0:
        kept = (
            f" Some slates gain: {gains}.{caution}"
            if gains
            else (
                " No segment by focal position, cluster or relevance shows a gain."
                if examined
                else " No segment has enough slates to be examined."
                if segments is not None
                else ""
            )
        )
        return "do_not_promote", f"{summary} Do not promote every slate.{kept}"
    differing = "; ".join(
        part for part in (gains and f"gains: {gains}", loses and f"losses: {loses}") if part
    )
    detail = f" Segments that stand out, {differing}.{caution}" if differing else ""
    unclear = "The interval covers zero" if total.varies else "Without variation nothing is shown"
    return (
        "no_evidence_for_promoting",
        f"{summary} {unclear}, so there is no evidence for promoting every slate; "
        f"not promoting is the safe default.{detail}",
    )


def _standing_out(totals: pd.DataFrame, sign: int) -> str:
    """Name the segments whose simultaneous interval is on one side of zero."""
    name = "simultaneous_ci_95_lower" if sign > 0 else "simultaneous_ci_95_upper"
    # A column without numbers has dtype object.
    segments = totals[sign * totals[name].astype(float) > ROUNDING]
    return ", ".join(f"{row.segment_type_label} {row.segment}" for row in segments.itertuples())
