"""Plain values: the settings of a rule, and values given on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def settings(**values: Any) -> dict[str, Any]:
    """Return a rule's one parameter: plain values with sorted keys, only those that it uses.

    Snakemake compares parameters as a set of strings, without names. One sorted mapping is the
    only form in which it notices every change.
    """
    plain: dict[str, Any] = canonical(values)
    return plain


def canonical(value: Any) -> Any:
    """Return plain built-in values with sorted keys, which Snakemake can compare by ``repr``."""
    if isinstance(value, Mapping):
        return {str(key): canonical(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"not a plain value: {value!r}")


def typed(value: Any) -> Any:
    """Convert strings from the command line to the numbers or words that YAML reads.

    Only numbers, true, false and null change; every other string stays as it is.
    """
    import yaml

    if isinstance(value, Mapping):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    if isinstance(value, str):
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError:
            return value
        if value and (read is None or isinstance(read, bool | int | float)):
            return read
    return value
