"""Blocks of seeds: one job of a sweep runs one block."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from netlift.core.errors import NetliftError

Result = TypeVar("Result")

_LONGEST_NAME = 200
"""Characters of a block's name; file systems allow 255."""

MOST_SEEDS = 100_000
"""Seeds of one sweep: with more, the jobs alone would be too many for Snakemake."""


def expanded_seeds(entries: Iterable[int | str]) -> list[int]:
    """Return the seeds of a list of seeds and ranges, in order.

    Parameters
    ----------
    entries
        Numbers, and strings like "1-200", both ends included.

    Raises
    ------
    NetliftError
        An entry is no range or ends before it starts, a seed is named twice, or there are more
        than ``MOST_SEEDS``.
    """
    seeds: list[int] = []
    for entry in entries:
        first, last = _ends(entry)
        if last < first:
            raise NetliftError(f"{entry!r} ends before it starts; did you mean {last}-{first}?")
        if len(seeds) + last - first >= MOST_SEEDS:
            raise NetliftError(f"more than {MOST_SEEDS:,} seeds (at {entry!r}); give fewer")
        seeds += range(first, last + 1)
    twice = sorted({seed for seed, count in Counter(seeds).items() if count > 1})
    if twice:
        raise NetliftError(f"{len(twice)} seeds are named twice (the first: {twice[0]})")
    return seeds


def _ends(entry: int | str) -> tuple[int, int]:
    ends = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", str(entry))
    if not ends:
        raise NetliftError(f"{entry!r} is no seed and no range of seeds, such as 1-200")
    return int(ends[1]), int(ends[2] or ends[1])


def block_name(seeds: Sequence[int]) -> str:
    """Name a block by its seeds: 3, 4, 5 and 9 are "3-5,9"."""
    ends = [index for index, seed in enumerate(seeds) if index == 0 or seed != seeds[index - 1] + 1]
    runs = [seeds[start:end] for start, end in zip(ends, [*ends[1:], len(seeds)], strict=True)]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def block_seeds(name: str) -> list[int]:
    """Return the seeds of a block."""
    return expanded_seeds(name.split(","))


def _seeds_of_folder(name: str) -> set[int]:
    """Return the seeds of a block that exists; none for a folder that no sweep made."""
    try:
        return set(block_seeds(name))
    except NetliftError:
        return set()


def seed_blocks(seeds: Iterable[int], block_size: int, existing: Iterable[str] = ()) -> list[str]:
    """Divide seeds into blocks, and keep existing blocks.

    Since a seed's rows do not depend on its block, an existing block of any size is used again if
    all of its seeds are requested, so that only added seeds run.

    Parameters
    ----------
    seeds
        Study seeds.
    block_size
        Maximum number of seeds of a new block.
    existing
        Names of existing blocks.

    Returns
    -------
    Names of blocks; each seed is in exactly one.
    """
    pending = set(seeds)
    kept = []
    # The largest first: one of several blocks that share seeds is enough.
    blocks = {name: _seeds_of_folder(name) for name in existing}
    for name, block in sorted(blocks.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        if block and block <= pending:
            kept.append(name)
            pending -= block
    left = sorted(pending)
    while left:
        taken = left[:block_size]
        while len(block_name(taken)) > _LONGEST_NAME:
            taken = taken[: len(taken) // 2]
        kept.append(block_name(taken))
        left = left[len(taken) :]
    return sorted(kept, key=lambda name: block_seeds(name)[0])


def each_seed(work: Iterable[tuple[int, Callable[[], Result]]]) -> Iterator[Result]:
    """Yield the result of each seed's work; after the last one, raise an error naming failed seeds.

    Parameters
    ----------
    work
        Seeds, and the function to call for each.

    Raises
    ------
    NetliftError
        The work of a seed failed (see ``name_failures``).
    """
    failures: dict[int, str] = {}
    for seed, task in work:
        try:
            result = task()
        except NetliftError as error:
            failures[seed] = str(error)
            logging.getLogger("netlift").error("seed %s: %s", seed, error)
        else:
            yield result
    name_failures(failures)


def name_failures(failures: Mapping[int, str]) -> None:
    """Raise an error that names failed seeds and their reasons, if there are any.

    Raises
    ------
    NetliftError
        There are failed seeds.
    """
    if not failures:
        return
    reasons = [f"  seed {seed}: {why}" for seed, why in failures.items()]
    raise NetliftError(
        f"{len(failures)} seed{'s' if len(failures) > 1 else ''} of this block failed "
        f"({block_name(sorted(failures))}); this block is not written, other blocks are:\n"
        + "\n".join(reasons)
        + "\nFix the cause, or remove these seeds from sweep.seeds, and run again: finished "
        "blocks are kept."
    )
