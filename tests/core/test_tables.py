"""Tables on disk: written completely or not at all, and unchanged when read back."""

import errno
import json
import os
import sys

import numpy as np
import pandas as pd
import pytest

from netlift.core.errors import NetliftError
from netlift.core.tables import (
    neutral,
    original,
    read_json,
    read_table,
    write_json,
    write_table,
    written_whole,
)

ENDINGS = ["csv", "parquet"]


def frame() -> pd.DataFrame:
    return pd.DataFrame({"slate_id": [1, 2, 3], "click": [0.1, np.nan, 0.3], "name": list("abc")})


class Interrupted(Exception):
    """Represents anything that interrupts a write."""


# --- Whole or not at all -------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Interrupted, KeyboardInterrupt])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "table.csv"
    path.write_text("old\n")
    with pytest.raises(error), written_whole(path) as temporary:  # noqa: PT012
        temporary.write_text("half of the ne")
        raise error
    assert path.read_text() == "old\n"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_a_first_write_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(Interrupted), written_whole(tmp_path / "table.csv") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise Interrupted
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path, ending, monkeypatch):
    path = tmp_path / f"table.{ending}"
    write_table(frame(), path)

    def write_half(table: pd.DataFrame, target: os.PathLike, **_: object) -> None:
        with open(target, "w") as file:
            file.write("slate_id,cl")
        raise Interrupted

    monkeypatch.setattr(pd.DataFrame, f"to_{ending}", write_half)
    with pytest.raises(Interrupted):
        write_table(frame() * 2, path)
    assert os.listdir(tmp_path) == [path.name]
    pd.testing.assert_frame_equal(read_table(path), frame())


def test_values_that_json_lacks_are_refused_and_leave_the_old_file(tmp_path):
    path = tmp_path / "values.json"
    write_json({"slates": 3000, "name": "é"}, path)
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            write_json({"slates": value}, path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"slates": 3000, "name": "é"}
    assert os.listdir(tmp_path) == ["values.json"]


def test_until_it_is_whole_a_file_is_not_there(tmp_path):
    path = tmp_path / "made" / "on the way" / "table.parquet"
    with written_whole(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename within one folder cannot be torn
        assert temporary.suffix == ".parquet"
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["table.parquet"]


def test_what_a_killed_process_left_of_a_file_goes_when_it_is_written(tmp_path):
    others = [".effects-abcd.csv", ".effects-abcdefgh.parquet", ".other-abcdefgh.csv"]
    for name in (".effects-abcdefgh.csv", ".effects-x0_y1z2w.csv", *others):
        (tmp_path / name).write_text("half")
    write_table(frame(), tmp_path / "effects.csv")
    assert sorted(os.listdir(tmp_path)) == sorted(["effects.csv", *others])


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("error", [FULL, RuntimeError(f"IO Error: {os.strerror(errno.ENOSPC)}")])
def test_a_full_disk_is_named_with_what_to_do(tmp_path, error):
    path = tmp_path / "table.csv"
    said = r"table\.csv: the disk is full.* Make room and run again"
    with pytest.raises(NetliftError, match=said), written_whole(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert os.listdir(tmp_path) == []


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path):
    missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    with pytest.raises(FileNotFoundError), written_whole(tmp_path / "table.csv"):
        raise missing


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(NetliftError, match=r"results/table\.csv: cannot be written \("):
        write_table(frame(), tmp_path / "results/table.csv")


@pytest.mark.skipif(sys.platform == "win32", reason="rights of Unix files")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_get_the_usual_rights(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_table(frame(), tmp_path / "table.csv")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert (tmp_path / "table.csv").stat().st_mode & 0o777 == 0o666 & ~umask


# --- The same when read back ---------------------------------------------------------------------


def test_csv_numbers_keep_every_digit(tmp_path):
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2**64, 5000, dtype=np.uint64).view(np.float64)
    numbers = np.concatenate(
        [bits[np.isfinite(bits)], [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e22]]
    )
    write_table(pd.DataFrame({"number": numbers}), tmp_path / "table.csv")
    read = read_table(tmp_path / "table.csv")["number"].to_numpy()
    assert np.array_equal(read.view(np.uint64), numbers.view(np.uint64))


def test_csv_keeps_text_counts_truth_and_what_is_missing(tmp_path):
    table = pd.DataFrame(
        {
            "count": [1, 2**53 + 1, -3, 0],
            "estimate": [0.5, np.nan, np.inf, -np.inf],
            "holds": [True, False, True, False],
            "note": ["a, b", None, 'he said "no"\nand left', "naïve – é"],
        }
    )
    write_table(table, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv"), table, check_exact=True)


def test_names_that_look_missing_are_names(tmp_path):
    # A region NA, a cluster None: only an empty field is missing.
    table = pd.DataFrame({"focal_cluster": ["NA", "None", "null", "nan", None, "Drama"]})
    write_table(table, tmp_path / "table.csv")
    read = read_table(tmp_path / "table.csv")["focal_cluster"]
    assert read.isna().tolist() == [False, False, False, False, True, False]
    assert read.dropna().tolist() == table["focal_cluster"].dropna().tolist()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_columns_that_a_table_lacks_are_named(tmp_path, ending):
    path = tmp_path / f"table.{ending}"
    write_table(pd.DataFrame({"se": [1.0]}), path)
    with pytest.raises(NetliftError, match=r"table\.\w+: no column estimate, unit$"):
        read_table(path, ["estimate", "se", "unit"])


def test_parquet_keeps_types_and_categories(tmp_path):
    table = frame().astype({"slate_id": "int8", "name": "category"})
    write_table(table, tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.parquet"), table)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_index_is_no_column_and_the_same_table_gives_the_same_bytes(tmp_path, ending):
    shuffled = frame().iloc[[2, 0, 1]]
    for name in ("one", "other"):
        write_table(shuffled, tmp_path / f"{name}.{ending}")
    assert read_table(tmp_path / f"one.{ending}")["slate_id"].tolist() == [3, 1, 2]
    assert list(read_table(tmp_path / f"one.{ending}")) == list(frame())
    assert read_table(tmp_path / f"one.{ending}").index.tolist() == [0, 1, 2]
    contents = [(tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "other")]
    assert contents[0] == contents[1]


def test_csv_lines_end_the_same_on_every_system(tmp_path):
    write_table(frame(), tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == (
        b"slate_id,click,name\n1,0.1,a\n2,,b\n3,0.3,c\n"
    )


# --- Reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_columns_come_in_the_order_asked_for(tmp_path, ending):
    write_table(frame(), tmp_path / f"table.{ending}")
    read = read_table(tmp_path / f"table.{ending}", ["name", "slate_id"])
    pd.testing.assert_frame_equal(read, frame()[["name", "slate_id"]])


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_column_that_is_not_there_is_named_with_its_file(tmp_path, ending):
    write_table(frame(), tmp_path / f"table.{ending}")
    with pytest.raises(NetliftError, match=rf"table\.{ending}: .*relevance"):
        read_table(tmp_path / f"table.{ending}", ["slate_id", "relevance"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.parquet", None),
        ("text.parquet", b"slate_id,click\n"),
        ("empty.parquet", b""),
        ("empty.csv", b""),
        ("ragged.csv", b"a,b\n1,2\n1,2,3,4\n"),
        ("cut.csv", b"a,b\n1,2\n1,"),
        ("cut-in-a-number.csv", b"a,b\n1,2\n1,0.12"),
        ("latin1.csv", b"a\n\xe9\xff\n"),
    ],
)
def test_a_damaged_file_is_named_and_how_to_mend_it_is_said(tmp_path, name, content):
    path = tmp_path / name
    if content is None:
        write_table(frame(), path)
        content = path.read_bytes()[:-20]
    path.write_bytes(content)
    with pytest.raises(NetliftError, match=rf"(?s){name}: cannot be read as a .* Delete the file"):
        read_table(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_is_not_there_is_said_to_be_not_there(tmp_path, ending):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / f"table.{ending}")


def test_a_flipped_bit_in_a_page_of_parquet_is_found(tmp_path):
    path, rng = tmp_path / "table.parquet", np.random.default_rng(1)
    write_table(pd.DataFrame({"estimate": rng.normal(size=5000)}), path)
    whole = path.read_bytes()
    for place in range(200, 35000, 3000):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(NetliftError, match="cannot be read as a parquet table"):
            read_table(path)


@pytest.mark.parametrize("content", [b"", b'{"estimate": 0.', b"\xff"])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / "verdict.json").write_bytes(content)
    with pytest.raises(NetliftError, match=r"verdict\.json: cannot be read as JSON.* Delete the"):
        read_json(tmp_path / "verdict.json")


# --- Spreadsheets --------------------------------------------------------------------------------

FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "-- a title --",
    "+",
]
TEXTS = [*FORMULAS, "'=1", "''-x", "'", "'Til There Was You (1997)", "a=b", "1-2", "", " =1", "é"]


@pytest.mark.parametrize("text", TEXTS)
def test_cells_are_read_as_they_were(text):
    assert original(neutral(text)) == text


@pytest.mark.parametrize("text", FORMULAS)
def test_no_spreadsheet_runs_a_cell(text):
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+5", "-0.5", "-1e-05", "+.5", "-5."])
def test_numbers_stay_numbers(text):
    assert neutral(text) == text


@pytest.mark.parametrize("kind", ["str", "object", "category"])
def test_text_that_looks_like_a_formula_is_neutral_in_csv_and_read_back(tmp_path, kind):
    path = tmp_path / "table.csv"
    texts = [text for text in TEXTS if text]
    table = pd.DataFrame({"title": pd.Series(texts, dtype=kind), "value": -np.arange(len(texts))})
    table = pd.concat([table, pd.DataFrame({"title": [None], "value": [-0.5]})])
    write_table(table, path)
    cells = pd.read_csv(path)
    assert not any(cell[0] in "=+-@\t\r\n＝" for cell in cells["title"].dropna())
    assert cells["value"].to_list() == table["value"].to_list()
    read = read_table(path)
    assert read["title"].to_list()[:-1] == texts
    assert read["title"].isna().to_list()[-1]


def test_parquet_keeps_text_as_it_is(tmp_path):
    path = tmp_path / "table.parquet"
    write_table(pd.DataFrame({"title": FORMULAS}), path)
    assert pd.read_parquet(path)["title"].to_list() == FORMULAS


def test_mixed_columns_keep_their_numbers(tmp_path):
    path = tmp_path / "table.csv"
    write_table(pd.DataFrame({"value": [-1, "=1", None, -0.5]}, dtype=object), path)
    assert path.read_text() == 'value\n-1\n\'=1\n""\n-0.5\n'
