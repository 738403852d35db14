# What Snakemake's time stamps do not show: the content of files that no rule makes is a parameter
# of every rule that reads them, and results that were copied here without Snakemake's records get
# them from the records next to each file. Included after all rules.
import re

from netlift.core.tables import write_json
from netlift.workflow.records import restore_metadata
from netlift.workflow.running import RUN
from netlift.workflow.study import EXAMPLE_LOG

BROUGHT = ("code", "log_files", "own", "schema", "templates")
"""Names of inputs that a user or a checkout brings."""


def content_of(inputs):
    """Return a function that gives the hash of inputs' content; an example's log is made by a rule."""

    def hashed(wildcards):
        files = []
        for value in inputs:
            found = value(wildcards) if callable(value) else value
            files += [found] if isinstance(found, str) else found
        return content(file for file in files if not re.fullmatch(EXAMPLE_LOG, str(file)))

    return hashed


for made in list(workflow.rules):
    inputs = [value for name, value in made.input.items() if name in BROUGHT]
    if inputs:
        made.set_params(content=content_of(inputs))

if workflow.is_main_process:
    # What a run says at its end: `python -m netlift snakemake`.
    plain_errors(write_json)(
        {
            "experiments": EXPERIMENTS,
            "over_promotions": [
                path for path in over_promotions("compare_promotions") if "statements" in path
            ],
            "over_worlds": expand(named("world_decisions").path, **CHOICES),
            "front_page": f"{STUDY_FOLDER}/index.html".format(study=STUDY.name),
            "logs": list(STUDY.logs),
            "arm_logs": list(STUDY.arm_logs),
            "sweeps": expand(
                named("conclusion_shares").path,
                study=STUDY.name,
                promotion=STUDY.config["sweep"]["promotions"],
            ),
            "validations": expand(
                named("validation_summary").path, study=STUDY.name, promotion=STUDY.validated
            ),
        },
        RUN,
    )
    restore_metadata([Path("results"), Path("resources/datasets")])
