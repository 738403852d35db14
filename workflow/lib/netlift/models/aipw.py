"""Augmented inverse probability weighting with the known assignment probability, and its bound.

With m1 and m0 the expected clicks of a slate in either arm as a model predicts them out of fold,
and e the known probability of promotion, the score of a slate is

    G = m1 - m0 + D (Y - m1) / e - (1 - D) (Y - m0) / (1 - e)

(Robins, Rotnitzky and Zhao 1994). Its mean is unbiased for the effect whatever the model says; a
better model makes it vary less. The scores of the components add up to that of the total.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from netlift.core.arrays import ROUNDING, Floats, Integers
from netlift.core.errors import NetliftError
from netlift.core.outcome import CLICKS
from netlift.core.units import PER_SLATE
from netlift.effects.codes import DIFFERENCE, LINES, MAIN_OUTCOME, TOTAL, TOTAL_LINE, Line
from netlift.effects.estimators import LIN
from netlift.effects.slate_accounts import SlateAccounts
from netlift.effects.users import BY_USER, CROSSED, users_columns
from netlift.inference.arms import ArmMean
from netlift.inference.estimate import MIN_PER_ARM, Estimate, numbers
from netlift.models.outcome_models import Predictions
from netlift.promotion.design import Design

AIPW = "aipw_"
"""Prefix of an AIPW estimator's code; the name of the model follows."""


PLAIN = (DIFFERENCE, LIN)
"""Estimators without a model, listed next to AIPW."""


def aipw_scores(outcomes: Floats, predictions: Predictions, design: Design) -> Floats:
    """Return the score of each slate and component, shape (N, m).

    Parameters
    ----------
    outcomes
        Observed clicks by component, shape (N, m).
    predictions
        Out of fold, of the same components.
    design
        The assignment.

    Raises
    ------
    NetliftError
        The probabilities of promotion are not known.
    """
    e, promoted = design.known_probability()[:, None], design.promoted[:, None]
    return np.asarray(
        predictions.promoted
        - predictions.control
        + promoted * (outcomes - predictions.promoted) / e
        - ~promoted * (outcomes - predictions.control) / (1 - e)
    )


@dataclass(frozen=True)
class MeanScore:
    """Means of scores with their joint covariance, clustered by randomized unit or user.

    Attributes
    ----------
    value
        Shape (m,).
    covariance
        Shape (m, m).
    df
        Satterthwaite's degrees of freedom: clusters less one, fewer where they are unequal.
    """

    value: Floats
    covariance: Floats
    df: float

    @classmethod
    def from_scores(cls, scores: Floats, design: Design) -> MeanScore:
        """Average scores of slates, shape (N, m), with the jackknife's error over units.

        Raises
        ------
        NetliftError
            There are fewer than two randomized units.
        """
        return cls.by_cluster(scores, design.unit, "randomized units")

    @classmethod
    def by_cluster(cls, scores: Floats, cluster: Integers, name: str = "users") -> MeanScore:
        """Average scores of slates, shape (N, m), with the jackknife's error over clusters, (N,).

        Raises
        ------
        NetliftError
            There are fewer than two clusters.
        """
        n_clusters = int(cluster.max(initial=-1)) + 1
        if n_clusters < MIN_PER_ARM:
            raise NetliftError(f"{n_clusters} {name} are too few for an error")
        mean = ArmMean.from_outcomes(scores, np.ones(len(scores), dtype=bool), unit=cluster)
        return cls(mean.value, mean.covariance, float(mean.df))

    @property
    def errors(self) -> Floats:
        """Standard errors, shape (m,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def each(self, k: int) -> Estimate:
        """Return the k-th mean."""
        return Estimate(float(self.value[k]), float(self.errors[k]), self.df)

    def combination(self, weights: Sequence[float]) -> Estimate:
        """Return a weighted sum of the means."""
        w = np.asarray(weights, dtype=np.float64)
        variance = max(float(w @ self.covariance @ w), 0.0)
        return Estimate(float(w @ self.value), float(np.sqrt(variance)), self.df)


def mean_by_user(scores: Floats, user: Integers, kind: str) -> MeanScore | None:
    """Return the mean with its error for users like these, if it is not the one by unit."""
    return MeanScore.by_cluster(scores, user) if kind == BY_USER else None


def median_repetition(repetitions: Sequence[MeanScore]) -> int:
    """Return the repetition of cross-fitting whose total is the median of all.

    Medians of the components would not add up to the median of the total; the components of one
    repetition do. For an even number it is the lower of the two middle ones.
    """
    totals = [mean.combination(TOTAL).value for mean in repetitions]
    return int(np.argsort(totals, kind="stable")[(len(totals) - 1) // 2])


def efficiency_bound(accounts: pd.DataFrame, design: Design) -> float | None:
    """Return the smallest standard error of the total effect that any regular estimator can have.

    The root of E[s1^2 / e + s0^2 / (1 - e) + (tau - mean tau)^2] / N, with s_a^2 the known variance
    of a slate's clicks in arm a and tau its known effect (Hahn 1998, with the probability known).
    For slates that were randomized individually; None if truth or probability is not known.
    """
    if "known_effect_total" not in accounts or design.probability is None or not design.by_slate:
        return None
    e = design.probability
    tau = accounts["known_effect_total"].to_numpy(dtype=np.float64)
    promoted, control = (
        accounts[f"slate_variance_{arm}"].to_numpy(dtype=np.float64)
        for arm in ("promoted", "control")
    )
    variance = promoted / e + control / (1 - e) + (tau - tau.mean()) ** 2
    return float(np.sqrt(variance.mean() / len(tau)))


def aipw_table(
    accounts: SlateAccounts, outcomes: Floats, repetitions: Sequence[Mapping[str, Predictions]]
) -> pd.DataFrame:
    """Estimate the ledger by AIPW with each model, next to the estimators without one.

    Parameters
    ----------
    accounts
        Those of one experiment.
    outcomes
        Observed clicks by component, shape (N, 3), in the same order.
    repetitions
        For each repetition of cross-fitting, out-of-fold predictions by model.

    Returns
    -------
    One row per estimator and line, observed clicks per slate: the estimate of the repetition whose
    total is the median, with its error and 95% interval, for these users and (``se_users`` to
    ``ci_95_upper_users``) for users like these; over the repetitions the spread of the estimate
    (``repetition_sd``). For the total of a simulated world ``bound_se``, the smallest possible
    error, ``efficiency`` (squared bound over squared error, in percent; by chance it may be above
    100) and ``se_over_bound``.

    Raises
    ------
    NetliftError
        The probabilities of promotion are not known.
    """
    bound, table = efficiency_bound(accounts.table, accounts.design), []
    for estimator in PLAIN:
        try:
            arms = accounts.difference(estimator=estimator)
        except NetliftError as error:
            missing = {**numbers(None), **users_columns(None, accounts.users[1])}
            missing["note"] = f"not estimated: {error}"
            table += [_row(estimator, line, missing) for line in LINES]
            continue
        for line in LINES:
            estimate = arms.combination(line.weights)
            measured = _measured(estimate, line, bound)
            measured |= accounts.users_columns(MAIN_OUTCOME, estimator, arms, line.weights)
            table.append(_row(estimator, line, measured))
    for model in repetitions[0]:
        scores = [aipw_scores(outcomes, each[model], accounts.design) for each in repetitions]
        table += _model_rows(f"{AIPW}{model}", scores, accounts, bound)
    frame = CLICKS.in_units(pd.DataFrame(table))
    return frame[[*[name for name in frame if name != "note"], "note"]]


def _model_rows(
    estimator: str,
    scores: Sequence[Floats],
    accounts: SlateAccounts,
    bound: float | None,
) -> Iterator[dict[str, object]]:
    """Yield a model's row of each line, from the scores of each repetition, shape (N, 3)."""
    means = [MeanScore.from_scores(each, accounts.design) for each in scores]
    user, kind = accounts.users
    chosen = median_repetition(means)
    middle, of_users = means[chosen], mean_by_user(scores[chosen], user, kind)
    users = middle if of_users is None else of_users
    for line in LINES:
        values = [repetition.combination(line.weights).value for repetition in means]
        measured = _measured(middle.combination(line.weights), line, bound)
        measured |= {
            "repetitions": len(means),
            "repetition_sd": float(np.std(values, ddof=1)) if len(means) > 1 else None,
        }
        whole = None if kind == CROSSED else users.combination(line.weights)
        yield _row(estimator, line, measured | users_columns(whole, kind))


def _row(estimator: str, line: Line, measured: Mapping[str, object]) -> dict[str, object]:
    return {
        **line.columns,
        "estimator": estimator,
        "unit_code": PER_SLATE,
        "note": None,
        **measured,
    }


def _measured(estimate: Estimate, line: Line, bound: float | None) -> dict[str, object]:
    row: dict[str, object] = dict(numbers(estimate))
    if bound is not None:
        total = line.weights == TOTAL and estimate.se > 0
        row |= {
            "bound_se": bound if total else None,
            "efficiency": 100 * (bound / estimate.se) ** 2 if total else None,
            "se_over_bound": estimate.se / bound if total and bound > 0 else None,
        }
    return row


def advice(table: pd.DataFrame) -> str:
    """Return a sentence on what more modelling could gain, by the best AIPW total.

    Parameters
    ----------
    table
        From ``aipw_table``.
    """
    totals = table[table["line"] == TOTAL_LINE.code]
    models = totals[totals["estimator"].str.startswith(AIPW) & (totals["se"] > ROUNDING)]
    plain = float(totals.loc[totals["estimator"] == PLAIN[0], "se"].iloc[0])
    if not plain > ROUNDING:
        return (
            "The totals of slates do not vary, so there is no interval that a model could narrow."
        )
    if models.empty:
        return "No model gives an estimate with an error."
    best = models.iloc[int(models["se"].astype(float).argmin())]
    name, error = best["estimator"].removeprefix(AIPW).replace("_", " "), float(best["se"])
    narrower = 100 * (1 - error / plain)
    message = (
        f"AIPW with the model {name} has the smallest error: its interval is {narrower:.1f}% "
        "narrower than that of the difference in means."
        if narrower > 0
        else "No model narrows the interval of the difference in means."
    )
    if "bound_se" not in models or pd.isna(best["bound_se"]):
        return f"{message} How much more modelling could gain is not known without a truth."
    left = 100 * (1 - float(best["bound_se"]) / error)
    return f"{message} More modelling cannot narrow it by more than {max(left, 0.0):.1f}%."
