# A target that no rule makes is refused with the nearest one that this study has.
from netlift.workflow.targets import requested_targets, unknown_targets


def is_made(target):
    """Return whether a target is a rule, a file that a rule makes, or a file that exists."""
    path = os.path.relpath(target) if os.path.isabs(target) else target
    known_rule = path in {rule.name for rule in workflow.rules}
    return known_rule or os.path.exists(path) or any(r.is_producer(path) for r in workflow.rules)


def refuse_unknown_targets(targets):
    """Refuse targets that no rule makes; in a bucket, files have other names."""
    in_bucket = workflow.storage_settings and workflow.storage_settings.default_storage_provider
    unknown = [] if in_bucket else [target for target in targets if not is_made(target)]
    if unknown:
        files = [*rules.all.input, *rules.sweep.input, *rules.validate.input]
        known = [str(file) for file in files if not callable(file)]
        plain_errors(unknown_targets)(unknown, [*known, *(rule.name for rule in workflow.rules)])


refuse_unknown_targets(requested_targets(sys.argv))
