"""Check a log against its contract, and sum it to slate accounts."""

from netlift.logs.entries import LogEntry
from netlift.logs.reading import account_log
from netlift.workflow.job import job

if "snakemake" in globals():
    with job(snakemake):
        account_log(
            LogEntry.from_config(snakemake.params.settings),
            dict(snakemake.output.items()),
            threads=snakemake.threads,
        )
