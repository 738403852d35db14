"""Checking the configuration of a study, and picking from it what one rule uses.

The schema is strict JSON Schema (draft 2020-12): an unknown key is an error, not a silent default.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from netlift import worlds
from netlift.errors import NetliftError
from netlift.logs.entries import log_problems
from netlift.seed_blocks import expanded_seeds

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Json = dict[str, Any]

SCHEMAS = Path(__file__).parents[2] / "schemas"


def check_config(config: Mapping[str, Any], schemas: Path = SCHEMAS) -> Json:
    """Return the whole configuration, with defaults filled in and numbers of the declared type.

    Parameters
    ----------
    config
        The merged configuration: the project's files, overlays, and the command line.
    schemas
        The folder of ``config.schema.json``, ``datasets.schema.json`` and ``logs.schema.json``.

    Raises
    ------
    NetliftError
        All problems at once, a line each: the key, what was given, what is allowed and, for an
        unknown key, the nearest known one.
    """
    schema = read_schema("config", schemas)
    complete: Json = completed(dict(config), schema)
    problems = [*_not_finite(complete), *_schema_problems(complete, schema)]
    for group, schema_of in (
        ("worlds", _world_schema),
        ("datasets", dataset_schema),
        ("logs", lambda _: read_schema("logs", schemas)),
    ):
        for name, entry in _entries(complete, group):
            own = schema_of(entry)
            complete[group][name] = completed(entry, own)
            problems += _schema_problems(complete[group][name], own, (group, name))
    if not problems:
        problems = list(_cross_problems(complete))
    if not problems:
        problems = [text for name in complete["study"]["grids"] for text in _grid(complete, name)]
    _refuse(problems)
    return complete


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        raise NetliftError(
            f"the configuration has {count}:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
            + "\nEvery key is explained in config/README.md."
        )


def dataset_schema(entry: Mapping[str, Any], schemas: Path = SCHEMAS) -> Json:
    """Return the schema of a data set of the entry's ``kind``; of any kind, if that is unknown."""
    schema = read_schema("datasets", schemas)
    for branch in schema["allOf"]:
        if branch["if"]["properties"]["kind"]["const"] == entry.get("kind"):
            found: Json = {"type": "object", **branch["then"]}
            return found
    return {key: value for key, value in schema.items() if key != "allOf"}


def _world_schema(entry: Mapping[str, Any]) -> Json:
    """Return the schema of a world with the entry's ``model``; of any model, if that is unknown."""
    if entry.get("model") in worlds.models():
        return worlds.schema(entry["model"])
    return {
        "type": "object",
        "required": ["model"],
        "properties": {"model": {"enum": worlds.models()}},
    }


def read_schema(name: str, schemas: Path = SCHEMAS) -> Json:
    """Read a schema of the project: ``config``, ``datasets`` or ``logs``."""
    schema: Json = json.loads((schemas / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def _entries(config: Json, group: str) -> list[tuple[str, Json]]:
    """Return the named entries of a group; what is no mapping the schema has complained of."""
    entries = config.get(group)
    if not isinstance(entries, Mapping):
        return []
    return [(str(name), entry) for name, entry in entries.items() if isinstance(entry, dict)]


def canonical(value: Any) -> Any:
    """Return plain built-in values with sorted keys: what Snakemake may compare by ``repr``."""
    if isinstance(value, Mapping):
        return {str(key): canonical(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"not a plain value: {value!r}")


def typed(value: Any) -> Any:
    """Return values given as texts on the command line as the numbers or words that YAML reads.

    Only numbers, true, false and null change; every other text stays as it is.
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
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _not_finite(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Name numbers that are not numbers: every comparison with a range lets NaN pass."""
    if isinstance(value, Mapping | list):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in pairs:
            yield from _not_finite(item, (*path, str(key)))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{'.'.join(path)}: {value!r} is not allowed; allowed: a finite number"


def _schema_problems(value: Any, schema: Json, prefix: tuple[str, ...] = ()) -> Iterator[str]:
    from jsonschema import Draft202012Validator

    for error in sorted(Draft202012Validator(schema).iter_errors(value), key=str):
        yield from _described(error, prefix)


def _described(error: ValidationError, prefix: tuple[str, ...]) -> Iterator[str]:
    """Say one violation of the schema in words for people who do not program."""
    path = (*prefix, *(str(part) for part in error.absolute_path))
    key = ".".join(path) or "the configuration"
    schema: Any = error.schema
    value: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        for name in sorted(set(value) - set(known)):
            yield _unknown_key((*path, str(name)), known)
    elif error.validator == "required":
        missing = [name for name in schema["required"] if name not in value]
        yield f"{key}: lacks {', '.join(missing)}"
    else:
        yield f"{key}: {value!r} is not allowed; allowed: {allowed_values(schema)}"


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


def _cross_problems(config: Json) -> Iterator[str]:
    """Check what no schema can say: keys that must agree with each other."""
    study, promotion = config["study"], config["promotion"]
    if config["dataset"] not in config["datasets"]:
        yield _unknown_name("dataset", config["dataset"], config["datasets"])
    yield from _world_problems(config, study["worlds"], "study.worlds")
    first, last = promotion["focal_position_first"], promotion.get("focal_position_last")
    if last is not None and last < first:
        yield (
            f"promotion.focal_position_last: {last} is above promotion.focal_position_first "
            f"({first}) in the slate; give a position from {first} on, or null for the last"
        )
    if promotion["unit"] == "user" and promotion["assignment"] == "stratified":
        yield (
            "promotion.unit: user cannot be combined with promotion.assignment: stratified, since "
            "a user's slates have different focal positions; take bernoulli or complete"
        )
    for size in study["sizes"]:
        yield from _size_problems(config, size, "study.sizes")
    for name, entry in config["logs"].items():
        for key, problem in log_problems(entry):
            yield f"logs.{name}.{key}: {problem}"


def _size_problems(config: Json, size: int, key: str) -> Iterator[str]:
    """Check that slates of a size can be built, and that every world can use them."""
    slates, promotion = config["slates"], config["promotion"]
    first, last = promotion["focal_position_first"], promotion.get("focal_position_last")
    if slates["builder"] == "scorer" and slates["scorer"]["pool"] < size:
        yield (
            f"slates.scorer.pool: a pool of {slates['scorer']['pool']} candidates cannot fill "
            f"slates of {size}; give at least {size}"
        )
    if slates["builder"] == "history" and slates["history"]["window"] < size:
        yield (
            f"slates.history.window: a window of {slates['history']['window']} ratings cannot "
            f"fill slates of {size}; give at least {size}"
        )
    for name, entry in config["worlds"].items():
        try:
            worlds.model_class(entry["model"]).check(entry, size)
        except NetliftError as error:
            yield f"worlds.{name}: {error}"
    deepest = first if last is None else last
    if size < deepest:
        yield (
            f"{key}: a slate of {size} has no position {deepest}, from which focal items "
            "are drawn; take larger slates or lower promotion.focal_position_first and _last"
        )


def _world_problems(config: Json, names: Sequence[str], key: str) -> Iterator[str]:
    """Check that worlds exist, and that one that compares items by the scorer's factors has one."""
    for name in names:
        if name not in config["worlds"]:
            yield _unknown_name(key, name, config["worlds"])
            continue
        source = config["worlds"][name].get("source", "genres")
        if config["slates"]["builder"] == "history" and source != "genres":
            yield (
                f"worlds.{name}.source: {source!r} needs the scorer's item factors, which "
                "slates of the builder history do not have; take genres"
            )


def check_sweep(config: Mapping[str, Any]) -> Json:
    """Return the sweep of a checked configuration, with its seeds written out.

    Checked on its own, since a study that is not swept need not be able to.

    Raises
    ------
    NetliftError
        All problems at once, a line each.
    """
    sweep = dict(config["sweep"])
    problems = list(_world_problems(dict(config), sweep["worlds"], "sweep.worlds"))
    for size in sweep["sizes"]:
        problems += _size_problems(dict(config), size, "sweep.sizes")
    try:
        sweep["seeds"] = expanded_seeds(sweep["seeds"])
    except NetliftError as error:
        problems.append(f"sweep.seeds: {error}")
    _refuse(problems)
    return sweep


def check_validation(config: Mapping[str, Any]) -> None:
    """Check the cases of the validation of a checked configuration.

    Raises
    ------
    NetliftError
        All problems at once, a line each.
    """
    problems = []
    for name, case in config["validation"]["cases"].items():
        key = f"validation.cases.{name}"
        case_worlds = case.get("worlds", config["study"]["worlds"])
        missing = list(_world_problems(dict(config), case_worlds, f"{key}.worlds"))
        problems += missing
        size = case.get("size", config["study"]["sizes"][0])
        problems += _size_problems(dict(config), size, f"{key}.size")
        if "n_users" not in case and case.get("n_slates", 0) > config["slates"]["n_slates"]:
            problems.append(
                f"{key}.n_slates: {case['n_slates']:,} slates are more than slates.n_slates "
                f"({config['slates']['n_slates']:,})"
            )
        for world in [] if missing else case_worlds:
            entry = changed_world(config, world, case["changes"])
            path = ("validation", "cases", name, "changes")
            problems += _schema_problems(entry, worlds.schema(entry["model"]), path)
    _refuse(problems)


def grid_world(config: Mapping[str, Any], grid: Mapping[str, Any]) -> Json:
    """Return the entry of a grid's world with the grid's changes made, complete."""
    return changed_world(config, grid["world"], grid["changes"])


def changed_world(config: Mapping[str, Any], name: str, changes: Mapping[str, Any]) -> Json:
    """Return the entry of a world with changes made, complete."""
    entry = {**config["worlds"][name], **changes}
    return cast(Json, completed(entry, worlds.schema(entry["model"])))


def _grid(config: Json, name: str) -> Iterator[str]:
    """Check a grid: its world, and every value of every parameter."""
    if name not in config["grids"]:
        yield _unknown_name("study.grids", name, config["grids"])
        return
    grid = config["grids"][name]
    path = ("grids", name)
    if grid["world"] not in config["worlds"]:
        yield _unknown_name(f"grids.{name}.world", grid["world"], config["worlds"])
        return
    entry = grid_world(config, grid)
    schema = worlds.schema(entry["model"])
    size = grid.get("size", config["study"]["sizes"][0])
    for parameter, values in grid["parameters"].items():
        for value in values:
            try:
                point = worlds.set_parameter(entry, parameter, value)
                worlds.model_class(entry["model"]).check(point, size)
            except NetliftError as error:
                yield f"{'.'.join(path)}: {error}"
                break
            problems = list(_schema_problems(point, schema, (*path, "parameters")))
            yield from problems
            if problems:
                break


def _unknown_name(key: str, name: object, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(str(name), list(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{key}: there is no {name!r}{hint} (known: {', '.join(known)})"
