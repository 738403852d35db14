"""Checksums of files that jobs made: a file damaged since then is detected before it is read.

Parquet pages have checksums of their own. In a CSV table, nothing else would reveal a changed digit
or missing rows at the end.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path

from netlift.core.errors import NetliftError, listed
from netlift.core.tables import write_text

FOLDER = Path(".snakemake/netlift/checksums")
"""One small file for each file that a job made, named by a hash of its path."""

_CHUNK = 1 << 20


def note_checksums(files: Iterable[str | Path]) -> None:
    """Record the checksums of files that a job has just made."""
    for file in files:
        write_text(_checksum(Path(file)), _note(file))


def check_files(files: Iterable[str | Path]) -> None:
    """Compare files with their checksums; files without one, which no job here made, pass.

    Raises
    ------
    NetliftError
        A file has changed since it was made.
    """
    changed = [file for file in files if not _is_unchanged(Path(file))]
    if changed:
        raise NetliftError(
            f"{len(changed)} of the files that are needed {'is' if len(changed) == 1 else 'are'} "
            f"damaged, or edited since they were made (the checksum differs): {listed(changed)}. "
            f"Delete {'it' if len(changed) == 1 else 'them'} and run again: missing files are "
            "made again."
        )


def _is_unchanged(file: Path) -> bool:
    try:
        recorded = _note(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    return recorded == _checksum(file)


def _note(file: str | Path) -> Path:
    name = hashlib.sha256(str(file).encode()).hexdigest()
    return FOLDER / name[:2] / name[2:32]  # so that no folder has thousands of files


def _checksum(file: Path) -> str:
    size, crc = 0, 0
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return f"{size} {crc:08x}\n"
