"""Sweeps: blocks change no value; their counts of estimators and conclusions are right."""

import numpy as np
import pandas as pd
import pytest
from builders import compared, random_exposure, random_items

from netlift.core.errors import NetliftError
from netlift.core.tables import read_groups, write_groups
from netlift.effects.accounts import slate_outcomes
from netlift.effects.conclusions import NEGATIVE, conclusions
from netlift.effects.ledger import component_effects
from netlift.studies.seed_blocks import each_seed, name_failures
from netlift.studies.sweep import experiment_rows, sweep_block
from netlift.studies.sweep_summary import combined, conclusion_shares, sweep_summary
from netlift.worlds.simulation import Simulation


def rows(seed: int, *, size: int = 6, world: str = "logit") -> pd.DataFrame:
    accounts = slate_outcomes(random_items(seed, 80, size))
    keys = {"seed": seed, "size": size, "world": world}
    return experiment_rows(component_effects(compared(accounts)), accounts, **keys)


def test_rows_are_those_of_the_experiment_with_the_known_effects():
    accounts = slate_outcomes(random_items(3, 80, 6))
    effects = component_effects(compared(accounts))
    found = rows(3)
    expected = effects[effects["outcome_type"] == "observed_clicks"].reset_index(drop=True)
    for name in ("component", "estimator", "estimate_per_slate", "se", "ci_95_lower", "df", "note"):
        pd.testing.assert_series_equal(found[name], expected[name])
    known = accounts[[name for name in accounts if name.startswith("known_effect_")]].mean()
    first = found.iloc[:4].set_index("line")["known_effect"]
    assert first["total"] == pytest.approx(known["known_effect_total"])
    assert first["direct"] == pytest.approx(known["known_effect_direct_focal"])
    assert (found.groupby("component")["known_effect"].nunique() == 1).all()


def test_the_order_and_size_of_blocks_change_nothing():
    experiments = [rows(seed, world=world) for seed in (1, 2, 3) for world in ("mnl", "logit")]
    whole = combined([pd.concat(experiments)])
    shuffled = combined([experiments[place] for place in (4, 1, 5, 0, 2, 3)])
    pd.testing.assert_frame_equal(whole, shuffled)


def test_the_summary_by_hand():
    effects = pd.DataFrame(
        {
            "world": "logit",
            "size": 6,
            "line": "total",
            "effect_family": "Total",
            "component": "Full slate",
            "estimator": "lin",
            "seed": [1, 2, 3, 4],
            "estimate_per_slate": [1.0, 2.0, 4.0, np.nan],
            "se": [0.5, 0.5, 0.5, np.nan],
            "ci_95_lower": [0.0, 1.0, 3.0, np.nan],
            "ci_95_upper": [2.0, 3.0, 5.0, np.nan],
            "known_effect": [1.0, 1.5, 2.0, 2.5],
        }
    )
    row = sweep_summary(effects).iloc[0]
    assert row["seeds"] == 3
    assert row["seeds_without_estimate"] == 1
    assert row["bias"] == pytest.approx(2.5 / 3)
    assert row["coverage_95"] == pytest.approx(2 / 3)
    assert row["sd_of_error"] == pytest.approx(np.std([0, 0.5, 2], ddof=1))
    assert row["bias_mc_error"] == pytest.approx(row["sd_of_error"] / np.sqrt(3))


def test_shares_of_conclusions_add_up_and_count_wrong_verdicts():
    judged = pd.DataFrame(
        {
            "conclusion": NEGATIVE,
            "world": "w",
            "size": 6,
            "verdict": ["holds", "does_not_hold", "undecided", "undecided"],
            "known_verdict": ["holds", "holds", "does_not_hold", None],
        }
    )
    row = conclusion_shares(judged).iloc[0]
    assert row[["holds", "does_not_hold", "undecided"]].to_list() == [0.25, 0.25, 0.5]
    assert row["holds_by_known_effects"] == 0.5
    assert row["wrong"] == 0.25


def test_shares_of_a_real_experiment():
    items = random_items(3, 80, 6)
    judged = conclusions(items, compared(slate_outcomes(items))).assign(seed=3, size=6, world="w")
    shares = conclusion_shares(judged)
    assert len(shares) == len(judged)
    assert (shares[["holds", "does_not_hold", "undecided"]].sum(axis=1) == 1).all()


def test_a_block_has_the_rows_of_its_experiments_and_names_the_seeds_that_fail():
    tables = {seed: random_exposure(seed, 80, 6) for seed in (3, 4)}
    entry, keys = {"model": "logit", "intercept": -1.0}, {"size": 6, "world": "w"}
    groups = [table.assign(seed=seed) for seed, table in tables.items()]
    ledgers, judged = sweep_block(groups, entry, **keys, main_estimator="difference_in_means")
    for seed, table in tables.items():
        items = Simulation.from_exposure(table, entry, seed=seed).items
        accounts = slate_outcomes(items)
        expected = experiment_rows(
            component_effects(compared(accounts)), accounts, seed=seed, **keys
        )
        found = ledgers[ledgers["seed"] == seed].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
        assert (judged["seed"] == seed).sum() == len(conclusions(items, compared(accounts)))
    with pytest.raises(NetliftError, match=r"1 seed of this block failed \(4\)"):
        sweep_block([groups[0], groups[1][1:]], entry, **keys)


def test_seeds_after_one_that_fails_are_run():
    def fails() -> int:
        raise NetliftError("no")

    found = []
    with pytest.raises(NetliftError, match="seed 2: no"):
        found.extend(each_seed([(1, lambda: 10), (2, fails), (3, lambda: 30)]))
    work = each_seed([(2, fails), (3, lambda: 30)])
    assert next(work) == 30


def test_failed_seeds_are_named_with_their_reasons():
    with pytest.raises(
        NetliftError, match=r"2 seeds of this block failed \(4,7\)(.|\n)*seed 7: why"
    ):
        name_failures({7: "why", 4: "because"})
    name_failures({})


def test_groups_come_back_as_they_went(tmp_path):
    frames = [random_items(seed, 4, 3).assign(seed=seed) for seed in (1, 2)]
    for frame in frames:
        frame["spillover_cluster"] = pd.Categorical(frame["spillover_cluster"])
    write_groups(frames, tmp_path / "groups.parquet")
    found = list(read_groups(tmp_path / "groups.parquet"))
    assert len(found) == 2
    for one, other in zip(frames, found, strict=True):
        pd.testing.assert_frame_equal(
            one.astype({"spillover_cluster": str}),
            other.astype({"spillover_cluster": str}),
            check_dtype=False,
        )


def test_a_block_that_fails_leaves_no_file(tmp_path):
    def frames():
        yield random_items(1, 4, 3)
        raise NetliftError("no")

    with pytest.raises(NetliftError):
        write_groups(frames(), tmp_path / "groups.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "groups.parquet").write_text("nothing")
    with pytest.raises(NetliftError, match=r"groups\.parquet.*Delete the file"):
        list(read_groups(tmp_path / "groups.parquet"))
