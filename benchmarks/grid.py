"""Measure the time of a 10 x 10 sensitivity grid on the slates of the default study.

    .venv/bin/python benchmarks/grid.py

The default study must have been run (`make run`). One thread; reading the table is not timed.
"""

import os
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/lib"))

import yaml  # noqa: E402

from netlift.core.tables import read_table  # noqa: E402
from netlift.studies.grid import grid_effects  # noqa: E402
from netlift.workflow.config import check_config  # noqa: E402
from netlift.workflow.study import Study  # noqa: E402

MAX_SECONDS = 10
EXPOSURE = ROOT / "results/ml-small/scorer/size=12/seed=20260428/to_first/exposure.parquet"


def main() -> int:
    """Print a table; return 1 if a grid exceeds the time limit."""
    if not EXPOSURE.exists():
        sys.exit(f"{EXPOSURE}: does not exist yet; run `make run` first")
    config: dict = {}
    for name in ("datasets", "config"):
        config |= yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))
    study = Study.from_config(check_config(config))
    exposure, missed = read_table(EXPOSURE), False
    print("| grid | points | s | target |\n|---|---|---|---|")
    for name, grid in study.config["grids"].items():
        world, start = study.grid_settings(name, 20260428)["world"], time.perf_counter()
        table = grid_effects(exposure, world, grid["parameters"], seed=20260428)
        seconds = time.perf_counter() - start
        missed |= seconds > MAX_SECONDS
        print(f"| {name} | {table['point'].nunique()} | {seconds:.1f} | at most {MAX_SECONDS} |")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
