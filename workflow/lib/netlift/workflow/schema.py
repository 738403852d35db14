"""JSON Schemas of the configuration: fill in defaults, and describe each violation in words."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.core.errors import listed
from netlift.logs.variants import OF_VARIANTS
from netlift.promotion.treatment import TREATMENTS
from netlift.workflow.plain import MAX_INTEGER, shown
from netlift.worlds import registry as worlds

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


Json = dict[str, Any]


SCHEMAS = Path(__file__).parents[3] / "schemas"


def dataset_schema(entry: Mapping[str, Any], schemas: Path = SCHEMAS) -> Json:
    """Return the schema of a data set of the entry's ``kind``; of any kind, if that is unknown."""
    schema = read_schema("datasets", schemas)
    for branch in schema["allOf"]:
        if branch["if"]["properties"]["kind"]["const"] == entry.get("kind"):
            kind_schema: Json = {"type": "object", **branch["then"]}
            return kind_schema
    return {key: value for key, value in schema.items() if key != "allOf"}


def world_schema(entry: Mapping[str, Any]) -> Json:
    """Return the schema of a world with the entry's ``model``; of any model, if that is unknown."""
    if entry.get("model") in worlds.models():
        return worlds.schema(entry["model"])
    return {
        "type": "object",
        "required": ["model"],
        "properties": {"model": {"enum": worlds.models()}},
    }


def changed_world(entry: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    """Return the entry of a world with changes made, complete."""
    changed = {**entry, **changes}
    complete: Json = completed(changed, worlds.schema(changed["model"]))
    return complete


def read_schema(name: str, schemas: Path = SCHEMAS) -> Json:
    """Read a schema of the project: ``config``, ``datasets`` or ``logs``."""
    schema: Json = json.loads((schemas / f"{name}.schema.json").read_text(encoding="utf-8"))
    if name == "logs":
        _let_arms_say_what_they_do(schema["properties"]["promotion"], OF_VARIANTS)
    if name == "config":
        promotions = schema["properties"]["promotions"]
        _let_arms_say_what_they_do(promotions["additionalProperties"], TREATMENTS)
    return schema


def _let_arms_say_what_they_do(promotion: Json, treatments: Iterable[str]) -> None:
    """Give each arm the keys by which a promotion says what it does."""
    keys = promotion["properties"]
    arm = keys["arms"]["additionalProperties"]["properties"]
    arm |= {key: keys[key] for key in treatments if key in keys}


def completed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Fill in defaults, drop keys that are null, and give numbers their declared type."""
    kind = schema.get("type")
    if isinstance(value, Mapping):
        properties: Json = schema.get("properties", {})
        other = schema.get("additionalProperties")
        filled = {
            key: completed(item, properties.get(key, other if isinstance(other, dict) else {}))
            for key, item in value.items()
            if item is not None
        }
        for key, child in properties.items():
            if key not in filled and "default" in child:
                filled[key] = completed(child["default"], child)
        return filled
    if isinstance(value, list):
        return [completed(item, schema.get("items", {})) for item in value]
    return _number(value, kind)


EXPONENT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]{1,3}")
"""Numbers that YAML reads as text unless they have a point and a sign: 1e6, 1.5e6."""


def _number(value: Any, kind: Any) -> Any:
    """Return a number in its declared type; all else as it is."""
    kinds = [kind] if isinstance(kind, str) else kind or []
    numeric = "number" in kinds or "integer" in kinds
    if numeric and isinstance(value, str) and EXPONENT.fullmatch(value):
        value = float(value) if math.isfinite(float(value)) else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if kind == "number" and abs(value) <= MAX_INTEGER:
        return float(value)
    if "integer" in kinds and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


_MOST_PROBLEMS = 1000
"""Violations that are described; with more, a list holds the wrong thing throughout."""


def schema_problems(value: Any, schema: Json, prefix: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield each violation of a schema, with its key."""
    validator = _validator_class()(schema)
    for error in sorted(islice(validator.iter_errors(value), _MOST_PROBLEMS), key=_place):
        yield from _described(error, prefix)


def _place(error: ValidationError) -> str:
    return f"{'.'.join(map(str, error.absolute_path))} {error.validator}"


@cache
def _validator_class() -> Any:
    """Return the validator; lists are checked for duplicates in linear time."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    checks: Any = {"uniqueItems": _twice, "pattern": _form}
    return extend(Draft202012Validator, checks)  # type: ignore[no-untyped-call]


def _form(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    # In Python, $ also matches before a line break at the end.
    if isinstance(value, str) and (not re.search(pattern, value) or value.endswith("\n")):
        yield ValidationError(f"not of the form {pattern}")


def _twice(_: Any, unique: bool, items: Any, __: Any) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    counts = Counter(map(repr, items)) if unique and isinstance(items, list) else Counter()
    if twice := [text for text, count in counts.items() if count > 1]:
        yield ValidationError(f"{listed(twice)} given twice")


def _described(error: ValidationError, prefix: tuple[str, ...]) -> Iterator[str]:
    """Describe one violation of the schema in words for people who do not program."""
    path = (*prefix, *(str(part) for part in error.absolute_path))
    key = ".".join(path) or "the configuration"
    schema: Any = error.schema
    value: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        for name in sorted(set(value) - set(known)):
            yield _unknown_key((*path, shown(name)), known)
    elif "propertyNames" in error.absolute_schema_path:
        yield f"{key}: the name {_repr(value)} is not allowed; allowed: {allowed_values(schema)}"
    elif error.validator == "uniqueItems":
        yield f"{key}: {shown(error.message)}; allowed: {allowed_values(schema)}"
    elif error.validator == "required":
        missing = [name for name in schema["required"] if name not in value]
        yield f"{key}: lacks {', '.join(missing)}"
    else:
        yield f"{key}: {_repr(value)} is not allowed; allowed: {allowed_values(schema)}"


def _repr(value: Any) -> str:
    return repr(shown(value)) if isinstance(value, str) else shown(value)


def _unknown_key(path: tuple[str, ...], known: list[str]) -> str:
    near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
    hint = f"; did you mean {'.'.join((*path[:-1], near[0]))}?" if near else ""
    return f"{'.'.join(path)}: unknown key{hint} (keys here: {', '.join(sorted(known)) or 'none'})"


_RANGE_WORDS: dict[str, Callable[[Any], str]] = {
    "minimum": lambda bound: f"at least {bound}",
    "exclusiveMinimum": lambda bound: f"above {bound}",
    "maximum": lambda bound: f"at most {bound}",
    "exclusiveMaximum": lambda bound: f"below {bound}",
    "minItems": lambda bound: f"{bound} or more of them",
    "minLength": lambda bound: "not empty" if bound == 1 else f"{bound} characters or more",
    "uniqueItems": lambda _: "none twice",
    "pattern": lambda pattern: f"of the form {pattern}",
}


_TYPE_WORDS = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys to values",
    "null": "null",
}


def allowed_values(schema: Mapping[str, Any]) -> str:
    """Describe in words what a JSON Schema of one value allows."""
    if "const" in schema:
        return repr(schema["const"])
    if "enum" in schema:
        return ", ".join(str(choice) for choice in schema["enum"])
    kinds = schema.get("type", [])
    words = [_TYPE_WORDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    ranges = [say(schema[word]) for word, say in _RANGE_WORDS.items() if word in schema]
    return ", ".join([" or ".join(words), *ranges]).strip(", ")
