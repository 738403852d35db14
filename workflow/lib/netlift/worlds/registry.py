"""The competition models by name: their parameters, and worlds fitted to slates."""

from __future__ import annotations

import copy
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from netlift.core.errors import NetliftError
from netlift.worlds import matching
from netlift.worlds import models as models_package
from netlift.worlds.slates import Slates
from netlift.worlds.world import ADD_ONS, Similarity, World


def models() -> list[str]:
    """Return the names of all competition models, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(models_package.__path__))


def model_class(model: str) -> type[World]:
    """Return the class of a competition model by its name."""
    world_class: type[World] = importlib.import_module(f"{models_package.__name__}.{model}").Model
    return world_class


def schema(model: str) -> dict[str, Any]:
    """Return the strict JSON Schema of a config entry under ``worlds`` with this model."""
    parameters = model_class(model).PARAMETERS
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["model", *(name for name in parameters if "default" not in parameters[name])],
        "properties": {
            "model": {"description": "The competition model.", "const": model},
            **parameters,
            **ADD_ONS,
            "match": matching.SCHEMA,
        },
    }


def fit(entry: Mapping[str, Any], slates: Slates, similarity: Similarity | None = None) -> World:
    """Return the world of a config entry (``model`` and its parameters), fitted to slates.

    Parameters that the entry leaves out have their defaults.
    """
    properties = schema(entry["model"])["properties"]
    defaults = {key: value["default"] for key, value in properties.items() if "default" in value}
    values = {key: value for key, value in entry.items() if key not in {"model", "match"}}
    parameters = {**defaults, **values}
    return model_class(entry["model"]).fit(parameters, slates, similarity)


def set_parameter(entry: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Return a world's entry with one parameter set; a dot in the name leads into a mapping.

    Raises
    ------
    NetliftError
        The name does not lead into a mapping of the entry.
    """
    changed = copy.deepcopy(dict(entry))
    *outer, last = name.split(".")
    inner = changed
    for key in outer:
        if not isinstance(inner.get(key), dict):
            raise NetliftError(f"{name}: the world has no mapping {key}")
        inner = inner[key]
    inner[last] = value
    return changed
