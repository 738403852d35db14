"""The configuration of this repository, with changes."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def merged(*overlays: dict) -> dict:
    """Merge as Snakemake does: mappings key by key, everything else replaced."""
    from snakemake.common.configfile import load_configfile
    from snakemake.utils import update_config

    config: dict = {}
    for name in ("datasets", "config"):
        update_config(config, load_configfile(str(ROOT / f"config/{name}.yaml")))
    for overlay in overlays:
        update_config(config, overlay)
    return config
