"""Margins: tests agree with intervals, sizes at the margin, and the slates that are needed."""

import numpy as np
import pandas as pd
import pytest
from builders import compared
from scipy.stats import binom, ttest_ind

from netlift.core.left_out import why_left_out
from netlift.effects.account_tables import account_tables
from netlift.effects.margins import (
    CONTRADICTED,
    EQUIVALENT,
    MOVED,
    NO_WORSE,
    NOT_SHOWN,
    SHOWN,
    TAKEN,
    margin_sentences,
    margin_table,
)
from netlift.promotion.exposure import COMPONENTS


def accounts_of(effects=(0.2, -0.1, -0.1), n=400, seed=1, sd=0.1) -> pd.DataFrame:
    """Return accounts whose components have these effects, in each arm exactly on average."""
    rng = np.random.default_rng(seed)
    promoted = np.arange(n) % 2
    columns = {}
    for name, effect in zip(COMPONENTS, effects, strict=True):
        noise = rng.normal(0, sd, n)
        for arm in (0, 1):
            noise[promoted == arm] -= noise[promoted == arm].mean()
        columns[f"observed_clicks_{name}"] = 1 + effect * promoted + noise
    table = pd.DataFrame(columns)
    table["observed_clicks_total"] = table.sum(axis=1)
    return table.assign(
        promotion_applied=promoted, promotion_probability=0.5, slate_id=np.arange(n)
    )


def rows_of(margins, accounts=None, **changes) -> pd.DataFrame:
    accounts = accounts_of() if accounts is None else accounts
    table = margin_table(compared(accounts), margins, moved_share=0.8, **changes)
    return table.set_index(["line", "question"])


def test_verdicts_follow_from_the_interval():
    rows = rows_of({"total": 60.0, "indirect": 60.0})
    lower, upper = rows.loc[("total", NO_WORSE), ["ci_95_lower", "ci_95_upper"]]
    assert -60 < lower < 0 < upper < 60
    assert rows.loc[("total", NO_WORSE), "verdict"] == SHOWN
    assert rows.loc[("total", EQUIVALENT), "verdict"] == SHOWN
    assert rows.loc[("total", "better"), "verdict"] == NOT_SHOWN
    assert rows.loc[("indirect", NO_WORSE), "verdict"] == CONTRADICTED
    assert rows.loc[("indirect", EQUIVALENT), "verdict"] == CONTRADICTED


@pytest.mark.parametrize("margin", [5.0, 20.0, 33.0, 34.0, 35.0, 60.0, 200.0])
def test_a_p_value_below_a_fortieth_is_a_shown_margin(margin):
    rows = rows_of({"total": margin, "direct": margin, "indirect": margin})
    shown = rows["verdict"] == SHOWN
    tested = rows["p_value"].notna()
    assert ((rows.loc[tested, "p_value"] < 0.025) == shown[tested]).all()


def test_one_sided_p_values_are_those_of_t_tests():
    accounts = accounts_of((0.03, 0.0, 0.0), n=60)
    row = rows_of({"direct": 10.0}, accounts).loc[("direct", NO_WORSE)]
    clicks = accounts.groupby("promotion_applied")["observed_clicks_direct_focal"]
    # Arms of one size and variance apart: the t test of the difference against -0.01.
    treated, control = (group for _, group in sorted(clicks, key=lambda pair: -pair[0]))
    expected = ttest_ind(treated + 0.01, control, equal_var=False, alternative="greater")
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)


def test_moved_needs_both_equivalence_and_the_share():
    both = rows_of({"total": 60.0})
    assert both.loc[("share_moved", TAKEN), "verdict"] == SHOWN
    assert both.loc[("total", MOVED), "verdict"] == SHOWN
    half = rows_of({"total": 60.0}, accounts_of((0.2, -0.1, 0.0)))
    assert half.loc[("share_moved", TAKEN), "verdict"] == CONTRADICTED
    assert half.loc[("total", MOVED), "verdict"] == CONTRADICTED
    narrow = rows_of({"total": 5.0})
    assert narrow.loc[("total", MOVED), "verdict"] == NOT_SHOWN
    # The share alone is not enough: much is taken, and more is created elsewhere.
    assert narrow.loc[("share_moved", TAKEN), "verdict"] == SHOWN


def test_sentences_name_the_margin_and_the_slates():
    table = rows_of({"total": 20.0}).reset_index()
    (sentence,) = margin_sentences(table)
    needed = int(table.set_index("question").loc[NO_WORSE, "slates_needed"])
    assert sentence == (
        "Full slate: it is not shown that the loss is below 20 clicks per 1,000 promoted slates; "
        f"if the true change is zero, {needed:,} slates show it with 80% power "
        f"(95% interval {sentence.split('interval ')[1]}"
    )
    shown = margin_sentences(rows_of({"total": 60.0}).reset_index())
    assert shown[0].startswith(
        "Full slate: the change is shown to be within plus and minus 60 clicks per 1,000"
    )
    assert shown[1].startswith("Engagement is moved, not created")
    lost = margin_sentences(rows_of({"indirect": 60.0}).reset_index())
    assert "a loss of more than 60 clicks per 1,000 promoted slates is shown" in lost[0]


def test_without_margins_the_table_says_so():
    table = margin_table(compared(accounts_of()), {}, moved_share=0.8)
    assert "decision.margins" in why_left_out(table)


def test_a_line_without_items_is_not_compared():
    accounts = accounts_of((0.2, 0.0, -0.2))
    accounts["observed_clicks_same_cluster_competitor"] = 0.0
    accounts["observed_clicks_total"] = (
        accounts.filter(like="observed").drop(columns="observed_clicks_total").sum(axis=1)
    )
    rows = margin_table(compared(accounts), {"same_cluster": 5.0}, moved_share=0.8)
    assert set(rows["verdict"]) == {NOT_SHOWN}
    assert rows["p_value"].isna().all()


@pytest.mark.parametrize(("question", "effect"), [(NO_WORSE, -0.02), (EQUIVALENT, 0.02)])
def test_the_size_at_the_margin_is_at_most_a_twentieth(question, effect):
    """600 experiments at the margin: more than the bound with probability below 1e-4 at 5%."""
    rng = np.random.default_rng(5)
    false = 0
    for _ in range(600):
        promoted = np.arange(200) % 2
        clicks = effect * promoted + rng.normal(0, 0.05, 200)
        table = pd.DataFrame(
            {f"observed_clicks_{name}": 0.0 for name in COMPONENTS}, index=range(200)
        )
        table["observed_clicks_direct_focal"] = clicks
        table = table.assign(promotion_applied=promoted, promotion_probability=0.5)
        rows = margin_table(compared(table), {"direct": 20.0}, moved_share=0.8)
        false += rows.set_index("question").loc[question, "verdict"] == SHOWN
    assert false <= binom.ppf(0.9999, 600, 0.05)
    assert false >= 3  # The test is not empty: 2.5% are expected.


def test_the_slates_needed_have_the_stated_power():
    """At the stated number 80% of experiments without any effect show it, within 4 errors."""
    base = compared(accounts_of((0.0, 0.0, 0.0), n=2000, sd=0.05))
    table = margin_table(base, {"direct": 12.0}, moved_share=0.8).set_index("question")
    rng = np.random.default_rng(6)
    for question in (NO_WORSE, EQUIVALENT):
        n = int(table.loc[question, "slates_needed"])
        half = n // 2
        margin, shown = 0.012, 0
        for _ in range(1500):
            first, second = rng.normal(0, 0.05, half), rng.normal(0, 0.05, half)
            se = np.sqrt(first.var(ddof=1) / half + second.var(ddof=1) / half)
            change = first.mean() - second.mean()
            lower, upper = change - 1.96 * se, change + 1.96 * se
            shown += lower > -margin and (question == NO_WORSE or upper < margin)
        assert abs(shown / 1500 - 0.8) < 4 * np.sqrt(0.16 / 1500)


def test_the_table_is_one_of_the_ledgers():
    accounts = accounts_of().assign(
        user_id=range(400),
        n_same_cluster=1,
        n_other=1,
        n_items=3,
        n_displaced=1,
        n_same_cluster_displaced=0,
        focal_seed_position=2.0,
        focal_spillover_cluster="a",
        focal_relevance=np.linspace(0, 1, 400),
    )
    settings = {"units": {"observed_clicks": "clicks"}, "min_slates": 30, "seed": 1}
    tables = account_tables(
        accounts,
        bootstrap_draws=99,
        power_effects=[0.1],
        margins={"total": 60.0},
        main_estimator="difference_in_means",
        **settings,
    )
    expected = margin_table(compared(accounts), {"total": 60.0}, moved_share=0.8)
    pd.testing.assert_frame_equal(tables["margins"], expected)
