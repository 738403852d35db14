"""Mutations of sound configurations: kinds of damage, each in many places, from a fixed seed."""

from __future__ import annotations

import copy
import datetime
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutation:
    """A damaged configuration: the kind of damage, the place of it, and what stands there now."""

    kind: str
    place: Place
    config: dict[Any, Any]

    def __str__(self) -> str:
        return f"{self.kind} at {'.'.join(map(str, self.place))}"


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def endless_mapping() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["again"] = value
    return value


def laughs() -> list[Any]:
    value: list[Any] = [1] * 10
    for _ in range(30):
        value = [value] * 10
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    return value


VALUES: dict[str, Callable[[], Any]] = {
    "null": lambda: None,
    "true": lambda: True,
    "zero": lambda: 0,
    "one": lambda: 1,
    "a half": lambda: 0.5,
    "minus one": lambda: -1,
    "minus a half": lambda: -0.5,
    "a huge integer": lambda: 10**12,
    "an endless integer": lambda: 10**5000,
    "a huge number": lambda: 1e300,
    "a tiny number": lambda: 5e-324,
    "nan": lambda: math.nan,
    "infinity": lambda: math.inf,
    "minus infinity": lambda: -math.inf,
    "a number as text": lambda: "5",
    "an exponent as text": lambda: "1e2",
    "an endless exponent as text": lambda: "1e999",
    "empty text": lambda: "",
    "a blank": lambda: " ",
    "other text": lambda: "no such thing",
    "two dots": lambda: "..",
    "a path": lambda: "../../etc",
    "a line break": lambda: "two\nlines\n",
    "a null byte": lambda: "a\0b",
    "half a character": lambda: "\ud800",
    "a long text": lambda: "x" * 100_000,
    "a reversed range": lambda: "9-1",
    "a range of a billion": lambda: "0-999999999",
    "a list of ranges": lambda: ["1-5", "0-999999999"],
    "an empty list": list,
    "a list": lambda: [1, "two", None],
    "a list of lists": lambda: [[1], [2]],
    "the same twice": lambda: [1, 1],
    "a long list": lambda: list(range(50_000)),
    "a long mixed list": lambda: [1, "a"] * 20_000,
    "an empty mapping": dict,
    "a mapping": lambda: {"a": 1},
    "number keys": lambda: {2: 1, "2": 2, True: 3, None: 4, 2.5: 5},
    "a date": lambda: datetime.date(2026, 4, 28),
    "bytes": lambda: b"abc",
    "a set": lambda: {1, 2},
    "a list of itself": endless,
    "a mapping of itself": endless_mapping,
    "a billion laughs": laughs,
    "a deep list": deep,
}
"""Values that are put in the place of one that is sound, by kind."""


def in_a_list(value: Any) -> Any:
    return [value]


def as_text(value: Any) -> Any:
    return str(value)


def opposite(value: Any) -> Any:
    return -value if isinstance(value, int | float) and not isinstance(value, bool) else None


def misspelled(value: Any) -> Any:
    return value[:-1] + "zz" if isinstance(value, str) else None


CHANGES: dict[str, Callable[[Any], Any]] = {
    "the value in a list": in_a_list,
    "the value as text": as_text,
    "the opposite": opposite,
    "misspelled": misspelled,
}
"""Changes of the sound value, by kind; None where there is no such change."""

KEYS: dict[str, Callable[[str], Any]] = {
    "a misspelled key": lambda key: f"{key}x",
    "a key in capitals": str.upper,
    "a padded key": lambda key: f" {key} ",
    "a key with a line break": lambda key: f"{key}\n",
    "a key of two dots": lambda _: "..",
    "a key of one dot": lambda _: ".",
    "an empty key": lambda _: "",
    "a key with slashes": lambda _: "a/b",
    "an absolute key": lambda _: "/tmp/x",
    "a key of a reserved folder": lambda _: "sweep",
    "a long key": lambda _: "x" * 300,
    "an integer key": lambda _: 1,
    "a boolean key": lambda _: True,
    "a null key": lambda _: None,
    "a key with a null byte": lambda _: "a\0b",
}
"""Names that keys get, by kind; the value stays."""


def places(value: Any, above: Place = ()) -> Iterator[Place]:
    """Yield the place of every value below a mapping or list."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in pairs:
            yield (*above, key)
            yield from places(item, (*above, key))


def value_at(config: Any, place: Place) -> Any:
    for key in place:
        config = config[key]
    return config


def replaced(config: dict[str, Any], place: Place, value: Any) -> dict[Any, Any]:
    changed = copy.deepcopy(config)
    value_at(changed, place[:-1])[place[-1]] = value
    return changed


def renamed(config: dict[str, Any], place: Place, name: Any) -> dict[Any, Any]:
    changed = copy.deepcopy(config)
    around = value_at(changed, place[:-1])
    items = [(name if key == place[-1] else key, value) for key, value in around.items()]
    around.clear()
    around.update(items)
    return changed


def mutation(config: dict[str, Any], kind: str, place: Place) -> Mutation | None:
    """Return the configuration with one kind of damage in one place; None if there is none."""
    sound = value_at(config, place)
    if kind in KEYS:
        name = KEYS[kind](place[-1]) if isinstance(place[-1], str) else place[-1]
        changed = None if name == place[-1] else renamed(config, place, name)
        return None if changed is None else Mutation(kind, place, changed)
    value = VALUES[kind]() if kind in VALUES else CHANGES[kind](sound)
    if (value is None and kind != "null") or (type(value) is type(sound) and value == sound):
        return None
    return Mutation(kind, place, replaced(config, place, value))


def mutations(
    config: dict[str, Any], per_kind: int, seed: int, kinds: Iterable[str]
) -> Iterator[Mutation]:
    """Yield mutations of a sound configuration: of each kind, in so many places drawn at random."""
    everywhere = list(places(config))
    for kind in kinds:
        drawn = random.Random(f"{seed} {kind}").sample(everywhere, len(everywhere))
        made = (mutation(config, kind, place) for place in drawn)
        sound = (one for one in made if one is not None)
        yield from (one for one, _ in zip(sound, range(per_kind), strict=False))
