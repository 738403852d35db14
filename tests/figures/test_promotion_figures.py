"""The figure of promotions side by side shows the numbers of its table."""

import math

import numpy as np
import pandas as pd
import pytest

from netlift.figures.drawing.marks import ESTIMATE, INTERVAL, KNOWN
from netlift.figures.promotions import HIGHEST, promotions
from netlift.figures.shares import ARROW

pytestmark = pytest.mark.filterwarnings("error")

LONG = "a_promotion_with_a_very_long_name_that_cannot_fit_next_to_a_plot"


def table(**share) -> pd.DataFrame:
    """Return two promotions in two worlds: the numbers of each line differ."""
    rows = []
    for w, world in enumerate(("logit", "mnl")):
        for p, promotion in enumerate(("top", LONG)):
            numbers = {"direct": 0.1 + w, "indirect": -0.05 - p, "total": 0.05 + w - p}
            numbers |= {"same_cluster": -0.02, "other": -0.03}
            facts = {
                "world": world,
                "promotion": promotion,
                "promotion_label": f"Does what {promotion} does",
            }
            rows += [
                facts
                | {
                    "line": line,
                    "estimate": value,
                    "ci_95_lower": value - 0.01,
                    "ci_95_upper": value + 0.01,
                    "interval_kind": "interval",
                    "known_value": value + 0.002,
                }
                for line, value in numbers.items()
            ]
            moved = {"estimate": 0.5, "ci_95_lower": 0.2, "ci_95_upper": 0.8, "known_value": 0.4}
            rows.append(
                facts | {"line": "share_moved", "interval_kind": "interval"} | moved | share
            )
    return pd.DataFrame(rows)


def drawn(axes, label) -> list[tuple[float, ...]]:
    """Return the numbers of the marks of a kind, by row."""
    lines = [line for line in axes.lines if line.get_label() == label]
    lines.sort(key=lambda line: line.get_ydata()[0])
    return [tuple(np.round(line.get_xdata(), 9).tolist()) for line in lines]


def test_each_world_has_its_numbers_per_1000_slates():
    figure = promotions(table(), source="here")
    assert len(figure.axes) == 6  # per world: effects, shares, names
    effects = [axes for axes in figure.axes if axes.get_title(loc="left").startswith("World: ")]
    for w, axes in enumerate(effects):
        values = [(100.0 + 1000 * w, -50.0 - 1000 * p, 50.0 + 1000 * (w - p)) for p in (0, 1)]
        expected = [value for row in values for value in row]
        assert [x for (x,) in drawn(axes, ESTIMATE)] == pytest.approx(expected)
        assert drawn(axes, INTERVAL) == [pytest.approx((x - 10, x + 10)) for x in expected]
        assert [x for (x,) in drawn(axes, KNOWN)] == pytest.approx([x + 2 for x in expected])
        assert "clicks per 1,000 promoted slates" in axes.get_xlabel()
    assert [axes.get_title(loc="left") for axes in effects] == ["World: logit", "World: mnl"]


def shares_of(figure):
    return [axes for axes in figure.axes if axes.get_xlabel().startswith("Share moved")]


def test_shares_are_drawn_with_their_sets():
    for axes in shares_of(promotions(table())):
        assert drawn(axes, ESTIMATE) == [(0.5,), (0.5,)]
        assert drawn(axes, INTERVAL) == [(0.2, 0.8), (0.2, 0.8)]
        assert drawn(axes, KNOWN) == [(0.4,), (0.4,)]
        assert drawn(axes, ARROW) == []


def test_a_set_without_limits_ends_in_arrows_and_is_explained():
    ends = {"ci_95_lower": math.nan, "ci_95_upper": math.nan, "estimate": 7.5}
    figure = promotions(table(interval_kind="everything", **ends))
    for axes in shares_of(figure):
        assert len(drawn(axes, ARROW)) == 4
        assert drawn(axes, ESTIMATE) == []  # beyond the axis
        assert axes.get_xlim()[1] <= HIGHEST + 0.2
    assert any("Arrows on both sides" in text.get_text() for text in figure.texts)


def test_a_line_without_a_number_and_a_table_without_truth_are_drawn():
    rows = table().drop(columns="known_value")
    numbers = ["estimate", "ci_95_lower", "ci_95_upper"]
    rows.loc[rows["line"] == "indirect", numbers] = math.nan
    figure = promotions(rows)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts.count("not estimated") == 4
    assert not any(drawn(axes, KNOWN) for axes in figure.axes)
