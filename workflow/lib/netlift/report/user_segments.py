"""Who gains among users, in sentences: whether groups differ, and which are shown to."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from netlift.core.formatting import p_value, signed
from netlift.core.outcome import Outcome
from netlift.core.units import PER_SLATE
from netlift.effects.codes import LINES

_WHAT = dict(
    zip(
        (line.code for line in LINES),
        ("promoted items", "same-cluster items", "other items", "whole slates"),
        strict=True,
    )
)


def user_sentences(
    table: pd.DataFrame, heterogeneity: pd.DataFrame, outcome: Outcome
) -> Iterator[str]:
    """Yield for each covariate of users which groups are shown to gain or lose, and to differ.

    Parameters
    ----------
    table, heterogeneity
        ``user_segments.csv`` and ``user_heterogeneity.csv``.
    outcome
        The outcome's words.
    """
    for kind, part in table.groupby("segment_type", sort=False):
        label = part["segment_type_label"].iloc[0]
        if "line" not in part or part["line"].isna().all():
            yield f"By {label} there are no groups: {part['note'].iloc[0]}."
            continue
        tested = heterogeneity[heterogeneity["segment_type"] == kind]
        yield f"By {label}: {_differences(tested)} {_shown(part, outcome)}"


def _differences(tested: pd.DataFrame) -> str:
    """Say for which lines of the ledger the groups differ."""
    p = tested.set_index("line")["p_value_adjusted"].dropna()
    if p.empty:
        return "whether the groups differ could not be tested."
    differ = [
        f"{_WHAT[line]} (adjusted p {_p(p[line])})" for line in _WHAT if p.get(line, 1.0) < 0.05
    ]
    if differ:
        return f"the groups differ in the effect on {', '.join(differ)}."
    least = p_value(float(p.min()))
    return (
        "no difference between the groups is shown for any line of the ledger (least adjusted p "
        f"{least})."
    )


def _p(value: float) -> str:
    text = p_value(value)
    return text if text.startswith("<") else f"= {text}"


def _shown(part: pd.DataFrame, outcome: Outcome) -> str:
    """Name the groups whose whole slates gain or lose by their simultaneous interval."""
    total = part[(part["line"] == LINES[-1].code) & part["estimate"].notna()]
    lower, upper = (total[f"simultaneous_ci_95_{end}"] for end in ("lower", "upper"))
    shown = total[(lower > 0) | (upper < 0)]
    if not len(shown):
        return "In no group is the effect on whole slates shown to differ from 0."
    words = [
        f"the {row['segment']}: {signed(row['estimate'], 3)} "
        f"({signed(row['simultaneous_ci_95_lower'], 3)} to "
        f"{signed(row['simultaneous_ci_95_upper'], 3)})"
        for _, row in shown.iterrows()
    ]
    return (
        f"The effect on whole slates is shown to differ from 0 in {'; '.join(words)}, in "
        f"{outcome.of(PER_SLATE)} with simultaneous 95% intervals."
    )
