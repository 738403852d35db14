"""Checksums of what jobs made: a file that was damaged since is found before it is read.

Parquet pages have checksums of their own; a digit of a CSV table that has changed, or rows that are
missing at its end, nothing else would show.
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
    """Write down the checksums of files that a job has just made."""
    for file in files:
        write_text(_checksum(Path(file)), _note(file))


def check_files(files: Iterable[str | Path]) -> None:
    """Hold files against their checksums; those without, which no job here made, pass.

    Raises
    ------
    NetliftError
        A file is not as it was made.
    """
    changed = [file for file in files if not _is_as_made(Path(file))]
    if changed:
        raise NetliftError(
            f"{len(changed)} of the files that are needed {'is' if len(changed) == 1 else 'are'} "
            f"not as made: damaged or edited since (the checksum differs): {listed(changed)}. "
            f"Delete {'it' if len(changed) == 1 else 'them'} and run again: what is missing is "
            "made anew."
        )


def _is_as_made(file: Path) -> bool:
    try:
        noted = _note(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    return noted == _checksum(file)


def _note(file: str | Path) -> Path:
    name = hashlib.sha256(str(file).encode()).hexdigest()
    return FOLDER / name[:2] / name[2:32]  # no folder of thousands


def _checksum(file: Path) -> str:
    size, crc = 0, 0
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return f"{size} {crc:08x}\n"
