"""Say for every case and world whether estimates, tests and verdicts kept their promises."""

import logging

import pandas as pd

from netlift.tables import read_json, read_table, write_table
from netlift.validation import coverage_table, failures, policies_table, rejection_table
from netlift.workflow import job


def main(inputs: dict[str, list[str]], outputs: dict[str, str]) -> None:
    """Read the replicates of all cases; write the tables of the validation."""
    coverage, tests, policies = [], [], []
    files = (inputs["facts"], inputs["ledgers"], inputs["tests"], inputs["policies"])
    for facts_file, ledgers, tested, judged in zip(*files, strict=True):
        facts = read_json(facts_file)
        coverage.append(coverage_table(read_table(ledgers), facts))
        tests.append(rejection_table(read_table(tested), facts))
        verdicts = read_table(judged)
        if len(verdicts):
            policies.append(policies_table(verdicts, facts))
    tables = {
        name: pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        for name, parts in (("coverage", coverage), ("tests", tests), ("policies", policies))
    }
    for name, table in tables.items():
        write_table(table, outputs[name])
    broken = list(failures([table for table in tables.values() if len(table)]))
    log = logging.getLogger("netlift.progress")
    claims = sum(
        int((table["verdict"] != "no claim").sum()) for table in tables.values() if len(table)
    )
    log.info("Validation: %d of %d claims kept", claims - len(broken), claims)
    for claim in broken:
        log.info("  not kept: %s", claim)


if "snakemake" in globals():
    with job(snakemake):
        main(dict(snakemake.input.items()), dict(snakemake.output.items()))
