"""Positions of a log: numbers that are none in a slate, and promotions that move nothing."""

import pytest
from log_files import COLUMNS, draw_log
from test_logs import account, entry

from netlift.logs.problems import LogRefusedError

POSITION = COLUMNS["position"]


def refusal(said, folder):
    with pytest.raises(LogRefusedError) as refused:
        account(said, folder)
    return refused.value


def written(log, folder, kind):
    path = folder / f"log.{kind}"
    log.to_parquet(path) if kind == "parquet" else log.to_csv(path, index=False)
    return path


def described(path, **changes):
    """Return an entry without a promotion."""
    columns = {role: COLUMNS[role] for role in ("slate", "user", "item", "cluster", "position")}
    return entry(path, **{"columns": columns, "meanings": {}, "promotion": {}} | changes)


TOO_HIGH = [
    ("csv", 32_768, 1),
    ("csv", 2**31 - 1, 0),
    ("csv", 2**40, 1),
    ("parquet", 2**31 - 1, 0),
    ("parquet", 2**63 - 1, 1),
]


@pytest.mark.parametrize(("kind", "position", "first"), TOO_HIGH)
def test_positions_beyond_those_of_slates_are_refused_or_set_aside(tmp_path, position, kind, first):
    log, _ = draw_log(1, 60)
    log[POSITION] -= 1 - first
    slate = log[COLUMNS["slate"]] == log[COLUMNS["slate"]].iloc[12]
    log.loc[log.index[slate][-1], POSITION] = position
    path = written(log, tmp_path, kind)
    for said in (entry, described):
        error = refusal(said(path, first_position=first), tmp_path)
        problem = next(each for each in error.problems if each.code == "position_too_high")
        assert (problem.rows, problem.slates, problem.column) == (1, 1, POSITION)
        aside = ["position_too_high", "position_gap"]
        accounts, items, *_ = account(said(path, first_position=first, set_aside=aside), tmp_path)
        assert len(accounts) == 59
        assert set(items["slate_position_seed"]) == set(range(1, 7))


@pytest.mark.parametrize(("kind", "first"), [("csv", 0), ("parquet", 1)])
def test_the_highest_position_is_read(tmp_path, kind, first):
    log, _ = draw_log(1, 60)
    log[POSITION] -= 1 - first
    log.loc[log.index[-1], POSITION] = 32_766 + first
    _, items, *_ = account(described(written(log, tmp_path, kind), first_position=first), tmp_path)
    assert items["slate_position_seed"].max() == 32_767


@pytest.mark.parametrize("position", [-5, -(2**40)])
def test_positions_below_the_first_are_set_aside(tmp_path, position):
    log, _ = draw_log(1, 60)
    log.loc[log.index[12], POSITION] = position
    aside = ["position_too_low", "position_gap"]
    accounts, *_ = account(entry(written(log, tmp_path, "csv"), set_aside=aside), tmp_path)
    assert len(accounts) == 59


def on_top(log, position=1):
    """Return a log whose focal items all are at one position."""
    return log.assign(**{COLUMNS["focal"]: (log[POSITION] == position).astype(int)})


@pytest.mark.parametrize("to", [1, 3])
def test_a_promotion_that_moves_nothing_is_refused_or_accepted(tmp_path, to):
    log, _ = draw_log(2, 80)
    path = written(on_top(log, to), tmp_path, "csv")
    promotion = {"unit": "slate", "probability": 0.5, "move": {"to": to}}
    error = refusal(entry(path, promotion=promotion), tmp_path)
    assert [problem.code for problem in error.problems] == ["nothing_moves"]
    assert "promotion.move.to" in str(error)
    assert "all 80 slates" in str(error)
    _, _, contract, _ = account(
        entry(path, promotion=promotion, accept=["nothing_moves"]), tmp_path
    )
    severities = dict(zip(contract["code"], contract["severity"], strict=True))
    assert severities["nothing_moves"] == "accepted"
    assert "focal_item_on_top" not in severities


def test_a_promotion_that_moves_something_in_one_slate_is_only_warned_of(tmp_path):
    log, _ = draw_log(2, 80)
    changed = on_top(log)
    slate = changed[COLUMNS["slate"]] == changed[COLUMNS["slate"]].iloc[0]
    changed.loc[slate, COLUMNS["focal"]] = (changed.loc[slate, POSITION] == 2).astype(int)
    _, _, contract, _ = account(entry(written(changed, tmp_path, "csv")), tmp_path)
    assert contract.set_index("code")["slates"]["focal_item_on_top"] == 79


def test_a_badge_moves_nothing_by_design(tmp_path):
    log, _ = draw_log(2, 80)
    promotion = {"unit": "slate", "probability": 0.5, "badge": {}}
    path = written(on_top(log), tmp_path, "csv")
    _, _, contract, _ = account(entry(path, promotion=promotion), tmp_path)
    assert not {"nothing_moves", "focal_item_on_top"} & set(contract["code"])
