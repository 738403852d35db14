"""Who pays: cells by hand and by statsmodels, rows that add up, sets of shares, coverage."""

import os
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from builders import items as written_items
from builders import random_exposure, random_items
from scipy import stats

from netlift.core.errors import NetliftError
from netlift.effects.accounts import slate_outcomes
from netlift.effects.diversion import MOST_GROUPS, diversion, diversion_with_covariance
from netlift.effects.ledger import component_effects
from netlift.effects.slate_accounts import SlateAccounts
from netlift.inference.shrinkage import shrunken, shrunken_jointly

PARTS = ["focal", "own_group", "group", "rarer"]
REPLICATES = int(os.environ.get("NETLIFT_REPLICATES", "60"))


def cells(table: pd.DataFrame, attribute: str = "cluster") -> pd.DataFrame:
    part = table[table["attribute"] == attribute]
    return part.set_index(["focal_group", "group"])


def by_user(items: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Draw the arm of each user; clicks stay as they are."""
    users = items["user_id"].unique()
    arm = dict(zip(users, np.random.default_rng(seed).integers(0, 2, len(users)), strict=True))
    return items.assign(
        promotion_applied=items["user_id"].map(arm), randomization_unit=items["user_id"]
    )


def with_probabilities(items: pd.DataFrame) -> pd.DataFrame:
    return items.assign(promotion_probability=np.where(items["slate_id"] % 2, 0.4, 0.6))


def several_focal(items: pd.DataFrame) -> pd.DataFrame:
    """Make the first item of each slate a focal item, and the second if the first is one."""
    second = items["slate_position_seed"] == 1 + (items["focal_seed_position"] == 1)
    is_focal = items["is_focal_item"] | second
    clusters = items[is_focal].groupby("slate_id")["spillover_cluster"].agg(set)
    of_slate = items["slate_id"].map(clusters)
    same = [c in found for c, found in zip(items["spillover_cluster"], of_slate, strict=True)]
    component = np.where(same, "same_cluster_competitor", "other_competitor")
    component = np.where(is_focal, "direct_focal", component)
    return items.assign(is_focal_item=is_focal, component=component)


def inserted(items: pd.DataFrame) -> pd.DataFrame:
    """Make every focal item one that control slates do not show."""
    hidden = items["is_focal_item"] & (items["promotion_applied"] == 0)
    return items.assign(click=items["click"].where(~hidden, 0), focal_seed_position=np.nan)


DESIGNS = {
    "slates": lambda items: items,
    "users": by_user,
    "probabilities": with_probabilities,
    "several focal items": several_focal,
    "inserted": inserted,
}


@pytest.fixture(scope="module")
def items() -> pd.DataFrame:
    return random_items(3, 900, (5, 8), n_users=150)


# --- By hand --------------------------------------------------------------------------------------


def test_cells_by_hand():
    # Focal items of A: promoted slates, then control slates; then those of B.
    slates = ["AAB", "AAB", "AAB", "AAB", "BAB", "BAB", "BAB", "BAB"]
    clicks = ["100", "110", "011", "010", "100", "001", "111", "011"]
    table = written_items(slates, [1] * 8, [1, 1, 0, 0, 1, 1, 0, 0], clicks)
    found = cells(diversion(table, min_slates=2))
    # Of A: focal 1, 1 against 0, 0; other A 0, 1 against 1, 1; B 0, 0 against 1, 0.
    assert found.loc[("A", "focal item"), "estimate"] == pytest.approx(1000)
    assert found.loc[("A", "A"), "estimate"] == pytest.approx(-500)
    assert found.loc[("A", "B"), "estimate"] == pytest.approx(-500)
    assert found.loc[("A", "all items"), "estimate"] == pytest.approx(0)
    assert found.loc[("A", "all other items"), "estimate"] == pytest.approx(-1000)
    # Of B: focal 1, 0 against 1, 0; A 0, 0 against 1, 1; other B 0, 1 against 1, 1.
    assert found.loc[("B", "focal item"), "estimate"] == pytest.approx(0)
    assert found.loc[("B", "A"), "estimate"] == pytest.approx(-1000)
    assert found.loc[("B", "B"), "estimate"] == pytest.approx(-500)
    assert found.loc[("any group", "A"), "estimate"] == pytest.approx(-750)
    assert found.loc[("A", "A"), "part"] == found.loc[("B", "B"), "part"] == "own_group"
    # Half of what A gains comes from each: 500 of 1,000.
    assert found.loc[("A", "B"), "share"] == pytest.approx(0.5)
    # Variances 0.5 and 0 of two slates each: the arm without variation gets the other's.
    assert found.loc[("A", "B"), "se"] == pytest.approx(1000 * np.sqrt(0.25 + 0.25))
    assert found["unit"].eq("clicks per 1,000 promoted slates").all()
    assert (found.loc["A", "slates"] == 4).all()
    assert (found.loc["A", "treated_slates"] == 2).all()


@pytest.mark.parametrize("cluster", ["A", "B", "C"])
def test_cells_agree_with_a_robust_regression_of_statsmodels(items, cluster):
    found = cells(diversion(items, min_slates=20))
    chosen = items[items["focal_spillover_cluster"] == cluster]
    arm = chosen.groupby("slate_id")["promotion_applied"].first()
    for column in ["focal item", "A", "B", "C", "all other items", "all items"]:
        focal = chosen["is_focal_item"]
        member = {
            "focal item": focal,
            "all other items": ~focal,
            "all items": focal | ~focal,
        }.get(column, ~focal & (chosen["spillover_cluster"] == column))
        clicks = (chosen["click"] * member).groupby(chosen["slate_id"]).sum()
        fit = sm.OLS(clicks, sm.add_constant(arm)).fit(cov_type="HC2")
        row = found.loc[(cluster, column)]
        assert row["estimate"] == pytest.approx(1000 * fit.params.iloc[1], rel=1e-9, abs=1e-9)
        assert row["se"] == pytest.approx(1000 * fit.bse.iloc[1], rel=1e-9)
        welch = stats.ttest_ind(clicks[arm == 1], clicks[arm == 0], equal_var=False)
        low, high = welch.confidence_interval(0.95)
        assert row["ci_95_lower"] == pytest.approx(1000 * low, rel=1e-9)
        assert row["ci_95_upper"] == pytest.approx(1000 * high, rel=1e-9)
        known = ((chosen["p_promoted"] - chosen["p_control"]) * member).sum() / len(arm)
        assert row["known_effect"] == pytest.approx(1000 * known, rel=1e-9, abs=1e-12)


# --- Rows add up ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DESIGNS)
def test_rows_add_up_to_the_ledger_of_their_slates(items, name):
    drawn = DESIGNS[name](items)
    table = diversion(drawn, min_slates=20)
    main = "hajek" if name == "probabilities" else "difference_in_means"
    for focal_group, row in table.groupby("focal_group"):
        parts = row[row["part"].isin(PARTS)]
        of = row.set_index("part")
        total = of.loc["total", "estimate"]
        assert abs(parts["estimate"].sum() - total) < 1e-12 * 1000
        assert abs(parts["known_effect"].sum() - of.loc["total", "known_effect"]) < 1e-9
        of_focal = drawn[drawn["is_focal_item"]].groupby("slate_id")["spillover_cluster"].agg(set)
        chosen = {
            "any group": of_focal.map(bool),
            "several groups": of_focal.map(len) > 1,
        }.get(focal_group, of_focal.map(lambda groups, one=focal_group: groups == {one}))
        accounts = slate_outcomes(drawn[drawn["slate_id"].map(chosen)].reset_index(drop=True))
        ledger = component_effects(SlateAccounts.from_table(accounts))
        ledger = ledger[
            (ledger["estimator"] == main) & (ledger["outcome_type"] == "observed_clicks")
        ].set_index("line")
        same = {"direct": "focal", "same_cluster": "own_groups", "other": "other_groups"}
        same["total"] = "total"
        if "own_group" in of.index:
            assert of.loc["own_group", "estimate"] == of.loc["own_groups", "estimate"]
        for line, part in same.items():
            expected = ledger.loc[line, ["estimate_per_slate", "se", "df"]].to_numpy(float)
            number = of.loc[part, ["estimate", "se", "df"]].to_numpy(float)
            np.testing.assert_allclose(number, expected * [1000, 1000, 1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", DESIGNS)
def test_the_covariance_of_a_row_gives_the_errors_of_its_cells_and_of_their_sums(items, name):
    table, covariance = diversion_with_covariance(DESIGNS[name](items), min_slates=20)
    assert covariance["unit"].eq("(clicks per slate) squared").all()
    for focal_group, pairs in covariance.groupby("focal_group"):
        row = table[table["focal_group"] == focal_group].set_index("group")
        matrix = pairs.pivot(index="group_1", columns="group_2", values="covariance")
        own = np.sqrt(np.diag(matrix)) * 1000
        if name != "inserted":  # the error of what cannot vary in control slates is known
            np.testing.assert_allclose(own, row.loc[matrix.index, "se"], rtol=1e-9)
        others = matrix.drop(index="focal item", columns="focal item").to_numpy()
        error = 1000 * np.sqrt(others.sum())
        assert row.loc["all other items", "se"] == pytest.approx(error, rel=1e-9)


def test_every_slate_is_in_one_row_and_every_group_in_one_column():
    letters = "ABCDEFGHIJKLMNOPQR"
    items = random_items(8, 1500, 8)
    rng = np.random.default_rng(2)
    weight = 0.8 ** np.arange(len(letters))
    cluster = rng.choice(list(letters), len(items), p=weight / weight.sum())
    focal = pd.Series(cluster)[items["is_focal_item"].to_numpy()]
    of_slate = dict(zip(items["slate_id"].unique(), focal, strict=True))
    table = diversion(items.assign(spillover_cluster=cluster), min_slates=30)
    rows = table.drop_duplicates("focal_group")
    assert rows["focal_groups"].iloc[0] == len(letters)
    single = rows[rows["focal_kind"] == "group"]
    assert rows["slates"].iloc[1:].sum() == rows["slates"].iloc[0] == 1500
    assert rows["focal_groups"].iloc[1:].sum() == pd.Series(of_slate).nunique()
    assert len(single) <= MOST_GROUPS
    assert (single[["treated_slates", "control_slates"]].min(axis=1) >= 30).all()
    counts = pd.Series(of_slate).value_counts()
    assert dict(zip(single["focal_group"], single["slates"], strict=True)) == {
        name: counts[name] for name in single["focal_group"]
    }
    columns = table[table["focal_kind"] == "all"]
    assert columns.loc[columns["part"].isin(["group", "rarer"]), "groups"].sum() == len(letters)
    assert (columns["part"] == "group").sum() == MOST_GROUPS
    left = [name for name in counts.index if name not in set(single["focal_group"])]
    focal_of = items["slate_id"].map(of_slate)
    own = (focal_of == cluster) & ~items["is_focal_item"] & focal_of.isin(left)
    own_clicks = (items["click"] * own)[focal_of.isin(left)]
    own_clicks = own_clicks.groupby(items["slate_id"]).sum()
    promoted = items.groupby("slate_id")["promotion_applied"].first()[own_clicks.index] == 1
    row = table[table["focal_kind"] == "rarer"].set_index("part")
    assert row.loc["own_groups", "estimate"] == pytest.approx(
        1000 * (own_clicks[promoted].mean() - own_clicks[~promoted].mean())
    )
    pooled = columns.set_index("part").loc["rarer", "estimate"]
    shown = columns.loc[columns["part"] == "group", "group"]
    rest = ~pd.Series(cluster).isin(shown) & ~items["is_focal_item"]
    clicks = (items["click"] * rest).groupby(items["slate_id"]).sum()
    arm = items.groupby("slate_id")["promotion_applied"].first() == 1
    assert pooled == pytest.approx(1000 * (clicks[arm].mean() - clicks[~arm].mean()))


def test_groups_stand_in_the_order_of_what_is_taken_from_them(items):
    table = diversion(items, min_slates=20)
    whole = table[(table["focal_kind"] == "all") & (table["part"] == "group")]
    assert whole["estimate"].is_monotonic_increasing
    assert list(table["focal_group"].unique()) == ["any group", *whole["group"]]


def test_a_row_with_too_few_slates_is_pooled_and_without_any_other_left_out(items):
    few = items[(items["focal_spillover_cluster"] != "A") | (items["slate_id"] < 60)]
    table = diversion(few, min_slates=50)
    kinds = table.drop_duplicates("focal_group").set_index("focal_group")["focal_kind"]
    assert kinds["1 rarer group"] == "rarer"
    assert "A" not in kinds
    assert "A" in set(table["group"])
    only_whole = diversion(items, min_slates=400)
    assert set(only_whole["focal_kind"]) == {"all"}
    with pytest.raises(NetliftError, match="too few slates"):
        diversion(items, min_slates=800)


def test_items_without_a_cluster_are_a_group(items):
    none = items.assign(spillover_cluster=items["spillover_cluster"].replace("C", None))
    table = diversion(none, min_slates=20)
    expected = diversion(items.replace({"spillover_cluster": {"C": "(none)"}}), min_slates=20)
    columns = ["estimate", "se", "known_effect", "share", "slates"]
    apart = (table["part"] != "own_groups") & (table["part"] != "other_groups")
    pd.testing.assert_frame_equal(
        cells(table[apart])[columns].sort_index(),
        cells(expected[apart.to_numpy()])[columns].sort_index(),
    )
    # Items without a cluster are not of the same one.
    assert cells(table).loc[("(none)", "(none)"), "part"] == "group"
    own = cells(table).loc[("(none)", "own group")]
    assert own["estimate"] == 0
    assert own["note"] == "no slate has such an item, so the effect is 0 by construction"
    with pytest.raises(NetliftError, match="the items have no cluster"):
        diversion(items.assign(spillover_cluster=None), min_slates=20)


def test_cells_without_items_and_without_clicks_say_so(items):
    lonely = items[items["is_focal_item"] | (items["spillover_cluster"] != "A")]
    silent = lonely.assign(click=lonely["click"].where(lonely["spillover_cluster"] != "B", 0))
    found = cells(diversion(silent, min_slates=20))
    own, other = found.loc[("A", "A")], found.loc[("A", "B")]
    assert own["estimate"] == other["estimate"] == 0
    assert np.isnan(own["se"])
    assert np.isnan(own["ci_95_lower"])
    assert own["note"] == "no slate has such an item, so the effect is 0 by construction"
    assert other["note"] == "the outcome of these items does not vary, so there is no error"


# --- Intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["all", "group"])
def test_simultaneous_intervals_are_sidaks_for_all_cells(items, kind):
    table = diversion(items, min_slates=20)
    rows = table[table["focal_kind"] == kind]
    each = 0.95 ** (1 / rows["se"].notna().sum())
    half = stats.t.ppf(0.5 + each / 2, rows["df"]) * rows["se"]
    np.testing.assert_allclose(rows["simultaneous_ci_95_upper"], rows["estimate"] + half)
    np.testing.assert_allclose(rows["simultaneous_ci_95_lower"], rows["estimate"] - half)


def test_a_share_is_in_its_set_if_the_difference_from_it_is_not_rejected(items):
    table = diversion(items, min_slates=20)
    found = cells(table)
    chosen = items[items["focal_spillover_cluster"] == "B"]
    arm = chosen.groupby("slate_id")["promotion_applied"].first() == 1
    focal = chosen["is_focal_item"]
    gain, loss = (
        (chosen["click"] * member).groupby(chosen["slate_id"]).sum()
        for member in (focal, ~focal & (chosen["spillover_cluster"] == "B"))
    )
    row = found.loc[("B", "B")]
    assert row["share_kind"] == "interval"
    assert row["share"] == pytest.approx(
        -row["estimate"] / found.loc[("B", "focal item"), "estimate"]
    )
    each = 0.95 ** (1 / table.loc[table["focal_kind"] == "group", "se"].notna().sum())
    df = min(row["df"], found.loc[("B", "focal item"), "df"])
    for name, level in (("share_ci_95", 0.95), ("simultaneous_share_ci_95", each)):
        for end in ("lower", "upper"):
            if level == each and row["simultaneous_share_kind"] != "interval":
                continue
            tested = -loss - row[f"{name}_{end}"] * gain
            error = np.sqrt(tested[arm].var() / arm.sum() + tested[~arm].var() / (~arm).sum())
            t = abs(tested[arm].mean() - tested[~arm].mean()) / error
            assert t == pytest.approx(stats.t.ppf(0.5 + level / 2, df), rel=1e-6)


def test_pooled_effects_are_those_of_the_same_column_in_other_rows():
    items = random_items(5, 2000, 8)
    cluster = pd.Series(np.random.default_rng(4).choice(list("ABCDEF"), len(items)))
    of_slate = cluster[items["is_focal_item"].to_numpy()].to_numpy()
    items = items.assign(
        spillover_cluster=cluster,
        focal_spillover_cluster=np.repeat(of_slate, items.groupby("slate_id").size()),
    )
    table = diversion(items, min_slates=20)
    groups = table[table["focal_kind"] == "group"]
    families = {"own": groups["part"] == "own_group", "focal": groups["part"] == "focal"}
    families["C"] = (groups["group"] == "C") & (groups["part"] == "group")
    wider = stats.t.ppf(0.975, groups["df"]) / stats.norm.ppf(0.975)
    errors = groups["se"] * wider / 1000
    for member in families.values():
        expected = shrunken(
            groups.loc[member, "estimate"].to_numpy() / 1000, errors[member].to_numpy()
        )
        found = groups[member]
        np.testing.assert_allclose(found["pooled_estimate"], 1000 * expected.value, rtol=1e-9)
        np.testing.assert_allclose(found["pooled_ci_95_lower"], 1000 * expected.lower, rtol=1e-6)
    few = diversion(random_items(5, 900, 6), min_slates=20)
    few = few[few["focal_kind"] == "group"]
    assert few["pooled_estimate"].isna().all()
    assert set(few["note"]) == {"not pooled: fewer than 4 cells like it have numbers"}


def test_rows_that_share_users_are_pooled_with_their_joint_covariance():
    # Clicks of a user are alike over all of the user's slates, whatever is promoted.
    rng = np.random.default_rng(7)
    items = random_exposure(7, 2400, 6, clusters="ABCDE", n_users=240)
    taste = rng.normal(0, 1.5, 240)[items["user_id"]]
    items = by_user(items.assign(click=rng.random(len(items)) < 1 / (1 + np.exp(1 - taste))))
    shared = diversion(items, min_slates=20)
    groups = shared[(shared["focal_kind"] == "group") & (shared["part"] == "total")]
    first = items.drop_duplicates("slate_id").set_index("slate_id")
    clicks, arm = items.groupby("slate_id")["click"].sum(), first["promotion_applied"] == 1
    added = {}
    for name in groups["focal_group"]:
        chosen = first["focal_spillover_cluster"] == name
        part = clicks[chosen] - clicks[chosen].groupby(arm).transform("mean")
        added[name] = (part / part.groupby(arm).transform("size")).groupby(first["user_id"]).sum()
    correlation = pd.DataFrame(added).fillna(0.0)
    correlation = (correlation.T @ correlation).to_numpy()
    scale = np.sqrt(np.diag(correlation))
    errors = groups["se"] * stats.t.ppf(0.975, groups["df"]) / stats.norm.ppf(0.975)
    covariance = correlation / np.outer(scale, scale) * np.outer(errors, errors)
    expected = shrunken_jointly(groups["estimate"].to_numpy(), covariance)
    np.testing.assert_allclose(groups["pooled_estimate"], expected.value, rtol=1e-6)
    np.testing.assert_allclose(groups["pooled_se"], expected.se, rtol=1e-6)
    # Errors that all rows share do not average out.
    apart = shrunken(groups["estimate"].to_numpy(), errors.to_numpy())
    assert (groups["pooled_se"] > 1.1 * apart.se).all()


# --- Attributes -----------------------------------------------------------------------------------


def test_matrices_by_other_attributes_add_up_to_the_same_totals(items):
    rng = np.random.default_rng(1)
    price = rng.choice([2.0, 5.0, 10.0, 20.0, np.nan], len(items))
    more = items.assign(
        item_attribute_seller=rng.choice(["x & y", "z"], len(items)), item_attribute_price=price
    )
    table = diversion(more, min_slates=20, bands={"price": {"edges": [5.0, 15.0]}})
    whole = table[(table["focal_kind"] == "all") & (table["part"] == "total")]
    assert list(whole["attribute"]) == ["cluster", "seller", "price"]
    assert np.ptp(whole["estimate"]) < 1e-9
    columns = table[(table["attribute"] == "price") & (table["focal_kind"] == "all")]
    names = ["below 5", "5 to below 15", "15 or more", "(none)"]
    assert list(columns["group"][:5]) == ["focal item", *names]
    member = ~more["is_focal_item"] & np.isin(price, [5.0, 10.0])
    clicks = (more["click"] * member).groupby(more["slate_id"]).sum()
    arm = more.groupby("slate_id")["promotion_applied"].first() == 1
    expected = clicks[arm].mean() - clicks[~arm].mean()
    assert columns.set_index("group").loc["5 to below 15", "estimate"] == pytest.approx(
        1000 * expected
    )


def test_bands_by_quantiles_have_about_as_many_rows_each(items):
    price = np.random.default_rng(1).lognormal(3, 1, len(items))
    more = items.assign(item_attribute_price=price)
    table = diversion(more, min_slates=20, bands={"price": {"bands": 4}})
    names = table.loc[(table["attribute"] == "price") & (table["focal_kind"] == "all"), "group"]
    edges = np.quantile(price, [0.25, 0.5, 0.75])
    assert list(names[1:5]) == [
        f"below {edges[0]:g}",
        *(f"{low:g} to below {high:g}" for low, high in pairwise(edges)),
        f"{edges[2]:g} or more",
    ]


def test_an_attribute_without_values_has_a_note_and_the_others_numbers(items):
    table = diversion(items.assign(item_attribute_brand=None), min_slates=20)
    (row,) = table[table["attribute"] == "brand"].to_dict("records")
    assert row["note"] == "the items have no brand"
    assert cells(table)["estimate"].notna().all()


def test_an_attribute_that_promotion_changes_is_refused(items):
    real = items.drop(columns=["p_control", "p_promoted"])
    shown = np.where(
        real["is_focal_item"] & (real["promotion_applied"] == 1), "sponsored", "organic"
    )
    table = diversion(real.assign(item_attribute_badge=shown), min_slates=20)
    (row,) = table[table["attribute"] == "badge"].to_dict("records")
    assert "must not depend on the promotion" in row["note"]
    for name, design in DESIGNS.items():
        # One in 10,000 valid attributes is refused: one of these 5 in 2,000 runs, with other seeds.
        drawn = design(real)
        seller = np.random.default_rng(6).choice(list("xyz"), len(drawn))
        valid = diversion(drawn.assign(item_attribute_seller=seller), min_slates=20)
        assert valid.loc[valid["attribute"] == "seller", "estimate"].notna().all(), name


# --- Coverage -------------------------------------------------------------------------------------


def redrawn(seed: int) -> pd.DataFrame:
    """Draw arms and clicks of the same 1,500 slates again, from known probabilities."""
    items = random_items(21, 1500, 8)
    rng = np.random.default_rng([99, seed])
    arm = rng.integers(0, 2, 1500)[items["slate_id"]]
    p = np.where(arm == 1, items["p_promoted"], items["p_control"])
    click = (rng.random(len(items)) < p).astype(int)
    return items.assign(promotion_applied=arm, click=click)


def held(seeds: range) -> pd.DataFrame:
    """Return for each cell and draw whether its interval has the known effect."""
    found = []
    for seed in seeds:
        table = diversion(redrawn(seed), min_slates=20)
        assert table[["treated_slates", "control_slates"]].to_numpy().min() > 200
        inside = table["known_effect"].between(table["ci_95_lower"], table["ci_95_upper"])
        found.append(inside.to_numpy())
    return pd.DataFrame(found)


@pytest.mark.long
def test_intervals_of_cells_cover_the_known_effects():
    shares = held(range(REPLICATES)).mean(axis=1)
    slack = stats.norm.isf(0.0005) * shares.std() / np.sqrt(len(shares))
    # One false alarm in 1,000 seeds, if coverage is in the range.
    assert 0.93 - slack < shares.mean() < 0.97 + slack
    assert slack < 0.03 * np.sqrt(60 / len(shares))
