"""Compare what the jobs of finished runs used with what their rules asked for.

    .venv/bin/python benchmarks/resources.py [FOLDER ...]

Each job leaves its time, its memory and what it asked for in logs/**/*.tsv (benchmark-extended in
profiles/default). For each rule the largest of these is printed, beside what that job asked for:
Snakemake itself is added to the memory, as a cluster counts it. FOLDERs are where runs were made
(default: here). Exit code 1 if a job used more than it asked for.
"""

import argparse
import ast
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/lib"))

from netlift.workflow.resources import SNAKEMAKE_MB  # noqa: E402


def used(folder: Path) -> pd.DataFrame:
    """Read every job's record below a folder: one row per job, with what it asked for."""
    rows = []
    for file in sorted(folder.glob("logs/**/*.tsv")):
        record = pd.read_csv(file, sep="\t").iloc[-1]
        if "resources" not in record:
            sys.exit(f"{file} does not say what was asked: run it again with profiles/default")
        asked = ast.literal_eval(record["resources"])
        rows.append(
            {
                "rule": record["rule_name"],
                "MB used": float(record["max_rss"]) + SNAKEMAKE_MB,
                "MB asked": asked["mem_mb"],
                "s used": float(record["s"]),
                "s asked": 60 * asked["runtime"],
            }
        )
    if not rows:
        sys.exit(f"no logs/**/*.tsv in {folder}: run the study there first")
    return pd.DataFrame(rows)


def largest(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the tightest job of each rule: the one with the largest share of what it asked."""
    parts = []
    for unit in ("MB", "s"):
        share = jobs[f"{unit} used"] / jobs[f"{unit} asked"]
        tightest = jobs.loc[share.groupby(jobs["rule"]).idxmax()].set_index("rule")
        parts.append(tightest[[f"{unit} used", f"{unit} asked"]].round().astype(int))
    return pd.concat(parts, axis=1).assign(jobs=jobs.groupby("rule").size())


def main() -> int:
    """Print the table; return 1 if a job used more than it asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, default=[Path()])
    jobs = pd.concat([used(folder) for folder in parser.parse_args().folders])
    rules = largest(jobs)
    print(rules.to_string())
    over = rules[(rules["MB used"] > rules["MB asked"]) | (rules["s used"] > rules["s asked"])]
    if len(over):
        print(f"\n{len(over)} of {len(rules)} rules asked for too little: {', '.join(over.index)}")
    return int(len(over) > 0)


if __name__ == "__main__":
    sys.exit(main())
