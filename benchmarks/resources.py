"""Compare the resources that jobs of finished runs used with those that their rules requested.

    .venv/bin/python benchmarks/resources.py [FOLDER ...]

Each job records its time, its memory and its requests in logs/**/*.tsv (benchmark-extended in
profiles/default). For each rule the largest of these is printed, next to what that job requested:
Snakemake itself is added to the memory, as a cluster counts it. FOLDERs are the folders of the runs
(default: this one). Exit code 1 if a job used more than it requested.
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
    """Read the records of all jobs in a folder: one row per job, with its requests."""
    rows = []
    for file in sorted(folder.glob("logs/**/*.tsv")):
        record = pd.read_csv(file, sep="\t").iloc[-1]
        if "resources" not in record:
            sys.exit(f"{file} lacks the requests: run the study again with profiles/default")
        requested = ast.literal_eval(record["resources"])
        rows.append(
            {
                "rule": record["rule_name"],
                "MB used": float(record["max_rss"]) + SNAKEMAKE_MB,
                "MB requested": requested["mem_mb"],
                "s used": float(record["s"]),
                "s requested": 60 * requested["runtime"],
            }
        )
    if not rows:
        sys.exit(f"no logs/**/*.tsv in {folder}: run the study there first")
    return pd.DataFrame(rows)


def largest(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the tightest job of each rule: the one that used the largest share of its request."""
    parts = []
    for unit in ("MB", "s"):
        share = jobs[f"{unit} used"] / jobs[f"{unit} requested"]
        tightest = jobs.loc[share.groupby(jobs["rule"]).idxmax()].set_index("rule")
        parts.append(tightest[[f"{unit} used", f"{unit} requested"]].round().astype(int))
    return pd.concat(parts, axis=1).assign(jobs=jobs.groupby("rule").size())


def main() -> int:
    """Print the table; return 1 if a job used more than it requested."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, default=[Path()])
    jobs = pd.concat([used(folder) for folder in parser.parse_args().folders])
    rules = largest(jobs)
    print(rules.to_string())
    over = rules[
        (rules["MB used"] > rules["MB requested"]) | (rules["s used"] > rules["s requested"])
    ]
    if len(over):
        print(f"\n{len(over)} of {len(rules)} rules requested too little: {', '.join(over.index)}")
    return int(len(over) > 0)


if __name__ == "__main__":
    sys.exit(main())
