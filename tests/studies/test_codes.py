"""Every label in a table has a code of a known enumeration next to it."""

import re
from functools import cache

import pandas as pd
import pytest
from builders import compared, random_items, validation_case

from netlift.core.units import WORDS
from netlift.effects import conclusions as judged
from netlift.effects import design_checks, item_level, risk
from netlift.effects import randomization_tests as tested
from netlift.effects import shares as parts
from netlift.effects.accounts import slate_outcomes
from netlift.effects.codes import INDIRECT_LINE, LINES, PRODUCT_METRICS, QUESTIONS, TOPICS
from netlift.effects.decisions import decision_statements
from netlift.effects.item_rows import DEFINITIONS
from netlift.effects.leakage import leakage
from netlift.effects.ledger import component_covariance, component_effects, component_support
from netlift.effects.observed import observed_effects
from netlift.effects.power_table import power_table
from netlift.effects.product import product_summary
from netlift.effects.segments import SEGMENT_TYPES, segments
from netlift.effects.spillover import spillover_sensitivity, spillover_support
from netlift.effects.users import USERS_ERRORS
from netlift.studies import validation
from netlift.studies.replicate_estimates import SHARE, replicate_ledgers, replicate_tests

LINE_CODES = {line.code for line in (*LINES, INDIRECT_LINE)} | {SHARE}
CODES = {
    "line": LINE_CODES,
    "line_1": LINE_CODES,
    "line_2": LINE_CODES,
    "unit_code": set(WORDS),
    "metric": {*PRODUCT_METRICS, *parts.METRICS, *item_level.METRICS},
    "denominator": set(parts.DENOMINATORS),
    "definition": set(DEFINITIONS),
    "hypothesis": set(tested.LABELS),
    "segment_type": set(SEGMENT_TYPES),
    "conclusion": set(judged.CONCLUSIONS),
    "measure": {code for code, _ in judged.MEASURES.values()},
    "topic": set(TOPICS),
    "check": set(design_checks.CHECKS),
    "question": set(QUESTIONS),
    "users_errors": set(USERS_ERRORS),
}
VERDICTS = {
    code
    for module in (judged, design_checks, item_level, risk, validation)
    for code in module.VERDICTS
}
BESIDE = {"component": "line", "component_1": "line_1", "component_2": "line_2"}
"""Labels that keep the names of the reference study."""


@cache
def tables() -> dict[str, pd.DataFrame]:
    items = random_items(5, 80, 6)
    accounts = slate_outcomes(items)
    product = product_summary(compared(accounts))
    spillover = spillover_sensitivity(items, near_positions=2, bootstrap_draws=9)
    by_segment, heterogeneity = segments(accounts, min_slates=5, bootstrap_draws=9)
    case = validation_case(n_slates=60)
    facts = {"case": "c", "world": "w", "slates": 60, "bound_se": 0.1}
    tests = replicate_tests(case, range(2), permutations=9, near_positions=2)
    return {
        "component_effects": component_effects(compared(accounts)),
        "component_covariance": component_covariance(compared(accounts)),
        "component_support": component_support(accounts),
        "product_summary": product,
        "shares": parts.shares(compared(accounts)),
        "risk": risk.risk_by_position(accounts, min_slates=5),
        "power": power_table(compared(accounts), effects=[0.1]),
        "observed_effects": observed_effects(items, seed=1, bootstrap_draws=9)[0],
        "spillover_support": spillover_support(items, near_positions=2),
        "spillover_sensitivity": spillover,
        "leakage": leakage(items, near_positions=2),
        "randomization_tests": tested.randomization_tests(
            items, near_positions=2, permutations=19, seed=1
        ),
        "item_level_claim": item_level.item_level_claim(items),
        "design_diagnostics": design_checks.design_diagnostics(accounts, permutations=19, seed=1),
        "segments": by_segment,
        "heterogeneity": heterogeneity,
        "conclusions": judged.conclusions(items, compared(accounts)),
        "decision_statements": decision_statements(product, spillover, by_segment),
        "coverage": validation.coverage_table(replicate_ledgers(case, range(3)), facts),
        "tests": validation.rejection_table(tests, facts),
    }


@pytest.mark.parametrize("name", tables())
def test_every_label_has_a_code_of_a_known_enumeration(name):
    table = tables()[name]
    labels = {
        column: column.removesuffix("_label") for column in table if column.endswith("_label")
    }
    labels |= {column: code for column, code in BESIDE.items() if column in table}
    labels |= {"unit": "unit_code"} if "unit" in table else {}
    assert labels
    for label, code in labels.items():
        assert table[code].notna().equals(table[label].notna())
        found = set(table[code].dropna())
        assert all(re.fullmatch("[a-z0-9_]+", value) for value in found)
        if code.endswith("verdict"):
            assert found <= VERDICTS
        else:
            assert found <= CODES[code]
        # One label for each code.
        assert table.groupby(code)[label].nunique().max() == 1
