"""Write the item rows of a log as later stages read them."""

from netlift.logs.entries import LogEntry
from netlift.logs.reading import map_log
from netlift.workflow.job import job

if "snakemake" in globals():
    with job(snakemake):
        map_log(
            LogEntry.from_config(snakemake.params.settings),
            snakemake.input.accounts,
            snakemake.output.slate_items,
            other_accounts=list(snakemake.input.other_accounts),
            threads=snakemake.threads,
        )
