"""What a job asks of a machine: what it was measured to use, and a margin."""

from __future__ import annotations

import math

SNAKEMAKE_MB = 400
"""Memory of Snakemake beside a job on a cluster, where one process of it starts another: 367 MB."""

MEMORY_MARGIN = 1.5
"""Other versions of libraries, other data."""

TIME_MARGIN = 10.0
"""A slow machine, a busy disk, more cores shared; the measured time is that of an idle machine."""

LEAST_MINUTES = 5


def asked_mb(used: float, attempt: int) -> int:
    """Return the memory that a job asks for.

    Parameters
    ----------
    used
        Largest memory that was measured for such a job, in MB.
    attempt
        Number of the attempt, from 1: a job that was killed for its memory asks for more.

    Returns
    -------
    Megabytes.
    """
    return math.ceil((used * MEMORY_MARGIN + SNAKEMAKE_MB) * attempt)


def asked_minutes(seconds: float, attempt: int) -> int:
    """Return the time that a job asks for.

    Parameters
    ----------
    seconds
        Longest time that was measured for such a job.
    attempt
        Number of the attempt, from 1: a job that was killed for its time asks for more.

    Returns
    -------
    Minutes.
    """
    return math.ceil((LEAST_MINUTES + seconds * TIME_MARGIN / 60) * attempt)
