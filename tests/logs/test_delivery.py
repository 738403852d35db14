"""Delivery in logs: whether promotions were carried out, and where they were shown."""

import numpy as np
import pandas as pd
import pytest
from builders import compared
from log_files import COLUMNS, ENTRY, draw_log

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.delivered import delivered_effects
from netlift.logs.entries import LogEntry
from netlift.logs.reading import account_log, map_log
from netlift.workflow.schema import completed, read_schema

SCHEMA = read_schema("logs")
SENT = {"columns": COLUMNS | {"delivered": "sent"}}
SENT_AND_SHOWN = {"columns": COLUMNS | {"delivered": "sent", "final_position": "shown"}}


@pytest.fixture(scope="module")
def sound():
    log, _ = draw_log(41, 400, (3, 6), n_users=150)
    return log.assign(sent=(log["arm"] == "boost").astype(int))


def read(log, folder, **changes):
    """Check a log and map its rows; return accounts, items and contract, or raise."""
    log.to_csv(folder / "log.csv", index=False)
    entry = completed({**ENTRY, "path": str(folder / "log.csv"), **changes}, SCHEMA)
    entry = LogEntry.from_config(entry)
    names = {"accounts": "accounts.parquet", "contract": "contract.csv", "row_counts": "counts.csv"}
    paths = {name: str(folder / file) for name, file in names.items()}
    account_log(entry, paths)
    map_log(entry, paths["accounts"], str(folder / "items.parquet"))
    contract = pd.read_csv(paths["contract"]).set_index("code")
    return *(
        pd.read_parquet(folder / f"{name}.parquet") for name in ("accounts", "items")
    ), contract


def chosen(log, arm, n, seed=1):
    """Return the rows of n slates of an arm."""
    of_arm = np.unique(log.loc[log["arm"] == arm, "Impression ID"])
    picked = np.random.default_rng(seed).choice(of_arm, n, replace=False)
    return log["Impression ID"].isin(picked)


def failing(log, failed, always=0):
    """Promotions fail in some promoted slates, and some control slates get one: shown so, too."""
    not_sent, sent = chosen(log, "boost", failed), chosen(log, "none", always)
    focal = log["Impression ID"].map(log[log["candidate"]].set_index("Impression ID")["rank"])
    place = log["rank"]
    moved = np.where(log["candidate"], 1, np.where(place < focal, place + 1, place))
    shown = np.where(not_sent, place, np.where(sent, moved, log["shown"]))
    return log.assign(sent=np.where(not_sent, 0, np.where(sent, 1, log["sent"])), shown=shown)


@pytest.mark.parametrize("always", [0, 15])
def test_accounts_and_items_say_where_promotions_were_delivered(sound, tmp_path, always):
    log = failing(sound, 60, always)
    accounts, items, contract = read(log, tmp_path, **SENT_AND_SHOWN)
    sent = log.groupby("Impression ID")["sent"].first()
    assert list(accounts["promotion_delivered"]) == list(sent[accounts["slate_id"]])
    assert (items["promotion_delivered"] == items["slate_id"].map(sent)).all()
    expected = slate_outcomes(items)
    pd.testing.assert_frame_equal(accounts, expected, check_dtype=False, check_categorical=False)
    promoted, control = (log[log["arm"] == arm] for arm in ("boost", "none"))
    row = contract.loc["partly_delivered"]
    assert (row["severity"], row["slates"]) == ("warning", 60 + always)
    assert f"no promotion in 60 of {promoted['Impression ID'].nunique():,}" in row["examples"]
    assert f"one in {always} of {control['Impression ID'].nunique():,}" in row["examples"]
    assert not {"focal_not_moved", "moved_without_promotion"} & set(contract.index)


def test_the_rest_of_the_accounts_does_not_depend_on_the_delivery(sound, tmp_path):
    with_flag, *_ = read(failing(sound, 60), tmp_path, **SENT)
    without, items, contract = read(sound, tmp_path)
    pd.testing.assert_frame_equal(with_flag.drop(columns="promotion_delivered"), without)
    assert "promotion_delivered" not in items
    assert not contract.index.str.contains("deliver").any()


def test_full_delivery_and_a_few_failures_are_no_caveat(sound, tmp_path):
    *_, contract = read(sound, tmp_path, **SENT)
    assert not contract.index.str.contains("deliver").any()
    *_, contract = read(failing(sound, 5), tmp_path, **SENT)
    assert contract.loc["not_delivered", "slates"] == 5
    assert "partly_delivered" not in contract.index


def test_flags_have_meanings(sound, tmp_path):
    log = failing(sound, 60)
    words = log.assign(sent=np.where(log["sent"] == 1, "ok", "timeout"))
    meanings = ENTRY["meanings"] | {
        "delivered": {"delivered": ["ok"], "not_delivered": ["timeout"]}
    }
    accounts, *_ = read(words, tmp_path, **SENT, meanings=meanings)
    expected, *_ = read(log, tmp_path, **SENT)
    pd.testing.assert_frame_equal(accounts, expected)


def test_a_failed_promotion_needs_no_acceptance_where_the_log_says_so(sound, tmp_path):
    log = failing(sound, 60)
    shown = {"columns": COLUMNS | {"final_position": "shown"}}
    with pytest.raises(NetliftError, match="focal_not_moved") as error:
        read(log, tmp_path, **shown)
    assert "columns.delivered" in str(error.value)
    read(log, tmp_path, **SENT_AND_SHOWN)


def test_positions_that_contradict_the_flag_may_be_accepted(sound, tmp_path):
    log = sound.assign(sent=failing(sound, 60)["sent"])  # shown as promoted all the same
    with pytest.raises(NetliftError, match="moved_without_delivery") as error:
        read(log, tmp_path, **SENT_AND_SHOWN)
    assert "60 slates" in str(error.value)
    accept = {"accept": ["moved_without_delivery"]}
    accounts, _, contract = read(log, tmp_path, **SENT_AND_SHOWN, **accept)
    assert contract.loc["moved_without_delivery", "severity"] == "accepted"
    assert (accounts["promotion_delivered"] < accounts["promotion_applied"]).sum() == 60


def test_a_flag_that_marks_the_promoted_item_is_recognized(sound, tmp_path):
    with pytest.raises(NetliftError, match="delivery_differs") as error:
        read(sound.assign(sent=sound["sent"] * sound["candidate"]), tmp_path, **SENT)
    assert "the flag is set for the focal item only" in str(error.value)


def test_a_flag_that_control_slates_lack_is_recognized(sound, tmp_path):
    log = sound.assign(sent=sound["sent"].where(sound["arm"] == "boost"))
    with pytest.raises(NetliftError, match="missing_value") as error:
        read(log, tmp_path, **SENT)
    assert "no promoted slate" in str(error.value)
    assert "An empty flag is not 0" in str(error.value)


@pytest.mark.parametrize(
    "flag",
    [
        lambda log, drawn: 0,
        lambda log, drawn: 1,
        lambda log, drawn: (log["arm"] == "none").astype(int),
        lambda log, drawn: (
            log["Impression ID"] == log.loc[log["arm"] == "none", "Impression ID"].iat[0]
        ),
        lambda log, drawn: log["Impression ID"].map(
            lambda slate: drawn[slate] < (0.3 if slate in drawn["promoted"] else 0.7)
        ),
    ],
    ids=["none", "all", "control only", "one control slate", "less often"],
)
def test_deliveries_against_the_draw_are_refused(sound, tmp_path, flag):
    ids = sound["Impression ID"].unique()
    drawn = dict(zip(ids, np.random.default_rng(3).random(len(ids)), strict=True))
    drawn["promoted"] = set(sound.loc[sound["arm"] == "boost", "Impression ID"])
    log = sound.assign(sent=flag(sound, drawn))
    log["sent"] = log["sent"].astype(int)
    with pytest.raises(NetliftError, match="delivery_against_draw") as error:
        read(log, tmp_path, **SENT)
    assert "delivered in" in str(error.value)
    assert "Without columns.delivered" in str(error.value)


@pytest.mark.long
@pytest.mark.parametrize("unit", ["slate", "user"])
def test_deliveries_that_do_not_depend_on_the_draw_are_read(tmp_path, unit):
    """Of ten such logs, one is refused with probability 0.001, and none with these seeds."""
    for seed in range(10):
        log, _ = draw_log(50 + seed, 120, (3, 3), n_users=30)
        rng = np.random.default_rng(seed)
        by = "visitor" if unit == "user" else "Impression ID"
        ids = log[by].unique()
        arm = dict(zip(ids, rng.permutation(np.arange(len(ids)) % 2), strict=True))
        sent = dict(zip(ids, rng.random(len(ids)) < 0.3, strict=True))
        log = log.assign(
            arm=np.where(log[by].map(arm) == 1, "boost", "none"), sent=log[by].map(sent).astype(int)
        )
        accounts, *_ = read(log, tmp_path, **SENT, promotion={"unit": unit, "probability": 0.5})
        assert accounts["promotion_delivered"].nunique() == 2


@pytest.mark.parametrize("anyway", [0.0, 0.15])
def test_from_the_log_to_the_effect_of_delivered_promotions(tmp_path, anyway):
    """The truth is that of the log's own slates; four checks at 4 errors, with fixed seeds."""
    with_all, without = (draw_log(60, 700, (4, 6), probability=p)[0] for p in (1.0, 0.0))
    ids = with_all["Impression ID"]
    rng = np.random.default_rng(6)
    kind = pd.Series(rng.random(700), index=ids.unique())
    drawn = pd.Series(rng.random(700) < 0.5, index=ids.unique())
    complies, always = kind < 0.7, kind > 1 - anyway
    sent = ids.map(always | (complies & drawn))
    log = with_all.where(sent, without).assign(
        arm=np.where(ids.map(drawn), "boost", "none"), sent=sent.astype(int)
    )
    accounts, *_ = read(log, tmp_path, **SENT_AND_SHOWN)
    table = delivered_effects(compared(accounts), units={"observed_clicks": "clicks"})
    table = table[table["is_main"] & (table["measure"] == "of_delivered")].set_index("line")
    change = (with_all["clicked"] - without["clicked"])[ids.map(complies)]
    focal = with_all["candidate"]
    department = with_all["dept, name"]
    of_focal = ids.map(with_all[focal].set_index("Impression ID")["dept, name"])
    lines = {
        "direct": focal,
        "same_cluster": ~focal & (department == of_focal),
        "other": department != of_focal,
        "total": focal | True,
    }
    for line, rows in lines.items():
        truth = 1000 * change[rows[change.index]].sum() / complies.sum()
        assert abs(table.loc[line, "estimate"] - truth) < 4 * table.loc[line, "se"]
        assert abs(truth) > 0
