"""Named streams of random numbers.

Each use of random numbers has its own stream, keyed by (study seed, stream name, block). A block is
a fixed number of consecutive slates, so what slate 1,234 draws depends neither on how many slates
come after it, nor on the number of cores, nor on how the work is split.

The generator is Philox-4x64, counter-based (Salmon, Moraes, Dror and Shaw 2011, "Parallel random
numbers: as easy as 1, 2, 3"): the key is a hash of seed and name, the block is the high word of the
counter, so that blocks can never overlap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
"""Slates per block."""

Stream = Literal[
    "assignment",
    "balance_test",
    "bootstrap",
    "candidates",
    "chosen_users",
    "focal",
    "folds",
    "half_samples",
    "outcome",
    "outcome_2",
    "outcome_3",
    "randomization_test",
    "placebo_test",
    "probabilities",
    "policy_choice",
    "policy_gate",
    "ranking",
    "replicates",
    "scorer",
    "synthetic",
    "user_effect",
    "users",
    "wild_bootstrap",
]


def generator(seed: int, stream: Stream, block: int = 0) -> np.random.Generator:
    """Return the generator of one block of one stream.

    Parameters
    ----------
    seed
        The study seed, 0 or larger.
    stream
        What the random numbers are used for.
    block
        The number of the block of slates (or of whatever else is counted), 0 or larger.
    """
    digest = hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=16).digest()
    return np.random.Generator(
        np.random.Philox(key=int.from_bytes(digest, "little"), counter=[0, 0, 0, block])
    )


def blocks(n_slates: int, size: int = BLOCK) -> Iterator[tuple[int, slice]]:
    """Yield (block number, slice of slates) over ``n_slates`` slates, in order."""
    for block, start in enumerate(range(0, n_slates, size)):
        yield block, slice(start, min(start + size, n_slates))


OUTCOME_SHEETS: tuple[Stream, ...] = ("outcome", "outcome_2", "outcome_3")
"""The outcome stream of each sheet of uniform numbers; all worlds share the first."""


def outcome_uniforms(seed: int, n_slates: int, size: int, sheets: int) -> NDArray[np.float64]:
    """Draw the numbers from which clicks are drawn, shape (sheets, n_slates, size)."""
    return np.stack(
        [slate_uniforms(seed, stream, n_slates, size) for stream in OUTCOME_SHEETS[:sheets]]
    )


def slate_uniforms(seed: int, stream: Stream, n_slates: int, width: int) -> NDArray[np.float64]:
    """Draw independent U(0, 1) numbers, ``width`` for each slate.

    Returns
    -------
    Array of shape (n_slates, width). Row ``s`` is the same for every ``n_slates`` > s.
    """
    draws = np.empty((n_slates, width))
    for block, rows in blocks(n_slates):
        whole = generator(seed, stream, block).random((BLOCK, width))
        draws[rows] = whole[: rows.stop - rows.start]
    return draws
