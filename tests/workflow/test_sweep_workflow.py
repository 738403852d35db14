"""Sweeps and validation as a user runs them: the same values alone and in blocks, only new jobs."""

import re
import shutil

import pandas as pd
import pytest
from runs import STUDY, checkout, run
from scipy.stats import t

pytestmark = [pytest.mark.slow, pytest.mark.long]

SWEEP, VALIDATION = f"{STUDY}/sweep/from_third", f"{STUDY}/validation/from_third"
BLOCKS = "results/tiny/small/sweep"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A finished sweep and validation of the tiny study."""
    folder = checkout(tmp_path_factory.mktemp("sweep"))
    run(folder, "--keep-going", "--", "sweep", "validate")
    return folder


def jobs(folder, *arguments: str) -> dict[str, int]:
    """Return how many jobs of each rule a run would start."""
    said = run(folder, "--dry-run", *arguments)
    counts = re.findall(
        r"^ ?(sweep slates|sweep effects|combine sweep|fit scorer|validate case|"
        r"combine validation|build slates) +(\d+)",
        said,
        re.MULTILINE,
    )
    return {rule: int(count) for rule, count in counts}


def test_every_seed_size_and_world_is_there_once(swept):
    rows = pd.read_parquet(swept / SWEEP / "effects.parquet")
    keys = rows[["seed", "size", "world"]].drop_duplicates()
    assert len(keys) == 4 * 2 * 2
    assert len(rows) == len(keys) * 5 * 4


def test_nothing_is_left_to_do(swept):
    assert jobs(swept, "--", "sweep", "validate") == {}


def test_a_seed_alone_gives_the_same_values(swept):
    effects = "results/tiny/small/size=8/seed=3/from_third/similarity/effects"
    run(swept, "--", f"{effects}/component_effects.csv", f"{effects}/conclusions.csv")
    for name, key in (("component_effects", "effects"), ("conclusions", "conclusions")):
        alone = pd.read_csv(swept / effects / f"{name}.csv")
        rows = pd.read_parquet(swept / SWEEP / f"{key}.parquet")
        own = rows[(rows["seed"] == 3) & (rows["size"] == 8) & (rows["world"] == "similarity")]
        if name == "component_effects":
            alone = alone[alone["outcome_type"] == "observed_clicks"]
        shared = [column for column in alone if column in own]
        assert len(shared) >= 8
        pd.testing.assert_frame_equal(
            own[shared].reset_index(drop=True),
            alone[shared].reset_index(drop=True),
            check_exact=True,
            check_dtype=False,
        )


def test_added_seeds_run_alone(swept):
    more = ["--config", "sweep={seeds: [1-7]}", "--", "sweep"]
    assert jobs(swept, *more) == {"sweep slates": 4, "sweep effects": 8, "combine sweep": 1}


def test_an_added_world_runs_alone(swept):
    more = ["--config", "sweep={worlds: [logit, similarity, mnl]}", "--", "sweep"]
    assert jobs(swept, *more) == {"sweep effects": 4, "combine sweep": 1}


def test_another_block_size_runs_nothing(swept):
    assert jobs(swept, "--config", "sweep={block_size: 3}", "--", "sweep") == {}


def test_an_edited_world_runs_alone(swept):
    edited = ["--config", "worlds={similarity: {model: similarity, g: 1.0}}", "--", "sweep"]
    assert jobs(swept, *edited) == {"sweep effects": 4, "combine sweep": 1}


def test_other_blocks_and_one_core_give_the_same_table(swept, tmp_path):
    folder = checkout(tmp_path)
    sweep = "sweep={seeds: [4, 1-3], block_size: 3, sizes: [6]}"
    run(folder, "--config", sweep, "--", f"{SWEEP}/effects.parquet", cores=1)
    rows = pd.read_parquet(swept / SWEEP / "effects.parquet")
    found = pd.read_parquet(folder / SWEEP / "effects.parquet")
    expected = rows[rows["size"] == 6].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_wrong_sweep_is_refused_in_words(swept):
    # Ranges of seeds are read before anything is compared with them.
    said = run(swept, "--config", "sweep={seeds: [9-1]}", "--", "sweep", ok=False)
    assert "did you mean 1-9?" in said
    wrong = "sweep={sizes: [50], worlds: [logitt]}"
    said = run(swept, "--config", wrong, "--", "sweep", ok=False)
    assert "there is no 'logitt'; did you mean logit?" in said
    assert "a pool of 20 candidates cannot fill slates of 50" in said


def test_coverage_is_what_the_replicates_say(swept):
    table = pd.read_csv(swept / VALIDATION / "coverage.csv")
    assert set(table["case"]) == {
        "standard",
        "slates_100",
        "rare_clicks",
        "users_randomized",
        "many_per_user",
        "probabilities_by_slate",
        "no_spillover",
    }
    row = table[(table["case"] == "standard") & (table["world"] == "logit")]
    row = row[(row["estimator"] == "lin") & (row["line"] == "total")].iloc[0]
    drawn = pd.read_parquet(swept / VALIDATION / "standard/logit/ledgers.parquet")
    drawn = drawn[(drawn["estimator"] == "lin") & (drawn["line"] == "total")]
    half = t.ppf(0.975, drawn["df"]) * drawn["se"]
    held = (drawn["estimate"] - drawn["known_effect"]).abs() <= half
    assert row["coverage_95"] == pytest.approx(held.mean())
    assert row["replicates"] == 100
    assert row["verdict"] == "no_claim"


def test_a_case_s_numbers_do_not_hang_on_the_number_of_replicates(swept, tmp_path):
    folder = checkout(tmp_path)
    fewer = "validation={replicates: 10, cases: {standard: {model_replicates: 0}}}"
    target = f"{VALIDATION}/standard/logit/ledgers.parquet"
    run(folder, "--config", fewer, "--", target)
    few, many = (pd.read_parquet(where / target) for where in (folder, swept))
    many = many[(many["replicate"] < 10) & ~many["estimator"].str.startswith("aipw")]
    order = ["replicate", "estimator", "effect_family", "line"]
    pd.testing.assert_frame_equal(
        few.sort_values(order, ignore_index=True),
        many.sort_values(order, ignore_index=True),
        check_exact=True,
    )


def test_the_size_of_tests_is_judged_where_nothing_spills_over(swept):
    tests = pd.read_csv(swept / VALIDATION / "tests.csv")
    silent = tests[tests["case"] == "no_spillover"]
    assert silent["null_is_true"].all()
    assert (silent["rate"] == "size").all()
    assert not tests.loc[tests["case"] == "standard", "null_is_true"].all()


def test_figures_and_the_page_are_made(swept):
    figures = {path.name for path in swept.glob(f"{STUDY}/*/from_third/*.svg")}
    assert {f"sweep_{name}.svg" for name in ("estimates", "distribution", "conclusions")} <= figures
    names = ("coverage", "bias", "tests", "policies")
    assert {f"validation_{name}.svg" for name in names} <= figures
    page = (swept / VALIDATION / "validation.md").read_text(encoding="utf-8")
    assert page.startswith("# Validation of the study tiny, promotion from_third")


def test_a_case_of_few_users_gives_each_many_slates(swept):
    folder = swept / STUDY / "validation/slates/many_per_user/size=6"
    slates = pd.read_parquet(folder / "slates.parquet")
    per_user = slates.groupby("user_id")["slate_id"].nunique()
    assert len(per_user) == 8
    assert (per_user == 20).all()


def test_a_failed_seed_is_named_and_the_other_blocks_are_done(swept, tmp_path):
    """Of six slates a seed may have fewer than two in an arm, which no error can be had from."""
    folder = tmp_path / "failed"
    shutil.copytree(swept, folder)
    shutil.rmtree(folder / SWEEP)
    shutil.rmtree(folder / BLOCKS)
    given = ["--keep-going", "--config", "slates={small: {n_slates: 6}}"]
    small = "sweep={seeds: [SEEDS], sizes: [6], worlds: [logit], block_size: 2}"
    said = run(folder, *given, small.replace("SEEDS", "1-6"), "--", "sweep", ok=False)
    assert "1 seed of this block failed (4)" in said
    assert "seed 4: 1 control slates of 6 slates" in said
    done = {path.parts[-4] for path in (folder / BLOCKS).glob("**/effects.parquet")}
    assert done == {"seeds=1-2", "seeds=5-6"}
    table = f"{SWEEP}/effects.parquet"
    run(folder, *given, small.replace("SEEDS", "1-3, 5-6"), "--", table)
    assert set(pd.read_parquet(folder / table)["seed"]) == {1, 2, 3, 5, 6}
