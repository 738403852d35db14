"""Say for every case and world whether estimates, tests and verdicts kept their promises."""

import logging

import pandas as pd

from netlift.core.tables import read_json, read_table, write_table, write_text
from netlift.studies.validation import coverage_table, policies_table, rejection_table
from netlift.studies.validation_report import failures, n_claims, validation_report
from netlift.workflow.job import job


def main(inputs: dict[str, list[str]], outputs: dict[str, str], source: str) -> None:
    """Read the replicates of all cases; write the tables and the page of the validation."""
    coverage, tests, policies = [], [], []
    files = (inputs["facts"], inputs["ledgers"], inputs["tests"], inputs["policies"])
    for facts_file, ledgers, tested, judged in zip(*files, strict=True):
        facts = read_json(facts_file)
        coverage.append(coverage_table(read_table(ledgers), facts))
        tests.append(rejection_table(read_table(tested), facts))
        policies.append(policies_table(read_table(judged), facts))
    tables = {
        name: pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
        for name, parts in (("coverage", coverage), ("tests", tests), ("policies", policies))
    }
    write_table(tables["coverage"], outputs["coverage"])
    write_table(tables["tests"], outputs["test_rates"])
    write_table(tables["policies"], outputs["gate_rates"])
    write_text(validation_report(**tables, source=source), outputs["validation_summary"])
    broken = list(failures(**tables))
    log = logging.getLogger("netlift.progress")
    claims = sum(n_claims(table) for table in tables.values())
    log.info("Validation: %d of %d claims kept", claims - len(broken), claims)
    for claim in broken:
        log.info("  not kept: %s: %s: %s", *claim)


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.wildcards.dataset,
        )
