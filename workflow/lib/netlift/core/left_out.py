"""Parts of an analysis that some data do not allow: their files hold the reason, and no numbers.

A log with four users has a ledger, and no models. So a script that cannot make its part writes why
into each of its files; what is drawn or computed from them passes the reason on, and the page
names it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from netlift.core.errors import NetliftError
from netlift.core.tables import write_json, write_table, write_text

WHY = "not_made_because"
"""The only column, or key, of a file that holds a reason."""


@contextmanager
def leaving_out(part: str, paths: Iterable[str]) -> Iterator[None]:
    """Do work whose inputs are read; where the data do not allow it, write the reason instead.

    Parameters
    ----------
    part
        What is left out then, for the screen.
    paths
        The files that the work would write: ``.csv``, ``.parquet``, ``.json``, or any others, which
        are then empty.
    """
    try:
        yield
    except NetliftError as error:
        for path in paths:
            _write_reason(str(error), path)
        logging.getLogger("netlift.progress").warning(
            "Left out: %s. The reason: %s.", part, str(error).rstrip(".")
        )


def table_or_reason(make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a table; where the data do not allow it, one that holds the reason."""
    try:
        return make()
    except NetliftError as error:
        return reason_table(str(error))


def tables_or_reason(
    make: Callable[[], Sequence[pd.DataFrame]], number: int
) -> Sequence[pd.DataFrame]:
    """Return tables that are made together; where the data do not allow it, as many reasons."""
    try:
        return make()
    except NetliftError as error:
        return [reason_table(str(error))] * number


def need_made(*contents: pd.DataFrame | Mapping[str, Any]) -> None:
    """Check that files that were read hold more than a reason.

    Raises
    ------
    NetliftError
        The reason in the first one that was not made.
    """
    for content in contents:
        if reason := why_left_out(content):
            raise NetliftError(reason)


def why_left_out(content: pd.DataFrame | Mapping[str, Any]) -> str:
    """Return why a table or a record was not made; empty if it was."""
    if WHY not in content:
        return ""
    reason = content[WHY]
    return str(reason.iloc[0] if isinstance(reason, pd.Series) else reason)


def reason_table(reason: str) -> pd.DataFrame:
    """Return a table that holds a reason and no numbers."""
    return pd.DataFrame({WHY: [reason.rstrip(".")]})


def _write_reason(reason: str, path: str) -> None:
    suffix = Path(path).suffix
    if suffix == ".json":
        write_json({WHY: reason.rstrip(".")}, path)
    elif suffix in (".csv", ".parquet"):
        write_table(reason_table(reason), path)
    else:
        write_text("", path)
