"""Logs of every promotion: estimates and exact sums, what is refused, and what it is told to be."""

import numpy as np
import pandas as pd
import pytest
from builders import compared
from treatment_logs import TREATMENTS, treated

from netlift.core.errors import NetliftError
from netlift.core.left_out import why_left_out
from netlift.effects.account_tables import account_tables
from netlift.effects.empty_lines import NOT_RECORDED
from netlift.effects.ledger import component_effects
from netlift.logs import slates as log_slates
from netlift.logs.entries import LogEntry, log_settings
from netlift.logs.reading import account_log, map_log
from netlift.workflow.schema import completed, read_schema
from netlift.workflow.values import canonical

SCHEMA = read_schema("logs")


def account(log, folder, entry, **changes):
    """Write a log as CSV; return its accounts, items and contract."""
    log.to_csv(folder / "log.csv", index=False)
    return analyzed(folder / "log.csv", folder, entry, **changes)


def analyzed(path, folder, entry, **changes):
    """Return accounts, items and the contract of a file."""
    said = completed({**entry, "path": str(path), **changes}, SCHEMA)
    parsed = LogEntry.from_config(canonical(log_settings(said)))
    names = {"accounts": "accounts.parquet", "contract": "contract.csv", "row_counts": "counts.csv"}
    paths = {name: str(folder / file) for name, file in names.items()}
    account_log(parsed, paths)
    map_log(parsed, paths["accounts"], str(folder / "items.parquet"))
    return (
        pd.read_parquet(paths["accounts"]),
        pd.read_parquet(folder / "items.parquet"),
        pd.read_csv(paths["contract"]).set_index("code"),
    )


def refused(log, folder, entry, **changes):
    """Return the codes of a refusal, and its message."""
    with pytest.raises(NetliftError) as error:
        account(log, folder, entry, **changes)
    return set(pd.read_csv(folder / "contract_refused.csv")["code"]), str(error.value)


def with_column(entry, **columns):
    return entry | {"columns": entry["columns"] | columns}


@pytest.mark.parametrize("name", TREATMENTS)
def test_estimates_meet_the_known_truth(name, tmp_path, monkeypatch):
    monkeypatch.setattr(log_slates, "PART_ROWS", 4000)  # several ranges of slates
    log, entry, known = treated(name)
    shown = with_column(entry, final_position="shown")
    accounts, items, contract = account(log, tmp_path, shown)
    assert set(contract["severity"]) <= {"warning"}
    assert "constant_part" not in contract.index
    effects = component_effects(compared(accounts))
    for estimator in ("difference_in_means", "lin"):
        own = effects[effects["estimator"] == estimator].set_index("line")
        for line, effect in known.items():
            row = own.loc[line]
            assert abs(row["estimate_per_slate"] - effect) < 4 * row["se"], (estimator, line)
    assert own["se"].max() < 0.08
    assert len(items) == len(log)
    own = log.sort_values(["slate", "position", "item"], na_position="last")
    mine = items.sort_values(["slate_id", "slate_position_seed", "item_id"], na_position="last")
    for column, logged in {
        "slate_position_seed": "position",
        "promoted_position": "other_order",
        "final_position": "shown",
    }.items():
        expected = own[logged].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        np.testing.assert_array_equal(mine[column].to_numpy(dtype=float), expected, column)
    assert_exposure(mine)


def assert_exposure(items):
    """Compare what the promotion does to each row with its two positions."""
    seed, promoted = items["slate_position_seed"], items["promoted_position"]
    competitor = ~items["is_focal_item"]
    for name, rows in {
        "pushed_out": promoted.isna(),
        "moved_down": promoted > seed,
        "moved_up": promoted < seed,
        "unchanged": promoted == seed,
    }.items():
        assert ((items["exposure"] == name) == (rows & competitor)).all(), name
    assert ((items["exposure"] == "focal") == items["is_focal_item"]).all()
    change = items["final_position"] - seed
    pd.testing.assert_series_equal(
        items["position_change"].astype(float), change.astype(float), check_names=False
    )


@pytest.mark.parametrize("name", TREATMENTS)
def test_accounts_count_what_the_items_say(name, tmp_path):
    log, entry, _ = treated(name, n_slates=300)
    accounts, items, _ = account(log, tmp_path, entry)
    by_slate = items.groupby("slate_id")
    component, down = items["component"], items["exposure"] == "moved_down"
    for column, rows in {
        "n_items": component.notna(),
        "n_same_cluster": component == "same_cluster_competitor",
        "n_other": component == "other_competitor",
        "n_displaced": down,
        "n_same_cluster_displaced": down & (component == "same_cluster_competitor"),
    }.items():
        counted = rows.groupby(items["slate_id"]).sum().to_numpy()
        np.testing.assert_array_equal(accounts[column], counted, column)
    for part in ("direct_focal", "same_cluster_competitor", "other_competitor"):
        sums = items["click"].where(component == part, 0).groupby(items["slate_id"]).sum()
        np.testing.assert_array_equal(accounts[f"observed_clicks_{part}"], sums.to_numpy())
    np.testing.assert_allclose(accounts["relevance_mean"], by_slate["relevance"].mean())
    first = items[items["is_focal_item"]].groupby("slate_id").first()
    at = accounts["focal_seed_position"].to_numpy(dtype=float, na_value=np.nan)
    np.testing.assert_array_equal(at, first["slate_position_seed"].to_numpy(dtype=float))
    assert list(accounts["focal_spillover_cluster"]) == list(first["spillover_cluster"])
    # Same-cluster is the cluster of any focal item.
    of_focal = items[items["is_focal_item"]].groupby("slate_id")["spillover_cluster"].agg(set)
    shares = [
        row.spillover_cluster in of_focal[row.slate_id]
        for row in items[~items["is_focal_item"]].itertuples()
    ]
    assert list(component[~items["is_focal_item"]] == "same_cluster_competitor") == shares


# Items that are not shown


def hidden(log):
    """Return the rows of items that are not shown in the arm of their slate."""
    return log["shown"].isna()


def without_hidden(log):
    """Leave out what promoted slates do not show, as most teams log."""
    return log[~(hidden(log) & (log["promoted"] == 1))]


ADDING = ["insert_kept", "insert_grows", "replace"]


@pytest.mark.parametrize("name", [*ADDING, "rerank"])
def test_a_missing_outcome_of_an_item_that_is_not_shown_is_0(name, tmp_path):
    log, entry, _ = treated(name, n_slates=200)
    accounts, items, _ = account(log, tmp_path, entry)
    empty = log.assign(clicks=log["clicks"].astype("Int64").mask(hidden(log)))
    again, items_again, _ = account(empty, tmp_path, entry)
    pd.testing.assert_frame_equal(accounts, again)
    pd.testing.assert_frame_equal(items, items_again)


@pytest.mark.parametrize("name", ADDING)
def test_a_missing_outcome_of_an_item_that_is_shown_is_refused(name, tmp_path):
    log, entry, _ = treated(name, n_slates=200)
    row = log.index[~hidden(log) & (log["promoted"] == 1) & (log["focal"] == 0)][5]
    log["clicks"] = log["clicks"].astype("Int64")
    log.loc[row, "clicks"] = pd.NA
    codes, message = refused(log, tmp_path, entry)
    assert codes == {"missing_value"}
    assert "1 slates" in message


@pytest.mark.parametrize("arm", [0, 1])
@pytest.mark.parametrize("name", ["insert_kept", "replace"])
def test_an_outcome_of_an_item_that_is_not_shown_is_refused(name, arm, tmp_path):
    log, entry, _ = treated(name, n_slates=200)
    rows = hidden(log) & (log["promoted"] == arm)
    log.loc[log.index[rows][:3], "clicks"] = 1
    codes, message = refused(log, tmp_path, entry, set_aside=[])
    assert codes == {"outcome_not_shown"}
    assert "3 slates" in message
    assert "promotion.insert.length: grows" in message


def test_a_slate_that_grows_is_not_taken_for_one_that_keeps_its_length(tmp_path):
    log, entry, _ = treated("insert_grows", n_slates=300)
    kept = entry | {"promotion": entry["promotion"] | {"insert": {"at": 1}}}
    assert refused(log, tmp_path, kept)[0] == {"outcome_not_shown"}
    shown = with_column(kept, final_position="shown")
    assert "wrong_final_position" in refused(log, tmp_path, shown)[0]


@pytest.mark.parametrize("size", [5, 3])
@pytest.mark.parametrize("name", ["insert_kept", "replace"])
def test_promoted_slates_without_the_row_that_is_not_shown(name, size, tmp_path):
    """Sums and counts are those of the whole log; rows are not compared, and it is said why."""
    log, entry, _ = treated(name, n_slates=400, size=size)
    whole, _, _ = account(log, tmp_path, entry)
    for said in (entry, with_column(entry, final_position="shown")):
        accounts, items, contract = account(without_hidden(log), tmp_path, said)
        assert "so the rows of both arms are not alike" in why_left_out(items)
        warning = contract.loc["not_shown_not_logged"]
        assert warning["severity"] == "warning"
        assert warning["slates"] == (whole["promotion_applied"] == 1).sum()
        sums = [column for column in whole if column.startswith("observed_clicks")]
        pd.testing.assert_frame_equal(accounts[sums], whole[sums])
    # What is counted does not depend on the arm: the items that both arms log.
    stays = log["other_order"].notna()
    same = log["focal"].eq(0) & stays & log["cluster"].eq(cluster_of(log))
    counted = same.groupby(log["slate"]).sum()
    np.testing.assert_array_equal(accounts["n_same_cluster"], counted)
    relevance = log[stays].groupby("slate")["score"]
    np.testing.assert_allclose(accounts["relevance_mean"], relevance.mean())
    np.testing.assert_allclose(accounts["relevance_sd"], relevance.std(ddof=0))


def cluster_of(log):
    """Return the cluster of each row's focal item."""
    return log["slate"].map(log[log["focal"] == 1].set_index("slate")["cluster"])


def test_slates_of_differing_length_without_the_last_item(tmp_path):
    logs = [treated("insert_kept", seed=n, n_slates=300, size=n)[0] for n in (3, 5, 8)]
    log = pd.concat([part.assign(slate=part["slate"] + 1000 * i) for i, part in enumerate(logs)])
    entry = treated("insert_kept", n_slates=10)[1]
    whole, _, _ = account(log, tmp_path, entry)
    accounts, items, contract = account(without_hidden(log), tmp_path, entry)
    assert why_left_out(items)
    assert "not_shown_not_logged" in contract.index
    np.testing.assert_array_equal(
        accounts["observed_clicks_other_competitor"], whole["observed_clicks_other_competitor"]
    )


@pytest.mark.parametrize("name", ["insert_kept", "replace"])
def test_another_gap_is_refused(name, tmp_path):
    log, entry, _ = treated(name, n_slates=200)
    rows = (log["slate"] == 7) & (log["position"] == 4).fillna(False)
    assert refused(log[~rows], tmp_path, entry)[0] == {"position_gap"}
    log.loc[(log["slate"] == 8) & (log["position"] == 4), "position"] = 5
    assert refused(log, tmp_path, entry)[0] == {"duplicate_position"}


@pytest.mark.parametrize("name", ADDING)
def test_a_focal_item_with_a_place_is_told(name, tmp_path):
    log, entry, _ = treated(name, n_slates=200)
    log["position"] = log["position"].fillna(log["other_order"])
    codes, message = refused(log, tmp_path, entry)
    assert "focal_has_position" in codes
    assert "columns.final_position" in message
    assert "promotion.move" in message


def test_slates_that_showed_the_item_anyway_are_set_aside(tmp_path):
    log, entry, _ = treated("insert_grows", n_slates=600)
    anyway = (log["slate"] % 9 == 0) & (log["focal"] == 1)
    log.loc[anyway, "position"] = 7
    accounts, _, contract = account(log, tmp_path, entry, set_aside=["focal_has_position"])
    assert contract.loc["focal_has_position", "slates"] == anyway.sum()
    assert len(accounts) == 600 - anyway.sum()


@pytest.mark.parametrize(("name", "at"), [("insert_kept", 9), ("insert_grows", 8), ("replace", 7)])
def test_slates_without_the_position_of_the_promotion_are_refused(name, at, tmp_path):
    log, entry, _ = treated(name, n_slates=200)
    kind = "replace" if name == "replace" else "insert"
    promotion = entry["promotion"] | {kind: entry["promotion"][kind] | {"at": at}}
    codes, _ = refused(log, tmp_path, entry | {"promotion": promotion})
    assert "short_slate" in codes


@pytest.mark.parametrize("form", ["numbers with a point", "NaN in Parquet", "first position 0"])
def test_positions_are_empty_in_every_form(form, tmp_path):
    log, entry, _ = treated("insert_kept", n_slates=200)
    accounts, items, _ = account(log, tmp_path, entry)
    if form == "first position 0":
        log["position"] -= 1
        entry = entry | {"first_position": 0}
    else:
        log["position"] = log["position"].astype(float)
    path = tmp_path / "log.csv"
    log.to_csv(path, index=False)
    if form == "NaN in Parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {name: pa.array(log[name].to_numpy()) for name in entry["columns"].values()}
        columns |= {name: pa.array(log[name].to_numpy()) for name in ("clicks", "score", "visits")}
        path = tmp_path / "log.parquet"
        pq.write_table(pa.table(columns), path)
        assert np.isnan(pq.read_table(path)["position"].to_numpy()).any()
    again, items_again, _ = analyzed(path, tmp_path, entry)
    pd.testing.assert_frame_equal(accounts, again)
    pd.testing.assert_frame_equal(items, items_again)


# Orders that are logged


@pytest.mark.parametrize("damage", ["gap", "twice", "nowhere"])
def test_an_order_with_promotion_must_be_whole(damage, tmp_path):
    log, entry, _ = treated("rerank", n_slates=200)
    row = log.index[(log["slate"] == 3) & (log["other_order"] == 2)]
    if damage == "nowhere":
        log.loc[row, ["position", "other_order"]] = pd.NA
    else:
        log.loc[row, "other_order"] = {"gap": 9, "twice": 3}[damage]
    codes, message = refused(log, tmp_path, entry)
    assert ("missing_value" if damage == "nowhere" else "promoted_order") in codes
    assert "1 slates" in message


def test_a_rerank_may_show_other_items(tmp_path):
    """An insertion, logged as two orders, has the accounts of the insertion."""
    log, entry, _ = treated("insert_kept", n_slates=300)
    whole, items, _ = account(log, tmp_path, entry)
    two = with_column(entry, promoted_position="other_order")
    two |= {"promotion": {"unit": "slate", "probability": 0.5, "rerank": {}}}
    accounts, again, _ = account(log, tmp_path, two)
    pd.testing.assert_frame_equal(accounts, whole)
    pd.testing.assert_frame_equal(again, items)


# Several focal items


def test_another_number_of_focal_items_is_refused(tmp_path):
    log, entry, _ = treated("three", n_slates=200)
    one = entry | {"promotion": {"unit": "slate", "probability": 0.5}}
    codes, message = refused(log, tmp_path, one)
    assert codes == {"several_focal_items"}
    assert "3 focal items in 200 slates" in message
    assert "promotion.focal_items: 3" in message
    five = entry | {"promotion": entry["promotion"] | {"focal_items": 5}}
    codes, message = refused(log, tmp_path, five)
    assert codes == {"few_focal_items"}
    assert "promotion.focal_items: 3" in message
    fewer = log.index[(log["slate"] == 9) & (log["focal"] == 1)][:1]
    log.loc[fewer, "focal"] = 0
    codes, message = refused(log, tmp_path, entry)
    assert codes == {"few_focal_items"}
    assert "2 focal items in 1 slates" in message


# Logs of another promotion than their entry states


def as_move(entry):
    return entry | {"promotion": {"unit": "slate", "probability": 0.5}}


@pytest.mark.parametrize("name", ADDING)
def test_an_insertion_that_is_taken_for_a_move_is_recognized(name, tmp_path):
    log, entry, _ = treated(name, n_slates=300)
    at = (TREATMENTS[name].get("insert") or TREATMENTS[name].get("replace"))["at"]
    moved = with_column(as_move(entry), final_position="shown")
    moved["columns"].pop("final_position")
    codes, message = refused(log, tmp_path, moved)
    assert "missing_value" in codes
    assert "300 of these 300 rows are focal items" in message
    assert "promotion.insert: {at: P}" in message
    assert "promotion.replace: {at: P}" in message
    shown = with_column(as_move(entry), final_position="shown")
    _, message = refused(log, tmp_path, shown)
    assert f"promotion.insert: {{at: {at}}}" in message


@pytest.mark.parametrize("name", ADDING)
def test_control_slates_without_their_candidate_are_recognized(name, tmp_path):
    log, entry, _ = treated(name, n_slates=300)
    at = (TREATMENTS[name].get("insert") or TREATMENTS[name].get("replace"))["at"]
    shown = log[log["shown"].notna()].assign(position=lambda rows: rows["shown"])
    for said in (entry, as_move(entry)):
        codes, message = refused(shown, tmp_path, said)
        assert "no_focal_item" in codes
        assert f"promotion.insert: {{at: {at}}}" in message
        assert "leave out columns.focal" in message


@pytest.mark.parametrize("name", ["to_first", "slot_3", "insert_grows", "badge"])
def test_promoted_slates_that_are_cut_are_refused(name, tmp_path):
    """The last item is shown in both arms, and promoted slates do not log it."""
    log, entry, _ = treated(name, n_slates=300)
    last = (log["position"] == 6) & (log["promoted"] == 1) & (log["focal"] == 0)
    codes, message = refused(log[~last.fillna(False)], tmp_path, entry)
    assert "covariate_imbalance" in codes
    assert "promoted slates have lower n_" in message


def test_positions_with_promotion_are_recognized(tmp_path):
    log, entry, _ = treated("insert_kept", n_slates=300)
    shown = log[log["shown"].notna() | (log["promoted"] == 0)]
    shown = shown.assign(position=shown["shown"].mask(shown["focal"] == 1))
    codes, message = refused(shown, tmp_path, entry)
    assert codes == {"position_gap"}
    n = log.loc[log["promoted"] == 1, "slate"].nunique()
    assert f"in {n} of {n} the slate is promoted, and only position 2 is vacant" in message
    assert "promotion.replace: {at: 2}" in message


def test_a_log_that_is_cut_below_the_fold_is_recognized(tmp_path):
    """Of slates of nine items the first five are logged; the focal item comes from below."""
    rng = np.random.default_rng(5)
    rows = []
    for slate in range(200):
        promoted, focal = int(rng.random() < 0.5), int(rng.integers(7, 10))
        last = 4 if promoted else 5
        for position in [*range(1, last + 1), focal]:
            is_focal = position == focal
            seen = promoted or not is_focal
            rows.append(
                {
                    "slate": slate,
                    "user": slate % 50,
                    "item": int(rng.integers(10**9)),
                    "cluster": int(rng.integers(3)),
                    "position": position,
                    "focal": int(is_focal),
                    "promoted": promoted,
                    "clicks": int(seen and rng.random() < 0.3),
                }
            )
    log, entry = pd.DataFrame(rows), treated("to_first", n_slates=10)[1] | {"covariates": {}}
    codes, message = refused(log, tmp_path, entry)
    assert codes == {"position_gap"}
    assert "in 200 of 200 the other items have positions 1 to n (n is 4 to 5)" in message
    assert "promotion.insert: {at: 1}" in message
    # As the message says.
    log["position"] = log["position"].astype("Int64").mask(log["focal"] == 1)
    said = entry | {"promotion": entry["promotion"] | {"insert": {"at": 1}}}
    accounts, _, contract = account(log, tmp_path, said)
    assert "not_shown_not_logged" in contract.index
    by_arm = log.groupby("promoted")["clicks"].sum()
    sums = accounts.groupby("promotion_applied")["observed_clicks_total"].sum()
    np.testing.assert_array_equal(sums, by_arm)


# Totals only


def of_slates(log):
    """Return one row per slate, with its total."""
    by_slate = log.groupby("slate", as_index=False)
    first = dict.fromkeys(("user", "promoted", "visits"), "first")
    return by_slate.agg(first | {"clicks": "sum"})


def without_focal(entry, *roles):
    columns = {role: role for role in ("slate", "user", "promoted", *roles)}
    return entry | {"columns": columns, "covariates": {"slate": {"user_activity": "visits"}}}


@pytest.mark.parametrize("name", ["to_first", "insert_kept", "replace", "rerank"])
def test_totals_without_focal_items_are_those_of_the_whole_log(name, tmp_path):
    log, entry, known = treated(name)
    slate_covariates = entry | {"covariates": {"slate": {"user_activity": "visits"}}}
    whole, _, _ = account(log, tmp_path, slate_covariates)
    expected = component_effects(compared(whole)).query("line == 'total'").set_index("estimator")
    shown = log[log["shown"].notna()].assign(position=lambda rows: rows["shown"])
    forms = [
        (shown, without_focal(entry, "item", "position", "cluster")),
        (shown, without_focal(entry, "item")),
        (of_slates(log), without_focal(entry)),
    ]
    for form, said in forms:
        accounts = account(form, tmp_path, said)[0]
        assert not [column for column in accounts if column.endswith("focal")]
        tables = account_tables(
            accounts,
            units={"observed_clicks": "clicks"},
            min_slates=10,
            seed=1,
            bootstrap_draws=9,
            power_effects=[0.1],
        )
        effects = tables["component_effects"]
        total = effects[effects["line"] == "total"].set_index("estimator")
        means = "difference_in_means"
        for column in ("estimate_per_slate", "se", "ci_95_lower", "control_mean"):
            assert abs(total.loc[means, column] - expected.loc[means, column]) < 1e-12
        row = total.loc["lin"]
        assert abs(row["estimate_per_slate"] - known["total"]) < 4 * row["se"]
        parts = effects[effects["line"] != "total"]
        assert parts[["estimate_per_slate", "se", "treated_mean"]].isna().all(axis=None)
        assert set(parts["note"]) == {NOT_RECORDED}
        assert set(tables["power"]["line"]) == {"total"}
        assert why_left_out(tables["shares"]) == NOT_RECORDED


def test_several_rows_of_a_slate_without_items_are_refused(tmp_path):
    log, entry, _ = treated("to_first", n_slates=200)
    codes, message = refused(log, tmp_path, without_focal(entry))
    assert codes == {"repeated_slate"}
    assert "If the rows are its items, name columns.item" in message
    twice = pd.concat([of_slates(log), of_slates(log)[:3]])
    assert "3 slates" in refused(twice, tmp_path, without_focal(entry))[1]


def test_a_number_of_the_slate_in_all_its_rows_is_refused_without_focal_items(tmp_path):
    log, entry, _ = treated("to_first", n_slates=200)
    log["clicks"] = log.groupby("slate")["clicks"].transform("sum")
    codes, _ = refused(log, tmp_path, without_focal(entry, "item", "position"))
    assert codes == {"slate_level_outcome"}


def test_an_outcome_of_one_arm_is_refused_without_focal_items(tmp_path):
    log, entry, _ = treated("to_first", n_slates=200)
    log["clicks"] *= log["promoted"]
    for form, roles in ((log, ("item", "position")), (of_slates(log), ())):
        assert refused(form, tmp_path, without_focal(entry, *roles))[0] == {"one_arm_outcome"}


# Delivery


@pytest.mark.parametrize("name", ["insert_kept", "replace"])
def test_a_failed_insertion_stays_in_the_arm_that_was_drawn(name, tmp_path):
    """Its last item was shown, and has clicks: that is no outcome of an item not shown."""
    log, entry, _ = treated(name, n_slates=300)
    failed = log["slate"].isin(log.loc[log["promoted"] == 1, "slate"].unique()[:40])
    log["shown"] = log["shown"].mask(failed, log["position"])
    log.loc[failed & (log["focal"] == 1), "clicks"] = 0
    log.loc[failed & (log["other_order"].isna()), "clicks"] = 1
    shown = with_column(entry, final_position="shown")
    codes, message = refused(log, tmp_path, shown)
    assert codes == {"focal_not_moved"}
    assert "40 of" in message
    accounts, *_ = account(log, tmp_path, shown, accept=["focal_not_moved"])
    clicks = log.groupby("slate")["clicks"].sum()
    np.testing.assert_array_equal(accounts["observed_clicks_total"], clicks)


# By hand

BY_HAND = """slate,item,cluster,position,focal,promoted,clicks
s1,ad,x,,1,0,0
s1,a,x,1,0,0,1
s1,b,y,2,0,0,0
s1,c,x,3,0,0,1
s2,ad,x,,1,1,1
s2,d,x,1,0,1,0
s2,e,y,2,0,1,1
s2,f,y,3,0,1,
s3,ad,y,,1,0,
s3,a,x,1,0,0,0
s3,b,y,2,0,0,1
s3,c,x,3,0,0,0
s4,ad,y,,1,1,1
s4,d,y,1,0,1,1
s4,e,x,2,0,1,0
s4,f,x,3,0,1,0
"""


@pytest.mark.parametrize(
    ("promotion", "positions", "exposures"),
    [
        ({"insert": {"at": 1}}, [2, 3, np.nan, 1], ["moved_down", "moved_down", "pushed_out"]),
        ({"replace": {"at": 3}}, [1, 2, np.nan, 3], ["unchanged", "unchanged", "pushed_out"]),
        (
            {"insert": {"at": 2, "length": "grows"}},
            [1, 3, 4, 2],
            ["unchanged", "moved_down", "moved_down"],
        ),
    ],
)
def test_sums_and_exposure_by_hand(promotion, positions, exposures, tmp_path):
    (tmp_path / "log.csv").write_text(BY_HAND, encoding="utf-8")
    log = pd.read_csv(tmp_path / "log.csv")
    if "insert" in promotion and "length" in promotion["insert"]:
        log["clicks"] = log["clicks"].mask(log["item"] == "f", 0)
    roles = ("slate", "item", "cluster", "position", "focal", "promoted")
    entry = {
        "columns": {role: role for role in roles},
        "outcomes": {"clicks": {"column": "clicks"}},
        "promotion": {"unit": "slate", "probability": 0.5, **promotion},
    }
    accounts, items, _ = account(log, tmp_path, entry)
    effects = component_effects(compared(accounts)).query("estimator == 'difference_in_means'")
    by_line = dict(zip(effects["line"], effects["estimate_per_slate"], strict=True))
    assert by_line == {"direct": 1.0, "same_cluster": -1.0, "other": 0.5, "total": 0.5}
    for _, slate in items.groupby("slate_id"):
        np.testing.assert_array_equal(slate["slate_position_seed"], [1, 2, 3, np.nan])
        np.testing.assert_array_equal(slate["promoted_position"], positions)
        assert list(slate["exposure"]) == [*exposures, "focal"]
        final = slate["final_position"]
        shown = "promoted_position" if slate["promotion_applied"].all() else "slate_position_seed"
        np.testing.assert_array_equal(final, slate[shown])
    at = promotion.get("insert", promotion.get("replace"))["at"]
    assert set(items.loc[items["is_focal_item"], "promoted_position"]) == {at}


THREE = """slate,item,cluster,position,focal,promoted,clicks
s1,a,x,1,0,0,1
s1,b,y,2,1,0,0
s1,c,z,3,0,0,1
s1,d,z,4,1,0,0
s2,a,x,1,0,1,0
s2,b,y,2,1,1,1
s2,c,z,3,0,1,0
s2,d,z,4,1,1,1
s3,a,y,1,0,0,1
s3,b,y,2,0,0,1
s3,c,y,3,1,0,0
s3,d,,4,1,0,0
s4,a,,1,0,1,0
s4,b,y,2,0,1,0
s4,c,y,3,1,1,0
s4,d,,4,1,1,1
"""


def test_a_set_of_focal_items_by_hand(tmp_path):
    (tmp_path / "log.csv").write_text(THREE, encoding="utf-8")
    log = pd.read_csv(tmp_path / "log.csv")
    roles = ("slate", "item", "cluster", "position", "focal", "promoted")
    entry = {
        "columns": {role: role for role in roles},
        "outcomes": {"clicks": {"column": "clicks"}},
        "promotion": {"unit": "slate", "probability": 0.5, "focal_items": 2},
    }
    accounts, items, _ = account(log, tmp_path, entry)
    by_slate = accounts.set_index("slate_id")
    assert list(by_slate["focal_seed_position"]) == [2, 2, 3, 3]
    assert list(by_slate["focal_spillover_cluster"]) == ["y", "y", "y", "y"]
    assert list(by_slate["n_same_cluster"]) == [1, 1, 2, 1]
    assert list(by_slate["n_other"]) == [1, 1, 0, 1]
    assert list(by_slate["observed_clicks_direct_focal"]) == [0, 2, 0, 1]
    assert list(by_slate["observed_clicks_same_cluster_competitor"]) == [1, 0, 2, 0]
    assert list(by_slate["observed_clicks_other_competitor"]) == [1, 0, 0, 0]
    orders = items.groupby("slate_id")["promoted_position"].agg(list)
    assert orders.to_list() == [[3, 1, 4, 2], [3, 1, 4, 2], [3, 4, 1, 2], [3, 4, 1, 2]]
