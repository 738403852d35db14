"""Targets of the command line that no rule makes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from netlift.core.errors import NetliftError
from netlift.workflow.plain import shown


def requested_targets(words: Sequence[str]) -> list[str]:
    """Return the targets of a command line of Snakemake; of any other, none.

    While the Snakefile is read, Snakemake does not tell its targets.
    """
    if not words or not words[0].endswith(("snakemake", "snakemake/__main__.py")):
        return []
    if "--target-jobs" in words:  # a job of a run whose targets were checked
        return []
    from snakemake.cli import get_argument_parser

    return list(get_argument_parser().parse_args(list(words[1:])).targets or [])


def unknown_targets(targets: Sequence[str], known: Sequence[str]) -> None:
    """Refuse targets that no rule makes, each with the nearest file or rule of the study.

    Parameters
    ----------
    targets
        Targets that no rule makes.
    known
        Files and rules of the study.

    Raises
    ------
    NetliftError
        There is at least one target.
    """
    lines = []
    for target in targets:
        near = difflib.get_close_matches(shown(target), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        lines.append(f"{shown(target)}: no rule makes this file{hint}")
    if lines:
        raise NetliftError("\n".join([*lines, "snakemake --list lists all rules."]))
