"""Files that are requested by their path: a path that no rule makes is told, with the nearest."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from netlift.core.errors import NetliftError
from netlift.workflow.experiment import EXPERIMENT_PATH, FORM
from netlift.workflow.study import Study


def check_targets(
    targets: Iterable[str], patterns: Sequence[str], is_made: Callable[[str], bool], study: Study
) -> None:
    """Check that a rule makes each file that is requested below ``results/``.

    Parameters
    ----------
    targets
        What is requested: paths, or names of rules.
    patterns
        Outputs of all rules, with wildcards in braces.
    is_made
        Whether a rule makes a path.
    study
        The study, for the names that a path can have.

    Raises
    ------
    NetliftError
        Paths that no rule makes: all at once, each with the nearest path that a rule makes.
    """
    unknown = [path for path in targets if path.startswith("results/") and not is_made(path)]
    if unknown:
        told = "\n".join(f"  - {path}{_hint(path, patterns, is_made, study)}" for path in unknown)
        raise NetliftError(
            f"no rule makes what was requested:\n{told}\n"
            f"An experiment's files are below results/{FORM}/, with names from the configuration."
        )


def _hint(path: str, patterns: Sequence[str], is_made: Callable[[str], bool], study: Study) -> str:
    # Some outputs are made of some logs only.
    made = sorted(filter(is_made, _candidates(path, patterns, study)))
    near = difflib.get_close_matches(path, made, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _candidates(path: str, patterns: Sequence[str], study: Study) -> Iterator[str]:
    """Yield what the rules make, with the names that are nearest to the parts of a path."""
    chosen = _nearest_choices(path, study)
    for pattern in patterns:
        for experiment, several in (
            (EXPERIMENT_PATH, EXPERIMENT_PATH.replace("{promotion}", "{arm_promotion}")),
            ("logs/{log}", "logs/{arm_log}"),
        ):
            whole = re.sub(r"\{(\w+)[^}]*\}", r"{\1}", pattern)
            whole = whole.replace("{experiment}", experiment).replace("{several_arms}", several)
            if set(re.findall(r"\{(\w+)\}", whole)) <= set(chosen):
                yield whole.format(**chosen)


def _nearest_choices(path: str, study: Study) -> Mapping[str, str]:
    """Return a value for each wildcard: the name nearest to a part of the path, or the study's."""
    config, parts = study.config, path.split("/")
    names: dict[str, tuple[Iterable[str], str | None]] = {
        "dataset": (config["datasets"], study.dataset),
        "slates": (config["slates"], study.slates),
        "promotion": (study.promotion_entries, study.promotions[0]),
        "arm_promotion": (study.arm_promotions, None),
        "arm_log": (study.arm_logs, None),
        "world": (config["worlds"], study.worlds[0]),
        "grid": (config["grids"], None),
        "case": (config["validation"]["cases"], None),
        "log": ([*study.logs, *study.arm_logs], None),
    }
    chosen = {"study": study.name}
    for wildcard, (known, usual) in names.items():
        name = _nearest(parts, list(known)) or usual
        if name is not None:
            chosen[wildcard] = name
    for wildcard, first in (("size", study.sizes[0]), ("seed", study.seeds[0])):
        given = re.search(rf"{wildcard}=?(\d+)", path)
        chosen[wildcard] = given[1] if given else str(first)
    return chosen


def _nearest(parts: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the name that is most similar to a part of a path; None if none is similar."""
    near = [
        (difflib.SequenceMatcher(None, part, name).ratio(), name)
        for part in parts
        for name in difflib.get_close_matches(part, names, n=1, cutoff=0.7)
    ]
    return max(near)[1] if near else None
