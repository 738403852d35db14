"""Which sections of the analysis a log supports, why others are missing, and what to record."""

from __future__ import annotations

import pandas as pd

from netlift.effects.empty_lines import NOT_RECORDED

_NO_DRAW = "no promotion was drawn at random in this log, so no effect of one can be estimated"
NO_ROWS = "row_stages is false: item rows are not held in memory"
_NO_TRUTH = "the truth is known of simulated worlds only"
_ROWS = "row_stages: true, where item rows fit into memory"
_SAME_ROWS = "the same items of a slate in both arms, also those that its arm does not show"

_DRAW = {
    "ledger of effects": "which slates were promoted, drawn at random; and the probability of the "
    "draw",
    "direct and indirect effects": "the same, and the candidate of every slate, also where it was "
    "not promoted",
    "effects on item rows": "the same, with every item of a slate, its position before the "
    "promotion, and its cluster",
    "randomization tests": "the same, and what was drawn: slates or users",
    "models and policies": "the same, and what was known before the draw: the ranker's score, the "
    "user's activity",
}
"""What each section needs in addition to slates, items, positions and outcomes."""


def sections(
    *,
    experiment: bool,
    row_stages: bool,
    parts: bool = True,
    no_rows: str = "",
    no_models: str = "",
) -> pd.DataFrame:
    """Return which sections of the analysis a log supports, and why others are missing.

    Parameters
    ----------
    experiment
        Whether the log records promotions that were drawn at random.
    row_stages
        Whether stages that hold item rows in memory are run.
    parts
        Whether it records focal items, if it is an experiment.
    no_rows
        Why the rows of both arms cannot be compared; empty if they can.
    no_models
        Why the data allow no models; empty if they do.

    Returns
    -------
    One row per section: whether it is ``available``, ``why_not``, and ``what_to_record`` to make
    it available.
    """
    row_section: tuple[str | None, str | None] = (None, None)
    if experiment and not parts:
        row_section = (NOT_RECORDED, _DRAW["direct and indirect effects"])
    elif not row_stages:
        row_section = (NO_ROWS, _ROWS)
    elif no_rows:
        row_section = (no_rows, _SAME_ROWS)
    whole = row_section if experiment and not parts else (None, None)
    of_draw = {"ledger of effects": (None, None), "direct and indirect effects": whole}
    reasons = {
        "contract": (None, None),
        "outcome by position": row_section,
        "slate accounts": (None, None),
        **{
            section: of_draw.get(section, row_section) if experiment else (_NO_DRAW, needed)
            for section, needed in _DRAW.items()
        },
        "truth": (_NO_TRUTH, "nothing: simulate a world that looks like this log (match)"),
    }
    if no_models and not no_rows:
        reasons["models and policies"] = (no_models, "more slates of more users that differ")
    return pd.DataFrame(
        [
            {"section": name, "available": why is None, "why_not": why, "what_to_record": remedy}
            for name, (why, remedy) in reasons.items()
        ]
    )
