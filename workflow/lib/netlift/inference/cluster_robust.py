"""Least squares with cluster-robust errors: CR0 to CR3, Satterthwaite's degrees of freedom.

With X_g the rows of cluster g, M = (X'X)^-1 and M = B B', every quantity of a cluster that the
errors need has p numbers or p x p: K_g = B'X_g'X_g B and s_g = B'X_g'e_g, since
(I - X_g M X_g')^-a X_g B = X_g B (I - K_g)^-a. So no matrix is ever as large as a cluster, let
alone as the data.

Sources: Liang and Zeger (1986) for CR0; Bell and McCaffrey (2002) for CR2, its degrees of freedom,
and CR3; Pustejovsky and Tipton (2018, "Small-sample methods for cluster-robust variance
estimation", equations 6 and 11), who write them as here, with the working model of independent
errors of one variance, or with weights of variances inverse to them; MacKinnon, Nielsen and Webb
(2023) for the jackknife; Cameron, Gelbach and Miller (2008) for the wild cluster bootstrap.

The working model of a weighted fit: rows are independent, the variance of a row is one over its
weight. Errors are clustered, so they do not rest on it; CR2's small correction and Satterthwaite's
degrees of freedom do. It is what clubSandwich calls ``inverse_var = TRUE``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from netlift.core.arrays import Booleans, Floats, Integers, numbered
from netlift.core.errors import NetliftError

Correction = Literal["CR0", "CR2", "CR3"]


_POWER = {"CR0": 0.0, "CR2": -0.5, "CR3": -1.0}


_LEVERAGE_ONE = 1 - 1e-12
"""A direction that one cluster alone determines has no residual in that cluster."""


_SAME_RANK = 1e-10


_SMALL_LEVERAGE = 1e-4
"""Below it, terms of second order are less than 1e-8 of a cluster's part."""


_CELLS_AT_ONCE = 1 << 22


_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class ClusterParts:
    """What each cluster adds to the error of a contrast, and to its degrees of freedom.

    With v_g = (I - K_g)^a c, for the contrast c and the power a of a correction:

    Attributes
    ----------
    influence
        v_g's_g, shape (G, m).
    norm
        v_g'K_g v_g, shape (G,).
    reached
        K_g v_g, shape (G, p).
    size
        c'c, below which a variance estimate is compared with rounding errors.
    """

    influence: Floats
    norm: Floats
    reached: Floats
    size: float

    def __sub__(self, other: ClusterParts) -> ClusterParts:
        """Return the parts of the difference of two fits without rows in common."""
        return ClusterParts(
            self.influence - other.influence,
            self.norm + other.norm,
            np.column_stack([self.reached, other.reached]),
            self.size + other.size,
        )

    def at(self, number: Integers, n_clusters: int) -> ClusterParts:
        """Return the parts in another numbering of clusters, shape (G,); 0 for all others."""

        def spread(values: Floats) -> Floats:
            result = np.zeros((n_clusters, *values.shape[1:]))
            result[number] = values
            return result

        return ClusterParts(
            spread(self.influence), spread(self.norm), spread(self.reached), self.size
        )

    @property
    def covariance(self) -> Floats:
        """Covariance of the contrast of the m outcomes, shape (m, m)."""
        return np.asarray(self.influence.T @ self.influence)

    @property
    def df(self) -> float:
        """Satterthwaite's degrees of freedom of the variance.

        Twice the squared mean of the variance estimate over its variance, under the working
        model; 0 where the estimate is always zero.
        """
        shared = (self.reached**2).sum(axis=1)
        square = (self.norm**2).sum() - 2 * (self.norm * shared).sum()
        square += ((self.reached.T @ self.reached) ** 2).sum()
        mean = float((self.norm - shared).sum())
        return mean**2 / float(square) if mean > _SAME_RANK * self.size else 0.0


def jackknife_factor(n_clusters: ArrayLike) -> Floats:
    """Return (G - 1) / G, which makes CR3 the jackknife's variance over G clusters."""
    n = np.asarray(n_clusters, dtype=np.float64)
    return np.asarray((n - 1) / n)


@dataclass(frozen=True)
class ClusteredFit:
    """A least-squares fit of m outcomes on one design, and what its clustered errors need.

    Attributes
    ----------
    coefficients
        Shape (p, m).
    root
        B with B B' = (X'X)^-1, shape (p, p).
    kernels
        K_g = B'X_g'X_g B, shape (G, p, p).
    scores
        s_g = B'X_g'e_g, shape (G, p, m).
    """

    coefficients: Floats
    root: Floats
    kernels: Floats
    scores: Floats

    @classmethod
    def fit(
        cls, outcomes: Floats, design: Floats, cluster: Integers, weights: Floats | None = None
    ) -> Self:
        """Fit.

        Parameters
        ----------
        outcomes
            Shape (R, m).
        design
            Regressors, the intercept among them, shape (R, p).
        cluster
            Number of the cluster of each row, any integers, shape (R,).
        weights
            Positive, shape (R,): the fit minimizes the weighted sum of squares, and leverages are
            those of rows times the root of their weight. All one if not given.

        Raises
        ------
        NetliftError
            The regressors are linearly dependent.
        """
        coefficients, root, rotated, residuals = _least_squares(outcomes, design, weights)
        numbers = numbered(cluster)
        n_clusters = int(numbers.max()) + 1

        def summed(columns: Floats) -> Floats:
            """Sum rows of shape (R, k) over clusters, to shape (G, k)."""
            return np.column_stack(
                [np.bincount(numbers, column, n_clusters) for column in columns.T]
            )

        kernels = np.empty((n_clusters, design.shape[1], design.shape[1]))
        scores = np.empty((n_clusters, design.shape[1], outcomes.shape[1]))
        # Column by column: products of all columns would be larger than the data.
        for i, column in enumerate(rotated.T):
            kernels[:, i] = summed(rotated * column[:, None])
            scores[:, i] = summed(residuals * column[:, None])
        return cls(coefficients, root, kernels, scores)

    @property
    def n_clusters(self) -> int:
        """Number of clusters, G."""
        return len(self.kernels)

    def influence(self, contrast: ArrayLike, correction: Correction = "CR2") -> Floats:
        """Return each cluster's contribution to a contrast's error, shape (G, m).

        The covariance of the contrast of the m outcomes is the sum of their outer products.

        Parameters
        ----------
        contrast
            Weights of the coefficients, shape (p,).
        correction
            ``CR0`` takes the residuals as they are, ``CR2`` makes the variance unbiased under the
            working model, ``CR3`` is the jackknife over clusters (without a factor).
        """
        return self.parts(contrast, correction).influence

    def parts(self, contrast: ArrayLike, correction: Correction = "CR2") -> ClusterParts:
        """Return what each cluster adds to a contrast's error and to its degrees of freedom."""
        rotated = np.asarray(contrast, dtype=np.float64) @ self.root
        adjusted = self._powered(rotated, _POWER[correction])
        reached = np.einsum("gpq,gq->gp", self.kernels, adjusted)
        return ClusterParts(
            np.asarray(np.einsum("gp,gpm->gm", adjusted, self.scores)),
            np.asarray(np.einsum("gp,gp->g", adjusted, reached)),
            np.asarray(reached),
            float(rotated @ rotated),
        )

    def covariance(self, contrast: ArrayLike, correction: Correction = "CR2") -> Floats:
        """Return the covariance of one contrast over the m outcomes, shape (m, m)."""
        parts = self.influence(contrast, correction)
        return np.asarray(parts.T @ parts)

    def jackknife_errors(self, contrast: ArrayLike) -> tuple[Floats, float]:
        """Return the jackknife's covariance of one contrast, shape (m, m), and its df.

        CR3 times (G - 1) / G (MacKinnon, Nielsen and Webb 2023).
        """
        parts = self.parts(contrast, "CR3")
        return parts.covariance * jackknife_factor(self.n_clusters), parts.df

    def df(self, contrast: ArrayLike, correction: Correction = "CR2") -> float:
        """Return Satterthwaite's degrees of freedom of a contrast's variance."""
        return self.parts(contrast, correction).df

    def _powered(self, vector: Floats, power: float) -> Floats:
        """Return (I - K_g)^power times a vector, shape (G, p)."""
        if power == 0:
            return np.broadcast_to(vector, (self.n_clusters, len(vector)))
        result = vector - power * (self.kernels @ vector)
        large = np.einsum("gpp->g", self.kernels) > _SMALL_LEVERAGE
        values, vectors = self._eigen_of(large)
        # The eigenvalue of a direction that one cluster alone determines is 1: leave it out.
        with np.errstate(divide="ignore"):
            factor = np.where(values < _LEVERAGE_ONE, np.abs(1 - values) ** power, 0.0)
        result[large] = np.einsum(
            "gpk,gk,gqk,q->gp", vectors, factor, vectors, vector, optimize=True
        )
        return np.asarray(result)

    def _eigen_of(self, chosen: Booleans) -> tuple[Floats, Floats]:
        """Return eigenvalues and eigenvectors of some clusters' kernels."""
        kernels = self.kernels[chosen]
        if kernels.shape[1] == 1:
            return kernels[:, :, 0], np.ones_like(kernels)
        values, vectors = np.linalg.eigh(kernels)
        return values, vectors

    def wild_bootstrap_p_value(
        self, contrast: ArrayLike, rng: np.random.Generator, n_draws: int
    ) -> float:
        """Return the wild cluster bootstrap's p-value for a contrast of the first outcome.

        Two-sided, with the null hypothesis imposed and t statistics (Cameron, Gelbach and Miller
        2008): the signs of whole clusters' residuals are redrawn. If there are no more than
        ``n_draws`` ways to set the signs, each is used once instead.

        Parameters
        ----------
        contrast
            Weights of the coefficients, shape (p,).
        rng
            Draws the signs.
        n_draws
            Draws.
        """
        rotated = np.asarray(contrast, dtype=np.float64) @ self.root
        value = float(np.asarray(contrast, dtype=np.float64) @ self.coefficients[:, 0])
        reached = self.kernels @ rotated
        # The scores of the fit with the contrast restricted to zero.
        scores = self.scores[:, :, 0] + reached * (value / (rotated @ rotated))
        parts = scores @ rotated
        signs, enumerated = _signs(self.n_clusters, rng, n_draws)
        exceeded, observed = 0, _t(np.ones((1, len(parts))), scores, parts, reached, rotated)[0]
        step = max(1, _CELLS_AT_ONCE // self.n_clusters)
        for start in range(0, len(signs), step):
            drawn = _t(signs[start : start + step], scores, parts, reached, rotated)
            exceeded += int((np.abs(drawn) >= np.abs(observed) * (1 - 1e-9)).sum())
        return exceeded / len(signs) if enumerated else (1 + exceeded) / (1 + len(signs))


@dataclass(frozen=True)
class SingleRowFit:
    """``ClusteredFit`` where each row is its own cluster, without a matrix for each row.

    K_g = vv' has one direction, v = B'x, with eigenvalue h = v'v, the leverage; so
    c'(I - K_g)^(-1/2) s_g = c'v e / (1 - h)^(1/2): CR2 is HC2.

    Attributes
    ----------
    coefficients
        Shape (p, m).
    root
        B with B B' = (X'X)^-1, shape (p, p).
    outcomes, design
        Shapes (R, m) and (R, p).
    weights
        Of the rows, shape (R,), or None.
    """

    coefficients: Floats
    root: Floats
    outcomes: Floats
    design: Floats
    weights: Floats | None

    @classmethod
    def fit(cls, outcomes: Floats, design: Floats, weights: Floats | None = None) -> Self:
        """Fit; see ``ClusteredFit.fit``. Rows are processed in blocks.

        Raises
        ------
        NetliftError
            The regressors are linearly dependent.
        """
        p, m = design.shape[1], outcomes.shape[1]
        unfitted = cls(np.zeros((p, m)), np.eye(0), outcomes, design, weights)
        # The error does not depend on the units of regressors, the sums of squares would.
        size = np.sqrt(sum(np.einsum("rp,rp->p", x, x) for x, _ in unfitted._blocks()))
        gram, step = np.zeros((p, p)), np.zeros((p, m))
        for x, y in unfitted._blocks():
            scaled = x / np.where(size > 0, size, 1.0)
            gram += scaled.T @ scaled
            step += scaled.T @ y
        values, vectors = _eigen_of_gram(size, gram)
        inverse = (vectors / values) @ vectors.T / size[:, None]
        coefficients = inverse @ step
        # A second step removes the rounding errors of the normal equations.
        left = sum(x.T @ (y - x @ coefficients) for x, y in unfitted._blocks())
        coefficients += inverse @ (left / size[:, None])
        root = ((vectors / np.sqrt(values)) @ vectors.T) / size[:, None]
        return cls(coefficients, root, outcomes, design, weights)

    def jackknife_errors(self, contrast: ArrayLike) -> tuple[Floats, float]:
        """Return the jackknife's covariance of one contrast, shape (m, m), and its df."""
        covariance, df = self.errors(contrast, "CR3")
        return covariance * jackknife_factor(len(self.outcomes)), df

    def errors(self, contrast: ArrayLike, correction: Correction = "CR2") -> tuple[Floats, float]:
        """Return the covariance of one contrast of the m outcomes, shape (m, m), and its df."""
        rotated = np.asarray(contrast, dtype=np.float64) @ self.root
        covariance = np.zeros((self.outcomes.shape[1],) * 2)
        both, square, mean = np.zeros_like(self.root), 0.0, 0.0
        for x, y in self._blocks():
            v = x @ self.root
            leverage = np.einsum("rp,rp->r", v, v)
            # c'v (1 - h)^power, 0 for rows that alone determine a direction.
            free = leverage < _LEVERAGE_ONE
            factor = np.where(free, np.where(free, 1 - leverage, 1.0) ** _POWER[correction], 0.0)
            reached = (v @ rotated) * factor
            parts = (y - x @ self.coefficients) * reached[:, None]
            covariance += parts.T @ parts
            norm = reached**2
            both += (norm[:, None] * v).T @ v
            square += float(norm**2 @ (1 - 2 * leverage))
            mean += float(norm @ (1 - leverage))
        square += float((both**2).sum())
        df = mean**2 / square if mean > _SAME_RANK * float(rotated @ rotated) else 0.0
        return covariance, df

    def _blocks(self) -> Iterator[tuple[Floats, Floats]]:
        """Yield regressors and outcomes of some rows, times the root of their weight."""
        for start in range(0, len(self.outcomes), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            if self.weights is None:
                yield self.design[rows], self.outcomes[rows]
            else:
                root_weight = np.sqrt(self.weights[rows])[:, None]
                yield self.design[rows] * root_weight, self.outcomes[rows] * root_weight


def _eigen_of_gram(size: Floats, gram: Floats) -> tuple[Floats, Floats]:
    """Return eigenvalues and eigenvectors of scaled regressors' sums of products.

    Raises
    ------
    NetliftError
        The regressors are linearly dependent.
    """
    if (size == 0).any():
        raise NetliftError("a regressor is zero in all rows, so its coefficient is not defined")
    values, vectors = np.linalg.eigh(gram)
    if values[0] <= _SAME_RANK * values[-1]:
        raise NetliftError("the regressors are linearly dependent in these rows")
    return values, vectors


def _least_squares(
    outcomes: Floats, design: Floats, weights: Floats | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return coefficients (p, m), B (p, p), rows' v = B'x (R, p), and residuals (R, m)."""
    if weights is not None:
        root_weight = np.sqrt(weights)[:, None]
        outcomes, design = outcomes * root_weight, design * root_weight
    # The error does not depend on the units of regressors, the sums of squares would.
    size = np.sqrt(np.einsum("rp,rp->p", design, design))
    scaled = design / np.where(size > 0, size, 1.0)
    values, vectors = _eigen_of_gram(size, scaled.T @ scaled)
    coefficients = (vectors / values) @ (vectors.T @ (scaled.T @ outcomes))
    residuals = outcomes - scaled @ coefficients
    # A second step removes the rounding errors of the normal equations.
    step = (vectors / values) @ (vectors.T @ (scaled.T @ residuals))
    coefficients += step
    residuals -= scaled @ step
    root = (vectors / np.sqrt(values)) @ vectors.T
    return coefficients / size[:, None], root / size[:, None], scaled @ root, residuals


def _signs(n_clusters: int, rng: np.random.Generator, n_draws: int) -> tuple[Floats, bool]:
    """Return signs by draw and cluster, and whether they are all possible signs."""
    if 2**n_clusters <= n_draws:
        bits = np.arange(2**n_clusters)[:, None] >> np.arange(n_clusters)
        return np.where(bits & 1, -1.0, 1.0), True
    return np.where(rng.integers(0, 2, (n_draws, n_clusters)), 1.0, -1.0), False


def _t(signs: Floats, scores: Floats, parts: Floats, reached: Floats, rotated: Floats) -> Floats:
    """Return the t statistic (CR0) of each draw of signs, shape (draws,)."""
    moved = signs @ scores
    value = moved @ rotated
    square = (
        (parts**2).sum()
        - 2 * ((signs @ (parts[:, None] * reached)) * moved).sum(axis=1)
        + ((moved @ (reached.T @ reached)) * moved).sum(axis=1)
    )
    floor = _SAME_RANK * float((parts**2).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(square > floor, value / np.sqrt(np.maximum(square, 0.0)), np.inf)
    return np.where(np.abs(value) <= 1e-14, 0.0, t)


def clustered_mean(values: Floats, cluster: Integers) -> tuple[Floats, Floats]:
    """Return means with their joint covariance by clusters.

    With z_g the sum over cluster g of the values minus their mean, the covariance is
    G / (G - 1) sum_g z_g z_g' / N^2.

    Parameters
    ----------
    values
        Shape (N, m).
    cluster
        Number of each row's cluster, 0 to G - 1, shape (N,).

    Returns
    -------
    Means, shape (m,), and covariance, shape (m, m).
    """
    mean = values.mean(axis=0)
    n_clusters, centered = int(cluster.max()) + 1, values - mean
    sums = np.column_stack([np.bincount(cluster, column, n_clusters) for column in centered.T])
    factor = n_clusters / max(n_clusters - 1, 1) / len(values) ** 2
    return mean, np.asarray(sums.T @ sums * factor, dtype=np.float64)
