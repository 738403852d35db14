"""The configuration: strict, complete, and clear about what is wrong."""

import copy
import datetime
import math

import pytest
import yaml
from configs import ROOT, merged

from netlift.core.errors import NetliftError
from netlift.workflow.checks import check_sweep, check_validation
from netlift.workflow.config import check_config
from netlift.workflow.config_reference import config_reference
from netlift.workflow.outputs import outputs_reference
from netlift.workflow.schema import dataset_schema, read_schema
from netlift.workflow.values import canonical, typed
from netlift.worlds import registry as worlds


def grid(entry: dict) -> dict:
    """Add a grid that the study makes."""
    return {"grids": {"x": entry}, "study": {"grids": ["x"]}}


def promoted(**keys: object) -> dict:
    """Change keys of the default study's promotion."""
    return {"promotions": {"to_first": keys}}


def recipe(**keys: object) -> dict:
    """Change keys of the default study's recipe."""
    return {"slates": {"scorer": keys}}


def matched(**more: object) -> dict:
    """Ask of the world logit that it meets given effects."""
    return {"worlds": {"logit": {"match": {"direct": 0, "same_cluster": 0, "other": 0} | more}}}


def problems(*overlays: dict) -> str:
    with pytest.raises(NetliftError) as caught:
        check_config(merged(*overlays))
    return str(caught.value)


def test_the_default_study_is_complete_and_says_every_default_itself():
    given = merged()
    assert check_config(given)["slates"] == given["slates"]
    bare = check_config({key: given[key] for key in ("dataset", "datasets", "worlds")})
    assert bare["promotions"] == check_config(given)["promotions"]
    assert bare["inference"] == given["inference"]
    assert bare["slates"] == given["slates"]


@pytest.mark.parametrize("path", sorted((ROOT / "config/studies").glob("*.yaml")), ids=str)
def test_every_shipped_overlay_is_valid(path):
    check_config(merged(yaml.safe_load(path.read_text())))


def test_a_typo_names_the_key_and_the_nearest_one():
    text = problems(promoted(probabilty=0.3))
    key = "promotions.to_first.probabil"
    assert f"{key}ty: unknown key; did you mean {key}ity?" in text


def test_a_typo_in_a_world_names_the_nearest_parameter_of_its_model():
    text = problems({"worlds": {"logit": {"target_click_rat": 0.3}}})
    assert "worlds.logit.target_click_rat" in text
    assert "did you mean worlds.logit.target_click_rate?" in text


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        (promoted(probability=1.5), "promotions.to_first.probability: 1.5 is not allowed"),
        (promoted(probability=1.5), "a number, above 0, below 1"),
        (recipe(n_slates="many"), "slates.scorer.n_slates: 'many' is not allowed; allowed: a wh"),
        (recipe(builder="score"), "slates.scorer.builder: 'score' is not allowed; allowed: sco"),
        ({"study": {"seeds": []}}, "study.seeds"),
        ({"study": {"seeds": [1, 1]}}, "none twice"),
        ({"study": {"sizes": [True]}}, "study.sizes.0"),
        ({"study": {"worlds": ["logitt"]}}, "did you mean logit?"),
        ({"dataset": "ml-smal"}, "did you mean ml-small?"),
        (
            {"worlds": {"x": {"model": "nothing"}}},
            "worlds.x.model: 'nothing' is not allowed; allowed: atten",
        ),
        ({"worlds": {"x": {"b_r": 1}}}, "worlds.x: lacks model"),
        ({"worlds": {"x": 3}}, "worlds.x: 3 is not allowed; allowed: a mapping"),
        ({"worlds": {"logit": {"b_r": -1}}}, "worlds.logit.b_r: -1"),
        ({"worlds": {"logit": {"intercept": 1}}}, "worlds.logit: give intercept or target_click"),
        (
            {"worlds": {"logit": {"attention": {"curve": "power"}}}},
            "worlds.logit: attention: the curve power takes eta",
        ),
        ({"study": {"sizes": [4]}}, "a slate of 4 has no position 5"),
        (promoted(focal_position_last=3), "promotions.to_first.focal_position_last"),
        (promoted(rerank={}), "promotions.to_first.rerank: lacks boost"),
        (promoted(rerank={"boost": float("inf")}), "promotions.to_first.rerank.boost: inf is not"),
        (promoted(rerank={"boost": float("nan")}), "promotions.to_first.rerank.boost: nan is not"),
        (promoted(rerank={"boost": 1}, badge={}), "remove all but one of badge, rerank"),
        (
            promoted(rerank={"boost": 1}, focal_items=9),
            "study.sizes: a slate of 12 has no position 13, from which focal items are drawn",
        ),
        (
            recipe(builder="history", history={"window": 5}),
            "slates.scorer.history.window: a window of 5 ratings",
        ),
        (recipe(scorer={"pool": 5}), "slates.scorer.scorer.pool: a pool of 5"),
        ({"study": {"grids": ["nothing"]}}, "study.grids: there is no 'nothing'"),
        ({"grids": {"a": {"world": "mnl"}}}, "grids.a: lacks parameters"),
        (grid({"world": "mnll", "parameters": {"b_r": [1]}}), "did you mean mnl?"),
        (
            grid({"world": "mnl", "parameters": {"b_rr": [1]}}),
            "did you mean grids.x.parameters.b_r",
        ),
        (grid({"world": "mnl", "parameters": {"b_r": [1, -1]}}), "grids.x.parameters.b_r: -1"),
        (grid({"world": "mnl", "parameters": {"attention.eta": [1]}}), "log2 takes no parameter"),
        (
            grid({"world": "mnl", "parameters": {"curve.eta": [1]}}),
            "the world has no mapping curve",
        ),
        ({"worlds": {"mnl": {"match": {"direct": 1}}}}, "worlds.mnl.match: lacks same_cluster"),
        (matched(free=["lam"]), "worlds.logit: match.free: lam is not a numeric parameter"),
        (matched(click_rate=0.2), "match.click_rate solves for the intercept"),
        (
            recipe(builder="history") | {"study": {"worlds": ["similarity"]}},
            "worlds.similarity.source: 'blend' needs the scorer's item factors",
        ),
        (recipe(scorer={"ranker": {"noise": float("nan")}}), "ranker.noise"),
        ({"slates": None}, None),
        ({"study": {"slates": "scorrer"}}, "study.slates: there is no 'scorrer'; did you mean sco"),
        ({"study": {"promotions": ["to_frst"]}}, "study.promotions: there is no 'to_frst'; did yo"),
        ({"study": {"promotions": []}}, "study.promotions: [] is not allowed; allowed: a list, 1"),
        ({"study": {"name": "my study"}}, "study.name: 'my study' is not allowed"),
        ({"study": {"name": ".."}}, "study.name: '..' is not allowed"),
        ({"study": {"name": "a\n"}}, "study.name: the name 'a\\n' is not allowed: it has a line"),
        ({"slates": {"a/b": {}}}, "slates: the name 'a/b' is not allowed"),
        ({"promotions": {"ü": {}}}, "promotions: the name 'ü' is not allowed"),
        ({"slates": {"sweep": {}}}, "slates: the name 'sweep' is not allowed: this word has a"),
        ({"promotions": {"grid": {}}}, "promotions: the name 'grid' is not allowed: this word"),
        ({"worlds": {"figures": {"model": "mnl"}}}, "worlds: the name 'figures' is not allowed"),
        (
            {"datasets": {"logs": {"kind": "folder", "path": "x"}}},
            "datasets: the name 'logs'",
        ),
        ({"datasets": {"mine": {"kind": "floder", "path": "x"}}}, "datasets.mine.kind"),
        ({"datasets": {"mine": {"kind": "folder", "pth": "x"}}}, "datasets.mine.pth"),
        ({"datasets": {"mine": 3}}, "datasets.mine: 3 is not allowed; allowed: a mapping"),
        ({"logs": {"mine": "x"}}, "logs.mine: 'x' is not allowed; allowed: a mapping"),
        ({"worlds": {"logit": {"target_click_rate": 0}}}, "a number, above 0, below 1"),
        ({"worlds": {"logit": {"target_click_rate": 1}}}, "a number, above 0, below 1"),
        (matched(click_rate=1), "worlds.logit.match.click_rate: 1"),
        ({"sweep": {"seeds": ["1-999999999"]}}, "sweep.seeds: more than 100,000 seeds"),
        ({"sweep": {"seeds": ["1-60000", "100000-160000"]}}, "more than 100,000 seeds"),
        ({"sweep": {"seeds": ["9-1"]}}, "sweep.seeds: '9-1' ends before it starts; did you mean"),
        ({"sweep": {"seeds": ["1-3", 2]}}, "1 seeds are named twice (the first: 2)"),
        ({"study": {"seeds": ["1-5"]}}, "study.seeds.0: '1-5' is not allowed"),
        (recipe(n_slates=10**12), "slates.scorer.n_slates: 1000000000000 is not allowed"),
        (recipe(n_slates=10**5000), "a number of more than 80 digits is too large"),
        (recipe(n_slates="5"), "slates.scorer.n_slates: '5' is not allowed"),
        ({"policy": {"cost": math.inf}}, "policy.cost: inf is not allowed; allowed: a finite"),
        (
            {"policy": {"cost": datetime.date(2026, 1, 1)}},
            "policy.cost: 2026-01-01 is read as a da",
        ),
        ({"worlds": {1: {"model": "mnl"}}}, 'worlds.1: this key is no text; put it in quotes: "1"'),
        ({True: 1}, "True: this key is no text"),
        ({"archives": "a\0b"}, "archives: 'a?b' contains a character that cannot be printed"),
        ({"sweep": {"seeds": list(range(10_001))}}, "sweep.seeds: 10,001 entries; at most 10,000"),
        (
            grid({"world": "mnl", "changes": {"model": "x"}, "parameters": {"b_r": [1]}}),
            "x.changes.model",
        ),
        (grid({"world": "mnl", "parameters": {"b_r": [1]}, "size": 3}), "grids.x.size: a slate of"),
        (
            grid({"world": "mnl", "parameters": {k: [*range(101)] for k in ("b_r", "b_v")}}),
            "grids.x.parameters: 10,201 points; a grid has at most 10,000",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(overlay, said):
    if said is None:
        check_config(merged(overlay))
    else:
        assert said in problems(overlay)


GROUPS = ("datasets", "logs", "worlds", "grids", "cases")


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    "name",
    ["..", ".", "", "a/b", "/tmp", " a", "a\n", "é", "a" * 65, "logs", "Sweep", "_a"],
)
def test_names_that_cannot_be_a_folder_are_refused(group, name):
    entries = {group: {name: {}}}
    text = problems({"validation": entries} if group == "cases" else entries)
    assert f"{group}: the name" in text


def test_a_data_set_may_not_be_named_as_a_folder_with_an_ending():
    assert "the name 'sweep.v2'" in problems({"datasets": {"sweep.v2": {}}})


def test_names_that_differ_only_in_case_are_refused():
    text = problems({"worlds": {"Logit": {"model": "mnl"}}})
    assert "worlds: Logit and logit differ only in case" in text


@pytest.mark.parametrize(
    ("overlay", "place", "value"),
    [
        (recipe(n_slates="1e3"), ("slates", "scorer", "n_slates"), 1000),
        ({"policy": {"cost": "1.5E-3"}}, ("policy", "cost"), 0.0015),
        ({"sweep": {"seeds": ["1e3"]}}, ("sweep", "seeds"), [1000]),
        ({"worlds": {"mnl": {"b_r": "1e-1"}}}, ("worlds", "mnl", "b_r"), 0.1),
        ({"inference": {"power_effects": ["1e-2"]}}, ("inference", "power_effects"), [0.01]),
        (
            grid({"world": "mnl", "parameters": {"b_r": ["1e-1", 1]}}),
            ("grids", "x", "parameters", "b_r"),
            [0.1, 1],
        ),
    ],
)
def test_numbers_with_an_exponent_are_numbers(overlay, place, value):
    complete = check_config(merged(overlay))
    for key in place:
        complete = complete[key]
    assert complete == value


def test_text_that_looks_like_a_number_stays_text():
    entry = {"kind": "folder", "path": "1e6", "title": "1e5"}
    assert check_config(merged({"datasets": {"mine": entry}}))["datasets"]["mine"] == entry


def test_of_many_problems_the_first_are_written_out():
    text = problems(
        {"sweep": {"seeds": ["x"] * 500}, "study": {"worlds": [f"w{i}" for i in range(60)]}}
    )
    assert "561 problems" in text
    assert "  - and 521 more" in text


def test_all_problems_come_at_once():
    text = problems(promoted(probability=2, asignment="x") | {"extra": 1})
    assert "3 problems" in text
    assert all(word in text for word in ("promotions.to_first.probability", "asignment", "extra"))


def test_an_overlay_merges_mappings_replaces_lists_and_drops_keys_with_null():
    study = check_config(
        merged(
            {
                "study": {"sizes": [6, 24]},
                "promotions": {"to_first": {"probability": None, "focal_position_first": 3}},
                "worlds": {"logit": {"target_click_rate": None, "intercept": -1}},
            }
        )
    )
    assert study["study"]["sizes"] == [6, 24]
    assert study["study"]["worlds"] == merged()["study"]["worlds"]
    assert study["promotions"]["to_first"] == {
        "probability": 0.5,
        "assignment": "bernoulli",
        "unit": "slate",
        "focal_position_first": 3,
    }
    assert "target_click_rate" not in study["worlds"]["logit"]
    assert study["worlds"]["logit"]["intercept"] == -1.0


def test_users_cannot_be_randomized_within_focal_positions():
    with pytest.raises(NetliftError, match=r"first\.unit: user .*take bernoulli or complete"):
        check_config(merged(promoted(unit="user", assignment="stratified")))
    check_config(merged(promoted(unit="user", assignment="complete")))


@pytest.mark.parametrize(
    ("overlay", "key", "new"),
    [
        ({"promotion": {"probability": 0.3}}, "promotion", "promotions: {NAME: "),
        ({"slates": {"n_slates": 100}}, "slates.n_slates", "slates.NAME.n_slates"),
        ({"slates": {"builder": "history"}}, "slates.builder", "slates.NAME.builder"),
        ({"slates": {"scorer": {"pool": 30}}}, "slates.scorer.pool", "slates.NAME.scorer.pool"),
        ({"slates": {"history": {"window": 9}}}, "slates.history.window", "NAME.history.window"),
    ],
)
def test_a_key_from_before_recipes_and_promotions_had_names_says_its_new_form(overlay, key, new):
    text = problems(overlay)
    assert f"{key}: " in text
    assert "1 problem:" in text
    assert new in text


def test_a_case_cannot_make_a_promotion_that_cannot_be_drawn():
    case = {"cases": {"x": {"promotion": {"unit": "user", "assignment": "stratified"}}}}
    with pytest.raises(NetliftError, match=r"validation\.cases\.x\.promotion\.unit: user cannot"):
        check_validation(check_config(merged({"validation": case})))


def test_a_sweep_has_promotions_of_its_own():
    swept = {"promotions": ["few"]}
    with pytest.raises(NetliftError, match=r"sweep\.promotions: there is no 'few'"):
        check_sweep(check_config(merged({"sweep": swept})))
    deep = {"sweep": swept, "promotions": {"few": {"focal_position_first": 9}}}
    with pytest.raises(NetliftError, match=r"sweep\.sizes: a slate of 6 has no position 9"):
        check_sweep(check_config(merged(deep)))


def test_numbers_take_the_declared_type_so_that_1_and_1_0_are_the_same_setting():
    whole = check_config(merged({"worlds": {"logit": {"b_r": 1}}, "study": {"sizes": [12.0]}}))
    point = check_config(merged({"worlds": {"logit": {"b_r": 1.0}}, "study": {"sizes": [12]}}))
    assert repr(canonical(whole)) == repr(canonical(point))


def test_the_order_of_keys_is_no_setting():
    config = merged()
    backwards = {key: config[key] for key in reversed(config)}
    backwards["worlds"] = {
        name: dict(reversed(entry.items())) for name, entry in config["worlds"].items()
    }
    assert repr(canonical(check_config(backwards))) == repr(canonical(check_config(config)))


def test_values_inside_a_mapping_on_the_command_line_are_read_as_yaml_reads_them():
    given = {
        "slates": {"a": {"n_slates": "120", "builder": "history"}},
        "study": {"seeds": ["1", "2"]},
    }
    assert typed(given) == {
        "slates": {"a": {"n_slates": 120, "builder": "history"}},
        "study": {"seeds": [1, 2]},
    }
    assert typed({"a": "0.10", "b": "null", "c": "true", "d": "2026-10-01", "e": ""}) == {
        "a": 0.1,
        "b": None,
        "c": True,
        "d": "2026-10-01",
        "e": "",
    }
    assert typed({"a": "010", "b": "1:30", "c": "2026-13-45"}) == {
        "a": "010",
        "b": "1:30",
        "c": "2026-13-45",
    }


def test_checking_leaves_the_given_config_alone():
    config = merged()
    before = copy.deepcopy(config)
    check_config(config)
    assert config == before


def leaves(schema: dict, path: str = ""):
    for name, child in schema.get("properties", {}).items():
        yield f"{path}{name}", child
        yield from leaves(child, f"{path}{name}.")


def test_every_key_has_a_description_and_a_type():
    schemas = [read_schema("config"), *(worlds.schema(model) for model in worlds.models())]
    kinds = read_schema("datasets")["properties"]["kind"]["enum"]
    schemas += [dataset_schema({"kind": kind}) for kind in kinds]
    for schema in schemas:
        for key, child in leaves(schema):
            if "const" not in child:
                assert child.get("description"), key
                assert child.get("type") or child.get("enum"), key


def test_the_reference_of_keys_is_up_to_date():
    page = (ROOT / "config/README.md").read_text(encoding="utf-8")
    assert config_reference() in page, "config/README.md is out of date: run `make docs`"


def test_the_readme_lists_every_output():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert outputs_reference() in page, "README.md is out of date: run `make docs`"


def test_problems_of_all_kinds_come_at_once():
    """What breaks the schema in one part hides nothing that is wrong in another."""
    sound = {"path": "x.csv", "columns": {"slate": "s", "item": "i", "position": "p"}}
    experiment = {"columns": sound["columns"] | {"promoted": "d", "focal": "f"}}
    outcomes = {"outcomes": {"clicks": {"column": "c"}}}
    found = problems(
        {
            "dataset": "nowhere",
            "inference": {"permutation": 9},
            "models": {"folds": "many"},
            "promotions": {"far": {"focal_position_first": 9, "focal_position_last": 3}},
            "study": {"sizes": [4], "grids": ["nothing"]},
            "sweep": {"seeds": ["9-1"], "worlds": ["nope"]},
            "logs": {
                "a": sound | outcomes | {"patth": "y.csv"},
                "b": sound | outcomes | experiment,
            },
        }
    )
    for text in (
        "dataset: there is no 'nowhere'",
        "inference.permutation: unknown key",
        "models.folds: 'many' is not allowed",
        "promotions.far.focal_position_last: 3 is above",
        "study.sizes: a slate of 4 has no position 5",
        "sweep.seeds: '9-1' ends before it starts",
        "sweep.worlds: there is no 'nope'",
        "logs.a.patth: unknown key",
        "logs.b.promotion.unit: say what was drawn",
    ):
        assert f"  - {text}" in found
    assert "study.grids" not in found  # worlds and slates of the study are wrong already
    assert "study.grids: there is no 'nothing'" in problems({"study": {"grids": ["nothing"]}})
