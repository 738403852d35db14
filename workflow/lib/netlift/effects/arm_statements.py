"""What a test of several variants says, in sentences that are never stronger than its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from netlift.core.formatting import signed
from netlift.core.outcome import Outcome, capitalized
from netlift.core.units import PER_1000
from netlift.effects.codes import DIRECT_LINE, INDIRECT_LINE, MAIN_OUTCOME, TOTAL_LINE
from netlift.effects.several_arms import (
    DIRECT_RATIO,
    PAIR,
    TAKEN_RATIO,
    VARIANT,
)
from netlift.inference.estimate import CONFIDENCE
from netlift.promotion.variants import CONTROL

CREATES, DESTROYS, MOVES, UNDECIDED = "creates", "destroys", "moves", "undecided"
_SHORT = {
    CREATES: "adds {clicks}",
    DESTROYS: "loses {clicks}",
    MOVES: "moves {clicks} and is not shown to add any",
    UNDECIDED: "is not shown to change the {clicks} of a slate",
}
BETTER, WORSE = "better", "worse"

Row = Mapping[Any, Any]


class ArmRows:
    """Rows of ``arms.csv`` of the main outcome, by kind, variant, the other arm and line."""

    def __init__(self, table: pd.DataFrame) -> None:
        main = table[table["outcome_type"] == MAIN_OUTCOME]
        self._rows: dict[tuple[str, str, str], Row] = {
            (str(row["variant"]), str(row["against"]), str(row["line"])): dict(row)
            for row in main.to_dict("records")
        }
        kinds = dict.fromkeys(zip(main["kind"], main["variant"], main["against"], strict=True))
        self.variants = [str(variant) for kind, variant, _ in kinds if kind == VARIANT]
        self.pairs = [(str(v), str(against)) for kind, v, against in kinds if kind == PAIR]

    def row(self, variant: str, against: str, line: str) -> Row | None:
        """Return a row; None if there is none."""
        return self._rows.get((variant, against, line))

    def sign(self, variant: str, line: str, against: str = CONTROL) -> int:
        """Return 1 or -1 if an effect is shown: its interval and its adjusted p-value agree."""
        row = self._rows[variant, against, line]
        if not row["p_value_holm"] < 1 - CONFIDENCE:  # also where there is none
            return 0
        return int(row["ci_95_lower"] > 0) - int(row["ci_95_upper"] < 0)

    def verdict(self, variant: str) -> str:
        """Return the code of what a variant does to the slate."""
        total = self.sign(variant, TOTAL_LINE.code)
        if total:
            return CREATES if total > 0 else DESTROYS
        direct, others = (self.sign(variant, x.code) for x in (DIRECT_LINE, INDIRECT_LINE))
        return MOVES if direct > 0 > others else UNDECIDED


def arm_statements(
    table: pd.DataFrame, phrases: Mapping[str, str], outcome: Outcome
) -> pd.DataFrame:
    """State what each variant does, and how variants compare.

    Parameters
    ----------
    table
        ``arms.csv``.
    phrases
        What each variant does, as the subject of a sentence, by variant.
    outcome
        The main outcome.

    Returns
    -------
    One row per variant, then one per pair of variants: ``verdict`` (for a variant ``creates``,
    ``destroys``, ``moves`` or ``undecided``; for a pair ``better``, ``worse`` or ``undecided``),
    ``short``, the verdict in a few words, and ``statement``. An effect is shown if its 95%
    interval excludes zero and its p-value, adjusted by Holm over variants (or over pairs), is below
    0.05.
    """
    rows = ArmRows(table)
    first = rows.variants[0]
    stated = [
        {
            "kind": VARIANT,
            "variant": variant,
            "against": CONTROL,
            "verdict": rows.verdict(variant),
            "short": outcome.fill(_SHORT[rows.verdict(variant)]),
            "statement": " ".join(
                filter(
                    None,
                    (
                        _effects(rows, variant, phrases[variant], outcome),
                        _multiples(rows, variant, first),
                    ),
                )
            ),
        }
        for variant in rows.variants
    ]
    for variant, against in rows.pairs:
        sign = rows.sign(variant, TOTAL_LINE.code, against)
        stated.append(
            {
                "kind": PAIR,
                "variant": variant,
                "against": against,
                "verdict": {1: BETTER, -1: WORSE, 0: UNDECIDED}[sign],
                "short": {1: BETTER, -1: WORSE, 0: "not shown which is better"}[sign],
                "statement": _pair(rows, variant, against, outcome),
            }
        )
    return pd.DataFrame(stated)


def _effects(rows: ArmRows, variant: str, phrase: str, outcome: Outcome) -> str:
    focal, others, total = (
        (row, rows.sign(variant, str(row["line"])))
        for line in (DIRECT_LINE, INDIRECT_LINE, TOTAL_LINE)
        if (row := rows.row(variant, CONTROL, line.code)) is not None
    )
    return (
        f"{capitalized(phrase)} ({variant}): the focal item "
        f"{_change(*focal, ('gains', 'loses', 'changes'))} {outcome.of(PER_1000)} "
        f"{_interval(*focal)}, all other items together "
        f"{_change(*others, ('gain', 'lose', 'change'))} {_interval(*others)}, and the whole slate "
        f"{_change(*total, ('gains', 'loses', 'changes'))} {_interval(*total)}."
    )


def _change(row: Row, sign: int, verbs: Sequence[str]) -> str:
    gains, loses, changes = verbs
    if sign:
        return f"{gains if sign > 0 else loses} {abs(row['estimate']):,.1f}"
    return f"{changes} by {signed(row['estimate'], 1)}"


def _interval(row: Row, sign: int) -> str:
    lower, upper = row["ci_95_lower"], row["ci_95_upper"]
    if not row["se"] > 0:
        return "(no interval: it does not vary)"
    ends = f"95% interval {signed(lower, 1)} to {signed(upper, 1)}"
    if sign:
        return f"({ends})"
    if lower > 0 or upper < 0:
        return f"({ends}; not shown once several variants are adjusted for)"
    return f"({ends}; neither a gain nor a loss is shown)"


def _multiples(rows: ArmRows, variant: str, first: str) -> str:
    """Say how a variant's gain, and what it takes, compare with the first variant's."""
    if variant == first:
        return ""
    multiples = []
    for line, ratio, side, verb in (
        (DIRECT_LINE.code, DIRECT_RATIO, 1, "gains"),
        (INDIRECT_LINE.code, TAKEN_RATIO, -1, "takes from other items"),
    ):
        row = rows.row(variant, first, ratio)
        shown = rows.sign(variant, line) == side == rows.sign(first, line)
        if row is None or not shown or row["interval_kind"] != "interval":
            continue
        lower, upper = row["ci_95_lower"], row["ci_95_upper"]
        same = "; as much is not excluded" if lower <= 1 <= upper else ""
        multiples.append(
            f"{verb} {row['estimate']:.2f} times as much "
            f"(95% interval {lower:.2f} to {upper:.2f}{same})"
        )
    return f"Compared with {first}, it {' and '.join(multiples)}." if multiples else ""


def _pair(rows: ArmRows, variant: str, against: str, outcome: Outcome) -> str:
    row = rows.row(variant, against, TOTAL_LINE.code)
    assert row is not None, "a pair has every line"
    sign = rows.sign(variant, TOTAL_LINE.code, against)
    difference = f"difference {signed(row['estimate'], 1)} {outcome.of(PER_1000)}"
    ends = f"95% interval {signed(row['ci_95_lower'], 1)} to {signed(row['ci_95_upper'], 1)}"
    numbers = f"({difference}, {ends})"
    if not row["se"] > 0:
        numbers = f"({difference}; no interval: it does not vary)"
    if not sign:
        return (
            f"Whether {variant} or {against} is better for the whole slate is not shown {numbers}."
        )
    word = "more" if sign > 0 else "fewer" if outcome.unit == "clicks" else "less"
    return (
        f"With {variant} the whole slate gets {word} {outcome.unit} than with {against} {numbers}."
    )


def headline(statements: pd.DataFrame, outcome: Outcome) -> str:
    """Return what each variant does to the whole slate, in a few words each."""
    variants = statements[statements["kind"] == VARIANT]
    by_verdict: dict[str, list[str]] = {}
    for variant, verdict in zip(variants["variant"], variants["verdict"], strict=True):
        by_verdict.setdefault(str(verdict), []).append(str(variant))
    if len(by_verdict) == 1 and set(by_verdict) <= {MOVES, UNDECIDED}:
        (verdict,) = by_verdict
        words = "Every variant moves {clicks}; none is shown to add any"
        if verdict == UNDECIDED:
            words = "No variant is shown to change the {clicks} of a slate"
        return outcome.fill(words)
    return outcome.fill(
        "; ".join(
            f"{_joined(names, 'and')}: each {_SHORT[verdict]}"
            if len(names) > 1
            else f"{names[0]} {_SHORT[verdict]}"
            for verdict, names in by_verdict.items()
        )
    )


def action(statements: pd.DataFrame, outcome: Outcome) -> str:
    """Return what to do."""
    variants = statements[statements["kind"] == VARIANT]
    creating = [str(name) for name in variants.loc[variants["verdict"] == CREATES, "variant"]]
    best = [name for name in creating if _beats(statements, name, creating)]
    if len(best) == 1:
        return f"Keep {best[0]}"
    if creating:
        return f"Keep {_joined(creating, 'or')}: which of them is best is not shown"
    return outcome.fill("Keep none of them for {clicks_possessive} sake: none is shown to add any")


def _beats(statements: pd.DataFrame, name: str, others: Sequence[str]) -> bool:
    """Return whether a variant is shown to be better for the slate than each of the others."""
    pairs = statements[statements["kind"] == PAIR]
    shown = {
        (row.variant, row.against) if row.verdict == BETTER else (row.against, row.variant)
        for row in pairs.itertuples()
        if row.verdict in (BETTER, WORSE)
    }
    return all((name, other) in shown for other in others if other != name)


def _joined(names: Sequence[str], word: str) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
