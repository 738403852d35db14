"""What the main outcome is called: the words of units, sentences, axes and pages, in one place.

Columns and outcome types keep their names (``click``, ``observed_clicks``) whatever they hold: they
are the contract between stages, and no words for people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from netlift.core.units import WORDS

_CLICKS = "clicks"


@dataclass(frozen=True)
class Outcome:
    """The words for an outcome.

    Attributes
    ----------
    unit
        What is said after a number: clicks, minutes, euros of revenue.
    """

    unit: str

    @property
    def one(self) -> str:
        """What a single one is called in "no click"; only of clicks there is a word for it."""
        return "click" if self.unit == _CLICKS else self.unit

    @property
    def a_single(self) -> str:
        """What the odds of an outcome of 0 or 1 are odds of."""
        return "a click" if self.unit == _CLICKS else self.unit

    @property
    def mean(self) -> str:
        """What the mean over item rows is called."""
        return "click rate" if self.unit == _CLICKS else f"mean {self.unit}"

    @property
    def chance(self) -> str:
        """What the expectation of one item row is called."""
        return "click probability" if self.unit == _CLICKS else f"mean {self.unit}"

    @property
    def are(self) -> str:
        """The verb that follows: minutes are, euros of revenue are, revenue is."""
        return "are" if self.unit.split(" of ")[0].endswith("s") else "is"

    @property
    def per_arm(self) -> str:
        """What is compared with what, where effects are summed to slates."""
        return f"{capitalized(self.unit)} per promoted slate minus {self.unit} per control slate"

    def said(self, text: str) -> str:
        """Return a text of the project's own, written for clicks, in this outcome's words.

        Never a text with data in it: a cluster may be called clicks.
        """
        if self.unit == _CLICKS:
            return text
        own = "'" if self.unit.endswith("s") else "'s"
        said = {
            "clicks are": f"{self.unit} {self.are}",
            "clicks'": f"{self.unit}{own}",
            "click rates": self.mean,
            "click probabilities": self.chance,
            "Clicks": capitalized(self.unit),
            "clicks": self.unit,
            "click": self.one,
        }
        return re.sub("|".join(said), lambda found: said[found[0]], text)

    def of(self, unit_code: str) -> str:
        """Return a unit of ``netlift.core.units`` in words of this outcome: minutes per slate."""
        return WORDS[unit_code].replace(_CLICKS, self.unit, 1)

    def in_units(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with the column ``unit``, in words, to the right of ``unit_code``."""
        if "unit_code" not in table:
            return table
        words = table["unit_code"].map(self.of, na_action="ignore")
        table = table.drop(columns="unit", errors="ignore")
        table.insert(list(table).index("unit_code") + 1, "unit", words)
        return table


CLICKS = Outcome(_CLICKS)
"""The outcome of every simulated world, for which ``netlift.core.units`` is written."""


def capitalized(words: str) -> str:
    """Return words that begin a sentence, a heading or the label of an axis."""
    return words[:1].upper() + words[1:]
