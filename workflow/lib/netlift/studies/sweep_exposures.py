"""Slates and promotions for a block of seeds, as for single experiments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import pandas as pd

from netlift.promotion.exposure import assign_promotion
from netlift.promotion.record import Promotion
from netlift.slates.builder import SlateBuilder
from netlift.studies.seed_blocks import each_seed


def sweep_exposures(
    builder: SlateBuilder, seeds: Iterable[int], *, size: int, promotion: Promotion
) -> Iterator[pd.DataFrame]:
    """Yield the exposure table of each seed, with its ``seed``.

    Parameters
    ----------
    builder
        Builder of slates.
    seeds
        Study seeds.
    size
        Items per slate.
    promotion
        How focal items and promotions are drawn.

    Raises
    ------
    NetliftError
        A seed failed; the message names all failed seeds, after the last seed.
    """

    def exposure(seed: int) -> pd.DataFrame:
        slates = builder.slates(size, seed)
        return assign_promotion(slates, promotion, seed=seed).assign(seed=seed)

    return each_seed((seed, partial(exposure, seed)) for seed in seeds)
