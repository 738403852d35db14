"""The figure of several arms: a mark for each variant and pair in each panel."""

import pandas as pd
import pytest

from netlift.core.outcome import Outcome
from netlift.figures.arms import arms
from netlift.figures.drawing.marks import ESTIMATE

LINES = ("direct", "same_cluster", "other", "indirect", "total")


def table(missing: bool = False) -> pd.DataFrame:
    contrasts = [("slot1", "control"), ("slot3", "control"), ("slot3", "slot1")]
    rows = [
        {
            "outcome_type": kind,
            "kind": "variant" if against == "control" else "pair",
            "variant": variant,
            "against": against,
            "line": line,
            "estimate": None if missing else 10.0 * number - 20,
            "ci_95_lower": None if missing else 10.0 * number - 25,
            "ci_95_upper": None if missing else 10.0 * number - 15,
        }
        for kind in ("observed_clicks", "minutes")
        for number, (variant, against) in enumerate(contrasts)
        for line in LINES
    ]
    ratio = rows[0] | {"kind": "multiple", "line": "direct_ratio", "estimate": 0.5}
    return pd.DataFrame([*rows, ratio]).astype({"estimate": float})


def marks(figure):
    return [
        [line.get_xdata()[0] for line in axes.lines if line.get_label() == ESTIMATE]
        for axes in figure.axes
    ]


def test_each_panel_has_each_contrast_once_and_only_of_the_main_outcome():
    figure = arms(table(), source="logs/shop")
    assert marks(figure) == [[-20.0, -10.0, 0.0]] * 3
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["slot1 against control", "slot3 against control", "slot3 against slot1"]


@pytest.mark.parametrize("unit", ["clicks", "euros of revenue"])
def test_the_axis_has_the_unit(unit):
    figure = arms(table(), outcome=Outcome(unit))
    assert figure.axes[-1].get_xlabel() == f"Change in {unit} per 1,000 promoted slates"


def test_without_numbers_it_says_so():
    figure = arms(table(missing=True))
    assert marks(figure) == [[], [], []]
    assert [text.get_text() for text in figure.axes[0].texts] == ["no number"] * 3
