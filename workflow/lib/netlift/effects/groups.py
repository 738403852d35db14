"""Groups of items by their cluster, or by any other column: seller, brand, price band."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.arrays import Floats, Integers
from netlift.effects.codes import ATTRIBUTE, CLUSTER, NO_GROUP


@dataclass(frozen=True)
class Grouping:
    """The group of each item row by one attribute.

    Attributes
    ----------
    attribute
        Its name: ``cluster``, or that of an entry's ``diversion``.
    names
        Names of the G groups that occur, those of bands from low to high.
    group
        Number of each row's group, 0 to G - 1, shape (R,).
    has_groups
        Whether any row has a value.
    none
        Number of the group of rows without a value; -1 if all have one.
    in_order
        Whether the groups have an order of their own, as bands have.
    """

    attribute: str
    names: tuple[str, ...]
    group: Integers
    has_groups: bool
    none: int = -1
    in_order: bool = False

    @property
    def label(self) -> str:
        """What a group is, in words: seller, price band."""
        words = self.attribute.replace("_", " ")
        return f"{words} band" if self.in_order and not words.endswith("band") else words


def groupings(items: pd.DataFrame, bands: Mapping[str, Mapping[str, Any]]) -> Iterator[Grouping]:
    """Yield the groups of item rows by cluster, then by each further attribute.

    Parameters
    ----------
    items
        One row per slate item; further attributes are in columns ``item_attribute_NAME``.
    bands
        For each attribute that is a number: its ``edges``, or in how many ``bands`` its rows are
        divided by quantiles.
    """
    yield _by_name(CLUSTER, items["spillover_cluster"])
    for column in items:
        if str(column).startswith(ATTRIBUTE):
            name = str(column).removeprefix(ATTRIBUTE)
            if bands.get(name):
                values = items[column].to_numpy(dtype=np.float64)
                yield _by_band(name, values, _edges(values, **bands[name]))
            else:
                yield _by_name(name, items[column])


def _by_name(attribute: str, values: pd.Series) -> Grouping:
    """Group rows by their value; those without one are the last group."""
    group, found = pd.factorize(values, sort=True)
    names = [str(name) for name in found]
    return _with_none(attribute, names, group.astype(np.int64), in_order=False)


def _by_band(attribute: str, values: Floats, edges: Floats) -> Grouping:
    """Group rows by the band of their number; a band includes its lower edge."""
    band = np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), -1)
    used = np.unique(band[band >= 0])
    names = [_band_name(edges, index) for index in used]
    group = np.where(band >= 0, np.searchsorted(used, band), -1)
    return _with_none(attribute, names, group, in_order=True)


def _with_none(attribute: str, names: list[str], group: Integers, *, in_order: bool) -> Grouping:
    """Give rows without a value, whose number is -1, a group of their own."""
    missing = group < 0
    if missing.any():
        group = np.where(missing, len(names), group)
    every = (*names, NO_GROUP) if missing.any() else tuple(names)
    none = len(names) if missing.any() else -1
    return Grouping(attribute, every, group, bool(names), none, in_order)


def _edges(values: Floats, edges: Sequence[float] | None = None, bands: int = 0) -> Floats:
    """Return the inner edges of bands: as given, or quantiles of the rows' values."""
    if edges is not None:
        return np.asarray(edges, dtype=np.float64)
    known = values[np.isfinite(values)]
    if not len(known):
        return known
    return np.unique(np.quantile(known, np.arange(1, bands) / bands))


def _band_name(edges: Floats, index: int) -> str:
    if not len(edges):
        return "any value"
    if index == 0:
        return f"below {edges[0]:g}"
    if index == len(edges):
        return f"{edges[-1]:g} or more"
    return f"{edges[index - 1]:g} to below {edges[index]:g}"
