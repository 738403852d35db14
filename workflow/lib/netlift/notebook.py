"""Experiments opened in a notebook: any table and any figure in two lines.

``experiment = netlift.open_experiment("results/ml-small/size=12/seed=20260428/logit")``, then
``experiment.table("product_summary")`` or ``experiment.figure("decomposition")``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.core.errors import NetliftError
from netlift.core.tables import read_json, read_table
from netlift.figures.drawing.themes import Theme, current_theme, use_theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FIGURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "observed_effects": ("effects", ("observed_effects", "bootstrap_draws")),
    "decomposition": ("ledger", ("component_effects",)),
    "spillover_sensitivity": ("spillover", ("spillover_sensitivity", "spillover_support")),
    "risk": ("risk", ("risk_by_position", "risk_by_cluster")),
    "estimators": ("estimators", ("component_effects", "component_covariance")),
    "shares": ("shares", ("shares",)),
    "randomization_tests": ("randomization", ("randomization_tests",)),
    "leakage": ("leakage", ("leakage",)),
    "design_diagnostics": ("diagnostics", ("design_diagnostics", "power")),
    "item_level_claim": ("item_level", ("item_level_claim",)),
    "segments": ("segments", ("segments", "heterogeneity")),
    "outcome_models": ("outcome_models", ("outcome_models", "calibration")),
    "feature_importance": ("feature_importance", ("feature_importance",)),
    "aipw": ("aipw", ("aipw", "observed_effects")),
    "who_gains": ("who_gains", ("models/heterogeneity", "toc")),
    "policies": ("policies", ("policies", "verdict")),
    "known_lift_by_slate": ("ledger", ("slate_outcomes",)),
    "observed_against_known": ("ledger", ("component_effects",)),
}
"""Each figure's module and the tables that it is drawn from, in the order of its arguments."""

_FOLDERS = ("effects", "models", "")
_ENDINGS = (".csv", ".parquet", ".json")


@dataclass(frozen=True)
class Drawn:
    """A figure that a notebook shows by itself.

    Attributes
    ----------
    figure
        The matplotlib figure, to change or to put elsewhere.
    """

    figure: Figure

    def _repr_png_(self) -> bytes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        file = BytesIO()
        canvas: Any = FigureCanvasAgg(self.figure)
        canvas.print_png(file)
        return file.getvalue()

    def save(self, path: str | Path) -> None:
        """Write it as SVG and as PNG, side by side."""
        from netlift.figures.drawing.saving import save_figure

        save_figure(self.figure, path)


class OpenedExperiment:
    """One experiment's files.

    Attributes
    ----------
    folder
        Where they lie.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "slate_outcomes.parquet").exists():
            raise NetliftError(
                f"no experiment in {self.folder}: it has no slate_outcomes.parquet. Give a folder "
                "such as results/ml-small/size=12/seed=20260428/logit, and run the study first."
            )

    def __repr__(self) -> str:
        return f"netlift.open_experiment({str(self.folder)!r})"

    @property
    def tables(self) -> list[str]:
        """Names of the tables that there are."""
        files = [
            path
            for folder in _FOLDERS
            for path in sorted((self.folder / folder).glob("*"))
            if path.suffix in (".csv", ".parquet")
        ]
        stems = [path.stem for path in files]
        return [
            name if stems.index(name) == place else f"{path.parent.name}/{name}"
            for place, (name, path) in enumerate(zip(stems, files, strict=True))
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
        """What the experiment decides, as ``decision.json`` has it."""
        value: dict[str, Any] = read_json(self._path("decision"))
        return value

    def figure(self, name: str, *, theme: Theme | None = None, **options: Any) -> Drawn:
        """Draw a figure by its name in ``figures/``, such as ``decomposition``.

        Parameters
        ----------
        name
            A name in ``netlift.notebook.FIGURES``.
        theme
            ``netlift.figures.drawing.themes.DARK`` for dark paper.
        options
            Further keywords of the figure's function, such as ``source``.

        Raises
        ------
        NetliftError
            There is no such figure, or a table behind it was not made.
        """
        if name not in FIGURES:
            raise NetliftError(f"no figure {name}; there are: {', '.join(FIGURES)}")
        module, needed = FIGURES[name]
        draw: Callable[..., Figure] = getattr(import_module(f"netlift.figures.{module}"), name)
        with use_theme(theme or current_theme()):
            return Drawn(draw(*(self._read(table) for table in needed), **options))

    def _read(self, name: str) -> Any:
        path = self._path(name)
        return read_json(path) if path.suffix == ".json" else read_table(path)

    def _path(self, name: str) -> Path:
        for folder in _FOLDERS:
            for ending in _ENDINGS:
                path = self.folder / folder / f"{name}{ending}"
                if path.exists():
                    return path
        raise NetliftError(f"no table {name} in {self.folder}; there are: {', '.join(self.tables)}")


def open_experiment(folder: str | Path) -> OpenedExperiment:
    """Open an experiment's folder, to read its tables and draw its figures.

    Parameters
    ----------
    folder
        Such as ``results/ml-small/size=12/seed=20260428/logit``.

    Raises
    ------
    NetliftError
        There is no experiment.
    """
    return OpenedExperiment(folder)
