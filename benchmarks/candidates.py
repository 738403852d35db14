"""Measure rules for which item to promote over worlds and seeds: how often one is recommended.

    .venv/bin/python benchmarks/candidates.py [--slates 3000] [--seeds 20] [--worlds logit mnl]

The default study must have been run (`make run`). Per world: how often a rule is recommended; the
known value of the recommendation (0 if there is none) and of the oracle, per 1,000 eligible slates;
the standard error of the best predicted candidate's value; how often the corrected interval holds,
given the recommendation; CPU seconds in one thread. With `--no-effect` promotion changes nothing
(world `reference` without its terms): a recommendation is then a mistake. Exit code 1 if a target
is missed.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pandas as pd
from models import RESOURCES, SCORER, builder_of, study

from netlift.core.tables import read_table
from netlift.models.candidate_codes import BEST
from netlift.models.candidate_comparison import CandidateComparison, compare_candidates
from netlift.models.folds import user_folds
from netlift.models.policies import PROMOTE
from netlift.promotion.exposure import assign_promotion
from netlift.promotion.record import Promotion
from netlift.worlds.item_similarity import item_similarity
from netlift.worlds.simulation import Simulation

LARGE = 100_000
PAYS, MIN_PASSES, MIN_CAPTURED, MIN_VALUE, MAX_MISTAKES = 50.0, 0.8, 0.5, -0.5, 0.025
MAX_SECONDS, MAX_SECONDS_LARGE, MAX_MB = 40, 360, 3000
NO_EFFECT = {
    "model": "reference",
    "attention": 0.0,
    "promoted_focal": 0.0,
    "promoted_competitor": 0.0,
    "promoted_same_cluster": 0.0,
    "promoted_displaced": 0.0,
}


def compared(items: pd.DataFrame, config: dict, seed: int) -> CandidateComparison:
    """Run the stage on one experiment."""
    slates = items.drop_duplicates("slate_id").reset_index(drop=True)
    users = slates["user_id"].to_numpy()
    fold = user_folds(users, n_folds=config["models"]["folds"], seed=seed)
    effects = pd.DataFrame({"fold": fold})
    return compare_candidates(items, slates, effects, treatment={}, seed=seed, **config["policy"])


def experiments(config: dict, n_slates: int, seeds: range, worlds: dict) -> pd.DataFrame:
    """Run every seed and world; return one row each."""
    builder, rows = builder_of(config, n_slates), []
    promotion = Promotion.from_config(config["promotions"]["to_first"])
    files = (RESOURCES / "movies.parquet", SCORER / "items.parquet")
    for seed in seeds:
        exposure = assign_promotion(builder.slates(12, seed), promotion, seed=seed)
        for name, entry in worlds.items():
            tables = map(read_table, files) if "source" in entry else (None, None)
            similarity = item_similarity(entry, *tables)
            simulation = Simulation.from_exposure(exposure, entry, similarity, seed=seed)
            items = simulation.with_candidate_effects(promotion.treatment)
            start = time.process_time()
            found = compared(items, config, seed)
            seconds = time.process_time() - start
            rows.append({"world": name, "seconds": seconds, **numbers(found)})
            print(f"  {name}, seed {seed}: {seconds:.1f} s", file=sys.stderr)
    return pd.DataFrame(rows)


def numbers(found: CandidateComparison) -> dict:
    """Return what is measured of one experiment."""
    verdict, best = found.verdict, found.policies.set_index("rule").loc[BEST]
    promotes = verdict["verdict"] == PROMOTE
    inside = verdict["lower_bound"] <= verdict["known_value"] <= verdict["upper_bound"]
    return {
        "promotes": promotes,
        "value": verdict["known_value"],
        "oracle": verdict["oracle_value"],
        "best": best["known_value"],
        "se": best["se"],
        "holds": inside if promotes else None,
        "error": verdict["value"] - verdict["known_value"] if promotes else None,
    }


def misses(row: pd.Series, n_slates: int) -> list[str]:
    """Return the names of the targets that a world misses."""
    pays = row["oracle"] >= PAYS
    large = n_slates >= LARGE
    checks = {
        "value": row["value"] < MIN_VALUE,
        "recommended": pays and row["promotes"] < MIN_PASSES,
        "share of the oracle": pays and row["value"] < MIN_CAPTURED * row["oracle"],
        "mistakes": row["oracle"] <= 0 and row["promotes"] > MAX_MISTAKES,
        "seconds": row["seconds"] > (MAX_SECONDS_LARGE if large else MAX_SECONDS),
    }
    return [name for name, missed in checks.items() if missed]


def main() -> int:
    """Measure, print a table, and return 1 if a target is missed."""
    config = study()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--slates", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--worlds", nargs="+", default=config["study"]["worlds"])
    parser.add_argument("--no-effect", action="store_true")
    options = parser.parse_args()
    worlds = {name: config["worlds"][name] for name in options.worlds}
    worlds = {"no effect": NO_EFFECT} if options.no_effect else worlds
    table = experiments(config, options.slates, range(1, options.seeds + 1), worlds)
    missed = False
    print(f"{options.slates:,} slates, {options.seeds} seeds: means over seeds\n")
    print("| world | recommended | value | oracle | best predicted | error | holds | bias | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for world, rows in table.groupby("world", sort=False):
        row = rows.drop(columns="world").astype(float).mean()
        missed_targets = misses(row, options.slates)
        missed |= bool(missed_targets)
        print(
            f"| {world} | {row['promotes']:.3f} | {row['value']:+.1f} | {row['oracle']:+.1f} | "
            f"{row['best']:+.1f} | {row['se']:.1f} | {row['holds']:.2f} | {row['error']:+.1f} | "
            f"{row['seconds']:.1f} |"
            + (f" misses: {', '.join(missed_targets)}" if missed_targets else "")
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    missed |= options.slates >= LARGE and peak > MAX_MB
    print(f"\nLargest memory: {peak:,.0f} MB (target with {LARGE:,} slates: {MAX_MB:,})")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
