"""The promotions of a study side by side: what each gains, and what it takes, in each world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from netlift.core.formatting import signed
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS, capitalized
from netlift.core.units import PER_1000, PER_SLATE, RATIO
from netlift.effects.codes import (
    COMPETITOR_CHANGE,
    DIRECT_LINE,
    FOCAL_GAIN,
    INDIRECT_LINE,
    NET_CHANGE,
    OFFSET_RATIO,
    OTHER_CLUSTER_CHANGE,
    OTHER_LINE,
    SAME_CLUSTER_CHANGE,
    SAME_CLUSTER_LINE,
    SHARE_MOVED,
    SHARE_MOVED_LABEL,
    TOTAL_LINE,
)

_LINES = {
    FOCAL_GAIN: DIRECT_LINE,
    SAME_CLUSTER_CHANGE: SAME_CLUSTER_LINE,
    OTHER_CLUSTER_CHANGE: OTHER_LINE,
    COMPETITOR_CHANGE: INDIRECT_LINE,
    NET_CHANGE: TOTAL_LINE,
}
"""Line of the ledger by metric of the product summary, in order."""

LABELS = {line.code: line.component for line in _LINES.values()} | {SHARE_MOVED: SHARE_MOVED_LABEL}
"""Labels of the lines."""

_COMPARED: dict[str, tuple[str, int, tuple[str, str]]] = {
    DIRECT_LINE.code: ("gains", 1, ("it gains more", "it gains less")),
    INDIRECT_LINE.code: ("takes", -1, ("it takes less", "it takes more")),
    TOTAL_LINE.code: ("", 1, ("the slate has more clicks", "the slate has fewer clicks")),
}
"""By line: verb and sign of a known multiple, and what an effect above or below another means."""

_EFFECT = ("estimate", "se", "ci_95_lower", "ci_95_upper")
_ENDS = ["ci_95_lower", "ci_95_upper"]


def compare_promotions(
    summaries: Mapping[tuple[str, str], pd.DataFrame], phrases: Mapping[str, str]
) -> pd.DataFrame:
    """Put the effects of several promotions of the same slates side by side.

    Parameters
    ----------
    summaries
        ``product_summary.csv`` of each experiment, by world and promotion, in the order to show.
    phrases
        What each promotion does, as the subject of a sentence, by promotion.

    Returns
    -------
    One row per world, promotion and line: the parts of the ledger (``direct``, ``same_cluster``,
    ``other``, ``indirect``, ``total``) by the main estimator, per slate, with standard error and
    95% interval; and ``share_moved``, minus the indirect divided by the direct effect, with
    Fieller's (1954) 95% set, whose ``interval_kind`` says whether it is an interval.
    ``known_value`` is the value by the exact probabilities of a simulated world; ``note`` says why
    there is no number.
    """
    rows = [
        {"world": world, "promotion": promotion, **row}
        for (world, promotion), summary in summaries.items()
        for row in _lines(summary)
    ]
    table = with_labels(pd.DataFrame(rows), promotion=_labels(phrases), line=LABELS)
    return CLICKS.in_units(table)


def _labels(phrases: Mapping[str, str]) -> dict[str, str]:
    """Return phrases as labels, which begin in upper case."""
    return {name: capitalized(words) for name, words in phrases.items()}


def _lines(summary: pd.DataFrame) -> Iterator[dict[str, object]]:
    rows = summary.set_index("metric")
    for metric, line in _LINES.items():
        row = rows.loc[metric]
        yield {
            "line": line.code,
            "unit_code": PER_SLATE,
            **{name: row[name] / 1000 for name in _EFFECT},
            "interval_kind": row["interval_kind"],
            "df": row["df"],
            "known_value": row.get("known_value", np.nan) / 1000,
            "note": row.get("note"),
        }
    offset = rows.loc[OFFSET_RATIO]
    yield {
        "line": SHARE_MOVED,
        "unit_code": RATIO,
        "estimate": 0.0 - offset["estimate"],
        "se": np.nan,
        "ci_95_lower": 0.0 - offset["ci_95_upper"],
        "ci_95_upper": 0.0 - offset["ci_95_lower"],
        "interval_kind": offset["interval_kind"],
        "df": offset["df"],
        "known_value": 0.0 - offset.get("known_value", np.nan),
        "note": offset.get("note"),
    }


class _Rows:
    """The rows of a comparison, by world, promotion and line."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._rows: dict[tuple[str, str, str], dict[Any, Any]] = {
            (str(row["world"]), str(row["promotion"]), str(row["line"])): row
            for row in table.to_dict("records")
        }
        self.worlds = [str(world) for world in dict.fromkeys(table["world"])]
        named = table.drop_duplicates("promotion")
        self.promotions = dict(zip(named["promotion"], named["promotion_label"], strict=True))

    def over_worlds(self, promotion: str, line: str) -> list[dict[Any, Any]]:
        """Return a line of a promotion in each world."""
        return [self._rows[world, promotion, line] for world in self.worlds]


def promotion_statements(table: pd.DataFrame) -> pd.DataFrame:
    """State what each promotion gains and takes, and how that compares with the first promotion.

    An effect is called above or below zero where its 95% interval excludes zero. One promotion is
    said to gain or take more than another only where their 95% intervals have no number in common.
    The two experiments have the same slates, so their estimates are dependent; but the standard
    error of a difference is at most the sum of both standard errors, so the test is valid at 5%.

    Parameters
    ----------
    table
        From ``compare_promotions``.

    Returns
    -------
    One row per promotion: counts of worlds in which the focal item is shown to gain, other items
    to lose, and the slate to gain or to lose; and a sentence.
    """
    rows = _Rows(table)
    first = next(iter(rows.promotions))
    stated = []
    for promotion, label in rows.promotions.items():
        focal, others, total = (
            rows.over_worlds(promotion, line.code)
            for line in (DIRECT_LINE, INDIRECT_LINE, TOTAL_LINE)
        )
        sentences = [f"{label} ({promotion}), {_effects(focal, others, total)}."]
        if promotion != first:
            sentences += _against(rows, promotion, first)
        stated.append(
            {
                "promotion": promotion,
                "promotion_label": label,
                "worlds": len(rows.worlds),
                "focal_gains": len(_shown(focal, 1)),
                "others_lose": len(_shown(others, -1)),
                "slate_gains": len(_shown(total, 1)),
                "slate_loses": len(_shown(total, -1)),
                "statement": " ".join(sentences),
            }
        )
    return pd.DataFrame(stated)


def _sign(row: Mapping[str, Any]) -> int:
    """Return 1 or -1 where an effect is shown, else 0."""
    return int(row["ci_95_lower"] > 0) - int(row["ci_95_upper"] < 0)


def _shown(rows: Sequence[Mapping[str, Any]], sign: int) -> list[str]:
    """Return the worlds in which an effect with a sign is shown."""
    return [str(row["world"]) for row in rows if _sign(row) == sign]


def _effects(*parts: Sequence[Mapping[str, Any]]) -> str:
    """Return what happens to the focal item, to all other items, and to the slate."""
    names = ("focal gain", "change of all other items", "net change of the slate")
    changes = "; ".join(_change(name, rows) for name, rows in zip(names, parts, strict=True))
    return f"in {CLICKS.of(PER_1000)}: {changes}"


def _change(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the size of an effect, and in which worlds it is shown."""
    estimates = [row["estimate"] for row in rows if np.isfinite(row["estimate"])]
    if not estimates:
        return f"{name} not estimated, because {rows[0]['note']}"
    low, high = (signed(1000 * end(estimates), 1) for end in (min, max))
    size = f"{name} {low if low == high else f'{low} to {high}'}"
    if len(rows) > 1:
        return f"{size} ({_where(rows)})"
    ends = " to ".join(signed(1000 * rows[0][end], 1) for end in _ENDS)
    shown = "" if _sign(rows[0]) else "; neither above nor below zero is shown"
    return f"{size} (95% interval {ends}{shown})"


def _where(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return in which worlds an effect is shown to be above zero, and in which below."""
    shown = {"above zero": _shown(rows, 1), "below zero": _shown(rows, -1)}
    signs = [f"{what} in {_of_all(worlds, len(rows))}" for what, worlds in shown.items() if worlds]
    return "; ".join(signs) or f"not shown to differ from zero in any of {len(rows)} worlds"


def _of_all(worlds: Sequence[str], n_worlds: int) -> str:
    if len(worlds) == n_worlds:
        return "both worlds" if n_worlds == 2 else f"all {n_worlds} worlds"
    return f"{len(worlds)} of {n_worlds} worlds: {', '.join(worlds)}"


def _against(rows: _Rows, promotion: str, first: str) -> list[str]:
    """Compare what a promotion gains and takes with the first promotion."""
    known, observed = [], []
    for line, (verb, sign, orders) in _COMPARED.items():
        own, base = (rows.over_worlds(name, line) for name in (promotion, first))
        known += _known_multiple(own, base, verb, sign)
        observed += _observed_order(own, base, orders)
    sentences = []
    if known:
        sentences.append(f"By the known effects it {' and '.join(known)} as {first}.")
    observed = observed or ["no difference is shown"]
    sentences.append(f"On the observed clicks, compared with {first}, {'; '.join(observed)}.")
    return sentences


def _known_multiple(
    own: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]], verb: str, sign: int
) -> list[str]:
    """Return a known effect as a multiple of the first promotion's, if both have its sign."""
    pairs = [
        (sign * a["known_value"], sign * b["known_value"]) for a, b in zip(own, base, strict=True)
    ]
    if not verb or not all(a > 0 and b > 0 for a, b in pairs):  # also where one is not known
        return []
    low, high = (f"{end(a / b for a, b in pairs):.2f}" for end in (min, max))
    return [f"{verb} {low if low == high else f'{low} to {high}'} times as much"]


def _observed_order(
    own: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]], orders: Sequence[str]
) -> list[str]:
    """Return in which worlds a promotion's interval is above, or below, the first promotion's."""
    pairs = list(zip(own, base, strict=True))
    above = [str(a["world"]) for a, b in pairs if a["ci_95_lower"] > b["ci_95_upper"]]
    below = [str(a["world"]) for a, b in pairs if a["ci_95_upper"] < b["ci_95_lower"]]
    return [
        words + (f" in {_of_all(worlds, len(own))}" if len(own) > 1 else "")
        for words, worlds in zip(orders, (above, below), strict=True)
        if worlds
    ]
