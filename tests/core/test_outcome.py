"""Units of outcomes: "minutes" replaces "clicks" in all texts, and nowhere else."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import compared
from jinja2 import Environment
from pandas.testing import assert_frame_equal
from runs import ROOT

from netlift.core import units
from netlift.core.outcome import CLICKS, Outcome
from netlift.logs.entries import LogEntry, log_settings
from netlift.workflow.values import canonical

MINUTES, REVENUE = Outcome("minutes"), Outcome("revenue")


def test_units_are_said_of_the_outcome_and_ratios_have_none():
    assert MINUTES.of(units.PER_1000) == "minutes per 1,000 promoted slates"
    assert MINUTES.of(units.RATIO) == units.WORDS[units.RATIO]
    table = pd.DataFrame({"unit_code": [units.PER_ROW, units.RATIO, None], "note": ["clicks"] * 3})
    said = MINUTES.in_units(table)
    assert list(said) == ["unit_code", "unit", "note"]
    assert said["unit"].to_list()[:2] == ["minutes per item row", units.WORDS[units.RATIO]]
    assert pd.isna(said["unit"].iloc[2])
    assert (said["note"] == "clicks").all()
    assert_frame_equal(MINUTES.in_units(CLICKS.in_units(table)), said)
    assert list(table) == ["unit_code", "note"]


@pytest.mark.parametrize("outcome", [CLICKS, MINUTES, Outcome("euros per day of revenue")])
def test_what_a_unit_counts_by_is_the_same_for_every_outcome(outcome):
    counted = [units.counted_by(unit) for unit in units.WORDS if unit.startswith("per_")]
    assert len(set(counted)) == len(counted)
    for unit in units.WORDS:
        assert outcome.of(unit).endswith(units.counted_by(unit))


def test_templates_are_filled_with_the_words_of_the_outcome():
    template = (
        "{Clicks} come: {clicks_are} created, no {click} is lost, {click_rates} rise with "
        "{click_probabilities} for {clicks_possessive} sake"
    )
    assert CLICKS.fill(template) == (
        "Clicks come: clicks are created, no click is lost, click rates rise with click "
        "probabilities for clicks' sake"
    )
    assert MINUTES.fill(template) == (
        "Minutes come: minutes are created, no minutes is lost, mean minutes rise with mean "
        "minutes for minutes' sake"
    )
    lost = "{clicks_are} lost, for {clicks_possessive} sake"
    assert REVENUE.fill(lost) == "revenue is lost, for revenue's sake"
    assert Outcome("euros of revenue").are == "are"


def test_every_caption_on_the_page_of_a_log_is_filled_with_its_words():
    of_simulations = {"known_lift_by_slate", "observed_against_known", "robustness"}
    for path in sorted((ROOT / "workflow/report").glob("*.rst")):
        caption = Environment().from_string(path.read_text(encoding="utf-8"))
        # Snakemake's own report knows no words, and is about clicks.
        assert caption.render() == caption.render(CLICKS.words)
        if path.stem not in of_simulations and not path.stem.startswith("validation"):
            assert "click" not in caption.render(MINUTES.words).lower(), path.name


def test_an_outcome_is_called_as_the_entry_says_or_by_its_name():
    entry = {
        "columns": {"slate": "s", "item": "i", "position": "p"},
        "outcomes": {
            "watch_time": {"column": "a", "unit": "minutes", "winsorize": 0.99},
            "page_views": {"column": "b"},
        },
    }
    expected = {"observed_clicks": "minutes", "watch_time_winsorized": "minutes"}
    assert LogEntry.from_config(entry).units == expected | {"page_views": "page views"}
    # A rule's settings are sorted; the main outcome is still the first of the entry.
    chosen = canonical(log_settings(entry))
    assert list(chosen["outcomes"]) == ["page_views", "watch_time"]
    names = [outcome.name for outcome in LogEntry.from_config(chosen).outcomes]
    assert names == ["watch_time", "page_views"]
    # What it is called changes no table of slates or rows.
    assert "unit" not in log_settings(entry)["outcomes"]["watch_time"]


@pytest.fixture(scope="module")
def tables():
    from builders import random_items

    from netlift.effects.accounts import slate_outcomes
    from netlift.effects.product import product_summary
    from netlift.effects.segments import segments
    from netlift.effects.spillover import spillover_sensitivity

    items = random_items(4, 300, 6)
    accounts = slate_outcomes(items)
    accounts["focal_spillover_cluster"] = "clicks & bricks"
    return {
        outcome.unit: (
            product_summary(compared(accounts), outcome=outcome),
            outcome.in_units(
                spillover_sensitivity(items, near_positions=3, seed=1, bootstrap_draws=19)
            ),
            segments(accounts, min_slates=5, bootstrap_draws=9, outcome=outcome)[0],
        )
        for outcome in (CLICKS, MINUTES)
    }


def test_statements_differ_in_the_word_alone(tables):
    from netlift.effects.decisions import decision_statements

    clicks = decision_statements(*tables["clicks"])
    minutes = decision_statements(*tables["minutes"], outcome=MINUTES)
    assert not clicks["statement"].str.contains("minutes").any()
    for said, other in zip(clicks["statement"], minutes["statement"], strict=True):
        # The name of a cluster is data, and is said as it is.
        assert said.replace("clicks", "minutes").replace("minutes &", "clicks &") == other
    assert list(minutes["unit"]) == ["minutes per 1,000 promoted slates"] * 4
    pd.testing.assert_series_equal(clicks["estimate"], minutes["estimate"])


def test_every_branch_of_the_statements_is_said_of_the_outcome(tables):
    from netlift.effects.decisions import decision_statements

    product, spillover, segments = tables["minutes"]
    for direct in (-5.0, 0.0, 5.0):
        for net in (-5.0, 0.0, 5.0):
            changed = product.copy()
            for metric, value in (
                ("focal_gain", direct),
                ("competitor_change", net),
                ("same_cluster_change", -net),
                ("net_change", net),
            ):
                row = changed["metric"] == metric
                ends = (value - 2.0, value + 2.0)
                changed.loc[row, ["estimate", "ci_95_lower", "ci_95_upper"]] = (value, *ends)
            said = decision_statements(changed, spillover, segments, outcome=MINUTES)
            text = " ".join(said["statement"]).replace("clicks & bricks", "")
            assert "click" not in text.lower()
            assert text.count("minutes") >= 4


def test_no_text_in_the_figures_of_logs_says_clicks_by_itself():
    """Strings that a figure of a log draws take the outcome's word; truths are of clicks."""
    of_simulations = {"grid", "predicted_effects", "robustness", "example_slates"}
    for path in sorted((ROOT / "workflow/lib/netlift/figures").glob("*.py")):
        if path.stem in of_simulations or path.stem.startswith(("sweep", "validation")):
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"(title|subtitle|label)=\S*\"[^\"]*[Cc]lick", line):
                assert "expected clicks" in line, f"{path.stem}: {line}"


def test_models_of_minutes_are_called_what_was_fitted(tmp_path: Path):
    from builders import random_items

    from netlift.models.fitted import feature_importance, fit_all, save_models
    from netlift.models.outcome_models import ModelData

    items = random_items(8, 200, 6).drop(columns=["p_control", "p_promoted"])
    minutes = items["click"] * np.random.default_rng(2).gamma(4.0, 5.0, len(items))
    data = ModelData.from_items(items.assign(click=minutes))
    fitted = fit_all(data, seed=1, threads=1)
    assert "row_linear" in fitted
    assert "row_logistic" not in fitted
    importance = feature_importance(data, fitted)
    assert "row_logistic" not in set(importance["model"])
    save_models(fitted, importance, {"row_logistic": str(tmp_path / "row_logistic.csv")})
    written = pd.read_csv(tmp_path / "row_logistic.csv")
    assert set(written["model"]) == {"row_linear"}
    assert len(written) == len(data.rows.names) + 1
