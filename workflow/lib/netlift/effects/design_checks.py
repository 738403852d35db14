"""Design diagnostics: was the promotion randomized as specified?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from netlift.core.arrays import Floats, numbered
from netlift.core.errors import NetliftError
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS
from netlift.core.units import (
    PER_SLATE,
    POSITIONS,
    SHARE_OF_SPLITS,
    SHARE_OF_USERS,
    SQUARED_DISTANCE,
    STANDARD_DEVIATIONS,
)
from netlift.effects.codes import LINES
from netlift.effects.covariates import covariates_of, unexplained
from netlift.effects.estimators import difference
from netlift.effects.slate_accounts import component_columns
from netlift.inference.balance import (
    _NO_SPREAD,
    DRAW_PLACES,
    TINY,
    draw_p_value,
    few_split_p_value,
    sample_ratio_p_value,
)
from netlift.inference.effective_units import ENOUGH_UNITS, effective_units_per_arm
from netlift.inference.estimate import MIN_PER_ARM, quantile_t
from netlift.inference.randomization import Statistics, assignments, p_value
from netlift.promotion.design import Design

SAMPLE_RATIO, FOCAL_DRAW, SPLIT, EFFECTIVE, BALANCE, OMNIBUS, PLACEBO = (
    "sample_ratio",
    "focal_draw",
    "users_in_both_arms",
    "effective_units",
    "covariate_balance",
    "joint_covariate_balance",
    "aa_test",
)
CHECKS = {
    SAMPLE_RATIO: "sample ratio",
    FOCAL_DRAW: "draw of focal items",
    SPLIT: "users in both arms",
    EFFECTIVE: "effective units",
    BALANCE: "covariate balance",
    OMNIBUS: "covariate balance, all together",
    PLACEBO: "A/A test on control slates",
}
"""Labels of the checks."""

FINE, LOOK, TOO_FEW, NOT_CHECKED = "fine", "look_into_it", "too_few", "not_checked"
VERDICTS = {
    FINE: "fine",
    LOOK: "look into it",
    TOO_FEW: "too few",
    NOT_CHECKED: "not checked",
}
"""Labels of the verdicts."""


ALARM = 0.001
"""P-value up to which a check of the design alarms: once in a thousand sound experiments. With too
few permutations for that, it alarms at the smallest possible p-value."""


PLACEBO_SPLITS = 2000


FEW_UNITS = (
    f"fewer than {ENOUGH_UNITS:.0f}: 95% intervals may cover the truth in less than 95% of "
    "experiments"
)
"""What follows from few effective units."""


def design_diagnostics(
    accounts: pd.DataFrame, *, permutations: int, seed: int, items: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Check the randomization.

    Parameters
    ----------
    accounts
        One row per slate.
    permutations
        Assignments drawn for the omnibus test and for the A/A test.
    seed
        Study seed.
    items
        Items of the same slates, for the draw of focal items; None if they are not at hand.

    Returns
    -------
    One row per quantity: ``check``, ``subject``, ``value`` with its ``unit``, the
    ``expected`` value, its 95% interval or range where it has one, ``p_value``, ``verdict`` (fine,
    look into it, too few, not checked) and ``note``.

    - Sample ratio: promoted units compared with the design's probability (exact binomial test;
      where probabilities differ, the normal approximation of their sum).
    - Draw of focal items, where its probabilities are known: draws of each position compared with
      the probabilities (chi-squared).
    - Users in both arms, where slates were drawn: the share of users with several slates that have
      slates of both arms. Too few are a sign that users were drawn.
    - Effective units of each arm, (sum w)^2 / sum w^2; with fewer than 30, too few.
    - Covariate balance: standardized difference of each pre-treatment covariate (difference of
      means over the root of the mean of both arms' variances, with n), its p-value by
      randomization; and all of them in one randomization test of their Mahalanobis distance.
    - A/A test: control slates are split at random, by the design, up to 2,000 times. The share of
      splits whose 95% interval of the total effect excludes zero (5% expected), and one such split
      for each component.
    """
    design = Design.from_table(accounts)
    rows = [_sample_ratio(design), *_focal_draw(items)]
    rows += [*_split_users(accounts, design), *_effective(design)]
    rows += _balance(accounts, design, permutations, seed)
    rows += _placebo(accounts, design, permutations, seed)
    table = CLICKS.in_units(pd.DataFrame(rows))
    return with_labels(table, check=CHECKS, verdict=VERDICTS)


def _row(check: str, subject: str, unit: str, **numbers: object) -> dict[str, object]:
    row: dict[str, object] = {"check": check, "subject": subject}
    row |= dict.fromkeys(("value", "unit_code", "expected", "lower_95", "upper_95", "p_value"))
    row |= {"verdict": NOT_CHECKED, "note": None, "unit_code": unit}
    return row | numbers


def _verdict(p: float, permutations: int | None = None) -> str:
    smallest = 0.0 if permutations is None else 1 / (1 + permutations)
    return LOOK if p <= max(ALARM, smallest * (1 + _NO_SPREAD)) else FINE


def _sample_ratio(design: Design) -> dict[str, object]:
    """Compare the number of promoted units with the design."""
    subject, unit = f"promoted {design.unit_name}s", f"share_of_{design.unit_name}s"
    treated, control = design.units_per_arm()
    n_units = treated + control
    share = treated / n_units
    if design.probability is None:
        why = "the probability of promotion is not known"
        return _row(SAMPLE_RATIO, subject, unit, value=share, note=why)
    probability = design.of_units(design.probability)
    expected = float(probability.mean())
    if np.ptp(probability) == 0:
        from scipy.stats import binomtest

        test = binomtest(treated, n_units, expected)
        p, interval = float(test.pvalue), test.proportion_ci(method="exact")
        lower, upper = float(interval.low), float(interval.high)
    else:
        sd = float(np.sqrt((probability * (1 - probability)).sum())) / n_units
        p = sample_ratio_p_value(treated, n_units, expected, sd)
        half = quantile_t(0.975, np.inf) * sd
        lower, upper = max(share - half, 0.0), min(share + half, 1.0)
    return _row(
        SAMPLE_RATIO,
        subject,
        unit,
        value=share,
        expected=expected,
        lower_95=lower,
        upper_95=upper,
        p_value=p,
        verdict=_verdict(p),
    )


def _focal_draw(items: pd.DataFrame | None) -> list[dict[str, object]]:
    """Compare the positions of focal items with the probabilities of their draw."""
    if items is None or "focal_probability" not in items:
        return []
    if items[["focal_probability", "slate_position_seed"]].isna().any(axis=None):
        return []
    focal, slate = items["is_focal_item"].to_numpy(bool), numbered(items["slate_id"].to_numpy())
    n_slates = int(slate.max(initial=-1)) + 1
    if int(focal.sum()) != n_slates:
        return []
    place = np.minimum(items["slate_position_seed"].to_numpy(np.int64), DRAW_PLACES) - 1
    q = np.zeros((n_slates, DRAW_PLACES))
    np.add.at(q, (slate, place), items["focal_probability"].to_numpy(dtype=np.float64))
    expected = q.sum(axis=0)
    drawn = np.bincount(place[focal], minlength=DRAW_PLACES).astype(np.float64)
    p = draw_p_value(drawn - expected, expected, q.T @ q)
    positions = np.arange(1, DRAW_PLACES + 1)
    numbers: dict[str, object] = {
        "value": drawn @ positions / n_slates,
        "expected": expected @ positions / n_slates,
        "p_value": p,
        "verdict": _verdict(p),
        "note": "value: mean position; the test compares all positions at once",
    }
    return [_row(FOCAL_DRAW, "focal positions", POSITIONS, **numbers)]


def _split_users(accounts: pd.DataFrame, design: Design) -> list[dict[str, object]]:
    """Compare the number of users in both arms with that of slates drawn by themselves."""
    if not design.by_slate:
        return []
    subject, user = "users with several slates", numbered(accounts["user_id"].to_numpy())
    slates = np.bincount(user)
    several = slates > 1
    promoted = np.bincount(user, design.promoted)
    split = int(((promoted > 0) & (promoted < slates))[several].sum())
    n_users = int(several.sum())
    if not n_users or design.probability is None:
        why = "no user has several slates" if not n_users else "the probability is not known"
        return [_row(SPLIT, subject, SHARE_OF_USERS, note=why)]
    e = design.probability
    promoted_only, control_only = (
        np.exp(np.bincount(user, np.log(chance))[several]) for chance in (e, 1 - e)
    )
    one_arm = promoted_only + control_only
    log_none = float(np.log(np.clip(one_arm, TINY, 1)).sum())
    expected = float((1 - one_arm).sum())
    p = few_split_p_value(split, n_users, expected, log_none)
    numbers = {"value": split / n_users, "expected": expected / n_users, "p_value": p}
    note = "p-value: an upper bound, of so few or fewer"
    return [_row(SPLIT, subject, SHARE_OF_USERS, **numbers, verdict=_verdict(p), note=note)]


def _effective(design: Design) -> list[dict[str, object]]:
    """Count the effective units of each arm."""
    counts = zip(effective_units_per_arm(design), design.units_per_arm(), strict=True)
    rows = []
    for arm, (effective, units) in zip(("promoted", "control"), counts, strict=True):
        few = effective < ENOUGH_UNITS
        numbers = {
            "value": effective,
            "expected": float(units),
            "verdict": TOO_FEW if few else FINE,
            "note": FEW_UNITS if few else "expected: if all units were equal",
        }
        unit = f"effective_{design.unit_name}s"
        rows.append(_row(EFFECTIVE, f"{arm} {design.unit_name}s", unit, **numbers))
    return rows


def _balance(
    accounts: pd.DataFrame, design: Design, permutations: int, seed: int
) -> list[dict[str, object]]:
    """Compare pre-treatment covariates between arms, one by one and all together."""
    unit, squared = STANDARD_DEVIATIONS, SQUARED_DISTANCE
    rows, kept = [], []
    for name in covariates_of(accounts):
        if name not in accounts:
            continue
        why_not = _why_not_compared(accounts[name].to_numpy(dtype=np.float64), design)
        if why_not:
            rows.append(_row(BALANCE, name, unit, note=why_not))
        else:
            kept.append(name)
    if not kept:
        return [*rows, _row(OMNIBUS, "all covariates", squared, note="no covariate to compare")]
    values = accounts[kept].to_numpy(dtype=np.float64)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    independent = _independent(values, design)
    statistics = Statistics.from_outcomes(
        np.column_stack([values, independent]), design, studentized=False
    )
    observed = statistics(design.of_units(design.promoted).astype(np.float64)[None, :])[0][0]
    blocks = assignments(design, seed=seed, draws=permutations, stream="balance_test")
    drawn = np.concatenate([statistics(block)[0] for block in blocks])
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    n_shown, pooled = len(kept), _pooled_sd(values, design)
    for index, name in enumerate(kept):
        p = p_value(abs(observed[index]), np.abs(drawn[:, index]))
        tails = np.quantile(drawn[:, index] / pooled[index], [0.025, 0.975])
        numbers = {
            "value": observed[index] / pooled[index],
            "expected": 0.0,
            "lower_95": tails[0],
            "upper_95": tails[1],
            "p_value": p,
            "verdict": _verdict(p, permutations),
            "note": "lower_95 and upper_95: range under random assignment",
        }
        rows.append(_row(BALANCE, name, unit, **numbers))
    root = np.linalg.pinv(np.atleast_2d(np.cov(drawn[:, n_shown:], rowvar=False)))
    distance = float(_mahalanobis(observed[None, n_shown:], root)[0])
    drawn_distance = _mahalanobis(drawn[:, n_shown:], root)
    p = p_value(distance, drawn_distance)
    numbers = {
        "value": distance,
        "expected": float(drawn_distance.mean()),
        "upper_95": float(np.quantile(drawn_distance, 0.95)),
        "p_value": p,
        "verdict": _verdict(p, permutations),
    }
    return [*rows, _row(OMNIBUS, "all covariates", squared, **numbers)]


def _why_not_compared(values: Floats, design: Design) -> str | None:
    """Return why a covariate cannot be compared between arms; None where it can."""
    if not np.isfinite(values).all():
        return "missing in some slates"
    if min(design.units_per_arm()) < MIN_PER_ARM:
        return f"an arm has fewer than {MIN_PER_ARM} {design.unit_name}s"
    if _within_strata(values, design).std() <= _NO_SPREAD * max(1.0, float(np.abs(values).max())):
        return "constant, so it cannot differ" + (" within strata" if design.stratum.any() else "")
    return None


def _within_strata(values: Floats, design: Design) -> Floats:
    """Return values, shape (N,), minus the means of their strata."""
    size = np.maximum(np.bincount(design.stratum), 1)
    return np.asarray(values - (np.bincount(design.stratum, values) / size)[design.stratum])


def _independent(values: Floats, design: Design) -> Floats:
    """Return the columns that earlier ones do not explain within strata, for any assignment."""
    kept = np.empty((len(values), 0))
    for column in values.T:
        within = _within_strata(column, design)
        if unexplained(within, kept) > _NO_SPREAD:
            kept = np.column_stack([kept, within])
    return kept


def _pooled_sd(values: Floats, design: Design) -> Floats:
    """Return the root of the mean of both arms' variances, shape (k,); 1 where they are zero."""
    arms = [values[arm].var(axis=0) for arm in (design.promoted, ~design.promoted)]
    sd = np.sqrt((arms[0] + arms[1]) / 2)
    return np.asarray(np.where(sd > 0, sd, 1.0))


def _mahalanobis(differences: Floats, inverse: Floats) -> Floats:
    return np.asarray(np.einsum("bk,kl,bl->b", differences, inverse, differences))


def _placebo(
    accounts: pd.DataFrame, design: Design, permutations: int, seed: int
) -> list[dict[str, object]]:
    """Split control slates at random, so that there is no effect."""
    subject, unit = "total effect, false alarms", SHARE_OF_SPLITS
    control = accounts[~design.promoted]
    split = (
        _halves(Design.from_table(control.assign(promotion_applied=0))) if len(control) else None
    )
    if split is None or min(split.units_per_arm()) < MIN_PER_ARM:
        why = f"too few control {design.unit_name}s to split"
        return [_row(PLACEBO, subject, unit, expected=0.05, note=why)]
    components = control[component_columns("observed_clicks")].to_numpy(dtype=np.float64)
    statistics = Statistics.from_outcomes(components.sum(axis=1, keepdims=True), split)
    draws = min(permutations, PLACEBO_SPLITS)
    blocks = assignments(split, seed=seed, draws=draws, stream="placebo_test")
    drawn = np.concatenate([statistics(block)[1][:, 0] for block in blocks])
    critical = quantile_t(0.975, max(min(split.units_per_arm()) - 1, 1) * 2)
    alarms = int((np.abs(drawn) > critical).sum())
    from scipy.stats import binomtest

    interval = binomtest(alarms, draws, 0.05).proportion_ci()
    false_alarms = _row(
        PLACEBO,
        subject,
        unit,
        value=alarms / draws,
        expected=0.05,
        lower_95=float(interval.low),
        upper_95=float(interval.high),
        # With few slates intervals may miss a little more often; twice as often is an alarm.
        verdict=LOOK if interval.low > 0.1 else FINE,
        note=f"{alarms:,} of {draws:,} splits; lower_95 and upper_95: Monte Carlo interval",
    )
    return [false_alarms, *_first_split(components, split, seed)]


def _halves(whole: Design) -> Design:
    """Split the units of each stratum into halves, as equal as their number allows."""
    rank, strata = np.zeros(whole.n_units, dtype=np.int64), whole.of_units(whole.stratum)
    for number in np.unique(strata):
        members = np.flatnonzero(strata == number)
        rank[members] = np.arange(len(members))
    return Design((rank % 2 == 1)[whole.unit], whole.unit, whole.stratum, None, whole.unit_name)


def _first_split(components: Floats, split: Design, seed: int) -> list[dict[str, object]]:
    """Return the effects that one random split of control slates shows."""
    first = next(assignments(split, seed=seed, draws=1, stream="placebo_test"))[0] == 1
    design = Design(first[split.unit], split.unit, split.stratum, None, split.unit_name)
    try:
        arms = difference(design, components)
    except NetliftError as error:
        return [_row(PLACEBO, "first split", PER_SLATE, note=str(error))]
    rows = []
    for line in LINES:
        estimate = arms.combination(line.weights)
        lower, upper = estimate.interval
        numbers = {"value": estimate.value, "expected": 0.0, "lower_95": lower, "upper_95": upper}
        note = "one split in twenty has an interval without zero"
        row = _row(PLACEBO, f"{line.component}, first split", PER_SLATE, verdict=FINE, note=note)
        rows.append(row | numbers)
    return rows
