"""The choices that made one experiment, picked from the whole configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from netlift.workflow.schema import Json, completed
from netlift.worlds import registry as worlds


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


def grid_world(config: Mapping[str, Any], grid: Mapping[str, Any]) -> Json:
    """Return the entry of a grid's world with the grid's changes made, complete."""
    return changed_world(config, grid["world"], grid["changes"])


def changed_world(config: Mapping[str, Any], name: str, changes: Mapping[str, Any]) -> Json:
    """Return the entry of a world with changes made, complete."""
    entry = {**config["worlds"][name], **changes}
    return cast(Json, completed(entry, worlds.schema(entry["model"])))


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
