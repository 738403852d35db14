"""Measure how fast each competition model computes both arms' probabilities, and its memory.

    .venv/bin/python benchmarks/worlds.py [--slates 100000] [--size 12]

One thread, on random slates whose creation is not timed. Best of three rounds.
"""

import argparse
import os
import resource
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/lib"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from netlift.workflow.schema import completed  # noqa: E402
from netlift.worlds import registry as worlds  # noqa: E402
from netlift.worlds.item_similarity import ItemSimilarity  # noqa: E402
from netlift.worlds.slates import Slates  # noqa: E402

TARGETS = {
    "reference": 700_000,
    "logit": 700_000,
    "mnl": 700_000,
    "attention_budget": 700_000,
    "cascade": 400_000,
    "nested_logit": 250_000,
    "similarity": 80_000,
}
N_ITEMS, N_CLUSTERS, N_FACTORS = 9000, 19, 32


def random_slates(n_slates: int, size: int) -> Slates:
    """Make random slates."""
    rng = np.random.default_rng(1)
    shape = n_slates, size
    focal = rng.integers(min(4, size - 1), size, n_slates)[:, None]
    column = np.arange(size)
    return Slates(
        is_focal=column == focal,
        promoted_position=np.where(column == focal, 1, column + 1 + (column < focal)),
        n_control=size,
        item=rng.integers(N_ITEMS, size=shape),
        user_effect=rng.standard_normal(n_slates),
        cluster=rng.integers(N_CLUSTERS, size=shape),
        relevance=rng.normal(4.0, 0.4, shape),
        user_liked_rate=rng.random(shape),
        item_liked_rate=rng.random(shape),
        item_popularity=rng.integers(1, 300, shape).astype(float),
    )


def random_similarity() -> ItemSimilarity:
    """Make random factors and genres."""
    rng = np.random.default_rng(2)
    items = pd.DataFrame({"item_id": np.arange(N_ITEMS)})
    factors = pd.DataFrame(rng.standard_normal((N_ITEMS, N_FACTORS))).add_prefix("factor_")
    names = np.array([f"genre {number}" for number in range(N_CLUSTERS)])
    genres = ["|".join(rng.choice(names, 2, replace=False)) for _ in range(N_ITEMS)]
    return ItemSimilarity.from_movies(
        items.assign(genres=genres), items.join(factors), "blend", 0.5
    )


def main() -> int:
    """Print a table; return 1 if a model is slower than its target."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--slates", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=12)
    options = parser.parse_args()
    slates, similarity = random_slates(options.slates, options.size), random_similarity()
    print(f"{options.slates:,} slates of {options.size}, both arms, one thread\n")
    print("| model | slates/s | target |\n|---|---|---|")
    missed = False
    for model in sorted(worlds.models(), key=lambda name: -TARGETS.get(name, 0)):
        entry = completed({"model": model, "intercept": -2.0}, worlds.schema(model))
        world = worlds.fit(entry, slates, similarity)
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            for _, block in slates.split():
                world.probabilities(block, "control")
                world.probabilities(block, "promoted")
            seconds.append(time.perf_counter() - start)
        rate, target = options.slates / min(seconds), TARGETS.get(model, 0)
        missed |= rate < target
        print(f"| {model} | {rate:,.0f} | {target:,}{' MISSED' if rate < target else ''} |")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nLargest memory: {memory:,.0f} MB")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
