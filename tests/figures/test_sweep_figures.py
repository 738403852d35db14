"""Figures of a sweep show the numbers of its tables."""

from functools import cache

import numpy as np
import pytest
from builders import compared, random_items
from matplotlib.collections import LineCollection
from test_inference_figures import boxes, drawn, texts

from netlift.effects.accounts import slate_outcomes
from netlift.effects.conclusions import CONCLUSIONS, FAILS, HOLDS, UNDECIDED, conclusions
from netlift.effects.ledger import component_effects
from netlift.figures.drawing.marks import ESTIMATE, INTERVAL, KNOWN
from netlift.figures.drawing.themes import DARK, LIGHT, use_theme
from netlift.figures.sweep_conclusions import sweep_conclusions
from netlift.figures.sweep_distribution import MIDDLE, SEEDS, SPREAD, sweep_distribution
from netlift.figures.sweep_estimates import sweep_estimates
from netlift.studies.sweep import experiment_rows
from netlift.studies.sweep_summary import combined, conclusion_shares

pytestmark = pytest.mark.filterwarnings("error")

WORLDS = ("logit", "mnl", "nested_logit", "cascade")


@cache
def swept():
    """Sweep seven seeds, two sizes and four worlds that are no worlds: rows and conclusions."""
    rows, judged = [], []
    for seed in range(7):
        for size in (12, 6):
            for number, world in enumerate(WORLDS):
                items = random_items(10 * seed + number, 60, size)
                accounts = slate_outcomes(items)
                keys = {"seed": seed, "size": size, "world": world}
                rows.append(
                    experiment_rows(component_effects(compared(accounts)), accounts, **keys)
                )
                judged.append(conclusions(items, compared(accounts)).assign(**keys))
    return combined(rows), conclusion_shares(combined(judged))


def cell(rows, size, world, component="total"):
    found = rows[rows["is_main"] & (rows["size"] == size) & (rows["world"] == world)]
    return found[found["line"] == component]


@pytest.mark.long
def test_every_seed_has_its_interval_and_those_that_miss_stand_out():
    rows = swept()[0].copy()
    first = cell(rows, 6, "mnl").index[0]
    rows.loc[first, ["ci_95_lower", "ci_95_upper"]] = rows.loc[first, "known_effect"] + [0.1, 0.2]
    rows.loc[cell(rows, 12, "mnl").index[2], ["estimate_per_slate", "se", "ci_95_lower"]] = np.nan
    figure = sweep_estimates(rows)
    panels = {
        axes.get_title(loc="left").split("\n")[0]: axes for axes in figure.axes if axes.axison
    }
    assert list(panels) == [
        f"{world}, {size} items" for size in (6, 12) for world in sorted(WORLDS)
    ]
    for name, axes in panels.items():
        world, size = name.split(", ")
        part = cell(rows, int(size.split()[0]), world).dropna(subset=["estimate_per_slate"])
        part = part.sort_values("estimate_per_slate")
        lines = [line for line in axes.lines if line.get_label() == ESTIMATE]
        shown = sorted(np.hstack([line.get_xydata().T for line in lines]).T.tolist())
        order = np.arange(1, len(part) + 1)
        assert shown == np.column_stack([order, part["estimate_per_slate"]]).tolist()
        ends = [
            segment[:, 1].tolist()
            for found in axes.collections
            if isinstance(found, LineCollection) and found.get_label() == INTERVAL
            for segment in found.get_segments()
        ]
        assert sorted(ends) == sorted(part[["ci_95_lower", "ci_95_upper"]].to_numpy().tolist())
        (known,) = [line for line in axes.lines if line.get_label() == KNOWN]
        assert list(known.get_ydata(orig=True)) == part["known_effect"].to_list()
        held = part["known_effect"].between(part["ci_95_lower"], part["ci_95_upper"])
        crossed = next(line for line in lines if line.get_marker() == "X")
        assert list(crossed.get_xdata()) == list(order[~held])
        assert axes.get_title(loc="left").endswith(
            f"{held.sum()} of {len(part)} cover the known effect"
        )
    assert any("1 experiments have no estimate" in text for text in texts(figure))


def test_distributions_show_every_seed_their_quantiles_and_the_known_effect():
    rows = swept()[0]
    figure = sweep_distribution(rows)
    assert len(figure.axes) == 4 * len(WORLDS)
    lines = ["direct", "same_cluster", "other", "total"]
    for place, axes in enumerate(figure.axes):
        world, line = sorted(WORLDS)[place // 4], lines[place % 4]
        seeds = [found for found in axes.lines if found.get_label() == SEEDS]
        for row, size in enumerate((6, 12)):
            part = cell(rows, size, world, line)
            values = part["estimate_per_slate"]
            assert list(seeds[row].get_xdata()) == values.to_list()
            height = row - 0.12
            assert drawn(axes, MIDDLE)[height] == values.quantile([0.25, 0.75]).to_list()
            assert drawn(axes, SPREAD)[height] == pytest.approx(
                values.quantile([0.025, 0.975]).to_list()
            )
            assert drawn(axes, KNOWN)[height] == [pytest.approx(part["known_effect"].mean())]


def test_bars_are_the_shares_of_the_verdicts():
    shares = swept()[1]
    figure = sweep_conclusions(shares)
    panels, beside = figure.axes[::2], figure.axes[1::2]
    for axes, text, (conclusion, part) in zip(
        panels, beside, shares.groupby("conclusion", sort=False), strict=True
    ):
        assert axes.get_title(loc="left") == CONCLUSIONS[conclusion]
        for bars, verdict in zip(axes.containers, (HOLDS, UNDECIDED, FAILS), strict=True):
            widths = [bar.get_width() for bar in bars]
            assert widths == pytest.approx(part[verdict].to_list())
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels == [f"{w}, {s}" for w, s in zip(part["world"], part["size"], strict=True)]
        known, wrong = (
            [f"{share:.0%}" for share in part[name]] for name in ("holds_by_known_effects", "wrong")
        )
        assert texts(text)[: 2 * len(part) + 2] == [*known, "Known: holds", *wrong, "Wrong"]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_no_text_is_cut_off_or_lies_on_another(theme):
    rows, shares = swept()
    with use_theme(theme):
        figures = [
            sweep_estimates(rows, source="a/b"),
            sweep_distribution(rows, source="a/b"),
            sweep_conclusions(shares, source="a/b"),
        ]
    for figure in figures:
        assert_readable(figure)


def assert_readable(figure):
    unseen = [
        label
        for axes in figure.axes
        for label in axes.get_yticklabels()
        if not min(axes.get_ylim()) <= label.get_position()[1] <= max(axes.get_ylim())
    ]
    found = [(text, box) for text, box in boxes(figure) if text not in unseen]
    page = figure.bbox.padded(1)
    for n, (text, box) in enumerate(found):
        assert page.x0 <= box.x0 < box.x1 <= page.x1, text
        assert page.y0 <= box.y0 < box.y1 <= page.y1, text
        for other, beneath in found[:n]:
            assert not box.padded(-1.5).overlaps(beneath.padded(-1.5)), (text, other)
