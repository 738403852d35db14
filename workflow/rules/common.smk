# What all rule files use. Needs: the merged config. Makes: STUDY (checked, complete), the studied
# experiments, and the helpers that rules name their settings and their code with.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

LIBRARY = str(Path(workflow.basedir) / "lib")
sys.path.insert(0, LIBRARY)
# Scripts run as processes of their own and find the library here.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [LIBRARY, os.environ.get("PYTHONPATH")])
)

from netlift.config import canonical, check_config
from netlift.errors import NetliftError
from netlift.workflow import source_files

try:
    STUDY = check_config(config)
except NetliftError as error:
    raise WorkflowError(str(error))

# Where to look for official archives is not a choice that makes a file, so no rule depends on it.
if "archives" in STUDY:
    os.environ["NETLIFT_ARCHIVES"] = os.path.abspath(STUDY["archives"])

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
    experiment=r"[^/]+/size=\d+/seed=\d+/[^/]+",
    slate_set=r"[^/]+/size=\d+/seed=\d+",


def settings(**values):
    """Return a rule's one parameter: plain values with sorted keys, only those that it uses.

    Snakemake compares parameters as a set of their texts, without names. One sorted mapping is
    the only form in which no change can hide.
    """
    return canonical(values)


def code(script, *modules):
    """Return the script and the modules of the library that it imports, as inputs of its rule."""
    return [os.path.relpath(path) for path in source_files(script, *modules)]


def seed_of(experiment):
    """Return the study seed in an experiment's path."""
    return int(experiment.split("/seed=")[1].split("/")[0])


rule write_config:
    message:
        "Writing the merged configuration of {wildcards.dataset}"
    input:
        code=code("write_config"),
    output:
        "results/{dataset}/config.yaml",
    log:
        "logs/{dataset}/write_config.log",
    benchmark:
        "logs/{dataset}/write_config.tsv"
    params:
        settings=settings(**STUDY),
    threads: 1
    resources:
        mem_mb=200,
        runtime=5,
    script:
        "../scripts/write_config.py"
