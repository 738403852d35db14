"""Pages as HTML, from records and the templates of ``workflow/report``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from netlift import __version__
from netlift.core.formatting import MINUS
from netlift.core.outcome import CLICKS, Outcome, capitalized
from netlift.effects.estimators import ESTIMATORS
from netlift.effects.several_arms import PAIR, VARIANT
from netlift.report.arms import (
    ADJUSTMENT,
    ArmsData,
    arm_bars,
    arm_tables,
    settings_text,
    statements_of,
)
from netlift.report.assumptions import assumptions, limitations
from netlift.report.described import HEADLINE, accounts_table, described_answers, lacks, positions
from netlift.report.front import Front, answers, experiments_table, net_changes
from netlift.report.gathering import PageData, design_hash, records, versions
from netlift.report.index import Index
from netlift.report.layout import log_checks, sections
from netlift.report.ledger_views import UNITS, about_estimators, ledger_views, main_estimator
from netlift.report.reference import GLOSSARY, METHODS
from netlift.report.svg import Inlined, Letters, style_sheet
from netlift.report.verdict import verdict_of
from netlift.workflow.outputs import FIGURES, GRID_CAPTION, behind

TEMPLATES = Path(__file__).parents[3] / "report"

PACKAGES = (
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "scikit-learn",
    "statsmodels",
    "lightgbm",
    "xgboost-cpu",
    "xgboost",
    "matplotlib",
    "snakemake",
    "jinja2",
)
_CAPTIONS = {figure.name: figure.caption for figure in FIGURES}

OPEN_ROWS = 8
"""Tables of at most this many rows are shown at once; longer ones open on a click."""


@dataclass(frozen=True)
class Figure:
    """A figure with what it shows, in words.

    Attributes
    ----------
    name, title, caption
        Its name, its title, and a few sentences.
    svg
        Markup that is safe to put into a page.
    """

    name: str
    title: str
    caption: str
    svg: Markup


def experiment_page(experiment: PageData) -> str:
    """Return the page of one experiment, self-contained: it loads no other file.

    A log without a promotion is not an experiment, and gets a page that says so.
    """
    if experiment.is_described:
        return described_page(experiment)
    letters = Letters()
    figures = {
        name: figure(name, letters.inline(name, text), experiment.outcome)
        for name, text in experiment.figures.items()
    }
    effects = experiment.tables["component_effects"]
    stated = experiment.table("decision_statements")
    return _render(
        "experiment.html.j2",
        letters=letters,
        outcome=experiment.outcome,
        experiment=experiment,
        title=title_of(experiment),
        verdict=verdict_of(experiment),
        statements=records(stated) if stated is not None else [],
        views=ledger_views(effects, experiment.table("observed_effects"), experiment.outcome),
        main=main_estimator(effects),
        about_estimators=about_estimators(effects, experiment.outcome),
        sections=sections(experiment),
        figures=figures,
        assumptions=assumptions(experiment),
        limitations=limitations(experiment),
        provenance=provenance(experiment),
        home=_home(experiment),
    )


def described_page(log: PageData) -> str:
    """Return the page of a log without a promotion: what it is, what it shows, what is missing."""
    return _render(
        "described.html.j2",
        letters=Letters(),
        outcome=log.outcome,
        experiment=log,
        title=title_of(log),
        headline=HEADLINE,
        answers=described_answers(log),
        accounts=accounts_table(log),
        positions=positions(log),
        lacking=lacks(log),
        checks=log_checks(log),
        provenance=provenance(log),
        home=_home(log),
    )


def front_page(front: Front, study: str, entry: Mapping[str, Any]) -> str:
    """Return the front page, self-contained.

    Parameters
    ----------
    front
        The available results of the study.
    study
        Its name.
    entry
        The data set's entry in the configuration, for its license and citation.
    """
    letters = Letters()
    figures = {
        name: figure(name, letters.inline(f"figure-{number}", text, heat_map="/grid/" in name))
        for number, (name, text) in enumerate(front.figures.items())
    }
    headline, answered = answers(front)
    first = front.experiments[0]
    return _render(
        "front.html.j2",
        letters=letters,
        front=front,
        headline=headline,
        answers=answered,
        study=study,
        nets=net_changes(front),
        rows=experiments_table(front),
        first=first,
        chosen_by={
            key: list(dict.fromkeys(summary.keys[key] for summary in front.experiments))
            for key in ("world", "promotion", "size", "seed")
        },
        figures=figures,
        entry=entry,
        versions={"netlift": __version__, "python": _python()} | versions(PACKAGES),
    )


def arms_page(data: ArmsData) -> str:
    """Return the page of several arms, self-contained: variants side by side."""
    letters = Letters()
    return _render(
        "arms.html.j2",
        letters=letters,
        outcome=data.outcome,
        data=data,
        variants=statements_of(data, VARIANT),
        pairs=statements_of(data, PAIR),
        bars=arm_bars(data),
        tables=arm_tables(data),
        figure=figure("arms", letters.inline("figure-arms", data.figure), data.outcome),
        adjustment=ADJUSTMENT,
        settings=settings_text(data),
    )


def index_page(index: Index) -> str:
    """Return the list of all studies and logs, self-contained."""
    return _render("index.html.j2", letters=Letters(), index=index)


def figure(name: str, inlined: Inlined, outcome: Outcome = CLICKS) -> Figure:
    """Return a figure with the same caption as in Snakemake's report."""
    caption = GRID_CAPTION if "/grid/" in name else _CAPTIONS.get(Path(name).stem, "")
    return Figure(name, inlined.title, outcome.fill(caption), Markup(inlined.svg))


def _home(experiment: PageData) -> str:
    """Return the path of the list of all studies, from an experiment's page."""
    return "../" * len(experiment.name.split("/")) + "index.html"


def title_of(experiment: PageData) -> str:
    """Return an experiment's title."""
    settings = experiment.settings
    if experiment.is_log:
        return str(settings["entry"].get("title") or f"Log {settings['log']}")
    data = settings["entry"].get("title") or settings["dataset"]
    return f"{data}, world {settings['world']}"


def provenance(experiment: PageData) -> dict[str, Any]:
    """Return settings, files, rules and versions behind the page."""
    rules = {file.rule for file in experiment.files.values()}
    accounts = experiment.table("accounts")
    return {
        "entry": experiment.settings["entry"],
        "settings": yaml.safe_dump(
            {**experiment.settings}, sort_keys=True, allow_unicode=True, default_flow_style=False
        ),
        "files": list(experiment.files.values()),
        "rules": behind(rules, of_log=experiment.is_log),
        "versions": {"netlift": __version__, "python": _python()} | versions(PACKAGES),
        "design_hash": None
        if accounts is None or experiment.is_described
        else design_hash(accounts),
    }


def _python() -> str:
    import platform

    return platform.python_version()


def _with_minus(sentence: str) -> str:
    """Replace hyphens before numbers by minus signs: -39.6, not 5-6."""
    return re.sub(r"(?<![\w-])-(?=\d)", MINUS, sentence)


def _render(template: str, *, letters: Letters, outcome: Outcome = CLICKS, **values: Any) -> str:
    """Fill in a template; all values are escaped except the project's figures and files."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minus"] = _with_minus
    environment.filters |= {"filled": outcome.fill, "capitalized": capitalized}
    css, script = (
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    return environment.get_template(template).render(
        **values,
        outcome=outcome,
        shown_first=UNITS[0],
        css=Markup(style_sheet() + css),
        script=Markup(script),
        letters=Markup(letters.defs()),
        glossary=GLOSSARY,
        methods=METHODS,
        estimators={name: estimator.label for name, estimator in ESTIMATORS.items()},
        units=UNITS,
        open_rows=OPEN_ROWS,
        version=__version__,
    )
