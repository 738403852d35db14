"""The design and the exposure mapping: one focal item a slate, and what promoting it does."""

import numpy as np
import pandas as pd
import pytest
from builders import COMPONENTS, draw_promotions, exposure, random_exposure, slates_of

from netlift.promotion.exposure import (
    assign_promotion,
    draw_focal_positions,
    map_exposure,
)
from netlift.promotion.record import Promotion

MAPPED = [
    "is_focal_item",
    "focal_seed_position",
    "focal_spillover_cluster",
    "promotion_applied",
    "promoted_position",
    "final_position",
    "component",
    "exposure",
    "position_change",
]


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Convert categories and small integers to plain types."""
    return table[MAPPED].astype(
        dict.fromkeys(["focal_spillover_cluster", "component", "exposure"], object)
        | dict.fromkeys(table[MAPPED].select_dtypes("integer"), "int64")
    )


def mapped(exposed: pd.DataFrame) -> pd.DataFrame:
    """Let the library map what the builder mapped item by item."""
    return map_exposure(
        slates_of(exposed),
        exposed["is_focal_item"].to_numpy(),
        exposed["promotion_applied"].to_numpy() == 1,
    )


def assigned(n_slates: int = 200, **changes: object) -> pd.DataFrame:
    seed = changes.pop("seed", 4)
    settings = {"probability": 0.5, "assignment": "bernoulli"}
    slates = slates_of(exposure(["AABCBA"] * n_slates, [1] * n_slates, [0] * n_slates))
    promotion = Promotion(**settings | {"focal_position_first": 3} | changes)
    return assign_promotion(slates, promotion, seed=seed)


def promotions(n_slates: int, probability: float, assignment: str, seed: int) -> np.ndarray:
    """Draw promotions of single slates in one stratum."""
    one = np.zeros(n_slates, dtype=int)
    return draw_promotions(np.arange(n_slates), probability, assignment, seed, one)[0]


def test_a_promoted_slate_by_hand():
    table = mapped(exposure(["ABACA"], focal=[3], promoted=[1]))
    assert table["final_position"].tolist() == [2, 3, 1, 4, 5]
    assert table["position_change"].tolist() == [1, 1, -2, 0, 0]
    names = ["moved_down", "moved_down", "focal", "unchanged", "unchanged"]
    assert table["exposure"].tolist() == names
    assert table["component"].tolist() == [COMPONENTS[code] for code in (1, 2, 0, 2, 1)]
    assert table["focal_spillover_cluster"].tolist() == ["A"] * 5


def test_a_control_slate_keeps_its_order_and_has_the_same_components_and_displaced_rows():
    promoted, control = (mapped(exposure(["ABACA"], [3], [arm])) for arm in (1, 0))
    assert control["final_position"].tolist() == [1, 2, 3, 4, 5]
    assert control["position_change"].tolist() == [0] * 5
    for column in (
        "component",
        "exposure",
        "promoted_position",
        "is_focal_item",
        "focal_spillover_cluster",
    ):
        assert control[column].tolist() == promoted[column].tolist()


@pytest.mark.parametrize("focal", [1, 4])
def test_first_and_last_item_as_focal(focal):
    table = mapped(exposure(["ABAC"], [focal], [1]))
    assert table["final_position"].tolist() == ([1, 2, 3, 4] if focal == 1 else [2, 3, 4, 1])
    assert (table["exposure"] == "moved_down").sum() == focal - 1


@pytest.mark.parametrize("size", [6, (2, 9)])
def test_mapping_is_that_of_moving_items_one_by_one(size):
    exposed = random_exposure(1, 300, size)
    pd.testing.assert_frame_equal(plain(mapped(exposed)), plain(exposed))


def test_components_part_every_slate_and_positions_stay_a_permutation():
    exposed = random_exposure(2, 300, (2, 9))
    for _, slate in mapped(exposed).groupby("slate_id"):
        assert sorted(slate["final_position"]) == slate["slate_position_seed"].tolist()
        assert (slate["component"] == "direct_focal").sum() == 1
        assert slate["component"].notna().all()
        assert slate["position_change"].sum() == 0


def test_mapping_adds_columns_and_changes_none_of_the_slates():
    slates = slates_of(exposure(["ABAC", "BB"], [2, 1], [1, 0]))
    before = slates.copy()
    table = map_exposure(
        slates, np.array([0, 1, 0, 0, 1, 0]) == 1, np.array([1, 1, 1, 1, 0, 0]) == 1
    )
    pd.testing.assert_frame_equal(slates, before)
    assert list(table.columns) == [*before.columns, *MAPPED]
    assert set(table["exposure"]) == {"focal", "moved_down", "unchanged"}
    kept = table[before.columns].astype({"spillover_cluster": object})
    pd.testing.assert_frame_equal(kept, before, check_dtype=False)


def test_assigning_maps_the_positions_and_promotions_that_were_drawn():
    table = assigned(n_slates=300, seed=9)
    focal = draw_focal_positions(300, 3, 6, 9)
    promoted = promotions(300, 0.5, "bernoulli", 9)
    expected = exposure(["AABCBA"] * 300, focal.tolist(), promoted.tolist())
    pd.testing.assert_frame_equal(plain(table), plain(expected))


def test_focal_position_is_uniform_over_its_range_and_never_outside():
    drawn = draw_focal_positions(40_000, 5, 12, seed=1)
    counts = np.bincount(drawn, minlength=14)
    assert counts[:5].sum() + counts[13:].sum() == 0
    # Chi-square with 7 degrees of freedom: above 24.3 in 0.1% of seeds.
    assert ((counts[5:13] - 5000) ** 2 / 5000).sum() < 24.3


def test_the_last_focal_position_is_by_default_the_last_of_the_slate():
    assert set(assigned()["focal_seed_position"]) == {3, 4, 5, 6}
    assert set(assigned(focal_position_last=4)["focal_seed_position"]) == {3, 4}
    assert set(assigned(focal_position_last=3)["focal_seed_position"]) == {3}


def test_bernoulli_promotes_each_slate_with_its_probability():
    promoted = promotions(40_000, 0.3, "bernoulli", seed=2)
    # 12,000 expected, standard deviation 91.7: 4 of them, false alarm 0.006%.
    assert abs(promoted.sum() - 12_000) < 4 * 91.7
    assert promotions(500, 0.0, "bernoulli", 2).sum() == 0
    assert promotions(500, 1.0, "bernoulli", 2).sum() == 500


def test_complete_promotes_a_fixed_number_and_every_slate_alike():
    draws = np.array([promotions(10, 0.3, "complete", seed) for seed in range(4000)])
    assert (draws.sum(axis=1) == 3).all()
    # Each slate: 1,200 expected, standard deviation 29; 10 slates at 4.5: false alarm 0.007%.
    assert (abs(draws.sum(axis=0) - 1200) < 4.5 * 29).all()


def test_promotion_is_by_slate():
    assert (assigned().groupby("slate_id")["promotion_applied"].nunique() == 1).all()


def test_promotion_and_focal_position_are_independent():
    focal = draw_focal_positions(40_000, 1, 12, seed=3)
    promoted = promotions(40_000, 0.5, "bernoulli", seed=3)
    # Correlation has standard deviation 0.005: 4 of them.
    assert abs(np.corrcoef(focal, promoted)[0, 1]) < 0.02


def test_the_design_is_pinned_so_that_a_published_study_can_be_made_again():
    assert draw_focal_positions(8, 5, 12, 20260428).tolist() == [8, 5, 10, 11, 11, 7, 5, 11]
    for assignment, promoted in (
        ("bernoulli", [1, 1, 0, 0, 0, 1, 1, 1]),
        ("complete", [1, 0, 1, 0, 1, 1, 0, 0]),
    ):
        assert promotions(8, 0.5, assignment, 20260428).tolist() == promoted


def test_complete_assignment_reaches_the_table():
    table = assigned(n_slates=30, assignment="complete", probability=0.2)
    assert table.groupby("slate_id")["promotion_applied"].first().sum() == 6
    expected = exposure(
        ["AABCBA"] * 30,
        draw_focal_positions(30, 3, 6, 4).tolist(),
        promotions(30, 0.2, "complete", 4).tolist(),
    )
    pd.testing.assert_frame_equal(plain(table), plain(expected))


def test_the_first_slates_have_the_same_design_however_many_follow():
    many, few = assigned(n_slates=1500), assigned(n_slates=40)
    pd.testing.assert_frame_equal(plain(many)[: len(few)], plain(few))


def test_the_record_of_a_promotion_gives_back_the_keys_of_the_config():
    entry = {"probability": 0.5, "assignment": "complete", "focal_position_first": 3}
    assert Promotion(**entry).settings == entry | {"unit": "slate"}
    for treatment in ({"move": {"to": 3}}, {"badge": {}}):
        written = entry | {"unit": "user"} | treatment
        assert Promotion.from_config(written).settings == written
    assert Promotion(**entry).deepest == 3
    last = Promotion(**entry, focal_position_last=7)
    assert (last.deepest, last.settings["focal_position_last"]) == (7, 7)
