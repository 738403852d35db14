"""Values of CSV logs: numbers where all are written as numbers are, text otherwise."""

import pandas as pd
import pytest
from log_files import COLUMNS, draw_log
from test_logs import account, entry

from netlift.logs import rows as log_rows
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


@pytest.mark.parametrize(
    "odd",
    ["007", '"07"', " 7", "7 ", "\t7", "+7", "7.0", "7.5", "1e2", "0x1F", "-0", "-07", "1_000",
     "seven", str(2**63)],
)  # fmt: skip
def test_ids_are_kept_as_they_are_written(tmp_path, monkeypatch, odd):
    """It comes after the rows from which types are guessed."""
    monkeypatch.setattr(log_rows, "SAMPLE_ROWS", 100)
    log = numbered_log()
    log["sku"] = log["sku"].astype(str)
    value = odd.strip('"')
    log.loc[300, "sku"] = value
    text = log.to_csv(index=False).replace(f",{value},", f",{odd},")
    (tmp_path / "log.csv").write_text(text)
    _, items, _, _ = account(entry(tmp_path / "log.csv", **SAID), tmp_path)
    assert set(items["item_id"]) == set(log["sku"])


def test_problems_are_named_with_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(log_rows, "SAMPLE_ROWS", 100)
    log = numbered_log().astype({"minutes": object, "candidate": object})
    log.loc[300, "minutes"] = "7 min"
    log.loc[310, "candidate"] = "maybe"
    log.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(LogRefusedError, match="7 min") as refused:
        account(entry(tmp_path / "log.csv", **SAID), tmp_path)
    assert {problem.code for problem in refused.value.problems} >= {"wrong_type", "unknown_flag"}


def test_flags_that_are_other_numbers_are_refused(tmp_path):
    log = numbered_log()
    log.loc[300, "candidate"] = 2
    log.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(LogRefusedError, match=r"unknown_flag[\s\S]*candidate is '2' in slate"):
        account(entry(tmp_path / "log.csv", **SAID), tmp_path)


def test_outcomes_may_be_true_and_false(tmp_path):
    log = numbered_log()
    log.assign(clicked=log["clicked"] == 1).to_csv(tmp_path / "words.csv", index=False)
    log.to_csv(tmp_path / "numbers.csv", index=False)
    words, numbers = (
        account(entry(tmp_path / f"{name}.csv"), tmp_path)[0] for name in ("words", "numbers")
    )
    pd.testing.assert_frame_equal(words, numbers)
