"""Validation: do estimates, intervals, tests and verdicts have the claimed properties?

With slates and worlds fixed, assignment and clicks are redrawn many times, and each replicate is
analyzed like an experiment. The true value is the mean known effect of the slates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_1000_ELIGIBLE
from netlift.effects.codes import TOTAL_LINE
from netlift.effects.estimators import OLS_ERROR
from netlift.effects.randomization_tests import LABELS, NO_SPILLOVER
from netlift.effects.segments import SEGMENT_TYPES
from netlift.models.policies import PROMOTE
from netlift.studies.replicate_segments import INTERVALS, ON_AVERAGE, OWN, SIMULTANEOUS
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


AT_A_LOSS = 0.025
"""Share of experiments in which, at most, a rule is recommended that does not gain."""


MIN_RECOMMENDED = 20
"""Recommendations from which the value of the recommended rule is judged."""


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
    "recommended",
    "recommended_known_value",
    "naive_value_bias",
    "corrected_value_bias",
    "corrected_value_bias_mc_error",
    "lower_bound_holds",
    "interval_holds",
    "unit_code",
    "verdict",
]


SEGMENT_COLUMNS = [
    "case",
    "world",
    "slates",
    "segment_type",
    "line",
    "interval",
    "replicates",
    "segments",
    "coverage",
    "coverage_mc_error",
    "worst_segment",
    "verdict",
]


PASS, FAIL, NO_CLAIM = "pass", "fail", "no_claim"
VERDICTS = {PASS: "pass", FAIL: "fail", NO_CLAIM: "no claim"}
"""Labels of the verdicts."""


def validation_tables(cases: Iterable[CaseResults]) -> dict[str, pd.DataFrame]:
    """Judge cases: ``coverage``, ``tests``, ``policies``, ``segments``, all cases together."""
    names = ("coverage", "tests", "policies", "segments")
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in names}
    for case in cases:
        parts["coverage"].append(coverage_table(case.ledgers, case.facts))
        parts["tests"].append(rejection_table(case.tests, case.facts))
        parts["policies"].append(policies_table(case.policies, case.facts))
        parts["segments"].append(segments_table(case.segments, case.facts))
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
    """Return how often each test rejected at 5%: its size if the hypothesis is true, else power.

    ``contradicted`` is the share of replicates in which the hypothesis on all items was not
    rejected (by adjusted p-values) but another one was; claimed to be 0.
    """
    table = []
    against = contradicted(tests)
    for (hypothesis, null), part in tests.groupby(["hypothesis", "known_null"], sort=False):
        share, n = float((part["p_value"] <= 0.05).mean()), len(part)
        adjusted = float((part["p_value_adjusted"] <= 0.05).mean())
        error = float(np.sqrt(max(share * (1 - share), 0.05 * 0.95) / n))
        is_null = bool(null)
        incoherent = float(part["replicate"].isin(against.get(str(hypothesis), set())).mean())
        sized = share <= 0.05 + MC_ERRORS * error if is_null else None
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
                "contradicted": incoherent,
                "verdict": _test_verdict(sized, incoherent, hypothesis in WHOLES),
            }
        )
    return with_labels(pd.DataFrame(table), hypothesis=LABELS, verdict=VERDICTS)


WHOLES = (NO_SPILLOVER,)
"""Hypotheses that include all others, whatever the slates are."""


def _test_verdict(sized: bool | None, incoherent: float, is_whole: bool) -> str:
    """Judge a test: its size where its hypothesis is true, and whether the whole follows a part."""
    if sized is None and not is_whole:
        return NO_CLAIM
    return PASS if sized is not False and incoherent == 0 else FAIL


def contradicted(tests: pd.DataFrame) -> dict[str, set[int]]:
    """Return, for hypotheses that include all others, replicates that contradict themselves."""
    rejected = tests["p_value_adjusted"] <= 0.05
    found = {}
    for whole in WHOLES:
        is_whole = tests["hypothesis"] == whole
        by_part = set(tests.loc[rejected & ~is_whole, "replicate"])
        found[whole] = by_part - set(tests.loc[rejected & is_whole, "replicate"])
    return found


def rarely(share: float, n: int, at_most: float = 0.05) -> bool:
    """Return whether a share is at most what is claimed, apart from Monte Carlo error."""
    return share <= at_most + MC_ERRORS * float(np.sqrt(at_most * (1 - at_most) / n))


def policies_table(judged: pd.DataFrame, facts: Mapping[str, object]) -> pd.DataFrame:
    """Return how often the gate promoted, how often wrongly, and the value of its decisions.

    ``promoted_at_a_loss``: a rule was recommended whose known value is not above zero; claimed to
    happen in at most 2.5% of experiments. All lower bounds together are claimed to hold in at least
    95%. Of the experiments with a recommendation: the bias of the naive value and that of the value
    corrected for the choice, claimed to be zero, and how often the corrected lower bound and
    interval hold, claimed to be at least 95%; judged from 20 recommendations on. Without
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
        *(values := _recommended_values(judged[promotes])).values(),
        PER_1000_ELIGIBLE,
    )
    table = dict(zip(POLICY_COLUMNS, row, strict=False))
    rare = rarely(wrong, n, AT_A_LOSS) and rarely(1 - hold, n)
    return _labeled(
        pd.DataFrame([table | {"verdict": PASS if rare and value_is_right(values) else FAIL}])
    )


def _recommended_values(promoted: pd.DataFrame) -> dict[str, Any]:
    """Compare the values of recommended rules with their known values."""
    n, known = len(promoted), promoted["known_value"]
    error = promoted["value"] - known
    above = promoted["lower_bound"] <= known + ROUNDING
    inside = above & (known <= promoted["upper_bound"] + ROUNDING)
    return {
        "recommended": n,
        "recommended_known_value": float(known.mean()) if n else None,
        "naive_value_bias": float((promoted["naive_value"] - known).mean()) if n else None,
        "corrected_value_bias": float(error.mean()) if n else None,
        "corrected_value_bias_mc_error": float(error.std() / np.sqrt(n)) if n > 1 else None,
        "lower_bound_holds": float(above.mean()) if n else None,
        "interval_holds": float(inside.mean()) if n else None,
    }


def value_is_right(row: Mapping[str, Any] | pd.Series) -> bool:
    """Return whether corrected values have no bias and hold, apart from Monte Carlo error."""
    n = int(row["recommended"])
    if n < MIN_RECOMMENDED:
        return True
    biased = abs(row["corrected_value_bias"]) > MC_ERRORS * row["corrected_value_bias_mc_error"]
    return not biased and rarely(1 - row["interval_holds"], n)


def segments_table(held: pd.DataFrame, facts: Mapping[str, object]) -> pd.DataFrame:
    """Return how often intervals of segments contain the known effects.

    Own intervals: the mean over segments, claimed to be in the range of all intervals. Simultaneous
    ones: in how many replicates all of them hold, claimed to be at least 95%. Shrunken ones: the
    mean over segments, claimed to be at least 94%; that of each is not, and ``worst_segment`` says
    how far off the worst is. All from 300 slates on. Without replicates, a table without rows.
    """
    rows = []
    keys = ["segment_type", "line"]
    for key, part in held.groupby(keys, sort=False):
        for kind in INTERVALS:
            known = part.dropna(subset=[kind])
            if len(known):
                row = {name: facts[name] for name in ("case", "world", "slates")}
                rows.append(row | dict(zip(keys, key, strict=True)) | _held(known, kind))
    table = pd.DataFrame(rows, columns=SEGMENT_COLUMNS)
    table.loc[table["slates"] < CLAIMED_FROM, "verdict"] = NO_CLAIM
    return with_labels(
        table, segment_type=SEGMENT_TYPES, interval=INTERVAL_LABELS, verdict=VERDICTS
    )


INTERVAL_LABELS = {
    OWN: "own, not shrunken (mean over segments)",
    SIMULTANEOUS: "simultaneous, not shrunken (all segments)",
    ON_AVERAGE: "shrunken (mean over segments)",
}


def _held(part: pd.DataFrame, kind: str) -> dict[str, Any]:
    by_replicate = part.groupby("replicate")[kind]
    held = by_replicate.min() if kind == SIMULTANEOUS else by_replicate.mean()
    n, share = len(held), float(held.mean())
    # Where all hold, or in a single replicate, no smaller error than that of a share of 95%.
    of_mean = 1 if kind == SIMULTANEOUS else part["segment"].nunique()
    error = np.sqrt(max(float(held.var()) if n > 1 else 0.0, 0.95 * 0.05 / of_mean) / n)
    lowest = 0.95 if kind == SIMULTANEOUS else CLAIMED[0]
    kept = share >= lowest - MC_ERRORS * error
    kept &= kind != OWN or share <= CLAIMED[1] + MC_ERRORS * error
    return {
        "interval": kind,
        "replicates": n,
        "segments": part["segment"].nunique(),
        "coverage": share,
        "coverage_mc_error": error,
        "worst_segment": float(part.groupby("segment")[kind].mean().min()),
        "verdict": PASS if kept else FAIL,
    }


def _labeled(table: pd.DataFrame) -> pd.DataFrame:
    return with_labels(CLICKS.in_units(table), verdict=VERDICTS)
