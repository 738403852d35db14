"""Running the experiment in one world: exact probabilities in both arms, and clicks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from netlift import worlds
from netlift.competition import Slates
from netlift.streams import slate_uniforms


def simulate_clicks(exposure: pd.DataFrame, world: Mapping[str, Any], *, seed: int) -> pd.DataFrame:
    """Give every row its click and the truth about it.

    Both arms, and all worlds of a study, use the same uniform numbers (common random numbers), so
    that differences between them are differences of the model and not of chance.

    Parameters
    ----------
    exposure
        Exposure table, sorted by slate and seed position; all slates of one size.
    world
        Config entry: ``model`` and its parameters.
    seed
        Study seed.

    Returns
    -------
    The exposure table with ``click``, ``p_control`` and ``p_promoted`` (click probability of the
    row in each arm), ``expected_click`` (in the arm that happened), ``known_lift``
    (``expected_click`` - ``p_control``), ``click_control`` and ``click_promoted`` (both potential
    outcomes).
    """
    slates = Slates.from_exposure(exposure)
    fitted = worlds.fit(world, slates)
    uniforms = slate_uniforms(seed, "outcome", len(slates), slates.size)
    shape = slates.relevance.shape
    probability = {"control": np.empty(shape), "promoted": np.empty(shape)}
    click = {"control": np.empty(shape, dtype=bool), "promoted": np.empty(shape, dtype=bool)}
    for rows, block in slates.split():
        for arm in ("control", "promoted"):
            probability[arm][rows] = fitted.probabilities(block, arm)
            click[arm][rows] = fitted.draw(block, arm, uniforms[rows])
    promoted = exposure["promotion_applied"].to_numpy() == 1
    p_control, p_promoted = probability["control"].ravel(), probability["promoted"].ravel()
    click_control, click_promoted = click["control"].ravel(), click["promoted"].ravel()
    expected_click = np.where(promoted, p_promoted, p_control)
    return exposure.assign(
        click=np.where(promoted, click_promoted, click_control).astype(np.int8),
        p_control=p_control,
        p_promoted=p_promoted,
        expected_click=expected_click,
        known_lift=expected_click - p_control,
        click_control=click_control.astype(np.int8),
        click_promoted=click_promoted.astype(np.int8),
    )
