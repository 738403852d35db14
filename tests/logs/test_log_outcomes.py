"""Outcomes that cannot answer are named: constant, recorded in one arm, or one number per slate."""

import numpy as np
import pandas as pd
import pytest
from builders import compared
from log_files import draw_log
from test_logs import account, entry

from netlift.effects.account_tables import account_tables
from netlift.effects.decisions import decision_statements
from netlift.effects.ledger import component_effects
from netlift.logs.problems import LogRefusedError


@pytest.fixture(scope="module")
def log():
    return draw_log(21, 200, n_users=80)[0]


def contract_of(log, folder, **said):
    folder.mkdir(exist_ok=True)
    log.to_parquet(folder / "log.parquet")
    accounts, _, contract, _ = account(entry(folder / "log.parquet", **said), folder)
    return accounts, contract.set_index("code")


CONSTANT = {
    "ones": (lambda log: log.assign(clicked=1), "clicked is 1 in every row"),
    "zeros": (lambda log: log.assign(clicked=0), "clicked is 0 in every row"),
    "numbers": (lambda log: log.assign(clicked=0.1), "clicked is 0.1 in every row"),
    "one click in every slate": (
        lambda log: log.assign(clicked=(log["rank"] == log["visits"] % 6 + 1).astype(int)),
        "clicked adds up to 1 in every slate",
    ),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_an_outcome_that_never_varies_is_told(name, log, tmp_path):
    change, message = CONSTANT[name]
    accounts, contract = contract_of(change(log), tmp_path)
    assert contract.loc["constant_outcome", "examples"] == message
    assert contract.loc["constant_outcome", "slates"] == 200
    total = component_effects(compared(accounts)).query("is_main and line == 'total'").iloc[0]
    assert abs(total["estimate_per_slate"]) < 1e-12
    assert total["se"] < 1e-12


def test_slates_of_differing_lengths_full_of_ones(tmp_path):
    log, _ = draw_log(21, 60, (2, 7))
    _, contract = contract_of(log.assign(clicked=1), tmp_path)
    assert contract.loc["constant_outcome", "examples"] == "clicked is 1 in every row"


def test_an_outcome_that_varies_is_not_called_constant(log, tmp_path):
    _, contract = contract_of(log, tmp_path)
    assert not {"constant_outcome", "constant_part"} & set(contract.index)


ONE_ARM = {
    "never in control": lambda log, there: log["clicked"].where(there, 0),
    "never in promoted": lambda log, there: log["clicked"].where(~there, 0),
    "always 1 in control": lambda log, there: log["clicked"].where(there, 1),
    "the promotion itself": lambda log, there: there.astype(int),
    "the promoted item": lambda log, there: (there & log["candidate"]).astype(int),
    "minutes in one arm": lambda log, there: log["minutes"].where(there, 0),
    "a default of -1": lambda log, there: log["minutes"].where(there, -1),
}


@pytest.mark.parametrize("name", ONE_ARM)
def test_an_outcome_of_one_arm_is_refused(name, log, tmp_path):
    changed = log.assign(clicked=ONE_ARM[name](log, log["arm"] == "boost"))
    said = {"outcomes": {"clicks": {"column": "clicked", "negative": True}}}
    with pytest.raises(LogRefusedError, match="one_arm_outcome"):
        contract_of(changed, tmp_path, **said)
    _, contract = contract_of(changed, tmp_path, **said, accept=["one_arm_outcome"])
    assert contract.loc["one_arm_outcome", "severity"] == "accepted"


def test_a_further_outcome_is_checked_too(log, tmp_path):
    changed = log.assign(minutes=log["minutes"].where(log["arm"] == "boost", 0))
    outcomes = {"clicks": {"column": "clicked"}, "minutes": {"column": "minutes"}}
    with pytest.raises(LogRefusedError, match=r"one_arm_outcome \(column minutes\)"):
        contract_of(changed, tmp_path, outcomes=outcomes)


def test_a_rare_outcome_may_be_missing_in_an_arm_by_chance(log, tmp_path):
    promoted = log[(log["arm"] == "boost") & log["candidate"]].index[:8]
    rare = log.assign(clicked=log.index.isin(promoted).astype(int))
    _, contract = contract_of(rare, tmp_path)
    assert "one_arm_outcome" not in contract.index


def test_false_alarms_of_rare_outcomes_are_rare(tmp_path):
    """Of 300 tables with random arms and a rare outcome, none: the stated rate is 1 in 10,000."""
    from math import comb

    from netlift.logs.outcomes import _all_in_one_arm

    rng = np.random.default_rng(8)
    alarms = 0
    for _ in range(300):
        promoted = rng.random(200) < 0.5
        clicked = rng.random(200) < rng.choice([0.005, 0.02, 0.05])
        if not clicked.any() or (clicked & ~promoted).any():
            continue
        alarms += _all_in_one_arm(int(clicked.sum()), int(promoted.sum()), 200) < 1e-4
    assert alarms == 0
    assert np.isclose(_all_in_one_arm(3, 5, 12), comb(5, 3) / comb(12, 3))


SLATE_LEVEL = {
    "clicks of the slate": lambda log: log.groupby("Impression ID")["clicked"].transform("sum"),
    "whether the session bought": lambda log: log.groupby("Impression ID")["clicked"].transform(
        lambda clicks: int(clicks.sum() > 2)
    ),
    "minutes of the session": lambda log: log.groupby("Impression ID")["minutes"].transform("sum"),
}


@pytest.mark.parametrize("name", SLATE_LEVEL)
def test_a_number_of_the_slate_joined_to_its_rows_is_refused(name, log, tmp_path):
    changed = log.assign(clicked=SLATE_LEVEL[name](log))
    with pytest.raises(LogRefusedError, match="slate_level_outcome") as refused:
        contract_of(changed, tmp_path)
    assert "in all 6 rows of slate s0000" in str(refused.value)


def test_the_way_out_gives_the_right_total(log, tmp_path):
    """The number in the focal row alone: the total is that of the slates' numbers."""
    level = log.groupby("Impression ID")["clicked"].transform("sum")
    accounts, contract = contract_of(log.assign(clicked=level.where(log["candidate"], 0)), tmp_path)
    slates = log[log["candidate"]].assign(level=level)
    means = slates.groupby("arm")["level"].mean()
    effects = component_effects(compared(accounts)).query("estimator == 'difference_in_means'")
    total = effects.set_index("line").loc["total", "estimate_per_slate"]
    assert np.isclose(total, means["boost"] - means["none"])
    assert "is 0 for all competitors" in contract.loc["constant_part", "examples"]


def test_an_outcome_of_the_focal_item_in_one_arm_is_told(log, tmp_path):
    lost = log["candidate"] & (log["arm"] == "none")
    _, contract = contract_of(log.assign(clicked=log["clicked"].where(~lost, 0)), tmp_path)
    told = contract.loc["constant_part", "examples"]
    slates = (log["candidate"] & (log["arm"] == "none")).sum()
    assert told == f"clicked is 0 for the focal item in all {slates} control slates"


SETTINGS = {
    "units": {"observed_clicks": "clicks"},
    "min_slates": 20,
    "seed": 3,
    "bootstrap_draws": 99,
    "power_effects": [0.1],
}


@pytest.mark.parametrize("name", CONSTANT)
def test_nothing_is_ruled_out_where_the_outcome_does_not_vary(name, log, tmp_path):
    """All tables of accounts are made, and no effect without an error has a sign."""
    accounts, _ = contract_of(CONSTANT[name][0](log), tmp_path)
    tables = account_tables(accounts, **SETTINGS)
    assert all(len(table) for name, table in tables.items() if name != "risk_by_cluster")
    spillover = pd.DataFrame(
        columns=["unit_code", "se", "estimate", "ci_95_lower", "ci_95_upper", "definition_label"]
    )
    statements = decision_statements(tables["product_summary"], spillover, tables["segments"])
    found = statements.set_index("topic")
    slates = found.loc["slate_level_metric"]
    assert slates["verdict"] == "undecided"
    assert "add up to the same number in all slates of an arm" in slates["statement"]
    assert "no interval" in slates["statement"]
    assert found.loc["policy_design", "verdict"] == "no_evidence_for_promoting"
    text = " ".join(statements["statement"])
    assert "rule out" not in text
    assert "+0.0 to +0.0" not in text


def test_a_control_mean_of_zero_has_no_relative_change(log, tmp_path):
    changed = log.assign(clicked=(log["arm"] == "boost").astype(int))
    accounts, _ = contract_of(changed, tmp_path, accept=["one_arm_outcome"])
    product = account_tables(accounts, **SETTINGS)["product_summary"].set_index("metric")
    assert product.loc["control_mean", "estimate"] == 0
    assert pd.isna(product.loc["relative_net_change", "estimate"])
