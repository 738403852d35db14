"""Effects on item rows: clustered errors, the bootstrap, and five definitions of spillover."""

import numpy as np
import pandas as pd
import pytest
from builders import cluster_sandwich, items, random_items

from netlift.core.streams import generator
from netlift.effects.observed import observed_effects
from netlift.effects.spillover import spillover_sensitivity, spillover_support
from netlift.inference import bootstrap as bootstrap_module
from netlift.inference.bootstrap import bootstrap

PER_ROW, PER_SLATE = "per_row", "per_slate"


def experiment(n_slates: int = 80, n_users: int | None = 30) -> pd.DataFrame:
    return random_items(11, n_slates, (3, 9), n_users=n_users)


def observed(log: pd.DataFrame, draws: int = 20) -> pd.DataFrame:
    return observed_effects(log, seed=1, bootstrap_draws=draws)[0].set_index("line")


def groups(log: pd.DataFrame) -> dict[str, pd.Series]:
    """Return in pandas the rows of each observed effect."""
    return {
        "direct": log["is_focal_item"],
        "same_cluster": ~log["is_focal_item"]
        & (log["spillover_cluster"] == log["focal_spillover_cluster"]),
        "other": log["spillover_cluster"] != log["focal_spillover_cluster"],
        "indirect": ~log["is_focal_item"],
    }


def definitions(log: pd.DataFrame, near: int) -> dict[str, pd.Series]:
    """Return in pandas the rows of each definition of spillover."""
    above = log["focal_seed_position"] - log["slate_position_seed"]
    same_cluster = groups(log)["same_cluster"]
    return {
        "all_non_focal": above != 0,
        "same_cluster": same_cluster,
        "displaced": above > 0,
        "same_cluster_displaced": same_cluster & (above > 0),
        "near_displaced": above.between(1, near),
    }


def arm_difference(log: pd.DataFrame, column: str = "click") -> float:
    means = log.groupby("promotion_applied")[column].mean()
    return means[1] - means[0]


# --- Observed effects ----------------------------------------------------------------------------


def test_row_effects_and_both_errors_are_the_sandwich_written_out():
    log = experiment()
    found = observed(log)
    for effect, member in groups(log).items():
        rows = log[member]
        y, arm = rows["click"].to_numpy(), rows["promotion_applied"].to_numpy()
        slope, by_slate = cluster_sandwich(y, arm, rows["slate_id"].to_numpy())
        _, by_user = cluster_sandwich(y, arm, rows["user_id"].to_numpy())
        row = found.loc[effect]
        assert row["unit_code"] == PER_ROW
        assert row["estimate"] == pytest.approx(slope, abs=1e-13)
        assert row["se"] == pytest.approx(by_slate, rel=1e-11)
        assert row["se_user_clustered"] == pytest.approx(by_user, rel=1e-11)


def test_the_full_slate_effect_is_per_slate_and_its_user_error_is_clustered_over_slates():
    log = experiment()
    slates = log.groupby("slate_id").agg(
        click=("click", "sum"),
        promotion_applied=("promotion_applied", "first"),
        user_id=("user_id", "first"),
    )
    row = observed(log).loc["total"]
    arms = [slates.loc[slates["promotion_applied"] == arm, "click"] for arm in (1, 0)]
    assert row["unit_code"] == PER_SLATE
    assert row["estimate"] == pytest.approx(arms[0].mean() - arms[1].mean(), abs=1e-13)
    neyman = sum(arm.var(ddof=1) / len(arm) for arm in arms) ** 0.5
    assert row["se"] == pytest.approx(neyman, rel=1e-12)
    by_user = cluster_sandwich(*(slates[name].to_numpy() for name in slates))[1]
    assert row["se_user_clustered"] == pytest.approx(by_user, rel=1e-11)


def test_counts_of_slates_are_slates_and_counts_of_rows_are_rows():
    log = experiment()
    found = observed(log)
    for effect, member in groups(log).items():
        for name, arm in (("treated", 1), ("control", 0)):
            rows = log[member & (log["promotion_applied"] == arm)]
            assert found.loc[effect, f"{name}_rows"] == len(rows)
            assert found.loc[effect, f"{name}_slates"] == rows["slate_id"].nunique()
            assert found.loc[effect, f"{name}_mean"] == pytest.approx(rows["click"].mean())
    for name, arm in (("treated", 1), ("control", 0)):
        rows = log[log["promotion_applied"] == arm]
        assert found.loc["total", f"{name}_rows"] == len(rows)
        assert found.loc["total", f"{name}_slates"] == rows["slate_id"].nunique()
        assert found.loc["total", f"{name}_mean"] == pytest.approx(
            rows["click"].sum() / rows["slate_id"].nunique()
        )


def test_the_known_effect_is_the_mean_over_the_rows_of_both_arms():
    log = experiment().assign(effect=lambda table: table["p_promoted"] - table["p_control"])
    found = observed(log)
    for effect, member in groups(log).items():
        assert found.loc[effect, "known_effect"] == pytest.approx(log.loc[member, "effect"].mean())
    per_slate = log["effect"].sum() / log["slate_id"].nunique()
    assert found.loc["total", "known_effect"] == pytest.approx(per_slate)
    assert (found["distance_from_known_in_se"] * found["se"]).to_numpy() == pytest.approx(
        (found["estimate"] - found["known_effect"]).to_numpy()
    )


def test_a_log_without_a_truth_says_nothing_about_it():
    log = experiment().drop(columns=["p_control", "p_promoted"])
    assert not [name for name in observed(log) if "known" in name]
    assert not [name for name in spillover_sensitivity(log, near_positions=3) if "known" in name]


def test_estimates_scatter_around_the_known_effect_as_far_as_their_errors_say():
    log = random_items(21, 150, 6)
    rng = np.random.default_rng(22)
    distances = []
    for _ in range(40):
        promoted = np.repeat(rng.random(150) < 0.5, 6)
        probability = np.where(promoted, log["p_promoted"], log["p_control"])
        again = log.assign(
            promotion_applied=promoted.astype(int), click=rng.random(len(log)) < probability
        )
        distances.append(observed(again, draws=2)["distance_from_known_in_se"])
    # Each effect's mean distance has standard deviation 1/sqrt(40); five effects at 4 of them:
    # false alarm 0.03%.
    assert (np.abs(np.mean(distances, axis=0)) < 4 / 40**0.5).all()


def test_without_any_click_effects_are_zero_and_the_distance_from_the_known_one_is_missing():
    found = observed(experiment().assign(click=0))
    zero = ["estimate", "se", "se_user_clustered", "ci_95_lower", "ci_95_upper", "bootstrap_se"]
    assert (found[zero] == 0).all(axis=None)
    assert found["known_effect"].notna().all()
    assert found["distance_from_known_in_se"].isna().all()


# --- Bootstrap -----------------------------------------------------------------------------------


def test_the_bootstrap_is_that_of_copying_the_slates_that_were_drawn():
    log = experiment(n_slates=40)
    effects, draws = observed_effects(log, seed=5, bootstrap_draws=12)
    slates = dict(iter(log.groupby("slate_id")))
    picked = []
    for arm, stream_block in ((1, 0), (0, 1)):
        own = [number for number, rows in slates.items() if rows["promotion_applied"].iat[0] == arm]
        picks = generator(5, "bootstrap", stream_block).integers(len(own), size=(12, len(own)))
        picked.append(np.array(own)[picks])
    assert list(draws.columns) == effects["line"].tolist()
    for draw in range(12):
        chosen = np.concatenate([arm[draw] for arm in picked])
        copied = pd.concat([slates[number] for number in chosen])
        for effect, member in groups(copied).items():
            assert draws[effect][draw] == pytest.approx(arm_difference(copied[member]), abs=1e-12)
        per_slate = [
            sum(slates[number]["click"].sum() for number in arm[draw]) / len(arm[draw])
            for arm in picked
        ]
        assert draws["total"][draw] == pytest.approx(per_slate[0] - per_slate[1], abs=1e-12)


def test_bootstrap_error_and_interval_are_those_of_the_draws():
    effects, draws = observed_effects(experiment(), seed=2, bootstrap_draws=200)
    assert effects["bootstrap_se"].to_numpy() == pytest.approx(draws.std(ddof=1).to_numpy())
    for column, share in (("bootstrap_ci_95_lower", 0.025), ("bootstrap_ci_95_upper", 0.975)):
        assert effects[column].to_numpy() == pytest.approx(draws.quantile(share).to_numpy())
    assert draws.shape == (200, 5)


def test_bootstrap_errors_reach_their_exact_value():
    rng = np.random.default_rng(1)
    promoted = np.arange(30) < 12
    totals = rng.poisson(2, (30, 1)).astype(float)
    draws = bootstrap(totals, np.ones((30, 1)), promoted, seed=3, n_draws=20_000)
    # The mean of n draws with replacement has the population variance of the sample over n.
    exact = sum(np.var(totals[arm]) / arm.sum() for arm in (promoted, ~promoted)) ** 0.5
    # Relative error of a standard deviation from 20,000 draws: 0.5%; 4 of them.
    assert draws.std() == pytest.approx(exact, rel=0.02)
    centre = totals[promoted].mean() - totals[~promoted].mean()
    assert abs(draws.mean() - centre) < 4 * exact / 20_000**0.5


def test_draws_do_not_depend_on_how_many_are_held_in_memory(monkeypatch):
    log = experiment(n_slates=50)
    whole = observed_effects(log, seed=1, bootstrap_draws=33)[1]
    monkeypatch.setattr(bootstrap_module, "_DRAWS_AT_ONCE", 100)
    pieces = observed_effects(log, seed=1, bootstrap_draws=33)[1]
    pd.testing.assert_frame_equal(pieces, whole, check_exact=False, rtol=0, atol=1e-14)


def test_the_first_draws_are_the_same_however_many_follow_and_other_seeds_draw_others():
    log = experiment(n_slates=30)
    many = observed_effects(log, seed=1, bootstrap_draws=40)[1]
    few = observed_effects(log, seed=1, bootstrap_draws=7)[1]
    other = observed_effects(log, seed=2, bootstrap_draws=7)[1]
    pd.testing.assert_frame_equal(many[:7], few, check_exact=False, rtol=0, atol=1e-14)
    assert not np.allclose(few, other)


# --- Spillover -----------------------------------------------------------------------------------


def test_definitions_by_hand():
    # Focal item fifth, in cluster A: displaced are items 1 to 4, of them 1 and 4 in A.
    log = items(["ABBAABA"] * 2, [5, 5], [1, 0], ["0000000"] * 2)
    support = spillover_support(log, near_positions=2).set_index("definition")
    assert (support["treated_rows"] == support["control_rows"]).all()
    assert support["treated_rows"].to_dict() == {
        "all_non_focal": 6,
        "same_cluster": 3,
        "displaced": 4,
        "same_cluster_displaced": 2,
        "near_displaced": 2,
    }
    assert support["rows"].tolist() == [12, 6, 8, 4, 4]
    assert support["share_of_non_focal_rows"].to_numpy() == pytest.approx(
        np.array([12, 6, 8, 4, 4]) / 12
    )
    assert "2 positions above" in support.loc["near_displaced", "meaning"]
    assert support["meaning"].nunique() == 5


@pytest.mark.parametrize("near", [1, 3])
def test_support_counts_rows_as_rows_and_slates_as_slates(near):
    log = experiment()
    support = spillover_support(log, near_positions=near).set_index("definition")
    assert list(support.index) == list(definitions(log, near))
    arm = {"": [0, 1], "treated_": [1], "control_": [0]}
    for definition, member in definitions(log, near).items():
        for prefix, arms in arm.items():
            rows = log[member & log["promotion_applied"].isin(arms)]
            assert support.loc[definition, f"{prefix}rows"] == len(rows)
            assert support.loc[definition, f"{prefix}slates"] == rows["slate_id"].nunique()


@pytest.mark.parametrize("near", [1, 3])
def test_spillover_per_row_is_clustered_by_slate(near):
    log = experiment()
    found = spillover_sensitivity(log, near_positions=near)
    found = found[found["unit_code"] == PER_ROW].set_index("definition")
    for definition, member in definitions(log, near).items():
        rows = log[member]
        columns = ("click", "promotion_applied", "slate_id")
        slope, se = cluster_sandwich(*(rows[name].to_numpy() for name in columns))
        assert found.loc[definition, "estimate"] == pytest.approx(slope, abs=1e-13)
        assert found.loc[definition, "se"] == pytest.approx(se, rel=1e-11)
        effect = (rows["p_promoted"] - rows["p_control"]).mean()
        assert found.loc[definition, "known_effect"] == pytest.approx(effect)


def test_spillover_per_slate_counts_slates_without_such_a_row_as_zero():
    log = experiment()
    found = spillover_sensitivity(log, near_positions=3)
    found = found[found["unit_code"] == PER_SLATE].set_index("definition")
    arm = log.groupby("slate_id")["promotion_applied"].first()
    for definition, member in definitions(log, 3).items():
        sums = log["click"].where(member, 0).groupby(log["slate_id"]).sum()
        arms = [sums[arm == 1], sums[arm == 0]]
        row = found.loc[definition]
        assert row["estimate"] == pytest.approx(arms[0].mean() - arms[1].mean(), abs=1e-13)
        neyman = sum(part.var(ddof=1) / len(part) for part in arms) ** 0.5
        assert row["se"] == pytest.approx(neyman, rel=1e-12)
        effect = (log["p_promoted"] - log["p_control"]).where(member, 0).sum() / len(arm)
        assert row["known_effect"] == pytest.approx(effect)
        assert row["slates"] == log.loc[member, "slate_id"].nunique()
    assert found["slates"].min() < len(arm)


def test_a_definition_without_rows_is_missing_and_says_so_and_the_others_are_not():
    # No two items of a slate share a cluster.
    log = items(["ABC"] * 8, [2] * 8, [1, 0] * 4, ["100", "010", "001", "110"] * 2)
    found = spillover_sensitivity(log, near_positions=3).set_index(["definition", "unit_code"])
    for definition in ("same_cluster", "same_cluster_displaced"):
        for unit in (PER_ROW, PER_SLATE):
            row = found.loc[(definition, unit)]
            missing = ["estimate", "se", "ci_95_lower", "ci_95_upper"]
            assert row[[*missing, "treated_mean", "control_mean"]].isna().all()
            assert row["rows"] == row["slates"] == 0
            assert isinstance(row["note"], str)
            assert row["note"]
    for definition in ("all_non_focal", "displaced", "near_displaced"):
        row = found.loc[(definition, PER_ROW)]
        assert row[["estimate", "se", "ci_95_lower", "ci_95_upper"]].notna().all()
        assert pd.isna(row["note"])


def test_rows_in_a_single_slate_of_an_arm_are_too_few_for_an_error_per_row():
    slates = ["AAB"] + ["ABC"] * 3 + ["AAB"] * 4
    log = items(slates, [2] * 8, [1] * 4 + [0] * 4, ["100", "010"] * 4)
    found = spillover_sensitivity(log, near_positions=3).set_index(["definition", "unit_code"])
    row = found.loc[("same_cluster", PER_ROW)]
    assert pd.isna(row["estimate"])
    assert "1 promoted" in row["note"]
    assert (row["rows"], row["slates"]) == (5, 5)


def test_a_group_without_rows_has_no_numbers_and_says_so_and_the_others_have_theirs():
    log = items(["ABC"] * 8, [2] * 8, [1, 0] * 4, ["100", "010", "001", "110"] * 2)
    effects, draws = observed_effects(log, seed=1, bootstrap_draws=50)
    row = effects.set_index("line").loc["same_cluster"]
    assert "there are no such item rows" in row["note"]
    numbers = ["estimate", "se", "ci_95_lower", "treated_mean", "bootstrap_se", "bootstrap_draws"]
    assert row[numbers].isna().all()
    assert (row["treated_rows"], row["control_slates"]) == (0, 0)
    others = effects[effects["line"] != "same_cluster"]
    assert others["note"].isna().all()
    assert others.drop(columns="note").notna().all(axis=None)
    assert draws["same_cluster"].isna().all()


def test_an_arm_of_one_user_leaves_out_only_the_error_by_user():
    slates, focal, promoted = ["AAB"] * 8, [2] * 8, [1, 0] * 4
    clicks = ["100", "010", "001", "110"] * 2
    log = items(slates, focal, promoted, clicks, users=[7, 8, 7, 8, 7, 8, 7, 8])
    effects = observed_effects(log, seed=1, bootstrap_draws=50)[0]
    assert effects["se_user_clustered"].isna().all()
    assert effects[["estimate", "se"]].notna().all(axis=None)


def test_draws_without_a_row_of_a_group_are_left_out_and_counted():
    slates = ["AAB", "AAB", "AAB", "AAB", *["ABC"] * 8]
    log = items(slates, [2] * 12, [1, 0] * 6, ["100", "010", "001", "110"] * 3)
    effects, draws = observed_effects(log, seed=1, bootstrap_draws=400)
    row = effects.set_index("line").loc["same_cluster"]
    drawn = draws["same_cluster"].dropna()
    # Each arm's 6 slates hold two with such items; a draw of an arm misses both in (4/6)^6 = 9%.
    assert 400 * 0.7 < row["bootstrap_draws"] == len(drawn) < 400
    assert row["bootstrap_se"] == pytest.approx(drawn.std(), rel=1e-12)
    assert np.isfinite(row["bootstrap_ci_95_lower"])
