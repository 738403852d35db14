"""The comparison of rules that say which item to promote: their values, and which to ship."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.arrays import Booleans, Floats
from netlift.core.errors import NetliftError
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000_ELIGIBLE
from netlift.effects.item_rows import BLOCK
from netlift.models.aipw import MeanScore
from netlift.models.candidate_codes import CANDIDATE_RULES, DIMENSIONS, GROUP, POSITION
from netlift.models.candidate_rules import (
    CandidateData,
    Limits,
    best_candidate,
    candidate_rules,
    capped,
    rule_descriptions,
)
from netlift.models.candidates import Candidates, candidate_scores, expected_clicks
from netlift.models.outcome_models import ModelData
from netlift.models.policies import (
    NONE,
    best_value,
    rule_values,
    simultaneous_quantile,
    verdict,
)
from netlift.promotion.design import Design
from netlift.promotion.treatment import Treatment

MIN_SUPPORT = 20
"""Promoted slates in which the draw fell on what a rule chooses that its evaluation needs.

Effective ones, (sum w)^2 / sum w^2 with the weight w of the drawn candidate in the rule over its
probability: with fewer, the value is that of a model, and its error says little.
"""

CURVE_SHARES = np.arange(1, 21) / 20
"""Shares of slates promoted at which the curve of values is estimated."""


@dataclass(frozen=True)
class CandidateComparison:
    """What rules over candidates are worth, and what is recommended.

    Attributes
    ----------
    policies
        One row per rule (see ``rule_values``), with ``description`` and ``effective_slates`` (see
        ``MIN_SUPPORT``).
    curve
        Value of promoting the best predicted candidate in the share of slates where its predicted
        effect is largest, with simultaneous 95% bounds; with a truth ``known_value``.
    promoted
        What the recommended rule promotes, or that with the largest value: for each position and
        group its share of promotions, and that of candidates that are drawn at random.
    choices
        One row per slate of all folds but the first: ``slate_id``, ``user_id``, ``fold``, and the
        item that each rule promotes there, missing where it promotes none; of a rule that draws,
        the item that the experiment drew.
    verdict
        Plain values (see ``policies.verdict``), and of rules that are not evaluated for want of
        slates the number of effective ones, by label.
    """

    policies: pd.DataFrame
    curve: pd.DataFrame
    promoted: pd.DataFrame
    choices: pd.DataFrame
    verdict: dict[str, Any]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by the names of their outputs."""
        return {
            "candidate_policies": self.policies,
            "candidate_curve": self.curve,
            "promoted_candidates": self.promoted,
            "candidate_choices": self.choices,
        }


def compare_candidates(
    items: pd.DataFrame,
    accounts: pd.DataFrame,
    slate_effects: pd.DataFrame,
    *,
    treatment: Mapping[str, Any],
    cost: float,
    max_share: float,
    margin: float,
    top_k: int,
    max_group_share: Mapping[str, Any],
    seed: int,
    outcome: Outcome = CLICKS,
    threads: int = 1,
) -> CandidateComparison:
    """Compare rules that choose among the candidates of each slate.

    Parameters
    ----------
    items, accounts
        See ``fit_models``.
    slate_effects
        Of its ``ModelResults``: the folds.
    treatment
        What the promotion does, as in the config.
    cost, max_share, top_k
        See ``Limits``.
    margin
        See ``policy_values``.
    max_group_share
        ``column`` of items, and the ``share`` of slates in which items with one of its values may
        be promoted.
    seed, outcome, threads
        See ``fit_models``.

    Raises
    ------
    NetliftError
        Candidates or probabilities are not known (see ``Candidates.from_items``), or the log's own
        rule cannot be evaluated.
    """
    _need_single_items(items, treatment)
    group = str(max_group_share["column"])
    limits = Limits(cost, max_share, float(max_group_share["share"]), top_k)
    candidates, data = Candidates.from_items(items), ModelData.from_items(items)
    fold = slate_effects["fold"].to_numpy()
    out_of_fold, in_order = expected_clicks(
        items,
        data,
        candidates,
        Treatment.from_config(treatment),
        fold,
        seed=seed,
        threads=threads,
    )
    scores = candidate_scores(data.outcomes.sum(axis=1), out_of_fold, candidates, data.design)
    about = CandidateData.from_items(items, candidates, scores, in_order.effect, fold, group=group)
    valued = _Valued.of(about, data.design, items, cost)
    every = candidate_rules(about, limits)
    support = {name: valued.support(chosen) for name, chosen in every.items()}
    rules = {name: every[name] for name in every if valued.is_supported(every[name])}
    users = accounts["user_id"][valued.later]
    values = _values(rules, valued, users, seed=seed, margin=margin, max_share=max_share)
    values = with_labels(outcome.in_units(values), rule=CANDIDATE_RULES)
    descriptions = rule_descriptions(about, limits, group=group, outcome=outcome)
    values["description"] = values["rule"].map(descriptions)
    values["effective_slates"] = values["rule"].map(support)
    found = verdict(values, margin=margin)
    found["not_evaluated"] = {
        CANDIDATE_RULES[name]: support[name] for name in every if name not in rules
    }
    shown = _shown_rule(values, found)
    return CandidateComparison(
        values,
        outcome.in_units(_curve(about, valued, limits, seed)),
        _promoted(about, items, shown, rules[shown], valued, group),
        _choices(accounts, items, about, rules, valued),
        found,
    )


def _need_single_items(items: pd.DataFrame, treatment: Mapping[str, Any]) -> None:
    """Check that a promotion is that of one item of a list."""
    if treatment.get("rerank") is not None:
        raise NetliftError(
            "slates with another order have no single item that is promoted, so there is none to "
            "choose"
        )
    if BLOCK in items:
        raise NetliftError(
            "rules for which item to promote are not compared on pages of several blocks, where a "
            "promotion changes the block of its item only"
        )


def _values(
    rules: dict[str, Floats],
    valued: _Valued,
    users: pd.Series,
    *,
    seed: int,
    margin: float,
    max_share: float,
) -> pd.DataFrame:
    """Return the value of each rule on the slates that come after those it was learned on."""
    if not rules:
        raise NetliftError(
            f"fewer than {MIN_SUPPORT} promoted slates are left to evaluate rules for which item "
            "to promote"
        )
    truth = valued.known is not None
    return rule_values(
        {name: valued.gains(chosen) for name, chosen in rules.items()},
        {name: valued.share(chosen) for name, chosen in rules.items()},
        valued.design,
        seed=seed,
        margin=margin,
        known={name: valued.known_gains(chosen) for name, chosen in rules.items()}
        if truth
        else None,
        oracle=valued.oracle(max_share) if truth else None,
        user_id=users,
    )


@dataclass(frozen=True)
class _Valued:
    """The slates on which rules are evaluated: those of all folds but the first.

    Attributes
    ----------
    later
        Which slates these are, shape (N,).
    design
        Their assignment.
    net
        Scores less the cost of a promotion, 0 in empty places, of all slates; shape (N, M).
    known
        Known effects less the cost, 0 in empty places; None without a truth.
    candidates, promoted
        Of all slates, and which of these are promoted, shape (N,).
    """

    later: Booleans
    design: Design
    net: Floats
    known: Floats | None
    candidates: Candidates
    promoted: Booleans

    @classmethod
    def of(cls, about: CandidateData, design: Design, items: pd.DataFrame, cost: float) -> _Valued:
        later, known = about.fold > 0, None
        if "known_candidate_effect" in items:
            effects = about.candidates.of(items["known_candidate_effect"].to_numpy(float))
            known = np.nan_to_num(effects - cost)
        net = np.nan_to_num(about.scores - cost)
        return cls(later, design.subset(later), net, known, about.candidates, design.promoted)

    def gains(self, chosen: Floats) -> Floats:
        """Return what a rule gains in each slate, as scores say; chosen of shape (N, M)."""
        return np.asarray((chosen * self.net).sum(axis=1)[self.later])

    def known_gains(self, chosen: Floats) -> Floats:
        """Return what a rule is known to gain in each slate."""
        assert self.known is not None, "there is no truth"
        return np.asarray((chosen * self.known).sum(axis=1)[self.later])

    def share(self, chosen: Floats) -> float:
        """Return the share of slates that a rule promotes."""
        return float(chosen[self.later].sum() / self.later.sum())

    def support(self, chosen: Floats) -> float:
        """Return the effective number of promoted slates that tell what a rule is worth."""
        slates = np.flatnonzero(self.later & self.promoted)
        drawn = self.candidates.drawn[slates]
        weight = chosen[slates, drawn] / self.candidates.probability[slates, drawn]
        squares = float((weight**2).sum())
        return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0

    def is_supported(self, chosen: Floats) -> bool:
        """Return whether a rule can be evaluated; one that promotes nothing can."""
        return self.support(chosen) >= MIN_SUPPORT or self.share(chosen) == 0

    def oracle(self, max_share: float) -> float:
        """Return the value of the best candidate of each slate, where it gains."""
        assert self.known is not None, "there is no truth"
        return best_value(self.known[self.later].max(axis=1), max_share)


def _shown_rule(values: pd.DataFrame, found: Mapping[str, Any]) -> str:
    """Return the recommended rule; if there is none, that with the largest value."""
    if found["rule"] != NONE:
        return str(found["rule"])
    rest = values[values["rule"] != NONE]
    return str(rest.iloc[int(rest["naive_value"].argmax())]["rule"])


def _curve(about: CandidateData, valued: _Valued, limits: Limits, seed: int) -> pd.DataFrame:
    """Return the value of promoting the best predicted candidate, by share of slates promoted."""
    chosen = best_candidate(about, about.candidates.exists, -np.inf)
    capped_at = [replace(limits, max_share=float(share)) for share in CURVE_SHARES]
    kept = [capped(chosen, about, each) for each in capped_at]
    gains = np.column_stack([valued.gains(each) for each in kept])
    mean = MeanScore.from_scores(1000 * gains, valued.design)
    half = simultaneous_quantile(mean.covariance, mean.df, seed) * mean.errors
    table = pd.DataFrame(
        {
            "share_promoted": [valued.share(each) for each in kept],
            "value": mean.value,
            "se": mean.errors,
            "lower_bound": mean.value - half,
            "upper_bound": mean.value + half,
            "unit_code": PER_1000_ELIGIBLE,
        }
    )
    if valued.known is not None:
        table["known_value"] = [1000 * valued.known_gains(each).mean() for each in kept]
    return table


def _promoted(
    about: CandidateData,
    items: pd.DataFrame,
    rule: str,
    chosen: Floats,
    valued: _Valued,
    group: str,
) -> pd.DataFrame:
    """Return the share of each position and group in a rule's promotions, and in random ones."""
    labels = items[group].astype("string").fillna("none").to_numpy()[about.candidates.row]
    chance = about.candidates.probability
    tables = []
    for dimension, value in ((POSITION, about.position.astype(str)), (GROUP, labels)):
        rows = pd.DataFrame(
            {
                "value": value[valued.later].ravel(),
                "promotions": chosen[valued.later].ravel(),
                "at_random": chance[valued.later].ravel(),
            }
        )
        sums = rows[rows["at_random"] > 0].groupby("value", as_index=False, sort=False).sum()
        tables.append(sums.assign(dimension=dimension))
    table = pd.concat(tables, ignore_index=True)
    totals = table.groupby("dimension")[["promotions", "at_random"]].transform("sum")
    table["share_of_promotions"] = table["promotions"] / totals["promotions"].replace(0, np.nan)
    table["share_at_random"] = table["at_random"] / totals["at_random"]
    table["column"] = np.where(table["dimension"] == GROUP, group, "slate_position_seed")
    columns = ["rule", "dimension", "column", "value", "promotions"]
    table = table.assign(rule=rule)[[*columns, "share_of_promotions", "share_at_random"]]
    return with_labels(table, rule=CANDIDATE_RULES, dimension=DIMENSIONS)


def _choices(
    accounts: pd.DataFrame,
    items: pd.DataFrame,
    about: CandidateData,
    rules: Mapping[str, Floats],
    valued: _Valued,
) -> pd.DataFrame:
    """Return the item that each rule promotes in each slate that is valued."""
    item = items["item_id"].to_numpy()[about.candidates.row]
    slates, drawn = np.arange(len(item)), about.candidates.drawn
    table = accounts[["slate_id", "user_id"]].assign(fold=about.fold)
    for name, chosen in rules.items():
        place = chosen.argmax(axis=1)
        draws = (chosen > 0).sum(axis=1) > 1
        place = np.where(draws, drawn, place)
        promotes = chosen[slates, place] > 0
        table[name] = pd.Series(item[slates, place], index=table.index).where(promotes)
    return table[valued.later]
