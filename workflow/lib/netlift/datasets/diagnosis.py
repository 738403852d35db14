"""Locate the faulty line of a CSV file: a second, slow pass, made only after a failure."""

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


def rows_fault(label: str, what: str, rows: int, location: str, value: object) -> NetliftError:
    """Return the error for rows of a file that have the same fault.

    Parameters
    ----------
    label
        File, or zip and member.
    what
        What is wrong: a sentence about a column, without the final period.
    rows
        How many rows have this fault.
    location
        The location of the first of them.
    value
        The faulty value; empty or None if it is missing.
    """
    shown = repr(value)
    if len(shown) > _LONGEST_SHOWN:
        shown = f"{shown[:_LONGEST_SHOWN]}..."
    detail = "" if value in ("", None) else f" ({shown})"
    counted = (
        "1 row has this fault: correct it"
        if rows == 1
        else f"{rows:,} rows have this fault, of which this is the first: correct them"
    )
    return NetliftError(f"{label}, {location}: {what}{detail}. {counted} and run again.")


def line_of_row(member: Member, row: int) -> str:
    """Return the line of a row of a file (counted from 0, without header and blank lines)."""
    for number, (line, _fields) in enumerate(_rows(member)):
        if number == row + 1:
            return f"line {line:,}"
    return f"row {row + 1:,}"


def explain(member: Member, columns: Mapping[str, Kind], reason: str) -> NetliftError:
    """Return the error that names the rows on which the fast reader failed.

    Parameters
    ----------
    member
        The file.
    columns
        The columns that are read, and their kinds.
    reason
        The message of the fast reader, for a fault that this pass does not find.
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
                "mark missing?"
            ) from error


Check = Callable[[str], str | None]
"""Takes a field; returns what is wrong with it, or None."""


def _fault(
    fields: list[str], width: int, checks: list[tuple[str, int, Check]]
) -> tuple[str, object] | None:
    """Return what is wrong with a row, and the faulty value."""
    if len(fields) != width:
        return f"the number of values differs from that of the header, {width}", ",".join(fields)
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
