"""Who pays by attributes of a log's items: read from every format, banded, and checked."""

import numpy as np
import pandas as pd
import pytest
from log_files import draw_log
from test_logs import account, entry, write

from netlift.effects.diversion import diversion
from netlift.logs.entries import LogEntry, log_problems, log_settings
from netlift.logs.problems import LogRefusedError
from netlift.workflow.schema import completed, read_schema, schema_problems

SCHEMA = read_schema("logs")
DIVERSION = {
    "seller": {"column": "shop"},
    "price": {"column": "price", "edges": [5, 20]},
}


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    table, _ = draw_log(5, 500)
    rng = np.random.default_rng(5)
    shop = rng.choice(["Ann & Co", "<b>Bo</b>", "007"], len(table)).astype(object)
    shop[rng.random(len(table)) < 0.1] = None
    price = np.where(
        rng.random(len(table)) < 0.05, np.nan, rng.lognormal(2, 1, len(table)).round(2)
    )
    return table.assign(shop=shop, price=price)


def expected_cell(log, focal_of, paid_by) -> float:
    """Return the effect per 1,000 slates of one cell, from the log itself."""
    focal = log["candidate"]
    slates = set(log.loc[focal & focal_of, "Impression ID"])
    chosen = log[log["Impression ID"].isin(slates)]
    clicks = (
        (chosen["clicked"] * (~focal & paid_by)[chosen.index])
        .groupby(chosen["Impression ID"])
        .sum()
    )
    arm = chosen.groupby("Impression ID")["arm"].first() == "boost"
    return 1000 * (clicks[arm].mean() - clicks[~arm].mean())


@pytest.mark.parametrize("kind", ["csv", "parquet", "duckdb"])
def test_cells_by_attributes_are_those_of_the_log(log, tmp_path, kind):
    written = write(log, tmp_path, kind)
    said = parsed_with(written, diversion=DIVERSION)
    _, items, _, _ = account(said, tmp_path)
    table = diversion(items, min_slates=20, bands={"price": {"edges": [5.0, 20.0]}})
    by = {
        name: part.set_index(["focal_group", "group"]) for name, part in table.groupby("attribute")
    }
    seller = by["seller"]["estimate"]
    for promoted, payer in (("Ann & Co", "007"), ("007", "007"), ("<b>Bo</b>", "(none)")):
        paid = log["shop"].isna() if payer == "(none)" else log["shop"] == payer
        expected = expected_cell(log, log["shop"] == promoted, paid)
        assert seller[promoted, payer] == pytest.approx(expected)
    price = by["price"]["estimate"]
    middle = (log["price"] >= 5) & (log["price"] < 20)
    expected = expected_cell(log, middle, log["price"] >= 20)
    assert price["5 to below 20", "20 or more"] == pytest.approx(expected)
    total = table[(table["focal_kind"] == "all") & (table["part"] == "total")]["estimate"]
    assert len(total) == 3
    assert np.ptp(total) < 1e-9


def parsed_with(written, **changes):
    path = written.pop("path")
    return entry(path, **written, **changes)


def test_whole_numbers_and_truth_values_are_names_of_groups(log, tmp_path):
    brand = pd.array(np.arange(len(log)) % 2, dtype="Int64")
    log.assign(brand=brand, new=np.asarray(brand) == 1).to_parquet(tmp_path / "log.parquet")
    columns = {"brand": {"column": "brand"}, "new": {"column": "new"}}
    said = entry(tmp_path / "log.parquet", diversion=columns)
    _, items, _, _ = account(said, tmp_path)
    assert set(items["item_attribute_brand"]) == {"0", "1"}
    assert set(items["item_attribute_new"]) == {"false", "true"}


def test_a_text_that_may_mean_missing_is_asked_about(log, tmp_path):
    log.assign(shop=log["shop"].fillna("NULL")).to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(LogRefusedError) as refused:
        account(entry(tmp_path / "log.csv", diversion=DIVERSION), tmp_path)
    assert [problem.code for problem in refused.value.problems] == ["text_for_missing"]
    said = entry(tmp_path / "log.csv", diversion=DIVERSION, missing_values=["NULL"])
    _, items, _, _ = account(said, tmp_path)
    assert items["item_attribute_seller"].isna().sum() == log["shop"].isna().sum()


def test_a_price_that_is_no_number_is_refused(log, tmp_path):
    price = log["price"].astype(object)
    price.iloc[7] = "cheap"
    log.assign(price=price).to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(LogRefusedError) as refused:
        account(entry(tmp_path / "log.csv", diversion=DIVERSION), tmp_path)
    assert [problem.code for problem in refused.value.problems] == ["wrong_type"]
    assert "cheap" in str(refused.value)


def test_a_missing_column_is_named(log, tmp_path):
    log.drop(columns="shop").to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(LogRefusedError, match="shop"):
        account(entry(tmp_path / "log.csv", diversion=DIVERSION), tmp_path)


def test_other_edges_do_not_read_the_log_again():
    def settings(**price):
        said = {"path": "a.csv", "diversion": {"price": {"column": "price", **price}}}
        return log_settings(completed({**BASE, **said}, SCHEMA))

    assert settings(edges=[5, 20]) == settings(edges=[1]) == settings(bands=4)
    assert settings(bands=4) != settings()
    assert LogEntry.from_config(settings(bands=4)).attributes == {"item_attribute_price": "price"}


BASE = {
    "columns": {
        "slate": "s",
        "item": "i",
        "position": "p",
        "focal": "f",
        "promoted": "a",
        "user": "u",
    },
    "outcomes": {"clicks": {"column": "c"}},
    "promotion": {"unit": "slate", "probability": 0.5},
    "path": "a.csv",
}


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        ({"cluster": {"column": "x"}}, "diversion.cluster", "always made"),
        ({"price": {"column": "x", "edges": [1.0], "bands": 3}}, "diversion.price", "not both"),
        ({"price": {"column": "x", "edges": [2.0, 1.0]}}, "diversion.price.edges", "low to high"),
        ({"badge": {"column": "a"}}, "diversion", "also columns.promoted"),
        ({"sold": {"column": "c"}}, "diversion", "also outcomes.clicks"),
    ],
)
def test_keys_that_contradict_each_other_are_named(change, key, said):
    found = dict(log_problems(record(diversion=change)))
    assert said in found[key]


def record(**changes):
    """Parse an entry as it is in the configuration, with its bands."""
    return LogEntry.from_config(completed({**BASE, **changes}, SCHEMA))


def test_without_focal_items_nobody_can_be_said_to_pay():
    columns = {"slate": "s", "promoted": "a", "user": "u"}
    found = dict(log_problems(record(columns=columns, diversion=DIVERSION)))
    assert "name columns.promoted and columns.focal" in found["diversion"]


@pytest.mark.parametrize(
    "wrong", [{}, {"column": ""}, {"column": "x", "edges": []}, {"column": "x", "bands": 1}]
)
def test_values_that_are_not_allowed_are_refused(wrong):
    assert list(schema_problems({**BASE, "diversion": {"price": wrong}}, SCHEMA))
