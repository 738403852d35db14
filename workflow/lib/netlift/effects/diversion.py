"""Who pays: what promotions of items of one group change for the items of every other group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.core.errors import NetliftError
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_1000, PER_SLATE_SQUARED
from netlift.effects.claims import CLAIM_COLUMNS, Claims
from netlift.effects.codes import (
    ALL_SLATES,
    FOCAL_PART,
    GROUP_PART,
    OF_GROUP,
    OF_RARER,
    OF_SEVERAL,
    OWN_PART,
    RARER_PART,
    SUMS,
    TOTAL_PART,
)
from netlift.effects.estimators import difference
from netlift.effects.groups import Grouping, groupings
from netlift.effects.item_rows import FOCAL, ItemRows
from netlift.effects.segments import too_few, wider_error
from netlift.effects.shares import interval_text
from netlift.inference.arms import ArmDifference, ratio_of
from netlift.inference.balance import WRONG, imbalance
from netlift.inference.estimate import CONFIDENCE, Estimate, Estimates, quantiles_t
from netlift.inference.shrinkage import MIN_SHRUNKEN, shrunken_jointly
from netlift.promotion.design import Design

MOST_GROUPS = 12
"""Groups that have a column each; all others are pooled."""


_FOCAL_GAIN = "the focal gain"


_PER = 1000.0


@dataclass(frozen=True)
class _Row:
    """The slates of one row of a matrix, and the effect on the m columns.

    Attributes
    ----------
    kind, name, groups
        Kind and name of the row, and the number of groups of focal items in it.
    own
        Number of the column of the focal items' own group; None if it has no such column.
    chosen
        Which slates, shape (N,).
    arms, estimates
        The comparison of the arms by m outcomes, and the L columns of the table; None where there
        are too few slates.
    claims
        What the intervals of the L columns of the table rest on.
    note
        Why there are no numbers.
    """

    kind: str
    name: str
    groups: int
    own: int | None
    chosen: Booleans
    arms: ArmDifference | None
    estimates: Estimates | None
    claims: Claims | None
    note: str | None

    @property
    def cells(self) -> int:
        """Number of cells with an error."""
        return 0 if self.estimates is None else int((self.estimates.se > 0).sum())

    def cell(self, column: int) -> Estimate:
        """Return the effect on one column of the table, per slate."""
        assert self.estimates is not None, "the row has numbers"
        every = (self.estimates.value, self.estimates.se, self.estimates.df)
        return Estimate(*(float(numbers[column]) for numbers in every))

    def varies(self, column: int) -> bool:
        """Whether a cell has an effect with an error."""
        return self.estimates is not None and bool(self.estimates.se[column] > 0)


@dataclass(frozen=True)
class _Matrix:
    """Outcomes of slates: of the focal item, each shown group, the rarer groups; and own groups.

    Attributes
    ----------
    grouping
        The groups of item rows.
    shown
        Numbers of the groups with a column each, in order.
    focal_group
        Number of each slate's group of focal items, -1 where they are of several, shape (N,).
    clicks, counts, known
        Outcome, item rows, and known effect by slate, shape (N, m); known is None outside simulated
        worlds. All but the last add up to the slate; the last is a part of them: the items of the
        focal items' own groups.
    design
        The assignment, by slate.
    """

    grouping: Grouping
    shown: Integers
    focal_group: Integers
    clicks: Floats
    counts: Floats
    known: Floats | None
    design: Design

    @property
    def rarer(self) -> int:
        """Number of groups that are pooled in the last column."""
        return len(self.grouping.names) - len(self.shown)

    @property
    def columns(self) -> list[tuple[str, str, int]]:
        """Kind, name and number of groups of the L columns of the table."""
        shown = [(GROUP_PART, self.grouping.names[group], 1) for group in self.shown]
        pooled = [(RARER_PART, rarer(self.rarer), self.rarer)] if self.rarer else []
        every = len(self.grouping.names)
        names = ("own group", "other groups", "all other items", "all items")
        sums = [(part, name, every) for part, name in zip(SUMS, names, strict=True)]
        return [(FOCAL_PART, "focal item", 1), *shown, *pooled, *sums]

    @property
    def weights(self) -> Floats:
        """Weights of the m outcomes in the L columns of the table, shape (L, m)."""
        parts = self.clicks.shape[1] - 1
        others, own = np.r_[0.0, np.ones(parts - 1), 0.0], np.r_[np.zeros(parts), 1.0]
        total = np.r_[np.ones(parts), 0.0]
        return np.vstack([np.eye(parts, parts + 1), own, others - own, others, total])


def diversion(
    items: pd.DataFrame,
    *,
    min_slates: int,
    bands: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> pd.DataFrame:
    """Estimate what promoting an item of one group changes for the items of each group.

    A row of a matrix compares the arms among the slates whose focal item is of one group. Its
    columns are the focal item, the other items of each group, and all rarer groups together: one
    linear map for all of them, so that they add up to the row's total exactly. The diagonal is the
    other items of the focal item's own group, without the focal item. The sums at the end of a row
    are also divided into own and other groups, whether or not these have a column.

    Shown are the ``MOST_GROUPS`` groups with the largest share of focal items plus share of item
    rows; a row also needs ``min_slates`` slates in each arm. All other groups are pooled, in the
    last row and the last column. Groups stand in the order of what all promotions take from them,
    most first; bands in their own order.

    Parameters
    ----------
    items
        The table of slate items with clicks; further attributes in ``item_attribute_NAME``.
    min_slates
        Slates that a row needs in each arm.
    bands
        Bands of attributes that are numbers (see ``groups.groupings``).

    Returns
    -------
    One row per attribute and cell, per 1,000 promoted slates of the row. ``focal_kind`` is a kind
    of row, ``part`` a kind of column. ``estimate`` with its t interval; the simultaneous intervals
    hold at once (Sidak 1967) for all cells of the rows of all slates, and for all cells of all
    other rows; ``pooled_``: shrunken towards the mean of the same column in other rows (of the
    diagonals, the focal items, and each sum among themselves), with intervals that hold on average
    over them. The pooled numbers do not add up. ``share`` is the share of the row's focal gain that
    is taken from the column, with Fieller's set and the simultaneous one. ``known_effect`` and
    ``known_share`` in simulated worlds. A cell without numbers has a ``note``.

    Raises
    ------
    NetliftError
        The table is invalid, no item has a group, or no row has enough slates.
    """
    return diversion_with_covariance(items, min_slates=min_slates, bands=bands)[0]


def diversion_with_covariance(
    items: pd.DataFrame,
    *,
    min_slates: int,
    bands: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of ``diversion``, and the joint covariance of the cells of each row.

    Parameters
    ----------
    items, min_slates, bands
        As in ``diversion``.

    Returns
    -------
    The table, and one row per attribute, row of the matrix, and pair of cells that add up:
    ``covariance`` in squared outcomes per slate. The variance of any sum of cells of a row,
    including its total, is the sum of its entries.

    Raises
    ------
    NetliftError
        As ``diversion``.
    """
    rows = ItemRows.from_items(items)
    found: list[tuple[_Matrix, list[_Row]]] = []
    notes: list[dict[str, object]] = []
    for grouping in groupings(items, bands):
        try:
            matrix = _matrix(rows, grouping)
            found.append((matrix, _rows(matrix, min_slates)))
        except NetliftError as error:
            names = {"attribute": grouping.attribute, "attribute_label": grouping.label}
            notes.append({**names, "unit_code": PER_1000, "note": str(error)})
    if not found:
        raise NetliftError("; ".join(str(note["note"]) for note in notes))
    level = {
        whole: _each(row for _, part in found for row in part if (row.kind == ALL_SLATES) == whole)
        for whole in (True, False)
    }
    tables = [_table(matrix, part, level) for matrix, part in found]
    table = pd.concat([*tables, pd.DataFrame(notes)], ignore_index=True)
    covariances = [_covariances(matrix, row) for matrix, part in found for row in part]
    return (
        CLICKS.in_units(table[[*(name for name in table if name != "note"), "note"]]),
        CLICKS.in_units(pd.concat(covariances, ignore_index=True)),
    )


def _covariances(matrix: _Matrix, row: _Row) -> pd.DataFrame:
    """Return the covariance of each pair of the cells of a row that add up to its total."""
    parts = matrix.clicks.shape[1] - 1
    kinds = [OWN_PART if n == row.own else kind for n, (kind, _, _) in enumerate(matrix.columns)]
    names = [name for _, name, _ in matrix.columns]
    first, second = (index.ravel() for index in np.indices((parts, parts)))
    known = np.full((parts, parts), np.nan)
    if row.arms is not None:
        known = row.arms.covariance[:parts, :parts]
    return pd.DataFrame(
        {
            "attribute": matrix.grouping.attribute,
            "focal_kind": row.kind,
            "focal_group": row.name,
            "part_1": np.array(kinds)[first],
            "group_1": np.array(names, dtype=object)[first],
            "part_2": np.array(kinds)[second],
            "group_2": np.array(names, dtype=object)[second],
            "covariance": known.ravel(),
            "unit_code": PER_SLATE_SQUARED,
        }
    )


def _each(rows: Iterable[_Row]) -> float:
    """Return the level of each cell's interval such that those of all rows hold at once."""
    return float(CONFIDENCE ** (1 / max(sum(row.cells for row in rows), 1)))


def _matrix(rows: ItemRows, grouping: Grouping) -> _Matrix:
    """Choose the groups with a column each, and sum outcomes to slates by column.

    Raises
    ------
    NetliftError
        No item has a group, or groups depend on the arm.
    """
    if not grouping.has_groups:
        raise NetliftError(f"the items have no {grouping.label}")
    is_focal = rows.member(FOCAL)
    of_focal = grouping.group[is_focal].reshape(rows.n_slates, -1)
    same = (of_focal == of_focal[:, :1]).all(axis=1)
    focal_group = np.where(same, of_focal[:, 0], -1)
    shown = _most_common(grouping, focal_group)
    in_own = (grouping.group[:, None] == of_focal[rows.slate]).any(axis=1) & ~is_focal
    in_own &= grouping.group != grouping.none
    matrix = _summed(rows, grouping, shown, focal_group, in_own)
    if rows.known is None:
        _check_balance(matrix)
    if not grouping.in_order:
        # By what all promotions take from each, most first.
        taken = difference(rows.design, matrix.clicks).difference[1 : len(shown) + 1]
        shown = shown[np.argsort(taken, kind="stable")]
    return _summed(rows, grouping, shown, focal_group, in_own)


def _most_common(grouping: Grouping, focal_group: Integers) -> Integers:
    """Return the groups with a column each, in their order."""
    n = len(grouping.names)
    of_rows = np.bincount(grouping.group, minlength=n) / len(grouping.group)
    of_focal = np.bincount(focal_group[focal_group >= 0], minlength=n) / len(focal_group)
    return np.sort(np.argsort(-(of_rows + of_focal), kind="stable")[:MOST_GROUPS])


def _summed(
    rows: ItemRows, grouping: Grouping, shown: Integers, focal_group: Integers, in_own: Booleans
) -> _Matrix:
    """Sum rows to slates: the focal item, each shown group, the others; and own groups."""
    n_groups = len(grouping.names)
    column_of = np.full(n_groups, len(shown) + 1)
    column_of[shown] = np.arange(1, len(shown) + 1)
    m = len(shown) + 1 + (len(shown) < n_groups)
    cell = rows.slate * m + np.where(rows.member(FOCAL), 0, column_of[grouping.group])

    def summed(values: Floats | None) -> Floats:
        parts = np.bincount(cell, values, rows.n_slates * m).reshape(-1, m)
        own = rows.per_slate(in_own if values is None else values * in_own)
        return np.column_stack([parts, own]).astype(np.float64)

    known = None if rows.known is None else summed(rows.known)
    # In the first column, that of the focal item, its absence from control slates is known.
    adds = bool(rows.items["focal_seed_position"].isna().all())
    return _Matrix(
        grouping,
        shown,
        focal_group,
        summed(rows.click),
        summed(None),
        known,
        replace(rows.design, adds_focal_item=adds),
    )


def _check_balance(matrix: _Matrix) -> None:
    """Check that groups were known before the promotion: they must not depend on the arm.

    Hansen and Bowers's (2008) test of the number of item rows by column and the focal item's group.

    Raises
    ------
    NetliftError
        They do; among valid logs, one in 10,000 is refused.
    """
    design = matrix.design
    of_focal = matrix.focal_group[:, None] == matrix.shown
    x = np.column_stack([matrix.counts[:, 1:], of_focal]).astype(np.float64)
    of_stratum = pd.DataFrame(x).groupby(design.stratum)
    x = design.per_unit(x - of_stratum.transform("mean").to_numpy())
    share = float(design.promoted.mean())
    probability = np.full(len(design.promoted), share)
    if design.probability is not None:
        probability = np.minimum(design.probability * share / design.probability.mean(), 1.0)
    e, arm = design.of_units(probability), design.of_units(design.promoted)
    s, r = e * (1 - e), arm - e
    center = s @ x / s.sum()
    x = x - center
    covariance = (x * s[:, None]).T @ x
    varies = np.diag(covariance) > 1e-9 * max(np.diag(covariance).max(), 1.0)
    if not varies.any():
        return
    p, _ = imbalance((r @ x)[varies], covariance[np.ix_(varies, varies)])
    if p < WRONG:
        raise NetliftError(
            f"the items of promoted slates differ in {matrix.grouping.label} from those of control "
            f"slates (p = {p:.1e}), by more than chance: what items are must not depend on the "
            "promotion. Take the column as it was before the draw."
        )


def _rows(matrix: _Matrix, min_slates: int) -> list[_Row]:
    """Return the rows of a matrix: all slates, each shown group, the rarer ones, and several.

    Raises
    ------
    NetliftError
        No row has enough slates.
    """
    several = matrix.focal_group < 0
    rows, left = [_row(matrix, ALL_SLATES, "any group", ~several | several, min_slates)], ~several
    for own, group in enumerate(matrix.shown, start=1):
        chosen = matrix.focal_group == group
        if too_few(_part(matrix.design, chosen), min_slates) is None:
            name = matrix.grouping.names[group]
            # Items without a group are not each other's group.
            diagonal = None if group == matrix.grouping.none else own
            rows.append(_row(matrix, OF_GROUP, name, chosen, min_slates, diagonal))
            left &= ~chosen
    n_left = len(np.unique(matrix.focal_group[left]))
    # If no group has enough slates, the first row already has all of them.
    if left.any() and not left.all():
        rows.append(_row(matrix, OF_RARER, rarer(n_left), left, min_slates, groups=n_left))
    if several.any():
        rows.append(_row(matrix, OF_SEVERAL, "several groups", several, min_slates))
    if all(row.arms is None for row in rows):
        raise NetliftError(f"{rows[0].note}")
    return rows


def rarer(groups: int) -> str:
    """Return the name of pooled groups."""
    return f"{groups:,} rarer group" + ("" if groups == 1 else "s")


def _part(design: Design, chosen: Booleans) -> Design:
    return design if chosen.all() else design.subset(chosen)


def _row(
    matrix: _Matrix,
    kind: str,
    name: str,
    chosen: Booleans,
    min_slates: int,
    own: int | None = None,
    groups: int | None = None,
) -> _Row:
    """Compare the arms in the slates of one row, all columns by one linear map."""
    design, clicks = _part(matrix.design, chosen), matrix.clicks[chosen]
    if groups is None:
        groups = len(np.unique(matrix.grouping.group)) if kind in (ALL_SLATES, OF_SEVERAL) else 1
    note = too_few(design, min_slates)
    if note is not None:
        return _Row(kind, name, groups, own, chosen, None, None, None, note)
    arms = difference(design, clicks)
    claims = Claims.from_outcomes(clicks, design, matrix.weights.tolist())
    return _Row(
        kind, name, groups, own, chosen, arms, arms.combinations(matrix.weights), claims, None
    )


def _table(matrix: _Matrix, rows: Sequence[_Row], level: Mapping[bool, float]) -> pd.DataFrame:
    """Return the cells of one matrix; ``level`` is that of simultaneous intervals (see ``_each``).

    It has the key True for the row of all slates, and False for all other rows.
    """
    cells = [
        _cells(matrix, row, level[row.kind == ALL_SLATES]).join(pooled)
        for row, pooled in zip(rows, _pooled(matrix, rows), strict=True)
    ]
    table = pd.concat(cells, ignore_index=True)
    why = table["note"].isna() & table["pooled_estimate"].isna() & (table["focal_kind"] == OF_GROUP)
    needed = f"not pooled: fewer than {MIN_SHRUNKEN} cells like it have numbers"
    return table.assign(note=table["note"].mask(why, needed))


def _cells(matrix: _Matrix, row: _Row, each: float) -> pd.DataFrame:
    """Return the cells of one row."""
    columns = matrix.columns
    parts = [OWN_PART if number == row.own else kind for number, (kind, _, _) in enumerate(columns)]
    counts = matrix.counts[row.chosen] @ matrix.weights.T
    promoted = int(matrix.design.promoted[row.chosen].sum())
    slates = int(row.chosen.sum())
    table = pd.DataFrame(
        {
            "attribute": matrix.grouping.attribute,
            "attribute_label": matrix.grouping.label,
            "focal_kind": row.kind,
            "focal_group": row.name,
            "focal_groups": row.groups,
            "part": parts,
            "group": [name for _, name, _ in columns],
            "groups": [groups for _, _, groups in columns],
            "unit_code": PER_1000,
            **_numbers(row, each, len(columns)),
            **_shares(matrix, row, parts, each),
            "slates": slates,
            "treated_slates": promoted,
            "control_slates": slates - promoted,
            "slates_with_items": (counts > 0).sum(axis=0),
        }
    )
    if matrix.known is not None:
        table = table.assign(**_known(matrix, row, parts))
    return table.assign(note=_notes(row, table))


def _numbers(row: _Row, each: float, n_columns: int) -> dict[str, object]:
    """Return the columns of the estimates, per 1,000 promoted slates."""
    ends = ("ci_95_lower", "ci_95_upper")
    names = ("estimate", "se", "df", *ends, *(f"simultaneous_{end}" for end in ends))
    names = (*names, *CLAIM_COLUMNS)
    if row.estimates is None or row.claims is None:
        return dict.fromkeys(names, np.full(n_columns, np.nan))
    value, se, df = row.estimates.value * _PER, row.estimates.se * _PER, row.estimates.df
    varies = se > 0
    se, df = np.where(varies, se, np.nan), np.where(varies, df, np.nan)
    halves = [quantiles_t(0.5 + level / 2, df) * se for level in (CONFIDENCE, each)]
    limits = [end for half in halves for end in (value - half, value + half)]
    units = np.full(n_columns, float(row.claims.units))
    claimed = (units, row.claims.terms, row.claims.kept)
    return dict(zip(names, (value, se, df, *limits, *claimed), strict=True))


def _shares(
    matrix: _Matrix, row: _Row, parts: Sequence[str], each: float
) -> dict[str, list[object]]:
    """Return the columns of the shares of the focal gain that are taken, with Fieller's sets."""
    names = ["share", "share_ci_95_lower", "share_ci_95_upper", "share_kind", "share_text"]
    together = [f"simultaneous_{name}" for name in names[1:4]]
    columns: dict[str, list[object]] = {name: [] for name in [*names, *together]}
    focal = matrix.weights[0]
    for number, part in enumerate(parts):
        filled: tuple[object, ...] = (None,) * len(columns)
        if part not in (FOCAL_PART, TOTAL_PART) and row.varies(number) and row.varies(0):
            assert row.arms is not None, "a cell that varies has numbers"
            taken = -matrix.weights[number]
            own, all_at_once = (
                ratio_of(row.arms, taken, focal, level) for level in (CONFIDENCE, each)
            )
            text = interval_text(own, _FOCAL_GAIN)
            filled = (own.value, own.lower, own.upper, own.kind, text)
            filled += (all_at_once.lower, all_at_once.upper, all_at_once.kind)
        for values, value in zip(columns.values(), filled, strict=True):
            values.append(value)
    return columns


def _known(matrix: _Matrix, row: _Row, parts: Sequence[str]) -> dict[str, Floats]:
    """Return the known effects of a row per 1,000 slates, and the shares that are taken."""
    assert matrix.known is not None, "the world is simulated"
    effect = matrix.known[row.chosen].mean(axis=0) @ matrix.weights.T * _PER
    taken = ~np.isin(parts, (FOCAL_PART, TOTAL_PART)) & (effect[0] != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(taken, -effect / effect[0], np.nan)
    return {"known_effect": effect, "known_share": share}


def _notes(row: _Row, table: pd.DataFrame) -> pd.Series:
    """Return why each cell has no numbers, or no error; None where it has both."""
    if row.note is not None:
        return pd.Series(row.note, index=table.index, dtype=object)
    without = np.where(table["slates_with_items"] == 0, "no such items", "does not vary")
    reasons = {
        "no such items": "no slate has such an item, so the effect is 0 by construction",
        "does not vary": "the outcome of these items does not vary, so there is no error",
    }
    notes = pd.Series(without, index=table.index, dtype=object).map(reasons)
    return notes.mask(table["se"].notna(), None)


_POOLED = ("pooled_estimate", "pooled_se", "pooled_ci_95_lower", "pooled_ci_95_upper")


def _pooled(matrix: _Matrix, rows: Sequence[_Row]) -> list[pd.DataFrame]:
    """Return the cells of each row shrunken towards the mean of those like them."""
    numbers = np.full((len(rows), len(matrix.columns), len(_POOLED)), np.nan)
    of_slate = np.full(len(matrix.focal_group), -1)
    for number, row in enumerate(rows):
        if row.kind != ALL_SLATES:
            of_slate[row.chosen] = number
    shared = matrix.design.mixed_units(of_slate) > 0
    for family in _families(matrix, rows):
        known = [(number, column) for number, column in family if rows[number].varies(column)]
        if len(known) >= MIN_SHRUNKEN:
            values, covariance = _jointly(matrix, rows, known, shared=shared)
            moved = shrunken_jointly(values, covariance)
            places = tuple(np.array(known).T)
            numbers[places] = np.column_stack([moved.value, moved.se, moved.lower, moved.upper])
    return [pd.DataFrame(row * _PER, columns=_POOLED) for row in numbers]


def _families(matrix: _Matrix, rows: Sequence[_Row]) -> Iterator[list[tuple[int, int]]]:
    """Yield the cells, as row and column, that are shrunken towards their common mean.

    Those of one column, the diagonals among themselves. The row of rarer groups is among them where
    the column's group is in none of its slates the focal item's.
    """
    of_groups = [number for number, row in enumerate(rows) if row.kind == OF_GROUP]
    of_rarer = [number for number, row in enumerate(rows) if row.kind == OF_RARER]
    owned = [own for row in rows if (own := row.own) is not None]
    yield [(number, own) for number in of_groups if (own := rows[number].own) is not None]
    for column, (kind, _, _) in enumerate(matrix.columns):
        mixed = kind == RARER_PART or (kind == GROUP_PART and column not in owned)
        members = of_groups if mixed else of_groups + of_rarer
        yield [(number, column) for number in members if rows[number].own != column]


def _jointly(
    matrix: _Matrix, rows: Sequence[_Row], cells: Sequence[tuple[int, int]], *, shared: bool
) -> tuple[Floats, Floats]:
    """Return the effects of cells of several rows, and the covariance of their errors.

    Rows share no slates. Where they share randomized units, the correlation is that of what each
    unit adds to the cells.
    """
    numbers = [rows[number].cell(column) for number, column in cells]
    values = np.array([cell.value for cell in numbers])
    errors = np.array([cell.se * wider_error(cell.df) for cell in numbers])
    if not shared:
        return values, np.diag(errors**2)
    added = np.column_stack([_added(matrix, rows[number], column) for number, column in cells])
    product = added.T @ added
    scale = errors / np.sqrt(np.diag(product))
    return values, product * scale[:, None] * scale


def _added(matrix: _Matrix, row: _Row, column: int) -> Floats:
    """Return what each randomized unit adds to the error of a cell, shape (U,)."""
    design = matrix.design
    value = matrix.clicks @ matrix.weights[column]
    added = np.zeros(design.n_units)
    weights = np.ones(len(value)) if design.weights is None else design.weights
    for arm in (design.promoted, ~design.promoted):
        weight = weights * (row.chosen & arm)
        share = weight / weight.sum()
        added += np.bincount(design.unit, share * (value - share @ value), design.n_units)
    return added
