# What the files of rules share: STUDY (the config, checked and parsed), the experiments of the
# study, and what Snakemake calls with a job's wildcards.
import functools
import hashlib
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

LIBRARY = str(Path(workflow.basedir) / "lib")
sys.path.insert(0, LIBRARY)
# Scripts run as processes of their own and find the library here.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [LIBRARY, os.environ.get("PYTHONPATH")])))

from netlift.core.errors import NetliftError
from netlift.workflow.config import check_config
from netlift.workflow.resources import Measured
from netlift.workflow.sources import source_files
from netlift.workflow.study import Study
from netlift.workflow.values import settings, typed


def plain_errors(function):
    """Return a function whose errors in the study Snakemake tells without a traceback."""

    @functools.wraps(function)
    def call(*arguments):
        try:
            return function(*arguments)
        except NetliftError as error:
            raise WorkflowError(str(error))

    return call


# Snakemake reads values inside a mapping on the command line as texts, numbers too.
update_config(config, typed(workflow.config_settings.config))
STUDY = Study.from_config(plain_errors(check_config)(config))

# Where to look for official archives is not a choice that makes a file, so no rule depends on it.
if "archives" in STUDY.config:
    os.environ.update(NETLIFT_ARCHIVES=os.path.abspath(STUDY.config["archives"]))

EXPERIMENTS = [experiment.path for experiment in STUDY.experiments]
SLATE_SETS = STUDY.slate_sets


wildcard_constraints:
    dataset="|".join(STUDY.config["datasets"]),
    size=r"\d+",
    seed=r"\d+",
    world="|".join(STUDY.config["worlds"]),
    grid="|".join(STUDY.config["grids"]) or "none",
    log=r"[A-Za-z0-9_-]+",
    experiment=r"[^/]+/size=\d+/seed=\d+/[^/]+|logs/[^/]+",
    slate_set=r"[^/]+/size=\d+/seed=\d+",


def code(script, *modules):
    """Return the script and the modules of the library that it imports, as inputs of its rule.

    They come with the workflow, also where all other files lie in a bucket.
    """
    return [local(os.path.relpath(path)) for path in source_files(script, *modules)]


def world_code(script, world):
    """Return a script and the code behind one world: of all competition models, only its own."""
    return code(script, f"netlift.worlds.models.{STUDY.model(world)}")


def memory(used, slates=0, ratings=0):
    """Return a function that gives the memory of a rule's jobs, from what was measured."""
    measured = Measured(used, slates, ratings)
    return lambda wildcards, attempt: measured.memory(STUDY, dict(wildcards.items()), attempt)


def minutes(seconds, slates=0, ratings=0):
    """Return a function that gives the time of a rule's jobs, from what was measured."""
    measured = Measured(seconds, slates, ratings)
    return lambda wildcards, attempt: measured.minutes(STUDY, dict(wildcards.items()), attempt)


log_entry = plain_errors(STUDY.log)
rating_files, log_files = plain_errors(STUDY.rating_files), plain_errors(STUDY.log_files)
sweep_files, case_files = plain_errors(STUDY.sweep_files), plain_errors(STUDY.case_files)
unit_of = plain_errors(STUDY.unit)


def analysis_of_log(wildcards):
    """Return all that can be said of a log: tables, figures, its page, and of an experiment its
    decision."""
    folder, pages = f"results/logs/{wildcards.log}", ["report.html"]
    if log_entry(wildcards.log).is_experiment:
        pages.append("decision.json")
    return log_results(wildcards.log) + [f"{folder}/{file}" for file in pages]


def log_results(log):
    """Return the tables and figures of a log: what needs no truth and, without row stages, no item
    rows; of a log without a promotion, no effects."""
    entry, folder = log_entry(log), f"results/logs/{log}"
    files = [f"{folder}/contract.csv", f"{folder}/slate_outcomes.parquet"]
    if entry.row_stages:
        files.append(f"{folder}/outcome_by_position.csv")
    if not entry.is_experiment:
        return files
    files += [f"{folder}/effects/{table}.csv" for table in LEDGER_TABLES]
    if not entry.row_stages:
        return files
    files += [f"{folder}/effects/{table}.csv" for table in EFFECT_TABLES]
    files += [f"{folder}/models/{file}" for file in (MODEL_TABLES | POLICY_TABLES).values()]
    figures = EFFECT_FIGURES | INFERENCE_FIGURES | MODEL_FIGURES
    return files + [
        f"{folder}/figures/{figure}.{format}" for figure in figures for format in ("svg", "png")
    ]


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
        Path("results/logs", log, "decision.json" if entry.is_experiment else "report.html")
        for log, entry in STUDY.logs.items()
    ]
    files += [path for path in of_logs if path.exists()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
