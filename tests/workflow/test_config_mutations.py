"""Damaged configurations: each is refused by name, or means what it says.

Fixed seed: 640 mutations, of 64 kinds, of the default configuration and of one with a log.
"""

import time
from contextlib import suppress

import pytest
import yaml
from configs import ROOT, merged
from mutations import CHANGES, KEYS, VALUES, Mutation, mutations, value_at

from netlift.core.errors import NetliftError
from netlift.workflow.config import check_config
from netlift.workflow.experiment import Experiment
from netlift.workflow.study import Study

SEED = 20260428
LONGEST = 5.0
"""Seconds of computing within which a configuration is accepted or refused."""


def log_config() -> dict:
    overlay = (ROOT / "config/studies/own-log.yaml").read_text(encoding="utf-8")
    return merged(yaml.safe_load(overlay))


BASES = {"default": merged(), "log": log_config()}


def evaluate(config: dict) -> dict:
    """Check a configuration, parse it, and derive what the rules take from it."""
    complete = check_config(config)
    study = Study.from_config(complete)
    for experiment in study.experiments:
        assert Experiment.parse(experiment.path) == experiment
    for make in (lambda: study.sweep, lambda: study.case_files(study.dataset, "x.parquet")):
        with suppress(NetliftError):
            make()
    for name in study.grids:
        study.grid_settings(name, study.seeds[0])
    for name in study.logs:
        study.log_settings(name)
    study.config_settings()
    return complete


def says_what_was_written(mutation: Mutation, complete: dict) -> bool:
    """Return whether the complete configuration has the value that was written."""
    try:
        given = value_at(mutation.config, mutation.place)
    except (KeyError, IndexError):  # the key was renamed: to another name that is free
        return True
    if given is None:
        return True
    return alike(given, value_at(complete, mutation.place))


def alike(given, kept) -> bool:
    if isinstance(given, dict):
        return all(alike(value, kept.get(key)) for key, value in given.items() if value is not None)
    if isinstance(given, list):
        return len(given) == len(kept) and all(map(alike, given, kept))
    if isinstance(given, str) and not isinstance(kept, str):
        return float(given) == kept
    return given == kept and isinstance(given, bool) == isinstance(kept, bool)


def names_the_place(message: str, mutation: Mutation) -> bool:
    """Return whether a message names the key, or the group that holds it."""
    words = [str(key) for key in mutation.place if isinstance(key, str)]
    return any(word in message for word in words) or "the configuration" in message


def verdict(mutation: Mutation) -> str | None:
    """Return what is wrong with the outcome of a mutation; None if nothing is."""
    begin = time.process_time()
    try:
        complete = evaluate(mutation.config)
        wrong = None if says_what_was_written(mutation, complete) else "accepted as another value"
    except NetliftError as error:
        wrong = None if names_the_place(str(error), mutation) else f"unclear: {error}"
        if len(str(error)) > 5000:
            wrong = f"a message of {len(str(error)):,} characters"
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    seconds = time.process_time() - begin
    return wrong or (f"{seconds:.1f} seconds" if seconds > LONGEST else None)


@pytest.mark.parametrize("base", BASES)
def test_a_sound_configuration_is_accepted(base):
    evaluate(BASES[base])


@pytest.mark.parametrize("kind", [*VALUES, *CHANGES, *KEYS])
def test_every_mutation_is_refused_by_name_or_means_what_it_says(kind):
    wrong = [
        f"{base}: {mutation}: {why}"
        for base, config in BASES.items()
        for mutation in mutations(config, per_kind=5, seed=SEED, kinds=[kind])
        if (why := verdict(mutation))
    ]
    assert not wrong, "\n".join(wrong)
