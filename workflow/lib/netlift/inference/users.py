"""Errors for users like these: estimates of whole slates with users as a sample.

The error by randomized unit is for the users of the experiment: only the promotions, and the
outcomes of each slate, are taken as redrawn. If the effects of a user's slates go together,
other users would have had another mean effect, and the error for users like these is larger. It
is the jackknife over users: with v_g what user g adds to the difference of the arms, both arms
together, the covariance is (G - 1) / G sum_g v_g v_g' (see ``cluster_robust``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from netlift.core.arrays import ROUNDING, Booleans, Floats, Integers
from netlift.core.errors import NetliftError
from netlift.inference.arms import ArmDifference
from netlift.inference.cluster_robust import ClusteredFit, ClusterParts, jackknife_factor
from netlift.inference.estimate import MIN_PER_ARM, Estimate


@dataclass(frozen=True)
class UserErrors:
    """The joint error of m effects, clustered by user.

    Attributes
    ----------
    covariance
        Shape (m, m).
    df
        Satterthwaite's degrees of freedom.
    """

    covariance: Floats
    df: float

    @classmethod
    def from_outcomes(
        cls,
        outcomes: Floats,
        promoted: Booleans,
        user: Integers,
        *,
        covariates: Floats | None = None,
        weights: Floats | None = None,
    ) -> UserErrors:
        """Return the error of ``ArmDifference.from_outcomes``, clustered by user.

        Parameters
        ----------
        outcomes, promoted
            Shapes (N, m) and (N,), of one experiment.
        user
            Number of the user of each slate, 0 to G - 1, shape (N,).
        covariates, weights
            As of ``ArmDifference.from_outcomes``.

        Raises
        ------
        NetliftError
            An arm has slates of too few users.
        """
        columns = [np.ones((len(promoted), 1))]
        if covariates is not None:
            columns.append(covariates - covariates.mean(axis=0))
        design, n_users = np.column_stack(columns), int(user.max()) + 1
        # Centered at a first mean, sums of squares lose no digits.
        centered = outcomes - outcomes.mean(axis=0)
        treated, control = (
            _parts(
                centered[arm], design[arm], user[arm], None if weights is None else weights[arm]
            ).at(np.unique(user[arm]), n_users)
            for arm in (promoted, ~promoted)
        )
        both = treated - control
        return cls(both.covariance * jackknife_factor(n_users), both.df)

    @classmethod
    def from_scores(cls, scores: Floats, user: Integers) -> UserErrors:
        """Return the error of the mean of scores of slates, shape (N, m), clustered by user.

        Raises
        ------
        NetliftError
            There are fewer than two users.
        """
        parts = _parts(scores - scores.mean(axis=0), np.ones((len(scores), 1)), user, None)
        return cls(parts.covariance * jackknife_factor(len(parts.norm)), parts.df)

    def estimate(self, arms: ArmDifference, weights: ArrayLike) -> Estimate:
        """Return a weighted sum of differences with its error for users like these.

        Where an arm does not vary, it is given the same variance as in the error by unit.
        """
        by_unit = arms.combination(weights)
        w = np.asarray(weights, dtype=np.float64)
        given = by_unit.se**2 - max(float(w @ arms.covariance @ w), 0.0)
        variance = self.variance(w) + (given if given > 1e-9 * by_unit.se**2 else 0.0)
        return Estimate(by_unit.value, float(np.sqrt(variance)), self.df)

    def variance(self, weights: ArrayLike) -> float:
        """Return the variance of a weighted sum; 0 where only rounding is left."""
        w = np.asarray(weights, dtype=np.float64)
        variance = float(w @ self.covariance @ w)
        size = float(np.abs(w) @ np.abs(self.covariance) @ np.abs(w))
        return variance if variance > ROUNDING * size else 0.0


def _parts(
    outcomes: Floats, design: Floats, user: Integers, weights: Floats | None
) -> ClusterParts:
    fit = ClusteredFit.fit(outcomes, design, user, weights)
    if fit.n_clusters < max(MIN_PER_ARM, design.shape[1] + 1):
        raise NetliftError(f"slates of {fit.n_clusters} users are too few for an error by user")
    return fit.parts(np.eye(design.shape[1])[0], "CR3")
