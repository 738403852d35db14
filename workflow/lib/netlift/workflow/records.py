"""Records of how files were made: next to each file, in a hidden folder that is copied with it.

A record has the parameters of the job, the checksum of the file, and those of the job's inputs. It
shows whether a file was damaged or edited, and whether it was made from the files that lie next to
it now. Where Snakemake's own records are missing (results that were copied without ``.snakemake``),
they are restored from these; a file without any record is rebuilt.

Parquet pages have checksums of their own. In a CSV table, nothing else would reveal a changed digit
or missing rows at the end.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from netlift.core.errors import NetliftError, listed
from netlift.core.tables import write_text

FOLDER = ".records"
"""Name of the hidden folder of records next to files that jobs made."""

UNRECORDED = "made by a run that left no record"
"""What stands for the parameters of a file without a record: no job has them, so it is rebuilt."""

LARGEST = 100_000_000
"""Inputs of at most this many bytes are compared by content, as profiles/default says."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Record:
    """How a file was made.

    Attributes
    ----------
    rule
        The rule that made it.
    params
        The parameters of the job, each as Snakemake compares it: by ``repr``.
    checksum
        Size and CRC-32 of the file.
    inputs
        All inputs of the job; the value is the checksum of one that a job made, otherwise None:
        the content of files that no job makes is in the parameters.
    """

    rule: str
    params: list[str]
    checksum: str
    inputs: dict[str, str | None]


def record_path(file: Path) -> Path:
    """Return the path of a file's record."""
    return file.parent / FOLDER / f"{file.name}.json"


def read_record(file: str | Path) -> Record | None:
    """Return how a file was made; None if no job here recorded it."""
    try:
        return Record(**json.loads(record_path(Path(file)).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_records(
    files: Iterable[str | Path],
    *,
    rule: str,
    params: Iterable[Any],
    inputs: Mapping[str, str | None],
) -> None:
    """Record how a job has just made its files.

    Parameters
    ----------
    files
        The files.
    rule
        The rule of the job.
    params
        The values of its parameters.
    inputs
        What ``check_files`` returned for its inputs.
    """
    shared = {"rule": rule, "params": sorted(map(repr, params)), "inputs": dict(inputs)}
    for file in files:
        record = Record(checksum=_checksum(Path(file)), **shared)  # type: ignore[arg-type]
        text = json.dumps(asdict(record), indent=1, sort_keys=True) + "\n"
        write_text(text, record_path(Path(file)))


def check_files(files: Iterable[str | Path]) -> dict[str, str | None]:
    """Compare files with their records; files without one, which no job here made, pass.

    Returns
    -------
    The checksum of each file; None for a file without a record.

    Raises
    ------
    NetliftError
        A file has changed since it was made.
    """
    checksums: dict[str, str | None] = {}
    changed = []
    for file in map(str, files):
        record = read_record(file)
        checksums[file] = _checksum(Path(file)) if record else None
        if record and record.checksum != checksums[file]:
            changed.append(file)
    if changed:
        raise NetliftError(
            f"{len(changed)} of the files that are needed {'is' if len(changed) == 1 else 'are'} "
            f"damaged, or edited since they were made (the checksum differs): {listed(changed)}. "
            f"Delete {'it' if len(changed) == 1 else 'them'} and run again: missing files are "
            "made again."
        )
    return checksums


def outdated_files(
    files: Iterable[Path], root: Path, settings: Mapping[str, Any] | None = None
) -> dict[Path, str]:
    """Return the files that were not made from what lies in the folder now, each with the reason.

    A file is outdated if one of its inputs, or an input of an input, was made again since then; or
    if it, or one of those, was made with other settings than those given. Files without records
    cannot be checked, and pass.

    Parameters
    ----------
    files
        Files of a study.
    root
        Folder of the study: the paths in records are relative to it.
    settings
        The settings of each rule, by name; rules that are not named are not compared.
    """
    expected = {rule: repr(value) for rule, value in (settings or {}).items()}

    @cache
    def reason(path: Path) -> str:
        record = read_record(path)
        if record and record.rule in expected and expected[record.rule] not in record.params:
            return f"made with other settings of {record.rule} than the configuration has now"
        for name, checksum in (record.inputs if record else {}).items():
            made = read_record(root / name) if checksum else None
            if made and made.checksum != checksum:
                return f"made from an earlier {name}"
            if made and (why := reason(root / name)):
                return why
        return ""

    return {file: why for file in files if (why := reason(file))}


def remove(files: Iterable[Path]) -> None:
    """Delete files and their records, where they exist, and folders that are empty after that."""
    for file in files:
        for path in (record_path(file), file):
            path.unlink(missing_ok=True)
            for folder in filter(Path.is_dir, path.parents):
                if any(folder.iterdir()):
                    break
                folder.rmdir()


def recorded_files(folder: Path) -> list[Path]:
    """Return all files below a folder that have a record."""
    records = sorted(folder.rglob(f"{FOLDER}/*.json"))
    return [record.parents[1] / record.name.removesuffix(".json") for record in records]


def difference_of(file: Path, params: Iterable[Any]) -> str:
    """Return why a file is not what a job with these parameters would make; empty if it is.

    Parameters
    ----------
    file
        A file that a job made.
    params
        The values of the parameters that the job would have now.
    """
    record = read_record(file)
    if record is None:
        return f"{file} has no record of how it was made"
    if record.params != sorted(map(repr, params)):
        return f"{file} was made with other settings, data or code"
    return ""


def restore_metadata(folders: Iterable[Path]) -> None:
    """Make Snakemake's records agree with those next to the files.

    They differ where files were copied here, without Snakemake's records or over other files. A
    file without a record, or one that was made from other files than those that are here now, gets
    parameters that no job has: it is rebuilt, and never used for what it was not made with.

    Parameters
    ----------
    folders
        Folders of files that jobs make, relative to the working folder.
    """
    from snakemake.persistence.file import FilePersistence

    files = [file for folder in folders for file in _made_files(folder)]
    if not files:
        return
    known, sums = FilePersistence(nolock=True), _Checksums()
    outdated = outdated_files(files, Path())
    for file in files:
        kept = known._read_record(str(file))
        if kept is None or _differs(kept.params, read_record(file), file in outdated):
            record = None if file in outdated else sums.trusted(file)
            known._write_record(str(file), _metadata(file, record, sums))


def _differs(params: list[str] | None, record: Record | None, is_outdated: bool) -> bool:
    """Return whether Snakemake's parameters of a file are not those of its record."""
    expected = [UNRECORDED] if is_outdated else record.params if record else params
    return params != expected


def _made_files(folder: Path) -> Iterator[Path]:
    """Yield files below a folder, without hidden ones and those in hidden folders."""
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.parts)
        if not hidden and file.is_file():
            yield file


class _Checksums:
    """Checksums of inputs, each computed once."""

    def __init__(self) -> None:
        self.crc = cache(_checksum)
        self.sha256 = cache(_sha256)

    def trusted(self, file: Path) -> Record | None:
        """Return a file's record if the file, and all inputs that are here, are as it says."""
        record = read_record(file)
        if record is None or record.checksum != self.crc(file):
            return None
        made = {Path(name): crc for name, crc in record.inputs.items() if crc}
        agree = all(self.crc(path) == crc for path, crc in made.items() if path.is_file())
        return record if agree else None


def _sha256(file: Path) -> str | None:
    """Return a checksum as Snakemake writes it; None for a missing or large file."""
    if not file.is_file() or file.stat().st_size > LARGEST:
        return None
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def _metadata(file: Path, record: Record | None, sums: _Checksums) -> Any:
    """Return a record as Snakemake keeps it."""
    from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord

    record = record or Record("", [UNRECORDED], "", {})
    restored = MetadataRecord()
    restored.record_format_version = RECORD_FORMAT_VERSION
    restored.incomplete = False
    restored.rule, restored.params = record.rule, record.params
    restored.endtime = restored.starttime = file.stat().st_mtime
    if record.inputs:
        restored.input = sorted(record.inputs)
    found = {name: sums.sha256(Path(name)) for name in record.inputs}
    restored.input_checksums = {name: value for name, value in found.items() if value}
    return restored


def _checksum(file: Path) -> str:
    size, crc = 0, 0
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return f"{size} {crc:08x}"
