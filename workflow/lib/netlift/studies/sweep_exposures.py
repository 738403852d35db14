"""Slates and promotions for a block of seeds, as for single experiments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd

from netlift.promotion.exposure import assign_promotion
from netlift.slates.builder import SlateBuilder
from netlift.studies.seed_blocks import each_seed


def sweep_exposures(
    builder: SlateBuilder, seeds: Iterable[int], *, size: int, promotion: Mapping[str, Any]
) -> Iterator[pd.DataFrame]:
    """Yield the exposure table of each seed, with its ``seed``.

    Parameters
    ----------
    builder
        Of slates.
    seeds
        Study seeds.
    size
        Items per slate.
    promotion
        How promotions are assigned (see ``assign_promotion``).

    Raises
    ------
    NetliftError
        A seed failed; the message names all that did, after the last seed.
    """

    def exposure(seed: int) -> pd.DataFrame:
        slates = builder.slates(size, seed)
        return assign_promotion(slates, seed=seed, **promotion).assign(seed=seed)

    return each_seed((seed, partial(exposure, seed)) for seed in seeds)
