"""Plain values: text keys, and finite numbers, text, lists and mappings of a sensible size."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netlift.core.errors import NetliftError

MAX_VALUES = 100_000
"""Values of a configuration; the default one has about 500."""

MAX_ITEMS = 10_000
"""Entries of one list."""

MAX_DEPTH = 30
"""Levels of mappings and lists; the default configuration has five."""

MAX_INTEGER = 2**63 - 1

OTHER_BASE = re.compile(r"[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
"""Numbers that YAML 1.1 reads with base 8 or base 60."""

_LONGEST = 80
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def shown(value: object) -> str:
    """Return a value for a message: text as it is, all else by ``repr``, cut short."""
    if isinstance(value, int) and abs(value) > 10**_LONGEST:
        return "a number of more than 80 digits"
    text = value if isinstance(value, str) else repr(value)
    text = _CONTROL.sub("?", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def plain(value: Any) -> tuple[Any, list[str]]:
    """Return a copy of a configuration that is plain, and what was not plain in it.

    Keys become text. Values that are not allowed stay as they are; each is a problem.

    Raises
    ------
    NetliftError
        The configuration contains itself, or is larger than any configuration.
    """
    walk = _Walk()
    return walk.copy(value, ()), walk.problems


@dataclass
class _Walk:
    """The problems found so far, and the number of values seen."""

    problems: list[str] = field(default_factory=list)
    count: int = 0

    def copy(self, value: Any, path: tuple[str, ...]) -> Any:
        """Return a plain copy of a value."""
        self.count += 1
        if self.count > MAX_VALUES or len(path) > MAX_DEPTH:
            raise NetliftError(
                f"the configuration is too large at {shown('.'.join(path[:5]))}: it contains "
                f"itself, or has more than {MAX_DEPTH} levels or {MAX_VALUES:,} values"
            )
        if isinstance(value, Mapping):
            return {
                self._key(key, path): self._item(key, item, path) for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return self._list(value, path)
        if problem := _scalar_problem(value):
            self.problems.append(f"{shown('.'.join(path))}: {problem}")
        return _capped(value)

    def _list(self, items: list[Any] | tuple[Any, ...], path: tuple[str, ...]) -> list[Any]:
        """Return a plain copy of a list; of one that is too long, the beginning."""
        if len(items) > MAX_ITEMS:
            place = shown(".".join(path))
            self.problems.append(f"{place}: {len(items):,} entries; at most {MAX_ITEMS:,}")
            items = items[:10]
        return [self.copy(item, (*path, str(number))) for number, item in enumerate(items)]

    def _item(self, key: object, item: Any, path: tuple[str, ...]) -> Any:
        return self.copy(item, (*path, shown(key)))

    def _key(self, key: object, path: tuple[str, ...]) -> str:
        if not isinstance(key, str):
            name = ".".join((*path, shown(key)))
            self.problems.append(f'{name}: this key is no text; put it in quotes: "{shown(key)}"')
        return key if isinstance(key, str) else shown(key)


def _capped(value: Any) -> Any:
    """Return a value whose text Python can write: it refuses integers of 4,300 digits."""
    limit = 10**_LONGEST
    return (
        max(-limit, min(value, limit)) if isinstance(value, int) and abs(value) > limit else value
    )


def _scalar_problem(value: Any) -> str | None:
    """Return why a value is not allowed anywhere in a configuration."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value!r} is not allowed; allowed: a finite number"
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return f"{shown(value)} is too large"
    if isinstance(value, str) and _CONTROL.search(value):
        return f"{shown(value)!r} contains a character that cannot be printed"
    if value is None or isinstance(value, bool | int | float | str):
        return None
    return f"{shown(str(value))} is read as a {type(value).__name__}; put text in quotes"
