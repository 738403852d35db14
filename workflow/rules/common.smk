# What the files of rules share: STUDY (the config, checked and parsed), the experiments of the
# study, and the functions that Snakemake calls with a job's wildcards.
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.utils import update_config

# Snakemake writes the path of Python into the command of a script without quotes.
if os.path.exists(sys.executable):
    sys.executable = shlex.quote(sys.executable)

from netlift.workflow.config import check_config
from netlift.workflow.contents import content
from netlift.workflow.records import difference_of, outdated_files
from netlift.workflow.experiment import (
    DESIGN_PATH,
    EXPERIMENT_PATH,
    OVER_PROMOTIONS_PATH,
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
SLATE_CHOICES = {"study": STUDY.name, "size": STUDY.sizes, "seed": STUDY.seeds}


def one_of(names):
    """Return a regular expression of names."""
    return f"(?:{'|'.join(map(re.escape, names)) or '(?!)'})"


# The names that a path can have, as regular expressions.
NAMES = {
    "dataset": one_of(STUDY.config["datasets"]),
    "slates": one_of(STUDY.config["slates"]),
    "promotion": one_of(STUDY.promotion_entries),
    "world": one_of(STUDY.config["worlds"]),
}
# Logs and promotions with several arms: each of their variants is compared with control in a folder
# NAME.VARIANT, as an experiment, and their own folder has what all of them say together.
ARM_LOGS = one_of(STUDY.arm_logs)
SIMULATED_ARMS = EXPERIMENT_PATH.format(
    **NAMES | {"promotion": one_of(STUDY.arm_promotions)}, size=r"\d+", seed=r"\d+"
)
LOG = rf"(?!{ARM_LOGS}/)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)?"


wildcard_constraints:
    **NAMES,
    study=STUDY.name,
    size=r"\d+",
    seed=r"\d+",
    grid="|".join(STUDY.config["grids"]) or "none",
    log=LOG,
    several_arms=f"logs/{ARM_LOGS}|{SIMULATED_ARMS}",
    experiment=EXPERIMENT_PATH.format(**NAMES, size=r"\d+", seed=r"\d+") + f"|logs/{LOG}",


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
unit_of, decision_settings = plain_errors(STUDY.unit), plain_errors(STUDY.decision_settings)


def scorer_tables(wildcards):
    """Return the scorer's tables, if the recipe's slates are ranked by the scorer."""
    return STUDY.scorer_tables(wildcards.dataset, wildcards.slates)


def slates_to_promote(wildcards):
    """Return the slates on which a promotion is drawn."""
    choices = dict(wildcards.items())
    choices["size"] = STUDY.rows(int(wildcards.size), wildcards.promotion)
    return f"results/{SLATES_PATH}/slates.parquet".format(**choices)


def summaries_of(wildcards):
    """Return the product summary of every promotion in every world, on the same slates."""
    experiments = STUDY.compared(int(wildcards.size), int(wildcards.seed))
    summary = named("product_summary").path
    return [summary.format(experiment=experiment.path) for experiment in experiments]


def similarity_tables(wildcards):
    """Return the tables for the similarity of items, if the world needs it."""
    return STUDY.similarity_tables(wildcards.dataset, wildcards.slates, wildcards.world)


SWEEP_JOBS = ("import_ratings", "fit_scorer", "sweep_slates", "sweep_effects")
VALIDATION_JOBS = ("import_ratings", "fit_scorer", "build_slates", "validate_case")


def sweep_design(promotion):
    """Return what the results of a sweep follow from: choices, own ratings, code."""
    choices = plain_errors(STUDY.sweep_design)(promotion)
    return settings(choices=choices, content=content_behind(SWEEP_JOBS))


def validation_design(promotion):
    """Return what the results of the validation follow from: choices, own ratings, code."""
    choices = plain_errors(STUDY.validation_design)(promotion)
    source = f"the study {STUDY.name}, promotion {promotion}"
    return settings(source=source, choices=choices, content=content_behind(VALIDATION_JOBS))


def content_behind(scripts):
    """Return the hash of the study's own ratings, and of the code of scripts and of all worlds."""
    models = {f"netlift.worlds.models.{STUDY.model(world)}" for world in STUDY.config["worlds"]}
    files = [path for script in scripts for path in source_files(script, *sorted(models))]
    return content([*rating_files(STUDY.dataset), *(os.path.relpath(path) for path in files)])


def other_results():
    """Return the state of the sweep, the validation and the logs, whose results front pages show.

    It is a setting and no input: a change rebuilds the front page, which never starts a run. For
    each there are the checksums of its files, or the reason why they are not shown: they were made
    with other settings, data or code than this study has.
    """
    folders = {"sweep": STUDY.sweep_folders, "validation": STUDY.validation_folders}
    state = {
        f"{name}s": {folder: state_of_study(name, Path(folder).name) for folder in paths}
        for name, paths in folders.items()
    }
    logs = {log: state_of_log(log) for log in STUDY.logs}
    return state | {"logs": logs | {log: state_of_arm_log(log) for log in STUDY.arm_logs}}


def state_of_study(name, promotion):
    wildcards = {"study": STUDY.name, "promotion": promotion}
    rules = (f"combine_{name}", f"plot_{name}")
    files = {rule: [path.format(**wildcards) for path in files_of(rule)] for rule in rules}
    return state_of(sum(files.values(), []), {rule: files[rule][0] for rule in rules}, wildcards)


def state_of_log(log):
    entry, wildcards = STUDY.logs[log], {"experiment": f"logs/{log}", "log": log}
    made = outputs_of_log(**entry.analysis)
    page = "write_report" if entry.is_experiment else "describe_log"
    files = [f"results/logs/{log}/report.html"]
    files += [f"results/logs/{log}/decision.json"] if entry.is_experiment else []
    rules = {maker(output, of_log=True): output.path.format(**wildcards) for output in made}
    if entry.contrast is not None:
        rules[f"account_arms_{log.split('.')[0]}"] = rules.pop("account_log")
    return state_of(files, rules | {page: files[0]}, wildcards)


def state_of_arm_log(log):
    files = [f"results/logs/{log}/{page}" for page in ("report.html", "decision.json")]
    wildcards = {"several_arms": f"logs/{log}"}
    rules = ("compare_arms", "plot_arms")
    made = {rule: files_of(rule)[0].format(**wildcards) for rule in rules}
    return state_of(files, made | {"report_arms": files[0]}, wildcards)


def state_of(files, rules, wildcards):
    """Return the checksums of existing files, and why they are not current; empty if they are.

    ``rules`` has one file of each rule behind them.
    """
    existing = [path for path in files if os.path.exists(path)]
    if not existing:
        return {}
    try:
        reasons = [difference(file, rule, wildcards) for rule, file in rules.items()]
        reasons += outdated_files([Path(file) for file in rules.values()], Path()).values()
        reason = next(filter(None, reasons), "")
    except WorkflowError as error:
        reason = f"the configuration has changed: {error}"
    return {"reason": reason} | {path: content([path]) for path in existing if not reason}


class Chosen(dict):
    """Wildcards as the functions of parameters use them: by attribute, or as keywords."""

    __getattr__ = dict.__getitem__


def difference(file, rule, wildcards):
    """Return why a file is not what its rule would make now; empty if it is."""
    params = workflow.get_rule(rule).params
    values = [value(Chosen(wildcards)) if callable(value) else value for value in params]
    return difference_of(Path(file), values)


def other_pages():
    """Return checksums of what the list of all studies and logs shows, but of this study's."""
    patterns = ("studies/*/verdict.json", "logs/*/decision.json", "logs/*/report.html")
    files = [path for pattern in patterns for path in Path("results").glob(pattern)]
    others = (path for path in files if path.parent != Path("results", STUDY.folder))
    return {str(path): content([path]) for path in others}
