"""Same-cluster rows compared with other rows like them: same positions, displacement, relevance.

Same-cluster items tend to be in other positions than the rest, and what a promotion does to a row
depends on its position. So each group's effect per row is standardized to one distribution, that
of the same-cluster rows over cells of what is known before promotion.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from netlift.core.arrays import Floats, Integers, numbered
from netlift.core.errors import NetliftError
from netlift.effects import item_rows
from netlift.effects.item_rows import ItemRows
from netlift.inference.arms import clustered_coefficient
from netlift.inference.estimate import Estimate

FIFTHS = 5
"""Groups of relevance, where it is known."""


MATERIAL = 0.1
"""Share of a competitor row's mean change below which a known difference is not called one."""


def cells(rows: ItemRows) -> Integers:
    """Return the number of the cell of each row, shape (R,).

    A cell has one position of the focal item and one of the row before promotion, moves down with
    promotion or does not, and is in one fifth of relevance; on pages with blocks it has one
    block of the row and one of the focal item.
    """
    names = ["focal_seed_position", "slate_position_seed", "promoted_position"]
    # Where an item is not shown it has no position, and 0 here.
    keys = [np.nan_to_num(rows.items[name].to_numpy(dtype=np.float64)) for name in names]
    if item_rows.BLOCK in rows.items:
        block = pd.factorize(rows.items[item_rows.BLOCK])[0]
        focal = np.flatnonzero(rows.items["is_focal_item"])
        of_focal = block[focal[np.searchsorted(rows.slate[focal], rows.slate)]]
        keys += [block.astype(np.float64), of_focal.astype(np.float64)]
    if "relevance" in rows.items:
        relevance = rows.items["relevance"].to_numpy(dtype=np.float64)
        if np.isfinite(relevance).all():
            edges = np.quantile(relevance, np.arange(1, FIFTHS) / FIFTHS)
            keys.append(np.searchsorted(edges, relevance, side="left").astype(np.float64))
    return numbered(np.unique(np.column_stack(keys), axis=0, return_inverse=True)[1].ravel())


def weights(rows: ItemRows) -> Floats:
    """Return the weight of each row, shape (R,): 0 for the focal item and for rows without match.

    Same-cluster rows have the weight 1, other rows the number of same-cluster rows over that of
    others in their cell. They depend only on what is known before promotion.
    """
    same, other = rows.member(item_rows.SAME_CLUSTER), rows.member(item_rows.OTHER)
    cell = cells(rows)
    n_same, n_other = (np.bincount(cell, member, cell.max() + 1) for member in (same, other))
    both = (n_same > 0) & (n_other > 0)
    of_other = np.where(both, n_same / np.where(n_other > 0, n_other, 1.0), 0.0)[cell]
    return np.where(same, both[cell], np.where(other, of_other, 0.0)).astype(np.float64)


def same_minus_other(rows: ItemRows) -> Estimate:
    """Estimate the effect on same-cluster rows minus that on other rows like them.

    Errors are clustered by randomized unit (CR2).

    Raises
    ------
    NetliftError
        No same-cluster row has another one like it, or there are too few units.
    """
    weight = weights(rows)
    used = weight > 0
    if not used.any():
        raise NetliftError("no same-cluster row has a row of another cluster at the same positions")
    promoted = rows.promoted[used].astype(np.float64)
    same = rows.member(item_rows.SAME_CLUSTER)[used].astype(np.float64)
    design = np.column_stack([np.ones(len(same)), promoted, same, promoted * same])
    weight = weight[used] * rows.weight[used]
    return clustered_coefficient(rows.click[used], design, rows.unit[used], weight)


def known_same_minus_other(rows: ItemRows) -> tuple[float, float]:
    """Return the known difference, and how large it must be to be called one; NaN without rows.

    Items of one cluster also differ in more than their cell, such as in relevance within a fifth
    of it. A known difference below a tenth of a competitor row's mean change is not called one.
    """
    assert rows.known is not None
    weight = weights(rows)
    same, other = rows.member(item_rows.SAME_CLUSTER), rows.member(item_rows.OTHER)
    if not weight.any():
        return np.nan, np.nan
    groups = [np.average(rows.known[group], weights=weight[group]) for group in (same, other)]
    mean = np.abs(rows.known[rows.member(item_rows.NON_FOCAL)].mean())
    return float(groups[0] - groups[1]), MATERIAL * float(mean)
