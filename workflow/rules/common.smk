# What the files of rules share: STUDY (the config, checked and complete), the experiments of the
# study, and the functions that name a job's settings and code.
import hashlib
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

LIBRARY = str(Path(workflow.basedir) / "lib")
sys.path.insert(0, LIBRARY)
# Scripts run as processes of their own and find the library here.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [LIBRARY, os.environ.get("PYTHONPATH")])))

from netlift.workflow.study import canonical, changed_world, grid_world, typed
from netlift.workflow.config import check_config, check_sweep, check_validation
from netlift.datasets.entries import import_settings, input_files, n_ratings
from netlift.core.errors import NetliftError
from netlift.logs.entries import MAIN_OUTCOME, is_experiment, log_files, log_settings, outcome_units
from netlift.workflow.study import run_settings
from netlift.workflow.resources import asked_mb, asked_minutes
from netlift.studies.seed_blocks import block_seeds, seed_blocks
from netlift.workflow.sources import source_files
from netlift.worlds.registry import model_class

# Snakemake reads values inside a mapping on the command line as texts, numbers too.
update_config(config, typed(workflow.config_settings.config))
try:
    STUDY = check_config(config)
except NetliftError as error:
    raise WorkflowError(str(error))

# Where to look for official archives is not a choice that makes a file, so no rule depends on it.
if "archives" in STUDY:
    os.environ.update(NETLIFT_ARCHIVES=os.path.abspath(STUDY["archives"]))

EXPERIMENTS = expand(
    "{dataset}/size={size}/seed={seed}/{world}",
    dataset=STUDY["dataset"],
    size=STUDY["study"]["sizes"],
    seed=STUDY["study"]["seeds"],
    world=STUDY["study"]["worlds"],
)
SLATE_SETS = list(dict.fromkeys(os.path.dirname(name) for name in EXPERIMENTS))


wildcard_constraints:
    dataset="|".join(STUDY["datasets"]),
    size=r"\d+",
    seed=r"\d+",
    world="|".join(STUDY["worlds"]),
    grid="|".join(STUDY["grids"]) or "none",
    log=r"[A-Za-z0-9_-]+",
    experiment=r"[^/]+/size=\d+/seed=\d+/[^/]+|logs/[^/]+",
    slate_set=r"[^/]+/size=\d+/seed=\d+",


def settings(**values):
    """Return a rule's one parameter: plain values with sorted keys, only those that it uses.

    Snakemake compares parameters as a set of their texts, without names. One sorted mapping is
    the only form in which no change can hide.
    """
    return canonical(values)


def code(script, *modules):
    """Return the script and the modules of the library that it imports, as inputs of its rule.

    They come with the workflow, also where all other files lie in a bucket.
    """
    return [local(os.path.relpath(path)) for path in source_files(script, *modules)]


def memory(used, slates=0, ratings=0):
    """Return what a rule's jobs ask of memory, in MB, from what was measured.

    A job used so much at 3,000 slates of 12, so much more at 100,000 slates, and so much more again
    with 32 million ratings. benchmarks/resources.py compares it with what a run used.
    """

    def mem_mb(wildcards, attempt):
        grown = slates * slates_share(wildcards) + ratings * ratings_share(wildcards)
        return asked_mb(used + grown, attempt)

    return mem_mb


def minutes(seconds, slates=0, ratings=0):
    """Return what a rule's jobs ask of time, in minutes, from the seconds that were measured.

    As for memory; what grows with slates does so for each seed of a block, and for each hundred
    replicates of the validation.
    """

    def runtime(wildcards, attempt):
        times = repeats(wildcards) * slates_share(wildcards)
        return asked_minutes(seconds + slates * times + ratings * ratings_share(wildcards), attempt)

    return runtime


def repeats(wildcards):
    """Return how often a job does its work."""
    if "seeds" in wildcards.keys():
        return len(block_seeds(wildcards.seeds))
    if "case" in wildcards.keys():
        return STUDY["validation"]["replicates"] / 100
    return 1


def slates_share(wildcards):
    """Return the item rows of a job's slates over those of 100,000 slates of 12 items.

    How long a log is is not known before it is read, so it is taken to be as long.
    """
    path = "/".join(wildcards)
    if path.startswith("logs/") or "log" in wildcards.keys():
        return 1
    case = validation_case(wildcards.case) if "case" in wildcards.keys() else {}
    named = wildcards.get("size") or (re.findall(r"size=(\d+)", path) or [None])[0]
    size = case.get("size", named or max(STUDY["study"]["sizes"]))
    return case.get("n_slates", STUDY["slates"]["n_slates"]) * int(size) / 1_200_000


def ratings_share(wildcards):
    """Return the ratings of a job's data set over 32 million."""
    entry = STUDY["datasets"].get(wildcards.get("dataset", ""), {})
    return n_ratings(entry) / 32_000_000


def own_files(dataset):
    """Return the user's own files behind a data set, so that an edit of them imports it again."""
    try:
        return [str(path) for path in input_files(STUDY["datasets"][dataset])]
    except NetliftError as error:
        raise WorkflowError(str(error))


def log_entry(log):
    """Return a log's entry in the config."""
    if log not in STUDY["logs"]:
        known = ", ".join(STUDY["logs"]) or "none; give the file that names it with --configfile"
        raise WorkflowError(f"logs: there is no {log!r} (known: {known})")
    return STUDY["logs"][log]


def files_of_log(log):
    """Return the files that a log is read from, so that an edit of them reads it again."""
    entry = log_entry(log)
    if re.fullmatch(r"results/[^/]+/size=\d+/seed=\d+/[^/]+/log\.csv", str(entry.get("path"))):
        return [entry["path"]]  # the example: Snakemake makes it
    try:
        return log_files(entry)
    except NetliftError as error:
        raise WorkflowError(f"logs.{log}: {error}")


def analysis_of_log(wildcards):
    """Return all that can be said of a log: tables, figures, its page, and of an experiment its
    decision."""
    folder, pages = f"results/logs/{wildcards.log}", ["report.html"]
    if is_experiment(log_entry(wildcards.log)):
        pages.append("decision.json")
    return log_results(wildcards.log) + [f"{folder}/{file}" for file in pages]


def log_results(log):
    """Return the tables and figures of a log: what needs no truth and, without row stages, no item
    rows; of a log without a promotion, no effects."""
    entry, folder = log_entry(log), f"results/logs/{log}"
    files = [f"{folder}/contract.csv", f"{folder}/slate_outcomes.parquet"]
    if entry["row_stages"]:
        files.append(f"{folder}/outcome_by_position.csv")
    if not is_experiment(entry):
        return files
    files += [f"{folder}/effects/{table}.csv" for table in LEDGER_TABLES]
    if not entry["row_stages"]:
        return files
    files += [f"{folder}/effects/{table}.csv" for table in EFFECT_TABLES]
    files += [f"{folder}/models/{file}" for file in (MODEL_TABLES | POLICY_TABLES).values()]
    figures = EFFECT_FIGURES | INFERENCE_FIGURES | MODEL_FIGURES
    return files + [
        f"{folder}/figures/{figure}.{format}" for figure in figures for format in ("svg", "png")
    ]


def seed_of(experiment):
    """Return the study seed in an experiment's path; for a log, the study's first."""
    if experiment.startswith("logs/"):
        return STUDY["study"]["seeds"][0]
    return int(experiment.split("seed=")[1].split("/")[0])


def units_of(experiment):
    """Return what is said after a number of each outcome, by outcome type: clicks, minutes."""
    if not experiment.startswith("logs/"):
        return {MAIN_OUTCOME: "clicks"}
    return outcome_units(log_entry(experiment.removeprefix("logs/")))


def unit_of(experiment):
    """Return what is said after a number of the main outcome."""
    return units_of(experiment)[MAIN_OUTCOME]


def movies_of(experiment):
    """Return the table of titles, where an experiment's items are those of a data set."""
    dataset = experiment.split("/")[0]
    known = dataset in STUDY["datasets"]
    return f"resources/datasets/{dataset}/movies.parquet" if known else []


def slate_settings(wildcards, case=None):
    """Return the settings of the chosen builder alone; a case of the validation has some others.

    No **case: to a function that takes any keyword, Snakemake gives the job's resources too, and what
    it asks for would be a setting.
    """
    slates = STUDY["slates"]
    builder = slates["builder"]
    own = dict(slates[builder])
    for key in ("damping", "factors"):
        own.pop(key, None)  # these are the scorer's, and reach the slates through its files
    seed = {"seed": int(wildcards.seed)} if "seed" in wildcards.keys() else {}
    size = {"size": int(wildcards.size)} if "size" in wildcards.keys() else {}
    shared = {key: slates[key] for key in ("clusters", "n_slates", "max_per_user")}
    return settings(builder=builder, **{builder: own}, **(shared | size | seed | (case or {})))


def sweep_files(dataset, file):
    """Return a file of every block of the sweep; blocks that were made before are taken again."""
    try:
        sweep = check_sweep(STUDY)
    except NetliftError as error:
        raise WorkflowError(str(error))
    files = []
    for size in sweep["sizes"]:
        folder = Path(f"results/{dataset}/sweep/size={size}")
        existing = [path.name.removeprefix("seeds=") for path in folder.glob("seeds=*")]
        blocks = seed_blocks(sweep["seeds"], sweep["block_size"], existing)
        files += [
            f"{folder}/seeds={block}/{world}/{file}"
            for block in blocks
            for world in sweep["worlds"]
        ]
    return files


def world_code(script, world):
    """Return a script and the code behind one world: of all competition models, only its own."""
    return code(script, f"netlift.worlds.models.{STUDY['worlds'][world]['model']}")


def similarity_tables(dataset, entry):
    """Return the tables that say how alike items are, for a world that asks."""
    if not model_class(entry["model"]).NEEDS_SIMILARITY:
        return {}
    tables = {"movies": f"resources/datasets/{dataset}/movies.parquet"}
    if entry["source"] != "genres":
        tables["scorer_items"] = f"results/{dataset}/scorer/items.parquet"
    return tables


def grid_inputs(wildcards):
    """Return the design that a grid is computed on, and what its world asks of items."""
    grid, study = STUDY["grids"][wildcards.grid], STUDY["study"]
    size, seed = grid.get("size", study["sizes"][0]), grid.get("seed", study["seeds"][0])
    return {
        "exposure": f"results/{wildcards.dataset}/size={size}/seed={seed}/exposure.parquet",
        **similarity_tables(wildcards.dataset, grid_world(STUDY, grid)),
    }


def grid_settings(wildcards):
    """Return the settings of a grid: its world with changes made, and what is varied."""
    grid, study = STUDY["grids"][wildcards.grid], STUDY["study"]
    return settings(
        world=grid_world(STUDY, grid),
        # A list keeps the order of the parameters, which the sorted keys of a mapping would not.
        parameters=[[name, values] for name, values in grid["parameters"].items()],
        definitions=grid["definitions"],
        seed=grid.get("seed", study["seeds"][0]),
        near_positions=STUDY["inference"]["near_positions"],
    )


def validation_case(name):
    """Return a case of the validation, with what it does not say taken from the study."""
    case, study = STUDY["validation"]["cases"][name], STUDY["study"]
    return {
        "size": case.get("size", study["sizes"][0]),
        "n_slates": case.get("n_slates", STUDY["slates"]["n_slates"]),
        "worlds": case.get("worlds", study["worlds"]),
        "promotion": STUDY["promotion"] | case["promotion"],
        "changes": case["changes"],
        "model_replicates": case.get("model_replicates", 0),
        **{key: case[key] for key in ("n_users",) if key in case},
    }


def case_slate_settings(wildcards):
    """Return the settings of slates that a case has of its own: those of a few users."""
    case = validation_case(wildcards.case)
    own = {key: case[key] for key in ("size", "n_slates", "n_users")}
    return slate_settings(wildcards, {"seed": STUDY["study"]["seeds"][0], **own})


def validation_world(case, world):
    """Return the entry of a world with a case's changes made."""
    return changed_world(STUDY, world, validation_case(case)["changes"])


def validation_inputs(wildcards):
    """Return the slates that a case is drawn on, and what its world asks of items."""
    case, seed = validation_case(wildcards.case), STUDY["study"]["seeds"][0]
    folder = f"size={case['size']}/seed={seed}"
    if "n_users" in case:
        folder = f"validation/{wildcards.case}"
    return {
        "slates": f"results/{wildcards.dataset}/{folder}/slates.parquet",
        **similarity_tables(wildcards.dataset, validation_world(wildcards.case, wildcards.world)),
    }


def validation_settings(wildcards):
    """Return the settings of a case in one world."""
    case, validation = validation_case(wildcards.case), STUDY["validation"]
    return settings(
        case=wildcards.case,
        name=wildcards.world,
        world=validation_world(wildcards.case, wildcards.world),
        seed=STUDY["study"]["seeds"][0],
        n_slates=case["n_slates"],
        promotion=case["promotion"],
        replicates=validation["replicates"],
        test_replicates=validation["test_replicates"],
        permutations=validation["permutations"],
        model_replicates=case["model_replicates"],
        near_positions=STUDY["inference"]["near_positions"],
        folds=STUDY["models"]["folds"],
        policy=STUDY["policy"],
    )


def validation_files(file):
    """Return a function that gives a file of every case and world of the validation."""

    def files(wildcards):
        try:
            check_validation(STUDY)
        except NetliftError as error:
            raise WorkflowError(str(error))
        return [
            f"results/{wildcards.dataset}/validation/{case}/{world}/{file}"
            for case in STUDY["validation"]["cases"]
            for world in validation_case(case)["worlds"]
        ]

    return files


def shown_table(name, category, folder="effects"):
    """Return a table of an experiment as Snakemake's report shows it."""
    return report(
        f"results/{{experiment}}/{folder}/{name}.csv",
        caption="../report/table.rst",
        category=category,
        labels={"experiment": "{experiment}", "table": name.replace("_", " ").capitalize()},
    )


def page_files(wildcards):
    """Return what the page of an experiment needs: all that the stages before it make of it."""
    folder = Path("results", wildcards.experiment)
    if folder.parent.name == "logs":
        return [path for path in log_results(folder.name) if not path.endswith(".png")]
    files = [f"effects/{table}.csv" for table in EFFECT_TABLES]
    files += [f"models/{file}" for file in (MODEL_TABLES | POLICY_TABLES).values()]
    figures = EFFECT_FIGURES | INFERENCE_FIGURES | MODEL_FIGURES
    files += [f"figures/{figure}.svg" for figure in figures]
    files += ["items.parquet", "slate_outcomes.parquet"]
    files += ["world.json", *(f"figures/{figure}.svg" for figure in TRUTH_FIGURES)]
    return [
        *(f"{folder}/{file}" for file in files),
        *(f"{folder.parent}/figures/{figure}.svg" for figure in SLATE_FIGURES),
    ]


def ran_beside(dataset):
    """Return checksums of what sweep, validation and own logs left, if they were run.

    As a setting and not as inputs, they make the front page new and are never made for it.
    """
    folders = [Path("results", dataset, name) for name in ("sweep", "validation")]
    files = [
        path for folder in folders for end in ("csv", "svg") for path in folder.glob(f"*.{end}")
    ]
    of_logs = [
        Path("results/logs", log, "decision.json" if is_experiment(entry) else "report.html")
        for log, entry in STUDY["logs"].items()
    ]
    files += [path for path in of_logs if path.exists()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
