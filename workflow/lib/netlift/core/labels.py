"""Labels for people next to the codes by which programs select the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd


def with_labels(table: pd.DataFrame, **labels: Mapping[str, str]) -> pd.DataFrame:
    """Return a table with a column ``NAME_label`` to the right of each column NAME of codes.

    Parameters
    ----------
    table
        Columns of codes that it does not have are skipped.
    labels
        For each column, the label of each code. A missing code has no label.

    Raises
    ------
    KeyError
        A code has no label.
    """
    columns: dict[str, pd.Series] = {}
    for name, values in table.items():
        columns[str(name)] = values
        if name in labels:
            columns[f"{name}_label"] = values.map(labels[str(name)].__getitem__, na_action="ignore")
    return pd.DataFrame(columns, index=table.index)
