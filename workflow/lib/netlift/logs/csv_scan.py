"""Counting the records of a CSV file without DuckDB, from its bytes.

DuckDB reads a log; this module counts, per file, what DuckDB has to read. It looks for everything
that makes two readers of CSV differ: quotes that are not closed, rows with another number of fields
than the header, mixed line ends, encodings, and compressed streams that were cut. What cannot be
read in one way only is refused with its file, line and cause.

Memory: a block of bytes and its positions, for a file of any length.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Literal, cast

import numpy as np

from netlift.logs.problems import LogRefusedError, Problem, first_line, refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 1 << 17
"""Bytes that are looked at together: they fit into the processor's cache."""

LONGEST = 1 << 21
"""Longest row, bytes; DuckDB's limit, too."""

_QUOTE, _LF, _CR = 34, 10, 13
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_FORMATS = {
    b"PAR1": "Parquet",
    b"PK\x03\x04": "a zip file (as .xlsx is, too)",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
}

Compression = Literal["gzip", "zstd", "none"]
LineEnd = Literal["\n", "\r\n", "mixed"]


@dataclass(frozen=True)
class CsvFile:
    """What a CSV file holds, as counted from its bytes.

    Attributes
    ----------
    path
        The file.
    header
        Its column names, in order.
    rows
        Number of rows below the header, without blank lines.
    line_end
        How its rows end; ``mixed`` where DuckDB needs a copy with one kind of line end.
    quoted
        Whether quotes have a meaning; where no field begins with a quote, they are text.
    compression
        How it is compressed: from its first bytes, whatever its name.
    utf16
        Whether it is UTF-16, so that DuckDB needs a copy in UTF-8.
    """

    path: str
    header: tuple[str, ...]
    rows: int
    line_end: LineEnd = "\n"
    quoted: bool = True
    compression: Compression = "none"
    utf16: bool = False


def scan(path: str, delimiter: str) -> CsvFile:
    """Count the rows of a CSV file, and check that it can be read in one way only.

    Parameters
    ----------
    path
        A CSV file, also compressed by gzip or zstd.
    delimiter
        The field delimiter: one ASCII character.

    Raises
    ------
    LogRefusedError
        The file is damaged, empty, or not CSV with this delimiter; the message has file and line.
    """
    try:
        return _scanned(path, delimiter).file()
    except csv.Error as error:
        raise _refused(path, first_line(error)) from error


def rewrite(file: CsvFile, delimiter: str, copy: str) -> None:
    """Write a copy of a file as UTF-8, uncompressed, with rows that end with a line feed.

    Line ends inside quoted fields are kept.

    Raises
    ------
    LogRefusedError
        See ``scan``.
    """
    with open(copy, "wb") as sink:
        scanner = _Scanner(file.path, delimiter, literal=not file.quoted, sink=sink)
        scanner.run()


def _scanned(path: str, delimiter: str) -> _Scanner:
    scanner = _Scanner(path, delimiter)
    try:
        scanner.run()
    except _LiteralQuotes:
        scanner = _Scanner(path, delimiter, literal=True)
        scanner.run()
    return scanner


class _LiteralQuotes(Exception):
    """The first quote of a file is inside a field: quotes may be text in this file."""


def _refused(path: str, cause: str, line: int | None = None) -> LogRefusedError:
    where = path if line is None else f"{path}, line {line:,}"
    return refusal([Problem("unreadable_file", examples=(f"{where}: {cause}",))])


def _compression(path: str) -> Compression:
    """Return the compression of a file, from its first bytes."""
    with open(path, "rb") as file:
        first = file.read(8)
    if not first:
        message = (
            f"{path} is empty (0 bytes, not even a header). Check that it was written to its end; "
            "if nothing belongs into it, leave it out of path"
        )
        raise refusal([Problem("empty_log", examples=(message,))])
    for magic, kind in _FORMATS.items():
        if first.startswith(magic):
            raise _refused(path, f"is {kind}, not CSV")
    if first.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if first.startswith(b"\x28\xb5\x2f\xfd") else "none"


@contextmanager
def _opened(path: str, compression: Compression) -> Iterator[IO[bytes]]:
    """Open a file uncompressed. A compressed stream that was cut raises an error at its end."""
    if compression == "gzip":
        import gzip

        with gzip.open(path, "rb") as unzipped:
            yield cast("IO[bytes]", unzipped)
    elif compression == "zstd":
        import pyarrow as pa

        with pa.CompressedInputStream(pa.OSFile(path), "zstd") as stream:
            yield stream
    else:
        with open(path, "rb", buffering=0) as plain:
            yield plain


def _utf16_pieces(source: IO[bytes], first: bytes) -> Iterator[bytes]:
    """Yield the rest of a file in UTF-16 as UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-16")()
    data = first
    while data:
        yield decoder.decode(data).encode()
        data = source.read(BLOCK)
    yield decoder.decode(b"", final=True).encode()


@dataclass
class _Scanner:
    """One pass over a file, block by block; a block has whole rows."""

    path: str
    delimiter: str
    literal: bool = False
    sink: IO[bytes] | None = None
    header: tuple[str, ...] = ()
    compression: Compression = "none"
    utf16: bool = False
    lines: int = 0
    """Lines before the block."""
    records: int = 0
    delimiters: int = 0
    bare: int = 0
    """Rows that end with a line feed alone."""
    crlf: int = 0
    returns: int = 0
    """Carriage returns outside quotes that no line feed follows."""
    lone_return: int = 0
    """Line of the first of them."""
    quotes_before: bool = False
    before: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(256, dtype=np.bool_))
    after: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(256, dtype=np.bool_))

    def __post_init__(self) -> None:
        self.before[[ord(self.delimiter), _LF, _CR, _QUOTE]] = True
        self.after[[ord(self.delimiter), _LF, _CR, _QUOTE]] = True

    def file(self) -> CsvFile:
        """Return what the whole file holds."""
        mixed = (self.bare > 0) + (self.crlf > 0) + (self.returns > 0) > 1
        if self.returns and (self.bare or self.crlf):
            cause = (
                "a carriage return (\\r) inside a row, in a file whose rows end with "
                f"{'CRLF' if self.crlf else 'LF'}. Quote the field, or remove it"
            )
            raise _refused(self.path, cause, self.lone_return)
        self._check_widths()
        line_end: LineEnd = "\r\n" if self.crlf else "\n"
        return CsvFile(
            self.path,
            self.header,
            self.records - 1,
            "mixed" if mixed or self.returns else line_end,
            not self.literal,
            self.compression,
            self.utf16,
        )

    def run(self) -> None:
        self.compression = _compression(self.path)
        rest = b""
        for piece in self._pieces():
            rest = self._whole_rows(rest + piece)
        if rest:
            self._last_row(rest)
        if not self.header:
            message = f"{self.path} has no row, not even a header"
            raise refusal([Problem("empty_log", examples=(message,))])

    def _pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the file in pieces, as UTF-8 without a byte order mark."""
        try:
            with _opened(self.path, self.compression) as source:
                first = source.read(max(BLOCK, 4))
                if first[:2] in _UTF16:
                    self.utf16 = True
                    yield from _utf16_pieces(source, first)
                    return
                yield first.removeprefix(_BOM)
                while data := source.read(BLOCK):
                    yield data
        except UnicodeDecodeError as error:
            raise _refused(self.path, f"is not complete UTF-16 ({error.reason})") from error
        except (OSError, EOFError, zlib.error) as error:
            how = f"to its end as {self.compression} " if self.compression != "none" else ""
            cause = (
                f"cannot be read {how}({first_line(error)}). Was it cut while it was written or "
                "copied?"
            )
            raise _refused(self.path, cause) from error

    def _last_row(self, rest: bytes) -> None:
        """Count what no line end follows, or the rows of a file that has only carriage returns."""
        if b"\n" not in rest and b"\r" in rest[:-1] and not self.lines:
            # Every carriage return ends a row, except inside quotes.
            rest = rest.rstrip(b"\r")
            pieces = re.split(rb'("[^"]*")', rest) if not self.literal else [rest]
            self.returns += sum(piece.count(b"\r") for piece in pieces[::2])
            pieces[::2] = [piece.replace(b"\r", b"\n") for piece in pieces[::2]]
            rest = b"".join(pieces)
            self.bare -= self.returns
        if not rest.endswith(b"\r"):
            self.bare -= 1
        left = self._whole_rows(rest + b"\n")
        if left:
            raise self._unclosed(left)

    def _unclosed(self, data: bytes) -> LogRefusedError:
        """Return the refusal of a row that does not end because of a quote."""
        self._check_quotes(data, np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _QUOTE))
        opened = self.lines + data.count(b"\n", 0, data.rfind(b'"')) + 1
        return _refused(self.path, f"a quote opens that nothing closes: {_at(data)}", opened)

    def _whole_rows(self, data: bytes) -> bytes:
        """Count the whole rows in some bytes, and return the rest."""
        if self.literal or b'"' not in data:
            end = data.rfind(b"\n") + 1
            if end:
                self._start_block(data[:end])
                self._count_plain(data[:end])
            else:
                self._check_length(data)
            return data[end:]
        bytes_ = np.frombuffer(data, dtype=np.uint8)
        is_quote = bytes_ == _QUOTE
        quoted = np.bitwise_xor.accumulate(is_quote.view(np.uint8)).view(np.bool_)
        newlines = np.flatnonzero(bytes_ == _LF)
        outside = newlines[~quoted[newlines]]
        end = int(outside[-1]) + 1 if len(outside) else 0
        if end:
            self._start_block(data[:end])
            positions = np.flatnonzero(is_quote[:end])
            self._check_quotes(data[:end], positions)
            self._count(data[:end], quoted[:end], positions)
        else:
            self._check_length(data)
        return data[end:]

    def _start_block(self, block: bytes) -> None:
        self._check_text(block)
        if not self.header:
            self._read_header(block)

    def _check_length(self, data: bytes) -> None:
        if len(data) <= LONGEST:
            return
        if b"\n" in data:
            raise self._unclosed(data + b"\n")
        if b"\r" in data:
            raise _refused(self.path, "rows end with a carriage return alone: convert it to LF")
        raise _refused(self.path, "a row is longer than 2 MB", self.lines + 1)

    def _read_header(self, block: bytes) -> None:
        text = block.decode("utf-8")
        if not text.strip("\r\n \t") or text[0] in "\r\n":
            raise _refused(self.path, "is blank; the first line must be the header", 1)
        self.header = tuple(next(self._reader(io.StringIO(text, newline=""))))

    def _reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        if self.literal:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)
        return csv.reader(lines, delimiter=self.delimiter)

    def _check_text(self, block: bytes) -> None:
        if b"\0" in block:
            at = block.index(b"\0")
            wide = 0.2 < block[:200].count(b"\0") / len(block[:200]) < 0.9
            cause = (
                "looks like UTF-16 without a byte order mark; save it as UTF-8"
                if wide
                else "contains a NUL byte (\\0); was the file damaged?"
            )
            raise _refused(self.path, cause, self.lines + block.count(b"\n", 0, at) + 1)
        if block.isascii():
            return
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            line = self.lines + block.count(b"\n", 0, error.start) + 1
            text = _around(block, error.start).decode("latin-1")
            cause = f"is not UTF-8 ({text!r}, if it is Latin-1); save the file as UTF-8"
            raise _refused(self.path, cause, line) from error

    def _check_quotes(self, block: bytes, positions: NDArray[np.int64]) -> None:
        """Check that quotes open at the start of a field, and close at its end."""
        if not len(positions):
            return
        bytes_ = np.frombuffer(block, dtype=np.uint8)
        opening, closing = positions[::2], positions[1::2]
        good = self.before[bytes_[np.maximum(opening - 1, 0)]] | (opening == 0)
        bad_open = opening[~good]
        # The bytes end with a line feed: a byte follows each quote.
        bad_close = closing[~self.after[bytes_[closing + 1]]]
        if not len(bad_open) and not len(bad_close):
            self.quotes_before = True
            return
        at = int(min([*bad_open[:1], *bad_close[:1]]))
        if at == positions[0] and not self.quotes_before:
            raise _LiteralQuotes
        line = self.lines + block.count(b"\n", 0, at) + 1
        shown = f"{_around(block, at).decode(errors='replace')!r}"
        if len(bad_close) and at == bad_close[0]:
            start = int(positions[np.searchsorted(positions, at) - 1])
            opened = self.lines + block.count(b"\n", 0, start) + 1
            cause = (
                f"a quote opens that the next quote ({shown}, line {line:,}) does not close, "
                "because the field does not end there. Is a quote missing, or not doubled?"
            )
            raise _refused(self.path, cause, opened)
        cause = (
            f"a quote inside a field that does not begin with one ({shown}). Is a quote missing? "
            "Else quote the field, and double the quotes in it"
        )
        raise _refused(self.path, cause, line)

    def _count_plain(self, block: bytes) -> None:
        bytes_ = np.frombuffer(block, dtype=np.uint8)
        if self.literal and b'"' in block:
            self._check_literal(block)
        n_lines = int(np.count_nonzero(bytes_ == _LF))
        n_delimiters = int(np.count_nonzero(bytes_ == ord(self.delimiter)))
        if b"\r" not in block and n_delimiters == n_lines * (len(self.header) - 1):
            self.records += n_lines
            self.delimiters += n_delimiters
            self.bare += n_lines
            self.lines += n_lines
            if self.sink is not None:
                self.sink.write(block)
            return
        self._count(block, np.zeros(len(block), dtype=np.bool_), np.zeros(0, dtype=np.int64))

    def _check_literal(self, block: bytes) -> None:
        delimiter = re.escape(self.delimiter.encode())
        match = re.search(rb"(?:\A|[\r\n]|" + delimiter + rb')[ ]*"', block)
        if match:
            line = self.lines + block.count(b"\n", 0, match.end()) + 1
            cause = (
                "a field begins with a quote, but quotes before it are inside fields, or spaces "
                "are before the quote. Quote fields from their first to their last character, and "
                "double the quotes in them"
            )
            raise _refused(self.path, cause, line)

    def _count(self, block: bytes, quoted: NDArray[np.bool_], quotes: NDArray[np.int64]) -> None:
        """Count rows, delimiters and line ends of a block; ``quoted``: bytes that are in quotes."""
        bytes_ = np.frombuffer(block, dtype=np.uint8)
        newlines = np.flatnonzero(bytes_ == _LF)
        starts = np.concatenate([[0], newlines[:-1] + 1])
        returned = (newlines > starts) & (bytes_[newlines - 1] == _CR)
        outside = ~quoted[newlines]
        blank = outside & (newlines - starts - returned == 0)
        self.records += int((outside & ~blank).sum())
        self.bare += int((outside & ~returned).sum())
        self.crlf += int((outside & returned).sum())
        self.delimiters += int(np.count_nonzero((bytes_ == ord(self.delimiter)) & ~quoted))
        if not outside.all():
            self._check_swallowed(block, quotes)
        self._count_returns(block, quoted)
        if self.sink is not None:
            self.sink.write(np.delete(bytes_, newlines[outside & returned] - 1).tobytes())
        self.lines += len(newlines)

    def _check_swallowed(self, block: bytes, quotes: NDArray[np.int64]) -> None:
        """Refuse a quoted field that holds what looks like whole rows."""
        bytes_ = np.frombuffer(block, dtype=np.uint8)
        lines, delimiters = (
            np.add.reduceat(bytes_ == byte, quotes, dtype=np.int64)[::2]
            for byte in (_LF, ord(self.delimiter))
        )
        rows = (lines > 0) & (delimiters == lines * (len(self.header) - 1))
        if len(self.header) > 2 and rows.any():
            index = int(np.argmax(rows))
            line = self.lines + block.count(b"\n", 0, int(quotes[2 * index])) + 1
            cause = (
                f"a quoted field that opens here holds {int(lines[index]):,} line ends, and as "
                "many delimiters as that many rows have. Is a quote missing?"
            )
            raise _refused(self.path, cause, line)

    def _count_returns(self, block: bytes, quoted: NDArray[np.bool_]) -> None:
        """Count carriage returns outside quotes that no line feed follows."""
        if b"\r" not in block:
            return
        bytes_ = np.frombuffer(block, dtype=np.uint8)
        lone = np.flatnonzero((bytes_[:-1] == _CR) & (bytes_[1:] != _LF) & ~quoted[:-1])
        if len(lone):
            line = self.lines + block.count(b"\n", 0, int(lone[0])) + 1
            self.lone_return = self.lone_return or line
            self.returns += len(lone)

    def _check_widths(self) -> None:
        """Check the number of fields of all rows together; find the row where it is wrong."""
        width, rows = len(self.header), self.records - 1
        trailing = width - 1 + rows * width  # each row ends with a delimiter
        if self.delimiters not in ((rows + 1) * (width - 1), trailing):
            line, found = self._odd_row()
            cause = (
                f"{found:,} fields, but the header has {width:,}. Quote fields that contain "
                f"{self.delimiter!r} or line ends"
            )
            raise _refused(self.path, cause, line)

    def _odd_row(self) -> tuple[int, int]:
        """Return the line and the number of fields of the first row that is not like the header."""
        line, row = 1, list[str]()
        with _opened(self.path, self.compression) as source:
            encoding = "utf-16" if self.utf16 else "utf-8-sig"
            lines = io.TextIOWrapper(source, encoding=encoding, newline="")
            for row in self._reader(lines):
                if row and len(row) != len(self.header):
                    break
                # Fields keep their line ends, and a row adds one.
                line += 1 + sum(len(re.findall(r"\r\n?|\n", value)) for value in row)
        return line, len(row)


def _around(block: bytes, at: int) -> bytes:
    """Return the part of a line around a byte."""
    start = max(block.rfind(b"\n", 0, at) + 1, at - 20)
    end = block.find(b"\n", at)
    return block[start : min(end if end >= 0 else len(block), at + 20)].rstrip(b"\r")


def _at(data: bytes) -> str:
    return repr(_around(data, data.rfind(b'"')).decode(errors="replace"))
