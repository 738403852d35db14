"""Names that studies share: what one study makes under a name, another finds there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netlift.workflow.study import Study


def changed_names(study: Study, results: Path) -> Iterator[str]:
    """Yield a warning for each entry that another finished study has with other values.

    Parameters
    ----------
    study
        The study that is run.
    results
        The results folder, in which each study has left its configuration.
    """
    import yaml

    for path in sorted(results.glob("studies/*/config.yaml")):
        if path.parent.name == study.name:
            continue
        with path.open("rb") as file:
            other = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for group, name in _shared(study, other):
            if study.config[group][name] != other[group].get(name):
                yield (
                    f"{group}.{name} is not what the study {path.parent.name} has under this name "
                    f"({path}). Results with this name are made again, and pages of "
                    f"{path.parent.name} no longer agree with them. To keep both, give the "
                    "changed entry its own name."
                )


def _shared(study: Study, other: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what both studies use for the same folders."""
    chosen = other["study"]
    if (study.dataset, study.slates) != (other["dataset"], chosen["slates"]):
        return
    yield "slates", study.slates
    own = study.config["study"]["promotions"]
    promotions = [name for name in own if name in chosen["promotions"]]
    yield from (("promotions", name) for name in promotions)
    if promotions:
        yield from (("worlds", name) for name in study.worlds if name in chosen["worlds"])
