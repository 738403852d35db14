"""Figures of who pays and of groups of users: their numbers, what is shown, long names."""

import builders
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from test_inference_figures import boxes, drawn

from netlift.core.formatting import signed
from netlift.core.outcome import Outcome
from netlift.effects import diversion as matrices
from netlift.effects import user_segments as users
from netlift.effects.accounts import slate_outcomes
from netlift.figures.diversion import LARGEST, diversion, largest, largest_takings
from netlift.figures.drawing.marks import INTERVAL, KNOWN
from netlift.figures.drawing.style import title_of
from netlift.figures.user_segments import user_segments

pytestmark = pytest.mark.filterwarnings("error")

TAKINGS = ["own_group", "group", "rarer"]


@pytest.fixture(scope="module")
def items():
    table = builders.random_items(4, 1200, 8, n_users=200)
    seller = np.random.default_rng(1).choice(list("stuvwxyz"), len(table))
    return table.assign(item_attribute_seller=seller)


@pytest.fixture(scope="module")
def table(items):
    return matrices.diversion(items, min_slates=20)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_heat_map_writes_every_raw_number_and_frames_what_is_shown(table):
    figure = diversion(table)
    assert len(figure.axes) == 2
    for axes, (_, matrix) in zip(figure.axes, table.groupby("attribute", sort=False), strict=True):
        assert texts(axes) == [signed(value, 0) for value in matrix["estimate"]]
        bold = [text.get_text() for text in axes.texts if text.get_weight() == "bold"]
        assert len(bold) == (matrix["part"] == "own_group").sum()
        frames = [patch for patch in axes.patches if patch.get_gid() == "shown"]
        low, high = (matrix[f"simultaneous_ci_95_{end}"] for end in ("lower", "upper"))
        assert len(frames) == ((low > 0) | (high < 0)).sum() > 0
        rows = [label.get_text() for label in axes.get_yticklabels()]
        assert rows == list(matrix["focal_group"].unique())
        columns = [label.get_text() for label in axes.get_xticklabels()]
        assert columns[1 : len(rows)] == rows[1:]


def test_colors_are_those_of_pooled_numbers(table):
    by_seller = table[table["attribute"] == "seller"]
    figure = diversion(by_seller)
    cells = [patch for patch in figure.axes[0].patches if patch.get_gid() != "shown"]
    pooled = by_seller["pooled_estimate"].fillna(by_seller["estimate"])
    sums = by_seller["part"].isin(["own_groups", "other_groups", "others", "total"])
    reach = pooled[~sums].abs().max()
    found = [patch.get_alpha() for patch in cells]
    expected = 0.65 * pooled.abs() / np.where(sums, pooled[sums].abs().max(), reach)
    np.testing.assert_allclose(found, expected)


def test_the_largest_takings_are_those_by_the_pooled_estimate(table):
    figure = largest_takings(table)
    for axes, attribute in zip(figure.axes[::2], ("cluster", "seller"), strict=True):
        part = table[(table["attribute"] == attribute) & (table["focal_kind"] == "group")]
        part = part[part["part"].isin(TAKINGS)]
        order = part["pooled_estimate"].fillna(part["estimate"])
        expected = part.loc[order[order < 0].sort_values().index].head(LARGEST)
        pd.testing.assert_frame_equal(largest(part).drop(columns="_order"), expected)
        ends = zip(
            expected["simultaneous_ci_95_lower"], expected["simultaneous_ci_95_upper"], strict=True
        )
        intervals = drawn(axes, INTERVAL)
        for row, end in enumerate(ends):
            assert intervals[round(row - 0.18, 6)] == list(end)
        assert list(drawn(axes, KNOWN).values()) == [[value] for value in expected["known_effect"]]


def test_without_pairs_of_groups_the_figure_says_why(items):
    whole = matrices.diversion(items, min_slates=500)
    figure = largest_takings(whole)
    assert texts(figure.axes[0]) == [
        "No group has enough promoted and control slates for a row of its own."
    ]
    gains = matrices.diversion(items, min_slates=20).assign(pooled_estimate=1.0)
    (said,) = texts(largest_takings(gains).axes[0])
    assert said.startswith("Nothing is taken")
    assert len(diversion(whole).axes[0].get_yticklabels()) == 1


def test_long_names_and_units_fit(items):
    cluster = items["spillover_cluster"].map(
        {"A": "<b>A & $x_1$</b> a very long name of a cluster", "B": "B" * 60, "C": "\u4e2d" * 9}
    )
    renamed = matrices.diversion(items.assign(spillover_cluster=cluster), min_slates=20)
    for draw in (diversion, largest_takings):
        figure = draw(renamed, source="logs/x", outcome=Outcome("euros of revenue"))
        page = figure.bbox.padded(1)
        found = boxes(figure)
        found += [
            (label, label.get_window_extent())
            for axes in figure.axes
            for label in (axes.get_xticklabels() if axes.axison else [])
        ]
        for text, box in found:
            assert page.x0 <= box.x0 < box.x1 <= page.x1, text
            assert page.y0 <= box.y0 < box.y1 <= page.y1, text
        assert "euros of revenue per 1,000" in " ".join(text.get_text() for text in figure.texts)


def test_groups_of_users_have_a_panel_for_each_line_and_covariate(items):
    accounts = slate_outcomes(items)
    by_user, heterogeneity = users.user_segments(accounts, min_slates=20)
    figure = user_segments(by_user, heterogeneity, source="a/b")
    assert "Who gains among users" in title_of(figure)
    assert len(figure.axes) == 8
    panels = [part for _, part in by_user.groupby(["segment_type", "line"], sort=False)]
    for axes, part in zip(figure.axes, panels, strict=True):
        assert drawn(axes, KNOWN) == {
            float(row): [value] for row, value in enumerate(part["known_effect"])
        }
        low, high = part.iloc[0][["simultaneous_ci_95_lower", "simultaneous_ci_95_upper"]]
        assert drawn(axes, INTERVAL)[-0.2] == [low, high]
    found, page = boxes(figure), figure.bbox.padded(1)
    for n, (text, box) in enumerate(found):
        assert page.x0 <= box.x0 < box.x1 <= page.x1, text
        for other, beneath in found[:n]:
            if text.get_visible() and other.get_visible():
                assert not box.padded(-1.5).overlaps(beneath.padded(-1.5)), (text, other)


def test_a_covariate_without_groups_is_named(items):
    accounts = slate_outcomes(items)
    accounts.loc[3, "user_activity"] = np.nan
    by_user, heterogeneity = users.user_segments(accounts, min_slates=20)
    figure = user_segments(by_user, heterogeneity)
    assert len(figure.axes) == 4
    said = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "By user activity there are none: missing in 1 of 1,200 slates." in said
    assert not any(isinstance(patch, Rectangle) for axes in figure.axes for patch in axes.patches)
