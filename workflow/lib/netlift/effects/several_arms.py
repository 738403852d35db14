"""Several arms side by side: each variant against control, and each against each other.

Contrasts share the control slates, so their estimates are correlated; each interval and each test
is valid by itself, and Holm's adjustment holds under any dependence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from netlift.core.outcome import Outcome
from netlift.core.units import PER_1000, RATIO
from netlift.effects.codes import (
    DIFFERENCE,
    DIRECT,
    INDIRECT,
    INDIRECT_LINE,
    LINES,
    MAIN_OUTCOME,
    SHARE_MOVED,
    SHARE_MOVED_LABEL,
    TOTAL_LINE,
)
from netlift.effects.randomization_tests import LABELS, NO_SPILLOVER
from netlift.effects.slate_accounts import SlateAccounts, component_columns, known_effects
from netlift.inference.arms import ArmDifference, ratio_of
from netlift.inference.estimate import Ratio, fieller
from netlift.inference.holm import holm
from netlift.inference.randomization import Statistics, assignments, closed_test
from netlift.promotion.variants import CONTROL

ALL_LINES = (*LINES[:-1], INDIRECT_LINE, TOTAL_LINE)

DIRECT_RATIO, TAKEN_RATIO = "direct_ratio", "taken_ratio"
LABELS_OF_LINES = {line.code: line.component for line in ALL_LINES} | {
    SHARE_MOVED: SHARE_MOVED_LABEL,
    DIRECT_RATIO: "Focal gain, as a multiple",
    TAKEN_RATIO: "Taken from other items, as a multiple",
}
"""Labels of the lines of ``arms.csv``."""

VARIANT, PAIR = "variant", "pair"
FAMILIES = {
    VARIANT: "all variants against control, same line and outcome",
    PAIR: "all pairs of variants, same line and outcome",
}
"""What Holm's adjustment is over, by kind of contrast."""

_TESTED = (NO_SPILLOVER, "no_same_cluster_spillover", "no_other_cluster_spillover")
_CELLS = np.array([[True, True], [True, False], [False, True]])
"""Same-cluster and other items, of which the items of each hypothesis consist."""


@dataclass(frozen=True)
class Contrast:
    """Two arms that are compared.

    Attributes
    ----------
    variant, against
        Names of the arms.
    accounts
        One row per slate of the two arms, ``promotion_applied`` is 1 in those of ``variant``.
    """

    variant: str
    against: str
    accounts: pd.DataFrame

    @cached_property
    def compared(self) -> SlateAccounts:
        """The accounts, compared by means: pairs are then differences of variants."""
        return SlateAccounts.from_table(self.accounts, DIFFERENCE)

    @property
    def kind(self) -> str:
        """``variant`` if it is compared with control, else ``pair``."""
        return VARIANT if self.against == CONTROL else PAIR

    @property
    def names(self) -> dict[str, str]:
        """The columns that name it."""
        return {"kind": self.kind, "variant": self.variant, "against": self.against}


def contrasts(
    accounts: Mapping[str, pd.DataFrame],
    arms: pd.DataFrame,
    numbers: Mapping[str, int],
) -> list[Contrast]:
    """Return each variant against control, then each later variant against each earlier one.

    Parameters
    ----------
    accounts
        One row per slate of a variant and control, by variant.
    arms
        ``slate_id``, and the probability of each arm, ``probability_0`` and so on, 0 is control.
    numbers
        The number of each variant among the arms.
    """
    found = [Contrast(variant, CONTROL, table) for variant, table in accounts.items()]
    for earlier, later in combinations(accounts, 2):
        pair = _pair(accounts, arms, numbers, later, earlier)
        found.append(Contrast(later, earlier, pair))
    return found


def _pair(
    accounts: Mapping[str, pd.DataFrame],
    arms: pd.DataFrame,
    numbers: Mapping[str, int],
    variant: str,
    against: str,
) -> pd.DataFrame:
    """Return the accounts of two variants; the probability is that among the two."""
    parts = []
    for name, promoted in ((variant, 1), (against, 0)):
        table = accounts[name]
        part = table[table["promotion_applied"] == 1]
        parts.append(part.assign(promotion_applied=promoted))
    pair = pd.concat(parts).sort_values("slate_id", ignore_index=True)
    first, second = (f"probability_{numbers[name]}" for name in (variant, against))
    of_slate = arms.set_index("slate_id").loc[pair["slate_id"].to_numpy()]
    p, q = (of_slate[column].to_numpy(dtype=np.float64) for column in (first, second))
    pair["promotion_probability"] = p / (p + q)
    # Both variants show the focal item, also one that control does not show.
    return pair.fillna({"focal_seed_position": 0})


def arms_table(compared: Sequence[Contrast], *, units: Mapping[str, str]) -> pd.DataFrame:
    """Estimate every line of the ledger of every contrast, by its main estimator.

    Parameters
    ----------
    compared
        From ``contrasts``.
    units
        Unit of each outcome, by outcome type. Others that a simulation has are left out.

    Returns
    -------
    One row per outcome type, contrast and line: effects per 1,000 promoted slates with 95%
    intervals for these users and for users like these, the p-value of the t test of no effect, and
    ``p_value_holm`` over the family of ``holm_family``. Of the main outcome also the share of the
    focal gain that is taken from other items, and, where all slates have the same probabilities,
    each later variant's focal gain and what it takes as a multiple of the first variant's; these
    ratios have Fieller's (1954) sets (see ``interval_kind``). A simulation also has
    ``known_value``, the effect of each variant against control by the exact probabilities.
    """
    rows = [row for contrast in compared for row in _ledger(contrast, units)]
    table = pd.DataFrame(rows)
    groups = table.groupby(["outcome_type", "kind", "line"], sort=False)["p_value"]
    table["p_value_holm"] = groups.transform(lambda p: holm(p.to_numpy(dtype=np.float64)))
    table["holm_family"] = table["kind"].map(FAMILIES)
    ratios = pd.DataFrame([*_shares(compared), *_ratios(compared)])
    table = pd.concat([table, ratios], ignore_index=True)
    table.insert(list(table).index("line") + 1, "line_label", table["line"].map(LABELS_OF_LINES))
    table["unit"] = [
        Outcome(units[kind]).of(code)
        for kind, code in zip(table["outcome_type"], table["unit_code"], strict=True)
    ]
    return table


def _ledger(contrast: Contrast, units: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """Yield the lines of the ledger of a contrast, for every outcome that has a unit."""
    accounts = contrast.compared
    known = known_effects(contrast.accounts) if contrast.kind == VARIANT else None
    for outcome in filter(units.__contains__, accounts.outcomes):
        arms = accounts.difference(outcome)
        for line in ALL_LINES:
            effect = arms.combination(line.weights).scaled(1000)
            lower, upper = effect.interval
            of_users = accounts.users_columns(outcome, accounts.main, arms, line.weights)
            yield {
                "outcome_type": outcome,
                **contrast.names,
                "line": line.code,
                "estimator": accounts.main,
                "unit_code": PER_1000,
                "estimate": effect.value,
                "se": effect.se,
                "df": effect.df,
                "ci_95_lower": lower,
                "ci_95_upper": upper,
                "interval_kind": "interval",
                **{name: _per_1000(name, value) for name, value in of_users.items()},
                **({} if known is None else {"known_value": 1000 * float(known @ line.weights)}),
                "p_value": effect.p_value,
                **accounts.arms,
            }


def _per_1000(name: str, value: object) -> object:
    is_effect = isinstance(value, float) and name != "df_users"
    return 1000 * value if is_effect else value  # type: ignore[operator]


def _shares(compared: Sequence[Contrast]) -> Iterator[dict[str, object]]:
    for contrast in compared:
        if contrast.kind == VARIANT:
            moved = ratio_of(contrast.compared.difference(), _negative(INDIRECT), DIRECT)
            yield _ratio_row(contrast.names, SHARE_MOVED, moved)


def _negative(weights: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-weight for weight in weights)


def _ratio_row(names: Mapping[str, str], line: str, ratio: Ratio) -> dict[str, object]:
    return {
        "outcome_type": MAIN_OUTCOME,
        **names,
        "line": line,
        "unit_code": RATIO,
        "estimate": ratio.value,
        "df": ratio.df,
        "ci_95_lower": ratio.lower,
        "ci_95_upper": ratio.upper,
        "interval_kind": ratio.kind,
    }


def _ratios(compared: Sequence[Contrast]) -> Iterator[dict[str, object]]:
    """Yield each variant's gain, and what it takes, as a multiple of the first variant's.

    Differences of means share the mean of the same control slates, whose variance is therefore
    their covariance; with unequal probabilities contrasts weight these slates differently.
    """
    first, *others = (contrast for contrast in compared if contrast.kind == VARIANT)
    if any(contrast.compared.design.weights is not None for contrast in (first, *others)):
        return
    base = first.compared.difference()
    for contrast in others:
        arms = contrast.compared.difference()
        if not _same_control(first.accounts, contrast.accounts):
            continue
        names = contrast.names | {"kind": "multiple", "against": first.variant}
        for line, weights in ((DIRECT_RATIO, DIRECT), (TAKEN_RATIO, INDIRECT)):
            yield _ratio_row(names, line, _ratio_to(arms, base, weights))


def _same_control(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Return whether two contrasts use the same control slates."""
    one, two = (
        table.loc[table["promotion_applied"] == 0, "slate_id"].sort_values().to_numpy()
        for table in (first, second)
    )
    return np.array_equal(one, two)


def _ratio_to(arms: ArmDifference, base: ArmDifference, weights: tuple[int, ...]) -> Ratio:
    top, bottom = arms.combination(weights), base.combination(weights)
    shared = arms.control.combination(weights).se ** 2
    covariance = np.array([[top.se**2, shared], [shared, bottom.se**2]])
    return fieller(top.value, bottom.value, covariance, min(top.df, bottom.df))


def arm_tests(
    compared: Sequence[Contrast],
    tests: Mapping[str, pd.DataFrame],
    *,
    permutations: int,
    seed: int,
    studentized: bool = True,
) -> pd.DataFrame:
    """Return the randomization tests of every contrast, with Holm's adjustment over contrasts.

    Parameters
    ----------
    compared
        From ``contrasts``.
    tests
        ``randomization_tests`` of each variant against control; empty where item rows were not
        kept. Pairs of variants are tested here, on accounts: that no item but the focal one has
        another outcome in one variant than in the other.
    permutations, seed, studentized
        See ``randomization_tests``.

    Returns
    -------
    One row per contrast and hypothesis: ``p_value``; ``p_value_adjusted``, by the closed test
    over the hypotheses of the contrast; and ``p_value_holm``, those adjusted over all variants
    (or all pairs) for the same hypothesis.
    """
    rows = []
    for contrast in compared:
        found = tests.get(contrast.variant) if contrast.kind == VARIANT else None
        if contrast.kind == PAIR:
            found = _tests_of_pair(contrast.compared, permutations, seed, studentized)
        if found is not None:
            columns = ["hypothesis", "hypothesis_label", "p_value", "p_value_adjusted"]
            rows.append(found[columns].assign(**contrast.names))
    names = ["kind", "variant", "against", "hypothesis", "hypothesis_label"]
    if not rows:
        return pd.DataFrame(columns=[*names, "p_value", "p_value_adjusted", "p_value_holm"])
    table = pd.concat(rows, ignore_index=True)[[*names, "p_value", "p_value_adjusted"]]
    groups = table.groupby(["kind", "hypothesis"], sort=False)["p_value_adjusted"]
    table["p_value_holm"] = groups.transform(lambda p: holm(p.to_numpy(dtype=np.float64)))
    return table


def _tests_of_pair(
    accounts: SlateAccounts, permutations: int, seed: int, studentized: bool
) -> pd.DataFrame:
    """Test that competitors have the same outcomes in both variants: all, and by cluster."""
    design, parts = accounts.design, accounts.values(component_columns(MAIN_OUTCOME)[1:])
    outcomes = parts @ _CELLS.T.astype(np.float64)
    statistics = Statistics.from_outcomes(outcomes, design, studentized=studentized)
    assigned = design.of_units(design.promoted).astype(np.float64)[None, :]
    observed = np.abs(statistics(assigned)[1][0])
    drawn = [
        np.abs(statistics(block)[1]) for block in assignments(design, seed=seed, draws=permutations)
    ]
    present = [accounts.table[column].any() for column in ("n_same_cluster", "n_other")]
    closed = closed_test(observed, np.concatenate(drawn), _CELLS & np.array(present))
    return pd.DataFrame(
        {
            "hypothesis": _TESTED,
            "hypothesis_label": [LABELS[code] for code in _TESTED],
            "p_value": closed.p_values,
            "p_value_adjusted": closed.adjusted,
        }
    )
