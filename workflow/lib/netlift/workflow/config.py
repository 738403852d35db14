"""Check the configuration of a study: by its schemas, then by rules that no schema can express.

The schema is strict JSON Schema (draft 2020-12): an unknown key is an error, not a silent default.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netlift.workflow.checks import (
    Spoiled,
    cross_problems,
    former_keys,
    grid_problems,
    refuse,
)
from netlift.workflow.names import name_problems
from netlift.workflow.plain import plain
from netlift.workflow.schema import (
    SCHEMAS,
    Json,
    completed,
    dataset_schema,
    read_schema,
    schema_problems,
    world_schema,
)


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
        All problems at once, one line each: the key, its value, what is allowed and, for an
        unknown key, the nearest known one.
    """
    refuse(list(former_keys(config)))
    schema = read_schema("config", schemas)
    given, problems = plain(config)
    complete: Json = completed(given, schema)
    problems += _probabilities_of_arms(given, complete)
    problems += [*name_problems(complete), *schema_problems(complete, schema)]
    for group, schema_of in (
        ("worlds", world_schema),
        ("datasets", dataset_schema),
        ("logs", lambda _: read_schema("logs", schemas)),
    ):
        for name, entry in _entries(complete, group):
            entry_schema = schema_of(entry)
            complete[group][name] = completed(entry, entry_schema)
            problems += schema_problems(complete[group][name], entry_schema, (group, name))
    problems += cross_problems(complete, Spoiled(problems))
    if not Spoiled(problems).any_of("study", "slates", "promotions", "worlds", "grids"):
        problems += [
            text for name in complete["study"]["grids"] for text in grid_problems(complete, name)
        ]
    refuse(problems)
    return complete


def _probabilities_of_arms(given: Json, complete: Json) -> list[str]:
    """Take the default probability from promotions with several arms; refuse one that is given."""
    problems = []
    for name, entry in _entries(complete, "promotions"):
        if "arms" in entry:
            del entry["probability"]
            if given["promotions"][name].get("probability") is not None:
                problems.append(
                    f"promotions.{name}.probability: each arm has its own: write it under "
                    f"promotions.{name}.arms.NAME"
                )
    return problems


def _entries(config: Json, group: str) -> list[tuple[str, Json]]:
    """Return the named entries of a group; the schema reports those that are not mappings."""
    entries = config.get(group)
    if not isinstance(entries, Mapping):
        return []
    return [(str(name), entry) for name, entry in entries.items() if isinstance(entry, dict)]
