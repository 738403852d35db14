"""Table input and output: the only module of the library that opens files of the study.

Tables that programs read are Parquet, tables that people read are CSV. A file is written under a
temporary name in its own folder and renamed when it is complete, so a file that exists is complete.
Parquet pages have checksums, which are verified when they are read.
"""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from netlift.core.errors import NetliftError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray


_LARGE = 1 << 28
"""Tables of more bytes than this are not held in memory twice while they are read."""


_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NEUTRALIZED = re.compile(r"'+[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def neutral(cell: str) -> str:
    """Return a cell of CSV that no spreadsheet runs as a formula.

    Text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break gets an apostrophe in
    front of it; text that is a number stays. ``original`` is the inverse, for every text.
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def original(cell: str) -> str:
    """Return the text for which ``neutral`` wrote a cell."""
    return cell[1:] if _NEUTRALIZED.match(cell) else cell


def _with_text(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Return a table with a function applied to all text in it; all else stays."""

    def changed(cell: Any) -> Any:
        return change(cell) if isinstance(cell, str) else cell

    texts = frame.select_dtypes(include=["object", "str", "category"]).columns
    return frame.assign(**{name: frame[name].map(changed) for name in texts})


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` only if the block ends without an error.

    Parameters
    ----------
    path
        The final file. Its folder is created if it does not exist; an older file is replaced, and
        its temporary files that a killed process left are removed.

    Raises
    ------
    NetliftError
        The folder is not writable, or its disk is full.
    """
    final = Path(path)
    temporary = _temporary(final)
    try:
        yield temporary
        # mkstemp makes files that only their owner can read; give them the usual rights.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(final)
    except NetliftError:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise NetliftError(
                f"{final}: the disk is full. No half-written file was left. Make room and run "
                "again: finished files are not made again."
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(final: Path) -> Path:
    """Create an empty file next to the final one, and remove those that killed processes left."""
    begin, end = f".{final.stem}-", final.suffix
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        for old in final.parent.glob(f".*{end}"):
            if re.fullmatch(rf"{re.escape(begin)}\w{{8}}{re.escape(end)}", old.name):
                old.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(prefix=begin, suffix=end, dir=final.parent)
    except OSError as error:
        raise NetliftError(
            f"{final}: cannot be written ({error.strerror}). Make {final.parent} "
            "writable, with room on its disk, and run again."
        ) from error
    os.close(handle)
    return Path(name)


def is_disk_full(error: Exception) -> bool:
    """Return whether a disk is full; C++ libraries report it only in the error's message."""
    full = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, OSError) and error.errno in full:
        return True
    return any(os.strerror(number) in str(error) for number in full)


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a Parquet or CSV table of the study.

    Parameters
    ----------
    path
        A file that ends in ``.parquet`` or ``.csv``.
    columns
        The columns to read, in this order; all of them if not given.

    Raises
    ------
    NetliftError
        The file cannot be read in the format of its suffix, or lacks a column.
    """
    import pandas as pd

    path = Path(path)
    wanted = None if columns is None else list(columns)
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            existing = pq.read_schema(path).names
            _need_columns(path, wanted, existing)
            table = pq.read_table(path, columns=wanted, page_checksum_verification=True)
            # In a large table, each column is freed once it is converted.
            large = table.nbytes > _LARGE
            frame: pd.DataFrame = table.to_pandas(split_blocks=large, self_destruct=large)
            del table
        else:
            _need_last_line(path)
            existing = pd.read_csv(path, nrows=0).columns.to_list() if wanted else []
            _need_columns(path, wanted, existing)
            # Only an empty field is missing: a cluster may be called NA or None.
            cells = pd.read_csv(
                path,
                usecols=wanted,
                keep_default_na=False,
                na_values=[""],
            )
            frame = _with_text(cells, original)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise _damaged(path, f"a {path.suffix[1:]} table", error) from error
    return frame if wanted is None else frame[wanted]


def _damaged(path: Path, kind: str, why: object) -> NetliftError:
    return NetliftError(
        f"{path}: cannot be read as {kind} ({why}). "
        "Delete the file and run again: it will be rebuilt."
    )


def _need_last_line(path: Path) -> None:
    """Refuse a truncated CSV table: its last row would be read with fields missing."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":
                raise ValueError("its last line is incomplete")


def _need_columns(path: Path, wanted: Sequence[str] | None, existing: Sequence[str]) -> None:
    missing = [name for name in wanted or [] if name not in existing]
    if missing:
        raise NetliftError(f"{path}: no column {', '.join(missing)}")


def read_optional(path: str | Path | None) -> pd.DataFrame | None:
    """Read a table that is an optional input of a rule; None without it."""
    return None if path is None else read_table(path)


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table whole or not at all, as Parquet or CSV by the suffix of ``path``.

    CSV numbers keep every digit, so reading a table back gives the same values. A missing value
    is an empty field. Text that a spreadsheet would run as a formula has an apostrophe in front of
    it (see ``neutral``), which ``read_table`` removes.
    """
    with written_whole(path) as temporary:
        if Path(path).suffix == ".parquet":
            frame.to_parquet(temporary, index=False, compression="zstd", write_page_checksum=True)
        else:
            _write_csv(_with_text(frame, neutral), temporary)


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    import csv

    texts = frame.select_dtypes(include=["object", "str", "category"])
    quoting: Literal[0, 2] = csv.QUOTE_MINIMAL
    # The writer does not quote a carriage return, which readers then take for the end of a row.
    if any("\r" in cell for name in texts for cell in texts[name] if isinstance(cell, str)):
        quoting = csv.QUOTE_NONNUMERIC
    frame.to_csv(path, index=False, lineterminator="\n", quoting=quoting)


def write_groups(frames: Iterable[pd.DataFrame], path: str | Path) -> None:
    """Write tables of the same columns into one Parquet file, whole or not at all.

    Only one of them is held in memory at a time; ``read_groups`` gives them back one by one.
    """
    import pyarrow as pa

    write_arrow((pa.Table.from_pandas(frame, preserve_index=False) for frame in frames), path)


def write_arrow(tables: Iterable[pa.Table], path: str | Path) -> None:
    """Write Arrow tables of the same columns into one Parquet file, each a row group.

    Whole or not at all; only one of them is held in memory at a time.
    """
    import pyarrow.parquet as pq

    with written_whole(path) as temporary:
        writer: pq.ParquetWriter | None = None
        try:
            for table in tables:
                if writer is None:
                    writer = pq.ParquetWriter(
                        temporary, table.schema, compression="zstd", write_page_checksum=True
                    )
                writer.write_table(table.cast(writer.schema), row_group_size=max(len(table), 1))
        finally:
            if writer is not None:
                writer.close()


def read_groups(path: str | Path) -> Iterator[pd.DataFrame]:
    """Yield the tables of a file that ``write_groups`` wrote.

    Raises
    ------
    NetliftError
        The file cannot be read.
    """
    for table in _row_groups(path):
        yield table.to_pandas()


def read_pieces(path: str | Path) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the row groups of a Parquet table as arrays by column: for a table of any length.

    Raises
    ------
    NetliftError
        The file cannot be read.
    """
    for table in _row_groups(path):
        yield {name: table.column(name).to_numpy() for name in table.column_names}


def _row_groups(path: str | Path) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise _damaged(Path(path), "a parquet table", error) from error


def read_json(path: str | Path) -> Any:
    """Read plain values that ``write_json`` wrote.

    Raises
    ------
    NetliftError
        The file is not valid JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(Path(path), "JSON", error) from error


def write_json(value: Any, path: str | Path) -> None:
    """Write plain values as JSON, whole or not at all. NaN and infinity are refused."""
    write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", path)


def write_text(text: str, path: str | Path) -> None:
    """Write a text, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
