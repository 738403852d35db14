"""The comparison of policies of one experiment: what each is worth, and which to ship, if any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from netlift.core.outcome import CLICKS, Outcome
from netlift.effects.users import users_sentence
from netlift.models.aipw import advice
from netlift.models.features import slate_features
from netlift.models.outcome_models import STACKED
from netlift.models.policies import PROMOTE, compare_rules, verdict
from netlift.models.who_gains import detectability
from netlift.promotion.design import Design


@dataclass(frozen=True)
class PolicyComparison:
    """What policies are worth, and what is recommended.

    Attributes
    ----------
    policies
        One row per rule (see ``policy_values``), with ``description``.
    slate_policies
        One row per slate of all folds but the first: ``slate_id``, ``user_id``, ``fold``,
        ``aipw_score``, and whether each rule promotes it, one column per rule.
    verdict
        Plain values of ``verdict``, with the ``advice`` on the probability of promotion and with
        ``who_gains``, whether the slates could show that effects differ; for a recommended rule
        with ``users``, what its interval is about.
    """

    policies: pd.DataFrame
    slate_policies: pd.DataFrame
    verdict: dict[str, Any]


def compare_policies(
    items: pd.DataFrame,
    accounts: pd.DataFrame,
    slate_effects: pd.DataFrame,
    aipw: pd.DataFrame,
    who_gains: pd.DataFrame,
    *,
    cost: float,
    max_share: float,
    margin: float = 0.0,
    seed: int,
    outcome: Outcome = CLICKS,
) -> PolicyComparison:
    """Compare policies by the scores and the predictions of ``fit_models``.

    Parameters
    ----------
    items, accounts
        See ``fit_models``.
    slate_effects, aipw, who_gains
        Tables of its ``ModelResults``.
    cost, max_share, margin, seed, outcome
        See ``compare_rules``.
    """
    known = slate_effects.get("known_effect")
    chosen, values = compare_rules(
        slate_effects[f"in_order_{STACKED}"].to_numpy(),
        slate_features(items),
        slate_effects["aipw_score"].to_numpy(),
        slate_effects["fold"].to_numpy(),
        Design.from_table(accounts),
        cost=cost,
        max_share=max_share,
        margin=margin,
        seed=seed,
        known=None if known is None else known.to_numpy(),
        user_id=slate_effects["user_id"],
        outcome=outcome,
    )
    identity = slate_effects[["slate_id", "user_id", "fold", "aipw_score"]].loc[chosen.index]
    advised = verdict(values, margin=margin)
    advised |= {"advice": advice(aipw), "who_gains": detectability(who_gains)}
    if advised["verdict"] == PROMOTE:
        rule = values.loc[values["rule"] == advised["rule"]].iloc[0]
        sentence = users_sentence({str(name): value for name, value in rule.items()})
        if sentence:
            interval = f"{rule['ci_95_lower']:+,.1f} to {rule['ci_95_upper']:+,.1f}"
            sentence = f"Of the value that is not corrected (95% interval {interval}): {sentence}"
        advised["users"] = sentence
    return PolicyComparison(values, pd.concat([identity, chosen], axis=1), advised)
