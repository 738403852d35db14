"""Clicks that never vary: every table of models and policies is made, and nothing is promised."""

import numpy as np
import pytest
from builders import random_items

from netlift.core.outcome import CLICKS
from netlift.effects.accounts import slate_outcomes
from netlift.effects.design_checks import design_diagnostics
from netlift.effects.diversion import diversion_with_covariance
from netlift.effects.randomization_tests import randomization_tests
from netlift.effects.row_tables import row_tables
from netlift.models.candidate_comparison import compare_candidates
from netlift.models.policy_comparison import compare_policies
from netlift.models.protocol import fit_models
from netlift.workflow.schema import completed, read_schema

TRUTH = ("p_", "expected", "known", "click_")
CONSTANT = {
    "no click": lambda items: 0,
    "only clicks": lambda items: 1,
    "minutes": lambda items: 2.5,
    "one click in every slate": lambda items: (
        items["slate_position_seed"] == items["user_id"] % 6 + 1
    ).astype(int),
}


def items_of(name, *, truth):
    items = random_items(5, 120, 6, n_users=60)
    items = items.assign(
        promotion_probability=0.5,
        focal_probability=1 / 6,
        randomization_unit=items["slate_id"],
        randomization_stratum=0,
        click=CONSTANT[name],
    )
    dropped = [] if truth else [column for column in items if column.startswith(TRUTH)]
    return items.drop(columns=dropped)


def settings(section):
    used = completed({}, read_schema("config"))[section]
    small = {"permutations": 99, "bootstrap_draws": 99}
    return {key: small.get(key, value) for key, value in used.items()}


@pytest.mark.parametrize("truth", [False, True])
@pytest.mark.parametrize("name", CONSTANT)
def test_every_table_is_made(name, truth):
    items = items_of(name, truth=truth)
    accounts = slate_outcomes(items)
    inference = settings("inference")
    rows = row_tables(
        items,
        accounts,
        seed=1,
        outcome=CLICKS,
        **{key: inference[key] for key in ("bootstrap_draws", "near_positions")},
    )
    matrices, _ = diversion_with_covariance(items, min_slates=inference["min_slates"])
    assert np.isfinite(matrices["estimate"].dropna()).all()
    assert all(np.isfinite(rows["spillover_sensitivity"]["estimate"].dropna()))
    tests = randomization_tests(
        items,
        seed=1,
        outcome=CLICKS,
        **{key: inference[key] for key in ("permutations", "studentized", "near_positions")},
    )
    assert not (tests["p_value"] < 0.001).any()
    assert len(design_diagnostics(accounts, permutations=99, seed=1))
    models = fit_models(items, accounts, threads=1, seed=1, outcome=CLICKS, **settings("models"))
    tables = [models.tables[name] for name in ("slate_effects", "aipw", "who_gains")]
    policy = settings("policy")
    candidates = compare_candidates(items, accounts, tables[0], treatment={}, seed=1, **policy)
    assert candidates.verdict["verdict"] == "promote_nothing"
    assert "is ruled out" not in candidates.verdict["statement"]
    for key in ("top_k", "max_group_share"):
        del policy[key]
    compared = compare_policies(items, accounts, *tables, seed=1, outcome=CLICKS, **policy)
    verdict = compared.verdict
    assert verdict["verdict"] == "promote_nothing"
    assert "is ruled out" not in verdict["statement"]
    assert "do not vary" in verdict["advice"]
    assert "do not vary" in verdict["who_gains"]
