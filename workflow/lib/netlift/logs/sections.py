"""Which sections of the analysis a log supports, why others are missing, and what to record."""

from __future__ import annotations

import pandas as pd

_NO_DRAW = "no promotion was drawn at random in this log, so no effect of one can be estimated"
NO_ROWS = "row_stages is false: item rows are not held in memory"
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
"""What each section needs in addition to slates, items, positions and outcomes."""


def sections(
    *, experiment: bool, row_stages: bool, delivery: bool = False, no_models: str = ""
) -> pd.DataFrame:
    """Return which sections of the analysis a log supports, and why others are missing.

    Parameters
    ----------
    experiment
        Whether the log records promotions that were drawn at random.
    row_stages
        Whether stages that hold item rows in memory are run.
    delivery
        Whether the log says in which slates promotions were delivered.
    no_models
        Why the data allow no models; empty if they do.

    Returns
    -------
    One row per section: whether it is ``available``, ``why_not``, and ``what_to_record`` to make
    it available.
    """
    row_section = (None, None) if row_stages else (NO_ROWS, _ROWS)
    reasons = {
        "contract": (None, None),
        "outcome by position": row_section,
        "slate accounts": (None, None),
        **({"effects of delivered promotions": (None, None)} if delivery else {}),
        **{
            section: (_NO_DRAW, needed)
            if not experiment
            else (None, None)
            if section == "ledger of effects"
            else row_section
            for section, needed in _DRAW.items()
        },
        "truth": (_NO_TRUTH, "nothing: simulate a world that looks like this log (match)"),
    }
    if no_models:
        reasons["models and policies"] = (no_models, "more slates of more users that differ")
    return pd.DataFrame(
        [
            {"section": name, "available": why is None, "why_not": why, "what_to_record": remedy}
            for name, (why, remedy) in reasons.items()
        ]
    )
