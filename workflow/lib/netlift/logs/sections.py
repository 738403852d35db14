"""What a log can and cannot say: sections of its analysis, why some are missing, and the cure."""

from __future__ import annotations

import pandas as pd

_NO_DRAW = "no promotion was drawn at random in this log, so no effect of one can be estimated"
_NO_ROWS = "row_stages is false: item rows are not held in memory"
_NO_TRUTH = "the truth is known of simulated worlds only"
_ROWS = "row_stages: true, where item rows fit into memory"

_DRAW = {
    "ledger of effects": "the candidate of every slate, also where it was not promoted; which "
    "slates were promoted, drawn at random; and the probability of the draw",
    "effects on item rows": "the same, with every item of a slate, its position before the "
    "promotion, and its cluster",
    "randomization tests": "the same, and what was drawn: slates or users",
    "models and policies": "the same, and what was known before the draw: the ranker's score, the "
    "user's activity",
}
"""What a log must hold for a section, by section, beside slates, items, positions and outcomes."""


def sections(*, experiment: bool, row_stages: bool) -> pd.DataFrame:
    """Say which parts of the analysis a log gives, and why others are missing.

    Parameters
    ----------
    experiment
        Whether the log tells promotions that were drawn at random.
    row_stages
        Whether stages that hold item rows in memory are run.

    Returns
    -------
    One row per section: whether it is ``available``, ``why_not``, and ``what_to_record`` so that
    another log has it.
    """
    of_rows = (None, None) if row_stages else (_NO_ROWS, _ROWS)
    found = {
        "contract": (None, None),
        "outcome by position": of_rows,
        "slate accounts": (None, None),
        **{
            section: (_NO_DRAW, needed)
            if not experiment
            else (None, None)
            if section == "ledger of effects"
            else of_rows
            for section, needed in _DRAW.items()
        },
        "truth": (_NO_TRUTH, "nothing: simulate a world that looks like this log (match)"),
    }
    return pd.DataFrame(
        [
            {"section": name, "available": why is None, "why_not": why, "what_to_record": cure}
            for name, (why, cure) in found.items()
        ]
    )
