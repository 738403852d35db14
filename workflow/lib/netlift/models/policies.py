"""Policies: which slates to promote, what that is worth, and when to promote nothing.

A rule's value is the mean of pi (G - cost) over all slates, with pi whether the rule promotes a
slate and G its AIPW score: what the rule gains over promoting nothing. Rules are learned on the
folds before the one that they are evaluated on: no rule is evaluated on the noise that it was
chosen for, and no two folds are evaluated by rules that were fitted to each other's noise, which
would make errors too small where nothing can be gained (Luedtke and van der Laan 2016). The first
fold is used for learning only. The shipped rule learns on all slates, and should be no worse.

A rule is recommended because its value looked large, so that the same value overstates it. So rules
are chosen on four fifths of the randomized units, drawn at random, and the value of the one that is
chosen is corrected for it, with the help of the last fifth (see ``inference.selection``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING, Booleans, Floats, Integers
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.streams import generator
from netlift.core.units import PER_1000_ELIGIBLE
from netlift.effects.users import CROSSED, user_clusters, users_columns
from netlift.inference.estimate import CONFIDENCE, Estimate, quantile_t
from netlift.inference.selection import Corrected, chosen_where, corrected
from netlift.models.aipw import MeanScore, mean_by_user
from netlift.models.folds import splits
from netlift.models.trees import best_tree, in_words
from netlift.promotion.design import Design

NONE, ALL = "promote_none", "promote_all"


PROMOTE, PROMOTE_NOTHING = "promote", "promote_nothing"


_GATE_DRAWS = 100_000


CHOICE_SHARE = 0.8
"""Share of the randomized units on which rules are chosen.

The more, the more rules that gain are found; the fewer, the more precise is the corrected value.
With 0.8 the errors of the choice are 1.12 times those of all units.
"""


TOP_50, TOP_25, POSITIVE = (
    "top_50_percent",
    "top_25_percent",
    "predicted_gain",
)


TREES = {"tree_one_question": 1, "tree_three_questions": 2}
"""Depth by name."""


RULES = {
    NONE: "promote none",
    ALL: "promote all",
    TOP_50: "top 50% by predicted effect",
    TOP_25: "top 25% by predicted effect",
    POSITIVE: "predicted to gain",
    "tree_one_question": "tree of one question",
    "tree_three_questions": "tree of three questions",
}
"""Labels of the rules."""


def tree_rule(
    features: Floats, scores: Floats, fold: Integers, *, depth: int, cost: float
) -> Booleans:
    """Return which slates are promoted by a tree learned on the earlier folds, shape (N,)."""
    chosen = np.zeros(len(scores), dtype=bool)
    for train, test in splits(fold, sequential=True):
        tree = best_tree(features[train], scores[train] - cost, depth)
        chosen[test] = tree if isinstance(tree, bool) else tree.promotes(features[test])
    return chosen


def top_share(predicted: Floats, fold: Integers, share: float) -> Booleans:
    """Return which slates are in the top share of their fold by predicted effect, shape (N,).

    In the first fold none are.
    """
    chosen = np.zeros(len(predicted), dtype=bool)
    for _, test in splits(fold, sequential=True):
        members = np.flatnonzero(test)
        order = members[np.argsort(-predicted[members], kind="stable")]
        chosen[order[: round(share * len(members))]] = True
    return chosen


def rules(
    predicted: Floats,
    features: Floats,
    scores: Floats,
    fold: Integers,
    *,
    cost: float,
    max_share: float,
) -> dict[str, Booleans]:
    """Apply every rule to the slates of all folds but the first.

    Parameters
    ----------
    predicted
        Predicted effects, learned on earlier folds; those of the first are not used. Shape (N,).
    features
        Pre-treatment features of slates, shape (N, k).
    scores
        AIPW scores of the total effect, shape (N,).
    fold
        Shape (N,).
    cost
        Cost of a promotion, in clicks.
    max_share
        Most slates that may be promoted, as a share; if a rule chooses more, those with the
        largest predicted effects are kept.

    Returns
    -------
    By rule, shape (N,) each.
    """
    promoted = {
        ALL: fold > 0,
        TOP_50: top_share(predicted, fold, 0.5),
        TOP_25: top_share(predicted, fold, 0.25),
        POSITIVE: (predicted > cost) & (fold > 0),
    }
    for name, depth in TREES.items():
        promoted[name] = tree_rule(features, scores, fold, depth=depth, cost=cost)
    return {name: _capped(chosen, predicted, fold, max_share) for name, chosen in promoted.items()}


def rules_in_words(
    features: pd.DataFrame,
    scores: Floats,
    *,
    cost: float,
    max_share: float,
    outcome: Outcome = CLICKS,
) -> dict[str, str]:
    """Describe in words what each rule does once it has learned on all slates.

    Parameters
    ----------
    features
        Pre-treatment features of slates in their own units, shape (N, k).
    scores
        AIPW scores of the total effect, shape (N,).
    cost, max_share
        See ``rules``.
    outcome
        Its words.
    """
    descriptions = {
        NONE: "promote no slate",
        ALL: "promote every slate",
        TOP_50: "promote the half of slates with the largest predicted effects",
        TOP_25: "promote the quarter of slates with the largest predicted effects",
        POSITIVE: f"promote slates whose predicted effect is above {cost:g} {outcome.unit}",
    }
    names, values = [str(name) for name in features], features.to_numpy(dtype=np.float64)
    for name, depth in TREES.items():
        descriptions[name] = in_words(best_tree(values, scores - cost, depth), names)
    if max_share < 1:
        most = f"; at most {100 * max_share:g}% of slates, those with the largest predicted effects"
        descriptions = {
            name: text + ("" if name == NONE else most) for name, text in descriptions.items()
        }
    return descriptions


def compare_rules(
    predicted: Floats,
    features: pd.DataFrame,
    scores: Floats,
    fold: Integers,
    design: Design,
    *,
    cost: float,
    max_share: float,
    seed: int,
    margin: float = 0.0,
    known: Floats | None = None,
    user_id: pd.Series | None = None,
    outcome: Outcome = CLICKS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Apply all rules, and estimate the value of each on the slates of all folds but the first.

    Parameters
    ----------
    predicted, scores, fold, cost, max_share
        See ``rules``; N slates.
    features
        Pre-treatment features of slates in their own units, shape (N, k).
    design, seed, margin, known, user_id
        See ``policy_values``; N slates.
    outcome
        Its words.

    Returns
    -------
    Which slates each rule promotes, one column per rule, with the index of the slates that are
    valued; and ``policy_values`` of them with ``description``.
    """
    options = {"cost": cost, "max_share": max_share}
    chosen = pd.DataFrame(rules(predicted, features.to_numpy(float), scores, fold, **options))
    valued = fold > 0
    chosen = chosen[valued]
    values = policy_values(
        {str(name): column.to_numpy() for name, column in chosen.items()},
        scores[valued],
        design.subset(valued),
        **options,
        seed=seed,
        margin=margin,
        known=None if known is None else known[valued],
        user_id=None if user_id is None else user_id[valued],
    )
    descriptions = rules_in_words(features, scores, **options, outcome=outcome)
    values = with_labels(outcome.in_units(values), rule=RULES)
    return chosen, values.assign(description=values["rule"].map(descriptions))


def _capped(chosen: Booleans, predicted: Floats, fold: Integers, max_share: float) -> Booleans:
    if max_share >= 1:
        return chosen
    return chosen & top_share(np.where(chosen, predicted, -np.inf), fold, max_share)


def policy_values(
    chosen: Mapping[str, Booleans],
    scores: Floats,
    design: Design,
    *,
    cost: float,
    max_share: float,
    seed: int,
    margin: float = 0.0,
    known: Floats | None = None,
    user_id: pd.Series | None = None,
) -> pd.DataFrame:
    """Estimate what rules gain over promoting nothing, and recommend one if it is shown to gain.

    Of the rules whose lower bound is above the margin, the one with the largest value on the units
    of the choice is chosen; it is recommended unless its corrected interval is below the margin.

    Parameters
    ----------
    chosen
        Which slates each rule promotes, shape (N,) each.
    scores
        AIPW scores of the total effect, shape (N,).
    design, seed
        The assignment; the study seed, for the units of the choice and the simultaneous bounds.
    cost, max_share
        Cost of a promotion, in clicks, and the most slates that may be promoted, as a share.
    margin
        What a rule must gain to be worth its introduction, per 1,000 eligible slates.
    known, user_id
        Known total effects, and users, for errors for users like these; shape (N,).

    Returns
    -------
    One row per rule, promoting none among them, values per 1,000 eligible slates: share promoted;
    ``naive_value``, not corrected for a choice, on all slates, with error and 95% interval (and
    ``se_users`` to ``ci_95_upper_users``, for users like these); ``choice_value``, on the units of
    the choice; ``lower_bound``, on these, and ``upper_bound``, on all, which hold for all rules at
    once (maximum of correlated t variables); ``recommended``, and of the chosen rule
    ``corrected_value`` with the 95% interval that holds given the recommendation; with a truth the
    known value, that of the best possible rule (the oracle, under the same cost and cap) and the
    regret.

    Raises
    ------
    NetliftError
        There are fewer than two randomized units in the choice.
    """
    known_gains = None if known is None else known - cost
    return rule_values(
        {name: promoted * (scores - cost) for name, promoted in chosen.items()},
        {name: float(promoted.mean()) for name, promoted in chosen.items()},
        design,
        seed=seed,
        margin=margin,
        known=None if known_gains is None else {n: p * known_gains for n, p in chosen.items()},
        oracle=None if known_gains is None else best_value(known_gains, max_share),
        user_id=user_id,
    )


def rule_values(
    gains: Mapping[str, Floats],
    shares: Mapping[str, float],
    design: Design,
    *,
    seed: int,
    margin: float = 0.0,
    known: Mapping[str, Floats] | None = None,
    oracle: float | None = None,
    user_id: pd.Series | None = None,
) -> pd.DataFrame:
    """Estimate the value of rules from what each gains in each slate, and recommend one.

    Parameters
    ----------
    gains
        What each rule gains in each slate over promoting nothing, as scores say; shape (N,) each.
    shares
        Share of slates that each rule promotes.
    design, seed, margin, user_id
        See ``policy_values``.
    known
        What each rule is known to gain in each slate, shape (N,) each.
    oracle
        Known value of the best possible rule.

    Returns
    -------
    See ``policy_values``.

    Raises
    ------
    NetliftError
        There are fewer than two randomized units in the choice.
    """
    of_rules = np.column_stack(list(gains.values()))
    mean = MeanScore.from_scores(1000 * of_rules, design)
    choice = _Choice.of(of_rules, design, seed, margin)
    upper = mean.value + simultaneous_quantile(mean.covariance, mean.df, seed) * mean.errors
    of_users, kind = _by_user(1000 * of_rules, mean, design, user_id)
    table = [_none(oracle, len(of_rules))]
    for k, name in enumerate(gains):
        row = {"rule": name, "slates": len(of_rules)} | _value(mean.each(k), shares[name])
        row |= {"choice_value": choice.mean.value[k], "lower_bound": choice.lower[k]}
        row |= {"upper_bound": upper[k], "recommended": False}
        row |= _corrected(choice.correct(mean.each(k)), margin) if k == choice.rule else {}
        if kind is not None:
            row |= users_columns(None if of_users is None else of_users.each(k), kind)
        table.append(row | _known(None if known is None else known[name], oracle))
    return CLICKS.in_units(pd.DataFrame(table))


def _known(gains: Floats | None, oracle: float | None) -> dict[str, float]:
    """Return a rule's known value and what it leaves of the oracle's; empty without a truth."""
    if gains is None or oracle is None:
        return {}
    value = 1000 * float(gains.mean())
    return {"known_value": value, "oracle_value": oracle, "regret": oracle - value}


def _by_user(
    gains: Floats, mean: MeanScore, design: Design, user_id: pd.Series | None
) -> tuple[MeanScore | None, str | None]:
    """Return the mean gains with errors for users like these, and how they were found."""
    if user_id is None:
        return None, None
    user, kind = user_clusters(user_id, design)
    if kind == CROSSED:
        return None, kind
    of_users = mean_by_user(gains, user, kind)
    return mean if of_users is None else of_users, kind


@dataclass(frozen=True)
class _Choice:
    """The choice of a rule on some of the randomized units; values per 1,000 eligible slates.

    Attributes
    ----------
    mean
        Values of the m rules on the units of the choice.
    critical
        Errors that simultaneous bounds extend.
    left_out
        Slates left out per slate of the choice.
    margin
        What lower bounds must exceed.
    """

    mean: MeanScore
    critical: float
    left_out: float
    margin: float

    @classmethod
    def of(cls, gains: Floats, design: Design, seed: int, margin: float) -> _Choice:
        """Draw the units; ``gains`` of shape (N, m), per slate."""
        order = generator(seed, "policy_choice").permutation(design.n_units)
        within = (order < round(CHOICE_SHARE * design.n_units))[design.unit]
        mean = MeanScore.from_scores(1000 * gains[within], design.subset(within))
        critical = simultaneous_quantile(mean.covariance, mean.df, seed)
        return cls(mean, critical, float((~within).sum() / within.sum()), margin)

    @property
    def lower(self) -> Floats:
        """Simultaneous lower bounds, shape (m,)."""
        return self.mean.value - self.critical * self.mean.errors

    @cached_property
    def rule(self) -> int | None:
        """Number of the rule with the largest value of those that pass the gate; None if none."""
        # A value without variation has no error, and so no evidence.
        passes = (self.lower > self.margin + ROUNDING) & (self.mean.errors > 1000 * ROUNDING)
        return int(np.where(passes, self.mean.value, -np.inf).argmax()) if passes.any() else None

    def correct(self, estimate: Estimate) -> Corrected:
        """Correct the value of the recommended rule, from all units."""
        if self.rule is None or estimate.se <= ROUNDING or self.left_out == 0:
            return Corrected(estimate.value, *estimate.interval)
        values = self.mean.value
        thresholds = self.margin + self.critical * self.mean.errors
        where = chosen_where(self.rule, values, self.mean.covariance, thresholds)
        return corrected(estimate, self.left_out, where)


def _corrected(value: Corrected, margin: float) -> dict[str, object]:
    """Return the columns of the chosen rule; units outside the choice may contradict it."""
    names = ("corrected_value", "corrected_ci_95_lower", "corrected_ci_95_upper")
    return dict(zip(names, astuple(value), strict=True)) | {"recommended": value.upper >= margin}


def _value(estimate: Estimate, share: float) -> dict[str, object]:
    """Return the numbers of a rule's value, uncorrected."""
    lower, upper = estimate.interval
    return {
        "share_promoted": share,
        "unit_code": PER_1000_ELIGIBLE,
        "naive_value": estimate.value,
        "se": estimate.se,
        "ci_95_lower": lower,
        "ci_95_upper": upper,
        "naive_value_per_1000_promoted": estimate.value / share if share > 0 else None,
        "corrected_value": None,
        "corrected_ci_95_lower": None,
        "corrected_ci_95_upper": None,
    }


def _none(oracle: float | None, n_slates: int) -> dict[str, object]:
    row: dict[str, object] = {"rule": NONE, "slates": n_slates, "share_promoted": 0.0}
    row |= {"unit_code": PER_1000_ELIGIBLE}
    row |= dict.fromkeys(("naive_value", "se", "ci_95_lower", "ci_95_upper"), 0.0)
    row |= {"naive_value_per_1000_promoted": None}
    row |= dict.fromkeys(("corrected_value", "corrected_ci_95_lower", "corrected_ci_95_upper"))
    row |= {"choice_value": 0.0, "lower_bound": 0.0, "upper_bound": 0.0, "recommended": False}
    if oracle is not None:
        row |= {"known_value": 0.0, "oracle_value": oracle, "regret": oracle}
    return row


def best_value(gains: Floats, max_share: float) -> float:
    """Return the most that a rule can gain per 1,000 eligible slates, under the cap."""
    best = np.sort(np.maximum(gains, 0))[::-1]
    return 1000 * float(best[: round(max_share * len(best))].sum()) / len(best)


def simultaneous_quantile(covariance: Floats, df: float, seed: int) -> float:
    """Return how many standard errors 95% intervals extend so that all hold at once.

    The 95% quantile of the largest absolute value of correlated t variables, by simulation. Lower
    ends alone hold in 97.5%: what passes the gate by mistake costs clicks.
    """
    sd = np.sqrt(np.diag(covariance))
    varying = sd > ROUNDING
    if not varying.any():
        return quantile_t((1 + CONFIDENCE) / 2, df)
    correlation = covariance[np.ix_(varying, varying)] / np.outer(sd[varying], sd[varying])
    values, vectors = np.linalg.eigh(correlation)
    rng = generator(seed, "policy_gate")
    normal = rng.standard_normal((_GATE_DRAWS, len(values)))
    drawn = (normal * np.sqrt(np.maximum(values, 0))) @ vectors.T
    drawn /= np.sqrt(rng.chisquare(df, (_GATE_DRAWS, 1)) / df)
    return float(np.quantile(np.abs(drawn).max(axis=1), CONFIDENCE))


def rule_label(rule: str) -> str:
    """Return the label of a rule; for a rule that a user added, its code."""
    return RULES.get(rule, rule)


def _label(row: pd.Series) -> str:
    """Return the label that a row of policies has, or that of its code."""
    return str(row.get("rule_label", rule_label(str(row["rule"]))))


def _promote(rule: pd.Series, n_compared: int) -> str:
    """Return the statement that recommends a rule, with its corrected value."""
    lower, upper = rule["corrected_ci_95_lower"], rule["corrected_ci_95_upper"]
    unsure = (
        "" if lower > 0 else " How much it gains is not shown: measure it in a further experiment."
    )
    return (
        f"Promote by the rule '{_label(rule)}', the best of {n_compared} that "
        f"were compared. Corrected for that choice, its value is {rule['corrected_value']:+,.1f} "
        f"{rule['unit']} (95% interval, given that it was chosen: {lower:+,.1f} to {upper:+,.1f}; "
        f"not corrected: {rule['naive_value']:+,.1f}).{unsure} Where no rule gains, one is "
        f"recommended in at most {100 * (1 - CONFIDENCE) / 2:.1f}% of experiments. It promotes "
        f"{100 * rule['share_promoted']:.0f}% of slates."
    )


def _promote_nothing(compared: pd.DataFrame, largest: float, margin: float) -> str:
    """Return the statement that recommends no rule, with the largest gain not ruled out."""
    contradicted = compared[compared["corrected_value"].notna()]
    best = compared.iloc[int(compared["lower_bound"].argmax())]
    more = f" more than the margin of {margin:,.1f}" if margin > 0 else ""
    varies = compared["upper_bound"] - compared["lower_bound"] > 1000 * ROUNDING
    excluded = (
        f"A gain above {largest:+,.1f} is ruled out for each of these rules, and for all at once: "
        "this bound is per eligible slate, also for slates that a rule does not promote."
        if varies.any()
        else "The outcome does not vary, so no gain is excluded either."
    )
    if len(contradicted):
        rule = contradicted.iloc[0]
        return (
            f"Promote nothing: of the {len(compared)} rules compared, '{_label(rule)}' "
            "was chosen on a part of the randomized units, but the others contradict it: corrected "
            f"for the choice, its value is {rule['corrected_value']:+,.1f} {rule['unit']} (95% "
            f"interval {rule['corrected_ci_95_lower']:+,.1f} to "
            f"{rule['corrected_ci_95_upper']:+,.1f}). {excluded}"
        )
    return (
        f"Promote nothing: none of the {len(compared)} rules compared is shown to gain{more} (best "
        f"lower bound {best['lower_bound']:+,.1f} {best['unit']}, '{_label(best)}'). "
        f"{excluded}"
    )


def verdict(policies: pd.DataFrame, *, margin: float = 0.0) -> dict[str, Any]:
    """Recommend a rule, or promoting nothing, by the simultaneous lower bounds.

    Parameters
    ----------
    policies
        From ``compare_rules``, ``policy_values`` or ``rule_values``.
    margin
        What a rule had to gain, per 1,000 eligible slates.

    Returns
    -------
    Plain values: ``verdict`` (``promote`` or ``promote_nothing``), ``rule``, what it does
    (``description``, from ``compare_rules``), its ``value`` corrected for having been chosen with
    ``lower_bound`` and ``upper_bound``, the 95% interval that holds given the recommendation, its
    ``naive_value``, the largest gain that the data do not rule out, and a ``statement``.
    """
    compared = policies[policies["rule"] != NONE]
    recommended = compared[compared["recommended"].astype(bool)]
    shipped = len(recommended) > 0
    largest = max(float(compared["upper_bound"].max()), 0.0)
    row = (recommended if shipped else policies[policies["rule"] == NONE]).iloc[0]
    result = {
        "verdict": PROMOTE if shipped else PROMOTE_NOTHING,
        "rule": str(row["rule"]),
        "rule_label": _label(row),
        "statement": _promote(row, len(compared))
        if shipped
        else _promote_nothing(compared, largest, margin),
        "unit_code": str(row["unit_code"]),
        "unit": str(row["unit"]),
        "value": float(row["corrected_value"]) if shipped else 0.0,
        "lower_bound": float(row["corrected_ci_95_lower"]) if shipped else 0.0,
        "upper_bound": float(row["corrected_ci_95_upper"]) if shipped else 0.0,
        "naive_value": float(row["naive_value"]),
        "share_promoted": float(row["share_promoted"]),
        "best_lower_bound": float(compared["lower_bound"].max()),
        "largest_gain_not_ruled_out": largest,
        "confidence": CONFIDENCE,
        "rules_compared": len(compared),
    }
    if "description" in policies:
        result["description"] = str(row["description"])
    if "known_value" in policies:
        result |= {name: float(row[name]) for name in ("known_value", "oracle_value", "regret")}
    return result
