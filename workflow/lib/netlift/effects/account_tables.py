"""All tables of effects that need only slate accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from netlift.core.left_out import tables_or_reason, why_left_out
from netlift.core.outcome import Outcome
from netlift.effects.codes import TOTAL_LINE
from netlift.effects.empty_lines import empty_lines, without_numbers
from netlift.effects.estimators import LIN
from netlift.effects.ledger import (
    additivity_checks,
    component_covariance,
    component_effects,
    component_support,
)
from netlift.effects.margins import margin_table
from netlift.effects.power_table import power_table
from netlift.effects.product import product_summary
from netlift.effects.risk import risk_by_cluster, risk_by_position
from netlift.effects.segments import segments
from netlift.effects.shares import shares
from netlift.effects.slate_accounts import SlateAccounts
from netlift.effects.user_segments import user_segments
from netlift.effects.whole_slates import PARTS, has_parts, reasons_of_parts, with_total_as_part


def account_tables(
    accounts: pd.DataFrame,
    *,
    units: Mapping[str, str],
    min_slates: int,
    seed: int,
    bootstrap_draws: int,
    power_effects: Sequence[float],
    main_estimator: str = LIN,
    margins: Mapping[str, float] = MappingProxyType({}),
    moved_share: float = 0.8,
) -> dict[str, pd.DataFrame]:
    """Estimate everything that needs only slate accounts.

    Parameters
    ----------
    accounts
        One row per slate.
    units
        Unit of each outcome type; that of ``observed_clicks`` is the main outcome's.
    min_slates
        Slates of each arm that a position, a cluster or a segment needs.
    seed, bootstrap_draws
        Study seed and number of draws of the bootstrap of segments.
    power_effects
        Effects whose power is computed.
    main_estimator
        The declared main estimator.
    margins, moved_share
        Declared margins (see ``margin_table``).

    Returns
    -------
    Tables by name, in the units of the outcome. Of accounts without parts, those that are about
    parts hold the reason (see ``core.left_out``), and in the others only the total has numbers.
    """
    outcome = Outcome(units["observed_clicks"])
    if not has_parts(accounts):
        whole = SlateAccounts.from_table(with_total_as_part(accounts), main_estimator)
        totals = {name: value for name, value in margins.items() if name == TOTAL_LINE.code}
        return _of_totals(whole, outcome, power_effects) | {
            "margins": margin_table(whole, totals, moved_share=moved_share, outcome=outcome)
        }
    compared = SlateAccounts.from_table(accounts, main_estimator)
    options = {"min_slates": min_slates, "seed": seed, "bootstrap_draws": bootstrap_draws}
    of_lines = {
        "component_effects": component_effects(compared),
        "shares": shares(compared),
        "product_summary": product_summary(compared, outcome=outcome),
        "margins": margin_table(compared, margins, moved_share=moved_share, outcome=outcome),
        "power": outcome.in_units(power_table(compared, effects=power_effects)),
        **_of_groups(accounts, outcome, options),
    }
    empty = empty_lines(accounts)
    return {
        "component_support": component_support(accounts),
        "additivity_checks": additivity_checks(compared),
        "component_covariance": component_covariance(compared, units=units),
        **{
            name: table if why_left_out(table) else without_numbers(table, empty)
            for name, table in of_lines.items()
        },
    }


def _of_groups(
    accounts: pd.DataFrame, outcome: Outcome, options: Mapping[str, int]
) -> dict[str, pd.DataFrame]:
    """Return the tables of the ledger by groups of slates and of users."""
    least = options["min_slates"]
    by_segment, heterogeneity = segments(accounts, **options, outcome=outcome)
    by_user, users_differ = tables_or_reason(
        lambda: user_segments(accounts, **options, outcome=outcome), 2
    )
    return {
        "risk_by_position": outcome.in_units(risk_by_position(accounts, min_slates=least)),
        "risk_by_cluster": outcome.in_units(risk_by_cluster(accounts, min_slates=least)),
        "segments": by_segment,
        "heterogeneity": heterogeneity,
        "user_segments": by_user,
        "user_heterogeneity": users_differ,
    }


def _of_totals(
    whole: SlateAccounts, outcome: Outcome, power_effects: Sequence[float]
) -> dict[str, pd.DataFrame]:
    """Return the tables of accounts without parts, and of the others why there are none."""
    tables = {
        "component_effects": component_effects(whole),
        "product_summary": product_summary(whole, outcome=outcome),
    }
    power = outcome.in_units(power_table(whole, effects=power_effects))
    return reasons_of_parts() | {
        "power": power[power["line"] == TOTAL_LINE.code].reset_index(drop=True),
        **{name: without_numbers(table, PARTS) for name, table in tables.items()},
    }
