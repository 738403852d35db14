"""Read entries of ``config/datasets.yaml`` for the Snakefile: standard library only."""

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
    """Return the part of an entry on which the import depends, sorted by key.

    Changing a title, a license or a citation does not import the data set again.
    """
    return {key: entry[key] for key in sorted(entry) if key not in DESCRIPTION}


def input_files(entry: Mapping[str, Any]) -> list[Path]:
    """Return the user's own files from which an entry is read; none for the other kinds.

    They are inputs of the import, so changes to them run it again.

    Raises
    ------
    NetliftError
        They do not exist.
    """
    return folder_files(entry["path"]) if entry["kind"] == "folder" else []


def n_ratings(entry: Mapping[str, Any]) -> int:
    """Return the approximate number of ratings of a data set, to estimate what its jobs need.

    For a user's own files it is estimated from their size; for a package it is 0: it is small.
    """
    if entry.get("kind") == "archive":
        return int(entry["members"]["ratings.csv"]["rows"])
    if entry.get("kind") == "folder":
        size = sum(path.stat().st_size for path in input_files(entry))
        zipped = any(path.suffix == ".zip" for path in input_files(entry))
        return size // (ZIPPED_BYTES if zipped else CSV_BYTES)
    return int(entry.get("ratings", 0))
