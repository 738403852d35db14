"""The choices that made one experiment, picked from the whole configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def run_settings(study: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the choices of a study that made one experiment, and no others.

    Parameters
    ----------
    study
        The whole configuration, checked.
    name
        The experiment's path below ``results/``.
    """
    analysis = {key: study[key] for key in ("inference", "models", "policy") if key in study}
    first, *rest = name.split("/")
    if first == "logs":
        entry = dict(study.get("logs", {}).get(rest[0], {}))
        # A rule's settings are sorted; the first outcome is the main one.
        order = {"outcome_order": list(entry["outcomes"])} if "outcomes" in entry else {}
        return {"log": rest[0], "entry": entry | order, **analysis}
    size, seed, world = (part.split("=")[-1] for part in rest)
    slates = study["slates"]
    builder = slates["builder"]
    return {
        "dataset": first,
        "entry": study["datasets"][first],
        "size": int(size),
        "seed": int(seed),
        "world": world,
        "world_entry": study["worlds"][world],
        "slates": {key: slates[key] for key in ("n_slates", "max_per_user", "builder", "clusters")}
        | {builder: slates[builder]},
        "promotion": study["promotion"],
        **analysis,
    }
