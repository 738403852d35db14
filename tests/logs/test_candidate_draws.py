"""Logs that say from which items the focal one was drawn, and what the team's own rule promotes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from log_files import COLUMNS, ENTRY, draw_log

from netlift.core.errors import NetliftError
from netlift.core.tables import read_table
from netlift.effects.design_checks import FOCAL_DRAW, design_diagnostics
from netlift.logs.entries import LogEntry, log_problems
from netlift.logs.reading import account_log, map_log
from netlift.workflow.schema import completed, read_schema

SCHEMA = read_schema("logs")
LOG, _ = draw_log(3, 400)
"""Focal items are drawn from ranks 2 to 6, each with the same probability."""

POSITIONS = {"promotion": ENTRY["promotion"] | {"candidates": {"positions": [2, 3, 4, 5, 6]}}}
COLUMN = {"columns": COLUMNS | {"focal_probability": "q"}}
OWN = COLUMN["columns"] | {"own_rule": "ours"}


def with_q(log: pd.DataFrame) -> pd.DataFrame:
    return log.assign(q=np.where(log["rank"] > 1, 0.2, 0.0))


def items_of(log: pd.DataFrame, folder: Path, **changes) -> pd.DataFrame:
    """Read a log as the workflow does; return its item rows."""
    log.to_csv(folder / "log.csv", index=False)
    entry = completed({**ENTRY, "path": str(folder / "log.csv"), **changes}, SCHEMA)
    parsed = LogEntry.from_config(entry)
    outputs = {
        "accounts": str(folder / "slate_outcomes.parquet"),
        "contract": str(folder / "contract.csv"),
        "row_counts": str(folder / "row_counts.csv"),
    }
    account_log(parsed, outputs)
    map_log(parsed, outputs["accounts"], str(folder / "items.parquet"))
    return read_table(folder / "items.parquet")


def test_stated_positions_give_every_item_its_probability(tmp_path):
    items = items_of(LOG, tmp_path, **POSITIONS)
    expected = np.where(items["slate_position_seed"] > 1, 0.2, 0.0)
    np.testing.assert_allclose(items["focal_probability"], expected, rtol=1e-12)


def test_slates_without_some_of_the_positions_are_drawn_from_the_others(tmp_path):
    log, _ = draw_log(5, 200, (3, 6))
    items = items_of(log, tmp_path, **POSITIONS)
    size = items.groupby("slate_id")["item_id"].transform("size")
    expected = np.where(items["slate_position_seed"] > 1, 1 / (size - 1), 0.0)
    np.testing.assert_allclose(items["focal_probability"], expected, rtol=1e-12)


def test_positions_count_as_in_the_log(tmp_path):
    log, _ = draw_log(3, 400, first=0)
    candidates = {"candidates": {"positions": [1, 2, 3, 4, 5]}}
    changes = {"first_position": 0, "promotion": ENTRY["promotion"] | candidates}
    items = items_of(log, tmp_path, **changes)
    assert (items["focal_probability"] > 0).eq(items["slate_position_seed"] > 1).all()


def test_a_column_of_probabilities_and_the_own_rule_are_kept(tmp_path):
    ours = LOG["rank"].eq(4).astype(int)
    items = items_of(with_q(LOG).assign(ours=ours), tmp_path, columns=OWN)
    assert items["focal_probability"].eq(0.2).eq(items["slate_position_seed"] > 1).all()
    assert items["own_rule"].eq(1).eq(items["slate_position_seed"] == 4).all()


def first_slate(log: pd.DataFrame) -> pd.Series:
    return log["Impression ID"] == "s000003"


DAMAGES = {
    "the sum is not 1": (
        lambda log: log.assign(q=log["q"] * np.where(first_slate(log), 0.9, 1)),
        "focal_probabilities_do_not_add_up",
    ),
    "above 1": (
        lambda log: log.assign(q=log["q"] + 1.1 * (first_slate(log) & (log["rank"] == 1))),
        "focal_probability_out_of_range",
    ),
    "a focal item that could not be drawn": (
        lambda log: log.assign(
            q=np.where(first_slate(log), np.where(log["candidate"], 0.0, 0.2), log["q"])
        ),
        "impossible_focal_item",
    ),
    "missing": (
        lambda log: log.assign(q=log["q"].where(~first_slate(log))),
        "missing_value",
    ),
    "two items of the rule": (
        lambda log: log.assign(ours=first_slate(log) & log["rank"].isin([3, 5])),
        "several_own_promotions",
    ),
    "an item of the rule that could not be drawn": (
        lambda log: log.assign(ours=first_slate(log) & log["rank"].eq(1)),
        "impossible_own_promotion",
    ),
    "other probabilities than those of the draw": (
        lambda log: log.assign(q=log["rank"].map({1: 0, 2: 0.6, 3: 0.1, 4: 0.1, 5: 0.1, 6: 0.1})),
        "focal_draw",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_contradicts_the_draw_is_refused(damage, tmp_path):
    change, code = DAMAGES[damage]
    log = change(with_q(LOG).assign(ours=False))
    with pytest.raises(NetliftError, match=code) as error:
        items_of(log.assign(ours=log["ours"].astype(int)), tmp_path, columns=OWN)
    assert "1 slate" in str(error.value) or "s000003" in str(error.value) or code == "focal_draw"


def test_a_focal_item_at_no_stated_position_is_refused(tmp_path):
    promotion = ENTRY["promotion"] | {"candidates": {"positions": [3, 4, 5, 6]}}
    with pytest.raises(NetliftError, match="impossible_focal_item"):
        items_of(LOG, tmp_path, promotion=promotion)


def test_more_positions_than_were_drawn_from_are_refused_unless_accepted(tmp_path):
    promotion = ENTRY["promotion"] | {"candidates": {"positions": [1, 2, 3, 4, 5, 6]}}
    with pytest.raises(NetliftError, match=r"0 focal items are at position 1, 66\.7 expected"):
        items_of(LOG, tmp_path, promotion=promotion)
    items_of(LOG, tmp_path, promotion=promotion, accept=["focal_draw"])
    contract = pd.read_csv(tmp_path / "contract.csv").set_index("code")
    assert contract.loc["focal_draw", "severity"] == "accepted"


def test_the_engine_and_the_check_of_the_design_agree(tmp_path):
    log, _ = draw_log(11, 300)
    items = items_of(log, tmp_path, **POSITIONS)
    accounts = read_table(tmp_path / "slate_outcomes.parquet")
    found = design_diagnostics(accounts, permutations=99, seed=1, items=items)
    row = found.set_index("check").loc[FOCAL_DRAW]
    observed = np.bincount(log.loc[log["candidate"], "rank"], minlength=7)[2:]
    statistic = ((observed - 60) ** 2 / 60).sum()  # Pearson's, with 4 degrees of freedom
    from scipy.stats import chi2

    assert row["p_value"] == pytest.approx(chi2.sf(statistic, 4), rel=1e-9)
    assert row["verdict"] == "fine"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (POSITIONS | COLUMN, "promotion.candidates"),
        ({"columns": COLUMNS | {"own_rule": "ours"}}, "columns.own_rule"),
        (
            {"promotion": POSITIONS["promotion"] | {"insert": {"at": 1}}},
            "promotion.candidates",
        ),
        (
            {"promotion": ENTRY["promotion"] | {"candidates": {"positions": [0, 3]}}},
            "promotion.candidates",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_named(changes, key):
    entry = completed({**ENTRY, "path": "log.csv", **changes}, SCHEMA)
    assert key in dict(log_problems(LogEntry.from_config(entry)))
