"""Every changed file is detected, whatever the change."""

import pytest

from netlift.core.errors import NetliftError
from netlift.workflow.checksums import check_files, note_checksums


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("estimate\n0.1\n0.2\n")
    note_checksums(["one.csv", "two.csv"])
    return tmp_path


def test_files_as_made_and_files_that_no_job_made_pass(made):
    (made / "own.csv").write_text("a\n")
    check_files(["one.csv", "two.csv", "own.csv"])


@pytest.mark.parametrize(
    "content", ["", "estimate\n0.1\n", "estimate\n0.1\n0.3\n", "estimate\n0.2\n0.1\n"]
)
def test_a_file_that_is_not_as_made_is_named_with_what_to_do(made, content):
    (made / "two.csv").write_text(content)
    with pytest.raises(NetliftError, match=r"1 of .*: two\.csv\. Delete it and run again"):
        check_files(["one.csv", "two.csv"])
    check_files(["one.csv"])


def test_several_are_named_and_what_is_made_anew_is_good_again(made):
    for name in ("one.csv", "two.csv"):
        (made / name).write_text("estimate\n")
    with pytest.raises(NetliftError, match=r"2 of .*: one\.csv, two\.csv\. Delete them"):
        check_files(["one.csv", "two.csv"])
    note_checksums(["one.csv", "two.csv"])
    check_files(["one.csv", "two.csv"])
