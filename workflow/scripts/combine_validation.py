"""Summarize for every case and world whether estimates, tests and verdicts were reliable."""

import logging

from netlift.core.tables import read_json, read_table, write_table, write_text
from netlift.studies.validation import validation_tables
from netlift.studies.validation_case import CaseResults
from netlift.studies.validation_report import summary_lines, validation_report
from netlift.workflow.job import job


def main(inputs: dict[str, list[str]], outputs: dict[str, str], source: str) -> None:
    """Read the replicates of all cases; write the tables and the page of the validation."""
    files = zip(
        *(inputs[name] for name in ("ledgers", "tests", "policies", "segments", "facts")),
        strict=True,
    )
    cases = (CaseResults(*map(read_table, tables), read_json(facts)) for *tables, facts in files)
    results = validation_tables(cases)
    written = ("coverage", "test_rates", "gate_rates", "segment_rates")
    for table, output in zip(results.values(), written, strict=True):
        write_table(table, outputs[output])
    write_text(validation_report(**results, source=source), outputs["validation_summary"])
    for line in summary_lines(**results):
        logging.getLogger("netlift.progress").info(line)


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings["source"],
        )
