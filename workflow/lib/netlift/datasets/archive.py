"""Published archives: read from a folder or downloaded, and checked file by file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netlift.core.errors import NetliftError
from netlift.datasets.members import zip_members
from netlift.datasets.schema import Dataset, Progress


def open_archive(
    name: str,
    entry: Mapping[str, Any],
    archives: str | Path | None,
    downloads: str | Path,
    progress: Progress,
) -> Dataset:
    """Open the data set in a published zip.

    Parameters
    ----------
    name, entry
        An entry of kind ``archive``, with the published sizes and checksums.
    archives
        A folder that may contain the zip; it is only read.
    downloads
        The folder to which the zip is otherwise downloaded; it is kept there.
    progress
        Called with a line of text now and then.

    Raises
    ------
    NetliftError
        The zip cannot be downloaded, or is not the published one.
    """
    from netlift.datasets.movielens_csv import open_csv_dataset

    zip_path = locate(name, entry, archives, downloads, progress)
    remedy = f"Delete it and download it again from {entry['url']}."
    return open_csv_dataset(zip_members(zip_path, remedy, entry["members"]))


def locate(
    name: str,
    entry: Mapping[str, Any],
    archives: str | Path | None,
    downloads: str | Path,
    progress: Progress,
) -> Path:
    """Return the path of the zip of an entry, downloading it if necessary.

    Raises
    ------
    NetliftError
        The zip cannot be downloaded, or is not the published one; or ``archives`` is not a
        folder.
    """
    file = str(entry["url"]).rpartition("/")[2]
    if archives and not Path(archives).is_dir():
        raise NetliftError(
            f"{archives}: no such folder. Set the config key archives to the folder "
            f"that contains {file}, or leave it out to download the file."
        )
    for folder in (archives, downloads):
        if folder and (path := Path(folder) / file).is_file():
            progress(f"{name}: reading {path}")
            return path
    from netlift.datasets.download import fetch

    progress(f"{name}: downloading {entry['url']}")
    target = Path(downloads) / file
    fetch(
        entry["url"],
        target,
        check=lambda part: _check_download(part, entry),
        progress=progress,
        published=entry.get("bytes"),
    )
    return target


def _check_download(path: Path, entry: Mapping[str, Any]) -> None:
    """Compare a downloaded zip with its published checksum, or else its files with theirs."""
    remedy = f"Run again, or download it manually from {entry['url']}."
    size = path.stat().st_size
    if size != entry.get("bytes", size):
        raise NetliftError(
            f"{path}: has {size:,} bytes, but the published size is {entry['bytes']:,}. {remedy}"
        )
    if "md5" not in entry:
        for member in zip_members(path, remedy, entry["members"]).values():
            member.verify()
        return
    with path.open("rb") as source:
        md5 = hashlib.file_digest(source, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 != entry["md5"]:
        raise NetliftError(
            f"{path}: its MD5 is {md5}, but the published MD5 is {entry['md5']}. {remedy}"
        )
