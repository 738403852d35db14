"""Folds for cross-fitting and for sequential validation: users are never split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from netlift.core.errors import NetliftError
from netlift.core.streams import generator


def user_folds(
    users: NDArray[np.int64], *, n_folds: int, seed: int, repetition: int = 0
) -> NDArray[np.int64]:
    """Assign slates to folds so that all slates of a user are in the same fold.

    Users come in random order, and each goes to the fold that has the fewest slates so far.

    Parameters
    ----------
    users
        Number of each slate's user, or of the randomized unit, shape (N,).
    n_folds
        Number of folds.
    seed
        Study seed.
    repetition
        Number of the repetition of cross-fitting.

    Returns
    -------
    Fold of each slate, 0 to n_folds - 1, shape (N,).

    Raises
    ------
    NetliftError
        There are fewer users than folds.
    """
    _, user, counts = np.unique(users, return_inverse=True, return_counts=True)
    if len(counts) < n_folds:
        raise NetliftError(
            f"{len(counts)} {'user' if len(counts) == 1 else 'users'} cannot be split into "
            f"{n_folds} folds: take more slates or fewer folds"
        )
    order = generator(seed, "folds", repetition).permutation(len(counts))
    # The largest first, for folds of similar size; users of equal size in random order.
    order = order[np.argsort(-counts[order], kind="stable")]
    sizes, fold_of = np.zeros(n_folds, dtype=np.int64), np.empty(len(counts), dtype=np.int64)
    for index in order:
        fold = int(np.argmin(sizes))
        fold_of[index] = fold
        sizes[fold] += counts[index]
    return fold_of[user]


def splits(
    fold: NDArray[np.int64], *, sequential: bool = False
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield which slates a model learns from and which it then predicts, fold by fold.

    Parameters
    ----------
    fold
        Fold of each slate, 0 to K - 1, shape (N,).
    sequential
        Whether models learn from the earlier folds only, so that nothing is predicted in the first.
        Models that learn from all other folds make folds depend on each other: each is evaluated
        on noise that the others were fitted to. In order, each fold is new to its models
        (Luedtke and van der Laan 2016; Wager 2024).

    Yields
    ------
    Two masks of shape (N,).
    """
    for number in range(int(sequential), int(fold.max()) + 1):
        test = fold == number
        yield (fold < number if sequential else ~test), test
