"""Grids: every point is the experiment with its parameters."""

import numpy as np
import pandas as pd
import pytest
from builders import compared, random_exposure

from netlift.effects.accounts import slate_outcomes
from netlift.effects.ledger import component_effects
from netlift.effects.product import product_summary
from netlift.effects.spillover import spillover_sensitivity
from netlift.studies.grid import DIVERSION, GAINING, grid_effects, grid_points
from netlift.worlds.simulation import Simulation

EXPOSURE = random_exposure(1, 400, 8)
LOGIT = {"model": "logit", "target_click_rate": 0.3, "attention": {"curve": "power", "eta": 1.0}}
PARAMETERS = {"attention.eta": [0.5, 1.0, 2.0], "g_c": [0.0, 1.0]}


def experiment(world: dict) -> pd.DataFrame:
    return Simulation.from_exposure(EXPOSURE, world, seed=7).items


def test_points_are_all_combinations_and_leave_the_world_alone():
    points = list(grid_points(LOGIT, PARAMETERS))
    assert len(points) == 6
    assert points[3][0] == {"attention.eta": 1.0, "g_c": 1.0}
    assert points[3][1]["attention"] == {"curve": "power", "eta": 1.0}
    assert points[4][1]["attention"]["eta"] == 2.0
    assert "g_c" not in LOGIT
    assert LOGIT["attention"]["eta"] == 1.0


@pytest.mark.parametrize(
    ("world", "parameters"),
    [
        (LOGIT, PARAMETERS),
        ({"model": "cascade"}, {"s": [0.0, 0.5], "g": [0.7, 1.0]}),
        ({"model": "mnl", "user_sd": 0.5}, {"b_v": [0.0, 1.0], "promotion_badge": [0.0, 1.0]}),
        ({"model": "attention_budget"}, {"budget": [2.0], "kappa": [0.0], "b_r": [0.4, 1.0]}),
    ],
    ids=lambda value: value.get("model", ""),
)
def test_a_point_equals_the_same_world_run_as_a_full_experiment(world, parameters):
    labels = ["displaced", "near_displaced"]
    table = grid_effects(EXPOSURE, world, parameters, seed=7, definitions=labels)
    for number, (point, entry) in enumerate(grid_points(world, parameters)):
        found = table[table["point"] == number].set_index("quantity")
        for name, value in point.items():
            assert (found[name] == value).all()
        items = experiment(entry)
        accounts = slate_outcomes(items)
        effects = component_effects(compared(accounts))
        effects = effects[
            (effects["outcome_type"] == "observed_clicks")
            & (effects["estimator"] == "difference_in_means")
        ].set_index("line")
        for component, line in effects.iterrows():
            for mine, theirs in (
                ("estimate", "estimate_per_slate"), ("se", "se"),
                ("ci_95_lower", "ci_95_lower"), ("ci_95_upper", "ci_95_upper"),
            ):  # fmt: skip
                assert found.at[component, mine] == pytest.approx(line[theirs], abs=1e-12)
        product = product_summary(compared(accounts)).set_index("metric")
        assert found.at["total", "known"] == pytest.approx(
            product.at["net_change", "known_value"] / 1000, abs=1e-12
        )
        offset = product.at["offset_ratio", "estimate"]
        assert found.at[DIVERSION, "estimate"] == pytest.approx(-offset, abs=1e-12)
        lift = (items["p_promoted"] - items["p_control"]).groupby(items["slate_id"]).sum()
        assert found.at[GAINING, "known"] == (lift > 1e-12).mean()
        spillover = spillover_sensitivity(items, near_positions=3)
        spillover = spillover[spillover["unit_code"] == "per_slate"].set_index("definition")
        for label in labels:
            for mine, theirs in (("estimate",) * 2, ("se",) * 2, ("known", "known_effect")):
                expected = spillover.at[label, theirs]
                assert found.at[f"definition_{label}", mine] == pytest.approx(expected, abs=1e-12)


def test_a_world_without_any_effect_has_no_diversion_and_nobody_gains():
    none = {"b_v": [0.0], "g_c": [0.0]}
    table = grid_effects(EXPOSURE, {"model": "logit"}, none, seed=1).set_index("quantity")
    assert np.isnan(table.at[DIVERSION, "known"])
    assert table.at[GAINING, "known"] == 0.0
    assert table.at["total", "known"] == 0.0
