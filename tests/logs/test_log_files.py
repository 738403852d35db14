"""Files of logs: every row of every file is read, or the log is refused with file and line."""

import gzip
import subprocess
import sys
import zlib
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from log_files import COLUMNS, ENTRY, draw_log

from netlift.core.errors import NetliftError
from netlift.logs import csv_scan
from netlift.logs.csv_scan import scan
from netlift.logs.entries import LogEntry
from netlift.logs.reading import account_log
from netlift.workflow.schema import completed, read_schema

SCHEMA = read_schema("logs")
WITHOUT_CLUSTER = {role: column for role, column in COLUMNS.items() if role != "cluster"}


def account(folder, path, **changes):
    """Account a log; return its accounts and its number of rows."""
    outputs = {name: str(folder / f"out/{name}.csv") for name in ("contract", "row_counts")}
    outputs["accounts"] = str(folder / "out/accounts.parquet")
    paths = [str(one) for one in path] if isinstance(path, list) else str(path)
    entry = completed({**ENTRY, "path": paths, **changes}, SCHEMA)
    account_log(LogEntry.from_config(entry), outputs, threads=2)
    rows = pd.read_csv(outputs["row_counts"]).set_index("what").loc["in the log", "rows"]
    return pd.read_parquet(outputs["accounts"]), rows


@pytest.fixture(scope="module")
def log():
    return draw_log(31, 120, n_users=40)[0]


@pytest.fixture(scope="module")
def plain(log):
    """The log as CSV whose fields need no quotes, apart from one column."""
    return log.to_csv(index=False).encode()


@pytest.fixture(scope="module")
def expected(log, tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    log.to_parquet(folder / "log.parquet")
    return account(folder, folder / "log.parquet")[0]


def is_read(folder, path, expected, n_rows, **changes):
    accounts, rows = account(folder, path, **changes)
    assert rows == n_rows
    pd.testing.assert_frame_equal(accounts, expected, check_dtype=False)


def parts(log, n):
    """Return the log in n parts of nearly as many rows."""
    edges = np.linspace(0, len(log), n + 1).astype(int)
    return [log[start:end] for start, end in pairwise(edges)]


def lines_of(content):
    return content.splitlines(keepends=True)


def half_crlf(content):
    lines = lines_of(content)
    return b"".join(
        line.replace(b"\n", b"\r\n") if index % 3 == 1 else line for index, line in enumerate(lines)
    )


def with_blank_lines(content):
    lines = lines_of(content)
    return b"".join([*lines[:7], b"\n", *lines[7:50], b"\n\n\n", *lines[50:], b"\n\n"])


def trailing_in_rows(content):
    first, *rest = lines_of(content)
    return first + b"".join(line.replace(b"\n", b",\n") for line in rest)


def flushed(content):
    """Return a gzip stream as a process writes it that flushes, and is killed."""
    stream = zlib.compressobj(wbits=31)
    return stream.compress(content) + stream.flush(zlib.Z_SYNC_FLUSH)


def zstd(content):
    return pa.compress(content, codec="zstd", asbytes=True)


READ = {
    "as it is": ("log.csv", lambda content: content),
    "no line end at the end": ("log.csv", lambda content: content.removesuffix(b"\n")),
    "CRLF": ("log.csv", lambda content: content.replace(b"\n", b"\r\n")),
    "CRLF, none at the end": (
        "log.csv",
        lambda content: content.replace(b"\n", b"\r\n").removesuffix(b"\r\n"),
    ),
    "CRLF, cut in the last one": (
        "log.csv",
        lambda content: content.replace(b"\n", b"\r\n").removesuffix(b"\n"),
    ),
    "LF and CRLF mixed": ("log.csv", half_crlf),
    "only CR": ("log.csv", lambda content: content.replace(b"\n", b"\r")),
    "only CR, none at the end": ("x.csv", lambda content: content.replace(b"\n", b"\r")[:-1]),
    "blank lines": ("log.csv", with_blank_lines),
    "blank lines, CRLF": (
        "log.csv",
        lambda content: with_blank_lines(content).replace(b"\n", b"\r\n"),
    ),
    "comma after each row": ("log.csv", trailing_in_rows),
    "comma after each line": ("log.csv", lambda content: content.replace(b"\n", b",\n")),
    "byte order mark": ("log.csv", lambda content: b"\xef\xbb\xbf" + content),
    "UTF-16": ("log.csv", lambda content: content.decode().encode("utf-16")),
    "UTF-16, big end": (
        "log.csv",
        lambda content: b"\xfe\xff" + content.decode().encode("utf-16-be"),
    ),
    "UTF-16, zipped": ("l.csv.gz", lambda text: gzip.compress(text.decode().encode("utf-16"))),
    "gzip": ("log.csv.gz", gzip.compress),
    "gzip in capitals": ("LOG.CSV.GZ", gzip.compress),
    "gzip by another name": ("log.csv", gzip.compress),
    "text named gzip": ("log.csv.gz", lambda content: content),
    "gzip in two members": (
        "log.csv.gz",
        lambda content: gzip.compress(content[:1000]) + gzip.compress(content[1000:]),
    ),
    "mixed line ends in gzip": ("log.csv.gz", lambda content: gzip.compress(half_crlf(content))),
    "zstd": ("log.csv.zst", zstd),
}


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("block", [7, 1 << 17])
def test_odd_but_clear_files_are_read_whole(
    kind, block, log, plain, expected, tmp_path, monkeypatch
):
    """Also with blocks of a few bytes, so that whatever is odd lies between two of them."""
    monkeypatch.setattr(csv_scan, "BLOCK", block)
    file, change = READ[kind]
    (tmp_path / file).write_bytes(change(plain))
    is_read(tmp_path, tmp_path / file, expected, len(log))


@pytest.mark.parametrize("kind", ["LF", "CRLF", "mixed"])
def test_line_ends_in_quotes_are_kept(kind, log, tmp_path):
    log = log.assign(
        sku=[f'{sku}\r\n"x", {n}' if n % 5 else f"{sku}\n" for n, sku in enumerate(log["sku"])]
    )
    ends = {"LF": "\n", "CRLF": "\r\n", "mixed": "\n"}
    content = log.to_csv(index=False, lineterminator=ends[kind], quoting=1).encode()
    if kind == "mixed":
        content = content.replace(b'"\n"', b'"\r\n"', 9)
    (tmp_path / "log.csv").write_bytes(content)
    log.to_parquet(tmp_path / "log.parquet")
    expected, _ = account(tmp_path, tmp_path / "log.parquet")
    is_read(tmp_path, tmp_path / "log.csv", expected, len(log))
    from netlift.logs.reading import map_log

    entry = LogEntry.from_config(completed({**ENTRY, "path": str(tmp_path / "log.csv")}, SCHEMA))
    map_log(entry, str(tmp_path / "out/accounts.parquet"), str(tmp_path / "items.parquet"))
    assert set(pd.read_parquet(tmp_path / "items.parquet")["item_id"]) == set(log["sku"])


def test_quotes_may_be_text_where_no_field_begins_with_one(log, tmp_path):
    log = log.assign(**{"dept, name": "TV"}).rename(columns={"dept, name": "dept"})
    log["sku"] = [f'{sku} 5" screen' if n % 3 else f'{sku}"' for n, sku in enumerate(log["sku"])]
    log.to_csv(tmp_path / "log.csv", index=False, quoting=3, quotechar="'")
    log.to_parquet(tmp_path / "log.parquet")
    columns = {"columns": COLUMNS | {"cluster": "dept"}}
    expected, _ = account(tmp_path, tmp_path / "log.parquet", **columns)
    is_read(tmp_path, tmp_path / "log.csv", expected, len(log), **columns)


def line(content, number, change):
    """Return the content with one line changed; lines are counted from 1."""
    lines = lines_of(content)
    lines[number - 1] = change(lines[number - 1])
    return b"".join(lines)


REFUSED = {
    "open quote": (
        lambda content: line(content, 40, lambda row: row.replace(b"sku-", b'"sku-')),
        r"log\.csv, line 40: a quote opens that",
    ),
    "open quote, last line": (
        lambda content: line(content, 721, lambda row: row.replace(b"sku-", b'"sku-')),
        r"log\.csv, line 721: a quote opens that",
    ),
    "cut in a quoted field": (
        lambda content: content[: content.rindex(b'"')],
        r"log\.csv, line 721: a quote opens that nothing closes",
    ),
    "quote that closes too late": (
        lambda content: line(
            line(content, 40, lambda row: row.replace(b"sku-", b'"sku-')),
            42,
            lambda row: row.replace(b",s0", b'",s0'),
        ),
        r"log\.csv, line 40: a quote",
    ),
    "first quote lost": (
        lambda content: line(content, 40, lambda row: row.replace(b'"', b"", 1)),
        r"log\.csv, line 40",
    ),
    "second quote lost": (
        lambda content: line(content, 40, lambda row: row[::-1].replace(b'"', b"", 1)[::-1]),
        r"log\.csv, line 40",
    ),
    "text after a quote": (
        lambda content: line(content, 40, lambda row: row.replace(b'",', b'"x,')),
        r"log\.csv, line 40: a quote opens",
    ),
    "space before a quote": (
        lambda content: line(content, 40, lambda row: row.replace(b',"', b', "')),
        r"log\.csv, line 40",
    ),
    "too few fields": (
        lambda content: line(content, 40, lambda row: row.rsplit(b",", 2)[0] + b"\n"),
        r"log\.csv, line 40: 10 fields, but the header has 12",
    ),
    "too many fields": (
        lambda content: line(content, 40, lambda row: b"0," + row),
        r"log\.csv, line 40: 13 fields, but the header has 12",
    ),
    "comma after one row": (
        lambda content: line(content, 40, lambda row: row.replace(b"\n", b",\n")),
        r"log\.csv, line 40: 13 fields",
    ),
    "one row cut, at the end": (
        lambda content: content[: content.rstrip().rindex(b",")],
        r"log\.csv, line 721: 11 fields",
    ),
    "spaces as a line": (
        lambda content: line(content, 40, lambda row: b"   \n" + row),
        r"log\.csv, line 40: 1 fields",
    ),
    "CR inside a row": (
        lambda content: line(content, 40, lambda row: row.replace(b",s0", b"\r,s0")),
        r"log\.csv, line 40: a carriage return",
    ),
    "NUL": (
        lambda content: line(content, 40, lambda row: row.replace(b"sku", b"s\0u")),
        r"log\.csv, line 40: contains a NUL byte",
    ),
    "NULs at the end": (
        lambda content: content + bytes(100),
        r"log\.csv, line 722: contains a NUL byte",
    ),
    "Latin-1": (
        lambda content: line(content, 40, lambda row: row.replace(b"sku", b"s\xfcu")),
        r"log\.csv, line 40: is not UTF-8",
    ),
    "UTF-16 without a mark": (
        lambda content: content.decode().encode("utf-16-le"),
        r"log\.csv, line 1: looks like UTF-16",
    ),
    "UTF-16, half a character": (
        lambda content: content.decode().encode("utf-16")[:-1],
        r"log\.csv: is not complete UTF-16",
    ),
    "blank first line": (lambda content: b"\n" + content, r"log\.csv, line 1: is blank"),
    "only blank lines": (lambda content: b"\n\n", r"log\.csv, line 1: is blank"),
    "no byte": (lambda content: b"", r"empty_log[\s\S]*log\.csv is empty \(0 bytes"),
    "a zip": (lambda content: b"PK\x03\x04" + content, r"log\.csv: is a zip file"),
    "Parquet": (lambda content: b"PAR1" + content, r"log\.csv: is Parquet"),
    "gzip cut": (
        lambda content: gzip.compress(content)[:-9],
        r"log\.csv: cannot be read to its end as gzip",
    ),
    "gzip cut at a flush": (flushed, r"log\.csv: cannot be read to its end as gzip"),
    "gzip cut in its second member": (
        lambda content: gzip.compress(content) + flushed(content),
        r"log\.csv: cannot be read to its end as gzip",
    ),
    "gzip, wrong checksum": (
        lambda content: gzip.compress(content)[:-8] + b"1234" + gzip.compress(content)[-4:],
        r"log\.csv: cannot be read to its end as gzip",
    ),
    "gzip, more after it": (
        lambda content: gzip.compress(content) + b"and more",
        r"log\.csv: cannot be read to its end as gzip",
    ),
    "gzip of nothing": (lambda content: gzip.compress(b""), r"empty_log[\s\S]*log\.csv has no row"),
    "zstd cut": (
        lambda content: zstd(content)[:-5],
        r"log\.csv: cannot be read to its end as zstd",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("block", [61, 1 << 17])
def test_what_cannot_be_read_in_one_way_is_refused(kind, block, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_scan, "BLOCK", block)
    change, message = REFUSED[kind]
    (tmp_path / "log.csv").write_bytes(change(plain))
    with pytest.raises(NetliftError, match=message):
        account(tmp_path, tmp_path / "log.csv")


def test_an_open_quote_in_one_of_many_files_loses_no_row(log, tmp_path):
    """DuckDB 2.0 reads 12 such files without a word, and without some of their rows."""
    for part, rows in enumerate(parts(log, 12)):
        text = rows.rename(columns={"dept, name": "dept"}).assign(dept="d").to_csv(index=False)
        if part == 5:
            text = line(text.encode(), 17, lambda row: row.replace(b",d,", b',"d,')).decode()
        (tmp_path / f"part-{part:02d}.csv").write_text(text)
    columns = {"columns": COLUMNS | {"cluster": "dept"}}
    with pytest.raises(NetliftError, match=r"part-05\.csv, line 17: a quote opens"):
        account(tmp_path, tmp_path / "part-*.csv", **columns)


def test_rows_that_duckdb_did_not_read_are_told_by_file(log, tmp_path, monkeypatch):
    from netlift.logs import csv_source

    for part, rows in enumerate(parts(log, 3)):
        rows.to_csv(tmp_path / f"{part}.csv", index=False)

    def one_more(path, delimiter):
        file = scan(path, delimiter)
        return csv_scan.CsvFile(file.path, file.header, file.rows + path.endswith("1.csv"))

    monkeypatch.setattr(csv_source, "scan", one_more)
    with pytest.raises(
        NetliftError, match=r"/1\.csv: has 241 rows, of which 240 were read"
    ) as said:
        account(tmp_path, tmp_path / "*.csv")
    assert "/0.csv" not in str(said.value)


def test_files_of_all_kinds_make_one_log(log, expected, tmp_path):
    """Other orders of columns, line ends, compressions, capitals, and files without rows."""
    (tmp_path / "log/day=1").mkdir(parents=True)
    five = parts(log, 5)
    five[0].to_csv(tmp_path / "log/a.csv", index=False)
    five[1][five[1].columns[::-1]].to_csv(tmp_path / "log/b.csv", index=False)
    five[2].to_csv(tmp_path / "log/day=1/c.CSV.GZ", index=False, compression="gzip")
    five[3].to_csv(tmp_path / "log/d.csv", index=False, lineterminator="\r\n")
    (tmp_path / "log/e.csv").write_bytes(half_crlf(five[4].to_csv(index=False).encode()))
    for empty in ("f", "g"):
        log[:0].to_csv(tmp_path / f"log/{empty}.csv", index=False)
    is_read(tmp_path, tmp_path / "log", expected, len(log))


def test_damaged_files_are_told_together(log, tmp_path):
    for part, rows in enumerate(parts(log, 14)):
        rows.to_csv(tmp_path / f"{part:02d}.csv", index=False)
        if part not in (3, 7):
            with (tmp_path / f"{part:02d}.csv").open("a") as file:
                file.write("one, two\n")
    with pytest.raises(NetliftError, match=r"/00\.csv, line[\s\S]*/01\.csv[\s\S]*and 2 more files"):
        account(tmp_path, tmp_path / "*.csv")


def test_a_file_that_lacks_a_column_is_told(log, tmp_path):
    half = len(log) // 2
    for kind in ("csv", "parquet"):
        write = (lambda rows, path: rows.to_csv(path, index=False)) if kind == "csv" else (
            lambda rows, path: rows.to_parquet(path)
        )  # fmt: skip
        write(log[:half], tmp_path / f"a.{kind}")
        write(log[half:].drop(columns="dept, name"), tmp_path / f"b.{kind}")
        match = rf"missing_column \(column dept, name\)[\s\S]*/b\.{kind}\)"
        with pytest.raises(NetliftError, match=match):
            account(tmp_path, tmp_path / f"*.{kind}")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_same_rows_in_two_files_are_refused(kind, log, expected, tmp_path):
    import shutil

    getattr(log, f"to_{kind}")(tmp_path / f"a.{kind}", index=False)
    shutil.copy(tmp_path / f"a.{kind}", tmp_path / f"b.{kind}")
    with pytest.raises(NetliftError, match=rf"duplicate_file[\s\S]*720 rows[\s\S]*b\.{kind} has"):
        account(tmp_path, tmp_path / f"*.{kind}")
    # One file by several paths is one file.
    (tmp_path / f"c.{kind}").symlink_to(tmp_path / f"a.{kind}")
    paths = [tmp_path / f"a.{kind}", tmp_path / f"./c.{kind}", tmp_path / f"[a].{kind}"]
    is_read(tmp_path, paths, expected, len(log))


ODD_NAMES = [
    "a[1].csv", "b*.csv", "c?.csv", "d{1,2}.csv", "e<x>.csv", "f\\[1].csv", "g[.csv", "h].csv",
    "it's.csv", "é ü.csv", "j%20.csv", "k$HOME.csv", "l#.csv", "~m.csv", "n;.csv", '"o".csv', "**",
]  # fmt: skip


@pytest.mark.parametrize(
    ("odd", "kind"),
    [(odd, "csv") for odd in ODD_NAMES]
    + [(odd, kind) for odd in ODD_NAMES[:7] for kind in ("parquet", "duckdb")]
    + [(f"{odd}/log.csv", "csv") for odd in ODD_NAMES[:7]],
)
def test_a_path_that_exists_is_this_file_and_no_other(odd, kind, log, expected, tmp_path):
    file = tmp_path / odd.replace(".csv", f".{kind}")
    file.parent.mkdir(exist_ok=True)
    for other in ("a1", "bx", "cx", "d1", "f1", "g", "[1]", "1", "x"):
        (tmp_path / f"{other}.{kind}").write_text("nothing,that\nis,read\n")
    changes = {"format": kind}
    if kind == "csv":
        log.to_csv(file, index=False)
    elif kind == "parquet":
        log.to_parquet(file)
    else:
        import duckdb

        with duckdb.connect(str(tmp_path / "plain.duckdb")) as con:
            con.register("given", log)
            con.execute("CREATE TABLE events AS SELECT * FROM given")
        (tmp_path / "plain.duckdb").rename(file)
        changes["table"] = "events"
    is_read(tmp_path, file, expected, len(log), **changes)


def test_a_database_below_a_backslash_is_this_one_with_its_log_of_writes(log, expected, tmp_path):
    """DuckDB takes a backslash for a slash: it must find neither another file nor half of this."""
    folder, other = tmp_path / "a\\b", tmp_path / "a/b"
    for path, rows in ((other, log[:60]), (folder, log)):
        path.mkdir(parents=True)
        rows.to_parquet(tmp_path / "rows.parquet")
        # A process that ends without closing leaves rows in events.duckdb.wal.
        code = (
            "import duckdb, os, sys; con = duckdb.connect('events.duckdb'); "
            "con.execute('CREATE TABLE events AS SELECT * FROM ' + repr(sys.argv[1])); "
            "con.execute('CHECKPOINT'); con.execute(\"SET wal_autocheckpoint = '1TB'\"); "
            "con.execute('CREATE TABLE later AS SELECT * FROM events'); os._exit(0)"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "rows.parquet")]
        subprocess.run(command, cwd=tmp_path, check=True)
        for file in tmp_path.glob("events.duckdb*"):
            file.rename(path / file.name)
    for table in ("events", "later"):
        is_read(tmp_path, folder / "events.duckdb", expected, len(log), table=table)


def test_hidden_files_do_not_count_in_folders_and_globs(log, expected, tmp_path):
    folder = tmp_path / "_mine/.log"
    folder.mkdir(parents=True)
    log.to_csv(folder / "part.csv", index=False)
    for hidden in ("_SUCCESS", ".part.csv.crc", "_old.csv"):
        (folder / hidden).write_bytes(b"")
    is_read(tmp_path, folder, expected, len(log))
    is_read(tmp_path, folder / "*", expected, len(log))
    is_read(tmp_path, folder / "**/*.csv", expected, len(log))
    with pytest.raises(NetliftError, match="no_file"):
        account(tmp_path, folder / "*.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NetliftError, match=r"no_file: there is no .*empty"):
        account(tmp_path, tmp_path / "empty")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_does_not_replace_a_column(kind, log, expected, tmp_path):
    """``dept, name=prod`` is in the path, but the file has the column; only ``arm`` is missing."""
    for arm, rows in log.groupby("arm"):
        file = tmp_path / f"log/dept, name=prod/arm={arm}/rank=7/rows.{kind}"
        file.parent.mkdir(parents=True)
        rows = rows.drop(columns="arm")
        rows.to_csv(file, index=False) if kind == "csv" else rows.to_parquet(file)
    is_read(tmp_path, tmp_path / "log", expected, len(log))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_gives_the_column_only_of_files_without_it(kind, log, expected, tmp_path):
    write = (lambda rows, path: rows.to_csv(path, index=False)) if kind == "csv" else (
        lambda rows, path: rows.to_parquet(path)
    )  # fmt: skip
    for arm, rows in log.groupby("arm"):
        (tmp_path / f"log/arm={arm}").mkdir(parents=True)
        # With the wrong folder above it, the file's own column counts.
        (tmp_path / "log/arm=wrong").mkdir(exist_ok=True)
        write(rows[:60], tmp_path / f"log/arm=wrong/{arm}.{kind}")
        write(rows[60:].drop(columns="arm"), tmp_path / f"log/arm={arm}/rows.{kind}")
    is_read(tmp_path, tmp_path / "log", expected, len(log))


def test_values_of_folders_are_decoded_and_may_be_missing(log, tmp_path):
    log = log.assign(**{"dept, name": [f"a/{n % 3} %" if n % 4 else None for n in range(len(log))]})
    log.to_parquet(tmp_path / "log.parquet")
    expected, _ = account(tmp_path, tmp_path / "log.parquet")
    groups = log.fillna({"dept, name": "none"}).groupby("dept, name")
    for number, (dept, rows) in enumerate(groups):
        written = dept.replace("%", "%25").replace("/", "%2F").replace(" ", "%20")
        written = "__HIVE_DEFAULT_PARTITION__" if dept == "none" else written
        folder = tmp_path / f"log/dept, name={written}"
        folder.mkdir(parents=True)
        rows.drop(columns="dept, name").to_parquet(folder / f"{number}.parquet")
    is_read(tmp_path, tmp_path / "log", expected, len(log))


def test_names_that_differ_in_capitals_only_are_refused_in_parquet(log, expected, tmp_path):
    log.assign(CLICKED=0).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(NetliftError, match=r"duplicate_column[\s\S]*in any capitals"):
        account(tmp_path, tmp_path / "log.parquet")
    log.assign(CLICKED=0).to_csv(tmp_path / "log.csv", index=False)
    is_read(tmp_path, tmp_path / "log.csv", expected, len(log))


def items_table(log, folder, content, **changes):
    """Account the log with its clusters from a table of items."""
    log.to_csv(folder / "log.csv", index=False)
    content.to_csv(folder / "items.csv", index=False, sep=changes.pop("sep", ","))
    items = {"path": str(folder / "items.csv"), "item": "sku", "cluster": "dept, name"}
    items |= changes.pop("items", {})
    return account(folder, folder / "log.csv", columns=WITHOUT_CLUSTER, items=items, **changes)


@pytest.fixture(scope="module")
def table(log):
    return log[["sku", "dept, name"]].drop_duplicates("sku")


def test_the_table_of_items_has_the_delimiter_of_the_log_or_its_own(log, table, expected, tmp_path):
    accounts, _ = items_table(log, tmp_path, table, sep=";", items={"delimiter": ";"})
    pd.testing.assert_frame_equal(accounts, expected, check_dtype=False)
    with pytest.raises(NetliftError, match=r"items\.csv[\s\S]*is the delimiter correct"):
        items_table(log, tmp_path, table, sep=";")
    log.to_csv(tmp_path / "semicolons.csv", index=False, sep=";")
    items = {"path": str(tmp_path / "items.csv"), "item": "sku", "cluster": "dept, name"}
    said = {"columns": WITHOUT_CLUSTER, "items": items, "delimiter": ";"}
    is_read(tmp_path, tmp_path / "semicolons.csv", expected, len(log), **said)


@pytest.mark.parametrize("kind", ["PARQUET", "CSV.GZ", "tsv"])
def test_the_table_of_items_may_have_any_form(kind, log, table, expected, tmp_path):
    path = tmp_path / f"items [{kind}].{kind}"
    if kind == "PARQUET":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t", compression="gzip" if "GZ" in kind else None)
    items = {"path": str(path), "delimiter": "\t"}
    accounts, _ = items_table(log, tmp_path, table, items=items)
    pd.testing.assert_frame_equal(accounts, expected, check_dtype=False)


def test_a_table_of_other_items_is_refused_with_the_cause(log, table, tmp_path):
    numbers = {sku: index for index, sku in enumerate(table["sku"])}
    log = log.assign(sku=log["sku"].map(numbers))
    table = table.assign(sku=np.arange(len(table)))
    for sku, message in {
        "floats": (table["sku"].astype(float), "numbers with a decimal point"),
        "zeros": (table["sku"].map("{:08d}".format), "zeros before them"),
        "others": (table["sku"] + 10**7, "items in it: '10000000'"),
    }.values():
        other = table.assign(sku=sku)
        with pytest.raises(NetliftError, match=f"no_item_matches[\\s\\S]*{message}") as refused:
            items_table(log, tmp_path, other, accept=["few_items_match"])
        assert f"of {len(table):,} items in the log, 0 are in" in str(refused.value)


def test_a_table_of_few_of_the_items_is_refused_or_accepted(log, table, tmp_path):
    few = table[: len(table) // 3]
    with pytest.raises(NetliftError, match="few_items_match") as refused:
        items_table(log, tmp_path, few)
    assert f"of {len(table):,} items in the log, {len(few):,} are in" in str(refused.value)
    items_table(log, tmp_path, few, accept=["few_items_match"])
    contract = pd.read_csv(tmp_path / "out/contract.csv").set_index("code")
    assert contract.loc["few_items_match", "severity"] == "accepted"
    items_table(log, tmp_path, table[: len(table) // 2 + 1])
    assert "few_items_match" not in set(pd.read_csv(tmp_path / "out/contract.csv")["code"])
