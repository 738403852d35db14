"""The page of a log without a promotion: what it is, what it shows, what is missing, and why."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from netlift.core.formatting import count
from netlift.core.outcome import Outcome, capitalized
from netlift.core.units import PER_ROW, PER_SLATE
from netlift.logs.sections import sections
from netlift.report.columns import TableView, counted, effect, number, plain, table_view, text
from netlift.report.gathering import PageData
from netlift.report.ledger_views import LedgerView, side_by_side
from netlift.report.verdict import Answer

HEADLINE = "This log cannot show what a promotion does"

MOST_BARS = 30
"""Number of positions drawn; all are in the table."""


@dataclass(frozen=True)
class Positions:
    """An outcome by position.

    Attributes
    ----------
    title
        The outcome and its unit.
    bars
        The first positions as bars from zero.
    table
        All of them.
    """

    title: str
    bars: LedgerView
    table: TableView


def described_answers(log: PageData) -> tuple[Answer, ...]:
    """Return the first answers: what the log is, what it can and cannot show, what to do."""
    accounts = log.tables["accounts"]
    lacking = lacks(log)
    shown = log.table("outcome_by_position")
    outcomes = " and ".join(dict.fromkeys(log.units.values()))
    can = (
        Answer(
            "What can it show?",
            f"{capitalized(outcomes)} by position",
            "is what items at each position get on average. Where a ranker chose the positions, "
            "items at different positions differ, so this is not an effect of the position.",
            "",
        )
        if shown is not None
        else Answer("What can it show?", "What slates get", "on average, over all items.", "")
    )
    return (
        Answer(
            "What is it?",
            f"{count(len(accounts))} slates",
            f"of {_range(accounts['n_items'])} items, {_users(log)}"
            f"{count(accounts['n_items'].sum())} item rows.",
            "",
        ),
        can,
        Answer(
            "What can it not show?",
            "What a promotion changes",
            f"{len(lacking)} sections of the analysis are missing: "
            f"{', '.join(row['section'] for row in lacking)}. The reasons are below.",
            "",
        ),
        Answer(
            "Do what?",
            "Draw promotions at random",
            "and record the draw, with the candidate of every slate. docs/own-experiment.md says "
            "how, and how many slates it takes.",
            "",
        ),
    )


def _range(counts: pd.Series) -> str:
    low, high = int(counts.min()), int(counts.max())
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def _users(log: PageData) -> str:
    """Return the number of users in words, if the log identifies them."""
    if log.log is None or "user" not in log.log.columns:
        return ""
    return f"shown to {count(log.tables['accounts']['user_id'].nunique())} users; "


def lacks(log: PageData) -> list[dict[str, str]]:
    """Return the sections that the log lacks, why, and what to record to have them next time."""
    table = sections(experiment=False, row_stages=log.log is None or log.log.row_stages)
    return [
        {str(key): str(value) for key, value in row.items()}
        for row in table[~table["available"]].to_dict("records")
    ]


def accounts_table(log: PageData) -> TableView:
    """Return the table of each outcome per slate."""
    accounts = log.tables["accounts"]
    frame = pd.DataFrame(
        [
            {
                "unit": capitalized(Outcome(unit).of(PER_SLATE))
                + (" (winsorized)" if kind.endswith("_winsorized") else ""),
                "slates": len(accounts),
                "mean": accounts[f"{kind}_total"].mean(),
                "sd": accounts[f"{kind}_total"].std(),
                "most": accounts[f"{kind}_total"].max(),
            }
            for kind, unit in log.units.items()
        ]
    )
    columns = [
        text("unit", "Outcome"),
        counted("slates", "Slates"),
        number("mean", "Mean", 3),
        number("sd", "Standard deviation", 3),
        number("most", "Largest", 3),
    ]
    return table_view("accounts", "What slates get, over all their items.", frame, columns)


def positions(log: PageData) -> list[Positions]:
    """Return each outcome by position, as bars and as a table; none where rows were not kept."""
    table = log.table("outcome_by_position")
    if table is None:
        return []
    return [
        _by_position(table[table["outcome_type"] == kind], kind, Outcome(unit))
        for kind, unit in log.units.items()
        if (table["outcome_type"] == kind).any()
    ]


def _by_position(rows: pd.DataFrame, kind: str, outcome: Outcome) -> Positions:
    unit = outcome.of(PER_ROW)
    title = capitalized(unit) + (" (winsorized)" if kind.endswith("_winsorized") else "")
    block = ["block"] if "block" in rows else []
    where = "block and position in it" if block else "position"
    caption = f"{title}, by {where}, with 95% intervals clustered by user."
    columns = [
        *(text(name, "Block") for name in block),
        counted("position", "Position"),
        counted("rows", "Item rows"),
        effect("mean", "Mean (95% interval)", unit_code=PER_ROW, signs=False),
    ]
    bars = side_by_side(
        [
            {
                "label": (f"{row['block']}, position " if block else "Position ")
                + str(row["position"]),
                "estimate": row["mean"],
                "ci_95_lower": row["ci_95_lower"],
                "ci_95_upper": row["ci_95_upper"],
                "counts": f"{count(row['rows'])} item rows",
            }
            for row in rows.head(MOST_BARS).to_dict("records")
        ],
        PER_ROW,
        outcome,
        write=plain,
    )
    return Positions(title, bars, table_view("outcome_by_position", caption, rows, columns))
