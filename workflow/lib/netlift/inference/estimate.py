"""Estimates with their intervals, and ratios of two estimates by Fieller's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.core.arrays import ROUNDING, Floats

CONFIDENCE = 0.95


MIN_PER_ARM = 2
"""Slates that an arm needs before a variance can be estimated."""


@dataclass(frozen=True)
class Estimate:
    """One number with its error.

    Attributes
    ----------
    value
        The estimate, in the unit of the outcome.
    se
        Its standard error.
    df
        Degrees of freedom of the t distribution behind the interval.
    """

    value: float
    se: float
    df: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% confidence interval."""
        half = quantile_t(0.5 + CONFIDENCE / 2, self.df) * self.se
        return self.value - half, self.value + half

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate in another unit."""
        return Estimate(self.value * factor, self.se * abs(factor), self.df)

    @property
    def p_value(self) -> float:
        """The two-sided p-value of the t test of zero; NaN without an error."""
        from scipy.special import stdtr

        return float(2 * stdtr(self.df, -abs(self.value / self.se))) if self.se > 0 else np.nan

    @property
    def sign(self) -> int:
        """1 or -1 if the 95% interval is on one side of zero, 0 if it covers zero."""
        lower, upper = self.interval
        return int(lower > ROUNDING) - int(upper < -ROUNDING)


@dataclass(frozen=True)
class Estimates:
    """L numbers with their errors, of one experiment or of a batch of them.

    Attributes
    ----------
    value, se, df
        As of ``Estimate``, shape (..., L); NaN where a member of the batch has no numbers.
    """

    value: Floats
    se: Floats
    df: Floats

    @property
    def single(self) -> Estimate:
        """The only number of one experiment."""
        return Estimate(self.value.item(), self.se.item(), self.df.item())


def numbers(estimate: Estimate | None) -> dict[str, float | None]:
    """Return the columns of an estimate in a table; all missing without an estimate."""
    names = ("estimate", "se", "df", "ci_95_lower", "ci_95_upper")
    if estimate is None:
        return dict.fromkeys(names)
    values = (estimate.value, estimate.se, estimate.df, *estimate.interval)
    return dict(zip(names, values, strict=True))


def quantile_t(probability: float, df: float) -> float:
    """Return a quantile of the t distribution; the normal one for infinite ``df``."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if np.isinf(df) else stdtrit(df, probability))


def quantiles_t(probability: float, df: Floats) -> Floats:
    """Return a quantile of t distributions, as ``quantile_t``, for each of several ``df``."""
    from scipy.special import ndtri, stdtrit

    return np.where(np.isinf(df), ndtri(probability), stdtrit(df, probability))


@dataclass(frozen=True)
class Ratio:
    """A ratio of two estimates with Fieller's confidence set.

    Attributes
    ----------
    value
        Numerator over denominator; None where the denominator is zero.
    lower, upper
        Ends of the set; None where there is no finite end.
    kind
        ``interval`` (lower to upper), ``outside`` (everything but lower to upper: the denominator
        may be zero) or ``everything`` (the data say nothing about the ratio).
    df
        Degrees of freedom of the t distribution behind the set.
    """

    value: float | None
    lower: float | None
    upper: float | None
    kind: str
    df: float


def fieller(
    numerator: float,
    denominator: float,
    covariance: Floats,
    df: float,
    confidence: float = CONFIDENCE,
) -> Ratio:
    """Return a ratio with Fieller's (1954) confidence set.

    The set of r with (a - r b)^2 <= t^2 (Vaa - 2 r Vab + r^2 Vbb).

    Parameters
    ----------
    numerator, denominator
        The two estimates, a and b.
    covariance
        Their covariance, shape (2, 2).
    df
        Degrees of freedom of t.
    confidence
        Of the set, 0.95 unless it is one of several that hold at once.
    """
    t2 = quantile_t(0.5 + confidence / 2, df) ** 2
    (vaa, vab), (_, vbb) = covariance
    square = denominator**2 - t2 * vbb
    middle = numerator * denominator - t2 * vab
    constant = numerator**2 - t2 * vaa
    value = numerator / denominator if denominator != 0 else None
    discriminant = middle**2 - square * constant
    if square == 0 or (square < 0 and discriminant <= 0):
        return Ratio(value, None, None, "everything", df)
    root = float(np.sqrt(max(discriminant, 0.0)))
    ends = sorted(((middle - root) / square, (middle + root) / square))
    return Ratio(value, ends[0], ends[1], "interval" if square > 0 else "outside", df)
