"""Compare two folders of results: tables by value, figures and pages by content."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.errors import NetliftError
from netlift.core.tables import read_table
from netlift.workflow.records import FOLDER

KINDS = {
    ".csv": "tables (CSV)",
    ".parquet": "tables (Parquet)",
    ".json": "JSON",
    ".yaml": "YAML",
    ".svg": "figures (SVG)",
    ".png": "figures (PNG)",
    ".html": "pages",
}


@dataclass
class Comparison:
    """What was compared, and what differs.

    Attributes
    ----------
    counts
        Number of files that both folders have, by kind.
    differences
        One sentence for each file that differs or that only one folder has.
    """

    counts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


def compare_folders(first: Path, second: Path) -> Comparison:
    """Compare all files below two folders, hidden ones too, but for records of how they were made.

    Tables are compared by value: names, order and types of columns, number of rows, every cell
    exactly (a missing value equals a missing value). JSON is compared by value, everything else
    byte by byte.

    Raises
    ------
    NetliftError
        A folder has no file, or a table cannot be read.
    """
    files = [_files(folder) for folder in (first, second)]
    comparison = Comparison()
    for name in sorted(files[0] | files[1]):
        if name not in files[0] or name not in files[1]:
            comparison.differences.append(
                f"{name}: only in {first if name in files[0] else second}"
            )
            continue
        suffix = Path(name).suffix
        comparison.counts[KINDS.get(suffix, "other files")] += 1
        if text := difference(first / name, second / name):
            comparison.differences.append(f"{name}: {text}")
    return comparison


def _files(folder: Path) -> set[str]:
    files = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != FOLDER
    }
    if not files:
        raise NetliftError(f"{folder}: no files to compare")
    return files


def difference(first: Path, second: Path) -> str:
    """Describe the first difference of two files of the same kind; empty if they are the same.

    Raises
    ------
    NetliftError
        A table cannot be read.
    """
    contents = first.read_bytes(), second.read_bytes()
    if contents[0] == contents[1]:
        return ""
    if first.suffix in {".csv", ".parquet"} and all(contents):
        return _table_difference(read_table(first), read_table(second))
    if first.suffix == ".json":
        return next(_json_differences(json.loads(contents[0]), json.loads(contents[1]), ""), "")
    lines = [content.splitlines() for content in contents]
    if b"\0" in b"".join(contents):
        return f"{len(contents[0]):,} bytes against {len(contents[1]):,}, with other content"
    for number, (before, after) in enumerate(zip(*lines, strict=False), start=1):
        if before != after:
            return f"line {number}: {_short(before)} against {_short(after)}"
    return f"{len(lines[0]):,} lines against {len(lines[1]):,}"


def _short(line: bytes) -> str:
    text = line.decode(errors="replace").strip()
    return repr(text if len(text) <= 80 else f"{text[:80]}...")


def _table_difference(first: pd.DataFrame, second: pd.DataFrame) -> str:
    if list(first) != list(second):
        return f"columns {', '.join(map(str, first))} against {', '.join(map(str, second))}"
    if len(first) != len(second):
        return f"{len(first):,} rows against {len(second):,}"
    for column in first:
        before, after = first[column], second[column]
        if before.dtype != after.dtype:
            return f"column {column}: {before.dtype} against {after.dtype}"
        same = (before == after).to_numpy(dtype=bool, na_value=False)
        same = same | (before.isna().to_numpy() & after.isna().to_numpy())
        if not same.all():
            row = int(np.argmin(same))
            return (
                f"column {column}, row {row + 1:,}: {before.iloc[row]!r} against "
                f"{after.iloc[row]!r} ({np.sum(~same):,} of {len(first):,} rows differ)"
            )
    return ""


def _json_differences(first: Any, second: Any, path: str) -> Iterator[str]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in dict.fromkeys([*first, *second]):
            if key not in first or key not in second:
                yield f"{path}.{key} is only in the {'first' if key in first else 'second'}"
            else:
                yield from _json_differences(first[key], second[key], f"{path}.{key}")
    elif _is_list(first) and _is_list(second) and len(first) == len(second):
        for index, (before, after) in enumerate(zip(first, second, strict=True)):
            yield from _json_differences(before, after, f"{path}[{index}]")
    elif first != second:
        yield f"{path or 'value'}: {first!r} against {second!r}"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def summary(comparison: Comparison) -> str:
    """Return how many files of each kind were compared, and which differ."""
    lines = [f"{count:6,} {kind}" for kind, count in sorted(comparison.counts.items())]
    total = sum(comparison.counts.values())
    lines.append(f"{total:6,} files compared, {len(comparison.differences):,} differences")
    return "\n".join([*lines, *(f"DIFFERS  {text}" for text in comparison.differences)])
