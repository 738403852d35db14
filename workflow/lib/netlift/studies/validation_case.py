"""One case of a validation in one world: the estimates of its replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from netlift.effects.estimators import LIN
from netlift.promotion.record import Promotion
from netlift.studies.draws import Draws
from netlift.studies.replicate_estimates import (
    Case,
    replicate_ledgers,
    replicate_models,
    replicate_tests,
)
from netlift.studies.replicate_segments import replicate_segments
from netlift.worlds.world import Similarity


@dataclass(frozen=True)
class CaseResults:
    """The estimates of the replicates of a case.

    Attributes
    ----------
    ledgers
        From ``replicate_ledgers``, and by AIPW from ``replicate_models``.
    tests
        From ``replicate_tests``.
    policies
        Verdicts from ``replicate_models``; empty where no models were fitted.
    segments
        From ``replicate_segments``; empty where segments are not evaluated.
    facts
        ``case``, ``world``, ``slates``, and ``bound_se`` of the case.
    """

    ledgers: pd.DataFrame
    tests: pd.DataFrame
    policies: pd.DataFrame
    segments: pd.DataFrame
    facts: dict[str, Any]


def validate_case(
    slates: pd.DataFrame,
    similarity: Similarity | None = None,
    *,
    case: str,
    name: str,
    world: Mapping[str, Any],
    seed: int,
    n_slates: int,
    promotion: Promotion,
    replicates: int,
    test_replicates: int,
    model_replicates: int,
    segment_replicates: int,
    permutations: int,
    near_positions: int,
    min_slates: int,
    folds: int,
    policy: Mapping[str, Any],
    main_estimator: str = LIN,
    draws: Mapping[str, Any] | None = None,
) -> CaseResults:
    """Draw the replicates of a case in one world, and estimate each.

    Parameters
    ----------
    slates
        Slate table, sorted by slate and position; all slates of one size.
    similarity
        Similarity of items, for models that use it.
    case, name
        Names of the case and of the world, for the facts.
    world
        Config entry of the world.
    seed, n_slates
        Study seed, and the number of slates to use, starting with the first.
    promotion
        How focal items and promotions are drawn.
    replicates, test_replicates, model_replicates, segment_replicates
        Replicates of the ledger, of the randomization tests, of models and policies, and of
        segments.
    permutations, near_positions, min_slates, folds, policy
        Options of ``replicate_tests``, ``replicate_segments`` and ``replicate_models``.
    main_estimator
        The declared main estimator.
    draws
        Values of ``Draws``.
    """
    size = int(slates["slate_position_seed"].max())
    slates, drawing = slates.iloc[: n_slates * size], Draws(**draws or {})
    setup = Case.from_slates(
        slates, world, similarity, promotion=promotion, seed=seed, draws=drawing
    )
    ledgers, judged = [replicate_ledgers(setup, range(replicates), main_estimator)], pd.DataFrame()
    drawn, near = range(test_replicates), near_positions
    tests = replicate_tests(setup, drawn, permutations=permutations, near_positions=near)
    if model_replicates:
        by_aipw, judged = replicate_models(setup, range(model_replicates), folds=folds, **policy)
        ledgers.append(by_aipw)
    facts = {"case": case, "world": name, "slates": len(setup.accounts), "bound_se": setup.bound_se}
    by_segment = replicate_segments(setup, range(segment_replicates), min_slates=min_slates)
    return CaseResults(pd.concat(ledgers, ignore_index=True), tests, judged, by_segment, facts)
