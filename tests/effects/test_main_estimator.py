"""The main estimator: declared, with a stated rule for few units, and compared with the means."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from builders import random_items

from netlift.effects.accounts import slate_outcomes
from netlift.effects.agreement import p_value_of_difference
from netlift.effects.codes import DIFFERENCE
from netlift.effects.estimators import HAJEK, LIN
from netlift.effects.ledger import component_effects
from netlift.effects.product import product_summary
from netlift.effects.slate_accounts import SlateAccounts


def accounts_of(seed: int = 1, n: int = 400, **columns) -> pd.DataFrame:
    return slate_outcomes(random_items(seed, n, (4, 8))).assign(**columns)


def total(accounts: pd.DataFrame, estimator: str, declared: str = LIN) -> pd.Series:
    effects = component_effects(SlateAccounts.from_table(accounts, declared))
    rows = effects[(effects["outcome_type"] == "observed_clicks") & (effects["line"] == "total")]
    return rows.set_index("estimator").loc[estimator]


def test_it_is_lins_regression_where_units_suffice():
    accounts = SlateAccounts.from_table(accounts_of())
    assert (accounts.main, accounts.why_not_declared) == (LIN, "")
    net = product_summary(accounts).set_index("metric").loc["net_change"]
    line = total(accounts.table, LIN)
    assert line["is_main"]
    assert net["estimate"] == pytest.approx(line["estimate_per_1000_promoted_slates"], abs=1e-9)
    assert net["se"] == pytest.approx(1000 * line["se"])


@pytest.mark.parametrize(("slates", "main"), [(200, DIFFERENCE), (400, LIN)])
def test_few_units_fall_back_on_the_means_and_the_note_says_so(slates, main):
    accounts = accounts_of(3, slates)
    assert SlateAccounts.from_table(accounts).main == main
    note = str(total(accounts, main)["note"])
    needed = "Lin's regression was declared; its 6 coefficients need 120 effective units"
    assert note.startswith(needed) == (main == DIFFERENCE)


def test_the_rule_counts_effective_units_of_whole_users():
    # One user has half of the slates, and the others one each.
    accounts = accounts_of(4, 800)
    user = np.where(np.arange(800) < 400, 0, np.arange(800))
    promoted = np.random.default_rng(1).integers(0, 2, 801)[user]
    accounts = accounts.assign(user_id=user, randomization_unit=user, promotion_applied=promoted)
    assert SlateAccounts.from_table(accounts).main == DIFFERENCE


def test_outcomes_do_not_choose_it():
    accounts = accounts_of()
    clicks = [name for name in accounts if "clicks" in name]
    other = accounts.assign(**{name: accounts[name].sample(frac=1).to_numpy() for name in clicks})
    assert SlateAccounts.from_table(other).main == SlateAccounts.from_table(accounts).main


def test_the_means_may_be_declared_and_are_weighted_where_probabilities_differ():
    accounts = accounts_of()
    assert SlateAccounts.from_table(accounts, DIFFERENCE).main == DIFFERENCE
    probability = np.random.default_rng(2).uniform(0.3, 0.7, len(accounts))
    unequal = SlateAccounts.from_table(
        accounts.assign(promotion_probability=probability), DIFFERENCE
    )
    assert (unequal.main, unequal.why_not_declared) == (HAJEK, "")


def test_the_difference_from_the_means_is_that_of_an_index_of_covariates():
    """Lin's estimate is the means' minus the arms' difference in x'b, which is tested."""
    accounts = accounts_of(5, 600)
    table = SlateAccounts.from_table(accounts)
    covariates = table.covariates.chosen(table.design)[0]
    names = [f"x{i}" for i in range(covariates.shape[1])]
    frame = pd.DataFrame(covariates, columns=names).assign(
        y=accounts["observed_clicks_total"], d=table.design.promoted
    )
    formula = "y ~ " + " + ".join(names)
    share = frame["d"].mean()
    slopes = sum(
        part * smf.ols(formula, frame[frame["d"] == arm]).fit().params[names]
        for arm, part in ((True, 1 - share), (False, share))
    )
    index = covariates @ slopes
    plain, lin = (total(accounts, name) for name in (DIFFERENCE, LIN))
    between = index[frame["d"]].mean() - index[~frame["d"]].mean()
    difference = plain["estimate_per_slate"] - lin["estimate_per_slate"]
    assert between == pytest.approx(difference, abs=1e-10)
    fit = smf.ols("index ~ d", frame.assign(index=index, d=frame["d"] * 1)).fit(cov_type="HC2")
    assert plain["p_value_of_difference"] == pytest.approx(fit.pvalues["d"], abs=2e-3)
    assert pd.isna(lin["p_value_of_difference"])


def test_there_is_nothing_to_compare_where_the_means_were_declared():
    effects = component_effects(SlateAccounts.from_table(accounts_of(5, 600), DIFFERENCE))
    assert effects["p_value_of_difference"].isna().all()


def test_a_draw_that_favors_one_arm_is_told():
    accounts = accounts_of(6, 600)
    by_activity = accounts["user_activity"].rank().to_numpy()
    draw = np.random.default_rng(7).uniform(size=600) < np.where(by_activity > 300, 0.7, 0.3)
    clicks = accounts["observed_clicks_other_competitor"] + (by_activity > 300)
    accounts = accounts.assign(promotion_applied=draw.astype(int))
    accounts["observed_clicks_total"] += clicks - accounts["observed_clicks_other_competitor"]
    accounts["observed_clicks_other_competitor"] = clicks
    assert total(accounts, DIFFERENCE)["p_value_of_difference"] < 1e-6


def test_draws_at_random_are_told_at_the_stated_rate():
    """400 draws at 5%: between 7 and 35 alarms, except with probability 2e-3."""
    accounts = accounts_of(8, 300)
    rng = np.random.default_rng(9)
    alarms = 0
    for _ in range(400):
        drawn = accounts.assign(promotion_applied=rng.integers(0, 2, 300))
        table = SlateAccounts.from_table(drawn)
        if table.main != LIN:
            continue
        alarms += p_value_of_difference(table, "observed_clicks", DIFFERENCE, (1, 1, 1)) < 0.05
    assert 5 <= alarms <= 35
