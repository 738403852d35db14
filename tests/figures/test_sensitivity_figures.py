"""Heat maps and the matrix of conclusions show the numbers of their tables."""

import numpy as np
import pandas as pd
import pytest

from netlift.core.labels import with_labels
from netlift.effects.conclusions import CONCLUSIONS, FAILS, HOLDS, TAKES_MORE, UNDECIDED, VERDICTS
from netlift.figures.drawing.themes import DARK, LIGHT, use_theme
from netlift.figures.grid import grid_heat_maps
from netlift.figures.robustness import robustness
from netlift.studies.grid import DIVERSION, GAINING

pytestmark = pytest.mark.filterwarnings("error")

TOTAL = np.array([[-0.2, -0.1, 0.1], [-0.3, 0.2, 1e-17]])
"""Rows: b = 1, 2; columns: a = 0.5, 1, 1.5."""


def grid_table(total=TOTAL, **more) -> pd.DataFrame:
    rows = []
    for row, b in enumerate([1.0, 2.0]):
        for column, a in enumerate([0.5, 1.0, 1.5]):
            known = {
                "total": total[row, column],
                DIVERSION: 1 - total[row, column],
                GAINING: 0.5 + total[row, column],
            }
            rows += [
                {"b": b, "a": a, "quantity": name, "known": value} | more
                for name, value in known.items()
            ]
    return pd.DataFrame(rows)


def cells(axes) -> dict[tuple[float, float], str]:
    return {text.get_position(): text.get_text() for text in axes.texts}


def test_heat_maps_write_the_known_values_into_their_cells():
    figure = grid_heat_maps(grid_table(), ["b", "a"])
    total, diversion, gaining = figure.axes
    for (row, column), value in np.ndenumerate(TOTAL):
        shown = 0.0 if abs(value) < 1e-12 else value
        place = (column, row)
        assert cells(total)[place] == f"{shown:+.3f}".replace("-", "\N{MINUS SIGN}")
        assert cells(diversion)[place] == f"{1 - value:.2f}"
        assert cells(gaining)[place] == f"{0.5 + value:.0%}"
    assert [label.get_text() for label in total.get_xticklabels()] == ["0.5", "1", "1.5"]
    assert [label.get_text() for label in total.get_yticklabels()] == ["1", "2"]
    assert (total.get_xlabel(), total.get_ylabel()) == ("a", "b")


def test_the_line_runs_where_the_total_changes_its_sign():
    figure = grid_heat_maps(grid_table(), ["b", "a"])
    for axes in figure.axes:
        borders = {tuple(np.column_stack(line.get_data()).ravel().tolist()) for line in axes.lines}
        # Row 0: - | - | +; row 1: - | + | 0; column 1 changes between the rows, and column 2.
        assert borders == {
            (1.5, -0.5, 1.5, 0.5),
            (0.5, 0.5, 0.5, 1.5),
            (1.5, 0.5, 1.5, 1.5),
            (0.5, 0.5, 1.5, 0.5),
            (1.5, 0.5, 2.5, 0.5),
        }


def test_a_grid_without_any_effect_is_drawn_and_its_missing_ratio_said():
    table = grid_table(np.zeros((2, 3)))
    table.loc[table["quantity"] == DIVERSION, "known"] = np.nan
    with use_theme(DARK):
        figure = grid_heat_maps(table, ["b", "a"])
    assert set(cells(figure.axes[1]).values()) == {"none"}
    assert not figure.axes[0].lines


def test_further_parameters_are_held_and_the_figure_says_where():
    parts = [grid_table(TOTAL * scale, c=c) for c, scale in (("x", 5), ("y", 1), ("z", 7))]
    figure = grid_heat_maps(pd.concat(parts), ["b", "a", "c"])
    assert any("Fixed at: c = y." in text.get_text() for text in figure.texts)
    assert cells(figure.axes[0])[(0, 0)] == "\N{MINUS SIGN}0.200"


def robustness_table(**columns) -> pd.DataFrame:
    verdicts = [HOLDS, FAILS, UNDECIDED, HOLDS]
    return pd.concat(
        [
            with_labels(
                pd.DataFrame(
                    {
                        "conclusion": list(CONCLUSIONS),
                        "verdict": verdicts,
                        "estimate": [-0.5, 0.25, 0, -2],
                    }
                ).assign(world=world, **columns),
                verdict=VERDICTS,
                known_verdict=VERDICTS,
            )
            for world in ("logit", "a_world_with_a_very_long_name_that_cannot_fit")
        ]
    )


@pytest.mark.parametrize("known", [HOLDS, None])
def test_the_matrix_shows_verdicts_numbers_and_colors(known):
    table = robustness_table(**({"known_verdict": known} if known else {}))
    figure = robustness(table, source="here")
    (axes,) = figure.axes
    shown = cells(axes)
    for row, (conclusion, verdict, number) in enumerate(
        zip(CONCLUSIONS, [HOLDS, FAILS, UNDECIDED, HOLDS], [-0.5, 0.25, 0, -2], strict=True)
    ):
        form = "{:.2f}" if conclusion == TAKES_MORE else "{:+.3f}"
        lines = [VERDICTS[verdict], form.format(number).replace("-", "\N{MINUS SIGN}")]
        lines += [f"known: {VERDICTS[known]}"] if known else []
        for column in (0, 1):
            assert shown[(column, row)].split("\n") == lines
    colors = {HOLDS: LIGHT.gains, FAILS: LIGHT.loses, UNDECIDED: LIGHT.undecided}
    bars = [patch for patch in axes.patches if patch.get_width() < 0.1]
    from matplotlib.colors import to_hex

    assert [to_hex(bar.get_facecolor()).upper() for bar in bars[::2]] == [
        colors[verdict] for verdict in (HOLDS, FAILS, UNDECIDED, HOLDS)
    ]
