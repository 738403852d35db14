"""Memory and time that a job requests: what it was measured to use, and a margin."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from netlift.datasets.entries import n_ratings
from netlift.studies.seed_blocks import block_seeds
from netlift.workflow.experiment import Experiment
from netlift.workflow.study import Study

SNAKEMAKE_MB = 400
"""Memory of Snakemake in a job on a cluster, where one of its processes starts another: 367 MB."""

MEMORY_MARGIN = 1.5
"""Other versions of libraries, other data."""

TIME_MARGIN = 10.0
"""A slow machine, a busy disk, more cores shared; the measured time is that of an idle machine."""

LEAST_MINUTES = 5

LARGE_ROWS, LARGE_RATINGS = 1_200_000, 32_000_000
"""Item rows of 100,000 slates of 12, and ratings of MovieLens 32M: where jobs were measured."""

MEASURED_REPLICATES = 100
"""Replicates of the validation that were measured."""


@dataclass(frozen=True)
class Measured:
    """What a rule's jobs were measured to use, in MB or seconds.

    Attributes
    ----------
    used
        At 3,000 slates of 12 items.
    slates, ratings
        How much more at 100,000 slates, and with 32 million ratings.
    """

    used: float
    slates: float = 0
    ratings: float = 0

    def memory(self, study: Study, wildcards: Mapping[str, str], attempt: int) -> int:
        """Return the memory that a job requests, in MB."""
        grown = self.slates * slates_share(study, wildcards)
        return requested_mb(self.used + grown + self._for_ratings(study, wildcards), attempt)

    def minutes(self, study: Study, wildcards: Mapping[str, str], attempt: int) -> int:
        """Return the time that a job requests; the part for slates is needed in each repeat."""
        grown = self.slates * slates_share(study, wildcards) * repeats(study, wildcards)
        return requested_minutes(self.used + grown + self._for_ratings(study, wildcards), attempt)

    def _for_ratings(self, study: Study, wildcards: Mapping[str, str]) -> float:
        entry = study.config["datasets"].get(wildcards.get("dataset", study.dataset), {})
        return self.ratings * n_ratings(entry) / LARGE_RATINGS


def repeats(study: Study, wildcards: Mapping[str, str]) -> float:
    """Return how often a job does its work: for each seed of a block, each hundred replicates."""
    if "seeds" in wildcards:
        return len(block_seeds(wildcards["seeds"]))
    if "case" in wildcards:
        return float(study.config["validation"]["replicates"] / MEASURED_REPLICATES)
    return 1


def slates_share(study: Study, wildcards: Mapping[str, str]) -> float:
    """Return the item rows of a job's slates over those of 100,000 slates of 12 items.

    The length of a log is not known before it is read, so the share is taken to be 1.
    """
    path = wildcards.get("experiment", wildcards.get("several_arms"))
    if "log" in wildcards or (path and path.startswith("logs/")):
        return 1
    if "case" in wildcards:
        case = study.case(wildcards["case"])
        return float(case.n_slates * case.size / LARGE_ROWS)
    chosen = vars(Experiment.parse(path)) if path else wildcards
    n_slates = study.recipe(chosen.get("slates", study.slates))["n_slates"]
    return float(n_slates * int(chosen.get("size", max(study.sizes))) / LARGE_ROWS)


def requested_mb(used: float, attempt: int) -> int:
    """Return the memory that a job requests.

    Parameters
    ----------
    used
        Largest memory that was measured for such a job, in MB.
    attempt
        Number of the attempt, from 1: a job that was killed for its memory requests more.

    Returns
    -------
    Megabytes.
    """
    return math.ceil((used * MEMORY_MARGIN + SNAKEMAKE_MB) * attempt)


def requested_minutes(seconds: float, attempt: int) -> int:
    """Return the time that a job requests.

    Parameters
    ----------
    seconds
        Longest time that was measured for such a job.
    attempt
        Number of the attempt, from 1: a job that was killed for its time requests more.

    Returns
    -------
    Minutes.
    """
    return math.ceil((LEAST_MINUTES + seconds * TIME_MARGIN / 60) * attempt)
