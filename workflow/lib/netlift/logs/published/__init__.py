"""Published data sets as logs: a Parquet table and the config that reads it.

None of them has randomized promotions of a focal item, so effects cannot be estimated: see
docs/own-experiment.md for what each can and cannot answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from netlift.core.errors import NetliftError
from netlift.core.tables import write_arrow, written_whole
from netlift.logs.published import finn, kuairand, open_bandit

if TYPE_CHECKING:
    import pyarrow as pa

IMPORTERS: Mapping[str, Callable[[Path], Iterator[pa.Table]]] = {
    "finn": finn.slate_items,
    "open_bandit": open_bandit.slate_items,
    "kuairand": kuairand.slate_items,
}


def import_log(name: str, source: Path, folder: Path) -> Path:
    """Write a published data set as a log, and a config overlay that reads it.

    Parameters
    ----------
    name
        One of ``IMPORTERS``.
    source
        The published file, or its folder.
    folder
        Where ``{name}.parquet`` and ``{name}.yaml`` are written.

    Returns
    -------
    The path of the overlay.

    Raises
    ------
    NetliftError
        There is no such importer, or the source is not in the published format.
    """
    if name not in IMPORTERS:
        raise NetliftError(f"no importer {name!r} (known: {', '.join(IMPORTERS)})")
    table, overlay = folder / f"{name}.parquet", folder / f"{name}.yaml"
    names: list[str] = []

    def with_names_noted(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for part in tables:
            names[:] = part.column_names
            yield part

    try:
        write_arrow(with_names_noted(IMPORTERS[name](source)), table)
    except (NetliftError, OSError):
        raise
    except Exception as error:  # of the libraries that read the file, each has errors of its own
        raise NetliftError(
            f"{source}: cannot be read as the published file of {name} ({error})"
        ) from error
    with written_whole(overlay) as temporary:
        text = yaml.safe_dump({"logs": {name: _entry(table, names)}}, sort_keys=False)
        temporary.write_text(text, encoding="utf-8")
    return overlay


def _entry(table: Path, names: list[str]) -> dict[str, Any]:
    roles = [role for role in ("slate", "user", "item", "cluster", "position") if role in names]
    outcomes = [name for name in ("clicks", "minutes") if name in names]
    return {
        "path": str(table),
        "columns": {role: role for role in roles},
        "outcomes": {name: {"column": name} for name in outcomes},
    }
