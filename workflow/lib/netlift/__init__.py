"""Netlift: when we promote an item, do we create engagement, or do we only move it?

In a notebook: ``netlift.open_experiment("results/ml-small/scorer/size=12/seed=20260428/to_first/logit")``.
"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import ``open_experiment`` when it is asked for.

    It is named by a text, so that jobs of the workflow, which all import this package, do not
    depend on it.
    """
    if name == "open_experiment":
        import importlib

        return importlib.import_module("netlift.notebook").open_experiment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
