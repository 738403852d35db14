"""Effects of delivered promotions: by hand, against two-stage least squares, and with known truth.

Simulated logs have fixed seeds. For other seeds, the 20 checks of coverage together fail with
probability 0.01, and each check of bias with probability 0.003.
"""

import numpy as np
import pandas as pd
import pytest
from builders import compared

from netlift.core.errors import NetliftError
from netlift.effects.delivered import EXACTLY, FirstStage, delivered_effect, delivered_effects
from netlift.effects.empty_lines import NO_CLUSTERS
from netlift.effects.estimators import ESTIMATORS, difference
from netlift.effects.ledger import component_effects
from netlift.inference.estimate import quantile_t
from netlift.inference.users import UserErrors
from netlift.promotion.design import Design

PARTS = ("direct_focal", "same_cluster_competitor", "other_competitor")
UNITS = {"observed_clicks": "clicks", "minutes": "minutes"}
LINES = {
    "direct": (1, 0, 0),
    "same_cluster": (0, 1, 0),
    "other": (0, 0, 1),
    "indirect": (0, 1, 1),
    "total": (1, 1, 1),
}
DELIVERY = np.array([0, 0, 0, 1.0])


def accounts_of(promoted, delivered, parts, *, probability=0.5, users=None, minutes=None):
    """Write accounts, one row per slate; ``parts`` has shape (N, 3)."""
    n = len(promoted)
    ids = np.arange(n)
    table = pd.DataFrame(
        {
            "slate_id": ids,
            "user_id": ids if users is None else users,
            "promotion_applied": np.asarray(promoted, dtype=np.int8),
            "focal_seed_position": 3 + ids % 4,
            "focal_spillover_cluster": "a",
            "promotion_delivered": np.asarray(delivered, dtype=np.int8),
            "promotion_probability": probability,
            "randomization_unit": ids if users is None else users,
            "randomization_stratum": 0,
            "n_items": 6,
            "n_same_cluster": 2 + ids % 2,
            "n_other": 3 - ids % 2,
            "n_displaced": 2 + ids % 4,
            "n_same_cluster_displaced": 1,
        }
    )
    outcomes = {"observed_clicks": parts} | ({} if minutes is None else {"minutes": minutes})
    for name, values in outcomes.items():
        for part, column in zip(PARTS, np.asarray(values, dtype=float).T, strict=True):
            table[f"{name}_{part}"] = column
        table[f"{name}_total"] = np.sum(values, axis=1)
    return table


def drawn(seed, n=400, **design):
    """Write the accounts of a log that ``draw`` drew."""
    promoted, delivered, parts, probability, users = draw(seed, n, **design)
    whole_users = users if users[-1] + 1 < n else None
    return accounts_of(promoted, delivered, parts, probability=probability, users=whole_users)


def draw(seed, n=400, *, two_sided=False, differing=False, slates_per_user=1):
    """Draw a log in which slates that comply gain (+0.6, -0.3, -0.1), and others gain more."""
    rng = np.random.default_rng(seed)
    users = np.arange(n) // slates_per_user
    probability = rng.choice([0.3, 0.6], users[-1] + 1)[users] if differing else np.full(n, 0.5)
    promoted = rng.random(users[-1] + 1)[users] < probability
    kind = rng.random(n)
    complies, always = kind < 0.6, (kind > 0.85) & two_sided
    delivered = always | (complies & promoted)
    # Slates that never comply click less, others more: a comparison by delivery would mislead.
    level = np.where(complies, 0.5, np.where(always, 0.9, 0.2)) + 0.3 * (probability > 0.5)
    own = rng.normal(0, 0.3, users[-1] + 1)[users][:, None]
    parts = rng.normal(level[:, None] + own, 1.0, (n, 3))
    gain = np.where(always[:, None], [2.0, 1.0, 1.0], [0.6, -0.3, -0.1])
    return promoted, delivered, parts + gain * delivered[:, None], probability, users


def by_line(table, measure, estimator="difference_in_means", outcome="observed_clicks"):
    rows = table[(table["measure"] == measure) & (table["estimator"] == estimator)]
    return rows[rows["outcome_type"] == outcome].set_index("line")


# --- By hand --------------------------------------------------------------------------------------


def test_by_hand():
    """Four slates an arm: three of the promoted ones delivered, focal clicks 2, 1, 1, 0."""
    focal = [2, 1, 1, 0, 1, 0, 0, 1]
    parts = np.column_stack([focal, np.zeros(8), np.zeros(8)])
    table = delivered_effects(
        compared(accounts_of([1] * 4 + [0] * 4, [1, 1, 1, 0, 0, 0, 0, 0], parts)),
        units=UNITS,
    )
    first = table[table["measure"] == "first_stage"].set_index("estimator")
    row = first.loc["difference_in_means"]
    # 0.75 with variance 0.25 / 4; the control arm delivers nothing and adds no error.
    assert (row["estimate"], row["treated_mean"], row["control_mean"]) == (0.75, 0.75, 0)
    assert row["se"] == pytest.approx(0.25)
    assert row["df"] == 3
    assert row["f_statistic"] == pytest.approx(9)
    assert row["is_weak"]
    assert row["unit"] == "share of slates"
    # Effect of the draw 0.5; variances 1/6 + 1/12, covariance with the delivery 1/12.
    draw, effect = (by_line(table, name).loc["direct"] for name in ("of_draw", "of_delivered"))
    assert draw["estimate"] == pytest.approx(500)
    assert effect["estimate"] == pytest.approx(2000 / 3)
    variance = (1 / 4 - 2 * (2 / 3) / 12 + (2 / 3) ** 2 / 16) / 0.75**2
    assert effect["se"] == pytest.approx(1000 * variance**0.5)
    assert effect["df"] == 3
    # Fieller by hand: 0.75^2 - t^2 / 16 is below zero with 3 degrees of freedom.
    t2 = 3.182446305**2
    square, middle, constant = 9 / 16 - t2 / 16, 3 / 8 - t2 / 12, 1 / 4 - t2 / 4
    assert square < 0
    root = (middle**2 - square * constant) ** 0.5
    assert effect["interval_kind"] == "outside"
    assert effect["ci_95_lower"] == pytest.approx(1000 * (middle + root) / square)
    assert effect["ci_95_upper"] == pytest.approx(1000 * (middle - root) / square)
    assert effect["unit"] == "clicks per 1,000 delivered promotions"
    assert draw["unit"] == "clicks per 1,000 promoted slates"
    assert "weak (F = 9.0" in effect["note"]


def two_stage(accounts, column, weights):
    """Return two-stage least squares of an outcome on the delivery, and its HC2 error."""
    w = np.sqrt(weights)
    y = accounts[column].to_numpy() * w
    x = np.column_stack([np.ones(len(y)), accounts["promotion_delivered"]]) * w[:, None]
    z = np.column_stack([np.ones(len(y)), accounts["promotion_applied"]]) * w[:, None]
    inverse = np.linalg.inv(z.T @ x)
    coefficients = inverse @ (z.T @ y)
    leverage = np.einsum("ij,jk,ik->i", z, np.linalg.inv(z.T @ z), z)
    residual = (y - x @ coefficients) / np.sqrt(1 - leverage)
    covariance = inverse @ (z.T @ (z * residual[:, None] ** 2)) @ inverse.T
    return coefficients[1], covariance[1, 1] ** 0.5


@pytest.mark.parametrize("two_sided", [False, True])
def test_it_is_two_stage_least_squares_with_its_error(two_sided):
    accounts = drawn(1, two_sided=two_sided)
    table = by_line(delivered_effects(compared(accounts), units=UNITS), "of_delivered")
    for line, column in (("direct", PARTS[0]), ("other", PARTS[2]), ("total", "total")):
        value, se = two_stage(accounts, f"observed_clicks_{column}", np.ones(len(accounts)))
        assert table.loc[line, "estimate"] == pytest.approx(1000 * value, rel=1e-10)
        assert table.loc[line, "se"] == pytest.approx(1000 * se, rel=1e-10)
        # The terms of the error are those of the residuals Y - r T.
        y, t, d = (
            accounts[name].to_numpy(dtype=float)
            for name in (f"observed_clicks_{column}", "promotion_delivered", "promotion_applied")
        )
        rest = y - value * t
        terms = np.concatenate(
            [(rest[d == arm] - rest[d == arm].mean()) / (d == arm).sum() for arm in (0, 1)]
        )
        expected = (terms**2).sum() ** 2 / (terms**4).sum()
        assert table.loc[line, "effective_terms"] == pytest.approx(expected, rel=1e-9)


def test_where_probabilities_differ_it_is_weighted_two_stage_least_squares():
    accounts = drawn(2, differing=True)
    table = delivered_effects(compared(accounts), units=UNITS)
    main = table[table["is_main"]]
    assert set(main["estimator"]) == {"hajek"}
    weights = Design.from_table(accounts).weights
    value, _ = two_stage(accounts, "observed_clicks_total", weights)
    effect = by_line(table, "of_delivered", "hajek").loc["total", "estimate"]
    assert effect == pytest.approx(1000 * value, rel=1e-10)
    assert "probabilities of promotion differ" in by_line(table, "of_draw").loc["total", "note"]


# --- Identities -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accounts",
    [
        drawn(3),
        drawn(4, two_sided=True, differing=True),
        drawn(5, slates_per_user=4),
        drawn(6, 60, two_sided=True),
    ],
    ids=["one-sided", "two-sided", "users", "few"],
)
def test_parts_add_up_for_every_estimator(accounts):
    table = delivered_effects(compared(accounts), units=UNITS)
    for estimator in ESTIMATORS:
        for measure in ("of_draw", "of_delivered"):
            value = by_line(table, measure, estimator)["estimate"] / 1000
            assert abs(value["direct"] + value["indirect"] - value["total"]) <= 1e-12
            assert abs(value["same_cluster"] + value["other"] - value["indirect"]) <= 1e-12


def test_the_effect_of_the_draw_is_the_ledger():
    accounts = drawn(7, two_sided=True)
    ledger = component_effects(compared(accounts)).set_index(["estimator", "line"])
    table = delivered_effects(compared(accounts), units=UNITS)
    for estimator in ESTIMATORS:
        rows = by_line(table, "of_draw", estimator)
        for line in ("direct", "same_cluster", "other", "total"):
            own, of_ledger = rows.loc[line], ledger.loc[(estimator, line)]
            for name, other in (("estimate", "estimate_per_slate"), ("se", "se")):
                assert own[name] == pytest.approx(1000 * of_ledger[other], rel=1e-9)
            for name in ("df", "effective_units", "effective_terms", "claims_95"):
                assert own[name] == pytest.approx(of_ledger[name], rel=1e-9)


@pytest.mark.parametrize("constant", [False, True])
def test_with_full_delivery_it_is_the_effect_of_the_draw(constant):
    accounts = drawn(8)
    accounts["promotion_delivered"] = accounts["promotion_applied"]
    if constant:  # focal items that are clicked in one arm only
        column = "observed_clicks_direct_focal"
        accounts.loc[accounts["promotion_applied"] == 0, column] = 0.0
    table = delivered_effects(compared(accounts), units=UNITS)
    for estimator in set(ESTIMATORS) - {"horvitz_thompson"}:
        draw, effect = (by_line(table, name, estimator) for name in ("of_draw", "of_delivered"))
        for name in ("estimate", "se", "ci_95_lower", "ci_95_upper", "df"):
            np.testing.assert_allclose(effect[name], draw[name], rtol=1e-9, atol=1e-9)
        assert effect["note"].str.startswith(EXACTLY).all()
    first = table[table["measure"] == "first_stage"].set_index("estimator").loc["lin"]
    assert (first["estimate"], first["se"]) == (1, 0)
    assert not first["is_weak"]


def test_the_set_holds_the_ratios_that_anderson_and_rubin_do_not_reject():
    """At its ends, the effect of the draw on Y - r T is t errors from zero; inside it is less."""
    accounts = drawn(9, 150, two_sided=True)
    design = Design.from_table(accounts)
    delivered = accounts["promotion_delivered"].to_numpy(dtype=float)
    table = by_line(delivered_effects(compared(accounts), units=UNITS), "of_delivered")
    for line, weights in LINES.items():
        row = table.loc[line]
        y = accounts[[f"observed_clicks_{part}" for part in PARTS]].to_numpy() @ weights

        def statistic(ratio, y=y):
            test = difference(design, (y - ratio * delivered)[:, None]).combination((1,))
            return abs(test.value) / test.se

        t = quantile_t(0.975, row["df"])
        for end in ("ci_95_lower", "ci_95_upper"):
            assert statistic(row[end] / 1000) == pytest.approx(t, rel=1e-9)
        assert statistic(row["estimate"] / 1000) < 1e-9


def test_each_outcome_has_its_lines_and_its_unit():
    accounts = drawn(10)
    rng = np.random.default_rng(0)
    minutes = rng.gamma(1, 5, (len(accounts), 3))
    names = [f"observed_clicks_{part}" for part in PARTS]
    both = accounts_of(
        accounts["promotion_applied"],
        accounts["promotion_delivered"],
        accounts[names].to_numpy(),
        minutes=minutes,
    )
    table = delivered_effects(compared(both), units=UNITS)
    assert set(table["outcome_type"]) == {"promotion_delivered", "observed_clicks", "minutes"}
    rows = by_line(table, "of_delivered", outcome="minutes")
    assert set(rows["unit"]) == {"minutes per 1,000 delivered promotions"}
    alone = delivered_effects(compared(accounts), units=UNITS)
    np.testing.assert_allclose(
        by_line(table, "of_delivered")["ci_95_upper"], by_line(alone, "of_delivered")["ci_95_upper"]
    )


def test_a_line_without_items_has_no_numbers():
    accounts = drawn(11).assign(n_same_cluster=0, focal_spillover_cluster=None)
    accounts["observed_clicks_same_cluster_competitor"] = 0.0
    rows = delivered_effects(compared(accounts), units=UNITS)
    rows = rows[rows["line"] == "same_cluster"]
    assert rows[["estimate", "se", "ci_95_lower", "interval_kind"]].isna().all(axis=None)
    assert set(rows["note"]) == {NO_CLUSTERS}


def test_too_few_slates_are_refused_as_in_the_ledger():
    with pytest.raises(NetliftError, match="needs at least 2"):
        delivered_effects(compared(drawn(12)[:3].assign(promotion_applied=[1, 0, 0])), units=UNITS)


def test_sets_for_users_like_these_are_those_of_the_ledger_and_of_their_own_statistic():
    accounts = drawn(15, 240, two_sided=True)
    accounts["user_id"] = np.arange(240) // 3
    own = np.random.default_rng(2).normal(0, 2, 80)[accounts["user_id"]]
    accounts["observed_clicks_other_competitor"] += own * accounts["promotion_delivered"]
    ledger = component_effects(compared(accounts)).set_index(["estimator", "line"])
    table = delivered_effects(compared(accounts), units=UNITS)
    for estimator in ESTIMATORS:
        draw = by_line(table, "of_draw", estimator)
        for line in ("direct", "same_cluster", "other", "total"):
            assert draw.loc[line, "users_errors"] == ledger.loc[(estimator, line), "users_errors"]
            for name, factor in (("se_users", 1000), ("df_users", 1)):
                expected = factor * ledger.loc[(estimator, line), name]
                assert draw.loc[line, name] == pytest.approx(expected, rel=1e-9, nan_ok=True)
    row = by_line(table, "of_delivered").loc["other"]
    assert row["se_users"] > row["se"]
    y = accounts["observed_clicks_other_competitor"].to_numpy()
    promoted = accounts["promotion_applied"].to_numpy() == 1
    for end in ("ci_95_lower_users", "ci_95_upper_users"):
        rest = (y - row[end] / 1000 * accounts["promotion_delivered"].to_numpy())[:, None]
        error = UserErrors.from_outcomes(rest, promoted, accounts["user_id"].to_numpy())
        difference_of_means = rest[promoted].mean() - rest[~promoted].mean()
        t = quantile_t(0.975, row["df_users"])
        assert abs(difference_of_means) == pytest.approx(t * error.variance((1,)) ** 0.5, rel=1e-9)


def test_users_that_were_randomized_have_one_set():
    table = delivered_effects(compared(drawn(5, slates_per_user=4)), units=UNITS)
    rows = by_line(table, "of_delivered")
    assert set(rows["users_errors"]) == {"same_users_randomized"}
    assert (rows["ci_95_lower_users"] == rows["ci_95_lower"]).all()


# --- Weak first stages ----------------------------------------------------------------------------


def test_a_weak_first_stage_is_named_and_its_sets_are_not_bounded():
    accounts = drawn(13)
    accounts["promotion_delivered"] = np.random.default_rng(1).permutation(
        accounts["promotion_delivered"]
    )
    table = delivered_effects(compared(accounts), units=UNITS)
    assert table["is_weak"].all()
    effects = by_line(table, "of_delivered")
    assert set(effects["interval_kind"]) <= {"outside", "everything"}
    assert effects["interval_text"].str.contains("since the effect of the draw on deliveries").all()
    assert effects["note"].str.contains("the first stage is weak").all()
    assert by_line(table, "of_draw")["note"].isna().all()


@pytest.mark.parametrize("reverse", [False, True])
def test_deliveries_that_do_not_follow_the_draw(reverse):
    """As many in both arms, or fewer in promoted slates: weak, whatever F is."""
    accounts = drawn(14)
    half = accounts.groupby("promotion_applied").cumcount() % 2
    accounts["promotion_delivered"] = half
    if reverse:
        accounts["promotion_delivered"] = 1 - accounts["promotion_applied"] * half
    table = delivered_effects(compared(accounts), units=UNITS)
    row = table[table["is_main"] & (table["measure"] == "first_stage")].iloc[0]
    assert row["is_weak"]
    assert reverse == (row["f_statistic"] > 10)
    assert "an effect above zero" in row["note"]


# --- Known effects, redrawn -----------------------------------------------------------------------


def replicates(seed, count, **design):
    """Return estimates by replicate and line, whether sets cover, and how many are bounded."""
    truth = np.array([0.6, -0.3, -0.1])
    values, covers, bounded = [], [], []
    for number in range(count):
        promoted, delivered, parts, probability, users = draw([seed, number], **design)
        unit_name = "user" if "slates_per_user" in design else "slate"
        strata = np.zeros(len(users), dtype=int)
        of_draw = Design(promoted, users, strata, probability, unit_name)
        arms = difference(of_draw, np.column_stack([parts, delivered]))
        ratios = [
            delivered_effect(arms, np.r_[weights, 0.0], DELIVERY).ratio
            for weights in LINES.values()
        ]
        values.append([ratio.value for ratio in ratios])
        known = [float(np.dot(weights, truth)) for weights in LINES.values()]
        covers.append([contains(*pair) for pair in zip(ratios, known, strict=True)])
        bounded.append([ratio.kind == "interval" for ratio in ratios])
    return np.array(values) - known, np.array(covers), np.array(bounded)


def contains(ratio, value):
    if ratio.kind == "everything":
        return True
    inside = ratio.lower <= value <= ratio.upper
    return inside if ratio.kind == "interval" else not inside or value in (ratio.lower, ratio.upper)


COUNT = 1000
BAND = 3.48 * (0.95 * 0.05 / COUNT) ** 0.5
"""The normal quantile of 1 - 0.01 / 20 / 2: 20 checks fail by chance in 1% of seeds."""


@pytest.mark.parametrize(
    "design",
    [
        {"n": 600},
        {"n": 600, "two_sided": True, "differing": True},
        {"n": 600, "slates_per_user": 4},
        {"n": 800, "slates_per_user": 4, "two_sided": True, "differing": True},
    ],
    ids=["slates", "slates-two-sided-differing", "users", "users-two-sided-differing"],
)
def test_known_effects_of_slates_that_comply_are_met(design):
    errors, covers, bounded = replicates(20, COUNT, **design)
    monte_carlo = errors.std(axis=0, ddof=1) / COUNT**0.5
    assert (np.abs(errors.mean(axis=0)) < 3 * monte_carlo).all()
    assert (np.abs(covers.mean(axis=0) - 0.95) < BAND).all()
    assert bounded.all()


def test_sets_cover_with_a_weak_first_stage_where_wald_intervals_need_not():
    """Few deliveries follow the draw; each of five checks fails by chance in 0.05% of seeds."""
    truth, rng = 0.6, np.random.default_rng(21)
    covers, bounded, weak = [], [], []
    for _ in range(COUNT):
        promoted = rng.permutation(np.arange(200) % 2) == 1
        kind, noise = rng.random(200), rng.normal(size=200)
        delivered = (kind < 0.2) | ((kind < 0.3) & promoted)
        # Who gets one anyway clicks more.
        outcome = noise + truth * delivered + 2 * (kind < 0.2)
        values = np.column_stack([outcome, 0 * outcome, 0 * outcome, delivered]).astype(float)
        design = Design(promoted, np.arange(200), np.zeros(200, dtype=int), None, "slate")
        arms = difference(design, values)
        ratio = delivered_effect(arms, np.array([1.0, 0, 0, 0]), DELIVERY).ratio
        covers.append(contains(ratio, truth))
        bounded.append(ratio.kind == "interval")
        weak.append(FirstStage.from_arms(arms, DELIVERY).is_weak)
    assert abs(np.mean(covers) - 0.95) < BAND
    assert 0.2 < np.mean(bounded) < 0.6
    assert np.mean(weak) > 0.8
