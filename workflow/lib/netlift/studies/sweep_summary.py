"""Summaries of a sweep: performance of the estimators, and shares of the conclusions."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_SLATE
from netlift.effects.conclusions import CONCLUSIONS, HOLDS, UNDECIDED, VERDICTS


def combined(blocks: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Combine blocks in one table, ordered by world, size and seed regardless of the blocks."""
    table = pd.concat(blocks, ignore_index=True)
    return table.sort_values(["world", "size", "seed"], kind="stable", ignore_index=True)


def sweep_summary(effects: pd.DataFrame) -> pd.DataFrame:
    """Summarize the performance of each estimator over seeds.

    Parameters
    ----------
    effects
        Rows of experiments in simulated worlds.

    Returns
    -------
    One row per world, size, line and estimator, clicks per slate: mean estimate and known effect,
    ``bias`` with its Monte Carlo error, the standard deviation of the estimates' errors, the
    mean standard error, and the ``coverage`` of 95% intervals with its Monte Carlo error. Slates
    differ between seeds, and each estimate is compared with the effect of its slates.
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
    """Return the share of seeds in which each conclusion holds.

    Parameters
    ----------
    conclusions
        ``conclusions`` of every experiment, with its seed, size and world.

    Returns
    -------
    One row per conclusion, world and size: the shares of seeds by verdict on the observed clicks,
    the share in which it holds by the known effects, and the share of seeds with a wrong verdict:
    one that the known effects contradict.
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
