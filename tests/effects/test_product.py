"""Product units, ratios, and where promotions are risky."""

import numpy as np
import pandas as pd
import pytest
from builders import compared, random_items
from scipy import stats

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.product import product_summary, ratio_to_direct
from netlift.effects.risk import risk_by_cluster, risk_by_position
from netlift.inference.estimate import fieller

PARTS = ("direct_focal", "same_cluster_competitor", "other_competitor")
NUMBERS = ["estimate", "se", "ci_95_lower", "ci_95_upper"]


def experiment(n_slates: int = 300) -> pd.DataFrame:
    return slate_outcomes(random_items(1, n_slates, 6))


def accounts_of(
    arms: list[int], focal: list[int], same: list[int], other: list[int]
) -> pd.DataFrame:
    """Write slate accounts with observed clicks only, one number a slate."""
    clicks = zip(PARTS, (focal, same, other), strict=True)
    columns = {f"observed_clicks_{part}": values for part, values in clicks}
    table = pd.DataFrame({"promotion_applied": arms, **columns}).astype(float)
    return table.assign(observed_clicks_total=table[list(columns)].sum(axis=1))


def at_positions(*positions: int, arms_per_position: int = 2) -> pd.DataFrame:
    """Write accounts with as many promoted as control slates at each focal position."""
    position = np.repeat(positions, 2 * arms_per_position)
    arms = np.tile([0, 1], len(position) // 2)
    clicks = np.arange(len(position)) % 3
    accounts = accounts_of(arms.tolist(), clicks.tolist(), [0] * len(arms), [0] * len(arms))
    return accounts.assign(focal_seed_position=position, focal_spillover_cluster="A")


def in_clusters(**sizes: tuple[int, int]) -> pd.DataFrame:
    """Write accounts with (promoted, control) slates by focal cluster; slates have 7 items."""
    cluster = [name for name, (treated, control) in sizes.items() for _ in range(treated + control)]
    arms = [arm for treated, control in sizes.values() for arm in [1] * treated + [0] * control]
    n = len(arms)
    accounts = accounts_of(arms, [k % 2 for k in range(n)], [k % 3 for k in range(n)], [1] * n)
    return accounts.assign(
        focal_spillover_cluster=pd.Categorical(cluster), focal_seed_position=1, n_items=7
    )


# --- Product summary -----------------------------------------------------------------------------


def test_product_units_by_hand():
    accounts = accounts_of(
        arms=[1, 1, 1, 1, 0, 0, 0, 0],
        focal=[1, 1, 1, 0, 0, 1, 0, 0],
        same=[0, 0, 1, 0, 1, 0, 1, 0],
        other=[2, 1, 2, 2, 2, 2, 3, 2],
    )
    summary = product_summary(compared(accounts)).set_index("metric")
    assert summary["estimate"].to_dict() == pytest.approx(
        {
            "focal_gain": 500.0,  # 3/4 - 1/4
            "same_cluster_change": -250.0,  # 1/4 - 2/4
            "other_cluster_change": -500.0,  # 7/4 - 9/4
            "competitor_change": -750.0,
            "net_change": -250.0,
            "offset_ratio": -1.5,
            "relative_net_change": -1 / 12,  # -1/4 of 12/4
            "control_mean": 3000.0,
        }
    )
    # Totals: promoted 3, 2, 4, 2 (variance 11/12); control 3, 3, 4, 2 (variance 2/3).
    assert summary.loc["net_change", "se"] == pytest.approx(1000 * ((11 / 12 + 2 / 3) / 4) ** 0.5)
    half = stats.t.ppf(0.975, 3) * 1000 * (2 / 3 / 4) ** 0.5
    control = summary.loc["control_mean"]
    assert (control["ci_95_lower"], control["ci_95_upper"]) == pytest.approx(
        (3000 - half, 3000 + half)
    )
    assert summary.loc["offset_ratio", "unit"] == "ratio, without unit"
    assert summary.loc["net_change", "unit"] == "clicks per 1,000 promoted slates"
    assert "known_value" not in summary


def test_effects_have_the_errors_of_welchs_test():
    log = random_items(1, 300, 6)
    summary = product_summary(compared(slate_outcomes(log))).set_index("metric")
    members = {
        "focal_gain": PARTS[:1],
        "same_cluster_change": PARTS[1:2],
        "other_cluster_change": PARTS[2:],
        "competitor_change": PARTS[1:],
        "net_change": PARTS,
    }
    promoted = log.groupby("slate_id")["promotion_applied"].first() == 1
    for metric, parts in members.items():
        clicks = log["click"].where(log["component"].isin(parts), 0).groupby(log["slate_id"]).sum()
        welch = stats.ttest_ind(clicks[promoted], clicks[~promoted], equal_var=False)
        interval = welch.confidence_interval()
        row = summary.loc[metric]
        assert (row["ci_95_lower"], row["ci_95_upper"]) == pytest.approx(
            (1000 * interval.low, 1000 * interval.high), rel=1e-9
        )
        assert row["interval_kind"] == "interval"


@pytest.mark.parametrize("part", [(0, 1, 0), (0, 1, 1), (1, 1, 1)])
def test_a_ratio_to_the_direct_effect_is_that_of_two_jointly_estimated_effects(part):
    accounts = experiment()
    arms = compared(accounts).difference()
    columns = accounts[[f"observed_clicks_{name}" for name in PARTS]].to_numpy()
    pair = np.column_stack([columns @ part, columns[:, 0]])
    promoted = (accounts["promotion_applied"] == 1).to_numpy()
    a, b = pair[promoted].mean(axis=0) - pair[~promoted].mean(axis=0)
    covariance = sum(np.cov(pair[arm].T) / arm.sum() for arm in (promoted, ~promoted))
    df = min(
        stats.ttest_ind(column[promoted], column[~promoted], equal_var=False).df
        for column in pair.T
    )
    found, expected = ratio_to_direct(arms, part), fieller(a, b, covariance, df)
    assert (found.value, found.lower, found.upper) == pytest.approx(
        (expected.value, expected.lower, expected.upper), rel=1e-9
    )
    assert found.kind == expected.kind == "interval"


def test_the_offset_ratio_is_told_in_the_summary_with_its_set():
    accounts = experiment()
    row = product_summary(compared(accounts)).set_index("metric").loc["offset_ratio"]
    ratio = ratio_to_direct(compared(accounts).difference(), (0, 1, 1))
    assert (row["estimate"], row["ci_95_lower"], row["ci_95_upper"]) == (
        ratio.value,
        ratio.lower,
        ratio.upper,
    )
    assert row["interval_kind"] == ratio.kind
    assert pd.isna(row["se"])


def test_the_relative_change_has_the_set_of_a_ratio_of_arm_means():
    accounts = experiment()
    row = product_summary(compared(accounts)).set_index("metric").loc["relative_net_change"]
    arms = accounts.groupby("promotion_applied")["observed_clicks_total"]
    mean, error = arms.mean(), arms.var(ddof=1) / arms.size()
    df = stats.ttest_ind(arms.get_group(1), arms.get_group(0), equal_var=False).df
    # Treated over control, of two independent means: the same set, moved by one.
    moved = fieller(mean[1], mean[0], np.diag([error[1], error[0]]), df)
    assert row["estimate"] == pytest.approx(moved.value - 1, abs=1e-12)
    assert row["ci_95_lower"] == pytest.approx(moved.lower - 1, abs=1e-12)
    assert row["ci_95_upper"] == pytest.approx(moved.upper - 1, abs=1e-12)
    assert row["interval_kind"] == "interval"


def test_ratios_say_when_the_data_cannot_bound_them():
    # A focal gain of zero, and competitors that lose for certain.
    rng = np.random.default_rng(2)
    arms, noise = [1, 0] * 50, rng.integers(0, 2, 50).repeat(2).tolist()
    lost = accounts_of(arms, noise, [0] * 100, [1 - arm for arm in arms])
    outside = product_summary(compared(lost)).set_index("metric").loc["offset_ratio"]
    assert pd.isna(outside["estimate"])
    assert outside["interval_kind"] == "outside"
    assert outside["ci_95_lower"] < 0 < outside["ci_95_upper"]
    # Neither changes: every ratio is possible.
    unchanged = accounts_of(arms, noise, noise, [0] * 100)
    nothing = product_summary(compared(unchanged)).set_index("metric").loc["offset_ratio"]
    assert nothing["interval_kind"] == "everything"
    assert nothing[["ci_95_lower", "ci_95_upper"]].isna().all()


def test_known_values_are_the_truth_over_both_arms():
    log = random_items(3, 200, 6)
    summary = product_summary(compared(slate_outcomes(log))).set_index("metric")["known_value"]
    effect = log["p_promoted"] - log["p_control"]
    per_1000 = {part: 1000 * effect[log["component"] == part].sum() / 200 for part in PARTS}
    focal, same, other = (per_1000[part] for part in PARTS)
    control = 1000 * log["p_control"].sum() / 200
    assert summary.to_dict() == pytest.approx(
        {
            "focal_gain": focal,
            "same_cluster_change": same,
            "other_cluster_change": other,
            "competitor_change": same + other,
            "net_change": focal + same + other,
            "offset_ratio": (same + other) / focal,
            "relative_net_change": (focal + same + other) / control,
            "control_mean": control,
        },
        rel=1e-10,
    )


def test_a_known_ratio_without_a_denominator_is_missing():
    log = random_items(3, 60, 6).assign(p_promoted=lambda table: table["p_control"])
    known = product_summary(compared(slate_outcomes(log))).set_index("metric")["known_value"]
    assert known["focal_gain"] == 0
    assert pd.isna(known["offset_ratio"])
    assert known["relative_net_change"] == 0


def one_click_a_slate(seed: int) -> pd.DataFrame:
    """Write a log in which every slate has exactly one click: promotion can only move it."""
    rng = np.random.default_rng(seed)
    clicked = np.eye(3, dtype=int)[rng.integers(0, 3, 60)]
    return accounts_of((rng.random(60) < 0.5).astype(int).tolist(), *clicked.T.tolist())


def test_clicks_that_are_only_moved_are_neither_created_nor_lost():
    for seed in range(40):
        accounts = one_click_a_slate(seed)
        summary = product_summary(compared(accounts)).set_index("metric")
        assert summary.loc["net_change", NUMBERS].to_numpy(dtype=float) == pytest.approx(
            0, abs=1e-5
        )
        assert compared(accounts).difference().combination((1, 1, 1)).sign == 0
        assert summary.loc["control_mean", "se"] == pytest.approx(0, abs=1e-5)


# --- Risk by focal position ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "buckets"),
    [
        (5, 6, ["5", "6"]),  # slates of 6
        (5, 12, ["5-6", "7-8", "9-10", "11-12"]),  # slates of 12
        (5, 24, ["5-9", "10-14", "15-19", "20-24"]),  # slates of 24
        (3, 7, ["3-4", "5", "6", "7"]),
        (4, 4, ["4"]),
    ],
)
def test_positions_fall_into_up_to_four_buckets_named_by_their_ends(first, last, buckets):
    accounts = at_positions(*range(first, last + 1))
    risk = risk_by_position(accounts, min_slates=2)
    assert risk["focal_position_bucket"].tolist() == [name for name in buckets for _ in range(3)]
    assert risk["effect_family"].tolist() == ["Direct", "Indirect", "Total"] * len(buckets)
    for name, slates in zip(risk["focal_position_bucket"], risk["slates"], strict=True):
        low, high = int(name.split("-")[0]), int(name.split("-")[-1])
        assert slates == accounts["focal_seed_position"].between(low, high).sum()


def test_a_bucket_without_slates_is_left_out():
    risk = risk_by_position(at_positions(5, 6, 11, 12), min_slates=2)
    assert risk["focal_position_bucket"].unique().tolist() == ["5-6", "11-12"]


# --- Risk by cluster -----------------------------------------------------------------------------


def test_slates_are_counted_as_slates_and_the_largest_cluster_comes_first():
    accounts = in_clusters(B=(3, 2), C=(4, 5), A=(2, 3))
    risk = risk_by_cluster(accounts.sample(frac=1, random_state=1), min_slates=2)
    total = risk[risk["line"] == "total"].set_index("focal_cluster")
    assert total.index.tolist() == ["C", "A", "B"]  # by name where as large
    assert total["slates"].tolist() == [9, 5, 5]
    assert total["treated_slates"].tolist() == [4, 2, 3]
    assert total["control_slates"].tolist() == [5, 3, 2]
    assert (risk["unit"] == "clicks per slate").all()


@pytest.mark.parametrize("segments", [risk_by_cluster, risk_by_position])
def test_numbers_are_those_of_the_segments_slates_alone(segments):
    log = random_items(4, 400, 6)
    accounts = slate_outcomes(log)
    risk = segments(accounts, min_slates=2)
    families = {"Direct": PARTS[:1], "Indirect": PARTS[1:], "Total": PARTS}
    key = risk.columns[0]
    assert risk[key].nunique() >= 3
    for _, row in risk.iterrows():
        if key == "focal_cluster":
            here = log["focal_spillover_cluster"] == row[key]
        else:
            low, high = row[key].split("-")[0], row[key].split("-")[-1]
            here = log["focal_seed_position"].between(int(low), int(high))
        own = log[here & log["component"].isin(families[row["effect_family"]])]
        slates = log[here].groupby("slate_id")["promotion_applied"].first()
        clicks = own.groupby("slate_id")["click"].sum().reindex(slates.index, fill_value=0)
        welch = stats.ttest_ind(clicks[slates == 1], clicks[slates == 0], equal_var=False)
        interval = welch.confidence_interval()
        assert row["slates"] == len(slates)
        assert row["estimate"] == pytest.approx(
            clicks[slates == 1].mean() - clicks[slates == 0].mean(), abs=1e-13
        )
        assert (row["ci_95_lower"], row["ci_95_upper"]) == pytest.approx(
            tuple(interval), rel=1e-9, abs=1e-12
        )
        assert row["known_effect"] == pytest.approx(
            (own["p_promoted"] - own["p_control"]).sum() / len(slates), rel=1e-10
        )
        verdict = "gains" if interval.low > 0 else "loses" if interval.high < 0 else "undecided"
        assert row["verdict"] == verdict
    assert set(risk["verdict"]) == {"gains", "loses", "undecided"}


def test_a_segment_with_too_few_slates_in_an_arm_has_counts_but_no_numbers():
    risk = risk_by_cluster(in_clusters(A=(5, 5), B=(9, 4), C=(4, 9)), min_slates=5)
    few = risk[risk["focal_cluster"].isin(["B", "C"])]
    assert len(few) == 6
    assert few[NUMBERS].isna().all(axis=None)
    assert (few["verdict"] == "too_few_slates").all()
    assert (few["slates"] == 13).all()
    enough = risk[risk["focal_cluster"] == "A"]
    assert enough[NUMBERS].notna().all(axis=None)
    assert not enough["verdict"].isin(["too_few_slates"]).any()


def test_what_is_known_of_a_segment_does_not_need_enough_slates():
    accounts = slate_outcomes(random_items(5, 60, 6))
    risk = risk_by_cluster(accounts, min_slates=1000)
    assert risk["estimate"].isna().all()
    assert risk["known_effect"].notna().all()


@pytest.mark.parametrize("min_slates", [0, 1])
def test_an_arm_of_one_slate_is_too_few_whatever_is_asked_for(min_slates):
    risk = risk_by_cluster(in_clusters(A=(1, 5), B=(5, 0), C=(3, 3)), min_slates=min_slates)
    verdicts = risk.groupby("focal_cluster")["verdict"].unique()
    assert verdicts["A"].tolist() == verdicts["B"].tolist() == ["too_few_slates"]
    assert "too_few_slates" not in verdicts["C"]


def test_a_whole_experiment_with_too_few_slates_is_an_error():
    with pytest.raises(NetliftError, match="1 promoted slates of 3"):
        product_summary(compared(accounts_of([1, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0])))
