"""Are two folders of results the same: tables by value, figures and pages by content?"""

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
    """Compare all files below two folders, hidden ones too.

    Tables are compared by value: names, order and types of columns, number of rows, every cell
    exactly (a missing value equals a missing value). JSON is compared by value, everything else
    byte by byte.

    Raises
    ------
    NetliftError
        A folder holds no file, or a table cannot be read.
    """
    found = [_files(folder) for folder in (first, second)]
    comparison = Comparison()
    for name in sorted(found[0] | found[1]):
        if name not in found[0] or name not in found[1]:
            comparison.differences.append(
                f"{name}: only in {first if name in found[0] else second}"
            )
            continue
        suffix = Path(name).suffix
        comparison.counts[KINDS.get(suffix, "other files")] += 1
        if said := difference(first / name, second / name):
            comparison.differences.append(f"{name}: {said}")
    return comparison


def _files(folder: Path) -> set[str]:
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if not files:
        raise NetliftError(f"{folder}: no files to compare")
    return files


def difference(first: Path, second: Path) -> str:
    """Say where two files of one kind differ first; nothing if they are the same.

    Raises
    ------
    NetliftError
        A table cannot be read.
    """
    one, other = first.read_bytes(), second.read_bytes()
    if one == other:
        return ""
    if first.suffix in {".csv", ".parquet"} and one and other:
        return _table_difference(read_table(first), read_table(second))
    if first.suffix == ".json":
        return next(_json_differences(json.loads(one), json.loads(other), ""), "")
    lines = [content.splitlines() for content in (one, other)]
    if b"\0" in one + other:
        return f"{len(one):,} bytes against {len(other):,}, with other content"
    for number, (before, after) in enumerate(zip(*lines, strict=False), start=1):
        if before != after:
            return f"line {number}: {_short(before)} against {_short(after)}"
    return f"{len(lines[0]):,} lines against {len(lines[1]):,}"


def _short(line: bytes) -> str:
    said = line.decode(errors="replace").strip()
    return repr(said if len(said) <= 80 else f"{said[:80]}...")


def _table_difference(one: pd.DataFrame, other: pd.DataFrame) -> str:
    if list(one) != list(other):
        return f"columns {', '.join(map(str, one))} against {', '.join(map(str, other))}"
    if len(one) != len(other):
        return f"{len(one):,} rows against {len(other):,}"
    for column in one:
        before, after = one[column], other[column]
        if before.dtype != after.dtype:
            return f"column {column}: {before.dtype} against {after.dtype}"
        same = (before == after).to_numpy(dtype=bool, na_value=False)
        same = same | (before.isna().to_numpy() & after.isna().to_numpy())
        if not same.all():
            row = int(np.argmin(same))
            return (
                f"column {column}, row {row + 1:,}: {before.iloc[row]!r} against "
                f"{after.iloc[row]!r} ({np.sum(~same):,} of {len(one):,} rows differ)"
            )
    return ""


def _json_differences(one: Any, other: Any, path: str) -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            if key not in one or key not in other:
                yield f"{path}.{key} is only in the {'first' if key in one else 'second'}"
            else:
                yield from _json_differences(one[key], other[key], f"{path}.{key}")
    elif _is_list(one) and _is_list(other) and len(one) == len(other):
        for index, (before, after) in enumerate(zip(one, other, strict=True)):
            yield from _json_differences(before, after, f"{path}[{index}]")
    elif one != other:
        yield f"{path or 'value'}: {one!r} against {other!r}"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def summary(comparison: Comparison) -> str:
    """Write how many files of each kind were compared, and which differ."""
    lines = [f"{count:6,} {kind}" for kind, count in sorted(comparison.counts.items())]
    total = sum(comparison.counts.values())
    lines.append(f"{total:6,} files compared, {len(comparison.differences):,} differences")
    return "\n".join([*lines, *(f"DIFFERS  {said}" for said in comparison.differences)])
