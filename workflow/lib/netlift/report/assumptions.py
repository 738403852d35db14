"""Assumptions and limitations of one run, from its settings and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netlift.core.formatting import count, signed
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000
from netlift.effects.codes import MINIMUM, TOTAL_LINE
from netlift.effects.estimators import label_of
from netlift.promotion.treatment import TREATMENTS, Treatment
from netlift.report.gathering import PageData
from netlift.report.ledger_views import main_estimator

Line = tuple[str, str]
"""A short name and a sentence."""


def assumptions(experiment: PageData) -> list[Line]:
    """Return what the numbers of this run assume."""
    outcome = experiment.outcome
    unit = outcome.unit
    return [
        *_randomized(experiment),
        *_delivery(experiment),
        (
            "Slates do not affect each other",
            f"A promotion changes {unit} within its own slate alone. Spillover between slates of a "
            "user, or between users, would not be detected.",
        ),
        (
            outcome.fill("{Clicks} are the outcome"),
            "What a click is worth, and what users do after it, is not measured."
            if outcome == CLICKS
            else f"What {unit} {outcome.are} worth, and what users do later, is not measured.",
        ),
        *(_clicks_of_a_world(experiment) if experiment.is_simulated else _log(outcome)),
    ]


def _randomized(experiment: PageData) -> list[Line]:
    accounts = experiment.table("accounts")
    if accounts is None:
        return []
    probability = accounts["promotion_probability"]
    low, high = float(probability.min()), float(probability.max())
    chance = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    by_user = accounts["randomization_unit"].nunique() < len(accounts)
    unit = "a user with all their slates" if by_user else "the slate"
    promoted = int((accounts["promotion_applied"] == 1).sum())
    settings = experiment.settings
    entry = settings.get("promotion") or settings["entry"].get("promotion", {})
    return [
        (
            "Promotion was randomized",
            f"{_treatment(experiment, entry)} "
            f"The randomized unit is {unit}; the probability of promotion is {chance}. "
            f"{count(promoted)} slates were promoted and {count(len(accounts) - promoted)} were "
            "not. Standard errors are computed for this unit." + _one_of_several(entry),
        )
    ]


def _one_of_several(entry: Mapping[str, Any]) -> str:
    """Say of a variant of a simulated promotion that others were drawn with it."""
    variants = len(entry.get("probabilities", ()))
    if not variants:
        return ""
    return (
        f" This is one of {variants} variants that were drawn at once: slates of the others are "
        "left out, and the probability is that among the slates of this variant and of control."
    )


def _treatment(experiment: PageData, entry: Mapping[str, Any]) -> str:
    """Say what a promotion does; an entry without focal items need not state it."""
    if experiment.is_total_only and not any(kind in entry for kind in TREATMENTS):
        return "What a promotion does to a slate is not stated in the entry of this log."
    in_block = "block" in experiment.settings.get("entry", {}).get("columns", {})
    treatment = replace(Treatment.from_config(entry), in_block=in_block)
    return f"Promotion means {treatment.phrase}."


def _delivery(experiment: PageData) -> list[Line]:
    """Return what the effects of delivered promotions assume, where the log records deliveries."""
    if experiment.table("delivered_effects") is None:
        return []
    return [
        (
            "The draw acts through deliveries alone",
            "Only the effects of delivered promotions assume it: the draw changes a slate just by "
            "changing whether a promotion is delivered, and in no slate does it prevent one.",
        )
    ]


def _clicks_of_a_world(experiment: PageData) -> list[Line]:
    settings = experiment.settings
    entry: Mapping[str, Any] = settings["world_entry"]
    lines = [
        (
            "The clicks are simulated",
            f"Nobody clicked. Clicks come from the competition model {entry['model']}; how "
            "attention moves in it is an assumption. What holds in several worlds does not "
            "depend on this one.",
        ),
        _relevance(settings["slates"]["builder"]),
    ]
    if settings["entry"]["kind"] == "synthetic":
        lines.append(("The ratings are simulated too", "They are not those of real users."))
    return lines


def _relevance(builder: str) -> Line:
    if builder == "history":
        return (
            "Relevance is in-sample",
            "The relevance of an item is the user's own rating of it, which no ranker knows "
            "beforehand. Slates hold what the user chose to rate.",
        )
    return (
        "Relevance is out-of-sample",
        "The relevance of an item is the rating that a scorer predicts from the first part of the "
        "user's ratings; items of that part are not shown. Slates are ranked imperfectly, as on a "
        "real surface.",
    )


def _log(outcome: Outcome) -> list[Line]:
    without = (
        "whether they were clicked or not"
        if outcome == CLICKS
        else f"those without any {outcome.unit} too"
    )
    return [
        (
            "The log is complete",
            "Every slate that was randomized is in the log, with all the items that were shown, "
            f"{without}.",
        )
    ]


def limitations(experiment: PageData) -> list[Line]:
    """Return what the numbers of this run cannot show."""
    lines = []
    if experiment.is_simulated:
        settings = experiment.settings
        lines.append(
            (
                "One seed",
                f"All numbers come from seed {settings['seed']}: one draw of slates, promotions "
                "and clicks. Intervals say how much another draw may differ; a sweep shows it.",
            )
        )
        lines += _of_the_reference_world(experiment)
    lines += [*_short_of_power(experiment), *_many_looks(experiment)]
    if experiment.table("policies") is not None and experiment.table("aipw") is not None:
        lines.append(
            (
                "Rules are evaluated on slates like these",
                "Values of rules hold for slates of the same users, items and ranker. They were "
                "learned on earlier folds and evaluated on later ones, so none on the first.",
            )
        )
    return lines


def _of_the_reference_world(experiment: PageData) -> list[Line]:
    entry = experiment.settings["world_entry"]
    if entry["model"] != "reference":
        return []
    dummies = {
        "promoted_focal": "the focal item",
        "promoted_competitor": "every other item",
        "promoted_same_cluster": "same-cluster items",
        "promoted_displaced": "displaced items",
    }
    terms = ", ".join(f"{signed(float(entry[key]), 2)} for {who}" for key, who in dummies.items())
    return [
        (
            "Most of the effect is built in",
            f"This world adds to the log-odds of a click in promoted slates: {terms}. Losses of "
            "other items follow from these constants more than from the order of the slate.",
        )
    ]


def _short_of_power(experiment: PageData) -> list[Line]:
    power = experiment.table("power")
    if power is None:
        return []
    main = main_estimator(experiment.tables["component_effects"])
    rows = power[
        (power["question"] == MINIMUM)
        & (power["line"] == TOTAL_LINE.code)
        & (power["estimator"] == main)
    ]
    if rows.empty or rows["effect_per_slate"].isna().all():
        return []
    least = 1000 * float(rows["effect_per_slate"].iloc[0])
    return [
        (
            "Small net changes cannot be detected",
            f"With these slates and the main estimator ({label_of(main)}), a net change smaller "
            f"than {least:,.0f} {experiment.outcome.of(PER_1000)} is detected in less than 80% of "
            "such experiments.",
        )
    ]


def _many_looks(experiment: PageData) -> list[Line]:
    segments = experiment.table("segments")
    if segments is None:
        return []
    totals = segments[segments["line"] == TOTAL_LINE.code]
    with_numbers = int(totals["estimate"].notna().sum())
    without = len(totals) - with_numbers
    few = f" {count(without)} more have too few slates and no numbers." if without else ""
    return [
        (
            "Segments are multiple comparisons",
            f"{count(with_numbers)} segments were compared, so some differ by chance; "
            f"simultaneous intervals take this into account.{few}",
        )
    ]
