"""The validation report: claims, failed claims, and results where nothing is claimed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from netlift.studies.validation import (
    AT_A_LOSS,
    CLAIMED,
    CLAIMED_FROM,
    FAIL,
    MC_ERRORS,
    MIN_RECOMMENDED,
    NO_CLAIM,
    covers,
    is_biased,
    rarely,
    value_is_right,
)

_BY_CHANCE = 1 / 370
"""Share of unbiased estimates that are more than three Monte Carlo errors off."""


def validation_report(
    coverage: pd.DataFrame,
    tests: pd.DataFrame,
    policies: pd.DataFrame,
    segments: pd.DataFrame,
    source: str,
) -> str:
    """Return the report as a page in Markdown.

    Parameters
    ----------
    coverage, tests, policies, segments
        From ``coverage_table``, ``rejection_table``, ``policies_table`` and ``segments_table``, all
        cases together; the last two may be empty.
    source
        Name of what was validated, for the heading.
    """
    tables = (coverage, tests, policies, segments)
    broken = list(failures(*tables))
    claims = sum(n_claims(table) for table in tables)
    result = "All claims kept" if not broken else f"{len(broken)} of {claims:,} claims not kept"
    parts = [
        f"# Validation of {source}\n\n**{result}"
        + (f" ({claims:,} claims).**" if not broken else ".**"),
        _claims(*tables),
        _not_kept(broken, coverage),
        "## Intervals, where they are claimed\n\n" + _by_estimator(_claimed(coverage)),
        f"## Intervals where nothing is claimed: fewer than {CLAIMED_FROM} slates, few effective "
        "units or terms, and plain OLS errors\n\n" + _by_estimator(_unclaimed(coverage)),
        "## Randomization tests\n\n" + _tests(tests),
    ]
    if len(policies):
        parts.append("## Policies\n\n" + _policies(policies))
    if len(policies) and (policies["recommended"] > 0).any():
        parts.append("## The value of recommended rules\n\n" + _values(policies))
    if len(segments):
        parts.append("## Segments\n\n" + _segments(segments))
    files = "`coverage.csv`, `tests.csv`, `policies.csv`, `segments.csv`"
    parts.append(f"All numbers: {files}, and figures.")
    return "\n\n".join(parts) + "\n"


def n_claims(table: pd.DataFrame) -> int:
    """Count the claims of a table."""
    return int((table["verdict"] != NO_CLAIM).sum()) if len(table) else 0


def summary_lines(
    coverage: pd.DataFrame, tests: pd.DataFrame, policies: pd.DataFrame, segments: pd.DataFrame
) -> Iterator[str]:
    """Yield a line with the number of claims kept, and a line for each claim that was not."""
    tables = (coverage, tests, policies, segments)
    broken = list(failures(*tables))
    claims = sum(n_claims(table) for table in tables)
    yield f"Validation: {claims - len(broken)} of {claims} claims kept"
    for where, what, number in broken:
        yield f"  not kept: {where}: {what}: {number}"


def failures(
    coverage: pd.DataFrame, tests: pd.DataFrame, policies: pd.DataFrame, segments: pd.DataFrame
) -> Iterator[tuple[str, str, str]]:
    """Yield every claim that was not kept: case and world, the claim, and the number."""
    for table in (coverage, tests, policies, segments):
        for _, row in table[table["verdict"] == FAIL].iterrows() if len(table) else ():
            where = f"{row['case']}, {row['world']}"
            if "coverage_95" in row:
                yield where, f"{row['component']} by {row['estimator']}", _wrong(row)
            elif "hypothesis" in row:
                yield where, str(row["hypothesis_label"]), _rejected(row)
            elif "interval" in row:
                what = f"{row['line']} by {row['segment_type_label']}, {row['interval_label']}"
                yield where, what, f"holds in {_percent(row['coverage'])}"
            else:
                yield where, "policies", _gate(row)


def _wrong(row: Any) -> str:
    problems = []
    if not covers(row):
        problems.append(f"covers {_percent(row['coverage_95'])}")
    if is_biased(row):
        problems.append(f"bias of {row['bias'] / row['bias_mc_error']:+.1f} Monte Carlo errors")
    return ", ".join(problems)


def _rejected(row: Any) -> str:
    rate = f"rejected in {_percent(row['rejected'])}"
    if not row["contradicted"]:
        return rate
    return f"{rate}, not rejected where a part is in {_percent(row['contradicted'])}"


def _gate(row: Any) -> str:
    problems, n = [], int(row["replicates"])
    if not rarely(row["promoted_at_a_loss"], n, AT_A_LOSS):
        problems.append(f"promotes at a loss in {_percent(row['promoted_at_a_loss'])}")
    if not rarely(1 - row["bounds_hold"], n):
        problems.append(f"bounds hold in {_percent(row['bounds_hold'])}")
    if not value_is_right(row):
        error = row["corrected_value_bias"] / row["corrected_value_bias_mc_error"]
        held = _percent(row["interval_holds"])
        problems.append(
            f"bias of the corrected value {error:+.1f} Monte Carlo errors, its interval holds in "
            f"{held}"
        )
    return ", ".join(problems)


def _claims(
    coverage: pd.DataFrame, tests: pd.DataFrame, policies: pd.DataFrame, segments: pd.DataFrame
) -> str:
    rows = [
        (
            f"95% intervals cover {CLAIMED[0]:.0%} to {CLAIMED[1]:.0%}, and estimates are "
            f"unbiased, from {CLAIMED_FROM} slates on",
            coverage,
        ),
        (
            "Tests of true hypotheses reject at most 5%, and where a part is rejected, the whole "
            "is, too",
            tests,
        ),
        (
            f"The gate promotes at a loss in at most {AT_A_LOSS:.1%}, all bounds hold in 95%, and "
            f"from {MIN_RECOMMENDED} recommendations on, the corrected value of the recommended "
            "rule has no bias and its interval holds in at least 95%",
            policies,
        ),
        (
            f"Intervals of segments hold in at least {CLAIMED[0]:.0%} on average over segments "
            f"(if not shrunken, in at most {CLAIMED[1]:.0%}), simultaneous ones together in 95%, "
            f"from {CLAIMED_FROM} slates on",
            segments,
        ),
    ]
    return _table(
        ("claim, apart from three Monte Carlo errors", "made", "kept"),
        [
            (what, n_claims(table), n_claims(table) - int((table["verdict"] == FAIL).sum()))
            for what, table in rows
            if len(table)
        ],
    )


def _not_kept(broken: Sequence[tuple[str, str, str]], coverage: pd.DataFrame) -> str:
    judged = _claimed(coverage)["bias"].notna().sum()
    chance = (
        f"Of the {judged:,} estimates whose bias is judged, {judged * _BY_CHANCE:.1f} are "
        f"expected to be more than {MC_ERRORS:.0f} Monte Carlo errors off by chance alone; since "
        "cases share their draws, such misses come together. A bias that stays with "
        "`validation.replicates: 10000` is not due to chance."
    )
    if not broken:
        return f"## Not kept\n\nNone. {chance}"
    return f"## Not kept\n\n{_table(('case, world', 'what', 'number'), broken)}\n\n{chance}"


def _claimed(coverage: pd.DataFrame) -> pd.DataFrame:
    return coverage[coverage["verdict"] != NO_CLAIM]


def _unclaimed(coverage: pd.DataFrame) -> pd.DataFrame:
    return coverage[coverage["verdict"] == NO_CLAIM]


def _by_estimator(coverage: pd.DataFrame) -> str:
    """Return extremes over worlds and lines, by case and estimator."""
    rows = []
    for key, part in coverage.groupby(["case", "slates", "estimator"], sort=False):
        row = [
            *key,
            _range(part["replicates"], "{:,}"),
            *(_range(part[f"coverage_{level}"]) for level in (90, 95, 99)),
        ]
        row.append(_range((part["bias"] / part["bias_mc_error"]).abs(), "{:.1f}"))
        row.append(_range(part["mean_se"] / part["sd"], "{:.2f}"))
        row.append(_range(part["percent_of_bound"], "{:.0f}%"))
        rows.append(row)
    heading = ("case", "slates", "estimator", "replicates", "90%", "95%", "99%")
    more = ("bias, in Monte Carlo errors", "mean over true error", "percent of the bound")
    table = _table((*heading, *more), rows)
    return f"Lowest and highest over worlds and lines.\n\n{table}" if rows else "None."


def _range(values: pd.Series, form: str = "{:.1%}") -> str:
    values = values.dropna()
    if values.empty:
        return ""
    low, high = form.format(values.min()), form.format(values.max())
    return low if low == high else f"{low} to {high}"


def _tests(tests: pd.DataFrame) -> str:
    """Return how often each hypothesis was rejected, by case."""
    rows = []
    for key, part in tests.groupby(["case", "slates", "rate", "hypothesis_label"], sort=False):
        worlds = ", ".join(part["world"])
        rows.append((*key, worlds, _range(part["rejected"]), _range(part["rejected_adjusted"])))
    heading = ("case", "slates", "", "hypothesis", "worlds", "rejected at 5%", "with p adjusted")
    return _table(heading, rows)


def _policies(policies: pd.DataFrame) -> str:
    """Return the verdicts' error rates; values are clicks per 1,000 eligible slates."""
    rows = [
        (
            row["case"],
            row["world"],
            row["replicates"],
            _percent(row["promoted"]),
            _percent(row["promoted_at_a_loss"]),
            _percent(row["bounds_hold"]),
            f"{row['mean_known_value']:.1f}",
            f"{row['oracle_value']:.1f}",
        )
        for _, row in policies.iterrows()
    ]
    heading = ("case", "world", "experiments", "promotes", "at a loss", "all bounds hold")
    values = ("known value, clicks per 1,000 eligible slates", "best possible")
    return _table((*heading, *values), rows)


def _values(policies: pd.DataFrame) -> str:
    """Return the claimed and true values of recommended rules; clicks per 1,000 eligible slates."""
    rows = []
    for _, row in policies[policies["recommended"] > 0].iterrows():
        error = row["corrected_value_bias_mc_error"]
        corrected = f"{row['corrected_value_bias']:+.1f}"
        corrected += "" if pd.isna(error) else f" (Monte Carlo error {error:.1f})"
        held = [_percent(row[name]) for name in ("lower_bound_holds", "interval_holds")]
        known = f"{row['recommended_known_value']:.1f}"
        naive = f"{row['naive_value_bias']:+.1f}"
        rows.append((row["case"], row["world"], row["recommended"], known, naive, corrected, *held))
    heading = ("case", "world", "recommendations", "known value", "bias, not corrected")
    return _table((*heading, "bias, corrected", "lower end holds", "interval holds"), rows)


def _segments(segments: pd.DataFrame) -> str:
    """Return how often each kind of interval holds, lowest and highest over lines and worlds."""
    rows = [
        (
            *key,
            _range(part["segments"], "{:.0f}"),
            _range(part["replicates"], "{:,}"),
            _range(part["coverage"]),
            _range(part["worst_segment"]),
        )
        for key, part in segments.groupby(
            ["case", "slates", "segment_type_label", "interval_label"], sort=False
        )
    ]
    heading = ("case", "slates", "segments by", "interval", "segments", "replicates", "holds")
    return _table((*heading, "worst segment, nothing claimed"), rows)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
