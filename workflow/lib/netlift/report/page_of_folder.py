"""The page of an experiment in a results folder, written without Snakemake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from netlift.core.errors import NetliftError, unexpected_content
from netlift.core.tables import written_whole
from netlift.report.gathering import gather
from netlift.report.pages import experiment_page
from netlift.workflow.study import Study


def write_page(folder: Path, file: Path) -> None:
    """Write an experiment's page from its available outputs.

    Parameters
    ----------
    folder
        The experiment's folder, below a folder ``results``.
    file
        The page to write.

    Raises
    ------
    NetliftError
        There is no such experiment, no configuration next to it, or a file is damaged.
    """
    if file.is_dir():
        raise NetliftError(f"{file} is a folder; give the file to write")
    message = f"{folder}: a file is not as this version of Netlift writes it; run the study again"
    with unexpected_content(message):
        text = _page(folder)
    with written_whole(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _page(folder: Path) -> str:
    resolved = folder.resolve()
    root = next((parent.parent for parent in resolved.parents if parent.name == "results"), None)
    if root is None:
        raise NetliftError(f"{folder} is not in a folder results: no experiment of a study")
    name = resolved.relative_to(root / "results").as_posix()
    dataset = name.split("/")[0]
    movies = root / f"resources/datasets/{dataset}/movies.parquet"
    study = Study.from_config(_configuration(root / "results", dataset))
    settings = study.page_settings(name)
    return experiment_page(gather(name, settings, root=root, movies=movies))


def _configuration(results: Path, dataset: str) -> dict[str, Any]:
    """Return the full configuration of a data set's study; for logs, that of any study."""
    pattern = "*/config.yaml" if dataset == "logs" else f"{dataset}/config.yaml"
    path = next(iter(sorted(results.glob(pattern))), None)
    if path is None:
        raise NetliftError(f"no config.yaml in {results / dataset}: run the study first")
    try:
        configuration: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NetliftError(f"{path} is damaged; run the study again ({error})") from error
    return configuration
