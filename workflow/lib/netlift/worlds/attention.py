"""Attention curves: how much attention each position of a slate gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlift.core.errors import NetliftError

SCHEMA: dict[str, Any] = {
    "description": (
        "Attention of position p: log2 is 1/log2(p+1), power is p^-eta, geometric is g^(p-1), "
        "table gives one value per position, from the first on."
    ),
    "type": "object",
    "required": ["curve"],
    "additionalProperties": False,
    "default": {"curve": "log2"},
    "properties": {
        "curve": {
            "description": "Form of the curve.",
            "type": "string",
            "enum": ["log2", "power", "geometric", "table"],
            "default": "log2",
        },
        "eta": {
            "description": "Exponent of the power curve.",
            "type": "number",
            "minimum": 0,
            "maximum": 5,
        },
        "g": {
            "description": "Geometric curve: attention relative to that of the position above.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
        },
        "values": {
            "description": "Attention of each position, from the first on; one value per position.",
            "type": "array",
            "minItems": 1,
            "items": {"type": "number", "minimum": 0},
        },
    },
}

_PARAMETER = {"power": "eta", "geometric": "g", "table": "values"}


def log2_discount(position: NDArray[Any]) -> NDArray[np.float64]:
    """Return log2(p + 1) of positions from 1 on: attention on the curve ``log2`` is 1 over it."""
    return np.log2(position + 1.0)


def attention(size: int, settings: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the attention of positions 1 to ``size``.

    Parameters
    ----------
    size
        Items per slate, K.
    settings
        ``curve`` and the parameter of that curve, as in ``SCHEMA``.

    Returns
    -------
    Array of shape (K,), without a unit.

    Raises
    ------
    NetliftError
        The curve's parameter is missing, another curve's is set, or the table is too short.
    """
    curve = settings["curve"]
    parameters = set(settings) - {"curve"}
    expected = {_PARAMETER[curve]} if curve in _PARAMETER else set()
    if parameters != expected:
        raise NetliftError(
            f"attention: the curve {curve} takes {', '.join(expected) or 'no parameter'}, "
            f"but was given {', '.join(sorted(parameters)) or 'none'}"
        )
    position = np.arange(1, size + 1, dtype=np.float64)
    if curve == "log2":
        return 1.0 / log2_discount(position)
    if curve == "power":
        return position ** -float(settings["eta"])
    if curve == "geometric":
        return float(settings["g"]) ** (position - 1.0)
    values = np.asarray(settings["values"], dtype=np.float64)
    if len(values) < size:
        raise NetliftError(
            f"attention: the table has {len(values)} values, but slates have {size} positions"
        )
    return values[:size]
