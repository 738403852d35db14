"""Check that the assignment of a log fits its stated design, from sums computed by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netlift.effects.accounts import ITEM_PREFIX, SLATE_PREFIX
from netlift.effects.covariates import COVARIATES, SAME_RANK
from netlift.inference.balance import WRONG, imbalance, sample_ratio_p_value
from netlift.logs.entries import LogEntry
from netlift.logs.problems import Problem
from netlift.logs.source import first_row, name, text

if TYPE_CHECKING:
    import duckdb


MOST_BLOCKS, MANY_IN_BLOCK = 20, 30
"""Blocks of focal items whose shares are compared between arms: the most frequent ones, with this
many randomized units expected in each arm, so that their numbers are nearly normal."""


def assignment_problems(
    con: duckdb.DuckDBPyConnection, log: LogEntry, aside: str
) -> Iterator[Problem]:
    """Yield what contradicts the design: numbers of units, covariates, blocks of focal items.

    Parameters
    ----------
    con
        With the table ``slates``.
    log
        Its entry.
    aside
        The condition of slates that are set aside.
    """
    unit, used = log.unit, f"(SELECT * FROM slates WHERE NOT ({aside}))"
    units = used
    if unit == "user":
        units = (
            "(SELECT any_value(promotion_applied) AS promotion_applied, "
            f"any_value(promotion_probability) AS promotion_probability FROM {used} "
            "GROUP BY randomization_unit)"
        )
    row = first_row(
        con,
        "SELECT sum(promotion_applied), count(*), sum(promotion_probability), "
        "sum(promotion_probability * (1 - promotion_probability)), "
        f"max(promotion_probability) - min(promotion_probability) FROM {units}",
    )
    treated, n_units, expected, variance, spread = row
    sd = float(np.sqrt(variance)) / n_units if spread > 0 else None
    p = sample_ratio_p_value(int(treated), int(n_units), expected / n_units, sd)
    # Of a log with several arms, the number of units in all of them is tested at once.
    if p < WRONG and log.contrast is None:
        message = f"{treated / n_units:.4f} of {n_units:,} {unit}s are promoted"
        message += f", {expected / n_units:.4f} expected (p = {p:.2g})"
        yield Problem("sample_ratio", examples=(message,))
    names = _covariates(con, used, [*COVARIATES, "focal_relevance", *_length(log)])
    if names:
        difference, covariance = _sums(con, used, names, unit == "user", treated / expected)
        p, z = imbalance(difference, covariance)
        if p < WRONG:
            worst = int(np.argmax(np.abs(z)))
            message = f"promoted {unit}s have {'higher' if z[worst] > 0 else 'lower'} "
            message += (
                f"{list(names)[worst]} (z = {z[worst]:.1f}; all covariates together p = {p:.2g})"
            )
            yield Problem("covariate_imbalance", examples=(message,))
    if log.has_blocks and log.has_parts:
        yield from block_problems(con, log, used, treated / expected)


def _length(log: LogEntry) -> list[str]:
    """Return the number of a slate's rows where it does not depend on the arm.

    Promoted slates may lack the item that they do not show, and without focal items only what is
    shown may be logged.
    """
    treatment = log.treatment
    takes_one_off = treatment.adds_focal_item and not treatment.grows
    if not log.has_parts or takes_one_off:
        return []
    return ["n_items", "n_focal_block"] if log.has_blocks else ["n_items"]


def block_problems(
    con: duckdb.DuckDBPyConnection, log: LogEntry, used: str, ratio: float
) -> Iterator[Problem]:
    """Yield ``block_differs`` where the blocks of focal items are not those that a draw gives.

    By the most frequent blocks, whose indicators are tested as covariates are.

    Parameters
    ----------
    con
        With the table ``slates``.
    log
        Its entry.
    used
        The slates that are used, in SQL.
    ratio
        The number of promoted units over the expected one.
    """
    rarer = "least(avg(promotion_probability), 1 - avg(promotion_probability))"
    expected = f"count(DISTINCT randomization_unit) * {rarer}"
    frequent = con.execute(
        f"SELECT focal_block FROM {used} WHERE focal_block IS NOT NULL GROUP BY 1 "
        f"HAVING {expected} >= {MANY_IN_BLOCK} ORDER BY count(*) DESC, 1 LIMIT {MOST_BLOCKS}"
    ).fetchall()
    blocks = [block for (block,) in frequent]
    if not blocks:
        return
    named = ", ".join(text(block) for block in blocks)
    others = first_row(con, f"SELECT {expected} FROM {used} WHERE focal_block NOT IN ({named})")
    if (others[0] or 0) < MANY_IN_BLOCK:  # the most frequent block is all that the others are not
        blocks = blocks[1:]
    flags = {f"of_block_{number}": block for number, block in enumerate(blocks)}
    if not flags:
        return
    columns = ", ".join(
        f"coalesce(focal_block = {text(block)}, false)::TINYINT AS {flag}"
        for flag, block in flags.items()
    )
    flagged = f"(SELECT *, {columns} FROM {used})"
    spreads = _spreads(con, flagged, list(flags))
    p, z = imbalance(*_sums(con, flagged, spreads, log.unit == "user", ratio))
    if p < WRONG:
        flag = list(spreads)[int(np.argmax(np.abs(z)))]
        shares = first_row(
            con,
            f"SELECT avg({flag}) FILTER (promotion_applied = 1), "
            f"avg({flag}) FILTER (promotion_applied = 0) FROM {flagged}",
        )
        message = (
            f"the focal item is in block {flags[flag]} in {shares[0]:.1%} of promoted and in "
            f"{shares[1]:.1%} of control slates (p = {p:.2g})"
        )
        yield Problem("block_differs", log.columns["block"], examples=(message,))


def _covariates(con: duckdb.DuckDBPyConnection, used: str, known: list[str]) -> dict[str, float]:
    """Return the covariates of slates that vary and are complete, with their spread."""
    existing = [row[0] for row in con.execute("DESCRIBE slates").fetchall()]
    prefixes = (SLATE_PREFIX, ITEM_PREFIX, f"focal_{ITEM_PREFIX}")
    candidates = [column for column in existing if column in known or column.startswith(prefixes)]
    return _spreads(con, used, candidates) if candidates else {}


def _spreads(
    con: duckdb.DuckDBPyConnection, used: str, candidates: Sequence[str]
) -> dict[str, float]:
    """Return the columns that vary and are complete, with their spread."""
    sums = ", ".join(
        f"count(*) - count({name(column)}), stddev_pop({name(column)}::DOUBLE), "
        f"max(abs({name(column)}))"
        for column in candidates
    )
    row = first_row(con, f"SELECT {sums} FROM {used}")
    spreads = {}
    for index, column in enumerate(candidates):
        missing, sd, largest = row[3 * index : 3 * index + 3]
        if not missing and sd is not None and sd > SAME_RANK * max(1.0, largest):
            spreads[column] = float(sd)
    return spreads


def _sums(
    con: duckdb.DuckDBPyConnection,
    used: str,
    names: Mapping[str, float],
    by_user: bool,
    ratio: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the arguments d and V of ``balance.imbalance``.

    Covariates are centered on the means of their strata, whose numbers of promotions may be fixed,
    and summed over units; e is scaled to the share that was promoted.
    """
    k = len(names)
    means = ", ".join(f"avg({name(c)}) AS m{j}" for j, c in enumerate(names))
    within = ", ".join(
        f"({name(c)} - m{j}) / {sd!r} AS x{j}" for j, (c, sd) in enumerate(names.items())
    )
    rows = (
        f"SELECT randomization_unit AS unit, promotion_applied AS d, promotion_probability AS e, "
        f"{within} FROM {used} JOIN (SELECT randomization_stratum, {means} FROM {used} GROUP BY 1) "
        "USING (randomization_stratum)"
    )
    if by_user:
        sums = ", ".join(f"sum(x{j}) AS x{j}" for j in range(k))
        rows = f"SELECT any_value(d) AS d, any_value(e) AS e, {sums} FROM ({rows}) GROUP BY unit"
    chance = f"least(e * {ratio!r}, 1.0)"
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    sums = ", ".join(
        [
            "sum(s)",
            "sum(r)",
            *(f"sum(s * x{j})" for j in range(k)),
            *(f"sum(r * x{j})" for j in range(k)),
            *(f"sum(s * x{i} * x{j})" for i, j in pairs),
        ]
    )
    row = first_row(
        con,
        f"SELECT {sums} FROM (SELECT *, {chance} * (1 - {chance}) AS s, d - {chance} AS r "
        f"FROM ({rows}))",
    )
    numbers = np.array(row, dtype=np.float64)
    s, r, sx, rx = numbers[0], numbers[1], numbers[2 : 2 + k], numbers[2 + k : 2 + 2 * k]
    sxx = np.empty((k, k))
    for value, (i, j) in zip(numbers[2 + 2 * k :], pairs, strict=True):
        sxx[i, j] = sxx[j, i] = value
    center = sx / s
    return rx - center * r, sxx - np.outer(sx, sx) / s
