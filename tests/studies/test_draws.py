"""Cases with differing probabilities, unequal users, new users and values of clicks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from builders import random_exposure

from netlift.effects.codes import DIFFERENCE
from netlift.effects.estimators import HAJEK
from netlift.promotion.record import Promotion
from netlift.studies.draws import Draws
from netlift.studies.replicate_estimates import FOR_USERS, Case, replicate_ledgers
from netlift.studies.validation import coverage_table
from netlift.workflow.schema import completed
from netlift.worlds.registry import schema

FACTS = {"case": "x", "world": "logit", "slates": 400, "bound_se": None}


def case(draws: Draws, *, n_slates: int = 400, unit: str = "slate", users: int = 100) -> Case:
    slates = random_exposure(1, n_slates, 6, n_users=users).drop(
        columns=["is_focal_item", "focal_seed_position", "promotion_applied", "component"]
    )
    changes = {"target_click_rate": 0.3, "user_sd": 1.0}
    entry = completed({"model": "logit", **changes}, schema("logit"))
    promotion = Promotion(
        probability=0.5, assignment="bernoulli", unit=unit, focal_position_first=3
    )
    return Case.from_slates(slates, entry, promotion=promotion, seed=5, draws=draws)


@pytest.mark.parametrize("unit", ["slate", "user"])
def test_probabilities_differ_by_randomized_unit_and_hajek_is_unbiased(unit):
    drawn = case(Draws(probabilities=(0.2, 0.8)), unit=unit)
    probability = drawn.accounts["promotion_probability"]
    assert set(probability) == {0.2, 0.8}
    by_unit = drawn.accounts.groupby("randomization_unit")["promotion_probability"].nunique()
    assert by_unit.max() == 1
    promoted = np.mean([drawn.replicates.draw(number)[0] for number in range(200)], axis=0)
    assert promoted[probability == 0.2].mean() == pytest.approx(0.2, abs=0.03)
    ledgers = replicate_ledgers(drawn, range(200))
    table = coverage_table(ledgers, FACTS).set_index(["estimator", "line"])
    # Three errors of each of four lines: a false alarm in 1 of 90.
    lines = table.loc[HAJEK]
    assert (lines["bias"].abs() < 3 * lines["bias_mc_error"]).all()
    assert (table.loc[HAJEK, "claimed"] > 0.5).all() or unit == "user"
    # Plain means are not claimed where probabilities differ.
    assert (table.loc[DIFFERENCE, "claimed"] == 0).all()
    assert (table.loc[DIFFERENCE, "verdict"] == "no_claim").all()


def test_users_of_unequal_size():
    slates = pd.DataFrame({"slate_id": np.arange(900), "user_id": np.repeat(np.arange(30), 30)})
    unequal = Draws(users="unequal").slates(slates)["user_id"].value_counts()
    assert unequal.loc[29] == pytest.approx(900 * (1 - (29 / 30) ** 3), abs=1)
    assert unequal.loc[9] == pytest.approx(900 * ((10 / 30) ** 3 - (9 / 30) ** 3), abs=1)
    dominant = Draws(users="dominant").slates(slates)["user_id"].value_counts()
    assert dominant.max() == 300
    assert (dominant.iloc[1:] == 30).all()
    assert Draws().slates(slates) is slates


def test_new_users_change_probabilities_and_the_known_effect_is_their_mean():
    drawn = case(Draws(redraw_users=True))
    rng = np.random.default_rng(1)
    others = drawn.replicates.with_users_of(rng)
    assert not np.allclose(others.p_control, drawn.replicates.p_control)
    # Both arms of a user change together.
    effect, user = others.slates.user_effect, drawn.replicates.user
    assert all(np.ptp(effect[user == one]) == 0 for one in range(user.max() + 1))
    means = [drawn._known(drawn.replicates.with_users_of(rng)) for _ in range(300)]
    error = np.std(means, axis=0) * (1 / 300 + 1 / 1000) ** 0.5
    assert (np.abs(drawn.known - np.mean(means, axis=0)) < 4 * error).all()
    fixed = replace(drawn.replicates, user=None)
    assert fixed.with_users_of(rng) is fixed


def test_only_errors_by_user_are_claimed_for_new_users():
    ledgers = replicate_ledgers(case(Draws(redraw_users=True)), range(150))
    table = coverage_table(ledgers, FACTS).set_index(["estimator", "line"])
    judged = table[table["verdict"] != "no_claim"]
    assert set(judged.index.get_level_values(0)) == {f"{DIFFERENCE}{FOR_USERS}"}
    # Four Monte Carlo errors of 150 replicates around 95%.
    assert (judged["coverage_95"] - 0.95).abs().max() < 4 * (0.95 * 0.05 / 150) ** 0.5


def test_values_of_clicks_have_the_effects_of_clicks_on_average():
    drawn = case(Draws(value_sigma=1.0))
    (block,) = drawn.replicates.blocks(range(100))
    plain = replace(drawn.replicates, value_sigma=0.0)
    (of_clicks,) = plain.blocks(range(100))
    assert (block[1] == of_clicks[1]).all()
    assert ((block[2] > 0) == (of_clicks[2] > 0)).all()
    ratio = block[2].sum() / of_clicks[2].sum()
    # The standard deviation of a value is sqrt(e - 1) = 1.3.
    assert ratio == pytest.approx(1, abs=5 * 1.31 / of_clicks[2].sum() ** 0.5)
