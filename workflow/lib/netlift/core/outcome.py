"""Names of the main outcome and of what is promoted, for units, sentences, axes and pages.

Columns and outcome types keep their names (``click``, ``observed_clicks``) whatever they hold: they
are the contract between stages, not labels for people.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from netlift.core.units import WORDS

_CLICKS = "clicks"


@dataclass(frozen=True)
class Outcome:
    """The name of an outcome, and the phrases that contain it.

    Attributes
    ----------
    unit
        The unit after a number: clicks, minutes, euros of revenue.
    focal_items
        Number of focal items of a slate: several are promoted, and gain, as one set.
    """

    unit: str
    focal_items: int = 1

    @property
    def one(self) -> str:
        """The singular, as in "no click"; only clicks have one."""
        return "click" if self.unit == _CLICKS else self.unit

    @property
    def a_single(self) -> str:
        """The event whose odds a binary outcome has."""
        return "a click" if self.unit == _CLICKS else self.unit

    @property
    def mean(self) -> str:
        """The name of the mean over item rows."""
        return "click rate" if self.unit == _CLICKS else f"mean {self.unit}"

    @property
    def chance(self) -> str:
        """The name of the expected value of one item row."""
        return "click probability" if self.unit == _CLICKS else f"mean {self.unit}"

    @property
    def are(self) -> str:
        """The verb that agrees with the unit: minutes are, euros of revenue are, revenue is."""
        return "are" if self.unit.split(" of ")[0].endswith("s") else "is"

    @property
    def promoted_item(self) -> str:
        """What is promoted in a slate, in the singular."""
        return "promoted item" if self.focal_items == 1 else "promoted set"

    @property
    def per_arm(self) -> str:
        """The comparison behind an effect per slate."""
        return f"{capitalized(self.unit)} per promoted slate minus {self.unit} per control slate"

    @property
    def words(self) -> dict[str, str]:
        """The fields of a template, each named after its phrase for clicks."""
        of_clicks = self.unit == _CLICKS
        return {
            "clicks": self.unit,
            "Clicks": capitalized(self.unit),
            "click": self.one,
            "clicks_are": f"{self.unit} {self.are}",
            "clicks_possessive": f"{self.unit}'" + ("" if self.unit.endswith("s") else "s"),
            "promoted_item": self.promoted_item,
            "click_rates": "click rates" if of_clicks else self.mean,
            "click_probabilities": "click probabilities" if of_clicks else self.chance,
        }

    def fill(self, template: str) -> str:
        """Return a sentence from its template: ``"{Clicks} are the outcome"``."""
        return template.format_map(self.words)

    def of(self, unit_code: str) -> str:
        """Return a unit of ``netlift.core.units`` for this outcome: minutes per slate."""
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
    """Return words with the first letter in upper case."""
    return words[:1].upper() + words[1:]
