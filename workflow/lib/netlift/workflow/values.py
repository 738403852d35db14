"""Plain values: the settings of a rule, and values given on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlift.workflow.plain import OTHER_BASE, plain


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

    Only decimal numbers, true, false and null change; every other string stays as it is.

    Raises
    ------
    NetliftError
        The value contains itself, or is larger than any configuration.
    """
    return _typed(plain(value)[0])


def _typed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return _read(value) if isinstance(value, str) and value else value


def _read(text: str) -> Any:
    import yaml

    try:
        read = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    known = read is None or isinstance(read, bool | int | float)
    return text if not known or OTHER_BASE.fullmatch(text) else read
