"""The record of a log's entry: parsed once from the config, or from a rule's settings."""

import dataclasses

import pytest
from log_files import COLUMNS, ENTRY

from netlift.core.errors import NetliftError
from netlift.logs.entries import ItemsTable, LogEntry, LogOutcome, log_settings
from netlift.workflow.schema import completed, read_schema
from netlift.workflow.values import canonical

SCHEMA = read_schema("logs")


def log(**changes):
    return LogEntry.from_config(completed({**ENTRY, "path": "log.csv", **changes}, SCHEMA))


def test_an_entry_is_parsed_whole():
    entry = log(
        items={"path": "i.csv", "item": "a", "cluster": "b"},
        promotion={"unit": "user", "probability": 0.4},
        covariates={"slate": {"user_activity": "n", "hour": "h"}, "item": {"relevance": "r"}},
        set_aside=["position_gap"],
        accept=["sample_ratio"],
    )
    assert entry.columns == COLUMNS
    assert entry.items == ItemsTable("i.csv", "a", "b")
    assert (entry.unit, entry.probability) == ("user", 0.4)
    assert entry.slate_covariates == {"user_activity": "n", "slate_covariate_hour": "h"}
    assert entry.item_covariates == {"relevance": "r"}
    assert entry.covariate_columns == ["n", "h", "r"]
    assert (entry.set_aside, entry.accept) == (("position_gap",), ("sample_ratio",))
    assert (entry.delimiter, entry.first_position, entry.row_stages) == (",", 1, True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.delimiter = ";"


def test_the_settings_of_a_rule_give_the_same_record():
    entry = {
        **ENTRY,
        "path": ["a.csv", "b.csv"],
        "outcomes": {"z": {"column": "z", "winsorize": 0.9}, "a": {"column": "a"}},
    }
    complete = completed(entry, SCHEMA)
    parsed = LogEntry.from_config(complete)
    assert [outcome.name for outcome in parsed.outcomes] == ["z", "a"]
    assert LogEntry.from_config(canonical(log_settings(complete))) == parsed


def test_an_outcome_has_the_unit_that_is_given_or_its_name_in_words():
    assert LogOutcome.from_config("page_views", {"column": "p"}).unit == "page views"
    winsorized = {"column": "w", "unit": "minutes", "winsorize": 0.99, "negative": True}
    entry = log(outcomes={"watch": winsorized, "orders": {"column": "o"}})
    assert entry.outcomes[0] == LogOutcome("watch", "w", "minutes", True, 0.99)
    assert entry.units == {
        "observed_clicks": "minutes",
        "watch_winsorized": "minutes",
        "orders": "orders",
    }


def test_columns_are_needed_once_in_the_order_of_the_entry():
    entry = log(
        columns={"slate": "s", "item": "i", "position": "p"},
        outcomes={"y": {"column": "y"}},
        covariates={"slate": {"hour": "h"}, "item": {"price": "y"}},
    )
    assert entry.needed_columns == ["s", "i", "p", "y", "h"]
    assert not entry.is_experiment
    assert log().is_experiment


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"path": "x.csv.gz"}, "csv"),
        ({"path": "x.PQ"}, "parquet"),
        ({"path": ["x.duckdb"]}, "duckdb"),
        ({"path": None, "query": "SELECT 1"}, "duckdb"),
        ({"path": "x.txt", "format": "parquet"}, "parquet"),
    ],
)
def test_the_format_is_told_or_seen_from_the_ending(changes, expected):
    assert log(**changes).format == expected


def test_a_folder_is_read_to_its_end_without_hidden_files(tmp_path):
    for name in ("day=1/b.parquet", "day=1/a.parquet", ".tmp/c.parquet", "_SUCCESS"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    entry = log(path=[str(tmp_path), str(tmp_path / "day=1/a.parquet")])
    assert entry.format == "parquet"
    assert entry.data_files() == [str(tmp_path / f"day=1/{name}.parquet") for name in "ab"]


def test_the_table_of_items_is_among_the_files_and_must_exist(tmp_path):
    (tmp_path / "log.csv").write_text("x")
    items = {"path": str(tmp_path / "items.csv"), "item": "a", "cluster": "b"}
    entry = log(path=str(tmp_path / "log.csv"), items=items)
    with pytest.raises(NetliftError, match=r"no_file: there is no .*items\.csv"):
        entry.files()
    (tmp_path / "items.csv").write_text("x")
    assert entry.files() == [str(tmp_path / "log.csv"), str(tmp_path / "items.csv")]
    assert entry.data_files() == [str(tmp_path / "log.csv")]
