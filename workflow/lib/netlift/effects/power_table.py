"""The power table: detectable effects, and the slates needed to detect given effects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_SLATE
from netlift.effects.codes import GIVEN, KNOWN, LINES, MINIMUM, QUESTIONS
from netlift.effects.estimators import ESTIMATORS
from netlift.effects.slate_accounts import SlateAccounts, known_effects
from netlift.inference.estimate import Estimate
from netlift.inference.power import exaggeration, minimum_detectable_effect, power, slates_needed

_NUMBERS = (
    "effect_per_slate",
    "power",
    "exaggeration",
    "wrong_sign_probability",
    "slates_needed",
)


def power_table(accounts: SlateAccounts, *, effects: Sequence[float]) -> pd.DataFrame:
    """Compute which effects on observed clicks the experiment could have detected.

    Parameters
    ----------
    accounts
        Those of one experiment.
    effects
        True effects to compute the power for, in clicks per slate.

    Returns
    -------
    For every estimator and line of the ledger one row for the effect that is detected with 80%
    power, one for each given effect, and in a simulated world one for the known effect:
    ``effect_per_slate``, ``power`` (the chance that the 95% interval excludes zero) with the
    available slates, ``slates_needed`` for 80% power, and, of estimates whose interval excludes
    zero, the ``exaggeration`` (their mean size over the effect's) and the
    ``wrong_sign_probability`` (see ``inference.power``). A
    line without an error has one row without numbers and the reason in ``note``.
    """
    known = known_effects(accounts.table)
    rows = []
    for estimator in ESTIMATORS:
        arms, note = accounts.effects(estimator=estimator)
        for line in LINES:
            estimate = None if arms is None else arms.combination(line.weights)
            asked = [(GIVEN, effect) for effect in effects]
            if known is not None:
                asked.append((KNOWN, float(np.dot(line.weights, known))))
            about = line.columns | {
                "estimator": estimator,
                "unit_code": PER_SLATE,
                "slates": len(accounts),
                "se": None if estimate is None else estimate.se,
            }
            rows += [about | row for row in _rows(estimate, note, asked, len(accounts))]
    table = pd.DataFrame(rows)
    first = ["line", "effect_family", "component", "estimator", "question", "unit_code"]
    first += ["slates", "se"]
    table["slates_needed"] = table["slates_needed"].astype("Int64")
    table = table[first + [name for name in table if name not in first]]
    return with_labels(CLICKS.in_units(table), question=QUESTIONS)


def _rows(
    estimate: Estimate | None, note: str | None, asked: Sequence[tuple[str, float]], n_slates: int
) -> Iterator[dict[str, object]]:
    """Yield the minimum detectable effect of a line and the power of each effect, or why not."""
    if estimate is None or estimate.se == 0:
        constant = "the outcome does not vary, so its error is 0 and power has no meaning"
        yield {
            "question": MINIMUM,
            **dict.fromkeys(_NUMBERS),
            "note": note if estimate is None else constant,
        }
        return
    smallest = minimum_detectable_effect(estimate.se, estimate.df)
    for question, effect in ((MINIMUM, smallest), *asked):
        size, wrong = exaggeration(effect, estimate.se, estimate.df) or (None, None)
        needed = n_slates if question == MINIMUM else slates_needed(effect, estimate, n_slates)
        yield {
            "question": question,
            "effect_per_slate": effect,
            "power": power(effect, estimate.se, estimate.df),
            "exaggeration": size,
            "wrong_sign_probability": wrong,
            "slates_needed": needed,
            "note": None,
        }
