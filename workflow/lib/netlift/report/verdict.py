"""The verdict in ten seconds: create or move, how much, how sure, do what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netlift.core.formatting import NO_INTERVAL, signed, varies
from netlift.core.outcome import Outcome
from netlift.core.units import PER_1000
from netlift.effects.caveats import ACCEPTED, FEW_UNITS, Caveat, few_units, in_short, log_caveats
from netlift.effects.claims import claim_sentence
from netlift.effects.codes import (
    COMPETITOR_CHANGE,
    FOCAL_GAIN,
    ITEM_LEVEL,
    KNOWN,
    MINIMUM,
    NET_CHANGE,
    OFFSET_RATIO,
    POLICY,
    SHARE_MOVED,
    SLATE_LEVEL,
    TOTAL_LINE,
)
from netlift.effects.margins import margin_sentences
from netlift.effects.users import users_sentence
from netlift.promotion.design import Design
from netlift.report.columns import plain
from netlift.report.gathering import PageData, records
from netlift.report.ledger_views import main_estimator

_CREATE_OR_MOVE = {
    ("creates", True): (
        "Creates, and moves some",
        "Promotion created {clicks} on balance, and moved some from other items",
    ),
    ("creates", False): ("Creates", "Promotion created {clicks}"),
    ("destroys", True): (
        "Moves, and loses some",
        "Promotion moved {clicks} to the {promoted_item}, and lost some on balance",
    ),
    ("destroys", False): ("Loses", "Promotion lost {clicks}"),
    ("undecided", True): (
        "Moves; not shown to create",
        "Promotion moved {clicks} to the {promoted_item}; it is not shown to create any",
    ),
    ("undecided", False): (
        "Not shown either way",
        "It is not shown whether promotion creates {clicks} or loses them",
    ),
}
"""Short answer and headline, by verdict on whole slates and whether others are shown to lose."""

_TOTAL_ONLY = {
    "creates": "Creates; whether it also moves is not recorded",
    "destroys": "Loses; what it moves is not recorded",
    "undecided": "Not shown either way",
}
"""Short answer where a log has no parts."""

_SURE = {
    "creates": "Sure at 95%: {clicks_are} created",
    "destroys": "Sure at 95%: {clicks_are} lost",
    "undecided": "Not sure: the interval covers zero",
}
_NO_VARIATION = (
    "The {clicks} of a slate add up to the same number in all slates of an arm, so no error can be "
    "estimated, and neither a gain nor a loss is excluded."
)
_DO = {
    "promote": "Keep promoting",
    "do_not_promote": "Do not promote every slate",
    "no_evidence_for_promoting": "Do not promote for {clicks_possessive} sake",
}


@dataclass(frozen=True)
class Answer:
    """One of the four answers.

    Attributes
    ----------
    question, answer
        A few words each.
    detail
        One sentence with the numbers, their interval and unit.
    source
        The name of the table that it comes from.
    """

    question: str
    answer: str
    detail: str
    source: str


@dataclass(frozen=True)
class Verdict:
    """What an experiment shows.

    Attributes
    ----------
    code
        ``creates``, ``destroys`` or ``undecided``.
    headline
        The answer to the study's question in a few words.
    estimate, lower, upper, unit
        The net change with its 95% interval.
    answers
        Create or move, how much, how sure, do what.
    truth
        The known effect of a simulated world; empty for a log.
    caveats
        What limits the results: accepted or set aside problems of a log, and few units.
    """

    code: str
    headline: str
    estimate: float
    lower: float
    upper: float
    unit: str
    answers: tuple[Answer, ...]
    truth: str
    caveats: tuple[Caveat, ...] = ()


def verdict_of(experiment: PageData) -> Verdict:
    """Return an experiment's verdict, from its tables alone."""
    stated = experiment.table("decision_statements")
    statements = {str(row["topic"]): row for row in ([] if stated is None else records(stated))}
    net = experiment.product(NET_CHANGE)
    estimate, lower, upper = (float(net[k]) for k in ("estimate", "ci_95_lower", "ci_95_upper"))
    code, overstates = _codes(experiment, statements)
    short, headline = _CREATE_OR_MOVE[code, overstates]
    if experiment.is_total_only:
        short = _TOTAL_ONLY[code]
    outcome = experiment.outcome
    claim = claim_sentence(dict(net))
    about = users_sentence(net), claim
    has_error = varies(lower, upper)
    interval = (
        f"95% interval {signed(lower, 1)} to {signed(upper, 1)}"
        if has_error
        else "without an interval"
    )
    caveats = caveats_of(experiment)
    limits = in_short(caveats, few_units=not (claim and has_error))
    answers = (
        Answer("Create or move?", short, _taken(experiment), "product_summary"),
        Answer(
            "How much?",
            f"{signed(estimate, 1)} {outcome.unit}",
            f"is the net change per 1,000 promoted slates, {interval}.{_margin(experiment)}",
            "product_summary",
        ),
        Answer(
            "How sure?",
            outcome.fill(_sure(code, claim, caveats))
            if has_error
            else "Nothing is shown: no variation",
            " ".join(
                filter(
                    None,
                    (
                        _certainty(code, lower, upper, outcome, claim),
                        _could_show(experiment),
                        *about,
                        limits,
                    ),
                )
                if has_error
                else filter(None, (outcome.fill(_NO_VARIATION), limits))
            ),
            "product_summary",
        ),
        _what_to_do(experiment, statements),
    )
    return Verdict(
        code,
        outcome.fill(headline),
        estimate,
        lower,
        upper,
        outcome.of(PER_1000),
        answers,
        _truth(experiment, lower, upper),
        tuple(caveats),
    )


def _margin(experiment: PageData) -> str:
    """Say what is shown about the declared margin of the net change, if there is one."""
    table = experiment.table("margins")
    if table is None:
        return ""
    of_total = table[table["line"].isin([TOTAL_LINE.code, SHARE_MOVED])]
    sentences = margin_sentences(of_total, experiment.outcome, intervals=False)
    return "".join(f" {sentence}" for sentence in sentences)


def caveats_of(experiment: PageData) -> list[Caveat]:
    """Return what limits an experiment's results, from its tables."""
    accounts = experiment.table("accounts")
    few = [] if accounts is None else few_units(Design.from_table(accounts))
    contract, counts = (experiment.table(name) for name in ("contract", "row_counts"))
    if contract is None or counts is None:
        return few
    of_log = log_caveats(contract, counts)
    return [caveat for caveat in of_log if caveat.kind != FEW_UNITS] + few


def _codes(experiment: PageData, statements: Mapping[str, Mapping[str, Any]]) -> tuple[str, bool]:
    """Return the verdict on whole slates, and whether others are shown to lose.

    A log whose item rows were not analysed has no statements; then the intervals decide, as they
    do in ``netlift.effects.decisions``.
    """
    if statements:
        item = str(statements[ITEM_LEVEL]["verdict"])
        return str(statements[SLATE_LEVEL]["verdict"]), item == "overstates"
    gain, others, net = (
        experiment.product(metric) for metric in (FOCAL_GAIN, COMPETITOR_CHANGE, NET_CHANGE)
    )
    code = {1: "creates", -1: "destroys", 0: "undecided"}[_sign(net)]
    return code, _sign(gain) > 0 > _sign(others)


def _sign(line: Mapping[str, Any]) -> int:
    """Return the sign that an interval supports: none where outcomes do not vary."""
    lower, upper = line["ci_95_lower"], line["ci_95_upper"]
    if lower is None or upper is None or not varies(lower, upper):
        return 0
    return int(lower > 0) - int(upper < 0)


def _taken(experiment: PageData) -> str:
    """Describe what share of the focal gain is taken from others, with its interval."""
    gain = experiment.product(FOCAL_GAIN)
    if gain["estimate"] is None:
        why = str(gain["note"])
        return f"{why[:1].upper()}{why[1:]}."
    lower, upper = float(gain["ci_95_lower"]), float(gain["ci_95_upper"])
    interval = f"95% interval {signed(lower, 1)} to {signed(upper, 1)}"
    has_error = varies(lower, upper)
    sentence = (
        f"The {experiment.outcome.promoted_item} changes by {signed(float(gain['estimate']), 1)} "
        f"{experiment.outcome.of(PER_1000)} "
        f"({interval if has_error else NO_INTERVAL})."
    )
    ratio = experiment.product(OFFSET_RATIO)
    if experiment.product(COMPETITOR_CHANGE)["estimate"] is None:
        return f"{sentence} No slate has another item from which it could be taken."
    if not has_error:
        return sentence
    if ratio["estimate"] is None or ratio["interval_kind"] != "interval":
        return f"{sentence} The data do not bound what share of it is taken from other items."
    share, low, high = (
        plain(-100 * float(ratio[key]), 0) for key in ("estimate", "ci_95_upper", "ci_95_lower")
    )
    return f"{sentence} Taken from other items: {share}% of it (95% interval {low}% to {high}%)."


def _sure(code: str, claim: str, caveats: Sequence[Caveat]) -> str:
    """Answer how sure it is; ``claim`` says why the interval is not promised to cover 95%."""
    if code == "undecided":
        return _SURE[code]
    if claim:
        side = "above" if code == "creates" else "below"
        return f"The interval is {side} zero, but not promised to hold"
    accepted = any(caveat.kind == ACCEPTED for caveat in caveats)
    return f"{_SURE[code]}, if what was accepted does no harm" if accepted else _SURE[code]


def _certainty(code: str, lower: float, upper: float, outcome: Outcome, claim: str) -> str:
    if code == "undecided":
        excluded = "outside the interval" if claim else "ruled out at 95%"
        return (
            f"For promoting every slate, a gain above {signed(upper, 1)} and a loss beyond "
            f"{signed(lower, 1)} {outcome.of(PER_1000)} are {excluded}. More slates would "
            "narrow this."
        )
    least = lower if code == "creates" else upper
    word = "gain" if code == "creates" else "loss"
    return (
        f"The whole 95% interval is on one side of zero: the {word} is at least "
        f"{abs(least):,.1f} {outcome.of(PER_1000)}."
    )


def _could_show(experiment: PageData) -> str:
    """Say which net change the experiment could have shown, and how much it would exaggerate."""
    power = experiment.table("power")
    if power is None:
        return ""
    main = main_estimator(experiment.tables["component_effects"])
    rows = power[(power["line"] == TOTAL_LINE.code) & (power["estimator"] == main)]
    of_question = {str(row["question"]): row for row in records(rows)}
    least = of_question.get(MINIMUM, {}).get("effect_per_slate")
    if least is None:
        return ""
    unit = experiment.outcome.of(PER_1000)
    sentence = (
        f"With these slates a net change of {1000 * least:,.0f} {unit}, up or down, is shown in "
        "80% of such experiments."
    )
    known = of_question.get(KNOWN)
    if known is None or known["exaggeration"] is None:
        return sentence
    return (
        f"{sentence} The known change of this world "
        f"({signed(1000 * known['effect_per_slate'], 1)}) is shown in {known['power']:.0%} of "
        f"them, and the estimates that show it are {known['exaggeration']:.1f} times as large on "
        "average."
    )


def _what_to_do(experiment: PageData, statements: Mapping[str, Mapping[str, Any]]) -> Answer:
    """Return what to do: the gate's verdict on policies, or that on promoting every slate.

    A recommended rule for which item to promote comes before one for the item that was drawn.
    """
    gate, source = experiment.records.get("verdict"), "verdict"
    which = experiment.records.get("candidate_verdict")
    if which is not None and which["verdict"] == "promote":
        gate, source = which, "candidate_verdict"
    if gate is None and not statements:
        return Answer(
            "Do what?",
            "Decide by the net change",
            "Rules for some of the slates were not compared in this run.",
            "product_summary",
        )
    if gate is None:
        row = statements[POLICY]
        return Answer(
            "Do what?",
            experiment.outcome.fill(_DO[str(row["verdict"])]),
            f"{row['statement']} Rules for some of the slates were not compared in this run.",
            "decision_statements",
        )
    if gate["verdict"] == "promote_nothing":
        answer = "Promote nothing"
    else:
        words = str(gate["description"])
        answer = words[:1].upper() + words[1:]
    return Answer("Do what?", answer, str(gate["statement"]), source)


def _truth(experiment: PageData, lower: float, upper: float) -> str:
    """Describe the known effect of a simulated world, and whether the interval covers it."""
    known = experiment.product(NET_CHANGE).get("known_value")
    if known is None:
        return ""
    covered = "covers" if lower <= known <= upper else "misses"
    return (
        f"This world is simulated, so the truth is known: {signed(known, 1)} clicks per 1,000 "
        f"promoted slates. The interval {covered} it."
    )
