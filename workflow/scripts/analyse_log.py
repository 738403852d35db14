"""Say which sections of the analysis a log has, and why others are missing."""

from netlift.logs.sections import sections
from netlift.tables import write_table
from netlift.workflow import job

if "snakemake" in globals():
    with job(snakemake):
        write_table(sections(**snakemake.params.settings), snakemake.output.sections)
