"""Numbers and ids of logs: of any width, written in any way, each read right or refused."""

from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import compared
from log_files import COLUMNS, ENTRY, draw_log
from test_logs import account, entry, parsed

from netlift.effects.ledger import component_effects
from netlift.logs import rows as log_rows
from netlift.logs.problems import LogRefusedError

MINUTES = {"outcomes": {"minutes": {"column": "minutes"}}}
NUMBERS = {
    "outcomes": {
        "minutes": {"column": "minutes", "negative": True},
        "clicks": {"column": "clicked"},
    },
    "covariates": {"item": {"relevance": "score"}},
}


def numbered(seed=3, n_slates=60, **more):
    """Return a log whose ids are small whole numbers."""
    log, _ = draw_log(seed, n_slates, **more)
    log["Impression ID"] = log["Impression ID"].str[1:].astype(int) + 1
    log["sku"] = pd.factorize(log["sku"])[0] + 10
    log["visitor"] = pd.factorize(log["visitor"])[0] + 1
    log["dept, name"] = pd.factorize(log["dept, name"])[0]
    return log


def codes(error):
    return {problem.code for problem in error.value.problems}


def columns_of(error, code):
    return {problem.column for problem in error.value.problems if problem.code == code}


def write(log, folder, kind, types=None):
    """Write a log in a format, with Arrow types of some columns; return its path."""
    if kind == "parquet":
        table = pa.Table.from_pandas(log, preserve_index=False)
        for column, dtype in (types or {}).items():
            values = pa.array(list(log[column]), dtype)
            table = table.set_column(table.column_names.index(column), column, values)
        pq.write_table(table, folder / "log.parquet")
        return folder / "log.parquet"
    if kind == "parts":
        (folder / "parts").mkdir()
        half = len(log) // 2
        log[:half].to_csv(folder / "parts/1.csv", index=False)
        log[half:].to_csv(folder / "parts/2.csv.gz", index=False)
        return folder / "parts"
    path = folder / ("log.csv.gz" if kind == "gzip" else "log.csv")
    log.to_csv(path, index=False)
    return path


def tables(log, folder, kind, types=None, **said):
    folder.mkdir(exist_ok=True)
    return account(entry(write(log, folder, kind, types), **said), folder)


def same_digits(folder, others):
    """Compare accounts and items to the last bit, and the ledger byte for byte."""
    written = []
    for one in (folder, others):
        accounts = pd.read_parquet(one / "out/accounts.parquet")
        items = pd.read_parquet(one / "out/items.parquet")
        ledger = component_effects(compared(accounts)).to_csv()
        written.append((accounts.to_csv(), items.to_csv(), ledger))
    assert written[0] == written[1]


# Sums.


SENTINELS = [-9223372036854775808, -1e15, -3.4e38, -1e300, -1.7e308, -float("inf")]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("sentinel", SENTINELS)
def test_a_row_that_is_set_aside_changes_no_digit(tmp_path, sentinel, kind):
    """Not even of covariates, nor of what a cap at a quantile depends on."""
    log = numbered()
    log["minutes"] *= 1 / 3
    said = NUMBERS | {
        "outcomes": {"minutes": {"column": "minutes", "winsorize": 0.9}},
        "set_aside": ["negative_outcome", "infinite_outcome", "no_focal_item"],
    }
    slate = log["Impression ID"] == 7
    log.loc[log.index[slate][2], ["minutes", "score"]] = sentinel
    log.loc[slate, "candidate"] = False  # set aside for another reason, too
    tables(log, tmp_path / "all", kind, **said)
    tables(log[~slate], tmp_path / "without", kind, **said)
    same_digits(tmp_path / "all", tmp_path / "without")


def test_large_values_that_are_set_aside_do_not_move_the_cap(tmp_path):
    log = numbered()
    said = {
        "outcomes": {"minutes": {"column": "minutes", "winsorize": 0.6}},
        "set_aside": ["no_focal_item"],
    }
    slates = log["Impression ID"] % 3 == 0
    log.loc[slates, "minutes"] = 1e6
    log.loc[slates, "candidate"] = False
    *_, contract, _ = tables(log, tmp_path / "all", "csv", **said)
    tables(log[~slates], tmp_path / "without", "csv", **said)
    same_digits(tmp_path / "all", tmp_path / "without")
    assert "heavy_tail" not in set(contract["code"])


@pytest.mark.parametrize("sentinel", [-9223372036854775808, -1e15, 1e15, -3.4e38, 3.4e38])
def test_a_value_that_drowns_the_others_is_refused(tmp_path, sentinel):
    log = numbered()
    log.loc[[100, 110], ["minutes", "score"]] = [[sentinel, 0.5], [0, sentinel]]
    with pytest.raises(LogRefusedError, match="extreme_value") as refused:
        tables(log, tmp_path, "csv" if sentinel < 0 else "parquet", **NUMBERS)
    found = {problem.column: problem for problem in refused.value.problems}
    assert set(found) == {"minutes", "score"}
    for row, column in ((100, "minutes"), (110, "score")):
        assert (found[column].rows, found[column].slates) == (1, 1)
        assert (
            found[column]
            .examples[0]
            .endswith(f"in slate {log.loc[row, 'Impression ID']}, item {log.loc[row, 'sku']}")
        )


def test_a_large_whole_number_drowns_others_too(tmp_path):
    log = numbered().assign(minutes=lambda log: (log["minutes"] * 10).astype("int64"))
    log.loc[100, "minutes"] = -(2**63)
    with pytest.raises(LogRefusedError, match="extreme_value"):
        tables(log, tmp_path, "parquet", **NUMBERS)


@pytest.mark.parametrize("value", [1e300, -1e300, 1e101])
def test_a_number_without_a_square_is_refused(tmp_path, value):
    log = numbered()
    log.loc[100, "minutes"] = value
    with pytest.raises(LogRefusedError, match="infinite_outcome"):
        tables(log, tmp_path, "csv", **NUMBERS)


def test_counts_that_differ_a_billion_times_are_summed_to_six_digits(tmp_path):
    log = numbered()
    rng = np.random.default_rng(5)
    log["minutes"] = np.round(rng.pareto(0.5, len(log)) * 3, 3)
    log.loc[0, "minutes"] = 3e9
    accounts, *_ = tables(log, tmp_path, "csv", **MINUTES)
    expected = log.groupby("Impression ID")["minutes"].sum().to_numpy()
    np.testing.assert_allclose(accounts["observed_clicks_total"], expected, rtol=1e-6)


# Ids.


ROLES = {
    "Impression ID": "slate_id",
    "visitor": "user_id",
    "sku": "item_id",
    "dept, name": "spillover_cluster",
}
WIDTHS = {
    "unsigned": (2**64 - 1, -1, pa.uint64()),
    "past half of it": (2**63 + 5, -1, pa.uint64()),
    "unsigned, small": (2**40, 1, pa.uint64()),
    "signed": (-(2**63), 1, pa.int64()),
    "decimal": (10**30, -1, pa.decimal128(38, 0)),
    "decimal, small": (12, 1, pa.decimal128(20, 0)),
    "32 bits": (2**32 - 1, -1, pa.uint32()),
}


@pytest.mark.parametrize("width", WIDTHS)
def test_whole_numbers_of_any_width_are_ids_whatever_the_format(tmp_path, width):
    base, sign, dtype = WIDTHS[width]
    log = numbered(n_users=20)
    number = Decimal if "decimal" in width else int
    for column in ROLES:
        log[column] = [number(base + sign * int(value)) for value in log[column]]
    kept = {}
    for kind in ("csv", "parquet"):
        accounts, items, contract, _ = tables(
            log, tmp_path / kind, kind, dict.fromkeys(ROLES, dtype)
        )
        assert "no_cluster" not in set(contract["code"])
        kept[kind] = accounts, items
    for ours, theirs in zip(kept["csv"], kept["parquet"], strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    for column, own in ROLES.items():
        assert set(kept["csv"][1][own].astype(str)) == set(log[column].astype(str))


def test_huge_integers_of_a_database_are_ids(tmp_path):
    log = numbered(n_users=20)
    huge = log.assign(**{role: [str(2**100 + int(value)) for value in log[role]] for role in ROLES})
    huge.to_csv(tmp_path / "log.csv", index=False)
    with duckdb.connect(str(tmp_path / "log.duckdb")) as con:
        con.register("given", log)
        made = ", ".join(f'"{role}" + {2**100}::HUGEINT AS "{role}"' for role in ROLES)
        con.execute(f"CREATE TABLE events AS SELECT * REPLACE ({made}) FROM given")
    said = ENTRY | {"path": str(tmp_path / "log.duckdb"), "table": "events"}
    ours, theirs = account(parsed(said), tmp_path), account(entry(tmp_path / "log.csv"), tmp_path)
    for one, other in zip(ours[:2], theirs[:2], strict=True):
        pd.testing.assert_frame_equal(one, other)


FLOATS = {
    "beyond 2^53": lambda ids: ids + 2.0**53,
    "below -2^53": lambda ids: -ids - 2.0**53,
    "not whole": lambda ids: ids + 0.5,
    "infinite": lambda ids: ids.where(ids < ids.max(), np.inf),
    "32 bits": lambda ids: (ids + 2.0**24).astype("float32"),
}


@pytest.mark.parametrize("kind", FLOATS)
def test_floats_that_are_no_ids_are_refused(tmp_path, kind):
    log = numbered(n_users=20)
    for column in ROLES:
        log[column] = FLOATS[kind](log[column].astype(float))
    with pytest.raises(LogRefusedError) as refused:
        tables(log, tmp_path, "parquet")
    assert columns_of(refused, "float_id") == set(ROLES)


def test_floats_in_one_of_several_files_are_refused(tmp_path):
    log = numbered(n_users=20)
    log["visitor"] += 2**60
    (tmp_path / "log").mkdir()
    half = len(log) // 2
    log[:half].to_parquet(tmp_path / "log/1.parquet")
    log[half:].astype({"visitor": float}).to_parquet(tmp_path / "log/2.parquet")
    with pytest.raises(LogRefusedError, match="float_id"):
        account(entry(tmp_path / "log"), tmp_path)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_small_whole_floats_are_whole_numbers(tmp_path, dtype):
    """What pandas makes of ids that may be missing; missing clusters stay missing."""
    log = numbered(n_users=20)
    log.loc[3, "dept, name"] = np.nan
    roles = ["Impression ID", "visitor", "sku", "dept, name"]
    _, items, contract, _ = tables(log.astype(dict.fromkeys(roles, dtype)), tmp_path, "parquet")
    assert set(items["user_id"]) == set(log["visitor"])
    assert set(items["spillover_cluster"].dropna()) == {"0", "1", "2"}
    assert contract.set_index("code").loc["no_cluster", "rows"] == 1


def test_files_with_whole_numbers_and_small_floats_have_the_same_ids(tmp_path):
    log = numbered(n_users=20)
    (tmp_path / "log").mkdir()
    half = len(log) // 2
    log[:half].to_parquet(tmp_path / "log/1.parquet")
    log[half:].astype({"visitor": float}).to_parquet(tmp_path / "log/2.parquet")
    _, items, _, _ = account(entry(tmp_path / "log"), tmp_path)
    assert set(items["user_id"]) == set(log["visitor"])


@pytest.mark.parametrize(
    "written", ["1.23456789012e+18", "1.2E+17", "1e+18", "1.5823E18", "1582218195625939000.0"]
)
def test_text_that_was_a_float_is_no_id(tmp_path, written):
    log = numbered(n_users=20).astype(dict.fromkeys(ROLES, object))
    log.loc[log["Impression ID"] == 5, list(ROLES)] = written
    with pytest.raises(LogRefusedError) as refused:
        tables(log, tmp_path, "csv")
    assert columns_of(refused, "float_id") == set(ROLES)


def test_text_that_looks_like_a_float_may_be_an_id(tmp_path):
    log = numbered().astype({"sku": object})
    written = ["12e45", "7e10", "12345e67", "1.2.3", "a+b", "3.5", "2e+"]
    log.loc[range(7), "sku"] = written
    _, items, _, _ = tables(log, tmp_path, "csv")
    assert set(written) <= set(items["item_id"])


# Whole-number outcomes.


@pytest.mark.parametrize(
    ("factor", "dtype"),
    [
        (10**7, pa.int64()),
        (10**7, pa.uint64()),
        (10**5, pa.uint32()),
        (10**7, pa.decimal128(38, 0)),
        (10**3, pa.decimal128(20, 3)),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_outcomes_may_be_wide_whole_numbers(tmp_path, factor, dtype, suffix):
    log = numbered()
    log["minutes"] = [int(value * 1000) * factor for value in log["minutes"]]
    types = {"minutes": dtype} if suffix == ".parquet" else {}
    if "decimal" in str(dtype):
        log["minutes"] = log["minutes"].map(Decimal)
    accounts, items, _, _ = tables(log, tmp_path, suffix[1:], types, **MINUTES)
    expected = log["minutes"].astype(float)
    assert list(items["click"]) == list(expected)
    totals = expected.groupby(log["Impression ID"]).sum()
    assert list(accounts["observed_clicks_total"]) == list(totals)


# Texts that mean missing.


MISSING = [r"\N", "NULL", "null", "nan", "NaN", "NA", "N/A", "None", "none", "<NA>", " null "]


@pytest.mark.parametrize("kind", ["csv", "gzip", "parts", "parquet"])
def test_texts_that_may_mean_missing_are_asked_about(tmp_path, kind):
    log, _ = draw_log(3, 60)
    log = log.astype(dict.fromkeys(ROLES, object))
    for number, written in enumerate(MISSING):
        log.loc[log.index[7 * number], list(ROLES)] = written
    with pytest.raises(LogRefusedError, match="text_for_missing") as refused:
        tables(log, tmp_path, kind)
    asked = [p for p in refused.value.problems if p.code == "text_for_missing"]
    assert {problem.column for problem in asked} == set(ROLES)
    for problem in asked:
        assert problem.rows == len(MISSING)
        assert set(problem.examples) == {f"{problem.column} is {t!r} in 1 rows" for t in MISSING}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("numeric", [True, False])
def test_listed_texts_are_missing_clusters(tmp_path, kind, numeric):
    log = numbered() if numeric else draw_log(3, 60)[0]
    log["dept, name"] = log["dept, name"].astype(str)
    log.loc[[3, 40], "dept, name"] = [" na", "NULL"]
    said = {"missing_values": ["NULL", "NA"]}
    _, items, contract, _ = tables(log, tmp_path, kind, **said)
    assert contract.set_index("code").loc["no_cluster", "rows"] == 2
    assert set(items["spillover_cluster"].dropna()) == set(log["dept, name"]) - {" na", "NULL"}


def test_clusters_of_a_table_of_items_are_asked_about_too(tmp_path):
    log, _ = draw_log(3, 60)
    table = log[["sku", "dept, name"]].drop_duplicates("sku").astype(object)
    table.iloc[[3, 7, 9], 1] = ["NULL", " null", "  "]
    table.to_csv(tmp_path / "items.csv", index=False)
    columns = {role: column for role, column in COLUMNS.items() if role != "cluster"}
    items = {"path": str(tmp_path / "items.csv"), "item": "sku", "cluster": "dept, name"}
    said = {"columns": columns, "items": items}
    with pytest.raises(LogRefusedError) as refused:
        tables(log, tmp_path, "csv", **said)
    assert columns_of(refused, "text_for_missing") == {"dept, name"}
    _, _, contract, _ = tables(log, tmp_path, "csv", **said, missing_values=["NULL"])
    missing = log["sku"].isin(table["sku"].iloc[[3, 7, 9]]).sum()
    assert contract.set_index("code").loc["no_cluster", "rows"] == missing


def test_texts_that_are_not_listed_are_names(tmp_path):
    log, _ = draw_log(3, 60)
    log.loc[[3, 40], "dept, name"] = ["NA", "None"]
    _, items, contract, _ = tables(log, tmp_path, "csv", missing_values=[])
    assert {"NA", "None"} <= set(items["spillover_cluster"])
    assert "no_cluster" not in set(contract["code"])


@pytest.mark.parametrize("column", ["Impression ID", "visitor", "sku"])
@pytest.mark.parametrize("written", ["-", "(not set)", "  "])
def test_listed_and_blank_texts_are_missing_ids(tmp_path, column, written):
    log, _ = draw_log(3, 60)
    log = log.astype({column: object})
    log.loc[log["Impression ID"] == "s000007", column] = written
    said = {"missing_values": ["-", "(Not Set)"]}
    with pytest.raises(LogRefusedError) as refused:
        tables(log, tmp_path, "csv", **said)
    assert "missing_value" in codes(refused)
    chosen = ["missing_value", "duplicate_item", "duplicate_position"]
    accounts, *_ = tables(log, tmp_path, "csv", **said, set_aside=chosen)
    assert len(accounts) == 59


def test_numbers_next_to_listed_texts_stay_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(log_rows, "SAMPLE_ROWS", 100)
    log = numbered().astype({"visitor": object})
    log.loc[log["Impression ID"] == 40, "visitor"] = "NULL"
    said = {"missing_values": ["null"], "set_aside": ["missing_value"]}
    accounts, *_ = tables(log, tmp_path, "csv", **said)
    assert accounts["user_id"].dtype == "int64"
    assert len(accounts) == 59


@pytest.mark.parametrize("column", ["minutes", "rank", "candidate", "arm"])
def test_numbers_and_flags_written_so_are_missing(tmp_path, column):
    log, _ = draw_log(3, 60)
    log = log.assign(arm=log["arm"].map({"boost": "yes", "none": "no"})).astype({column: object})
    for number, written in enumerate(MISSING):
        log.loc[log.index[7 * number], column] = written
    said = MINUTES | {"meanings": {"promoted": {"promoted": ["yes"], "control": ["no"]}}}
    with pytest.raises(LogRefusedError) as refused:
        tables(log, tmp_path, "csv", **said)
    assert not codes(refused) & {"wrong_type", "unknown_flag", "infinite_outcome"}
    (problem,) = (p for p in refused.value.problems if p.code == "missing_value")
    assert (problem.column, problem.rows) == (column, len(MISSING))


def test_covariates_written_so_are_missing(tmp_path):
    log, _ = draw_log(3, 60)
    log = log.astype({"score": object})
    log.loc[3, "score"] = "nan"
    *_, contract, _ = tables(log, tmp_path, "csv", **NUMBERS)
    assert "missing_covariate" in set(contract["code"])


def test_effects_of_a_log_with_a_sentinel_are_those_by_hand(tmp_path):
    log, _ = draw_log(9, 200)
    log.loc[40, "minutes"] = -9223372036854775808
    said = MINUTES | {"set_aside": ["negative_outcome"]}
    accounts, *_ = tables(log, tmp_path, "csv", **said)
    used = log[log["Impression ID"] != log.loc[40, "Impression ID"]]
    total = used.groupby("Impression ID")["minutes"].sum()
    arm = used.groupby("Impression ID")["arm"].first()
    effects = component_effects(compared(accounts)).query("estimator == 'difference_in_means'")
    expected = total[arm == "boost"].mean() - total[arm == "none"].mean()
    found = effects.set_index("line").loc["total", "estimate_per_slate"]
    assert abs(found - expected) < 1e-9
    assert COLUMNS["slate"] == "Impression ID"


# Names that differ only in how they are written.


ALIKE = {
    "capitals": ("Drama", "drama"),
    "blanks": ("Drama", " Drama"),
    "no-break space": ("Drama", "Drama\u00a0"),
    "Unicode form": ("Caf\u00e9", "Cafe\u0301"),
    "ending": ("7", "7.0"),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("name", ALIKE)
def test_names_that_are_written_in_two_ways_are_told(tmp_path, name, kind):
    one, other = ALIKE[name]
    log, _ = draw_log(3, 60, n_users=9)
    log.loc[range(0, 360, 10), "dept, name"] = one
    log.loc[range(5, 360, 20), "dept, name"] = other
    log.loc[[0, 13], "sku"] = [one, other]
    log.loc[log["Impression ID"] == "s000007", "visitor"] = "USER 1"
    _, items, contract, _ = tables(log, tmp_path, kind)
    told = contract.query("code == 'alike_names'").set_index("column")
    assert set(told.index) == {"dept, name", "sku", "visitor"}
    assert {one, other} <= set(items["spillover_cluster"])
    assert list(told["rows"].reindex(["dept, name", "sku"])) == [54, 2]
    low, high = sorted((one, other))
    assert told.loc["sku", "examples"] == f"sku is {low!r} and {high!r}"


def test_names_that_differ_are_not_told(tmp_path):
    log, _ = draw_log(3, 60, n_users=9)
    log.loc[[0, 13], "sku"] = ["007", "7"]
    *_, contract, _ = tables(log, tmp_path, "csv")
    assert "alike_names" not in set(contract["code"])


@pytest.mark.parametrize(
    ("column", "code"), [("clicked", "infinite_outcome"), ("visitor", "missing_value")]
)
def test_nan_in_parquet_is_named(column, code, tmp_path):
    """The smallest and largest values in the file leave NaN out."""
    log = numbered().assign(candidate=lambda rows: rows["candidate"].astype(int))
    log[column] = log[column].astype(float)
    log.loc[5, column] = np.nan
    names = [*COLUMNS.values(), "clicked"]
    table = pa.table({name: pa.array(log[name].to_numpy()) for name in names})
    pq.write_table(table, tmp_path / "log.parquet")
    with pytest.raises(LogRefusedError) as error:
        account(entry(tmp_path / "log.parquet"), tmp_path)
    assert codes(error) == {code}
    assert f"column {column}" in str(error.value)
