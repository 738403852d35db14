"""Names that a configuration gives: each becomes the name of a folder or file of the results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from netlift.workflow.plain import shown

GROUPS = (
    ("datasets",),
    ("logs",),
    ("slates",),
    ("promotions",),
    ("worlds",),
    ("grids",),
    ("validation", "cases"),
)
"""Where the names are keys."""

RESERVED = frozenset(
    (
        *("archives", "config", "datasets", "downloads", "resources", "results"),
        *("grid", "grids", "logs", "report", "studies", "sweep", "validation"),
        *("effects", "exposure", "figures", "index", "items", "models", "tables"),
        *("all", "none", "null"),
    )
)
"""Names of folders and files of the results, and words that the workflow uses itself."""

LONGEST = 64
"""Characters of a name."""

_LETTERS = re.compile(r"[A-Za-z0-9_.-]+")


def name_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield names that cannot be the name of a folder, or that collide with another."""
    study = config.get("study")
    if isinstance(study, Mapping) and isinstance(study.get("name"), str):
        yield from _group_problems("study.name", [study["name"]])
    for group in GROUPS:
        entries: Any = config
        for key in group:
            entries = entries.get(key) if isinstance(entries, Mapping) else None
        if isinstance(entries, Mapping):
            yield from _group_problems(".".join(group), list(entries))


def _group_problems(group: str, names: list[str]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name in names:
        if why := _problem(name):
            yield f"{group}: the name {shown(name)!r} is not allowed: {why}"
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            yield (
                f"{group}: {shown(name)} and {shown(other)} differ only in case, and would be one "
                "folder on some systems; rename one"
            )


def _problem(name: str) -> str | None:
    """Return why a name of allowed letters cannot be used; the schemas check the letters."""
    if "\n" in name:  # in a schema's pattern, $ matches before a last line break
        return "it has a line break"
    if not _LETTERS.fullmatch(name):
        return None
    if not name[0].isalnum():
        return "it becomes the name of a folder; begin with a letter or a digit"
    if len(name) > LONGEST:
        return f"it has {len(name)} characters; use at most {LONGEST}"
    if name.casefold().split(".")[0] in RESERVED:
        return "this word has a meaning of its own in the folder of results; use another"
    return None
