"""Two folders of results compared: differences are found, and reported by first value."""

import importlib
import re

import numpy as np
import pandas as pd
import pytest
from runs import ROOT

from netlift.core.errors import NetliftError
from netlift.core.tables import write_json, write_table, write_text
from netlift.workflow.comparison import compare_folders, summary


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {"slate_id": [1, 2, 3], "estimate": [0.1 + 0.2, np.nan, -1.5], "cluster": ["NA", None, "B"]}
    )


@pytest.fixture
def folders(tmp_path):
    for name in ("one", "other"):
        folder = tmp_path / name
        write_table(table(), folder / "effects/ledger.csv")
        write_table(table(), folder / "items.parquet")
        write_json({"ledger": [{"estimate": 1.5}, {"estimate": 2}]}, folder / "decision.json")
        write_text("<svg>\n<path d='M 0 1'/>\n</svg>\n", folder / "figure.svg")
        (folder / "figure.png").write_bytes(b"\x89PNG\0\1\2")
        write_text("<p>1,000</p>\n", folder / "report.html")
        write_text("seed: 1\n", folder / "config.yaml")
        (folder / "empty.txt").write_bytes(b"")
    return tmp_path / "one", tmp_path / "other"


def test_the_same_is_the_same_and_every_kind_is_counted(folders):
    comparison = compare_folders(*folders)
    assert comparison.differences == []
    assert comparison.counts == {
        "tables (CSV)": 1,
        "tables (Parquet)": 1,
        "JSON": 1,
        "YAML": 1,
        "figures (SVG)": 1,
        "figures (PNG)": 1,
        "pages": 1,
        "other files": 1,
    }
    assert "     8 files compared, 0 differences" in summary(comparison)


def test_a_table_of_the_same_values_is_the_same_whatever_its_bytes(folders):
    one, other = folders
    table().to_parquet(other / "items.parquet", index=False, compression="snappy")
    assert (one / "items.parquet").read_bytes() != (other / "items.parquet").read_bytes()
    assert compare_folders(one, other).differences == []


def changed(**columns: object) -> pd.DataFrame:
    return table().assign(**columns)


NEXT = np.nextafter(0.1 + 0.2, 1)
TABLES = {
    "the last bit of a number": (
        changed(estimate=[NEXT, np.nan, -1.5]),
        r"estimate, row 1: .*3.* a",
    ),
    "a value for a missing one": (changed(estimate=[0.1 + 0.2, 0.0, -1.5]), r"row 2: .*nan.*0\.0"),
    "a missing value": (changed(estimate=[0.1 + 0.2, np.nan, np.nan]), r"row 3: .*1 of 3 rows"),
    "a text": (changed(cluster=["NA", None, "C"]), r"cluster, row 3: 'B' against 'C'"),
    "a text that was missing": (changed(cluster=["NA", "", "B"]), r"cluster"),
    "order of rows": (table().iloc[::-1], r"slate_id, row 1"),
    "a row": (table().iloc[:2], r"3 rows against 2"),
    "order of columns": (table()[["estimate", "slate_id", "cluster"]], r"columns slate_id"),
    "a type": (changed(slate_id=[1.0, 2.0, 3.0]), r"slate_id: int64 against float64"),
}


@pytest.mark.parametrize("change", TABLES)
def test_what_differs_in_a_table_is_found(folders, change):
    frame, said = TABLES[change]
    write_table(frame, folders[1] / "items.parquet")
    (difference,) = compare_folders(*folders).differences
    assert difference.startswith("items.parquet: ")
    assert re.search(said, difference), difference


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "decision.json",
            b'{"ledger": [{"estimate": 1.5}, {"estimate": 3}]}',
            r"\[1\]\.estimate: 2 a",
        ),
        ("decision.json", b'{"ledger": [{"estimate": 1.5}], "n": 1}', r"\.ledger: "),
        ("figure.svg", b"<svg>\n<path d='M 0 2'/>\n</svg>\n", r"line 2: .*M 0 1.*M 0 2"),
        ("figure.png", b"\x89PNG\0\1\3", r"7 bytes against 7, with other content"),
        ("report.html", b"<p>1,000</p>\n<p>more</p>\n", r"1 lines against 2"),
        ("empty.txt", b"no longer", r"0 lines against 1"),
        (".left-over.csv", b"a\n", r"only in .*other"),
    ],
)
def test_what_differs_in_another_file_is_found(folders, name, content, said):
    (folders[1] / name).write_bytes(content)
    comparison = compare_folders(*folders)
    (difference,) = comparison.differences
    assert re.search(rf"^{re.escape(name)}: .*{said}|^{re.escape(name)}: {said}", difference)
    assert f"DIFFERS  {name}" in summary(comparison)


def test_folders_without_files_are_no_match(tmp_path):
    with pytest.raises(NetliftError, match="no files to compare"):
        compare_folders(tmp_path, tmp_path)


@pytest.mark.parametrize("other", ["0.1", "0.2"])
def test_reproduce_runs_a_study_in_each_way_and_fails_if_one_differs(
    other, monkeypatch, tmp_path, capsys
):
    """Snakemake's arguments are unchanged; those after -- stay last."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    reproduce = importlib.import_module("reproduce")
    begun = {}

    def run(folder, words):
        begun[folder.name] = words
        write_text(f"{other if folder.name == 'cluster' else '0.1'}\n", folder / "results/a.csv")
        return 0

    monkeypatch.setattr(reproduce, "FOLDER", tmp_path / "reproduce")
    monkeypatch.setattr(reproduce, "fresh", lambda folder: None)
    monkeypatch.setattr(reproduce, "run", run)
    words = ["--cluster", "--profile p --jobs 2", "--configfile", "a.yaml", "--", "all", "sweep"]
    assert reproduce.main(words) == (other != "0.1")
    rest = ["--configfile", "a.yaml", "--", "all", "sweep"]
    assert begun == {
        "one-core": ["--cores", "1", *rest],
        "all-cores": ["--cores", "all", *rest],
        "cluster": ["--profile", "p", "--jobs", "2", *rest],
    }
    said = capsys.readouterr().out
    assert said.count("1 files compared, 0 differences") == (2 if other == "0.1" else 1)
    assert ("DIFFERS  a.csv" in said) == (other != "0.1")
