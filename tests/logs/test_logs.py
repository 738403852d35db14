"""Logs: accounts by DuckDB compared with those of items; estimates with known effects."""

import numpy as np
import pandas as pd
import pytest
from builders import compared, random_items
from log_files import COLUMNS, ENTRY, draw_log

from netlift.effects.accounts import slate_outcomes
from netlift.effects.ledger import component_effects
from netlift.logs import slates as log_slates
from netlift.logs.entries import LogEntry, log_settings
from netlift.logs.problems import LogRefusedError
from netlift.logs.reading import account_log, map_log
from netlift.promotion.exposure import map_exposure
from netlift.promotion.treatment import Treatment
from netlift.workflow.schema import completed, read_schema
from netlift.workflow.values import canonical

SCHEMA = read_schema("logs")


def entry(path, **changes):
    return parsed({**ENTRY, "path": str(path), **changes})


def parsed(values):
    """Parse an entry as a job does: from its settings."""
    return LogEntry.from_config(canonical(log_settings(completed(values, SCHEMA))))


def account(said, folder):
    """Run the two steps; return accounts, items, contract and counts."""
    paths = {name: str(folder / f"out/{name}.csv") for name in ("contract", "row_counts")}
    paths["accounts"] = str(folder / "out/accounts.parquet")
    account_log(said, paths)
    map_log(said, paths["accounts"], str(folder / "out/items.parquet"))
    return (
        pd.read_parquet(paths["accounts"]),
        pd.read_parquet(folder / "out/items.parquet"),
        pd.read_csv(paths["contract"]),
        pd.read_csv(paths["row_counts"]),
    )


def write(log, folder, kind):
    """Write a log in one of the supported formats; return its entry in the config."""
    if kind == "csv":
        log.to_csv(folder / "log.csv", index=False)
        return {"path": str(folder / "log.csv")}
    if kind == "gzip":
        log.to_csv(folder / "log.csv.gz", index=False)
        return {"path": str(folder / "log.csv.gz")}
    if kind == "windows":
        text = log.to_csv(index=False, lineterminator="\r\n", quoting=1, sep=";")
        (folder / "log.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
        return {"path": str(folder / "log.csv"), "delimiter": ";"}
    if kind == "parquet":
        log.to_parquet(folder / "log.parquet")
        return {"path": str(folder / "log.parquet")}
    if kind == "globbed":
        half = len(log) // 2
        log[:half].to_csv(folder / "part-1.csv", index=False)
        log[half:][log.columns[::-1]].to_csv(folder / "part-2.csv", index=False)
        return {"path": str(folder / "part-*.csv")}
    if kind == "partitioned":
        for arm, own in log.groupby("arm"):
            (folder / f"log/arm={arm}").mkdir(parents=True)
            own.drop(columns="arm").to_parquet(folder / f"log/arm={arm}/rows.parquet")
        return {"path": str(folder / "log")}
    import duckdb

    with duckdb.connect(str(folder / "log.duckdb")) as con:
        con.register("given", log)
        con.execute("CREATE TABLE events AS SELECT * FROM given")
    said = {"path": str(folder / "log.duckdb")}
    return said | ({"table": "events"} if kind == "table" else {"query": "SELECT * FROM events;"})


KINDS = ["csv", "gzip", "windows", "parquet", "globbed", "partitioned", "table", "query"]


@pytest.mark.parametrize("kind", KINDS)
def test_accounts_are_those_of_the_items_in_every_form_of_log(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(log_slates, "PART_ROWS", 700)  # several ranges of slates
    log, _ = draw_log(1, 300, (2, 9), n_users=90)
    log["price"] = np.random.default_rng(4).gamma(2, 10, len(log)).round(2)
    log = log.sample(frac=1, random_state=2)
    more = {
        "outcomes": {
            "clicks": {"column": "clicked"},
            "minutes": {"column": "minutes", "winsorize": 0.9},
        },
        "covariates": {
            "item": {"relevance": "score", "price": "price"},
            "slate": {"user_activity": "visits", "visits": "visits"},
        },
    }
    said = {**write(log, tmp_path, kind), **more}
    accounts, items, _, counts = account(parsed(ENTRY | said), tmp_path)
    assert list(counts["rows"]) == [len(log)] * 2
    same = {"check_like": True, "check_dtype": False, "rtol": 1e-12, "check_categorical": False}
    expected = slate_outcomes(items)
    for table in (accounts, expected):
        table["focal_spillover_cluster"] = table["focal_spillover_cluster"].astype(object)
    pd.testing.assert_frame_equal(accounts, expected, **same)
    # And the items are the log's rows.
    keys = ["Impression ID", "rank"]
    own = log.sort_values(keys).reset_index(drop=True)
    assert list(items["slate_id"]) == list(own["Impression ID"])
    assert list(items["item_id"]) == list(own["sku"])
    assert list(items["spillover_cluster"]) == list(own["dept, name"])
    assert list(items["click"]) == list(own["clicked"])
    assert list(items["final_position"]) == list(own["shown"])
    assert np.allclose(items["outcome_minutes"], own["minutes"])
    limit = np.sort(own.loc[own["minutes"] > 0, "minutes"])
    limit = limit[int(np.ceil(0.9 * len(limit))) - 1]
    assert np.allclose(items["outcome_minutes_winsorized"], own["minutes"].clip(upper=limit))


def test_a_simulated_world_written_as_a_log_has_the_same_accounts(tmp_path):
    world = random_items(5, 400, (3, 9), n_users=150)
    world = world.sort_values(["slate_id", "slate_position_seed"], ignore_index=True)
    world.to_parquet(tmp_path / "log.parquet")
    said = {
        "path": str(tmp_path / "log.parquet"),
        "columns": {
            "slate": "slate_id",
            "user": "user_id",
            "item": "item_id",
            "cluster": "spillover_cluster",
            "position": "slate_position_seed",
            "final_position": "final_position",
            "focal": "is_focal_item",
            "promoted": "promotion_applied",
        },
        "outcomes": {"clicks": {"column": "click"}},
        "promotion": {"unit": "slate", "probability": 0.5},
        "covariates": {
            "item": {"relevance": "relevance"},
            "slate": {"user_activity": "user_activity", "user_liked_rate": "user_liked_rate"},
        },
    }
    accounts, items, _, _ = account(parsed(said), tmp_path)
    expected = slate_outcomes(world)[
        [name for name in accounts if "random" not in name and name != "promotion_probability"]
    ]
    expected["focal_spillover_cluster"] = expected["focal_spillover_cluster"].astype(object)
    shared = accounts[expected.columns].assign(
        focal_spillover_cluster=accounts["focal_spillover_cluster"].astype(object)
    )
    pd.testing.assert_frame_equal(shared, expected, check_dtype=False, rtol=1e-12)
    for column in (
        "component",
        "exposure",
        "promoted_position",
        "position_change",
        "focal_seed_position",
    ):
        assert list(items[column]) == list(world[column]), column


@pytest.mark.parametrize("kind", ["csv", "gzip", "parquet"])
def test_estimates_meet_the_known_truth(kind, tmp_path):
    log, truth = draw_log(11, 4000, (4, 8), first=0)
    said = {**write(log, tmp_path, kind), "first_position": 0}
    accounts, *_ = account(parsed(ENTRY | said), tmp_path)
    effects = component_effects(compared(accounts))
    for estimator in ("difference_in_means", "lin", "hajek"):
        own = effects[effects["estimator"] == estimator].set_index("line")
        for component, known in truth.items():
            row = own.loc[component]
            assert abs(row["estimate_per_slate"] - known) < 4 * row["se"], (estimator, component)
            assert row["se"] < 0.05
    total = effects.query("estimator == 'lin' and component == 'Full slate'").iloc[0]
    assert abs(truth["direct"]) > 5 * total["se"]


def test_unequal_probabilities_are_used(tmp_path):
    """Deep candidates are promoted more often: plain means are wrong, Hajek's are not."""
    rng = np.random.default_rng(4)
    log, _ = draw_log(7, 3000)
    slates = log.loc[log["candidate"], ["Impression ID", "rank"]].set_index("Impression ID")["rank"]
    probability = slates.map(lambda rank: 0.2 if rank <= 3 else 0.8)
    arm = pd.Series(np.where(rng.random(len(slates)) < probability, "boost", "none"), slates.index)
    log["arm"] = log["Impression ID"].map(arm)
    log["p"] = log["Impression ID"].map(probability)
    # Outcomes: the focal item of a promoted slate has 1, and deep slates have 5 more in any arm.
    deep = log["Impression ID"].map(slates) > 3
    log["clicked"] = (log["candidate"] * ((log["arm"] == "boost") + 5 * deep)).astype(int)
    log.to_csv(tmp_path / "log.csv", index=False)
    said = entry(
        tmp_path / "log.csv", columns=COLUMNS | {"probability": "p"}, promotion={"unit": "slate"}
    )
    accounts, *_ = account(said, tmp_path)
    effects = (
        component_effects(compared(accounts))
        .query("component == 'Full slate'")
        .set_index("estimator")
    )
    assert effects.loc["hajek", "is_main"]
    assert abs(effects.loc["hajek", "estimate_per_slate"] - 1) < 4 * effects.loc["hajek", "se"]
    assert effects.loc["difference_in_means", "estimate_per_slate"] > 2


def test_users_that_were_randomized_are_the_unit(tmp_path):
    log, _ = draw_log(3, 400, n_users=100)
    users = sorted(log["visitor"].unique())
    log["arm"] = log["visitor"].map(
        {user: ("boost", "none")[i % 2] for i, user in enumerate(users)}
    )
    log.to_csv(tmp_path / "log.csv", index=False)
    said = entry(tmp_path / "log.csv", promotion={"probability": 0.5, "unit": "user"})
    accounts, items, _, _ = account(said, tmp_path)
    assert list(accounts["randomization_unit"]) == list(accounts["user_id"])
    assert list(items["randomization_unit"]) == list(items["user_id"])


def test_accounts_do_not_depend_on_the_order_of_rows(tmp_path):
    """To the last bit, which sums of floating numbers would not give."""
    log, _ = draw_log(3, 200)
    rng = np.random.default_rng(5)
    log["minutes"] = rng.lognormal(0, 4, len(log))
    log["score"] = rng.normal(0, 1, len(log)) / 3
    log.loc[log["Impression ID"] == "s000003", "score"] = 0.1
    log.loc[log["Impression ID"] == "s000004", "score"] = 0.1 + 1e-9 * np.arange(6)
    said = {
        "outcomes": {"minutes": {"column": "minutes", "winsorize": 0.95}},
        "covariates": {"item": {"relevance": "score"}},
    }
    tables = []
    for number in range(3):
        log.sample(frac=1, random_state=number).to_csv(tmp_path / "log.csv", index=False)
        tables.append(account(entry(tmp_path / "log.csv", **said), tmp_path)[0])
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], check_exact=True)
    by_slate = log.groupby("Impression ID")
    own = tables[0].set_index("slate_id")
    for column, expected in {
        "relevance_mean": by_slate["score"].mean(),
        "relevance_sd": by_slate["score"].std(ddof=0),
        "observed_clicks_total": by_slate["minutes"].sum(),
    }.items():
        scale = log["minutes" if "clicks" in column else "score"].abs().max()
        np.testing.assert_allclose(own[column], expected, rtol=0, atol=1e-13 * scale)
    assert own.loc["s000003", "relevance_sd"] == 0
    assert np.isclose(own.loc["s000004", "relevance_sd"], 1e-9 * np.std(range(6)), rtol=1e-4)


def test_ids_with_leading_zeros_stay_apart(tmp_path):
    log, _ = draw_log(3, 60)
    number = log["Impression ID"].str[1:].astype(int)
    log["Impression ID"] = number.map(lambda n: f"{n // 2:04d}" if n % 2 else str(n // 2))
    log.to_csv(tmp_path / "log.csv", index=False)
    accounts, *_ = account(entry(tmp_path / "log.csv"), tmp_path)
    assert len(accounts) == 60
    assert set(accounts["slate_id"]) == set(log["Impression ID"])


def test_ids_that_are_numbers_at_first_only_stay_text(tmp_path):
    log, _ = draw_log(3, 4500)
    ids = log["Impression ID"].str[1:].astype(int).astype(str)
    log["Impression ID"] = ids.where(ids != "4400", "0x1")
    log.to_csv(tmp_path / "log.csv", index=False)
    accounts, *_ = account(entry(tmp_path / "log.csv"), tmp_path)
    assert set(accounts["slate_id"]) == set(log["Impression ID"])


def test_the_first_outcome_is_the_main_one_whatever_its_name(tmp_path):
    log, _ = draw_log(3, 60)
    log.to_csv(tmp_path / "log.csv", index=False)
    outcomes = {"visits_made": {"column": "minutes"}, "clicks": {"column": "clicked"}}
    accounts, *_ = account(entry(tmp_path / "log.csv", outcomes=outcomes), tmp_path)
    assert np.isclose(accounts["observed_clicks_total"].sum(), log["minutes"].sum())
    assert np.isclose(accounts["clicks_total"].sum(), log["clicked"].sum())


def test_slates_that_are_set_aside_are_counted(tmp_path):
    log, _ = draw_log(3, 80)
    log.loc[log["Impression ID"] == "s000002", "candidate"] = False
    log.loc[log["Impression ID"] == "s000005", "rank"] += 1
    log.loc[log["Impression ID"].isin(["s000002", "s000007"]), "clicked"] = -1
    log.to_csv(tmp_path / "log.csv", index=False)
    chosen = ["no_focal_item", "position_gap", "negative_outcome"]
    said = entry(tmp_path / "log.csv", set_aside=chosen)
    accounts, items, contract, counts = account(said, tmp_path)
    assert len(accounts) == 77
    assert not {"s000002", "s000005", "s000007"} & set(items["slate_id"])
    counted = counts.set_index("what")["rows"]
    assert counted["in the log"] == len(log)
    assert counted["used"] == len(items) == 77 * 6
    # The first reason counts: slate 2 has two.
    assert counted["set aside: negative_outcome"] == 12
    assert counted["set aside: position_gap"] == 6
    assert counted.sum() - counted["in the log"] == len(log)
    assert set(contract.query("severity == 'set aside'")["code"]) == set(chosen)


def test_clusters_may_come_from_a_table_of_items(tmp_path):
    log, _ = draw_log(3, 120)
    table = log[["sku", "dept, name"]].drop_duplicates("sku")
    table[1:].to_csv(tmp_path / "items.csv", index=False)
    columns = {role: column for role, column in COLUMNS.items() if role != "cluster"}
    log.to_csv(tmp_path / "log.csv", index=False)
    items = {"path": str(tmp_path / "items.csv"), "item": "sku", "cluster": "dept, name"}
    _, found, contract, _ = account(
        entry(tmp_path / "log.csv", columns=columns, items=items), tmp_path
    )
    expected = found["item_id"].map(table[1:].set_index("sku")["dept, name"])
    assert list(found["spillover_cluster"].astype(object).fillna("-")) == list(expected.fillna("-"))
    assert (
        contract.set_index("code").loc["no_cluster", "rows"]
        == found["spillover_cluster"].isna().sum()
    )


def test_markup_is_carried_as_text(tmp_path):
    log, _ = draw_log(3, 60)
    log["sku"] = log["sku"] + "<script>alert('1')</script>\n\"quoted\""
    log.to_csv(tmp_path / "log.csv", index=False)
    _, items, _, _ = account(entry(tmp_path / "log.csv"), tmp_path)
    assert set(items["item_id"]) == set(log["sku"])
    assert set(items["spillover_cluster"]) == set(log["dept, name"])


def test_models_of_rows_do_not_take_minutes_for_probabilities():
    from netlift.models.folds import user_folds
    from netlift.models.outcome_models import ModelData, cross_fit
    from netlift.models.scoring import calibration_table, model_scores

    items = random_items(8, 400, 6)
    rng = np.random.default_rng(2)
    minutes = items["click"] * rng.gamma(4.0, 5.0, len(items)) + items["relevance"]
    data = ModelData.from_items(
        items.drop(columns=["p_control", "p_promoted"]).assign(click=minutes)
    )
    assert not data.binary
    assert data.fitted_as("row_logistic") == "row_linear"
    assert data.fitted_as("row_lightgbm") == "row_lightgbm"
    assert ModelData.from_items(items).fitted_as("row_logistic") == "row_logistic"
    fold = user_folds(data.user, n_folds=3, seed=1)
    found = {
        model: cross_fit(data, model, fold, seed=1, threads=1)
        for model in ("row_logistic", "row_lightgbm")
    }
    for predictions in found.values():
        # Means of slates, and not numbers of rows above zero.
        predicted = predictions.observed_arm(data.design).sum(axis=1).mean()
        assert abs(predicted / data.outcomes.sum(axis=1).mean() - 1) < 0.05
    assert calibration_table(data, found).empty
    scores = model_scores(data, found, slate_outcomes(items))
    assert scores["log_loss"].isna().all()
    assert scores["rmse"].notna().all()


def simulated_log(treatment, folder):
    """Write items of a simulated world under a treatment as a log; return them and its entry."""
    drawn = random_items(5, 300, (4, 9), n_users=90)
    drawn = drawn.sort_values(["slate_id", "slate_position_seed"], ignore_index=True)
    focal = drawn["is_focal_item"].to_numpy()
    promoted = drawn["promotion_applied"].to_numpy() == 1
    items = map_exposure(drawn, focal, promoted, Treatment.from_config(treatment))
    items.to_parquet(folder / "log.parquet")
    roles = {"slate": "slate_id", "user": "user_id", "item": "item_id"}
    roles |= {"cluster": "spillover_cluster", "position": "slate_position_seed"}
    roles |= {"final_position": "final_position", "focal": "is_focal_item"}
    said = {
        "path": str(folder / "log.parquet"),
        "columns": roles | {"promoted": "promotion_applied"},
        "outcomes": {"clicks": {"column": "click"}},
        "promotion": {"unit": "slate", "probability": 0.5} | treatment,
    }
    return items, said


TREATMENTS = [{}, {"move": {"to": 1}}, {"move": {"to": 2}}, {"move": {"to": 4}}, {"badge": {}}]


@pytest.mark.parametrize("treatment", TREATMENTS, ids=str)
def test_a_log_is_mapped_by_what_its_promotion_does(treatment, tmp_path):
    items, said = simulated_log(treatment, tmp_path)
    accounts, mapped, _, _ = account(parsed(said), tmp_path)
    for column in ("exposure", "promoted_position", "final_position", "position_change"):
        assert list(mapped[column]) == list(items[column]), column
    expected = slate_outcomes(items)
    for column in ("n_displaced", "n_same_cluster_displaced"):
        assert list(accounts[column]) == list(expected[column]), column


@pytest.mark.parametrize("stated", [{}, {"move": {"to": 3}}, {"badge": {}}], ids=str)
def test_a_promotion_that_is_not_the_one_stated_is_refused(stated, tmp_path):
    _, said = simulated_log({"move": {"to": 2}}, tmp_path)
    said["promotion"] = {"unit": "slate", "probability": 0.5} | stated
    with pytest.raises(LogRefusedError, match="focal_not_moved"):
        account(parsed(said), tmp_path)


def test_slates_that_lack_the_position_are_refused_or_set_aside(tmp_path):
    items, said = simulated_log({"move": {"to": 4}}, tmp_path)
    del said["columns"]["final_position"]
    said["promotion"]["move"] = {"to": 6}
    with pytest.raises(LogRefusedError, match="short_slate"):
        account(parsed(said), tmp_path)
    accounts, *_ = account(parsed(said | {"set_aside": ["short_slate"]}), tmp_path)
    assert len(accounts) == (items.groupby("slate_id").size() >= 6).sum()
