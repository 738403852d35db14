"""Write the merged, complete configuration next to the results that it made."""

from pathlib import Path

import yaml

from netlift.core.tables import written_whole
from netlift.workflow.job import job


def main(path: str, settings: dict) -> None:
    """Write the configuration as YAML; it can be used again with --configfile."""
    with written_whole(path) as temporary:
        Path(temporary).write_text(
            yaml.safe_dump(settings, allow_unicode=True, sort_keys=True), encoding="utf-8"
        )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake.output[0], snakemake.params.settings)
