"""What each replicate of a validation case estimates: ledgers, tests, models and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING, Booleans, Floats, Integers
from netlift.core.units import PER_ROW, PER_SLATE, RATIO
from netlift.effects.batched_ledger import Estimates, array_ledger
from netlift.effects.batched_rows import MEMBERS, RowEffects, array_row_effects
from netlift.effects.codes import INDIRECT, LINES, Line
from netlift.effects.estimators import COVARIATES
from netlift.effects.item_rows import ItemRows
from netlift.effects.ledger import component_columns, estimated
from netlift.effects.observed import OBSERVED_EFFECTS
from netlift.effects.randomization_tests import HYPOTHESES, DrawnTests, hypothesis_rows
from netlift.inference.estimate import Estimate
from netlift.models.aipw import MeanScore, aipw_scores
from netlift.models.features import slate_features
from netlift.models.folds import user_folds
from netlift.models.outcome_models import STACKED, ModelData, cross_fit_all
from netlift.models.policies import NONE, compare_rules, verdict
from netlift.studies.replicates import Replicates

SHARE = "taken_from_competitors"
SHARE_LABEL = "taken from others, share of the focal gain"
"""The ratio that is judged by Fieller's sets: its code in the column ``line``, and its label."""


FIELLER = "fieller"


SHARES, ROWS = "Ratio", "Item rows"
"""Families of effects beside those of the ledger."""


BY_SLATE, BY_USER = "rows_clustered_by_slate", "rows_clustered_by_user"


MODELS = ("linear", "row_logistic")
"""Outcome models of the replicates: the two that take a fraction of a second."""


ROW_LINES = [replace(line, family=ROWS) for line, _ in OBSERVED_EFFECTS]


@dataclass(frozen=True)
class Case:
    """One set of slates in one world, and what its replicates are judged by.

    Attributes
    ----------
    replicates
        What is drawn.
    items, accounts
        Tables of one experiment on these slates, in whose place each replicate stands.
    """

    replicates: Replicates
    items: pd.DataFrame
    accounts: pd.DataFrame

    @cached_property
    def known(self) -> Floats:
        """Known effects of the three components, mean over slates, shape (3,)."""
        change = self.replicates.p_promoted - self.replicates.p_control
        slates = self.replicates.slates
        same = slates.is_same_cluster.T
        focal = change[slates.focal, np.arange(len(slates))].mean()
        competitors = (change * same).sum(axis=0).mean()
        total = change.sum(axis=0).mean()
        return np.array([focal, competitors, total - focal - competitors])

    @cached_property
    def rows(self) -> Floats:
        """Item rows of each component, shape (3, N)."""
        same = self.replicates.slates.is_same_cluster.sum(axis=1)
        size = len(self.replicates.p_control)
        return np.array([np.ones_like(same), same, size - 1 - same], dtype=np.float64)

    @cached_property
    def known_by_row(self) -> Floats:
        """Known effects per item row of the groups of rows, shape (4,); NaN of none."""
        totals = self.known * len(self.replicates.slates)
        with np.errstate(invalid="ignore"):
            return np.asarray((MEMBERS @ totals) / (MEMBERS @ self.rows.sum(axis=1)))

    @cached_property
    def clusters(self) -> dict[str, Integers]:
        """Numbers of the clusters that errors of item rows are taken by, shape (N,) each.

        The randomized unit, and the user where users have several slates.
        """
        user = np.unique(self.accounts["user_id"], return_inverse=True)[1]
        found = {BY_USER: user} if len(np.unique(user)) < len(user) else {}
        if self.replicates.design.by_slate:
            found = {BY_SLATE: np.arange(len(user)), **found}
        return found

    @property
    def probability(self) -> float:
        """Probability of promotion, the same for every slate."""
        return float(self.replicates.design.known_probability()[0])

    @property
    def bound_se(self) -> float | None:
        """Least standard error of the total's estimates over these slates (see ``aipw``).

        Without the spread of effects between slates, since the slates are fixed. None where users
        were randomized.
        """
        if not self.replicates.design.by_slate:
            return None
        e, accounts = self.probability, self.accounts
        variance = accounts["slate_variance_promoted"] / e
        variance += accounts["slate_variance_control"] / (1 - e)
        return float(np.sqrt(variance.mean() / len(accounts)))


def replicate_ledgers(case: Case, replicates: range) -> pd.DataFrame:
    """Estimate the ledger and the effects on item rows of every replicate.

    Returns
    -------
    One row per replicate, estimator and line: estimate, error and degrees of freedom, clicks per
    slate (of the family ``Item rows`` clicks per item row), and ``t``, the estimate less the truth
    over the error. Of the ratio of what is taken from
    others to the focal gain, ``t`` is Fieller's: its sets hold the truth where |t| is below the
    quantile.
    """
    parts = []
    covariates = case.accounts[list(COVARIATES)].to_numpy(dtype=np.float64)
    design = case.replicates.design
    unit = None if design.by_slate else design.unit
    truth = np.r_[case.known, case.known.sum()]
    for numbers, promoted, outcomes in case.replicates.blocks(replicates):
        found = array_ledger(
            promoted, outcomes, probability=case.probability, covariates=covariates, unit=unit
        )
        found["lin"] = _with_tables(case, promoted, outcomes, found.get("lin"))
        for estimator, estimates in found.items():
            parts.append(_long(numbers, estimator, estimates, truth))
        parts.append(_ratio(numbers, found["difference_in_means"], case.known))
        for estimator, cluster in case.clusters.items():
            effects = array_row_effects(promoted, outcomes, case.rows, cluster)
            parts.append(_long(numbers, estimator, effects, case.known_by_row, ROW_LINES, PER_ROW))
    return pd.concat(parts, ignore_index=True)


def _with_tables(
    case: Case, promoted: Booleans, outcomes: Floats, found: Estimates | None
) -> Estimates:
    """Fill in Lin's estimates that the array form leaves to the table form."""
    b = len(promoted)
    value, se, df = (np.full((b, len(LINES)), np.nan) for _ in range(3))
    covariance = np.full((b, 3, 3), np.nan)
    if found is not None:
        value, se, df, covariance = found.value, found.se, found.df, found.covariance
    columns = component_columns("observed_clicks")
    for place in np.flatnonzero(np.isnan(value[:, 0])):
        table = case.accounts.assign(
            promotion_applied=promoted[place].astype(np.int8),
            **dict(zip(columns, outcomes[place], strict=True)),
        )
        arms = None
        if 1 < promoted[place].sum() < promoted.shape[1] - 1:
            arms, _ = estimated(table, "observed_clicks", "lin")
        if arms is not None:
            lines = [arms.combination(line.weights) for line in LINES]
            value[place] = [line.value for line in lines]
            se[place], df[place] = [line.se for line in lines], [line.df for line in lines]
    return Estimates(value, se, df, covariance)


def _long(
    numbers: range,
    estimator: str,
    found: Estimates | RowEffects,
    truth: Floats,
    lines: Sequence[Line] = LINES,
    unit_code: str = PER_SLATE,
) -> pd.DataFrame:
    n = len(numbers)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (found.value - truth) / found.se
    return pd.DataFrame(
        {
            "replicate": np.repeat(numbers, len(lines)),
            "line": np.tile([line.code for line in lines], n),
            "effect_family": np.tile([line.family for line in lines], n),
            "component": np.tile([line.component for line in lines], n),
            "estimator": estimator,
            "unit_code": unit_code,
            "estimate": found.value.ravel(),
            "se": found.se.ravel(),
            "df": found.df.ravel(),
            "t": np.where(np.abs(found.value - truth) <= ROUNDING, 0.0, t).ravel(),
            "known_effect": np.tile(truth, n),
        }
    )


def _ratio(numbers: range, found: Estimates, known: Floats) -> pd.DataFrame:
    """Return the ratio of what others lose to the focal gain, judged by Fieller's sets."""
    direct = found.value[:, 0]
    lost = -(found.value[:, 1] + found.value[:, 2])
    if abs(known[0]) <= ROUNDING:
        return pd.DataFrame()
    true = -float(np.array(INDIRECT) @ known) / known[0]
    weights = np.array([-true, -1.0, -1.0])
    variance = np.einsum("i,bij,j->b", weights, found.covariance, weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, t = lost / direct, (lost - true * direct) / np.sqrt(variance)
    return pd.DataFrame(
        {
            "replicate": list(numbers),
            "line": SHARE,
            "effect_family": SHARES,
            "component": SHARE_LABEL,
            "estimator": FIELLER,
            "unit_code": RATIO,
            "estimate": ratio,
            "se": np.nan,
            "df": found.df.min(axis=1),
            "t": t,
            "known_effect": true,
        }
    )


def replicate_tests(
    case: Case, replicates: range, *, permutations: int, near_positions: int
) -> pd.DataFrame:
    """Run the randomization tests on replicates.

    Returns
    -------
    One row per replicate and hypothesis: ``p_value``, ``p_value_adjusted``, and ``known_null``,
    whether the click probabilities fulfill the hypothesis.
    """
    base = ItemRows.of(case.items)
    members = hypothesis_rows(base, near_positions)
    present = [bool(member.any()) for member in members]
    assert base.known is not None
    null = [not bool((np.abs(base.known[member]) > ROUNDING).any()) for member in members]
    rows = []
    for number in replicates:
        promoted, clicks = case.replicates.draw(number)
        drawn = replace(
            base,
            click=clicks.T.ravel().astype(np.float64),
            promoted=promoted[base.slate],
            design=replace(base.design, promoted=promoted),
        )
        tests = DrawnTests.of(drawn, members, permutations, case.replicates.seed, studentized=True)
        single, adjusted = tests.p_values(present)
        for k, hypothesis in enumerate(HYPOTHESES):
            if present[k]:
                rows.append((number, hypothesis.code, single[k], adjusted[k], null[k]))
    names = ["replicate", "hypothesis", "p_value", "p_value_adjusted", "known_null"]
    return pd.DataFrame(rows, columns=names)


def replicate_models(
    case: Case, replicates: range, *, folds: int, cost: float, max_share: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the fast outcome models on replicates, estimate by AIPW and compare policies.

    Returns
    -------
    Rows of the ledger by AIPW, as ``replicate_ledgers`` has them; and one row per replicate with
    the verdict: what is recommended, its known value, its lower bound, the oracle's value, and
    whether all lower bounds lie below their rules' known values.
    """
    base = ModelData.of(case.items)
    design, features = case.replicates.design, slate_features(case.items)
    truth = np.r_[case.known, case.known.sum()]
    known = case.accounts["known_effect_total"].to_numpy(dtype=np.float64)
    parts, judged = [], []
    for number in replicates:
        promoted, clicks = case.replicates.draw(number)
        data = replace(
            base,
            click=clicks.T.ravel().astype(np.float64),
            design=replace(design, promoted=promoted),
        )
        data = replace(data, outcomes=data.by_component(data.click))
        seed = case.replicates.seed
        fold = user_folds(data.user, n_folds=folds, seed=seed, repetition=number)
        fitting: dict[str, Any] = {"seed": seed, "threads": 1, "models": MODELS}
        found = cross_fit_all(data, fold, **fitting)
        for name, predictions in found.items():
            scores = aipw_scores(data.outcomes, predictions, data.design)
            mean = MeanScore.of(scores, data.design)
            lines = [mean.combination(line.weights) for line in LINES]
            parts.append(_long(range(number, number + 1), f"aipw_{name}", _one(lines), truth))
        total = aipw_scores(data.outcomes, found[STACKED], data.design).sum(axis=1)
        in_order = cross_fit_all(data, fold, **fitting, sequential=True)[STACKED].effect
        given: dict[str, Any] = {"cost": cost, "max_share": max_share, "seed": seed, "known": known}
        _, values = compare_rules(in_order, features, total, fold, data.design, **given)
        judged.append({"replicate": number, **_judged_verdict(values)})
    return pd.concat(parts, ignore_index=True), pd.DataFrame(judged)


def _one(lines: Sequence[Estimate]) -> Estimates:
    """Return one experiment's lines as arrays."""
    value, se, df = (
        np.array(numbers)[None, :] for numbers in zip(*map(astuple, lines), strict=True)
    )
    return Estimates(value, se, df, np.full((1, 3, 3), np.nan))


def _judged_verdict(values: pd.DataFrame) -> dict[str, object]:
    said = verdict(values)
    compared = values[values["rule"] != NONE]
    names = ("verdict", "rule", "value", "lower_bound", "known_value", "oracle_value")
    return {
        **{name: said[name] for name in names},
        "bounds_hold": bool((compared["lower_bound"] <= compared["known_value"] + 1e-9).all()),
    }
