"""Damaged logs: each is refused with the right code, all problems at once."""

import json

import numpy as np
import pandas as pd
import pytest
from log_files import COLUMNS, ENTRY, draw_log

from netlift.core.errors import NetliftError
from netlift.inference.balance import imbalance
from netlift.logs.codes import BY_NAME, CODES
from netlift.logs.entries import LogEntry
from netlift.logs.reading import account_log
from netlift.workflow.config import check_config
from netlift.workflow.schema import completed, read_schema

SCHEMA = read_schema("logs")
SLATE = "s000003"


def outputs(folder):
    return {
        "accounts": str(folder / "out/slate_outcomes.parquet"),
        "contract": str(folder / "out/contract.csv"),
        "row_counts": str(folder / "out/row_counts.csv"),
    }


def check(log, folder, **changes):
    """Write a log and check it; return its contract, or raise."""
    path = folder / "log.csv"
    if isinstance(log, bytes):
        path.write_bytes(log)
    else:
        log.to_csv(path, index=False)
    entry = completed({**ENTRY, "path": str(path), **changes}, SCHEMA)
    account_log(LogEntry.from_config(entry), outputs(folder))
    return pd.read_csv(outputs(folder)["contract"])


def own(log, slate=SLATE):
    return log.index[log["Impression ID"] == slate]


def put(column, value, which=None):
    """Return a damage: a value in one row of a slate, or in ``which`` of them."""

    def damage(log):
        log[column] = log[column].astype(object)
        rows = own(log)
        log.loc[rows if which == "slate" else rows[1:2], column] = value
        return log

    return damage


def focal_row(log, slate=SLATE):
    return log.index[(log["Impression ID"] == slate) & log["candidate"]]


def no_focal(log):
    log.loc[own(log), "candidate"] = False
    return log


def two_focal(log):
    log.loc[own(log)[:2], "candidate"] = True
    return log


def by_user(log):
    """All slates of a user are in one arm: of 40 users promoted, 40 not."""
    arms = {user: ("boost", "none")[i % 2] for i, user in enumerate(sorted(set(log["visitor"])))}
    return log.assign(arm=log["visitor"].map(arms))


def control_without_focal(log):
    return log.assign(candidate=log["candidate"] & (log["arm"] == "boost"))


def all_focal(log):
    return log.assign(candidate=True)


def promoted_item_flag(log):
    """The flag marks the promoted item instead of the arm."""
    return log.assign(arm=np.where(log["candidate"], log["arm"], "none"))


def two_users(log):
    log.loc[own(log)[0], "visitor"] = "somebody else"
    return log


def logged_twice(log):
    return pd.concat([log, log.loc[own(log)]])


def same_item(log):
    log.loc[own(log)[:2], "sku"] = "again"
    return log


def gap(log):
    log.loc[own(log)[-1], "rank"] += 2
    return log


def row_lost(log):
    return log.drop(index=log.index[(log["Impression ID"] == SLATE) & ~log["candidate"]][1])


def mixed_arm(log):
    rows = own(log)
    log.loc[rows[1], "arm"] = "none" if log.loc[rows[0], "arm"] == "boost" else "boost"
    return log


def one_arm(log):
    return log.assign(arm="boost")


def one_arm_clicks(log):
    return log.assign(clicked=log["clicked"].where(log["arm"] == "boost", 0))


def slate_clicks(log):
    return log.assign(clicked=log.groupby("Impression ID")["clicked"].transform("sum"))


def one_control(log):
    return log.assign(arm=np.where(log["Impression ID"] == SLATE, "none", "boost"))


def nine_in_ten(log):
    """Control slates are lost: nine in ten of them."""
    lost = (log["arm"] == "none") & (log["Impression ID"].str[-1] != "0")
    return log[~lost]


def by_score(log):
    """Slates with a good candidate are promoted."""
    score = log.loc[log["candidate"]].set_index("Impression ID")["score"]
    good = score > score.median()
    return log.assign(arm=np.where(log["Impression ID"].map(good), "boost", "none"))


def renamed(column, to):
    return lambda log: log.rename(columns={column: to})


def as_bytes(change):
    return lambda log: change(log.to_csv(index=False).encode())


def ragged(text):
    lines = text.split(b"\n")
    lines[5] += b",one field,more"
    return b"\n".join(lines)


WITH_P = {"columns": COLUMNS | {"probability": "p"}, "promotion": {"unit": "slate"}}
WITH_SHOWN = {"columns": COLUMNS | {"final_position": "shown"}}
WITH_STRATUM = {"columns": COLUMNS | {"stratum": "stratum"}}
WITH_SCORE = {"covariates": {"item": {"relevance": "score"}}}
BY_USER = {"promotion": {"probability": 0.5, "unit": "user"}}
WITH_SENT = {"columns": COLUMNS | {"delivered": "sent"}}
WITH_SENT_AND_SHOWN = {"columns": COLUMNS | {"delivered": "sent", "final_position": "shown"}}


def promoted_slate(log):
    return log.loc[log["arm"] == "boost", "Impression ID"].iloc[0]


def control_slate(log):
    return log.loc[log["arm"] == "none", "Impression ID"].iloc[0]


def not_moved(log):
    rows = own(log, promoted_slate(log))
    log.loc[rows, "shown"] = log.loc[rows, "rank"]
    return log


def moved(log):
    rows = own(log, control_slate(log))
    log.loc[rows, "shown"] = log.loc[rows, "shown"].to_numpy()[::-1]
    return log


def sent(arm, value):
    """Return a damage: the delivery flag of one slate of an arm says what did not happen."""

    def damage(log):
        slate = promoted_slate(log) if arm == "boost" else control_slate(log)
        log.loc[own(log, slate), "sent"] = value
        return log

    return damage


def swapped(log):
    """The focal item took the first item's place, which went to the focal item's."""
    slate = promoted_slate(log)
    rows, focal = own(log, slate), focal_row(log, slate)[0]
    log.loc[rows, "shown"] = log.loc[rows, "rank"]
    log.loc[rows[0], "shown"], log.loc[focal, "shown"] = log.loc[focal, "rank"], 1
    return log


DAMAGED = {
    "no such column": (renamed("rank", "place"), {}, {"missing_column"}),
    "other capitals": (renamed("clicked", "Clicked"), {}, {"missing_column"}),
    "two columns missing": (
        lambda log: log.drop(columns=["sku", "arm"]),
        {},
        {"missing_column"},
    ),
    "header twice": (renamed("score", "clicked"), {}, {"duplicate_column"}),
    "semicolons": (
        as_bytes(lambda text: text.replace(b",", b";")),
        {},
        {"missing_column"},
    ),
    "no rows": (lambda log: log[:0], {}, {"empty_log"}),
    "empty file": (lambda log: b"", {}, {"empty_log"}),
    "a row with more fields": (as_bytes(ragged), {}, {"unreadable_file"}),
    "not UTF-8": (
        as_bytes(lambda text: text.replace(b"sku-", "sk\xfc-".encode("latin-1"))),
        {},
        {"unreadable_file"},
    ),
    "not Parquet": (lambda log: log, {"format": "parquet"}, {"unreadable_file"}),
    "no slate id": (put("Impression ID", None), {}, {"missing_value", "position_gap"}),
    "no user": (put("visitor", None), {}, {"missing_value"}),
    "no item": (put("sku", None), {}, {"missing_value"}),
    "no position": (put("rank", None), {}, {"missing_value"}),
    "no flag": (put("candidate", None), {}, {"missing_value"}),
    "no arm": (put("arm", None, "slate"), {}, {"missing_value"}),
    "no outcome": (put("clicked", None), {}, {"missing_value"}),
    "text as position": (put("rank", "top"), {}, {"wrong_type"}),
    "half a position": (put("rank", 2.5), {}, {"position_not_whole"}),
    "position 0": (lambda log: log.assign(rank=log["rank"] - 1), {}, {"position_too_low"}),
    "text as outcome": (put("clicked", "yes"), {}, {"wrong_type"}),
    "decimal comma": (put("clicked", "0,5"), {}, {"wrong_type"}),
    "negative outcome": (put("clicked", -1), {}, {"negative_outcome"}),
    "infinite outcome": (put("clicked", "inf"), {}, {"infinite_outcome"}),
    "NaN as text": (put("clicked", "NaN"), {}, {"missing_value"}),
    "outcome of 1e300": (put("clicked", 1e300), {}, {"infinite_outcome"}),
    "outcome of 1e15": (put("clicked", 1e15), {}, {"extreme_value"}),
    "outcome of one arm": (one_arm_clicks, {}, {"one_arm_outcome"}),
    "outcome of slates": (slate_clicks, {}, {"slate_level_outcome"}),
    "text for a missing user": (put("visitor", "NULL", "slate"), {}, {"text_for_missing"}),
    "user that was a float": (put("visitor", "1.5822e+18", "slate"), {}, {"float_id"}),
    "text as covariate": (put("score", "high"), WITH_SCORE, {"wrong_type"}),
    "arm without a meaning": (put("arm", "holdout", "slate"), {}, {"unknown_flag"}),
    "focal flag of 2": (put("candidate", "2"), {}, {"unknown_flag"}),
    "no focal item": (no_focal, {}, {"no_focal_item"}),
    "two focal items": (two_focal, {}, {"several_focal_items"}),
    "every item promoted": (all_focal, {}, {"several_focal_items"}),
    "arm differs in a slate": (mixed_arm, {}, {"promotion_differs"}),
    "flag of the promoted item": (promoted_item_flag, {}, {"promotion_differs"}),
    "two users of a slate": (two_users, {}, {"user_differs"}),
    "rows logged twice": (logged_twice, {}, {"repeated_slate"}),
    "users drawn, not slates": (by_user, {}, {"users_in_one_arm"}),
    "set aside from one arm": (
        control_without_focal,
        {"set_aside": ["no_focal_item"]},
        {"set_aside_differs"},
    ),
    "item twice": (same_item, {}, {"duplicate_item"}),
    "slates shorter than the position to which items move": (
        lambda log: log.drop(columns="shown"),
        {"promotion": {"unit": "slate", "probability": 0.5, "move": {"to": 9}}},
        {"short_slate"},
    ),
    "position twice": (put("rank", 1), {}, {"duplicate_position"}),
    "gap": (gap, {}, {"position_gap"}),
    "row lost": (row_lost, {}, {"position_gap"}),
    "promoted, not moved": (not_moved, WITH_SHOWN, {"focal_not_moved"}),
    "moved, not promoted": (moved, WITH_SHOWN, {"moved_without_promotion"}),
    "swapped": (swapped, WITH_SHOWN, {"wrong_final_position"}),
    "no delivery flag": (put("sent", None, "slate"), WITH_SENT, {"missing_value"}),
    "delivery flag of 2": (put("sent", 2, "slate"), WITH_SENT, {"unknown_flag"}),
    "delivery flag of the promoted item": (
        lambda log: log.assign(sent=log["sent"] * log["candidate"]),
        WITH_SENT,
        {"delivery_differs"},
    ),
    "delivered in control slates only": (
        lambda log: log.assign(sent=1 - log["sent"]),
        WITH_SENT,
        {"delivery_against_draw"},
    ),
    "moved, not delivered": (sent("boost", 0), WITH_SENT_AND_SHOWN, {"moved_without_delivery"}),
    "delivered, not moved": (sent("none", 1), WITH_SENT_AND_SHOWN, {"delivered_not_moved"}),
    "promoted and delivered, not moved": (not_moved, WITH_SENT_AND_SHOWN, {"focal_not_moved"}),
    "moved, not promoted nor delivered": (
        moved,
        WITH_SENT_AND_SHOWN,
        {"moved_without_promotion"},
    ),
    "swapped in a delivered slate": (swapped, WITH_SENT_AND_SHOWN, {"wrong_final_position"}),
    "one arm": (one_arm, {}, {"empty_arm"}),
    "one control slate": (one_control, {}, {"empty_arm"}),
    "lost control slates": (nine_in_ten, {}, {"sample_ratio"}),
    "another probability": (
        lambda log: log,
        {"promotion": {"unit": "slate", "probability": 0.2}},
        {"sample_ratio"},
    ),
    "promotion follows the score": (by_score, WITH_SCORE, {"covariate_imbalance"}),
    "user in both arms": (lambda log: log, BY_USER, {"promotion_differs_in_user"}),
    "probability of 1": (put("p", 1.0, "slate"), WITH_P, {"probability_out_of_range"}),
    "probability of 150": (put("p", 150, "slate"), WITH_P, {"probability_out_of_range"}),
    "probability missing": (put("p", None, "slate"), WITH_P, {"missing_value"}),
    "probability differs": (put("p", 0.4), WITH_P, {"probability_differs"}),
    "stratum differs": (put("stratum", "B"), WITH_STRATUM, {"probability_differs"}),
    "covariate differs": (
        lambda log: log,
        {"covariates": {"slate": {"user_activity": "score"}}},
        {"covariate_differs"},
    ),
    "several problems": (
        lambda log: two_users(put("clicked", -2)(no_focal(log))),
        {},
        {"no_focal_item", "negative_outcome", "user_differs"},
    ),
}


@pytest.fixture(scope="module")
def sound():
    log, _ = draw_log(21, 300, n_users=80)
    return log.assign(p=0.5, stratum="A", sent=(log["arm"] == "boost").astype(int))


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_log_is_refused_with_its_codes(name, sound, tmp_path):
    damage, changes, expected = DAMAGED[name]
    with pytest.raises(NetliftError) as refused:
        check(damage(sound.copy()), tmp_path, **changes)
    found = pd.read_csv(tmp_path / "out/contract_refused.csv")
    assert set(found["code"]) == expected
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["contract_refused.csv"]
    for _, row in found.iterrows():
        assert row["severity"] == "error"
        assert row["code"] in str(refused.value)
        assert row["how_to_fix"] in str(refused.value)
        assert isinstance(row["examples"], str)


@pytest.mark.parametrize(
    "changes",
    [{}, WITH_P, WITH_SHOWN, WITH_STRATUM, WITH_SCORE, WITH_SENT, WITH_SENT_AND_SHOWN],
)
def test_the_same_log_undamaged_is_not_refused(sound, tmp_path, changes):
    assert set(check(sound, tmp_path, **changes)["severity"]) <= {"warning"}
    assert not (tmp_path / "out/contract_refused.csv").exists()


def test_a_refusal_counts_rows_and_slates_and_shows_three(sound, tmp_path):
    log = sound.copy()
    rows = log.index[log["Impression ID"].isin([f"s{n:06d}" for n in range(10, 15)])]
    log.loc[rows, "clicked"] = -3
    with pytest.raises(NetliftError, match="30 rows, 5 slates"):
        check(log, tmp_path)
    (found,) = pd.read_csv(tmp_path / "out/contract_refused.csv").to_dict("records")
    assert (found["rows"], found["slates"], found["column"]) == (30, 5, "clicked")
    assert found["examples"].count("slate s000010") == 3
    assert found["examples"].count("clicked is '-3'") == 3


def test_a_missing_column_names_the_nearest_one(sound, tmp_path):
    with pytest.raises(NetliftError, match="did you mean 'Clicked'"):
        check(sound.rename(columns={"clicked": "Clicked"}), tmp_path)


def test_what_is_accepted_is_a_warning(sound, tmp_path):
    contract = check(nine_in_ten(sound), tmp_path, accept=["sample_ratio"])
    assert contract.set_index("code").loc["sample_ratio", "severity"] == "accepted"


def test_setting_one_problem_aside_does_not_hide_another(sound, tmp_path):
    log = no_focal(sound.copy())
    log.loc[own(log, "s000009")[0], "clicked"] = -1
    with pytest.raises(NetliftError) as refused:
        check(log, tmp_path, set_aside=["no_focal_item"])
    assert "negative_outcome" in str(refused.value)
    assert "no_focal_item" not in str(refused.value)
    # And a problem of a slate that is set aside is gone with it.
    log.loc[own(log, "s000009")[0], "clicked"] = 0
    log.loc[own(log)[0], "clicked"] = -1
    check(log, tmp_path, set_aside=["no_focal_item"])


def test_warnings_are_kept(tmp_path):
    log, _ = draw_log(5, 60, (1 + 1, 5), n_users=50)
    log["clicked"] = log["clicked"] * 3
    log["dept, name"] = log["dept, name"].astype(object)
    log.loc[:3, "dept, name"] = None
    log.loc[own(log, "s000001")[0], "score"] = None
    said = {"covariates": {"item": {"relevance": "score"}}}
    contract = check(log, tmp_path, **said).set_index("code")
    expected = {"slate_lengths_differ", "no_cluster", "missing_covariate", "few_slates"}
    expected |= {"user_with_one_slate"}
    assert expected <= set(contract.index)
    assert set(contract["severity"]) == {"warning"}
    assert contract.loc["no_cluster", "rows"] == 4
    users = log.drop_duplicates("Impression ID")["visitor"].value_counts()
    assert contract.loc["user_with_one_slate", "slates"] == (users == 1).sum()


def test_a_heavy_tail_is_told(tmp_path):
    log, _ = draw_log(5, 400)
    rng = np.random.default_rng(1)
    log["clicked"] = rng.pareto(1.0, len(log)).round(3)
    contract = check(log, tmp_path)
    assert "heavy_tail" in set(contract["code"])
    values = np.sort(log["clicked"][log["clicked"] > 0])[::-1]
    share = values[: len(values) // 100].sum() / values.sum()
    told = contract.set_index("code").loc["heavy_tail", "examples"]
    assert abs(float(told.split("account for ")[1].split("%")[0]) / 100 - share) < 0.02
    chosen = {"clicks": {"column": "clicked", "winsorize": 0.99}}
    assert "heavy_tail" not in set(check(log, tmp_path, outcomes=chosen)["code"])


def test_the_test_of_covariates_rejects_as_often_as_it_says():
    """p-values of sound assignments by user, computed here from the definition of d and V."""
    rng = np.random.default_rng(12)
    p_values = []
    for _ in range(400):
        n_users, e = 60, 0.3
        x = rng.normal(size=(n_users, 3)) @ rng.normal(size=(3, 3))
        promoted = rng.random(n_users) < e
        share = promoted.mean()
        x = x - x.mean(axis=0)
        covariance = share * (1 - share) * x.T @ x
        p_values.append(imbalance((promoted - share) @ x, covariance)[0])
    found = np.array(p_values)
    assert abs((found <= 0.05).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 400)
    assert abs(found.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 400)


@pytest.mark.parametrize("unit", ["slate", "user"])
def test_the_sums_behind_it_are_those_of_the_accounts(sound, tmp_path, unit, monkeypatch):
    from netlift.logs import assignment

    log = sound.copy()
    if unit == "user":
        users = sorted(log["visitor"].unique())
        arms = {user: ("boost", "none")[i % 2] for i, user in enumerate(users)}
        log["arm"] = log["visitor"].map(arms)
    seen = []
    monkeypatch.setattr(assignment, "imbalance", lambda d, v: seen.append((d, v)) or (1.0, d))
    check(log, tmp_path, **WITH_SCORE, promotion={"probability": 0.5, "unit": unit})
    accounts = pd.read_parquet(outputs(tmp_path)["accounts"])
    names = [
        "focal_seed_position",
        "n_same_cluster",
        "n_displaced",
        "focal_relevance",
        "relevance_mean",
        "relevance_sd",
    ]
    x = accounts[names].to_numpy(dtype=float)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    key = "slate_id" if unit == "slate" else "user_id"
    table = pd.DataFrame(x).groupby(accounts[key]).sum()
    promoted = accounts.groupby(accounts[key])["promotion_applied"].first()
    share, x = promoted.mean(), table.to_numpy() - table.to_numpy().mean(axis=0)
    assert np.allclose(seen[0][0], (promoted - share).to_numpy() @ x)
    assert np.allclose(seen[0][1], share * (1 - share) * x.T @ x)


WRONG_ENTRIES = {
    "columns.promoted: needed where columns.focal is given": {
        "columns": {role: column for role, column in COLUMNS.items() if role != "promoted"}
    },
    "columns.item: needed where columns.focal is given": {
        "columns": {role: column for role, column in COLUMNS.items() if role != "item"}
    },
    "columns.position: needed where no promotion is recorded": {
        "columns": {"slate": "Impression ID", "item": "sku"}
    },
    "columns.focal: needed where final_position is given": {
        "columns": {role: column for role, column in COLUMNS.items() if role != "focal"}
        | {"final_position": "shown"}
    },
    "covariates.item: without columns.focal": {
        "columns": {role: column for role, column in COLUMNS.items() if role != "focal"},
        "covariates": {"item": {"relevance": "score"}},
    },
    "columns.item: needed where cluster, position is given": {
        "columns": {
            role: column for role, column in COLUMNS.items() if role not in ("focal", "item")
        }
    },
    "columns.promoted_position: needed for promotion.rerank": {
        "promotion": {"unit": "slate", "probability": 0.5, "rerank": {}}
    },
    "columns.promoted_position: only for promotion.rerank": {
        "columns": COLUMNS | {"promoted_position": "shown"}
    },
    "promotion.focal_items: insert has one focal item": {
        "promotion": {"unit": "slate", "probability": 0.5, "insert": {"at": 1}, "focal_items": 2}
    },
    "a promotion does one thing": {
        "promotion": {"unit": "slate", "probability": 0.5, "insert": {"at": 1}, "badge": {}}
    },
    "neither is": {"promotion": {"unit": "slate"}},
    "promotion.unit: say what was drawn. slate: the arm was drawn for each slate": {
        "promotion": {"probability": 0.5}
    },
    "both are": {"columns": COLUMNS | {"probability": "p"}},
    "columns.user: needed": {
        "columns": {role: column for role, column in COLUMNS.items() if role != "user"},
        "promotion": {"probability": 0.5, "unit": "user"},
    },
    "cannot be set aside": {"set_aside": ["sample_ratio"]},
    "cannot mean both": {"meanings": {"promoted": {"promoted": ["a"], "control": ["a", "b"]}}},
    "path: give the path": {"path": None},
    "table: name the table": {"path": "x.duckdb"},
    "for DuckDB files": {"table": "events"},
    "outcomes: known_lift would conflict": {
        "outcomes": {"clicks": {"column": "clicked"}, "known_lift": {"column": "minutes"}}
    },
    "outcomes: promotion_delivered would conflict": {
        "outcomes": {"promotion_delivered": {"column": "clicked"}}
    },
    "items: clusters already come from": {"items": {"path": "i.csv", "item": "a", "cluster": "b"}},
    "its column 'arm' is also columns.promoted": {"outcomes": {"clicks": {"column": "arm"}}},
    "its column 'rank' is also columns.position": {"outcomes": {"clicks": {"column": "rank"}}},
    "the column 'clicked' is also outcomes.clicks": {
        "covariates": {"item": {"relevance": "clicked"}}
    },
    "the column 'arm' is also columns.promoted": {"covariates": {"slate": {"group": "arm"}}},
    "the column 'shown' is also columns.final_position": {
        "columns": COLUMNS | {"final_position": "shown"},
        "covariates": {"item": {"place": "shown"}},
    },
    "it is the same column as columns.promoted": {"columns": COLUMNS | {"focal": "arm"}},
    "columns.delivered: it is the same column as columns.promoted": {
        "columns": COLUMNS | {"delivered": "arm"}
    },
    "columns.delivered: it compares what was carried out with what was drawn": {
        "columns": {role: COLUMNS[role] for role in ("slate", "item", "position")}
        | {"delivered": "sent"},
        "promotion": {},
        "meanings": {},
    },
    "the column 'sent' is also columns.delivered": {
        "columns": COLUMNS | {"delivered": "sent"},
        "covariates": {"slate": {"group": "sent"}},
    },
    "its column 'sent' is also columns.delivered": {
        "columns": COLUMNS | {"delivered": "sent"},
        "outcomes": {"clicks": {"column": "sent"}},
    },
    "meanings.delivered: yes cannot mean both": {
        "columns": COLUMNS | {"delivered": "sent"},
        "meanings": ENTRY["meanings"]
        | {"delivered": {"delivered": ["yes"], "not_delivered": ["no", "yes"]}},
    },
    "missing_values": {"missing_values": ["0"]},
    "colums: unknown key; did you mean logs.mine.columns?": {"colums": {}},
    "columns: lacks slate": {"columns": {"item": "a", "position": "b"}},
    "first_position: 2 is not allowed": {"first_position": 2},
    "promotion.probability: 1.5 is not allowed": {"promotion": {"probability": 1.5}},
}


@pytest.mark.parametrize("message", WRONG_ENTRIES)
def test_a_wrong_entry_is_refused_with_the_key(message):
    with pytest.raises(NetliftError) as refused:
        check_config(study_with({"path": "log.csv"} | WRONG_ENTRIES[message]))
    assert "logs.mine" in str(refused.value)
    assert message in str(refused.value)


def test_all_wrong_keys_are_told_at_once():
    changes = {"path": "x.duckdb", "set_aside": ["nonsense"], "promotion": {"unit": "slate"}}
    with pytest.raises(NetliftError, match="3 problems"):
        check_config(study_with(changes))


def study_with(changes):
    from configs import merged

    return merged({"logs": {"mine": {**ENTRY, **changes}}})


def test_a_path_that_leads_nowhere_is_told(tmp_path):
    with pytest.raises(NetliftError, match="no_file"):
        LogEntry({}, (), paths=(str(tmp_path / "*.csv"),)).files()


def test_files_that_disagree_in_the_type_of_a_column_are_refused(sound, tmp_path):
    (tmp_path / "parts").mkdir()
    half = len(sound) // 2
    sound[:half].to_parquet(tmp_path / "parts/1.parquet")
    sound[half:].assign(clicked="many").to_parquet(tmp_path / "parts/2.parquet")
    said = completed({**ENTRY, "path": str(tmp_path / "parts")}, SCHEMA)
    with pytest.raises(NetliftError, match=r"unreadable_file|wrong_type"):
        account_log(LogEntry.from_config(said), outputs(tmp_path))


def test_a_truncated_file_is_refused(sound, tmp_path):
    for name, write in (("log.csv.gz", "to_csv"), ("log.parquet", "to_parquet")):
        getattr(sound, write)(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        said = completed({**ENTRY, "path": str(tmp_path / name)}, SCHEMA)
        with pytest.raises(NetliftError, match="unreadable_file"):
            account_log(LogEntry.from_config(said), outputs(tmp_path))


def test_a_damaged_parquet_page_is_refused(sound, tmp_path):
    sound.to_parquet(tmp_path / "log.parquet", compression="zstd")
    content = bytearray((tmp_path / "log.parquet").read_bytes())
    content[200:1200] = bytes(1000)
    (tmp_path / "log.parquet").write_bytes(content)
    said = completed({**ENTRY, "path": str(tmp_path / "log.parquet")}, SCHEMA)
    with pytest.raises(NetliftError):
        account_log(LogEntry.from_config(said), outputs(tmp_path))


def test_every_code_has_a_damaged_log_or_a_warning():
    """Of the errors, each is shown by a test; codes are unique."""
    assert len(BY_NAME) == len(CODES)
    shown = set().union(*(expected for _, _, expected in DAMAGED.values()))
    errors = {code.name for code in CODES if code.severity == "error"}
    elsewhere = {"duplicate_file", "no_item_matches", "few_items_match"}  # test_log_files
    elsewhere |= {"probabilities_do_not_add_up"}  # test_arms
    elsewhere |= {  # test_log_treatments
        "few_focal_items",
        "promoted_order",
        "outcome_not_shown",
        "focal_has_position",
    }
    elsewhere |= {"position_too_high", "nothing_moves"}  # test_positions
    elsewhere |= {"block_differs", "page_position", "focal_items_in_blocks"}  # test_log_blocks
    elsewhere |= {  # test_candidate_draws
        "focal_draw",
        "focal_probability_out_of_range",
        "focal_probabilities_do_not_add_up",
        "impossible_focal_item",
        "impossible_own_promotion",
        "several_own_promotions",
    }
    assert errors - shown - elsewhere == {
        "probability_differs_in_user",
        "duplicate_in_items_table",
    }


def test_probabilities_and_items_tables_that_contradict_themselves(sound, tmp_path):
    log = sound.copy()
    users = sorted(log["visitor"].unique())
    arms = {user: ("boost", "none")[i % 2] for i, user in enumerate(users)}
    log["arm"] = log["visitor"].map(arms)
    log.loc[own(log), "p"] = 0.4
    said = {"columns": COLUMNS | {"probability": "p"}, "promotion": {"unit": "user"}}
    with pytest.raises(NetliftError, match="probability_differs_in_user"):
        check(log, tmp_path, **said)
    table = log[["sku", "dept, name"]]
    pd.concat([table, table[:2]]).to_csv(tmp_path / "items.csv", index=False)
    columns = {role: column for role, column in COLUMNS.items() if role != "cluster"}
    items = {"path": str(tmp_path / "items.csv"), "item": "sku", "cluster": "dept, name"}
    with pytest.raises(NetliftError, match="duplicate_in_items_table"):
        check(sound, tmp_path, columns=columns, items=items)


def test_the_contract_is_the_same_on_a_second_reading(sound, tmp_path):
    first = check(sound, tmp_path).to_dict("records")
    accounts = pd.read_parquet(outputs(tmp_path)["accounts"])
    assert json.dumps(first, default=str) == json.dumps(
        check(sound, tmp_path).to_dict("records"), default=str
    )
    pd.testing.assert_frame_equal(accounts, pd.read_parquet(outputs(tmp_path)["accounts"]))


def test_the_sums_where_probabilities_differ(sound, tmp_path, monkeypatch):
    from netlift.logs import assignment

    rank = sound.loc[sound["candidate"]].set_index("Impression ID")["rank"]
    log = sound.assign(p=sound["Impression ID"].map(rank.map(lambda place: 0.1 * place + 0.1)))
    seen = []
    monkeypatch.setattr(assignment, "imbalance", lambda d, v: seen.append((d, v)) or (1.0, d))
    check(log, tmp_path, **WITH_P, accept=["sample_ratio"])
    accounts = pd.read_parquet(outputs(tmp_path)["accounts"])
    names = ["focal_seed_position", "n_same_cluster", "n_displaced"]
    x = accounts[names].to_numpy(dtype=float)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    promoted = accounts["promotion_applied"].to_numpy()
    e = accounts["promotion_probability"].to_numpy()
    e = np.minimum(e * promoted.sum() / e.sum(), 1)
    x = x - (e * (1 - e)) @ x / (e * (1 - e)).sum()
    assert np.allclose(seen[0][0], (promoted - e) @ x)
    assert np.allclose(seen[0][1], (x * (e * (1 - e))[:, None]).T @ x)
