"""Logs with several arms: each variant against control, from rows that are read once."""

import copy

import numpy as np
import pandas as pd
import pytest
from arm_logs import ENTRY, draw_arms, draw_insertions
from configs import merged

from netlift.core.errors import NetliftError
from netlift.effects.several_arms import arms_table, contrasts
from netlift.logs.entries import LogEntry, log_settings
from netlift.logs.problems import LogRefusedError
from netlift.logs.reading import account_arms, account_log, map_log
from netlift.logs.variants import contrast_entries
from netlift.workflow.config import check_config
from netlift.workflow.study import Study

VARIANTS = {"slot1": 1, "slot3": 2}


def entry_with(**changes):
    return {**copy.deepcopy(ENTRY), **changes}


def accounts_of(folder, log, entry, *, suffix="parquet"):
    """Write a log; return the accounts of each variant, and the folder of results."""
    path = folder / f"log.{suffix}"
    log.to_parquet(path) if suffix == "parquet" else log.to_csv(path, index=False)
    settings = log_settings({**entry, "path": str(path)})
    entries = {
        name.removeprefix("shop."): LogEntry.from_config(of_contrast)
        for name, of_contrast in contrast_entries("shop", settings).items()
    }
    folders = {variant: folder / f"shop.{variant}" for variant in entries}
    account_arms(LogEntry.from_config(settings), entries, folders, folder=folder / "shop")
    return {
        variant: pd.read_parquet(path / "slate_outcomes.parquet")
        for variant, path in folders.items()
    }


def table_of(folder, log, entry=ENTRY, **options):
    accounts = accounts_of(folder, log, entry, **options)
    arms = pd.read_parquet(folder / "shop/arms.parquet")
    compared = contrasts(accounts, arms, VARIANTS)
    return arms_table(compared, units={"observed_clicks": "clicks"})


def assert_near_truth(table, truth, errors=4.0):
    """Every line of every contrast is within some standard errors of its truth."""
    for (variant, against), lines in truth.items():
        rows = table[(table["variant"] == variant) & (table["against"] == against)]
        rows = rows.set_index("line")
        for line, value in lines.items():
            row = rows.loc[line]
            assert abs(row["estimate"] - 1000 * value) <= errors * row["se"], (variant, line)


def refused(folder, log, entry=ENTRY, **options):
    with pytest.raises(LogRefusedError) as caught:
        accounts_of(folder, log, entry, **options)
    return str(caught.value)


class TestEstimates:
    # 15 estimates, each within 4 errors: a false alarm in one seed of 1,000, and the seed is fixed.
    @pytest.mark.parametrize("suffix", ["parquet", "csv"])
    def test_they_are_near_the_truth(self, tmp_path, suffix):
        log, truth = draw_arms(11, 8000)
        assert truth["slot1", "control"]["direct"] > 4 * truth["slot3", "control"]["direct"] > 0
        assert_near_truth(table_of(tmp_path, log, suffix=suffix), truth)

    def test_where_users_were_drawn(self, tmp_path):
        log, truth = draw_arms(12, 8000, n_users=1500, by_user=True)
        promotion = ENTRY["promotion"] | {"unit": "user"}
        table = table_of(tmp_path, log, entry_with(promotion=promotion))
        assert_near_truth(table, truth)
        assert set(table["users_errors"].dropna()) == {"same_users_randomized"}

    def test_where_probabilities_differ_between_slates(self, tmp_path):
        rng = np.random.default_rng(13)
        rows = rng.dirichlet((6, 5, 5), 8000) * 0.85 + 0.05
        log, truth = draw_arms(13, 8000, probabilities=rows)
        promotion = copy.deepcopy(ENTRY["promotion"])
        for name, arm in {"control": promotion["control"], **promotion["arms"]}.items():
            del arm["probability"]
            arm["probability_column"] = f"p_{name}"
        table = table_of(tmp_path, log, entry_with(promotion=promotion))
        assert_near_truth(table, truth)
        effects = table[table["kind"].isin(["variant", "pair"]) & table["se"].notna()]
        assert set(effects["estimator"]) == {"hajek"}
        assert "direct_ratio" not in set(table["line"])  # contrasts weight control differently

    def test_parts_add_up_and_pairs_are_differences(self, tmp_path):
        log, _ = draw_arms(14, 3000)
        table = table_of(tmp_path, log)
        by_line = table[table["line"].isin(["direct", "indirect", "total", "other"])].pivot_table(
            index=["variant", "against"], columns="line", values="estimate"
        )
        gap = by_line["direct"] + by_line["indirect"] - by_line["total"]
        assert np.abs(gap).max() < 1e-9
        pair = by_line.loc[("slot3", "control")] - by_line.loc[("slot1", "control")]
        assert np.abs(pair - by_line.loc[("slot3", "slot1")]).max() < 1e-9

    def test_numbers_of_arms_serve(self, tmp_path):
        log, truth = draw_arms(15, 4000)
        log["variant"] = log["variant"].map({"holdout": 0.0, "pin 1": 1.0, "pin 3": 3.0})
        promotion = copy.deepcopy(ENTRY["promotion"])
        promotion["control"]["values"] = ["0"]
        promotion["arms"]["slot1"]["values"] = ["1"]
        promotion["arms"]["slot3"]["values"] = ["3"]
        assert_near_truth(table_of(tmp_path, log, entry_with(promotion=promotion)), truth)


class TestItemsThatControlDoesNotShow:
    def entry(self, second):
        promotion = copy.deepcopy(ENTRY["promotion"])
        for arm in promotion["arms"].values():
            del arm["move"]
        promotion["arms"]["slot1"]["insert"] = {"at": 1}
        promotion["arms"]["slot3"][second] = {"at": 3}
        return entry_with(promotion=promotion)

    @pytest.mark.parametrize("second", ["insert", "replace"])
    def test_they_are_near_the_truth(self, tmp_path, second):
        log, truth = draw_insertions(51, 6000, second=second)
        assert truth["slot1", "control"]["direct"] > truth["slot3", "control"]["direct"] > 0.2
        assert_near_truth(table_of(tmp_path, log, self.entry(second)), truth)

    def test_where_what_is_pushed_out_is_not_logged(self, tmp_path):
        log, truth = draw_insertions(52, 6000)
        assert_near_truth(table_of(tmp_path, log[~log["pushed"]], self.entry("insert")), truth)

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_a_contrast_is_a_log_of_two_arms(self, tmp_path, variant):
        log, _ = draw_insertions(53, 600, second="replace")
        entry = self.entry("replace")
        accounts = accounts_of(tmp_path, log, entry)
        values = {"slot1": "pin 1", "slot3": "pin 3"}[variant]
        path = tmp_path / "alone.parquet"
        log[log["variant"].isin(["holdout", values])].to_parquet(path)
        what = {"slot1": {"insert": {"at": 1}}, "slot3": {"replace": {"at": 3}}}[variant]
        ordinary = entry | {
            "path": str(path),
            "promotion": {"unit": "slate", "probability": 0.3 / (0.3 + 0.4)} | what,
            "meanings": {"promoted": {"promoted": [values], "control": ["holdout"]}},
        }
        names = {"accounts": "a.parquet", "contract": "c.csv", "row_counts": "r.csv"}
        outputs = {name: str(tmp_path / file) for name, file in names.items()}
        account_log(LogEntry.from_config(ordinary), outputs)
        pd.testing.assert_frame_equal(accounts[variant], pd.read_parquet(outputs["accounts"]))

    @pytest.mark.parametrize("order", [("slot1", "slot3"), ("slot3", "slot1")])
    def test_an_item_that_is_not_shown_may_have_no_outcome(self, tmp_path, order):
        log, _ = draw_insertions(54, 600, second="replace")
        entry = self.entry("replace")
        arms = entry["promotion"]["arms"]
        entry["promotion"]["arms"] = {name: arms[name] for name in order}
        (tmp_path / "zeros").mkdir()
        zeros = accounts_of(tmp_path / "zeros", log, entry)
        hidden = log["pushed"] | (log["candidate"] & (log["variant"] == "holdout"))
        missing = accounts_of(tmp_path, log.assign(clicked=log["clicked"].mask(hidden)), entry)
        for variant in VARIANTS:
            pd.testing.assert_frame_equal(zeros[variant], missing[variant])

    def test_of_two_variants_both_show_the_item(self, tmp_path):
        """So an arm of a pair without a click has an error: the other arm's variance."""
        log, _ = draw_insertions(55, 400)
        unseen = log["candidate"] & (log["variant"] == "pin 1")
        log["clicked"] = log["clicked"].mask(unseen, 0)
        accounts = accounts_of(tmp_path, log, self.entry("insert"))
        arms = pd.read_parquet(tmp_path / "shop/arms.parquet")
        compared = contrasts(accounts, arms, VARIANTS)
        (pair,) = (contrast for contrast in compared if contrast.against == "slot1")
        clicks = pair.accounts.groupby("promotion_applied")["observed_clicks_direct_focal"]
        assert clicks.sum()[0] == 0
        table = arms_table(compared, units={"observed_clicks": "clicks"})
        lines = table.set_index(["variant", "against", "line"])
        expected = 1000 * clicks.std()[1] * np.sqrt((1 / clicks.size()).sum())
        assert lines.loc[("slot3", "slot1", "direct"), "se"] == pytest.approx(expected)

    def test_an_item_is_either_shown_without_promotion_or_not(self):
        entry = self.entry("insert") | {"path": "log.csv"}
        del entry["promotion"]["arms"]["slot3"]["insert"]
        entry["promotion"]["arms"]["slot3"]["move"] = {"to": 3}
        with pytest.raises(NetliftError, match="of one slate only one can be true"):
            check_config(merged({"logs": {"shop": entry}}))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arms")
    log, _ = draw_arms(21, 900, n_users=200)
    # Slates of every arm without a focal item are set aside.
    ids = log.groupby("variant")["page"].unique().map(lambda pages: pages[:3]).explode()
    log.loc[log["page"].isin(ids), "candidate"] = False
    entry = entry_with(
        set_aside=["no_focal_item"],
        columns=ENTRY["columns"] | {"final_position": "shown"},
        covariates={"item": {"relevance": "score"}},
    )
    return folder, log, entry, accounts_of(folder, log, entry)


class TestContrastsAreLogsOfTwoArms:
    """The accounts of a contrast are those of a log of its two arms, value for value."""

    def alone(self, folder, log, variant, entry):
        values = {"slot1": "pin 1", "slot3": "pin 3"}[variant]
        alone = log[log["variant"].isin(["holdout", values])]
        path = folder / f"{variant}.parquet"
        alone.to_parquet(path)
        arm = entry["promotion"]["arms"][variant]
        p, q = arm["probability"], entry["promotion"]["control"]["probability"]
        promotion = {"unit": "slate", "probability": p / (p + q), "move": arm["move"]}
        meanings = {"promoted": {"promoted": [values], "control": ["holdout"]}}
        ordinary = entry | {"path": str(path), "promotion": promotion, "meanings": meanings}
        outputs = {
            "accounts": folder / f"{variant}/slate_outcomes.parquet",
            "contract": folder / f"{variant}/contract.csv",
            "row_counts": folder / f"{variant}/row_counts.csv",
        }
        parsed = LogEntry.from_config(ordinary)
        account_log(parsed, {name: str(file) for name, file in outputs.items()})
        items = folder / f"{variant}/items.parquet"
        map_log(parsed, str(outputs["accounts"]), str(items))
        return pd.read_parquet(outputs["accounts"]), pd.read_parquet(items)

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_accounts(self, both, variant):
        folder, log, entry, accounts = both
        alone, _ = self.alone(folder, log, variant, entry)
        pd.testing.assert_frame_equal(accounts[variant], alone)

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_items(self, both, variant):
        folder, log, entry, _ = both
        _, alone = self.alone(folder, log, variant, entry)
        settings = log_settings({**entry, "path": str(folder / "log.parquet")})
        of_contrast = contrast_entries("shop", settings)[f"shop.{variant}"]
        items = folder / "items.parquet"
        accounts = [str(folder / f"shop.{name}/slate_outcomes.parquet") for name in VARIANTS]
        own = accounts.pop(list(VARIANTS).index(variant))
        map_log(LogEntry.from_config(of_contrast), own, str(items), other_accounts=accounts)
        pd.testing.assert_frame_equal(pd.read_parquet(items), alone)

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_every_row_is_counted(self, both, variant):
        folder, log, _, accounts = both
        counts = pd.read_csv(folder / f"shop.{variant}/row_counts.csv").set_index("what")
        other = next(name for name in VARIANTS if name != variant)
        assert counts.loc["in the log", "rows"] == len(log)
        assert counts.loc["used", "slates"] == len(accounts[variant])
        assert counts.loc["set aside: no_focal_item", "slates"] == 6
        in_other = {"slot1": "pin 1", "slot3": "pin 3"}[other]
        assert counts.loc[f"in other arms: {other}", "rows"] == (log["variant"] == in_other).sum()
        assert counts["rows"].iloc[1:].sum() == len(log)

    def test_capped_values_are_the_same_in_accounts_and_items(self, tmp_path):
        log, _ = draw_arms(22, 600)
        log["minutes"] = np.random.default_rng(1).gamma(0.5, 10, len(log)) * log["clicked"]
        entry = entry_with(outcomes={"minutes": {"column": "minutes", "winsorize": 0.9}})
        accounts = accounts_of(tmp_path, log, entry)
        settings = log_settings({**entry, "path": str(tmp_path / "log.parquet")})
        files = {name: str(tmp_path / f"shop.{name}/slate_outcomes.parquet") for name in VARIANTS}
        for name, of_contrast in contrast_entries("shop", settings).items():
            own = name.removeprefix("shop.")
            others = [file for variant, file in files.items() if variant != own]
            items = str(tmp_path / "items.parquet")
            map_log(LogEntry.from_config(of_contrast), files[own], items, other_accounts=others)
            column = "outcome_minutes_winsorized"
            sums = pd.read_parquet(items).groupby("slate_id")[column].sum().to_numpy()
            total = accounts[own].set_index("slate_id")["minutes_winsorized_total"].sort_index()
            np.testing.assert_allclose(sums, total, rtol=1e-12)


class TestRefusals:
    def test_a_value_that_is_in_no_arm(self, tmp_path):
        log, _ = draw_arms(31, 300)
        log.loc[log["page"] == "p0000007", "variant"] = "pin 9"
        text = refused(tmp_path, log)
        assert "unknown_flag (column variant)" in text
        assert "variant is 'pin 9' in 1 slates (6 rows)" in text
        assert "promotion.arms" in text
        assert (tmp_path / "shop/contract_refused.csv").exists()

    def test_an_arm_without_a_value(self, tmp_path):
        log, _ = draw_arms(31, 300)
        log.loc[log["page"] == "p0000007", "variant"] = None
        assert "missing_value (column variant)" in refused(tmp_path, log)

    @pytest.mark.parametrize(("gone", "named"), [("pin 3", "slot3"), ("pin 1", "slot1")])
    def test_an_arm_that_is_declared_and_not_there(self, tmp_path, gone, named):
        log, _ = draw_arms(32, 300)
        text = refused(tmp_path, log[log["variant"] != gone])
        assert "empty_arm" in text
        assert f"{named}: no slate has {gone}" in text
        assert "promotion.arms" in text

    def test_a_slate_in_two_variants(self, tmp_path):
        log, _ = draw_arms(33, 300)
        page = log.loc[log["variant"] == "pin 1", "page"].iloc[0]
        rows = log.index[log["page"] == page]
        log.loc[rows[:2], "variant"] = "pin 3"
        text = refused(tmp_path, log)
        assert "promotion_differs" in text
        assert page in text

    def test_a_user_in_two_variants(self, tmp_path):
        log, _ = draw_arms(34, 900, n_users=150, by_user=True)
        users = log.groupby("visitor")["variant"].first()
        user = users.index[users == "pin 1"][0]
        page = log.loc[log["visitor"] == user, "page"].iloc[0]
        log.loc[log["page"] == page, "variant"] = "pin 3"
        promotion = ENTRY["promotion"] | {"unit": "user"}
        text = refused(tmp_path, log, entry_with(promotion=promotion))
        assert "promotion_differs_in_user" in text
        assert f"user {user}" in text

    def test_a_sample_ratio_of_all_arms(self, tmp_path):
        log, _ = draw_arms(35, 3000, probabilities=(0.4, 0.24, 0.36))
        text = refused(tmp_path, log)
        assert "sample_ratio" in text
        assert "slot3: 0.3" in text
        assert "all arms together: p = " in text
        accepted = accounts_of(tmp_path, log, entry_with(accept=["sample_ratio"]))
        assert len(accepted["slot1"]) > 1000

    def test_probabilities_in_columns_that_do_not_add_up(self, tmp_path):
        log, _ = draw_arms(36, 300)
        log["p_slot3"] = np.where(log["page"] == "p0000002", 0.2, log["p_slot3"])
        promotion = copy.deepcopy(ENTRY["promotion"])
        for name, arm in {"control": promotion["control"], **promotion["arms"]}.items():
            del arm["probability"]
            arm["probability_column"] = f"p_{name}"
        text = refused(tmp_path, log, entry_with(promotion=promotion))
        assert "probabilities_do_not_add_up (column p_control)" in text
        assert "p0000002" in text

    def test_what_was_shown_is_checked_by_the_treatment_of_each_arm(self, tmp_path):
        log, _ = draw_arms(37, 300)
        columns = ENTRY["columns"] | {"final_position": "shown"}
        accounts_of(tmp_path, log, entry_with(columns=columns))
        swapped = log["variant"].map({"holdout": "holdout", "pin 1": "pin 3", "pin 3": "pin 1"})
        text = refused(tmp_path, log.assign(variant=swapped), entry_with(columns=columns))
        assert "focal_not_moved" in text

    def test_three_arms_in_an_ordinary_entry_get_the_keys_to_write(self, tmp_path):
        log, _ = draw_arms(38, 300)
        path = tmp_path / "log.parquet"
        log.to_parquet(path)
        plain = {"unit": "slate", "probability": 0.5}
        outputs = {name: str(tmp_path / f"{name}.csv") for name in ("contract", "row_counts")}
        outputs["accounts"] = str(tmp_path / "accounts.parquet")
        for meanings in ({}, {"promoted": {"promoted": ["pin 1"], "control": ["holdout"]}}):
            entry = entry_with(path=str(path), promotion=plain, meanings=meanings)
            with pytest.raises(LogRefusedError) as caught:
                account_log(LogEntry.from_config(entry), outputs)
            text = str(caught.value)
            assert "variant is 'pin 3' in " in text
            shown = text[text.index("promotion: {") :]
            assert 'pin_1: {values: ["pin 1"], probability: ?, move: {to: ?}}' in shown
            assert 'pin_3: {values: ["pin 3"]' in shown
            if meanings:
                assert 'control: {values: ["holdout"], probability: ?}' in shown
            else:
                assert 'control: {values: ["holdout"]' in shown  # a usual name of control


class TestConfig:
    def problems(self, change):
        entry = entry_with(path="log.csv")
        change(entry)
        with pytest.raises(NetliftError) as caught:
            check_config(merged({"logs": {"shop": entry}}))
        return str(caught.value)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda e: e["promotion"].update(probability=0.5), "promotion.probability"),
            (lambda e: e["promotion"].update(move={"to": 1}), "promotion.move"),
            (lambda e: e["promotion"].pop("control"), "promotion.control"),
            (lambda e: e["promotion"]["arms"].pop("slot3"), "one variant and control"),
            (lambda e: e["promotion"]["control"].update(probability=0.3), "must add up to 1"),
            (
                lambda e: e["promotion"]["arms"]["slot1"].pop("move"),
                "promotion.arms.slot1: say what the arm does",
            ),
            (
                lambda e: e["promotion"]["arms"]["slot1"].update(badge={}),
                "move and badge",
            ),
            (
                lambda e: e["promotion"]["arms"]["slot1"].update(values=["pin 3"]),
                "pin 3 cannot mean two arms",
            ),
            (
                lambda e: e["promotion"]["arms"].update(Slot1=e["promotion"]["arms"]["slot1"]),
                "differ only in case",
            ),
            (
                lambda e: e["promotion"]["arms"].update(control={"move": {"to": 2}}),
                "control is not a variant",
            ),
            (
                lambda e: e["promotion"]["arms"]["slot1"].update(probability_column="p"),
                "slot1: give either probability or probability_column",
            ),
            (
                lambda e: e.update(meanings={"promoted": {"promoted": ["1"], "control": ["0"]}}),
                "meanings.promoted",
            ),
            (lambda e: e["columns"].update(probability="p"), "columns.probability"),
            (
                lambda e: e["promotion"]["arms"].update({"a.b": {"move": {"to": 2}}}),
                "a.b",
            ),
            (lambda e: e["promotion"]["arms"]["slot1"].update(mov={"to": 1}), "did you mean"),
        ],
    )
    def test_keys_that_contradict_each_other(self, change, said):
        assert said in self.problems(change)

    def test_contrasts_are_logs_in_the_order_of_the_entry(self):
        config = check_config(merged({"logs": {"shop": entry_with(path="log.csv")}}))
        study = Study.from_config(config)
        assert list(study.logs) == ["shop.slot1", "shop.slot3"]
        assert study.contrasts("shop") == list(study.logs)
        assert study.log("shop.slot3").treatment.to == 3
        assert study.log("shop.slot1").probability == pytest.approx(3 / 7)
        assert study.log("shop").arms[0].name == "control"
        assert (
            study.page_settings("logs/shop.slot1")["entry"]["title"]
            == "shop: slot1 against control"
        )
