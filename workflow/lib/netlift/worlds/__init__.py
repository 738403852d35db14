"""The competition models, one module each: ``PARAMETERS`` and a class ``Model``.

A module that is put into this folder is a model; its file name is its name in the config.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from netlift.competition import Slates, World


def models() -> list[str]:
    """Return the names of all competition models, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def model_class(model: str) -> type[World]:
    """Return the class of a competition model by its name."""
    found: type[World] = importlib.import_module(f"{__name__}.{model}").Model
    return found


def schema(model: str) -> dict[str, Any]:
    """Return the strict JSON Schema of a config entry under ``worlds`` with this model."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["model"],
        "properties": {
            "model": {"const": model},
            "intercept": {
                "description": "b0 on the logit scale; not together with target_click_rate.",
                "type": "number",
                "minimum": -30,
                "maximum": 30,
            },
            "target_click_rate": {
                "description": (
                    "Mean click probability per item row in the control arm; b0 is then found by "
                    "bisection."
                ),
                "type": "number",
                "exclusiveMinimum": 0,
                "exclusiveMaximum": 1,
            },
            **model_class(model).PARAMETERS,
        },
    }


def fit(entry: Mapping[str, Any], slates: Slates) -> World:
    """Return the world of a config entry (``model`` and its parameters), fitted to slates."""
    parameters = {key: value for key, value in entry.items() if key != "model"}
    return model_class(entry["model"]).fit(parameters, slates)
