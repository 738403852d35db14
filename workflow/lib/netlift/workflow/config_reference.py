"""The reference of configuration keys, generated from the schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from netlift.workflow.schema import allowed_values, dataset_schema, read_schema
from netlift.worlds import registry as worlds

_HEADER = "| key | meaning | allowed | default |\n|---|---|---|---|"


def config_reference() -> str:
    """Return Markdown tables of every key: of study, worlds, data sets and logs."""
    schema = read_schema("config")
    dataset = read_schema("datasets")
    parts = [
        "## Keys of the study",
        _table(_keys(schema)),
        "## Keys of a world, by model",
        "Each entry under `worlds` names its `model`; the other keys are that model's parameters.",
    ]
    for model in worlds.models():
        parts += [f"### `model: {model}`", _table(_keys(worlds.schema(model)))]
    parts.append("## Keys of a data set, by kind")
    for kind in dataset["properties"]["kind"]["enum"]:
        parts += [f"### `kind: {kind}`", _table(_keys(dataset_schema({"kind": kind})))]
    parts += [
        "## Keys of a log",
        "Each entry under `logs` is one log of an experiment; see docs/own-experiment.md.",
        _table(_keys(read_schema("logs"))),
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: Iterator[tuple[str, str, str, str]]) -> str:
    return "\n".join([_HEADER, *("| " + " | ".join(row) + " |" for row in rows)])


def _keys(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield (key, meaning, allowed values, default) of each key that takes a value."""
    for name, child in schema.get("properties", {}).items():
        key = f"{prefix}{name}"
        if "properties" in child:
            yield from _keys(child, f"{key}.")
            continue
        default = f"`{_plain(child['default'])}`" if "default" in child else "none"
        if name in schema.get("required", []) and "default" not in child:
            default = "required"
        yield (
            f"`{key}`",
            _escaped(child.get("description", "")),
            _escaped(allowed_values(child)),
            default,
        )
        named = child.get("additionalProperties")
        if isinstance(named, dict):
            yield from _keys(named, f"{key}.NAME.")


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
