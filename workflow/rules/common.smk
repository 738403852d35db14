# What the files of rules share: STUDY (the config, checked and parsed), the experiments of the
# study, and the functions that Snakemake calls with a job's wildcards.
import hashlib
import os
import re
import sys
from pathlib import Path

from snakemake.utils import update_config

from netlift.workflow.config import check_config
from netlift.workflow.experiment import (
    DESIGN_PATH,
    EXPERIMENT_PATH,
    OVER_WORLDS_PATH,
    RECIPE_PATH,
    SLATES_PATH,
    STUDY_PATH,
    SWEEP_PATH,
)
from netlift.workflow.resources import Measured
from netlift.workflow.shared import changed_names
from netlift.workflow.sources import source_files
from netlift.workflow.study import Study
from netlift.workflow.values import settings, typed

# Snakemake reads values inside a mapping on the command line as strings, even numbers.
update_config(config, plain_errors(typed)(workflow.config_settings.config))
STUDY = Study.from_config(plain_errors(check_config)(config))

# The folder of official archives does not change any result, so no rule depends on it.
if "archives" in STUDY.config:
    os.environ.update(NETLIFT_ARCHIVES=os.path.abspath(STUDY.config["archives"]))

if workflow.is_main_process:
    for warning in changed_names(STUDY, Path("results")):
        print(f"Warning: {warning}", file=sys.stderr)

EXPERIMENTS = [experiment.path for experiment in STUDY.experiments]
# What the study chooses from, by wildcard.
CHOICES = {
    "study": STUDY.name,
    "dataset": STUDY.dataset,
    "slates": STUDY.slates,
    "size": STUDY.sizes,
    "seed": STUDY.seeds,
    "promotion": STUDY.promotions,
}
# The names that a path can have, as regular expressions.
NAMES = {
    wildcard: f"(?:{'|'.join(map(re.escape, STUDY.config[group]))})"
    for wildcard, group in (
        ("dataset", "datasets"),
        ("slates", "slates"),
        ("promotion", "promotions"),
        ("world", "worlds"),
    )
}


wildcard_constraints:
    **NAMES,
    study=STUDY.name,
    size=r"\d+",
    seed=r"\d+",
    grid="|".join(STUDY.config["grids"]) or "none",
    log=r"[A-Za-z0-9_-]+",
    experiment=EXPERIMENT_PATH.format(**NAMES, size=r"\d+", seed=r"\d+") + r"|logs/[A-Za-z0-9_-]+",


def code(script, *modules):
    """Return the script and the modules of the library that it imports, as inputs of its rule.

    They are on the local disk even if all other files are in a bucket.
    """
    return [local(os.path.relpath(path)) for path in source_files(script, *modules)]


def world_code(script, world):
    """Return a script and the code behind one world, without the other competition models."""
    return code(script, f"netlift.worlds.models.{STUDY.model(world)}")


def memory(used, slates=0, ratings=0):
    """Return a function that gives the memory of a rule's jobs, from measurements."""
    measured = Measured(used, slates, ratings)
    return lambda wildcards, attempt: measured.memory(STUDY, dict(wildcards.items()), attempt)


def minutes(seconds, slates=0, ratings=0):
    """Return a function that gives the time of a rule's jobs, from measurements."""
    measured = Measured(seconds, slates, ratings)
    return lambda wildcards, attempt: measured.minutes(STUDY, dict(wildcards.items()), attempt)


log_entry = plain_errors(STUDY.log)
rating_files, log_files = plain_errors(STUDY.rating_files), plain_errors(STUDY.log_files)
sweep_files, case_files = plain_errors(STUDY.sweep_files), plain_errors(STUDY.case_files)
unit_of = plain_errors(STUDY.unit)


def scorer_tables(wildcards):
    """Return the scorer's tables, if the recipe's slates are ranked by the scorer."""
    return STUDY.scorer_tables(wildcards.dataset, wildcards.slates)


def similarity_tables(wildcards):
    """Return the tables for the similarity of items, if the world needs it."""
    return STUDY.similarity_tables(wildcards.dataset, wildcards.slates, wildcards.world)


def ran_beside():
    """Return checksums of the existing results of sweep, validation and own logs.

    They are a setting and no inputs: a change rebuilds the front page, which never starts a run.
    """
    folders = [Path("results", name) for name in STUDY.sweep_folders + STUDY.validation_folders]
    files = [
        path for folder in folders for end in ("csv", "svg") for path in folder.glob(f"*.{end}")
    ]
    of_logs = [
        Path("results/logs", log, "decision.json" if entry.is_experiment else "report.html")
        for log, entry in STUDY.logs.items()
    ]
    return checksums([*files, *(path for path in of_logs if path.exists())])


def other_pages():
    """Return checksums of what the list of all studies and logs shows, but of this study's."""
    patterns = ("studies/*/verdict.json", "logs/*/decision.json", "logs/*/report.html")
    files = [path for pattern in patterns for path in Path("results").glob(pattern)]
    return checksums(path for path in files if path.parent != Path("results", STUDY.folder))


def checksums(files):
    """Return the checksum of each file."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
