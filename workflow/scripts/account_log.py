"""Check a log against its contract, and sum it to slate accounts."""

from pathlib import Path

from netlift.logs.entries import LogEntry
from netlift.logs.reading import account_log
from netlift.workflow.job import job
from netlift.workflow.log_results import remove_results

if "snakemake" in globals():
    with job(snakemake) as log:
        # Whatever was found in this log before: it is made again from here, or the log is refused.
        for page in remove_results(Path(snakemake.output.contract).parent):
            log.info("removed %s, which showed an earlier result of this log", page)
        account_log(
            LogEntry.from_config(snakemake.params.settings),
            dict(snakemake.output.items()),
            threads=snakemake.threads,
        )
