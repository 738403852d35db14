"""The CSV files of a data set, in a folder or inside a zip, read as streams.

A zip is never unpacked: a member is selected by name and read while it is decompressed, and its
checksum is computed in the same pass. Paths inside a zip are never used to write a file.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from netlift.core.errors import NetliftError, listed

NAMES = ("ratings.csv", "movies.csv")
"""The files of every data set in the MovieLens format."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
_ENCRYPTED = 0x1
_CHUNK = 2**20


@dataclass(frozen=True)
class Member:
    """One CSV file: its name in messages, and how to read it from the beginning.

    Attributes
    ----------
    label
        File, or zip and member.
    opener
        Opens the bytes of the file.
    remedy
        What to do when the file is damaged: a sentence.
    md5, rows
        The published checksum and number of rows, if known.
    """

    label: str
    opener: Callable[[], IO[bytes]]
    remedy: str
    md5: str | None = None
    rows: int | None = None

    @contextmanager
    def reading(self) -> Iterator[CheckedStream]:
        """Yield the file as a stream; call its ``finish`` after reading to the end.

        Raises
        ------
        NetliftError
            The file cannot be opened; from the stream: it is damaged or truncated.
        """
        with _damage_explained(self):
            source = self.opener()
        try:
            yield CheckedStream(self, source)
        finally:
            source.close()

    def verify(self) -> None:
        """Read the file once, only to check it.

        Raises
        ------
        NetliftError
            It is damaged, truncated, or not the published one.
        """
        with self.reading() as stream:
            stream.finish()


class CheckedStream(io.RawIOBase):
    """The bytes of a `Member`, whose checksum is computed in the same pass."""

    def __init__(self, member: Member, source: IO[bytes]) -> None:
        self._member = member
        self._source = source
        self._md5 = None if member.md5 is None else hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes; an empty result at the end."""
        with _damage_explained(self._member):
            data = self._source.read(size)
        if self._md5 is not None:
            self._md5.update(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer``, for `io.BufferedReader` and `io.TextIOWrapper`."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def finish(self) -> None:
        """Read the rest and compare the checksum with the published one.

        Raises
        ------
        NetliftError
            They differ, or the file is damaged.
        """
        while self.read(_CHUNK):
            pass
        if self._md5 is not None and self._md5.hexdigest() != self._member.md5:
            raise NetliftError(
                f"{self._member.label}: its MD5 is {self._md5.hexdigest()}, but the published MD5 "
                f"is {self._member.md5}: damaged, or from another release. {self._member.remedy}"
            )


@contextmanager
def _damage_explained(member: Member) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise NetliftError(
            f"{member.label}: damaged or truncated ({error or type(error).__name__}). "
            f"{member.remedy}"
        ) from error
    except OSError as error:
        raise NetliftError(f"{member.label}: cannot be read ({error}).") from error


def zip_members(
    path: Path, remedy: str, facts: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Member]:
    """Find ``ratings.csv`` and ``movies.csv`` in a zip: at the top level, or in one folder.

    Parameters
    ----------
    path
        The zip.
    remedy
        What to do when the zip is damaged: a sentence.
    facts
        For each name the published ``md5`` and, where known, ``bytes`` and ``rows``.

    Raises
    ------
    NetliftError
        Not a zip, truncated, encrypted, a file is missing or duplicate, or its size is not the
        published one.
    """
    with _open_zip(path, remedy) as archive:
        infos = archive.infolist()
    by_name = _pick([info.filename for info in infos if not info.is_dir()], path, remedy)
    members = {}
    for name, full_name in by_name.items():
        info = next(info for info in infos if info.filename == full_name)
        label = f"{path}: {full_name}"
        published = (facts or {}).get(name, {})
        if info.flag_bits & _ENCRYPTED:
            raise NetliftError(f"{label}: encrypted. Make a zip without a password.")
        if info.file_size != published.get("bytes", info.file_size):
            raise NetliftError(
                f"{label}: has {info.file_size:,} bytes, but the published size is "
                f"{published['bytes']:,}: damaged, or from another release. {remedy}"
            )
        opener = partial(_open_member, path, full_name, remedy)
        members[name] = Member(label, opener, remedy, published.get("md5"), published.get("rows"))
    return members


def _open_zip(path: Path, remedy: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _DAMAGE as error:
        with path.open("rb") as source:
            begins_as_zip = source.read(4) == b"PK\x03\x04"
        what = "a zip that is damaged or truncated" if begins_as_zip else "not a zip"
        raise NetliftError(f"{path}: {what} ({error}). {remedy}") from error
    except OSError as error:
        raise NetliftError(f"{path}: cannot be read ({error}).") from error


def _open_member(path: Path, name: str, remedy: str) -> IO[bytes]:
    archive = _open_zip(path, remedy)
    try:
        return archive.open(name)  # keeps the file open until the member is closed
    finally:
        archive.close()


def _open_file(path: Path) -> IO[bytes]:
    return path.open("rb")


def folder_files(path: str | Path) -> list[Path]:
    """Return the files from which a user's own data set is read.

    Parameters
    ----------
    path
        A zip, or a folder that contains ``ratings.csv`` and ``movies.csv`` directly or in one
        subfolder.

    Returns
    -------
    The zip; or ``ratings.csv`` and ``movies.csv``, in this order.

    Raises
    ------
    NetliftError
        There is no such file or folder, or a file is missing or duplicate.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise NetliftError(
            f"{path}: no such file or folder. Set the path of the data set to a folder "
            f"or a zip that contains {' and '.join(NAMES)}."
        )
    files = [file for name in NAMES for file in (*path.glob(name), *path.glob(f"*/{name}"))]
    names = [file.relative_to(path).as_posix() for file in files if file.is_file()]
    by_name = _pick(names, path, "Put both files into one folder.")
    return [path / by_name[name] for name in NAMES]


def folder_members(path: str | Path) -> dict[str, Member]:
    """Find ``ratings.csv`` and ``movies.csv`` of a user's own data set, a folder or a zip.

    Raises
    ------
    NetliftError
        As `folder_files` and `zip_members` do.
    """
    files = folder_files(path)
    if len(files) == 1:
        return zip_members(files[0], "Make the zip again.")
    return {
        name: Member(str(file), partial(_open_file, file), "Copy the file again.")
        for name, file in zip(NAMES, files, strict=True)
    }


def _pick(full_names: Sequence[str], path: Path, remedy: str) -> dict[str, str]:
    """Select the two files, from the same folder, at most one level deep.

    Returns
    -------
    The full name of each file, by its last part.
    """
    unsafe = [name for name in full_names if name.startswith("/") or ".." in name.split("/")]
    if unsafe:
        raise NetliftError(f"{path}: refused, because it contains unsafe names: {listed(unsafe)}.")
    paths: dict[str, list[str]] = {name: [] for name in NAMES}
    for full_name in full_names:
        parts = PurePosixPath(full_name).parts
        if len(parts) <= 2 and parts[-1] in paths:
            paths[parts[-1]].append(full_name)
    missing = [name for name, names in paths.items() if not names]
    if missing:
        raise NetliftError(
            f"{path}: no {' and no '.join(missing)} at its top level or in a folder "
            f"(it contains {listed(sorted(full_names)) or 'nothing'}). {remedy}"
        )
    duplicates = [name for names in paths.values() if len(names) > 1 for name in names]
    if duplicates:
        counts = Counter(duplicates)
        raise NetliftError(
            f"{path}: contains more than one data set ({listed(counts, limit=6)}). Keep only one."
        )
    if len({PurePosixPath(names[0]).parent for names in paths.values()}) > 1:
        raise NetliftError(
            f"{path}: {' and '.join(names[0] for names in paths.values())} are in different "
            "folders. Put both into the same folder."
        )
    return {name: names[0] for name, names in paths.items()}
