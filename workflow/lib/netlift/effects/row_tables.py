"""All tables of effects on item rows, and the conclusions."""

from __future__ import annotations

import pandas as pd

from netlift.core.left_out import table_or_reason, why_left_out
from netlift.core.outcome import CLICKS, Outcome
from netlift.effects.conclusions import conclusions
from netlift.effects.estimators import LIN
from netlift.effects.item_level import item_level_claim
from netlift.effects.leakage import leakage
from netlift.effects.observed import observed_effects
from netlift.effects.slate_accounts import SlateAccounts
from netlift.effects.spillover import spillover_sensitivity, spillover_support


def row_tables(
    items: pd.DataFrame,
    accounts: pd.DataFrame,
    *,
    near_positions: int,
    seed: int,
    bootstrap_draws: int,
    main_estimator: str = LIN,
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
    main_estimator
        The declared main estimator.
    outcome
        The outcome's names.

    Returns
    -------
    Tables by name, in the units of the outcome; one that the data do not allow holds the reason
    (see ``core.left_out``).
    """
    bootstrap = {"seed": seed, "bootstrap_draws": bootstrap_draws}
    effects, draws = observed_effects(items, **bootstrap)
    tables = {
        "observed_effects": effects,
        "bootstrap_draws": draws,
    }
    made = {
        "conclusions": lambda: conclusions(
            items, SlateAccounts.from_table(accounts, main_estimator)
        ),
        "spillover_support": lambda: spillover_support(items, near_positions=near_positions),
        "spillover_sensitivity": lambda: spillover_sensitivity(
            items, near_positions=near_positions, **bootstrap
        ),
        "leakage": lambda: leakage(items, near_positions=near_positions),
        "item_level_claim": lambda: item_level_claim(items, outcome=outcome),
    }
    tables |= {name: table_or_reason(make) for name, make in made.items()}
    return {
        name: table if why_left_out(table) else outcome.in_units(table)
        for name, table in tables.items()
    }
