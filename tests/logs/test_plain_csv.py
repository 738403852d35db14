"""CSV logs of plain numbers take a faster path; all others are read as text, as before."""

import io
from contextlib import contextmanager

import pandas as pd
import pytest
from log_files import COLUMNS, draw_log
from test_logs import account, entry

from netlift.logs import rows as log_rows
from netlift.logs import slates as log_slates
from netlift.logs.plain_csv import NotPlainError, _Watched
from netlift.logs.problems import LogRefusedError


def numbered_log(n_slates=60):
    """Return a log whose ids are whole numbers, as they are in most logs."""
    log, _ = draw_log(3, n_slates)
    log["Impression ID"] = log["Impression ID"].str[1:].astype(int) * 7 + 5
    log["sku"] = pd.factorize(log["sku"])[0] + 10
    log["visitor"] = pd.factorize(log["visitor"])[0] - 3
    log["candidate"] = log["candidate"].astype(int)
    return log


SAID = {
    "outcomes": {"minutes": {"column": "minutes"}, "clicks": {"column": "clicked"}},
    "covariates": {"item": {"relevance": "score"}, "slate": {"user_activity": "visits"}},
    "columns": COLUMNS | {"final_position": "shown"},
}


@pytest.fixture
def ways(monkeypatch):
    """Return a list to which each reading adds the way that it went."""
    seen = []
    plain = log_slates.plain_source

    @contextmanager
    def watched(*arguments):
        try:
            with plain(*arguments) as source:
                yield source
        except NotPlainError:
            seen.append("text")
            raise
        seen.append("plain")

    monkeypatch.setattr(log_slates, "plain_source", watched)
    return seen


def as_text(monkeypatch):
    def refuses(*arguments):
        raise NotPlainError

    monkeypatch.setattr(log_slates, "plain_source", refuses)


@pytest.mark.parametrize("form", ["log.csv", "log.csv.gz", "windows.csv", "part-*.csv"])
def test_both_ways_give_the_same_tables(tmp_path, monkeypatch, ways, form):
    log, said = numbered_log(), dict(SAID)
    log.loc[3, "score"] = None
    if form == "windows.csv":
        text = log.to_csv(index=False, lineterminator="\r\n", quoting=1, sep=";")
        (tmp_path / form).write_bytes(b"\xef\xbb\xbf" + text.encode())
        said["delimiter"] = ";"
    elif "*" in form:
        log[:200].to_csv(tmp_path / "part-1.csv", index=False)
        log[200:][log.columns[::-1]].to_csv(tmp_path / "part-2.csv", index=False)
    else:
        log.to_csv(tmp_path / form, index=False)
    plain = account(entry(tmp_path / form, **said), tmp_path)
    assert ways == ["plain", "plain"]
    assert pd.api.types.is_integer_dtype(plain[0]["slate_id"])
    as_text(monkeypatch)
    text = account(entry(tmp_path / form, **said), tmp_path)
    for one, other in zip(plain, text, strict=True):
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    "odd",
    ["007", '"07"', " 7", "7 ", "\t7", "+7", "7.0", "7.5", "1e2", "0x1F", "-0", "-07", "1_000",
     "seven", str(2**63)],
)  # fmt: skip
def test_what_is_no_plain_number_is_kept_as_text(tmp_path, monkeypatch, ways, odd):
    """It comes after the rows from which types are guessed."""
    monkeypatch.setattr(log_rows, "SAMPLE_ROWS", 100)
    log = numbered_log()
    log["sku"] = log["sku"].astype(str)
    value = odd.strip('"')
    log.loc[300, "sku"] = value
    text = log.to_csv(index=False).replace(f",{value},", f",{odd},")
    (tmp_path / "log.csv").write_text(text)
    _, items, _, _ = account(entry(tmp_path / "log.csv", **SAID), tmp_path)
    assert ways == ["text", "text"]
    assert set(items["item_id"]) == set(log["sku"])


def test_a_quoted_number_is_plain(tmp_path, ways):
    log = numbered_log()
    log.to_csv(tmp_path / "log.csv", index=False, quoting=1)
    account(entry(tmp_path / "log.csv", **SAID), tmp_path)
    assert ways == ["plain", "plain"]


def test_problems_are_named_with_what_was_written(tmp_path, monkeypatch, ways):
    monkeypatch.setattr(log_rows, "SAMPLE_ROWS", 100)
    log = numbered_log().astype({"minutes": object, "candidate": object})
    log.loc[300, "minutes"] = "7 min"
    log.loc[310, "candidate"] = "maybe"
    log.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(LogRefusedError, match="7 min") as refused:
        account(entry(tmp_path / "log.csv", **SAID), tmp_path)
    assert ways == ["text"]
    assert {problem.code for problem in refused.value.problems} >= {"wrong_type", "unknown_flag"}


def test_flags_that_are_other_numbers_are_refused(tmp_path, ways):
    log = numbered_log()
    log.loc[300, "candidate"] = 2
    log.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(LogRefusedError, match=r"unknown_flag[\s\S]*candidate is '2' in slate"):
        account(entry(tmp_path / "log.csv", **SAID), tmp_path)
    assert ways == ["plain"]


HEAD = 'a,"b, ""c"",\n d",e\n0,"x, 04\n05, ""y"", ",10\n'


def read_in_blocks(text, size, columns):
    file = _Watched(io.BytesIO(text.encode()), ",", columns)
    while file.read(size):
        pass


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_odd_numbers_are_seen_across_blocks_in_their_columns_only(size):
    plain = HEAD + "-3,0.5,7\n100,0,0\n"
    read_in_blocks(plain, size, [0, 2])
    for odd in ("04", " 4", "4 ", '"07"', "-04", "0x4"):
        for place in range(3):
            fields = ["3", "3", "3"]
            fields[place] = odd
            text = plain + ",".join(fields) + "\n" + plain
            # The middle column is odd already, within its quotes.
            read_in_blocks(text, size, [column for column in (0, 2) if column != place])
            with pytest.raises(NotPlainError):
                read_in_blocks(text, size, [place])


def test_outcomes_may_be_true_and_false(tmp_path):
    log = numbered_log()
    log.assign(clicked=log["clicked"] == 1).to_csv(tmp_path / "words.csv", index=False)
    log.to_csv(tmp_path / "numbers.csv", index=False)
    words, numbers = (
        account(entry(tmp_path / f"{name}.csv"), tmp_path)[0] for name in ("words", "numbers")
    )
    pd.testing.assert_frame_equal(words, numbers)
