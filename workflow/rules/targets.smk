# What was requested: a path with a typo is told at once, with the nearest path that a rule makes.
# Included after all rules.
from snakemake.cli import get_argument_parser

from netlift.workflow.targets import check_targets


def requested():
    """Return the targets of the command line; a job in its own process has none to check."""
    if not workflow.is_main_process or Path(sys.argv[0]).name not in ("snakemake", "__main__.py"):
        return []
    return get_argument_parser().parse_known_args(sys.argv[1:])[0].targets or []


# Where files lie in a bucket, rules make them by another path.
if workflow.storage_settings.default_storage_provider is None:
    plain_errors(check_targets)(
        requested(),
        [str(file) for rule in workflow.rules for file in rule.output],
        lambda path: any(rule.is_producer(path) for rule in workflow.rules),
        STUDY,
    )
