"""Who gains: do slates with a large predicted effect have a large effect?

Slates are only ever compared with slates of their own fold, since models of different folds have
different means, and a fold is used to evaluate models of earlier folds only: models that learn
on all other folds fit the noise of slates on which others are evaluated, and where effects are
equal one experiment in ten would show that they differ instead of one in twenty.

Sources: Chernozhukov, Demirer, Duflo and Fernandez-Val (2018) for group effects and the best linear
predictor; Yadlowsky, Fleming, Shah, Brunskill and Wager (2025, "Evaluating treatment prioritization
rules via rank-weighted average treatment effects") for TOC, AUTOC, Qini and the half-sample
bootstrap; Wager (2024, "Sequential validation of treatment heterogeneity") for learning in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING, Floats, Integers
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.streams import generator
from netlift.core.units import PER_SLATE, RATIO
from netlift.inference.cluster_robust import ClusteredFit
from netlift.inference.estimate import Estimate, numbers, quantile_t
from netlift.promotion.design import Design

N_GROUPS = 5


GROUP, SPREAD, SLOPE, AUTOC, QINI, CORRELATION, DETECTABLE = (
    "group_effect",
    "group_spread",
    "calibration_slope",
    "autoc",
    "qini",
    "correlation_with_known_effect",
    "detectable_sd",
)
MEASURES = {
    GROUP: "group effect",
    SPREAD: "highest less lowest group",
    SLOPE: "calibration slope",
    AUTOC: "AUTOC",
    QINI: "Qini",
    CORRELATION: "correlation with known effect",
    DETECTABLE: "standard deviation of effects that can be found",
}
"""Labels of the measures."""


ANY = "any"


TOC_SHARES = np.arange(1, 21) / 20


HALF_SAMPLES = 400


POWER = 0.8


_SIGNIFICANT = 0.05


def fold_ranks(predicted: Floats, fold: Integers) -> Floats:
    """Rank slates among those of their fold by predicted effect.

    Returns
    -------
    Above 0 and below 1, larger for larger predictions; slates with equal predictions share the
    mean of their ranks. Shape (N,).
    """
    from scipy.stats import rankdata

    ranks = np.empty(len(predicted))
    for number in np.unique(fold):
        in_fold = fold == number
        ranks[in_fold] = (rankdata(predicted[in_fold]) - 0.5) / in_fold.sum()
    return ranks


def rate_weights(n: int) -> tuple[Floats, Floats]:
    """Return the weight of each slate in AUTOC and in Qini, from the first rank to the last.

    Both are sums of weight x score. With TOC(j) the mean score of the first j slates less that of
    all: AUTOC is the mean of TOC(j), Qini the mean of (j / n) TOC(j). Shape (n,) each.
    """
    rank = np.arange(1, n + 1)
    autoc = (np.cumsum(1 / rank[::-1])[::-1] - 1) / n
    qini = (n - rank + 1) / n**2 - (n + 1) / (2 * n**2)
    return autoc, qini


@dataclass(frozen=True)
class Ranking:
    """Slates in the order in which a prediction would promote them.

    Attributes
    ----------
    order
        Slates, the first to be promoted first, shape (N,).
    tie
        Number of the group of equal ranks, in this order, shape (N,).
    """

    order: Integers
    tie: Integers

    @classmethod
    def from_ranks(cls, ranks: Floats) -> Ranking:
        """Order slates by their ranks, the highest first."""
        order = np.argsort(-ranks, kind="stable")
        tie = np.cumsum(np.r_[0, np.abs(np.diff(ranks[order])) > ROUNDING])
        return cls(order, tie)

    def rates(self, scores: Floats) -> Floats:
        """Return AUTOC and Qini of scores, shape (N,); those of ties are averaged. Shape (2,)."""
        return _rates(scores[self.order], self.tie)

    def toc(self, scores: Floats, shares: Floats) -> Floats:
        """Return the mean score of each top share of slates, less that of all; shape (S,)."""
        averaged = _averaged(scores[self.order], self.tie)
        top = np.cumsum(averaged)
        counts = np.maximum(np.round(shares * len(averaged)).astype(np.int64), 1)
        return np.asarray(top[counts - 1] / counts - averaged.mean())

    def half_samples(
        self, scores: Floats, unit: Integers, shares: Floats, *, seed: int
    ) -> tuple[Floats, Floats]:
        """Return the standard errors of AUTOC and Qini, shape (2,), and of the TOC, shape (S,).

        Their standard deviations over random halves of the randomized units.
        """
        n_units = int(unit.max()) + 1
        scores, unit = scores[self.order], unit[self.order]
        rng = generator(seed, "half_samples")
        rates, tocs = [], []
        for _ in range(HALF_SAMPLES):
            taken = np.zeros(n_units, dtype=bool)
            taken[rng.permutation(n_units)[: n_units // 2]] = True
            in_half = taken[unit]
            half, tie = scores[in_half], self.tie[in_half]
            rates.append(_rates(half, tie))
            tocs.append(Ranking(np.arange(len(half)), tie).toc(half, shares))
        return np.std(rates, axis=0, ddof=1), np.std(tocs, axis=0, ddof=1)


def _averaged(ordered: Floats, tie: Integers) -> Floats:
    """Return for each slate the mean score of the slates that share its rank."""
    tie = tie - tie[0]
    counts = np.bincount(tie)
    known = counts > 0
    means = np.zeros(len(counts))
    means[known] = np.bincount(tie, ordered)[known] / counts[known]
    return means[tie]


def _rates(ordered: Floats, tie: Integers) -> Floats:
    averaged = _averaged(ordered, tie)
    return np.array([weights @ averaged for weights in rate_weights(len(averaged))])


@dataclass(frozen=True)
class ScoredSlates:
    """The data on which predictions of effects are evaluated.

    Attributes
    ----------
    scores
        AIPW scores of the total effect, cross-fitted, shape (N,).
    fold
        Fold of each slate, shape (N,).
    unit
        Number of the randomized unit of each slate, shape (N,).
    seed
        Study seed.
    known
        Known total effects, shape (N,); None without a truth.
    """

    scores: Floats
    fold: Integers
    unit: Integers
    seed: int
    known: Floats | None = None

    @classmethod
    def of_later_folds(
        cls, scores: Floats, fold: Integers, design: Design, seed: int, known: Floats | None
    ) -> ScoredSlates:
        """Take the slates of all folds but the first: those with predictions learned in order."""
        later = fold > 0
        unit = design.subset(later).unit
        return cls(scores[later], fold[later], unit, seed, None if known is None else known[later])


def who_gains(
    scored: ScoredSlates, predicted: Mapping[str, Floats]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluate predictions of effects, in clicks per slate.

    Parameters
    ----------
    scored
        Of N slates.
    predicted
        Effects by predictor, each slate's learned on earlier folds, shape (N,) each.

    Returns
    -------
    Heterogeneity, and targeting operator characteristic (TOC).

    Heterogeneity: one row per predictor and measure, with ``estimate``, error, 95% interval,
    ``p_value`` (two sided, for no difference between slates), and with a truth the ``known`` value.

    - First, for no predictor: how far effects must spread for this many slates to show it.
    - Group effect: mean score of each fifth of slates by predicted effect, ``group`` 1 the lowest,
      and the mean prediction; and highest less lowest.
    - Calibration slope: of scores on predictions (best linear predictor), 1 if predictions are
      right on average, 0 if they are uninformative.
    - AUTOC and Qini: how much more the first slates gain than all; AUTOC weighs the very first
      more.

    TOC: one row per predictor and twentieth of slates: the ``share`` promoted first, ``toc``, how
    much more it gains per slate than all, with error and pointwise 95% interval, and with a truth
    ``known_toc``, and ``best_toc``, that of the order of the known effects.
    """
    table, curves = [detectable_spread(scored)], []
    for name, effects in predicted.items():
        common = {"predictor": name, "unit_code": PER_SLATE}
        if np.ptp(_within(effects, scored.fold)) <= ROUNDING:
            why = "the same effect is predicted for all slates of a fold"
            table += [
                {**common, "measure": measure, **numbers(None), "note": why}
                for measure in (SPREAD, SLOPE, AUTOC, QINI)
            ]
            continue
        rates, curve = _rank_weighted(scored, effects)
        rows = (
            *_group_effects(scored, effects),
            _calibration_slope(scored, effects),
            *rates,
            *_correlation(scored, effects),
        )
        table += [common | row for row in rows]
        curves.append(curve.assign(**common))
    with_truth = scored.known is not None
    columns = ["predictor", "measure", "group", "slates", "predicted", *numbers(None)]
    columns += ["p_value", *(["known"] if with_truth else []), "unit_code", "note"]
    toc = ["predictor", "share", "toc", "se", "ci_95_lower", "ci_95_upper"]
    toc += [*(["known_toc", "best_toc"] if with_truth else []), "unit_code"]
    toc_rows = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()
    measured = CLICKS.in_units(pd.DataFrame(table).reindex(columns=columns))
    return with_labels(measured, measure=MEASURES), CLICKS.in_units(toc_rows.reindex(columns=toc))


def detectable_spread(scored: ScoredSlates) -> dict[str, object]:
    """Return the smallest standard deviation of effects that an experiment of this size can show.

    A perfect prediction's calibration slope is 1 with an error of se(total) / sd(effects), so a 5%
    test detects it four times in five where sd(effects) is 2.8 errors of the total.
    """
    fit = ClusteredFit.fit(scored.scores[:, None], np.ones((len(scored.scores), 1)), scored.unit)
    error = float(np.sqrt(fit.covariance(np.ones(1))[0, 0]))
    factor = quantile_t(1 - _SIGNIFICANT / 2, np.inf) + quantile_t(POWER, np.inf)
    row: dict[str, object] = {
        "predictor": ANY,
        "measure": DETECTABLE,
        "slates": len(scored.scores),
        **numbers(None),
        "estimate": factor * error,
        "unit_code": PER_SLATE,
    }
    if scored.known is not None:
        row["known"] = float(scored.known.std())
    return row


def detectability(heterogeneity: pd.DataFrame) -> str:
    """Return a sentence on whether this many slates could have shown that effects differ."""
    from scipy.special import ndtr

    row = heterogeneity[heterogeneity["measure"] == DETECTABLE].iloc[0]
    least = float(row["estimate"])
    message = (
        f"{int(row['slates']):,} slates show that effects differ between slates, in {POWER:.0%} of "
        f"such experiments and with a perfect prediction, if their standard deviation is at least "
        f"{least:.3f} {row['unit']}."
    )
    if not least > ROUNDING:
        return "The totals of slates do not vary, so whether effects differ cannot be seen."
    if pd.isna(row.get("known")):
        return message
    known = float(row["known"])
    factor = quantile_t(1 - _SIGNIFICANT / 2, np.inf) + quantile_t(POWER, np.inf)
    power = float(ndtr(known * factor / least - quantile_t(1 - _SIGNIFICANT / 2, np.inf)))
    verdict = (
        f"could be shown (power {power:.0%})"
        if power >= POWER
        else f"could hardly be shown (power {power:.0%} at the best)"
    )
    return f"{message} The known one is {known:.3f}: it {verdict}."


def _group_effects(scored: ScoredSlates, effects: Floats) -> list[dict[str, object]]:
    group = np.minimum((N_GROUPS * fold_ranks(effects, scored.fold)).astype(np.int64), N_GROUPS - 1)
    numbers_of, group_of_slate = np.unique(group, return_inverse=True)
    members = np.eye(len(numbers_of))[group_of_slate]
    fit = ClusteredFit.fit(scored.scores[:, None], members, scored.unit)
    rows = []
    for column, number in enumerate(numbers_of):
        in_group = group_of_slate == column
        row: dict[str, object] = {
            "measure": GROUP,
            "group": int(number) + 1,
            "slates": int(in_group.sum()),
            "predicted": float(effects[in_group].mean()),
            **numbers(_estimate(fit, np.eye(len(numbers_of))[column])),
        }
        if scored.known is not None:
            row["known"] = float(scored.known[in_group].mean())
        rows.append(row)
    ends = np.zeros(len(numbers_of))
    ends[0], ends[-1] = -1, 1
    spread: dict[str, object] = {"measure": SPREAD, **_tested(_estimate(fit, ends))}
    if scored.known is not None:
        spread["known"] = float(rows[-1]["known"] - rows[0]["known"])  # type: ignore[operator]
    return [*rows, spread]


def _calibration_slope(scored: ScoredSlates, effects: Floats) -> dict[str, object]:
    """Regress scores on predictions, both relative to the mean of their fold."""
    within, scores = (_within(values, scored.fold) for values in (effects, scored.scores))
    fit = ClusteredFit.fit(scores[:, None], within[:, None], scored.unit)
    row: dict[str, object] = {"measure": SLOPE, **_tested(_estimate(fit, np.ones(1)))}
    if scored.known is not None:
        row["known"] = float(within @ scored.known / (within @ within))
    return row | {"unit_code": RATIO}


def _within(values: Floats, fold: Integers) -> Floats:
    means = np.bincount(fold, values) / np.maximum(np.bincount(fold), 1)
    return np.asarray(values - means[fold])


def _rank_weighted(
    scored: ScoredSlates, effects: Floats
) -> tuple[list[dict[str, object]], pd.DataFrame]:
    """Return AUTOC and Qini, and the TOC at each twentieth of slates."""
    ranking = Ranking.from_ranks(fold_ranks(effects, scored.fold))
    scores, known = scored.scores, scored.known
    rate_errors, toc_errors = ranking.half_samples(
        scores, scored.unit, TOC_SHARES, seed=scored.seed
    )
    rows = []
    values, known_rates = ranking.rates(scores), None if known is None else ranking.rates(known)
    for index, measure in enumerate((AUTOC, QINI)):
        estimate = Estimate(float(values[index]), float(rate_errors[index]), np.inf)
        row: dict[str, object] = {"measure": measure, **_tested(estimate)}
        if known_rates is not None:
            row["known"] = float(known_rates[index])
        rows.append(row)
    toc, half = ranking.toc(scores, TOC_SHARES), quantile_t(0.975, np.inf) * toc_errors
    curve = {"share": TOC_SHARES, "toc": toc, "se": toc_errors}
    curve |= {"ci_95_lower": toc - half, "ci_95_upper": toc + half}
    if known is not None:
        curve["known_toc"] = ranking.toc(known, TOC_SHARES)
        curve["best_toc"] = Ranking.from_ranks(known).toc(known, TOC_SHARES)
    return rows, pd.DataFrame(curve)


def _correlation(scored: ScoredSlates, effects: Floats) -> list[dict[str, object]]:
    known = scored.known
    if known is None or known.std() <= ROUNDING:
        return []
    value = float(np.corrcoef(effects, known)[0, 1])
    return [{"measure": CORRELATION, "known": value, "unit_code": RATIO}]


def _estimate(fit: ClusteredFit, weights: Floats) -> Estimate:
    variance = max(float(fit.covariance(weights)[0, 0]), 0.0)
    return Estimate(
        float(weights @ fit.coefficients[:, 0]), float(np.sqrt(variance)), fit.df(weights)
    )


def _tested(estimate: Estimate) -> dict[str, object]:
    from scipy.special import ndtr, stdtr

    row: dict[str, object] = dict(numbers(estimate))
    if estimate.se > 0 and estimate.df > 0:
        z = -abs(estimate.value) / estimate.se
        row["p_value"] = float(2 * (ndtr(z) if np.isinf(estimate.df) else stdtr(estimate.df, z)))
    return row
