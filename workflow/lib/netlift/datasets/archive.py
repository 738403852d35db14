"""Published archives: found in a folder or downloaded, and checked member by member."""

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
        An entry of kind ``archive``, with the published facts.
    archives
        A folder that may hold the zip; it is only read.
    downloads
        The folder that the zip is downloaded into otherwise, and kept in.
    progress
        Takes a line now and then.

    Raises
    ------
    NetliftError
        The zip cannot be fetched, or it is not the published one.
    """
    from netlift.datasets.movielens_csv import open_csv_dataset

    zip_path = locate(name, entry, archives, downloads, progress)
    remedy = f"Delete it and fetch it again from {entry['url']}."
    return open_csv_dataset(zip_members(zip_path, remedy, entry["members"]))


def locate(
    name: str,
    entry: Mapping[str, Any],
    archives: str | Path | None,
    downloads: str | Path,
    progress: Progress,
) -> Path:
    """Return where the zip of an entry lies, after downloading it if need be.

    Raises
    ------
    NetliftError
        The zip cannot be fetched, or what arrived is not the published one; or ``archives`` is
        not a folder.
    """
    file = str(entry["url"]).rpartition("/")[2]
    if archives and not Path(archives).is_dir():
        raise NetliftError(
            f"{archives}: there is no such folder. Set the config key archives to the folder "
            f"that holds {file}, or leave it out to download the file."
        )
    for folder in (archives, downloads):
        if folder and (path := Path(folder) / file).is_file():
            progress(f"{name}: reading {path}")
            return path
    from netlift.datasets.download import fetch

    progress(f"{name}: downloading {entry['url']}")
    target = Path(downloads) / file
    fetch(entry["url"], target, check=lambda part: _check_download(part, entry), progress=progress)
    return target


def _check_download(path: Path, entry: Mapping[str, Any]) -> None:
    """Compare a downloaded zip with what is published of it, or else of its members."""
    remedy = f"Run again, or fetch it by hand from {entry['url']}."
    size = path.stat().st_size
    if size != entry.get("bytes", size):
        raise NetliftError(
            f"{path}: {size:,} bytes arrived, published are {entry['bytes']:,}. {remedy}"
        )
    if "md5" not in entry:
        for member in zip_members(path, remedy, entry["members"]).values():
            member.verify()
        return
    with path.open("rb") as source:
        md5 = hashlib.file_digest(source, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 != entry["md5"]:
        raise NetliftError(
            f"{path}: the MD5 of what arrived is {md5}, published is {entry['md5']}. {remedy}"
        )
