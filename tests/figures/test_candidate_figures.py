"""Figures of which item to promote: their marks are the numbers of the tables."""

from functools import cache

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from netlift.figures.candidates import (
    KNOWN_VALUE,
    VALUE,
    candidate_curve,
    candidate_policies,
    promoted_candidates,
)
from netlift.figures.drawing.marks import ESTIMATE, KNOWN
from netlift.figures.drawing.style import title_of


@cache
def comparison():
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
    from test_candidate_rules import compared
    from test_candidates import ITEMS

    return compared(ITEMS)


def lines(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


@pytest.mark.parametrize("truth", [True, False])
def test_the_curve_and_its_band_are_those_of_the_table(truth):
    curve = comparison().curve
    shown = curve if truth else curve.drop(columns="known_value")
    (axes,) = candidate_curve(shown).axes
    (value,) = lines(axes, VALUE)
    np.testing.assert_allclose(value.get_xdata()[1:], curve["share_promoted"])
    np.testing.assert_allclose(value.get_ydata()[1:], curve["value"])
    assert value.get_ydata()[0] == 0
    assert len(lines(axes, KNOWN_VALUE)) == truth
    (band,) = (item for item in axes.collections if isinstance(item, PolyCollection))
    corners = band.get_paths()[0].vertices[:, 1]
    assert corners.max() == pytest.approx(curve["upper_bound"].max())
    assert corners.min() == pytest.approx(curve["lower_bound"].min())


def test_every_rule_has_its_value_and_its_known_value():
    found = comparison()
    axes = candidate_policies(found.policies, found.verdict).axes[0]
    values = [line.get_xdata()[0] for line in lines(axes, ESTIMATE)]
    np.testing.assert_allclose(values, found.policies["naive_value"])
    known = [line.get_xdata()[0] for line in lines(axes, KNOWN)]
    np.testing.assert_allclose(known, found.policies["known_value"])


def test_bars_are_the_shares_of_the_table_and_the_title_names_the_rule():
    found = comparison()
    figure = promoted_candidates(found.promoted, found.verdict)
    assert found.promoted["rule_label"].iloc[0] in title_of(figure)
    positions = found.promoted[found.promoted["dimension"] == "position"]
    positions = positions.sort_values("value", key=lambda values: values.astype(float))
    bars = [bar.get_width() for bar in figure.axes[0].patches]
    expected = [*positions["share_of_promotions"].fillna(0), *positions["share_at_random"]]
    np.testing.assert_allclose(bars, expected)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == positions["value"].tolist()


def test_a_rule_that_is_not_recommended_is_not_shown_as_one():
    found = comparison()
    verdict = found.verdict | {"verdict": "promote_nothing"}
    texts = " ".join(t.get_text() for t in promoted_candidates(found.promoted, verdict).texts)
    assert "not recommended" in texts
    assert "is shown to gain" in title_of(candidate_policies(found.policies, verdict))


def test_of_many_groups_those_with_most_promotions_are_drawn_and_the_rest_counted():
    promoted = comparison().promoted
    group = promoted[promoted["dimension"] == "group"].iloc[:1]
    many = [group.assign(value=f"g{n}", promotions=n) for n in range(40)]
    import pandas as pd

    table = pd.concat([promoted[promoted["dimension"] == "position"], *many])
    figure = promoted_candidates(table, comparison().verdict)
    labels = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert labels == [f"g{n}" for n in range(39, 24, -1)]
    assert any("25 more groups" in text.get_text() for text in figure.texts)
