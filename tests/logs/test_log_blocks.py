"""Logs of pages with several blocks: known effects, exact positions, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from block_logs import NAMES, paged
from test_log_treatments import account, assert_exposure, refused, with_column
from treatment_logs import TREATMENTS, treated

from netlift.effects.leakage import leakage
from netlift.effects.ledger import component_effects
from netlift.effects.spillover import spillover_sensitivity, spillover_support
from netlift.logs import slates as log_slates
from netlift.logs.entries import LogEntry, log_problems
from netlift.logs.positions import outcome_by_position
from netlift.workflow.schema import completed, read_schema

SCHEMA = read_schema("logs")


@pytest.mark.parametrize("name", TREATMENTS)
def test_estimates_meet_the_known_truth(name, tmp_path, monkeypatch):
    monkeypatch.setattr(log_slates, "PART_ROWS", 8000)  # several ranges of slates
    log, entry, known = paged(name)
    shown = with_column(entry, final_position="shown")
    accounts, items, contract = account(log, tmp_path, shown)
    assert set(contract["severity"]) <= {"warning"}
    effects = component_effects(accounts)
    for estimator in ("difference_in_means", "lin"):
        own = effects[effects["estimator"] == estimator].set_index("line")
        for line in ("direct", "same_cluster", "other", "total"):
            row = own.loc[line]
            assert abs(row["estimate_per_slate"] - known[line]) < 4 * row["se"], (estimator, line)
    spillover = spillover_sensitivity(items, near_positions=2, bootstrap_draws=9)
    per_slate = spillover[spillover["unit_code"] == "per_slate"].set_index("definition")
    for definition in ("same_block", "other_blocks"):
        row = per_slate.loc[definition]
        assert abs(row["estimate"] - known[definition]) < 4 * row["se"], definition
    both = per_slate.loc[["same_block", "other_blocks"]]
    assert both["estimate"].sum() == pytest.approx(per_slate.loc["all_non_focal", "estimate"])
    assert both["rows"].sum() == per_slate.loc["all_non_focal", "rows"]
    assert_positions(items, log)


def assert_positions(items, log):
    """Compare the positions of items with what pages do: no other block changes."""
    keys = ["slate", "block", "position", "item"]
    own = log.sort_values(keys, na_position="last")
    mine = items.assign(block=items["block"].astype(str)).sort_values(
        ["slate_id", "block", "slate_position_seed", "item_id"], na_position="last"
    )
    assert list(mine["block"]) == list(own["block"])
    for column, logged in {
        "slate_position_seed": "position",
        "promoted_position": "other_order",
        "final_position": "shown",
    }.items():
        expected = own[logged].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        np.testing.assert_array_equal(mine[column].to_numpy(dtype=float), expected, column)
    assert_exposure(mine)


@pytest.mark.parametrize("name", TREATMENTS)
def test_accounts_count_what_the_items_say(name, tmp_path):
    log, entry, _ = paged(name, n_slates=300)
    accounts, items, _ = account(log, tmp_path, entry)
    component, down = items["component"], items["exposure"] == "moved_down"
    for column, rows in {
        "n_items": component.notna(),
        "n_same_cluster": component == "same_cluster_competitor",
        "n_displaced": down,
    }.items():
        counted = rows.groupby(items["slate_id"]).sum().to_numpy()
        np.testing.assert_array_equal(accounts[column], counted, column)
    first = items[items["is_focal_item"]].groupby("slate_id").first()
    at = accounts["focal_seed_position"].to_numpy(dtype=float, na_value=np.nan)
    np.testing.assert_array_equal(at, first["slate_position_seed"].to_numpy(dtype=float))
    assert list(accounts["focal_spillover_cluster"]) == list(first["spillover_cluster"])


@pytest.mark.parametrize("name", TREATMENTS)
def test_a_single_block_equals_no_block(name, tmp_path):
    log, entry, _ = treated(name, n_slates=300)
    log["shelf"] = "only"
    shown = with_column(entry, final_position="shown")
    accounts, items, contract = account(log, tmp_path, shown)
    again, items_again, contract_again = account(log, tmp_path, with_column(shown, block="shelf"))
    pd.testing.assert_frame_equal(accounts, again)
    pd.testing.assert_frame_equal(items, items_again.drop(columns="block"))
    pd.testing.assert_frame_equal(contract, contract_again)
    support = spillover_support(items_again, near_positions=2)
    assert not {"same_block", "other_blocks"} & set(support["definition"])


@pytest.mark.parametrize("name", ["insert_kept", "replace"])
def test_promoted_pages_without_the_row_that_is_not_shown(name, tmp_path):
    log, entry, _ = paged(name, n_slates=400)
    whole, _, _ = account(log, tmp_path, entry)
    cut = log[~(log["shown"].isna() & (log["promoted"] == 1))]
    for said in (entry, with_column(entry, final_position="shown")):
        accounts, _, contract = account(cut, tmp_path, said)
        warning = contract.loc["not_shown_not_logged"]
        assert warning["slates"] == (whole["promotion_applied"] == 1).sum()
        assert "of its block" in warning["examples"]
        sums = [column for column in whole if column.startswith("observed_clicks")]
        pd.testing.assert_frame_equal(accounts[sums], whole[sums])


# What is refused


def test_a_missing_block_is_refused_or_set_aside(tmp_path):
    log, entry, _ = paged("to_first", n_slates=200)
    rows = log.index[[7, 8, 300]]
    log.loc[rows, "block"] = None
    codes, message = refused(log, tmp_path, entry)
    assert "missing_value" in codes
    assert "(column block)" in message
    assert "3 rows, 2 slates" in message
    assert "leave out columns.block" in message
    accounts, *_ = account(log, tmp_path, entry, set_aside=["missing_value"])
    assert len(accounts) == 198


def test_a_position_twice_in_a_block_is_refused(tmp_path):
    log, entry, _ = paged("to_first", n_slates=200)
    page = log[(log["slate"] == 5) & (log["block"] == NAMES[1])]
    log.loc[page.index[1], "position"] = 1
    codes, message = refused(log, tmp_path, entry)
    assert codes == {"duplicate_position"}
    assert "1 slates" in message
    accounts, *_ = account(log, tmp_path, entry, set_aside=["duplicate_position"])
    assert len(accounts) == 199


@pytest.mark.parametrize("in_focal_block", [True, False])
@pytest.mark.parametrize("name", TREATMENTS)
def test_a_gap_in_any_block_is_refused(name, in_focal_block, tmp_path):
    if name == "rerank":
        pytest.skip("an item may be in one of two orders only")
    log, entry, _ = paged(name, n_slates=200)
    # A row other than the one that is pushed out or replaced: here the first one of a block.
    focal = log[log["focal"] == 1].groupby("slate")["block"].first()
    inside = log["block"] == log["slate"].map(focal)
    wanted = inside if in_focal_block else ~inside
    row = log.index[wanted & (log["focal"] == 0) & (log["position"] == 1)][0]
    codes, message = refused(log.drop(index=row), tmp_path, entry)
    assert codes == {"position_gap"}, message
    assert "1 slates" in message


def over_the_page(log, column="position"):
    """Return positions numbered through each page, block by block."""
    order = log.sort_values(["slate", "block_number", column], na_position="last")
    shown = order[order[column].notna()]
    return (shown.groupby("slate").cumcount() + 1).reindex(log.index).astype("Int64")


@pytest.mark.parametrize("name", ["to_first", "insert_kept", "badge"])
def test_positions_over_the_page_are_recognized(name, tmp_path):
    log, entry, _ = paged(name, n_slates=200)
    log["position"] = over_the_page(log)
    codes, message = refused(log, tmp_path, entry)
    assert codes == {"page_position"}
    assert "200 slates" in message
    assert "the position in the block" in message
    described = entry | {
        "columns": {role: role for role in ("slate", "user", "item", "block", "position")},
        "promotion": {},
        "covariates": {},
    }
    assert refused(log, tmp_path, described)[0] == {"page_position"}


def test_the_block_in_which_a_promoted_item_was_shown_is_refused(tmp_path):
    """A promotion took the item into the first block, and the log has blocks as shown."""
    log, entry, _ = paged("badge", n_slates=400)
    moved = (log["promoted"] == 1) & (log["focal"] == 1)
    log.loc[moved, "block"] = NAMES[0]
    rank = log.sort_values("position").groupby(["slate", "block"]).cumcount() + 1
    log["position"] = rank.reindex(log.index)
    codes, message = refused(log, tmp_path, entry)
    assert "block_differs" in codes
    assert f"block {NAMES[0]} in 100.0% of promoted" in message or "of control slates" in message
    assert len(account(log, tmp_path, entry, accept=sorted(codes))[0]) == 400


def test_focal_items_in_several_blocks_cannot_be_moved_to_one_place(tmp_path):
    log, entry, _ = paged("three", n_slates=200)
    page = log[log["slate"] == 3]
    focal, other = page.index[page["focal"] == 1][0], page.index[page["focal"] == 0]
    away = [row for row in other if log.loc[row, "block"] != log.loc[focal, "block"]]
    log.loc[focal, "focal"], log.loc[away[0], "focal"] = 0, 1
    codes, message = refused(log, tmp_path, entry)
    assert codes == {"focal_items_in_blocks"}
    assert "1 slates" in message
    marked = entry | {"promotion": entry["promotion"] | {"badge": {}}}
    marked["promotion"].pop("move")
    assert len(account(log, tmp_path, marked)[0]) == 200


def test_a_block_too_short_for_the_place_of_the_promotion(tmp_path):
    log, entry, _ = paged("slot_3", n_slates=300)
    sixth = entry | {"promotion": entry["promotion"] | {"move": {"to": 6}}}
    codes, message = refused(log, tmp_path, sixth)
    assert codes == {"short_slate"}
    length = log.groupby(["slate", "block"])["item"].transform("size")
    short = (length < 6) & (log["focal"] == 1)
    assert f"{short.sum()} slates" in message


def test_an_item_in_two_blocks_is_kept_and_told(tmp_path):
    log, entry, _ = paged("to_first", n_slates=200)
    page = log[log["slate"] == 4]
    first = page[page["block"] == NAMES[0]].index[0]
    second = page[page["block"] == NAMES[1]].index[:2]
    log.loc[second[0], "item"] = log.loc[first, "item"]
    accounts, _, contract = account(log, tmp_path, entry)
    assert len(accounts) == 200
    assert contract.loc["item_in_blocks", "slates"] == 1
    log.loc[second[1], "item"] = log.loc[first, "item"]
    assert refused(log, tmp_path, entry)[0] == {"duplicate_item"}


def test_final_positions_are_those_in_the_block(tmp_path):
    """A promotion that displaced another block is not the one that is stated."""
    log, entry, _ = paged("to_first", n_slates=200)
    shown = with_column(entry, final_position="shown")
    focal = log[log["focal"] == 1].groupby("slate")["block"].first()
    other = (log["block"] != log["slate"].map(focal)) & (log["promoted"] == 1)
    pair = log[other & log["position"].isin([1, 2])].groupby("slate").head(2)
    swapped = pair.loc[pair["slate"] == pair["slate"].iloc[0]]
    log.loc[swapped.index, "shown"] = swapped["shown"].to_numpy()[::-1]
    codes, message = refused(log, tmp_path, shown)
    assert codes == {"wrong_final_position"}
    assert "1 slates" in message


# What is not about experiments


def test_outcomes_by_block_and_position(tmp_path):
    log, entry, _ = paged("to_first", n_slates=200)
    _, items, _ = account(log, tmp_path, entry)
    table = outcome_by_position(items)
    control = log[log["promoted"] == 0]
    means = control.groupby(["block", "position"])["clicks"].agg(["mean", "size"])
    mine = table.assign(block=table["block"].astype(str)).set_index(["block", "position"])
    assert len(mine) == len(means)
    for place, row in means.iterrows():
        assert mine.loc[place, "mean"] == pytest.approx(row["mean"])
        assert mine.loc[place, "rows"] == row["size"]


def test_blocks_need_positions():
    entry = {
        "path": "log.csv",
        "columns": {"slate": "s", "item": "i", "promoted": "p", "block": "b"},
        "outcomes": {"clicks": {"column": "c"}},
        "promotion": {"unit": "slate", "probability": 0.5},
    }
    log = LogEntry.from_config(completed(entry, SCHEMA))
    assert (
        "columns.position",
        "needed where columns.block is given: the position in the block",
    ) in (list(log_problems(log)))


def test_leakage_of_same_block_is_the_effect_on_other_blocks(tmp_path):
    log, entry, _ = paged("to_first", n_slates=600)
    _, items, _ = account(log, tmp_path, entry)
    table = leakage(items, near_positions=2).set_index(["definition", "row_group"])["estimate"]
    assert table["same_block", "unexposed"] == table["other_blocks", "exposed"]
    assert table["other_blocks", "unexposed"] == table["same_block", "exposed"]
