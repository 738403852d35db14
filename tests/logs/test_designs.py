"""Designs that teams run: what was drawn, what is set aside, and the message that names the cause.

The tests of the contract have fixed seeds; where a log is drawn anew, the false-alarm rate of the
check is stated.
"""

import numpy as np
import pandas as pd
import pytest
from log_files import COLUMNS, ENTRY

from netlift.core.errors import NetliftError
from netlift.inference.balance import few_split_p_value, unequal_p_value
from netlift.logs.codes import BY_NAME, CODES, DELIVERY
from netlift.logs.entries import LogEntry
from netlift.logs.reading import account_log
from netlift.workflow.config import check_config
from netlift.workflow.schema import completed, read_schema

SCHEMA = read_schema("logs")
BY_USER = {"promotion": {"unit": "user", "probability": 0.5}}
WITH_SHOWN = {"columns": COLUMNS | {"final_position": "shown"}}


def slates(seed, n_slates, n_users, *, by="slate", probability=0.5, size=4):
    """Draw a log without effects: arms by ``by`` (slate, user, or a session of a user)."""
    rng = np.random.default_rng(seed)
    user = np.sort(rng.integers(0, n_users, n_slates))
    units = {"slate": np.arange(n_slates), "user": user, "session": 3 * user + rng.integers(3)}
    if by == "session":
        units["session"] = 3 * user + rng.integers(0, 3, n_slates)
    drawn = rng.random(3 * n_users + n_slates) < probability
    promoted = drawn[units[by]]
    focal = rng.integers(1, size, n_slates)
    row = np.tile(np.arange(size), n_slates)
    slate = np.repeat(np.arange(n_slates), size)
    moved = np.where(row == focal[slate], 0, np.where(row < focal[slate], row + 1, row))
    log = pd.DataFrame(
        {
            "Impression ID": [f"s{number:05d}" for number in slate],
            "visitor": [f"u{number:04d}" for number in user[slate]],
            "sku": rng.integers(0, 10**9, len(slate)),
            "dept, name": rng.integers(0, 3, len(slate)),
            "rank": row + 1,
            "shown": np.where(promoted[slate], moved, row) + 1,
            "candidate": row == focal[slate],
            "arm": np.where(promoted[slate], "boost", "none"),
            "clicked": rng.random(len(slate)) < 0.3,
        }
    )
    return log.assign(clicked=log["clicked"].astype(int))


def check(log, folder, **changes):
    log.to_csv(folder / "log.csv", index=False)
    entry = completed({**ENTRY, "path": str(folder / "log.csv"), **changes}, SCHEMA)
    names = {"accounts": "accounts.parquet", "contract": "contract.csv", "row_counts": "counts.csv"}
    paths = {name: str(folder / file) for name, file in names.items()}
    account_log(LogEntry.from_config(entry), paths)
    return pd.read_csv(paths["contract"]).set_index("code")


def refused(log, folder, **changes):
    """Return the codes of a refusal with their rows, and its message."""
    with pytest.raises(NetliftError) as error:
        check(log, folder, **changes)
    return pd.read_csv(folder / "contract_refused.csv").set_index("code"), str(error.value)


def arms(log):
    return log.drop_duplicates("Impression ID")["arm"].value_counts()


def some_slates(log, arm, n):
    ids = log.loc[log["arm"] == arm, "Impression ID"].unique()
    return log["Impression ID"].isin(ids[:n])


# What was drawn


@pytest.mark.parametrize("by", ["user", "session"])
@pytest.mark.parametrize("probability", [0.5, 0.1])
def test_units_larger_than_slates_are_not_taken_for_slates(tmp_path, by, probability):
    log = slates(1, 2400, 120, by=by, probability=probability)
    entry = {"promotion": {"unit": "slate", "probability": probability}}
    accepted = {"accept": ["sample_ratio"]}
    found, message = refused(log, tmp_path, **entry, **accepted)
    assert set(found.index) == {"users_in_one_arm"}
    split = log.groupby("visitor")["arm"].nunique() == 2
    assert f"{split.sum():,} of {len(split):,} users with several slates" in message
    assert "promotion.unit: user" in message
    accepted["accept"].append("users_in_one_arm")
    contract = check(log, tmp_path, **entry, **accepted)
    assert contract.loc["users_in_one_arm", "severity"] == "accepted"


def test_users_that_were_drawn_pass_as_users(tmp_path):
    contract = check(slates(1, 2400, 120, by="user"), tmp_path, **BY_USER)
    assert set(contract["severity"]) <= {"warning"}


@pytest.mark.parametrize("seed", range(8))
def test_slates_that_were_drawn_pass_as_slates(tmp_path, seed):
    """The check refuses one sound log in a million."""
    probability = (0.5, 0.1, 0.9, 0.02)[seed % 4]
    log = slates(seed, 1000, (30, 400)[seed // 4], probability=probability)
    entry = {"promotion": {"unit": "slate", "probability": probability}}
    assert "users_in_one_arm" not in check(log, tmp_path, **entry).index


def test_probabilities_of_slates_are_those_of_the_check(tmp_path):
    """Users with their own probabilities, and slates drawn by them: rarely split, as expected."""
    rng = np.random.default_rng(5)
    log = slates(5, 1500, 300)
    chance = dict(zip(log["visitor"].unique(), rng.choice([0.02, 0.98], 300), strict=False))
    p = log["visitor"].map(chance)
    slate = pd.factorize(log["Impression ID"])[0]
    log = log.assign(p=p, arm=np.where(rng.random(1500)[slate] < p, "boost", "none"))
    entry = {"columns": COLUMNS | {"probability": "p"}, "promotion": {"unit": "slate"}}
    assert "users_in_one_arm" not in check(log, tmp_path, **entry).index
    half = {"promotion": {"unit": "slate", "probability": 0.5}}
    assert set(refused(log, tmp_path, **half)[0].index) == {"users_in_one_arm"}


def test_the_bound_of_few_split_users_by_hand():
    # Ten users with two slates each, drawn evenly: none is split with probability 2^-10.
    assert few_split_p_value(0, 10, 5.0, 10 * np.log(0.5)) == pytest.approx(2.0**-10)
    assert few_split_p_value(1, 10, 5.0, 10 * np.log(0.5)) == pytest.approx(11 * 2.0**-10)
    assert few_split_p_value(5, 10, 5.0, 10 * np.log(0.5)) == 1
    # Unequal users: none split has the product of their probabilities.
    assert few_split_p_value(0, 2, 1.4, np.log(0.5 * 0.1)) == pytest.approx(0.05)


@pytest.mark.parametrize("seed", range(3))
def test_the_bounds_hold_for_unequal_probabilities(seed):
    """Compared with the exact distribution of a sum of unequal indicators."""
    chances = np.random.default_rng(seed).beta(0.5, 0.5, 40)
    exact = np.ones(1)
    for chance in chances:
        exact = np.convolve(exact, [1 - chance, chance])
    below, expected = np.cumsum(exact), chances.sum()
    log_none = np.log(1 - chances).sum()
    for count in range(41):
        bound = few_split_p_value(count, 40, expected, log_none)
        assert bound >= below[count] * (1 - 1e-9)
        tail = min(below[count], 1 - below[count] + exact[count])
        assert unequal_p_value(count, 40, expected) >= min(2 * tail, 1) * (1 - 1e-9) or (
            abs(count - expected) < 1
        )


@pytest.mark.parametrize("without", ["column", "slates of a user"])
def test_a_log_that_cannot_tell_says_so(tmp_path, without):
    log = slates(2, 300, 60)
    columns = COLUMNS
    if without == "column":
        columns = {role: column for role, column in COLUMNS.items() if role != "user"}
    else:
        log["visitor"] = log["Impression ID"]
    assert "users_not_compared" in check(log, tmp_path, columns=columns).index


# Users in both arms


def merged(log, n):
    """Let n pairs of users, one of each arm, count as one."""
    arm = log.drop_duplicates("visitor").set_index("visitor")["arm"]
    pairs = zip(arm.index[arm == "none"][:n], arm.index[arm == "boost"][:n], strict=True)
    return log.assign(visitor=log["visitor"].replace(dict(pairs)))


def test_a_few_merged_users_may_be_set_aside_whole_and_are_counted(tmp_path):
    log = merged(slates(3, 2000, 200, by="user"), 3)
    found, message = refused(log, tmp_path, **BY_USER)
    assert list(found.index) == ["promotion_differs_in_user"]
    assert "3 of 197 users" in message
    assert "set_aside: [promotion_differs_in_user]" in message
    contract = check(log, tmp_path, **BY_USER, set_aside=["promotion_differs_in_user"])
    mixed = log.groupby("visitor")["arm"].transform("nunique") == 2
    assert contract.loc["promotion_differs_in_user", "severity"] == "set aside"
    assert contract.loc["promotion_differs_in_user", "rows"] == mixed.sum()
    counts = pd.read_csv(tmp_path / "counts.csv").set_index("what")
    left_out = counts.loc["set aside: promotion_differs_in_user"]
    assert left_out["rows"] == mixed.sum()
    assert left_out["slates"] == log[mixed]["Impression ID"].nunique()
    used = pd.read_parquet(tmp_path / "accounts.parquet")
    assert set(used["slate_id"]) == set(log[~mixed]["Impression ID"])
    assert (used.groupby("user_id")["promotion_applied"].nunique() == 1).all()


def test_many_users_in_both_arms_are_not_set_aside(tmp_path):
    chosen = BY_USER | {"set_aside": ["promotion_differs_in_user"]}
    for log in (merged(slates(3, 2000, 200, by="user"), 20), slates(3, 2000, 200)):
        found, message = refused(log, tmp_path, **chosen)
        assert list(found.index) == ["promotion_differs_in_user"]
        assert "too many to be set aside" in message


# Slates set aside


def damaged(log, **slates_of_arm):
    """Give slates of each arm an outcome below zero, and another user in one row."""
    for arm, n in slates_of_arm.items():
        rows = some_slates(log, arm, n)
        log.loc[rows, "clicked"] = -1
        log.loc[rows & (log["rank"] == 1), "visitor"] = "another"
    return log


@pytest.mark.parametrize(("none", "boost"), [(12, 0), (0, 12), (60, 20), (3, 40)])
def test_slates_of_one_arm_are_not_set_aside(tmp_path, none, boost):
    log = damaged(slates(4, 600, 100), none=none, boost=boost)
    chosen = {"set_aside": ["negative_outcome", "user_differs"]}
    found, message = refused(log, tmp_path, **chosen)
    assert list(found.index) == ["set_aside_differs"]
    counts = arms(log)
    words = f"{boost} of {counts['boost']} promoted and {none} of {counts['none']} control slates"
    assert message.count(words) == 2
    chosen["accept"] = ["set_aside_differs"]
    contract = check(log, tmp_path, **chosen)
    assert contract.loc["set_aside_differs", "severity"] == "accepted"


@pytest.mark.parametrize(("none", "boost"), [(1, 0), (0, 5), (20, 24), (50, 50)])
def test_slates_of_both_arms_are_set_aside(tmp_path, none, boost):
    log = damaged(slates(4, 600, 100), none=none, boost=boost)
    contract = check(log, tmp_path, set_aside=["negative_outcome", "user_differs"])
    assert contract.loc["negative_outcome", "slates"] == none + boost


def test_slates_that_could_only_be_in_one_arm_are_set_aside(tmp_path):
    """Their probability was 0 or 1 before the draw, so leaving them out is no selection."""
    log = slates(4, 600, 100)
    fixed = some_slates(log, "boost", 60)
    log["p"] = np.where(fixed, 1.0, 0.5)
    entry = {"columns": COLUMNS | {"probability": "p"}, "promotion": {"unit": "slate"}}
    found, message = refused(log, tmp_path, **entry)
    assert list(found.index) == ["probability_out_of_range"]
    assert "cannot be set aside" not in message
    check(log, tmp_path, **entry, set_aside=["probability_out_of_range"], accept=["sample_ratio"])
    # The arm is not what such a probability says.
    log["p"] = np.where(fixed, 0.0, 0.5)
    chosen = {"set_aside": ["probability_out_of_range"], "accept": ["sample_ratio"]}
    assert list(refused(log, tmp_path, **entry, **chosen)[0].index) == ["set_aside_differs"]


def test_codes_that_are_too_few_alone_are_compared_together(tmp_path):
    log = slates(4, 600, 100)
    first, second = some_slates(log, "none", 8), some_slates(log, "none", 16)
    log.loc[first, "clicked"] = -1
    log.loc[second & ~first & (log["rank"] == 1), "visitor"] = "another"
    chosen = {"set_aside": ["negative_outcome", "user_differs"]}
    found, message = refused(log, tmp_path, **chosen)
    assert list(found.index) == ["set_aside_differs"]
    assert "all together: 0 of" in message


def test_where_users_were_drawn_users_are_compared(tmp_path):
    log = slates(6, 3000, 100, by="user")
    one = log["visitor"] == log.loc[log["arm"] == "none", "visitor"].iloc[0]
    chosen = BY_USER | {"set_aside": ["negative_outcome"]}
    # All slates of one user: one unit, though dozens of slates.
    check(log.assign(clicked=np.where(one, -1, log["clicked"])), tmp_path, **chosen)
    # Each user has some, in promoted slates three times as many.
    slate = pd.factorize(log["Impression ID"])[0]
    draw = np.random.default_rng(7).random(3000)[slate]
    bad = draw < np.where(log["arm"] == "boost", 0.6, 0.2)
    log["clicked"] = np.where(bad, -1, log["clicked"])
    assert list(refused(log, tmp_path, **chosen)[0].index) == ["set_aside_differs"]


def test_unknown_users_of_one_arm_are_not_set_aside_as_one_user(tmp_path):
    log = slates(6, 3000, 100, by="user")
    log["visitor"] = log["visitor"].where(~some_slates(log, "none", 60))
    chosen = BY_USER | {"set_aside": ["missing_value"]}
    found, message = refused(log, tmp_path, **chosen)
    assert list(found.index) == ["set_aside_differs"]
    assert f"60 of {arms(log)['none']:,} control slates" in message


@pytest.mark.parametrize("by", ["slate", "user"])
def test_sound_slates_are_set_aside_without_alarm(tmp_path, by):
    """The comparison of arms refuses one sound choice in a thousand; ten are drawn."""
    for seed in range(10):
        log = slates(seed, 500, 60, by=by, probability=0.2)
        slate = pd.factorize(log["Impression ID"])[0]
        bad = np.random.default_rng(seed + 100).random(500)[slate] < 0.05 * (seed + 1)
        log["clicked"] = np.where(bad, -1, log["clicked"])
        entry = {"promotion": {"unit": by, "probability": 0.2}, "set_aside": ["negative_outcome"]}
        check(log, tmp_path, **entry)


# Delivery


def undelivered(log, n):
    """In n promoted slates everything was shown as without the promotion."""
    rows = some_slates(log, "boost", n)
    return log.assign(shown=np.where(rows, log["rank"], log["shown"]))


@pytest.mark.parametrize("code", DELIVERY)
def test_what_was_shown_in_one_arm_cannot_be_set_aside(code):
    from configs import merged as configuration

    entry = {**ENTRY, **WITH_SHOWN, "path": "x.csv", "set_aside": [code]}
    with pytest.raises(NetliftError, match="would break the randomization") as error:
        check_config(configuration({"logs": {"mine": entry}}))
    assert f"accept: [{code}]" in str(error.value)


def test_a_failed_promotion_stays_in_the_arm_that_was_drawn(tmp_path):
    log = slates(8, 600, 100)
    failed = undelivered(log, 40)
    found, message = refused(failed, tmp_path, **WITH_SHOWN)
    assert list(found.index) == ["focal_not_moved"]
    assert f"40 of {arms(log)['boost']} promoted and 0 of {arms(log)['none']} control" in message
    assert "accept: [focal_not_moved]" in message
    contract = check(failed, tmp_path, **WITH_SHOWN, accept=["focal_not_moved"])
    row = contract.loc["focal_not_moved"]
    assert (row["severity"], row["slates"]) == ("accepted", 40)
    accounts = pd.read_parquet(tmp_path / "accounts.parquet")
    check(log, tmp_path, **WITH_SHOWN)
    pd.testing.assert_frame_equal(accounts, pd.read_parquet(tmp_path / "accounts.parquet"))


def test_every_code_that_may_be_accepted_is_in_the_schema():
    allowed = SCHEMA["properties"]["accept"]["items"]["enum"]
    assert sorted(allowed) == sorted(code.name for code in CODES if code.accept)
    assert not [code.name for code in CODES if code.accept and code.set_aside]


# One cause, one message


@pytest.mark.parametrize("arm", ["none", "boost"])
@pytest.mark.parametrize("chosen", [[], ["no_focal_item"]])
def test_a_whole_arm_without_a_focal_item_is_told_with_the_way_out(tmp_path, arm, chosen):
    log = slates(9, 600, 100)
    log["candidate"] &= log["arm"] != arm
    found, message = refused(log, tmp_path, set_aside=chosen)
    name, other = {"none": ("control", "promoted"), "boost": ("promoted", "control")}[arm]
    assert f"all {arms(log)[arm]} {name} slates, no {other} slate" in message
    assert f"Flag in {name} slates, too, the item that is promoted" in message
    assert f"leave no {name} slate" in message
    assert list(found.index) == (["set_aside_differs"] if chosen else ["no_focal_item"])


def test_most_slates_of_an_arm_without_a_focal_item_have_the_same_way_out(tmp_path):
    log = slates(9, 600, 100)
    log["candidate"] &= ~some_slates(log, "none", 250)
    found, message = refused(log, tmp_path)
    assert list(found.index) == ["no_focal_item"]
    counts = arms(log)
    words = f"0 of {counts['boost']} promoted and 250 of {counts['none']} control slates"
    assert words in message
    assert "Flag in control slates, too" in message
    assert "set_aside: [no_focal_item]" not in message
    assert "cannot be set aside" in message


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("kind", ["same items", "other items", "another arm and user"])
def test_slates_shown_several_times_under_one_id(tmp_path, times, kind):
    log = slates(10, 300, 100)
    copies = [log]
    for number in range(1, times):
        copy = log.copy()
        if kind == "other items":
            copy["sku"] += number * 10**9
        if kind == "another arm and user":
            copy["arm"] = np.where(copy["arm"] == "boost", "none", "boost")
            copy["visitor"] += "x"
        copies.append(copy)
    found, message = refused(pd.concat(copies), tmp_path)
    assert list(found.index) == ["repeated_slate"]
    what = "position" if kind == "other items" else "item"
    assert f"300 slates have each {what} {times} times" in message
    assert "is an exposure id missing?" in message


def test_repeated_slates_do_not_hide_other_problems(tmp_path):
    log = slates(10, 300, 100)
    again = some_slates(log, "none", 20)
    log.loc[some_slates(log, "boost", 1) & (log["rank"] == 1), "visitor"] = "another"
    # Exposures of different length: of each the first positions.
    longer = pd.concat([log, log[again & (log["rank"] <= 3)]])
    found, message = refused(longer, tmp_path)
    assert set(found.index) == {"repeated_slate", "user_differs"}
    assert "20 slates have most items several times" in message


@pytest.mark.parametrize("chosen", [[], ["promotion_differs"]])
def test_a_flag_of_the_promoted_item_is_told(tmp_path, chosen):
    log = slates(9, 600, 100)
    n = arms(log)["boost"]
    log["arm"] = np.where(log["candidate"], log["arm"], "none")
    found, message = refused(log, tmp_path, set_aside=chosen)
    if chosen:
        assert list(found.index) == ["empty_arm"]
        assert f"0 promoted and {600 - n} control slates, without {n} slates" in message
        assert "take it out of set_aside" in message
    else:
        assert list(found.index) == ["promotion_differs"]
        assert f"in {n} of {n} the flag is set for the focal item only" in message
        assert "give every row of the slate the largest flag" in message


@pytest.mark.parametrize("column", ["candidate", "arm"])
def test_a_flag_that_is_empty_where_it_is_not_set_is_told(tmp_path, column):
    log = slates(9, 600, 100)
    log[column] = log[column].where(log[column].isin([True, "boost"]))
    found, message = refused(log, tmp_path)
    assert list(found.index) == ["missing_value"]
    assert "An empty flag is not 0" in message or "an empty flag is neither arm" in message


def test_unknown_users_are_told_with_the_way_out(tmp_path):
    log = slates(11, 600, 100)
    unknown = some_slates(log, "none", 90) | some_slates(log, "boost", 90)
    log["visitor"] = log["visitor"].where(~unknown)
    found, message = refused(log, tmp_path)
    assert list(found.index) == ["missing_value"]
    assert "give every such slate an id of its own" in message
    found, message = refused(log, tmp_path, **BY_USER)
    assert "missing_value" in found.index
    assert "by which the arm was drawn" in message
    contract = check(log, tmp_path, set_aside=["missing_value"])
    assert contract.loc["missing_value", "slates"] == 180


def test_a_third_arm_is_named_with_its_values_and_counts(tmp_path):
    log = slates(12, 900, 150)
    slate = pd.factorize(log["Impression ID"])[0]
    third = slate % 3 == 0
    # As a third arm is: without a candidate.
    log = log.assign(
        arm=np.where(third, np.where(slate % 6 == 0, "badge", "holdout"), log["arm"]),
        candidate=log["candidate"] & ~third,
    )
    found, message = refused(log, tmp_path)
    assert list(found.index) == ["unknown_flag"]
    assert "arm is 'badge' in 150 slates (600 rows)" in message
    assert "arm is 'holdout' in 150 slates (600 rows)" in message
    counts = arms(log)
    assert f"{counts['boost']} slates are promoted and {counts['none']} are control" in message
    contract = check(log, tmp_path, set_aside=["unknown_flag"])
    assert contract.loc["unknown_flag", "slates"] == 300


def test_an_arm_with_a_blank_too_many_is_shown_as_it_is_written(tmp_path):
    """One arm is called "none": with a blank, too, it is a value and not a missing one."""
    log = slates(12, 200, 40)
    found, message = refused(log.assign(arm=log["arm"] + " "), tmp_path)
    assert list(found.index) == ["unknown_flag"]
    counts = arms(log)
    for arm in ("boost", "none"):
        assert f"arm is '{arm} ' in {counts[arm]} slates" in message


# Effective units


def test_few_or_unequal_units_are_warned(tmp_path):
    few = check(slates(13, 800, 40, by="user"), tmp_path, **BY_USER)
    assert few.loc["few_units", "severity"] == "warning"
    log = slates(13, 4000, 200, by="user")
    assert "few_units" not in check(log, tmp_path, **BY_USER).index
    # One user has half of the slates of an arm.
    users = log["visitor"].unique()
    first = log.loc[log["arm"] == "none", "visitor"].unique()
    log.loc[log["visitor"].isin(first[: len(first) // 2]), "visitor"] = first[0]
    told = check(log, tmp_path, **BY_USER).loc["few_units", "examples"]
    sizes = log[log["arm"] == "none"].drop_duplicates("Impression ID")["visitor"].value_counts()
    effective = sizes.sum() ** 2 / (sizes**2).sum()
    assert len(users) == 200
    assert f"control: {len(sizes)} users tell as much as {effective:.1f} equal ones" in told
    assert f"the largest has {sizes.max() / sizes.sum():.0%} of the weight" in told


def test_differing_probabilities_of_few_units_are_warned(tmp_path):
    rng = np.random.default_rng(14)
    log = slates(14, 120, 60)
    slate = pd.factorize(log["Impression ID"])[0]
    p = rng.choice([0.05, 0.5, 0.95], 120)[slate]
    log = log.assign(p=p, arm=np.where(rng.random(120)[slate] < p, "boost", "none"))
    entry = {"columns": COLUMNS | {"probability": "p"}, "promotion": {"unit": "slate"}}
    assert "few_units" in check(log, tmp_path, **entry).index
    assert BY_NAME["few_units"].severity == "warning"
