"""A faster way through CSV: numbers read as numbers by Arrow, where that loses nothing.

CSV holds text, and ids such as 007, or a column in which numbers and words mix, must not be taken
for numbers. Arrow refuses whatever is no number of a column's type, but for spaces and zeros in
front of whole numbers, and hexadecimal: for those the bytes of a file are searched. A log in which
anything is not plain is read as text instead, which is slower, and can say what is wrong where.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from netlift.logs.source import CsvFiles, Source

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BLOCK_BYTES = 4 << 20
"""How much of a file is parsed at once."""

_VIEW = "plain_rows"

_EDGE, _DIGIT, _ZERO, _BLANK, _MINUS = range(5)


class NotPlainError(Exception):
    """A file holds what could be taken for a number that it is not quite."""


class _Watched:
    """A file whose columns of whole numbers are searched for what is not plain while it is read.

    Bytes are looked at two or three at a time: a field's edge and a blank, or an edge and a zero
    with a digit behind it. Which column that is in is worked out only where such are found.
    """

    def __init__(self, file: IO[bytes], delimiter: str, columns: list[int]) -> None:
        self._file, self._delimiter, self._columns = file, delimiter.encode(), columns
        kinds = bytearray(256)
        for characters, kind in (
            ("123456789xX", 1 << _DIGIT),
            ("0", 1 << _DIGIT | 1 << _ZERO),
            (" \t", 1 << _BLANK),
            ("-", 1 << _MINUS),
            (f'{delimiter}"\r\n', 1 << _EDGE),
        ):
            for character in characters:
                kinds[ord(character)] = kind
        self._kinds = bytes(kinds)
        # Not searched to their end yet; and of the place before them: within quotes, which column.
        self._last, self._quoted, self._column = b"\n", False, 0

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        seen = self._last + block
        places = self._odd(seen)
        passed = max(len(seen) - 2, 0)
        if places.size or self._quoted or b'"' in seen:
            self._place(np.frombuffer(seen, np.uint8), places, passed)
        else:
            line = seen.rfind(b"\n", 0, passed)
            before = self._column if line < 0 else 0
            self._column = before + seen.count(self._delimiter, line + 1, passed)
        self._last = seen[passed:]
        return block

    def _odd(self, seen: bytes) -> np.ndarray:
        """Return the places of blanks at edges, and of zeros that lead a number."""
        kinds = np.frombuffer(seen.translate(self._kinds), np.uint8)
        first, second, third = kinds[:-2], kinds[1:-1], kinds[2:]
        found = [(first & (second >> _ZERO) & (third >> _DIGIT), 1)]
        if b"-" in seen:
            found.append((first & (second >> _MINUS) & (third >> _ZERO), 1))
        if b" " in seen or b"\t" in seen:
            first, second = kinds[:-1], kinds[1:]
            found += [(first & (second >> _BLANK), 1), ((first >> _BLANK) & second, 0)]
        # The first bit is that of edges.
        places = [np.flatnonzero(odd & 1) + shift for odd, shift in found if (odd & 1).any()]
        return np.concatenate(places) if places else np.empty(0, np.int64)

    def _place(self, seen: np.ndarray, places: np.ndarray, passed: int) -> None:
        """Find the columns of places; remember where the next block begins."""
        quoted = np.logical_xor.accumulate(seen == ord('"')) ^ self._quoted
        edges = np.flatnonzero((seen == self._delimiter[0]) & ~quoted)
        lines = np.flatnonzero((seen == ord("\n")) & ~quoted)
        asked = np.append(places, passed)
        line = np.searchsorted(lines, asked) - 1
        start = np.where(line < 0, 0, lines[line] if lines.size else 0)
        columns = np.searchsorted(edges, asked) - np.searchsorted(edges, start)
        columns += np.where(line < 0, self._column, 0)
        if np.isin(columns[:-1], self._columns).any():
            raise NotPlainError
        self._column = int(columns[-1])
        self._quoted = bool(quoted[passed - 1]) if passed else self._quoted


@contextmanager
def plain_source(
    con: duckdb.DuckDBPyConnection, source: Source, kinds: Mapping[str, str]
) -> Iterator[Source]:
    """Yield a CSV log as a source of typed rows that can be read once.

    Parameters
    ----------
    con
        Where it is read.
    source
        A CSV log.
    kinds
        Columns of numbers, with their DuckDB types: BIGINT, INTEGER or DOUBLE.

    Raises
    ------
    NotPlainError
        While it is read: something is not plain, or cannot be read at all.
    """
    import duckdb
    import pyarrow as pa

    types = {name: kinds.get(name, "VARCHAR") for name in source.types}
    schema = pa.schema([(name, _arrow_type(kind)) for name, kind in types.items()])
    batches = pa.RecordBatchReader.from_batches(schema, _batches(source.csv, schema))
    con.register(_VIEW, batches)
    try:
        yield Source(_VIEW, types)
    except (pa.ArrowException, duckdb.Error) as error:
        raise NotPlainError from error
    finally:
        con.unregister(_VIEW)


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    types = {"BIGINT": pa.int64(), "INTEGER": pa.int32(), "DOUBLE": pa.float64()}
    return types.get(kind, pa.string())


def _batches(parts: tuple[CsvFiles, ...], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pc

    convert = pc.ConvertOptions(
        column_types=schema,
        include_columns=schema.names,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    for part in parts:
        whole = [
            place
            for place, name in enumerate(part.header)
            if name in schema.names and pa.types.is_integer(schema.field(name).type)
        ]
        parse = pc.ParseOptions(delimiter=part.delimiter, ignore_empty_lines=False)
        for path in part.files:
            opened = gzip.open if path.endswith(".gz") else open
            with opened(path, "rb") as file:
                watched = _Watched(cast("IO[bytes]", file), part.delimiter, whole)
                yield from pc.open_csv(
                    pa.PythonFile(watched, mode="r"),
                    read_options=pc.ReadOptions(block_size=BLOCK_BYTES),
                    parse_options=parse,
                    convert_options=convert,
                )
