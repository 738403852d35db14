"""Seeds in blocks: what one job of a sweep handles."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from netlift.core.errors import NetliftError

Result = TypeVar("Result")

_LONGEST_NAME = 200
"""Characters of a block's name; file systems allow 255."""


def expanded_seeds(entries: Iterable[int | str]) -> list[int]:
    """Return the seeds that a list of seeds and ranges names, in their order.

    Parameters
    ----------
    entries
        Numbers, and texts like "1-200", both ends among them.

    Raises
    ------
    NetliftError
        A range that ends before it starts, or a seed that is named twice.
    """
    seeds: list[int] = []
    for entry in entries:
        ends = [int(end) for end in str(entry).split("-")]
        first, last = ends[0], ends[-1]
        if last < first:
            raise NetliftError(f"{entry!r} ends before it starts; did you mean {last}-{first}?")
        seeds += range(first, last + 1)
    twice = sorted({seed for seed, count in Counter(seeds).items() if count > 1})
    if twice:
        raise NetliftError(f"{len(twice)} seeds are named twice (the first: {twice[0]})")
    return seeds


def block_name(seeds: Sequence[int]) -> str:
    """Name a block by its seeds: 3, 4, 5 and 9 are "3-5,9"."""
    ends = [place for place, seed in enumerate(seeds) if place == 0 or seed != seeds[place - 1] + 1]
    runs = [seeds[start:end] for start, end in zip(ends, [*ends[1:], len(seeds)], strict=True)]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def block_seeds(name: str) -> list[int]:
    """Return the seeds of a block."""
    return expanded_seeds(name.split(","))


def seed_blocks(seeds: Iterable[int], block_size: int, existing: Iterable[str] = ()) -> list[str]:
    """Deal seeds into blocks, and keep the blocks that there are.

    Since a seed's rows do not depend on its block, a block that was made before is taken again
    whatever its size, as long as all of its seeds are asked for: seeds that are added are the only
    ones that run.

    Parameters
    ----------
    seeds
        Study seeds.
    block_size
        Seeds of a new block at the most.
    existing
        Names of blocks that were made before.

    Returns
    -------
    Names of blocks, each seed in one of them.
    """
    waiting = set(seeds)
    kept = []
    # The largest first: of blocks that share seeds one is enough.
    for name in sorted(existing, key=lambda known: (-len(block_seeds(known)), known)):
        own = set(block_seeds(name))
        if own <= waiting:
            kept.append(name)
            waiting -= own
    left = sorted(waiting)
    while left:
        taken = left[:block_size]
        while len(block_name(taken)) > _LONGEST_NAME:
            taken = taken[: len(taken) // 2]
        kept.append(block_name(taken))
        left = left[len(taken) :]
    return sorted(kept, key=lambda name: block_seeds(name)[0])


def each_seed(work: Iterable[tuple[int, Callable[[], Result]]]) -> Iterator[Result]:
    """Yield what the work of each seed returns; seeds that fail are named after the last one.

    Parameters
    ----------
    work
        Seeds, and what is to be done for each.

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
    """Name the seeds that failed, and why.

    Raises
    ------
    NetliftError
        There are any.
    """
    if not failures:
        return
    reasons = [f"  seed {seed}: {why}" for seed, why in failures.items()]
    raise NetliftError(
        f"{len(failures)} seed{'s' if len(failures) > 1 else ''} of this block failed "
        f"({block_name(sorted(failures))}); the block is not written, other blocks are:\n"
        + "\n".join(reasons)
        + "\nFix what is wrong, or take these seeds out of sweep.seeds, and run again: what is "
        "done stays."
    )
