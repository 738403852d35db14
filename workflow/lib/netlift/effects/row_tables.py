"""All tables of effects on item rows, and the conclusions."""

from __future__ import annotations

import pandas as pd

from netlift.core.outcome import CLICKS, Outcome
from netlift.effects.conclusions import conclusions
from netlift.effects.item_level import item_level_claim
from netlift.effects.leakage import leakage
from netlift.effects.observed import observed_effects
from netlift.effects.spillover import spillover_sensitivity, spillover_support


def row_tables(
    items: pd.DataFrame,
    accounts: pd.DataFrame,
    *,
    near_positions: int,
    seed: int,
    bootstrap_draws: int,
    outcome: Outcome = CLICKS,
) -> dict[str, pd.DataFrame]:
    """Estimate effects on item rows, with clustered errors, and judge the conclusions.

    Parameters
    ----------
    items, accounts
        One row per slate item, and one per slate.
    near_positions
        Positions above the focal item that count as near.
    seed, bootstrap_draws
        Study seed and number of draws of the bootstrap.
    outcome
        The outcome's names.

    Returns
    -------
    Tables by name, in the units of the outcome.
    """
    bootstrap = {"seed": seed, "bootstrap_draws": bootstrap_draws}
    effects, draws = observed_effects(items, **bootstrap)
    tables = {
        "observed_effects": effects,
        "bootstrap_draws": draws,
        "conclusions": conclusions(items, accounts),
        "spillover_support": spillover_support(items, near_positions=near_positions),
        "spillover_sensitivity": spillover_sensitivity(
            items, near_positions=near_positions, **bootstrap
        ),
        "leakage": leakage(items, near_positions=near_positions),
        "item_level_claim": item_level_claim(items, outcome=outcome),
    }
    return {name: outcome.in_units(table) for name, table in tables.items()}
