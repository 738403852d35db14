"""Published data sets as logs, on samples written by hand in the published formats."""

import numpy as np
import pandas as pd
import pytest
import yaml

from netlift.__main__ import main
from netlift.core.errors import NetliftError
from netlift.logs.entries import LogEntry, log_settings
from netlift.logs.positions import outcome_by_position
from netlift.logs.published import import_log
from netlift.logs.reading import account_log, map_log
from netlift.logs.sections import sections
from netlift.workflow.schema import completed, read_schema


def read(overlay, folder):
    """Go the way of a log; return its accounts and items."""
    (entry,) = yaml.safe_load(overlay.read_text())["logs"].values()
    log = LogEntry.from_config(log_settings(completed(entry, read_schema("logs"))))
    assert not log.is_experiment
    paths = {name: str(folder / f"out/{name}.csv") for name in ("contract", "row_counts")}
    paths["accounts"] = str(folder / "out/accounts.parquet")
    account_log(log, paths)
    map_log(log, paths["accounts"], str(folder / "out/items.parquet"))
    return pd.read_parquet(paths["accounts"]), pd.read_parquet(folder / "out/items.parquet")


@pytest.fixture
def finn(tmp_path):
    """Two users with up to two slates of at most four places, the first of which is no click."""
    slate = np.array([[[1, 5, 6, 0], [1, 7, 5, 6]], [[1, 6, 0, 0], [0, 0, 0, 0]]])
    np.savez(
        tmp_path / "data.npz",
        userId=np.array([11, 12]),
        slate=slate,
        click=np.array([[6, 1], [6, 0]]),
        click_idx=np.array([[2, 0], [1, 0]]),
        slate_lengths=np.array([[3, 4], [2, 0]]),
        interaction_type=np.array([[1, 2], [2, 0]]),
    )
    np.savez(tmp_path / "itemattr.npz", category=np.array([0, 0, 0, 0, 0, 31, 32, 31]))
    return tmp_path


def test_finn_slates(finn, tmp_path):
    accounts, items = read(import_log("finn", finn, tmp_path / "log"), tmp_path)
    assert items[["user_id", "item_id", "slate_position_seed", "click"]].values.tolist() == [
        [11, 5, 1, 0],
        [11, 6, 2, 1],
        [11, 7, 1, 0],
        [11, 5, 2, 0],
        [11, 6, 3, 0],
        [12, 6, 1, 1],
    ]
    assert list(items["spillover_cluster"].astype(str)) == ["31", "32", "31", "31", "32", "32"]
    assert list(accounts["observed_clicks_total"]) == [1, 0, 1]
    assert not [name for name in items if "promot" in name]


OPEN_BANDIT = """,timestamp,item_id,position,click,propensity_score,user_feature_0,affinity
0,2019-11-24 00:00:01.1+00:00,41,3,0,0.0125,cef3390ed299c09874189c387777674a,0.0
1,2019-11-24 00:00:01.1+00:00,7,1,1,0.0125,cef3390ed299c09874189c387777674a,0.0
2,2019-11-24 00:00:02.3+00:00,41,1,0,0.0125,03a5648a76832f83c859d46bc06cb64a,0.0
"""


def test_open_bandit(tmp_path):
    (tmp_path / "all.csv").write_text(OPEN_BANDIT)
    overlay = import_log("open_bandit", tmp_path / "all.csv", tmp_path / "log")
    accounts, items = read(overlay, tmp_path)
    assert items[["item_id", "slate_position_seed", "click"]].values.tolist() == [
        [41, 3, 0],
        [7, 1, 1],
        [41, 1, 0],
    ]
    assert len(accounts) == 3


KUAIRAND = """user_id,video_id,date,hourmin,time_ms,is_click,like,play_time_ms,length_ms,is_rand,tab
0,91,20220422,700,1650582000200,1,0,30000,60000,1,1
0,90,20220422,700,1650582000100,0,0,0,8000,0,1
0,92,20220422,800,1650585600100,1,1,90000,90000,0,1
3,90,20220422,700,1650582000100,0,0,1500,8000,0,4
"""


def test_kuairand(tmp_path):
    (tmp_path / "log.csv").write_text(KUAIRAND)
    accounts, items = read(import_log("kuairand", tmp_path / "log.csv", tmp_path / "log"), tmp_path)
    columns = ["slate_id", "user_id", "item_id", "slate_position_seed", "click"]
    assert items[columns].values.tolist() == [
        [1, 0, 90, 1, 0],
        [1, 0, 91, 2, 1],
        [2, 0, 92, 1, 1],
        [3, 3, 90, 1, 0],
    ]
    assert np.allclose(accounts["minutes_total"], [0.5, 1.5, 0.025])
    table = outcome_by_position(items).set_index(["outcome_type", "position"])
    assert table.loc[("observed_clicks", 1), ["rows", "mean"]].tolist() == [3, 1 / 3]
    # Two users, of two rows and one: residuals -1/3 + 2/3 and -1/3, with G / (G - 1) = 2.
    assert np.isclose(table.loc[("observed_clicks", 1), "se"], np.sqrt(2 * 2 / 9) / 3)
    assert np.isclose(table.loc[("minutes", 2), "mean"], 0.5)
    assert np.isnan(table.loc[("minutes", 2), "se"])


def test_what_is_not_in_the_published_format_is_refused(finn, tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    for name in ("open_bandit", "kuairand"):
        with pytest.raises(NetliftError, match=r"no column .*click"):
            import_log(name, tmp_path / "other.csv", tmp_path / "log")
    np.savez(tmp_path / "data.npz", userId=np.array([1]))
    with pytest.raises(NetliftError, match="no array slate, click"):
        import_log("finn", tmp_path, tmp_path / "log")
    with pytest.raises(NetliftError, match="no such file"):
        import_log("finn", tmp_path / "nowhere.npz", tmp_path / "log")
    assert not list((tmp_path / "log").glob("*"))


def test_the_command(finn, tmp_path, capsys):
    assert main(["import-log", "finn", str(finn), str(tmp_path / "log")]) == 0
    assert "make analyse LOG=finn" in capsys.readouterr().out
    assert main(["import-log", "finn", str(tmp_path / "x"), str(tmp_path / "log")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main(["import-log", "criteo", "a", "b"]) == 2


def test_sections_say_why_effects_are_missing():
    table = sections(experiment=False, row_stages=True).set_index("section")
    assert table.loc["outcome by position", "available"]
    for section in ("ledger of effects", "models and policies"):
        assert not table.loc[section, "available"]
        assert "drawn at random" in table.loc[section, "why_not"]
    assert sections(experiment=True, row_stages=True)["available"].sum() == 8
