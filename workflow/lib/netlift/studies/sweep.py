"""Sweeps: the ledger of many seeds, slate sizes and worlds, and what it says of the estimators.

Each seed's experiment is made by the functions that make it as an experiment of its own, so its
rows are the same value for value. Seeds go through jobs in blocks, since starting a process takes
longer than an experiment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from netlift.core.errors import NetliftError
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_SLATE
from netlift.effects.codes import TOTAL
from netlift.effects.conclusions import CONCLUSIONS, HOLDS, UNDECIDED, VERDICTS
from netlift.effects.ledger import known_effects
from netlift.studies.seed_blocks import block_name

OBSERVED = "observed_clicks"


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
    One row per estimator and line, per slate: as ``component_effects`` has them, with
    ``known_effect``, the mean over the slates of both arms of what the exact probabilities say.
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


def combined(blocks: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put blocks into one table, ordered by world, size and seed whatever the blocks were."""
    table = pd.concat(blocks, ignore_index=True)
    return table.sort_values(["world", "size", "seed"], kind="stable", ignore_index=True)


def sweep_summary(effects: pd.DataFrame) -> pd.DataFrame:
    """Say over seeds how each estimator did.

    Parameters
    ----------
    effects
        Rows of experiments in simulated worlds.

    Returns
    -------
    One row per world, size, line and estimator, clicks per slate: mean estimate and known effect,
    ``bias`` with its Monte Carlo error, the standard deviation of the estimates' errors beside the
    mean standard error, and the ``coverage`` of 95% intervals with its Monte Carlo error. Slates
    differ between seeds, and each estimate is held against the effect of its own slates.
    """
    group = ["world", "size", "line", "effect_family", "component", "estimator"]
    table = []
    for key, part in effects.groupby(group, sort=False):
        error = (part["estimate_per_slate"] - part["known_effect"]).dropna()
        inside = part["known_effect"].between(part["ci_95_lower"], part["ci_95_upper"])[error.index]
        n = len(error)
        coverage = float(inside.mean()) if n else None
        table.append(
            dict(zip(group, key, strict=True))
            | {
                "unit_code": PER_SLATE,
                "seeds": n,
                "seeds_without_estimate": len(part) - n,
                "mean_estimate": _mean(part["estimate_per_slate"]),
                "mean_known_effect": _mean(part["known_effect"]),
                "bias": _mean(error),
                "bias_mc_error": float(error.std() / np.sqrt(n)) if n > 1 else None,
                "sd_of_error": float(error.std()) if n > 1 else None,
                "mean_se": _mean(part["se"]),
                "coverage_95": coverage,
                "coverage_mc_error": None
                if coverage is None
                else float(np.sqrt(coverage * (1 - coverage) / n)),
            }
        )
    return CLICKS.in_units(pd.DataFrame(table))


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if values.notna().any() else None


def conclusion_shares(conclusions: pd.DataFrame) -> pd.DataFrame:
    """Say in what share of seeds each conclusion holds.

    Parameters
    ----------
    conclusions
        ``conclusions`` of every experiment, with its seed, size and world.

    Returns
    -------
    One row per conclusion, world and size: the shares of seeds by verdict on the observed clicks,
    the share in which the known effects say that it holds, and the share of seeds with a wrong
    verdict: one that the known effects contradict.
    """
    table = []
    for key, part in conclusions.groupby(["conclusion", "world", "size"], sort=False):
        shares = part["verdict"].value_counts(normalize=True)
        row: dict[str, object] = dict(zip(["conclusion", "world", "size"], key, strict=True))
        row |= {"seeds": len(part)}
        row |= {verdict: float(shares.get(verdict, 0.0)) for verdict in VERDICTS}
        if "known_verdict" in part:
            decided = part[(part["verdict"] != UNDECIDED) & part["known_verdict"].notna()]
            wrong = int((decided["verdict"] != decided["known_verdict"]).sum())
            row |= {
                "holds_by_known_effects": float((part["known_verdict"] == HOLDS).mean()),
                "wrong": wrong / len(part),
            }
        table.append(row)
    return with_labels(pd.DataFrame(table), conclusion=CONCLUSIONS)


def name_failures(failures: Mapping[int, str]) -> None:
    """Name the seeds that failed, and why.

    Raises
    ------
    NetliftError
        There are any.
    """
    if not failures:
        return
    reasons = [f"  seed {seed}: {why}" for seed, why in failures.items()]
    raise NetliftError(
        f"{len(failures)} seed{'s' if len(failures) > 1 else ''} of this block failed "
        f"({block_name(sorted(failures))}); the block is not written, other blocks are:\n"
        + "\n".join(reasons)
        + "\nMend what is wrong, or take these seeds out of sweep.seeds, and run again: what is "
        "done stays."
    )
