"""Write the page of all variants of a log or a simulated experiment, and its decision."""

from pathlib import Path

from netlift.core.tables import read_table, write_json, write_table, written_whole
from netlift.report.arms import arms_decision, combined_sections, gather_arms
from netlift.report.pages import arms_page
from netlift.workflow.job import job
from netlift.workflow.log_results import remove_other_verdicts


def main(experiment: str, settings: dict, sections: list[str], outputs: dict[str, str]) -> None:
    """Read the comparison and the decisions of all variants; write what they say together.

    The variants of a log also have lists of their sections, which become one.
    """
    page, variants = outputs["page"], settings["variants"]
    # If results are in a bucket, this is the folder in which Snakemake keeps local copies.
    root = page.removesuffix(f"results/{experiment}/report.html") or "."
    data = gather_arms(experiment, settings, root=root)
    decided = arms_decision(data)
    write_json(decided, outputs["decision"])
    with written_whole(page) as temporary:
        Path(temporary).write_text(arms_page(data), encoding="utf-8")
    if sections:
        tables = {name: read_table(path) for name, path in zip(variants, sections, strict=True)}
        write_table(combined_sections(tables), outputs["sections"])
        remove_other_verdicts(Path(page).parent, decided["verdict"]["in_words"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.wildcards.several_arms,
            snakemake.params.settings,
            list(snakemake.input.get("sections", [])),
            dict(snakemake.output.items()),
        )
