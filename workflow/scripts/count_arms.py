"""Count the slates of each arm of a simulated design, and list them with their probabilities."""

from netlift.core.tables import read_table, write_table
from netlift.effects.arm_counts import arm_slates, drawn_arm_counts
from netlift.workflow.job import job


def main(exposure: str, counts: str, arms: str, *, variants: list[str], unit: str) -> None:
    """Read the exposure table of one variant; write the counts, and the slates with their arms."""
    slates = arm_slates(read_table(exposure))
    write_table(slates, arms)
    write_table(drawn_arm_counts(slates, variants, unit), counts)


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.exposure,
            snakemake.output.arm_counts,
            snakemake.output.arm_slates,
            **snakemake.params.settings,
        )
