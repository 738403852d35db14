"""Check a log with several arms, and sum it to slate accounts of each variant and control."""

from pathlib import Path

from netlift.logs.entries import LogEntry
from netlift.logs.reading import account_arms
from netlift.logs.variants import contrast_entries
from netlift.workflow.job import job
from netlift.workflow.log_results import remove_results

if "snakemake" in globals():
    with job(snakemake) as log:
        settings = snakemake.params.settings
        entry = LogEntry.from_config(settings)
        contrasts = contrast_entries(settings["name"], settings)
        folder = Path(snakemake.output.arm_counts).parent
        folders = {name: folder.with_name(name) for name in contrasts}
        # Whatever was found in this log before: it is made again from here, or the log is refused.
        for path in (folder, *folders.values()):
            for page in remove_results(path):
                log.info("removed %s, which showed an earlier result of this log", page)
        account_arms(
            entry,
            {name: LogEntry.from_config(contrast) for name, contrast in contrasts.items()},
            folders,
            folder=folder,
            threads=snakemake.threads,
        )
