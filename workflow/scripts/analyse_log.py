"""List the sections of the analysis that a log has, and why others are missing."""

from netlift.core.tables import write_table
from netlift.logs.sections import sections
from netlift.workflow.job import job

if "snakemake" in globals():
    with job(snakemake):
        write_table(sections(**snakemake.params.settings), snakemake.output.sections)
