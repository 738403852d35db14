"""Name the line of a CSV file that is wrong: a second, slow pass, made only after a failure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from netlift.core.errors import NetliftError
from netlift.datasets.members import Member

Kind = Literal["id", "integer", "number", "text"]
"""What a column holds: an id (32-bit integer), a 64-bit integer, a number, or text."""

_INTEGER = re.compile(r"\s*-?[0-9]+\s*", re.ASCII)
_NUMBER = re.compile(r"\s*-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*|nan|inf", re.ASCII)
_LONGEST_SHOWN = 40


def rows_fault(label: str, what: str, rows: int, place: str, value: object) -> NetliftError:
    """Return the error for rows of a file that have the same fault.

    Parameters
    ----------
    label
        File, or zip and member.
    what
        What is wrong: a sentence about a column, without its end.
    rows
        How many rows have this fault.
    place
        Where the first of them is.
    value
        What stands there; nothing, if that is the fault.
    """
    shown = repr(value)
    if len(shown) > _LONGEST_SHOWN:
        shown = f"{shown[:_LONGEST_SHOWN]}..."
    there = "" if value in ("", None) else f" ({shown})"
    counted = (
        "1 row has this fault: correct it"
        if rows == 1
        else f"{rows:,} rows have this fault, this is the first: correct them"
    )
    return NetliftError(f"{label}, {place}: {what}{there}. {counted} and run again.")


def line_of_row(member: Member, row: int) -> str:
    """Return where row ``row`` (from 0, the header and blank lines not counted) of a file is."""
    for number, (line, _fields) in enumerate(_rows(member)):
        if number == row + 1:
            return f"line {line:,}"
    return f"row {row + 1:,}"


def explain(member: Member, columns: Mapping[str, Kind], reason: str) -> NetliftError:
    """Return the error that says which rows of a file the fast reader stumbled over.

    Parameters
    ----------
    member
        The file.
    columns
        The columns that are read, and what they hold.
    reason
        What the fast reader said, for a fault that is not found again here.
    """
    rows = _rows(member)
    _line, header = next(rows)
    checks = [(name, header.index(name), _CHECKS[kind]) for name, kind in columns.items()]
    first: tuple[str, int, object] | None = None
    count = 0
    for line, fields in rows:
        fault = _fault(fields, len(header), checks)
        if fault is None:
            continue
        first = first or (fault[0], line, fault[1])
        count += fault[0] == first[0]
    if first is None:
        return NetliftError(f"{member.label}: cannot be read as CSV ({reason}).")
    what, line, value = first
    return rows_fault(member.label, what, count, f"line {line:,}", value)


def _rows(member: Member) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number on which each row begins, and its fields, the header first."""
    with member.reading() as stream:
        text = io.TextIOWrapper(
            io.BufferedReader(stream), "utf-8-sig", errors="surrogateescape", newline=""
        )
        reader = csv.reader(text)
        line = 1
        try:
            for fields in reader:
                if fields:
                    yield line, fields
                line = reader.line_num + 1
        except csv.Error as error:
            raise NetliftError(
                f"{member.label}, line {line:,}: cannot be read as CSV ({error}). Is a quotation "
                "mark missing there?"
            ) from error


Check = Callable[[str], str | None]
"""Takes a field; says what is wrong with it, if anything is."""


def _fault(
    fields: list[str], width: int, checks: list[tuple[str, int, Check]]
) -> tuple[str, object] | None:
    """Return what is wrong with a row, and the value that is."""
    if len(fields) != width:
        return f"the number of values is not that of the header, {width}", ",".join(fields)
    for name, position, check in checks:
        wrong = check(fields[position])
        if wrong:
            return f"{name} {wrong}", fields[position]
    return None


def _check_integer(field: str, bits: int) -> str | None:
    if field and not _INTEGER.fullmatch(field):
        return "is not an integer"
    largest = 2 ** (bits - 1) - 1
    return f"is beyond {largest:,}" if field and not -largest - 1 <= int(field) <= largest else None


def _check_number(field: str) -> str | None:
    return None if not field or _NUMBER.fullmatch(field) else "is not a number"


def _check_text(field: str) -> str | None:
    try:
        field.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8 text"
    return None


_CHECKS: Mapping[Kind, Check] = {
    "id": lambda field: _check_integer(field, 32),
    "integer": lambda field: _check_integer(field, 64),
    "number": _check_number,
    "text": _check_text,
}
