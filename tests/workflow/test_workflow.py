"""The workflow as a user runs it: end to end, twice, and after one edit at a time."""

import csv
import re
import shutil
import zipfile

import pandas as pd
import pytest
from runs import DESIGN, ROOT, SLATES, STUDY, checkout, edit, run, stale

from netlift.promotion.exposure import compared

WORLDS = ("reference", "logit", "similarity")
MOVED = "worlds={moved: {model: similarity, target_click_rate: 0.2, kappa: 0.5}}"
"""The world similarity of the config with another kappa: its other values are the defaults."""
CONFIG = "studies/tiny/config"
PAGES = {"studies/tiny/index", "studies/tiny/verdict", "index"}
"""The front page, its headline, and the list of all studies."""
OVER_WORLDS = PAGES | {
    f"studies/tiny/size=6/seed=20260428/from_third/{name}"
    for name in ("robustness", "decision_statements", "figures/robustness")
}
"""What puts all worlds side by side."""
SLATE_SET, BELOW = SLATES.removeprefix("results/"), DESIGN.removeprefix("results/")
"""As `stale` gives them."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished tiny study; tests that edit it put it back."""
    folder = checkout(tmp_path_factory.mktemp("study"))
    run(folder)
    return folder


@pytest.fixture
def edited(study):
    """The finished study, whose sources are put back after the test."""
    yield study
    for name in ("config", "workflow"):
        for path in (ROOT / name).rglob("*"):
            copy = study / path.relative_to(ROOT)
            if path.is_dir() or path.suffix == ".pyc":
                continue
            if not copy.exists() or copy.read_bytes() != path.read_bytes():
                shutil.copyfile(path, copy)


def test_it_makes_every_table(study):
    expected = {
        "observed_effects",
        "component_support",
        "component_effects",
        "additivity_checks",
        "spillover_support",
        "spillover_sensitivity",
        "product_summary",
        "risk_by_position",
        "risk_by_cluster",
        "conclusions",
        "decision_statements",
    }
    for world in WORLDS:
        effects = study / DESIGN / world / "effects"
        assert expected <= {path.stem for path in effects.glob("*.csv")}
        for path in effects.glob("*.csv"):
            rows = list(csv.reader(path.open(encoding="utf-8", newline="")))
            assert len(rows) > 1, f"{path} is empty"
            assert "nan" not in {field.lower() for row in rows for field in row}, path
        assert (study / DESIGN / world / "world.json").exists()
    for name in (
        f"{STUDY}/config.yaml",
        f"{STUDY}/index.html",
        "results/index.html",
        f"{DESIGN}/grid/tiny.parquet",
        f"{DESIGN}/grid/tiny.png",
        "results/tiny/small/scorer/accuracy.csv",
    ):
        assert (study / name).exists()
    assert "studies/tiny/index.html" in (study / "results/index.html").read_text(encoding="utf-8")
    assert not [path for path in study.rglob(".*-*") if path.parent.name != ".snakemake"]


def test_the_ledger_adds_up_and_agrees_with_items(study):
    for world in WORLDS:
        items = pd.read_parquet(study / DESIGN / world / "items.parquet")
        effects = pd.read_csv(study / DESIGN / world / "effects/component_effects.csv")
        checks = pd.read_csv(study / DESIGN / world / "effects/additivity_checks.csv")
        assert checks["holds"].all()
        clicks = items.groupby(["slate_id", "promotion_applied"])["click"].sum().reset_index()
        arms = clicks.groupby("promotion_applied")["click"].mean()
        total = effects[
            (effects["outcome_type"] == "observed_clicks")
            & (effects["line"] == "total")
            & (effects["estimator"] == "difference_in_means")
        ]["estimate_per_slate"].item()
        assert total == pytest.approx(arms[1] - arms[0], abs=1e-12)


@pytest.mark.long
def test_a_grid_point_is_the_full_experiment(study):
    grid = pd.read_parquet(study / DESIGN / "grid/tiny.parquet")
    point = grid[(grid["g"] == 3.0) & (grid["kappa"] == 0.5)].set_index("quantity")
    config = (study / "config/config.yaml").read_text()
    assert "kappa: 0.3" in config  # of the world itself; the grid's point is another one
    run(study, f"{DESIGN}/moved/effects/component_effects.csv", "--config", MOVED)
    effects = pd.read_csv(study / DESIGN / "moved/effects/component_effects.csv")
    own = effects[
        (effects["outcome_type"] == "observed_clicks")
        & (effects["estimator"] == "difference_in_means")
    ].set_index("line")
    for component, line in own.iterrows():
        assert point.at[component, "estimate"] == pytest.approx(
            line["estimate_per_slate"], abs=1e-12
        )
        assert point.at[component, "se"] == pytest.approx(line["se"], abs=1e-12)
    shutil.rmtree(study / DESIGN / "moved")


def test_snakemakes_own_report_holds_every_page_table_and_figure(study):
    run(study, "--report", "report.zip")
    with zipfile.ZipFile(study / "report.zip") as archive:
        names = archive.namelist()
    (study / "report.zip").unlink()
    assert any(name.endswith("report.html") for name in names)
    for path in (study / DESIGN / "logit").rglob("*"):
        if path.suffix in (".csv", ".svg") and path.parent.name != "fitted":
            assert any(name.endswith(path.name) for name in names), path


def test_worlds_share_slates_designs_and_chance(study):
    one, other = (
        pd.read_parquet(study / DESIGN / world / "items.parquet")
        for world in ("reference", "logit")
    )
    shared = list(compared(pd.read_parquet(study / DESIGN / "exposure.parquet")))
    pd.testing.assert_frame_equal(one[shared], other[shared])


def test_a_second_run_finds_nothing_to_do(study):
    assert stale(study) == set()
    assert "Nothing to be done" in run(study)


@pytest.mark.long
def test_asking_for_more_memory_rebuilds_nothing(study):
    more = [f"{rule}:mem_mb=9999" for rule in ("import_ratings", "build_slates", "fit_models")]
    assert stale(study, "--set-resources", *more) == set()


@pytest.mark.long
def test_one_core_and_two_give_the_same_values(study, tmp_path):
    """Of one world; `make reproduce` compares every file, and takes as long as two runs."""
    alone, one_world = checkout(tmp_path), "study={worlds: [similarity], grids: [tiny]}"
    run(alone, "--config", one_world, "--", "effects", "grids", cores=1)
    files = (path for path in (alone / "results").rglob("*.*") if path.is_file())
    tables = sorted(path.relative_to(alone) for path in files if path.parent.name != ".records")
    assert len(tables) > 30
    for table in tables:
        if str(table.relative_to("results").with_suffix("")) in OVER_WORLDS:
            continue
        if table.suffix == ".parquet":
            one, two = pd.read_parquet(study / table), pd.read_parquet(alone / table)
            pd.testing.assert_frame_equal(one, two, check_exact=True)
        else:
            assert (study / table).read_bytes() == (alone / table).read_bytes(), table


class TestStaleness:
    """One edit at a time, and exactly the outputs that become outdated."""

    logit = "target_click_rate: 0.2\n    b_r: 0.8\n    b_v: 1.2\n    g_c: 0.8\n"

    def config(self, folder):
        return folder / "config/config.yaml"

    def below(self, *roots):
        return lambda files: {name for name in files if name.startswith(roots)}

    def test_a_world_parameter_rebuilds_that_world_alone(self, edited):
        edit(self.config(edited), self.logit, self.logit.replace("b_r: 0.8", "b_r: 0.9"))
        files = stale(edited) - {CONFIG}
        assert files >= OVER_WORLDS
        files -= OVER_WORLDS
        assert f"{BELOW}/logit/items" in files
        assert f"{BELOW}/logit/effects/decision_statements" in files
        assert files == self.below(f"{BELOW}/logit/")(files)

    def test_two_parameters_that_swap_their_values_rebuild(self, edited):
        swapped = self.logit.replace("b_r: 0.8", "b_r: 1.2").replace("b_v: 1.2", "b_v: 0.8")
        edit(self.config(edited), self.logit, swapped)
        assert f"{BELOW}/logit/items" in stale(edited)

    @pytest.mark.long
    @pytest.mark.parametrize(
        ("file", "old", "new"),
        [
            ("config", "log_popularity: 0.10", "log_popularity: 0.1"),
            (
                "config",
                "    b_r: 0.8\n    b_v: 1.2\n    g_c: 0.8\n",
                "    g_c: 0.8\n    b_v: 1.2\n    b_r: 0.8\n",
            ),
            ("studies/tiny", "n_slates: 200\n", "n_slates: 200.0\n"),
            ("studies/tiny", "pool: 20}", "pool: 20, damping: 5.0}"),
            ("config", "archives: null", "archives: /somewhere"),
        ],
        ids=["0.10 to 0.1", "key order", "200 to 200.0", "a default", "where archives lie"],
    )
    def test_what_changes_no_value_rebuilds_nothing(self, edited, file, old, new):
        edit(edited / f"config/{file}.yaml", old, new)
        assert stale(edited) == set()

    @pytest.mark.long
    def test_an_unrelated_key_rebuilds_only_the_written_config(self, edited):
        with self.config(edited).open("a") as file:
            file.write("\n# a comment\n")
        edit(self.config(edited), "window: 50", "window: 40")
        assert stale(edited) == {CONFIG}

    @pytest.mark.long
    def test_a_title_of_a_data_set_rewrites_the_pages_alone(self, edited):
        old = "title: A tiny synthetic data set"
        edit(edited / "config/datasets.yaml", old, "title: A small one")
        pages = {f"{BELOW}/{world}/{file}" for world in WORLDS for file in ("report", "decision")}
        assert stale(edited) == pages | PAGES | {CONFIG}

    @pytest.mark.long
    def test_a_template_rewrites_the_pages_alone(self, edited):
        with (edited / "workflow/report/page.css").open("a") as file:
            file.write("\n/* an edit */\n")
        assert {name.split("/")[-1] for name in stale(edited)} == {
            *("report", "decision", "index", "verdict")
        }

    @pytest.mark.long
    def test_a_sweep_that_was_run_rewrites_the_front_page_alone(self, edited):
        sweep = edited / STUDY / "sweep/from_third"
        sweep.mkdir(parents=True)
        try:
            (sweep / "summary.csv").write_text("world\nlogit\n")
            assert stale(edited) == PAGES
        finally:
            shutil.rmtree(sweep.parent)

    @pytest.mark.long
    def test_another_study_of_the_same_experiments_has_its_own_front_page_alone(self, edited):
        files = stale(edited, "--config", "study={name: other, worlds: [logit]}")
        own = self.below("studies/other/")(files)
        assert {"studies/other/index", "studies/other/config"} <= own
        assert "studies/other/size=6/seed=20260428/from_third/robustness" in own
        assert files == own | {"index"}

    @pytest.mark.long
    @pytest.mark.parametrize(
        ("choice", "own"),
        [
            ("slates={own: {n_slates: 150}} study={name: other, slates: own}", "tiny/own/"),
            (
                "promotions={own: {focal_position_first: 3, probability: 0.3}} "
                "study={name: other, promotions: [own]}",
                "tiny/small/size=6/seed=20260428/own/",
            ),
        ],
        ids=["recipe", "promotion"],
    )
    def test_another_recipe_or_promotion_leaves_all_of_the_first_alone(self, edited, choice, own):
        files = stale(edited, "--config", *re.split(r" (?=study)", choice))
        assert any(name.startswith(own) for name in files)
        assert files == self.below(own, "studies/other/")(files) | {"index"}

    def test_a_new_slate_size_leaves_the_old_one_alone(self, edited):
        files = stale(edited, "--config", "study={sizes: [6, 8]}")
        assert "tiny/small/size=8/seed=20260428/slates" in files
        own = self.below("tiny/small/size=8/", "studies/tiny/size=8/")(files)
        assert files - PAGES - {CONFIG} == own

    def test_the_estimates_settings_leave_the_experiment_alone(self, edited):
        edit(edited / "config/studies/tiny.yaml", "min_slates: 10", "min_slates: 12")
        files = stale(edited) - {CONFIG}
        assert any(name.endswith("effects/risk_by_cluster") for name in files)
        assert not any(
            name.endswith(("items", "slate_outcomes", "effects/observed_effects")) for name in files
        )

    def test_a_module_of_the_library_rebuilds_what_imports_it(self, edited):
        with (edited / "workflow/lib/netlift/promotion/exposure.py").open("a") as file:
            file.write("\n# an edit\n")
        files = stale(edited)
        assert f"{BELOW}/exposure" in files
        assert f"{SLATE_SET}/slates" not in files
        assert "tiny/small/scorer/users" not in files

    def test_the_module_of_one_world_rebuilds_that_world_alone(self, edited):
        with (edited / "workflow/lib/netlift/worlds/models/logit.py").open("a") as file:
            file.write("\n# an edit\n")
        files = stale(edited) - OVER_WORLDS
        assert f"{BELOW}/logit/items" in files
        assert files == self.below(f"{BELOW}/logit/")(files)

    @pytest.mark.long
    def test_a_grid_rebuilds_with_its_world_or_its_values_and_nothing_else_does(self, edited):
        edit(edited / "config/studies/tiny.yaml", "g: [0.0, 3.0]", "g: [0.0, 4.0]")
        assert stale(edited) == PAGES | {f"{BELOW}/grid/tiny", CONFIG}
        edit(self.config(edited), "    genre_weight: 0.5", "    genre_weight: 0.25")
        files = stale(edited) - OVER_WORLDS - {CONFIG, f"{BELOW}/grid/tiny"}
        assert files == self.below(f"{BELOW}/similarity/")(files)

    def test_an_edit_of_a_script_rebuilds_its_rule(self, edited):
        with (edited / "workflow/scripts/assign_promotion.py").open("a") as file:
            file.write("\n# an edit\n")
        files = stale(edited)
        assert f"{BELOW}/exposure" in files
        assert f"{SLATE_SET}/slates" not in files

    def test_a_bare_touch_rebuilds_nothing(self, edited):
        for name in (
            "lib/netlift/promotion/exposure.py",
            "scripts/assign_promotion.py",
            "Snakefile",
        ):
            (edited / "workflow" / name).touch()
        (edited / SLATES / "slates.parquet").touch()
        assert stale(edited) == set()


@pytest.mark.long
def test_a_new_seed_of_fewer_slates_gives_the_first_of_more(study, tmp_path):
    few = checkout(tmp_path)
    target = f"{DESIGN}/exposure.parquet"
    run(few, target, "--config", "slates={small: {n_slates: 120}}")
    more = pd.read_parquet(study / target)
    pd.testing.assert_frame_equal(
        pd.read_parquet(few / target).astype({"spillover_cluster": str}),
        more[more["slate_id"] < 120].reset_index(drop=True).astype({"spillover_cluster": str}),
        check_categorical=False,
    )


class TestBadInput:
    def test_a_typo_in_a_path_names_the_nearest(self, tmp_path):
        folder = checkout(tmp_path)
        said = run(folder, "-n", "--", f"{DESIGN}/logitt/report.html", ok=False)
        assert f"did you mean {DESIGN}/logit/report.html?" in "".join(said.split("\n"))
        assert "Traceback" not in said
        run(folder, "-n", "--", f"{DESIGN}/logit/report.html")

    def test_a_typo_in_the_config_stops_before_anything_is_made(self, tmp_path):
        folder = checkout(tmp_path)
        edit(folder / "config/config.yaml", "\n    n_slates: 3000", "\n    n_slate: 3000")
        output = run(folder, ok=False)
        assert "slates.scorer.n_slate: unknown key; did you mean slates.scorer.n_slates?" in output
        assert "Traceback" not in output
        assert not (folder / "results").exists()

    def test_too_many_slates_say_how_many_there_are_and_what_to_do(self, tmp_path):
        folder = checkout(tmp_path)
        output = run(folder, "slates", "--config", "slates={small: {n_slates: 999999}}", ok=False)
        assert "999,999 slates requested" in output
        assert "slates.NAME.max_per_user" in output
        assert not (folder / SLATES / "slates.parquet").exists()
        assert "logs/tiny/small/size=6/seed=20260428/build_slates.log" in output
