# What the files of rules share: STUDY (the config, checked and parsed), the experiments of the
# study, and the functions that Snakemake calls with a job's wildcards.
import hashlib
import os
from pathlib import Path

from snakemake.utils import update_config

from netlift.workflow.config import check_config
from netlift.workflow.resources import Measured
from netlift.workflow.sources import source_files
from netlift.workflow.study import Study
from netlift.workflow.values import settings, typed

# Snakemake reads values inside a mapping on the command line as strings, even numbers.
update_config(config, plain_errors(typed)(workflow.config_settings.config))
STUDY = Study.from_config(plain_errors(check_config)(config))

# The folder of official archives does not change any result, so no rule depends on it.
if "archives" in STUDY.config:
    os.environ.update(NETLIFT_ARCHIVES=os.path.abspath(STUDY.config["archives"]))

EXPERIMENTS = [experiment.path for experiment in STUDY.experiments]
SLATE_SETS = STUDY.slate_sets
SLATE_SET_PARTS = {"dataset": STUDY.dataset, "size": STUDY.sizes, "seed": STUDY.seeds}


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


def ran_beside(dataset):
    """Return checksums of the existing results of sweep, validation and own logs.

    They are a setting and no inputs: a change rebuilds the front page, which never starts a run.
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
