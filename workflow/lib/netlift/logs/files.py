"""Files of a log: their partitions, columns, doubles, and how DuckDB is told to read them."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from netlift.core.errors import listed
from netlift.logs.problems import Problem, refusal
from netlift.logs.source import text

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_PLAIN = re.compile(r"[^*?\[\\]*")
"""Paths that DuckDB does not take for a pattern."""


def partitions(file: str) -> dict[str, str | None]:
    """Return the values in the names of ``key=value`` folders of a path, by key."""
    pairs = [part.split("=", 1) for part in Path(file).parts[:-1] if "=" in part]
    return {key: None if value == _NO_VALUE else unquote(value) for key, value in pairs}


def partition_sql(files: Sequence[str], column: str, *, numbers: bool) -> str:
    """Return the expression of a partition's value in a row; ``file_index`` must be available.

    Parameters
    ----------
    files
        The files, in the order in which they are read.
    column
        The partition's key.
    numbers
        Whether values are numbers if all of them are whole numbers.
    """
    values = [partitions(file).get(column) for file in files]
    known = [value for value in values if value is not None]
    whole = numbers and all(_WHOLE.fullmatch(value) for value in known)
    kind = "BIGINT" if whole else "VARCHAR"
    written = ", ".join("NULL" if value is None else text(value) for value in values)
    return f"list_extract([{written}]::{kind}[], file_index::BIGINT + 1)"


def readable(file: str, folder: Path) -> str:
    """Return a path by which DuckDB reads this file and no other: the file's own, or a link's."""
    if _PLAIN.fullmatch(file):
        return file
    links = folder / "files"
    links.mkdir(exist_ok=True)
    plain = re.sub(r"[^\w.=-]", "_", Path(file).name)
    link = links / f"{len(list(links.iterdir()))}-{plain}"
    os.symlink(Path(file).absolute(), link)
    return str(link)


def column_problems(
    columns: Mapping[str, Sequence[str]], needed: Sequence[str], *, any_case: bool = False
) -> Iterator[Problem]:
    """Yield the columns that files lack, or have twice; files of the same columns at once.

    Parameters
    ----------
    columns
        File -> names of its columns.
    needed
        The columns that each file must have, or a folder in its path.
    any_case
        Whether names that differ in capitals only are the same to the reader.
    """
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for file, names in columns.items():
        groups[tuple(names), tuple(partitions(file))].append(file)
    for (names, folders), files in groups.items():
        where = f" ({listed(files)})"
        counts = Counter(name.lower() if any_case else name for name in names)
        for column in needed:
            problem = missing_column(column, [*names, *folders], len(names), where)
            count = counts[column.lower() if any_case else column]
            if problem is not None:
                yield problem
            elif count > 1:
                capitals = ", in any capitals," if any_case and names.count(column) < 2 else ""
                examples = (f"{column}{capitals} appears {count} times in the header{where}",)
                yield Problem("duplicate_column", column, examples=examples)


def missing_column(
    column: str, names: Sequence[str], width: int, where: str = ""
) -> Problem | None:
    """Return the problem of a column that is not among the names of ``width`` columns, if so."""
    if column in names:
        return None
    hint = _did_you_mean(column, names)
    if width == 1 or any(character in name for name in names for character in ";\t|"):
        count = "Only one column was" if width == 1 else f"{width:,} columns were"
        hint += f" {count} found: is the delimiter correct?"
    return Problem(
        "missing_column",
        column,
        examples=(f"available columns{where}: {listed(names, limit=20)}{hint}",),
    )


def _did_you_mean(column: str, names: Sequence[str]) -> str:
    """Return a question with the name that is most like a column's; empty if none is like it."""
    alike = [name for name in names if _bare(name) == _bare(column)]
    if alike:
        shown, difference = _difference(alike[0], column)
        return f"; did you mean {shown}, which differs only in {difference}?"
    near = difflib.get_close_matches(column, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _bare(column: str) -> str:
    """Return a name without what readers cannot see, or do not mind."""
    seen = "".join(sign for sign in column if unicodedata.category(sign) != "Cf")
    return unicodedata.normalize("NFKC", " ".join(seen.split()).casefold())


def _difference(one: str, other: str) -> tuple[str, str]:
    """Return a name as it can be written in YAML, and how it differs from another like it."""
    if one.strip().lower() == other.strip().lower():
        differing = {"letter case": one.strip() != other.strip()}
        differing["blanks around it"] = one.lower() != other.lower()
        return repr(one), " and ".join(what for what, differs in differing.items() if differs)
    return json.dumps(one), "how its characters are encoded (Unicode form, signs without width)"


def alike_columns(columns: Mapping[str, Sequence[str]], needed: Sequence[str]) -> Iterator[Problem]:
    """Yield the columns that are used while another one has nearly the same name.

    Parameters
    ----------
    columns
        File -> names of its columns.
    needed
        The columns that are used.
    """
    alike: dict[str, dict[str, None]] = defaultdict(dict)
    for file, names in columns.items():
        for column in (*names, *partitions(file)):
            alike[_bare(column)][column] = None
    for group in alike.values():
        used = [column for column in needed if column in group]
        for other in [column for column in group if used and column != used[0]]:
            shown, difference = _difference(other, used[0])
            also = "also used" if other in used else "not used"
            examples = (f"{shown} is {also}; it differs only in {difference}",)
            yield Problem("alike_columns", used[0], examples=examples)


def refuse_doubles(rows: Mapping[str, int]) -> None:
    """Refuse files of the same content.

    Parameters
    ----------
    rows
        File -> number of its rows; files without rows may be alike.

    Raises
    ------
    LogRefusedError
        Two files have the same content: their rows would count twice.
    """
    by_size: dict[int, list[str]] = defaultdict(list)
    for file, count in rows.items():
        if count:
            by_size[os.path.getsize(file)].append(file)
    first: dict[str, str] = {}
    doubles = []
    for file in (file for alike in by_size.values() if len(alike) > 1 for file in alike):
        with open(file, "rb") as content:
            digest = hashlib.file_digest(content, "blake2b").hexdigest()
        if digest in first:
            doubles.append(f"{file} has the same content as {first[digest]}")
        first.setdefault(digest, file)
    if doubles:
        count = sum(rows[double.split(" has the same")[0]] for double in doubles)
        raise refusal([Problem("duplicate_file", rows=count, examples=tuple(doubles[:3]))])
