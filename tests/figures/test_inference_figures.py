"""Figures of inference show the numbers of their tables, and say what is missing or unbounded.

The tables are the library's, made from random slates, and read back from CSV as a figure's job
reads them.
"""

from functools import cache

import builders
import numpy as np
import pandas as pd
import pytest
from builders import compared
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from netlift.core.tables import read_table, write_table
from netlift.effects import design_checks as diagnostics
from netlift.effects import diversion as matrices
from netlift.effects import item_level, ledger
from netlift.effects import leakage as audit
from netlift.effects import power_table as power_module
from netlift.effects import randomization_tests as randomization
from netlift.effects import segments as segment_effects
from netlift.effects import shares as share_sets
from netlift.effects import spillover as row_effects
from netlift.effects.accounts import slate_outcomes
from netlift.effects.estimators import label_of
from netlift.figures.diagnostics import WORDS, design_diagnostics
from netlift.figures.diversion import diversion, largest_takings
from netlift.figures.drawing.marks import BAND, ESTIMATE, INTERVAL, KNOWN
from netlift.figures.drawing.style import SMALL
from netlift.figures.drawing.text import p_value, signed, with_interval
from netlift.figures.drawing.themes import DARK, LIGHT, use_theme
from netlift.figures.estimators import estimators
from netlift.figures.item_level import item_level_claim
from netlift.figures.leakage import leakage
from netlift.figures.ledger import observed_against_known
from netlift.figures.randomization import randomization_tests
from netlift.figures.segments import segments
from netlift.figures.shares import ARROW, shares
from netlift.figures.spillover import spillover_sensitivity
from netlift.workflow.outputs import FIGURES

pytestmark = pytest.mark.filterwarnings("error")

DRAWN_FROM = {
    draw: next(figure.tables for figure in FIGURES if figure.name == draw.__name__)
    for draw in (
        estimators,
        shares,
        randomization_tests,
        leakage,
        design_diagnostics,
        item_level_claim,
        segments,
        diversion,
        largest_takings,
        spillover_sensitivity,
    )
}
TRUTH = ("known", "p_control", "p_promoted", "expected", "click_")
CI = ["ci_95_lower", "ci_95_upper"]


def tables_of(items, folder):
    """Make every table from a table of items, and write and read it as the workflow does."""
    accounts, near, chance = slate_outcomes(items), {"near_positions": 2}, {"seed": 1}
    by_segment, heterogeneity = segment_effects.segments(accounts, min_slates=10)
    tables = {
        "diversion": matrices.diversion(items, min_slates=2),
        "component_effects": ledger.component_effects(compared(accounts)),
        "component_covariance": ledger.component_covariance(compared(accounts)),
        "shares": share_sets.shares(compared(accounts)),
        "power": power_module.power_table(compared(accounts), effects=[0.05, 0.1, 0.5]),
        "design_diagnostics": diagnostics.design_diagnostics(accounts, permutations=99, **chance),
        "randomization_tests": randomization.randomization_tests(
            items, permutations=99, **near, **chance
        ),
        "leakage": audit.leakage(items, **near),
        "item_level_claim": item_level.item_level_claim(items),
        "segments": by_segment,
        "heterogeneity": heterogeneity,
        "spillover_sensitivity": row_effects.spillover_sensitivity(
            items, bootstrap_draws=99, **near
        ),
        "spillover_support": row_effects.spillover_support(items, **near),
    }
    for name, table in tables.items():
        write_table(table, folder / f"{name}.csv")
    return {name: read_table(folder / f"{name}.csv") for name in tables}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Return a function that gives an experiment's tables: known, observed only, or hardly any."""

    @cache
    def made(kind):
        items = builders.random_items(7, 240, (4, 8))
        if kind == "few":
            arms = [1, 1, 0, 0] * 2
            items = builders.items(["ABC", "BCA"] * 4, [3] * 8, arms, ["000"] * 8)
        if kind == "observed":
            items = items[[name for name in items if not name.startswith(TRUTH)]]
        items = items.assign(promotion_probability=0.5)
        return tables_of(items, tmp_path_factory.mktemp(kind))

    return lambda kind="known": {name: table.copy() for name, table in made(kind).items()}


def drawn(axes, label):
    """Return the row and the x values of the lines with a label."""
    found = [line for line in axes.lines if line.get_label() == label]
    return {round(float(line.get_ydata()[0]), 6): list(line.get_xdata()) for line in found}


def bands(axes):
    """Return the rows and the ends of the ranges by chance alone."""
    found = [band for band in axes.patches if band.get_label() == BAND]
    ends = [pytest.approx([band.get_x(), band.get_x() + band.get_width()]) for band in found]
    return {
        band.get_y() + band.get_height() / 2: end for band, end in zip(found, ends, strict=True)
    }


def texts(artist):
    return [" ".join(text.get_text().split()) for text in artist.findobj(Text) if text.get_text()]


def rows_of(table, *names):
    return dict(enumerate(table[list(names)].to_numpy(dtype=float).tolist()))


def test_every_estimator_stands_in_its_own_line_of_the_ledger(experiment):
    tables = experiment()
    figure = estimators(tables["component_effects"], tables["component_covariance"])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    intervals = drawn(figure.axes[0], INTERVAL)
    numbers = {text.get_position(): text.get_text() for text in figure.axes[1].texts}
    for _, line in tables["component_effects"][:16].iterrows():
        place = labels.index(label_of(line["estimator"]), labels.index(line["component"]))
        assert intervals[place] == line[CI].to_list()
        assert numbers[(0.68, place)] == with_interval(line["estimate_per_slate"], *line[CI], 3)
    matrix = {text.get_position(): text.get_text() for text in figure.axes[2].texts}
    pairs = tables["component_covariance"]["correlation"][:9].to_numpy().reshape(3, 3)
    assert matrix == {(j, k): signed(pairs[k, j], 2) for j in range(3) for k in range(3)}


def test_an_estimator_without_numbers_says_why(experiment):
    tables = experiment()
    lin = tables["component_effects"]["estimator"] == "lin"
    tables["component_effects"].loc[lin, ["estimate_per_slate", "se", *CI]] = np.nan
    tables["component_effects"].loc[lin, "note"] = "not estimated: 3 slates are too few"
    figure = estimators(tables["component_effects"], tables["component_covariance"])
    assert texts(figure.axes[0]).count("not estimated") == 4
    assert "Lin's regression: not estimated: 3 slates are too few." in " ".join(texts(figure))


def test_shares_show_bounded_and_unbounded_sets_and_known_values(experiment):
    table = experiment()["shares"]
    sets = [("interval", -3, 40, 0.5), ("outside", 0.2, 0.7, -0.3), ("everything", None, None, 99)]
    for place, (kind, *numbers) in enumerate(sets):
        table.loc[place, "interval_kind"] = kind
        table.loc[place, [*CI, "estimate"]] = numbers
    figure = shares(table)
    left, right = figure.axes[0].get_xlim()
    assert right < 12
    lines = [(round(line.get_ydata()[0], 2), line) for line in figure.axes[0].lines]
    pieces = [(row, *line.get_xdata()) for row, line in lines if line.get_label() == INTERVAL]
    for piece in [(0.17, -3, right), (1.17, left, 0.2), (1.17, 0.7, right), (2.17, left, right)]:
        assert any(piece == pytest.approx(found) for found in pieces), piece
    ends = [(line.get_marker(), row) for row, line in lines if line.get_label() == ARROW]
    assert sorted(ends) == [("<", 1.17), ("<", 2.17), (">", 0.17), (">", 1.17), (">", 2.17)]
    assert drawn(figure.axes[0], KNOWN) == rows_of(table[:5], "known_value")
    assert {"−0.30 (below +0.20 or above +0.70)", "+99.00 (any number)"} <= set(texts(figure))
    assert "+0.50 (−3.00 to +40.00)" in texts(figure)
    assert 2.17 not in drawn(figure.axes[0], ESTIMATE)


def test_randomization_tests_show_the_range_under_the_null_and_the_p_values(experiment):
    table = experiment()["randomization_tests"]
    numbers = ["estimate", "null_95_lower", "null_95_upper", "p_value", "p_value_adjusted"]
    table.loc[1, numbers] = np.nan
    table["note"] = [None, "not tested: there are no such item rows", None, None, None]
    figure = randomization_tests(table)
    ranges, points = rows_of(table, *numbers[1:3]), rows_of(table, "estimate")
    assert bands(figure.axes[0]) == {row: ends for row, ends in ranges.items() if row != 1}
    there = {row: point for row, point in points.items() if row != 1}
    assert drawn(figure.axes[0], ESTIMATE) == there
    assert "not tested" in texts(figure.axes[0])
    assert "items: not tested: there are no such item rows." in " ".join(texts(figure))
    assert {p_value(p) for p in table["p_value_adjusted"].dropna()} <= set(texts(figure))
    assert "false" in texts(figure)


def test_leakage_shows_both_parts_and_says_what_was_detected(experiment):
    table = experiment()["leakage"]
    figure = leakage(table)
    places = table.index // 2 + np.where(table["row_group"] == audit.EXPOSED, -0.17, 0.17)
    there = table["estimate"].notna()
    ends = rows_of(table[there], *CI).values()
    assert drawn(figure.axes[0], INTERVAL) == dict(zip(places[there].round(6), ends, strict=True))
    assert {"no unexposed items", "no leakage possible"} <= set(texts(figure))
    for _, line in table[there & (table["row_group"] == audit.UNEXPOSED)].iterrows():
        said = "leakage detected" if line["leakage_detected"] else "leakage not detected"
        said += f"; 80% power for a change of {line['minimum_detectable_leakage']:.3f}"
        said += "; coarsest sufficient" if line["coarsest_sufficient"] else ""
        assert said in texts(figure)
    assert len(figure.axes[0].patches) == table["coarsest_sufficient"].eq(True).sum() == 1


def test_diagnostics_show_balance_checks_and_power(experiment):
    tables = experiment()
    checks, table = tables["design_diagnostics"], tables["power"]
    checks.loc[checks["subject"] == "user_activity", "verdict"] = diagnostics.LOOK
    axes, _, whole, smallest, given = design_diagnostics(checks, table).axes
    balance = checks[checks["check"] == diagnostics.BALANCE]
    assert bands(axes) == rows_of(balance, "lower_95", "upper_95")
    assert drawn(axes, ESTIMATE) == rows_of(balance, "value")
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [WORDS[name] for name in balance["subject"]]
    looked = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "v"]
    assert looked == [[balance["value"].iloc[labels.index("User activity")]]]
    ratio = checks[checks["check"] == diagnostics.SAMPLE_RATIO].iloc[0]
    assert f"{ratio['lower_95']:.3f} to {ratio['upper_95']:.3f}" in texts(whole)
    table = table[table["estimator"].isin(["difference_in_means", "lin"])]
    found = table[table["question"] == power_module.MINIMUM]["effect_per_slate"]
    assert sorted(drawn(smallest, ESTIMATE).values()) == [[x] for x in sorted(found)]
    chances = [f"{100 * x:.0f}%" for x in table[table["question"] == power_module.GIVEN]["power"]]
    assert sorted(text for text in texts(given) if text.endswith("%")) == sorted(chances)


def test_item_level_claims_stand_against_the_net_change(experiment):
    table = experiment()["item_level_claim"]
    figure = item_level_claim(table)
    (net, *_), claims = (
        rows_of(table, *(f"{name}_{end}" for end in CI)).values()
        for name in ("net_change", "claim")
    )
    assert drawn(figure.axes[0], INTERVAL) == dict(enumerate([net, *claims]))
    known = [table["known_net_change"][0], *table["known_claim"]]
    assert drawn(figure.axes[0], KNOWN) == {row: [value] for row, value in enumerate(known)}
    (band,) = figure.axes[0].patches
    assert [band.get_x(), band.get_x() + band.get_width()] == pytest.approx(net)
    verdicts = [text.split("verdict: ")[1] for text in texts(figure) if "verdict: " in text]
    assert verdicts == table["verdict"].to_list()


def test_segments_show_both_estimates_and_how_much_they_differ(experiment):
    tables = experiment()
    figure = segments(tables["segments"], tables["heterogeneity"])
    whole = tables["segments"].query("line == 'total'")
    part = whole[whole["segment_type"] == segment_effects.POSITION]
    expected = {}
    for kind, shift in (("simultaneous", -0.2), ("shrunken", 0.2)):
        ends = rows_of(part, *(f"{kind}_{end}" for end in CI))
        expected |= {row + shift: end for row, end in ends.items()}
    assert drawn(figure.axes[0], INTERVAL) == expected
    assert drawn(figure.axes[0], KNOWN) == rows_of(part, "known_effect")
    spread = tables["heterogeneity"].query("line == 'total'").iloc[0]
    said = f"p = {p_value(spread['p_value'])}, tau = {spread['tau']:.3f} clicks per slate"
    assert said in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize(("n_empty", "n_rows"), [(3, 5), (4, 3)])
def test_many_segments_without_numbers_take_one_row(experiment, n_empty, n_rows):
    tables = experiment()
    first = tables["segments"].query("line == 'total'").iloc[:1]
    empty = first.assign(estimate=np.nan, note="too few slates: 3 promoted and 9 control")
    missing = pd.DataFrame([{"segment_type": "focal_relevance", "note": "no column relevance"}])
    table = pd.concat([first, first, *[empty] * n_empty, missing], ignore_index=True)
    figure = segments(table, tables["heterogeneity"])
    assert len(figure.axes[0].get_yticklabels()) == n_rows
    assert sum(text.startswith("too few slates") for text in texts(figure)) == n_rows - 2
    assert (f"{n_empty} more" in texts(figure)) == (n_empty > 3)
    assert "no column relevance" in texts(figure)


@pytest.mark.parametrize("kind", ["known", "observed"])
def test_the_dose_is_said_and_not_drawn(experiment, kind):
    tables = experiment(kind)
    figure = spillover_sensitivity(tables["spillover_sensitivity"], tables["spillover_support"])
    panels = [axes.get_title(loc="left") for axes in figure.axes if axes.axison]
    assert panels == ["Per item row", "Per slate"]
    dose = tables["spillover_sensitivity"].set_index("definition").loc[row_effects.DOSE]
    number = with_interval(dose["estimate"], *dose[CI], 4)
    said = " ".join(texts(figure))
    assert f"compared with items that stay: {number} clicks per item row and position" in said
    assert ("; known: " in said) == (kind == "known")


def boxes(figure):
    """Return the extents of all texts that are seen but those of the x axes."""
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    seen = [*figure.texts, *(text for key in figure.legends for text in key.get_texts())]
    for axes in figure.axes:
        seen += [*axes.texts, axes._left_title, axes._right_title]
        seen += axes.get_yticklabels() if axes.axison else []
    return [(text, text.get_window_extent(renderer)) for text in seen if text.get_text()]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "theme"), [("known", LIGHT), ("observed", DARK), ("few", LIGHT)])
def test_no_text_is_cut_off_or_lies_on_another_or_speaks_of_what_is_not_known(
    experiment, kind, theme
):
    tables = experiment(kind)
    for draw, needed in DRAWN_FROM.items():
        with use_theme(theme):
            figure = draw(*(tables[name] for name in needed), source="a/b")
        found, page = boxes(figure), figure.bbox.padded(1)
        for n, (text, box) in enumerate(found):
            assert page.x0 <= box.x0 < box.x1 <= page.x1, text
            assert page.y0 <= box.y0 < box.y1 <= page.y1, text
            for other, beneath in found[:n]:
                assert not box.padded(-1.5).overlaps(beneath.padded(-1.5)), (text, other)
        assert min(text.get_fontsize() for text in figure.findobj(Text)) >= SMALL
        if kind != "known":
            assert "known" not in " ".join(texts(figure)).lower()
            assert not any(drawn(axes, KNOWN) for axes in figure.axes)


def test_the_ledger_alone_speaks_of_no_truth(experiment):
    figure = observed_against_known(experiment("observed")["component_effects"])
    assert "known" not in " ".join(texts(figure))
