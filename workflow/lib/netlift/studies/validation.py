"""Validation: do estimates, intervals, tests and verdicts have the claimed properties?

With slates and worlds fixed, assignment and clicks are redrawn many times, and each replicate is
analyzed like an experiment. The true value is the mean known effect of the slates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_1000_ELIGIBLE
from netlift.effects.codes import TOTAL_LINE
from netlift.effects.estimators import OLS_ERROR
from netlift.effects.randomization_tests import LABELS
from netlift.models.policies import PROMOTE
from netlift.studies.validation_case import CaseResults

LEVELS = (0.90, 0.95, 0.99)


CLAIMED = (0.94, 0.96)
"""Range required of the coverage of 95% intervals, apart from Monte Carlo error."""


CLAIMED_FROM = 300
"""Number of slates from which the coverage is claimed."""


MOST = 0.5
"""Share of replicates whose intervals claim to cover 95%, from which a coverage is judged."""


MC_ERRORS = 3.0
"""Monte Carlo errors by which a bias or a coverage may be off."""


POLICY_COLUMNS = [
    "case",
    "world",
    "slates",
    "replicates",
    "promoted",
    "promoted_at_a_loss",
    "bounds_hold",
    "mean_known_value",
    "oracle_value",
    "unit_code",
    "verdict",
]


PASS, FAIL, NO_CLAIM = "pass", "fail", "no_claim"
VERDICTS = {PASS: "pass", FAIL: "fail", NO_CLAIM: "no claim"}
"""Labels of the verdicts."""


def validation_tables(cases: Iterable[CaseResults]) -> dict[str, pd.DataFrame]:
    """Judge cases: the tables ``coverage``, ``tests`` and ``policies``, all cases together."""
    parts: dict[str, list[pd.DataFrame]] = {"coverage": [], "tests": [], "policies": []}
    for case in cases:
        parts["coverage"].append(coverage_table(case.ledgers, case.facts))
        parts["tests"].append(rejection_table(case.tests, case.facts))
        parts["policies"].append(policies_table(case.policies, case.facts))
    return {
        name: pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
        for name, tables in parts.items()
    }


def coverage_table(replicates: pd.DataFrame, facts: Mapping[str, object]) -> pd.DataFrame:
    """Summarize the performance of estimates and intervals in one case.

    Parameters
    ----------
    replicates
        Rows of ``replicate_ledgers`` and ``replicate_models``.
    facts
        ``case``, ``world``, ``slates`` and ``bound_se``.

    Returns
    -------
    One row per estimator and line: the known effect, bias with its Monte Carlo error, root of the
    mean squared error, mean standard error, standard deviation of the estimates, coverage of 90%,
    95% and 99% intervals with the Monte Carlo error of the second, for totals the percent of the
    efficiency bound, and ``verdict``: pass or fail where a claim is made (from 300 slates on).
    ``claimed`` is the share of replicates in which the interval is promised to cover 95%; where it
    is below a half, nothing is claimed. Replicates in which an estimator has no numbers are counted
    in ``without_estimate``.
    """
    table = []
    group = ["line", "effect_family", "component", "estimator", "unit_code"]
    for key, part in replicates.groupby(group, sort=False):
        numbers = _numbers(part)
        row = {"case": facts["case"], "world": facts["world"], "slates": facts["slates"]}
        row |= dict(zip(group, key, strict=True))
        row |= numbers
        bound, sd = facts["bound_se"], numbers["sd"]
        if key[0] == TOTAL_LINE.code and bound is not None and sd is not None and sd > 0:
            row["percent_of_bound"] = 100 * (float(bound) / float(sd)) ** 2  # type: ignore[arg-type]
        row["verdict"] = _verdict(row)
        table.append(row)
    return with_labels(CLICKS.in_units(pd.DataFrame(table)), verdict=VERDICTS)


def _numbers(part: pd.DataFrame) -> dict[str, Any]:
    from scipy.special import stdtrit

    known = float(part["known_effect"].iloc[0])
    estimated = part[part["t"].notna() & part["df"].gt(0)]
    n = len(estimated)
    row: dict[str, Any] = {
        "replicates": n,
        "without_estimate": len(part) - n,
        "known_effect": known,
        "claimed": float(part["claimed"].mean()) if "claimed" in part else 1.0,
    }
    names = ("mean_estimate", "bias", "bias_mc_error", "rmse", "sd", "mean_se")
    row |= dict.fromkeys((*names, "coverage_90", "coverage_95", "coverage_99", "coverage_mc_error"))
    if n < 2:
        return row
    ratio = bool(part["se"].isna().all())
    if not ratio:
        error = estimated["estimate"] - known
        row |= {
            "mean_estimate": float(estimated["estimate"].mean()),
            "bias": float(error.mean()),
            "bias_mc_error": float(error.std() / np.sqrt(n)),
            "rmse": float(np.sqrt((error**2).mean())),
            "sd": float(error.std()),
            "mean_se": float(estimated["se"].mean()),
        }
    for level in LEVELS:
        limit = stdtrit(estimated["df"].to_numpy(), 0.5 + level / 2)
        row[f"coverage_{round(100 * level)}"] = float((estimated["t"].abs() <= limit).mean())
    share = row["coverage_95"]
    row["coverage_mc_error"] = float(np.sqrt(max(share * (1 - share), 0.95 * 0.05) / n))
    return row


def _verdict(row: Mapping[str, Any]) -> str:
    """Judge a row: coverage in the claimed range and no bias, apart from Monte Carlo error."""
    claims_errors = row["estimator"] != OLS_ERROR and row["claimed"] >= MOST
    if row["slates"] < CLAIMED_FROM or row["coverage_95"] is None or not claims_errors:
        return NO_CLAIM
    return PASS if covers(row) and not is_biased(row) else FAIL


def covers(row: Mapping[str, Any] | pd.Series) -> bool:
    """Return whether a coverage is in the claimed range, apart from Monte Carlo error."""
    tolerance = MC_ERRORS * row["coverage_mc_error"]
    return bool(CLAIMED[0] - tolerance <= row["coverage_95"] <= CLAIMED[1] + tolerance)


def is_biased(row: Mapping[str, Any] | pd.Series) -> bool:
    """Return whether a bias exceeds Monte Carlo error; the bias of a ratio is not judged."""
    if row["bias"] is None or np.isnan(row["bias"]):
        return False
    return bool(abs(row["bias"]) > MC_ERRORS * row["bias_mc_error"])


def rejection_table(tests: pd.DataFrame, facts: Mapping[str, object]) -> pd.DataFrame:
    """Return how often each test rejected at 5%: its size if the hypothesis is true, else power."""
    table = []
    for (hypothesis, null), part in tests.groupby(["hypothesis", "known_null"], sort=False):
        share, n = float((part["p_value"] <= 0.05).mean()), len(part)
        adjusted = float((part["p_value_adjusted"] <= 0.05).mean())
        error = float(np.sqrt(max(share * (1 - share), 0.05 * 0.95) / n))
        is_null = bool(null)
        table.append(
            {
                "case": facts["case"],
                "world": facts["world"],
                "slates": facts["slates"],
                "hypothesis": hypothesis,
                "null_is_true": is_null,
                "rate": "size" if is_null else "power",
                "replicates": n,
                "rejected": share,
                "rejected_mc_error": error,
                "rejected_adjusted": adjusted,
                "verdict": (PASS if share <= 0.05 + MC_ERRORS * error else FAIL)
                if is_null
                else NO_CLAIM,
            }
        )
    return with_labels(pd.DataFrame(table), hypothesis=LABELS, verdict=VERDICTS)


def rarely(share: float, n: int) -> bool:
    """Return whether a share claimed to be at most 5% is, apart from Monte Carlo error."""
    return share <= 0.05 + MC_ERRORS * float(np.sqrt(0.05 * 0.95 / n))


def policies_table(judged: pd.DataFrame, facts: Mapping[str, object]) -> pd.DataFrame:
    """Return how often the gate promoted, how often wrongly, and the value of its decisions.

    ``promoted_at_a_loss``: a rule was recommended whose known value is not above zero; claimed to
    happen in at most 5% of experiments, as all lower bounds together hold in at least 95%. Without
    experiments, a table without rows.
    """
    n = len(judged)
    if not n:
        return _labeled(pd.DataFrame(columns=POLICY_COLUMNS))
    promotes = judged["verdict"] == PROMOTE
    wrong = float((promotes & (judged["known_value"] <= 0)).mean())
    hold = float(judged["bounds_hold"].mean())
    row = (
        *(facts[name] for name in ("case", "world", "slates")),
        n,
        float(promotes.mean()),
        wrong,
        hold,
        float(judged["known_value"].mean()),
        float(judged["oracle_value"].mean()),
        PER_1000_ELIGIBLE,
        PASS if rarely(wrong, n) and rarely(1 - hold, n) else FAIL,
    )
    return _labeled(pd.DataFrame([row], columns=POLICY_COLUMNS))


def _labeled(table: pd.DataFrame) -> pd.DataFrame:
    return with_labels(CLICKS.in_units(table), verdict=VERDICTS)
