"""The record of a study: experiments, cases, the settings and files of each rule, resources."""

import ast

import pytest
import yaml
from configs import ROOT, merged

from netlift.core.errors import NetliftError
from netlift.workflow.config import check_config
from netlift.workflow.experiment import Experiment
from netlift.workflow.resources import (
    Measured,
    repeats,
    requested_mb,
    requested_minutes,
    slates_share,
)
from netlift.workflow.shared import changed_names
from netlift.workflow.study import Study
from netlift.workflow.values import canonical, settings

LOGIT = "ml-small/scorer/size=12/seed=20260428/to_first/logit"
LOG = {
    "path": "mine.csv",
    "columns": {
        "slate": "s",
        "item": "i",
        "position": "p",
        "promoted": "d",
        "focal": "f",
    },
    "outcomes": {"watch_time": {"column": "w", "unit": "minutes"}, "orders": {"column": "o"}},
    "promotion": {"unit": "slate", "probability": 0.5},
}


def study(*overlays):
    return Study.from_config(check_config(merged(*overlays)))


@pytest.fixture(scope="module")
def default():
    return study({"logs": {"mine": LOG}, "slates": {"few": {"n_slates": 60}}})


@pytest.fixture(scope="module")
def tiny():
    return study(yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text()))


# --- Experiments ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [LOGIT, "logs/mine", "ml-32m/small/size=6/seed=1/a-b/own_world"])
def test_the_path_of_an_experiment_is_parsed_and_formatted(path):
    assert Experiment.parse(path).path == path


@pytest.mark.parametrize(
    "path",
    ["", "logs", "logs/a/b", "x/y/size=a/seed=1/z/logit", "x/size=6/seed=1/logit", "x/logit"],
)
def test_another_path_is_no_experiment(path):
    with pytest.raises(NetliftError, match="is no experiment"):
        Experiment.parse(path)


def test_the_parts_of_a_path():
    choices = ("ml-small", "scorer", 12, 20260428, "to_first", "logit")
    assert Experiment.parse(LOGIT) == Experiment(*choices)
    assert Experiment.parse(LOGIT).slate_set == "ml-small/scorer/size=12/seed=20260428"
    assert Experiment.parse(LOGIT).design == "ml-small/scorer/size=12/seed=20260428/to_first"
    assert Experiment.parse("logs/mine") == Experiment(log="mine")


def test_a_configuration_names_the_parts_of_an_experiment_or_not(default):
    other_seed = Experiment.parse(LOGIT.replace("20260428", "7"))
    assert other_seed not in default.experiments
    assert default.names(other_seed)
    assert default.names(Experiment.parse("logs/another"))
    for part in ("ml-small", "scorer", "to_first", "logit"):
        assert not default.names(Experiment.parse(LOGIT.replace(part, "another"))), part


def test_there_is_an_experiment_for_each_size_seed_promotion_and_world():
    lists = {"seeds": [1, 2], "sizes": [6, 8], "promotions": ["few", "to_first"]}
    several = study(
        {
            "study": lists | {"worlds": ["logit", "mnl"], "name": "several"},
            "promotions": {"few": {"probability": 0.1}},
        }
    )
    folders = [f"size={size}/seed={seed}" for size in (6, 8) for seed in (1, 2)]
    designs = [f"{folder}/{promotion}" for folder in folders for promotion in ("few", "to_first")]
    assert [experiment.path for experiment in several.experiments] == [
        f"ml-small/scorer/{design}/{world}" for design in designs for world in ("logit", "mnl")
    ]
    assert slate_sets(several) == [f"ml-small/scorer/{folder}" for folder in folders]
    assert several.designs == [f"ml-small/scorer/{design}" for design in designs]
    assert several.over_worlds == [f"studies/several/{design}" for design in designs]
    assert several.over_promotions == [f"studies/several/{folder}" for folder in folders]
    assert [experiment.path for experiment in several.compared(8, 2)] == [
        f"ml-small/scorer/size=8/seed=2/{promotion}/{world}"
        for world in ("logit", "mnl")
        for promotion in ("few", "to_first")
    ]
    assert several.promotion_settings("few", 1)["probability"] == 0.1
    assert several.promotion_settings("to_first", 1)["probability"] == 0.5


def test_the_promotions_study_has_the_default_worlds_with_a_mark(default):
    overlay = yaml.safe_load((ROOT / "config/studies/promotions.yaml").read_text())
    promotions = study(overlay)
    for name in promotions.worlds:
        usual = default.world(name.removesuffix("_marked"))
        assert promotions.world(name) == usual | {"promotion_badge": 0.4}
    assert promotions.over_promotions == ["studies/promotions/size=12/seed=20260428"]
    assert default.over_promotions == []
    assert promotions.promotions_settings()["phrases"].keys() == set(promotions.promotions)


def test_another_recipe_has_other_folders_for_all_that_depends_on_it():
    history = study(yaml.safe_load((ROOT / "config/studies/reference.yaml").read_text()))
    (experiment,) = history.experiments
    assert experiment.path == "ml-small/history/size=12/seed=20260428/to_first/reference"
    default = study()
    assert history.folder != default.folder
    assert not set(slate_sets(history)) & set(slate_sets(default))


@pytest.mark.parametrize("path", sorted((ROOT / "config/studies").glob("*.yaml")), ids=str)
def test_no_shipped_study_writes_over_another_s_results(path):
    """Studies that share a recipe or a promotion by its name have it with the same values."""
    own = study(yaml.safe_load(path.read_text()))
    for other_path in [None, *(ROOT / "config/studies").glob("*.yaml")]:
        if other_path == path:
            continue
        other = study(yaml.safe_load(other_path.read_text())) if other_path else study()
        assert own.name != other.name
        if (own.dataset, own.slates) == (other.dataset, other.slates):
            assert own.recipe(own.slates) == other.recipe(own.slates)
            for name in set(own.promotions) & set(other.promotions):
                assert own.promotion(name) == other.promotion(name)


def test_seed_units_and_titles_of_an_experiment(default):
    assert (default.seed(LOGIT), default.unit(LOGIT)) == (20260428, "clicks")
    assert default.seed("logs/mine") == 20260428
    assert default.units("logs/mine") == {"observed_clicks": "minutes", "orders": "orders"}
    assert default.movies(LOGIT) == "resources/datasets/ml-small/movies.parquet"
    assert default.movies("logs/mine") == default.movies("gone/x/size=6/seed=1/y/logit") == []


@pytest.mark.parametrize(
    ("overlay", "warned"),
    [
        ({}, []),
        ({"slates": {"scorer": {"n_slates": 9}}}, ["slates.scorer"]),
        ({"slates": {"few": {"n_slates": 9}}}, []),  # neither study uses it
        ({"slates": {"few": {"n_slates": 9}}, "study": {"slates": "few"}}, []),
        ({"promotions": {"to_first": {"probability": 0.3}}}, ["promotions.to_first"]),
        ({"worlds": {"logit": {"b_r": 0.3}, "mnl": {"b_r": 0.2}}}, ["worlds.logit", "worlds.mnl"]),
        ({"worlds": {"similarity": {"g": 0.3}}}, []),
        ({"slates": {"scorer": {"n_slates": 9}}, "dataset": "tiny"}, []),
    ],
)
def test_what_another_study_has_with_other_values_is_warned(default, tmp_path, overlay, warned):
    for name in ("default", "mine"):
        folder = tmp_path / "studies" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(default.config_settings()))
    mine = study({"study": {"name": "mine"}}, overlay)
    warnings = list(changed_names(mine, tmp_path))
    assert [text.split(" is not ")[0] for text in warnings] == warned
    assert all("study default" in text for text in warnings)


# --- Settings ------------------------------------------------------------------------------------


def every_setting(study):
    """Return the settings of every rule, by rule."""
    world, grid, case = study.worlds[0], study.grids[0], "standard"
    path = study.experiments[0].path
    return {
        "write_config": study.config_settings(),
        "import_ratings": study.import_settings(study.dataset),
        "fit_scorer": study.scorer_settings(study.slates),
        "build_slates": study.slate_settings(study.slates, size=6, seed=1),
        "build_case_slates": study.case_slate_settings("many_per_user", 12),
        "assign_promotion": study.promotion_settings(study.promotions[0], 1),
        "simulate_clicks": study.click_settings(world, study.promotions[0], 1),
        "estimate_ledger": study.ledger_settings(path),
        "estimate_delivered": study.delivered_settings(path),
        "estimate_row_effects": study.row_effect_settings(path),
        "estimate_diversion": study.diversion_settings(path),
        "test_randomization": study.randomization_settings(path),
        "fit_models": study.model_settings(path),
        "compare_policies": study.policy_settings(path),
        "compare_candidates": study.candidate_settings(path),
        "compute_grid": study.grid_settings(grid, 20260428),
        "sweep_slates": study.sweep_slate_settings(study.slates, "to_first", 6, "1-2"),
        "sweep_effects": study.sweep_effect_settings(world, 6),
        "validate_case": study.case_settings(case, "to_first", world),
        "account_log": study.log_settings("mine"),
        "analyse_log": study.section_settings("mine"),
        "write_report": study.page_settings(path),
        "describe_log": study.page_settings("logs/mine"),
        "compare_promotions": study.promotions_settings(),
        "write_front_page": study.front_page_settings(other_results={}),
    }


def slate_sets(made: Study) -> list[str]:
    """Return the folders of slates, each once."""
    return list(dict.fromkeys(experiment.slate_set for experiment in made.experiments))


KEYS = {
    "import_ratings": "downloads entry name",
    "fit_scorer": "damping factors train_share",
    "build_slates": "builder clusters max_per_user n_slates scorer seed size",
    "build_case_slates": "builder clusters max_per_user n_slates n_users scorer seed size",
    "assign_promotion": "assignment focal_position_first focal_position_last probability seed unit",
    "simulate_clicks": "seed treatment world",
    "estimate_ledger": "bootstrap_draws main_estimator margins min_slates moved_share "
    "power_effects seed units",
    "estimate_delivered": "main_estimator units",
    "estimate_row_effects": "bootstrap_draws main_estimator near_positions outcome seed",
    "estimate_diversion": "bands min_slates outcome",
    "test_randomization": "near_positions outcome permutations seed studentized",
    "compute_grid": "definitions near_positions parameters seed world",
    "sweep_slates": "promotion seeds slates",
    "sweep_effects": "main_estimator name size world",
    "validate_case": "case draws folds main_estimator min_slates model_replicates n_slates name "
    "near_positions permutations policy promotion replicates seed segment_replicates "
    "test_replicates world",
    "analyse_log": "experiment parts row_stages",
    "write_report": "dataset decision entry inference models policy promotion seed size slates "
    "world world_entry",
    "describe_log": "decision entry inference log models policy",
    "compare_promotions": "experiments phrases",
    "write_front_page": "arm_logs arms entry experiments grids logs other_results over_promotions "
    "over_worlds study sweeps validations",
}


def test_settings_are_plain_sorted_and_can_be_read_from_their_text(default):
    for rule, values in every_setting(default).items():
        assert ast.literal_eval(repr(values)) == values, rule
        assert repr(canonical(values)) == repr(values), rule


def test_a_rule_has_the_keys_that_it_uses_and_no_others(default):
    changed = study({"logs": {"mine": LOG}, "promotions": {"to_first": {"focal_position_last": 9}}})
    for rule, keys in KEYS.items():
        assert sorted(every_setting(changed)[rule]) == keys.split(), rule
    assert "focal_position_last" not in study(
        {"promotions": {"to_first": {"focal_position_last": None}}}
    ).promotion_settings("to_first", 1)


def test_variants_of_one_promotion_are_compared_by_means():
    """So that the difference of two variants' effects is the effect of one against the other."""
    arms = {
        "slot1": {"move": {"to": 1}, "probability": 0.3},
        "slot3": {"move": {"to": 3}, "probability": 0.3},
    }
    several = {name: {"values": [name], **arm} for name, arm in arms.items()}
    control = {"values": ["none"], "probability": 0.4}
    log = {**LOG, "promotion": {"unit": "slate", "control": control, "arms": several}}
    overlay = {
        "study": {"promotions": ["to_first", "slots"]},
        "promotions": {"slots": {"arms": arms}},
        "logs": {"mine": LOG, "shop": log},
    }
    made = study(overlay)
    declared = {
        experiment.promotion: made.ledger_settings(experiment.path)["main_estimator"]
        for experiment in made.experiments
    }
    means = "difference_in_means"
    assert declared == {"to_first": "lin", "slots.slot1": means, "slots.slot3": means}
    of_logs = {name: made.ledger_settings(f"logs/{name}")["main_estimator"] for name in made.logs}
    assert of_logs == {"mine": "lin", "shop.slot1": means, "shop.slot3": means}


def test_settings_are_those_of_the_configuration(default):
    config, values = default.config, every_setting(default)
    assert values["write_config"] == {key: config[key] for key in config if key != "archives"}
    assert values["assign_promotion"] == config["promotions"]["to_first"] | {"seed": 1}
    assert values["fit_models"] == config["models"] | {"seed": 20260428, "outcome": "clicks"}
    used = config["policy"] | {"seed": 20260428, "outcome": "clicks"}
    assert values["compare_candidates"] == used | {"treatment": {}}
    assert values["compare_policies"] == {
        key: value for key, value in used.items() if key not in ("top_k", "max_group_share")
    }
    assert values["simulate_clicks"]["world"] == config["worlds"]["reference"]
    assert values["import_ratings"]["entry"].keys().isdisjoint({"title", "license"})


def test_the_scorer_reaches_slates_through_its_files_alone(default):
    scorer = default.slate_settings("scorer", size=6, seed=1)["scorer"]
    assert scorer.keys().isdisjoint({"damping", "factors"})
    assert "train_share" in scorer
    assert default.uses_scorer("scorer")
    folder = "results/ml-small/scorer/scorer"
    assert default.scorer_tables("ml-small", "scorer") == {
        f"scorer_{which}": f"{folder}/{which}.parquet" for which in ("users", "items")
    }
    both = study({"slates": {"own": {"builder": "history"}}})
    assert not both.uses_scorer("own")
    assert both.scorer_tables("ml-small", "own") == {}
    assert "scorer" not in both.slate_settings("own", size=6, seed=1)
    assert both.slate_settings("scorer", size=6, seed=1)["builder"] == "scorer"


def test_one_world_s_parameters_are_in_its_own_settings_alone(default):
    changed = study({"worlds": {"logit": {"b_r": 0.123}}, "logs": {"mine": LOG}})
    before, after = every_setting(default), every_setting(changed)
    assert {rule for rule in before if before[rule] != after[rule]} == {
        "write_config",
        "compute_grid",
    }
    assert default.click_settings("logit", "to_first", 1) != changed.click_settings(
        "logit", "to_first", 1
    )


def test_the_order_of_a_log_s_outcomes_and_of_a_grid_s_parameters_is_kept(default):
    assert default.log_settings("mine")["outcome_order"] == ["watch_time", "orders"]
    assert default.page_settings("logs/mine")["entry"]["outcome_order"] == ["watch_time", "orders"]
    entry = {"world": "logit", "parameters": {"g_c": [0.1], "b_v": [1.0]}}
    made = study({"grids": {"x": entry}, "study": {"grids": ["x"]}})
    assert [name for name, _ in made.grid_settings("x", 20260428)["parameters"]] == ["g_c", "b_v"]


def test_what_an_outcome_is_called_is_no_setting_of_the_reading_of_a_log(default):
    outcomes = LOG["outcomes"] | {"orders": {"column": "o", "unit": "baskets"}}
    log = LOG | {"title": "Mine", "row_stages": False, "outcomes": outcomes}
    renamed = study({"logs": {"mine": log}})
    assert renamed.units("logs/mine") != default.units("logs/mine")
    assert renamed.log_settings("mine") == default.log_settings("mine")
    sections = {"experiment": True, "parts": True, "row_stages": False}
    assert renamed.section_settings("mine") == sections
    sent = study({"logs": {"mine": LOG | {"columns": LOG["columns"] | {"delivered": "x"}}}})
    assert sent.section_settings("mine")["delivery"] is True


def test_the_page_of_a_log_that_no_study_names_has_an_empty_entry(default):
    assert default.page_settings("logs/other")["entry"] == {}


def test_settings_refuse_what_is_not_plain():
    assert settings(b=(1, 2), a={"d": None, "c": "x"}) == {"a": {"c": "x", "d": None}, "b": [1, 2]}
    with pytest.raises(TypeError, match="not a plain value"):
        settings(path=ROOT)


# --- Grids, sweeps, the validation ---------------------------------------------------------------


def test_a_grid_has_its_world_with_changes_and_the_study_s_first_slates(default):
    entry = {"world": "logit", "changes": {"b_r": 0.5}, "parameters": {"b_v": [1.0]}}
    made = study({"grids": {"x": entry}, "study": {"grids": ["x"]}})
    values = made.grid_settings("x", 20260428)
    assert values["world"] == made.world("logit") | {"b_r": 0.5}
    assert values["seed"] == 20260428
    folder = "ml-small/scorer/size=12/seed=20260428/to_first"
    assert made.grid_paths == [f"{folder}/grid/x"]
    assert made.grid_inputs("ml-small", "scorer", "x") == {}
    other = study({"grids": {"x": entry | {"size": 8, "seed": 3}}, "study": {"grids": ["x"]}})
    assert other.grid_paths == ["ml-small/scorer/size=8/seed=3/to_first/grid/x"]


def test_a_world_that_compares_items_needs_their_tables(tiny):
    movies = {"movies": "resources/datasets/tiny/movies.parquet"}
    assert tiny.similarity_tables("tiny", "small", "logit") == {}
    by_genres = study({"worlds": {"similarity": {"source": "genres"}}})
    assert by_genres.similarity_tables("tiny", "scorer", "similarity") == movies
    by_factors = study({"worlds": {"similarity": {"source": "factors"}}})
    scorer = {"scorer_items": "results/tiny/small/scorer/items.parquet"}
    assert by_factors.similarity_tables("tiny", "small", "similarity") == movies | scorer


def test_the_files_of_a_sweep_keep_the_blocks_that_exist(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = tiny.sweep_files("from_third", "effects.parquet")
    assert files == [
        f"results/tiny/small/sweep/size={size}/seeds={block}/from_third/{world}/effects.parquet"
        for size in (6, 8)
        for block in ("1-2", "3-4")
        for world in ("logit", "similarity")
    ]
    for block in ("seeds=2-4/from_third", "seeds=1-4/another"):
        (tmp_path / "results/tiny/small/sweep/size=6" / block).mkdir(parents=True)
    paths = [path for path in tiny.sweep_files("from_third", "x") if "size=6" in path]
    assert {path.split("/")[5] for path in paths} == {"seeds=1", "seeds=2-4"}


def test_a_sweep_or_a_validation_that_cannot_run_is_refused():
    wrong = study(
        {"sweep": {"worlds": ["logitt"]}, "validation": {"cases": {"x": {"worlds": ["mnll"]}}}}
    )
    with pytest.raises(NetliftError, match=r"sweep\.worlds: .*did you mean logit"):
        wrong.sweep_files("to_first", "x")
    with pytest.raises(NetliftError, match=r"validation\.cases\.x\.worlds: .*did you mean mnl"):
        wrong.case_files("to_first", "x")


def test_a_case_takes_from_the_study_what_it_does_not_say(default):
    standard, few = default.case("standard"), default.case("slates_50")
    assert (standard.size, standard.n_slates, standard.worlds) == (12, 3000, default.worlds)
    assert (standard.model_replicates, standard.n_users) == (100, None)
    assert (few.n_slates, few.worlds) == (50, ("reference", "logit", "mnl"))
    rare = default.case_settings("promoted_1_in_10", "to_first", "logit")["promotion"]
    assert rare == default.config["promotions"]["to_first"] | {"probability": 0.1}
    assert default.case("size_24").size == 24


def test_a_case_has_the_world_with_its_changes_and_the_study_s_replicates(default):
    values = default.case_settings("rare_clicks", "to_first", "logit")
    assert values["world"] == default.world("logit") | {"target_click_rate": 0.01}
    assert values["replicates"] == default.config["validation"]["replicates"]
    assert values["promotion"] == default.config["promotions"]["to_first"]


def test_a_case_of_few_users_has_slates_of_its_own(default):
    slates = default.case_inputs("many_per_user", "to_first", "logit")["slates"]
    assert (
        slates == "results/studies/default/validation/slates/many_per_user/size=12/slates.parquet"
    )
    values = default.case_slate_settings("many_per_user", 12)
    assert (values["n_users"], values["size"], values["seed"]) == (120, 12, 20260428)
    slates = default.case_inputs("size_24", "to_first", "logit")["slates"]
    assert slates == "results/ml-small/scorer/size=24/seed=20260428/slates.parquet"


def test_the_files_of_the_validation_are_those_of_each_case_in_its_worlds(default):
    folder = "results/studies/default/validation/to_first"
    files = default.case_files("to_first", "tests.parquet")
    assert f"{folder}/rare_clicks/logit/tests.parquet" in files
    assert f"{folder}/rare_clicks/mnl/tests.parquet" not in files
    cases = default.config["validation"]["cases"]
    assert len(files) == sum(len(default.case(name).worlds) for name in cases)


# --- Files that the user brings ------------------------------------------------------------------


SWEPT = {"sweep": {"seeds": ["1-2"], "sizes": [6], "worlds": ["logit"]}}


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"promotions": {"from_third": {"probability": 0.4}}}, {"sweep", "validation"}),
        ({"worlds": {"logit": {"b_r": 0.9}}}, {"sweep", "validation"}),
        ({"slates": {"small": {"n_slates": 190}}}, {"sweep", "validation"}),
        ({"slates": {"small": {"scorer": {"factors": 9}}}}, {"sweep", "validation"}),
        ({"datasets": {"tiny": {"seed": 2}}}, {"sweep", "validation"}),
        ({"sweep": {"seeds": ["1-3"]}}, {"sweep"}),
        ({"validation": {"replicates": 120}}, {"validation"}),
        ({"sweep": {"block_size": 3}}, set()),
        ({"datasets": {"tiny": {"title": "Another title"}}}, set()),
        ({"inference": {"min_slates": 12}}, {"validation"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_a_sweep_and_a_validation_are_known_by_all_that_they_follow_from(change, differs):
    overlay = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text(encoding="utf-8"))
    before, after = study(overlay, SWEPT), study(overlay, SWEPT, change)
    found = {
        name
        for name in ("sweep", "validation")
        if getattr(before, f"{name}_design")("from_third")
        != getattr(after, f"{name}_design")("from_third")
    }
    assert found == differs


def test_the_files_behind_a_data_set_are_the_user_s_own(default, tmp_path):
    for name in ("ratings.csv", "movies.csv"):
        (tmp_path / name).write_text("x")
    folder = study({"datasets": {"own": {"kind": "folder", "path": str(tmp_path)}}})
    names = [path.rsplit("/", 1)[1] for path in folder.rating_files("own")]
    assert sorted(names) == ["movies.csv", "ratings.csv"]
    assert default.rating_files("ml-small") == []
    gone = study({"datasets": {"own": {"kind": "folder", "path": str(tmp_path / "gone")}}})
    with pytest.raises(NetliftError):
        gone.rating_files("own")


def test_the_files_of_a_log(default, tmp_path):
    example = "results/tiny/small/size=6/seed=1/from_third/logit/log.csv"
    log = study({"logs": {"mine": LOG | {"path": example}}})
    assert log.log_files("mine") == [example]
    (tmp_path / "mine.csv").write_text("x")
    there = study({"logs": {"mine": LOG | {"path": str(tmp_path / "*.csv")}}})
    assert there.log_files("mine") == [str(tmp_path / "mine.csv")]
    with pytest.raises(NetliftError, match=r"logs\.mine: no_file"):
        default.log_files("mine")


def test_a_log_that_is_not_there_is_told_with_those_that_are(default):
    with pytest.raises(NetliftError, match=r"no 'yours' \(known: mine\)"):
        default.log("yours")
    with pytest.raises(NetliftError, match="none; give the file"):
        study().log("mine")


# --- Resources -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wildcards", "share"),
    [
        ({"experiment": LOGIT}, 3000 * 12),
        ({"dataset": "ml-small", "slates": "few", "size": "24", "seed": "1"}, 60 * 24),
        ({"experiment": "ml-small/few/size=24/seed=1/to_first/logit"}, 60 * 24),
        ({"study": "default", "promotion": "to_first"}, 3000 * 12),
        ({"dataset": "ml-small", "size": "6", "seed": "1"}, 3000 * 6),
        ({"dataset": "ml-small", "grid": "x"}, 3000 * 12),
        ({"dataset": "ml-small", "case": "slates_50", "world": "logit"}, 50 * 12),
        ({"dataset": "ml-small", "case": "size_24", "world": "logit"}, 3000 * 24),
        ({"log": "mine"}, 1_200_000),
        ({"experiment": "logs/mine"}, 1_200_000),
    ],
)
def test_what_a_job_needs_grows_with_its_slates(default, wildcards, share):
    assert slates_share(default, wildcards) == pytest.approx(share / 1_200_000)


def test_a_job_works_for_each_seed_of_a_block_and_each_hundred_replicates(default):
    assert repeats(default, {"seeds": "1-3,7"}) == 4
    assert repeats(default, {"case": "standard"}) == 20
    assert repeats(default, {"experiment": LOGIT}) == 1


def test_memory_and_minutes_are_what_was_measured_grown_to_the_job(default):
    measured, job = Measured(100, slates=1000, ratings=3200), {"dataset": "ml-32m", "size": "12"}
    grown = 100 + 1000 * 0.03 + 3200 * 32_000_204 / 32e6
    assert measured.memory(default, job, 1) == requested_mb(grown, 1)
    assert measured.memory(default, job, 2) == requested_mb(grown, 2)
    assert measured.minutes(default, job, 1) == requested_minutes(grown, 1)
    block = job | {"seeds": "1-10"}
    assert measured.minutes(default, block, 1) == requested_minutes(grown + 9 * 30, 1)
    assert measured.memory(default, block, 1) == measured.memory(default, job, 1)


def test_files_with_names_that_snakemake_takes_for_patterns_are_settings(tmp_path):
    """As inputs they would be refused, or be other files; their content is in the settings."""
    odd, plain = tmp_path / "day={1}/<results>.csv", tmp_path / "a.csv"
    odd.parent.mkdir()
    for file in (odd, plain):
        file.write_text("x")
    logs = {"mine": {**LOG, "path": [str(odd), str(plain)]}}
    assert study({"logs": logs}).log_files("mine") == [str(plain)]
    before = study({"logs": logs}).log_settings("mine")
    assert list(before["contents"]) == [str(odd)]
    plain.write_text("y")
    assert study({"logs": logs}).log_settings("mine") == before
    odd.write_text("y")
    assert study({"logs": logs}).log_settings("mine") != before
    assert "contents" not in study({"logs": {"mine": {**LOG, "path": str(plain)}}}).log_settings(
        "mine"
    )
