"""Segments: the ledger of a part, intervals for all at once, shrunken effects, and Cochran's Q."""

import numpy as np
import pandas as pd
import pytest
from builders import compared, random_items
from scipy import optimize, stats

from netlift.effects.account_tables import account_tables
from netlift.effects.accounts import slate_outcomes
from netlift.effects.ledger import component_effects
from netlift.effects.segments import Heterogeneity, segments
from netlift.inference.shrinkage import shrunken

PARTS = ("direct_focal", "same_cluster_competitor", "other_competitor")
POSITION, CLUSTER, RELEVANCE = "focal_position", "focal_cluster", "focal_relevance"
LINES = ["direct", "same_cluster", "other", "total"]
NUMBERS = [
    "estimate",
    "se",
    "df",
    "ci_95_lower",
    "ci_95_upper",
    "simultaneous_ci_95_lower",
    "simultaneous_ci_95_upper",
    "shrunken_estimate",
    "shrunken_se",
    "shrunken_ci_95_lower",
    "shrunken_ci_95_upper",
    "wild_bootstrap_p_value",
]


def ledger_of(accounts: pd.DataFrame) -> pd.DataFrame:
    effects = component_effects(compared(accounts))
    main = effects["estimator"] == "difference_in_means"
    return effects[main & (effects["outcome_type"] == "observed_clicks")].set_index("line")


def accounts_of(
    promoted: np.ndarray, clicks: np.ndarray, *, position=1, cluster="A", **columns
) -> pd.DataFrame:
    """Write slate accounts with observed clicks only, shape (N, 3)."""
    n = len(promoted)
    table = pd.DataFrame(
        {
            "slate_id": np.arange(n),
            "user_id": np.arange(n),
            "promotion_applied": np.asarray(promoted, dtype=int),
            "focal_seed_position": position,
            "focal_spillover_cluster": cluster,
        }
    )
    named = {f"observed_clicks_{part}": clicks[:, i] for i, part in enumerate(PARTS)}
    return table.assign(**named, **columns)


def arms(*sizes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return each slate's arm and the number of its segment, from (promoted, control) sizes."""
    arm = np.concatenate([np.repeat([1, 0], size) for size in sizes])
    return arm, np.repeat(np.arange(len(sizes)), [sum(size) for size in sizes])


def clustered(*sizes: tuple[int, int], seed: int = 0, **columns) -> pd.DataFrame:
    """Draw accounts with one cluster for each pair of arm sizes: A, B, C and so on."""
    arm, number = arms(*sizes)
    clicks = np.random.default_rng(seed).poisson(2.0, (len(arm), 3)).astype(float)
    letters = np.array(list("ABCDEFG"))[number]
    return accounts_of(arm, clicks, cluster=letters, **columns)


def of(table: pd.DataFrame, segmentation: str, line: str = "total") -> pd.DataFrame:
    rows = table[(table["segment_type"] == segmentation) & (table["line"] == line)]
    return rows.set_index("segment") if "segment" in rows else rows.iloc[0]


@pytest.fixture(scope="module")
def accounts() -> pd.DataFrame:
    return slate_outcomes(random_items(1, 400, 8))


@pytest.fixture(scope="module")
def found(accounts) -> tuple[pd.DataFrame, pd.DataFrame]:
    return segments(accounts, min_slates=20, bootstrap_draws=99)


# --- Raw effects ---------------------------------------------------------------------------------


def test_raw_numbers_are_the_ledger_of_the_segments_slates(accounts, found):
    edges = {"1-2": (1, 2), "3-4": (3, 4), "5-6": (5, 6), "7-8": (7, 8)}
    low, high = np.quantile(accounts["focal_relevance"], [1 / 3, 2 / 3])
    relevance = accounts["focal_relevance"]
    members = {
        POSITION: {
            name: accounts["focal_seed_position"].between(*ends) for name, ends in edges.items()
        },
        CLUSTER: {name: accounts["focal_spillover_cluster"] == name for name in "ABC"},
        RELEVANCE: {
            "low": relevance <= low,
            "middle": (relevance > low) & (relevance <= high),
            "high": relevance > high,
        },
    }
    table, _ = found
    assert len(table) == 4 * (4 + 3 + 3)
    for segmentation, parts in members.items():
        assert set(of(table, segmentation).index) == set(parts)
        for name, member in parts.items():
            expected = ledger_of(accounts[member])
            for line in LINES:
                row = of(table, segmentation, line).loc[name]
                assert row["effect_family"] == expected.loc[line, "effect_family"]
                assert row["slates"] == member.sum()
                for column, source in (
                    ("estimate", "estimate_per_slate"),
                    ("se", "se"),
                    ("df", "df"),
                    ("ci_95_lower", "ci_95_lower"),
                    ("ci_95_upper", "ci_95_upper"),
                    ("treated_slates", "treated_slates"),
                    ("control_slates", "control_slates"),
                ):
                    assert row[column] == pytest.approx(expected.loc[line, source], rel=1e-10)
    assert table["unit"].eq("clicks per slate").all()
    few = table["segment_type"] != POSITION
    assert table.loc[~few, "note"].isna().all()
    assert set(table.loc[few, "note"]) == {"not shrunken: 3 segments have numbers and 4 are needed"}


def test_segments_stand_in_their_order_and_clusters_with_the_largest_first(accounts, found):
    table, _ = found
    assert list(of(table, POSITION).index) == ["1-2", "3-4", "5-6", "7-8"]
    assert list(of(table, RELEVANCE).index) == ["low", "middle", "high"]
    sizes = accounts["focal_spillover_cluster"].value_counts()
    assert list(of(table, CLUSTER).index) == list(sizes.index)


def test_every_slate_is_in_one_segment_of_each_segmentation(found):
    table, _ = found
    for segmentation in (POSITION, CLUSTER, RELEVANCE):
        counts = of(table, segmentation)[["slates", "treated_slates", "control_slates"]].sum()
        assert counts["slates"] == 400
        assert counts["treated_slates"] + counts["control_slates"] == 400


def test_known_effects_are_the_means_over_the_segments_slates(accounts, found):
    table, _ = found
    known = accounts["known_effect_total"].groupby(accounts["focal_spillover_cluster"]).mean()
    assert of(table, CLUSTER)["known_effect"].to_dict() == pytest.approx(known.to_dict(), rel=1e-10)


def test_lines_of_a_segment_add_up(found):
    table, _ = found
    sums = table.pivot_table("estimate", ["segment_type", "segment"], "line")
    assert (sums[LINES[:3]].sum(axis=1) - sums["total"]).abs().max() < 1e-12


def test_the_order_of_slates_and_their_index_do_not_matter(accounts, found):
    mixed = accounts.sample(frac=1, random_state=1)
    table, spread = segments(mixed, min_slates=20, bootstrap_draws=99)
    # Bootstrap signs go by the order of slates.
    columns = [name for name in NUMBERS if name != "wild_bootstrap_p_value"]
    assert np.allclose(
        table[columns].astype(float),
        found[0][columns].astype(float),
        rtol=1e-9,
        atol=1e-12,
        equal_nan=True,
    )
    assert np.allclose(spread["q"].astype(float), found[1]["q"].astype(float), rtol=1e-8)


# --- Intervals for all segments at once ----------------------------------------------------------


def test_simultaneous_intervals_are_sidaks():
    table, _ = segments(clustered((60, 70), (80, 50), (55, 90)), min_slates=20, bootstrap_draws=1)
    # Each of three holds with 0.95^(1/3), so that all three do with 0.95.
    for line in LINES:
        for _, row in of(table, CLUSTER, line).iterrows():
            half = stats.t.ppf(0.5 + 0.95 ** (1 / 3) / 2, row["df"]) * row["se"]
            assert row["simultaneous_ci_95_lower"] == pytest.approx(row["estimate"] - half)
            assert row["simultaneous_ci_95_upper"] == pytest.approx(row["estimate"] + half)
            assert row["simultaneous_ci_95_lower"] < row["ci_95_lower"]


def test_only_segments_with_numbers_count_in_simultaneous_intervals():
    many, _ = segments(clustered((60, 60), (60, 60), (3, 60)), min_slates=20, bootstrap_draws=1)
    for _, row in of(many, CLUSTER).loc[["A", "B"]].iterrows():
        half = stats.t.ppf(0.5 + 0.95**0.5 / 2, row["df"]) * row["se"]
        assert row["simultaneous_ci_95_upper"] == pytest.approx(row["estimate"] + half)
    only, _ = segments(clustered((60, 60), (3, 60)), min_slates=20, bootstrap_draws=1)
    alone = of(only, CLUSTER).loc["A"]
    assert alone["simultaneous_ci_95_upper"] == pytest.approx(alone["ci_95_upper"], rel=1e-12)


TRUE = {"direct": 0.4 + np.zeros(4), "same_cluster": np.array([0.6, 0.0, -0.9, 0])}


@pytest.fixture(scope="module")
def repeated() -> pd.DataFrame:
    """Run 60 experiments of four positions with 55 slates in each arm; one row per position.

    The focal item gains 0.4 everywhere, same-cluster items what ``TRUE`` says, others nothing.
    """
    rng = np.random.default_rng(20260501)
    arm, number = arms(*[(55, 55)] * 4)
    effect = np.column_stack([TRUE["direct"], TRUE["same_cluster"], np.zeros(4)])
    rows = []
    for draw in range(60):
        noise = rng.normal(size=(len(arm), 3)) * np.where(arm, 1.0, 0.6)[:, None]
        accounts = accounts_of(arm, noise + arm[:, None] * effect[number], position=number + 1)
        table, spread = segments(accounts, min_slates=20, bootstrap_draws=1)
        p_value = spread.set_index(["segment_type", "line"])["p_value"]
        for line in LINES[:3]:
            own = of(table, POSITION, line).reset_index()
            true = TRUE.get(line, np.zeros(4))
            alarm = p_value[POSITION, line]
            rows.append(own.assign(draw=draw, line=line, true=true, p_value=alarm))
    return pd.concat(rows)


def test_simultaneous_intervals_hold_for_all_segments_at_once_as_often_as_they_say(repeated):
    def all_held(prefix: str) -> int:
        held = repeated["true"].between(
            repeated[f"{prefix}_lower"].astype(float), repeated[f"{prefix}_upper"].astype(float)
        )
        return int(held.groupby([repeated["draw"], repeated["line"]]).all().sum())

    # Of 180, 171 expected: fewer than 162 or more than 179 have a chance of 0.2%.
    assert 162 <= all_held("simultaneous_ci_95") <= 179
    # A segment's own interval does not: 180 times 0.95^4 is 147, standard deviation 5.2.
    assert abs(all_held("ci_95") - 147) <= 3 * 5.2


def test_heterogeneity_is_found_where_it_is_and_elsewhere_as_rarely_as_p_values_promise(repeated):
    p_value = repeated.groupby(["line", "draw"])["p_value"].first().unstack("line")
    same = p_value[["direct", "other"]].to_numpy(dtype=float)
    # 6 of 120 expected: more than 15 have a chance of 0.04%, none at all one of 0.2%.
    assert 0 < (same < 0.05).sum() <= 15
    assert 0.35 < np.median(same) < 0.65
    # Effects from -0.9 to 0.6 with errors of 0.16.
    assert (p_value["same_cluster"] < 0.05).all()


# --- Heterogeneity and shrinking -----------------------------------------------------------------


def paule_mandel(values: np.ndarray, errors: np.ndarray) -> float:
    """Solve for the variance at which the weighted squares equal k - 1."""

    def excess(tau2: float) -> float:
        weights = 1 / (tau2 + errors**2)
        mean = (weights * values).sum() / weights.sum()
        return float((weights * (values - mean) ** 2).sum()) - (len(values) - 1)

    if excess(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(excess, 0.0, 10 * np.ptp(values) ** 2 + 1, xtol=1e-16))


def test_heterogeneity_by_hand():
    spread = Heterogeneity.from_effects(np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    # Weights of 4: Q = 4 (1/4 + 1/4) = 2. Half of it, 1, is left with a variance of 1/4 more.
    assert spread.q == pytest.approx(2, rel=1e-14)
    assert spread.p_value == pytest.approx(stats.chi2.sf(2, 1), rel=1e-12)
    assert spread.tau == pytest.approx(0.5, rel=1e-5)
    assert (spread.mean, spread.mean_se) == pytest.approx((0.5, 0.5), rel=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("seed", range(5))
def test_tau_is_paule_and_mandels_whatever_the_unit(seed, scale):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 9))
    errors = scale * rng.uniform(0.1, 1.0, k)
    values = scale * rng.normal(0, 1.5, k)
    spread = Heterogeneity.from_effects(values, errors)
    weights = errors**-2
    mean = (weights * values).sum() / weights.sum()
    q = (weights * (values - mean) ** 2).sum()
    assert spread.q == pytest.approx(q, rel=1e-10)
    assert spread.p_value == pytest.approx(stats.chi2.sf(q, k - 1), rel=1e-8)
    # The iteration stops when the weighted squares are right to 0.00001.
    assert spread.tau**2 == pytest.approx(paule_mandel(values, errors), rel=1e-4)


def test_the_tables_numbers_are_shrunken_by_hand_with_paule_and_mandels_tau(found):
    table, spread = found
    taus = []
    for _, line in spread.iterrows():
        rows = of(table, line["segment_type"], line["line"])
        values, errors = rows["estimate"].to_numpy(float), rows["se"].to_numpy(float)
        weights = errors**-2
        q = (weights * (values - weights @ values / weights.sum()) ** 2).sum()
        assert line["q"] == pytest.approx(q, rel=1e-9)
        assert line["q_df"] == line["segments_compared"] - 1 == len(rows) - 1
        assert line["p_value"] == pytest.approx(stats.chi2.sf(q, len(rows) - 1), rel=1e-8)
        tau2 = paule_mandel(values, errors)
        taus.append(tau2)
        assert line["tau"] == pytest.approx(tau2**0.5, rel=1e-4)
        weights = 1 / (tau2 + errors**2)
        mean, mean_variance = weights @ values / weights.sum(), 1 / weights.sum()
        assert line["mean_effect"] == pytest.approx(mean, rel=1e-4, abs=1e-8)
        assert line["mean_effect_se"] == pytest.approx(mean_variance**0.5, rel=1e-4)
        moved = rows[[name for name in NUMBERS if name.startswith("shrunken")]].astype(float)
        if len(rows) < 4:
            assert moved.isna().all(axis=None)
            continue
        # Few slates: an error counts as larger by the ratio of quantiles of t and the normal.
        wider = stats.t.ppf(0.975, rows["df"].astype(float)) / stats.norm.ppf(0.975)
        expected = shrunken(values, errors * wider)
        columns = (expected.value, expected.se, expected.lower, expected.upper)
        np.testing.assert_allclose(moved.to_numpy(), np.column_stack(columns), rtol=1e-9)
    # Both kinds were looked at.
    assert min(taus) == 0 < max(taus)


def test_shrunken_estimates_are_nearer_to_the_truth_where_effects_are_alike(repeated):
    focal = repeated[repeated["line"] == "direct"]
    error = {
        name: ((focal[name].astype(float) - focal["true"]) ** 2).mean()
        for name in ("estimate", "shrunken_estimate")
    }
    # Four segments with one mean. Shrunken to that mean for sure, a quarter of the variance would
    # be left; four tell little of how much they differ, and with a flat prior 0.75 are left.
    assert error["shrunken_estimate"] < 0.8 * error["estimate"]


def test_a_segment_whose_clicks_never_vary_is_not_compared_or_shrunken():
    arm, number = arms((10, 10), (10, 10), (10, 10))
    clicks = np.random.default_rng(1).poisson(2.0, (60, 3)).astype(float)
    clicks[number == 2] = 1.0
    table, spread = segments(
        accounts_of(arm, clicks, cluster=np.array(list("ABC"))[number]),
        min_slates=5,
        bootstrap_draws=99,
    )
    still = of(table, CLUSTER).loc["C"]
    assert pd.isna(still["estimate"])
    assert still["note"] == "these clicks do not vary"
    assert still[[name for name in NUMBERS if name.startswith("shrunken")]].isna().all()
    line = of(spread, CLUSTER)
    assert (line["segments_compared"], line["q_df"]) == (2, 1)


# --- Too few slates ------------------------------------------------------------------------------


def test_a_segment_with_too_few_slates_in_an_arm_has_counts_and_no_numbers_and_says_so():
    table, spread = segments(
        clustered((20, 20), (19, 40), (40, 7), (30, 25)), min_slates=20, bootstrap_draws=99
    )
    cluster = table[table["segment_type"] == CLUSTER].set_index("segment")
    assert cluster.loc[["B", "C"], NUMBERS].isna().all(axis=None)
    assert set(cluster.loc["B", "note"]) == {
        "too few slates: 19 promoted and 40 control, 20 of each needed"
    }
    assert set(cluster.loc["C", "note"]) == {
        "too few slates: 40 promoted and 7 control, 20 of each needed"
    }
    raw = [name for name in NUMBERS if not name.startswith("shrunken")]
    assert cluster.loc[["A", "D"], raw].notna().all(axis=None)
    assert set(cluster.loc[["A", "D"], "note"]) == {
        "not shrunken: 2 segments have numbers and 4 are needed"
    }
    counts = cluster[cluster["line"] == "total"]
    columns = ["slates", "treated_slates", "control_slates"]
    assert counts.loc[list("ABCD"), columns].to_numpy().tolist() == [
        [40, 20, 20],
        [59, 19, 40],
        [47, 40, 7],
        [55, 30, 25],
    ]
    assert of(spread, CLUSTER)["segments_compared"] == 2


def test_one_segment_with_numbers_has_nothing_to_differ_from():
    table, spread = segments(clustered((60, 60), (3, 60)), min_slates=20, bootstrap_draws=1)
    alone = of(table, CLUSTER).loc["A"]
    assert alone[["estimate", "se", "simultaneous_ci_95_lower"]].notna().all()
    assert alone[[name for name in NUMBERS if name.startswith("shrunken")]].isna().all()
    line = of(spread, CLUSTER)
    assert line["segments_compared"] == 1
    assert line[["q", "q_df", "p_value", "tau", "mean_effect", "mean_effect_se"]].isna().all()
    assert line["note"] == "fewer than two segments have an effect with an error"


@pytest.mark.parametrize("min_slates", [0, 1])
def test_an_arm_of_one_slate_is_too_few_whatever_is_asked_for(min_slates):
    table, _ = segments(clustered((1, 9), (5, 5)), min_slates=min_slates, bootstrap_draws=9)
    few = of(table, CLUSTER).loc["A"]
    assert pd.isna(few["estimate"])
    assert few["note"] == "too few slates: 1 promoted and 9 control, 2 of each needed"


def test_many_slates_of_one_user_are_too_few_users():
    accounts = clustered((30, 30), (30, 30))
    arm = accounts["promotion_applied"].to_numpy()
    # In cluster A one promoted user has all slates; in B every slate has its own user.
    user = np.where((np.arange(120) < 60) & (arm == 1), 999, np.arange(120))
    accounts = accounts.assign(user_id=user, randomization_unit=user)
    table, _ = segments(accounts, min_slates=20, bootstrap_draws=99)
    few = of(table, CLUSTER).loc["A"]
    assert few[NUMBERS].isna().all()
    assert few["note"] == "too few users: 1 promoted and 30 control, 2 of each needed"
    assert (few["slates"], few["treated_slates"]) == (60, 30)
    assert pd.notna(of(table, CLUSTER).loc["B", "estimate"])


# --- What makes a segment ------------------------------------------------------------------------


def test_focal_items_without_a_cluster_are_a_segment_of_their_own():
    accounts = clustered((30, 30), (60, 60))
    accounts["focal_spillover_cluster"] = accounts["focal_spillover_cluster"].replace("B", None)
    for clusters in (
        accounts["focal_spillover_cluster"],
        accounts["focal_spillover_cluster"].astype("category"),
    ):
        with_missing = accounts.assign(focal_spillover_cluster=clusters)
        table, _ = segments(with_missing, min_slates=20, bootstrap_draws=9)
        assert list(of(table, CLUSTER).index) == ["(none)", "A"]
        assert of(table, CLUSTER)["slates"].to_dict() == {"(none)": 120, "A": 60}


def test_items_without_a_relevance_are_said_to_have_none():
    table, spread = segments(clustered((30, 30)), min_slates=20, bootstrap_draws=9)
    rows = table[table["segment_type"] == RELEVANCE]
    assert rows["note"].to_list() == ["the items have no column relevance"]
    assert rows[[*NUMBERS, "segment", "slates"]].isna().all(axis=None)
    assert RELEVANCE not in set(spread["segment_type"])


def test_a_relevance_that_is_missing_in_a_slate_makes_no_terciles():
    relevance = np.r_[np.nan, np.linspace(1, 5, 59)]
    accounts = clustered((30, 30), focal_relevance=relevance)
    table, _ = segments(accounts, min_slates=20, bootstrap_draws=9)
    rows = table[table["segment_type"] == RELEVANCE]
    assert rows["note"].to_list() == ["relevance is missing in some slates"]


@pytest.mark.parametrize(
    ("relevance", "sizes"),
    [
        # Terciles end at 1 and 2: ties stay together.
        ([1] * 20 + [2] * 20 + [3] * 20, {"low": 20, "middle": 20, "high": 20}),
        # Both terciles end at 1, so that nothing is in the middle.
        ([1] * 50 + [2] * 5 + [3] * 5, {"low": 50, "high": 10}),
        # The second ends at 3, above which there is nothing.
        ([1] * 20 + [3] * 40, {"low": 20, "middle": 40}),
        ([2] * 60, {"low": 60}),
    ],
)
def test_slates_of_one_relevance_stay_together(relevance, sizes):
    mixed = np.random.default_rng(5).permutation(np.array(relevance, dtype=float))
    accounts = clustered((30, 30), focal_relevance=mixed)
    table, _ = segments(accounts, min_slates=2, bootstrap_draws=9)
    assert of(table, RELEVANCE)["slates"].to_dict() == sizes


# --- Users as randomized units -------------------------------------------------------------------


def jackknife_variance(outcome: np.ndarray, user: np.ndarray) -> float:
    """The jackknife's variance of a mean over users: each is left out once."""
    numbers = np.unique(user)
    left = [outcome[user != number].mean() - outcome.mean() for number in numbers]
    return float(np.square(left).sum() * (1 - 1 / len(numbers)))


def test_users_as_units_have_the_errors_of_users_and_the_same_effects():
    rng = np.random.default_rng(6)
    n, user = 600, np.sort(rng.integers(0, 90, 600))
    arm = user % 2
    clicks = rng.normal(size=(90, 3))[user] + rng.normal(size=(n, 3))
    cluster = rng.choice(["A", "B"], n)
    plain = accounts_of(arm, clicks, cluster=cluster).assign(user_id=user)
    by_slate, _ = segments(plain, min_slates=20, bootstrap_draws=1)
    by_user, spread = segments(
        plain.assign(randomization_unit=user), min_slates=20, bootstrap_draws=99
    )
    for name in ("A", "B"):
        found = of(by_user, CLUSTER).loc[name]
        slates = of(by_slate, CLUSTER).loc[name]
        own, total = cluster == name, clicks.sum(axis=1)
        variance = sum(
            jackknife_variance(total[own & (arm == side)], user[own & (arm == side)])
            for side in (0, 1)
        )
        assert found["estimate"] == pytest.approx(slates["estimate"], rel=1e-10)
        assert found["se"] == pytest.approx(variance**0.5, rel=1e-9)
        assert found["se"] > 1.2 * slates["se"]
        # 45 users an arm have the bootstrap, 150 slates an arm do not.
        assert pd.notna(found["wild_bootstrap_p_value"])
        assert pd.isna(slates["wild_bootstrap_p_value"])
    # Users have slates in both segments, so that their effects are not independent.
    assert pd.isna(of(spread, CLUSTER)["q"])
    assert "segments share users" in of(spread, CLUSTER)["note"]
    assert by_user["shrunken_estimate"].isna().all()


def test_segments_that_share_their_users_do_not_add_up_to_more_users():
    # Every user has a slate in each of four segments and clicks nearly the same in all of them:
    # they tell one thing four times, so that their mean is no better known than each of them.
    user = np.repeat(np.arange(120), 4)
    rng = np.random.default_rng(8)
    clicks = rng.poisson(2.0, (120, 3))[user] + rng.normal(0, 0.01, (480, 3))
    accounts = accounts_of(user % 2, clicks, position=np.tile([1, 2, 3, 4], 120))
    accounts = accounts.assign(user_id=user, randomization_unit=user)
    table, spread = segments(accounts, min_slates=20, bootstrap_draws=1)
    one, line = of(table, POSITION).iloc[0], of(spread, POSITION)
    if pd.isna(line["mean_effect_se"]):
        assert line["note"]
        return
    assert line["mean_effect_se"] >= 0.95 * one["se"]
    assert one["shrunken_se"] >= 0.95 * one["se"]


# --- Wild bootstrap ------------------------------------------------------------------------------


def test_the_bootstrap_stands_just_where_an_arm_has_fewer_than_50_units():
    table, _ = segments(
        clustered((50, 50), (49, 80), (80, 49), (12, 12), (5, 80)),
        min_slates=10,
        bootstrap_draws=99,
    )
    for line in LINES:
        has = of(table, CLUSTER, line)["wild_bootstrap_p_value"].notna()
        assert has.to_dict() == {"A": False, "B": True, "C": True, "D": True, "E": False}


def test_the_bootstrap_agrees_with_a_t_test_where_nothing_is_odd():
    arm, number = arms(*[(40, 40)] * 5)
    rng = np.random.default_rng(7)
    effect = np.array([0.0, 0.2, 0.4, 0.6, 2.0])[number] * arm
    clicks = np.column_stack([effect + rng.normal(size=400), np.zeros((400, 2))])
    letters = np.array(list("ABCDE"))[number]
    table, _ = segments(
        accounts_of(arm, clicks, cluster=letters), min_slates=20, bootstrap_draws=1999
    )
    for name, row in of(table, CLUSTER).iterrows():
        own = letters == name
        p = stats.ttest_ind(
            clicks[own & (arm == 1), 0], clicks[own & (arm == 0), 0], equal_var=False
        ).pvalue
        # 1,999 draws leave an error of at most 0.011; the two tests differ a little as well.
        assert row["wild_bootstrap_p_value"] == pytest.approx(p, abs=0.04)
        assert 0 < row["wild_bootstrap_p_value"] <= 1
    assert of(table, CLUSTER).loc["E", "wild_bootstrap_p_value"] == pytest.approx(1 / 2000)


def test_the_bootstrap_is_the_same_with_the_same_seed_and_moves_nothing_else():
    accounts = clustered((15, 15), (15, 15))
    first, again, other = (
        segments(accounts, min_slates=5, seed=seed, bootstrap_draws=99)[0] for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first["wild_bootstrap_p_value"].equals(other["wild_bootstrap_p_value"])
    rest = [name for name in first if name != "wild_bootstrap_p_value"]
    pd.testing.assert_frame_equal(first[rest], other[rest])


# --- Degenerate accounts -------------------------------------------------------------------------


def test_constant_clicks_have_no_numbers_and_no_heterogeneity_to_speak_of():
    arm, number = arms((10, 10), (10, 10))
    accounts = accounts_of(arm, np.ones((40, 3)), cluster=np.array(list("AB"))[number])
    table, spread = segments(accounts, min_slates=5, bootstrap_draws=99)
    rows = of(table, CLUSTER)
    zero = ["estimate", "se", "ci_95_lower", "simultaneous_ci_95_upper"]
    assert rows[zero].isna().all(axis=None)
    assert (rows["note"] == "these clicks do not vary").all()
    assert rows["shrunken_estimate"].isna().all()
    assert of(spread, CLUSTER)[["q", "p_value", "tau", "mean_effect"]].isna().all()
    assert of(spread, CLUSTER)["segments_compared"] == 0


def test_effects_and_errors_do_not_depend_on_the_unit_of_clicks():
    accounts = clustered((60, 60), (70, 55), (55, 65))
    tiny = accounts.copy()
    clicks = [f"observed_clicks_{part}" for part in PARTS]
    tiny[clicks] = tiny[clicks] / 1000
    (table, spread), (small, small_spread) = (
        segments(given, min_slates=20, bootstrap_draws=1) for given in (accounts, tiny)
    )
    numbers = ["estimate", "se", "simultaneous_ci_95_lower", "shrunken_estimate", "shrunken_se"]
    assert np.allclose(
        small[numbers].astype(float) * 1000,
        table[numbers].astype(float),
        rtol=1e-4,
        atol=1e-9,
        equal_nan=True,
    )
    has_p_value = spread["p_value"].notna()
    assert np.allclose(
        small_spread.loc[has_p_value, "p_value"].astype(float),
        spread.loc[has_p_value, "p_value"].astype(float),
        rtol=1e-8,
    )


def test_a_line_without_items_keeps_the_names_of_its_segments():
    log = random_items(3, 400, 6).assign(spillover_cluster="A")
    same = log["component"] != "direct_focal"
    log["component"] = log["component"].mask(same, "same_cluster_competitor")
    tables = account_tables(
        slate_outcomes(log),
        units={"observed_clicks": "clicks"},
        min_slates=20,
        seed=1,
        bootstrap_draws=99,
        power_effects=[0.1],
    )
    for name in ("segments", "user_segments"):
        rows = tables[name].dropna(subset=["line"])
        empty = rows[rows["line"] == "other"]
        assert len(empty) > 2
        assert empty[["segment_type", "segment_type_label", "segment"]].notna().all(axis=None)
        assert empty[["estimate", "se"]].isna().all(axis=None)
