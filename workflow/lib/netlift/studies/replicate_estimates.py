"""Estimates of each replicate of a validation case: ledgers, tests, models and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING, Booleans, Floats, Integers, numbered
from netlift.core.streams import generator
from netlift.core.units import PER_ROW, PER_SLATE, RATIO
from netlift.effects.accounts import slate_outcomes
from netlift.effects.claims import Claims
from netlift.effects.codes import DIFFERENCE, INDIRECT, LINES, Line
from netlift.effects.covariates import Covariates
from netlift.effects.estimators import ESTIMATORS, LIN, OLS_ERROR, main_estimator
from netlift.effects.item_rows import ItemRows
from netlift.effects.observed import MEMBERS, OBSERVED_EFFECTS
from netlift.effects.randomization_tests import HYPOTHESES, DrawnTests, hypothesis_rows
from netlift.inference.arms import ArmDifference
from netlift.inference.estimate import Estimate, Estimates
from netlift.inference.row_means import row_difference
from netlift.models.aipw import AIPW, MeanScore, aipw_scores
from netlift.models.features import slate_features
from netlift.models.folds import user_folds
from netlift.models.outcome_models import STACKED, ModelData, cross_fit_all
from netlift.models.policies import NONE, compare_rules, verdict
from netlift.promotion.design import Design
from netlift.promotion.exposure import assign_promotion
from netlift.promotion.record import Promotion
from netlift.studies.draws import Draws
from netlift.studies.replicates import Replicates
from netlift.worlds.simulation import Simulation
from netlift.worlds.world import Similarity

PLAIN = Draws()


FOR_USERS = "_for_users_like_these"
"""Suffix of an estimator's code where its errors are clustered by user."""


_USERS, _USER_DRAWS = 1 << 41, 1000
"""Number of the stream of users behind the known effect where they are redrawn, and draws."""


SHARE = "taken_from_competitors"
SHARE_LABEL = "taken from others, share of the focal gain"
"""Code (column ``line``) and label of the ratio whose Fieller sets are judged."""


FIELLER = "fieller"


SHARES, ROWS = "Ratio", "Item rows"
"""Families of effects in addition to those of the ledger."""


BY_SLATE, BY_USER = "rows_clustered_by_slate", "rows_clustered_by_user"


MODELS = ("linear", "row_logistic")
"""Outcome models of the replicates: those that take a fraction of a second."""


WEIGHTS = [line.weights for line in LINES]


ROW_LINES = [replace(line, family=ROWS) for line, _ in OBSERVED_EFFECTS]


@dataclass(frozen=True)
class Case:
    """One set of slates in one world, with its replicates and their known effects.

    Attributes
    ----------
    replicates
        The draws.
    items, accounts
        Tables of one experiment on these slates, which each replicate replaces.
    """

    replicates: Replicates
    items: pd.DataFrame
    accounts: pd.DataFrame

    @classmethod
    def from_slates(
        cls,
        slates: pd.DataFrame,
        entry: Mapping[str, Any],
        similarity: Similarity | None = None,
        *,
        promotion: Promotion,
        seed: int,
        draws: Draws = PLAIN,
    ) -> Case:
        """Simulate the experiment that the replicates repeat.

        Parameters
        ----------
        slates
            Slate table, sorted by slate and position; all slates of one size.
        entry
            Config entry of the world.
        similarity
            Similarity of items, for models that use it.
        promotion
            How focal items and promotions are drawn.
        seed
            Study seed.
        draws
            What else differs from a plain case.
        """
        exposure = assign_promotion(draws.slates(slates), promotion, seed=seed)
        exposure = draws.design(exposure, seed)
        if promotion.unit == "user":
            # The array form of the estimators needs consecutive slates of a unit.
            exposure = exposure.sort_values("user_id", kind="stable", ignore_index=True)
        simulation = Simulation.from_exposure(exposure, entry, similarity, seed=seed)
        accounts = slate_outcomes(simulation.items)
        replicates = Replicates.from_slates(
            simulation.slates,
            simulation.world,
            Design.from_table(accounts),
            assignment=promotion.assignment,
            seed=seed,
        )
        if draws.redraw_users:
            user = numbered(accounts["user_id"].to_numpy())
            replicates = replace(replicates, user=user)
        replicates = replace(replicates, value_sigma=draws.value_sigma)
        return cls(replicates, simulation.items, accounts)

    @cached_property
    def known(self) -> Floats:
        """Known effects of the three components, mean over slates, shape (3,).

        Where users are redrawn, the mean over many draws of them.
        """
        if self.replicates.user is None:
            return self._known(self.replicates)
        rng = generator(self.replicates.seed, "replicates", _USERS)
        draws = [self._known(self.replicates.with_users_of(rng)) for _ in range(_USER_DRAWS)]
        return np.asarray(np.mean(draws, axis=0))

    def _known(self, replicates: Replicates) -> Floats:
        change = replicates.p_promoted - replicates.p_control
        slates = replicates.slates
        same = slates.is_same_cluster.T
        focal = (change * slates.is_focal.T).sum(axis=0).mean()
        competitors = (change * same).sum(axis=0).mean()
        total = change.sum(axis=0).mean()
        return np.array([focal, competitors, total - focal - competitors])

    @cached_property
    def rows(self) -> Floats:
        """Item rows of each component, shape (3, N)."""
        same = self.replicates.slates.is_same_cluster.sum(axis=1)
        focal = self.replicates.slates.is_focal.sum(axis=1)
        size = len(self.replicates.p_control)
        return np.array([focal, same, size - focal - same], dtype=np.float64)

    @cached_property
    def known_by_row(self) -> Floats:
        """Known effects per item row of the groups of rows, shape (4,); NaN without rows."""
        totals = self.known * len(self.replicates.slates)
        with np.errstate(invalid="ignore"):
            return np.asarray((MEMBERS @ totals) / (MEMBERS @ self.rows.sum(axis=1)))

    @cached_property
    def clusters(self) -> dict[str, Integers]:
        """Numbers of the clusters for errors of item rows, shape (N,) each.

        The randomized unit, and the user where users have several slates.
        """
        user = numbered(self.accounts["user_id"].to_numpy())
        clusters = {BY_USER: user} if len(np.unique(user)) < len(user) else {}
        if self.replicates.design.by_slate:
            clusters = {BY_SLATE: np.arange(len(user)), **clusters}
        return clusters

    @property
    def probability(self) -> Floats:
        """Probability of promotion of each slate, shape (N,)."""
        return self.replicates.design.known_probability()

    @property
    def bound_se(self) -> float | None:
        """Smallest standard error of estimates of the total over these slates (see ``aipw``).

        Excludes the variation of effects between slates, since the slates are fixed. None where
        users were randomized or redrawn, or clicks have values.
        """
        plain = self.replicates.user is None and self.replicates.value_sigma == 0
        if not plain or not self.replicates.design.by_slate:
            return None
        e, accounts = self.probability, self.accounts
        variance = accounts["slate_variance_promoted"] / e
        variance += accounts["slate_variance_control"] / (1 - e)
        return float(np.sqrt(variance.mean() / len(accounts)))


def replicate_ledgers(case: Case, replicates: range, declared: str = LIN) -> pd.DataFrame:
    """Estimate the ledger and the effects on item rows of every replicate.

    Returns
    -------
    One row per replicate, estimator and line: estimate, error and degrees of freedom, clicks per
    slate (in the family ``Item rows`` clicks per item row), ``t``, the estimate minus the known
    effect over the error, and ``claimed``, whether the interval is claimed to cover 95%. For the
    ratio of what is taken from others to the focal gain, by the main estimator, ``t`` is Fieller's:
    its set contains the known value where |t| is below the quantile.
    """
    parts = []
    covariates, truth = Covariates(case.accounts), np.r_[case.known, case.known.sum()]
    main = _main(case, declared, covariates)
    for numbers, promoted, outcomes in case.replicates.blocks(replicates):
        design = replace(case.replicates.design, promoted=promoted)
        values = np.swapaxes(outcomes, -1, -2)
        weighted = design.weights is not None
        claims = Claims.from_outcomes(values, design, WEIGHTS)
        for name, estimator in ESTIMATORS.items():
            arms = estimator.compare(values, design, covariates)
            # Plain means do not take differing probabilities into account; new users need errors
            # by user.
            claimed = claims.kept & (name not in {DIFFERENCE, OLS_ERROR} or not weighted)
            claimed &= case.replicates.user is None
            parts.append(_long(numbers, name, arms.combinations(WEIGHTS), truth, claimed=claimed))
            if name == main:
                ratio = _ratio(numbers, arms, case.known)
                if case.replicates.user is not None:
                    parts.append(_by_users(case, numbers, values, design, arms, main))
        if case.replicates.user is None and len(ratio):
            parts.append(ratio.assign(claimed=claims.kept[:, 0]))
        if case.replicates.user is not None or case.replicates.value_sigma > 0:
            continue
        weight = np.ones(promoted.shape) if design.weights is None else design.weights
        for name, cluster in case.clusters.items():
            effects = _row_effects(
                promoted, outcomes * weight[:, None], case.rows * weight[:, None], cluster
            )
            by = None if name == BY_SLATE or not design.by_slate else cluster
            kept = Claims.from_outcomes(values, design, MEMBERS.tolist(), by).kept
            of_rows = _long(numbers, name, effects, case.known_by_row, ROW_LINES, PER_ROW)
            parts.append(of_rows.assign(claimed=kept.ravel()))
    return pd.concat(parts, ignore_index=True)


def _main(case: Case, declared: str, covariates: Covariates) -> str:
    """Return the main estimator of a case; of redrawn users the covariates are not known."""
    known = declared if case.replicates.user is None else DIFFERENCE
    return main_estimator(known, case.replicates.design, covariates)[0]


def _by_users(
    case: Case,
    numbers: range,
    values: Floats,
    design: Design,
    arms: ArmDifference,
    name: str,
) -> pd.DataFrame:
    """Return the lines of one estimator with errors clustered by user, replicate by replicate."""
    by_user, user = ESTIMATORS[name].by_user, case.replicates.user
    assert by_user is not None
    assert user is not None
    covariances, df = [], []
    for index in range(len(numbers)):
        one = replace(design, promoted=design.promoted[index])
        errors = by_user(values[index], one, None, user)
        covariances.append(errors.covariance)
        df.append(errors.df)
    weights = np.asarray(WEIGHTS, dtype=np.float64)
    variance = np.einsum("li,bij,lj->bl", weights, np.array(covariances), weights)
    estimates = Estimates(
        arms.combinations(WEIGHTS).value,
        np.sqrt(variance),
        np.broadcast_to(np.array(df)[:, None], variance.shape),
    )
    claimed = Claims.from_outcomes(values, design, WEIGHTS, user).kept
    truth = np.r_[case.known, case.known.sum()]
    return _long(numbers, f"{name}{FOR_USERS}", estimates, truth, claimed=claimed)


def _row_effects(
    promoted: Booleans, outcomes: Floats, rows: Floats, cluster: Integers
) -> Estimates:
    """Estimate the effects per item row of each group of rows, shape (b, 4).

    ``outcomes`` and ``rows`` are times the slates' weights.
    """
    groups = [
        row_difference(promoted, members @ outcomes, members @ rows, cluster) for members in MEMBERS
    ]
    return Estimates(
        np.column_stack([group.value for group in groups]),
        np.column_stack([group.se for group in groups]),
        np.column_stack([group.df for group in groups]),
    )


def _long(
    numbers: range,
    estimator: str,
    estimates: Estimates,
    truth: Floats,
    lines: Sequence[Line] = LINES,
    unit_code: str = PER_SLATE,
    claimed: Booleans | None = None,
) -> pd.DataFrame:
    n = len(numbers)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (estimates.value - truth) / estimates.se
    return pd.DataFrame(
        {
            "replicate": np.repeat(numbers, len(lines)),
            "line": np.tile([line.code for line in lines], n),
            "effect_family": np.tile([line.family for line in lines], n),
            "component": np.tile([line.component for line in lines], n),
            "estimator": estimator,
            "unit_code": unit_code,
            "estimate": estimates.value.ravel(),
            "se": estimates.se.ravel(),
            "df": estimates.df.ravel(),
            "t": np.where(np.abs(estimates.value - truth) <= ROUNDING, 0.0, t).ravel(),
            "known_effect": np.tile(truth, n),
            "claimed": True if claimed is None else claimed.ravel(),
        }
    )


def _ratio(numbers: range, arms: ArmDifference, known: Floats) -> pd.DataFrame:
    """Return the ratio of what others lose to the focal gain, with Fieller's t."""
    direct, *others = arms.difference.T
    lost = -np.sum(others, axis=0)
    if abs(known[0]) <= ROUNDING:
        return pd.DataFrame()
    true = -float(np.array(INDIRECT) @ known) / known[0]
    weights = np.array([-true, -1.0, -1.0])
    variance = np.einsum("i,bij,j->b", weights, arms.covariance, weights)
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
            "df": arms.combinations(WEIGHTS).df.min(axis=1),
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
    whether the click probabilities satisfy the hypothesis.
    """
    base = ItemRows.from_items(case.items)
    members = hypothesis_rows(base, near_positions)
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
        tests = DrawnTests.from_rows(
            drawn, members, permutations, case.replicates.seed, studentized=True
        )
        for k, hypothesis in enumerate(HYPOTHESES):
            if members[k].any():
                p_values = tests.closed.p_values[k], tests.closed.adjusted[k]
                rows.append((number, hypothesis.code, *p_values, null[k]))
    names = ["replicate", "hypothesis", "p_value", "p_value_adjusted", "known_null"]
    return pd.DataFrame(rows, columns=names)


def replicate_models(
    case: Case, replicates: range, *, folds: int, cost: float, max_share: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the fast outcome models on replicates, estimate by AIPW and compare policies.

    Returns
    -------
    Rows of the ledger by AIPW, as from ``replicate_ledgers``; and one row per replicate with
    the verdict: the recommendation, its value and interval, corrected for the choice, and its naive
    and known values; the oracle's value, the largest known value of a rule, and whether all
    simultaneous lower bounds are below their rules' known values.
    """
    base = ModelData.from_items(case.items)
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
        predicted = cross_fit_all(data, fold, **fitting)
        for name, predictions in predicted.items():
            scores = aipw_scores(data.outcomes, predictions, data.design)
            mean = MeanScore.from_scores(scores, data.design)
            lines = [mean.combination(weights) for weights in WEIGHTS]
            parts.append(_long(range(number, number + 1), f"{AIPW}{name}", _arrays(lines), truth))
        total = aipw_scores(data.outcomes, predicted[STACKED], data.design).sum(axis=1)
        in_order = cross_fit_all(data, fold, **fitting, sequential=True)[STACKED].effect
        # As in experiments with other seeds, rules are chosen on other units in each replicate.
        rules: dict[str, Any] = {"cost": cost, "max_share": max_share, "known": known}
        rules["seed"] = seed + number
        _, values = compare_rules(in_order, features, total, fold, data.design, **rules)
        judged.append({"replicate": number, **_verdict_and_bounds(values)})
    return pd.concat(parts, ignore_index=True), pd.DataFrame(judged)


def _arrays(lines: Sequence[Estimate]) -> Estimates:
    """Return one experiment's lines as arrays."""
    return Estimates(*np.array([astuple(line) for line in lines]).T[:, None, :])


def _verdict_and_bounds(values: pd.DataFrame) -> dict[str, object]:
    recommended = verdict(values)
    compared = values[values["rule"] != NONE]
    names = ("verdict", "rule", "value", "lower_bound", "upper_bound", "naive_value")
    return {
        **{name: recommended[name] for name in (*names, "known_value", "oracle_value")},
        "best_known_value": float(compared["known_value"].max()),
        "bounds_hold": bool((compared["lower_bound"] <= compared["known_value"] + 1e-9).all()),
    }
