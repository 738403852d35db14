"""Outcome models: what each slate's clicks would be in either arm, from pre-treatment features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.arrays import Booleans, Floats, Integers
from netlift.core.errors import NetliftError
from netlift.effects.item_rows import ItemRows
from netlift.models.feature_checks import refuse_leaks
from netlift.models.features import RowFeatures, item_features, slate_features
from netlift.models.folds import splits
from netlift.promotion.design import Design
from netlift.promotion.exposure import COMPONENTS

SLATE_MODELS = ("linear", "random_forest", "xgboost", "lightgbm")


ROW_MODELS = ("row_logistic", "row_lightgbm")


MODELS = (*SLATE_MODELS, *ROW_MODELS)


STACKED = "stacked"


ROW_LINEAR = "row_linear"
"""Name of the model that replaces ``row_logistic`` where the outcome of a row is not 0 or 1."""


_LEAF_SLATES, _LEAF_ROWS = 40, 200
"""Slates or rows that a leaf of a tree needs: clicks are noisy, and small leaves learn noise."""


_TREE_SLATES = 20_000
"""Slates that each tree of a forest is grown on at most."""


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
    def from_items(cls, items: pd.DataFrame) -> ModelData:
        """Build the data from an items table.

        Raises
        ------
        NetliftError
            A feature was not known before promotion (see ``refuse_leaks``), or none varies.
        """
        rows = ItemRows.from_items(items)
        features = slate_features(items)
        refuse_leaks(
            features,
            item_features(items),
            total=rows.per_slate(rows.click),
            click=rows.click,
            design=rows.design,
        )
        features = features.loc[:, features.std() > 1e-12]
        if features.empty:
            raise NetliftError(
                "nothing that is known before promotion differs between slates, so no model can "
                "tell them apart"
            )
        values = features.to_numpy(dtype=np.float64)
        component = np.select(
            [(items["component"] == name).to_numpy() for name in COMPONENTS], [0, 1, 2]
        ).astype(np.int64)
        return cls(
            slates=(values - values.mean(axis=0)) / values.std(axis=0),
            slate_names=tuple(features.columns),
            rows=RowFeatures.from_items(items),
            outcomes=np.column_stack(
                [rows.per_slate(rows.click * (component == k)) for k in range(3)]
            ),
            click=rows.click,
            slate=rows.slate,
            component=component,
            design=rows.design,
            user=rows.user[rows.starts],
        )

    def observed_rows(self) -> tuple[Floats, Booleans]:
        """Return the features of rows in their arm, shape (R, p), and which are shown there."""
        promoted, rows = self.design.promoted[self.slate], self.rows
        features = np.where(promoted[:, None], rows.promoted, rows.control)
        return features, np.where(promoted, rows.shown_promoted, rows.shown_control)

    @property
    def binary(self) -> bool:
        """Whether the outcome of a row is 0 or 1."""
        return bool(np.isin(self.click, (0.0, 1.0)).all())

    def fitted_as(self, model: str) -> str:
        """Return the name of what is fitted for a model; minutes have no logistic one."""
        return ROW_LINEAR if model == "row_logistic" and not self.binary else model

    def by_component(self, values: Floats) -> Floats:
        """Sum values of rows, shape (R,), to slates and components, shape (N, 3)."""
        cell = 3 * self.slate + self.component
        n_slates = len(self.outcomes)
        return np.bincount(cell, values, 3 * n_slates).reshape(n_slates, 3).astype(np.float64)


@dataclass(frozen=True)
class Predictions:
    """Out-of-fold predictions: no slate is predicted by a model that saw its user.

    Attributes
    ----------
    control, promoted
        Expected clicks by component in each arm, shape (N, 3).
    row_probability
        Of row models, each row's click probability in the assigned arm, shape (R,).
    """

    control: Floats
    promoted: Floats
    row_probability: Floats | None = None

    @property
    def effect(self) -> Floats:
        """Predicted effect of promoting each slate, shape (N,)."""
        return np.asarray((self.promoted - self.control).sum(axis=1))

    def observed_arm(self, design: Design) -> Floats:
        """Expected clicks by component in the assigned arm, shape (N, 3)."""
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
        For models that use random numbers.
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
            predict = row_fit(data, train[data.slate], model, seed, threads)
            arms = (
                (data.rows.control, data.rows.shown_control),
                (data.rows.promoted, data.rows.shown_promoted),
            )
            for arm, (features, shown) in enumerate(arms):
                rows[arm][in_test] = predict(features[in_test]) * shown[in_test]
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

    Keys are the names of what was fitted (``ModelData.fitted_as``).
    """
    options: dict[str, Any] = {"seed": seed, "threads": threads, "sequential": sequential}
    predictions = {
        data.fitted_as(model): cross_fit(data, model, fold, **options) for model in models
    }
    return predictions | {STACKED: stack(data, predictions, fold, sequential=sequential)}


def row_fit(
    data: ModelData, train: Booleans, model: str, seed: int, threads: int
) -> Callable[[Floats], Floats]:
    """Fit a model of single clicks on some rows; return its prediction function."""
    features, shown = data.observed_rows()
    features, click = features[train & shown], data.click[train & shown]
    if click.min(initial=1) == click.max(initial=0):
        constant = float(click.mean())
        return lambda rows: np.full(len(rows), constant)
    fitted = row_learner(model, seed, threads, binary=data.binary).fit(features, click)
    predict = fitted.predict
    if data.binary:
        return lambda rows: np.asarray(fitted.predict_proba(rows)[:, 1], dtype=np.float64)
    return lambda rows: np.asarray(predict(rows), dtype=np.float64)


def row_learner(model: str, seed: int, threads: int, *, binary: bool = True) -> Any:
    """Return an unfitted classifier of single clicks; for other outcomes, a regression.

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
    """Fit a model of clicks by component on some slates; return its prediction function."""
    arm = data.design.promoted[train].astype(np.float64)
    outcomes = data.outcomes[train]
    fitted = slate_learner(model, len(arm), seed, threads)
    interacted = model == "linear"

    def regressors(features: Floats, arms: Floats) -> Floats:
        parts = [arms[:, None], features]
        return np.column_stack([*parts, arms[:, None] * features] if interacted else parts)

    fitted.fit(regressors(data.slates[train], arm), outcomes)

    def predict(features: Floats, arm_value: float) -> Floats:
        inputs = regressors(features, np.full(len(features), arm_value))
        return np.asarray(fitted.predict(inputs), dtype=np.float64)

    return predict


def slate_learner(model: str, n_slates: int, seed: int, threads: int) -> Any:
    """Return an unfitted regression of the three components' clicks, for this number of slates."""
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
    predicted, all models have the same weight.
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
