"""Figures show the numbers of their tables, whatever the tables hold, and the same bytes each time.

The expected values are the hand-made tables themselves, read back from what was drawn.
"""

import os
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import builders
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.text import Text

from netlift.core.units import WORDS
from netlift.effects import estimators, observed
from netlift.effects import risk as risk_module
from netlift.effects.codes import LINES
from netlift.effects.item_rows import DEFINITIONS
from netlift.figures import example_slates
from netlift.figures.drawing import marks
from netlift.figures.drawing.saving import save_figure
from netlift.figures.drawing.style import SMALL
from netlift.figures.drawing.text import printable, shortened, signed, text_width, with_interval
from netlift.figures.drawing.themes import DARK, LIGHT, current_theme, use_theme
from netlift.figures.effects import observed_effects
from netlift.figures.exposure import exposure_mapping
from netlift.figures.ledger import decomposition, known_lift_by_slate, observed_against_known
from netlift.figures.ratings import MAX_GENRES, genre_counts, ratings_and_slates
from netlift.figures.risk import MARKERS, risk
from netlift.figures.spillover import spillover_sensitivity

pytestmark = pytest.mark.filterwarnings("error")

PER_ROW, PER_SLATE = "per_row", "per_slate"
NASTY_TITLES = [
    '<b>x</b> "q" $5 & $6 \\alpha_{i}^2 (1999)',
    "$x$ --> ]]> <!--",
    "שלום עולם (1987)",
    "العربية سينما (2001)",
    "😀🎬👨‍👩‍👧 Emoji: The Movie ❤️ 🇫🇷",
    "千と千尋の神隠し (2001)",
    "tab\tnew\nline\x00\x1b[31m\u202egnp.exe\ufeff",
    "W" * 90,
    "",
]


# --- Hand-made tables -----------------------------------------------------------------------------


def effects_table(**changes):
    table = pd.DataFrame(
        {
            "line": ["direct", "same_cluster", "other", "total"],
            "component": [line.component for line in LINES],
            "unit_code": [PER_ROW, PER_ROW, PER_ROW, PER_SLATE],
            "estimate": [0.15, -0.05, 0.0, -0.3],
            "ci_95_lower": [0.1, -0.08, -0.01, -0.5],
            "ci_95_upper": [0.2, -0.02, 0.01, -0.1],
            "bootstrap_ci_95_lower": [0.11, -0.07, -0.02, -0.45],
            "bootstrap_ci_95_upper": [0.19, -0.03, 0.02, -0.15],
            "known_effect": [0.14, -0.06, 0.005, -0.25],
        }
    )
    return table.assign(**changes)


def draws_table():
    grid = np.linspace(-0.1, 0.1, 50)
    return pd.DataFrame({row.line: row.estimate + grid for row in effects_table().itertuples()})


def component_effects(estimates=(0.2, -0.05, -0.45), outcomes=("observed_clicks",)):
    values = [*estimates, sum(estimates)]
    rows = []
    for shift, outcome in enumerate(outcomes):
        for estimator in estimators.ESTIMATORS:
            for line, value in zip(LINES, values, strict=True):
                low, high = value + 0.01 * shift - 0.1, value + 0.01 * shift + 0.1
                rows.append(
                    {
                        "outcome_type": outcome,
                        **line.columns,
                        "estimator": estimator,
                        "estimate_per_slate": value + 0.01 * shift,
                        "ci_95_lower": low,
                        "ci_95_upper": high,
                        "treated_slates": 30,
                        "control_slates": 40,
                        "estimate_per_1000_promoted_slates": 1000 * (value + 0.01 * shift),
                        "ci_95_lower_per_1000": 1000 * low,
                        "ci_95_upper_per_1000": 1000 * high,
                        "is_main": estimator == "difference_in_means",
                    }
                )
    return pd.DataFrame(rows)


def spillover_tables():
    names = ["all_non_focal", "same_cluster", "displaced"]
    support = pd.DataFrame(
        {
            "definition": names,
            "definition_label": [DEFINITIONS[name] for name in names],
            "meaning": ["every item but the focal one", "$5 & $6", "items above the focal item"],
            "rows": [1100, 210, 0],
            "slates": [100, 61, 0],
        }
    )
    estimates = pd.DataFrame(
        {
            "definition": np.repeat(names, 2),
            "unit_code": [PER_ROW, PER_SLATE] * 3,
            "estimate": [-0.02, -0.3, -0.05, -0.1, np.nan, np.nan],
            "ci_95_lower": [-0.03, -0.5, -0.08, -0.2, np.nan, np.nan],
            "ci_95_upper": [-0.01, -0.1, -0.02, 0.0, np.nan, np.nan],
            "known_effect": [-0.025, -0.2, -0.04, -0.15, np.nan, np.nan],
        }
    )
    return estimates, support


def risk_table(name, segments, *, known=True):
    """Give each segment (its name, estimate, half-width of the interval and verdict) three rows."""
    rows = [
        {
            name: segment,
            "line": line,
            "slates": 70 + place,
            "treated_slates": 30,
            "control_slates": 40 + place,
            "estimate": estimate if line == "total" else 9.0,
            "ci_95_lower": estimate - half,
            "ci_95_upper": estimate + half,
            "verdict": verdict,
            "verdict_label": risk_module.VERDICTS[verdict],
        }
        | ({"known_effect": 0.1} if known else {})
        for place, (segment, estimate, half, verdict) in enumerate(segments)
        for line in ("direct", "indirect", "total")
    ]
    return pd.DataFrame(rows)


def risk_tables(n_clusters=4, **options):
    clusters = [
        ("War", 0.5, 0.2, "gains"),
        ("<i>$1$</i>", -0.5, 0.2, "loses"),
        ("Drama", 0.1, 0.2, "undecided"),
        ("Noir", np.nan, np.nan, "too_few_slates"),
    ]
    clusters += [(f"Cluster {n}", 0.1, 0.4, "undecided") for n in range(4, n_clusters)]
    positions = [("5-6", -0.2, 0.1, "loses"), ("7", 0.0, 0.1, "undecided")]
    return (
        risk_table("focal_position_bucket", positions, **options),
        risk_table("focal_cluster", clusters, **options),
    )


def slate_tables(titles=("Heat (1995)",), size=4, clusters="AAB"):
    """Return ratings, movies and an exposure table of six slates, relevance falling by 0.5."""
    letters = (clusters * size)[:size]
    exposed = builders.exposure([letters] * 6, [size] * 6, [1, 0, 1, 0, 1, 0])
    exposed["item_id"] = np.arange(len(exposed)) % len(titles)
    exposed["relevance"] = 5 - exposed["slate_position_seed"] / 2 + exposed["slate_id"] / 100
    movies = pd.DataFrame({"item_id": range(len(titles)), "title": list(titles)})
    movies["genres"] = "Drama|War"
    movies.loc[0, "genres"] = "$5 & $6"
    return pd.DataFrame({"rating": np.float32([0.5, 4, 4, 5])}), movies, exposed


def every_figure(**options):
    """Draw every figure once from hand-made tables."""
    outcomes = ("observed_clicks", "expected_clicks", "known_lift")
    ratings, movies, exposed = slate_tables(NASTY_TITLES, size=12)
    accounts = pd.DataFrame({"known_effect_total": [-0.3, -0.1, 0.0, 0.2]})
    return {
        "ratings_and_slates": ratings_and_slates(ratings, movies, exposed, **options),
        "exposure_mapping": exposure_mapping(exposed, **options),
        "known_lift_by_slate": known_lift_by_slate(accounts, **options),
        "observed_effects": observed_effects(effects_table(), draws_table(), **options),
        "decomposition": decomposition(component_effects(), **options),
        "observed_against_known": observed_against_known(
            component_effects(outcomes=outcomes), **options
        ),
        "spillover_sensitivity": spillover_sensitivity(*spillover_tables(), **options),
        "risk": risk(*risk_tables(), **options),
    }


# --- Reading what was drawn -----------------------------------------------------------------------


def drawn(axes, label):
    """Return the x values of the lines of an axis that carry a label."""
    return [list(line.get_xdata()) for line in axes.lines if line.get_label() == label]


def texts(artist):
    return [text.get_text() for text in artist.findobj(Text) if text.get_text()]


def titled(figure, title):
    (axes,) = [axes for axes in figure.axes if axes.get_title(loc="left") == title]
    return axes


def bars(axes):
    return [bar for container in axes.containers for bar in container]


# --- Effects --------------------------------------------------------------------------------------


def test_observed_effects_shows_its_table_with_one_axis_for_each_unit():
    table = effects_table()
    figure = observed_effects(table, draws_table())
    for unit, title in ((PER_ROW, "Effect per item row"), (PER_SLATE, "Effect per slate")):
        part, axes = table[table["unit_code"] == unit], titled(figure, title)
        assert drawn(axes, marks.ESTIMATE) == [[value] for value in part["estimate"]]
        assert drawn(axes, marks.INTERVAL) == part[["ci_95_lower", "ci_95_upper"]].values.tolist()
        assert drawn(axes, marks.KNOWN) == [[value] for value in part["known_effect"]]
        assert axes.get_xlabel() == f"Change in {WORDS[unit]}"
        assert [0, 0] in [list(line.get_xdata()) for line in axes.lines]
    assert "Focal item\n+0.1500 (+0.1000 to +0.2000)" in texts(figure)


def test_bootstrap_shows_the_resamples_the_estimate_and_the_interval():
    table = effects_table()
    axes = titled(observed_effects(table, draws_table()), "Bootstrap, per item row")
    part = table[table["unit_code"] == PER_ROW]
    bounds = part[["bootstrap_ci_95_lower", "bootstrap_ci_95_upper"]]
    assert drawn(axes, marks.INTERVAL) == bounds.values.tolist()
    assert drawn(axes, marks.ESTIMATE) == [[value] * 2 for value in part["estimate"]]
    ridges = [artist for artist in axes.collections if isinstance(artist, PolyCollection)]
    for ridge, value in zip(ridges, part["estimate"], strict=True):
        x = ridge.get_paths()[0].vertices[:, 0]
        assert [x.min(), x.max()] == pytest.approx([value - 0.1, value + 0.1])


def test_observed_effects_without_truth_and_without_an_estimate():
    table = effects_table().drop(columns="known_effect")
    table.loc[0, table.columns[3:]] = np.nan
    figure = observed_effects(table, draws_table().assign(**{"direct": np.nan}))
    axes = titled(figure, "Effect per item row")
    assert drawn(axes, marks.ESTIMATE) == [[-0.05], [0.0]]
    assert drawn(axes, marks.KNOWN) == []
    assert "Focal item\nno estimate" in texts(figure)
    assert "known effect" not in texts(figure)


@pytest.mark.parametrize(
    "estimates", [(0.2, -0.05, -0.45), (-0.2, 0.1, 0.3), (0.0, 0.0, 0.0), (0.1, 0.1, -0.2)]
)
def test_decomposition_builds_up_to_the_whole_slate(estimates):
    axes = decomposition(component_effects(estimates)).axes[0]
    heights = [bar.get_height() for bar in bars(axes)]
    assert heights == pytest.approx([1000 * value for value in (*estimates, sum(estimates))])
    starts = [bar.get_y() for bar in bars(axes)]
    assert starts == pytest.approx([0, *np.cumsum(heights[:2]), 0], abs=1e-9)
    ends = np.add(starts, heights)
    intervals = [line.get_ydata() for line in axes.lines if line.get_label() == marks.INTERVAL]
    assert np.ravel(intervals) == pytest.approx(np.ravel([ends - 100, ends + 100], order="F"))
    assert axes.get_ylabel() == "Change in clicks\nper 1,000 promoted slates"


def test_decomposition_says_where_there_is_no_estimate_and_no_interval():
    table = component_effects()
    table.loc[table["line"] == "other", "estimate_per_1000_promoted_slates"] = None
    table.loc[table["line"] == "direct", "ci_95_lower_per_1000"] = None
    figure = decomposition(table)
    assert len(bars(figure.axes[0])) == 3
    assert "no estimate" in texts(figure)
    assert "+200.0" in texts(figure)


def test_observed_against_known_shows_every_outcome_type():
    outcomes = ("observed_clicks", "expected_clicks", "known_lift")
    table = component_effects(outcomes=outcomes)
    figure = observed_against_known(table)
    used = table[table["estimator"] == "difference_in_means"]
    assert drawn(figure.axes[0], marks.ESTIMATE) == [[x] for x in used["estimate_per_slate"]]
    assert "−0.450 (−0.550 to −0.350)" in texts(figure)
    alone = observed_against_known(component_effects())
    assert len(drawn(alone.axes[0], marks.ESTIMATE)) == 4


def test_known_lift_counts_every_slate_once_and_parts_gains_from_losses():
    rng = np.random.default_rng(5)
    effect = np.concatenate([rng.normal(-0.05, 0.1, 97), [0.0, 0.0, 1e-15]])
    figure = known_lift_by_slate(pd.DataFrame({"known_effect_total": effect}))
    counted = {LIGHT.loses: 0, LIGHT.gains: 0, LIGHT.undecided: 0}
    for bar in bars(figure.axes[0]):
        color = to_hex(bar.get_facecolor()).upper()
        counted[color] += bar.get_height()
        left, right = bar.get_x(), bar.get_x() + bar.get_width()
        assert color == LIGHT.undecided or left >= 0 or right <= 1e-12
    losing = int((effect < 0).sum())
    assert list(counted.values()) == [losing, 97 - losing, 3]
    assert f"lose: {losing:.1f}% ({losing} slates)" in texts(figure)


@pytest.mark.parametrize("effect", [0.0, 0.2, -0.2])
def test_known_lift_of_slates_that_are_all_alike(effect):
    figure = known_lift_by_slate(pd.DataFrame({"known_effect_total": [effect] * 3}))
    assert sum(bar.get_height() for bar in bars(figure.axes[0])) == 3
    lower, upper = figure.axes[0].get_xlim()
    assert lower <= min(0, effect) <= max(0, effect) <= upper


# --- Spillover and risk ---------------------------------------------------------------------------


def test_spillover_shows_its_tables_and_says_where_data_are_missing():
    estimates, support = spillover_tables()
    figure = spillover_sensitivity(estimates, support)
    for unit, title in ((PER_ROW, "Per item row"), (PER_SLATE, "Per slate")):
        axes = titled(figure, title)
        part = estimates[(estimates["unit_code"] == unit) & estimates["estimate"].notna()]
        assert drawn(axes, marks.ESTIMATE) == [[value] for value in part["estimate"]]
        assert drawn(axes, marks.INTERVAL) == part[["ci_95_lower", "ci_95_upper"]].values.tolist()
        assert drawn(axes, marks.KNOWN) == [[value] for value in part["known_effect"]]
        assert texts(axes).count("too little data") == 1
    assert {"1,100", "100", "210", "61", "$5 & $6"} <= set(texts(figure))


def test_spillover_without_truth():
    estimates, support = spillover_tables()
    figure = spillover_sensitivity(estimates.drop(columns="known_effect"), support)
    assert not any(drawn(axes, marks.KNOWN) for axes in figure.axes)


def test_risk_shows_the_total_effect_its_verdict_and_slates():
    figure = risk(*risk_tables())
    axes = titled(figure, "By the focal item's cluster")
    assert drawn(axes, marks.ESTIMATE) == [[0.5], [-0.5], [0.1]]
    assert drawn(axes, marks.INTERVAL)[0] == [0.3, 0.7]
    points = [line for line in axes.lines if line.get_label() == marks.ESTIMATE]
    assert [line.get_marker() for line in points] == ["^", "v", "o"]
    colors = [line.get_markeredgecolor() for line in points]
    assert colors == [LIGHT.gains, LIGHT.loses, LIGHT.undecided]
    assert texts(axes).count("too few slates") == 1
    assert {"70 = 30 + 40", "73 = 30 + 43", "<i>$1$</i>"} <= set(texts(figure))
    assert "5 segments have numbers" in " ".join(texts(figure))


def test_risk_without_truth_and_without_any_estimate():
    figure = risk(*risk_tables(known=False))
    assert not any(drawn(axes, marks.KNOWN) for axes in figure.axes)
    none = [("A", np.nan, np.nan, "too_few_slates")]
    figure = risk(risk_table("focal_position_bucket", none), risk_table("focal_cluster", none))
    assert texts(figure).count("too few slates") == 2
    assert not any(drawn(axes, marks.ESTIMATE) for axes in figure.axes)


# --- Data and design ------------------------------------------------------------------------------


def test_ratings_genres_and_relevance_show_their_tables():
    ratings, movies, exposed = slate_tables(["One", "Two", "Three"])
    figure = ratings_and_slates(ratings, movies, exposed)
    shares = {
        bar.get_x() + 0.2: bar.get_height() for bar in bars(titled(figure, "How movies are rated"))
    }
    assert {star: share for star, share in shares.items() if share} == {0.5: 25, 4: 50, 5: 25}
    genres = titled(figure, "Genres of the catalog")
    assert [bar.get_width() for bar in bars(genres)] == [2, 2, 1]
    assert [label.get_text() for label in genres.get_yticklabels()] == ["Drama", "War", "$5 & $6"]
    relevance = titled(figure, "Relevance").lines[0]
    assert list(relevance.get_xdata()) == [1, 2, 3, 4]
    assert relevance.get_ydata() == pytest.approx([4.525, 4.025, 3.525, 3.025])


def test_rarest_of_many_genres_are_drawn_as_one():
    genres = pd.Series(["|".join(f"g{n:02}" for n in range(k)) for k in range(1, 41)])
    counts = genre_counts(genres)
    assert len(counts) == MAX_GENRES
    assert counts.index[-1] == "17 rarer genres"
    assert counts.sum() == sum(range(1, 41))


def test_example_slates_mark_the_focal_item_and_name_what_happens():
    figure = ratings_and_slates(*slate_tables(["One", "Two", "Three", "Four"]))
    axes = titled(figure, "Slate 0, promoted: 4 moves to 1")
    bold = [text.get_text() for text in axes.texts if text.get_weight() == "bold"]
    assert bold == ["4", "Four", "A", "3.00"]
    assert titled(figure, "Slate 1, control: the order stays")


def test_long_slates_show_the_first_the_focal_and_the_last_item():
    figure = ratings_and_slates(*slate_tables(["One"], size=100))
    axes = titled(figure, "Slate 0, promoted: 100 moves to 1")
    positions = [int(text) for text in texts(axes) if text.isdigit()]
    assert positions == [*range(1, 20), 100]
    assert example_slates.example_rows(slate_tables(["One"], size=100)[2]) == 24


@pytest.mark.parametrize("arm", [0, 1])
def test_one_arm_alone_is_drawn(arm):
    ratings, movies, exposed = slate_tables()
    only = exposed[exposed["promotion_applied"] == arm]
    assert len(ratings_and_slates(ratings, movies, only).axes) == 5
    figure = exposure_mapping(only)
    assert ("no such rows in promoted slates" in texts(figure)) == (arm == 0)


def test_exposure_mapping_counts_rows_and_slates():
    exposed = slate_tables(size=4)[2]
    figure = exposure_mapping(exposed)
    rows = titled(figure, "Rows by component")
    assert [bar.get_width() for bar in bars(rows)] == [3, 6, 3, 3, 6, 3]
    support = titled(figure, "Support: slates by focal cluster")
    assert [bar.get_width() for bar in bars(support)] == [3, 3]
    assert "3 + 3" in texts(support)
    moved = [axes for axes in figure.axes if "rows (%)" in axes.get_ylabel()]
    shown = [{bar.get_x() + 0.4: bar.get_height() for bar in bars(axes)} for axes in moved]
    assert shown == [{-3: 100}, {1: 100}, {1: 100}]


# --- All figures ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def figures():
    return every_figure(source="data/size=12/seed=1/world")


def test_words_and_colors_are_those_of_the_tables():
    lines = [*LINES, *(line for line, _ in observed.OBSERVED_EFFECTS)]
    assert all(LIGHT.component(line.code) for line in lines)
    assert set(MARKERS) == {risk_module.GAINS, risk_module.LOSES, risk_module.UNDECIDED}
    colors = [LIGHT.focal, LIGHT.same_cluster, LIGHT.other, LIGHT.competitors, LIGHT.total]
    assert len({*colors, LIGHT.gains, LIGHT.loses, LIGHT.promoted, LIGHT.control}) == 9


def test_every_axis_says_what_it_shows_in_letters_that_can_be_read(figures):
    for figure in figures.values():
        for axes in figure.axes:
            if axes.axison:
                assert (
                    axes.get_xlabel()
                    or not axes.xaxis.get_tick_params()["labelbottom"]
                    or (axes.get_ylabel().startswith("Change in clicks"))
                )
        assert min(text.get_fontsize() for text in figure.findobj(Text)) >= SMALL


@pytest.mark.long
@pytest.mark.parametrize("n_clusters", [4, 40])
@pytest.mark.parametrize("size", [6, 24])
def test_no_text_is_cut_off_or_lies_on_another_in_a_table(size, n_clusters):
    letters = "".join(chr(0x41 + n) for n in range(n_clusters))
    ratings, movies, exposed = slate_tables(NASTY_TITLES, size=size, clusters=letters)
    exposed["spillover_cluster"] = "Documentary $5 & " + exposed["spillover_cluster"]
    exposed["focal_spillover_cluster"] = [f"Cluster {n % n_clusters}" for n in exposed["slate_id"]]
    for figure in (
        ratings_and_slates(ratings, movies, exposed),
        exposure_mapping(exposed),
        risk(*risk_tables(n_clusters)),
    ):
        renderer = FigureCanvasAgg(figure).get_renderer()
        page = figure.bbox.padded(1)
        parts = [*figure.axes, *figure.texts, *figure.legends]
        boxes = [part.get_tightbbox(renderer) for part in parts]
        assert all(page.containsx(x) for box in boxes for x in box.intervalx)
        assert all(page.containsy(y) for box in boxes for y in box.intervaly)
        for axes in figure.axes:
            if not axes.axison:
                cells = [text.get_window_extent(renderer).padded(-1) for text in axes.texts]
                assert not any(
                    one.overlaps(other) for n, one in enumerate(cells) for other in cells[:n]
                )


def test_titles_are_shown_as_literal_text(figures, tmp_path):
    shown = texts(figures["ratings_and_slates"])
    expected = [
        '<b>x</b> "q" $5 & $6 \\alpha_',
        "$x$ --> ]]> <!--",
        "שלום עולם (1987)",
        "العربية سينما (2001)",
        "😀□ Emoji: The Movie ❤ □",
        "□ (2001)",
        "tab new line [31mgnp.exe",
        "WWW",
        "(no title)",
    ]
    for title in expected:
        assert any(text.startswith(title) for text in shown), title
    used = [text for text in figures["ratings_and_slates"].findobj(Text) if text.get_text()]
    assert not any(text.get_parse_math() for text in used)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(figures["ratings_and_slates"], tmp_path / "figure.svg")
    assert ElementTree.parse(tmp_path / "figure.svg").getroot().tag.endswith("svg")


def test_a_movie_without_a_row_or_a_title_is_drawn():
    ratings, movies, exposed = slate_tables(["One", "Two"])
    figure = ratings_and_slates(ratings, movies.assign(title=["One", None])[:1], exposed)
    assert "(no title)" in texts(figure)


def test_dark_figures_differ_in_colors_only(figures):
    with use_theme(DARK):
        dark = every_figure(source="data/size=12/seed=1/world")
    assert current_theme() is LIGHT
    for name, figure in dark.items():
        assert to_hex(figure.get_facecolor()).upper() == DARK.paper
        assert texts(figure) == texts(figures[name])
        inks = {to_hex(text.get_color()).upper() for text in figure.findobj(Text)}
        assert inks <= {DARK.ink, DARK.muted}


@pytest.mark.long
@pytest.mark.slow
def test_the_same_tables_give_the_same_bytes(tmp_path):
    code = (
        "import sys, pathlib; sys.path[:0] = sys.argv[2:]\n"
        "from test_figures import every_figure, save_figure\n"
        "for name, figure in every_figure().items():\n"
        "    save_figure(figure, pathlib.Path(sys.argv[1]) / f'{name}.svg')\n"
    )
    root = Path(__file__).parents[2]
    paths = [str(root / folder) for folder in ("tests/figures", "tests", "workflow/lib")]
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / seed), *paths],
            env=os.environ | {"PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": seed * 9},
            check=True,
        )
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(files) == 16
    for name in files:
        first, second = ((tmp_path / seed / name).read_bytes() for seed in ("1", "2"))
        assert first == second, name


def test_both_files_are_written_or_neither(tmp_path, monkeypatch):
    figure = decomposition(component_effects())

    def broken(*_args, **_options):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(FigureCanvasAgg, "print_png", broken)
        with pytest.raises(OSError, match="no space left"):
            save_figure(figure, tmp_path / "figure.svg")
    assert list(tmp_path.iterdir()) == []
    save_figure(figure, tmp_path / "figure.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.png", "figure.svg"]


# --- Text -----------------------------------------------------------------------------------------


def test_shortened_text_fits_and_ends_in_an_ellipsis():
    cut = shortened("W" * 90, 100, size=9)
    assert cut.endswith("W…")
    assert 90 < text_width(cut, size=9) <= 100
    assert shortened("  short\n title ", 100, size=9) == "short title"
    assert shortened("Wide", 1, size=9) == "…"


def test_printable_leaves_out_what_turns_or_hides_text():
    assert printable("a\u202eb\u200dc\ufe0f") == "abc"
    assert printable("e\u0301") == "é"
    assert printable("\ud800 alone") == "□ alone"
    assert printable(float("nan")) == "nan"


def test_numbers_are_written_one_way():
    assert [signed(value, 1) for value in (1234.56, -0.32, 0.04, -0.04)] == [
        "+1,234.6",
        "−0.3",
        "0.0",
        "0.0",
    ]
    assert with_interval(0.5, -0.25, 1, 2) == "+0.50 (−0.25 to +1.00)"
    assert with_interval(float("nan"), 0, 1, 2) == ""


def test_items_that_one_order_alone_shows_have_no_change_of_position():
    ratings, movies, exposed = slate_tables()
    exposed["slate_position_seed"] = exposed["slate_position_seed"].astype(float)
    focal, first = exposed["is_focal_item"], exposed["slate_position_seed"] == 1
    exposed.loc[focal, ["slate_position_seed", "position_change"]] = np.nan
    exposed["promoted_position"] = exposed["promoted_position"].where(~first)
    exposed["position_change"] = exposed["position_change"].where(~first)
    written = texts(exposure_mapping(exposed))
    assert "Focal item: shown in one order only" in written
    note = (
        "In promoted slates 3 rows are shown only with promotion and 3 rows are shown only without"
    )
    assert any(note in text.replace("\n", " ") for text in written)
    figure = ratings_and_slates(ratings, movies, exposed)
    assert "\N{EN DASH}" in texts(titled(figure, "Slate 1, control: the order stays"))
