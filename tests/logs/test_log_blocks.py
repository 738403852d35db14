"""Logs of pages with several blocks: known effects, exact positions, and what is refused."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from block_logs import NAMES, paged
from builders import compared
from test_log_treatments import account, analyzed, assert_exposure, refused, with_column
from treatment_logs import TREATMENTS, treated

from netlift.effects.item_rows import BELOW, NEAR, ItemRows
from netlift.effects.leakage import leakage
from netlift.effects.ledger import component_effects
from netlift.effects.like_with_like import cells
from netlift.effects.spillover import spillover_sensitivity, spillover_support
from netlift.logs import assignment
from netlift.logs import slates as log_slates
from netlift.logs.entries import LogEntry, log_problems, log_settings
from netlift.logs.positions import outcome_by_position
from netlift.logs.reading import account_arms
from netlift.logs.variants import contrast_entries
from netlift.models.features import RowFeatures
from netlift.workflow.schema import completed, read_schema
from netlift.workflow.values import canonical

SCHEMA = read_schema("logs")
ENTRY = {
    "path": "log.csv",
    "columns": {"slate": "s", "item": "i", "user": "u", "promoted": "p", "block": "b"},
    "outcomes": {"clicks": {"column": "c"}},
    "promotion": {"unit": "slate", "probability": 0.5},
}
"""An entry without the positions that blocks need."""


@pytest.mark.parametrize("name", TREATMENTS)
def test_estimates_meet_the_known_truth(name, tmp_path, monkeypatch):
    monkeypatch.setattr(log_slates, "PART_ROWS", 8000)  # several ranges of slates
    log, entry, known = paged(name)
    shown = with_column(entry, final_position="shown")
    accounts, items, contract = account(log, tmp_path, shown)
    assert set(contract["severity"]) <= {"warning"}
    effects = component_effects(compared(accounts))
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
@pytest.mark.parametrize("name", [name for name in TREATMENTS if name != "rerank"])
def test_a_gap_in_any_block_is_refused(name, in_focal_block, tmp_path):
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


def test_promoted_items_in_one_of_many_rare_blocks_are_noticed():
    slates = pd.DataFrame({"randomization_unit": range(600), "promotion_probability": 0.5})
    slates["promotion_applied"] = slates["randomization_unit"] % 2
    rare = "shelf " + slates["randomization_unit"].astype(str)
    slates["focal_block"] = rare.where(slates["promotion_applied"] == 0, "top")
    slates["randomization_stratum"] = 0
    log = LogEntry.from_config(completed(ENTRY, SCHEMA))
    with duckdb.connect() as con:
        con.register("slates", slates)
        problems = list(assignment.block_problems(con, log, "slates", 1.0))
        assert [problem.code for problem in problems] == ["block_differs"]
        assert (
            "in block top in 100.0% of promoted and in 0.0% of control" in problems[0].examples[0]
        )
        con.register("slates", slates.assign(focal_block=rare))
        assert not list(assignment.block_problems(con, log, "slates", 1.0))


@pytest.mark.parametrize("logged", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_long_and_short_lists_tell_whether_the_last_row_is_logged(seed, logged, tmp_path):
    """With few lists of very different lengths, their mean lengths do not tell."""
    log, entry, _ = paged("insert_kept", seed=seed, n_slates=200, sizes=(3, 15), blocks=(1, 1))
    whole, _, _ = account(log, tmp_path, entry)
    if not logged:
        log = log[~(log["shown"].isna() & (log["promoted"] == 1))]
    for columns in ({}, {"final_position": "shown"}):
        accounts, _, contract = account(log, tmp_path, with_column(entry, **columns))
        assert ("not_shown_not_logged" in contract.index) != logged
        clicks = [column for column in whole if column.startswith("observed_clicks")]
        pd.testing.assert_frame_equal(accounts[clicks], whole[clicks])


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


def test_the_other_order_is_checked_by_block(tmp_path):
    log, entry, _ = paged("rerank", n_slates=200)
    page = log.index[(log["slate"] == 9) & (log["block"] == NAMES[1])]
    for wrong in (log["other_order"].max() + 1, log.loc[page[1], "other_order"]):
        changed = log.copy()
        changed.loc[page[0], "other_order"] = wrong
        codes, message = refused(changed, tmp_path, entry)
        assert codes == {"promoted_order"}
        assert "1 slates" in message


@pytest.mark.long
@pytest.mark.parametrize("unit", ["slate", "user"])
def test_blocks_of_a_valid_draw_are_refused_as_rarely_as_stated(unit, monkeypatch):
    """With a limit of .05 for p-values, at most .05 of the draws, within three errors."""
    monkeypatch.setattr(assignment, "WRONG", 0.05)
    rng = np.random.default_rng(5)
    log = LogEntry.from_config(completed({**ENTRY, "promotion": {"unit": unit}}, SCHEMA))
    found, draws, n = 0, 120, 1500
    for _ in range(draws):
        block = rng.choice(["a", "b", "c", "rare"], n, p=[0.6, 0.27, 0.12, 0.01])
        user = rng.integers(0, 500, n) if unit == "user" else np.arange(n)
        slates = pd.DataFrame({"focal_block": block, "randomization_unit": user})
        slates["promotion_applied"] = (rng.random(n) < 0.3)[user].astype(int)
        slates = slates.assign(promotion_probability=0.3, randomization_stratum=0)
        with duckdb.connect() as con:
            con.register("slates", slates)
            found += len(list(assignment.block_problems(con, log, "slates", 1.0)))
    assert found / draws < 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
    assert found > 0


# Blocks in other forms


def test_numbers_of_blocks_are_read_from_every_format(tmp_path):
    log, entry, _ = paged("slot_3", n_slates=200)
    log["shelf"] = log["block_number"] + 9  # 9 before 10
    entry = with_column(entry, block="shelf")
    accounts, items, _ = account(log, tmp_path, entry)
    first = items.groupby("slate_id")["block"].first()
    assert set(first.astype(str)) == {"9"}
    log.astype({"shelf": "float64"}).to_parquet(tmp_path / "log.parquet")
    again, items_again, _ = analyzed(tmp_path / "log.parquet", tmp_path, entry)
    pd.testing.assert_frame_equal(accounts, again)
    pd.testing.assert_frame_equal(items, items_again)


def test_variants_move_within_the_block(tmp_path):
    """Two variants and control: each contrast is that of a log with two arms."""
    log, entry, _ = paged("to_first", n_slates=900)
    arm = np.random.default_rng(3).integers(0, 3, 900)[log["slate"]]
    log["arm"] = np.array(["control", "first", "third"])[arm]
    arms = {
        "first": {"probability": 0.3333333, "move": {"to": 1}},
        "third": {"probability": 0.3333333, "move": {"to": 3}},
    }
    several = with_column(entry, promoted="arm") | {
        "promotion": {"unit": "slate", "control": {"probability": 0.3333334}, "arms": arms}
    }
    log.to_csv(tmp_path / "log.csv", index=False)
    said = completed({**several, "path": str(tmp_path / "log.csv")}, SCHEMA)
    contrasts = {
        name.removeprefix("pages."): LogEntry.from_config(canonical(log_settings(part)))
        for name, part in contrast_entries("pages", said).items()
    }
    folders = {name: tmp_path / name for name in arms}
    for folder in folders.values():
        folder.mkdir()
    parsed = LogEntry.from_config(canonical(log_settings(said)))
    account_arms(parsed, contrasts, folders, folder=tmp_path)
    for number, (name, to) in enumerate({"first": 1, "third": 3}.items(), start=1):
        part = log[np.isin(arm, (0, number))].assign(promoted=lambda rows, n=name: rows["arm"] == n)
        two = entry | {"promotion": {"unit": "slate", "probability": 0.5, "move": {"to": to}}}
        own, _, _ = account(part, tmp_path, two)
        written = pd.read_parquet(folders[name] / "slate_outcomes.parquet")
        same = [column for column in own if column != "promotion_probability"]
        pd.testing.assert_frame_equal(own[same], written[same])
        assert "of its block" in contrasts[name].treatment.phrase


def test_failed_promotions_are_compared_by_block(tmp_path):
    log, entry, _ = paged("to_first", n_slates=400)
    failed = np.random.default_rng(2).random(400)[log["slate"]] < 0.2
    log["carried"] = ((log["promoted"] == 1) & ~failed).astype(int)
    log["shown"] = log["other_order"].where(log["carried"] == 1, log["position"])
    shown = with_column(entry, delivered="carried", final_position="shown")
    accounts, *_ = account(log, tmp_path, shown)
    assert (accounts["promotion_delivered"] < accounts["promotion_applied"]).any()
    log["shown"] = log["other_order"]
    codes, _ = refused(log, tmp_path, shown)
    assert codes <= {"moved_without_promotion", "moved_without_delivery"}


# What follows from blocks


def test_sets_of_rows_are_within_the_block(tmp_path):
    log, entry, _ = paged("slot_3", n_slates=200)
    _, items, _ = account(log, tmp_path, entry)
    rows = ItemRows.from_items(items)
    focal = items[items["is_focal_item"]].set_index("slate_id")
    here = items["block"].astype(str) == items["slate_id"].map(focal["block"].astype(str))
    lower = items["slate_position_seed"] > items["focal_seed_position"]
    np.testing.assert_array_equal(rows.member(BELOW), (here & lower).to_numpy())
    near = rows.member(NEAR, 2)
    assert near.any()
    assert not (near & ~here).any()
    cell = pd.DataFrame({"cell": cells(rows), "block": items["block"], "here": here})
    assert (cell.groupby("cell")[["block", "here"]].nunique() == 1).all(axis=None)


def test_attention_above_is_that_of_the_block():
    rows = {"slate_id": [1] * 5, "user_id": [1] * 5, "block": ["a", "a", "a", "b", "b"]}
    items = pd.DataFrame(rows).assign(
        slate_position_seed=[1, 2, 3, 1, 2],
        promoted_position=[2, 1, 3, 1, 2],
        is_focal_item=[False, True, False, False, False],
        promotion_applied=0,
        spillover_cluster=["x", "y", "x", "x", "x"],
        exposure=["moved_down", "focal", "unchanged", "unchanged", "unchanged"],
        component="other_competitor",
    )
    features = RowFeatures.from_items(items)
    first, second = 1.0, 1 / np.log2(3)
    names = list(features.names)
    above = {
        arm: getattr(features, arm)[
            :, [names.index("same_cluster_above"), names.index("others_above")]
        ]
        for arm in ("control", "promoted")
    }
    control = [[0, 0], [0, first], [first, second], [0, 0], [first, 0]]
    promoted = [[0, first], [0, 0], [second, first], [0, 0], [first, 0]]
    np.testing.assert_allclose(above["control"], control)
    np.testing.assert_allclose(above["promoted"], promoted)


# What is not about experiments


def test_outcomes_by_block_and_position(tmp_path):
    log, entry, _ = paged("to_first", n_slates=200)
    _, items, _ = account(log, tmp_path, entry)
    table = outcome_by_position(items)
    control = log[log["promoted"] == 0]
    assert list(dict.fromkeys(table["block"])) == sorted(NAMES)
    means = control.groupby(["block", "position"])["clicks"].agg(["mean", "size"])
    mine = table.assign(block=table["block"].astype(str)).set_index(["block", "position"])
    assert len(mine) == len(means)
    for place, row in means.iterrows():
        assert mine.loc[place, "mean"] == pytest.approx(row["mean"])
        assert mine.loc[place, "rows"] == row["size"]


def test_blocks_need_positions():
    log = LogEntry.from_config(completed(ENTRY, SCHEMA))
    assert (
        "columns.position",
        "needed where columns.block is given: the position in the block",
    ) in (list(log_problems(log)))


def test_leakage_of_same_block_is_the_effect_on_other_blocks(tmp_path):
    log, entry, _ = paged("to_first", n_slates=600)
    _, items, _ = account(log, tmp_path, entry)
    audit = leakage(items, near_positions=2)
    assert "other_blocks" not in set(audit["definition"])
    parts = audit[audit["definition"] == "same_block"].set_index("row_group")["estimate"]
    spillover = spillover_sensitivity(items, near_positions=2, bootstrap_draws=9)
    per_slate = spillover[spillover["unit_code"] == "per_slate"].set_index("definition")
    assert parts["exposed"] == pytest.approx(per_slate.loc["same_block", "estimate"])
    assert parts["unexposed"] == pytest.approx(per_slate.loc["other_blocks", "estimate"])
