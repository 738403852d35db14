"""Experiments opened in a notebook: any table and any figure in two lines.

``netlift.experiments()`` lists the folders of all experiments in ``results``. Then
``experiment = netlift.open_experiment(folder)``, and ``experiment.table("product_summary")`` or
``experiment.figure("decomposition")``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.core.errors import NetliftError
from netlift.core.tables import read_json, read_table
from netlift.figures.drawing.themes import Theme, current_theme, use_theme
from netlift.workflow.experiment import EXPERIMENT_PATH
from netlift.workflow.outputs import EXPERIMENT, FIGURES, OUTPUTS, named

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_NAMES = [output.name for output in OUTPUTS if output.folder == EXPERIMENT]
"""Outputs in the folder of an experiment or of a log."""


@dataclass(frozen=True)
class Drawn:
    """A figure that a notebook displays.

    Attributes
    ----------
    figure
        The matplotlib figure, to change or to use elsewhere.
    """

    figure: Figure

    def _repr_png_(self) -> bytes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        file = BytesIO()
        canvas: Any = FigureCanvasAgg(self.figure)
        canvas.print_png(file)
        return file.getvalue()

    def save(self, path: str | Path) -> None:
        """Write it as SVG and as PNG."""
        from netlift.figures.drawing.saving import save_figure

        save_figure(self.figure, path)


class OpenedExperiment:
    """One experiment's files, read as they are: they are not compared with any configuration.

    Attributes
    ----------
    folder
        Their folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "slate_outcomes.parquet").exists():
            raise NetliftError(
                f"no experiment in {self.folder}: it has no slate_outcomes.parquet. Give a folder "
                "such as results/ml-small/scorer/size=12/seed=20260428/to_first/logit, and run the "
                "study first; netlift.experiments() lists the folders."
            )

    def __repr__(self) -> str:
        return f"netlift.open_experiment({str(self.folder)!r})"

    @property
    def tables(self) -> list[str]:
        """Names of the tables that exist."""
        outputs = [named(name) for name in _NAMES]
        return [
            output.name
            for output in outputs
            if output.suffix in (".csv", ".parquet") and (self.folder / output.file).exists()
        ]

    def table(self, name: str) -> pd.DataFrame:
        """Read a table by its name in README.md, such as ``component_effects``.

        Raises
        ------
        NetliftError
            There is no such table.
        """
        return read_table(self._path(name))

    @property
    def decision(self) -> dict[str, Any]:
        """The content of ``decision.json``."""
        value: dict[str, Any] = read_json(self.folder / "decision.json")
        return value

    def figure(self, name: str, *, theme: Theme | None = None, **options: Any) -> Drawn:
        """Draw a figure by its name in ``figures/``, such as ``decomposition``.

        Parameters
        ----------
        name
            A name in ``netlift.workflow.outputs.FIGURES``.
        theme
            ``netlift.figures.drawing.themes.DARK`` for a dark background.
        options
            Further keyword arguments of the figure's function, such as ``source``.

        Raises
        ------
        NetliftError
            There is no such figure, or a table that it needs is missing.
        """
        known = {figure.name: figure for figure in FIGURES if figure.folder == EXPERIMENT}
        if name not in known:
            raise NetliftError(f"no figure {name}; available: {', '.join(known)}")
        module = import_module(f"netlift.figures.{known[name].module}")
        draw: Callable[..., Figure] = getattr(module, name)
        tables = [self._read(table) for table in known[name].tables]
        with use_theme(theme or current_theme()):
            return Drawn(draw(*tables, **options))

    def _read(self, name: str) -> Any:
        path = self._path(name)
        return read_json(path) if path.suffix == ".json" else read_table(path)

    def _path(self, name: str) -> Path:
        path = self.folder / named(name).file if name in _NAMES else None
        if path is None or not path.exists():
            known = ", ".join(self.tables)
            raise NetliftError(f"no table {name} in {self.folder}; available: {known}")
        return path


def open_experiment(folder: str | Path) -> OpenedExperiment:
    """Open an experiment's folder, to read its tables and draw its figures.

    Parameters
    ----------
    folder
        Such as ``results/ml-small/scorer/size=12/seed=20260428/to_first/logit``.

    Raises
    ------
    NetliftError
        There is no experiment.
    """
    return OpenedExperiment(folder)


def experiments(results: str | Path = "results") -> list[str]:
    """Return the folders of all experiments and logs that were analyzed, for ``open_experiment``.

    Parameters
    ----------
    results
        The results folder of the project.
    """
    pattern = re.sub(r"\{\w+\}", "*", EXPERIMENT_PATH)
    folders = [
        path.parent
        for place in (pattern, "logs/*")
        for path in Path(results).glob(f"{place}/slate_outcomes.parquet")
    ]
    return sorted(map(str, folders))
