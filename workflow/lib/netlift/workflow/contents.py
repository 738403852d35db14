"""The content of files that no job makes: a user's logs and ratings, code, templates.

Snakemake compares time stamps: a file whose content changed but whose time stamp is older than the
output (copied with its times, unpacked from an archive) looks unchanged to it. So the content of
such files is a parameter of the rules that read them.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from netlift.core.tables import write_text

CACHE = Path(".snakemake/netlift/contents.json")
"""Hashes of large files, with what shows that a file is still the same."""

LARGE = 1 << 20
"""Files of more bytes than this are not read again while nothing shows that they changed."""

SETTLED = 2.0
"""Seconds after its last change from which a file's hash is kept: clocks of file systems are
coarse, so a change right after the first could have the same time."""


def content(files: Iterable[str | Path]) -> str:
    """Return a hash of the names and the content of files.

    Parameters
    ----------
    files
        Existing files, in an order that does not matter.

    Returns
    -------
    SHA-256, hexadecimal.
    """
    digest = hashlib.sha256()
    for file in sorted({str(file) for file in files}):
        digest.update(f"{file}\0{_hash(file)}\n".encode())
    return digest.hexdigest()


@cache
def _hash(file: str) -> str:
    """Return the hash of a file's content: once in a run, and from the cache if it is large."""
    status = os.stat(file)
    if status.st_size <= LARGE:
        return _read(file)
    # No program can set the time of the last change (ctime) of a file.
    seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    known = _known()
    if known.get(file, [])[:-1] != seen:
        found = _read(file)
        if time.time() - max(status.st_mtime, status.st_ctime) < SETTLED:
            return found
        known[file] = [*seen, found]
        write_text(json.dumps(known, indent=1) + "\n", CACHE)
    return str(known[file][-1])


def _read(file: str) -> str:
    with open(file, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _known() -> dict[str, list[int | str]]:
    try:
        known = json.loads(CACHE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
