"""Clustered errors compared with clubSandwich, estimatr, statsmodels, pyfixest, definitions.

The numbers from R are in fixtures/r, next to the script that computes them.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from netlift.core.errors import NetliftError
from netlift.effects.estimators import expanded_difference, weighted_difference
from netlift.inference import cluster_robust
from netlift.inference.arms import ArmDifference, clustered_coefficient
from netlift.inference.cluster_robust import ClusteredFit
from netlift.promotion.design import Design

FIXTURES = Path(__file__).parents[1] / "fixtures" / "r"
ROWS = pd.read_csv(FIXTURES / "rows.csv")
SLATES = pd.read_csv(FIXTURES / "slates.csv")
EXPECTED = pd.read_csv(FIXTURES / "expected.csv").set_index(["case", "quantity"])["value"]
OUTCOMES = ["focal", "same", "other", "total"]

FITS = {  # case: rows, regressors, cluster, weights
    "cr2_slate_promoted": (ROWS, ["promoted"], "slate", None),
    "cr2_user_promoted": (ROWS, ["promoted"], "user", None),
    "cr2_slate_dose": (ROWS, ["displaced", "promoted", "dose"], "slate", None),
    "cr2_slate_dose_x": (ROWS, ["displaced", "promoted", "x", "dose"], "slate", None),
    "cr2_slate_promoted_displaced": (ROWS[ROWS["displaced"] == 1], ["promoted"], "slate", None),
    "cr2_slate_promoted_weighted_inverse_var": (ROWS, ["promoted"], "slate", "weight"),
    "cr2_six_slates_one_promoted": (ROWS[ROWS["slate"] <= 6], ["promoted"], "slate", None),
    "cr2_seven_slates_two_promoted": (ROWS[ROWS["slate"] <= 7], ["promoted"], "slate", None),
}


def fitted(case: str) -> tuple[ClusteredFit, np.ndarray]:
    rows, regressors, cluster, weight = FITS[case]
    design = np.column_stack([np.ones(len(rows)), rows[regressors].to_numpy(dtype=float)])
    weights = None if weight is None else rows[weight].to_numpy()
    click = rows[["click"]].to_numpy(dtype=float)
    return ClusteredFit.fit(click, design, rows[cluster].to_numpy(), weights), np.eye(
        design.shape[1]
    )[-1]


def drawn(seed: int, n_clusters: int, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of clusters of 1 to 9, with regressors that vary within and between clusters."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(n_clusters), rng.integers(1, 10, n_clusters))
    n = len(cluster)
    between = rng.normal(size=(n_clusters, p - 1))[cluster]
    design = np.column_stack(
        [np.ones(n), between + (np.arange(p - 1) % 2) * rng.normal(size=(n, 1))]
    )
    design[:, -1] = (np.arange(n_clusters) % 3 == 0)[cluster]
    return (
        design @ np.ones(p) + rng.normal(size=n) + rng.normal(size=n_clusters)[cluster],
        design,
        cluster,
    )


# --- R -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", FITS)
def test_errors_and_degrees_of_freedom_are_clubsandwichs(case):
    fit, last = fitted(case)
    expected = EXPECTED[case]
    assert fit.coefficients[-1, 0] == pytest.approx(expected["estimate"], abs=1e-12)
    for kind in ("CR0", "CR2", "CR3"):
        if f"se_{kind.lower()}" in expected:
            se = np.sqrt(fit.covariance(last, kind)[0, 0])
            assert se == pytest.approx(expected[f"se_{kind.lower()}"], rel=1e-9)
    assert fit.df(last) == pytest.approx(expected["df_cr2"], rel=1e-9)


@pytest.mark.parametrize("case", ["cr2_slate_promoted", "cr2_user_promoted", "cr2_slate_dose"])
def test_intervals_are_clubsandwichs(case):
    rows, regressors, cluster, _ = FITS[case]
    design = np.column_stack([np.ones(len(rows)), rows[regressors].to_numpy(dtype=float)])
    estimate = clustered_coefficient(
        rows["click"].to_numpy(dtype=float), design, rows[cluster].to_numpy()
    )
    assert estimate.interval == pytest.approx(
        (EXPECTED[case]["lower_cr2"], EXPECTED[case]["upper_cr2"]), rel=1e-9
    )


@pytest.mark.parametrize("place", range(4))
def test_differences_are_estimatrs(place):
    name, promoted = OUTCOMES[place], SLATES["promoted"].to_numpy() == 1
    values = SLATES[OUTCOMES].to_numpy(dtype=float)
    weights = np.eye(4)[place]
    plain = ArmDifference.from_outcomes(values, promoted).combination(weights)
    expected = EXPECTED[f"difference_{name}"]
    found = (plain.value, plain.se, plain.df)
    assert found == pytest.approx(tuple(expected[["estimate", "se", "df"]]), rel=1e-9)
    assert plain.se == pytest.approx(EXPECTED[f"hc2_{name}"]["se"], rel=1e-9)
    covariates = SLATES[["x1", "x2", "x3", "x4"]].to_numpy(dtype=float)
    lin = ArmDifference.from_outcomes(values, promoted, covariates=covariates).combination(weights)
    assert (lin.value, lin.se) == pytest.approx(
        tuple(EXPECTED[f"lin_{name}"][["estimate", "se"]]), rel=1e-9
    )
    probability = SLATES["probability"].to_numpy()
    design = Design(promoted, np.arange(60), np.zeros(60, dtype=int), probability, "slate")
    hajek = weighted_difference(design, values).combination(weights)
    expected = EXPECTED[f"hajek_{name}"]
    assert hajek.value == pytest.approx(expected["estimate"], rel=1e-9)
    # estimatr's error is HC2; the ledger's is the jackknife's (see below).
    arms = cluster_robust.SingleRowFit.fit(
        values, np.column_stack([promoted, ~promoted]).astype(float), design.weights
    )
    hc2 = arms.errors((1, -1))[0][place, place] ** 0.5
    assert hc2 == pytest.approx(expected["se"], rel=1e-9)
    assert hc2 < hajek.se < 1.1 * hc2


def test_horvitz_thompson_is_estimatrs():
    probability = SLATES["probability"].to_numpy()
    promoted = SLATES["promoted"].to_numpy() == 1
    design = Design(promoted, np.arange(60), np.zeros(60, dtype=int), probability, "slate")
    found = expanded_difference(design, SLATES[["total"]].to_numpy(dtype=float)).combination((1,))
    assert (found.value, found.se) == pytest.approx(
        tuple(EXPECTED["horvitz_thompson_total"][["estimate", "se"]]), rel=1e-9
    )


@pytest.mark.parametrize("place", range(4))
def test_differences_by_users_are_estimatrs(place):
    # estimatr fits one regression with all interactions; its CR2 is that of both arms' own fits.
    name, promoted = OUTCOMES[place], SLATES["promoted_by_user"].to_numpy() == 1
    values = SLATES[OUTCOMES].to_numpy(dtype=float)
    unit = np.unique(SLATES["user"], return_inverse=True)[1]
    covariates = SLATES[["x1", "x2", "x3", "x4"]].to_numpy(dtype=float)
    variance, value, sign = 0.0, 0.0, 1
    for arm in (promoted, ~promoted):
        design = np.column_stack([np.ones(60), covariates - covariates.mean(axis=0)])[arm]
        fit = ClusteredFit.fit(values[arm], design, unit[arm])
        variance += fit.covariance(np.eye(5)[0])[place, place]
        value, sign = value + sign * fit.coefficients[0, place], -sign
    expected = EXPECTED[f"lin_user_{name}"]
    found = (value, variance**0.5)
    assert found == pytest.approx(tuple(expected[["estimate", "se"]]), rel=1e-8)
    lin = ArmDifference.from_outcomes(values, promoted, covariates=covariates, unit=unit)
    assert lin.combination(np.eye(4)[place]).value == pytest.approx(value, rel=1e-9)


def test_a_total_by_users_is_estimatrs():
    promoted = SLATES["promoted_by_user"].to_numpy() == 1
    unit = np.unique(SLATES["user"], return_inverse=True)[1]
    total = SLATES["total"].to_numpy(dtype=float)
    arms = ArmDifference.from_outcomes(total[:, None], promoted, unit=unit).combination((1,))
    whole = clustered_coefficient(total, sm.add_constant(promoted * 1.0), unit)
    expected = tuple(EXPECTED["user_total"][["estimate", "se"]])
    assert arms.value == pytest.approx(expected[0], rel=1e-9)
    assert (whole.value, whole.se) == pytest.approx(expected, rel=1e-9)
    assert whole.df == pytest.approx(EXPECTED["user_total"]["df"], rel=1e-9)


@pytest.mark.parametrize("kind", ["CR0", "CR2", "CR3"])
def test_the_working_model_of_weighted_errors_has_variances_inverse_to_the_weights(kind):
    """CR2 and its degrees of freedom rest on the working model, CR0 and CR3 do not."""
    fit, last = fitted("cr2_slate_promoted_weighted_inverse_var")
    equal = EXPECTED["cr2_slate_promoted_weighted_equal_var"]
    se = fit.covariance(last, kind)[0, 0] ** 0.5
    same = se == pytest.approx(equal[f"se_{kind.lower()}"], rel=1e-9)
    assert same == (kind != "CR2")
    assert abs(fit.df(last) - equal["df_cr2"]) > 0.5


# --- The jackknife over randomized units ---------------------------------------------------------


def left_out(values, unit, fit):
    """Return (G - 1) / G times the sum of squares of what leaving out one unit changes."""
    whole, units = fit(np.ones(len(values), dtype=bool)), np.unique(unit)
    changes = [fit(unit != left) - whole for left in units]
    return np.sum(np.square(changes), axis=0) * (len(units) - 1) / len(units)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("by_user", [False, True])
@pytest.mark.parametrize("adjusted", [False, True])
def test_errors_of_unequal_units_are_those_of_leaving_out_one_at_a_time(
    weighted, by_user, adjusted
):
    if not weighted and not by_user:
        return  # Equal units: HC2, compared with estimatr above.
    rng = np.random.default_rng(5)
    unit = np.repeat(np.arange(12), rng.integers(1, 9, 12)) if by_user else np.arange(60)
    n = len(unit)
    promoted = (np.arange(n) % 2 == 0) if not by_user else (unit % 2 == 0)
    values, x = rng.poisson(2, (n, 2)).astype(float), rng.normal(size=(n, 1))
    weights = rng.uniform(0.5, 4, n) if weighted else None
    arms = ArmDifference.from_outcomes(
        values,
        promoted,
        covariates=x if adjusted else None,
        weights=weights,
        unit=unit if by_user else None,
    )
    w = np.ones(n) if weights is None else weights
    design = np.column_stack([np.ones(n), x - x.mean(axis=0)]) if adjusted else np.ones((n, 1))

    def fit_in(arm):
        def fit(kept):
            rows = np.flatnonzero(arm)[kept]
            root = np.sqrt(w[rows])[:, None]
            return np.linalg.lstsq(design[rows] * root, values[rows] * root, rcond=None)[0][0]

        return fit

    expected = sum(left_out(values[arm], unit[arm], fit_in(arm)) for arm in (promoted, ~promoted))
    assert np.diag(arms.covariance) == pytest.approx(expected, rel=1e-8)


def test_the_jackknife_of_equal_users_is_neymans_over_users():
    rng = np.random.default_rng(6)
    unit, values = np.repeat(np.arange(20), 5), rng.poisson(2, (100, 1)).astype(float)
    by_user = ArmDifference.from_outcomes(values, unit % 2 == 0, unit=unit).combination((1,))
    means = values.reshape(20, 5).mean(axis=1)[:, None]
    neyman = ArmDifference.from_outcomes(means, np.arange(20) % 2 == 0).combination((1,))
    found, expected = ((each.value, each.se, each.df) for each in (by_user, neyman))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("correction", ["CR2", "CR3"])
def test_degrees_of_freedom_are_those_of_the_simulated_variance_estimate(correction):
    """Under the working model: twice the squared mean over the variance; tolerance 5 errors."""
    rng = np.random.default_rng(7)
    cluster = np.repeat(np.arange(9), [1, 2, 3, 4, 5, 6, 8, 12, 20])
    design = np.column_stack([np.ones(61), cluster % 3 == 0]).astype(float)
    draws = rng.normal(size=(61, 40_000))
    fit = ClusteredFit.fit(draws, design, cluster)
    estimates = (fit.influence((0, 1), correction) ** 2).sum(axis=0)
    simulated = 2 * estimates.mean() ** 2 / estimates.var()
    assert fit.df((0, 1), correction) == pytest.approx(simulated, rel=0.06)


# --- Python's packages ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_cr0_is_statsmodels_and_cr3_is_pyfixests_jackknife(seed):
    import pyfixest

    outcome, design, cluster = drawn(seed, 25, 4)
    last = np.eye(4)[-1]
    fit = ClusteredFit.fit(outcome[:, None], design, cluster)
    ols = sm.OLS(outcome, design)
    plain = ols.fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False})
    assert np.sqrt(fit.covariance(last, "CR0")[0, 0]) == pytest.approx(plain.bse[-1], rel=1e-8)
    frame = pd.DataFrame(design[:, 1:], columns=["a", "b", "c"]).assign(y=outcome, g=cluster)
    bare = pyfixest.ssc(k_adj=False, G_adj=False)
    for kind, ours in (("CRV1", "CR0"), ("CRV3", "CR3")):
        theirs = pyfixest.feols("y ~ a + b + c", frame, vcov={kind: "g"}, ssc=bare)
        assert np.sqrt(fit.covariance(last, ours)[0, 0]) == pytest.approx(
            theirs.se()["c"], rel=1e-8
        )


def test_hc2_is_pyfixests_and_statsmodels():
    import pyfixest

    outcome, design, _ = drawn(5, 25, 4)
    frame = pd.DataFrame(design[:, 1:], columns=["a", "b", "c"]).assign(y=outcome)
    se = clustered_coefficient(outcome, design, np.arange(len(outcome))).se
    theirs = pyfixest.feols("y ~ a + b + c", frame, vcov="HC2", ssc=pyfixest.ssc(k_adj=False))
    assert se == pytest.approx(theirs.se()["c"], rel=1e-8)
    assert se == pytest.approx(sm.OLS(outcome, design).fit(cov_type="HC2").bse[-1], rel=1e-8)


@pytest.mark.slow
def test_the_wild_bootstrap_is_pyfixests():
    import pyfixest

    rng = np.random.default_rng(8)
    outcome, design, cluster = drawn(8, 22, 3)
    outcome = outcome - 0.6 * design[:, -1]
    frame = pd.DataFrame({"y": outcome, "a": design[:, 1], "c": design[:, 2], "g": cluster})
    theirs = pyfixest.feols("y ~ a + c", frame, vcov={"CRV1": "g"}).wildboottest(
        param="c", cluster="g", reps=4999, seed=1
    )
    fit = ClusteredFit.fit(outcome[:, None], design, cluster)
    p = fit.wild_bootstrap_p_value((0, 0, 1), rng, 4999)
    # Two simulated shares near 0.3 of 4,999 draws each: standard deviation 0.009; 4 of them.
    assert 0.02 < p < 0.98
    assert abs(p - theirs["Pr(>|t|)"]) < 0.037


@pytest.mark.long
@pytest.mark.slow
def test_the_randomization_test_is_pyfixests():
    import pyfixest

    from netlift.inference.randomization import Statistics, assignments, p_value

    rng = np.random.default_rng(9)
    promoted = rng.permutation(np.arange(40) < 15)
    outcome = rng.poisson(1.0, 40) + 0.5 * promoted
    frame = pd.DataFrame({"y": outcome, "d": promoted * 1.0})
    theirs = pyfixest.feols("y ~ d", frame, vcov="HC2").ritest(
        "d", reps=2000, type="randomization-c", rng=np.random.default_rng(1)
    )
    design = Design(promoted, np.arange(40), np.zeros(40, dtype=int), None, "slate")
    statistics = Statistics.from_outcomes(outcome[:, None], design, studentized=False)
    (observed,) = np.abs(statistics(promoted[None] * 1.0)[0][0])
    reached = [statistics(block)[0] for block in assignments(design, seed=2, draws=9999)]
    p = p_value(observed, np.abs(np.concatenate(reached))[:, 0])
    # It draws arms by coin instead of permuting, so p-values differ a little more than by chance
    # (standard deviation of 2,000 draws near p = 0.1: 0.007).
    assert abs(p - theirs["Pr(>|t|)"]) < 0.05


# --- Definitions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "p"), [(0, 2), (1, 3), (2, 5)])
def test_cr2_and_its_degrees_of_freedom_are_those_of_whole_matrices(seed, p):
    outcome, design, cluster = drawn(seed, 12, p)
    contrast = np.random.default_rng(seed).normal(size=p)
    bread = np.linalg.inv(design.T @ design)
    residual_maker = np.eye(len(outcome)) - design @ bread @ design.T
    variance, vectors = 0.0, []
    for number in range(12):
        own = cluster == number
        values, basis = np.linalg.eigh(residual_maker[np.ix_(own, own)])
        adjusted = (basis / np.sqrt(values)) @ basis.T @ design[own] @ bread @ contrast
        variance += (adjusted @ (residual_maker @ outcome)[own]) ** 2
        vectors.append(residual_maker[:, own] @ adjusted)
    products = np.array(vectors) @ np.array(vectors).T
    fit = ClusteredFit.fit(outcome[:, None], design, cluster)
    assert fit.covariance(contrast)[0, 0] == pytest.approx(variance, rel=1e-10)
    df = np.trace(products) ** 2 / (products**2).sum()
    assert fit.df(contrast) == pytest.approx(df, rel=1e-10)


def test_cr2_is_unbiased_where_its_working_model_is_true():
    _, design, cluster = drawn(3, 15, 4)
    last = np.eye(4)[-1]
    rng = np.random.default_rng(3)
    outcomes = rng.normal(size=(len(design), 20_000))
    fit = ClusteredFit.fit(outcomes, design, cluster)
    variances = (fit.influence(last) ** 2).sum(axis=0)
    truth = np.linalg.inv(design.T @ design)[-1, -1]
    # Its relative spread is sqrt(2 / df): within 4 Monte Carlo errors, false alarm 0.006%.
    assert abs(variances.mean() / truth - 1) < 4 * np.sqrt(2 / fit.df(last) / 20_000)
    assert variances.var() / truth**2 == pytest.approx(2 / fit.df(last), rel=0.05)


def test_joint_covariance_is_that_of_every_combination_of_outcomes():
    outcome, design, cluster = drawn(4, 20, 3)
    outcomes = np.column_stack([outcome, np.sin(outcome), design[:, 1] * outcome])
    joint = ClusteredFit.fit(outcomes, design, cluster).covariance((0, 1, -1))
    for weights in ((1, 0, 0), (1, 1, 1), (0, -2, 5)):
        alone = ClusteredFit.fit((outcomes @ weights)[:, None], design, cluster)
        assert weights @ joint @ np.array(weights) == pytest.approx(
            alone.covariance((0, 1, -1))[0, 0], rel=1e-10
        )


def test_units_of_regressors_and_names_of_clusters_do_not_matter():
    outcome, design, cluster = drawn(6, 20, 4)
    plain = clustered_coefficient(outcome, design, cluster)
    scaled = clustered_coefficient(outcome, design * [1, 1e-7, 1e6, 1], 10**9 - 7 * cluster)
    assert (plain.value, plain.se, plain.df) == pytest.approx(
        (scaled.value, scaled.se, scaled.df), rel=1e-9
    )


def test_the_wild_bootstrap_takes_every_way_to_set_the_signs_once_where_they_are_few():
    outcome, design, cluster = drawn(7, 8, 3)
    bread = np.linalg.inv(design.T @ design)

    def t_statistic(y: np.ndarray) -> float:
        coefficients = bread @ design.T @ y
        residual = y - design @ coefficients
        scores = [
            (design[cluster == g] * residual[cluster == g, None]).sum(axis=0) for g in range(8)
        ]
        parts = np.array(scores) @ bread[-1]
        return coefficients[-1] / np.sqrt((parts**2).sum())

    short = design[:, :-1]
    fitted = short @ np.linalg.lstsq(short, outcome)[0]
    reached = [
        abs(t_statistic(fitted + np.array(signs)[cluster] * (outcome - fitted)))
        for signs in product((1, -1), repeat=8)
    ]
    p = np.mean(np.array(reached) >= abs(t_statistic(outcome)) * (1 - 1e-9))
    fit = ClusteredFit.fit(outcome[:, None], design, cluster)
    rng = np.random.default_rng(0)
    assert fit.wild_bootstrap_p_value((0, 0, 1), rng, 256) == pytest.approx(p, abs=1e-12)
    sampled = fit.wild_bootstrap_p_value((0, 0, 1), rng, 255)
    # 255 draws: standard deviation at most 0.031; 4 of them.
    assert abs(sampled - p) < 0.125


@pytest.mark.parametrize(
    "design",
    [
        np.column_stack([np.ones(6), np.zeros(6)]),
        np.column_stack([np.ones(6), np.ones(6)]),
        np.column_stack([np.ones(6), np.arange(6), 3 - 2 * np.arange(6)]),
    ],
)
def test_dependent_regressors_are_an_error(design):
    with pytest.raises(NetliftError, match=r"regressor"):
        ClusteredFit.fit(np.arange(6.0)[:, None], design.astype(float), np.arange(6))


def test_a_fit_that_leaves_no_residual_has_no_error_and_says_so():
    design = np.column_stack([np.ones(2), [0.0, 1.0]])
    with pytest.raises(NetliftError, match="too few clusters for an error"):
        clustered_coefficient(np.array([1.0, 2.0]), design, np.arange(2))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("block", [7, 1 << 16])
def test_single_rows_have_the_errors_of_clusters_of_one(weighted, block, monkeypatch):
    """One row alone decides the last coefficient: its leverage is 1."""
    monkeypatch.setattr(cluster_robust, "_ROWS_AT_ONCE", block)
    rng = np.random.default_rng(3)
    design = np.column_stack([np.ones(40), rng.normal(size=(40, 2)), np.arange(40) == 17])
    outcomes = rng.normal(size=(40, 3))
    weights = rng.uniform(0.5, 3, 40) if weighted else None
    single = cluster_robust.SingleRowFit.fit(outcomes, design, weights)
    clustered = cluster_robust.ClusteredFit.fit(outcomes, design, np.arange(40), weights)
    assert np.allclose(single.coefficients, clustered.coefficients, rtol=1e-12)
    for contrast in ([1, 0, 0, 0], [0, 1, -2, 0.5], [0, 0, 0, 1]):
        expected = clustered.covariance(contrast)
        assert np.allclose(single.errors(contrast)[0], expected, rtol=1e-9, atol=1e-15)
        assert np.isclose(single.errors(contrast)[1], clustered.df(contrast), rtol=1e-9)
    with pytest.raises(NetliftError, match="linearly dependent"):
        cluster_robust.SingleRowFit.fit(outcomes, np.column_stack([design, design[:, 1]]))
    with pytest.raises(NetliftError, match="zero in all rows"):
        cluster_robust.SingleRowFit.fit(outcomes, np.column_stack([design, np.zeros(40)]))
