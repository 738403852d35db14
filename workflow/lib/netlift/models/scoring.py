"""How well outcome models predict: held-out scores and calibration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from netlift.core.arrays import Floats, Integers, numbered
from netlift.inference.cluster_robust import clustered_mean
from netlift.inference.estimate import Estimate
from netlift.models.outcome_models import ModelData, Predictions

N_BINS = 10
"""Bins of predicted probability in the table of calibration."""


_CALIBRATION = (
    "model",
    "bin",
    "rows",
    "predicted",
    "click_rate",
    "se",
    "ci_95_lower",
    "ci_95_upper",
)


def model_scores(
    data: ModelData, predictions: dict[str, Predictions], accounts: pd.DataFrame
) -> pd.DataFrame:
    """Compare models by their out-of-fold predictions of the observed clicks.

    Parameters
    ----------
    data
        Of N slates.
    predictions
        By model.
    accounts
        One row per slate, in the same order.

    Returns
    -------
    One row per model. ``rmse`` and ``r2`` of slate totals; ``mse_minus_best``, the paired
    difference of squared errors from those of the best model, with its error clustered by user;
    for row models the ``log_loss`` per row, and intercept and slope of calibration (logistic
    regression of clicks on the predicted log odds: 0 and 1 if calibrated). With a truth
    ``floor_rmse``, the root of the mean variance of a slate's clicks, below which a model can
    be only by chance; ``excess_over_floor``, 100 (rmse / floor_rmse - 1) percent;
    ``rmse_of_expectation``, the error of the predicted from the known expectation, without the
    noise of clicks; ``excess_of_expectation``, by how much it alone would raise the floor: 100
    (sqrt(floor_rmse^2 + rmse_of_expectation^2) / floor_rmse - 1) percent; and the
    correlation of predicted with known slate effects.
    """
    total = data.outcomes.sum(axis=1)
    squared = {
        name: (total - prediction.observed_arm(data.design).sum(axis=1)) ** 2
        for name, prediction in predictions.items()
    }
    best = min(squared, key=lambda name: squared[name].mean())
    table = []
    _, shown = data.observed_rows()
    for name, prediction in predictions.items():
        probability = prediction.row_probability
        probability = probability[shown] if probability is not None and data.binary else None
        row: dict[str, object] = {
            "model": name,
            "level": "row" if prediction.row_probability is not None else "slate",
            "rmse": float(np.sqrt(squared[name].mean())),
            "r2": 1 - squared[name].mean() / total.var() if total.var() > 0 else None,
        }
        difference = _clustered_mean(squared[name] - squared[best], data.user)
        row |= {
            "mse_minus_best": difference.value,
            "mse_minus_best_se": difference.se,
            **_row_scores(data.click[shown], probability),
            **_compared_with_truth(data, prediction, accounts, float(squared[name].mean())),
        }
        table.append(row)
    return pd.DataFrame(table)


def calibration_table(data: ModelData, predictions: Mapping[str, Predictions]) -> pd.DataFrame:
    """Compare predicted click probabilities with observed clicks, by tenths of the prediction.

    Parameters
    ----------
    data
        Of R rows; an outcome other than 0 and 1 has no probabilities and no bins.
    predictions
        Out of fold, by model; models of slates are left out.

    Returns
    -------
    One row per row model and ``bin``: its rows, the mean ``predicted`` probability, the
    ``click_rate`` with its error clustered by user, and its 95% interval.
    """
    table = []
    _, shown = data.observed_rows()
    user, click = data.user[data.slate][shown], data.click[shown]
    for name, prediction in predictions.items():
        if prediction.row_probability is None or not data.binary:
            continue
        probability = prediction.row_probability[shown]
        cuts = np.unique(np.quantile(probability, np.arange(1, N_BINS) / N_BINS))
        bin_of_row = np.searchsorted(cuts, probability)
        for number in np.unique(bin_of_row):
            in_bin = bin_of_row == number
            rate = _clustered_mean(click[in_bin], user[in_bin])
            table.append(
                {
                    "model": name,
                    "bin": int(number) + 1,
                    "rows": int(in_bin.sum()),
                    "predicted": float(probability[in_bin].mean()),
                    "click_rate": rate.value,
                    "se": rate.se,
                    "ci_95_lower": rate.interval[0],
                    "ci_95_upper": rate.interval[1],
                }
            )
    return pd.DataFrame(table, columns=_CALIBRATION)


def _clustered_mean(values: Floats, cluster: Integers) -> Estimate:
    """Return a mean with its error clustered by ids, shape (N,) each."""
    number = numbered(cluster)
    mean, variance = clustered_mean(values[:, None], number)
    return Estimate(float(mean[0]), float(np.sqrt(variance[0, 0])), int(number.max()))


def _row_scores(click: Floats, probability: Floats | None) -> dict[str, float | None]:
    names = ("log_loss", "calibration_intercept", "calibration_slope")
    if probability is None or click.min() == click.max():
        return dict.fromkeys(names)
    from sklearn.linear_model import LogisticRegression

    p = np.clip(probability, 1e-6, 1 - 1e-6)
    log_loss = -float(np.where(click > 0, np.log(p), np.log1p(-p)).mean())
    odds = np.log(p / (1 - p))[:, None]
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8).fit(odds, click > 0)
    return dict(
        zip(names, (log_loss, float(fit.intercept_[0]), float(fit.coef_[0, 0])), strict=True)
    )


def _compared_with_truth(
    data: ModelData, prediction: Predictions, accounts: pd.DataFrame, mse: float
) -> dict[str, float | None]:
    if "known_effect_total" not in accounts:
        return {}
    promoted = data.design.promoted
    variance = np.where(
        promoted, accounts["slate_variance_promoted"], accounts["slate_variance_control"]
    )
    floor = float(np.sqrt(variance.mean()))
    expected = accounts["expected_clicks_total"].to_numpy(dtype=np.float64)
    excess = ((prediction.observed_arm(data.design).sum(axis=1) - expected) ** 2).mean()
    known = accounts["known_effect_total"].to_numpy(dtype=np.float64)
    varies = known.std() > 1e-12 and prediction.effect.std() > 1e-12
    return {
        "floor_rmse": floor,
        "excess_over_floor": _excess(mse, floor),
        "rmse_of_expectation": float(np.sqrt(excess)),
        "excess_of_expectation": _excess(floor**2 + excess, floor),
        "correlation_with_known_effect": float(np.corrcoef(prediction.effect, known)[0, 1])
        if varies
        else None,
    }


def _excess(mse: float, floor: float) -> float | None:
    """Return by how much the root of a mean squared error exceeds the floor, in percent."""
    return 100 * (float(np.sqrt(mse)) / floor - 1) if floor > 0 else None
