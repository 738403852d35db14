"""What an experiment decides, for programs: ``decision.json``, checked with a published schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from netlift import __version__
from netlift.core.errors import NetliftError
from netlift.core.tables import read_json
from netlift.effects.codes import MAIN_OUTCOME, NET_CHANGE, TOTAL_LINE
from netlift.inference.effective_units import ENOUGH_UNITS, effective_units_per_arm
from netlift.inference.estimate import Estimate
from netlift.promotion.design import Design
from netlift.report.gathering import PageData, design_hash, records
from netlift.report.ledger_views import main_estimator
from netlift.report.verdict import verdict_of

FORMAT = 2
"""Version of the format; version 1 had labels in place of codes."""

_SCHEMA = Path(__file__).parents[3] / "schemas/decision.schema.json"

ESTIMAND = (
    "the mean change in {clicks} on all items of a slate, promoted compared with not promoted, "
    "over the slates of the experiment"
)


def decision(experiment: PageData) -> dict[str, Any]:
    """Return what an experiment decides, as plain values.

    Every number is from a table that ``files`` names with its checksum.

    Raises
    ------
    NetliftError
        The result does not match the schema.
    """
    verdict = verdict_of(experiment)
    statements = experiment.table("decision_statements")
    net = experiment.product(NET_CHANGE)
    result = {
        "format": FORMAT,
        "netlift_version": __version__,
        "experiment": experiment.name,
        "estimand": experiment.outcome.fill(ESTIMAND),
        "unit": verdict.unit,
        "estimator": main_estimator(experiment.tables["component_effects"]),
        "estimate": verdict.estimate,
        "standard_error": net["se"],
        "interval": {"level": 0.95, "lower": verdict.lower, "upper": verdict.upper},
        "test": _test(experiment.tables["component_effects"]),
        "verdict": {
            "code": verdict.code,
            "in_words": verdict.headline,
            "action": verdict.answers[-1].answer,
            "statements": [
                {key: row[key] for key in ("topic", "topic_label", "verdict", "statement")}
                for row in ([] if statements is None else records(statements))
            ],
        },
        "caveats": [asdict(caveat) for caveat in verdict.caveats],
        "known_value": net.get("known_value"),
        "ledger": _ledger(experiment),
        "spillover_tests": _spillover_tests(experiment),
        "conclusions": _conclusions(experiment),
        "policy": experiment.records.get("verdict"),
        "which_item": experiment.records.get("candidate_verdict"),
        "design": _design(experiment),
        "settings": dict(experiment.settings),
        "files": [
            {
                "name": name,
                "path": file.path,
                "rule": file.rule,
                "sha256": file.sha256,
                "bytes": file.size,
            }
            for name, file in experiment.files.items()
        ],
        "missing": [
            {"path": source.path, "rule": source.rule, "reason": experiment.reason(source)}
            for source in experiment.missing
        ],
    }
    check_decision(result)
    return result


def check_decision(value: Mapping[str, Any], schema: Path = _SCHEMA) -> None:
    """Check a decision with its JSON Schema, by default that of one experiment.

    Raises
    ------
    NetliftError
        It does not match; the first problem is named.
    """
    from jsonschema import Draft202012Validator

    problem = next(Draft202012Validator(read_json(schema)).iter_errors(dict(value)), None)
    if problem is not None:
        where = "/".join(map(str, problem.absolute_path)) or "the document"
        raise NetliftError(f"decision.json does not match its schema: {where}: {problem.message}")


def _test(effects: pd.DataFrame) -> dict[str, Any]:
    """Return the t test of no net change that belongs to the interval."""
    lines = effects[
        (effects["outcome_type"] == MAIN_OUTCOME)
        & effects["is_main"].astype(bool)
        & (effects["line"] == TOTAL_LINE.code)
    ]
    line = records(lines)[0]
    estimate, se, df = (line[key] for key in ("estimate_per_slate", "se", "df"))
    statistic = p_value = None
    if None not in (estimate, se, df) and se > 0:
        statistic, p_value = estimate / se, Estimate(estimate, se, df).p_value
    return {
        "hypothesis": "the net change is zero",
        "kind": "t test, two-sided",
        "statistic": statistic,
        "degrees_of_freedom": df,
        "p_value": p_value,
    }


def _ledger(experiment: PageData) -> list[dict[str, Any]]:
    rows = experiment.tables["product_summary"]
    names = (
        "metric",
        "metric_label",
        "unit_code",
        "unit",
        "estimate",
        "ci_95_lower",
        "ci_95_upper",
        "interval_kind",
        "known_value",
    )
    return [{key: row.get(key) for key in names} for row in records(rows)]


def _spillover_tests(experiment: PageData) -> list[dict[str, Any]]:
    table = experiment.table("randomization_tests")
    names = [
        "hypothesis",
        "hypothesis_label",
        "unit_code",
        "unit",
        "estimate",
        "p_value",
        "p_value_adjusted",
    ]
    rows = [] if table is None else records(table)
    return [{key: row[key] for key in names} for row in rows]


def _conclusions(experiment: PageData) -> list[dict[str, Any]]:
    table = experiment.table("conclusions")
    names = ["conclusion", "conclusion_label", "verdict", "verdict_label", "unit_code", "unit"]
    names += ["estimate", "ci_95_lower", "ci_95_upper"]
    rows = [] if table is None else records(table)
    return [{key: row[key] for key in names} for row in rows]


def _design(experiment: PageData) -> dict[str, Any]:
    lines = experiment.tables["component_effects"]
    first = records(lines)[0]
    accounts = experiment.table("accounts")
    design = None if accounts is None else Design.from_table(accounts)
    return {
        "hash": None if accounts is None else design_hash(accounts),
        "promoted_slates": first["treated_slates"],
        "control_slates": first["control_slates"],
        "unit": "slate"
        if accounts is None or accounts["randomization_unit"].nunique() == len(accounts)
        else "user",
        "effective_units": None if design is None else _effective_units(design),
    }


def _effective_units(design: Design) -> dict[str, Any]:
    promoted, control = effective_units_per_arm(design)
    return {
        "promoted": promoted,
        "control": control,
        "least": ENOUGH_UNITS,
        "enough": min(promoted, control) >= ENOUGH_UNITS,
    }
