"""Outcome models: what each slate's clicks would be in either arm, from pre-treatment features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from netlift.design import Design
from netlift.exposure import COMPONENTS
from netlift.features import RowFeatures, item_features, slate_features
from netlift.folds import splits
from netlift.inference import Estimate
from netlift.item_rows import ItemRows
from netlift.leaks import refuse_leaks

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

SLATE_MODELS = ("linear", "random_forest", "xgboost", "lightgbm")
ROW_MODELS = ("row_logistic", "row_lightgbm")
MODELS = (*SLATE_MODELS, *ROW_MODELS)
STACKED = "stacked"

ROW_LINEAR = "row_linear"
"""What ``row_logistic`` is, and is called, where the outcome of a row is not 0 or 1."""

_LEAF_SLATES, _LEAF_ROWS = 40, 200
"""Slates or rows that a leaf of a tree needs: clicks are noisy, and small leaves learn noise."""

_TREE_SLATES = 20_000
"""Slates that each tree of a forest is grown on at the most."""

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

_WEAK = 1e-6
"""Inverse strength of the penalty that keeps the logistic regression's coefficients finite."""


@dataclass(frozen=True)
class ModelData:
    """What outcome models are fitted on.

    Attributes
    ----------
    slates
        Features of slates, standardized, shape (N, k).
    slate_names
        Their names.
    rows
        Features of item rows in either arm.
    outcomes
        Observed clicks by component, shape (N, 3).
    click
        Observed clicks of rows, shape (R,).
    slate, component
        Number of each row's slate and component, shape (R,).
    design
        The assignment.
    user
        Number of each slate's user, shape (N,).
    """

    slates: Floats
    slate_names: tuple[str, ...]
    rows: RowFeatures
    outcomes: Floats
    click: Floats
    slate: Integers
    component: Integers
    design: Design
    user: Integers

    @classmethod
    def of(cls, items: pd.DataFrame) -> ModelData:
        """Take what models need from an items table.

        Raises
        ------
        NetliftError
            A feature was not known before promotion (see ``leaks``).
        """
        rows = ItemRows.of(items)
        features = slate_features(items)
        refuse_leaks(
            features,
            item_features(items),
            total=rows.per_slate(rows.click),
            click=rows.click,
            design=rows.design,
        )
        features = features.loc[:, features.std() > 1e-12]
        values = features.to_numpy(dtype=np.float64)
        component = np.select(
            [(items["component"] == name).to_numpy() for name in COMPONENTS], [0, 1, 2]
        ).astype(np.int64)
        return cls(
            slates=(values - values.mean(axis=0)) / values.std(axis=0),
            slate_names=tuple(features.columns),
            rows=RowFeatures.of(items),
            outcomes=np.column_stack(
                [rows.per_slate(rows.click * (component == k)) for k in range(3)]
            ),
            click=rows.click,
            slate=rows.slate,
            component=component,
            design=rows.design,
            user=rows.user[rows.starts],
        )

    @property
    def binary(self) -> bool:
        """Whether the outcome of a row is 0 or 1."""
        return bool(np.isin(self.click, (0.0, 1.0)).all())

    def fitted_as(self, model: str) -> str:
        """Return the name of what is fitted for a model: of minutes there is no logistic one."""
        return ROW_LINEAR if model == "row_logistic" and not self.binary else model

    def by_component(self, values: Floats) -> Floats:
        """Sum values of rows, shape (R,), to slates and components, shape (N, 3)."""
        place = 3 * self.slate + self.component
        n_slates = len(self.outcomes)
        return np.bincount(place, values, 3 * n_slates).reshape(n_slates, 3).astype(np.float64)


@dataclass(frozen=True)
class Predictions:
    """Out-of-fold predictions: no slate is predicted by a model that saw its user.

    Attributes
    ----------
    control, promoted
        Expected clicks by component in each arm, shape (N, 3).
    row_probability
        Of row models, each row's click probability in the arm that happened, shape (R,).
    """

    control: Floats
    promoted: Floats
    row_probability: Floats | None = None

    @property
    def effect(self) -> Floats:
        """Predicted effect of promoting each slate, shape (N,)."""
        return np.asarray((self.promoted - self.control).sum(axis=1))

    def observed_arm(self, design: Design) -> Floats:
        """Expected clicks by component in the arm that happened, shape (N, 3)."""
        return np.where(design.promoted[:, None], self.promoted, self.control)


def cross_fit(
    data: ModelData,
    model: str,
    fold: Integers,
    *,
    seed: int,
    threads: int,
    sequential: bool = False,
) -> Predictions:
    """Predict every slate by a model fitted on the other folds.

    Parameters
    ----------
    data
        Of N slates.
    model
        One of ``MODELS``.
    fold
        Fold of each slate, shape (N,).
    seed
        For models that draw.
    threads
        For models that can use several.
    sequential
        Whether to learn from the earlier folds only; predictions of the first are then NaN.
    """
    n_slates, n_rows = len(data.outcomes), len(data.click)
    control, promoted = np.full((n_slates, 3), np.nan), np.full((n_slates, 3), np.nan)
    by_row = model in ROW_MODELS
    rows = [np.full(n_rows, np.nan), np.full(n_rows, np.nan)] if by_row else []
    for train, test in splits(fold, sequential=sequential):
        if by_row:
            in_test = test[data.slate]
            predict = _row_fit(data, train[data.slate], model, seed, threads)
            for arm, features in enumerate((data.rows.control, data.rows.promoted)):
                rows[arm][in_test] = predict(features[in_test])
        else:
            predict_slates = _slate_fit(data, train, model, seed, threads)
            control[test] = predict_slates(data.slates[test], 0.0)
            promoted[test] = predict_slates(data.slates[test], 1.0)
    if not by_row:
        return Predictions(control, promoted)
    arm_of_row = data.design.promoted[data.slate]
    return Predictions(
        data.by_component(rows[0]),
        data.by_component(rows[1]),
        np.where(arm_of_row, rows[1], rows[0]),
    )


def cross_fit_all(
    data: ModelData,
    fold: Integers,
    *,
    seed: int,
    threads: int,
    sequential: bool = False,
    models: Sequence[str] = MODELS,
) -> dict[str, Predictions]:
    """Predict every slate by several models and by their combination, as ``cross_fit``.

    Predictions stand under the names of what was fitted (``ModelData.fitted_as``).
    """
    given: dict[str, Any] = {"seed": seed, "threads": threads, "sequential": sequential}
    found = {data.fitted_as(model): cross_fit(data, model, fold, **given) for model in models}
    return found | {STACKED: stack(data, found, fold, sequential=sequential)}


def _row_fit(
    data: ModelData, train: Booleans, model: str, seed: int, threads: int
) -> Callable[[Floats], Floats]:
    """Fit a model of single clicks on some rows; return how it predicts."""
    promoted = data.design.promoted[data.slate]
    features = np.where(promoted[:, None], data.rows.promoted, data.rows.control)[train]
    click = data.click[train]
    if click.min(initial=1) == click.max(initial=0):
        constant = float(click.mean())
        return lambda asked: np.full(len(asked), constant)
    fitted = row_learner(model, seed, threads, binary=data.binary).fit(features, click)
    predict = fitted.predict
    if data.binary:
        return lambda asked: np.asarray(fitted.predict_proba(asked)[:, 1], dtype=np.float64)
    return lambda asked: np.asarray(predict(asked), dtype=np.float64)


def row_learner(model: str, seed: int, threads: int, *, binary: bool = True) -> Any:
    """Return an unfitted classifier of single clicks; of other outcomes, a regression of them.

    Minutes and revenue are no probabilities: ``row_logistic`` is then a linear regression on the
    same features.
    """
    if model == "row_logistic":
        from sklearn.linear_model import LinearRegression, LogisticRegression

        if not binary:
            return LinearRegression()
        return LogisticRegression(C=1 / _WEAK, solver="newton-cholesky", tol=1e-8)
    from lightgbm import LGBMClassifier, LGBMRegressor

    learner = LGBMClassifier if binary else LGBMRegressor
    return learner(n_estimators=80, min_child_samples=_LEAF_ROWS, **_lightgbm(seed, threads))


def _lightgbm(seed: int, threads: int) -> dict[str, Any]:
    return {
        "learning_rate": 0.06,
        "num_leaves": 8,
        "random_state": seed % 2**31,
        "n_jobs": threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _slate_fit(
    data: ModelData, train: Booleans, model: str, seed: int, threads: int
) -> Callable[[Floats, float], Floats]:
    """Fit a model of clicks by component on some slates; return how it predicts in an arm."""
    arm = data.design.promoted[train].astype(np.float64)
    outcomes = data.outcomes[train]
    fitted = slate_learner(model, len(arm), seed, threads)
    interacted = model == "linear"

    def regressors(features: Floats, arms: Floats) -> Floats:
        parts = [arms[:, None], features]
        return np.column_stack([*parts, arms[:, None] * features] if interacted else parts)

    fitted.fit(regressors(data.slates[train], arm), outcomes)

    def predict(features: Floats, arm_asked: float) -> Floats:
        asked = regressors(features, np.full(len(features), arm_asked))
        return np.asarray(fitted.predict(asked), dtype=np.float64)

    return predict


def slate_learner(model: str, n_slates: int, seed: int, threads: int) -> Any:
    """Return an unfitted regression of the three components' clicks, for so many slates."""
    if model == "linear":
        from sklearn.linear_model import LinearRegression

        return LinearRegression()
    if model == "random_forest":
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(
            n_estimators=50,
            min_samples_leaf=_LEAF_SLATES,
            max_features=0.5,
            max_samples=min(n_slates, _TREE_SLATES),
            random_state=seed % 2**32,
            n_jobs=threads,
        )
    if model == "xgboost":
        from xgboost import XGBRegressor

        return XGBRegressor(
            n_estimators=80,
            max_depth=3,
            learning_rate=0.06,
            min_child_weight=_LEAF_SLATES,
            random_state=seed % 2**31,
            n_jobs=threads,
            tree_method="hist",
        )
    from lightgbm import LGBMRegressor
    from sklearn.multioutput import MultiOutputRegressor

    return MultiOutputRegressor(
        LGBMRegressor(n_estimators=60, min_child_samples=_LEAF_SLATES, **_lightgbm(seed, threads))
    )


def stack(
    data: ModelData,
    predictions: Mapping[str, Predictions],
    fold: Integers,
    *,
    sequential: bool = False,
) -> Predictions:
    """Combine models with weights of at least 0 that add up to 1.

    The weights for a fold come from the out-of-fold predictions of the slate totals of the other
    folds, or of the earlier ones (Breiman 1996: non-negative least squares). Where none were
    predicted, all models weigh the same.
    """
    from scipy.optimize import nnls

    names = list(predictions)
    observed = np.column_stack(
        [predictions[name].observed_arm(data.design).sum(axis=1) for name in names]
    )
    total = data.outcomes.sum(axis=1)
    predicted = np.isfinite(observed).all(axis=1)
    control, promoted = (np.full_like(data.outcomes, np.nan) for _ in range(2))
    for train, test in splits(fold, sequential=sequential):
        known = train & predicted
        weights = nnls(observed[known], total[known])[0] if known.any() else np.zeros(len(names))
        if not weights.sum() > 0:
            weights = np.ones(len(names))
        shares = dict(zip(names, weights / weights.sum(), strict=True))
        control[test] = sum(
            share * predictions[name].control[test] for name, share in shares.items()
        )
        promoted[test] = sum(
            share * predictions[name].promoted[test] for name, share in shares.items()
        )
    return Predictions(control, promoted)


def model_scores(
    data: ModelData, predictions: dict[str, Predictions], accounts: pd.DataFrame
) -> pd.DataFrame:
    """Judge models by their out-of-fold predictions of the clicks that were observed.

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
    ``floor_rmse``, the root of the mean variance of a slate's clicks, which no model can be below
    but by chance; ``excess_over_floor``, by how much the error of the predicted expectation alone
    would raise it (in percent); and the correlation of predicted with known slate effects.
    """
    total = data.outcomes.sum(axis=1)
    squared = {
        name: (total - found.observed_arm(data.design).sum(axis=1)) ** 2
        for name, found in predictions.items()
    }
    best = min(squared, key=lambda name: squared[name].mean())
    table = []
    for name, found in predictions.items():
        row: dict[str, object] = {
            "model": name,
            "level": "row" if found.row_probability is not None else "slate",
            "rmse": float(np.sqrt(squared[name].mean())),
            "r2": 1 - squared[name].mean() / total.var() if total.var() > 0 else None,
        }
        difference = _clustered_mean(squared[name] - squared[best], data.user)
        row |= {
            "mse_minus_best": difference.value,
            "mse_minus_best_se": difference.se,
            **_row_scores(data.click, found.row_probability if data.binary else None),
            **_against_truth(data, found, accounts),
        }
        table.append(row)
    return pd.DataFrame(table)


def calibration_table(data: ModelData, predictions: Mapping[str, Predictions]) -> pd.DataFrame:
    """Hold predicted click probabilities against the clicks that came, tenth by tenth.

    Parameters
    ----------
    data
        Of R rows; an outcome other than 0 and 1 has no probabilities, and no bins.
    predictions
        Out of fold, by model; those of slates only are left out.

    Returns
    -------
    One row per row model and ``bin``: its rows, the mean ``predicted`` probability, the
    ``click_rate`` with its error clustered by user, and its 95% interval.
    """
    table = []
    user = data.user[data.slate]
    for name, found in predictions.items():
        if found.row_probability is None or not data.binary:
            continue
        cuts = np.unique(np.quantile(found.row_probability, np.arange(1, N_BINS) / N_BINS))
        place = np.searchsorted(cuts, found.row_probability)
        for number in np.unique(place):
            own = place == number
            rate = _clustered_mean(data.click[own], np.unique(user[own], return_inverse=True)[1])
            table.append(
                {
                    "model": name,
                    "bin": int(number) + 1,
                    "rows": int(own.sum()),
                    "predicted": float(found.row_probability[own].mean()),
                    "click_rate": rate.value,
                    "se": rate.se,
                    "ci_95_lower": rate.interval[0],
                    "ci_95_upper": rate.interval[1],
                }
            )
    return pd.DataFrame(table, columns=_CALIBRATION)


def _clustered_mean(values: Floats, cluster: Integers) -> Estimate:
    """Return a mean with its error clustered."""
    n_clusters = int(cluster.max()) + 1
    sums = np.bincount(cluster, values - values.mean(), n_clusters)
    spread = float((sums**2).sum()) * n_clusters / max(n_clusters - 1, 1)
    return Estimate(float(values.mean()), np.sqrt(spread) / len(values), n_clusters - 1)


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


def _against_truth(
    data: ModelData, found: Predictions, accounts: pd.DataFrame
) -> dict[str, float | None]:
    if "known_effect_total" not in accounts:
        return {}
    promoted = data.design.promoted
    variance = np.where(
        promoted, accounts["slate_variance_promoted"], accounts["slate_variance_control"]
    )
    floor = float(np.sqrt(variance.mean()))
    expected = accounts["expected_clicks_total"].to_numpy(dtype=np.float64)
    excess = ((found.observed_arm(data.design).sum(axis=1) - expected) ** 2).mean()
    known = accounts["known_effect_total"].to_numpy(dtype=np.float64)
    varies = known.std() > 1e-12 and found.effect.std() > 1e-12
    return {
        "floor_rmse": floor,
        "excess_over_floor": 100 * (float(np.sqrt(floor**2 + excess)) / floor - 1)
        if floor > 0
        else None,
        "correlation_with_known_effect": float(np.corrcoef(found.effect, known)[0, 1])
        if varies
        else None,
    }
