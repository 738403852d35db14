"""Say for every case and world whether estimates, tests and verdicts kept their promises."""

import logging

from netlift.core.tables import read_json, read_table, write_table, write_text
from netlift.studies.validation import validation_tables
from netlift.studies.validation_case import CaseResults
from netlift.studies.validation_report import summary_lines, validation_report
from netlift.workflow.job import job


def main(inputs: dict[str, list[str]], outputs: dict[str, str], source: str) -> None:
    """Read the replicates of all cases; write the tables and the page of the validation."""
    files = zip(*(inputs[name] for name in ("ledgers", "tests", "policies", "facts")), strict=True)
    cases = (CaseResults(*map(read_table, tables), read_json(facts)) for *tables, facts in files)
    judged = validation_tables(cases)
    for name, output in zip(judged, ("coverage", "test_rates", "gate_rates"), strict=True):
        write_table(judged[name], outputs[output])
    write_text(validation_report(**judged, source=source), outputs["validation_summary"])
    for line in summary_lines(**judged):
        logging.getLogger("netlift.progress").info(line)


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.wildcards.dataset,
        )
