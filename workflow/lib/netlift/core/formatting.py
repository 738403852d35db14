"""Number formats shared by figures, tables of the page and sentences."""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"

_SMALLEST_P = 0.0001
_ROUNDING = 1e-9
"""Rounding error per 1,000 slates: 1,000 times that of ``arrays.ROUNDING``."""


def signed(value: float, digits: int) -> str:
    """Write an effect with its sign: ``+1,234.5``, ``−0.3``; zero has no sign."""
    text = f"{value:+,.{digits}f}"
    if not text.strip("+-0.,"):
        text = text[1:]
    return text.replace("-", MINUS)


NO_INTERVAL = "no interval: it does not vary"
"""What stands for an interval where an outcome does not vary: no error can be estimated."""


def varies(lower: float, upper: float) -> bool:
    """Return whether an interval per 1,000 slates is more than rounding: its error is not 0."""
    return upper - lower > _ROUNDING * max(1.0, abs(lower))


def with_interval(value: float, lower: float, upper: float, digits: int) -> str:
    """Write an effect with its 95% interval: ``+1.2 (−0.3 to +2.7)``; missing is empty.

    An interval without length says that there is none.
    """
    if not all(map(math.isfinite, (value, lower, upper))):
        return ""
    if not varies(lower, upper):
        return f"{signed(value, digits)} (does not vary)"
    low, high = signed(lower, digits), signed(upper, digits)
    return f"{signed(value, digits)} ({low} to {high})"


def p_value(value: float) -> str:
    """Write a p-value: ``0.185``, ``0.0063``, ``< 0.0001``; missing is empty."""
    if not math.isfinite(value):
        return ""
    if value < _SMALLEST_P:
        return f"< {_SMALLEST_P:.4f}"
    return f"{value:.{3 if value >= 0.01 else 4}f}"


def count(number: float) -> str:
    """Write a count: ``1,234``."""
    return f"{int(number):,}"
