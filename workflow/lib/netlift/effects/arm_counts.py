"""How many slates and randomized units each of several arms has, compared with the design."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from netlift.core.arrays import Floats
from netlift.inference.balance import imbalance
from netlift.promotion.variants import CONTROL


def arm_slates(exposure: pd.DataFrame) -> pd.DataFrame:
    """Return the slates of a design with several variants, with the probability of each arm.

    Parameters
    ----------
    exposure
        The exposure table, with the slates of all arms.

    Returns
    -------
    One row per slate: ``slate_id``, ``arm`` (0 is control), ``randomization_unit``,
    ``probability_0`` and so on.
    """
    columns = [name for name in exposure if str(name).startswith("probability_")]
    slates = exposure.drop_duplicates("slate_id", ignore_index=True)
    return slates[["slate_id", "arm", "randomization_unit", *columns]]


def drawn_arm_counts(slates: pd.DataFrame, variants: Sequence[str], unit: str) -> pd.DataFrame:
    """Compare the number of units in each arm of a simulated design with its probabilities.

    Parameters
    ----------
    slates
        From ``arm_slates``.
    variants
        Names of the variants, in order.
    unit
        What was randomized: ``slate`` or ``user``.

    Returns
    -------
    See ``arm_counts``.
    """
    k = len(variants) + 1
    units = slates.drop_duplicates("randomization_unit")
    p = units[[f"probability_{number}" for number in range(k)]].to_numpy(dtype=np.float64)
    return arm_counts(
        [CONTROL, *variants],
        unit,
        np.bincount(slates["arm"], minlength=k),
        np.bincount(units["arm"], minlength=k).astype(np.float64),
        p.sum(axis=0),
        p.T @ p,
    )


def arm_counts(
    names: Sequence[str],
    unit: str,
    slates: Floats | np.ndarray,
    drawn: Floats,
    expected: Floats,
    products: Floats,
) -> pd.DataFrame:
    """Compare the number of units in each arm with the probabilities, all arms together.

    With n_k units in arm k and p_ik the probability of unit i, n - sum_i p_i has mean 0 and the
    covariance sum_i diag(p_i) - p_i p_i'; where probabilities are the same for all units, the
    statistic is Pearson's chi-squared.

    Parameters
    ----------
    names
        Of the arms, control first.
    unit
        What was randomized.
    slates, drawn
        Slates and units of each arm, shape (k,).
    expected, products
        Sums over units of p_i and of p_i p_i', shapes (k,) and (k, k).

    Returns
    -------
    One row per arm: ``slates`` and ``units`` that are used, ``unit``, ``share_of_units``,
    ``expected_share`` and ``sample_ratio_p_value``, the same in each row.
    """
    covariance = np.diag(expected) - products
    p, _ = imbalance((drawn - expected)[1:], covariance[1:, 1:])
    return pd.DataFrame(
        {
            "arm": list(names),
            "slates": slates.astype(np.int64),
            "units": drawn.astype(np.int64),
            "unit": f"{unit}s",
            "share_of_units": drawn / drawn.sum(),
            "expected_share": expected / drawn.sum(),
            "sample_ratio_p_value": p,
        }
    )
