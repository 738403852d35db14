"""Records next to files: every change of a file and of what it was made from is detected."""

import shutil
from pathlib import Path

import pytest

from netlift.core.errors import NetliftError
from netlift.workflow.records import (
    UNRECORDED,
    check_files,
    difference_of,
    outdated_files,
    read_record,
    recorded_files,
    remove,
    restore_metadata,
    write_records,
)


def note(*files, inputs=(), params=("a parameter",)):
    write_records(files, rule="some_rule", params=params, inputs=check_files(inputs))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Two tables, and two that were made from them, one after the other."""
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    for name in ("one.csv", "two.csv", "third.csv", "fourth.csv"):
        Path("results", name).write_text("estimate\n0.1\n0.2\n")
    Path("own.csv").write_text("a\n")
    note("results/one.csv", "results/two.csv", inputs=["own.csv"])
    note("results/third.csv", inputs=["results/two.csv", "own.csv"])
    note("results/fourth.csv", inputs=["results/third.csv"])
    return tmp_path / "results"


def test_files_as_made_and_files_that_no_job_made_pass(made):
    checksums = check_files(["results/one.csv", "results/two.csv", "own.csv"])
    assert checksums["own.csv"] is None
    assert checksums["results/one.csv"] == checksums["results/two.csv"]


@pytest.mark.parametrize(
    "content", ["", "estimate\n0.1\n", "estimate\n0.1\n0.3\n", "estimate\n0.2\n0.1\n"]
)
def test_a_file_that_is_not_as_made_is_named_with_what_to_do(made, content):
    (made / "two.csv").write_text(content)
    with pytest.raises(NetliftError, match=r"1 of .*: results/two\.csv\. Delete it and run again"):
        check_files(["results/one.csv", "results/two.csv"])
    check_files(["results/one.csv"])


def test_several_are_named_and_what_is_made_anew_is_good_again(made):
    names = ["results/one.csv", "results/two.csv"]
    for name in names:
        Path(name).write_text("estimate\n")
    with pytest.raises(NetliftError, match=r"2 of .*one\.csv, results/two\.csv\. Delete them"):
        check_files(names)
    note(*names)
    check_files(names)


def test_a_file_made_from_an_earlier_input_is_outdated_and_so_is_what_was_made_from_it(made):
    files = [made / name for name in ("one.csv", "two.csv", "third.csv", "fourth.csv")]
    assert outdated_files(files, made.parent) == {}
    (made / "two.csv").write_text("estimate\n0.7\n")
    note("results/two.csv", inputs=["own.csv"])
    why = "made from an earlier results/two.csv"
    assert outdated_files(files, made.parent) == {
        made / "third.csv": why,
        made / "fourth.csv": why,
    }
    shutil.rmtree(made / ".records")  # without records nothing is known
    assert outdated_files(files, made.parent) == {}


def test_a_file_made_with_other_settings_is_outdated_and_so_is_what_was_made_from_it(made):
    files = [made / name for name in ("one.csv", "two.csv", "third.csv", "fourth.csv")]
    rule = read_record(made / "two.csv").rule
    assert outdated_files(files, made.parent, {rule: "a parameter", "other": 1}) == {}
    found = outdated_files(files, made.parent, {rule: "changed"})
    assert set(found) == set(files)
    assert f"other settings of {rule}" in found[made / "fourth.csv"]


def test_a_removed_file_leaves_no_record(made):
    files = recorded_files(made)
    assert {file.name for file in files} == {"one.csv", "two.csv", "third.csv", "fourth.csv"}
    remove([made / "one.csv", made / "missing/folder.csv", made / "one.csv"])
    assert not (made / "one.csv").exists()
    assert read_record(made / "one.csv") is None
    remove(files)
    assert not made.exists()


def test_other_parameters_and_a_missing_record_are_named(made):
    assert difference_of(made / "one.csv", ["a parameter"]) == ""
    assert "other settings" in difference_of(made / "one.csv", ["a parameter", 1])
    assert "no record" in difference_of(made / "six.csv", ["a parameter"])


def snakemakes_record(file):
    from snakemake.persistence.file import FilePersistence

    return FilePersistence(nolock=True)._read_record(file)


def test_snakemakes_records_are_restored_from_those_next_to_the_files(made):
    (made / "five.csv").write_text("estimate\n")  # no record
    (made / "one.csv").write_text("estimate\n9\n")  # edited since
    restore_metadata([Path("results"), Path("missing")])
    restored = snakemakes_record("results/third.csv")
    assert restored.params == ["'a parameter'"]
    assert restored.input == ["own.csv", "results/two.csv"]
    assert set(restored.input_checksums) == {"own.csv", "results/two.csv"}
    assert not restored.incomplete
    for name in ("five.csv", "one.csv"):
        assert snakemakes_record(f"results/{name}").params == [UNRECORDED]
    assert not list(Path(".snakemake/metadata").glob("*records*"))


def test_a_file_that_was_made_from_other_inputs_is_rebuilt(made):
    (made / "two.csv").write_text("estimate\n0.7\n")
    restore_metadata([Path("results")])
    assert snakemakes_record("results/third.csv").params == [UNRECORDED]
    assert snakemakes_record("results/fourth.csv").input_checksums
    assert snakemakes_record("results/fourth.csv").params == ["'a parameter'"]


def test_an_input_that_was_not_copied_is_no_other_input(made):
    (made / "two.csv").unlink()
    restore_metadata([Path("results")])
    assert snakemakes_record("results/third.csv").params == ["'a parameter'"]


def test_snakemake_s_own_records_stay_while_they_agree(made):
    restore_metadata([Path("results")])
    before = [path.stat().st_mtime_ns for path in Path(".snakemake/metadata").iterdir()]
    restore_metadata([Path("results")])
    assert [path.stat().st_mtime_ns for path in Path(".snakemake/metadata").iterdir()] == before


def test_files_of_other_settings_that_were_copied_over_the_results_are_noticed(made):
    """Also those of the same settings that were made from another input."""
    restore_metadata([Path("results")])
    note("results/one.csv", params=["another parameter"])
    (made / "two.csv").write_text("estimate\n0.7\n")
    note("results/two.csv", inputs=["own.csv"])
    restore_metadata([Path("results")])
    assert snakemakes_record("results/one.csv").params == ["'another parameter'"]
    assert snakemakes_record("results/two.csv").params == ["'a parameter'"]
    for name in ("third.csv", "fourth.csv"):
        assert snakemakes_record(f"results/{name}").params == [UNRECORDED]
