"""Who gains: group effects, calibration and ranks match their definitions; errors are right."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from netlift.models import who_gains as targeting
from netlift.models.who_gains import (
    AUTOC,
    CORRELATION,
    DETECTABLE,
    GROUP,
    QINI,
    SLOPE,
    SPREAD,
    TOC_SHARES,
    Ranking,
    ScoredSlates,
    detectability,
    detectable_spread,
    fold_ranks,
    rate_weights,
    who_gains,
)


def experiment(
    seed: int,
    n_slates: int = 120,
    *,
    n_folds: int = 3,
    n_users: int | None = None,
    truth: bool = True,
) -> ScoredSlates:
    rng = np.random.default_rng(seed)
    known = rng.normal(size=n_slates)
    unit = rng.integers(0, n_users, n_slates) if n_users else np.arange(n_slates)
    unit = np.unique(unit, return_inverse=True)[1]
    shared = rng.normal(size=n_slates)[unit]
    scores = 0.3 + known + shared + rng.normal(size=n_slates)
    fold = unit % n_folds
    return ScoredSlates(scores, fold, unit, seed, known if truth else None)


def measured(table: pd.DataFrame, predictor: str = "one") -> pd.DataFrame:
    """Rows of one predictor by measure; of its groups, none."""
    own = table[(table["predictor"] == predictor) & (table["measure"] != GROUP)]
    return own.set_index("measure")


def groups_of(table: pd.DataFrame, predictor: str = "one") -> pd.DataFrame:
    own = table[(table["predictor"] == predictor) & (table["measure"] == GROUP)]
    return own.set_index("group")


def cr2(outcome: np.ndarray, regressors: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Covariance of OLS coefficients, CR2, with whole matrices (Bell and McCaffrey 2002)."""
    bread = np.linalg.inv(regressors.T @ regressors)
    maker = np.eye(len(outcome)) - regressors @ bread @ regressors.T
    residual, meat = maker @ outcome, np.zeros_like(bread)
    for number in np.unique(cluster):
        own = cluster == number
        values, vectors = np.linalg.eigh(maker[np.ix_(own, own)])
        root = np.where(values > 1e-10, np.maximum(values, 1e-10) ** -0.5, 0.0)
        part = regressors[own].T @ ((vectors * root) @ vectors.T @ residual[own])
        meat += np.outer(part, part)
    return bread @ meat @ bread


# --- Ranks and rank-weighted effects -------------------------------------------------------------


def by_definition(predicted: np.ndarray, scores: np.ndarray) -> tuple[float, float, np.ndarray]:
    """AUTOC, Qini and TOC(j) for all j, slate by slate."""
    averaged = [scores[predicted == value].mean() for value in predicted]
    first = sorted(range(len(scores)), key=lambda slate: -predicted[slate])
    n, toc = len(scores), []
    for j in range(1, n + 1):
        top = sum(averaged[slate] for slate in first[:j]) / j
        toc.append(top - sum(scores) / n)
    autoc = sum(toc) / n
    qini = sum((j + 1) / n * value for j, value in enumerate(toc)) / n
    return autoc, qini, np.array(toc)


@pytest.mark.parametrize("n_values", [None, 12, 3, 1])
@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_rates_are_the_means_of_the_toc_that_define_them_with_ties_and_without(n, n_values):
    rng = np.random.default_rng([n, n_values or 0])
    predicted = rng.permutation(n) * 1.0 if n_values is None else rng.integers(0, n_values, n) * 1.0
    scores = rng.normal(2, 1, n)
    autoc, qini, toc = by_definition(predicted, scores)
    ranking = Ranking.from_ranks(fold_ranks(predicted, np.zeros(n, dtype=int)))
    assert ranking.rates(scores) == pytest.approx([autoc, qini], abs=1e-13)
    assert ranking.toc(scores, np.arange(1, n + 1) / n) == pytest.approx(toc, abs=1e-13)
    assert Ranking.from_ranks(predicted).rates(scores) == pytest.approx([autoc, qini], abs=1e-13)


def test_rates_of_four_slates_by_hand():
    # In order of the prediction: 4, 2, -1, 3, of mean 2. TOC: 4, 3, 5/3 and 2, each less 2.
    scores, predicted = np.array([-1.0, 4.0, 3.0, 2.0]), np.array([0.1, 0.9, 0.0, 0.5])
    ranking = Ranking.from_ranks(fold_ranks(predicted, np.zeros(4, dtype=int)))
    assert ranking.order.tolist() == [1, 3, 0, 2]
    assert ranking.toc(scores, np.arange(1, 5) / 4) == pytest.approx([2, 1, -1 / 3, 0])
    autoc, qini = ranking.rates(scores)
    assert autoc == pytest.approx((2 + 1 - 1 / 3) / 4)
    assert qini == pytest.approx((2 / 4 + 2 / 4 - 3 / 4 / 3) / 4)
    # The second and the third are predicted alike: they count as 0.5 each.
    tied = Ranking.from_ranks(fold_ranks(np.array([0.5, 0.9, 0.0, 0.5]), np.zeros(4, dtype=int)))
    assert tied.toc(scores, np.arange(1, 5) / 4) == pytest.approx([2, 0.25, -1 / 3, 0])


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1001])
def test_weights_of_slates_add_up_to_zero(n):
    # So that an effect that all slates share counts for nothing.
    for weights in rate_weights(n):
        assert abs(weights.sum()) < 1e-13
        assert (np.diff(weights) < 0).all()


def test_a_share_too_small_for_a_slate_is_the_first_slate():
    ranking = Ranking.from_ranks(np.array([0.1, 0.9, 0.5]))
    toc = ranking.toc(np.array([0.0, 3.0, 0.0]), np.array([0.05, 0.4, 1.0]))
    assert toc == pytest.approx([2, 2, 0])


def test_ranks_are_within_folds_and_ties_share_them():
    predicted = np.array([5.0, 7.0, 7.0, 9.0, -3.0, -1.0])
    fold = np.array([0, 0, 0, 0, 1, 1])
    expected = [0.5 / 4, 2 / 4, 2 / 4, 3.5 / 4, 0.5 / 2, 1.5 / 2]
    assert fold_ranks(predicted, fold) == pytest.approx(expected)
    moved = predicted + np.array([0, 0, 0, 0, 100, 100])
    assert (fold_ranks(moved, fold) == fold_ranks(predicted, fold)).all()
    # A fold's ranks do not say which slates stand in other folds.
    assert fold_ranks(predicted[:4], fold[:4]) == pytest.approx(expected[:4])


def test_order_within_a_fold_is_all_that_ranks_see():
    rng = np.random.default_rng(3)
    predicted, fold = rng.normal(size=50), np.arange(50) % 4
    ranks = fold_ranks(predicted, fold)
    assert (ranks > 0).all()
    assert (ranks < 1).all()
    assert (fold_ranks(np.exp(predicted), fold) == ranks).all()
    assert fold_ranks(-predicted, fold) == pytest.approx(1 - ranks)
    for number in range(4):
        assert ranks[fold == number].mean() == pytest.approx(0.5)


# --- Groups and calibration ----------------------------------------------------------------------


def fifths(effects: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Group of each slate, 1 to 5, by sorting each fold; without ties."""
    group = np.empty(len(effects), dtype=int)
    for number in np.unique(fold):
        own = np.flatnonzero(fold == number)
        for place, slate in enumerate(sorted(own, key=lambda one: effects[one])):
            group[slate] = int(5 * (place + 0.5) / len(own)) + 1
    return group


def test_group_effects_are_mean_scores_of_fifths_with_their_standard_errors():
    found = experiment(1, 123)
    effects = np.random.default_rng(2).normal(size=123) + 10 * found.fold
    table = who_gains(found, {"one": effects})[0]
    groups, group = groups_of(table), fifths(effects, found.fold)
    assert groups.index.tolist() == [1, 2, 3, 4, 5]
    for number in range(1, 6):
        own = group == number
        row, scores = groups.loc[number], found.scores[own]
        assert row["slates"] == own.sum()
        assert row["predicted"] == pytest.approx(effects[own].mean())
        assert row["known"] == pytest.approx(found.known[own].mean())
        assert row["estimate"] == pytest.approx(scores.mean(), abs=1e-12)
        assert row["se"] == pytest.approx(stats.sem(scores), rel=1e-10)
        assert row["df"] == pytest.approx(own.sum() - 1, rel=1e-8)
        interval = stats.t.interval(0.95, own.sum() - 1, scores.mean(), stats.sem(scores))
        assert (row["ci_95_lower"], row["ci_95_upper"]) == pytest.approx(interval)
    spread = measured(table).loc[SPREAD]
    highest, lowest = (found.scores[group == number] for number in (5, 1))
    assert spread["estimate"] == pytest.approx(highest.mean() - lowest.mean())
    assert spread["se"] == pytest.approx(np.hypot(stats.sem(highest), stats.sem(lowest)))
    # Satterthwaite's degrees of freedom, were all scores of one variance (Bell and McCaffrey 2002).
    n5, n1 = len(highest), len(lowest)
    df = (1 / n5 + 1 / n1) ** 2 / (1 / (n5**2 * (n5 - 1)) + 1 / (n1**2 * (n1 - 1)))
    assert spread["df"] == pytest.approx(df, rel=1e-8)
    p = 2 * stats.t.sf(abs(spread["estimate"] / spread["se"]), df)
    assert spread["p_value"] == pytest.approx(p, rel=1e-8)
    known = found.known[group == 5].mean() - found.known[group == 1].mean()
    assert spread["known"] == pytest.approx(known)


def test_errors_of_groups_and_slope_are_by_user_where_users_were_randomized():
    found = experiment(4, 150, n_users=40)
    effects = np.random.default_rng(5).normal(size=150) + found.known
    table = who_gains(found, {"one": effects})[0]
    group = fifths(effects, found.fold)
    dummies = (group[:, None] == np.arange(1, 6)) * 1.0
    covariance = cr2(found.scores, dummies, found.unit)
    groups, other = groups_of(table), measured(table)
    for number in range(5):
        own = covariance[number, number] ** 0.5
        assert groups.at[number + 1, "se"] == pytest.approx(own, rel=1e-9)
    ends = np.array([-1, 0, 0, 0, 1])
    assert other.at[SPREAD, "se"] == pytest.approx((ends @ covariance @ ends) ** 0.5, rel=1e-9)
    frame = pd.DataFrame({"x": effects, "y": found.scores})
    within = frame - frame.groupby(found.fold).transform("mean")
    x, y = within["x"].to_numpy(), within["y"].to_numpy()
    covariance = cr2(y, x[:, None], found.unit)
    assert other.at[SLOPE, "se"] == pytest.approx(covariance[0, 0] ** 0.5, rel=1e-9)


def test_the_calibration_slope_is_that_of_a_regression_with_a_mean_for_each_fold():
    found = experiment(6, 200)
    effects = 0.5 * found.known + np.array([3, -2, 1])[found.fold]
    row = measured(who_gains(found, {"one": effects})[0]).loc[SLOPE]
    dummies = pd.get_dummies(found.fold).to_numpy(dtype=float)
    fit = sm.OLS(found.scores, np.column_stack([effects, dummies])).fit(cov_type="HC2")
    # Frisch and Waugh: the slope is the same. The error leaves out the leverage of the means.
    assert row["estimate"] == pytest.approx(fit.params[0], rel=1e-10)
    assert row["se"] == pytest.approx(fit.bse[0], rel=0.02)
    frame = pd.DataFrame({"x": effects, "y": found.scores})
    within = frame - frame.groupby(found.fold).transform("mean")
    alone = sm.OLS(within["y"].to_numpy(), within["x"].to_numpy()).fit(cov_type="HC2")
    assert row["se"] == pytest.approx(alone.bse[0], rel=1e-10)
    p = 2 * stats.t.sf(row["estimate"] / row["se"], row["df"])
    assert row["p_value"] == pytest.approx(p, rel=1e-8)
    truth = sm.OLS(found.known, np.column_stack([effects, dummies])).fit()
    assert row["known"] == pytest.approx(truth.params[0], rel=1e-10)
    assert row["unit"] != "clicks per slate"


def test_means_of_folds_do_not_enter_any_measure():
    # Models of other folds have other means: those alone must not look like knowledge.
    found = experiment(7)
    effects = np.random.default_rng(8).normal(size=120)
    moved = (
        effects
        - 50 * np.array([found.scores[found.fold == one].mean() for one in range(3)])[found.fold]
    )
    one, two = (measured(who_gains(found, {"one": given})[0]) for given in (effects, moved))
    for name in (SPREAD, SLOPE, AUTOC, QINI):
        assert one.at[name, "estimate"] == pytest.approx(two.at[name, "estimate"], rel=1e-9)
        assert one.at[name, "se"] == pytest.approx(two.at[name, "se"], rel=1e-9)


def test_perfect_predictions_of_scores_without_noise_have_a_slope_of_one():
    known = np.random.default_rng(9).normal(size=90)
    found = ScoredSlates(known, np.arange(90) % 3, np.arange(90), 1, known)
    table = who_gains(found, {"one": known})[0]
    other = measured(table)
    assert other.at[SLOPE, "estimate"] == pytest.approx(1, abs=1e-12)
    assert other.at[SLOPE, "se"] < 1e-12
    assert other.at[SLOPE, "known"] == pytest.approx(1, abs=1e-12)
    assert other.at[CORRELATION, "known"] == pytest.approx(1, abs=1e-12)
    groups = groups_of(table)
    assert groups["estimate"].to_numpy() == pytest.approx(groups["predicted"].to_numpy())


def test_where_scores_are_the_known_effects_every_estimate_is_the_known_one():
    rng = np.random.default_rng(10)
    known = rng.normal(size=140)
    found = ScoredSlates(known, np.arange(140) % 4, np.arange(140), 1, known)
    table, curves = who_gains(found, {"one": known + rng.normal(size=140)})
    judged = table[table["estimate"].notna() & (table["measure"] != DETECTABLE)]
    assert set(judged["measure"]) == {GROUP, SPREAD, SLOPE, AUTOC, QINI}
    assert judged["estimate"].to_numpy() == pytest.approx(judged["known"].to_numpy(), abs=1e-12)
    assert curves["toc"].to_numpy() == pytest.approx(curves["known_toc"].to_numpy(), abs=1e-12)


def test_the_curve_is_the_toc_at_each_twentieth_and_no_order_beats_the_best():
    found = experiment(11, 200)
    effects = found.known + np.random.default_rng(12).normal(size=200)
    curve = who_gains(found, {"one": effects})[1]
    assert curve["share"].to_numpy() == pytest.approx(np.arange(1, 21) / 20)
    ranks = fold_ranks(effects, found.fold)
    toc, known_toc, best = (
        by_definition(order, values)[2][9::10]
        for order, values in (
            (ranks, found.scores),
            (ranks, found.known),
            (found.known, found.known),
        )
    )
    assert curve["toc"].to_numpy() == pytest.approx(toc, abs=1e-12)
    assert curve["known_toc"].to_numpy() == pytest.approx(known_toc, abs=1e-12)
    assert curve["best_toc"].to_numpy() == pytest.approx(best, abs=1e-12)
    assert (curve["best_toc"] >= curve["known_toc"] - 1e-12).all()
    half = (curve["ci_95_upper"] - curve["ci_95_lower"]) / 2
    assert half.to_numpy() == pytest.approx(1.959964 * curve["se"].to_numpy(), rel=1e-6)
    assert (curve["ci_95_upper"] + curve["ci_95_lower"]).to_numpy() / 2 == pytest.approx(toc)
    assert abs(curve["toc"].iloc[-1]) + curve["se"].iloc[-1] < 1e-12


# --- Half samples --------------------------------------------------------------------------------


def drawn(rng: np.random.Generator, n: int, slope: float) -> tuple[ScoredSlates, np.ndarray]:
    """Draw scores with an effect that is linear in a uniform prediction, and that prediction."""
    predicted = rng.random(n)
    scores = 0.2 + slope * predicted + rng.normal(size=n)
    fold, seed = np.arange(n) % 2, int(rng.integers(1 << 30))
    return ScoredSlates(scores, fold, np.arange(n), seed), predicted


def test_intervals_cover_the_known_area_of_a_linear_effect(monkeypatch):
    # An effect b x of a uniform x has TOC(q) = b (1 - q) / 2, so AUTOC = b / 4 and Qini = b / 12.
    # 95% of 300 intervals; 3.3 standard deviations are 4.2%. (60 half samples, for time.)
    monkeypatch.setattr(targeting, "HALF_SAMPLES", 60)
    rng = np.random.default_rng(13)
    truth, estimates, errors = np.array([1 / 4, 1 / 12, 1 / 4]) * 1.5, [], []
    for _ in range(300):
        found, predicted = drawn(rng, 300, slope=1.5)
        ranking, half = Ranking.from_ranks(fold_ranks(predicted, found.fold)), np.array([0.5])
        own = ranking.half_samples(found.scores, found.unit, half, seed=found.seed)
        errors.append(np.concatenate(own))
        rates, toc = ranking.rates(found.scores), ranking.toc(found.scores, half)
        estimates.append(np.concatenate([rates, toc]))
    off = np.abs(np.array(estimates) - truth) / np.array(errors)
    assert (off < 1.96).mean(axis=0) == pytest.approx([0.95] * 3, abs=0.042)
    # The errors are the spread of the estimates; that of 300 is known to 4.1%.
    assert np.mean(errors, axis=0) == pytest.approx(np.std(estimates, axis=0), rel=0.13)


@pytest.mark.long
def test_where_effects_are_alike_one_p_value_in_twenty_is_below_5_percent(monkeypatch):
    # 300 experiments: 5% and 3.3 standard deviations of 1.26%. (60 half samples, for time.)
    monkeypatch.setattr(targeting, "HALF_SAMPLES", 60)
    rng = np.random.default_rng(14)
    alarms = pd.Series(0.0, index=[SPREAD, SLOPE, AUTOC, QINI])
    for _ in range(300):
        found, predicted = drawn(rng, 200, slope=0.0)
        table = measured(who_gains(found, {"one": predicted})[0])
        alarms += table.loc[alarms.index, "p_value"].to_numpy(dtype=float) < 0.05
    assert alarms.to_numpy() / 300 == pytest.approx([0.05] * 4, abs=0.042)


def test_predictions_out_of_fold_know_nothing_where_effects_are_alike(monkeypatch):
    # Such as the mean score of the other folds: high where the own fold is low. Ranked over all
    # slates at once, it would be found to be wrong on purpose in nearly every experiment.
    monkeypatch.setattr(targeting, "HALF_SAMPLES", 40)
    rng = np.random.default_rng(15)
    alarms, blind = np.zeros(2), 0
    for _ in range(150):
        found, noise = drawn(rng, 100, slope=0.0)
        other = np.array([found.scores[found.fold != one].mean() for one in range(2)])
        predicted = other[found.fold] + 0.1 * noise
        row = measured(who_gains(found, {"one": predicted})[0]).loc[[SLOPE, AUTOC]]
        alarms += row["p_value"].to_numpy(dtype=float) < 0.05
        blind += np.polyfit(predicted, found.scores, 1)[0] < 0
    # 5% of 150, and 3.3 standard deviations of 1.8%.
    assert (alarms / 150 < 0.05 + 0.059).all()
    assert blind > 120


def test_half_samples_take_whole_users():
    # Every slate three times over, by the same user, says no more than once: the same halves of
    # users are drawn, and but for the ranks' own size the same rates come out.
    rng = np.random.default_rng(16)
    found, predicted = drawn(rng, 400, slope=1.0)
    thrice = ScoredSlates(
        np.repeat(found.scores, 3), np.repeat(found.fold, 3), np.repeat(found.unit, 3), found.seed
    )
    single = ScoredSlates(thrice.scores, thrice.fold, np.arange(1200), found.seed)
    once = measured(who_gains(found, {"one": predicted})[0])
    whole, split = (
        measured(who_gains(one, {"one": np.repeat(predicted, 3)})[0]) for one in (thrice, single)
    )
    for name in (AUTOC, QINI):
        assert whole.at[name, "se"] == pytest.approx(once.at[name, "se"], rel=0.02)
        assert split.at[name, "se"] < 0.7 * whole.at[name, "se"]


def test_half_samples_are_drawn_by_seed():
    found = experiment(17)
    first, second = (who_gains(found, {"one": found.known})[0] for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    other = ScoredSlates(found.scores, found.fold, found.unit, found.seed + 1, found.known)
    third = measured(who_gains(other, {"one": found.known})[0])
    assert third.at[AUTOC, "se"] != measured(first).at[AUTOC, "se"]
    assert third.at[AUTOC, "estimate"] == measured(first).at[AUTOC, "estimate"]


# --- What could be shown -------------------------------------------------------------------------


def test_the_detectable_spread_is_2_8_errors_of_the_mean_score():
    found = experiment(18)
    row = detectable_spread(found)
    factor = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert factor == pytest.approx(2.8016, abs=1e-4)
    assert row["estimate"] == pytest.approx(factor * stats.sem(found.scores), rel=1e-10)
    assert row["known"] == pytest.approx(np.std(found.known))
    assert row["slates"] == 120
    by_user = experiment(18, n_users=25)
    error = cr2(by_user.scores, np.ones((120, 1)), by_user.unit)[0, 0] ** 0.5
    assert detectable_spread(by_user)["estimate"] == pytest.approx(factor * error, rel=1e-9)


@pytest.mark.parametrize(("size", "said"), [(0.05, "could hardly be shown"), (0.8, "could be sh")])
def test_what_could_be_shown_is_said_with_its_power(size, said):
    rng = np.random.default_rng(19)
    known = size * rng.normal(size=400)
    found = ScoredSlates(rng.normal(size=400), np.arange(400) % 2, np.arange(400), 1, known)
    table = who_gains(found, {"one": known})[0]
    text = detectability(table)
    # A slope of 1 with an error of se / sd, and a two-sided test at 5%.
    power = stats.norm.sf(stats.norm.ppf(0.975) - known.std() / stats.sem(found.scores))
    assert said in text
    assert f"(power {power:.0%}" in text
    assert f"The known one is {known.std():.3f}" in text
    least = table.loc[table["measure"] == DETECTABLE, "estimate"].iloc[0]
    assert text.startswith("400 slates show")
    assert "in 80% of such experiments" in text
    assert f"at least {least:.3f} clicks per slate." in text


@pytest.mark.long
def test_the_spread_that_can_be_shown_is_shown_four_times_in_five(monkeypatch):
    # 300 experiments with a perfect prediction: 80% and 3.3 standard deviations of 2.3%.
    monkeypatch.setattr(targeting, "HALF_SAMPLES", 2)
    rng = np.random.default_rng(20)
    n, unit, fold, shown = 600, np.arange(600), np.arange(600) % 3, 0
    # Scores of variance 1 in all, of which effects have their part.
    sd = 2.8016 / n**0.5
    noise = (1 - sd**2) ** 0.5
    for seed in range(300):
        effect = sd * rng.normal(size=n)
        found = ScoredSlates(effect + noise * rng.normal(size=n), fold, unit, seed)
        shown += measured(who_gains(found, {"one": effect})[0]).at[SLOPE, "p_value"] < 0.05
    assert shown / 300 == pytest.approx(0.8, abs=0.076)


# --- Without numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("between_folds", [False, True])
def test_a_prediction_that_is_the_same_for_all_slates_has_a_note_and_no_numbers(between_folds):
    # So have models of too few slates: they predict one mean for each fold.
    found = experiment(21)
    flat = np.full(120, 0.1) + (np.array([0.3, -0.1, 0.7])[found.fold] if between_folds else 0.0)
    table, curves = who_gains(found, {"flat": flat, "one": found.known})
    rows = measured(table, "flat")
    assert rows.index.tolist() == [SPREAD, SLOPE, AUTOC, QINI]
    assert rows[["estimate", "se", "ci_95_lower", "ci_95_upper", "p_value"]].isna().all(axis=None)
    assert rows["note"].str.contains("the same effect is predicted").all()
    assert set(curves["predictor"]) == {"one"}
    nothing = who_gains(found, {"flat": flat})
    assert len(nothing[1]) == 0
    assert list(nothing[1]) == list(curves)


def test_without_a_truth_nothing_is_said_of_it():
    found = experiment(22, truth=False)
    table, curves = who_gains(found, {"one": np.random.default_rng(1).normal(size=120)})
    assert "known" not in table
    assert not {"known_toc", "best_toc"} & set(curves)
    assert CORRELATION not in set(table["measure"])
    assert "known" not in detectability(table)
    with_truth = who_gains(experiment(22), {"one": np.random.default_rng(1).normal(size=120)})
    for own, other in zip((table, curves), with_truth, strict=True):
        same = other[other["measure"] != CORRELATION] if "measure" in other else other
        pd.testing.assert_frame_equal(own, same[list(own)].reset_index(drop=True))


def test_every_predictor_has_a_row_for_every_measure():
    found = experiment(23)
    names = ("one", "two")
    table, curves = who_gains(found, dict.fromkeys(names, found.known))
    assert table["measure"].iloc[0] == DETECTABLE
    assert (table["measure"] == DETECTABLE).sum() == 1
    for name in names:
        assert len(groups_of(table, name)) == 5
        measures = measured(table, name).index.tolist()
        assert measures == [SPREAD, SLOPE, AUTOC, QINI, CORRELATION]
        assert (curves["predictor"] == name).sum() == len(TOC_SHARES) == 20
