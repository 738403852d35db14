"""Sweeps: the slates and the ledger of many seeds, slate sizes and worlds.

Each seed's experiment uses the same functions as a single experiment, so its rows have the same
values. Jobs run blocks of seeds, since starting a process takes longer than an experiment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from netlift.effects.accounts import slate_outcomes
from netlift.effects.codes import TOTAL
from netlift.effects.conclusions import conclusions
from netlift.effects.estimators import LIN
from netlift.effects.ledger import component_effects
from netlift.effects.slate_accounts import SlateAccounts, known_effects
from netlift.studies.seed_blocks import each_seed
from netlift.worlds.simulation import Simulation
from netlift.worlds.world import Similarity

OBSERVED = "observed_clicks"


def sweep_block(
    exposures: Iterable[pd.DataFrame],
    entry: Mapping[str, Any],
    similarity: Similarity | None = None,
    *,
    size: int,
    world: str,
    main_estimator: str = LIN,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run one world on the slates of a block of seeds.

    Parameters
    ----------
    exposures
        Exposure table of each seed, with its ``seed``.
    entry
        Config entry of the world.
    similarity
        Similarity of items, for models that use it.
    size, world
        Items per slate and name of the world, for the rows.
    main_estimator
        The declared main estimator.

    Returns
    -------
    For all seeds together, the ledger (see ``experiment_rows``) and the conclusions, with seed,
    size and world.

    Raises
    ------
    NetliftError
        A seed failed; the message names all failed seeds.
    """

    def experiment(seed: int, exposure: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        items = Simulation.from_exposure(exposure, entry, similarity, seed=seed).items
        accounts = slate_outcomes(items)
        keys: dict[str, Any] = {"seed": seed, "size": size, "world": world}
        compared = SlateAccounts.from_table(accounts, main_estimator)
        ledger = experiment_rows(component_effects(compared), accounts, **keys)
        return ledger, conclusions(items, compared).assign(**keys)

    seeds = ((int(table["seed"].iloc[0]), table.drop(columns="seed")) for table in exposures)
    results = list(each_seed((seed, partial(experiment, seed, table)) for seed, table in seeds))
    ledgers, judged = zip(*results, strict=True)
    return pd.concat(ledgers, ignore_index=True), pd.concat(judged, ignore_index=True)


def experiment_rows(effects: pd.DataFrame, accounts: pd.DataFrame, **keys: object) -> pd.DataFrame:
    """Return an experiment's rows of a sweep: its ledger of observed clicks, and the known effects.

    Parameters
    ----------
    effects
        From ``component_effects``.
    accounts
        One row per slate.
    keys
        Seed, size and world.

    Returns
    -------
    One row per estimator and line, per slate: as from ``component_effects``, with
    ``known_effect``, the mean over the slates of both arms by the exact probabilities.
    """
    rows = effects[effects["outcome_type"] == OBSERVED].reset_index(drop=True)
    names = [name for name in rows.columns.astype(str) if "per_1000" not in name]
    rows = rows[names].drop(columns="outcome_type")
    known = known_effects(accounts)
    if known is not None:
        lines = [*np.eye(len(known)), np.array(TOTAL)]
        values = np.array([float(line @ known) for line in lines])
        rows = rows.assign(known_effect=np.resize(values, len(rows)))
    return pd.concat([pd.DataFrame([keys] * len(rows)), rows], axis=1)
