"""Several variants drawn at once in a simulated study: one draw, one world, known truth."""

import copy

import numpy as np
import pandas as pd
import pytest
from builders import draw_promotions, random_exposure
from configs import merged
from scipy.stats import chisquare

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.arm_counts import arm_slates, drawn_arm_counts
from netlift.effects.codes import DIFFERENCE
from netlift.effects.ledger import component_effects
from netlift.effects.several_arms import arms_table, contrasts
from netlift.effects.slate_accounts import SlateAccounts
from netlift.logs.entries import LogEntry, log_settings
from netlift.logs.reading import account_arms, account_log
from netlift.logs.variants import contrast_entries
from netlift.promotion.exposure import assign_promotion, compared, draw_arms
from netlift.promotion.record import Promotion
from netlift.promotion.variants import two_arm_entries
from netlift.studies.grid import grid_effects
from netlift.workflow.checks import check_sweep, check_validation
from netlift.workflow.config import check_config
from netlift.workflow.study import Study
from netlift.worlds.simulation import Simulation

SLOTS = {
    "slot1": {"move": {"to": 1}, "probability": 0.3},
    "slot3": {"move": {"to": 3}, "probability": 0.25},
}
ENTRY = {"focal_position_first": 3, "assignment": "bernoulli", "unit": "slate", "arms": SLOTS}
INSERTED = {
    "top": {"insert": {"at": 1}, "probability": 0.3},
    "third": {"replace": {"at": 3}, "probability": 0.25},
}
BOOSTED = {
    "little": {"rerank": {"boost": 0.4}, "probability": 0.3},
    "much": {"rerank": {"boost": 5.0}, "probability": 0.25},
}
LOGIT = {"model": "logit", "target_click_rate": 0.2, "b_r": 0.8, "b_v": 1.2, "g_c": 0.4}
LOGIT |= {"g_all": 0.0, "competitors": "above", "attention": {"curve": "log2"}}
LOGIT |= {"promotion_badge": 0.0, "user_sd": 0.0}
SIZE = 6
ASSIGNMENTS = ["bernoulli", "complete"]


def promotions(**changes):
    """Return the promotions of the variants, by name."""
    entries = two_arm_entries({"slots": ENTRY | changes})
    return {
        name.removeprefix("slots."): Promotion.from_config(own) for name, own in entries.items()
    }


def slates_of(n_slates, rows=SIZE, n_users=None):
    """Draw slates of items whose values fall from top to bottom."""
    drawn = random_exposure(7, n_slates, rows, n_users=n_users)
    columns = ["slate_id", "user_id", "item_id", "spillover_cluster", "slate_position_seed"]
    columns += ["relevance", "item_popularity", "item_liked_rate", "user_liked_rate"]
    values = np.tile(np.linspace(1, 0, rows), n_slates)
    return drawn[[*columns, "user_activity"]].assign(ranker_value=values)


def exposures(n_slates=400, seed=5, n_users=None, **changes):
    return {
        name: assign_promotion(
            slates_of(n_slates, promotion.rows(SIZE), n_users), promotion, seed=seed
        )
        for name, promotion in promotions(**changes).items()
    }


def items_of(exposure, seed=5):
    return compared(Simulation.from_exposure(exposure, LOGIT, seed=seed).items)


# --- The draw ------------------------------------------------------------------------------------


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_shares_are_those_of_the_probabilities(assignment):
    n = 20_000
    arm, shares = draw_arms(np.arange(n), (0.3, 0.25), assignment, 4, np.zeros(n, int))
    counts = np.bincount(arm, minlength=3)
    np.testing.assert_allclose(shares, np.tile([0.45, 0.3, 0.25], (n, 1)), atol=1e-12)
    if assignment == "complete":
        assert counts.tolist() == [9000, 6000, 5000]
    # A false alarm in one seed of 10,000, and the seed is fixed.
    assert chisquare(counts, n * np.array([0.45, 0.3, 0.25])).pvalue > 1e-4


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_one_variant_is_a_promotion_with_two_arms(assignment):
    """And the first of several variants is promoted where it would be alone."""
    unit, stratum = np.arange(300), np.zeros(300, int)
    promoted, _ = draw_promotions(unit, 0.3, assignment, 4, stratum)
    for probabilities in ((0.3,), (0.3, 0.2), (0.3, 0.1, 0.5)):
        arm, _ = draw_arms(unit, probabilities, assignment, 4, stratum)
        assert ((arm == 1) == promoted).all()


@pytest.mark.parametrize("by_user", [False, True])
def test_a_draw_does_not_depend_on_later_slates(by_user):
    unit = np.arange(5000) % 700 if by_user else np.arange(5000)
    stratum = np.zeros(5000, int)
    arm, _ = draw_arms(unit, (0.3, 0.25), "bernoulli", 9, stratum)
    few, _ = draw_arms(unit[:900], (0.3, 0.25), "bernoulli", 9, stratum[:900])
    assert (arm[:900] == few).all()
    if by_user:
        assert (arm == arm[unit]).all()


def test_strata_have_each_arm_in_its_share():
    stratum = np.repeat([3, 4], [40, 60])
    arm, shares = draw_arms(np.arange(100), (0.3, 0.2), "complete", 1, stratum)
    for number, expected in ((3, [20, 12, 8]), (4, [30, 18, 12])):
        assert np.bincount(arm[stratum == number]).tolist() == expected
    np.testing.assert_allclose(shares, np.tile([0.5, 0.3, 0.2], (100, 1)), atol=1e-12)


def test_an_arm_without_units_is_refused():
    with pytest.raises(NetliftError, match="of 5 randomized units, 0, 5 would be promoted by the"):
        draw_arms(np.arange(5), (0.01, 0.98), "complete", 1, np.zeros(5, int))


@pytest.mark.parametrize("arms", [SLOTS, INSERTED, BOOSTED], ids=["slots", "inserted", "boosted"])
def test_variants_share_the_draw_and_the_world(arms):
    """Control slates have the same clicks in each, and those of a promotion with two arms."""
    (first, one), (second, two) = exposures(arms=arms).items()
    shared = ["slate_id", "item_id", "is_focal_item", "arm", "probability_0", "probability_2"]
    pd.testing.assert_frame_equal(one[shared], two[shared])
    treatment = {key: value for key, value in arms[first].items() if key != "probability"}
    shared_keys = {key: value for key, value in ENTRY.items() if key != "arms"}
    alone = Promotion.from_config(shared_keys | treatment | {"probability": 0.3})
    whole = assign_promotion(slates_of(400, alone.rows(SIZE)), alone, seed=5)
    expected = Simulation.from_exposure(whole, LOGIT, seed=5).items
    expected = expected.set_index(["slate_id", "item_id"])
    found = {first: items_of(one), second: items_of(two)}
    for number, (name, items) in enumerate(found.items(), start=1):
        row = items.set_index(["slate_id", "item_id"])
        same = expected.loc[row.index]
        for column in ("p_control", "click_control"):
            pd.testing.assert_series_equal(row[column], same[column], check_exact=True)
        arm = one.drop_duplicates("slate_id").set_index("slate_id")["arm"]
        slates = items.drop_duplicates("slate_id")
        assert set(slates["slate_id"]) == set(arm.index[arm.isin([0, number])])
        is_variant = arm[slates["slate_id"]].to_numpy() == number
        assert ((slates["promotion_applied"].to_numpy() == 1) == is_variant).all()
        p = arms[name]["probability"]
        np.testing.assert_allclose(slates["promotion_probability"], p / (p + 0.45), rtol=1e-12)
        assert {"arm", "probability_0"}.isdisjoint(items)
    pd.testing.assert_series_equal(
        found[first].set_index(["slate_id", "item_id"])["p_promoted"],
        expected.loc[found[first].set_index(["slate_id", "item_id"]).index, "p_promoted"],
        check_exact=True,
    )


def test_a_grid_has_the_numbers_of_the_experiment():
    """The known and the observed effects of the two arms, in the world of all slates."""
    exposure = exposures()["slot3"]
    point = grid_effects(exposure, LOGIT, {"b_r": [0.8]}, seed=5).set_index("quantity")
    effects = component_effects(SlateAccounts.from_table(slate_outcomes(items_of(exposure))))
    observed = effects[effects["outcome_type"] == "observed_clicks"]
    observed = observed[observed["estimator"] == DIFFERENCE]
    observed = observed.set_index("line")["estimate_per_slate"]
    items = items_of(exposure)
    lift = (items["p_promoted"] - items["p_control"]).sum() / items["slate_id"].nunique()
    assert point.loc["total", "known"] == pytest.approx(lift, rel=1e-12)
    for line in ("direct", "same_cluster", "other", "total"):
        assert point.loc[line, "estimate"] == pytest.approx(observed[line], abs=1e-12)


# --- Estimates -----------------------------------------------------------------------------------


def study_tables(variants=SLOTS, **changes):
    """Return the exposure tables, the items of each variant, and the table of all contrasts."""
    exposed = exposures(arms=variants, **changes)
    items = {name: items_of(exposure) for name, exposure in exposed.items()}
    accounts = {name: slate_outcomes(table) for name, table in items.items()}
    numbers = {name: number for number, name in enumerate(variants, start=1)}
    slates = arm_slates(next(iter(exposed.values())))
    pairs = contrasts(accounts, slates, numbers)
    return exposed, items, arms_table(pairs, units={"observed_clicks": "clicks"})


def as_log(exposed, items, names=("control", "slot1", "slot3")):
    """Write what a team would log: one row per item and slate, with the arm that was drawn."""
    rows = pd.concat(items.values()).drop_duplicates(["slate_id", "item_id"])
    arm = next(iter(exposed.values())).drop_duplicates("slate_id").set_index("slate_id")["arm"]
    return pd.DataFrame(
        {
            "page": rows["slate_id"],
            "visitor": rows["user_id"],
            "sku": rows["item_id"],
            "dept": rows["spillover_cluster"].astype(str),
            "rank": rows["slate_position_seed"].astype("Int64"),
            "candidate": rows["is_focal_item"].astype(int),
            "variant": np.array(names)[arm[rows["slate_id"]].to_numpy()],
            "clicked": rows["click"],
        }
    ).sort_values(["page", "sku"], ignore_index=True)


COLUMNS = {"slate": "page", "user": "visitor", "item": "sku", "cluster": "dept", "position": "rank"}
COLUMNS |= {"focal": "candidate", "promoted": "variant"}


@pytest.mark.parametrize("unit", ["slate", "user"])
@pytest.mark.parametrize("arms", [SLOTS, INSERTED], ids=["slots", "inserted"])
def test_a_log_of_the_same_slates_has_the_same_numbers(arms, unit, tmp_path):
    exposed, items, expected = study_tables(arms, unit=unit, n_users=120)
    log = as_log(exposed, items, ("control", *arms))
    log.to_parquet(tmp_path / "log.parquet")
    entry = {
        "columns": COLUMNS,
        "outcomes": {"clicks": {"column": "clicked"}},
        "promotion": {"unit": unit, "control": {"probability": 0.45}, "arms": arms},
        "path": str(tmp_path / "log.parquet"),
    }
    settings = log_settings(entry)
    entries = {
        name.removeprefix("shop."): LogEntry.from_config(own)
        for name, own in contrast_entries("shop", settings).items()
    }
    folders = {variant: tmp_path / f"shop.{variant}" for variant in entries}
    account_arms(LogEntry.from_config(settings), entries, folders, folder=tmp_path / "shop")
    accounts = {v: pd.read_parquet(path / "slate_outcomes.parquet") for v, path in folders.items()}
    slates = pd.read_parquet(tmp_path / "shop/arms.parquet")
    numbers = {name: number for number, name in enumerate(arms, start=1)}
    found = arms_table(contrasts(accounts, slates, numbers), units={"observed_clicks": "clicks"})
    known = expected["known_value"]
    assert known[(expected["kind"] == "variant") & expected["p_value"].notna()].notna().all()
    pd.testing.assert_frame_equal(
        found, expected.drop(columns="known_value"), rtol=1e-9, check_dtype=False
    )
    counts = pd.read_csv(tmp_path / "shop/arm_counts.csv")
    drawn = drawn_arm_counts(arm_slates(next(iter(exposed.values()))), list(arms), unit)
    pd.testing.assert_frame_equal(counts, drawn, rtol=1e-9, check_dtype=False)


def test_a_log_of_a_boost_has_the_same_numbers(tmp_path):
    promotion = Promotion.from_config(
        {"rerank": {"boost": 0.5}, "focal_items": 2, "probability": 0.4}
        | {"assignment": "bernoulli", "focal_position_first": 2}
    )
    exposure = assign_promotion(slates_of(500), promotion, seed=3)
    items = compared(Simulation.from_exposure(exposure, LOGIT, seed=3).items)
    log = as_log({"boost": exposure}, {"boost": items}, ("no", "yes"))
    log["other"] = items.sort_values(["slate_id", "item_id"])["promoted_position"].to_numpy()
    log.to_parquet(tmp_path / "log.parquet")
    entry = {
        "columns": COLUMNS | {"promoted_position": "other"},
        "outcomes": {"clicks": {"column": "clicked"}},
        "promotion": {"unit": "slate", "probability": 0.4, "rerank": {}, "focal_items": 2},
        "meanings": {"promoted": {"promoted": ["yes"], "control": ["no"]}},
        "path": str(tmp_path / "log.parquet"),
    }
    names = {"accounts": "accounts.parquet", "contract": "contract.csv", "row_counts": "counts.csv"}
    paths = {name: str(tmp_path / file) for name, file in names.items()}
    account_log(LogEntry.from_config(log_settings(entry)), paths)
    found = component_effects(SlateAccounts.from_table(pd.read_parquet(paths["accounts"])))
    expected = component_effects(SlateAccounts.from_table(slate_outcomes(items)))
    keys, columns = ["estimator", "line"], ["estimate_per_slate", "se"]
    one, other = (
        table[(table["outcome_type"] == "observed_clicks") & ~table["estimator"].isin(["lin"])]
        .set_index(keys)[columns]
        .sort_index()
        for table in (found, expected)
    )
    assert len(one) >= 16
    pd.testing.assert_frame_equal(one, other, rtol=1e-9)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_estimates_of_each_variant_are_unbiased(assignment):
    """Mean errors of 60 draws within 4 standard errors: 10 checks, fixed seeds, 1 in 1,600."""
    errors = []
    for seed in range(60):
        _, _, table = study_tables(n_slates=300, seed=seed, assignment=assignment)
        rows = table[(table["kind"] == "variant") & table["known_value"].notna()]
        errors.append(rows.set_index(["variant", "line"])[["estimate", "known_value", "se"]])
    draws = pd.concat(errors, keys=range(60))
    error = (draws["estimate"] - draws["known_value"]).unstack(0)
    assert len(error) == 10
    assert (error.mean(axis=1).abs() < 4 * error.std(axis=1) / np.sqrt(60)).all()
    se = draws["se"].unstack(0).mean(axis=1)
    assert (error.std(axis=1) / se).between(0.6, 1.4).all()
    gains = draws["known_value"].unstack(0).mean(axis=1)
    assert gains["slot1", "direct"] > 1.5 * gains["slot3", "direct"] > 0


# --- The configuration ---------------------------------------------------------------------------


def arms_with(**changes):
    arms = copy.deepcopy(SLOTS)
    for name, keys in changes.items():
        arms[name] = {**arms.get(name, {}), **keys}
    return {"promotions": {"slots": {"arms": arms}}, "study": {"promotions": ["slots"]}}


def problems(overlay):
    with pytest.raises(NetliftError) as caught:
        check_config(merged(overlay))
    return str(caught.value)


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        (
            arms_with(slot3={"probability": 0.7}),
            "promotions.slots.arms: the probabilities of the variants must add up to less than 1; "
            "0.3 + 0.7 = 1 leaves nothing for control",
        ),
        (arms_with(slot3={"probability": 0.9}), "0.3 + 0.9 = 1.2 leaves nothing for control"),
        (arms_with(slot3={"probability": 1.5}), "arms.slot3.probability: 1.5 is not allowed"),
        (arms_with(slot3={"probabilty": 0.2}), "did you mean promotions.slots.arms.slot3.prob"),
        (arms_with(third={"badge": {}}), "promotions.slots.arms.third: lacks probability"),
        (
            arms_with(third={"probability": 0.1}),
            "arms.third: say what the arm does, by one of move, insert, replace, badge, rerank; "
            "nothing is given",
        ),
        (arms_with(slot3={"badge": {}}), "replace, badge, rerank; move and badge is given"),
        (
            arms_with(third={"insert": {"at": 1}, "probability": 0.1}),
            "of one slate only one can be true. Make two promotions of it",
        ),
        (arms_with(Control={"badge": {}, "probability": 0.1}), "Control is not a variant"),
        (
            arms_with(Slot1={"badge": {}, "probability": 0.1}),
            "promotions.slots.arms: Slot1 and slot1 differ only in case",
        ),
        (
            arms_with() | {"promotions": {"slots": {"arms": SLOTS, "probability": 0.2}}},
            "promotions.slots.probability: each arm has its own: write it under promotions.slots.a",
        ),
        (
            arms_with() | {"promotions": {"slots": {"arms": SLOTS, "badge": {}}}},
            "promotions.slots.badge: each arm has its own",
        ),
        (
            arms_with() | {"promotions": {"slots": {"arms": {"slot1": SLOTS["slot1"]}}}},
            "promotions.slots.arms: one variant and control are two arms",
        ),
        (arms_with(slot3={"move": {"to": 40}}), "a slate of 12 has no position 40"),
        (
            arms_with()
            | {
                "worlds": {
                    "logit": {"match": {"direct": 0.1, "same_cluster": -0.02, "other": -0.05}}
                }
            },
            "worlds.logit.match: it would give each variant of the promotion slots a world",
        ),
        (
            arms_with() | {"study": {"promotions": ["slots.slot1"]}},
            "study.promotions: there is no 'slots.slot1'; did you mean slots",
        ),
    ],
)
def test_what_cannot_be_drawn_at_once_is_named(overlay, message):
    assert message in problems(overlay)


def test_a_study_has_an_experiment_for_each_variant():
    made = Study.from_config(check_config(merged(arms_with())))
    assert made.promotions == ("slots.slot1", "slots.slot3")
    assert made.promotion("slots.slot3").treatment.to == 3
    assert made.promotion("slots.slot1").probability == pytest.approx(0.3 / 0.75)
    path = made.arm_experiments[0].path
    assert path.endswith("/slots/reference")
    variants = [experiment.path for experiment in made.variants(path).values()]
    assert variants == [path.replace("slots", f"slots.{name}") for name in SLOTS]
    assert set(variants) <= {experiment.path for experiment in made.experiments}
    again = check_config(made.config)
    assert Study.from_config(again).promotions == made.promotions


def test_an_edit_of_one_variant_changes_no_other():
    one, other = (
        Study.from_config(check_config(merged(arms_with(slot3={"move": {"to": to}}))))
        for to in (3, 4)
    )
    for name, same in (("slots.slot1", True), ("slots.slot3", False)):
        settings = [made.promotion_settings(name, 1) for made in (one, other)]
        assert (settings[0] == settings[1]) == same


def test_sweeps_and_the_validation_are_of_two_arms():
    config = check_config(merged(arms_with() | {"sweep": {"promotions": ["slots"]}}))
    with pytest.raises(NetliftError, match=r"sweep\.promotions: slots has several arms"):
        check_sweep(config)
    with pytest.raises(NetliftError, match=r"study\.promotions: slots: the validation redraws two"):
        check_validation(config)
    both = arms_with() | {"study": {"promotions": ["to_first", "slots"]}}
    made = Study.from_config(check_config(merged(both)))
    check_validation(made.config)
    assert made.validated == ["to_first"]
