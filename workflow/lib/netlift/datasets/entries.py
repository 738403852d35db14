"""What an entry of ``config/datasets.yaml`` says, for the Snakefile: standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netlift.datasets.members import folder_files

DESCRIPTION = ("title", "version", "source", "license", "citation")
"""Keys that describe a data set to its readers: nothing is rebuilt when they change."""

CSV_BYTES, ZIPPED_BYTES = 25, 7
"""Bytes of one rating in MovieLens 32M's ratings.csv, and in the zip that it is published in."""


def import_settings(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an entry that the import depends on, sorted by key.

    An edit of a title, a license or a citation is no reason to import a data set again.
    """
    return {key: entry[key] for key in sorted(entry) if key not in DESCRIPTION}


def input_files(entry: Mapping[str, Any]) -> list[Path]:
    """Return the user's own files that an entry is read from; none for the other kinds.

    As inputs of the import they make an edit of them run it again.

    Raises
    ------
    NetliftError
        They are not there.
    """
    return folder_files(entry["path"]) if entry["kind"] == "folder" else []


def n_ratings(entry: Mapping[str, Any]) -> int:
    """Return how many ratings a data set has, about, from its entry: to know what jobs need.

    Of a user's own files, from their size, zipped or not; of a file in a package, 0: it is small.
    """
    if entry.get("kind") == "archive":
        return int(entry["members"]["ratings.csv"]["rows"])
    if entry.get("kind") == "folder":
        size = sum(path.stat().st_size for path in input_files(entry))
        zipped = any(path.suffix == ".zip" for path in input_files(entry))
        return size // (ZIPPED_BYTES if zipped else CSV_BYTES)
    return int(entry.get("ratings", 0))
