"""Measure logs: contract check, slate accounts, component effects, and the same in pandas.

    .venv/bin/python benchmarks/logs.py [--folder FOLDER] [--slates 1000000] [--large 10000000]

Makes a CSV log of 12 items per slate (the default: 12,000,000 rows, 500 MB) and a larger one in
Parquet (120,000,000 rows, 1.1 GB; --large 0 skips it), in FOLDER, where they are kept. Every step
is a separate process, as in the workflow; memory is the peak of the largest process. Two threads.
Exit code 1 if a target is missed at the default size.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/lib"))

SIZE, THREADS = 12, 2
LIMITS = {"csv": (25.0, 2000.0), "parquet": (120.0, 3000.0)}
"""Limits for both steps together, s and MB."""
TIMES_FASTER, TIMES_SMALLER = 3.0, 3.0

ENTRY = {
    "columns": {
        "slate": "impression",
        "user": "visitor",
        "item": "sku",
        "cluster": "department",
        "position": "rank",
        "focal": "candidate",
        "promoted": "boosted",
    },
    "first_position": 0,
    "outcomes": {"clicks": {"column": "clicked"}},
    "promotion": {"unit": "slate", "probability": 0.5},
    "covariates": {"item": {"relevance": "score"}},
}
EFFECTS_COLUMNS = [
    "slate_id",
    "user_id",
    "promotion_applied",
    "focal_seed_position",
    "promotion_probability",
    "randomization_unit",
    "randomization_stratum",
    "n_same_cluster",
    "n_displaced",
    "relevance_mean",
    "relevance_sd",
    "observed_clicks_direct_focal",
    "observed_clicks_same_cluster_competitor",
    "observed_clicks_other_competitor",
]


def make(path: Path, n_slates: int) -> None:
    """Write a log, if it does not exist yet."""
    if path.exists():
        return
    import duckdb

    kind = "csv, header" if path.suffix == ".csv" else "parquet, row_group_size 500000"
    slates = f"""
        SELECT range * 7 + 3 AS impression, hash(range) % ({n_slates} // 3 + 1) AS visitor,
            4 + hash(range * 31) % 8 AS focal, (hash(range * 77) % 2)::TINYINT AS boosted,
            range AS number FROM range({n_slates})"""
    rows = f"""
        SELECT impression, visitor::BIGINT AS visitor,
            (hash(number * 12 + k.range) % 8000 * {SIZE} + k.range)::INTEGER AS sku,
            (hash(number * 12 + k.range) % 15)::SMALLINT AS department, k.range::SMALLINT AS rank,
            (k.range = focal)::TINYINT AS candidate, boosted,
            (hash(number * 1001 + k.range * 13) % 1000 < 300 - 20 * k.range
                + 150 * (k.range = focal AND boosted = 1)::INTEGER)::TINYINT AS clicked,
            round(5 - 0.2 * k.range + hash(number + k.range * 99) % 100 / 100.0, 2)::FLOAT AS score
        FROM ({slates}), range({SIZE}) k"""
    with duckdb.connect() as con:
        con.execute(f"SET threads = {THREADS}")
        con.execute("SET memory_limit = '2GB'")
        con.execute(f"COPY ({rows}) TO '{path}' (FORMAT {kind})")


def account(path: str, folder: str) -> None:
    """Check and sum a log."""
    from netlift.logs.entries import LogEntry
    from netlift.logs.reading import account_log
    from netlift.workflow.schema import completed, read_schema

    entry = LogEntry.from_config(completed({**ENTRY, "path": path}, read_schema("logs")))
    outputs = {name: f"{folder}/{name}.csv" for name in ("contract", "row_counts")}
    outputs["accounts"] = f"{folder}/accounts.parquet"
    account_log(entry, outputs, threads=THREADS)


def effects(path: str, folder: str) -> None:
    """Estimate the component effects from accounts."""
    from netlift.core.tables import read_table, write_table
    from netlift.effects.ledger import component_effects

    accounts = read_table(f"{folder}/accounts.parquet", EFFECTS_COLUMNS)
    write_table(component_effects(accounts), f"{folder}/effects.csv")


def pandas_all(path: str, folder: str) -> None:
    """Do the same with pandas: read, check the contract, map, sum, estimate.

    Types are those that pandas infers; ids such as 007 are not checked to stay distinct.
    """
    import numpy as np
    import pandas as pd

    from netlift.core.tables import write_table
    from netlift.effects.accounts import slate_outcomes
    from netlift.effects.ledger import component_effects
    from netlift.inference.balance import WRONG, sample_ratio_p_value
    from netlift.promotion.exposure import map_exposure

    log = pd.read_csv(path)
    assert log.notna().all().all()
    assert np.isfinite(log["score"]).all()
    assert (log["clicked"] >= 0).all()
    assert (log["rank"] >= 0).all()
    assert log["candidate"].isin([0, 1]).all()
    assert log["boosted"].isin([0, 1]).all()
    by_slate = log.groupby("impression")
    assert (by_slate["candidate"].sum() == 1).all()
    for column in ("boosted", "visitor"):
        assert (by_slate[column].min() == by_slate[column].max()).all()
    assert not log.duplicated(["impression", "rank"]).any()
    assert not log.duplicated(["impression", "sku"]).any()
    assert (by_slate["rank"].max() == by_slate.size() - 1).all()
    log = log.sort_values(["impression", "rank"], ignore_index=True)
    slates = pd.DataFrame(
        {
            "slate_id": log["impression"],
            "user_id": log["visitor"],
            "item_id": log["sku"],
            "spillover_cluster": log["department"],
            "slate_position_seed": log["rank"] + 1,
            "relevance": log["score"],
        }
    )
    items = map_exposure(slates, log["candidate"].to_numpy() == 1, log["boosted"].to_numpy() == 1)
    items["promotion_probability"] = 0.5
    accounts = slate_outcomes(items.assign(click=log["clicked"]))
    promoted = accounts["promotion_applied"] == 1
    assert sample_ratio_p_value(int(promoted.sum()), len(accounts), 0.5, None) > WRONG
    for column in ("relevance_mean", "relevance_sd", "focal_seed_position"):
        arms = [accounts.loc[arm, column] for arm in (promoted, ~promoted)]
        error = np.sqrt(sum(arm.var() / len(arm) for arm in arms))
        assert abs(arms[0].mean() - arms[1].mean()) < 5 * error
    assert (accounts["focal_spillover_cluster"].value_counts() > 1).all()
    clicked = log.loc[log["clicked"] > 0, "clicked"]
    assert clicked.nlargest(len(clicked) // 100).sum() < 0.2 * clicked.sum()
    write_table(component_effects(accounts), f"{folder}/pandas.csv")


STEPS = {"account": account, "effects": effects, "pandas": pandas_all}


def measured(step: str, path: Path, folder: Path) -> tuple[float, float, float]:
    """Run a step in a separate process; return wall-clock seconds, CPU seconds, and MB."""
    start = time.perf_counter()
    command = [sys.executable, __file__, "--step", step, str(path), str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    busy, memory = done.stdout.split()[-2:]
    return time.perf_counter() - start, float(busy), float(memory)


def run_step(step: str, path: str, folder: str) -> None:
    """Run a step in this process; print its CPU seconds and its peak memory, MB."""
    STEPS[step](path, folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    print(used.ru_utime + used.ru_stime, peak)


def main() -> int:
    """Make logs, measure, and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "netlift-logs")
    parser.add_argument("--slates", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--step", nargs=3)
    options = parser.parse_args()
    if options.step:
        run_step(*options.step)
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    print(f"machine load: {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores")
    missed = False
    ours = (0.0, 0.0, 0.0)
    for kind, n_slates in (("csv", options.slates), ("parquet", options.large)):
        if not n_slates:
            continue
        path = options.folder / f"log-{n_slates}.{kind}"
        make(path, n_slates)
        size = path.stat().st_size / 1e6
        print(f"{n_slates * SIZE:,} rows, {kind}, {size:,.0f} MB")
        parts = [measured(step, path, options.folder) for step in ("account", "effects")]
        for step, (seconds, busy, memory) in zip(("account", "effects"), parts, strict=True):
            print(f"  {step:8} {seconds:7.1f} s ({busy:.1f} CPU-s) {memory:7,.0f} MB")
        seconds, memory = sum(part[0] for part in parts), max(part[2] for part in parts)
        print(f"  together {seconds:7.1f} s {memory:21,.0f} MB; at most {LIMITS[kind]}")
        missed |= seconds > LIMITS[kind][0] or memory > LIMITS[kind][1]
        if kind == "csv":
            ours = (seconds, sum(part[1] for part in parts), memory)
            seconds, busy, memory = measured("pandas", path, options.folder)
            print(f"  pandas   {seconds:7.1f} s ({busy:.1f} CPU-s) {memory:7,.0f} MB")
            print(f"  {seconds / ours[0]:.1f} times faster, {memory / ours[2]:.1f} times smaller")
            missed |= seconds / ours[0] < TIMES_FASTER or memory / ours[2] < TIMES_SMALLER
            same_effects(options.folder)
    return int(missed and (options.slates, options.large) == (1_000_000, 10_000_000))


def same_effects(folder: Path) -> None:
    """Compare the effects with those computed by pandas."""
    import pandas as pd

    ours, theirs = (pd.read_csv(folder / f"{name}.csv") for name in ("effects", "pandas"))
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-9)
    print("  the effects are equal")


if __name__ == "__main__":
    sys.exit(main())
