"""Number formats shared by figures, tables of the page and sentences."""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"

_SMALLEST_P = 0.0001


def signed(value: float, digits: int) -> str:
    """Write an effect with its sign: ``+1,234.5``, ``−0.3``; zero has no sign."""
    text = f"{value:+,.{digits}f}"
    if not text.strip("+-0.,"):
        text = text[1:]
    return text.replace("-", MINUS)


def with_interval(value: float, lower: float, upper: float, digits: int) -> str:
    """Write an effect with its 95% interval: ``+1.2 (−0.3 to +2.7)``; missing is empty."""
    if not all(map(math.isfinite, (value, lower, upper))):
        return ""
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
