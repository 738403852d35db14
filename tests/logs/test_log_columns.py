"""Columns whose names look the same: named where one is missing, warned of in pairs."""

import unicodedata

import duckdb
import pytest
from log_files import COLUMNS, draw_log
from test_logs import account, entry

from netlift.logs.problems import LogRefusedError

LOG, _ = draw_log(1, 40)
NFC, NFD = (unicodedata.normalize(form, "catégorie") for form in ("NFC", "NFD"))
ALIKE = {
    "capitals": ("clicked", "Clicked", "'Clicked', which differs only in letter case"),
    "blank after": ("clicked", "clicked ", "'clicked ', which differs only in blanks around it"),
    "no-break space": ("clicked", "\xa0clicked", "differs only in blanks around it"),
    "both": ("clicked", " CLICKED", "differs only in letter case and blanks around it"),
    "decomposed": (NFC, NFD, '"cate\\u0301gorie", which differs only in how its characters'),
    "composed": (NFD, NFC, '"cat\\u00e9gorie", which differs only in how its characters'),
    "wide letters": ("clicked", "ｃlicked", "differs only in how its characters"),
    "no width": ("clicked", "click\u200bed", '"click\\u200bed", which differs only in how'),
}
"""Name in the config, name in the header, what is said of it."""


def written(log, folder, kind):
    path = folder / f"log.{kind}"
    if kind == "duckdb":
        with duckdb.connect(str(path)) as con:
            con.execute("CREATE TABLE events AS SELECT * FROM log")
    else:
        log.to_parquet(path) if kind == "parquet" else log.to_csv(path, index=False)
    return path


def said(path, used, **changes):
    table = {"table": "events"} if path.suffix == ".duckdb" else {}
    return entry(path, outcomes={"clicks": {"column": used}}, **table, **changes)


@pytest.mark.parametrize("kind", ["csv", "parquet", "duckdb"])
@pytest.mark.parametrize("case", ALIKE)
def test_a_missing_column_is_compared_with_those_that_look_like_it(tmp_path, case, kind):
    used, other, message = ALIKE[case]
    log = LOG.rename(columns={"clicked": other})
    with pytest.raises(LogRefusedError) as refused:
        account(said(written(log, tmp_path, kind), used), tmp_path)
    assert [problem.code for problem in refused.value.problems] == ["missing_column"]
    assert message in str(refused.value)


@pytest.mark.parametrize("kind", ["csv", "parquet", "duckdb"])
@pytest.mark.parametrize("case", ALIKE)
def test_two_columns_that_look_alike_are_warned_of(tmp_path, case, kind):
    used, other, message = ALIKE[case]
    if used.lower() == other.lower() and kind != "csv":
        pytest.skip("DuckDB takes these for one column: refused, or impossible")
    log = LOG.rename(columns={"clicked": used})
    log[other] = 1 - log[used]
    accounts, _, contract, _ = account(said(written(log, tmp_path, kind), used), tmp_path)
    (warning,) = contract[contract["code"] == "alike_columns"].to_dict("records")
    assert (warning["severity"], warning["column"]) == ("warning", used)
    assert "is not used" in warning["examples"]
    assert message.split("differs")[1] in warning["examples"]
    assert accounts["observed_clicks_total"].sum() == log[used].sum()


def test_a_folder_that_looks_like_a_column_is_warned_of(tmp_path):
    folder = tmp_path / "Clicked=1"
    folder.mkdir()
    _, _, contract, _ = account(said(written(LOG, folder, "csv"), "clicked"), tmp_path)
    assert "'Clicked' is not used" in contract.set_index("code")["examples"]["alike_columns"]


def test_columns_of_a_table_of_items_are_compared_too(tmp_path):
    items = LOG[[COLUMNS["item"], COLUMNS["cluster"]]].drop_duplicates(COLUMNS["item"])
    items.columns = ["sku", "dept"]
    items["Dept"] = "one"
    items.to_csv(tmp_path / "items.csv", index=False)
    columns = {role: column for role, column in COLUMNS.items() if role != "cluster"}
    table = {"path": str(tmp_path / "items.csv"), "item": "sku", "cluster": "dept"}
    own = said(written(LOG, tmp_path, "csv"), "clicked", columns=columns, items=table)
    _, _, contract, _ = account(own, tmp_path)
    assert contract.set_index("code")["column"]["alike_columns"] == "dept"


def test_columns_that_are_not_used_are_not_warned_of(tmp_path):
    log = LOG.assign(note=1, Note=2)
    _, _, contract, _ = account(said(written(log, tmp_path, "csv"), "clicked"), tmp_path)
    assert "alike_columns" not in set(contract["code"])
