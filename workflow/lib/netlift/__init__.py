"""Netlift: when we promote an item, do we create engagement, or do we only move it?

In a notebook: ``netlift.experiments()`` lists the experiments in ``results``, and
``netlift.open_experiment(folder)`` opens one.
"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import ``experiments`` or ``open_experiment`` when it is used.

    By a text, so that jobs of the workflow, which all import this package, do not
    depend on them.
    """
    if name in ("experiments", "open_experiment"):
        import importlib

        return getattr(importlib.import_module("netlift.notebook"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
