"""Outcome models fitted on all slates: importance of features, and files in portable formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.labels import with_labels
from netlift.core.tables import write_table, written_whole
from netlift.models.outcome_models import (
    MODELS,
    ROW_LINEAR,
    ROW_MODELS,
    ModelData,
    row_learner,
    slate_learner,
)

COEFFICIENT, GAIN, IMPURITY = "coefficient_per_sd", "share_of_gain", "share_of_variance_decrease"
MEASURES = {
    COEFFICIENT: "coefficient, per standard deviation",
    GAIN: "share of the gain of all splits",
    IMPURITY: "share of the decrease of variance",
}
"""Labels of what an importance measures."""


def fit_all(data: ModelData, *, seed: int, threads: int) -> dict[str, Any]:
    """Fit every model on all slates.

    Models of slates predict the total from the arm and the features; those of rows predict clicks
    in the assigned arm. Keys are the names of what was fitted (``ModelData.fitted_as``).
    """
    promoted = data.design.promoted
    arm = promoted.astype(np.float64)
    total = data.outcomes.sum(axis=1)
    slates = np.column_stack([arm, data.slates])
    rows, shown = data.observed_rows()
    fitted = {}
    for model in MODELS:
        if model in ROW_MODELS:
            if data.click.min() != data.click.max():
                learner = row_learner(model, seed, threads, binary=data.binary)
                fitted[data.fitted_as(model)] = learner.fit(rows[shown], data.click[shown])
        else:
            features = slates
            if model == "linear":
                features = np.column_stack([slates, arm[:, None] * data.slates])
            learner = slate_learner(model, len(arm), seed, threads)
            estimator = learner.estimator if model == "lightgbm" else learner
            fitted[model] = estimator.fit(features, total)
    return fitted


def feature_importance(data: ModelData, fitted: dict[str, Any]) -> pd.DataFrame:
    """Return the importance of each feature in each model.

    Parameters
    ----------
    data
        What the models were fitted on.
    fitted
        From ``fit_all``.

    Returns
    -------
    One row per model and feature: ``importance`` and what it measures. Coefficients have a sign;
    shares add up to 1. Importance says what predicts clicks, not what promotion changes.
    """
    slate_names = ["promoted", *data.slate_names]
    table = []
    for model, learner in fitted.items():
        names = list(data.rows.names) if model in {*ROW_MODELS, ROW_LINEAR} else slate_names
        if model in {"linear", "row_logistic", ROW_LINEAR}:
            kind, values = COEFFICIENT, np.ravel(learner.coef_)
            if model == "linear":
                names = [*names, *(f"promoted x {name}" for name in data.slate_names)]
            names, values = ["intercept", *names], np.r_[np.ravel(learner.intercept_), values]
        elif model == "random_forest":
            kind, values = IMPURITY, learner.feature_importances_
        elif model == "xgboost":
            kind, values = GAIN, learner.feature_importances_
        else:
            gains = learner.booster_.feature_importance("gain")
            kind, values = GAIN, gains / gains.sum() if gains.sum() > 0 else gains
        table += [
            {"model": model, "feature": name, "importance": float(value), "measure": kind}
            for name, value in zip(names, values, strict=True)
        ]
    columns = ["model", "feature", "importance", "measure"]
    return with_labels(pd.DataFrame(table, columns=columns), measure=MEASURES)


def save_models(fitted: dict[str, Any], importance: pd.DataFrame, paths: dict[str, str]) -> None:
    """Write models in the formats of their libraries, and coefficients as tables.

    Parameters
    ----------
    fitted
        From ``fit_all``.
    importance
        From ``feature_importance``, which holds the coefficients.
    paths
        File by model: a table (``.csv``) of coefficients, or the format of the model's library. A
        random forest of scikit-learn has no portable format. A model that could not be fitted
        gets an empty file.
    """
    for model, path in paths.items():
        learner = fitted.get(model)
        if Path(path).suffix == ".csv":
            # The file of coefficients keeps its name; its column model says what was fitted.
            names = {model, ROW_LINEAR} if model == "row_logistic" else {model}
            part = importance[importance["model"].isin(names)]
            write_table(part.rename(columns={"importance": "coefficient"}), path)
            continue
        # Written by Python, which raises an error where the libraries do not notice a full disk.
        with written_whole(path) as temporary:
            if learner is None:
                temporary.write_bytes(b"")
            elif model == "xgboost":
                temporary.write_bytes(learner.get_booster().save_raw("ubj"))
            else:
                temporary.write_text(learner.booster_.model_to_string(), encoding="utf-8")
