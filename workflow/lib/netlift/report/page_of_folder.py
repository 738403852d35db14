"""The page of an experiment in a results folder, written without Snakemake."""

from __future__ import annotations

from pathlib import Path

import yaml

from netlift.core.errors import NetliftError, unexpected_content
from netlift.core.tables import written_whole
from netlift.report.gathering import gather
from netlift.report.pages import experiment_page
from netlift.workflow.experiment import Experiment
from netlift.workflow.made_with import settings_of_rules
from netlift.workflow.study import Study


def write_page(folder: Path, file: Path) -> None:
    """Write an experiment's page from its available outputs.

    Files are compared, by the records next to them, with the settings of the study's configuration
    and with the files that they were made from; what differs is not shown, and the page says so.
    Not compared are the code that made them, and the content of own ratings and logs.

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
    experiment = Experiment.parse(name)
    study = _study_with(root / "results", experiment)
    settings = study.page_settings(name)
    movies = root / f"resources/datasets/{experiment.dataset}/movies.parquet"
    made_with = settings_of_rules(study, experiment)
    return experiment_page(gather(name, settings, root=root, movies=movies, made_with=made_with))


def _study_with(results: Path, experiment: Experiment) -> Study:
    """Return the study that has an experiment, or else one whose configuration names its parts.

    Raises
    ------
    NetliftError
        There is no such study, or a configuration is damaged.
    """
    paths = sorted(results.glob("studies/*/config.yaml"))
    studies = [_study_of(path) for path in paths]
    named = [study for study in studies if study.names(experiment)]
    for study in named:
        if experiment in study.experiments or experiment.log in study.logs:
            return study
    if not named:
        raise NetliftError(
            f"no study in {results / 'studies'} has the experiment {experiment.path}, by its "
            "config.yaml: run the study first"
        )
    return named[0]


def _study_of(path: Path) -> Study:
    try:
        return Study.from_config(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise NetliftError(f"{path} is damaged; run the study again ({error})") from error
