"""Whether the means and Lin's regression disagree by more than chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlift.core.arrays import Booleans, Floats
from netlift.effects.codes import DIFFERENCE
from netlift.effects.estimators import HAJEK, LIN, difference
from netlift.effects.slate_accounts import SlateAccounts, component_columns

COMPARABLE = (DIFFERENCE, HAJEK)
"""Estimators that differ from Lin's regression by the arms' covariates alone."""


def p_value_of_difference(
    accounts: SlateAccounts, outcome: str, estimator: str, weights: Sequence[int]
) -> float | None:
    """Return the p-value of the difference between an estimator of means and Lin's regression.

    They differ by the difference of the arms' means of one number of each slate, x'b: its
    covariates times Lin's slopes, each arm's by the share of the other arm. Its error is that of
    any difference in means, by randomized units, so a small p-value says that the arms differ in
    their covariates by more than the draw explains.

    Returns
    -------
    None where Lin's regression is not the main estimator, or the covariates predict nothing.
    """
    if accounts.main != LIN or estimator not in COMPARABLE:
        return None
    if (estimator == HAJEK) != (accounts.design.weights is not None):
        return None
    design = accounts.design
    covariates = accounts.covariates.chosen(design)[0]
    values = accounts.values(component_columns(outcome)) @ np.asarray(weights, dtype=np.float64)
    slate_weights = np.ones(len(values)) if design.weights is None else design.weights
    share = float(slate_weights[design.promoted].sum() / slate_weights.sum())
    slopes = (1 - share) * _slopes(covariates, values, slate_weights, design.promoted)
    slopes += share * _slopes(covariates, values, slate_weights, ~design.promoted)
    index = difference(design, (covariates @ slopes)[:, None]).combination((1,))
    return index.p_value if index.se > 0 else None


def _slopes(covariates: Floats, values: Floats, weights: Floats, arm: Booleans) -> Floats:
    """Return the slopes of an arm's weighted regression on its covariates, shape (k,)."""
    root = np.sqrt(weights[arm])
    columns = np.column_stack([np.ones(int(arm.sum())), covariates[arm]])
    fit = np.linalg.lstsq(columns * root[:, None], values[arm] * root, rcond=None)
    return np.asarray(fit[0][1:])
