"""Declared margins: is an effect shown to be no worse than a loss, or to be as good as none?

Each question is answered by the 95% interval, which is two one-sided tests at 2.5%: an effect is no
worse than a margin where the interval lies above its loss, and equivalent to none where it lies
within plus and minus the margin (Schuirmann 1987). So tests and intervals always agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtr

from netlift.core.formatting import signed
from netlift.core.labels import with_labels
from netlift.core.left_out import reason_table
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.units import PER_1000, RATIO
from netlift.effects.codes import (
    DIRECT,
    INDIRECT,
    INDIRECT_LINE,
    LINES,
    SHARE_MOVED,
    SHARE_MOVED_LABEL,
    TOTAL_LINE,
    Line,
)
from netlift.effects.slate_accounts import SlateAccounts
from netlift.inference.arms import ratio_of
from netlift.inference.estimate import CONFIDENCE, Estimate
from netlift.inference.power import POWER, slates_needed

NO_MARGINS = "no margin is declared: see decision.margins of the configuration"
"""Why there is no table."""

BETTER, NO_WORSE, EQUIVALENT, TAKEN, MOVED = (
    "better",
    "no_worse",
    "equivalent",
    "taken",
    "moved_not_created",
)

QUESTIONS = {
    BETTER: "superior: above zero",
    NO_WORSE: "not inferior: loses less than the margin",
    EQUIVALENT: "equivalent: within plus and minus the margin",
    TAKEN: "at least this share of the gain is taken from other items",
    MOVED: "moved, not created: net change equivalent to none, and the gain taken",
}
"""Labels of the questions."""

SHOWN, NOT_SHOWN, CONTRADICTED = "shown", "not_shown", "contradicted"

VERDICTS = {
    SHOWN: "shown",
    NOT_SHOWN: "not shown",
    CONTRADICTED: "the opposite is shown",
}
"""Labels of the verdicts."""

_LINES: Mapping[str, Line] = {line.code: line for line in (*LINES[:-1], INDIRECT_LINE, TOTAL_LINE)}


def margin_table(
    accounts: SlateAccounts,
    margins: Mapping[str, float],
    *,
    moved_share: float,
    outcome: Outcome = CLICKS,
) -> pd.DataFrame:
    """Compare effects on the main outcome with declared margins, by the main estimator.

    Parameters
    ----------
    accounts
        Those of one experiment.
    margins
        By line of the ledger (or ``indirect``), above zero, per 1,000 promoted slates.
    moved_share
        Share of the focal gain that others must lose for it to be called moved.
    outcome
        The outcome's names.

    Returns
    -------
    One row per line and question: the margin, the effect with its 95% interval per 1,000 promoted
    slates, the one-sided ``p_value`` (of two one-sided tests the larger), the verdict (``shown``,
    ``not_shown`` or ``contradicted``), and ``slates_needed`` to show it with 80% power if the true
    effect is zero (of superiority: if it is the margin). For the total also whether the gain is
    ``taken`` (a ratio, with Fieller's set) and ``moved_not_created``, which needs both. Without
    margins, a table that holds the reason.
    """
    if not margins:
        return reason_table(NO_MARGINS)
    rows = [row for code in _LINES if code in margins for row in _rows(accounts, code, margins)]
    if TOTAL_LINE.code in margins:
        rows += _moved(accounts, rows, moved_share)
    table = outcome.in_units(pd.DataFrame(rows))
    table.insert(1, "component", [_component(code) for code in table["line"]])
    return with_labels(table, question=QUESTIONS, verdict=VERDICTS)


def _component(code: str) -> str:
    return _LINES[code].component if code in _LINES else SHARE_MOVED_LABEL


def _rows(
    accounts: SlateAccounts, code: str, margins: Mapping[str, float]
) -> Iterator[dict[str, object]]:
    estimate = accounts.difference().combination(_LINES[code].weights).scaled(1000)
    margin = margins[code]
    lower, upper = estimate.interval
    above, below = _one_sided(estimate, -margin), _one_sided(estimate, margin, above=False)
    answers = (
        (BETTER, _one_sided(estimate, 0.0), lower > 0, upper < 0),
        (NO_WORSE, above, lower > -margin, upper < -margin),
        (
            EQUIVALENT,
            float(np.maximum(above, below)),
            -margin < lower and upper < margin,
            upper < -margin or lower > margin,
        ),
    )
    for question, p_value, shown, contradicted in answers:
        varies = estimate.se > 0
        yield {
            "line": code,
            "question": question,
            "margin": 0.0 if question == BETTER else margin,
            "unit_code": PER_1000,
            "estimate": estimate.value,
            "ci_95_lower": lower,
            "ci_95_upper": upper,
            "interval_kind": "interval",
            "p_value": p_value,
            "verdict": _verdict(shown and varies, contradicted and varies),
            "slates_needed": _needed(question, margin, estimate, len(accounts)),
        }


def _one_sided(estimate: Estimate, bound: float, *, above: bool = True) -> float:
    """Return the p-value of the test that an effect is not above (or below) a bound."""
    if estimate.se == 0:
        return float("nan")
    statistic = (estimate.value - bound) / estimate.se
    return float(stdtr(estimate.df, -statistic if above else statistic))


def _verdict(shown: bool, contradicted: bool) -> str:
    return SHOWN if shown else CONTRADICTED if contradicted else NOT_SHOWN


def _needed(question: str, margin: float, estimate: Estimate, n_slates: int) -> int | None:
    """Return the slates of which 80% power is expected; equivalence needs both of its tests."""
    if question != EQUIVALENT or estimate.se == 0:
        return slates_needed(margin, estimate, n_slates)
    errors = float(ndtri(0.5 + CONFIDENCE / 2) + ndtri(0.5 + POWER / 2))
    return int(np.ceil(n_slates * (errors * estimate.se / margin) ** 2))


def _moved(
    accounts: SlateAccounts, rows: list[dict[str, object]], share: float
) -> list[dict[str, object]]:
    negative = tuple(-weight for weight in INDIRECT)
    ratio = ratio_of(accounts.difference(), negative, DIRECT)
    bounded = ratio.kind == "interval" and ratio.lower is not None and ratio.upper is not None
    taken = {
        "line": SHARE_MOVED,
        "question": TAKEN,
        "margin": share,
        "unit_code": RATIO,
        "estimate": ratio.value,
        "ci_95_lower": ratio.lower,
        "ci_95_upper": ratio.upper,
        "interval_kind": ratio.kind,
        "verdict": _verdict(
            bounded and float(str(ratio.lower)) >= share,
            bounded and float(str(ratio.upper)) < share,
        ),
    }
    (equivalent,) = (
        row for row in rows if row["line"] == TOTAL_LINE.code and row["question"] == EQUIVALENT
    )
    verdicts = {equivalent["verdict"], taken["verdict"]}
    both = {
        "line": TOTAL_LINE.code,
        "question": MOVED,
        "margin": equivalent["margin"],
        "unit_code": PER_1000,
        "verdict": _verdict(verdicts == {SHOWN}, CONTRADICTED in verdicts),
    }
    return [taken, both]


def margin_sentences(
    table: pd.DataFrame, outcome: Outcome = CLICKS, *, intervals: bool = True
) -> list[str]:
    """Say for each line with a margin what is shown, and for the total whether it is moved.

    Parameters
    ----------
    table
        From ``margin_table``.
    outcome
        The outcome's names.
    intervals
        Whether each sentence ends with its interval.
    """
    sentences = []
    for row in table[table["question"] == NO_WORSE].to_dict("records"):
        if pd.isna(row["estimate"]):
            sentences.append(f"{row['component']}: not compared, since {row['note']}.")
            continue
        loss = f"{float(row['margin']):,.10g} {outcome.of(PER_1000)}"
        interval = f"{signed(row['ci_95_lower'], 1)} to {signed(row['ci_95_upper'], 1)}"
        same = table[(table["line"] == row["line"]) & (table["question"] == EQUIVALENT)].iloc[0]
        claim = {
            SHOWN: f"a loss of {loss} or more is ruled out",
            NOT_SHOWN: f"it is not shown that the loss is below {loss}"
            + (
                ""
                if pd.isna(row["slates_needed"])
                else f"; if the true change is zero, {row['slates_needed']:,.0f} slates show it "
                "with 80% power"
            ),
            CONTRADICTED: f"a loss of more than {loss} is shown",
        }[str(row["verdict"])]
        if same["verdict"] == SHOWN:
            claim = f"the change is shown to be within plus and minus {loss}"
        end = f" (95% interval {interval})" if intervals else ""
        sentences.append(f"{row['component']}: {claim}{end}.")
    moved = table[table["question"] == MOVED]
    if len(moved) and moved.iloc[0]["verdict"] == SHOWN:
        share = float(table.loc[table["question"] == TAKEN, "margin"].iloc[0])
        sentences.append(
            f"Engagement is moved, not created: the net change is within the margin, and at least "
            f"{share:.0%} of the focal gain is taken from other items."
        )
    return sentences
